//! The store: commands, queries and replies as bytes, and transactions against the naive model.

use bytes::Bytes;
use spaxos_kv::{
    Command, CompactRequest, Compare, CompareResult, CompareTarget, DeleteRangeRequest, KvError,
    Limits, Machine, PutRequest, Query, RangeRequest, Reply, RequestOp, Response, SortOrder,
    SortTarget, TxnRequest, command, query, reply,
};

use crate::draw::Draw;
use crate::model::Naive;

/// Small enough for transactions of a few bytes to exceed them now and then.
const LIMITS: Limits = Limits {
    txn_ops_max: 7,
    txn_depth_max: 3,
    ..Limits::DEFAULT
};
/// The model looks at everything that ever happened, each time.
const COMMANDS_MAX: usize = 30;

/// One command, query or reply, whichever the bytes are: read, written again, executed.
pub fn commands(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let wide = command::decode(&bytes, &Limits::DEFAULT);
    if let Ok(command) = &wide {
        let mut out = Vec::new();
        command::encode(command, &mut out);
        assert_eq!(out, data, "{command:?}");
    }
    if let Ok(command) = command::decode(&bytes, &LIMITS) {
        assert_eq!(Ok(command), wide, "a limit changes what bytes mean");
    }
    if let Ok(query) = query::decode(&bytes, &Limits::DEFAULT) {
        let mut out = Vec::new();
        query::encode(&query, &mut out);
        assert_eq!(out, data, "{query:?}");
    }
    if let Ok(reply) = reply::decode(&bytes) {
        let mut out = Vec::new();
        reply::encode(&reply, &mut out);
        assert_eq!(out, data, "{reply:?}");
    }
    let mut machine = beginning();
    for _ in 0..2 {
        let before = (machine.revision(), machine.hash_kv(0));
        let executed = answered(|out| machine.execute_bytes(&bytes, out));
        assert!(executed.is_ok() || before == (machine.revision(), machine.hash_kv(0)));
        let hash = machine.state_hash();
        let _ = answered(|out| machine.query(data, out));
        assert_eq!(machine.state_hash(), hash, "a question changes something");
    }
}

/// A store with a little in it.
fn beginning() -> Machine {
    let mut machine = Machine::new(Limits::DEFAULT);
    for key in [&b"a"[..], b"b", b"c", b"a"] {
        let put = PutRequest {
            key: Bytes::from_static(key),
            value: Bytes::from_static(b"v"),
            ..PutRequest::default()
        };
        machine
            .apply(&Command::Put(put))
            .expect("a put without conditions");
    }
    machine
}

/// Whatever was asked, the answer can be read.
fn answered(ask: impl FnOnce(&mut Vec<u8>)) -> Reply {
    let mut out = Vec::new();
    ask(&mut out);
    reply::decode(&Bytes::from(out)).expect("the machine writes replies that can be read")
}

/// A run of commands, drawn from the bytes over few keys: the machine answers as the model does, and
/// in the end everything that can be seen from outside agrees.
pub fn transactions(data: &[u8]) {
    let mut draw = Draw::new(data);
    let mut machine = Machine::new(LIMITS);
    let mut naive = Naive::new(LIMITS);
    for _ in 0..COMMANDS_MAX {
        if draw.is_empty() {
            break;
        }
        execute_both(&mut machine, &mut naive, &draw_command(&mut draw));
        let range = draw_range(&mut draw);
        let found = answered(|out| machine.query(&asked(&range), out));
        assert_eq!(found, naive.range(&range).map(Response::Range), "{range:?}");
        machine.prune(draw.below(4));
    }
    assert_same(&machine, &naive);
    while machine.prune(3) {}
    assert_eq!(machine.size_in_use_bytes(), naive.bytes_in_use());
    assert_same(&machine, &naive);
}

fn execute_both(machine: &mut Machine, naive: &mut Naive, command: &Command) {
    if let Command::Txn(txn) = command
        && txn.is_read_only()
    {
        let direct = machine.txn_read_only(txn).map(Response::Txn);
        assert_eq!(direct, naive.execute(command), "{txn:?}");
    }
    let mut bytes = Vec::new();
    command::encode(command, &mut bytes);
    let before = machine.state_hash();
    let executed = answered(|out| machine.execute(&bytes, out));
    // A decoder refuses what is nested too deep before anybody looks at the rest.
    let expected = match command::decode(&Bytes::from(bytes), &LIMITS) {
        Ok(_) => naive.execute(command),
        Err(error) => Err(error.into()),
    };
    assert_eq!(executed, expected, "{command:?}");
    assert!(
        executed.is_ok() || machine.state_hash() == before,
        "{command:?}"
    );
}

fn asked(range: &RangeRequest) -> Vec<u8> {
    let mut bytes = Vec::new();
    query::encode(&Query::Range(range.clone()), &mut bytes);
    bytes
}

/// Everything that can be seen from outside, at every revision, agrees.
fn assert_same(machine: &Machine, naive: &Naive) {
    assert_eq!(machine.revision(), naive.revision);
    assert_eq!(machine.compact_revision(), naive.compacted);
    assert_eq!(machine.key_count(), naive.key_count());
    for revision in naive.compacted.max(0) - 1..naive.revision + 2 {
        let all = RangeRequest {
            key: Bytes::from_static(b"\0"),
            range_end: Bytes::from_static(b"\0"),
            revision,
            ..RangeRequest::default()
        };
        assert_eq!(machine.range(&all), naive.range(&all), "at {revision}");
    }
    for revision in naive.compacted..naive.revision + 2 {
        let events: Vec<_> = machine.events_since(revision).expect("readable").collect();
        assert_eq!(events, naive.events_since(revision), "since {revision}");
    }
    let compacted = machine.events_since(naive.compacted - 1).map(|_| ());
    assert_eq!(compacted, Err(KvError::Compacted));
}

