//! What this replica has promised and voted, as handed to the disk and as durable.
//!
//! The replica's own log on disk is: what is decided, then the tail of the `adopted` ballot's log up
//! to `logged`. While the adopted ballot is also the one followed, that tail is part of the slot log;
//! once a newer ballot is followed and not yet adopted, the tail is kept here, for promises.
//! Invariants: no vote below the promise; votes are given in order; the tail is replaced as a whole.

use std::collections::VecDeque;

use crate::cut::Value;
use crate::ordering::slots::{Learned, SlotLog};
use crate::planted::planted;
use crate::types::{Ballot, Lsn, Slot};

/// The tail of an adopted log that is no longer the one followed.
#[derive(Clone, Debug)]
struct OldTail {
    /// The slot of the first value: one behind the decided mark.
    first: Slot,
    values: VecDeque<Value>,
}

/// What the replica may vote for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextVote {
    /// Nothing: it has voted for everything it knows, or must not vote in this ballot.
    Nothing,
    /// It would vote for this slot, but does not hold everything under it.
    Lacks(Slot),
    /// Adopt the followed log up to its first end.
    Adopt,
    /// Vote for this slot.
    Vote(Slot),
    /// Vote for this slot, whose value is in the own log already.
    Confirm(Slot),
}

/// A durable vote: the log up to `slot` is `ballot`'s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DurableVote {
    pub(crate) ballot: Ballot,
    pub(crate) slot: Slot,
}

/// The acceptor's durable state and what is on its way to the disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acceptor {
    promised: Ballot,
    adopted: Ballot,
    /// The last slot of the own log.
    logged: Slot,
    /// The last slot voted for in the adopted ballot.
    voted: Slot,
    old_tail: Option<OldTail>,
    /// Votes handed to the disk, with their records.
    pending: VecDeque<(Lsn, DurableVote)>,
    durable: DurableVote,
    /// The vote for the highest slot in any ballot, durable: what readers ask for.
    highest: DurableVote,
    /// The decided mark that the log on disk knows.
    recorded_decided: Slot,
}

impl Acceptor {
    /// After a replay: the log's ballots and its end.
    pub(crate) fn recovered(
        promised: Ballot,
        adopted: Ballot,
        logged: Slot,
        decided: Slot,
        highest: DurableVote,
    ) -> Acceptor {
        let durable = DurableVote {
            ballot: adopted,
            slot: logged,
        };
        let forgotten = planted!(FormerVotesForgotten);
        let highest = if forgotten {
            DurableVote::default()
        } else {
            highest
        };
        Acceptor {
            promised,
            adopted,
            logged,
            voted: logged,
            durable,
            highest,
            recorded_decided: decided,
            ..Acceptor::default()
        }
    }

    pub(crate) fn promised(&self) -> Ballot {
        self.promised
    }

    pub(crate) fn adopted(&self) -> Ballot {
        self.adopted
    }

    pub(crate) fn logged(&self) -> Slot {
        self.logged
    }

    pub(crate) fn durable(&self) -> DurableVote {
        self.durable
    }

    pub(crate) fn highest(&self) -> DurableVote {
        self.highest
    }

    pub(crate) fn recorded_decided(&self) -> Slot {
        self.recorded_decided
    }

    /// The log on disk will know `slots` up to here to be decided.
    pub(crate) fn on_decided_recorded(&mut self, slot: Slot) {
        self.recorded_decided = self.recorded_decided.max(slot);
    }

    /// No vote below `ballot` follows.
    pub(crate) fn promise(&mut self, ballot: Ballot) {
        assert!(
            ballot >= self.promised,
            "promises never go back (invariant 6)"
        );
        self.promised = ballot;
    }

    /// The undecided tail of the own log, for a promise.
    pub(crate) fn tail(&self, log: &SlotLog) -> Vec<Value> {
        match &self.old_tail {
            Some(old) => old.values.iter().cloned().collect(),
            None => log
                .range(log.decided().next(), self.logged)
                .expect("what is not decided is in memory"),
        }
    }

