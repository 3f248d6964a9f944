//! What a leader remembers beyond its log.

use crate::cut::Cut;
use crate::ordering::proposer::LogClock;
use crate::planted::planted;
use crate::types::{Ballot, Incarnation, LaneMap, ReplicaId, Sequence, Slot, Time};

#[derive(Clone, Copy, Debug)]
struct Follower {
    /// When it last heard this leader, as far as its answers tell.
    heard: Time,
    /// Its vote at the last heartbeat: if it has not moved since, slots are sent again.
    vote_at_beat: Option<Slot>,
    /// The last chunk that it forwarded, with the life in which it did; tickets grow.
    forwarded: (Incarnation, u64),
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
            forwarded: (Incarnation(0), 0),
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

    /// A peer heard this leader at `since` or later, and said so.
    pub(crate) fn on_heard(&mut self, peer: ReplicaId, since: Time) {
        if let Some(follower) = self.followers.get_mut(peer) {
            follower.heard = follower.heard.max(since);
        }
    }

    /// Whether a forwarded chunk has not come before; notes it.
    pub(crate) fn is_new_forward(
        &mut self,
        peer: ReplicaId,
        incarnation: Incarnation,
        ticket: u64,
    ) -> bool {
        let Some(follower) = self.followers.get_mut(peer) else {
            return false;
        };
        let new = (incarnation, ticket) > follower.forwarded || planted!(ForwardTakenTwice);
        follower.forwarded = follower.forwarded.max((incarnation, ticket));
        new
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
        let deaf = heard < quorum && !planted!(DeafLeaderStays);
        deaf || (stuck && !planted!(StuckLeaderStays))
    }

    /// When something is due: the next heartbeat, or stepping down if nothing is heard or decided.
    pub(crate) fn deadline(&self, quorum: usize, election_ns: u64) -> Time {
        let mut heard: Vec<Time> = self.followers.iter().map(|(_, f)| f.heard).collect();
        heard.sort_unstable_by(|a, b| b.cmp(a));
        // With the leader itself, the quorum stands as long as this follower is heard.
        let last_needed = quorum.checked_sub(2).map(|at| heard[at]);
        let open = self.oldest_open.map(|(_, since)| since);
        let step_down = last_needed.into_iter().chain(open).min();
        step_down.map_or(self.beat_due, |since| {
            since.plus(election_ns).min(self.beat_due)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::LogTime;

    #[test]
    fn a_dead_minority_sets_no_deadline() {
        let peers: Vec<_> = (2..=5).map(ReplicaId).collect();
        let clock = LogClock::new(LogTime(0), Time(0));
        let mut leading = Leading::new(Ballot::default(), clock, Cut::default(), &peers, Time(0));
        leading.beat_due = Time(1_000);
        for peer in &peers[..2] {
            leading.on_heard(*peer, Time(500));
        }
        assert!(!leading.must_step_down(3, 100, Time(599)));
        assert_eq!(leading.deadline(3, 100), Time(600));
        assert!(leading.must_step_down(3, 100, Time(600)));
    }
}
