//! Damage that the protocol does not survive unharmed, only notices: a disk that went back in time, and
//! batches of a twin that claims the same lane. Never more of it than it promises to notice.

use std::sync::Arc;

use spaxos_core::batch::Batch;
use spaxos_core::config::Propose;
use spaxos_core::effect::HaltReason;
use spaxos_core::message::{Body, Header, Message};
use spaxos_core::record::Record;
use spaxos_core::types::{Incarnation, Position, ReplicaId, Sequence};

use super::World;
use crate::command;
use crate::event::Packet;
use crate::store::Damage;
use crate::violation::{Checked, Violation};

impl World {
    /// A replica's disk is put back to what it was before its present life. All others know that
    /// life, and it is only ever a minority: so it must find out before it says anything.
    pub(super) fn restore(&mut self, replica: usize) -> Checked {
        let records = self.processes[replica].log.records();
        let is_life = |record: &Record| matches!(record, Record::Incarnation(_));
        let Some(at) = records.iter().rposition(is_life) else {
            return Ok(());
        };
        let Record::Incarnation(life) = &records[at] else {
            return Ok(());
        };
        let id = self.processes[replica].id;
        let alone = self.processes.len() == 1;
        if alone || !self.checkers.may_expel(replica, id, life.incarnation) {
            return Ok(());
        }
        let kept = self.chance.disk.index(at + 1);
        self.trace.remark(self.now_ns, || {
            format!("the disk of #{replica} goes back to its first {kept} records")
        });
        self.figures.count("fault: disk restored");
        self.checkers.expel(replica);
        if !self.processes[replica].is_down() {
            self.crash(replica, true)?;
        }
        self.processes[replica].log.restore(kept)
    }

    /// A place of a replica's disk goes bad, in what it has synced. Only ever a minority's: it must
    /// notice when it reads that place, and is lost from then on.
    pub(super) fn go_bad(&mut self, replica: usize, kind: Damage) -> Checked {
        let process = &mut self.processes[replica];
        if process.running().is_none() || !self.checkers.may_lose(replica) {
            return Ok(());
        }
        match process.log.damage(kind, &mut self.chance.disk) {
            Ok(place) => {
                self.checkers.lose(replica);
                self.figures.count("fault: disk gone bad");
                self.trace.remark(self.now_ns, || {
                    format!("{kind:?}: the disk of #{replica} goes bad, {place}")
                });
                Ok(())
            }
            Err(failure) => self.on_disk_failure(replica, &failure),
        }
    }

    /// Somebody sends `at` a batch of another replica's lane with a content of its own, as a second
    /// process with that replica's disk would.
    pub(super) fn forge(&mut self, lane: usize, at: usize) -> Checked {
        let Some(life) = self.processes[lane].running().map(|it| it.incarnation()) else {
            return Ok(());
        };
        // Acks carry no digest: votes by acks alone do not promise to survive this.
        let by_acks = self.swarm.modes.propose == Propose::Stable;
        if by_acks || lane == at || self.processes[at].running().is_none() {
            return Ok(());
        }
        let id = self.processes[lane].id;
        let commands = self.clients.commands(1);
        self.checkers.on_submit(&commands);
        let payload = command::encode(&commands);
        let held = self.lane_end(at, id, life);
        // Mostly the next one; now and then one that is there already.
        let behind = self.chance.faults.below(3).min(held.len() as u64) as usize;
        let before = held.len() - behind;
        let previous = before.checked_sub(1).map_or(0, |last| held[last]);
        let position = Position {
            incarnation: life,
            sequence: Sequence(before as u64 + 1),
        };
        let batch = Batch::new(id, position, previous, 1, payload, Vec::new());
        self.trace.remark(self.now_ns, || {
            format!("a twin of #{lane} sends batch {position} to #{at}")
        });
        self.figures.count("fault: batch forged");
        self.checkers.expect_forks();
        let message = Box::new(Message {
            header: Header::default(),
            body: Body::Batch(Arc::new(batch)),
        });
        let boot = self.processes[at].boot;
        self.on_deliver(
            lane,
            at,
            boot,
            Packet::Message {
                message,
                frame: None,
            },
        )
    }

    /// The digests of what a replica holds of one life of a lane, sequence 1 first.
    fn lane_end(&self, at: usize, lane: ReplicaId, life: Incarnation) -> Vec<u64> {
        let mut digests = Vec::new();
        for record in self.processes[at].log.records() {
            if let Record::Batch(batch) = record
                && batch.lane == lane
                && batch.position.incarnation == life
                && batch.position.sequence.0 == digests.len() as u64 + 1
            {
                digests.push(batch.digest);
            }
        }
        digests
    }

    /// A replica stops for good, and its driver makes durable what it wrote last. That is right if its disk went back, or if a twin wrote to a lane.
    pub(super) fn on_halt(&mut self, replica: usize, reason: HaltReason) -> Checked {
        let expected = match reason {
            HaltReason::Replaced { .. } => self.checkers.is_expelled(replica),
            HaltReason::LaneForked { .. } => self.checkers.expects_forks(),
            HaltReason::Diverged { .. } => false,
        };
        if !expected {
            let detail = format!("replica {replica} stops without need: {reason:?}");
            return Err(Violation::new("halt", detail));
        }
        self.figures.count("replica stopped for good");
        // It wrote down that it stopped, and must find that should it be started again.
        let process = &mut self.processes[replica];
        let synced = process.log.sync_all();
        process.buried = matches!(reason, HaltReason::LaneForked { .. }) || process.halted;
        process.halted = true;
        match synced {
            Ok(()) => self.crash(replica, false),
            Err(failure) => self.on_disk_failure(replica, &failure),
        }
    }

    /// A replica takes nothing more of a lane.
    pub(super) fn on_lane_stopped(&mut self, replica: usize, lane: ReplicaId) -> Checked {
        if !self.checkers.expects_forks() {
            let detail = format!("replica {replica} stops lane {lane} without need");
            return Err(Violation::new("halt", detail));
        }
        self.figures.count("lane stopped");
        Ok(())
    }
}
