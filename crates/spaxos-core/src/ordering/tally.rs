//! Counting votes: one number per member, of one ballot only.

use crate::planted::planted;
use crate::types::{Ballot, LaneMap, ReplicaId, Slot};

/// The votes of the highest ballot in which any was heard.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    ballot: Ballot,
    /// `None`: not heard in this ballot.
    votes: LaneMap<Option<Slot>>,
    quorum: usize,
}

impl Tally {
    pub(crate) fn new(members: &[ReplicaId], quorum: usize) -> Tally {
        Tally {
            ballot: Ballot::default(),
            votes: LaneMap::from_ids(members, |_| None),
            quorum,
        }
    }

    /// `from` has voted in `ballot` for everything up to `slot`. Votes of older ballots are dropped:
    /// votes of different ballots are never counted together.
    pub(crate) fn record(&mut self, from: ReplicaId, ballot: Ballot, slot: Slot) {
        if ballot < self.ballot {
            return;
        }
        if ballot > self.ballot {
            self.ballot = ballot;
            for (_, vote) in self
                .votes
                .iter_mut()
                .filter(|_| !planted!(VotesOfBallotsAdded))
            {
                *vote = None;
            }
        }
        if let Some(vote) = self.votes.get_mut(from) {
            *vote = (*vote).max(Some(slot));
        }
    }

    /// The last slot that `from` is known to have voted for in `ballot`.
    pub(crate) fn vote_of(&self, from: ReplicaId, ballot: Ballot) -> Option<Slot> {
        let vote = self.votes.get(from).copied().flatten()?;
        (ballot == self.ballot).then_some(vote)
    }

    /// Up to here `ballot`'s log is decided: the quorum-th largest vote.
    pub(crate) fn decided(&self, ballot: Ballot) -> Slot {
        if ballot != self.ballot {
            return Slot(0);
        }
        let mut votes: Vec<_> = self.votes.iter().map(|(_, vote)| *vote).collect();
        votes.sort_unstable_by(|a, b| b.cmp(a));
        let short = usize::from(planted!(QuorumOneShort) && self.quorum > 1);
        votes[self.quorum - 1 - short].unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_of_two_ballots_are_not_added_up() {
        let ids = [ReplicaId(1), ReplicaId(2), ReplicaId(3)];
        let old = Ballot::default();
        let new = Ballot { round: 1, ..old };
        let mut tally = Tally::new(&ids, 2);
        tally.record(ids[0], old, Slot(5));
        tally.record(ids[1], new, Slot(5));
        assert_eq!(tally.decided(old), Slot(0));
        assert_eq!(tally.decided(new), Slot(0));
        tally.record(ids[2], old, Slot(5));
        assert_eq!(tally.decided(new), Slot(0));
        tally.record(ids[2], new, Slot(3));
        assert_eq!(tally.decided(new), Slot(3));
        assert_eq!(tally.vote_of(ids[0], new), None);
    }
}
