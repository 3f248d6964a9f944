//! All messages between replicas. `docs/protocol.md` has them in one table with source and target.

use std::sync::Arc;

use crate::batch::{Batch, Chunk};
use crate::cut::Value;
use crate::types::{Ballot, Incarnation, Position, ReplicaId, Sequence, Slot, Time};

/// What one replica sends to another: news that rides on everything, and the message itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Rides along on every message.
    pub header: Header,
    /// What it is about.
    pub body: Body,
}

/// The news that rides on every message, so that whoever misses a message learns from the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The ballot whose log the sender follows. The decided mark counts for that log only.
    pub ballot: Ballot,
    /// Up to here the sender knows the slots of `ballot`'s log to be decided.
    pub decided: Slot,
    /// Up to here the sender has executed.
    pub executed: Slot,
    /// The sender's running hash over the executed slots (invariant 4).
    pub executed_hash: u64,
    /// The acks: per lane and live incarnation the end of what the sender holds durably, sorted by
    /// lane and incarnation. Hints only.
    pub held: Vec<Held>,
}

/// One ack: the sender holds `lane` up to `position`, within its incarnation, without gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose lane.
    pub lane: ReplicaId,
    /// The end of the held prefix of this incarnation.
    pub position: Position,
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A batch, from its coordinator or in answer to a fetch.
    Batch(Arc<Batch>),
    /// Only the header is news. `echo` returns the `sent` of a heartbeat, to measure round trips.
    Acks {
        /// The `sent` of the heartbeat that is answered; 0 if none is.
        echo: Time,
    },
    /// The leader, or a candidate with promises, is alive.
    Heartbeat {
        /// The sender's ballot.
        ballot: Ballot,
        /// The sender's clock; comes back as `echo`.
        sent: Time,
    },
    /// Phase 2a: the leader's log continues with these slots.
    Accept {
        /// The leader's ballot.
        ballot: Ballot,
        /// The slot of the first value.
        first: Slot,
        /// The values of consecutive slots.
        values: Vec<Value>,
        /// In dissemination mode `leader`: the batches that the values cover first.
        batches: Vec<Arc<Batch>>,
    },
    /// Phase 2b, cumulative: the sender's log up to `slot` is the log of `ballot`'s leader.
    Accepted {
        /// The ballot voted in.
        ballot: Ballot,
        /// The last slot voted for.
        slot: Slot,
    },
    /// A new leader's log from `first` on, to be adopted as a whole.
    Adopt {
        /// The new ballot.
        ballot: Ballot,
        /// The slot of the first value: one behind what the leader knows to be decided.
        first: Slot,
        /// The whole undecided tail; may be empty.
        values: Vec<Value>,
    },
    /// The header's decided mark is the news; in mode `votes = leader`.
    Decide,
    /// Would you follow me? Sent before a ballot is raised.
    PreVote {
        /// The round that the sender would use.
        round: u64,
    },
    /// The answer to a `PreVote`.
    PreVoteReply {
        /// The round asked about.
        round: u64,
        /// Whether the sender misses the leader too.
        granted: bool,
    },
    /// Phase 1a.
    Prepare {
        /// The new ballot.
        ballot: Ballot,
        /// Up to here the candidate knows the decided slots; promises need not repeat them.
        decided: Slot,
    },
    /// Phase 1b.
    Promise(Promise),
    /// The receiver's ballot is too old: the sender has promised `promised`.
    Refuse {
        /// The ballot that was refused.
        ballot: Ballot,
        /// What the sender has promised instead.
        promised: Ballot,
    },
    /// Please send batches of a lane.
    FetchBatches {
        /// Whose lane.
        lane: ReplicaId,
        /// The first batch wanted.
        from: Position,
        /// The last batch known to exist in that incarnation.
        to: Sequence,
    },
    /// Please send slots.
    FetchSlots {
        /// The first slot wanted.
        from: Slot,
    },
    /// Slots of the log that the sender follows, in answer to a fetch. The header says which ballot's
    /// log, and up to where it is decided.
    Slots {
        /// The ballot in which the sender's log behind the decided mark was adopted.
        adopted: Ballot,
        /// The slot of the first value.
        first: Slot,
        /// Up to here the values are decided; the rest is `adopted`'s log.
        decided: Slot,
        /// The values of consecutive slots.
        values: Vec<Value>,
    },
    /// A reader asks how far its read must wait.
    ReadQuery {
        /// Comes back; unique per round of a reader's incarnation.
        nonce: u64,
    },
    /// The highest slot that the sender has durably voted for in any ballot, or knows decided.
    ReadAnswer {
        /// The question's nonce.
        nonce: u64,
        /// The ballot in which that slot was voted for.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
    },
    /// Requests on their way to the leader, in dissemination mode `leader`.
    Forward {
        /// The life of the forwarder, which answers the client.
        incarnation: Incarnation,
        /// The requests.
        chunks: Vec<Chunk>,
    },
}

/// Phase 1b: what the sender's log is when it promises. Counts what was handed to the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The ballot promised.
    pub ballot: Ballot,
    /// The ballot whose log the sender has adopted.
    pub adopted: Ballot,
    /// The last slot of that log.
    pub last: Slot,
    /// Up to here the sender knows its log to be decided.
    pub decided: Slot,
    /// The slot of the first value of `tail`.
    pub first: Slot,
    /// The log behind the later of both sides' decided marks, up to the limit of one message.
    pub tail: Vec<Value>,
}

impl Body {
    /// A short name, for traces and counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Body::Batch(_) => "Batch",
            Body::Acks { .. } => "Acks",
            Body::Heartbeat { .. } => "Heartbeat",
            Body::Accept { .. } => "Accept",
            Body::Accepted { .. } => "Accepted",
            Body::Adopt { .. } => "Adopt",
            Body::Decide => "Decide",
            Body::PreVote { .. } => "PreVote",
            Body::PreVoteReply { .. } => "PreVoteReply",
            Body::Prepare { .. } => "Prepare",
            Body::Promise(_) => "Promise",
            Body::Refuse { .. } => "Refuse",
            Body::FetchBatches { .. } => "FetchBatches",
            Body::FetchSlots { .. } => "FetchSlots",
            Body::Slots { .. } => "Slots",
            Body::ReadQuery { .. } => "ReadQuery",
            Body::ReadAnswer { .. } => "ReadAnswer",
            Body::Forward { .. } => "Forward",
        }
    }
}
