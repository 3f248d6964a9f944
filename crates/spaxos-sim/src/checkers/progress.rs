//! Progress: once a connected majority is healed, everything asked of it is answered, and its members
//! come to the same state, in bounded time.

use std::fmt;

use spaxos_core::types::{Ballot, Slot};

use crate::machine::Machine;
use crate::process::{Process, Running};
use crate::trace;
use crate::violation::{Checked, Violation, ensure};

const NAME: &str = "progress";

/// Where a replica of the healed majority stands.
#[derive(Debug)]
pub(crate) struct Standing<'a> {
    replica: usize,
    /// Whether it reaches a majority, so that its clients must be answered.
    served: bool,
    running: Option<&'a Running>,
}

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.running {
            Some(running) => {
                let status = running.replica.status();
                let replica = self.replica;
                write!(f, "#{replica} {}", trace::status(&status))
            }
            None => write!(f, "#{} does not run", self.replica),
        }
    }
}

impl<'a> Standing<'a> {
    pub(crate) fn of(replica: usize, served: bool, process: &'a Process) -> Standing<'a> {
        Standing {
            replica,
            served,
            running: process.running(),
        }
    }

    /// The ballot that this replica has promised.
    pub(crate) fn promised(&self) -> Ballot {
        self.running
            .map(|running| running.replica.status().promised)
            .unwrap_or_default()
    }

    /// What this replica still has to do, if anything, to be done with `decided` slots.
    fn waits_for(&self, decided: Slot) -> Option<String> {
        let replica = self.replica;
        let Some(running) = self.running else {
            return Some(format!("replica {replica} does not run"));
        };
        let requests = &running.requests;
        if let Some(ticket) = requests.writes.keys().next().filter(|_| self.served) {
            return Some(format!(
                "replica {replica} has not answered request {ticket}"
            ));
        }
        if let Some(token) = requests.reads.keys().next().filter(|_| self.served) {
            return Some(format!("replica {replica} has not answered read {token}"));
        }
        let applied = running.machine.applied();
        if applied < decided {
            return Some(format!("replica {replica} applied {applied} of {decided}"));
        }
        let timer = running.machine.next_expiry()?;
        Some(format!("replica {replica} waits for log time {timer}"))
    }
}

/// What is still waited for; `None` when all is done.
pub(crate) fn waits_for(
    unhappy: Option<usize>,
    standings: &[Standing<'_>],
    decided: Slot,
) -> Option<String> {
    if let Some(client) = unhappy {
        let answers = format!("client {client} waits for answers");
        let first = standings.iter().find_map(|it| it.waits_for(decided));
        return Some(format!("{answers}; {}", first.unwrap_or_default()));
    }
    if let Some(what) = standings.iter().find_map(|it| it.waits_for(decided)) {
        return Some(what);
    }
    let mut states = standings.iter().filter_map(|it| it.running);
    let state = |running: &Running| (running.machine.applied(), running.machine.hash());
    let first = states.next().map(state);
    let same = states.all(|running| Some(state(running)) == first);
    (!same).then(|| "replicas differ in state".to_owned())
}

/// A healed majority keeps its leader: nobody promises another ballot.
pub(crate) fn stays_led(before: &[Ballot], now: &[Ballot]) -> Checked {
    ensure(before == now, NAME, || {
        format!("nothing failed, and promises {before:?} became {now:?}")
    })
}

/// A cluster with nothing to do orders nothing.
pub(crate) fn stays_quiet(before: Slot, now: Slot, done: bool) -> Checked {
    ensure(before == now, NAME, || {
        format!("nothing was asked for, and slot {now} follows {before}")
    })?;
    ensure(done, NAME, || {
        "what was done is not done any more".to_owned()
    })
}

/// The time is over.
pub(crate) fn stuck(what: &str) -> Violation {
    Violation::new(NAME, format!("after all that time, {what}"))
}

/// The state holds every command that was acknowledged up to its slot.
pub(crate) fn keeps_all(
    replica: usize,
    machine: &Machine,
    acknowledged: impl Iterator<Item = (u64, Slot)>,
) -> Checked {
    let applied = machine.applied();
    for (command, slot) in acknowledged.filter(|(_, slot)| *slot <= applied) {
        ensure(machine.has_executed(command), NAME, || {
            format!("replica {replica} lacks command {command}, acknowledged in slot {slot}")
        })?;
    }
    Ok(())
}
