//! The data model in its plainest form: a list of everything that ever happened, from which every
//! answer is worked out anew. Slow, and nothing in common with the store but the request types.

use std::collections::BTreeMap;

use bytes::Bytes;
use spaxos_kv::{
    Command, CompactRequest, CompactResponse, Compare, CompareResult, CompareTarget,
    DeleteRangeRequest, DeleteRangeResponse, Event, EventKind, KeyValue, KvError, Limits,
    PutRequest, PutResponse, RangeRequest, RangeResponse, Reply, RequestOp, Response, ResponseOp,
    SortOrder, SortTarget, TxnRequest, TxnResponse,
};

/// One thing that happened: at this revision, this key got this entry or lost the one it had.
#[derive(Clone, Debug)]
struct Happening {
    revision: i64,
    key: Bytes,
    entry: Option<KeyValue>,
}

#[derive(Clone, Debug)]
pub(crate) struct Naive {
    history: Vec<Happening>,
    pub(crate) revision: i64,
    pub(crate) compacted: i64,
    limits: Limits,
}

type State = BTreeMap<Bytes, KeyValue>;

fn selects(key: &Bytes, range_end: &Bytes, candidate: &Bytes) -> bool {
    match &range_end[..] {
        b"" => candidate == key,
        b"\0" => candidate >= key,
        _ => candidate >= key && candidate < range_end,
    }
}

