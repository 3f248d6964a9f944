//! How processes start, die, stand still and get to know each other.

use std::collections::VecDeque;

use spaxos_core::effect::Input;
use spaxos_core::record::{Life, Record};
use spaxos_core::recovery::Recovery;
use spaxos_core::replica::Replica;
use spaxos_core::types::ReplicaId;

use super::World;
use crate::BRANCHES;
use crate::event::{Event, Hello, Packet, Wake};
use crate::log::Opening;
use crate::machine::Machine;
use crate::process::{Running, Starting, State};
use crate::store::Failure;
use crate::violation::{Checked, ensure};

/// How often a start dies itself.
const RECOVERY_DEATH_PPM: u32 = 50_000;

impl World {
    /// Starts a process that is down: replays its log, and begins a new life that has to be durable
    /// before anything is said.
    pub(super) fn on_restart(&mut self, replica: usize) -> Checked {
        let process = &mut self.processes[replica];
        if !process.is_down() || process.buried {
            return Ok(());
        }
        process.boot += 1;
        let boot = process.boot;
        let config = self.swarm.config(process.id);
        self.checkers.on_boot(replica);
        if !self.open_log(replica)? {
            return Ok(());
        }
        let process = &mut self.processes[replica];
        let mut recovery = Recovery::new(&config);
        let mut machine = Machine::new(self.swarm.sessions, self.swarm.clients.keys);
        for record in process.log.records().to_vec() {
            for execution in recovery.replay(record) {
                self.checkers.on_execute(replica, &execution)?;
                let outcomes = machine.apply(&execution)?;
                self.checkers
                    .on_outcomes(replica, execution.slot, &outcomes)?;
            }
        }
        let life = Life {
            incarnation: recovery.last_life().incarnation.next(),
            nonce: self.chance.process.number(),
        };
        let record = Record::Incarnation(life);
        self.checkers.on_append(replica, &record)?;
        process.log.append_life(record);
        let applied = machine.applied();
        process.state = State::Starting(Box::new(Starting {
            recovery,
            life,
            machine,
        }));
        self.figures.count("start");
        self.trace
            .event(self.now_ns, replica, &[1, life.incarnation.0], || {
                format!("starts life {}, applied {applied}", life.incarnation)
            });
        let at_ns = self.now_ns + self.sync_delay(replica);
        self.queue.schedule(at_ns, Event::Started { replica, boot });
        Ok(())
    }

    /// The new life is durable: the replica begins.
    pub(super) fn on_started(&mut self, replica: usize, boot: u64) -> Checked {
        let process = &mut self.processes[replica];
        if process.boot != boot {
            return Ok(());
        }
        let starting = match std::mem::replace(&mut process.state, State::Down) {
            State::Starting(starting) => *starting,
            other => {
                process.state = other;
                return Ok(());
            }
        };
        let fresh = process.log.durable();
        if let Err(failure) = process.log.begin_life() {
            return self.on_disk_failure(replica, &failure);
        }
        self.checkers
            .on_durable(replica, &process.log.records()[fresh..])?;
        let Starting {
            recovery,
            life,
            machine,
        } = starting;
        let recovered = recovery.finish(life);
        let config = self.swarm.config(process.id);
        let seed = self.chance.process.number();
        let now = process.clock.local(self.now_ns);
        let core = Replica::new(config, recovered, seed, now);
        self.checkers.on_start(replica, &core.status())?;
        let running = Running::new(core, life, machine);
        process.state = State::Running(Box::new(running));
        self.figures.count("life");
        self.greet_all(replica);
        self.schedule_greeting(replica);
        self.tell_applied(replica)
    }

    /// Tells a new replica where its state machine is, and what waits there for time to pass.
    fn tell_applied(&mut self, replica: usize) -> Checked {
        let Some(running) = self.processes[replica].running() else {
            return Ok(());
        };
        let input = Input::Applied {
            slot: running.machine.applied(),
            next_expiry: running.machine.next_expiry(),
        };
        self.step(replica, input)
    }

    /// Opens a replica's log as its start does. False if that fails: then it is started again later, or
    /// never if the log is damaged.
    fn open_log(&mut self, replica: usize) -> Checked<bool> {
        let process = &mut self.processes[replica];
        if self.chance.disk.chance(RECOVERY_DEATH_PPM) {
            process.log.die_in_start(&mut self.chance.disk);
            self.figures.count(BRANCHES[10]);
        }
        let durable = process.log.durable();
        match process.log.open()? {
            Opening::Open { lost } => {
                let survivors = &process.log.records()[durable..];
                self.checkers.on_recovered(replica, survivors)?;
                self.checkers.on_durable(replica, survivors)?;
                if lost > 0 {
                    self.figures.count(BRANCHES[9]);
                }
                Ok(true)
            }
            Opening::Failed(failure) => {
                self.on_disk_failure(replica, &failure)?;
                Ok(false)
            }
        }
    }

