//! The store: keys, their history, and how changes enter it.
//!
//! Reading is in `read.rs`, transactions in `txn.rs`, forgetting in `compaction.rs`.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::change_log::{Change, ChangeLog};
use crate::cost::Cost;
use crate::error::KvError;
use crate::key_history::{KeyHistory, Stamp, Version};
use crate::key_table::{KeyId, KeyTable};
use crate::limits::Limits;
use crate::request::{DeleteRangeRequest, PutRequest};
use crate::response::{DeleteRangeResponse, KeyValue, PutResponse, StoreStatus};
use crate::span::Span;

/// Revision of a store that was never written to, as in etcd.
const FIRST_REVISION: i64 = 1;
/// What etcd calls the compacted revision before there is one.
const NEVER_COMPACTED: i64 = -1;
/// Values from this length on keep sharing the memory of the command that brought them. Shorter
/// ones are copied: a small value must not keep a whole batch of commands in memory.
const SHARED_VALUE_BYTES_MIN: usize = 16 * 1024;

/// Estimated bookkeeping for a key, a version and a change, in bytes.
const KEY_OVERHEAD: u64 = 256;
const VERSION_OVERHEAD: u64 = 96;
const CHANGE_OVERHEAD: u64 = 24;

/// Figures that follow every change, and go back with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Keys that exist.
    pub(crate) key_count: u64,
    /// Versions remembered, of all keys.
    pub(crate) versions: u64,
    /// Bytes of keys in the table and of all remembered values.
    pub(crate) contents_bytes: u64,
    /// Running hash over all changes and compactions since the beginning.
    pub(crate) state_hash: u64,
}

/// Keys with revisions and history, in memory.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) keys: KeyTable,
    /// Every change from the compacted revision on; and before it, until `prune` comes by.
    pub(crate) log: ChangeLog,
    pub(crate) figures: Figures,
    revision: i64,
    pub(crate) compact_revision: i64,
    /// Changes at the front of the log, made at the compacted revision, that `prune` has visited.
    pub(crate) visited: usize,
    /// Changes made since `prune` was last given a share of work for them.
    pub(crate) unpaid_changes: usize,
}

impl Default for Store {
    fn default() -> Self {
        let figures = Figures {
            key_count: 0,
            versions: 0,
            contents_bytes: 0,
            state_hash: 0,
        };
        Self {
            keys: KeyTable::default(),
            log: ChangeLog::default(),
            figures,
            revision: FIRST_REVISION,
            compact_revision: NEVER_COMPACTED,
            visited: 0,
            unpaid_changes: 0,
        }
    }
}

impl Store {
    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    pub(crate) fn status(&self) -> StoreStatus {
        let figures = &self.figures;
        let overhead = self.keys.len() as u64 * KEY_OVERHEAD
            + figures.versions * VERSION_OVERHEAD
            + self.log.len() as u64 * CHANGE_OVERHEAD;
        StoreStatus {
            revision: self.revision,
            compact_revision: self.compact_revision,
            key_count: figures.key_count,
            size_bytes: figures.contents_bytes + overhead,
            size_in_use_bytes: figures.contents_bytes,
            state_hash: figures.state_hash,
        }
    }

    /// Sets a key, as a request of its own.
    pub(crate) fn put(&mut self, put: &PutRequest) -> Result<PutResponse, KvError> {
        self.check_put(put)?;
        self.write(|write| write.put(put, &mut Cost::unlimited()))
    }

    /// Deletes keys, as a request of its own.
    pub(crate) fn delete_range(
        &mut self,
        delete: &DeleteRangeRequest,
        limits: &Limits,
    ) -> Result<DeleteRangeResponse, KvError> {
        let mut cost = Cost::at_most(limits.txn_cost_max);
        self.write(|write| write.delete_range(delete, &mut cost))
    }

    /// Whether the present state lets this put happen.
    pub(crate) fn check_put(&self, put: &PutRequest) -> Result<(), KvError> {
        // Leases come with a later service; until then there is none to be found.
        if put.lease != 0 {
            return Err(KvError::LeaseNotFound);
        }
        let needs_key = put.ignore_value || put.ignore_lease;
        if needs_key && !self.exists(&put.key) {
            return Err(KvError::KeyNotFound);
        }
        Ok(())
    }

    fn exists(&self, key: &[u8]) -> bool {
        self.keys
            .find(key)
            .is_some_and(|history| history.live().is_some())
    }