impl Naive {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            history: Vec::new(),
            revision: 1,
            compacted: -1,
            limits,
        }
    }

    /// The store as it was after everything up to `revision`.
    fn state(&self, revision: i64) -> State {
        let mut state = State::new();
        for happening in self.history.iter().filter(|h| h.revision <= revision) {
            match &happening.entry {
                Some(entry) => state.insert(happening.key.clone(), entry.clone()),
                None => state.remove(&happening.key),
            };
        }
        state
    }

    /// The store with what has happened so far of the revision in the making.
    fn now(&self) -> State {
        self.state(self.revision + 1)
    }

    fn header(&self) -> i64 {
        self.history.last().map_or(1, |last| last.revision)
    }

    pub(crate) fn key_count(&self) -> u64 {
        self.now().len() as u64
    }

    pub(crate) fn events_since(&self, revision: i64) -> Vec<Event> {
        let events = self
            .history
            .iter()
            .filter(|happening| happening.revision >= revision);
        let events = events.map(|happening| match &happening.entry {
            Some(entry) => Event {
                kind: EventKind::Put,
                kv: entry.clone(),
            },
            None => Event {
                kind: EventKind::Delete,
                kv: KeyValue {
                    key: happening.key.clone(),
                    mod_revision: happening.revision,
                    ..KeyValue::default()
                },
            },
        });
        events.collect()
    }

    /// Bytes of keys and values that a compaction leaves: of each key what happened from the
    /// compacted revision on, and the entry that was there then.
    pub(crate) fn bytes_in_use(&self) -> u64 {
        let then = self.state(self.compacted);
        let later = |h: &&Happening| h.revision >= self.compacted;
        let mut sizes: BTreeMap<&Bytes, usize> = BTreeMap::new();
        for happening in self.history.iter().filter(later) {
            let size = happening
                .entry
                .as_ref()
                .map_or(0, |entry| entry.value.len());
            *sizes.entry(&happening.key).or_default() += size;
        }
        for (key, entry) in then
            .iter()
            .filter(|(_, entry)| entry.mod_revision < self.compacted)
        {
            *sizes.entry(key).or_default() += entry.value.len();
        }
        sizes
            .iter()
            .map(|(key, size)| (key.len() + size) as u64)
            .sum()
    }

    pub(crate) fn execute(&mut self, command: &Command) -> Reply {
        let kept = self.history.len();
        let outcome = match command {
            Command::Put(put) => self.valid_put(put).and_then(|()| {
                self.can_put(put)?;
                Ok(Response::Put(self.put(put)?))
            }),
            Command::DeleteRange(delete) if delete.key.is_empty() => Err(KvError::KeyNotProvided),
            Command::DeleteRange(delete) => Ok(Response::DeleteRange(self.delete(delete))),
            Command::Txn(txn) => self.top_txn(txn).map(Response::Txn),
            Command::Compact(compact) => self.compact(compact).map(Response::Compact),
        };
        if outcome.is_err() {
            self.history.truncate(kept);
        }
        self.revision = self.header().max(self.revision);
        outcome
    }

    fn compact(&mut self, compact: &CompactRequest) -> Result<CompactResponse, KvError> {
        if compact.revision > self.revision {
            return Err(KvError::FutureRevision);
        }
        if compact.revision <= self.compacted {
            return Err(KvError::Compacted);
        }
        self.compacted = compact.revision;
        Ok(CompactResponse {
            revision: self.revision,
        })
    }

    fn valid_put(&self, put: &PutRequest) -> Result<(), KvError> {
        match put {
            _ if put.key.is_empty() => Err(KvError::KeyNotProvided),
            _ if put.ignore_value && !put.value.is_empty() => Err(KvError::ValueProvided),
            _ if put.ignore_lease && put.lease != 0 => Err(KvError::LeaseProvided),
            _ => Ok(()),
        }
    }

    fn can_put(&self, put: &PutRequest) -> Result<(), KvError> {
        if put.lease != 0 {
            return Err(KvError::LeaseNotFound);
        }
        let needs_entry = put.ignore_lease || put.ignore_value;
        if needs_entry && !self.state(self.revision).contains_key(&put.key) {
            return Err(KvError::KeyNotFound);
        }
        Ok(())
    }

    fn put(&mut self, put: &PutRequest) -> Result<PutResponse, KvError> {
        let before = self.now().remove(&put.key);
        if before.is_none() && (put.ignore_value || put.ignore_lease) {
            return Err(KvError::KeyNotFound);
        }
        let revision = self.revision + 1;
        let mut entry = before.clone().unwrap_or(KeyValue {
            key: put.key.clone(),
            create_revision: revision,
            ..KeyValue::default()
        });
        entry.mod_revision = revision;
        entry.version += 1;
        if !put.ignore_value {
            entry.value = put.value.clone();
        }
        if !put.ignore_lease {
            entry.lease = put.lease;
        }
        self.history.push(Happening {
            revision,
            key: put.key.clone(),
            entry: Some(entry),
        });
        Ok(PutResponse {
            revision,
            prev_kv: before.filter(|_| put.prev_kv),
        })
    }

    fn delete(&mut self, delete: &DeleteRangeRequest) -> DeleteRangeResponse {
        let mut gone: Vec<KeyValue> = self.now().into_values().collect();
        gone.retain(|entry| selects(&delete.key, &delete.range_end, &entry.key));
        for entry in &gone {
            let key = entry.key.clone();
            self.history.push(Happening {
                revision: self.revision + 1,
                key,
                entry: None,
            });
        }
        DeleteRangeResponse {
            revision: self.header().max(self.revision),
            deleted: gone.len() as i64,
            prev_kvs: if delete.prev_kv { gone } else { Vec::new() },
        }
    }

    pub(crate) fn range(&self, range: &RangeRequest) -> Result<RangeResponse, KvError> {
        let (order, target) = (range.sort_order.number(), range.sort_target.number());
        if range.key.is_empty() {
            return Err(KvError::KeyNotProvided);
        }
        if !(0..=2).contains(&order) || !(0..=4).contains(&target) {
            return Err(KvError::InvalidSortOption);
        }
        self.readable(range.revision)?;
        let state = if range.revision > 0 {
            self.state(range.revision)
        } else {
            self.now()
        };
        let mut kvs: Vec<KeyValue> = state.into_values().collect();
        kvs.retain(|entry| selects(&range.key, &range.range_end, &entry.key));
        let count = kvs.len() as i64;

        for (bound, field, is_low) in [
            (
                range.min_mod_revision,
                (|kv| kv.mod_revision) as fn(&KeyValue) -> i64,
                true,
            ),
            (range.max_mod_revision, |kv| kv.mod_revision, false),
            (range.min_create_revision, |kv| kv.create_revision, true),
            (range.max_create_revision, |kv| kv.create_revision, false),
        ] {
            let passes = |number| {
                if is_low {
                    number >= bound
                } else {
                    number <= bound
                }
            };
            kvs.retain(|entry| bound == 0 || passes(field(entry)));
        }
        if range.sort_order == SortOrder::Descend {
            // So that equal ones are in key order again after the final reversal.
            kvs.reverse();
        }
        match range.sort_target {
            SortTarget::Version => kvs.sort_by_key(|entry| entry.version),
            SortTarget::Create => kvs.sort_by_key(|entry| entry.create_revision),
            SortTarget::Mod => kvs.sort_by_key(|entry| entry.mod_revision),
            SortTarget::Value => kvs.sort_by(|a, b| a.value.cmp(&b.value)),
            _ => kvs.sort_by(|a, b| a.key.cmp(&b.key)),
        }
        if range.sort_order == SortOrder::Descend {
            kvs.reverse();
        }
        let mut more = false;
        if range.limit > 0 {
            more = kvs.len() as i64 > range.limit;
            while kvs.len() as i64 > range.limit {
                kvs.pop();
            }
        }
        if range.keys_only {
            kvs.iter_mut().for_each(|entry| entry.value.clear());
        }
        if range.count_only {
            (kvs, more) = (Vec::new(), false);
        }
        Ok(RangeResponse {
            revision: self.header().max(self.revision),
            kvs,
            more,
            count,
        })
    }

    fn readable(&self, revision: i64) -> Result<(), KvError> {
        match revision {
            ..=0 => Ok(()),
            _ if revision > self.revision => Err(KvError::FutureRevision),
            _ if revision < self.compacted => Err(KvError::Compacted),
            _ => Ok(()),
        }
    }

    fn top_txn(&mut self, txn: &TxnRequest) -> Result<TxnResponse, KvError> {
        self.valid_txn(txn, self.limits.txn_ops_max, self.limits.txn_depth_max)?;
        if overlaps(&txn.success) || overlaps(&txn.failure) {
            return Err(KvError::DuplicateKey);
        }
        let before = self.state(self.revision);
        self.can_execute(txn, &before)?;
        let mut response = self.txn(txn, &before)?;
        response.revision = self.header().max(self.revision);
        Ok(response)
    }

    fn valid_txn(&self, txn: &TxnRequest, ops: usize, depth: usize) -> Result<(), KvError> {
        let used = txn
            .compare
            .len()
            .max(txn.success.len())
            .max(txn.failure.len());
        if depth == 0 || used > ops {
            return Err(KvError::TooManyOps);
        }
        for compare in &txn.compare {
            if compare.key.is_empty() {
                return Err(KvError::KeyNotProvided);
            }
        }
        for op in [&txn.success[..], &txn.failure[..]].concat() {
            match &op {
                RequestOp::Range(range) => {
                    let latest = RangeRequest {
                        revision: 0,
                        ..range.clone()
                    };
                    self.range(&latest).map(|_| ())?;
                }
                RequestOp::Put(put) => self.valid_put(put)?,
                RequestOp::DeleteRange(delete) if delete.key.is_empty() => {
                    return Err(KvError::KeyNotProvided);
                }
                RequestOp::DeleteRange(_) => {}
                RequestOp::Txn(nested) => self.valid_txn(nested, ops - used, depth - 1)?,
                RequestOp::Empty => return Err(KvError::KeyNotFound),
            }
        }
        Ok(())
    }

    fn can_execute(&self, txn: &TxnRequest, before: &State) -> Result<(), KvError> {
        for op in taken(txn, before) {
            match op {
                RequestOp::Range(range) => self.readable(range.revision)?,
                RequestOp::Put(put) => self.can_put(put)?,
                RequestOp::Txn(nested) => self.can_execute(nested, before)?,
                RequestOp::DeleteRange(_) | RequestOp::Empty => {}
            }
        }
        Ok(())
    }

    fn txn(&mut self, txn: &TxnRequest, before: &State) -> Result<TxnResponse, KvError> {
        let mut responses = Vec::new();
        for op in taken(txn, before) {
            responses.push(match op {
                RequestOp::Range(range) => ResponseOp::Range(self.range(range)?),
                RequestOp::Put(put) => ResponseOp::Put(self.put(put)?),
                RequestOp::DeleteRange(delete) => ResponseOp::DeleteRange(self.delete(delete)),
                RequestOp::Txn(nested) => ResponseOp::Txn(self.txn(nested, before)?),
                RequestOp::Empty => panic!("refused before"),
            });
        }
        let succeeded = txn.compare.iter().all(|compare| holds(compare, before));
        Ok(TxnResponse {
            revision: 0,
            succeeded,
            responses,
        })
    }
}

