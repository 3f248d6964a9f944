//! What a leader remembers beyond its log.

use crate::cut::Cut;
use crate::ordering::proposer::LogClock;
use crate::types::{Ballot, LaneMap, ReplicaId, Sequence, Slot, Time};

#[derive(Clone, Copy, Debug)]
struct Follower {
    /// When it was last heard in this ballot.
    heard: Time,
    /// Its vote at the last heartbeat: if it has not moved since, slots are sent again.
    vote_at_beat: Option<Slot>,
}

/// A leader's memory.
#[derive(Clone, Debug)]
pub(crate) struct Leading {
    pub(crate) ballot: Ballot,
    pub(crate) clock: LogClock,
    /// Up to where everything is proposed.
    pub(crate) proposed: Cut,
    /// When the next heartbeat is due.
    pub(crate) beat_due: Time,
    /// The last own batch that went out inside an `Accept` (mode `dissemination = leader`).
    pub(crate) sent: Sequence,
    /// The oldest slot that is not decided, and since when it has been the oldest.
    oldest_open: Option<(Slot, Time)>,
    followers: LaneMap<Follower>,
}

impl Leading {
    pub(crate) fn new(
        ballot: Ballot,
        clock: LogClock,
        proposed: Cut,
        peers: &[ReplicaId],
        now: Time,
    ) -> Leading {
        let follower = Follower {
            heard: now,
            vote_at_beat: None,
        };
        Leading {
            ballot,
            clock,
            proposed,
            beat_due: now,
            sent: Sequence(0),
            oldest_open: None,
            followers: LaneMap::from_ids(peers, |_| follower),
        }
    }

    /// A peer was heard.
    pub(crate) fn on_heard(&mut self, peer: ReplicaId, now: Time) {
        if let Some(follower) = self.followers.get_mut(peer) {
            follower.heard = now;
        }
    }

    /// Notes how far the log is decided.
    pub(crate) fn on_progress(&mut self, decided: Slot, last: Slot, now: Time) {
        let oldest = decided.next();
        self.oldest_open = match self.oldest_open {
            _ if oldest > last => None,
            Some((slot, since)) if slot == oldest => Some((slot, since)),
            _ => Some((oldest, now)),
        };
    }

    /// Whether `peer`'s vote has not moved since the last heartbeat; notes it for the next.
    pub(crate) fn is_stuck(&mut self, peer: ReplicaId, vote: Option<Slot>) -> bool {
        let Some(follower) = self.followers.get_mut(peer) else {
            return false;
        };
        let stuck = follower.vote_at_beat == vote;
        follower.vote_at_beat = vote;
        stuck
    }

    /// Whether it must step down: it has not heard a quorum for `election_ns`, or a slot has been
    /// open for that long, whoever it hears.
    pub(crate) fn must_step_down(&self, quorum: usize, election_ns: u64, now: Time) -> bool {
        let alive = |follower: &Follower| now.since(follower.heard) < election_ns;
        let heard = self.followers.iter().filter(|(_, f)| alive(f)).count() + 1;
        let stuck = self
            .oldest_open
            .is_some_and(|(_, since)| now.since(since) >= election_ns);
        heard < quorum || stuck
    }

    /// When [`Leading::must_step_down`] may change by itself.
    pub(crate) fn deadline(&self, election_ns: u64) -> Time {
        let heard = self.followers.iter().map(|(_, f)| f.heard);
        let open = self.oldest_open.map(|(_, since)| since);
        let step_down = heard.chain(open).min().map(|since| since.plus(election_ns));
        step_down.map_or(self.beat_due, |at| at.min(self.beat_due))
    }
}
