//! Which rare branches of the protocol a run went through: a world that never gets there tests nothing
//! of them.

use spaxos_core::message::{Body, Message};
use spaxos_core::record::Record;
use spaxos_core::types::{ReplicaId, Slot};

use super::agreement::Agreement;
use super::shadow::ShadowLog;
use crate::BRANCHES;
use crate::figures::Figures;

/// A replica is about to append `record` to `log`.
pub(crate) fn on_append(record: &Record, log: &ShadowLog, figures: &mut Figures) {
    match record {
        // The first batch of a life is empty as well.
        Record::Batch(batch) if batch.requests == 0 && batch.position.sequence.0 > 1 => {
            figures.count(BRANCHES[13]);
        }
        Record::Adoption { first, values, .. } => {
            if !values.is_empty() {
                figures.count(BRANCHES[0]);
            }
            let tail = (first.0..).map(Slot).zip(values);
            let mut differing = tail.filter(|(at, value)| {
                let known = log.value(*at);
                known.is_some_and(|known| known != *value)
            });
            let shorter = first.0 - 1 + (values.len() as u64) < log.last().0;
            if shorter || differing.next().is_some() {
                figures.count(BRANCHES[1]);
            }
        }
        Record::DecidedSlot { slot, value }
            if log.value(*slot).is_some_and(|known| known != value) =>
        {
            figures.count(BRANCHES[2]);
        }
        _ => {}
    }
}

/// `slot` has just been decided.
pub(crate) fn on_decided(
    slot: Slot,
    agreement: &Agreement,
    appended: &[ShadowLog],
    figures: &mut Figures,
) {
    let before = agreement.effective(Slot(slot.0 - 1));
    for (lane, position) in agreement.effective(slot) {
        let Some(old) = before.get(&lane) else {
            continue;
        };
        if old.incarnation < position.incarnation {
            figures.count(BRANCHES[3]);
            let void = |log: &ShadowLog| log.held(lane, old.incarnation) > old.sequence.0;
            if appended.iter().any(void) {
                figures.count(BRANCHES[4]);
            }
        }
    }
}

/// A message leaves the replica `id` for the members `targets`.
pub(crate) fn on_release(
    id: ReplicaId,
    message: &Message,
    targets: &[ReplicaId],
    figures: &mut Figures,
) {
    match &message.body {
        Body::FetchBatches { lane, .. } => {
            let leader = message.header.ballot.replica;
            if targets.iter().any(|to| to != lane && *to != leader) {
                figures.count(BRANCHES[5]);
            }
        }
        Body::Batch(batch) if batch.lane != id => figures.count(BRANCHES[6]),
        Body::Slots { .. } => figures.count(BRANCHES[7]),
        Body::Promise(promise) if !promise.tail.is_empty() => figures.count(BRANCHES[8]),
        _ => {}
    }
}
