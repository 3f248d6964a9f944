//! The checkers: each keeps a record of its own of what replicas wrote, sent and executed, and says so
//! as soon as something must not be. None of them asks a replica what is true.

use spaxos_core::batch::Batch;
use spaxos_core::config::Config;
use spaxos_core::effect::Execution;
use spaxos_core::message::{Body, Message};
use spaxos_core::record::Record;
use spaxos_core::sessions::SessionLimits;
use spaxos_core::status::Status;
use spaxos_core::types::{Incarnation, ReplicaId, Slot};

use crate::command::Command;
use crate::figures::Figures;
use crate::machine::Outcome;
use crate::violation::{Checked, ensure};

mod agreement;
mod availability;
mod bounds;
mod branches;
mod exactly_once;
mod integrity;
mod monotonic;
mod order;
mod output;
pub(crate) mod progress;
mod reads;
mod sessions;
mod shadow;
#[cfg(test)]
mod tests;

use shadow::ShadowLog;

/// All checkers, and the logs as they see them.
#[derive(Debug)]
pub(crate) struct Checkers {
    members: Vec<ReplicaId>,
    quorum: usize,
    /// Per replica what it appended, and what of it is durable.
    appended: Vec<ShadowLog>,
    durable: Vec<ShadowLog>,
    agreement: agreement::Agreement,
    integrity: integrity::Integrity,
    order: order::Order,
    exactly_once: exactly_once::ExactlyOnce,
    sessions: sessions::Sessions,
    monotonic: monotonic::Monotonic,
    output: output::Output,
    reads: reads::Reads,
    bounds: bounds::Bounds,
    /// Rare branches that were reached.
    pub(crate) branches: Figures,
    /// Whose disk went back: it is not looked at any more, and must not be heard.
    expelled: Vec<bool>,
    /// Whose disk went back or bad: only ever a minority.
    lost: Vec<bool>,
    /// A twin has written to a lane: positions may name two contents.
    forked: bool,
}

impl Checkers {
    pub(crate) fn new(config: &Config, sessions: SessionLimits) -> Checkers {
        let replicas = config.members.len();
        Checkers {
            members: config.members.clone(),
            quorum: config.quorum(),
            appended: vec![ShadowLog::default(); replicas],
            durable: vec![ShadowLog::default(); replicas],
            agreement: agreement::Agreement::new(config.quorum()),
            integrity: integrity::Integrity::default(),
            order: order::Order::new(replicas),
            exactly_once: exactly_once::ExactlyOnce::default(),
            sessions: sessions::Sessions::new(sessions),
            monotonic: monotonic::Monotonic::new(replicas),
            output: output::Output::new(replicas),
            reads: reads::Reads::default(),
            bounds: bounds::Bounds::new(config.limits, replicas),
            branches: Figures::default(),
            expelled: vec![false; replicas],
            lost: vec![false; replicas],
            forked: false,
        }
    }

    /// The last slot that is decided, whoever knows it.
    pub(crate) fn decided(&self) -> Slot {
        self.agreement.last()
    }

    /// Whether the disk of `replica` may go back behind life `life`: every other member that may be heard
    /// would tell it, even one whose disk has gone bad, and a majority is left.
    pub(crate) fn may_expel(&self, replica: usize, id: ReplicaId, life: Incarnation) -> bool {
        let mut others = (0..self.members.len()).filter(|at| *at != replica && !self.expelled[*at]);
        let heard = |at: usize| {
            self.durable[at]
                .heard
                .get(&id)
                .is_some_and(|it| *it >= life)
        };
        self.may_lose(replica) && others.all(heard)
    }

    pub(crate) fn expel(&mut self, replica: usize) {
        self.expelled[replica] = true;
        self.lost[replica] = true;
    }

    /// Whether the disk of `replica` may go bad: a majority with good disks is left.
    pub(crate) fn may_lose(&self, replica: usize) -> bool {
        let others = (0..self.members.len()).filter(|at| *at != replica && !self.lost[*at]);
        !self.lost[replica] && others.count() >= self.quorum
    }

    /// The disk of `replica` has gone bad.
    pub(crate) fn lose(&mut self, replica: usize) {
        self.lost[replica] = true;
    }

    /// Whether the disk of `replica` has gone back or bad.
    pub(crate) fn is_lost(&self, replica: usize) -> bool {
        self.lost[replica]
    }

    pub(crate) fn is_expelled(&self, replica: usize) -> bool {
        self.expelled[replica]
    }

    pub(crate) fn expect_forks(&mut self) {
        self.forked = true;
    }

    pub(crate) fn expects_forks(&self) -> bool {
        self.forked
    }

    fn on_batch(&mut self, batch: &Batch) -> Checked {
        if self.forked {
            return Ok(());
        }
        self.integrity.on_batch(batch)
    }

    pub(crate) fn on_append(&mut self, replica: usize, record: &Record) -> Checked {
        if self.expelled[replica] {
            return Ok(());
        }
        if let Record::Batch(batch) = record {
            self.on_batch(batch)?;
        }
        let log = &mut self.appended[replica];
        branches::on_append(record, log, &mut self.branches);
        self.agreement.on_append(record, log)?;
        log.append(record)?;
        availability::on_append(record, log)
    }

