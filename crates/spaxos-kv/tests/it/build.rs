//! Short ways to write requests down and to run them.

use bytes::Bytes;
use spaxos_kv::{
    Command, CompactRequest, Compare, CompareResult, CompareTarget, DeleteRangeRequest, KeyValue,
    KvError, Limits, Machine, PutRequest, RangeRequest, RangeResponse, Reply, RequestOp, Response,
    TxnRequest, TxnResponse, command, reply,
};

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(crate) fn put(key: &str, value: &str) -> PutRequest {
    PutRequest {
        key: bytes(key),
        value: bytes(value),
        ..PutRequest::default()
    }
}

pub(crate) fn get(key: &str) -> RangeRequest {
    RangeRequest {
        key: bytes(key),
        ..RangeRequest::default()
    }
}

pub(crate) fn span(key: &str, range_end: &str) -> RangeRequest {
    RangeRequest {
        range_end: bytes(range_end),
        ..get(key)
    }
}

/// Every key there is.
pub(crate) fn everything() -> RangeRequest {
    span("\0", "\0")
}

pub(crate) fn delete(key: &str, range_end: &str) -> DeleteRangeRequest {
    DeleteRangeRequest {
        key: bytes(key),
        range_end: bytes(range_end),
        ..DeleteRangeRequest::default()
    }
}

pub(crate) fn put_op(key: &str, value: &str) -> RequestOp {
    RequestOp::Put(put(key, value))
}

pub(crate) fn get_op(key: &str) -> RequestOp {
    RequestOp::Range(get(key))
}

pub(crate) fn delete_op(key: &str, range_end: &str) -> RequestOp {
    RequestOp::DeleteRange(delete(key, range_end))
}

pub(crate) fn compare(key: &str, target: CompareTarget, result: CompareResult) -> Compare {
    Compare {
        result,
        target,
        key: bytes(key),
        range_end: Bytes::new(),
    }
}

pub(crate) fn txn(
    compare: Vec<Compare>,
    success: Vec<RequestOp>,
    failure: Vec<RequestOp>,
) -> TxnRequest {
    TxnRequest {
        compare,
        success,
        failure,
    }
}

/// A transaction without conditions.
pub(crate) fn all_of(success: Vec<RequestOp>) -> TxnRequest {
    txn(Vec::new(), success, Vec::new())
}

pub(crate) fn nested(success: Vec<RequestOp>, failure: Vec<RequestOp>) -> RequestOp {
    RequestOp::Txn(txn(Vec::new(), success, failure))
}

pub(crate) fn encoded(command: &Command) -> Bytes {
    let mut out = Vec::new();
    command::encode(command, &mut out);
    Bytes::from(out)
}

/// Executes a command by way of its bytes and those of its reply.
pub(crate) fn run(machine: &mut Machine, command: &Command) -> Reply {
    let mut out = Vec::new();
    machine.execute_bytes(&encoded(command), &mut out);
    reply::decode(&Bytes::from(out)).expect("the machine writes replies that can be read")
}

/// A machine under test, with what most tests do to it.
pub(crate) struct Bench(pub(crate) Machine);

impl Bench {
    pub(crate) fn new() -> Self {
        Self(Machine::new(Limits::DEFAULT))
    }

    pub(crate) fn put(&mut self, key: &str, value: &str) -> i64 {
        match run(&mut self.0, &Command::Put(put(key, value))) {
            Ok(Response::Put(response)) => response.revision,
            other => panic!("a plain put succeeds: {other:?}"),
        }
    }

    pub(crate) fn try_put(&mut self, put: PutRequest) -> Reply {
        run(&mut self.0, &Command::Put(put))
    }

    /// Deletes; answers (how many, revision).
    pub(crate) fn delete(&mut self, key: &str, range_end: &str) -> (i64, i64) {
        match run(&mut self.0, &Command::DeleteRange(delete(key, range_end))) {
            Ok(Response::DeleteRange(response)) => (response.deleted, response.revision),
            other => panic!("a delete succeeds: {other:?}"),
        }
    }

    pub(crate) fn txn(&mut self, txn: TxnRequest) -> Result<TxnResponse, KvError> {
        match run(&mut self.0, &Command::Txn(txn))? {
            Response::Txn(response) => Ok(response),
            other => panic!("a transaction is answered as such: {other:?}"),
        }
    }

    /// Executes a transaction that must succeed in both senses.
    pub(crate) fn ok(&mut self, txn: TxnRequest) -> TxnResponse {
        let response = self.txn(txn).expect("the transaction is legal");
        assert!(response.succeeded, "the conditions hold");
        response
    }

    pub(crate) fn compact(&mut self, revision: i64) -> Result<i64, KvError> {
        let compact = CompactRequest {
            revision,
            physical: false,
        };
        match run(&mut self.0, &Command::Compact(compact))? {
            Response::Compact(response) => Ok(response.revision),
            other => panic!("a compaction is answered as such: {other:?}"),
        }
    }

    pub(crate) fn range(&self, range: &RangeRequest) -> RangeResponse {
        self.0.range(range).expect("the range is legal")
    }

    pub(crate) fn keys(&self, range: &RangeRequest) -> Vec<String> {
        self.range(range)
            .kvs
            .iter()
            .map(|entry| text(&entry.key))
            .collect()
    }

    /// The one entry of a key that exists.
    pub(crate) fn entry(&self, key: &str) -> KeyValue {
        let response = self.range(&get(key));
        assert_eq!(
            (response.count, response.kvs.len()),
            (1, 1),
            "{key:?} exists"
        );
        response.kvs.into_iter().next().expect("there is one")
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
