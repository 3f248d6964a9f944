//! Reading: ranges at any readable revision, events since one, and the hash of the contents.

use std::cmp::Ordering;

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use crate::cost::Cost;
use crate::error::KvError;
use crate::key_history::{KeyHistory, Version};
use crate::request::{RangeRequest, SortOrder, SortTarget};
use crate::response::{HashKvResponse, KeyValue, RangeResponse};
use crate::span::Span;
use crate::store::Store;

/// Something that happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// After a put, the entry; after a delete, key and `mod_revision` alone.
    pub kv: KeyValue,
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was set.
    Put,
    /// It was deleted.
    Delete,
}

/// The entries of a range as they stand in the store, not copied.
type Entries<'s> = Vec<(&'s Bytes, &'s Version)>;

impl Store {
    /// Checks that a revision is readable; 0 and less mean the latest.
    pub(crate) fn check_revision(&self, revision: i64) -> Result<(), KvError> {
        if revision > self.revision() {
            Err(KvError::FutureRevision)
        } else if revision > 0 && revision < self.compact_revision {
            Err(KvError::Compacted)
        } else {
            Ok(())
        }
    }

    /// Reads keys. `revision` is what the answer reports as the store's.
    pub(crate) fn range(
        &self,
        range: &RangeRequest,
        revision: i64,
        cost: &mut Cost,
    ) -> Result<RangeResponse, KvError> {
        self.check_revision(range.revision)?;
        // The latest may be a revision in the making, which has no number yet.
        let at = Some(range.revision)
            .filter(|revision| *revision > 0)
            .unwrap_or(i64::MAX);
        let limit = usize::try_from(range.limit).ok().filter(|limit| *limit > 0);
        let in_key_order = !is_sorted(range) && !is_filtered(range);
        let take = if range.count_only {
            Some(0)
        } else {
            limit.filter(|_| in_key_order)
        };

        let (mut entries, count) = self.collect(range, at, take, cost)?;
        entries.retain(|(_, version)| passes_filters(range, version));
        sort(range, &mut entries);
        let left = if take.is_some() { count } else { entries.len() };
        let more = !range.count_only && limit.is_some_and(|limit| left > limit);
        entries.truncate(limit.unwrap_or(usize::MAX));

        let mut kvs = Vec::with_capacity(entries.len());
        for (key, version) in entries {
            cost.answer(key, version)?;
            let mut entry = version.to_key_value(key);
            if range.keys_only {
                entry.value = Bytes::new();
            }
            kvs.push(entry);
        }
        Ok(RangeResponse {
            revision,
            kvs,
            more,
            count: count as i64,
        })
    }

    /// The first `take` entries of a range, and how many it has in all.
    fn collect(
        &self,
        range: &RangeRequest,
        at: i64,
        take: Option<usize>,
        cost: &mut Cost,
    ) -> Result<(Entries<'_>, usize), KvError> {
        let take = take.unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        let mut count = 0;
        for (_, history) in self.keys.range(Span::new(&range.key, &range.range_end)) {
            let Some(version) = history.live_at(at) else {
                continue;
            };
            cost.scan()?;
            if count < take {
                entries.push((&history.key, version));
            }
            count += 1;
        }
        Ok((entries, count))
    }

    /// Everything that happened at or after `revision`, oldest first. Changes of one revision come
    /// one after the other, in the order in which they were made.
    pub(crate) fn events_since(
        &self,
        revision: i64,
    ) -> Result<impl Iterator<Item = Event>, KvError> {
        if revision < self.compact_revision {
            return Err(KvError::Compacted);
        }
        Ok(self.log.since(revision).filter_map(|change| {
            let history = self.keys.get(change.key);
            let version = history.exactly_at(change.stamp)?;
            let kind = if version.is_tombstone() {
                EventKind::Delete
            } else {
                EventKind::Put
            };
            Some(Event {
                kind,
                kv: version.to_key_value(&history.key),
            })
        }))
    }

    /// Hash of what is readable at or before `revision`; 0 or less is the latest. Does not depend
    /// on how far forgotten versions have been taken out.
    pub(crate) fn hash_kv(&self, revision: i64) -> Result<HashKvResponse, KvError> {
        self.check_revision(revision)?;
        let hash_revision = if revision > 0 {
            revision
        } else {
            self.revision()
        };
        let mut hasher = Xxh3::new();
        for history in self.keys.iter() {
            let remembered = history.remembered(self.compact_revision);
            for version in remembered.filter(|v| v.stamp.revision <= hash_revision) {
                hash_version(&mut hasher, history, version);
            }
        }
        Ok(HashKvResponse {
            revision: self.revision(),
            hash: (hasher.digest() & u64::from(u32::MAX)) as u32,
            compact_revision: self.compact_revision,
            hash_revision,
        })
    }
}

fn hash_version(hasher: &mut Xxh3, history: &KeyHistory, version: &Version) {
    let numbers = [
        history.key.len() as i64,
        version
            .value
            .as_ref()
            .map_or(-1, |value| value.len() as i64),
        version.stamp.revision,
        i64::from(version.stamp.order),
        version.create_revision,
        version.version,
        version.lease,
    ];
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(&history.key);
    hasher.update(version.value.as_deref().unwrap_or_default());
}

/// Whether the answer has another order than the store.
fn is_sorted(range: &RangeRequest) -> bool {
    range.sort_order == SortOrder::Descend || range.sort_target != SortTarget::Key
}

fn is_filtered(range: &RangeRequest) -> bool {
    let filters = [
        range.min_mod_revision,
        range.max_mod_revision,
        range.min_create_revision,
        range.max_create_revision,
    ];
    filters.iter().any(|bound| *bound != 0)
}

fn passes_filters(range: &RangeRequest, version: &Version) -> bool {
    let at_least = |number: i64, bound: i64| bound == 0 || number >= bound;
    let at_most = |number: i64, bound: i64| bound == 0 || number <= bound;
    at_least(version.stamp.revision, range.min_mod_revision)
        && at_most(version.stamp.revision, range.max_mod_revision)
        && at_least(version.create_revision, range.min_create_revision)
        && at_most(version.create_revision, range.max_create_revision)
}

/// Sorts entries that are in the order of their keys. Entries that compare equal stay in it,
/// whichever the direction.
fn sort(range: &RangeRequest, entries: &mut Entries<'_>) {
    if !is_sorted(range) {
        return;
    }
    let compare = |(a_key, a): &(&Bytes, &Version), (b_key, b): &(&Bytes, &Version)| match range
        .sort_target
    {
        SortTarget::Key | SortTarget::Unknown(_) => a_key.cmp(b_key),
        SortTarget::Version => a.version.cmp(&b.version),
        SortTarget::Create => a.create_revision.cmp(&b.create_revision),
        SortTarget::Mod => a.stamp.revision.cmp(&b.stamp.revision),
        SortTarget::Value => a.value.cmp(&b.value),
    };
    let descend = range.sort_order == SortOrder::Descend;
    entries.sort_by(|a, b| {
        let order: Ordering = compare(a, b);
        if descend { order.reverse() } else { order }
    });
}
