//! Carrying out faults.

use spaxos_core::status::Role;

use super::World;
use crate::event::{Event, Packet};
use crate::faults::{self, DiskFault, Fault, pairs};
use crate::network::CutKind;
use crate::violation::Checked;

impl World {
    /// Draws the next fault, unless the faults are over.
    pub(super) fn on_fault(&mut self) -> Checked {
        if self.healing.is_some() {
            return Ok(());
        }
        let pause = self.chance.faults.skewed(self.swarm.faults.interval_ns);
        self.queue
            .schedule(self.now_ns + pause.max(1), Event::Fault);
        let replicas = self.processes.len();
        let leader = self.leader();
        let random = &mut self.chance.faults;
        let fault = faults::draw(random, &self.swarm.faults, replicas, leader);
        match fault {
            Some(fault) => self.inflict(fault),
            None => Ok(()),
        }
    }

    /// Who leads, by the highest ballot.
    pub(super) fn leader(&self) -> Option<usize> {
        let leads = |at: usize| {
            let status = self.processes[at].running()?.replica.status();
            (status.role == Role::Leader).then_some((status.ballot, at))
        };
        let leaders = (0..self.processes.len()).filter_map(leads);
        leaders.max().map(|(_, at)| at)
    }

    fn inflict(&mut self, fault: Fault) -> Checked {
        self.trace.remark(self.now_ns, || format!("{fault:?}"));
        match fault {
            Fault::Crash { replicas, power } => {
                for replica in replicas {
                    if !self.processes[replica].is_down() {
                        self.crash(replica, power)?;
                    }
                }
            }
            Fault::CrashInStep { replica, effects } => {
                if let Some(running) = self.processes[replica].running_mut() {
                    running.dies_in = Some(effects);
                }
            }
            Fault::Disk { replica, fault } => self.inflict_on_disk(replica, fault)?,
            Fault::Forge { lane, at } => self.forge(lane, at)?,
            Fault::Pause { replica, for_ns } => self.pause(replica, for_ns),
            Fault::ClockJump { replica, by_ns } => {
                self.figures.count("fault: clock jump");
                self.processes[replica].clock.jump(by_ns);
                if let Some(running) = self.processes[replica].running_mut() {
                    running.timer_due_ns = None;
                }
                self.schedule_timer(replica, self.now_ns);
            }
            Fault::Partition { cut, kind, for_ns } => {
                self.figures.count("fault: partition");
                self.partition(&cut, kind);
                let generation = self.partition;
                let at_ns = self.now_ns + for_ns;
                self.queue
                    .schedule(at_ns, Event::HealPartition { generation });
            }
            Fault::SlowLink {
                from,
                to,
                by_ns,
                for_ns,
            } => {
                self.figures.count("fault: slow link");
                self.network.slow_down(from, to, by_ns);
                let at_ns = self.now_ns + for_ns;
                self.queue.schedule(at_ns, Event::HealLink { from, to });
            }
        }
        Ok(())
    }

    fn inflict_on_disk(&mut self, replica: usize, fault: DiskFault) -> Checked {
        let process = &mut self.processes[replica];
        let heals = match fault {
            DiskFault::Slow { by_ns, for_ns } => {
                self.figures.count("fault: slow disk");
                process.slow_disk_ns = by_ns;
                Some(for_ns)
            }
            DiskFault::Full { room_bytes, for_ns } => {
                self.figures.count("fault: full disk");
                process.log.limit_room(room_bytes);
                Some(for_ns)
            }
            DiskFault::WriteError => {
                self.figures.count("fault: write error");
                process.log.fail_write(&mut self.chance.disk);
                None
            }
            DiskFault::ReadError => {
                self.figures.count("fault: read error");
                process.log.fail_read(&mut self.chance.disk);
                None
            }
            DiskFault::Damage(kind) => return self.go_bad(replica, kind),
            DiskFault::Restore => return self.restore(replica),
        };
        if let Some(for_ns) = heals {
            let at_ns = self.now_ns + for_ns;
            self.queue.schedule(at_ns, Event::HealDisk { replica });
        }
        Ok(())
    }

    /// Cuts exactly these links.
    pub(super) fn partition(&mut self, cut: &[(usize, usize)], kind: CutKind) {
        self.partition += 1;
        for (from, to) in pairs(self.processes.len()) {
            if cut.contains(&(from, to)) {
                self.network.cut(from, to, kind);
            } else if self.network.is_cut(from, to) {
                self.heal_link(from, to);
            }
        }
    }

    /// What was held up arrives, and both ends greet each other as on a new connection.
    fn heal_link(&mut self, from: usize, to: usize) {
        for packet in self.network.heal(from, to) {
            // A greeting was said to a process that may be gone, on a connection that is.
            if !matches!(packet, Packet::Hello(_)) {
                self.transmit(from, to, &packet);
            }
        }
        let awake = |world: &World, at: usize| {
            let running = world.processes[at].running();
            running.is_some_and(|running| running.backlog.is_none())
        };
        if awake(self, from) {
            self.greet(from, to, false);
        }
    }

    pub(super) fn on_heal_partition(&mut self, generation: u64) -> Checked {
        if generation == self.partition && self.healing.is_none() {
            self.partition(&[], CutKind::Drop);
        }
        Ok(())
    }
}