fn taken<'t>(txn: &'t TxnRequest, before: &State) -> &'t [RequestOp] {
    let succeeded = txn.compare.iter().all(|compare| holds(compare, before));
    if succeeded {
        &txn.success
    } else {
        &txn.failure
    }
}

fn holds(compare: &Compare, before: &State) -> bool {
    let mut chosen: Vec<Option<&KeyValue>> = before
        .values()
        .filter(|entry| selects(&compare.key, &compare.range_end, &entry.key))
        .map(Some)
        .collect();
    if chosen.is_empty() {
        chosen.push(None);
    }
    let nothing = KeyValue::default();
    chosen.into_iter().all(|entry| {
        let of = entry.unwrap_or(&nothing);
        let order = match &compare.target {
            CompareTarget::Value(_) if entry.is_none() => return false,
            CompareTarget::Value(value) => of.value.cmp(value),
            CompareTarget::Version(number) => of.version.cmp(number),
            CompareTarget::Create(number) => of.create_revision.cmp(number),
            CompareTarget::Mod(number) => of.mod_revision.cmp(number),
            CompareTarget::Lease(number) => of.lease.cmp(number),
            CompareTarget::Unknown => 0.cmp(&0),
        };
        match compare.result {
            CompareResult::Equal => order.is_eq(),
            CompareResult::NotEqual => !order.is_eq(),
            CompareResult::Less => order.is_lt(),
            CompareResult::Greater => order.is_gt(),
            CompareResult::Unknown(_) => true,
        }
    })
}

