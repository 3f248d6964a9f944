//! Answers.
//!
//! `revision` is what etcd reports in the header of that very answer: for a read the revision of
//! the store (also when an old one was read), for a write the revision after it.

use bytes::Bytes;

use crate::error::KvError;

/// What comes of a command or query.
pub type Reply = Result<Response, KvError>;

/// The answer to a command or query that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To a range.
    Range(RangeResponse),
    /// To a put.
    Put(PutResponse),
    /// To a delete.
    DeleteRange(DeleteRangeResponse),
    /// To a transaction.
    Txn(TxnResponse),
    /// To a compaction.
    Compact(CompactResponse),
    /// To a question for the store's figures.
    Status(StoreStatus),
    /// To a question for the hash of the contents.
    HashKv(HashKvResponse),
}

/// A key with its value and history in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// The revision that created the key, since it was last deleted.
    pub create_revision: i64,
    /// The revision of this entry.
    pub mod_revision: i64,
    /// 1 when created, plus one with each put.
    pub version: i64,
    /// The value; may be empty.
    pub value: Bytes,
    /// The lease; 0 is none.
    pub lease: i64,
}

/// The answer to a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeResponse {
    /// Revision of the store.
    pub revision: i64,
    /// The entries, in the order asked for.
    pub kvs: Vec<KeyValue>,
    /// Whether the limit cut entries off.
    pub more: bool,
    /// Keys in the range, whatever limit and revision filters left of them.
    pub count: i64,
}

/// The answer to a put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutResponse {
    /// Revision of the store after the put.
    pub revision: i64,
    /// The entry before, when asked for and when there was one.
    pub prev_kv: Option<KeyValue>,
}

/// The answer to a delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteRangeResponse {
    /// Revision of the store after the delete; unchanged if nothing was deleted.
    pub revision: i64,
    /// How many keys were deleted.
    pub deleted: i64,
    /// The entries before, when asked for, in the order of their keys.
    pub prev_kvs: Vec<KeyValue>,
}

/// The answer to a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxnResponse {
    /// Revision of the store after the transaction; 0 in a nested one, as in etcd.
    pub revision: i64,
    /// Whether the compares held.
    pub succeeded: bool,
    /// An answer for each operation of the branch taken.
    pub responses: Vec<ResponseOp>,
}

/// The answer to one operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseOp {
    /// To a range.
    Range(RangeResponse),
    /// To a put.
    Put(PutResponse),
    /// To a delete.
    DeleteRange(DeleteRangeResponse),
    /// To a nested transaction.
    Txn(TxnResponse),
}

/// The answer to a compaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactResponse {
    /// Revision of the store, which a compaction does not change.
    pub revision: i64,
}

/// The store in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// The latest revision; 1 in an empty store.
    pub revision: i64,
    /// The oldest readable revision; -1 before the first compaction.
    pub compact_revision: i64,
    /// Keys that exist now.
    pub key_count: u64,
    /// Estimate of what the store takes, in bytes: contents, history and their bookkeeping.
    pub size_bytes: u64,
    /// Of that, keys and values alone, in bytes.
    pub size_in_use_bytes: u64,
    /// Hash over everything that ever changed: equal on replicas that executed the same.
    pub state_hash: u64,
}

/// The answer to a question for the hash of the contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashKvResponse {
    /// Revision of the store.
    pub revision: i64,
    /// Hash over keys, values and history that is readable at or before `hash_revision`.
    pub hash: u32,
    /// The oldest readable revision; -1 before the first compaction.
    pub compact_revision: i64,
    /// The revision that was hashed.
    pub hash_revision: i64,
}
