//! "Txn", rule by rule.

use spaxos_kv::{
    Compare, CompareResult, CompareTarget, KvError, Limits, Machine, PutRequest, RangeRequest,
    RequestOp, ResponseOp, SCANNED_KEY_COST, TxnRequest, validate_txn,
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

fn validate(txn: &TxnRequest) -> Result<(), KvError> {
    validate_txn(txn, &Limits::DEFAULT)
}

/// `levels` transactions inside each other, each with `width` reads beside the next.
fn tower(levels: usize, width: usize) -> TxnRequest {
    let mut txn = all_of(Vec::new());
    for level in 0..levels {
        let mut ops = vec![get_op("a"); width];
        if level > 0 {
            ops.push(RequestOp::Txn(txn));
        }
        txn = all_of(ops);
    }
    txn
}

#[test]
fn each_of_the_three_lists_may_have_as_many_as_the_limit() {
    let condition = compare("a", CompareTarget::Version(0), CompareResult::Equal);
    for (len, verdict) in [(128, Ok(())), (129, Err(KvError::TooManyOps))] {
        let ops = || vec![get_op("a"); len];
        assert_eq!(
            validate(&txn(vec![condition.clone(); len], vec![], vec![])),
            verdict
        );
        assert_eq!(validate(&txn(vec![], ops(), vec![])), verdict);
        assert_eq!(validate(&txn(vec![], vec![], ops())), verdict);
    }
    let all = txn(
        vec![condition; 128],
        vec![get_op("a"); 128],
        vec![get_op("a"); 128],
    );
    assert_eq!(validate(&all), Ok(()), "the longest counts, not their sum");
}

#[test]
fn a_nested_transaction_has_the_budget_that_its_parents_left() {
    let outer = |inner: usize, beside: usize| {
        let mut ops = vec![get_op("a"); beside];
        ops.push(nested(vec![get_op("a"); inner], vec![]));
        all_of(ops)
    };
    assert_eq!(validate(&outer(127, 0)), Ok(()));
    assert_eq!(validate(&outer(127, 1)), Err(KvError::TooManyOps));
    assert_eq!(validate(&outer(126, 1)), Ok(()));
    let two = all_of(vec![
        outer(100, 0).success[0].clone(),
        outer(100, 0).success[0].clone(),
    ]);
    assert_eq!(validate(&two), Ok(()), "siblings do not share a budget");
}

#[test]
fn nesting_ends_where_the_budget_does() {
    assert_eq!(validate(&tower(128, 0)), Ok(()));
    assert_eq!(
        validate(&tower(129, 0)),
        Ok(()),
        "an empty innermost needs no budget"
    );
    assert_eq!(validate(&tower(130, 0)), Err(KvError::TooManyOps));
    assert_eq!(validate(&tower(44, 2)), Err(KvError::TooManyOps));
    assert_eq!(validate(&tower(43, 2)), Ok(()));
    let mut bench = Bench::new();
    assert!(bench.txn(tower(129, 0)).is_ok());
    assert_eq!(bench.txn(tower(130, 0)), Err(KvError::TooManyOps));
    assert_eq!(bench.txn(tower(2000, 0)), Err(KvError::TooManyOps));
}

#[test]
fn the_whole_tree_is_limited_too() {
    let limits = Limits {
        txn_ops_total_max: 150,
        ..Limits::DEFAULT
    };
    let wide = |count| all_of(vec![nested(vec![get_op("a"); count], vec![]); 10]);
    assert_eq!(validate_txn(&wide(14), &limits), Ok(()));
    assert_eq!(validate_txn(&wide(15), &limits), Err(KvError::TooManyOps));
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
    let targets: [(fn(i64) -> CompareTarget, i64); 4] = [
        (CompareTarget::Version, 2),
        (CompareTarget::Create, 2),
        (CompareTarget::Mod, 3),
        (CompareTarget::Lease, 0),
    ];
    for (target, actual) in targets {
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
fn an_empty_key_is_refused_wherever_it_stands() {
    let condition = compare("", CompareTarget::Version(0), CompareResult::Equal);
    assert_eq!(
        validate(&txn(vec![condition], vec![], vec![])),
        Err(KvError::KeyNotProvided)
    );
    for op in [get_op(""), put_op("", ""), delete_op("", "\0")] {
        assert_eq!(
            validate(&all_of(vec![op.clone()])),
            Err(KvError::KeyNotProvided)
        );
        assert_eq!(
            validate(&txn(vec![], vec![], vec![op.clone()])),
            Err(KvError::KeyNotProvided)
        );
        let inside = all_of(vec![nested(vec![], vec![op])]);
        assert_eq!(validate(&inside), Err(KvError::KeyNotProvided));
    }
}

#[test]
fn faults_of_operations_are_found_on_both_branches() {
    let ignoring = RequestOp::Put(PutRequest {
        ignore_value: true,
        ..put("a", "x")
    });
    assert_eq!(
        validate(&txn(vec![], vec![], vec![ignoring])),
        Err(KvError::ValueProvided)
    );
    assert_eq!(
        validate(&txn(vec![], vec![], vec![RequestOp::Empty])),
        Err(KvError::KeyNotFound)
    );
    let mut bench = Bench::new();
    assert_eq!(
        bench.txn(all_of(vec![RequestOp::Empty])),
        Err(KvError::KeyNotFound)
    );
}

#[test]
fn a_key_must_not_be_put_twice_nor_put_and_deleted() {
    let duplicate = Err(KvError::DuplicateKey);
    let cases = [
        (vec![put_op("a", ""), put_op("a", "")], duplicate),
        (vec![put_op("a", ""), put_op("b", "")], Ok(())),
        (vec![put_op("a", ""), delete_op("a", "")], duplicate),
        (vec![delete_op("a", ""), put_op("a", "")], duplicate),
        (vec![delete_op("a", "c"), put_op("b", "")], duplicate),
        (vec![delete_op("a", "c"), put_op("c", "")], Ok(())),
        (
            vec![delete_op("a", "c"), delete_op("e", "g"), put_op("d", "")],
            Ok(()),
        ),
        (
            vec![
                delete_op("e", "g"),
                delete_op("a", "c"),
                delete_op("b", "f"),
                put_op("d", ""),
            ],
            duplicate,
        ),
        (
            vec![delete_op("a", ""), delete_op("a", ""), delete_op("a", "b")],
            Ok(()),
        ),
        (
            vec![put_op("a", ""), nested(vec![put_op("a", "")], vec![])],
            duplicate,
        ),
        (
            vec![put_op("a", ""), nested(vec![], vec![put_op("a", "")])],
            duplicate,
        ),
        (
            vec![put_op("a", ""), nested(vec![], vec![delete_op("a", "b")])],
            duplicate,
        ),
        (
            vec![delete_op("a", "b"), nested(vec![put_op("a", "")], vec![])],
            duplicate,
        ),
        (
            vec![nested(vec![put_op("a", "")], vec![put_op("a", "")])],
            Ok(()),
        ),
        (
            vec![nested(vec![put_op("a", "")], vec![delete_op("a", "")])],
            Ok(()),
        ),
        (
            vec![nested(vec![delete_op("a", "")], vec![put_op("a", "")])],
            Ok(()),
        ),
        (
            vec![
                nested(vec![put_op("a", "")], vec![]),
                nested(vec![put_op("a", "")], vec![]),
            ],
            duplicate,
        ),
        (
            vec![
                nested(vec![], vec![put_op("a", "")]),
                nested(vec![put_op("a", "")], vec![]),
            ],
            duplicate,
        ),
        (
            vec![
                nested(vec![put_op("a", "")], vec![]),
                nested(vec![], vec![put_op("a", "")]),
            ],
            duplicate,
        ),
        (
            vec![
                nested(vec![nested(vec![put_op("a", "")], vec![])], vec![]),
                put_op("a", ""),
            ],
            duplicate,
        ),
        // etcd's holes.
        (
            vec![
                nested(vec![put_op("a", "")], vec![]),
                nested(vec![delete_op("a", "")], vec![]),
            ],
            Ok(()),
        ),
        (
            vec![
                nested(vec![delete_op("a", "")], vec![]),
                nested(vec![put_op("a", "")], vec![]),
            ],
            duplicate,
        ),
        (vec![delete_op("a", "\0"), put_op("b", "")], Ok(())),
        (vec![delete_op("a", "\0"), put_op("a", "")], duplicate),
    ];
    for (ops, verdict) in cases {
        assert_eq!(validate(&all_of(ops.clone())), verdict, "{ops:?}");
        assert_eq!(
            validate(&txn(vec![], vec![], ops.clone())),
            verdict,
            "also when not taken"
        );
        let mut bench = Bench::new();
        assert_eq!(
            bench.txn(all_of(ops)).map(|_| ()),
            verdict,
            "asked again when executed"
        );
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
