//! Invariant 2: every batch under a decided cut is durable on a quorum when it is decided. With it the
//! voter's side: a vote follows the batches under it in the voter's own log.

use spaxos_core::cut::Value;
use spaxos_core::message::Body;
use spaxos_core::record::Record;
use spaxos_core::types::{Position, ReplicaId, Slot};

use super::agreement::Agreement;
use super::shadow::{EffectiveCut, ShadowLog};
use crate::violation::{Checked, ensure};

const NAME: &str = "availability";

/// `slot` has just been decided.
pub(crate) fn on_decided(
    slot: Slot,
    quorum: usize,
    agreement: &Agreement,
    durable: &[ShadowLog],
) -> Checked {
    let Some(decision) = agreement.decision(slot) else {
        return Ok(());
    };
    let before = agreement.effective(Slot(slot.0 - 1));
    for (lane, position, digest) in fresh_entries(&decision.value, &before) {
        let holders = durable
            .iter()
            .filter(|log| log.holds(lane, position, digest))
            .count();
        ensure(holders >= quorum, NAME, || {
            format!("slot {slot} orders {lane}:{position}, durable on {holders} replicas")
        })?;
    }
    Ok(())
}

/// A replica appends a record; `log` has it already. If it is a vote, the batches must be there.
pub(crate) fn on_append(record: &Record, log: &ShadowLog) -> Checked {
    let (first, values) = match record {
        Record::Vote { slot, value, .. } => (*slot, std::slice::from_ref(value)),
        Record::Adoption { first, values, .. } => (*first, values.as_slice()),
        _ => return Ok(()),
    };
    for (slot, value) in (first.0..).map(Slot).zip(values) {
        if value.is_stable() {
            continue;
        }
        let before = log.effective(Slot(slot.0 - 1));
        for (lane, position, digest) in fresh_entries(value, &before) {
            ensure(log.holds(lane, position, digest), NAME, || {
                let held = log.held(lane, position.incarnation);
                format!("a vote for slot {slot} needs {lane}:{position}, the log has {held}")
            })?;
        }
    }
    Ok(())
}

/// A leader proposes values, or takes over a log: it must hold what they cover itself, else its death
/// with the only other holder stops everybody.
pub(crate) fn on_propose(body: &Body, log: &ShadowLog, agreement: &Agreement) -> Checked {
    let (ballot, first, values) = match body {
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
        } => (ballot, *first, values),
        _ => return Ok(()),
    };
    for (slot, value) in (first.0..).map(Slot).zip(values) {
        // What was decided meanwhile may be void meanwhile.
        if value.is_stable() || slot <= agreement.last() {
            continue;
        }
        let before = agreement.effective(agreement.last());
        for (lane, position, digest) in fresh_entries(value, &before) {
            ensure(log.holds(lane, position, digest), NAME, || {
                let held = log.held(lane, position.incarnation);
                format!("{ballot} proposes {lane}:{position} in slot {slot} and holds {held}")
            })?;
        }
    }
    Ok(())
}

/// What `value` orders behind `before`: the rest of it is void.
fn fresh_entries(value: &Value, before: &EffectiveCut) -> Vec<(ReplicaId, Position, u64)> {
    let entries = value.cut().map(|cut| cut.entries()).unwrap_or_default();
    entries
        .iter()
        .filter(|(lane, entry)| before.get(lane).is_none_or(|known| entry.position > *known))
        .map(|(lane, entry)| (*lane, entry.position, entry.digest))
        .collect()
}
