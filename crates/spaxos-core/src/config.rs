//! How a replica is set up: who the members are, which variant of the protocol runs, and every limit.

use crate::batch::{BATCH_HEAD_BYTES, ORIGIN_BYTES};
use crate::types::ReplicaId;

/// Everything that a replica is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// This replica.
    pub id: ReplicaId,
    /// All members, this replica included.
    pub members: Vec<ReplicaId>,
    /// Which variant of the protocol runs; the same on all members.
    pub modes: Modes,
    /// The timers.
    pub timing: Timing,
    /// The limits; the same on all members.
    pub limits: Limits,
}

impl Config {
    /// Checks what the rest of the crate relies on.
    ///
    /// # Errors
    /// A sentence about the first thing that does not hold.
    pub fn check(&self) -> Result<(), &'static str> {
        let mut ids = self.members.clone();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() != self.members.len() {
            return Err("a member id is given twice");
        }
        if !ids.contains(&self.id) {
            return Err("the replica is not among the members");
        }
        if ids.contains(&ReplicaId(0)) {
            return Err("member id 0 is reserved");
        }
        if ids.len() > self.limits.members_max {
            return Err("too many members");
        }
        self.timing.check()?;
        self.limits.check()
    }

    /// ⌊n/2⌋ + 1.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.members.len() / 2 + 1
    }
}

/// The variants of the protocol, for fair comparisons. Only the default of each is for production.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// Who disseminates requests.
    pub dissemination: Dissemination,
    /// Which batches the leader proposes.
    pub propose: Propose,
    /// Who gets the votes.
    pub votes: Votes,
}

/// Who disseminates requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dissemination {
    /// Every replica its own clients' (S-Paxos).
    #[default]
    All,
    /// The leader, to whom others forward; batch and cut travel in one message (Multi-Paxos).
    Leader,
}

/// Which batches the leader proposes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propose {
    /// Those that the leader has; acceptors vote once they hold them too.
    #[default]
    Received,
    /// Those that are durable on a quorum by the acks; acceptors vote without holding (as published).
    Stable,
}

/// Who gets the votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Votes {
    /// Everybody.
    #[default]
    All,
    /// The leader alone, which then announces what is decided.
    Leader,
}

/// The timers, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How often a leader says that it is alive.
    pub heartbeat_ns: u64,
    /// How long a replica misses the leader at least before it asks the others; a heartbeat and up to
    /// a third of this are added, drawn anew each time.
    pub election_ns: u64,
    /// How long a batch that no vote takes along waits for its sync.
    pub batch_sync_ns: u64,
    /// The shortest wait before something missing is fetched; the wait is about two round trips.
    pub fetch_ns_min: u64,
    /// The longest wait before something missing is fetched.
    pub fetch_ns_max: u64,
    /// How long a round of read questions waits before it is asked again.
    pub read_retry_ns: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            heartbeat_ns: 100_000_000,
            election_ns: 1_000_000_000,
            batch_sync_ns: 2_000_000,
            fetch_ns_min: 1_000_000,
            fetch_ns_max: 100_000_000,
            read_retry_ns: 200_000_000,
        }
    }
}

impl Timing {
    fn check(&self) -> Result<(), &'static str> {
        if self.heartbeat_ns == 0 || self.election_ns < 3 * self.heartbeat_ns {
            return Err("the election timeout must be at least three heartbeats");
        }
        if self.fetch_ns_min == 0 || self.fetch_ns_min > self.fetch_ns_max {
            return Err("fetch_ns_min must be positive and at most fetch_ns_max");
        }
        if self.batch_sync_ns > self.election_ns || self.read_retry_ns == 0 {
            return Err("batch_sync_ns is at most the election timeout; read_retry_ns is positive");
        }
        Ok(())
    }
}

