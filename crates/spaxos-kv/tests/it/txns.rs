//! "Txn": what transactions do, rule by rule.

use spaxos_kv::{
    Command, Compare, CompareResult, CompareTarget, DeleteRangeRequest, KvError, Limits, Machine,
    PutRequest, RangeRequest, RequestOp, ResponseOp, SCANNED_KEY_COST,
};

use crate::build::*;

/// Key a at version 2 and revisions 2, 3; key b at version 1 and revision 4.
fn two_keys() -> Bench {
    let mut bench = Bench::new();
    bench.put("a", "old");
    bench.put("a", "new");
    bench.put("b", "other");
    bench
}

#[test]
fn compares_are_joined_by_and_and_none_holds() {
    let mut bench = two_keys();
    let yes = || compare("a", CompareTarget::Version(2), CompareResult::Equal);
    let no = || compare("b", CompareTarget::Version(2), CompareResult::Equal);
    let mut holds = |compares| {
        bench
            .txn(txn(compares, vec![], vec![]))
            .expect("it is legal")
            .succeeded
    };
    assert!(holds(vec![]));
    assert!(holds(vec![yes()]));
    assert!(holds(vec![yes(), yes()]));
    assert!(!holds(vec![yes(), no()]));
    assert!(!holds(vec![no(), yes()]));
}

#[test]
fn every_target_and_every_relation() {
    use CompareResult::{Equal, Greater, Less, NotEqual, Unknown};
    let mut bench = two_keys();
    let mut holds = |key: &str, target: CompareTarget, result| {
        let request = txn(vec![compare(key, target, result)], vec![], vec![]);
        bench.txn(request).expect("it is legal").succeeded
    };
    type Target = fn(i64) -> CompareTarget;
    let targets: [Target; 4] = [
        CompareTarget::Version,
        CompareTarget::Create,
        CompareTarget::Mod,
        CompareTarget::Lease,
    ];
    for (target, actual) in targets.into_iter().zip([2, 2, 3, 0]) {
        for (operand, expected) in [
            (actual, [true, false, false, false]),
            (actual - 1, [false, true, false, true]),
            (actual + 1, [false, false, true, true]),
        ] {
            let found = [Equal, Greater, Less, NotEqual].map(|r| holds("a", target(operand), r));
            assert_eq!(found, expected, "{:?} against {actual}", target(operand));
        }
    }
    let value = |text| CompareTarget::Value(bytes(text));
    assert!(holds("a", value("new"), Equal));
    assert!(
        holds("a", value("ne"), Greater),
        "bytes, the longer after its prefix"
    );
    assert!(holds("a", value("nf"), Less));
    assert!(holds("a", value(""), NotEqual));
    assert!(
        holds("a", CompareTarget::Version(7), Unknown(9)),
        "a relation nobody knows holds"
    );
    assert!(
        holds("a", CompareTarget::Unknown, Equal),
        "a field nobody knows is equal"
    );
    assert!(!holds("a", CompareTarget::Unknown, NotEqual));
}

#[test]
fn a_missing_key_has_zeros_and_no_value() {
    use CompareResult::{Equal, Greater, Less, NotEqual};
    let mut bench = two_keys();
    bench.delete("b", "");
    for key in ["b", "x"] {
        let mut holds = |target: CompareTarget, result| {
            let request = txn(vec![compare(key, target, result)], vec![], vec![]);
            bench.txn(request).expect("it is legal").succeeded
        };
        for target in [
            CompareTarget::Version(0),
            CompareTarget::Create(0),
            CompareTarget::Mod(0),
            CompareTarget::Lease(0),
        ] {
            assert!(holds(target.clone(), Equal));
            assert!(!holds(target, Greater));
        }
        assert!(holds(CompareTarget::Mod(1), Less));
        for result in [Equal, NotEqual, Greater, Less] {
            for operand in ["", "x"] {
                assert!(!holds(CompareTarget::Value(bytes(operand)), result));
            }
        }
    }
}

