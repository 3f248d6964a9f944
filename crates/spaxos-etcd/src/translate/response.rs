//! From the store's answers to etcd's.

use spaxos_kv as kv;

use crate::proto::etcdserverpb as pb;
use crate::proto::mvccpb;
use pb::response_op::Response;

/// The header of an answer that is part of a transaction's: etcd tells only the revision there.
fn inner_header(revision: i64) -> Option<pb::ResponseHeader> {
    Some(pb::ResponseHeader {
        revision,
        ..pb::ResponseHeader::default()
    })
}

/// The answer to a range.
pub(crate) fn range_response(
    header: Option<pb::ResponseHeader>,
    response: kv::RangeResponse,
) -> pb::RangeResponse {
    pb::RangeResponse {
        header,
        kvs: response.kvs.into_iter().map(key_value).collect(),
        more: response.more,
        count: response.count,
    }
}

/// The answer to a put.
pub(crate) fn put_response(
    header: Option<pb::ResponseHeader>,
    response: kv::PutResponse,
) -> pb::PutResponse {
    pb::PutResponse {
        header,
        prev_kv: response.prev_kv.map(key_value),
    }
}

/// The answer to a delete.
pub(crate) fn delete_response(
    header: Option<pb::ResponseHeader>,
    response: kv::DeleteRangeResponse,
) -> pb::DeleteRangeResponse {
    pb::DeleteRangeResponse {
        header,
        deleted: response.deleted,
        prev_kvs: response.prev_kvs.into_iter().map(key_value).collect(),
    }
}

/// The answer to a transaction.
pub(crate) fn txn_response(
    header: Option<pb::ResponseHeader>,
    response: kv::TxnResponse,
) -> pb::TxnResponse {
    pb::TxnResponse {
        header,
        succeeded: response.succeeded,
        responses: response.responses.into_iter().map(operation).collect(),
    }
}

fn operation(response: kv::ResponseOp) -> pb::ResponseOp {
    let response = match response {
        kv::ResponseOp::Range(response) => {
            Response::ResponseRange(range_response(inner_header(response.revision), response))
        }
        kv::ResponseOp::Put(response) => {
            Response::ResponsePut(put_response(inner_header(response.revision), response))
        }
        kv::ResponseOp::DeleteRange(response) => Response::ResponseDeleteRange(delete_response(
            inner_header(response.revision),
            response,
        )),
        kv::ResponseOp::Txn(response) => {
            Response::ResponseTxn(txn_response(inner_header(response.revision), response))
        }
    };
    pb::ResponseOp {
        response: Some(response),
    }
}

fn key_value(entry: kv::KeyValue) -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: entry.key,
        create_revision: entry.create_revision,
        mod_revision: entry.mod_revision,
        version: entry.version,
        value: entry.value,
        lease: entry.lease,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_a_transaction_a_header_tells_the_revision_alone() {
        let inner = kv::TxnResponse {
            responses: vec![kv::ResponseOp::Put(kv::PutResponse {
                revision: 5,
                prev_kv: None,
            })],
            ..kv::TxnResponse::default()
        };
        let outer = kv::TxnResponse {
            revision: 5,
            succeeded: true,
            responses: vec![kv::ResponseOp::Txn(inner)],
        };
        let response = txn_response(None, outer);
        let Some(Response::ResponseTxn(inner)) = &response.responses[0].response else {
            panic!("a nested transaction: {response:?}");
        };
        assert_eq!(inner.header, inner_header(0), "a nested one tells 0");
        let Some(Response::ResponsePut(put)) = &inner.responses[0].response else {
            panic!("a put: {inner:?}");
        };
        assert_eq!(put.header, inner_header(5));
    }
}
