//! Histories of stores that answer with revisions, as etcd does.
//!
//! The store begins at revision 1, each write makes the next one, and nobody else writes. So the
//! revisions name the one order that the store claims, and it only has to be compared with what every
//! client saw: the writes are laid out by revision (`log.rs`), then each answer is held against that
//! layout (`observations.rs`) and against real time (`order.rs`). An operation without an answer is
//! placed by the reads that saw its value; one that nobody saw may fill a revision that nothing else
//! explains.

#[cfg(test)]
mod bad;
mod log;
mod observations;
mod order;
#[cfg(test)]
mod tests;

use self::log::Log;
use super::{Operation, Violation, What};
use crate::violation::ensure;

/// Each write has a revision of its own, above 1.
pub const ONE_EACH: &str = "revisions: each write has its own";
/// What is read was written, to that key, at that revision.
pub const WRITTEN: &str = "revisions: what is read was written";
/// No revision is above what the writes called by then explain.
pub const EXPLAINED: &str = "revisions: each has its write";
/// A write that was called after an answer has a higher revision than that answer.
pub const WRITES_IN_TIME: &str = "revisions: writes respect real time";
/// A linearizable read that was called after an answer has no lower revision than that answer.
pub const READS_IN_TIME: &str = "revisions: linearizable reads respect real time";
/// What an answer shows is what the writes up to its revision left.
pub const CONTENT: &str = "revisions: the content is what the writes left";
/// The version counts the writes since the key was created.
pub const VERSION: &str = "revisions: the version counts the writes";
/// A comparison decides by what is there.
pub const COMPARED: &str = "revisions: comparisons decide by what is there";
/// Each key that was written is read after the last write.
pub const FINAL: &str = "revisions: each key is read at the end";

/// All rules.
pub const RULES: &[&str] = &[
    ONE_EACH,
    WRITTEN,
    EXPLAINED,
    WRITES_IN_TIME,
    READS_IN_TIME,
    CONTENT,
    VERSION,
    COMPARED,
    FINAL,
];

/// What a good history consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Writes whose revision is known.
    pub writes: usize,
    /// Those of them that had no answer, and were seen by a read.
    pub resolved: usize,
    /// Writes without an answer that nobody saw.
    pub unseen: usize,
    /// Answers that were held against the writes.
    pub observations: usize,
}

/// Checks a history.
///
/// # Errors
/// The first rule that does not hold, and where.
pub fn check(history: &[Operation]) -> Result<Summary, Violation> {
    let log = Log::build(history)?;
    order::check(history, &log)?;
    let mut observations = 0;
    for operation in history {
        observations += usize::from(observations::check(operation, &log)?);
    }
    read_at_the_end(history)?;
    Ok(Summary {
        writes: log.len(),
        resolved: log.resolved(),
        unseen: log.unseen(),
        observations,
    })
}

/// What is not read after the last write may have been lost without anybody noticing.
fn read_at_the_end(history: &[Operation]) -> Result<(), Violation> {
    let returned = |op: &Operation| op.answer.filter(|answer| answer.changed);
    let writes = history.iter().filter_map(returned);
    let last_ns = writes.map(|answer| answer.returned_ns).max().unwrap_or(0);
    for operation in history.iter().filter(|op| returned(op).is_some()) {
        let read = history.iter().any(|op| {
            let finished = op.what == What::Get && op.answer.is_some();
            finished && op.called_ns >= last_ns && op.key == operation.key
        });
        ensure(read, FINAL, || format!("{:?} is not", operation.key))?;
    }
    Ok(())
}
