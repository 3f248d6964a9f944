//! What goes into a replica and what comes out of it.

use std::sync::Arc;

use crate::batch::{Batch, Chunk};
use crate::cut::Value;
use crate::message::Message;
use crate::record::{Life, Record};
use crate::types::{LogTime, Lsn, Position, ReplicaId, Sequence, Slot};

/// Everything that can happen to a replica.
#[derive(Clone, Debug)]
pub enum Input {
    /// The deadline has passed. Harmless at any other time.
    Timer,
    /// Requests from this replica's clients. Answered by an [`Effect::Execute`] or [`Effect::Reject`]
    /// that carries the ticket.
    Submit(Chunk),
    /// A linearizable read wants to know when it may look at local state.
    Read {
        /// Comes back in [`Effect::ReadReady`].
        token: u64,
    },
    /// A message from another member, in any order, any number of times, or never.
    Message {
        /// Who sent it, as the transport knows it.
        from: ReplicaId,
        /// What it says.
        message: Message,
    },
    /// All records up to `lsn` are durable.
    Durable {
        /// The last durable record.
        lsn: Lsn,
    },
    /// The state machine has executed everything up to `slot`.
    Applied {
        /// The last executed slot.
        slot: Slot,
        /// The next log time at which something expires, if anything waits for time to pass.
        next_expiry: Option<LogTime>,
    },
    /// A connection to `peer` stands, and this is what it said of itself and of us.
    Greeted {
        /// The other member.
        peer: ReplicaId,
        /// Its present life.
        life: Life,
        /// The latest of our own lives that it has heard of.
        known: Life,
    },
    /// What [`Effect::ReadLog`] asked for; empty if the log no longer has it.
    LogRead {
        /// For whom.
        to: ReplicaId,
        /// What was found.
        found: LogFound,
    },
}

/// Everything that a replica can ask of its driver. The driver carries effects out in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Append a record to the log. It is written with the next sync at the latest.
    Append {
        /// Its number: one more than the last.
        lsn: Lsn,
        /// The record.
        record: Record,
    },
    /// Make everything appended so far durable now, then say [`Input::Durable`].
    Sync,
    /// Send a message once `after` is durable.
    Send {
        /// To whom. Never to the replica itself.
        to: Recipients,
        /// The message.
        message: Message,
        /// Leaves when this record is durable; `Lsn(0)` is at once.
        after: Lsn,
    },
    /// Execute a decided slot, then say [`Input::Applied`]. Slots come in order, without gap.
    Execute(Execution),
    /// Everything that a linearizable read must see has been handed out for execution.
    ReadReady {
        /// The reads' tokens.
        tokens: Vec<u64>,
    },
    /// Too many reads wait: this one was not taken.
    ReadRefused {
        /// The read's token.
        token: u64,
    },
    /// A chunk was not taken; it is certain that it will not be executed.
    Reject {
        /// The chunk.
        ticket: u64,
        /// Why.
        reason: RejectReason,
    },
    /// A chunk was forwarded and it is not known what became of it (mode `dissemination = leader`).
    Lost {
        /// The chunk.
        ticket: u64,
    },
    /// Read the log for a peer that is too far behind for memory, then say [`Input::LogRead`].
    ReadLog {
        /// For whom.
        to: ReplicaId,
        /// What to look for.
        query: LogQuery,
    },
    /// Tell the operator: a lane was stopped, since two contents claim one position (invariant 3).
    /// This replica takes nothing more of that lane; it halts if the other content is decided.
    LaneStopped {
        /// Whose lane.
        lane: ReplicaId,
        /// The position that has two contents.
        position: Position,
    },
    /// Stop this replica: going on would be unsafe. Nothing follows. What was appended before is made
    /// durable first: it may say that this member must never run again.
    Halt(HaltReason),
}

/// Who gets a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// One member.
    One(ReplicaId),
    /// All other members.
    All,
    /// These members.
    Several(Vec<ReplicaId>),
}

/// A decided slot with the batches that it orders, to be executed in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The slot.
    pub slot: Slot,
    /// Its log time.
    pub log_time: LogTime,
    /// The batches, interleaved as everywhere.
    pub batches: Vec<Arc<Batch>>,
    /// The running hash after this slot.
    pub hash: u64,
}

/// What to look for in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogQuery {
    /// Consecutive batches of one incarnation of a lane.
    Batches {
        /// Whose lane.
        lane: ReplicaId,
        /// The first one wanted.
        from: Position,
        /// The last one wanted.
        to: Sequence,
        /// Stop after this many bytes.
        bytes_max: u64,
    },
    /// Consecutive decided slots.
    Slots {
        /// The first one wanted.
        from: Slot,
        /// The last one wanted; decided.
        to: Slot,
    },
}

/// What was found in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFound {
    /// Batches, in order, without gap.
    Batches(Vec<Arc<Batch>>),
    /// Decided values of consecutive slots.
    Slots {
        /// The slot of the first value.
        first: Slot,
        /// The values.
        values: Vec<Value>,
    },
}

/// Why a chunk was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    /// This replica's share of bytes that are not yet executed is used up.
    Overloaded,
    /// The chunk is larger than a batch may be.
    TooLarge,
    /// No leader to forward to (mode `dissemination = leader`).
    NoLeader,
}

/// Why a replica must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltReason {
    /// A peer has heard of a life of this replica that its log does not have.
    /// The disk went back in time, or the member id is used twice. Replace this member.
    Replaced {
        /// The peer that said so.
        peer: ReplicaId,
        /// What it knows.
        known: Life,
    },
    /// A peer executed something else in a slot.
    Diverged {
        /// The peer.
        peer: ReplicaId,
        /// The slot.
        slot: Slot,
    },
    /// Two contents under one position (invariant 3).
    LaneForked {
        /// Whose lane.
        lane: ReplicaId,
        /// The position.
        position: Position,
    },
}

/// The effects of one step, in order. They borrow the replica: a second step before the first one's
/// effects are carried out does not compile.
#[derive(Debug)]
pub struct Effects<'a> {
    pub(crate) drain: std::vec::Drain<'a, Effect>,
}

impl Iterator for Effects<'_> {
    type Item = Effect;

    fn next(&mut self) -> Option<Effect> {
        self.drain.next()
    }
}
