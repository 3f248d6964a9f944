//! The state machine that every replica runs: it remembers which commands it executed, where, and
//! which timers still wait for log time to pass. Commands of sessions go through the core's table.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use spaxos_core::batch::{Batch, hash_words};
use spaxos_core::effect::Execution;
use spaxos_core::sessions::{Admission, SessionLimits, SessionTable};
use spaxos_core::types::{LogTime, Slot};

use crate::command::{self, Command};
use crate::keyvalue::{KeyStore, StoreAnswer};
use crate::violation::{Checked, Violation, ensure};

const NAME: &str = "state machine";

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was executed in this slot, now or before.
    Done(Slot),
    /// No more sessions are possible.
    TooManySessions,
    /// The client has said that it has the answer.
    BelowFloor,
    /// Too far above the floor.
    BeyondWindow,
    /// No such session, or not any more.
    UnknownSession,
}

/// State that is a function of the executed slots.
#[derive(Debug)]
pub(crate) struct Machine {
    applied: Slot,
    log_time: LogTime,
    /// A hash over everything executed, computed here and not taken from the core.
    hash: u64,
    /// With what the key-value store answered.
    executed: BTreeMap<u64, (Slot, Option<StoreAnswer>)>,
    /// In runs that have one.
    store: Option<KeyStore>,
    timers: BTreeSet<(LogTime, u64)>,
    sessions: SessionTable,
}

impl Machine {
    pub(crate) fn new(sessions: SessionLimits, has_store: bool) -> Machine {
        Machine {
            applied: Slot(0),
            log_time: LogTime(0),
            hash: 0,
            executed: BTreeMap::new(),
            store: has_store.then(KeyStore::default),
            timers: BTreeSet::new(),
            sessions: SessionTable::new(sessions),
        }
    }

    pub(crate) fn applied(&self) -> Slot {
        self.applied
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// When the next timer or session expires.
    pub(crate) fn next_expiry(&self) -> Option<LogTime> {
        let timer = self.timers.first().map(|timer| timer.0);
        timer.into_iter().chain(self.sessions.next_expiry()).min()
    }

    /// What the key-value store answered to an executed command, if it was concerned.
    pub(crate) fn answer_of(&self, command: u64) -> Option<StoreAnswer> {
        self.executed.get(&command).and_then(|known| known.1)
    }

    /// Reads a key, in runs that have a key-value store.
    pub(crate) fn read(&self, key: u64) -> Checked<Option<StoreAnswer>> {
        self.store.as_ref().map(|store| store.read(key)).transpose()
    }

    pub(crate) fn has_executed(&self, command: u64) -> bool {
        self.executed.contains_key(&command)
    }

    /// Executes the next slot: its commands first, then what expires at its log time. Returns what
    /// each command came to, batch by batch.
    pub(crate) fn apply(&mut self, execution: &Execution) -> Checked<Vec<Vec<Outcome>>> {
        ensure(execution.slot == self.applied.next(), NAME, || {
            format!("slot {} follows {}", execution.slot, self.applied)
        })?;
        ensure(execution.log_time >= self.log_time, NAME, || {
            format!("log time goes back at slot {}", execution.slot)
        })?;
        self.applied = execution.slot;
        self.log_time = execution.log_time;
        let mut outcomes = Vec::with_capacity(execution.batches.len());
        for batch in &execution.batches {
            let commands = commands_of(batch)?;
            let batch: Checked<Vec<Outcome>> =
                commands.iter().map(|command| self.take(command)).collect();
            outcomes.push(batch?);
        }
        self.expire();
        if let Some(store) = &self.store {
            self.hash = hash_words(&[self.hash, store.hash()]);
        }
        Ok(outcomes)
    }

    fn take(&mut self, command: &Command) -> Checked<Outcome> {
        if command.opens() && !self.sessions.open(command.id, self.log_time) {
            return Ok(Outcome::TooManySessions);
        }
        if !command.may_repeat() {
            self.execute(command)?;
            return Ok(Outcome::Done(self.applied));
        }
        let (session, sequence) = (command.session, command.sequence);
        self.sessions.raise_floor(session, command.floor);
        self.sessions.renew(session, self.log_time);
        Ok(match self.sessions.admit(session, sequence) {
            Admission::Execute => {
                self.execute(command)?;
                let answer = Bytes::copy_from_slice(&self.applied.0.to_le_bytes());
                self.sessions.record(session, sequence, answer);
                Outcome::Done(self.applied)
            }
            Admission::Answered(answer) => {
                let slot = <[u8; 8]>::try_from(&answer[..]).unwrap_or_default();
                Outcome::Done(Slot(u64::from_le_bytes(slot)))
            }
            Admission::BelowFloor => Outcome::BelowFloor,
            Admission::BeyondWindow => Outcome::BeyondWindow,
            Admission::UnknownSession => Outcome::UnknownSession,
        })
    }

    fn execute(&mut self, command: &Command) -> Checked {
        let answer = match &mut self.store {
            Some(store) => store.execute(command.id, &command.operation)?,
            None => None,
        };
        let before = self.executed.insert(command.id, (self.applied, answer));
        ensure(before.is_none(), NAME, || {
            format!(
                "command {} is executed in slots {:?} and {}",
                command.id, before, self.applied
            )
        })?;
        if command.timer_ns > 0 {
            let expires = LogTime(self.log_time.0.saturating_add(command.timer_ns));
            self.timers.insert((expires, command.id));
        }
        self.hash = hash_words(&[self.hash, self.applied.0, command.id]);
        Ok(())
    }

    fn expire(&mut self) {
        while let Some(&(expires, command)) = self.timers.first() {
            if expires > self.log_time {
                break;
            }
            self.timers.pop_first();
            self.hash = hash_words(&[self.hash, self.applied.0, !command]);
        }
        for session in self.sessions.expire(self.log_time) {
            self.hash = hash_words(&[self.hash, self.applied.0, session, 1]);
        }
    }
}

/// The commands in a batch.
pub(crate) fn commands_of(batch: &Batch) -> Checked<Vec<Command>> {
    command::decode(&batch.payload)
        .filter(|commands| commands.len() == batch.requests as usize)
        .ok_or_else(|| Violation::new(NAME, "a batch holds what no client sent"))
}
