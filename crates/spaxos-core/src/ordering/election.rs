//! Who leads: missing the leader, pre-vote, and the role of this replica.

use crate::config::Timing;
use crate::cut::Value;
use crate::ordering::candidate::Candidate;
use crate::ordering::leading::Leading;
use crate::types::{Ballot, ReplicaId, Time};

/// What this replica is doing, with what it needs for that.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether others miss the leader too.
    PreCandidate(PreCandidate),
    /// Runs phase 1.
    Candidate(Box<Candidate>),
    /// Leads.
    Leader(Box<Leading>),
}

/// A replica that asks whether others miss the leader too.
#[derive(Clone, Debug)]
pub(crate) struct PreCandidate {
    pub(crate) round: u64,
    granted: Vec<ReplicaId>,
    pub(crate) until: Time,
}

impl PreCandidate {
    pub(crate) fn new(own: ReplicaId, round: u64, until: Time) -> PreCandidate {
        PreCandidate {
            round,
            granted: vec![own],
            until,
        }
    }

    /// Counts an answer; returns how many agree, itself included.
    pub(crate) fn on_reply(&mut self, from: ReplicaId, round: u64, granted: bool) -> usize {
        if round == self.round && granted && !self.granted.contains(&from) {
            self.granted.push(from);
        }
        self.granted.len()
    }
}

/// The role and the timers of elections.
#[derive(Clone, Debug)]
pub(crate) struct Election {
    pub(crate) role: Role,
    /// Whom it hears as leader or as promised candidate.
    pub(crate) leader: Option<ReplicaId>,
    /// When it last heard a leader or gave a candidate its time; `None` if it never did.
    heard: Option<Time>,
    /// When it asks whether others miss the leader too.
    due: Time,
    /// The highest round seen anywhere.
    highest_round: u64,
    election_ns: u64,
    heartbeat_ns: u64,
    random: SplitMix,
}

impl Election {
    /// `fresh`: nothing was ever voted here, so no leader needs to be waited for.
    pub(crate) fn new(timing: &Timing, seed: u64, fresh: bool, round: u64, now: Time) -> Election {
        let mut election = Election {
            role: Role::Follower,
            leader: None,
            heard: if fresh { None } else { Some(now) },
            due: now,
            highest_round: round,
            election_ns: timing.election_ns,
            heartbeat_ns: timing.heartbeat_ns,
            random: SplitMix(seed),
        };
        election.due = if fresh {
            now.plus(timing.heartbeat_ns + election.random.below(timing.election_ns / 2))
        } else {
            // One that has just started waits one election time more.
            now.plus(election.timeout_ns() + timing.election_ns)
        };
        election
    }

    /// How long a leader is missed before others are asked: the election time, a heartbeat more since
    /// they may have heard it that much later, and at random up to a third of the election time.
    pub(crate) fn timeout_ns(&mut self) -> u64 {
        self.election_ns + self.heartbeat_ns + self.random.below(self.election_ns / 3)
    }

    /// How long a replica waits for answers before it asks again whether others miss the leader.
    pub(crate) fn ask_again_ns(&mut self) -> u64 {
        self.heartbeat_ns + self.random.below(2 * self.heartbeat_ns)
    }

    /// The leader, or a candidate that this replica has promised, is alive.
    pub(crate) fn on_heard(&mut self, leader: Option<ReplicaId>, now: Time) {
        self.heard = Some(now);
        self.leader = leader;
        self.due = now.plus(self.timeout_ns());
    }

    /// Somebody else leads, or tries to: stops asking.
    pub(crate) fn follow(&mut self) {
        if matches!(self.role, Role::PreCandidate(_)) {
            self.role = Role::Follower;
        }
    }

    /// Waits one election time more: what others did while it was away must come first.
    pub(crate) fn postpone(&mut self, now: Time) {
        self.due = now.plus(self.timeout_ns());
    }

    /// Whether the leader has been missed for the shortest election time.
    pub(crate) fn misses_leader(&self, now: Time) -> bool {
        let idle = matches!(self.role, Role::Follower | Role::PreCandidate(_));
        let missed = self
            .heard
            .is_none_or(|heard| now.since(heard) >= self.election_ns);
        idle && missed
    }

    /// Remembers the highest round; a new one is higher.
    pub(crate) fn on_round(&mut self, round: u64) {
        self.highest_round = self.highest_round.max(round);
    }

    /// The highest round seen.
    pub(crate) fn highest_round(&self) -> u64 {
        self.highest_round
    }

    /// Becomes a follower that gives others the first try.
    pub(crate) fn step_down(&mut self, now: Time) {
        self.role = Role::Follower;
        self.leader = None;
        self.due = now.plus(self.timeout_ns());
    }

    /// The leader's memory, if this replica leads.
    pub(crate) fn leading(&self) -> Option<&Leading> {
        match &self.role {
            Role::Leader(leading) => Some(leading),
            _ => None,
        }
    }

    /// The leader's memory, to change it.
    pub(crate) fn leading_mut(&mut self) -> Option<&mut Leading> {
        match &mut self.role {
            Role::Leader(leading) => Some(leading),
            _ => None,
        }
    }

    /// What promises to this candidate report beyond what is decided.
    pub(crate) fn reported(&self) -> impl Iterator<Item = &Value> {
        let candidate = match &self.role {
            Role::Candidate(candidate) => Some(candidate),
            _ => None,
        };
        let promises = candidate
            .into_iter()
            .flat_map(|candidate| candidate.promises());
        promises.flat_map(|(_, promise)| promise.tail.iter())
    }

    /// The ballot that this replica leads or tries to lead.
    pub(crate) fn own_ballot(&self) -> Option<Ballot> {
        match &self.role {
            Role::Candidate(candidate) => Some(candidate.ballot),
            Role::Leader(leading) => Some(leading.ballot),
            Role::Follower | Role::PreCandidate(_) => None,
        }
    }

    /// When the role's own timer is due.
    pub(crate) fn deadline(&self, quorum: usize) -> Time {
        match &self.role {
            Role::Follower => self.due,
            Role::PreCandidate(asking) => asking.until,
            Role::Candidate(candidate) => candidate.until.min(candidate.beat_due),
            Role::Leader(leading) => leading.deadline(quorum, self.election_ns),
        }
    }
}

/// A small generator of numbers that need to differ between replicas and be the same for one seed.
#[derive(Clone, Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