#[test]
fn a_compare_of_a_range_must_hold_for_every_key() {
    let mut bench = two_keys();
    let mut holds = |key, end, target, result| {
        let condition = Compare {
            range_end: bytes(end),
            ..compare(key, target, result)
        };
        bench
            .txn(txn(vec![condition], vec![], vec![]))
            .expect("it is legal")
            .succeeded
    };
    assert!(holds(
        "a",
        "c",
        CompareTarget::Create(0),
        CompareResult::Greater
    ));
    assert!(holds("a", "\0", CompareTarget::Mod(5), CompareResult::Less));
    assert!(!holds(
        "a",
        "c",
        CompareTarget::Version(2),
        CompareResult::Equal
    ));
    // An empty range is compared once, as a key with zeros.
    for (key, end) in [("x", "z"), ("b", "a"), ("a\0", "b")] {
        assert!(!holds(
            key,
            end,
            CompareTarget::Create(0),
            CompareResult::Greater
        ));
        assert!(holds(
            key,
            end,
            CompareTarget::Create(0),
            CompareResult::Equal
        ));
        assert!(!holds(
            key,
            end,
            CompareTarget::Value(bytes("")),
            CompareResult::NotEqual
        ));
    }
}

#[test]
fn operations_run_in_order_and_see_each_other() {
    let mut bench = two_keys();
    let ops = vec![
        get_op("x"),
        put_op("x", "1"),
        get_op("x"),
        delete_op("a", "c"),
        RequestOp::Range(everything()),
        RequestOp::Range(RangeRequest {
            revision: 3,
            ..everything()
        }),
    ];
    let response = bench.ok(all_of(ops));
    assert_eq!(response.revision, 5);
    let ranges = response
        .responses
        .iter()
        .filter_map(|response| match response {
            ResponseOp::Range(range) => Some((range.count, range.revision)),
            _ => None,
        });
    let ranges: Vec<_> = ranges.collect();
    assert_eq!(
        ranges,
        [(0, 4), (1, 5), (1, 5), (1, 5)],
        "headers move with the first change"
    );
    assert_eq!(bench.entry("x").mod_revision, 5);
    assert_eq!(bench.keys(&everything()), ["x"]);
}

#[test]
fn all_changes_share_one_revision() {
    let mut bench = Bench::new();
    bench.ok(all_of(vec![
        put_op("a", ""),
        nested(vec![put_op("b", "")], vec![]),
        put_op("c", ""),
    ]));
    let entries = bench.range(&everything()).kvs;
    assert!(
        entries
            .iter()
            .all(|entry| entry.mod_revision == 2 && entry.create_revision == 2)
    );
    assert_eq!((entries.len(), bench.0.revision()), (3, 2));
}

#[test]
fn nested_compares_see_the_state_before_the_whole() {
    let mut bench = two_keys();
    let condition = || compare("x", CompareTarget::Version(0), CompareResult::Equal);
    let inner = txn(
        vec![condition()],
        vec![put_op("saw-before", "")],
        vec![put_op("saw-after", "")],
    );
    let response = bench.ok(all_of(vec![put_op("x", "1"), RequestOp::Txn(inner)]));
    assert_eq!(bench.keys(&span("saw", "saw~")), ["saw-before"]);
    let ResponseOp::Txn(inner) = &response.responses[1] else {
        panic!("a nested transaction is answered as such");
    };
    assert!(inner.succeeded);
    assert_eq!(
        inner.revision, 0,
        "only leaves and the outermost tell a revision"
    );
    assert!(matches!(&inner.responses[0], ResponseOp::Put(put) if put.revision == 5));
}

