//! Commands, queries and replies as bytes: whatever is written can be read, and whatever cannot be
//! written is refused without harm.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use spaxos_kv::{
    Command, CompactRequest, DecodeError, DeleteRangeRequest, Limits, Machine, Query, RequestOp,
    command, query, reply,
};

use crate::build::*;
use crate::generate;

const LIMITS: Limits = Limits::DEFAULT;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn query_bytes(query: &Query) -> Bytes {
    let mut out = Vec::new();
    query::encode(query, &mut out);
    Bytes::from(out)
}

fn any_query() -> BoxedStrategy<Query> {
    prop_oneof![
        generate::range().prop_map(Query::Range),
        generate::txn(2).prop_map(Query::Txn),
        Just(Query::Status),
        any::<i64>().prop_map(|revision| Query::HashKv { revision }),
    ]
    .boxed()
}

/// What can be read is what would have been written.
fn assert_canonical(bytes: &Bytes) {
    if let Ok(command) = command::decode(bytes, &LIMITS) {
        assert_eq!(encoded(&command), bytes);
    }
    if let Ok(query) = query::decode(bytes, &LIMITS) {
        assert_eq!(query_bytes(&query), bytes);
    }
    if let Ok(outcome) = reply::decode(bytes) {
        let mut out = Vec::new();
        reply::encode(&outcome, &mut out);
        assert_eq!(Bytes::from(out), bytes);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn commands_and_queries_come_back(command in generate::command(), query in any_query()) {
        prop_assert_eq!(command::decode(&encoded(&command), &LIMITS), Ok(command));
        prop_assert_eq!(query::decode(&query_bytes(&query), &LIMITS), Ok(query));
    }

    #[test]
    fn replies_come_back(commands in vec(generate::command(), 1..12), query in any_query()) {
        let mut machine = Machine::default();
        let mut outcomes: Vec<_> = commands.iter().map(|command| machine.apply(command)).collect();
        outcomes.push(machine.answer(&query));
        for outcome in outcomes {
            let mut out = Vec::new();
            reply::encode(&outcome, &mut out);
            prop_assert_eq!(reply::decode(&Bytes::from(out)), Ok(outcome));
        }
    }

    #[test]
    fn every_shortening_is_noticed(command in generate::command()) {
        let whole = encoded(&command);
        for len in 0..whole.len() {
            let outcome = command::decode(&whole.slice(..len), &LIMITS);
            prop_assert_eq!(outcome, Err(DecodeError::Truncated), "{} bytes", len);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(prop_oneof![any::<u8>(), 0..8_u8], 0..64)) {
        let with_head: Vec<u8> = [&[1], &bytes[..]].concat();
        for bytes in [bytes, with_head] {
            assert_canonical(&Bytes::from(bytes.clone()));
            let mut machine = Machine::default();
            let mut out = Vec::new();
            machine.execute(&bytes, &mut out);
            prop_assert!(reply::decode(&Bytes::from(std::mem::take(&mut out))).is_ok());
            machine.query(&bytes, &mut out);
            prop_assert!(reply::decode(&Bytes::from(out)).is_ok());
        }
    }

    #[test]
    fn a_changed_byte_is_read_or_refused(
        command in generate::command(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = encoded(&command).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        assert_canonical(&Bytes::from(bytes.clone()));
        machine_survives(&bytes);
    }
}

fn machine_survives(bytes: &[u8]) {
    let mut machine = Machine::default();
    for _ in 0..2 {
        let mut out = Vec::new();
        machine.execute(bytes, &mut out);
        assert!(reply::decode(&Bytes::from(out)).is_ok());
    }
}

#[test]
fn the_format_is_what_it_was() {
    let put = Written::of(&Command::Put(put("k", "v")));
    assert_eq!(put.0, [1, 1, 0, 1, b'k', 1, b'v']);
    let delete = DeleteRangeRequest {
        prev_kv: true,
        ..delete("a", "b")
    };
    let delete = Written::of(&Command::DeleteRange(delete));
    assert_eq!(delete.0, [1, 2, 3, 1, b'a', 1, b'b']);
    let txn = Written::of(&Command::Txn(all_of(vec![get_op("k"), RequestOp::Empty])));
    assert_eq!(txn.0, [1, 3, 0, 2, 1, 0, 1, b'k', 5, 0]);
    let compact = CompactRequest {
        revision: 300,
        physical: true,
    };
    let compact = Written::of(&Command::Compact(compact));
    assert_eq!(compact.0, [1, 4, 0xd8, 0x04, 1]);
}

/// The bytes of a command, to be compared with a list.
struct Written(Vec<u8>);

impl Written {
    fn of(command: &Command) -> Self {
        Self(encoded(command).to_vec())
    }
}

#[test]
fn depth_and_number_are_limited_before_anything_is_believed() {
    let decode = |body: Vec<u8>| {
        let bytes = Bytes::from([vec![1, 3], body].concat());
        command::decode(&bytes, &LIMITS)
    };
    // Transactions that open one another: no compares, one operation, a transaction.
    let tower = [0, 1, 4].repeat(200);
    assert_eq!(decode(tower), Err(DecodeError::TooDeep));
    // A list of 2^28 compares in a command of a few bytes.
    assert_eq!(
        decode(vec![0xff, 0xff, 0xff, 0x7f, 0, 0]),
        Err(DecodeError::Truncated)
    );
    // More operations than any legal transaction has, one byte each.
    let mut many = vec![0, 0x80, 0x80, 0x08];
    many.extend(vec![5; 1 << 17]);
    many.push(0);
    assert_eq!(decode(many), Err(DecodeError::TooManyOps));
}

#[test]
fn a_version_of_the_future_is_told_from_nonsense() {
    let bytes = |bytes: &'static [u8]| Bytes::from_static(bytes);
    let future = Err(DecodeError::UnknownVersion(2));
    assert_eq!(command::decode(&bytes(&[2, 1, 1]), &LIMITS), future);
    assert_eq!(
        reply::decode(&bytes(&[2])),
        Err(DecodeError::UnknownVersion(2))
    );
    assert_eq!(
        query::decode(&bytes(&[2]), &LIMITS),
        Err(DecodeError::UnknownVersion(2))
    );
    assert_eq!(
        command::decode(&bytes(&[]), &LIMITS),
        Err(DecodeError::Truncated)
    );
    assert_eq!(
        command::decode(&bytes(&[1, 9]), &LIMITS),
        Err(DecodeError::UnknownTag(9))
    );
}

#[test]
fn flags_that_nobody_knows_are_refused() {
    let refused = |bytes: &[u8]| {
        let bytes = Bytes::copy_from_slice(bytes);
        assert!(
            command::decode(&bytes, &LIMITS).is_err() && query::decode(&bytes, &LIMITS).is_err()
        );
    };
    refused(&[1, 1, 0x10, 1, b'k', 0]);
    refused(&[1, 2, 4, 1, b'k']);
    refused(&[1, 4, 2, 2]);
    let range = |flags: &[u8]| Bytes::from([&[1, 1], flags, &[1, b'k']].concat());
    assert!(query::decode(&range(&[7]), &LIMITS).is_ok());
    let unknown = query::decode(&range(&[0x80, 0x20]), &LIMITS);
    assert_eq!(unknown, Err(DecodeError::MalformedNumber));
}
