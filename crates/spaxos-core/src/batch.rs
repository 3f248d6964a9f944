//! Batches: what a coordinator disseminates, and how its content is pinned by a digest.

use bytes::Bytes;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::types::{Incarnation, Position, ReplicaId};

/// Requests that arrived together, already encoded. The core never looks into `payload`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The driver's name for this chunk; comes back when it is executed or refused. Unique within
    /// one incarnation, and growing.
    pub ticket: u64,
    /// How many requests `payload` holds.
    pub requests: u32,
    /// The encoded requests.
    pub payload: Bytes,
}

/// Which chunk a run of requests in a batch came from. Only in the `leader` dissemination mode,
/// where a batch holds requests that other replicas forwarded and will answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The replica whose client waits for the answer.
    pub replica: ReplicaId,
    /// The life of that replica in which it took the chunk.
    pub incarnation: Incarnation,
    /// That replica's ticket for the chunk.
    pub ticket: u64,
    /// How many bytes of the payload belong to it.
    pub bytes: u32,
}

/// Requests that one coordinator disseminates together. Immutable and shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The replica that coordinates it.
    pub lane: ReplicaId,
    /// Its place in the lane; with `lane` its identity for ever (invariant 3).
    pub position: Position,
    /// The running hash over the lane's batches of this incarnation, this one included.
    pub digest: u64,
    /// The hash of `requests`, `payload` and `origins`: tells a damaged copy from another content.
    pub checksum: u64,
    /// How many requests `payload` holds; 0 is a no-op.
    pub requests: u32,
    /// The encoded requests, chunk after chunk.
    pub payload: Bytes,
    /// The chunks' owners, in order; empty unless requests were forwarded.
    pub origins: Vec<Origin>,
}

impl Batch {
    /// Builds a batch that follows `previous_digest` (0 before the first of an incarnation).
    #[must_use]
    pub fn new(
        lane: ReplicaId,
        position: Position,
        previous_digest: u64,
        requests: u32,
        payload: Bytes,
        origins: Vec<Origin>,
    ) -> Batch {
        let checksum = content_checksum(requests, &payload, &origins);
        let digest = chain(previous_digest, lane, position, checksum);
        Batch {
            lane,
            position,
            digest,
            checksum,
            requests,
            payload,
            origins,
        }
    }

    /// Whether the content is what its checksum says.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        content_checksum(self.requests, &self.payload, &self.origins) == self.checksum
    }

    /// Whether this batch continues a lane whose digest so far is `previous_digest`.
    #[must_use]
    pub fn continues(&self, previous_digest: u64) -> bool {
        chain(previous_digest, self.lane, self.position, self.checksum) == self.digest
    }

    /// What the batch counts for in every byte budget: payload plus a fixed cost for its head and its
    /// origins.
    #[must_use]
    pub fn cost_bytes(&self) -> u64 {
        batch_cost_bytes(&self.payload, &self.origins)
    }
}

/// See [`Batch::cost_bytes`].
pub(crate) fn batch_cost_bytes(payload: &[u8], origins: &[Origin]) -> u64 {
    payload.len() as u64 + BATCH_HEAD_BYTES + origins.len() as u64 * ORIGIN_BYTES
}

/// The fixed part of [`Batch::cost_bytes`]: a no-op is not free.
pub const BATCH_HEAD_BYTES: u64 = 64;

/// What an origin adds to it.
pub(crate) const ORIGIN_BYTES: u64 = 32;

fn content_checksum(requests: u32, payload: &[u8], origins: &[Origin]) -> u64 {
    if origins.is_empty() {
        return xxh3_64(payload) ^ (u64::from(requests) << 32 | 0x5350);
    }
    let mut hash = Xxh3::new();
    hash.update(&requests.to_le_bytes());
    hash.update(payload);
    for origin in origins {
        hash.update(&origin.replica.0.to_le_bytes());
        hash.update(&origin.incarnation.0.to_le_bytes());
        hash.update(&origin.ticket.to_le_bytes());
        hash.update(&origin.bytes.to_le_bytes());
    }
    hash.digest()
}

fn chain(previous: u64, lane: ReplicaId, position: Position, checksum: u64) -> u64 {
    hash_words(&[
        previous,
        lane.0,
        position.incarnation.0,
        position.sequence.0,
        checksum,
    ])
}

/// A hash over a few numbers; used for digests and for the running hash of executed slots.
#[must_use]
pub fn hash_words(words: &[u64]) -> u64 {
    let mut hash = Xxh3::new();
    for word in words {
        hash.update(&word.to_le_bytes());
    }
    hash.digest()
}
