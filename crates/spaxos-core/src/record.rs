//! What a replica writes to its log. One log holds everything, so that one sync makes a vote and the
//! batches under it durable, in that order.

use std::sync::Arc;

use crate::batch::Batch;
use crate::cut::Value;
use crate::types::{Ballot, Incarnation, ReplicaId, Slot};

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A life begins. Synced before the first message of that life leaves.
    Incarnation(Life),
    /// A batch, of the own lane or of another's.
    Batch(Arc<Batch>),
    /// No vote in a ballot below this one follows.
    Promise {
        /// The ballot promised.
        ballot: Ballot,
    },
    /// The log of `ballot`'s leader replaces everything behind slot `first - 1`, at once; also the
    /// first vote in `ballot`.
    Adoption {
        /// The ballot adopted.
        ballot: Ballot,
        /// The slot of the first value.
        first: Slot,
        /// The whole tail.
        values: Vec<Value>,
    },
    /// A vote for one more slot of the adopted log.
    Vote {
        /// The ballot voted in; the one adopted.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
        /// Its value.
        value: Value,
        /// Up to here the log was known to be decided when the vote was made.
        decided: Slot,
    },
    /// The log is decided up to here.
    Decided {
        /// The last decided slot.
        slot: Slot,
    },
    /// A decided slot learned from others. If the log holds another value there, that value and
    /// everything behind it are void.
    DecidedSlot {
        /// The slot; one behind the last decided one.
        slot: Slot,
        /// Its value.
        value: Value,
    },
    /// Another member was heard in this life: remembered, to tell it if it ever goes back. With the own
    /// id: a peer remembers this life of ours, and we do not; this member must not run again.
    Greeting {
        /// The other member.
        member: ReplicaId,
        /// Its life.
        life: Life,
    },
}

/// One life of a replica: an incarnation and a random number that no other life shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// The counter made durable at each start.
    pub incarnation: Incarnation,
    /// Drawn at random at that start: tells two processes with one id apart.
    pub nonce: u64,
}

impl Record {
    /// About how many bytes the record takes, for limits.
    #[must_use]
    pub fn cost_bytes(&self) -> u64 {
        match self {
            Record::Batch(batch) => batch.cost_bytes(),
            Record::Adoption { values, .. } => 128 * (1 + values.len() as u64),
            _ => 128,
        }
    }

    /// A short name, for traces and counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Record::Incarnation(_) => "Incarnation",
            Record::Batch(_) => "Batch",
            Record::Promise { .. } => "Promise",
            Record::Adoption { .. } => "Adoption",
            Record::Vote { .. } => "Vote",
            Record::Decided { .. } => "Decided",
            Record::DecidedSlot { .. } => "DecidedSlot",
            Record::Greeting { .. } => "Greeting",
        }
    }
}