    /// The next records of a replica's log have become durable.
    pub(crate) fn on_durable(&mut self, replica: usize, records: &[Record]) -> Checked {
        if self.expelled[replica] {
            return Ok(());
        }
        for record in records {
            self.durable[replica].append(record)?;
            let ballot = match record {
                Record::Vote { ballot, .. } | Record::Adoption { ballot, .. } => *ballot,
                _ => continue,
            };
            let voter = &self.durable[replica];
            let decided = self
                .agreement
                .on_durable_vote(ballot, voter, &self.durable)?;
            for slot in decided {
                availability::on_decided(slot, self.quorum, &self.agreement, &self.durable)?;
                let branches = &mut self.branches;
                branches::on_decided(slot, &self.agreement, &self.appended, branches);
            }
        }
        Ok(())
    }

    /// A start has found what was durable, and `survivors` behind it.
    pub(crate) fn on_recovered(&mut self, replica: usize, survivors: &[Record]) -> Checked {
        if self.expelled[replica] {
            return Ok(());
        }
        self.appended[replica] = self.durable[replica].clone();
        for record in survivors {
            self.appended[replica].append(record)?;
        }
        Ok(())
    }

    /// A process begins to replay its log.
    pub(crate) fn on_boot(&mut self, replica: usize) {
        self.order.on_boot(replica);
    }

    /// A life begins.
    pub(crate) fn on_start(&mut self, replica: usize, status: &Status) -> Checked {
        if self.expelled[replica] {
            return Ok(());
        }
        self.monotonic
            .on_start(replica, status, &self.durable[replica])
    }

    pub(crate) fn on_step(&mut self, replica: usize, status: &Status, outbox: usize) -> Checked {
        if self.expelled[replica] {
            return Ok(());
        }
        self.bounds.on_step(status, outbox)?;
        self.monotonic.on_step(replica, status)
    }

    /// A message leaves a replica, for `targets`.
    pub(crate) fn on_release(
        &mut self,
        replica: usize,
        message: &Message,
        targets: &[usize],
    ) -> Checked {
        let id = self.members[replica];
        if self.expelled[replica] {
            let to = targets.iter().find(|to| !self.expelled[**to]);
            return ensure(to.is_none(), "replaced members", || {
                format!("{id} lost its memory and says {}", message.body.name())
            });
        }
        let ids: Vec<ReplicaId> = targets.iter().map(|to| self.members[*to]).collect();
        branches::on_release(id, message, &ids, &mut self.branches);
        self.bounds.on_release(message)?;
        match &message.body {
            Body::Batch(batch) => self.on_batch(batch)?,
            Body::Accept { batches, .. } => {
                for batch in batches {
                    self.on_batch(batch)?;
                }
            }
            _ => {}
        }
        self.agreement.on_release(message)?;
        availability::on_propose(&message.body, &self.appended[replica], &self.agreement)?;
        self.output.on_release(
            replica,
            id,
            message,
            &self.durable[replica],
            &self.agreement,
        )?;
        self.order.on_release(&message.header)
    }

    /// A replica hands out a slot for execution, while it runs or while it replays its log.
    pub(crate) fn on_execute(&mut self, replica: usize, execution: &Execution) -> Checked {
        if self.expelled[replica] {
            return Ok(());
        }
        for batch in &execution.batches {
            self.on_batch(batch)?;
        }
        let first = self.order.on_execute(replica, execution, &self.agreement)?;
        if first {
            self.exactly_once.on_first_execution(execution)?;
            self.sessions.on_first_execution(execution)?;
        }
        Ok(())
    }

    /// That many executions wait for a replica's state machine.
    pub(crate) fn on_handed_out(&self, slots: usize, bytes: u64) -> Checked {
        self.bounds.on_execute(slots, bytes)
    }

    /// A state machine has executed a slot, and its commands came to this.
    pub(crate) fn on_outcomes(
        &self,
        replica: usize,
        slot: Slot,
        outcomes: &[Vec<Outcome>],
    ) -> Checked {
        if self.expelled[replica] {
            return Ok(());
        }
        self.sessions.on_outcomes(slot, outcomes)
    }

    pub(crate) fn on_submit(&mut self, commands: &[Command]) {
        self.exactly_once.on_submit(commands);
    }

    pub(crate) fn on_reject(&mut self, commands: &[Command]) -> Checked {
        self.exactly_once.on_reject(commands)
    }

    /// A client has the answer of a command, executed in `slot`, from a state after `applied`.
    pub(crate) fn on_acknowledge(
        &mut self,
        command: &Command,
        slot: Slot,
        applied: Slot,
    ) -> Checked {
        self.reads.on_acknowledge(applied);
        self.exactly_once.on_acknowledge(command, slot)
    }

    /// What a read that begins now must see.
    pub(crate) fn read_floor(&self) -> Slot {
        self.reads.floor()
    }

    pub(crate) fn on_read(&mut self, floor: Slot, observed: Slot) -> Checked {
        self.reads.on_read(floor, observed)
    }

    /// All acknowledged commands with their slots.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = (u64, Slot)> + '_ {
        self.exactly_once.acknowledged()
    }
}
