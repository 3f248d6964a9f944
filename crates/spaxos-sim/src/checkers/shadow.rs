//! What the checkers know of a replica's log: their own reading of its records, made apart from the
//! core's recovery.

use std::collections::BTreeMap;

use spaxos_core::cut::Value;
use spaxos_core::record::{Life, Record};
use spaxos_core::types::{Ballot, Incarnation, Position, ReplicaId, Slot};

use crate::violation::{Checked, ensure};

const NAME: &str = "records";

/// Per lane up to where it is ordered.
pub(crate) type EffectiveCut = BTreeMap<ReplicaId, Position>;

/// The effective cut after `value`, if it was `before` ahead of it.
pub(crate) fn advance(before: &EffectiveCut, value: &Value) -> EffectiveCut {
    let mut after = before.clone();
    let entries = value.cut().map(|cut| cut.entries()).unwrap_or_default();
    for (lane, entry) in entries {
        let position = after.entry(*lane).or_default();
        *position = entry.position.max(*position);
    }
    after
}

/// One slot of a log.
#[derive(Clone, Debug)]
pub(crate) struct ShadowSlot {
    pub(crate) value: Value,
    /// The effective cut after this slot.
    pub(crate) effective: EffectiveCut,
}

/// The state that a list of records stands for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShadowLog {
    pub(crate) life: Life,
    /// The latest life of each other member that was heard.
    pub(crate) heard: BTreeMap<ReplicaId, Incarnation>,
    pub(crate) promised: Ballot,
    pub(crate) adopted: Ballot,
    pub(crate) decided: Slot,
    /// Slot 1 first.
    pub(crate) slots: Vec<ShadowSlot>,
    /// Per ballot the highest slot ever voted for in it.
    pub(crate) votes: BTreeMap<Ballot, Slot>,
    /// Per lane and incarnation the digests of its contiguous prefix, sequence 1 first.
    lanes: BTreeMap<(ReplicaId, Incarnation), Vec<u64>>,
}

impl ShadowLog {
    pub(crate) fn last(&self) -> Slot {
        Slot(self.slots.len() as u64)
    }

    /// The value of `slot`, if the log has one.
    pub(crate) fn value(&self, slot: Slot) -> Option<&Value> {
        let at = usize::try_from(slot.0.checked_sub(1)?).ok()?;
        self.slots.get(at).map(|found| &found.value)
    }

    /// The effective cut after `slot`.
    pub(crate) fn effective(&self, slot: Slot) -> EffectiveCut {
        match slot.0.checked_sub(1) {
            Some(at) => self.slots[at as usize].effective.clone(),
            None => EffectiveCut::new(),
        }
    }

    /// How many batches of this incarnation of `lane` the log has, counted without gap.
    pub(crate) fn held(&self, lane: ReplicaId, incarnation: Incarnation) -> u64 {
        self.lanes
            .get(&(lane, incarnation))
            .map_or(0, |digests| digests.len() as u64)
    }

    /// Whether the log has `lane` up to `position`, with this digest there.
    pub(crate) fn holds(&self, lane: ReplicaId, position: Position, digest: u64) -> bool {
        let at = position.sequence.0 as usize;
        match self.lanes.get(&(lane, position.incarnation)) {
            Some(digests) if at > 0 => digests.get(at - 1) == Some(&digest),
            _ => at == 0,
        }
    }

