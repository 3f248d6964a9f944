//! Phase 1 at the candidate.

use crate::message::Promise;
use crate::types::{Ballot, LaneMap, Lsn, ReplicaId, Time};

/// A replica that tries to lead.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) ballot: Ballot,
    /// The record of its own promise: durable before its prepare leaves.
    pub(crate) own: Lsn,
    /// What others promised.
    promises: LaneMap<Option<Promise>>,
    /// When this attempt is given up.
    pub(crate) until: Time,
    /// When it says again that it is alive, and asks those who have not answered.
    pub(crate) beat_due: Time,
}

impl Candidate {
    pub(crate) fn new(
        ballot: Ballot,
        own: Lsn,
        peers: &[ReplicaId],
        until: Time,
        beat_due: Time,
    ) -> Candidate {
        Candidate {
            ballot,
            own,
            promises: LaneMap::from_ids(peers, |_| None),
            until,
            beat_due,
        }
    }

    /// Takes a promise for this ballot. A later one of the same replica knows more.
    pub(crate) fn on_promise(&mut self, from: ReplicaId, promise: Promise) {
        if promise.ballot != self.ballot {
            return;
        }
        if let Some(known) = self.promises.get_mut(from) {
            let older = known.as_ref().is_some_and(|known| {
                (promise.adopted, promise.last, promise.decided)
                    < (known.adopted, known.last, known.decided)
            });
            if !older {
                *known = Some(promise);
            }
        }
    }

    /// The promises so far.
    pub(crate) fn promises(&self) -> impl Iterator<Item = (ReplicaId, &Promise)> {
        self.promises
            .iter()
            .filter_map(|(id, promise)| Some((id, promise.as_ref()?)))
    }

    /// Who has not answered.
    pub(crate) fn silent(&self) -> Vec<ReplicaId> {
        let silent = self
            .promises
            .iter()
            .filter(|(_, promise)| promise.is_none());
        silent.map(|(id, _)| id).collect()
    }
}
