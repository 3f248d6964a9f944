//! The state machine: bytes in, bytes out.

use bytes::Bytes;

use crate::command::{self, Command};
use crate::cost::Cost;
use crate::error::KvError;
use crate::limits::Limits;
use crate::query::{self, Query};
use crate::read::Event;
use crate::reply;
use crate::request::{RangeRequest, TxnRequest};
use crate::response::{HashKvResponse, RangeResponse, Reply, Response, StoreStatus, TxnResponse};
use crate::store::Store;
use crate::validate::{validate_command, validate_query, validate_range, validate_txn};

/// The store behind a log of commands.
#[derive(Debug, Default)]
pub struct Machine {
    store: Store,
    limits: Limits,
}

impl Machine {
    /// An empty store at revision 1.
    ///
    /// # Panics
    ///
    /// When the limits contradict each other; see [`Limits::assert_valid`].
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        limits.assert_valid();
        Self {
            store: Store::default(),
            limits,
        }
    }

    /// Executes one command and appends its reply to `reply`. Total: what cannot be decoded, or is
    /// not valid, is answered with an error and changes nothing. Copies the command once; see
    /// [`Machine::execute_bytes`].
    pub fn execute(&mut self, command: &[u8], reply: &mut Vec<u8>) {
        self.execute_bytes(&Bytes::copy_from_slice(command), reply);
    }

    /// As [`Machine::execute`], without the copy: large values keep sharing the command's memory.
    pub fn execute_bytes(&mut self, command: &Bytes, reply: &mut Vec<u8>) {
        let outcome = match command::decode(command, &self.limits) {
            Ok(command) => self.apply(&command),
            Err(error) => Err(error.into()),
        };
        self.store.prune_share();
        reply::encode(&outcome, reply);
    }

    /// Executes a command that is at hand as such.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with it; nothing has changed then.
    pub fn apply(&mut self, command: &Command) -> Reply {
        validate_command(command, &self.limits)?;
        match command {
            Command::Put(put) => self.store.put(put).map(Response::Put),
            Command::DeleteRange(delete) => self
                .store
                .delete_range(delete, &self.limits)
                .map(Response::DeleteRange),
            Command::Txn(txn) => self.store.txn(txn, &self.limits).map(Response::Txn),
            Command::Compact(compact) => self.store.compact(compact).map(Response::Compact),
        }
    }

    /// Answers an encoded [`Query`] and appends the reply to `reply`. Total, as
    /// [`Machine::execute`].
    pub fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        let outcome = match query::decode(&Bytes::copy_from_slice(query), &self.limits) {
            Ok(query) => self.answer(&query),
            Err(error) => Err(error.into()),
        };
        reply::encode(&outcome, reply);
    }

    /// Answers a query that is at hand as such.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with it.
    pub fn answer(&self, query: &Query) -> Reply {
        validate_query(query, &self.limits)?;
        match query {
            Query::Range(range) => self.range(range).map(Response::Range),
            Query::Txn(txn) => self.txn_read_only(txn).map(Response::Txn),
            Query::Status => Ok(Response::Status(self.status())),
            Query::HashKv { revision } => self.hash_kv(*revision).map(Response::HashKv),
        }
    }

    /// Reads keys.
    ///
    /// # Errors
    ///
    /// Those of [`validate_range`]; [`KvError::FutureRevision`], [`KvError::Compacted`].
    pub fn range(&self, range: &RangeRequest) -> Result<RangeResponse, KvError> {
        validate_range(range)?;
        self.store
            .range(range, self.store.revision(), &mut Cost::unlimited())
    }

    /// Executes a transaction that only reads.
    ///
    /// # Errors
    ///
    /// Those of [`validate_txn`] and of the ranges in the branch taken; [`KvError::NotReadOnly`]
    /// unless [`TxnRequest::is_read_only`]; [`KvError::TxnTooCostly`].
    pub fn txn_read_only(&self, txn: &TxnRequest) -> Result<TxnResponse, KvError> {
        validate_txn(txn, &self.limits)?;
        self.store.txn_read_only(txn, &self.limits)
    }

    /// Everything that happened at or after `revision`, oldest first: what a watcher from there
    /// has missed. A later revision than the store's has none. Costs a search, and then what it
    /// yields.
    ///
    /// # Errors
    ///
    /// [`KvError::Compacted`] below the compacted revision. At it, events are still there.
    pub fn events_since(&self, revision: i64) -> Result<impl Iterator<Item = Event>, KvError> {
        self.store.events_since(revision)
    }

    /// The latest revision; 1 in an empty store.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.store.revision()
    }

    /// The oldest readable revision; -1 before the first compaction.
    #[must_use]
    pub fn compact_revision(&self) -> i64 {
        self.store.compact_revision
    }

    /// The store in figures. Cheap: all of them are kept up to date.
    #[must_use]
    pub fn status(&self) -> StoreStatus {
        self.store.status()
    }

    /// Keys that exist now.
    #[must_use]
    pub fn key_count(&self) -> u64 {
        self.status().key_count
    }

    /// Estimate of what the store takes, in bytes: contents, history and their bookkeeping.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.status().size_bytes
    }

    /// Keys and values alone, history included, in bytes.
    #[must_use]
    pub fn size_in_use_bytes(&self) -> u64 {
        self.status().size_in_use_bytes
    }

    /// Hash over everything that ever changed: equal on replicas that executed the same. Kept up
    /// to date, so cheap; it does not look at the contents, [`Machine::hash_kv`] does.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        self.status().state_hash
    }

    /// Hash of what is readable at or before `revision`; 0 or less is the latest. Looks at all
    /// contents.
    ///
    /// # Errors
    ///
    /// [`KvError::FutureRevision`], [`KvError::Compacted`].
    pub fn hash_kv(&self, revision: i64) -> Result<HashKvResponse, KvError> {
        self.store.hash_kv(revision)
    }

    /// Gives back memory of what compactions have made unreadable, visiting at most `steps_max`
    /// changes; says whether there may be more. Every command does a share of this; an idle
    /// machine gets there only by being asked. Changes nothing that can be read.
    pub fn prune(&mut self, steps_max: usize) -> bool {
        self.store.prune(steps_max)
    }

    /// The limits it runs with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
