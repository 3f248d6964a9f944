//! What a decoder accepts at most. All of it follows from the cluster's limits.

use spaxos_core::config::Limits;

/// Every limit of this crate. Derived from the core's limits with [`WireLimits::new`], so that what
/// one member may send, another one can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireLimits {
    /// The longest frame between members, in bytes, its header not counted.
    pub frame_bytes_max: usize,
    /// The longest frame on a client's connection, either way, in bytes, its header not counted.
    pub client_frame_bytes_max: usize,
    /// Payload of one batch, in bytes.
    pub batch_bytes_max: usize,
    /// Payload of one chunk, in bytes.
    pub chunk_bytes_max: usize,
    /// Requests in one submission of a client.
    pub requests_max: u32,
    /// Lanes that one cut names.
    pub lanes_max: usize,
    /// Acks in one message header.
    pub held_max: usize,
    /// Values in one message.
    pub slots_max: usize,
}

/// What a frame may have beside its payloads: heads of batches, values, acks.
const HEADS_BYTES_MAX: usize = 4 << 20;

impl WireLimits {
    /// The limits of a cluster whose core runs with `limits`.
    #[must_use]
    pub fn new(limits: &Limits) -> WireLimits {
        // In dissemination mode `leader` one message carries what the leader's lane has grown by.
        let lane_bytes_max = limits.lane_bytes_max.saturating_add(limits.reserve_bytes);
        let lane_bytes_max = usize::try_from(lane_bytes_max).unwrap_or(usize::MAX);
        let frame_bytes_max = lane_bytes_max.saturating_add(HEADS_BYTES_MAX);
        WireLimits {
            frame_bytes_max: frame_bytes_max.min(u32::MAX as usize),
            client_frame_bytes_max: limits.chunk_bytes_max.saturating_add(HEADS_BYTES_MAX),
            batch_bytes_max: limits.batch_bytes_max,
            chunk_bytes_max: limits.chunk_bytes_max,
            requests_max: 1 << 16,
            lanes_max: limits.members_max,
            held_max: limits.members_max.saturating_mul(limits.incarnations_max),
            slots_max: limits.message_slots_max,
        }
    }

    /// For what this replica wrote itself: counts are bounded by the bytes at hand alone, since a
    /// limit that was lowered between two starts must not make a log unreadable.
    pub(crate) const fn own_log() -> WireLimits {
        WireLimits {
            frame_bytes_max: u32::MAX as usize,
            client_frame_bytes_max: u32::MAX as usize,
            batch_bytes_max: u32::MAX as usize,
            chunk_bytes_max: u32::MAX as usize,
            requests_max: u32::MAX,
            lanes_max: u32::MAX as usize,
            held_max: u32::MAX as usize,
            slots_max: u32::MAX as usize,
        }
    }
}

impl Default for WireLimits {
    fn default() -> Self {
        WireLimits::new(&Limits::default())
    }
}
