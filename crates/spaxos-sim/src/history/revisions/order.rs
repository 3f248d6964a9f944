//! Revisions against real time.

use super::super::{Operation, Violation, What};
use super::log::Log;
use super::{EXPLAINED, READS_IN_TIME, WRITES_IN_TIME};
use crate::violation::ensure;

/// Checks that nothing is ordered before what had been answered when it was called, and that no answer
/// is ahead of all that was called.
pub(super) fn check(history: &[Operation], log: &Log<'_>) -> Result<(), Violation> {
    let floors = Floors::new(history);
    for (revision, write) in log.writes() {
        let floor = floors.before(write.called_ns);
        ensure(revision > floor, WRITES_IN_TIME, || {
            format!(
                "revision {floor} had been answered before this was called, and it is {revision}: {write}"
            )
        })?;
    }
    for operation in history {
        let Some(answer) = operation.answer else {
            continue;
        };
        let gaps = log.gaps(0, answer.revision);
        let unseen = log.unseen_by(answer.returned_ns).count() as u64;
        ensure(gaps <= unseen, EXPLAINED, || {
            format!(
                "{gaps} revisions below have no write, {unseen} writes may be them: {operation}"
            )
        })?;
        if answer.changed || operation.what == What::SerializableGet {
            continue;
        }
        let floor = floors.before(operation.called_ns);
        ensure(answer.revision >= floor, READS_IN_TIME, || {
            format!("revision {floor} had been answered before this was called: {operation}")
        })?;
    }
    Ok(())
}

/// The highest revision that any client knew, by time.
struct Floors {
    /// Times of answers and the highest revision up to each, both rising.
    known: Vec<(u64, u64)>,
}

impl Floors {
    fn new(history: &[Operation]) -> Floors {
        let answers = history.iter().filter_map(|op| op.answer);
        let mut known: Vec<(u64, u64)> = answers
            .map(|answer| (answer.returned_ns, answer.revision))
            .collect();
        known.sort_unstable();
        let mut highest = 0;
        for (_, revision) in &mut known {
            highest = highest.max(*revision);
            *revision = highest;
        }
        Floors { known }
    }

    /// What had been answered before `called_ns`.
    fn before(&self, called_ns: u64) -> u64 {
        let end = self
            .known
            .partition_point(|(returned_ns, _)| *returned_ns < called_ns);
        end.checked_sub(1).map_or(0, |last| self.known[last].1)
    }
}
