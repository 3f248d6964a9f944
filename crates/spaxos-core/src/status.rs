//! What a replica shows of itself.

use crate::cut::Cut;
use crate::message::Held;
use crate::types::{Ballot, Incarnation, LogTime, ReplicaId, Slot};

/// A snapshot of a replica's state, for operators and tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// This replica.
    pub id: ReplicaId,
    /// Its present life.
    pub incarnation: Incarnation,
    /// What it is doing.
    pub role: Role,
    /// The leader it follows and hears; itself if it leads.
    pub leader: Option<ReplicaId>,
    /// The highest ballot promised.
    pub promised: Ballot,
    /// The ballot of the log it follows.
    pub ballot: Ballot,
    /// The last slot it knows a value of.
    pub last: Slot,
    /// Up to here slots are decided.
    pub decided: Slot,
    /// Up to here slots have been handed out for execution.
    pub executed: Slot,
    /// Up to here the state machine has executed.
    pub applied: Slot,
    /// The running hash over the executed slots.
    pub executed_hash: u64,
    /// The log time of the last executed slot.
    pub log_time: LogTime,
    /// Up to here each lane is executed.
    pub effective: Cut,
    /// What this replica holds durably, per lane and live incarnation.
    pub held: Vec<Held>,
    /// Bytes of the own lane that are not yet executed.
    pub lane_bytes: u64,
    /// Messages and batches that were dropped since they made no sense.
    pub dropped: u64,
}

/// What a replica is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether others miss the leader too.
    PreCandidate,
    /// Runs phase 1.
    Candidate,
    /// Leads.
    Leader,
}
