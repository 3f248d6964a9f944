//! Invariant 6: nothing goes back. Inside a life the status shows it; across restarts the durable
//! records do.

use spaxos_core::status::Status;
use spaxos_core::types::{Ballot, Incarnation, LogTime, Slot};

use super::shadow::ShadowLog;
use crate::violation::{Checked, ensure};

const NAME: &str = "nothing goes back";

#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    incarnation: Incarnation,
    promised: Ballot,
    adopted: Ballot,
    decided: Slot,
    executed: Slot,
    applied: Slot,
    log_time: LogTime,
}

/// The last marks of each replica.
#[derive(Debug)]
pub(crate) struct Monotonic {
    marks: Vec<Marks>,
}

impl Monotonic {
    pub(crate) fn new(replicas: usize) -> Monotonic {
        Monotonic {
            marks: vec![Marks::default(); replicas],
        }
    }

    /// A life begins with what the durable records say, at least.
    pub(crate) fn on_start(
        &mut self,
        replica: usize,
        status: &Status,
        durable: &ShadowLog,
    ) -> Checked {
        let before = self.marks[replica].incarnation;
        ensure(status.incarnation > before, NAME, || {
            format!("incarnation {} follows {before}", status.incarnation)
        })?;
        ensure(status.promised >= durable.promised, NAME, || {
            format!(
                "starts with promise {}, gave {}",
                status.promised, durable.promised
            )
        })?;
        ensure(status.ballot >= durable.adopted, NAME, || {
            format!(
                "starts with ballot {}, adopted {}",
                status.ballot, durable.adopted
            )
        })?;
        ensure(status.decided >= durable.decided, NAME, || {
            format!(
                "starts with decided {}, knew {}",
                status.decided, durable.decided
            )
        })?;
        self.marks[replica] = Marks {
            incarnation: status.incarnation,
            ..Marks::default()
        };
        self.on_step(replica, status)
    }

    /// A step is done.
    pub(crate) fn on_step(&mut self, replica: usize, status: &Status) -> Checked {
        let before = self.marks[replica];
        let now = Marks {
            incarnation: status.incarnation,
            promised: status.promised,
            adopted: status.ballot,
            decided: status.decided,
            executed: status.executed,
            applied: status.applied,
            log_time: status.log_time,
        };
        let holds = now.incarnation == before.incarnation
            && now.promised >= before.promised
            && now.adopted >= before.adopted
            && now.decided >= before.decided
            && now.executed >= before.executed
            && now.applied >= before.applied
            && now.log_time >= before.log_time;
        ensure(holds, NAME, || format!("{before:?} became {now:?}"))?;
        let ordered = now.applied <= now.executed
            && now.executed <= now.decided
            && now.decided <= status.last;
        ensure(ordered, NAME, || {
            format!("applied, executed, decided, last are out of order: {status:?}")
        })?;
        self.marks[replica] = now;
        Ok(())
    }
}
