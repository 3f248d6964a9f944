//! "Compaction", rule by rule, and what it must not cost.

use spaxos_kv::{Command, CompactRequest, EventKind, KvError, RangeRequest};

use crate::build::*;

#[test]
fn zero_is_fine_once_and_only_on_a_store_that_was_never_compacted() {
    let mut bench = Bench::new();
    assert_eq!(bench.0.compact_revision(), -1);
    assert_eq!(bench.compact(-1), Err(KvError::Compacted));
    assert_eq!(bench.compact(i64::MIN), Err(KvError::Compacted));
    assert_eq!(bench.compact(0), Ok(1));
    assert_eq!(bench.0.compact_revision(), 0);
    assert_eq!(bench.compact(0), Err(KvError::Compacted));
}

#[test]
fn repeated_older_and_future_revisions_are_refused() {
    let mut bench = Bench::new();
    for value in ["1", "2", "3"] {
        bench.put("a", value);
    }
    assert_eq!(bench.compact(5), Err(KvError::FutureRevision));
    assert_eq!(bench.compact(3), Ok(4));
    assert_eq!(bench.compact(3), Err(KvError::Compacted));
    assert_eq!(bench.compact(2), Err(KvError::Compacted));
    assert_eq!(bench.compact(0), Err(KvError::Compacted));
    assert_eq!(bench.compact(4), Ok(4), "the present may be compacted");
    assert_eq!(bench.0.compact_revision(), 4);
}

#[test]
fn reads_and_events_at_the_compacted_revision_stay_legal() {
    let mut bench = Bench::new();
    for value in ["2", "3", "4", "5"] {
        bench.put("a", value);
    }
    bench.compact(4).expect("4 is in the past");
    let at = |revision| {
        let response = bench.0.range(&RangeRequest {
            revision,
            ..get("a")
        })?;
        Ok::<_, KvError>(text(&response.kvs[0].value))
    };
    assert_eq!(at(3), Err(KvError::Compacted));
    assert_eq!(at(4), Ok("4".into()));
    assert_eq!(at(5), Ok("5".into()));
    assert_eq!(bench.0.events_since(3).err(), Some(KvError::Compacted));
    assert_eq!(bench.0.events_since(4).expect("legal").count(), 2);
}

#[test]
fn a_delete_at_the_compacted_revision_can_still_be_watched_and_a_later_compaction_ends_it() {
    let mut bench = Bench::new();
    bench.put("a", "1");
    bench.delete("a", "");
    bench.compact(3).expect("3 is the present");
    while bench.0.prune(usize::MAX) {}
    let event = bench
        .0
        .events_since(3)
        .expect("legal")
        .next()
        .expect("the delete is there");
    assert_eq!(
        (event.kind, text(&event.kv.key)),
        (EventKind::Delete, "a".into())
    );
    assert_eq!(
        bench.0.size_in_use_bytes(),
        1,
        "the key is remembered, its value is not"
    );
    bench.put("b", "");
    bench.compact(4).expect("4 is the present");
    while bench.0.prune(usize::MAX) {}
    assert_eq!(bench.0.size_in_use_bytes(), 1, "of b");
    assert_eq!(bench.0.events_since(4).expect("legal").count(), 1);
}

#[test]
fn physical_compaction_frees_before_it_answers() {
    let mut bench = Bench::new();
    for value in 0..1000 {
        bench.put("a", &value.to_string());
    }
    let full = bench.0.size_in_use_bytes();
    let compact = CompactRequest {
        revision: 1001,
        physical: true,
    };
    assert!(run(&mut bench.0, &Command::Compact(compact)).is_ok());
    assert!(full > 2000);
    assert_eq!(
        bench.0.size_in_use_bytes(),
        4,
        "one key of one byte, one value of three"
    );
    assert!(bench.0.size_bytes() < full);
}

#[test]
fn logical_compaction_frees_little_by_little_and_reads_do_not_notice() {
    let mut bench = Bench::new();
    for value in 0..1000 {
        bench.put(&format!("k{}", value % 7), "value");
        bench.put(&format!("gone{value}"), "value");
        bench.delete("gone", "gonf");
    }
    let revision = bench.0.revision();
    bench.compact(revision - 1).expect("it is in the past");
    let read = |bench: &Bench| {
        let events: Vec<_> = bench.0.events_since(revision - 1).expect("legal").collect();
        let past = bench.range(&RangeRequest {
            revision: revision - 1,
            ..everything()
        });
        (
            bench.range(&everything()),
            past,
            events,
            bench.0.hash_kv(0),
            bench.0.state_hash(),
        )
    };
    let before = read(&bench);
    let mut steps = 0;
    let mut size = bench.0.size_bytes();
    while bench.0.prune(100) {
        assert_eq!(read(&bench), before);
        assert!(bench.0.size_bytes() <= size);
        size = bench.0.size_bytes();
        steps += 1;
    }
    assert_eq!(read(&bench), before);
    assert!(steps > 20, "there was something to do");
    assert!(!bench.0.prune(1), "and now there is not");
    assert!(bench.0.size_in_use_bytes() < 100);
}

#[test]
fn commands_pay_for_the_compaction_before_them() {
    let mut bench = Bench::new();
    for value in 0..5000 {
        bench.put("a", &value.to_string());
    }
    bench.compact(5001).expect("it is the present");
    let full = bench.0.size_in_use_bytes();
    for _ in 0..100 {
        bench.put("b", "");
    }
    assert!(full > 15_000);
    assert_eq!(
        bench.0.size_in_use_bytes(),
        1 + 4 + 1,
        "all of it has been given back by now"
    );
}

#[test]
fn keys_forgotten_and_made_anew_do_not_mix() {
    let mut bench = Bench::new();
    for round in 0..5 {
        for key in 0..200 {
            bench.put(&format!("r{round}k{key}"), "v");
        }
        bench.delete("r", "s");
        bench.put("x", "y");
        let revision = bench.0.revision();
        bench.compact(revision).expect("it is the present");
    }
    while bench.0.prune(7) {}
    assert_eq!(bench.keys(&everything()), ["x"]);
    assert_eq!((bench.0.key_count(), bench.0.size_in_use_bytes()), (1, 2));
}
