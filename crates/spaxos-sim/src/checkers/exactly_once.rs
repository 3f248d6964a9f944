//! Invariant 5, as far as it does not need sessions: a command that was submitted once is executed at
//! most once, a rejected one never, an acknowledged one for certain.

use std::collections::{BTreeMap, BTreeSet};

use spaxos_core::effect::Execution;
use spaxos_core::types::Slot;

use crate::command::{self, Command};
use crate::violation::{Checked, Violation, ensure};

const NAME: &str = "exactly once";

/// What became of each command.
#[derive(Debug, Default)]
pub(crate) struct ExactlyOnce {
    submitted: BTreeSet<u64>,
    rejected: BTreeSet<u64>,
    acknowledged: BTreeMap<u64, Slot>,
    executed: BTreeMap<u64, Slot>,
}

impl ExactlyOnce {
    pub(crate) fn on_submit(&mut self, commands: &[Command]) {
        self.submitted
            .extend(commands.iter().map(|command| command.id));
    }

    pub(crate) fn on_reject(&mut self, commands: &[Command]) -> Checked {
        // Another attempt of a session's command may have been taken.
        for command in commands.iter().filter(|command| !command.may_repeat()) {
            self.rejected.insert(command.id);
            ensure(!self.executed.contains_key(&command.id), NAME, || {
                format!("command {} is rejected after it was executed", command.id)
            })?;
        }
        Ok(())
    }

    /// A slot is executed for the first time anywhere.
    pub(crate) fn on_first_execution(&mut self, execution: &Execution) -> Checked {
        for batch in &execution.batches {
            let commands = command::decode(&batch.payload)
                .ok_or_else(|| Violation::new(NAME, "a batch holds what no client sent"))?;
            for command in commands {
                self.execute(&command, execution.slot)?;
            }
        }
        Ok(())
    }

    fn execute(&mut self, command: &Command, slot: Slot) -> Checked {
        let id = command.id;
        ensure(self.submitted.contains(&id), NAME, || {
            format!("command {id} is executed, nobody sent it")
        })?;
        ensure(!self.rejected.contains(&id), NAME, || {
            format!("command {id} is executed after it was rejected")
        })?;
        let before = self.executed.get(&id).copied();
        self.executed.entry(id).or_insert(slot);
        ensure(before.is_none() || command.may_repeat(), NAME, || {
            format!("command {id} is executed in slots {before:?} and {slot}")
        })
    }

    /// A client has its answer: executed in `slot`.
    pub(crate) fn on_acknowledge(&mut self, command: &Command, slot: Slot) -> Checked {
        let executed = self.executed.get(&command.id);
        ensure(executed.is_some_and(|first| *first <= slot), NAME, || {
            format!(
                "command {} is answered for slot {slot}, executed in {executed:?}",
                command.id
            )
        })?;
        let before = self.acknowledged.insert(command.id, slot);
        ensure(before.is_none() || command.may_repeat(), NAME, || {
            format!("command {} is answered twice", command.id)
        })
    }

    /// All acknowledged commands with their slots.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = (u64, Slot)> + '_ {
        self.acknowledged.iter().map(|(id, slot)| (*id, *slot))
    }
}
