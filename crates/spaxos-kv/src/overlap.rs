//! Whether a transaction may put a key twice, or put a key that it deletes.
//!
//! etcd decides this from the request alone, and with holes, which are kept because requests that
//! fall through them work against etcd:
//!
//! - A nested transaction may delete what an *earlier* sibling puts; not the other way round.
//! - Of a delete without end (`range_end` of one zero byte), or whose end is not above its start,
//!   only the first key counts.
//! - The branches of one nested transaction do not disturb each other: only one is taken.
//!
//! Whatever falls through is executed in the order given, all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::error::KvError;
use crate::request::RequestOp;

/// Checks one branch of the outermost transaction.
pub(crate) fn check_overlap(ops: &[RequestOp]) -> Result<(), KvError> {
    let lone = matches!(
        ops,
        [] | [RequestOp::Range(_) | RequestOp::Put(_) | RequestOp::DeleteRange(_)]
    );
    if lone {
        Ok(())
    } else {
        Touched::of(ops).map(|_| ())
    }
}

/// What a list of operations puts and deletes, with everything nested in it.
#[derive(Default)]
struct Touched<'r> {
    puts: BTreeSet<&'r [u8]>,
    deletes: Deletes<'r>,
}

impl<'r> Touched<'r> {
    fn of(ops: &'r [RequestOp]) -> Result<Self, KvError> {
        let mut touched = Self::default();
        for op in ops {
            if let RequestOp::DeleteRange(delete) = op {
                touched.deletes.add(&delete.key, &delete.range_end);
            }
        }
        for op in ops {
            if let RequestOp::Txn(nested) = op {
                let success = Self::of(&nested.success)?;
                let failure = Self::of(&nested.failure)?;
                touched.add_nested(success, failure)?;
            }
        }
        for op in ops {
            if let RequestOp::Put(put) = op {
                touched.add_put(&put.key)?;
            }
        }
        Ok(touched)
    }

    fn add_put(&mut self, key: &'r [u8]) -> Result<(), KvError> {
        if self.deletes.contains(key) || !self.puts.insert(key) {
            return Err(KvError::DuplicateKey);
        }
        Ok(())
    }

    fn add_nested(&mut self, success: Self, failure: Self) -> Result<(), KvError> {
        for key in failure
            .puts
            .iter()
            .filter(|key| !success.puts.contains(*key))
        {
            self.add_put(key)?;
        }
        for key in success.puts {
            self.add_put(key)?;
        }
        self.deletes.join(success.deletes);
        self.deletes.join(failure.deletes);
        Ok(())
    }
}

/// A set of keys: single ones, and ranges that do not touch each other.
#[derive(Default)]
struct Deletes<'r> {
    keys: BTreeSet<&'r [u8]>,
    /// First key of a range, and the first key behind it.
    ranges: BTreeMap<&'r [u8], &'r [u8]>,
}

impl<'r> Deletes<'r> {
    fn add(&mut self, key: &'r [u8], range_end: &'r [u8]) {
        if range_end > key {
            self.add_range(key, range_end);
        } else {
            self.keys.insert(key);
        }
    }

    /// Adds a range, merged with those that it touches.
    fn add_range(&mut self, start: &'r [u8], end: &'r [u8]) {
        let (mut first, mut last) = (start, end);
        while let Some((&other, &other_end)) = self.ranges.range(..=last).next_back() {
            if other_end < first {
                break;
            }
            self.ranges.remove(other);
            first = first.min(other);
            last = last.max(other_end);
        }
        self.ranges.insert(first, last);
    }

    fn join(&mut self, other: Self) {
        self.keys.extend(other.keys);
        for (start, end) in other.ranges {
            self.add_range(start, end);
        }
    }

    fn contains(&self, key: &[u8]) -> bool {
        let up_to_key = (Bound::Unbounded, Bound::Included(key));
        let below = self.ranges.range::<[u8], _>(up_to_key).next_back();
        self.keys.contains(key) || below.is_some_and(|(_, end)| key < *end)
    }
}
