//! One key through time.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::response::KeyValue;

/// When a change was made. Changes of one transaction share a revision and are told apart by their
/// order in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// The revision.
    pub(crate) revision: i64,
    /// Place among the changes of that revision, from 0.
    pub(crate) order: u32,
}

/// What a change made of a key.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) stamp: Stamp,
    /// The revision that created the key; 0 in a tombstone.
    pub(crate) create_revision: i64,
    /// Puts since then; 0 in a tombstone.
    pub(crate) version: i64,
    pub(crate) lease: i64,
    /// None is a tombstone: from here on, the key does not exist.
    pub(crate) value: Option<Bytes>,
}

impl Version {
    pub(crate) fn tombstone(stamp: Stamp) -> Self {
        Self {
            stamp,
            create_revision: 0,
            version: 0,
            lease: 0,
            value: None,
        }
    }

    pub(crate) fn is_tombstone(&self) -> bool {
        self.value.is_none()
    }

    pub(crate) fn value_len(&self) -> u64 {
        self.value.as_ref().map_or(0, |value| value.len() as u64)
    }

    /// The entry as a client sees it; of a tombstone, key and revision only.
    pub(crate) fn to_key_value(&self, key: &Bytes) -> KeyValue {
        KeyValue {
            key: key.clone(),
            create_revision: self.create_revision,
            mod_revision: self.stamp.revision,
            version: self.version,
            value: self.value.clone().unwrap_or_default(),
            lease: self.lease,
        }
    }
}

/// All versions of a key that are still remembered. There is always one.
#[derive(Debug)]
pub(crate) struct KeyHistory {
    pub(crate) key: Bytes,
    /// Beside the others, so that a key that was put once needs no list.
    latest: Version,
    /// The versions before, oldest first.
    older: VecDeque<Version>,
}

impl KeyHistory {
    pub(crate) fn new(key: Bytes, first: Version) -> Self {
        Self {
            key,
            latest: first,
            older: VecDeque::new(),
        }
    }

    pub(crate) fn latest(&self) -> &Version {
        &self.latest
    }

    /// The latest version, if the key exists.
    pub(crate) fn live(&self) -> Option<&Version> {
        Some(&self.latest).filter(|version| !version.is_tombstone())
    }

    /// The version that `revision` left behind, if the key existed then.
    pub(crate) fn live_at(&self, revision: i64) -> Option<&Version> {
        let version = if self.latest.stamp.revision <= revision {
            &self.latest
        } else {
            let later = self.older.partition_point(|v| v.stamp.revision <= revision);
            self.older.get(later.checked_sub(1)?)?
        };
        Some(version).filter(|version| !version.is_tombstone())
    }

    /// The version that the change at `stamp` made.
    pub(crate) fn exactly_at(&self, stamp: Stamp) -> Option<&Version> {
        if self.latest.stamp == stamp {
            return Some(&self.latest);
        }
        let index = self
            .older
            .binary_search_by(|version| version.stamp.cmp(&stamp))
            .ok()?;
        self.older.get(index)
    }

    /// All versions, oldest first.
    pub(crate) fn versions(&self) -> impl Iterator<Item = &Version> {
        self.older.iter().chain(std::iter::once(&self.latest))
    }

    /// Makes `version` the latest.
    pub(crate) fn push(&mut self, version: Version) {
        assert!(
            version.stamp > self.latest.stamp,
            "the history of a key only grows at its end"
        );
        self.older
            .push_back(std::mem::replace(&mut self.latest, version));
    }

    /// Undoes the last push. False, and nothing done, if there is only one version.
    pub(crate) fn pop(&mut self) -> bool {
        let Some(version) = self.older.pop_back() else {
            return false;
        };
        self.latest = version;
        true
    }