#[test]
fn headers_of_deletes_that_delete_nothing() {
    let mut bench = two_keys();
    let response = bench.ok(all_of(vec![
        delete_op("x", ""),
        put_op("y", ""),
        delete_op("x", ""),
    ]));
    let revisions = response.responses.iter().map(|response| match response {
        ResponseOp::Put(put) => put.revision,
        ResponseOp::DeleteRange(delete) => delete.revision,
        other => panic!("neither: {other:?}"),
    });
    assert_eq!(revisions.collect::<Vec<_>>(), [4, 5, 5]);
}

#[test]
fn a_bad_revision_or_lease_anywhere_on_the_way_undoes_everything() {
    let bad = [
        (
            RequestOp::Range(RangeRequest {
                revision: 6,
                ..get("a")
            }),
            KvError::FutureRevision,
        ),
        // The revision in the making is in the future, too.
        (
            RequestOp::Range(RangeRequest {
                revision: 5,
                ..get("a")
            }),
            KvError::FutureRevision,
        ),
        (
            RequestOp::Range(RangeRequest {
                revision: 2,
                ..get("a")
            }),
            KvError::Compacted,
        ),
        (
            RequestOp::Put(PutRequest {
                lease: 1,
                ..put("z", "")
            }),
            KvError::LeaseNotFound,
        ),
        (
            RequestOp::Put(PutRequest {
                ignore_value: true,
                ..put("z", "")
            }),
            KvError::KeyNotFound,
        ),
    ];
    for (op, error) in bad {
        let mut bench = two_keys();
        bench.compact(3).expect("3 is in the past");
        let before = bench.0.status();
        let writes = || vec![put_op("a", "x"), delete_op("b", "")];
        let with = |op: RequestOp| [writes(), vec![op]].concat();
        assert_eq!(bench.txn(all_of(with(op.clone()))), Err(error));
        assert_eq!(
            bench.txn(all_of(vec![nested(with(op.clone()), vec![])])),
            Err(error)
        );
        assert_eq!(bench.0.status(), before, "nothing has happened");
        let not_taken = txn(vec![], writes(), vec![op.clone()]);
        assert!(
            bench.txn(not_taken).is_ok(),
            "a branch not taken may name it"
        );
    }
}

#[test]
fn what_falls_through_the_overlap_check_is_executed_in_order() {
    let mut bench = two_keys();
    let first = nested(vec![put_op("a", "x")], vec![]);
    bench.ok(all_of(vec![
        first,
        nested(vec![delete_op("a", "")], vec![]),
    ]));
    assert_eq!(bench.keys(&everything()), ["b"]);
    assert_eq!(bench.0.events_since(5).expect("readable").count(), 2);

    bench.ok(all_of(vec![delete_op("a", "\0"), put_op("b", "again")]));
    let entry = bench.entry("b");
    assert_eq!((entry.create_revision, entry.version), (6, 1));

    // Here the check before sees the key, and the put does not: taken back, not half done.
    let keeping = RequestOp::Put(PutRequest {
        ignore_value: true,
        ..put("b", "")
    });
    let before = bench.0.status();
    let ops = vec![put_op("A", "new"), delete_op("a", "\0"), keeping];
    assert_eq!(bench.txn(all_of(ops)), Err(KvError::KeyNotFound));
    assert_eq!(bench.0.status(), before);
    assert_eq!(bench.entry("b"), entry);
    assert_eq!(bench.0.events_since(6).expect("readable").count(), 2);
}

