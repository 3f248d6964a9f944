//! The batch part: the same bytes in the log and on the network.
//!
//! A fixed *head* with all lengths in it, and the payload, which is never copied: encoders hand the
//! shared bytes on, decoders slice them out of what arrived.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use spaxos_core::batch::{Batch, Origin};
use spaxos_core::types::{Position, ReplicaId, Sequence};

use crate::cursor::{Cursor, put_count};
use crate::error::DecodeError;
use crate::limits::WireLimits;
use crate::value;

/// The head of a batch without origins.
pub(crate) const BATCH_HEAD_BYTES_MIN: usize = 52;
/// Replica, incarnation, ticket, bytes.
const ORIGIN_BYTES: usize = 28;

/// A batch whose payload is still to come.
#[derive(Debug)]
pub(crate) struct BatchHead {
    lane: ReplicaId,
    position: Position,
    digest: u64,
    checksum: u64,
    requests: u32,
    payload_bytes: usize,
    origins: Vec<Origin>,
}

/// Appends the head of `batch`. Its payload belongs behind all heads of the same message.
pub(crate) fn put_head(head: &mut BytesMut, batch: &Batch) {
    head.put_u64_le(batch.lane.0);
    value::put_position(head, batch.position);
    head.put_u64_le(batch.digest);
    head.put_u64_le(batch.checksum);
    head.put_u32_le(batch.requests);
    put_count(head, batch.payload.len());
    put_count(head, batch.origins.len());
    for origin in &batch.origins {
        head.put_u64_le(origin.replica.0);
        head.put_u64_le(origin.incarnation.0);
        head.put_u64_le(origin.ticket);
        head.put_u32_le(origin.bytes);
    }
}

impl BatchHead {
    pub(crate) fn decode(
        cursor: &mut Cursor,
        limits: &WireLimits,
    ) -> Result<BatchHead, DecodeError> {
        let lane = value::lane(cursor)?;
        let position = value::position(cursor)?;
        if position.sequence == Sequence(0) {
            let what = "sequence";
            return Err(DecodeError::OutOfRange { what, value: 0 });
        }
        let digest = cursor.u64()?;
        let checksum = cursor.u64()?;
        let requests = cursor.u32()?;
        let payload_bytes = cursor.length("bytes of a batch", limits.batch_bytes_max)?;
        let origins = origins(cursor, payload_bytes)?;
        Ok(BatchHead {
            lane,
            position,
            digest,
            checksum,
            requests,
            payload_bytes,
            origins,
        })
    }

    /// Takes the payload, which is next.
    pub(crate) fn with_payload(self, cursor: &mut Cursor) -> Result<Arc<Batch>, DecodeError> {
        Ok(Arc::new(Batch {
            lane: self.lane,
            position: self.position,
            digest: self.digest,
            checksum: self.checksum,
            requests: self.requests,
            payload: cursor.slice(self.payload_bytes)?,
            origins: self.origins,
        }))
    }
}

fn origins(cursor: &mut Cursor, payload_bytes: usize) -> Result<Vec<Origin>, DecodeError> {
    let count = cursor.count("origins", u32::MAX as usize, ORIGIN_BYTES)?;
    let mut origins = Vec::with_capacity(count);
    let mut bytes_left = payload_bytes as u64;
    for _ in 0..count {
        let origin = Origin {
            replica: ReplicaId(cursor.u64()?),
            incarnation: value::incarnation(cursor)?,
            ticket: cursor.u64()?,
            bytes: cursor.u32()?,
        };
        let bytes = u64::from(origin.bytes);
        // Whoever cuts the payload at the origins must not run past its end.
        bytes_left = bytes_left
            .checked_sub(bytes)
            .ok_or(DecodeError::OutOfRange {
                what: "bytes of an origin",
                value: bytes,
            })?;
        origins.push(origin);
    }
    Ok(origins)
}
