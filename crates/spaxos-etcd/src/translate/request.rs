//! From etcd's requests to the store's. Nothing is judged here: what the store does not know it
//! refuses itself, at its place in etcd's order of checks.

use spaxos_kv as kv;

use crate::proto::etcdserverpb as pb;
use pb::compare::TargetUnion;
use pb::request_op::Request;

/// A range.
pub(crate) fn range(request: pb::RangeRequest) -> kv::RangeRequest {
    kv::RangeRequest {
        key: request.key,
        range_end: request.range_end,
        limit: request.limit,
        revision: request.revision,
        sort_order: kv::SortOrder::from_number(request.sort_order),
        sort_target: kv::SortTarget::from_number(request.sort_target),
        serializable: request.serializable,
        keys_only: request.keys_only,
        count_only: request.count_only,
        min_mod_revision: request.min_mod_revision,
        max_mod_revision: request.max_mod_revision,
        min_create_revision: request.min_create_revision,
        max_create_revision: request.max_create_revision,
    }
}

/// A put.
pub(crate) fn put(request: pb::PutRequest) -> kv::PutRequest {
    kv::PutRequest {
        key: request.key,
        value: request.value,
        lease: request.lease,
        prev_kv: request.prev_kv,
        ignore_value: request.ignore_value,
        ignore_lease: request.ignore_lease,
    }
}

/// A delete.
pub(crate) fn delete_range(request: pb::DeleteRangeRequest) -> kv::DeleteRangeRequest {
    kv::DeleteRangeRequest {
        key: request.key,
        range_end: request.range_end,
        prev_kv: request.prev_kv,
    }
}

/// A compaction.
pub(crate) fn compaction(request: pb::CompactionRequest) -> kv::CompactRequest {
    kv::CompactRequest {
        revision: request.revision,
        physical: request.physical,
    }
}

/// A transaction. As deep as the decoder of the message let it be.
pub(crate) fn txn(request: pb::TxnRequest) -> kv::TxnRequest {
    kv::TxnRequest {
        compare: request.compare.into_iter().map(compare).collect(),
        success: request.success.into_iter().map(operation).collect(),
        failure: request.failure.into_iter().map(operation).collect(),
    }
}

fn operation(operation: pb::RequestOp) -> kv::RequestOp {
    match operation.request {
        Some(Request::RequestRange(request)) => kv::RequestOp::Range(range(request)),
        Some(Request::RequestPut(request)) => kv::RequestOp::Put(put(request)),
        Some(Request::RequestDeleteRange(request)) => {
            kv::RequestOp::DeleteRange(delete_range(request))
        }
        Some(Request::RequestTxn(request)) => kv::RequestOp::Txn(txn(request)),
        None => kv::RequestOp::Empty,
    }
}

fn compare(compare: pb::Compare) -> kv::Compare {
    kv::Compare {
        result: kv::CompareResult::from_number(compare.result),
        target: target(compare.target, compare.target_union),
        key: compare.key,
        range_end: compare.range_end,
    }
}

/// The field that `target` names, with the operand if it is one of that field; one of another field
/// counts as missing, and a missing one is zero or empty.
fn target(target: i32, operand: Option<TargetUnion>) -> kv::CompareTarget {
    use pb::compare::CompareTarget as Target;
    match (Target::try_from(target), operand) {
        (Ok(Target::Version), Some(TargetUnion::Version(n))) => kv::CompareTarget::Version(n),
        (Ok(Target::Version), _) => kv::CompareTarget::Version(0),
        (Ok(Target::Create), Some(TargetUnion::CreateRevision(n))) => kv::CompareTarget::Create(n),
        (Ok(Target::Create), _) => kv::CompareTarget::Create(0),
        (Ok(Target::Mod), Some(TargetUnion::ModRevision(n))) => kv::CompareTarget::Mod(n),
        (Ok(Target::Mod), _) => kv::CompareTarget::Mod(0),
        (Ok(Target::Value), Some(TargetUnion::Value(bytes))) => kv::CompareTarget::Value(bytes),
        (Ok(Target::Value), _) => kv::CompareTarget::Value(bytes::Bytes::new()),
        (Ok(Target::Lease), Some(TargetUnion::Lease(n))) => kv::CompareTarget::Lease(n),
        (Ok(Target::Lease), _) => kv::CompareTarget::Lease(0),
        (Err(_), _) => kv::CompareTarget::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn numbers_that_nobody_knows_reach_the_store_as_they_are() {
        let request = range(pb::RangeRequest {
            sort_order: 7,
            sort_target: 9,
            ..pb::RangeRequest::default()
        });
        assert_eq!(request.sort_order, kv::SortOrder::Unknown(7));
        assert_eq!(request.sort_target, kv::SortTarget::Unknown(9));
    }

    #[test]
    fn an_operand_of_another_field_counts_as_missing() {
        let value = Some(TargetUnion::Value(Bytes::from_static(b"v")));
        assert_eq!(
            target(3, value.clone()),
            kv::CompareTarget::Value("v".into())
        );
        assert_eq!(target(2, value), kv::CompareTarget::Mod(0));
        assert_eq!(target(1, None), kv::CompareTarget::Create(0));
        assert_eq!(target(12, None), kv::CompareTarget::Unknown);
    }

    #[test]
    fn an_operation_without_a_kind_stays_one() {
        let request = txn(pb::TxnRequest {
            success: vec![pb::RequestOp { request: None }],
            ..pb::TxnRequest::default()
        });
        assert_eq!(request.success, [kv::RequestOp::Empty]);
    }
}
