//! The writes of a history, laid out by revision.

use std::collections::BTreeMap;

use super::super::{Found, Operation, Violation, What, writers};
use super::{ONE_EACH, WRITTEN};
use crate::violation::ensure;

/// The revision of a store that nothing was written to.
const FIRST: u64 = 1;

/// Which write made which revision, as far as anybody saw.
#[derive(Debug)]
pub(super) struct Log<'a> {
    writers: BTreeMap<u64, &'a Operation>,
    writes: BTreeMap<u64, &'a Operation>,
    keys: BTreeMap<&'a str, BTreeMap<u64, &'a Operation>>,
    /// Writes without an answer whose revision nobody saw.
    unseen: Vec<&'a Operation>,
    resolved: usize,
}

impl<'a> Log<'a> {
    /// Lays out what was acknowledged, then what was seen although it was not.
    pub(super) fn build(history: &'a [Operation]) -> Result<Log<'a>, Violation> {
        let mut log = Log {
            writers: writers(history)?,
            writes: BTreeMap::new(),
            keys: BTreeMap::new(),
            unseen: Vec::new(),
            resolved: 0,
        };
        for operation in history {
            if let Some(answer) = operation.answer.filter(|answer| answer.changed) {
                log.place(answer.revision, operation)?;
            }
        }
        for operation in history {
            if let Some(found) = operation.answer.and_then(|answer| answer.found) {
                log.see(found, operation)?;
            }
        }
        let open = |op: &&Operation| op.answer.is_none() && !op.what.is_read();
        let placed: Vec<&Operation> = log.writes.values().copied().collect();
        let unseen = history.iter().filter(open);
        log.unseen = unseen
            .filter(|op| !placed.iter().any(|placed| std::ptr::eq(*placed, *op)))
            .collect();
        Ok(log)
    }

    /// `write` made `revision`.
    fn place(&mut self, revision: u64, write: &'a Operation) -> Result<(), Violation> {
        ensure(revision > FIRST, ONE_EACH, || {
            format!("a store begins at revision {FIRST}: {write}")
        })?;
        let other = self.writes.insert(revision, write);
        ensure(other.is_none(), ONE_EACH, || {
            let other = other.map_or_else(String::new, ToString::to_string);
            format!("revision {revision} was made by two: {write}; {other}")
        })?;
        let key = self.keys.entry(&write.key).or_default();
        key.insert(revision, write);
        Ok(())
    }

    /// `by` found `found`: it must come from its writer, whose revision is known from now on.
    fn see(&mut self, found: Found, by: &'a Operation) -> Result<(), Violation> {
        let writer = self.writers.get(&found.value).copied();
        let writer = writer.filter(|writer| writer.key == by.key);
        let Some(writer) = writer else {
            return Err(Violation::new(
                WRITTEN,
                format!("nobody wrote this value to this key: {by}"),
            ));
        };
        let placed = self.writes.get(&found.revision);
        if placed.is_some_and(|placed| std::ptr::eq(*placed, writer)) {
            return Ok(());
        }
        ensure(
            writer.answer.is_none() && self.revision_of(writer).is_none(),
            WRITTEN,
            || format!("it has another revision, or was refused: {by}; written by {writer}"),
        )?;
        self.resolved += 1;
        self.place(found.revision, writer)
    }

    /// The revision that a write made, if that is known.
    pub(super) fn revision_of(&self, write: &Operation) -> Option<u64> {
        let key = self.keys.get(write.key.as_str())?;
        let mine = key.iter().find(|(_, placed)| std::ptr::eq(**placed, write));
        mine.map(|(revision, _)| *revision)
    }

    /// All writes whose revision is known.
    pub(super) fn writes(&self) -> impl Iterator<Item = (u64, &'a Operation)> {
        self.writes
            .iter()
            .map(|(revision, write)| (*revision, *write))
    }

    /// The latest known write of a key up to `revision`.
    pub(super) fn latest(&self, key: &str, revision: u64) -> Option<(u64, &'a Operation)> {
        let key = self.keys.get(key)?;
        let (revision, write) = key.range(..=revision).next_back()?;
        Some((*revision, *write))
    }

    /// How many known puts of a key there are up to `revision` since it was last removed.
    pub(super) fn puts_until(&self, key: &str, revision: u64) -> usize {
        let Some(key) = self.keys.get(key) else {
            return 0;
        };
        let backwards = key.range(..=revision).rev();
        backwards
            .take_while(|(_, write)| write.what != What::Delete)
            .count()
    }

    /// How many revisions above `from` and up to `to` no known write made.
    pub(super) fn gaps(&self, from: u64, to: u64) -> u64 {
        let from = from.max(FIRST);
        if to <= from {
            return 0;
        }
        let known = self.writes.range(from + 1..=to).count();
        to - from - known as u64
    }

    /// Writes that nobody saw, of any key, that may have taken effect by `returned_ns`.
    pub(super) fn unseen_by(&self, returned_ns: u64) -> impl Iterator<Item = &'a Operation> {
        let open = self.unseen.iter().copied();
        open.filter(move |op| op.called_before(returned_ns))
    }

    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    pub(super) const fn resolved(&self) -> usize {
        self.resolved
    }

    pub(super) const fn unseen(&self) -> usize {
        self.unseen.len()
    }
}