/// What a list of operations touches: puts, and deletes as (first key, end).
#[derive(Default)]
struct Touched {
    puts: Vec<Bytes>,
    deletes: Vec<(Bytes, Bytes)>,
}

impl Touched {
    fn hits(&self, key: &Bytes) -> bool {
        let put = self.puts.contains(key);
        put || self
            .deletes
            .iter()
            .any(|(first, end)| first == key || (first < key && key < end))
    }
}

/// etcd's check for keys put twice or put and deleted, its holes included: this level's deletes
/// first, then nested transactions one after the other, then this level's puts.
fn touched(ops: &[RequestOp]) -> Option<Touched> {
    let mut all = Touched::default();
    for op in ops {
        if let RequestOp::DeleteRange(delete) = op {
            all.deletes
                .push((delete.key.clone(), delete.range_end.clone()));
        }
    }
    for op in ops {
        let RequestOp::Txn(nested) = op else { continue };
        let (success, failure) = (touched(&nested.success)?, touched(&nested.failure)?);
        if success
            .puts
            .iter()
            .chain(&failure.puts)
            .any(|key| all.hits(key))
        {
            return None;
        }
        for part in [success, failure] {
            all.puts.extend(part.puts);
            all.deletes.extend(part.deletes);
        }
    }
    for op in ops {
        let RequestOp::Put(put) = op else { continue };
        if all.hits(&put.key) {
            return None;
        }
        all.puts.push(put.key.clone());
    }
    Some(all)
}

fn overlaps(ops: &[RequestOp]) -> bool {
    touched(ops).is_none()
}
