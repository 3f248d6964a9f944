//! The world: all processes, the network between them, the clients and the faults, driven by one queue
//! of events in virtual time.
//!
//! Read `stepping` for what happens around one step of a replica, `lifecycle` for how processes start
//! and die, `serving` and `answering` for what clients see, `trouble` for faults, `damage` for those that are only
//! noticed, `healing` for the liveness phase, `partitions` for runs of another kind.

use bytes::Bytes;
use spaxos_core::message::Message;
use spaxos_core::types::ReplicaId;

use crate::Options;
use crate::checkers::Checkers;
use crate::clients::Clients;
use crate::clock::LocalClock;
use crate::event::{Event, EventQueue, Packet, Wake};
use crate::figures::Figures;
use crate::journal::Journal;
use crate::network::Network;
use crate::process::Process;
use crate::random::{Random, Span};
use crate::swarm::{MS, Swarm};
use crate::trace::Trace;
use crate::violation::{Checked, ensure};
use crate::wire::Wire;

mod answering;
mod damage;
mod healing;
mod lifecycle;
mod partitions;
mod serving;
mod stepping;
mod trouble;

use healing::Healing;

/// Everything there is in a run.
#[derive(Debug)]
pub(crate) struct World {
    swarm: Swarm,
    /// Virtual time since the start of the run.
    now_ns: u64,
    queue: EventQueue,
    processes: Vec<Process>,
    network: Network,
    wire: Wire,
    clients: Clients,
    journal: Journal,
    checkers: Checkers,
    pub(crate) figures: Figures,
    pub(crate) trace: Trace,
    chance: Chance,
    /// Counts partitions; each replaces the one before.
    partition: u64,
    /// Set in the liveness phase.
    healing: Option<Healing>,
    finished: bool,
}

/// The sources of chance that belong to no other part.
#[derive(Debug)]
struct Chance {
    disk: Random,
    process: Random,
    faults: Random,
}

/// More events than any healthy run needs: something runs in circles.
const EVENTS_MAX: u64 = 3_000_000;
/// More events waiting at once than any healthy run has.
const QUEUE_MAX: usize = 200_000;

impl World {
    pub(crate) fn new(seed: u64, options: &Options) -> World {
        let mut random = Random::new(seed);
        let swarm = Swarm::draw(&mut random.fork(), options);
        World::of(swarm, random, options)
    }

    fn of(swarm: Swarm, mut random: Random, options: &Options) -> World {
        let mut clocks = random.fork();
        let processes: Vec<Process> = swarm
            .members
            .iter()
            .map(|&id| Process::new(id, draw_clock(&mut clocks, &swarm), swarm.disk.log))
            .collect();
        let config = swarm.config(swarm.members[0]);
        let network = Network::new(processes.len(), swarm.network, random.fork());
        let clients = Clients::new(swarm.clients, random.fork());
        World {
            now_ns: 0,
            queue: EventQueue::default(),
            checkers: Checkers::new(&config, swarm.sessions),
            figures: Figures::default(),
            trace: Trace::new(options.trace),
            chance: Chance {
                disk: random.fork(),
                process: random.fork(),
                faults: random.fork(),
            },
            partition: 0,
            healing: None,
            finished: false,
            processes,
            network,
            wire: Wire::new(&config.limits),
            clients,
            journal: Journal::default(),
            swarm,
        }
    }

    /// What was drawn, in a line.
    pub(crate) fn setting(&self) -> String {
        self.swarm.setting()
    }

    /// Virtual nanoseconds so far.
    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// The text of the trace.
    pub(crate) fn into_trace(self) -> Vec<String> {
        self.trace.into_lines()
    }

    /// Runs both phases to their end.
    pub(crate) fn run(&mut self) -> Checked {
        let swarm = &self.swarm;
        let (members, modes) = (swarm.members.len(), swarm.modes);
        self.trace
            .remark(0, || format!("{members} replicas, {modes:?}"));
        self.trace
            .remark(0, || format!("{:?} {:?}", swarm.timing, swarm.limits));
        self.schedule_beginning();
        let mut events = 0;
        while !self.finished {
            let Some((at_ns, event)) = self.queue.pop() else {
                break;
            };
            self.now_ns = at_ns;
            events += 1;
            ensure(events < EVENTS_MAX, "progress", || {
                format!("{events} events and no end")
            })?;
            ensure(self.queue.len() < QUEUE_MAX, "bounds", || {
                format!("{} events wait", self.queue.len())
            })?;
            self.on_event(event)?;
        }
        self.figures.add("event", events);
        self.figures.merge(&self.checkers.branches);
        self.check_end()?;
        self.check_journal()
    }

