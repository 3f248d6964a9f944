//! The ordering log as this replica follows it.
//!
//! Data: the values of consecutive slots. Up to `decided` they are final; behind that they are the
//! log of the `view`'s leader, and nobody else's. Limits: decided and executed slots beyond
//! `cache_slots_max` leave memory; at most `tail_slots_max` slots lie behind the decided mark.
//! Invariants: no holes; decided values never change; a mark of one ballot is never applied to a
//! value of another.

use std::collections::VecDeque;

use crate::config::Limits;
use crate::cut::Value;
use crate::planted::planted;
use crate::types::{Ballot, Slot};

/// What became of slots that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// They continue what is here.
    Yes,
    /// Slots before those are missing.
    Gap,
    /// The sender's log does not contain what is decided here: its ballot is over.
    Outdated,
}

/// What became of one decided value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    /// The log had it already.
    Same,
    /// The log ended before it.
    New,
    /// The log had another value, which is gone with everything behind it.
    Replaced,
}

/// The ordering log.
#[derive(Clone, Debug)]
pub(crate) struct SlotLog {
    /// The slot of the first value in memory.
    first: Slot,
    values: VecDeque<Value>,
    decided: Slot,
    /// Whose log the values behind `decided` are. Zero if nobody's: then there are none.
    view: Ballot,
    /// The highest view so far.
    highest_view: Ballot,
    /// The end of the log when the view was first followed: adopted as a whole or not at all.
    adopt_last: Slot,
    cache_slots_max: usize,
    tail_slots_max: u64,
}

impl SlotLog {
    pub(crate) fn new(limits: &Limits) -> SlotLog {
        SlotLog {
            first: Slot(1),
            values: VecDeque::new(),
            decided: Slot(0),
            view: Ballot::default(),
            highest_view: Ballot::default(),
            adopt_last: Slot(0),
            cache_slots_max: limits.cache_slots_max,
            tail_slots_max: limits.message_slots_max as u64,
        }
    }

    pub(crate) fn decided(&self) -> Slot {
        self.decided
    }

    /// The last slot with a value.
    pub(crate) fn last(&self) -> Slot {
        Slot(self.first.0 + self.values.len() as u64 - 1)
    }

    /// Whose log this is behind the decided mark; zero if nobody's.
    pub(crate) fn view(&self) -> Ballot {
        self.view
    }

    /// What must be adopted at once when the view is adopted.
    pub(crate) fn adopt_last(&self) -> Slot {
        self.adopt_last
    }

    /// The highest ballot whose log was followed.
    pub(crate) fn highest_view(&self) -> Ballot {
        self.highest_view
    }

    /// The value of a slot, if it is in memory.
    pub(crate) fn get(&self, slot: Slot) -> Option<&Value> {
        let at = slot.0.checked_sub(self.first.0)?;
        self.values.get(usize::try_from(at).ok()?)
    }

    /// The values from `from` to `to`, both inclusive; only if all are in memory.
    pub(crate) fn range(&self, from: Slot, to: Slot) -> Option<Vec<Value>> {
        if from > to {
            return Some(Vec::new());
        }
        self.get(from)?;
        (from.0..=to.0)
            .map(|slot| self.get(Slot(slot)).cloned())
            .collect()
    }

    /// Whether `ballot`'s log can still be followed here.
    pub(crate) fn may_follow(&self, ballot: Ballot) -> bool {
        ballot >= self.highest_view && ballot != self.view
    }

    /// Whether a log with these values from `first` on can be followed: it must reach over everything
    /// decided here, and agree with it.
    pub(crate) fn compare(&self, first: Slot, values: &[Value]) -> Followed {
        if first > self.decided.next() {
            return Followed::Gap;
        }
        if first.0 + (values.len() as u64) < self.decided.next().0 {
            return Followed::Outdated;
        }
        let known = (first.0..=self.decided.0).map(Slot).zip(values);
        for (slot, value) in known {
            // What has left memory cannot be compared: its sender is far behind, and comes again.
            if self.get(slot) != Some(value) {
                return Followed::Outdated;
            }
        }
        Followed::Yes
    }

    /// Follows the log of `ballot`: its values from `first` on replace everything that is not decided.
    pub(crate) fn follow(&mut self, ballot: Ballot, first: Slot, values: &[Value]) {
        assert!(self.may_follow(ballot), "views never go back");
        assert_eq!(
            self.compare(first, values),
            Followed::Yes,
            "compared before"
        );
        let kept = Slot(first.0 + values.len() as u64);
        let rest = self
            .range(kept, self.last())
            .filter(|_| planted!(TailReplacedInPart));
        self.truncate_after(self.decided);
        let known = self.decided.next().0 - first.0;
        let known = usize::try_from(known).expect("within one message");
        self.values.extend(values[known..].iter().cloned());
        self.values.extend(rest.into_iter().flatten());
        self.view = ballot;
        self.highest_view = ballot;
        self.adopt_last = self.last();
    }

    /// The view's leader goes on with these slots. Those that are here already are passed over.
    pub(crate) fn extend(&mut self, first: Slot, values: &[Value]) -> Followed {
        if first > self.last().next() {
            return Followed::Gap;
        }
        for (slot, value) in (first.0..).map(Slot).zip(values) {
            if slot <= self.last() {
                continue;
            }
            if slot.0 > self.decided.0 + self.tail_slots_max {
                break;
            }
            self.values.push_back(value.clone());
        }
        Followed::Yes
    }

