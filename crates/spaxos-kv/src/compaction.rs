//! Forgetting history.
//!
//! What can be read changes at once; memory is given back later, a little with every command, so
//! that a compaction never stops the machine. The change log says where there is something to
//! give back: the work is proportional to the changes that are forgotten, whatever the store holds.

use crate::error::KvError;
use crate::key_table::KeyId;
use crate::request::CompactRequest;
use crate::response::CompactResponse;
use crate::store::Store;

/// Changes that every command revisits, beside two for each that it made. So the work ends after
/// a bounded number of commands and never falls behind.
const STEPS_MIN: usize = 64;

/// Versions taken out, at most, when a change is revisited. Enough, and no more than that: of a key
/// with so many changes to revisit, at most one version more is forgotten, the one that the
/// compaction before had left.
const FORGOTTEN_PER_CHANGE: usize = 2;

impl Store {
    /// Makes `compact.revision` the oldest that can be read.
    pub(crate) fn compact(&mut self, compact: &CompactRequest) -> Result<CompactResponse, KvError> {
        if compact.revision <= self.compact_revision {
            return Err(KvError::Compacted);
        }
        if compact.revision > self.revision() {
            return Err(KvError::FutureRevision);
        }
        self.compact_revision = compact.revision;
        self.visited = 0;
        self.hash(&compact.revision.to_le_bytes());
        if compact.physical {
            self.prune(usize::MAX);
        }
        Ok(CompactResponse {
            revision: self.revision(),
        })
    }

    /// The share of work that belongs to the command just executed.
    pub(crate) fn prune_share(&mut self) {
        let steps = STEPS_MIN + 2 * std::mem::take(&mut self.unpaid_changes);
        self.prune(steps);
    }

    /// Takes out forgotten versions, visiting at most `steps_max` changes. Says whether there is
    /// more to do.
    pub(crate) fn prune(&mut self, steps_max: usize) -> bool {
        for _ in 0..steps_max {
            let Some(change) = self.log.get(self.visited) else {
                return false;
            };
            let revision = change.stamp.revision;
            if revision > self.compact_revision {
                return false;
            }
            for _ in 0..FORGOTTEN_PER_CHANGE {
                self.forget_oldest(change.key);
            }
            if revision == self.compact_revision {
                // Watchers may still ask for this change; what it superseded is gone now.
                self.visited += 1;
                continue;
            }
            assert_eq!(
                self.visited, 0,
                "older changes stand in front of those just visited"
            );
            self.log.pop_front();
            let latest = self.keys.get(change.key).latest();
            if latest.is_tombstone() && latest.stamp == change.stamp {
                self.forget_key(change.key);
            }
        }
        true
    }

    fn forget_oldest(&mut self, key: KeyId) {
        let forgotten = self.keys.get_mut(key).forget_oldest(self.compact_revision);
        if let Some(version) = forgotten {
            self.figures.versions -= 1;
            self.figures.contents_bytes -= version.value_len();
        }
    }

    /// Forgets a key whose last change, the deletion, has just left the log: nothing names it now.
    fn forget_key(&mut self, key: KeyId) {
        let history = self.keys.get(key);
        assert_eq!(
            history.versions().count(),
            1,
            "the versions before a deletion go before it"
        );
        self.figures.versions -= 1;
        self.figures.contents_bytes -= history.key.len() as u64;
        self.keys.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::request::{DeleteRangeRequest, PutRequest};

    /// A put that one compaction leaves, a delete, and a put again: the next compaction forgets two
    /// versions though it revisits a single change.
    #[test]
    fn the_version_left_by_the_compaction_before_goes_too() {
        let mut store = Store::default();
        let put = PutRequest {
            key: "k".into(),
            ..PutRequest::default()
        };
        let delete = DeleteRangeRequest {
            key: "k".into(),
            ..DeleteRangeRequest::default()
        };
        let other = PutRequest {
            key: "other".into(),
            ..PutRequest::default()
        };
        let compact = |revision| CompactRequest {
            revision,
            physical: true,
        };

        store.put(&put).expect("revision 2");
        store.put(&other).expect("revision 3");
        store.compact(&compact(3)).expect("it is the present");
        assert_eq!(store.figures.versions, 2);
        store
            .delete_range(&delete, &Limits::DEFAULT)
            .expect("revision 4");
        store.put(&other).expect("revision 5");
        store.put(&put).expect("revision 6");
        store.compact(&compact(5)).expect("it is in the past");
        assert_eq!(store.figures.versions, 2, "k of 6 and other of 5");
        assert_eq!(store.log.len(), 2);
    }
}