fn draw_command(draw: &mut Draw<'_>) -> Command {
    match draw.below(8) {
        0..=2 => Command::Put(draw_put(draw)),
        3 => Command::DeleteRange(draw_delete(draw)),
        4..=6 => Command::Txn(draw_txn(draw, 3)),
        _ => Command::Compact(CompactRequest {
            revision: draw_number(draw),
            physical: draw.coin(),
        }),
    }
}

fn draw_key(draw: &mut Draw<'_>) -> Bytes {
    const KEYS: [&[u8]; 8] = [b"a", b"a\0", b"ab", b"b", b"c", b"\0", b"\xff\xff", b""];
    Bytes::from_static(draw.pick(&KEYS))
}

fn draw_end(draw: &mut Draw<'_>) -> Bytes {
    const ENDS: [&[u8]; 8] = [b"", b"", b"\0", b"a", b"b", b"c", b"z", b"\0\0"];
    Bytes::from_static(draw.pick(&ENDS))
}

fn draw_value(draw: &mut Draw<'_>) -> Bytes {
    let len = draw.below(4);
    Bytes::copy_from_slice(draw.bytes(len))
}

/// A number as it stands in revisions, limits and versions.
fn draw_number(draw: &mut Draw<'_>) -> i64 {
    match draw.byte() {
        small @ 0..=0xdf => i64::from(small % 40),
        negative @ 0xe0..=0xf7 => -i64::from(negative & 3),
        0xf8..=0xfb => i64::MAX,
        _ => i64::MIN,
    }
}

fn draw_put(draw: &mut Draw<'_>) -> PutRequest {
    let flags = draw.byte();
    PutRequest {
        key: draw_key(draw),
        value: draw_value(draw),
        lease: match flags >> 6 {
            3 => draw_number(draw),
            _ => 0,
        },
        prev_kv: flags & 1 > 0,
        ignore_value: flags & 6 == 6,
        ignore_lease: flags & 24 == 24,
    }
}

fn draw_delete(draw: &mut Draw<'_>) -> DeleteRangeRequest {
    DeleteRangeRequest {
        key: draw_key(draw),
        range_end: draw_end(draw),
        prev_kv: draw.coin(),
    }
}

fn draw_range(draw: &mut Draw<'_>) -> RangeRequest {
    let mut range = RangeRequest {
        key: draw_key(draw),
        range_end: draw_end(draw),
        ..RangeRequest::default()
    };
    let extras = draw.byte();
    range.keys_only = extras & 1 > 0;
    range.count_only = extras & 6 == 6;
    range.serializable = extras & 8 > 0;
    if extras & 16 > 0 {
        range.limit = draw_number(draw);
        range.revision = draw_number(draw);
    }
    if extras & 32 > 0 {
        range.sort_order = SortOrder::from_number(i32::from(draw.byte() % 5) - 1);
        range.sort_target = SortTarget::from_number(i32::from(draw.byte() % 7) - 1);
    }
    if extras & 64 > 0 {
        range.min_mod_revision = draw_number(draw);
        range.max_mod_revision = draw_number(draw);
    }
    if extras & 128 > 0 {
        range.min_create_revision = draw_number(draw);
        range.max_create_revision = draw_number(draw);
    }
    range
}

fn draw_txn(draw: &mut Draw<'_>, levels: usize) -> TxnRequest {
    let shape = draw.byte();
    let mut ops = |count: u8| {
        let drawn = (0..count).map(|_| draw_op(draw, levels));
        drawn.collect::<Vec<_>>()
    };
    let success = ops(shape & 3);
    let failure = ops(shape >> 2 & 3);
    let compare = (0..shape >> 4 & 3).map(|_| draw_compare(draw)).collect();
    TxnRequest {
        compare,
        success,
        failure,
    }
}

fn draw_op(draw: &mut Draw<'_>, levels: usize) -> RequestOp {
    match draw.below(16) {
        0..=4 => RequestOp::Range(draw_range(draw)),
        5..=9 => RequestOp::Put(draw_put(draw)),
        10..=12 => RequestOp::DeleteRange(draw_delete(draw)),
        13 | 14 if levels > 0 => RequestOp::Txn(draw_txn(draw, levels - 1)),
        _ => RequestOp::Empty,
    }
}

fn draw_compare(draw: &mut Draw<'_>) -> Compare {
    let target = match draw.below(12) {
        0..=2 => CompareTarget::Version(draw_number(draw)),
        3..=5 => CompareTarget::Create(draw_number(draw)),
        6..=8 => CompareTarget::Mod(draw_number(draw)),
        9 => CompareTarget::Value(draw_value(draw)),
        10 => CompareTarget::Lease(draw_number(draw)),
        _ => CompareTarget::Unknown,
    };
    Compare {
        result: CompareResult::from_number(i32::from(draw.byte() % 6) - 1),
        target,
        key: draw_key(draw),
        range_end: draw_end(draw),
    }
}