    /// The leader's own next slot.
    pub(crate) fn push(&mut self, value: Value) -> Slot {
        self.values.push_back(value);
        self.last()
    }

    /// Slots up to `slot` are decided, in the view. Returns whether that is news.
    pub(crate) fn decide(&mut self, slot: Slot) -> bool {
        let slot = slot.min(self.last());
        let news = slot > self.decided;
        self.decided = self.decided.max(slot);
        news
    }

    /// The next slot is decided with this value, which somebody with the view `source` told. Unless
    /// the log has that value already, it is no longer the view's log, except if `source` is the view.
    pub(crate) fn learn(&mut self, source: Ballot, value: &Value) -> Learned {
        let slot = self.decided.next();
        let learned = match self.get(slot) {
            Some(own) if own == value => Learned::Same,
            Some(_) => Learned::Replaced,
            None => Learned::New,
        };
        if learned != Learned::Same {
            self.truncate_after(self.decided);
            self.values.push_back(value.clone());
            let elsewhere = learned == Learned::Replaced || source != self.view;
            if elsewhere && !planted!(ViewOutlivesLearning) {
                self.leave_view();
            }
        }
        self.decided = slot;
        learned
    }

    /// Nobody's log any more: only what is decided stays.
    pub(crate) fn leave_view(&mut self) {
        self.view = Ballot::default();
    }

    /// The last slot that [`SlotLog::trim_cache`] would let go; 0 if there is none.
    pub(crate) fn leaving(&self, executed: Slot) -> Slot {
        let over = self.values.len().saturating_sub(self.cache_slots_max);
        match over {
            0 => Slot(0),
            _ => executed.min(Slot(self.first.0 + over as u64 - 1)),
        }
    }

    /// Slots up to `executed` are executed: the oldest of them may leave memory.
    pub(crate) fn trim_cache(&mut self, executed: Slot) {
        while self.values.len() > self.cache_slots_max && self.first <= executed {
            self.values.pop_front();
            self.first = self.first.next();
        }
    }

    /// Replay: the log of `ballot` from `first` on, which lies right behind what is decided.
    pub(crate) fn restore_tail(&mut self, ballot: Ballot, first: Slot, values: Vec<Value>) {
        assert!(first <= self.last().next(), "the log on disk has no holes");
        self.decide(Slot(first.0 - 1));
        assert!(first > self.decided, "nothing decided is ever replaced");
        self.truncate_after(Slot(first.0 - 1));
        self.values.extend(values);
        self.view = ballot;
        self.highest_view = self.highest_view.max(ballot);
    }

    /// Replay: one more slot of the log of `ballot`.
    pub(crate) fn restore_vote(&mut self, ballot: Ballot, value: Value) {
        self.values.push_back(value);
        self.view = ballot;
        self.highest_view = self.highest_view.max(ballot);
    }

    fn truncate_after(&mut self, slot: Slot) {
        let keep = slot.0 + 1 - self.first.0;
        self.values
            .truncate(usize::try_from(keep).expect("slots in memory"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut::Order;
    use crate::types::{LogTime, ReplicaId};

    fn tick(time: u64) -> Value {
        Value {
            log_time: LogTime(time),
            order: Order::Tick,
        }
    }

    fn ballot(round: u64) -> Ballot {
        Ballot {
            configuration: 0,
            round,
            replica: ReplicaId(1),
        }
    }

    fn log() -> SlotLog {
        let mut log = SlotLog::new(&Limits::default());
        log.follow(ballot(1), Slot(1), &[tick(1), tick(2), tick(3)]);
        log.decide(Slot(1));
        log
    }

    #[test]
    fn a_newer_log_replaces_everything_that_is_not_decided() {
        let mut log = log();
        log.follow(ballot(2), Slot(2), &[tick(9)]);
        assert_eq!((log.last(), log.get(Slot(2))), (Slot(2), Some(&tick(9))));
        assert_eq!(log.get(Slot(1)), Some(&tick(1)));
    }

    #[test]
    fn a_log_without_what_is_decided_is_not_followed() {
        let log = log();
        assert_eq!(log.compare(Slot(1), &[]), Followed::Outdated);
        assert_eq!(log.compare(Slot(1), &[tick(7)]), Followed::Outdated);
        assert_eq!(log.compare(Slot(3), &[tick(7)]), Followed::Gap);
        assert_eq!(log.view(), ballot(1));
    }

    #[test]
    fn a_value_learned_from_elsewhere_ends_the_view() {
        let mut log = log();
        assert_eq!(log.learn(ballot(2), &tick(2)), Learned::Same);
        assert_eq!(log.view(), ballot(1));
        assert_eq!(log.learn(ballot(2), &tick(8)), Learned::Replaced);
        assert_eq!(log.view(), Ballot::default());
        assert_eq!(log.last(), Slot(3));
        assert!(!log.may_follow(ballot(0)));
        assert!(
            log.may_follow(ballot(1)),
            "its leader may show that nothing differs"
        );
    }
}