#[test]
fn a_transaction_that_costs_too_much_is_taken_back() {
    let limits = Limits {
        txn_cost_max: 50 * SCANNED_KEY_COST,
        ..Limits::DEFAULT
    };
    let mut bench = Bench(Machine::new(limits));
    for index in 0..20 {
        bench.put(&format!("k{index:02}"), "");
    }
    let count = || {
        RequestOp::Range(RangeRequest {
            count_only: true,
            ..everything()
        })
    };
    assert!(
        bench
            .txn(all_of(vec![put_op("x", ""), count(), count()]))
            .is_ok()
    );
    let before = bench.0.status();
    let writes = vec![put_op("y", ""), delete_op("k", "k1")];
    let costly = all_of([writes, vec![count(), count(), count(), count()]].concat());
    assert_eq!(bench.txn(costly), Err(KvError::TxnTooCostly));
    assert_eq!(bench.0.status(), before);
    let reading = all_of(vec![count(), count(), count()]);
    assert_eq!(bench.0.txn_read_only(&reading), Err(KvError::TxnTooCostly));
    let comparing = Compare {
        range_end: bytes("\0"),
        ..Compare::default()
    };
    let comparing = Compare {
        target: CompareTarget::Version(1),
        key: bytes("\0"),
        ..comparing
    };
    assert_eq!(
        bench.txn(txn(vec![comparing; 3], vec![], vec![])),
        Err(KvError::TxnTooCostly)
    );
    assert!(
        bench.0.range(&everything()).is_ok(),
        "a range alone has no such limit"
    );
}

#[test]
fn every_entry_in_an_answer_costs_its_size() {
    let limits = Limits {
        txn_cost_max: 5000,
        ..Limits::DEFAULT
    };
    let mut bench = Bench(Machine::new(limits));
    bench.put("a", &"x".repeat(2000));
    let putting = |key| {
        RequestOp::Put(PutRequest {
            prev_kv: true,
            ..put(key, "y")
        })
    };
    let deleting = DeleteRangeRequest {
        prev_kv: true,
        ..delete("a", "b")
    };
    assert!(bench.0.txn_read_only(&all_of(vec![get_op("a"); 2])).is_ok());
    let before = bench.0.status();
    for last in [get_op("a"), putting("a"), RequestOp::DeleteRange(deleting)] {
        let ops = vec![put_op("b", ""), get_op("a"), get_op("a"), last];
        assert_eq!(bench.txn(all_of(ops)), Err(KvError::TxnTooCostly));
    }
    assert_eq!(bench.0.status(), before);
    for key in ["a1", "a2"] {
        bench.put(key, &"x".repeat(2000));
    }
    let deleting = DeleteRangeRequest {
        prev_kv: true,
        ..delete("a", "b")
    };
    let deleted = run(&mut bench.0, &Command::DeleteRange(deleting));
    assert_eq!(
        deleted,
        Err(KvError::TxnTooCostly),
        "a delete alone is limited, too"
    );
    assert_eq!(
        bench.delete("a", "b").0,
        3,
        "unless nobody wants to see what is deleted"
    );
}

#[test]
fn read_only_transactions_need_no_log() {
    let mut bench = two_keys();
    let condition = || {
        vec![compare(
            "a",
            CompareTarget::Version(2),
            CompareResult::Equal,
        )]
    };
    let reading = txn(
        condition(),
        vec![get_op("a"), get_op("b")],
        vec![get_op("x")],
    );
    assert!(reading.is_read_only());
    let direct = bench.0.txn_read_only(&reading);
    assert_eq!(direct, bench.txn(reading), "both ways answer alike");
    assert!(all_of(vec![]).is_read_only());
    assert!(!reading_is_local(false) && reading_is_local(true));
    for op in [
        put_op("a", ""),
        delete_op("a", ""),
        nested(vec![get_op("a")], vec![]),
    ] {
        let writing = txn(condition(), vec![], vec![op]);
        assert!(!writing.is_read_only());
        assert_eq!(bench.0.txn_read_only(&writing), Err(KvError::NotReadOnly));
    }
    let future = all_of(vec![RequestOp::Range(RangeRequest {
        revision: 9,
        ..get("a")
    })]);
    assert_eq!(bench.0.txn_read_only(&future), Err(KvError::FutureRevision));
}

/// Whether a transaction may be answered locally when one of its two ranges may, and the other as
/// given.
fn reading_is_local(other: bool) -> bool {
    let range = |serializable| {
        RequestOp::Range(RangeRequest {
            serializable,
            ..get("a")
        })
    };
    txn(vec![], vec![range(true)], vec![range(other)]).is_serializable()
}
