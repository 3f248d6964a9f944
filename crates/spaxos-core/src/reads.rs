//! Linearizable reads on any replica, without the leader or a clock.
//!
//! A round asks a quorum how far it has voted; the read waits until the highest answer is executed
//! here. Limits: waiting reads; one round at a time. Invariants: a round answers only reads that had
//! arrived before it began; each attempt has a nonce of its own; answers to older ones are dropped.

use crate::planted::planted;
use crate::types::{Ballot, Incarnation, LaneMap, ReplicaId, Sequence, Slot, Time};

/// Reads that wait for one slot.
#[derive(Clone, Debug)]
struct Group {
    tokens: Vec<u64>,
    slot: Slot,
    /// The ballot in which that slot was voted for.
    ballot: Ballot,
}

#[derive(Clone, Debug)]
struct Round {
    nonce: u64,
    tokens: Vec<u64>,
    answers: LaneMap<Option<(Slot, Ballot)>>,
    retry_at: Time,
}

/// The reads of this replica's clients.
#[derive(Clone, Debug)]
pub(crate) struct Reads {
    /// Arrived after the present round began.
    waiting: Vec<u64>,
    round: Option<Round>,
    groups: Vec<Group>,
    /// Reads that wait for a batch of the own lane instead, since their slot may never be decided.
    after_own: Vec<(Sequence, Vec<u64>)>,
    next_nonce: u64,
    members: Vec<ReplicaId>,
    quorum: usize,
    retry_ns: u64,
    reads_max: usize,
    count: usize,
}

impl Reads {
    pub(crate) fn new(
        members: &[ReplicaId],
        quorum: usize,
        incarnation: Incarnation,
        retry_ns: u64,
        reads_max: usize,
    ) -> Reads {
        Reads {
            waiting: Vec::new(),
            round: None,
            groups: Vec::new(),
            after_own: Vec::new(),
            // Nonces of an earlier life must not come back.
            next_nonce: incarnation.0 << 32,
            members: members.to_vec(),
            quorum,
            retry_ns,
            reads_max,
            count: 0,
        }
    }

    /// Takes a read; false if too many wait.
    pub(crate) fn push(&mut self, token: u64) -> bool {
        if self.count >= self.reads_max {
            return false;
        }
        self.count += 1;
        match &mut self.round {
            Some(round) if planted!(ReadJoinsRound) => round.tokens.push(token),
            _ => self.waiting.push(token),
        }
        true
    }

    /// Begins a round if reads wait and none is under way, or if the present one got no quorum in
    /// time. Returns the nonce to ask with.
    pub(crate) fn begin(&mut self, now: Time) -> Option<u64> {
        let mut tokens = match &mut self.round {
            Some(round) if round.retry_at > now => return None,
            Some(round) => std::mem::take(&mut round.tokens),
            None => Vec::new(),
        };
        tokens.append(&mut self.waiting);
        self.round = None;
        if tokens.is_empty() {
            return None;
        }
        self.next_nonce += 1;
        self.round = Some(Round {
            nonce: self.next_nonce,
            tokens,
            answers: LaneMap::from_ids(&self.members, |_| None),
            retry_at: now.plus(self.retry_ns),
        });
        Some(self.next_nonce)
    }

    /// An answer to the question with `nonce`. With a quorum of them the round is over.
    pub(crate) fn on_answer(&mut self, from: ReplicaId, nonce: u64, slot: Slot, ballot: Ballot) {
        let asked = |round: &&mut Round| round.nonce == nonce || planted!(OldAnswersCount);
        let Some(round) = self.round.as_mut().filter(asked) else {
            return;
        };
        if let Some(answer) = round.answers.get_mut(from) {
            *answer = Some((slot, ballot));
        }
        let answers: Vec<_> = round.answers.iter().filter_map(|(_, a)| *a).collect();
        if answers.len() + usize::from(planted!(ReadOneShort)) < self.quorum {
            return;
        }
        let (slot, ballot) = answers.into_iter().max().expect("a quorum is not empty");
        let round = self.round.take().expect("it is under way");
        self.groups.push(Group {
            tokens: round.tokens,
            slot,
            ballot,
        });
    }

    /// The reads that may look now: everything up to `executed`, and of the own lane up to `own`, is
    /// handed out for execution.
    pub(crate) fn ready(&mut self, executed: Slot, own: Sequence) -> Vec<u64> {
        let mut tokens = Vec::new();
        self.groups.retain_mut(|group| {
            let wait = group.slot > executed;
            if !wait {
                tokens.append(&mut group.tokens);
            }
            wait
        });
        self.after_own.retain_mut(|(sequence, waiting)| {
            let wait = *sequence > own;
            if !wait {
                tokens.append(waiting);
            }
            wait
        });
        self.count -= tokens.len();
        tokens
    }

    /// Reads whose slot may never be decided, since it was voted for in an older ballot than the one
    /// followed and lies behind the end of that one's log, wait for the own lane's batch `next`
    /// instead, which is not made yet. Returns whether there are such reads.
    pub(crate) fn strand(&mut self, view: Ballot, last: Slot, next: Sequence) -> bool {
        let before = self.after_own.len();
        let after_own = &mut self.after_own;
        self.groups.retain_mut(|group| {
            let stranded = group.ballot < view && group.slot > last;
            if stranded {
                after_own.push((next, std::mem::take(&mut group.tokens)));
            }
            !stranded
        });
        self.after_own.len() > before
    }

    /// When the present round is asked again.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.round.as_ref().map(|round| round.retry_at)
    }
}
