//! Requests on their way to the leader, in dissemination mode `leader` (Multi-Paxos).
//!
//! A forwarded chunk is never sent twice: without a session the core cannot tell a retry from a new
//! request. What is not executed in time, or was sent to a leader that is gone, is reported as lost.

use std::collections::BTreeMap;

use crate::types::{Ballot, Time};

/// The chunks that this replica forwarded and has not seen executed.
#[derive(Clone, Debug)]
pub(crate) struct Forwarding {
    /// Ticket to (the leader's ballot, when it is given up).
    pending: BTreeMap<u64, (Ballot, Time)>,
    forwarded_max: usize,
}

impl Forwarding {
    pub(crate) fn new(forwarded_max: usize) -> Forwarding {
        Forwarding {
            pending: BTreeMap::new(),
            forwarded_max,
        }
    }

    /// Remembers a chunk that is sent to the leader of `ballot`; false if too many wait.
    pub(crate) fn push(&mut self, ticket: u64, ballot: Ballot, until: Time) -> bool {
        if self.pending.len() >= self.forwarded_max {
            return false;
        }
        self.pending.insert(ticket, (ballot, until));
        true
    }

    /// The chunk was executed.
    pub(crate) fn on_executed(&mut self, ticket: u64) {
        self.pending.remove(&ticket);
    }

    /// Takes out the chunks that are lost: their leader is not `leader` any more, or their time is up.
    pub(crate) fn take_lost(&mut self, leader: Ballot, now: Time) -> Vec<u64> {
        if self.pending.is_empty() {
            return Vec::new();
        }
        let mut lost = Vec::new();
        self.pending.retain(|&ticket, &mut (ballot, until)| {
            let gone = ballot != leader || until <= now;
            if gone {
                lost.push(ticket);
            }
            !gone
        });
        lost
    }

    /// When the next chunk is given up. Tickets grow with time, so that is the oldest one's.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.pending.first_key_value().map(|(_, entry)| entry.1)
    }
}