/// Every limit of the core. They are constants of the cluster: a batch that one member took and
/// another cannot take would block its lane for ever.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Members of a configuration.
    pub members_max: usize,
    /// Payload of one chunk of requests.
    pub chunk_bytes_max: usize,
    /// Payload of one batch; a batch is closed before it would pass this.
    pub batch_bytes_max: usize,
    /// Bytes under one slot's cut; one batch per lane is always allowed.
    pub slot_bytes_max: u64,
    /// Open slots: proposed and not yet known to be decided.
    pub window_slots_max: u64,
    /// Bytes of the own lane that are taken and not yet executed, the batcher's queue included.
    pub lane_bytes_max: u64,
    /// Extra bytes for no-ops, which back-pressure does not refuse.
    pub reserve_bytes: u64,
    /// Own batches sent to a peer and not yet acked by it.
    pub send_window_batches: u64,
    /// Executed batches kept in memory for peers that lag a little.
    pub cache_bytes_max: u64,
    /// Executed slots kept in memory for peers that lag a little.
    pub cache_slots_max: usize,
    /// Live incarnations of one lane before a newer one is taken.
    pub incarnations_max: usize,
    /// Batches held of one lane beyond what is executed, in bytes, counted up to the incarnation in
    /// question; more are refused until some are executed, unless the log orders them.
    pub held_bytes_max: u64,
    /// Records appended and not yet durable, in bytes: with more, a replica takes, makes and votes for
    /// nothing until its disk has caught up.
    pub unsynced_bytes_max: u64,
    /// Slots known beyond what is executed; more are not taken yet.
    pub slots_ahead_max: u64,
    /// Batches sent in answer to one fetch.
    pub fetch_bytes_max: u64,
    /// Slots in one message.
    pub message_slots_max: usize,
    /// Executions handed out and not yet applied, in bytes.
    pub apply_bytes_max: u64,
    /// Executions handed out and not yet applied.
    pub apply_slots_max: u64,
    /// Reads that wait.
    pub reads_max: usize,
    /// How far a peer's round may exceed the highest known one.
    pub round_step_max: u64,
    /// Forwarded chunks that wait for an answer (mode `dissemination = leader`).
    pub forwarded_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            members_max: 16,
            chunk_bytes_max: 2 << 20,
            batch_bytes_max: 2 << 20,
            slot_bytes_max: 32 << 20,
            window_slots_max: 4,
            lane_bytes_max: 64 << 20,
            reserve_bytes: 1 << 20,
            send_window_batches: 64,
            cache_bytes_max: 32 << 20,
            cache_slots_max: 4096,
            incarnations_max: 64,
            held_bytes_max: 128 << 20,
            unsynced_bytes_max: 256 << 20,
            slots_ahead_max: 1 << 16,
            fetch_bytes_max: 4 << 20,
            message_slots_max: 256,
            apply_bytes_max: 64 << 20,
            apply_slots_max: 1024,
            reads_max: 1 << 20,
            round_step_max: 1 << 20,
            forwarded_max: 1 << 16,
        }
    }
}

impl Limits {
    /// The relations between limits that other code relies on.
    fn check(&self) -> Result<(), &'static str> {
        let positive = self.members_max > 0
            && self.chunk_bytes_max > 0
            && self.window_slots_max > 0
            && self.send_window_batches > 0
            && self.cache_slots_max > 0
            && self.apply_slots_max > 0
            && self.reads_max > 0
            && self.round_step_max > 0
            && self.forwarded_max > 0;
        if !positive {
            return Err("limits must be positive");
        }
        if self.chunk_bytes_max > self.batch_bytes_max {
            return Err("a chunk must fit into a batch");
        }
        if self.batch_bytes_max > u32::MAX as usize / 2 {
            return Err("a batch must fit into a frame");
        }
        let batch = self.batch_bytes_max as u64 + BATCH_HEAD_BYTES + ORIGIN_BYTES;
        if self.lane_bytes_max < batch {
            return Err("a lane must have room for one batch");
        }
        if self.held_bytes_max < self.lane_bytes_max + self.reserve_bytes {
            return Err("peers must have room for a whole lane");
        }
        if self.unsynced_bytes_max < self.lane_bytes_max
            || self.slots_ahead_max < 2 * self.window_slots_max
        {
            return Err("a disk may lag by a lane's bytes, execution by two windows of slots");
        }
        if self.incarnations_max < 2 {
            return Err("a lane needs room for an old incarnation and a new one");
        }
        if self.message_slots_max < self.window_slots_max as usize {
            return Err("a message must have room for the open slots");
        }
        Ok(())
    }
}
