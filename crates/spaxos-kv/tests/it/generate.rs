//! Random requests over few keys, so that everything meets everything.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use spaxos_kv::{
    Command, CompactRequest, Compare, CompareResult, CompareTarget, DeleteRangeRequest, PutRequest,
    RangeRequest, RequestOp, SortOrder, SortTarget, TxnRequest,
};

fn key() -> BoxedStrategy<Bytes> {
    const KEYS: [&[u8]; 7] = [b"a", b"a\0", b"ab", b"b", b"c", b"\0", b"\xff\xff"];
    prop_oneof![
        40 => prop::sample::select(&KEYS[..]).prop_map(Bytes::from_static),
        1 => Just(Bytes::new()),
    ]
    .boxed()
}

fn range_end() -> BoxedStrategy<Bytes> {
    const ENDS: [&[u8]; 6] = [b"\0", b"a", b"b", b"c", b"z", b"\0\0"];
    prop_oneof![
        Just(Bytes::new()),
        prop::sample::select(&ENDS[..]).prop_map(Bytes::from_static),
    ]
    .boxed()
}

fn value() -> BoxedStrategy<Bytes> {
    vec(0_u8..3, 0..3).prop_map(Bytes::from).boxed()
}

/// True once in `n` times.
fn seldom(n: u32) -> BoxedStrategy<bool> {
    prop_oneof![n - 1 => Just(false), 1 => Just(true)].boxed()
}

/// A revision that runs of this length may reach, or none.
fn revision() -> BoxedStrategy<i64> {
    prop_oneof![6 => Just(0), 6 => 1_i64..30, 1 => -2_i64..0].boxed()
}

/// A filter on revisions, usually off.
fn bound() -> BoxedStrategy<i64> {
    prop_oneof![4 => Just(0), 1 => -1_i64..30].boxed()
}

fn lease() -> BoxedStrategy<i64> {
    prop_oneof![60 => Just(0), 1 => -1_i64..3].boxed()
}

pub(crate) fn range() -> BoxedStrategy<RangeRequest> {
    let span = (
        key(),
        range_end(),
        prop_oneof![Just(0), -1_i64..5],
        revision(),
    );
    let sort = (
        prop_oneof![20 => 0..3, 1 => -1..5].prop_map(SortOrder::from_number),
        prop_oneof![20 => 0..5, 1 => -1..7].prop_map(SortTarget::from_number),
    );
    let flags = (seldom(2), seldom(4), seldom(6));
    let bounds = (bound(), bound(), bound(), bound());
    (span, sort, flags, bounds)
        .prop_map(|(span, sort, flags, bounds)| RangeRequest {
            key: span.0,
            range_end: span.1,
            limit: span.2,
            revision: span.3,
            sort_order: sort.0,
            sort_target: sort.1,
            serializable: flags.0,
            keys_only: flags.1,
            count_only: flags.2,
            min_mod_revision: bounds.0,
            max_mod_revision: bounds.1,
            min_create_revision: bounds.2,
            max_create_revision: bounds.3,
        })
        .boxed()
}

fn put() -> BoxedStrategy<PutRequest> {
    (
        key(),
        value(),
        lease(),
        any::<bool>(),
        seldom(6),
        seldom(8),
        seldom(20),
    )
        .prop_map(
            |(key, value, lease, prev_kv, ignore_value, ignore_lease, faulty)| PutRequest {
                key,
                value: if ignore_value && !faulty {
                    Bytes::new()
                } else {
                    value
                },
                lease: if ignore_lease && !faulty { 0 } else { lease },
                prev_kv,
                ignore_value,
                ignore_lease,
            },
        )
        .boxed()
}

fn delete_range() -> BoxedStrategy<DeleteRangeRequest> {
    (key(), range_end(), any::<bool>())
        .prop_map(|(key, range_end, prev_kv)| DeleteRangeRequest {
            key,
            range_end,
            prev_kv,
        })
        .boxed()
}

fn compare() -> BoxedStrategy<Compare> {
    let number = || prop_oneof![Just(0_i64), -1_i64..30];
    let target = prop_oneof![
        8 => (0_i64..4).prop_map(CompareTarget::Version),
        4 => number().prop_map(CompareTarget::Create),
        4 => number().prop_map(CompareTarget::Mod),
        4 => value().prop_map(CompareTarget::Value),
        2 => (-1_i64..2).prop_map(CompareTarget::Lease),
        1 => Just(CompareTarget::Unknown),
    ];
    let result = prop_oneof![30 => 0..4, 1 => -1..6].prop_map(CompareResult::from_number);
    (result, target, key(), range_end())
        .prop_map(|(result, target, key, range_end)| Compare {
            result,
            target,
            key,
            range_end,
        })
        .boxed()
}

/// A transaction with at most this many levels below it.
pub(crate) fn txn(levels: u32) -> BoxedStrategy<TxnRequest> {
    let compares = vec(compare(), 0..3);
    (compares, vec(op(levels), 0..4), vec(op(levels), 0..3))
        .prop_map(|(compare, success, failure)| TxnRequest {
            compare,
            success,
            failure,
        })
        .boxed()
}

fn op(levels: u32) -> BoxedStrategy<RequestOp> {
    let leaf = prop_oneof![
        10 => range().prop_map(RequestOp::Range),
        12 => put().prop_map(RequestOp::Put),
        6 => delete_range().prop_map(RequestOp::DeleteRange),
    ];
    if levels == 0 {
        return prop_oneof![100 => leaf, 1 => Just(RequestOp::Empty)].boxed();
    }
    prop_oneof![3 => leaf, 1 => txn(levels - 1).prop_map(RequestOp::Txn)].boxed()
}

fn compact() -> BoxedStrategy<CompactRequest> {
    (prop_oneof![8 => 1_i64..20, 1 => -2_i64..40], any::<bool>())
        .prop_map(|(revision, physical)| CompactRequest { revision, physical })
        .boxed()
}

pub(crate) fn command() -> BoxedStrategy<Command> {
    prop_oneof![
        8 => put().prop_map(Command::Put),
        3 => delete_range().prop_map(Command::DeleteRange),
        8 => txn(2).prop_map(Command::Txn),
        2 => compact().prop_map(Command::Compact),
    ]
    .boxed()
}
