//! Log records. What the log adds around a body (length, checksum, place) is the log's own matter.

use bytes::{BufMut, Bytes, BytesMut};
use spaxos_core::record::Record;
use spaxos_core::types::ReplicaId;

use crate::batch::{self, BatchHead};
use crate::cursor::Cursor;
use crate::error::DecodeError;
use crate::limits::WireLimits;
use crate::value;

/// The version of the record formats below, in the second byte of each.
pub const RECORD_VERSION: u8 = 1;

const INCARNATION: u8 = 1;
const BATCH: u8 = 2;
const PROMISE: u8 = 3;
const ADOPTION: u8 = 4;
const VOTE: u8 = 5;
const DECIDED: u8 = 6;
const DECIDED_SLOT: u8 = 7;
const GREETING: u8 = 8;

/// One more than the highest record kind: the size of a table of counters by kind.
pub const KINDS_END: usize = GREETING as usize + 1;

/// Appends the fixed part of `record` to `head` and returns the shared payload that belongs right
/// behind it: empty for everything but a batch. The payload is not copied.
#[must_use = "a batch record is its head and its payload"]
pub fn encode(record: &Record, head: &mut BytesMut) -> Bytes {
    head.put_u8(kind(record));
    head.put_u8(RECORD_VERSION);
    match record {
        Record::Incarnation(life) => value::put_life(head, *life),
        Record::Batch(batch) => {
            batch::put_head(head, batch);
            return batch.payload.clone();
        }
        Record::Promise { ballot } => value::put_ballot(head, *ballot),
        Record::Adoption {
            ballot,
            first,
            values,
        } => {
            value::put_ballot(head, *ballot);
            head.put_u64_le(first.0);
            value::put_values(head, values);
        }
        Record::Vote {
            ballot,
            slot,
            value,
            decided,
        } => {
            value::put_ballot(head, *ballot);
            head.put_u64_le(slot.0);
            head.put_u64_le(decided.0);
            value::put_value(head, value);
        }
        Record::Decided { slot } => head.put_u64_le(slot.0),
        Record::DecidedSlot { slot, value } => {
            head.put_u64_le(slot.0);
            value::put_value(head, value);
        }
        Record::Greeting { member, life } => {
            head.put_u64_le(member.0);
            value::put_life(head, *life);
        }
    }
    Bytes::new()
}

/// Reads a record that fills `body`. A batch's payload is sliced out of `body`, not copied.
///
/// # Errors
/// See [`DecodeError`]. Nothing is allocated for a count that the bytes do not bear out.
pub fn decode(body: Bytes) -> Result<Record, DecodeError> {
    let limits = WireLimits::own_log();
    let mut cursor = Cursor::new(body, "a record");
    let kind = cursor.u8()?;
    check_version(cursor.u8()?)?;
    let record = decode_kind(kind, &mut cursor, &limits)?;
    cursor.finish()?;
    Ok(record)
}

fn decode_kind(kind: u8, cursor: &mut Cursor, limits: &WireLimits) -> Result<Record, DecodeError> {
    Ok(match kind {
        INCARNATION => Record::Incarnation(value::life(cursor)?),
        BATCH => Record::Batch(BatchHead::decode(cursor, limits)?.with_payload(cursor)?),
        PROMISE => Record::Promise {
            ballot: value::ballot(cursor)?,
        },
        ADOPTION => {
            let ballot = value::ballot(cursor)?;
            let first = value::slot_from_1(cursor)?;
            Record::Adoption {
                ballot,
                first,
                values: value::values(cursor, first, limits)?,
            }
        }
        VOTE => {
            let ballot = value::ballot(cursor)?;
            let slot = value::slot_from_1(cursor)?;
            let decided = value::slot(cursor)?;
            Record::Vote {
                ballot,
                slot,
                value: value::value(cursor, limits)?,
                decided,
            }
        }
        DECIDED => Record::Decided {
            slot: value::slot(cursor)?,
        },
        DECIDED_SLOT => Record::DecidedSlot {
            slot: value::slot_from_1(cursor)?,
            value: value::value(cursor, limits)?,
        },
        GREETING => Record::Greeting {
            member: ReplicaId(cursor.u64()?),
            life: value::life(cursor)?,
        },
        kind => {
            return Err(DecodeError::UnknownKind {
                what: "record",
                kind,
            });
        }
    })
}

fn check_version(version: u8) -> Result<(), DecodeError> {
    if version == RECORD_VERSION {
        return Ok(());
    }
    Err(DecodeError::UnsupportedVersion {
        what: "record",
        version: u16::from(version),
    })
}

/// The first byte of an encoded `record`. For counters; the name is [`Record::name`].
#[must_use]
pub const fn kind(record: &Record) -> u8 {
    match record {
        Record::Incarnation(_) => INCARNATION,
        Record::Batch(_) => BATCH,
        Record::Promise { .. } => PROMISE,
        Record::Adoption { .. } => ADOPTION,
        Record::Vote { .. } => VOTE,
        Record::Decided { .. } => DECIDED,
        Record::DecidedSlot { .. } => DECIDED_SLOT,
        Record::Greeting { .. } => GREETING,
    }
}

/// The name of a record kind as [`kind`] gives it; `None` if there is no such kind.
#[must_use]
pub const fn kind_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        INCARNATION => "Incarnation",
        BATCH => "Batch",
        PROMISE => "Promise",
        ADOPTION => "Adoption",
        VOTE => "Vote",
        DECIDED => "Decided",
        DECIDED_SLOT => "DecidedSlot",
        GREETING => "Greeting",
        _ => return None,
    })
}