    /// Takes the next record.
    pub(crate) fn append(&mut self, record: &Record) -> Checked {
        match record {
            Record::Incarnation(life) => {
                ensure(life.incarnation > self.life.incarnation, NAME, || {
                    format!("incarnation {} begins again", life.incarnation)
                })?;
                self.life = *life;
            }
            Record::Batch(batch) => self.append_batch(batch)?,
            Record::Promise { ballot } => {
                ensure(*ballot >= self.promised, NAME, || {
                    format!("promise {ballot} after {}", self.promised)
                })?;
                self.promised = *ballot;
            }
            Record::Adoption {
                ballot,
                first,
                values,
            } => self.append_adoption(*ballot, *first, values)?,
            Record::Vote {
                ballot,
                slot,
                value,
                decided,
            } => {
                self.append_vote(*ballot, *slot, value)?;
                self.decide(*decided)?;
            }
            Record::Decided { slot } => self.decide(*slot)?,
            Record::DecidedSlot { slot, value } => self.append_decided(*slot, value)?,
            Record::Greeting { member, life } => {
                let heard = self.heard.entry(*member).or_default();
                *heard = life.incarnation.max(*heard);
            }
        }
        Ok(())
    }

    fn append_batch(&mut self, batch: &spaxos_core::batch::Batch) -> Checked {
        let key = (batch.lane, batch.position.incarnation);
        let digests = self.lanes.entry(key).or_default();
        let sequence = batch.position.sequence.0;
        let next = digests.len() as u64 + 1;
        ensure((1..=next).contains(&sequence), NAME, || {
            format!("batch {}:{} leaves a gap", batch.lane, batch.position)
        })?;
        if sequence == next {
            digests.push(batch.digest);
            return Ok(());
        }
        let known = digests[sequence as usize - 1];
        ensure(known == batch.digest, NAME, || {
            format!("two contents under {}:{}", batch.lane, batch.position)
        })
    }

    fn append_adoption(&mut self, ballot: Ballot, first: Slot, values: &[Value]) -> Checked {
        ensure(
            ballot >= self.promised && ballot > self.adopted,
            NAME,
            || {
                format!(
                    "adoption of {ballot} after promise {} and adoption of {}",
                    self.promised, self.adopted
                )
            },
        )?;
        ensure(first.0 >= 1 && first <= self.last().next(), NAME, || {
            format!("adoption from {first} leaves a gap behind {}", self.last())
        })?;
        let end = first.0 - 1 + values.len() as u64;
        ensure(end >= self.decided.0, NAME, || {
            format!("adoption up to {end} drops decided slot {}", self.decided)
        })?;
        for (at, value) in (first.0..).zip(values) {
            let same = at > self.decided.0 || self.value(Slot(at)) == Some(value);
            ensure(same, NAME, || format!("adoption changes decided slot {at}"))?;
        }
        self.promised = ballot;
        self.adopted = ballot;
        self.slots.truncate(first.0 as usize - 1);
        for value in values {
            self.push(value);
        }
        self.votes.insert(ballot, self.last());
        Ok(())
    }

    fn append_vote(&mut self, ballot: Ballot, slot: Slot, value: &Value) -> Checked {
        ensure(
            ballot >= self.promised && ballot == self.adopted,
            NAME,
            || {
                format!(
                    "vote in {ballot} after promise {} and adoption of {}",
                    self.promised, self.adopted
                )
            },
        )?;
        ensure(slot == self.last().next(), NAME, || {
            format!("vote for {slot} behind {}", self.last())
        })?;
        self.promised = ballot;
        self.push(value);
        self.votes.insert(ballot, slot);
        Ok(())
    }

    fn append_decided(&mut self, slot: Slot, value: &Value) -> Checked {
        self.decide(Slot(slot.0 - 1))?;
        if self.value(slot) != Some(value) {
            ensure(slot > self.decided, NAME, || {
                format!("decided slot {slot} changes")
            })?;
            self.slots.truncate(slot.0 as usize - 1);
            self.push(value);
        }
        self.decide(slot)
    }

    fn decide(&mut self, slot: Slot) -> Checked {
        ensure(slot <= self.last(), NAME, || {
            format!("slot {slot} is decided, the log ends at {}", self.last())
        })?;
        self.decided = self.decided.max(slot);
        Ok(())
    }

    fn push(&mut self, value: &Value) {
        let effective = advance(&self.effective(self.last()), value);
        self.slots.push(ShadowSlot {
            value: value.clone(),
            effective,
        });
    }
}