    /// The disk refuses a call: the process ends, as a node does, and another start may go better,
    /// unless the log is damaged.
    pub(super) fn on_disk_failure(&mut self, replica: usize, failure: &Failure) -> Checked {
        self.trace
            .remark(self.now_ns, || format!("#{replica}: {failure:?}"));
        if let Failure::Damage(what) = failure {
            ensure(self.checkers.is_lost(replica), "log", || {
                format!("replica {replica} finds damage where none was done: {what}")
            })?;
            self.figures.count(BRANCHES[12]);
            self.processes[replica].buried = true;
        } else {
            self.figures.count("disk failure ends a process");
            let full = matches!(failure, Failure::Full(_));
            if full {
                self.figures.count(BRANCHES[11]);
            }
        }
        let power = self.chance.disk.coin();
        self.crash(replica, power)
    }

    /// A process dies; with it goes all that was not written, and with the power what was not synced.
    pub(super) fn crash(&mut self, replica: usize, power: bool) -> Checked {
        let process = &mut self.processes[replica];
        process.state = State::Down;
        process.boot += 1;
        process.settling = false;
        process.log.die(power, &mut self.chance.disk);
        let appended = process.log.records().len();
        let durable = process.log.durable();
        self.figures.count(if power {
            "fault: power cut"
        } else {
            "fault: crash"
        });
        self.trace
            .event(self.now_ns, replica, &[2, appended as u64], || {
                format!("dies, {durable} of {appended} records are durable")
            });
        let process = &mut self.processes[replica];
        if !process.buried {
            let down = self.chance.faults.skewed(self.swarm.faults.down_ns);
            let at_ns = self.now_ns + down;
            self.queue.schedule(at_ns, Event::Restart { replica });
        }
        Ok(())
    }

    /// A process stands still from now on.
    pub(super) fn pause(&mut self, replica: usize, for_ns: u64) {
        let process = &mut self.processes[replica];
        let boot = process.boot;
        let Some(running) = process.running_mut() else {
            return;
        };
        if running.backlog.is_some() {
            return;
        }
        running.backlog = Some(VecDeque::new());
        self.figures.count("fault: pause");
        self.trace
            .event(self.now_ns, replica, &[3], || "stands still".to_owned());
        let at_ns = self.now_ns + for_ns;
        self.queue.schedule(at_ns, Event::Resume { replica, boot });
    }

    /// A pause ends: everything that came in meanwhile comes at once.
    pub(super) fn on_resume(&mut self, replica: usize, boot: u64) -> Checked {
        let process = &mut self.processes[replica];
        if !process.runs(boot) {
            return Ok(());
        }
        let backlog = process.running_mut().and_then(|it| it.backlog.take());
        for wake in backlog.into_iter().flatten() {
            self.on_wake(replica, boot, wake)?;
        }
        Ok(())
    }

    /// Says hello to everybody.
    pub(super) fn greet_all(&mut self, replica: usize) {
        for peer in 0..self.processes.len() {
            if peer != replica {
                self.greet(replica, peer, false);
            }
        }
    }

    pub(super) fn greet(&mut self, replica: usize, peer: usize, reply: bool) {
        let id = self.processes[peer].id;
        let Some(running) = self.processes[replica].running() else {
            return;
        };
        let hello = Hello {
            life: running.life,
            known: running.replica.known_life(id),
            reply,
        };
        self.transmit(replica, peer, &Packet::Hello(hello));
    }

    fn schedule_greeting(&mut self, replica: usize) {
        let boot = self.processes[replica].boot;
        let at_ns = self.now_ns + self.swarm.timing.election_ns / 4;
        self.queue
            .schedule(at_ns, Event::GreetAgain { replica, boot });
    }

    /// Says hello again to those that have not answered.
    pub(super) fn on_greet_again(&mut self, replica: usize, boot: u64) -> Checked {
        if !self.processes[replica].runs(boot) {
            return Ok(());
        }
        let Some(running) = self.processes[replica].running() else {
            return Ok(());
        };
        let missing: Vec<usize> = (0..self.processes.len())
            .filter(|peer| *peer != replica && !running.greeted.contains(peer))
            .collect();
        let paused = running.backlog.is_some();
        if missing.is_empty() {
            return Ok(());
        }
        if !paused {
            for peer in missing {
                self.greet(replica, peer, false);
            }
        }
        self.schedule_greeting(replica);
        Ok(())
    }

    /// Another process has said hello.
    pub(super) fn on_hello(&mut self, replica: usize, from: usize, hello: Hello) -> Checked {
        let peer: ReplicaId = self.processes[from].id;
        let Some(running) = self.processes[replica].running_mut() else {
            return Ok(());
        };
        if !running.greeted.contains(&from) {
            running.greeted.push(from);
        }
        if !hello.reply {
            self.greet(replica, from, true);
        }
        self.step(
            replica,
            Input::Greeted {
                peer,
                life: hello.life,
                known: hello.known,
            },
        )
    }

    /// Something comes to a process: at once, or after its pause.
    pub(super) fn on_wake(&mut self, replica: usize, boot: u64, wake: Wake) -> Checked {
        let process = &mut self.processes[replica];
        if !process.runs(boot) {
            return Ok(());
        }
        if let Some(backlog) = process.running_mut().and_then(|it| it.backlog.as_mut()) {
            backlog.push_back(wake);
            return Ok(());
        }
        self.react(replica, wake)
    }
}
