//! "Revisions and ranges", rule by rule.

use spaxos_kv::{KvError, RangeRequest, SortOrder, SortTarget};

use crate::build::*;

/// Keys a, b, c, d at revisions 2 to 5, then b and a put again at 6 and 7.
fn four_keys() -> Bench {
    let mut bench = Bench::new();
    for (key, value) in [
        ("a", "4"),
        ("b", "3"),
        ("c", "2"),
        ("d", "1"),
        ("b", "33"),
        ("a", "44"),
    ] {
        bench.put(key, value);
    }
    bench
}

#[test]
fn a_fresh_store_is_at_revision_1_and_the_first_write_makes_it_2() {
    let mut bench = Bench::new();
    assert_eq!(bench.0.revision(), 1);
    assert_eq!(bench.range(&everything()).revision, 1);
    assert_eq!(bench.put("a", "1"), 2);
    assert_eq!(bench.put("a", "1"), 3);
    assert_eq!(bench.0.revision(), 3);
}

#[test]
fn only_what_writes_takes_a_revision() {
    let mut bench = four_keys();
    assert_eq!(bench.delete("x", ""), (0, 7));
    assert_eq!(bench.delete("d", "a"), (0, 7));
    assert_eq!(
        bench
            .ok(all_of(vec![get_op("a"), delete_op("x", "z")]))
            .revision,
        7
    );
    assert_eq!(bench.compact(3), Ok(7));
    let refused = spaxos_kv::PutRequest {
        lease: 9,
        ..put("a", "x")
    };
    assert_eq!(bench.try_put(refused), Err(KvError::LeaseNotFound));
    assert_eq!(bench.0.revision(), 7);
    assert_eq!(bench.delete("a", "c"), (2, 8));
}

#[test]
fn entries_tell_their_creation_and_version_anew_after_a_delete() {
    let mut bench = four_keys();
    let entry = bench.entry("a");
    assert_eq!(
        (entry.create_revision, entry.mod_revision, entry.version),
        (2, 7, 2)
    );
    assert_eq!((&entry.value[..], entry.lease), (&b"44"[..], 0));
    bench.delete("a", "");
    assert_eq!(bench.range(&get("a")).count, 0);
    bench.put("a", "new");
    let entry = bench.entry("a");
    assert_eq!(
        (entry.create_revision, entry.mod_revision, entry.version),
        (9, 9, 1)
    );
}

#[test]
fn the_header_has_the_present_revision_also_when_the_past_is_read() {
    let bench = four_keys();
    let response = bench.range(&RangeRequest {
        revision: 3,
        ..everything()
    });
    assert_eq!(response.revision, 7);
    assert_eq!(response.count, 2);
    let of_b = bench.range(&RangeRequest {
        revision: 5,
        ..get("b")
    });
    assert_eq!(&of_b.kvs[0].value[..], b"3");
}

#[test]
fn range_end_selects() {
    let bench = four_keys();
    assert_eq!(bench.keys(&get("b")), ["b"]);
    assert_eq!(bench.keys(&span("b", "\0")), ["b", "c", "d"]);
    assert_eq!(bench.keys(&everything()), ["a", "b", "c", "d"]);
    assert_eq!(bench.keys(&span("a", "c")), ["a", "b"]);
    for (key, end) in [("c", "a"), ("c", "c")] {
        let response = bench.range(&span(key, end));
        assert_eq!(
            (response.count, response.kvs.len(), response.more),
            (0, 0, false)
        );
    }
}

#[test]
fn revisions_that_can_be_read() {
    let mut bench = four_keys();
    bench.compact(4).expect("4 is in the past");
    let at = |revision| {
        bench
            .0
            .range(&RangeRequest {
                revision,
                ..get("c")
            })
            .map(|r| r.count)
    };
    assert_eq!(at(0), Ok(1));
    assert_eq!(at(-1), Ok(1));
    assert_eq!(at(i64::MIN), Ok(1));
    assert_eq!(at(7), Ok(1));
    assert_eq!(at(8), Err(KvError::FutureRevision));
    assert_eq!(at(i64::MAX), Err(KvError::FutureRevision));
    assert_eq!(at(4), Ok(1), "the compacted revision itself is fine");
    assert_eq!(at(3), Err(KvError::Compacted));
    assert_eq!(at(1), Err(KvError::Compacted));
}

#[test]
fn limit_cuts_and_count_does_not_care() {
    let bench = four_keys();
    for (limit, kept, more) in [(0, 4, false), (-3, 4, false), (2, 2, true), (4, 4, false)] {
        let response = bench.range(&RangeRequest {
            limit,
            ..everything()
        });
        assert_eq!(
            (response.kvs.len(), response.more, response.count),
            (kept, more, 4),
            "{limit}"
        );
    }
    let response = bench.range(&RangeRequest {
        limit: i64::MAX,
        ..everything()
    });
    assert_eq!((response.kvs.len(), response.more), (4, false));
}

#[test]
fn count_only_answers_with_the_count_alone() {
    let bench = four_keys();
    for limit in [0, 1] {
        let request = RangeRequest {
            count_only: true,
            limit,
            max_mod_revision: 4,
            ..everything()
        };
        let response = bench.range(&request);
        assert_eq!(
            (response.kvs.len(), response.more, response.count),
            (0, false, 4)
        );
    }
}

