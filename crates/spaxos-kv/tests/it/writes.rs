//! "Put / Delete", rule by rule.

use spaxos_kv::{
    Command, DeleteRangeRequest, KeyValue, KvError, PutRequest, PutResponse, Reply, Response,
};

use crate::build::*;

fn put_reply(revision: i64, prev_kv: Option<KeyValue>) -> Reply {
    Ok(Response::Put(PutResponse { revision, prev_kv }))
}

#[test]
fn put_answers_with_the_entry_before_only_when_asked() {
    let mut bench = Bench::new();
    let asking = |value| PutRequest {
        prev_kv: true,
        ..put("a", value)
    };
    assert_eq!(bench.try_put(asking("1")), put_reply(2, None));
    let before = bench.entry("a");
    assert_eq!(bench.try_put(asking("2")), put_reply(3, Some(before)));
    assert_eq!(bench.try_put(put("a", "3")), put_reply(4, None));
}

#[test]
fn an_empty_value_is_legal() {
    let mut bench = Bench::new();
    bench.put("a", "");
    assert_eq!(bench.entry("a").version, 1);
    assert!(bench.entry("a").value.is_empty());
}

#[test]
fn ignore_value_keeps_the_value() {
    let mut bench = Bench::new();
    let ignoring = PutRequest {
        ignore_value: true,
        ..put("a", "")
    };
    assert_eq!(bench.try_put(ignoring.clone()), Err(KvError::KeyNotFound));
    bench.put("a", "kept");
    assert_eq!(bench.try_put(ignoring.clone()), put_reply(3, None));
    let entry = bench.entry("a");
    assert_eq!(
        (&entry.value[..], entry.version, entry.mod_revision),
        (&b"kept"[..], 2, 3)
    );
    bench.delete("a", "");
    assert_eq!(
        bench.try_put(ignoring),
        Err(KvError::KeyNotFound),
        "deleted is missing"
    );
    let both = PutRequest {
        ignore_value: true,
        ..put("a", "x")
    };
    assert_eq!(bench.try_put(both), Err(KvError::ValueProvided));
}

#[test]
fn ignore_lease_keeps_the_lease() {
    let mut bench = Bench::new();
    let ignoring = PutRequest {
        ignore_lease: true,
        ..put("a", "2")
    };
    assert_eq!(bench.try_put(ignoring.clone()), Err(KvError::KeyNotFound));
    bench.put("a", "1");
    assert_eq!(bench.try_put(ignoring), put_reply(3, None));
    assert_eq!(bench.entry("a").lease, 0);
    let both = PutRequest {
        ignore_lease: true,
        lease: 5,
        ..put("a", "x")
    };
    assert_eq!(bench.try_put(both), Err(KvError::LeaseProvided));
}

#[test]
fn an_unknown_lease_is_refused() {
    let mut bench = Bench::new();
    for lease in [1, -1, i64::MIN] {
        let leased = PutRequest {
            lease,
            ..put("a", "1")
        };
        assert_eq!(bench.try_put(leased), Err(KvError::LeaseNotFound));
    }
    let missing = PutRequest {
        lease: 1,
        ignore_value: true,
        ..put("a", "")
    };
    assert_eq!(
        bench.try_put(missing),
        Err(KvError::LeaseNotFound),
        "the lease comes first"
    );
    assert_eq!(bench.0.revision(), 1);
}

#[test]
fn an_empty_key_is_refused() {
    let mut bench = Bench::new();
    assert_eq!(bench.try_put(put("", "x")), Err(KvError::KeyNotProvided));
    let delete = Command::DeleteRange(delete("", "\0"));
    assert_eq!(run(&mut bench.0, &delete), Err(KvError::KeyNotProvided));
}

#[test]
fn delete_answers_how_many_and_with_the_entries_before_only_when_asked() {
    let mut bench = Bench::new();
    for key in ["a", "b", "c"] {
        bench.put(key, "1");
    }
    assert_eq!(bench.delete("b", ""), (1, 5));
    assert_eq!(bench.delete("b", ""), (0, 5));
    let before = bench.range(&everything()).kvs;
    let asking = DeleteRangeRequest {
        prev_kv: true,
        ..delete("\0", "\0")
    };
    let Ok(Response::DeleteRange(response)) = run(&mut bench.0, &Command::DeleteRange(asking))
    else {
        panic!("a delete succeeds");
    };
    assert_eq!((response.deleted, response.revision), (2, 6));
    assert_eq!(response.prev_kvs, before);
    assert_eq!(bench.0.key_count(), 0);
    assert_eq!(bench.delete("z", "a"), (0, 6), "an empty range is no error");
}
