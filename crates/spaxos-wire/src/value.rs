//! The parts that records and messages share: ballots, positions, cuts, values, lives.

use bytes::{BufMut, BytesMut};
use spaxos_core::cut::{Cut, CutEntry, Order, Value};
use spaxos_core::message::Held;
use spaxos_core::record::Life;
use spaxos_core::types::{Ballot, Incarnation, LogTime, Position, ReplicaId, Sequence, Slot};

use crate::cursor::{Cursor, NUMBER_END, put_count};
use crate::error::DecodeError;
use crate::limits::WireLimits;

const ORDER_TICK: u8 = 0;
const ORDER_CUT: u8 = 1;
const ORDER_STABLE_CUT: u8 = 2;

/// A tick: the log time and the kind.
const VALUE_BYTES_MIN: usize = 9;
/// Lane, position, digest.
const CUT_ENTRY_BYTES: usize = 32;
/// Lane and position.
const HELD_BYTES: usize = 24;

pub(crate) fn put_ballot(head: &mut BytesMut, ballot: Ballot) {
    head.put_u64_le(ballot.configuration);
    head.put_u64_le(ballot.round);
    head.put_u64_le(ballot.replica.0);
}

pub(crate) fn ballot(cursor: &mut Cursor) -> Result<Ballot, DecodeError> {
    Ok(Ballot {
        configuration: cursor.number("configuration")?,
        round: cursor.number("round")?,
        replica: ReplicaId(cursor.u64()?),
    })
}

pub(crate) fn put_position(head: &mut BytesMut, position: Position) {
    head.put_u64_le(position.incarnation.0);
    head.put_u64_le(position.sequence.0);
}

pub(crate) fn position(cursor: &mut Cursor) -> Result<Position, DecodeError> {
    Ok(Position {
        incarnation: incarnation(cursor)?,
        sequence: sequence(cursor)?,
    })
}

pub(crate) fn incarnation(cursor: &mut Cursor) -> Result<Incarnation, DecodeError> {
    cursor.number("incarnation").map(Incarnation)
}

pub(crate) fn sequence(cursor: &mut Cursor) -> Result<Sequence, DecodeError> {
    cursor.number("sequence").map(Sequence)
}

pub(crate) fn slot(cursor: &mut Cursor) -> Result<Slot, DecodeError> {
    cursor.number("slot").map(Slot)
}

/// A slot that something is about: 0 stands for "nothing yet" and cannot be meant.
pub(crate) fn slot_from_1(cursor: &mut Cursor) -> Result<Slot, DecodeError> {
    let found = slot(cursor)?;
    if found == Slot(0) {
        let what = "slot";
        return Err(DecodeError::OutOfRange { what, value: 0 });
    }
    Ok(found)
}

/// Whose lane. Member id 0 is reserved, so no lane has it.
pub(crate) fn lane(cursor: &mut Cursor) -> Result<ReplicaId, DecodeError> {
    let value = cursor.u64()?;
    if value == 0 {
        return Err(DecodeError::OutOfRange {
            what: "lane",
            value,
        });
    }
    Ok(ReplicaId(value))
}

pub(crate) fn put_life(head: &mut BytesMut, life: Life) {
    head.put_u64_le(life.incarnation.0);
    head.put_u64_le(life.nonce);
}

pub(crate) fn life(cursor: &mut Cursor) -> Result<Life, DecodeError> {
    Ok(Life {
        incarnation: incarnation(cursor)?,
        nonce: cursor.u64()?,
    })
}

pub(crate) fn put_value(head: &mut BytesMut, value: &Value) {
    head.put_u64_le(value.log_time.0);
    match &value.order {
        Order::Tick => head.put_u8(ORDER_TICK),
        Order::Cut { cut, stable } => {
            head.put_u8(if *stable { ORDER_STABLE_CUT } else { ORDER_CUT });
            put_cut(head, cut);
        }
    }
}

pub(crate) fn value(cursor: &mut Cursor, limits: &WireLimits) -> Result<Value, DecodeError> {
    let log_time = LogTime(cursor.number("log time")?);
    let order = match cursor.u8()? {
        ORDER_TICK => Order::Tick,
        ORDER_CUT => Order::Cut {
            cut: cut(cursor, limits)?,
            stable: false,
        },
        ORDER_STABLE_CUT => Order::Cut {
            cut: cut(cursor, limits)?,
            stable: true,
        },
        kind => {
            return Err(DecodeError::UnknownKind {
                what: "value",
                kind,
            });
        }
    };
    Ok(Value { log_time, order })
}

pub(crate) fn put_values(head: &mut BytesMut, values: &[Value]) {
    put_count(head, values.len());
    for value in values {
        put_value(head, value);
    }
}

/// The values of consecutive slots, the first of which is `first`.
pub(crate) fn values(
    cursor: &mut Cursor,
    first: Slot,
    limits: &WireLimits,
) -> Result<Vec<Value>, DecodeError> {
    let count = cursor.count("slots", limits.slots_max, VALUE_BYTES_MIN)?;
    let first_makes_sense = first.0 > 0 && first.0 < NUMBER_END - count as u64;
    if count > 0 && !first_makes_sense {
        return Err(DecodeError::OutOfRange {
            what: "slot",
            value: first.0,
        });
    }
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        values.push(value(cursor, limits)?);
    }
    Ok(values)
}

pub(crate) fn put_cut(head: &mut BytesMut, cut: &Cut) {
    put_count(head, cut.entries().len());
    for (lane, entry) in cut.entries() {
        head.put_u64_le(lane.0);
        put_position(head, entry.position);
        head.put_u64_le(entry.digest);
    }
}

pub(crate) fn cut(cursor: &mut Cursor, limits: &WireLimits) -> Result<Cut, DecodeError> {
    let count = cursor.count("lanes of a cut", limits.lanes_max, CUT_ENTRY_BYTES)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let lane = lane(cursor)?;
        let position = position(cursor)?;
        let digest = cursor.u64()?;
        entries.push((lane, CutEntry { position, digest }));
    }
    Cut::new(entries).ok_or(DecodeError::Unordered { what: "a cut" })
}

pub(crate) fn put_held(head: &mut BytesMut, held: &[Held]) {
    put_count(head, held.len());
    for entry in held {
        head.put_u64_le(entry.lane.0);
        put_position(head, entry.position);
    }
}

/// Acks: one entry per lane and incarnation, strictly increasing.
pub(crate) fn held(cursor: &mut Cursor, limits: &WireLimits) -> Result<Vec<Held>, DecodeError> {
    let count = cursor.count("acks", limits.held_max, HELD_BYTES)?;
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        held.push(Held {
            lane: lane(cursor)?,
            position: position(cursor)?,
        });
    }
    let key = |held: &Held| (held.lane, held.position.incarnation);
    if !held.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])) {
        return Err(DecodeError::Unordered { what: "acks" });
    }
    Ok(held)
}