    /// Takes out the oldest version if nobody can read it or watch it happen any more, once all
    /// below `compact_revision` is forgotten. Never takes the latest one.
    pub(crate) fn forget_oldest(&mut self, compact_revision: i64) -> Option<Version> {
        let oldest = self.older.front()?;
        let next = self.older.get(1).unwrap_or(&self.latest);
        if !is_forgotten(oldest, Some(next), compact_revision) {
            return None;
        }
        let oldest = self.older.pop_front();
        if self.older.is_empty() {
            self.older = VecDeque::new();
        } else if self.older.capacity() > 4 * self.older.len() {
            self.older.shrink_to(2 * self.older.len());
        }
        oldest
    }

    /// The versions that a compaction at `compact_revision` leaves, whether or not the others have
    /// been taken out by now.
    pub(crate) fn remembered(&self, compact_revision: i64) -> impl Iterator<Item = &Version> {
        let nexts = self
            .versions()
            .skip(1)
            .map(Some)
            .chain(std::iter::once(None));
        let pairs = self.versions().zip(nexts);
        pairs
            .filter(move |(v, next)| !is_forgotten(v, *next, compact_revision))
            .map(|(v, _)| v)
    }
}

/// Whether a compaction forgets a version: it was made below the compacted revision, and at the
/// compacted revision the key was something else or did not exist. Changes made *at* the compacted
/// revision stay, deletes too: who watches from there must see them.
fn is_forgotten(version: &Version, next: Option<&Version>, compact_revision: i64) -> bool {
    let superseded = next.is_some_and(|next| next.stamp.revision <= compact_revision);
    version.stamp.revision < compact_revision && (version.is_tombstone() || superseded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(revision: i64, order: u32) -> Stamp {
        Stamp { revision, order }
    }

    fn put(stamp: Stamp) -> Version {
        Version {
            stamp,
            create_revision: 1,
            version: 1,
            lease: 0,
            value: Some(Bytes::new()),
        }
    }

    /// Put at 2 and 3, deleted at 5, put and deleted at 7.
    fn history() -> KeyHistory {
        let mut history = KeyHistory::new(Bytes::from_static(b"k"), put(stamp(2, 0)));
        history.push(put(stamp(3, 0)));
        history.push(Version::tombstone(stamp(5, 4)));
        history.push(put(stamp(7, 0)));
        history.push(Version::tombstone(stamp(7, 1)));
        history
    }

    fn stamps<'a>(versions: impl Iterator<Item = &'a Version>) -> Vec<(i64, u32)> {
        versions
            .map(|version| (version.stamp.revision, version.stamp.order))
            .collect()
    }

    #[test]
    fn reads_at_each_revision() {
        let history = history();
        let at = |revision| history.live_at(revision).map(|v| v.stamp.revision);
        let expected = [
            None,
            None,
            Some(2),
            Some(3),
            Some(3),
            None,
            None,
            None,
            None,
        ];
        assert_eq!((0..9).map(at).collect::<Vec<_>>(), expected);
        assert!(
            history.live().is_none(),
            "the last change of a revision counts"
        );
        assert!(
            history
                .exactly_at(stamp(7, 0))
                .is_some_and(|v| !v.is_tombstone())
        );
        assert!(history.exactly_at(stamp(5, 0)).is_none());
    }

    #[test]
    fn compaction_forgets_what_nobody_can_see() {
        let cases = [
            (2, vec![(2, 0), (3, 0), (5, 4), (7, 0), (7, 1)]),
            (3, vec![(3, 0), (5, 4), (7, 0), (7, 1)]),
            (4, vec![(3, 0), (5, 4), (7, 0), (7, 1)]),
            (5, vec![(5, 4), (7, 0), (7, 1)]),
            (6, vec![(7, 0), (7, 1)]),
            (7, vec![(7, 0), (7, 1)]),
            (8, vec![]),
        ];
        for (compact_revision, left) in cases {
            assert_eq!(
                stamps(history().remembered(compact_revision)),
                left,
                "{compact_revision}"
            );
            let mut history = history();
            while history.forget_oldest(compact_revision).is_some() {}
            let left = if left.is_empty() { vec![(7, 1)] } else { left };
            assert_eq!(stamps(history.versions()), left, "{compact_revision}");
        }
    }
}