#[test]
fn sorting_by_every_target_in_both_directions() {
    let bench = four_keys();
    let cases = [
        (SortTarget::Key, "abcd", "dcba"),
        // Equal ones stay in the order of their keys.
        (SortTarget::Version, "cdab", "abcd"),
        (SortTarget::Create, "abcd", "dcba"),
        (SortTarget::Mod, "cdba", "abdc"),
        (SortTarget::Value, "dcba", "abcd"),
    ];
    for (sort_target, ascending, descending) in cases {
        let sorted = |sort_order| {
            bench
                .keys(&RangeRequest {
                    sort_order,
                    sort_target,
                    ..everything()
                })
                .concat()
        };
        assert_eq!(sorted(SortOrder::Ascend), ascending, "{sort_target:?}");
        assert_eq!(
            sorted(SortOrder::None),
            ascending,
            "no order means ascending"
        );
        assert_eq!(sorted(SortOrder::Descend), descending, "{sort_target:?}");
    }
}

#[test]
fn sorting_comes_before_the_limit() {
    let bench = four_keys();
    let latest = RangeRequest {
        sort_order: SortOrder::Descend,
        sort_target: SortTarget::Mod,
        limit: 1,
        ..everything()
    };
    let response = bench.range(&latest);
    assert_eq!(text(&response.kvs[0].key), "a");
    assert_eq!((response.more, response.count), (true, 4));
    let by_value = RangeRequest {
        sort_target: SortTarget::Value,
        limit: 2,
        ..everything()
    };
    assert_eq!(bench.keys(&by_value), ["d", "c"]);
}

#[test]
fn numbers_that_are_no_sort_option_are_refused() {
    let bench = four_keys();
    let order = RangeRequest {
        sort_order: SortOrder::from_number(3),
        ..everything()
    };
    let target = RangeRequest {
        sort_target: SortTarget::from_number(9),
        ..everything()
    };
    let negative = RangeRequest {
        sort_target: SortTarget::from_number(-1),
        ..everything()
    };
    for request in [order, target, negative] {
        assert_eq!(bench.0.range(&request), Err(KvError::InvalidSortOption));
        let keyless = RangeRequest {
            key: bytes(""),
            ..request
        };
        assert_eq!(
            bench.0.range(&keyless),
            Err(KvError::KeyNotProvided),
            "the key comes first"
        );
    }
}

#[test]
fn keys_only_leaves_out_values_and_nothing_else() {
    let bench = four_keys();
    let full = bench.range(&everything());
    let request = RangeRequest {
        keys_only: true,
        sort_target: SortTarget::Value,
        sort_order: SortOrder::Descend,
        ..everything()
    };
    let keys = bench.range(&request);
    assert_eq!(keys.count, full.count);
    for (with, without) in full.kvs.iter().zip(&keys.kvs) {
        assert!(without.value.is_empty());
        let expected = spaxos_kv::KeyValue {
            value: bytes(""),
            ..with.clone()
        };
        assert_eq!(without, &expected);
    }
}

#[test]
fn revision_filters_thin_out_the_answer_and_more_but_not_the_count() {
    let bench = four_keys();
    let keys_and_more = |request: RangeRequest| {
        let response = bench.range(&request);
        assert_eq!(response.count, 4, "the count ignores the filters");
        let keys: Vec<_> = response.kvs.iter().map(|entry| text(&entry.key)).collect();
        (keys.concat(), response.more)
    };
    let with = |text: &str, more| (text.to_owned(), more);
    let all = everything;
    assert_eq!(
        keys_and_more(RangeRequest {
            min_mod_revision: 6,
            ..all()
        }),
        with("ab", false)
    );
    assert_eq!(
        keys_and_more(RangeRequest {
            max_mod_revision: 5,
            ..all()
        }),
        with("cd", false)
    );
    assert_eq!(
        keys_and_more(RangeRequest {
            min_create_revision: 4,
            ..all()
        }),
        with("cd", false)
    );
    assert_eq!(
        keys_and_more(RangeRequest {
            max_create_revision: 2,
            ..all()
        }),
        with("a", false)
    );
    assert_eq!(
        keys_and_more(RangeRequest {
            max_mod_revision: 6,
            min_create_revision: 3,
            ..all()
        }),
        with("bcd", false)
    );
    let limited = RangeRequest {
        min_mod_revision: 6,
        limit: 2,
        ..all()
    };
    assert_eq!(
        keys_and_more(limited),
        with("ab", false),
        "nothing was cut off by the limit"
    );
    let cut = RangeRequest {
        min_mod_revision: 5,
        limit: 2,
        ..all()
    };
    assert_eq!(keys_and_more(cut), with("ab", true));
}

#[test]
fn an_empty_key_is_refused() {
    let bench = Bench::new();
    assert_eq!(bench.0.range(&get("")), Err(KvError::KeyNotProvided));
    assert_eq!(bench.0.range(&span("", "\0")), Err(KvError::KeyNotProvided));
}

#[test]
fn events_come_back_in_order_from_any_readable_revision() {
    let mut bench = four_keys();
    bench.ok(all_of(vec![put_op("x", "1"), delete_op("a", "c")]));
    let since = |revision| -> Vec<_> {
        let events = bench
            .0
            .events_since(revision)
            .expect("the revision is readable");
        events
            .map(|e| {
                (
                    e.kv.mod_revision,
                    format!("{:?} {}", e.kind, text(&e.kv.key)),
                )
            })
            .collect()
    };
    let last = [
        (8, "Put x".into()),
        (8, "Delete a".into()),
        (8, "Delete b".into()),
    ];
    assert_eq!(since(8), last);
    assert_eq!(since(7)[0], (7, "Put a".into()));
    assert_eq!(since(0).len(), 9);
    assert_eq!(since(9), []);
    let delete = bench
        .0
        .events_since(8)
        .expect("readable")
        .last()
        .expect("there are three")
        .kv;
    assert_eq!(
        (delete.create_revision, delete.version, delete.value.len()),
        (0, 0, 0)
    );
}