    fn schedule_beginning(&mut self) {
        for replica in 0..self.processes.len() {
            let at = self.chance.process.within(Span::new(0, 20 * MS));
            self.queue.schedule(at, Event::Restart { replica });
        }
        for client in 0..self.swarm.clients.clients {
            let at = self.chance.process.within(self.swarm.clients.interval_ns);
            self.queue.schedule(at, Event::Client { client });
        }
        let first = self.chance.faults.within(self.swarm.faults.interval_ns);
        self.queue.schedule(first, Event::Fault);
        self.queue
            .schedule(self.swarm.safety_ns, Event::BeginLiveness);
    }

    fn on_event(&mut self, event: Event) -> Checked {
        match event {
            Event::Deliver {
                from,
                to,
                boot,
                packet,
            } => self.on_deliver(from, to, boot, packet),
            Event::Wake {
                replica,
                boot,
                wake,
            } => self.on_wake(replica, boot, wake),
            Event::SyncDone { replica, boot } => self.on_sync_done(replica, boot),
            Event::Settle {
                replica,
                boot,
                appended,
            } => self.on_settle(replica, boot, appended),
            Event::Started { replica, boot } => self.on_started(replica, boot),
            Event::Restart { replica } => self.on_restart(replica),
            Event::Resume { replica, boot } => self.on_resume(replica, boot),
            Event::GreetAgain { replica, boot } => self.on_greet_again(replica, boot),
            Event::Client { client } => self.on_client(client),
            Event::Fault => self.on_fault(),
            Event::HealPartition { generation } => self.on_heal_partition(generation),
            Event::HealDisk { replica } => {
                self.processes[replica].slow_disk_ns = 0;
                self.processes[replica].log.limit_room(u64::MAX);
                Ok(())
            }
            Event::HealLink { from, to } => {
                self.network.slow_down(from, to, 0);
                Ok(())
            }
            Event::BeginLiveness => self.on_begin_liveness(),
            Event::Inspect => self.on_inspect(),
        }
    }

    pub(super) fn on_deliver(
        &mut self,
        from: usize,
        to: usize,
        boot: u64,
        packet: Packet,
    ) -> Checked {
        let process = &self.processes[to];
        let late = process.boot != boot;
        let taken = match packet {
            Packet::Message { .. } => {
                process.is_connected_to(from) && (!late || self.swarm.process.late_packets)
            }
            // A greeting belongs to the connection on which it was said.
            Packet::Hello(_) => process.running().is_some() && !late,
        };
        if !taken {
            self.figures.count("packet to nobody");
            return Ok(());
        }
        let boot = process.boot;
        let wake = match packet {
            Packet::Message { message, frame } => {
                if !self.receive(from, to, &message, frame.as_ref())? {
                    return Ok(());
                }
                Wake::Message { from, message }
            }
            Packet::Hello(hello) => Wake::Hello { from, hello },
        };
        self.on_wake(to, boot, wake)
    }

    /// Takes a message from the link as the bytes that it is. False if they were damaged: then the
    /// connection is closed, and the sender greets again on a new one.
    fn receive(
        &mut self,
        from: usize,
        to: usize,
        message: &Message,
        frame: Option<&Bytes>,
    ) -> Checked<bool> {
        let Some(frame) = frame else {
            return Ok(true);
        };
        if !self.network.corrupts() {
            self.wire.check(frame, message)?;
            return Ok(true);
        }
        let damaged = self.network.damage(frame);
        self.wire.check_noticed(&damaged)?;
        self.figures.count("fault: packet damaged");
        let sender = self.processes[from].running();
        if sender.is_some_and(|running| running.backlog.is_none()) {
            self.greet(from, to, false);
        }
        Ok(false)
    }

    /// Puts a packet on the link; the network decides what becomes of it.
    fn transmit(&mut self, from: usize, to: usize, packet: &Packet) {
        let boot = self.processes[to].boot;
        let arrivals = self
            .network
            .transmit(self.now_ns, from, to, packet, &mut self.figures);
        for at_ns in arrivals {
            let packet = packet.clone();
            self.queue.schedule(
                at_ns,
                Event::Deliver {
                    from,
                    to,
                    boot,
                    packet,
                },
            );
        }
    }

    /// Schedules something for a process, in its present start.
    fn wake_later(&mut self, replica: usize, at_ns: u64, wake: Wake) {
        let boot = self.processes[replica].boot;
        let event = Event::Wake {
            replica,
            boot,
            wake,
        };
        self.queue.schedule(at_ns, event);
    }

    fn sync_delay(&mut self, replica: usize) -> u64 {
        let delay = self.chance.disk.within(self.swarm.disk.sync_ns);
        delay + self.processes[replica].slow_disk_ns
    }

    fn index_of(&self, id: ReplicaId) -> Option<usize> {
        self.swarm.members.iter().position(|member| *member == id)
    }
}

fn draw_clock(random: &mut Random, swarm: &Swarm) -> LocalClock {
    let drift_max = swarm.process.drift_ppm_max;
    let drift = random.below(2 * drift_max + 1) as i64 - drift_max as i64;
    LocalClock::new(random.below(1 << 40), drift)
}
