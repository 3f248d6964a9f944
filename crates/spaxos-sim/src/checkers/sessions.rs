//! Invariant 5 with sessions: a naive model of what each command comes to, with no window and no
//! table, against which every replica's outcomes are compared.

use std::collections::BTreeMap;

use spaxos_core::effect::Execution;
use spaxos_core::sessions::SessionLimits;
use spaxos_core::types::{LogTime, Slot};

use crate::command::Command;
use crate::machine::{Outcome, commands_of};
use crate::violation::{Checked, ensure};

#[derive(Clone, Debug)]
struct Session {
    floor: u64,
    done: BTreeMap<u64, Slot>,
    expires: LogTime,
}

/// The sessions as they should be.
#[derive(Debug)]
pub(crate) struct Sessions {
    limits: SessionLimits,
    open: BTreeMap<u64, Session>,
    /// Slot 1 first: what each command came to, batch by batch.
    outcomes: Vec<Vec<Vec<Outcome>>>,
}

impl Sessions {
    pub(crate) fn new(limits: SessionLimits) -> Sessions {
        Sessions {
            limits,
            open: BTreeMap::new(),
            outcomes: Vec::new(),
        }
    }

    /// A slot is executed for the first time anywhere.
    pub(crate) fn on_first_execution(&mut self, execution: &Execution) -> Checked {
        let mut outcomes = Vec::new();
        for batch in &execution.batches {
            let commands = commands_of(batch)?;
            let take = |command: &Command| self.take(command, execution);
            outcomes.push(commands.iter().map(take).collect());
        }
        self.open
            .retain(|_, session| session.expires > execution.log_time);
        self.outcomes.push(outcomes);
        Ok(())
    }

    fn take(&mut self, command: &Command, execution: &Execution) -> Outcome {
        let slot = execution.slot;
        let expires = LogTime(execution.log_time.0 + self.limits.idle_ns_max);
        if command.opens() {
            if self.open.len() >= self.limits.sessions_max {
                return Outcome::TooManySessions;
            }
            let session = Session {
                floor: 1,
                done: BTreeMap::new(),
                expires,
            };
            self.open.insert(command.id, session);
        }
        if !command.may_repeat() {
            return Outcome::Done(slot);
        }
        let Some(session) = self.open.get_mut(&command.session) else {
            return Outcome::UnknownSession;
        };
        session.expires = expires;
        session.floor = session.floor.max(command.floor);
        if command.sequence < session.floor {
            return Outcome::BelowFloor;
        }
        Outcome::Done(*session.done.entry(command.sequence).or_insert(slot))
    }

    /// A replica has executed `slot`.
    pub(crate) fn on_outcomes(&self, slot: Slot, outcomes: &[Vec<Outcome>]) -> Checked {
        let expected = self.outcomes.get(slot.0 as usize - 1);
        ensure(
            expected.is_some_and(|expected| expected == outcomes),
            "sessions",
            || format!("slot {slot} came to {outcomes:?}, expected {expected:?}"),
        )
    }
}
