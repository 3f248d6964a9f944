//! The state machine: bytes in, bytes out.

use bytes::Bytes;

use crate::error::KvError;
use crate::limits::Limits;
use crate::request::{RangeRequest, TxnRequest};
use crate::response::{HashKvResponse, RangeResponse, StoreStatus, TxnResponse};
use crate::{command, query, reply};

/// The store behind a log of commands.
#[derive(Debug, Default)]
pub struct Machine {
    limits: Limits,
}

impl Machine {
    /// An empty store at revision 1.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        limits.assert_valid();
        Self { limits }
    }

    /// Executes one command and appends its reply to `reply`. Total: what cannot be decoded is
    /// answered with an error and changes nothing. Copies the command once; see
    /// [`Machine::execute_bytes`].
    pub fn execute(&mut self, command: &[u8], reply: &mut Vec<u8>) {
        self.execute_bytes(&Bytes::copy_from_slice(command), reply);
    }

    /// As [`Machine::execute`], without the copy: large values keep sharing the command's memory.
    pub fn execute_bytes(&mut self, command: &Bytes, reply: &mut Vec<u8>) {
        let outcome = command::decode(command, &self.limits).map_err(KvError::from);
        reply::encode(&outcome.and(Err(KvError::Undecodable)), reply);
    }

    /// Answers an encoded [`Query`](crate::Query) and appends the reply to `reply`.
    pub fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        let query = query::decode(&Bytes::copy_from_slice(query), &self.limits);
        reply::encode(
            &query.map_err(KvError::from).and(Err(KvError::Undecodable)),
            reply,
        );
    }

    /// Reads keys.
    pub fn range(&self, _range: &RangeRequest) -> Result<RangeResponse, KvError> {
        Err(KvError::Undecodable)
    }

    /// Executes a transaction that only reads.
    pub fn txn_read_only(&self, _txn: &TxnRequest) -> Result<TxnResponse, KvError> {
        Err(KvError::Undecodable)
    }

    /// The latest revision; 1 in an empty store.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.status().revision
    }

    /// The oldest readable revision; -1 before the first compaction.
    #[must_use]
    pub fn compact_revision(&self) -> i64 {
        self.status().compact_revision
    }

    /// The store in figures.
    #[must_use]
    pub fn status(&self) -> StoreStatus {
        StoreStatus {
            revision: 1,
            compact_revision: -1,
            ..StoreStatus::default()
        }
    }

    /// Hash of what is readable at or before `revision`; 0 or less is the latest.
    pub fn hash_kv(&self, _revision: i64) -> Result<HashKvResponse, KvError> {
        Err(KvError::Undecodable)
    }
}
