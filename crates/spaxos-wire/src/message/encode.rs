//! Messages to bytes.

use bytes::{BufMut, Bytes, BytesMut};
use spaxos_core::batch::{Batch, Chunk};
use spaxos_core::cut::Value;
use spaxos_core::message::{Body, Header, Message, Promise};
use spaxos_core::types::{Ballot, Slot};

use super::kind;
use crate::batch;
use crate::cursor::put_count;
use crate::value;

/// Appends the head of `message` to `head`, and to `payloads` the shared payloads that belong behind
/// it, in order. Payloads are not copied, and empty ones are left out.
pub fn encode(message: &Message, head: &mut BytesMut, payloads: &mut Vec<Bytes>) {
    head.put_u8(kind(&message.body));
    put_header(head, &message.header);
    match &message.body {
        Body::Batch(batch) => {
            batch::put_head(head, batch);
            push_payload(payloads, &batch.payload);
        }
        Body::Accept {
            ballot,
            first,
            values,
            batches,
        } => {
            put_log(head, *ballot, *first, values);
            put_count(head, batches.len());
            for batch in batches {
                put_batch(head, payloads, batch);
            }
        }
        Body::Forward {
            incarnation,
            chunks,
        } => {
            head.put_u64_le(incarnation.0);
            put_count(head, chunks.len());
            for chunk in chunks {
                put_chunk(head, payloads, chunk);
            }
        }
        other => put_fixed(head, other),
    }
}

/// The bodies that have no payload.
fn put_fixed(head: &mut BytesMut, body: &Body) {
    match body {
        Body::Acks { echo } => head.put_u64_le(echo.0),
        Body::Heartbeat { ballot, sent } => put_ballot_and(head, *ballot, sent.0),
        Body::Accepted { ballot, slot } => put_ballot_and(head, *ballot, slot.0),
        Body::Adopt {
            ballot,
            first,
            values,
        } => put_log(head, *ballot, *first, values),
        Body::Decide => {}
        Body::PreVote { round } => head.put_u64_le(*round),
        Body::PreVoteReply { round, granted } => {
            head.put_u64_le(*round);
            head.put_u8(u8::from(*granted));
        }
        Body::Prepare { ballot, decided } => put_ballot_and(head, *ballot, decided.0),
        Body::Promise(promise) => put_promise(head, promise),
        Body::Refuse { ballot, promised } => {
            value::put_ballot(head, *ballot);
            value::put_ballot(head, *promised);
        }
        Body::FetchBatches { lane, from, to } => {
            head.put_u64_le(lane.0);
            value::put_position(head, *from);
            head.put_u64_le(to.0);
        }
        Body::FetchSlots { from } => head.put_u64_le(from.0),
        Body::Slots {
            adopted,
            first,
            decided,
            values,
        } => {
            value::put_ballot(head, *adopted);
            head.put_u64_le(decided.0);
            head.put_u64_le(first.0);
            value::put_values(head, values);
        }
        Body::ReadQuery { nonce } => head.put_u64_le(*nonce),
        Body::ReadAnswer {
            nonce,
            ballot,
            slot,
        } => {
            head.put_u64_le(*nonce);
            put_ballot_and(head, *ballot, slot.0);
        }
        Body::Batch(_) | Body::Accept { .. } | Body::Forward { .. } => {
            unreachable!("bodies with payloads are encoded by `encode`")
        }
    }
}

fn put_header(head: &mut BytesMut, header: &Header) {
    value::put_ballot(head, header.ballot);
    head.put_u64_le(header.decided.0);
    head.put_u64_le(header.executed.0);
    head.put_u64_le(header.executed_hash);
    value::put_held(head, &header.held);
}

fn put_ballot_and(head: &mut BytesMut, ballot: Ballot, number: u64) {
    value::put_ballot(head, ballot);
    head.put_u64_le(number);
}

fn put_log(head: &mut BytesMut, ballot: Ballot, first: Slot, values: &[Value]) {
    put_ballot_and(head, ballot, first.0);
    value::put_values(head, values);
}

fn put_promise(head: &mut BytesMut, promise: &Promise) {
    value::put_ballot(head, promise.ballot);
    value::put_ballot(head, promise.adopted);
    head.put_u64_le(promise.last.0);
    head.put_u64_le(promise.decided.0);
    head.put_u64_le(promise.first.0);
    value::put_values(head, &promise.tail);
}

fn put_batch(head: &mut BytesMut, payloads: &mut Vec<Bytes>, batch: &Batch) {
    batch::put_head(head, batch);
    push_payload(payloads, &batch.payload);
}

fn put_chunk(head: &mut BytesMut, payloads: &mut Vec<Bytes>, chunk: &Chunk) {
    head.put_u64_le(chunk.ticket);
    head.put_u32_le(chunk.requests);
    put_count(head, chunk.payload.len());
    push_payload(payloads, &chunk.payload);
}

fn push_payload(payloads: &mut Vec<Bytes>, payload: &Bytes) {
    if !payload.is_empty() {
        payloads.push(payload.clone());
    }
}
