//! What holds for all commands alike.

use bytes::Bytes;
use spaxos_kv::{
    Command, HashKvResponse, KvError, Limits, Machine, PutRequest, Query, RangeRequest, Response,
    query, reply,
};

use crate::build::*;

fn raw(machine: &mut Machine, command: &[u8]) -> spaxos_kv::Reply {
    let mut out = Vec::new();
    machine.execute(command, &mut out);
    reply::decode(&Bytes::from(out)).expect("the machine writes replies that can be read")
}

#[test]
fn what_cannot_be_decoded_is_answered_and_changes_nothing() {
    let mut machine = Machine::default();
    let before = machine.status();
    let good = encoded(&Command::Put(put("a", "1")));
    assert_eq!(raw(&mut machine, b""), Err(KvError::Undecodable));
    assert_eq!(raw(&mut machine, &[1]), Err(KvError::Undecodable));
    assert_eq!(raw(&mut machine, &[1, 99]), Err(KvError::Undecodable));
    assert_eq!(
        raw(&mut machine, &good[..good.len() - 1]),
        Err(KvError::Undecodable)
    );
    assert_eq!(
        raw(&mut machine, &[&good[..], &[0]].concat()),
        Err(KvError::Undecodable)
    );
    for version in [0, 2, 255] {
        let future = [&[version], &good[1..]].concat();
        assert_eq!(raw(&mut machine, &future), Err(KvError::UnknownVersion));
    }
    assert_eq!(machine.status(), before);
    assert!(raw(&mut machine, &good).is_ok());
}

#[test]
fn a_command_longer_than_the_limit_is_refused() {
    let mut machine = Machine::default();
    let with = |len| {
        let value = Bytes::from(vec![b'x'; len]);
        encoded(&Command::Put(PutRequest {
            value,
            ..put("a", "")
        }))
    };
    let overhead = with(2_000_000).len() - 2_000_000;
    let longest = Limits::DEFAULT.command_bytes_max - overhead;
    assert_eq!(
        raw(&mut machine, &with(longest + 1)),
        Err(KvError::RequestTooLarge)
    );
    assert!(raw(&mut machine, &with(longest)).is_ok());
}

#[test]
fn a_small_value_does_not_keep_its_command_in_memory_and_a_large_one_is_not_copied() {
    let mut machine = Machine::default();
    let command = encoded(&Command::Put(put("small", "value")));
    machine.execute_bytes(&command, &mut Vec::new());
    assert!(command.is_unique());

    let value = Bytes::from(vec![7; 100_000]);
    let command = encoded(&Command::Put(PutRequest {
        value,
        ..put("large", "")
    }));
    machine.execute_bytes(&command, &mut Vec::new());
    assert!(!command.is_unique());
    let stored = machine
        .range(&get("large"))
        .expect("it is legal")
        .kvs
        .remove(0)
        .value;
    let inside = command.as_ptr_range();
    assert!(inside.contains(&stored.as_ptr()));
}

#[test]
fn hashes_tell_stores_apart_and_know_equal_ones() {
    let mut left = Bench::new();
    let mut right = Bench::new();
    assert_eq!(left.0.state_hash(), right.0.state_hash());
    left.put("a", "1");
    right.put("a", "2");
    assert_ne!(left.0.state_hash(), right.0.state_hash());
    assert_ne!(left.0.hash_kv(0), right.0.hash_kv(0));
    let mut other = Bench::new();
    other.put("b", "1");
    assert_ne!(left.0.state_hash(), other.0.state_hash());
    assert_ne!(left.0.hash_kv(0), other.0.hash_kv(0));
    left.put("a", "3");
    right.put("a", "3");
    assert_ne!(left.0.state_hash(), right.0.state_hash(), "history counts");
    assert_ne!(left.0.hash_kv(0), right.0.hash_kv(0), "history counts");
    let before = left.0.state_hash();
    left.compact(3).expect("it is the present");
    assert_ne!(left.0.state_hash(), before, "a compaction counts");
    right.compact(3).expect("it is the present");
    assert_ne!(
        left.0.state_hash(),
        right.0.state_hash(),
        "what ever happened counts"
    );
    assert_eq!(
        left.0.hash_kv(0),
        right.0.hash_kv(0),
        "what is forgotten does not"
    );
}

#[test]
fn hash_kv_can_be_asked_for_the_past() {
    let mut bench = Bench::new();
    bench.put("a", "1");
    let then = bench.0.hash_kv(0).expect("the latest can be read");
    let expected = HashKvResponse {
        revision: 2,
        hash_revision: 2,
        compact_revision: -1,
        ..then
    };
    assert_eq!(then, expected);
    bench.put("a", "2");
    bench.delete("a", "");
    let now = bench.0.hash_kv(2).expect("2 can be read");
    assert_eq!(
        now,
        HashKvResponse {
            revision: 4,
            ..then
        }
    );
    assert_eq!(bench.0.hash_kv(5), Err(KvError::FutureRevision));
    bench.compact(3).expect("3 is in the past");
    assert_eq!(bench.0.hash_kv(2), Err(KvError::Compacted));
    assert!(bench.0.hash_kv(3).is_ok());
}

#[test]
fn queries_are_answered_by_way_of_their_bytes_too() {
    let mut bench = Bench::new();
    bench.put("a", "1");
    let ask = |query: &Query| {
        let (mut question, mut answer) = (Vec::new(), Vec::new());
        query::encode(query, &mut question);
        bench.0.query(&question, &mut answer);
        reply::decode(&Bytes::from(answer)).expect("the machine writes replies that can be read")
    };
    assert_eq!(
        ask(&Query::Range(get("a"))),
        bench.0.range(&get("a")).map(Response::Range)
    );
    assert_eq!(ask(&Query::Status), Ok(Response::Status(bench.0.status())));
    let reading = all_of(vec![get_op("a")]);
    let direct = bench.0.txn_read_only(&reading).map(Response::Txn);
    assert_eq!(ask(&Query::Txn(reading)), direct);
    let hash = bench.0.hash_kv(0).map(Response::HashKv);
    assert_eq!(ask(&Query::HashKv { revision: 0 }), hash);
    let future = RangeRequest {
        revision: 3,
        ..get("a")
    };
    assert_eq!(ask(&Query::Range(future)), Err(KvError::FutureRevision));
    let mut answer = Vec::new();
    bench.0.query(b"nonsense", &mut answer);
    assert_eq!(
        reply::decode(&Bytes::from(answer)),
        Ok(Err(KvError::UnknownVersion))
    );
}

#[test]
fn limits_that_differ_have_different_fingerprints() {
    let other = Limits {
        txn_ops_max: 127,
        ..Limits::DEFAULT
    };
    assert_eq!(
        Limits::DEFAULT.fingerprint(),
        Limits::default().fingerprint()
    );
    assert_ne!(Limits::DEFAULT.fingerprint(), other.fingerprint());
}
