//! Invariant 1: no two replicas decide different values for a slot.
//!
//! What is decided is found here from durable votes alone, whatever the replicas believe; then every
//! claim of a replica to know a decided slot is held against it.

use std::collections::BTreeMap;

use spaxos_core::cut::Value;
use spaxos_core::message::{Body, Message};
use spaxos_core::record::Record;
use spaxos_core::types::{Ballot, Slot};

use super::shadow::{EffectiveCut, ShadowLog, advance};
use crate::violation::{Checked, ensure};

const NAME: &str = "agreement";

/// A decided slot.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) value: Value,
    /// The effective cut after it.
    pub(crate) effective: EffectiveCut,
}

/// The decided log, as the durable votes make it.
#[derive(Debug)]
pub(crate) struct Agreement {
    quorum: usize,
    /// Slot 1 first.
    decisions: Vec<Decision>,
    /// Per ballot up to where a quorum has voted in it.
    chosen: BTreeMap<Ballot, Slot>,
    /// What each ballot's leader proposed for each slot, by whoever said so first.
    proposals: BTreeMap<(Ballot, Slot), Value>,
}

impl Agreement {
    pub(crate) fn new(quorum: usize) -> Agreement {
        Agreement {
            quorum,
            decisions: Vec::new(),
            chosen: BTreeMap::new(),
            proposals: BTreeMap::new(),
        }
    }

    /// The last decided slot.
    pub(crate) fn last(&self) -> Slot {
        Slot(self.decisions.len() as u64)
    }

    pub(crate) fn decision(&self, slot: Slot) -> Option<&Decision> {
        let at = usize::try_from(slot.0.checked_sub(1)?).ok()?;
        self.decisions.get(at)
    }

    /// The effective cut after `slot`, which is decided.
    pub(crate) fn effective(&self, slot: Slot) -> EffectiveCut {
        self.decision(slot)
            .map(|decision| decision.effective.clone())
            .unwrap_or_default()
    }

    /// A replica appends a record: votes and adoptions must be what the ballot's leader proposed,
    /// decided slots must be decided.
    pub(crate) fn on_append(&mut self, record: &Record, log: &ShadowLog) -> Checked {
        match record {
            Record::Adoption {
                ballot,
                first,
                values,
            } => {
                // What lies before it is taken for decided.
                self.check_mark(Slot(first.0 - 1), log)?;
                self.propose(*ballot, *first, values)
            }
            Record::Vote {
                ballot,
                slot,
                value,
                decided,
            } => {
                self.propose(*ballot, *slot, std::slice::from_ref(value))?;
                self.check_mark(*decided, log)
            }
            Record::Decided { slot } => self.check_mark(*slot, log),
            Record::DecidedSlot { slot, value } => {
                self.check_mark(Slot(slot.0 - 1), log)?;
                self.check_decided(*slot, value)
            }
            _ => Ok(()),
        }
    }

    /// A vote of `voter` in `ballot` has become durable. Returns the slots that it decides.
    pub(crate) fn on_durable_vote(
        &mut self,
        ballot: Ballot,
        voter: &ShadowLog,
        all: &[ShadowLog],
    ) -> Checked<Vec<Slot>> {
        let mut marks: Vec<Slot> = all
            .iter()
            .map(|log| log.votes.get(&ballot).copied().unwrap_or_default())
            .collect();
        marks.sort_unstable();
        let mark = marks[marks.len() - self.quorum];
        let before = self.chosen.insert(ballot, mark).unwrap_or_default();
        let mut decided = Vec::new();
        for slot in (before.0 + 1..=mark.0).map(Slot) {
            let Some(value) = voter.value(slot) else {
                continue;
            };
            if slot > self.last() {
                let effective = advance(&self.effective(self.last()), value);
                self.decisions.push(Decision {
                    value: value.clone(),
                    effective,
                });
                decided.push(slot);
            }
            self.check_decided(slot, value)?;
        }
        Ok(decided)
    }

    /// A message leaves: what it says to be decided must be.
    pub(crate) fn on_release(&mut self, message: &Message) -> Checked {
        let header = &message.header;
        for (what, slot) in [("decided", header.decided), ("executed", header.executed)] {
            ensure(slot <= self.last(), NAME, || {
                format!("a message says {what} {slot}, decided is {}", self.last())
            })?;
        }
        match &message.body {
            Body::Accept {
                ballot,
                first,
                values,
                ..
            }
            | Body::Adopt {
                ballot,
                first,
                values,
            } => self.propose(*ballot, *first, values),
            Body::Slots {
                first,
                decided,
                values,
                adopted,
            } => {
                for (slot, value) in (first.0..).map(Slot).zip(values) {
                    if slot <= *decided {
                        self.check_decided(slot, value)?;
                    } else {
                        self.propose(*adopted, slot, std::slice::from_ref(value))?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether `ballot`'s leader proposed `value` for `slot`.
    pub(crate) fn has_proposed(&self, ballot: Ballot, slot: Slot, value: &Value) -> bool {
        self.proposals.get(&(ballot, slot)) == Some(value)
    }

    /// Whether a vote in `ballot` for everything up to `slot` can decide nothing any more, since an
    /// earlier slot of that ballot's log is decided with another value.
    pub(crate) fn rules_out(&self, ballot: Ballot, slot: Slot) -> bool {
        let range = (ballot, Slot(0))..=(ballot, slot);
        self.proposals.range(range).any(|((_, at), value)| {
            let decision = self.decision(*at);
            decision.is_some_and(|decision| decision.value != *value)
        })
    }

    /// A ballot has one value for each slot.
    fn propose(&mut self, ballot: Ballot, first: Slot, values: &[Value]) -> Checked {
        for (slot, value) in (first.0..).map(Slot).zip(values) {
            let known = self
                .proposals
                .entry((ballot, slot))
                .or_insert_with(|| value.clone());
            ensure(known == value, NAME, || {
                format!("ballot {ballot} has two values for slot {slot}: {known:?} and {value:?}")
            })?;
        }
        Ok(())
    }

    /// A replica says that its own log is decided up to `slot`.
    fn check_mark(&self, slot: Slot, log: &ShadowLog) -> Checked {
        ensure(slot <= self.last(), NAME, || {
            format!("{slot} is taken for decided, decided is {}", self.last())
        })?;
        for at in (log.decided.0 + 1..=slot.0).map(Slot) {
            if let Some(value) = log.value(at) {
                self.check_decided(at, value)?;
            }
        }
        Ok(())
    }

    pub(crate) fn check_decided(&self, slot: Slot, value: &Value) -> Checked {
        let decision = self.decision(slot).map(|decision| &decision.value);
        ensure(decision == Some(value), NAME, || {
            format!("slot {slot} is taken for {value:?}, decided is {decision:?}")
        })
    }
}
