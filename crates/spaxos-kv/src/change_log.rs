//! Which key changed when: every change since the compacted revision, in order.
//!
//! Serves two: a watcher replays it, and compaction takes its work from its front, so that it costs
//! what it removes and never looks at keys that did not change.

use std::collections::VecDeque;

use crate::key_history::Stamp;
use crate::key_table::KeyId;

/// Changes per block. Blocks never move, so that growth never stops the machine to copy.
const BLOCK: usize = 1024;

/// One change. What it made of the key is in the key's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) stamp: Stamp,
    pub(crate) key: KeyId,
}

/// The changes, oldest first.
#[derive(Debug, Default)]
pub(crate) struct ChangeLog {
    /// All but the last are full; of the first, `gone` have been taken.
    blocks: VecDeque<Vec<Change>>,
    gone: usize,
    len: usize,
}

impl ChangeLog {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, index: usize) -> Option<Change> {
        let place = self.gone + index;
        self.blocks.get(place / BLOCK)?.get(place % BLOCK).copied()
    }

    pub(crate) fn push(&mut self, change: Change) {
        if self.blocks.back().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push_back(Vec::with_capacity(BLOCK));
        }
        let block = self.blocks.back_mut().expect("there is one now");
        block.push(change);
        self.len += 1;
    }

    /// Takes the newest change.
    pub(crate) fn pop_back(&mut self) -> Option<Change> {
        if self.len == 0 {
            return None;
        }
        let block = self.blocks.back_mut()?;
        let change = block.pop();
        self.len -= 1;
        if block.is_empty() {
            self.blocks.pop_back();
        }
        if self.len == 0 {
            self.blocks.clear();
            self.gone = 0;
        }
        change
    }

    /// Takes the oldest change.
    pub(crate) fn pop_front(&mut self) -> Option<Change> {
        let change = self.get(0)?;
        self.gone += 1;
        self.len -= 1;
        if self.len == 0 {
            self.blocks.clear();
            self.gone = 0;
        } else if self.gone == BLOCK {
            self.blocks.pop_front();
            self.gone = 0;
        }
        Some(change)
    }

    /// The changes at or after `revision`, oldest first.
    pub(crate) fn since(&self, revision: i64) -> impl Iterator<Item = Change> {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            let earlier = self
                .get(middle)
                .is_some_and(|c| c.stamp.revision < revision);
            if earlier {
                low = middle + 1
            } else {
                high = middle
            }
        }
        (low..self.len).filter_map(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_history::{KeyHistory, Version};
    use crate::key_table::KeyTable;

    /// Grows, shrinks at both ends and grows again, over the borders of many blocks.
    #[test]
    fn it_is_a_queue_with_two_ends_that_frees_what_it_no_longer_needs() {
        let stamp = |revision| Stamp { revision, order: 0 };
        let mut keys = KeyTable::default();
        let key = keys.insert(KeyHistory::new("k".into(), Version::tombstone(stamp(1))));
        let mut log = ChangeLog::default();
        let mut expected = VecDeque::new();
        let mut revision = 0;
        for round in 1..12 {
            for _ in 0..round * 700 {
                revision += 1;
                log.push(Change {
                    stamp: stamp(revision),
                    key,
                });
                expected.push_back(revision);
            }
            for _ in 0..round * 310 {
                let newest = log.pop_back().map(|change| change.stamp.revision);
                assert_eq!(newest, expected.pop_back());
            }
            for _ in 0..round * 380 {
                let oldest = log.pop_front().map(|change| change.stamp.revision);
                assert_eq!(oldest, expected.pop_front());
            }
            assert_eq!(log.len(), expected.len());
            let all: Vec<_> = log.since(0).map(|change| change.stamp.revision).collect();
            assert_eq!(all, Vec::from(expected.clone()));
            for from in expected.iter().step_by(97) {
                assert_eq!(
                    log.since(*from).next().map(|c| c.stamp.revision),
                    Some(*from)
                );
            }
            assert!(
                log.blocks.len() <= log.len() / BLOCK + 2,
                "blocks are given back"
            );
        }
        while log.pop_back().is_some() {}
        assert!(log.blocks.is_empty() && log.pop_front().is_none());
    }
}