    /// Another log than the adopted one is about to be followed: its tail must be kept.
    pub(crate) fn before_view_change(&mut self, log: &SlotLog) {
        if self.old_tail.is_none() && self.logged > log.decided() {
            assert_eq!(log.view(), self.adopted, "only an adopted log has a tail");
            self.old_tail = Some(OldTail {
                first: log.decided().next(),
                values: self.tail(log).into(),
            });
        }
    }

    /// Slot `slot` is decided with `value`. Returns whether the log on disk must be told the value,
    /// since it ends before or has another one (which is void then, and everything behind it).
    pub(crate) fn on_decided(&mut self, slot: Slot, value: &Value, learned: Learned) -> bool {
        if let Some(old) = &mut self.old_tail {
            assert_eq!(old.first, slot, "slots are decided one by one");
            if old.values.front() == Some(value) {
                old.values.pop_front();
                old.first = slot.next();
                if old.values.is_empty() {
                    self.old_tail = None;
                }
                return false;
            }
            self.old_tail = None;
        } else if slot <= self.logged && learned == Learned::Same {
            return false;
        }
        self.logged = slot;
        self.recorded_decided = self.recorded_decided.max(slot);
        true
    }

    /// What may be voted for next, given what `holds` says of a slot's value. Asked again each time:
    /// nothing is concluded from how things were when a proposal came.
    pub(crate) fn next_vote(&self, log: &SlotLog, holds: impl Fn(Slot) -> bool) -> NextVote {
        let view = log.view();
        let outdated = view < self.promised && !planted!(PromiseNotCheckedAgain);
        if view == Ballot::default() || outdated {
            return NextVote::Nothing;
        }
        if view != self.adopted {
            let mut undecided = (log.decided().0 + 1..=log.adopt_last().0).map(Slot);
            let missing = undecided.find(|&slot| !holds(slot));
            return missing.map_or(NextVote::Adopt, NextVote::Lacks);
        }
        let slot = self.voted.next();
        if slot > log.last() {
            return NextVote::Nothing;
        }
        match (holds(slot), slot <= self.logged) {
            (false, _) => NextVote::Lacks(slot),
            (true, true) => NextVote::Confirm(slot),
            (true, false) => NextVote::Vote(slot),
        }
    }

    /// The followed log is adopted up to `last`, in one record: the first vote in its ballot.
    pub(crate) fn adopt(&mut self, ballot: Ballot, last: Slot) {
        let unchecked = planted!(PromiseNotCheckedAgain);
        assert!(
            ballot >= self.promised || unchecked,
            "no vote below the promise"
        );
        assert!(
            ballot > self.adopted,
            "adopted ballots never go back (invariant 6)"
        );
        self.promised = self.promised.max(ballot);
        self.adopted = ballot;
        self.logged = last;
        self.voted = self.logged;
        self.old_tail = None;
    }

    /// One more slot of the adopted log is voted for.
    pub(crate) fn vote(&mut self, slot: Slot) {
        assert_eq!(slot, self.voted.next(), "votes are cumulative");
        let unchecked = planted!(PromiseNotCheckedAgain);
        assert!(
            self.adopted >= self.promised || unchecked,
            "no vote below the promise"
        );
        self.voted = slot;
        self.logged = self.logged.max(slot);
    }

    /// Everything voted so far is on its way to the disk, the last of it as record `lsn`. Returns
    /// the vote.
    pub(crate) fn handed(&mut self, lsn: Lsn) -> DurableVote {
        let vote = DurableVote {
            ballot: self.adopted,
            slot: self.voted,
        };
        self.pending.push_back((lsn, vote));
        vote
    }

    /// Everything up to record `lsn` is durable. Returns the latest vote if one became durable.
    pub(crate) fn on_durable(&mut self, lsn: Lsn) -> Option<DurableVote> {
        let mut news = None;
        while let Some(&(record, vote)) = self.pending.front() {
            if record > lsn {
                break;
            }
            self.pending.pop_front();
            self.durable = vote;
            if vote.slot >= self.highest.slot {
                self.highest = vote;
            }
            news = Some(vote);
        }
        news
    }
}
