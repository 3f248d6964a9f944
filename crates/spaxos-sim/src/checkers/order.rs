//! Invariant 4: all replicas execute the same batches in the same order at the same log times, and the
//! order is the one that the decided cuts stand for.

use spaxos_core::cut::Value;
use spaxos_core::effect::Execution;
use spaxos_core::message::Header;
use spaxos_core::types::{Position, ReplicaId, Slot};

use super::agreement::Agreement;
use super::shadow::EffectiveCut;
use crate::violation::{Checked, ensure};

const NAME: &str = "order";

/// The first execution of each slot by any replica, and where each replica is.
#[derive(Debug)]
pub(crate) struct Order {
    /// Slot 1 first.
    executions: Vec<Execution>,
    /// Per replica the last slot handed out for execution in its present life.
    last: Vec<Slot>,
}

impl Order {
    pub(crate) fn new(replicas: usize) -> Order {
        Order {
            executions: Vec::new(),
            last: vec![Slot(0); replicas],
        }
    }

    /// A process starts: its log is replayed from the first slot.
    pub(crate) fn on_boot(&mut self, replica: usize) {
        self.last[replica] = Slot(0);
    }

    /// A replica hands out a slot. Returns whether it is the first one to do so.
    pub(crate) fn on_execute(
        &mut self,
        replica: usize,
        execution: &Execution,
        agreement: &Agreement,
    ) -> Checked<bool> {
        let slot = execution.slot;
        let next = self.last[replica].next();
        ensure(slot == next, NAME, || {
            format!("slot {slot} is executed where {next} is next")
        })?;
        self.last[replica] = slot;
        ensure(slot <= agreement.last(), NAME, || {
            format!("slot {slot} is executed before it is decided")
        })?;
        if let Some(known) = self.executions.get(slot.0 as usize - 1) {
            ensure(known == execution, NAME, || {
                format!("slot {slot} is executed in two ways: {known:?} and {execution:?}")
            })?;
            return Ok(false);
        }
        check_against_decision(execution, agreement)?;
        self.executions.push(execution.clone());
        Ok(true)
    }

    /// A message leaves: the running hash it carries must be the one of that slot.
    pub(crate) fn on_release(&self, header: &Header) -> Checked {
        let Some(at) = header.executed.0.checked_sub(1) else {
            return Ok(());
        };
        let hash = self.executions.get(at as usize).map(|known| known.hash);
        ensure(hash == Some(header.executed_hash), NAME, || {
            format!(
                "a message has a wrong hash for executed slot {}",
                header.executed
            )
        })
    }
}

fn check_against_decision(execution: &Execution, agreement: &Agreement) -> Checked {
    let slot = execution.slot;
    let Some(decision) = agreement.decision(slot) else {
        return Ok(());
    };
    ensure(execution.log_time == decision.value.log_time, NAME, || {
        format!("slot {slot} is executed at another log time than it was decided with")
    })?;
    let expected = expected_batches(&agreement.effective(Slot(slot.0 - 1)), &decision.value);
    let executed: Vec<(ReplicaId, Position)> = execution
        .batches
        .iter()
        .map(|batch| (batch.lane, batch.position))
        .collect();
    ensure(expected == executed, NAME, || {
        format!("slot {slot} executes {executed:?}, its cut stands for {expected:?}")
    })
}

/// The batches that `value` orders behind `before`: round-robin over lanes, batch by batch.
fn expected_batches(before: &EffectiveCut, value: &Value) -> Vec<(ReplicaId, Position)> {
    let mut batches: Vec<(u64, ReplicaId, Position)> = Vec::new();
    let entries = value.cut().map(|cut| cut.entries()).unwrap_or_default();
    for (lane, entry) in entries {
        let known = before.get(lane).copied().unwrap_or_default();
        let to = entry.position;
        if to <= known {
            continue;
        }
        let same_life = to.incarnation == known.incarnation;
        let from = if same_life { known.sequence.0 } else { 0 };
        for (turn, sequence) in (from + 1..=to.sequence.0).enumerate() {
            let position = Position::new(to.incarnation.0, sequence);
            batches.push((turn as u64, *lane, position));
        }
    }
    batches.sort_unstable();
    let named = |(_, lane, position)| (lane, position);
    batches.into_iter().map(named).collect()
}
