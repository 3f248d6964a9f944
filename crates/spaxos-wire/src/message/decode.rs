//! Bytes to messages.

use std::sync::Arc;

use bytes::Bytes;
use spaxos_core::batch::{Batch, Chunk};
use spaxos_core::cut::Value;
use spaxos_core::message::{Body, Header, Message, Promise};
use spaxos_core::types::{Ballot, Slot, Time};

use crate::batch::{BATCH_HEAD_BYTES_MIN, BatchHead};
use crate::cursor::Cursor;
use crate::error::DecodeError;
use crate::limits::WireLimits;
use crate::value;

/// Ticket, requests, length.
const CHUNK_HEAD_BYTES: usize = 16;

/// Reads a message that fills `body`. Payloads are sliced out of `body`, not copied.
///
/// # Errors
/// See [`DecodeError`]. Nothing is allocated for a count that the bytes or the limits do not bear out.
pub fn decode(body: Bytes, limits: &WireLimits) -> Result<Message, DecodeError> {
    let mut cursor = Cursor::new(body, "a message");
    let kind = cursor.u8()?;
    let header = header(&mut cursor, limits)?;
    let body = body_of_kind(kind, &mut cursor, limits)?;
    cursor.finish()?;
    Ok(Message { header, body })
}

fn header(cursor: &mut Cursor, limits: &WireLimits) -> Result<Header, DecodeError> {
    let ballot = value::ballot(cursor)?;
    let decided = value::slot(cursor)?;
    let executed = value::slot(cursor)?;
    let executed_hash = cursor.u64()?;
    let held = value::held(cursor, limits)?;
    Ok(Header {
        ballot,
        decided,
        executed,
        executed_hash,
        held,
    })
}

fn body_of_kind(kind: u8, cursor: &mut Cursor, limits: &WireLimits) -> Result<Body, DecodeError> {
    match kind {
        super::BATCH => {
            let head = BatchHead::decode(cursor, limits)?;
            Ok(Body::Batch(head.with_payload(cursor)?))
        }
        super::ACKS => Ok(Body::Acks {
            echo: Time(cursor.u64()?),
        }),
        super::HEARTBEAT => Ok(Body::Heartbeat {
            ballot: value::ballot(cursor)?,
            sent: Time(cursor.u64()?),
        }),
        super::ACCEPT => accept(cursor, limits),
        super::ACCEPTED => Ok(Body::Accepted {
            ballot: value::ballot(cursor)?,
            slot: value::slot(cursor)?,
        }),
        super::ADOPT => {
            let (ballot, first, values) = log(cursor, limits)?;
            Ok(Body::Adopt {
                ballot,
                first,
                values,
            })
        }
        super::DECIDE => Ok(Body::Decide),
        super::PROMISE => promise(cursor, limits),
        super::SLOTS => slots(cursor, limits),
        super::FORWARD => forward(cursor, limits),
        kind => question_or_answer(kind, cursor),
    }
}

/// The bodies of a few numbers each.
fn question_or_answer(kind: u8, cursor: &mut Cursor) -> Result<Body, DecodeError> {
    Ok(match kind {
        super::PRE_VOTE => Body::PreVote {
            round: cursor.number("round")?,
        },
        super::PRE_VOTE_REPLY => Body::PreVoteReply {
            round: cursor.number("round")?,
            granted: cursor.flag("granted")?,
        },
        super::PREPARE => Body::Prepare {
            ballot: value::ballot(cursor)?,
            decided: value::slot(cursor)?,
        },
        super::REFUSE => Body::Refuse {
            ballot: value::ballot(cursor)?,
            promised: value::ballot(cursor)?,
        },
        super::FETCH_BATCHES => Body::FetchBatches {
            lane: value::lane(cursor)?,
            from: value::position(cursor)?,
            to: value::sequence(cursor)?,
        },
        super::FETCH_SLOTS => Body::FetchSlots {
            from: value::slot(cursor)?,
        },
        super::READ_QUERY => Body::ReadQuery {
            nonce: cursor.u64()?,
        },
        super::READ_ANSWER => Body::ReadAnswer {
            nonce: cursor.u64()?,
            ballot: value::ballot(cursor)?,
            slot: value::slot(cursor)?,
        },
        kind => {
            let what = "message";
            return Err(DecodeError::UnknownKind { what, kind });
        }
    })
}

fn log(
    cursor: &mut Cursor,
    limits: &WireLimits,
) -> Result<(Ballot, Slot, Vec<Value>), DecodeError> {
    let ballot = value::ballot(cursor)?;
    let first = value::slot_from_1(cursor)?;
    let values = value::values(cursor, first, limits)?;
    Ok((ballot, first, values))
}

fn accept(cursor: &mut Cursor, limits: &WireLimits) -> Result<Body, DecodeError> {
    let (ballot, first, values) = log(cursor, limits)?;
    let count = cursor.count("batches", u32::MAX as usize, BATCH_HEAD_BYTES_MIN)?;
    let mut heads = Vec::with_capacity(count);
    for _ in 0..count {
        heads.push(BatchHead::decode(cursor, limits)?);
    }
    let batches: Result<Vec<Arc<Batch>>, DecodeError> = heads
        .into_iter()
        .map(|head| head.with_payload(cursor))
        .collect();
    Ok(Body::Accept {
        ballot,
        first,
        values,
        batches: batches?,
    })
}

fn promise(cursor: &mut Cursor, limits: &WireLimits) -> Result<Body, DecodeError> {
    let ballot = value::ballot(cursor)?;
    let adopted = value::ballot(cursor)?;
    let last = value::slot(cursor)?;
    let decided = value::slot(cursor)?;
    let first = value::slot(cursor)?;
    Ok(Body::Promise(Promise {
        ballot,
        adopted,
        last,
        decided,
        first,
        tail: value::values(cursor, first, limits)?,
    }))
}

fn slots(cursor: &mut Cursor, limits: &WireLimits) -> Result<Body, DecodeError> {
    let adopted = value::ballot(cursor)?;
    let decided = value::slot(cursor)?;
    let first = value::slot(cursor)?;
    Ok(Body::Slots {
        adopted,
        first,
        decided,
        values: value::values(cursor, first, limits)?,
    })
}

fn forward(cursor: &mut Cursor, limits: &WireLimits) -> Result<Body, DecodeError> {
    let incarnation = value::incarnation(cursor)?;
    let count = cursor.count("chunks", u32::MAX as usize, CHUNK_HEAD_BYTES)?;
    let mut chunks = Vec::with_capacity(count);
    let mut payload_bytes = Vec::with_capacity(count);
    for _ in 0..count {
        chunks.push(Chunk {
            ticket: cursor.u64()?,
            requests: cursor.u32()?,
            payload: Bytes::new(),
        });
        payload_bytes.push(cursor.length("bytes of a chunk", limits.chunk_bytes_max)?);
    }
    for (chunk, bytes) in chunks.iter_mut().zip(payload_bytes) {
        chunk.payload = cursor.slice(bytes)?;
    }
    Ok(Body::Forward {
        incarnation,
        chunks,
    })
}
