//! Transactions: conditions, both branches, nesting, and what is refused.

use tonic::Code;

use crate::harness::{Endpoint, Refusal, range, success, txn, values};
use pb::compare::{CompareResult, CompareTarget, TargetUnion};
use pb::response_op::Response;
use spaxos_etcd::proto::etcdserverpb as pb;

fn compare(
    key: &str,
    target: CompareTarget,
    result: CompareResult,
    operand: TargetUnion,
) -> pb::Compare {
    pb::Compare {
        key: key.to_owned().into(),
        target: target.into(),
        result: result.into(),
        target_union: Some(operand),
        ..pb::Compare::default()
    }
}

fn invalid(words: &str) -> Refusal {
    (Code::InvalidArgument, format!("etcdserver: {words}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_compare_each_field() {
    use CompareResult::{Equal, Greater, Less, NotEqual};
    use CompareTarget::{Create, Lease, Mod, Value, Version};
    let endpoint = Endpoint::start().await;
    endpoint.put("a", "m").await;
    endpoint.put("a", "m").await;
    let value = |value: &'static str| TargetUnion::Value(value.into());
    let cases = [
        (compare("a", Version, Equal, TargetUnion::Version(2)), true),
        (compare("a", Version, Less, TargetUnion::Version(2)), false),
        (
            compare("a", Create, Equal, TargetUnion::CreateRevision(2)),
            true,
        ),
        (
            compare("a", Mod, Greater, TargetUnion::ModRevision(2)),
            true,
        ),
        (
            compare("a", Mod, NotEqual, TargetUnion::ModRevision(3)),
            false,
        ),
        (compare("a", Value, Equal, value("m")), true),
        (compare("a", Value, Greater, value("l")), true),
        (compare("a", Value, NotEqual, value("m")), false),
        (compare("a", Lease, Equal, TargetUnion::Lease(0)), true),
        (
            compare("missing", Version, Equal, TargetUnion::Version(0)),
            true,
        ),
        (
            compare("missing", Create, Greater, TargetUnion::CreateRevision(0)),
            false,
        ),
        (compare("missing", Value, NotEqual, value("m")), false),
        (compare("missing", Value, Equal, value("")), false),
    ];
    for (condition, holds) in cases {
        let response = endpoint.txn(txn([condition.clone()], [])).await;
        assert_eq!(response.succeeded, holds, "{condition:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_on_a_range_holds_for_each_key() {
    let endpoint = Endpoint::start().await;
    endpoint.put("a", "1").await;
    endpoint.put("b", "1").await;
    endpoint.put("b", "2").await;
    let ranged = |key, end: &'static str, result, version| pb::Compare {
        range_end: end.into(),
        ..compare(
            key,
            CompareTarget::Version,
            result,
            TargetUnion::Version(version),
        )
    };
    let cases = [
        (ranged("a", "c", CompareResult::Greater, 0), true),
        (ranged("a", "c", CompareResult::Equal, 1), false),
        (ranged("x", "z", CompareResult::Greater, 0), false),
        (ranged("x", "z", CompareResult::Equal, 0), true),
    ];
    for (condition, holds) in cases {
        let response = endpoint.txn(txn([condition.clone()], [])).await;
        assert_eq!(response.succeeded, holds, "{condition:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_branch_is_done_in_its_order() {
    let endpoint = Endpoint::start().await;
    let condition = compare(
        "a",
        CompareTarget::Create,
        CompareResult::Equal,
        TargetUnion::CreateRevision(0),
    );
    let request = pb::TxnRequest {
        failure: vec![success::put("a", "again")],
        ..txn(
            [condition],
            [
                success::range("a", ""),
                success::put("a", "first"),
                success::range("a", ""),
                success::delete("x", ""),
            ],
        )
    };
    let response = endpoint.txn(request.clone()).await;
    assert!(response.succeeded);
    assert_eq!(endpoint.revision_of(response.header), 2);
    let [before, put, after, nothing] = &response.responses[..] else {
        panic!("four answers: {response:?}");
    };
    let revision = |header: &Option<pb::ResponseHeader>| {
        let header = header.expect("a header");
        assert_eq!((header.cluster_id, header.raft_term), (0, 0));
        header.revision
    };
    match (
        &before.response,
        &put.response,
        &after.response,
        &nothing.response,
    ) {
        (
            Some(Response::ResponseRange(before)),
            Some(Response::ResponsePut(put)),
            Some(Response::ResponseRange(after)),
            Some(Response::ResponseDeleteRange(nothing)),
        ) => {
            assert_eq!((before.count, values(after)), (0, vec!["first"]));
            assert_eq!(revision(&put.header), 2);
            assert_eq!((nothing.deleted, revision(&nothing.header)), (0, 2));
        }
        other => panic!("answers of the operations' kinds: {other:?}"),
    }
    let again = endpoint.txn(request).await;
    assert!(!again.succeeded);
    let now = endpoint.range(range("a", "")).await;
    assert_eq!(values(&now), ["again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_inside_sees_the_state_before_in_its_conditions() {
    let endpoint = Endpoint::start().await;
    let missing = compare(
        "a",
        CompareTarget::Version,
        CompareResult::Equal,
        TargetUnion::Version(0),
    );
    let inner = txn([missing], [success::put("b", "1")]);
    let outer = txn([], [success::put("a", "1"), success::txn(inner)]);
    let response = endpoint.txn(outer).await;
    let Some(Response::ResponseTxn(inner)) = &response.responses[1].response else {
        panic!("a nested answer: {response:?}");
    };
    assert!(inner.succeeded, "a was missing before the transaction");
    assert_eq!(inner.header, Some(pb::ResponseHeader::default()));
    assert_eq!(endpoint.revision_of(response.header), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_operations_are_taken() {
    let endpoint = Endpoint::start().await;
    let puts = |many: usize| (0..many).map(|n| success::put(&format!("k{n}"), "1"));
    let response = endpoint.txn(txn([], puts(128))).await;
    assert_eq!(response.responses.len(), 128);
    let refusal = invalid("too many operations in txn request");
    assert_eq!(endpoint.txn_error(txn([], puts(129))).await, refusal);
    let conditions = (0..129).map(|_| {
        let zero = TargetUnion::Version(0);
        compare("x", CompareTarget::Version, CompareResult::Equal, zero)
    });
    assert_eq!(endpoint.txn_error(txn(conditions, [])).await, refusal);
    let nested = |outer: usize, inner: usize| {
        let inner = success::txn(txn([], puts(inner)));
        let others = (1..outer).map(|n| success::put(&format!("o{n}"), "1"));
        txn([], others.chain([inner]))
    };
    assert_eq!(endpoint.txn_error(nested(2, 127)).await, refusal);
    assert_eq!(endpoint.txn(nested(2, 126)).await.responses.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_written_once() {
    let endpoint = Endpoint::start().await;
    let refusal = invalid("duplicate key given in txn request");
    let twice = || [success::put("a", "1"), success::put("a", "2")];
    assert_eq!(endpoint.txn_error(txn([], twice())).await, refusal);
    let in_the_other_branch = pb::TxnRequest {
        failure: twice().to_vec(),
        ..txn([], [])
    };
    assert_eq!(endpoint.txn_error(in_the_other_branch).await, refusal);
    let overlapping = txn([], [success::put("b", "1"), success::delete("a", "c")]);
    assert_eq!(endpoint.txn_error(overlapping).await, refusal);
    let inside = success::txn(txn([], [success::put("a", "2")]));
    let nested = txn([], [success::put("a", "1"), inside]);
    assert_eq!(endpoint.txn_error(nested).await, refusal);

    endpoint.put("a", "1").await;
    let deletes = txn([], [success::delete("a", ""), success::delete("a", "")]);
    let response = endpoint.txn(deletes).await;
    let deleted = response.responses.iter().map(|one| match &one.response {
        Some(Response::ResponseDeleteRange(response)) => response.deleted,
        other => panic!("a delete: {other:?}"),
    });
    assert_eq!(deleted.collect::<Vec<_>>(), [1, 0], "that is legal");
    let either = pb::TxnRequest {
        failure: vec![success::put("a", "2")],
        ..txn([], [success::put("a", "1")])
    };
    endpoint.txn(txn([], [success::txn(either)])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_operation_undoes_all() {
    let endpoint = Endpoint::start().await;
    let future = pb::RangeRequest {
        revision: 99,
        ..range("a", "")
    };
    let future = success::op(pb::request_op::Request::RequestRange(future));
    let lease = success::op(pb::request_op::Request::RequestPut(pb::PutRequest {
        lease: 7,
        ..crate::harness::put("b", "1")
    }));
    let cases = [
        (
            future,
            Code::OutOfRange,
            "etcdserver: mvcc: required revision is a future revision",
        ),
        (
            lease,
            Code::NotFound,
            "etcdserver: requested lease not found",
        ),
    ];
    for (bad, code, words) in cases {
        let request = txn([], [success::put("a", "1"), bad]);
        let refusal = endpoint.txn_error(request).await;
        assert_eq!(refusal, (code, words.to_owned()));
    }
    let nothing = endpoint.range(range("\0", "\0")).await;
    assert_eq!(
        (nothing.count, endpoint.revision_of(nothing.header)),
        (0, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_and_conditions_need_keys_and_a_kind() {
    let endpoint = Endpoint::start().await;
    let no_key = invalid("key is not provided");
    for bad in [
        success::put("", "1"),
        success::range("", ""),
        success::delete("", ""),
    ] {
        assert_eq!(endpoint.txn_error(txn([], [bad])).await, no_key);
    }
    assert_eq!(
        endpoint.txn_error(txn([pb::Compare::default()], [])).await,
        no_key
    );
    let no_kind = pb::RequestOp { request: None };
    let refusal = endpoint.txn_error(txn([], [no_kind])).await;
    assert_eq!(refusal, invalid("key not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_alone_makes_no_revision() {
    let endpoint = Endpoint::start().await;
    endpoint.put("a", "1").await;
    let reads = txn([], [success::range("a", ""), success::range("\0", "\0")]);
    let response = endpoint.txn(reads).await;
    assert!(response.succeeded);
    assert_eq!(endpoint.revision_of(response.header), 2);
    let Some(Response::ResponseRange(read)) = &response.responses[0].response else {
        panic!("a range: {response:?}");
    };
    assert_eq!(values(read), ["1"]);
    assert_eq!(read.header.map(|header| header.revision), Some(2));
}