    /// Runs `changes` as one atomic step: all of them under the next revision, or, when it fails,
    /// none.
    pub(crate) fn write<T>(
        &mut self,
        changes: impl FnOnce(&mut Write<'_>) -> Result<T, KvError>,
    ) -> Result<T, KvError> {
        let before = self.figures;
        let mut write = Write {
            store: self,
            changes: 0,
        };
        let outcome = changes(&mut write);
        let count = write.changes;
        if outcome.is_err() {
            for _ in 0..count {
                self.undo_change();
            }
            self.figures = before;
        } else if count > 0 {
            self.revision += 1;
            self.unpaid_changes += count as usize;
        }
        outcome
    }

    fn undo_change(&mut self) {
        let change = self
            .log
            .pop_back()
            .expect("every change of a write is in the log");
        if !self.keys.get_mut(change.key).pop() {
            self.keys.remove(change.key);
        }
    }

    /// Folds `bytes` into the running hash.
    pub(crate) fn hash(&mut self, bytes: &[u8]) {
        self.figures.state_hash = xxh3_64_with_seed(bytes, self.figures.state_hash);
    }

    fn hash_change(&mut self, id: KeyId) {
        let mut hash = self.figures.state_hash;
        let history = self.keys.get(id);
        let version = history.latest();
        hash = xxh3_64_with_seed(&history.key, hash);
        if let Some(value) = &version.value {
            hash = xxh3_64_with_seed(value, hash);
        }
        let mut numbers = [0; 37];
        let (stamp, tombstone) = (version.stamp, version.is_tombstone());
        numbers[..8].copy_from_slice(&stamp.revision.to_le_bytes());
        numbers[8..12].copy_from_slice(&stamp.order.to_le_bytes());
        numbers[12..20].copy_from_slice(&version.create_revision.to_le_bytes());
        numbers[20..28].copy_from_slice(&version.version.to_le_bytes());
        numbers[28..36].copy_from_slice(&version.lease.to_le_bytes());
        numbers[36] = u8::from(tombstone);
        self.figures.state_hash = xxh3_64_with_seed(&numbers, hash);
    }
}

/// One atomic step while it happens: sees its own changes, which nobody else does yet.
pub(crate) struct Write<'s> {
    store: &'s mut Store,
    /// Changes so far.
    changes: u32,
}

impl Write<'_> {
    pub(crate) fn store(&self) -> &Store {
        self.store
    }

    /// What etcd puts into the header of an answer given now: the revision before, until the step
    /// has changed something.
    pub(crate) fn revision(&self) -> i64 {
        self.store.revision + i64::from(self.changes > 0)
    }

    pub(crate) fn put(
        &mut self,
        put: &PutRequest,
        cost: &mut Cost,
    ) -> Result<PutResponse, KvError> {
        let id = self.store.keys.id(&put.key);
        let history = id.map(|id| self.store.keys.get(id));
        let live = history.and_then(KeyHistory::live);
        if live.is_none() && (put.ignore_value || put.ignore_lease) {
            return Err(KvError::KeyNotFound);
        }
        let mut prev_kv = None;
        if let (true, Some(history), Some(live)) = (put.prev_kv, history, live) {
            cost.answer(&history.key, live)?;
            prev_kv = Some(live.to_key_value(&history.key));
        }
        let stamp = self.next_stamp();
        let version = Version {
            stamp,
            create_revision: live.map_or(stamp.revision, |live| live.create_revision),
            version: live.map_or(0, |live| live.version) + 1,
            lease: live
                .filter(|_| put.ignore_lease)
                .map_or(put.lease, |live| live.lease),
            value: match live.filter(|_| put.ignore_value) {
                Some(live) => live.value.clone(),
                None => Some(kept(&put.value)),
            },
        };
        let is_new = live.is_none();
        let figures = &mut self.store.figures;
        figures.key_count += u64::from(is_new);
        figures.versions += 1;
        figures.contents_bytes += version.value_len();
        match id {
            Some(id) => self.change(id, version),
            None => {
                figures.contents_bytes += put.key.len() as u64;
                let key = Bytes::copy_from_slice(&put.key);
                let id = self.store.keys.insert(KeyHistory::new(key, version));
                self.record(id, stamp);
            }
        }
        Ok(PutResponse {
            revision: self.revision(),
            prev_kv,
        })
    }

    pub(crate) fn delete_range(
        &mut self,
        delete: &DeleteRangeRequest,
        cost: &mut Cost,
    ) -> Result<DeleteRangeResponse, KvError> {
        let mut ids: Vec<KeyId> = Vec::new();
        let mut prev_kvs: Vec<KeyValue> = Vec::new();
        for (id, history) in self
            .store
            .keys
            .range(Span::new(&delete.key, &delete.range_end))
        {
            let Some(live) = history.live() else { continue };
            cost.scan()?;
            ids.push(id);
            if delete.prev_kv {
                cost.answer(&history.key, live)?;
                prev_kvs.push(live.to_key_value(&history.key));
            }
        }
        let deleted = ids.len() as u64;
        for id in ids {
            self.change(id, Version::tombstone(self.next_stamp()));
        }
        let figures = &mut self.store.figures;
        figures.key_count -= deleted;
        figures.versions += deleted;
        Ok(DeleteRangeResponse {
            revision: self.revision(),
            deleted: deleted.cast_signed(),
            prev_kvs,
        })
    }

    fn next_stamp(&self) -> Stamp {
        Stamp {
            revision: self.store.revision + 1,
            order: self.changes,
        }
    }

    fn change(&mut self, id: KeyId, version: Version) {
        let stamp = version.stamp;
        self.store.keys.get_mut(id).push(version);
        self.record(id, stamp);
    }

    fn record(&mut self, key: KeyId, stamp: Stamp) {
        self.store.log.push(Change { stamp, key });
        self.store.hash_change(key);
        self.changes += 1;
    }
}

/// A value in the form in which it is kept; see [`SHARED_VALUE_BYTES_MIN`].
fn kept(value: &Bytes) -> Bytes {
    if value.len() >= SHARED_VALUE_BYTES_MIN {
        value.clone()
    } else {
        Bytes::copy_from_slice(value)
    }
}
