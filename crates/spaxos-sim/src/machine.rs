//! The state machine that every replica runs: it remembers which commands it executed, where, and
//! which timers still wait for log time to pass.

use std::collections::{BTreeMap, BTreeSet};

use spaxos_core::batch::hash_words;
use spaxos_core::effect::Execution;
use spaxos_core::types::{LogTime, Slot};

use crate::command;
use crate::violation::{Checked, Violation, ensure};

const NAME: &str = "state machine";

/// State that is a function of the executed slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    applied: Slot,
    log_time: LogTime,
    /// A hash over everything executed, computed here and not taken from the core.
    hash: u64,
    executed: BTreeMap<u64, Slot>,
    timers: BTreeSet<(LogTime, u64)>,
}

impl Machine {
    pub(crate) fn applied(&self) -> Slot {
        self.applied
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn next_expiry(&self) -> Option<LogTime> {
        self.timers.first().map(|timer| timer.0)
    }

    pub(crate) fn has_executed(&self, command: u64) -> bool {
        self.executed.contains_key(&command)
    }

    /// Executes the next slot: its commands first, then what expires at its log time.
    pub(crate) fn apply(&mut self, execution: &Execution) -> Checked {
        ensure(execution.slot == self.applied.next(), NAME, || {
            format!("slot {} follows {}", execution.slot, self.applied)
        })?;
        ensure(execution.log_time >= self.log_time, NAME, || {
            format!("log time goes back at slot {}", execution.slot)
        })?;
        self.applied = execution.slot;
        self.log_time = execution.log_time;
        for batch in &execution.batches {
            let commands = command::decode(&batch.payload)
                .filter(|commands| commands.len() == batch.requests as usize)
                .ok_or_else(|| Violation::new(NAME, "a batch holds what no client sent"))?;
            for command in commands {
                self.execute(command)?;
            }
        }
        self.expire();
        Ok(())
    }

    fn execute(&mut self, command: command::Command) -> Checked {
        let before = self.executed.insert(command.id, self.applied);
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
    }
}
