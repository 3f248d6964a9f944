//! The key-value store that ships, as a part of the simulated state machine: commands go into it as the
//! bytes that a server would write, and its answers are read back from bytes.

use bytes::Bytes;
use spaxos_kv::response::{ResponseOp, TxnResponse};
use spaxos_kv::{
    Command, Compare, CompareResult, CompareTarget, DeleteRangeRequest, KeyValue, Machine,
    PutRequest, RangeRequest, RequestOp, Response, TxnRequest, command, reply,
};

use crate::history::{Found, What};
use crate::violation::{Checked, Violation};

const NAME: &str = "store";

/// Keys that clients use.
pub(crate) const KEYS: u64 = 4;

/// What a command does to the store. Its value is the command's number, which is unique.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyOperation {
    pub(crate) kind: KeyKind,
    pub(crate) key: u64,
    /// For a comparison: the value that has to be there; 0 for none.
    pub(crate) expected: u64,
}

/// The kinds of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// The store is not concerned.
    #[default]
    Nothing,
    Put,
    CompareAndPut,
    Delete,
}

impl KeyKind {
    pub(crate) const ALL: [KeyKind; 4] = [
        KeyKind::Nothing,
        KeyKind::Put,
        KeyKind::CompareAndPut,
        KeyKind::Delete,
    ];
}

/// What the store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreAnswer {
    pub(crate) revision: u64,
    pub(crate) changed: bool,
    pub(crate) found: Option<Found>,
}

impl KeyOperation {
    /// As a history has it, for the command with this number; `None` if the store is not concerned.
    pub(crate) fn what(&self, id: u64) -> Option<What> {
        Some(match self.kind {
            KeyKind::Nothing => return None,
            KeyKind::Put => What::Put(id),
            KeyKind::CompareAndPut => What::CompareAndPut {
                expected: (self.expected > 0).then_some(self.expected),
                value: id,
            },
            KeyKind::Delete => What::Delete,
        })
    }

    fn command(&self, id: u64) -> Option<Command> {
        let key = Bytes::from(name(self.key));
        let put = PutRequest {
            key: key.clone(),
            value: value(id),
            ..PutRequest::default()
        };
        Some(match self.kind {
            KeyKind::Nothing => return None,
            KeyKind::Put => Command::Put(put),
            KeyKind::CompareAndPut => {
                let target = match self.expected {
                    0 => CompareTarget::Create(0),
                    id => CompareTarget::Value(value(id)),
                };
                let compare = Compare {
                    result: CompareResult::Equal,
                    target,
                    key: key.clone(),
                    range_end: Bytes::new(),
                };
                Command::Txn(TxnRequest {
                    compare: vec![compare],
                    success: vec![RequestOp::Put(put)],
                    failure: vec![RequestOp::Range(range(key))],
                })
            }
            KeyKind::Delete => Command::DeleteRange(DeleteRangeRequest {
                key,
                ..DeleteRangeRequest::default()
            }),
        })
    }
}

/// A key as clients name it.
pub(crate) fn name(key: u64) -> String {
    format!("key {key}")
}

fn value(id: u64) -> Bytes {
    Bytes::copy_from_slice(&id.to_le_bytes())
}

fn range(key: Bytes) -> RangeRequest {
    RangeRequest {
        key,
        ..RangeRequest::default()
    }
}

/// The store of one replica.
#[derive(Debug, Default)]
pub(crate) struct KeyStore {
    machine: Machine,
}

impl KeyStore {
    /// Carries out what a command wants of the store.
    pub(crate) fn execute(
        &mut self,
        id: u64,
        operation: &KeyOperation,
    ) -> Checked<Option<StoreAnswer>> {
        let Some(wanted) = operation.command(id) else {
            return Ok(None);
        };
        let (mut bytes, mut answer) = (Vec::new(), Vec::new());
        command::encode(&wanted, &mut bytes);
        self.machine.execute(&bytes, &mut answer);
        let reply = reply::decode(&Bytes::from(answer));
        match reply {
            Ok(Ok(response)) => read_answer(&response).map(Some),
            other => Err(refused(&other)),
        }
    }

    /// Reads a key in the present state.
    pub(crate) fn read(&self, key: u64) -> Checked<StoreAnswer> {
        let range = self.machine.range(&range(Bytes::from(name(key))));
        let range = range.map_err(|error| refused(&error))?;
        Ok(StoreAnswer {
            revision: range.revision.unsigned_abs(),
            changed: false,
            found: range.kvs.first().map(found),
        })
    }

    /// Equal on replicas that executed the same.
    pub(crate) fn hash(&self) -> u64 {
        self.machine.status().state_hash
    }
}

fn refused(answer: &dyn std::fmt::Debug) -> Violation {
    Violation::new(NAME, format!("a sound request came to {answer:?}"))
}

fn read_answer(response: &Response) -> Checked<StoreAnswer> {
    let (revision, changed, found) = match response {
        Response::Put(put) => (put.revision, true, None),
        Response::DeleteRange(delete) => (delete.revision, delete.deleted > 0, None),
        Response::Txn(txn) => (txn.revision, txn.succeeded, found_instead(txn)),
        other => return Err(refused(other)),
    };
    Ok(StoreAnswer {
        revision: revision.unsigned_abs(),
        changed,
        found,
    })
}

/// What a comparison that did not hold found.
fn found_instead(txn: &TxnResponse) -> Option<Found> {
    match txn.responses.first() {
        Some(ResponseOp::Range(range)) => range.kvs.first().map(found),
        _ => None,
    }
}

fn found(entry: &KeyValue) -> Found {
    let bytes = <[u8; 8]>::try_from(&entry.value[..]).unwrap_or_default();
    Found {
        value: u64::from_le_bytes(bytes),
        revision: entry.mod_revision.unsigned_abs(),
        version: entry.version.unsigned_abs(),
    }
}
