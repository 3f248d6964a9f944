//! The execution order: which batches a decided slot orders, and the running hash over all of them.
//!
//! Data: the effective cut, the log time and the running hash of what is executed, and what is handed
//! out and not yet applied. Limits: unapplied slots and bytes. Invariants: slots in order without
//! gap; every batch once; log time never goes back.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::batch::{Batch, hash_words};
use crate::config::Limits;
use crate::cut::{Cut, Order, Value};
use crate::dissemination::batch_store::{BatchStore, Holding};
use crate::effect::Execution;
use crate::planted::planted;
use crate::types::{LogTime, ReplicaId, Slot};

/// How many slots' hashes are remembered, to compare with peers.
const HASHES_MAX: usize = 1024;

/// Whether a slot can be executed now.
#[derive(Clone, Debug)]
pub(crate) enum Ready {
    /// It was; this is what to do.
    Executed(Execution),
    /// Not all batches are here.
    Lacks,
    /// Too much is handed out already.
    Busy,
    /// A lane has another content than the decided cut names.
    Forked(ReplicaId),
}

/// What is executed.
#[derive(Clone, Debug)]
pub(crate) struct Executor {
    executed: Slot,
    applied: Slot,
    hash: u64,
    log_time: LogTime,
    effective: Cut,
    /// The hashes of the last executed slots.
    hashes: VecDeque<u64>,
    /// Executed and not applied: slot and bytes.
    unapplied: VecDeque<(Slot, u64)>,
    unapplied_bytes: u64,
    apply_bytes_max: u64,
    apply_slots_max: u64,
}

impl Executor {
    pub(crate) fn new(limits: &Limits) -> Executor {
        Executor {
            executed: Slot(0),
            applied: Slot(0),
            hash: 0,
            log_time: LogTime(0),
            effective: Cut::default(),
            hashes: VecDeque::new(),
            unapplied: VecDeque::new(),
            unapplied_bytes: 0,
            apply_bytes_max: limits.apply_bytes_max,
            apply_slots_max: limits.apply_slots_max,
        }
    }

    pub(crate) fn executed(&self) -> Slot {
        self.executed
    }

    pub(crate) fn applied(&self) -> Slot {
        self.applied
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn log_time(&self) -> LogTime {
        self.log_time
    }

    pub(crate) fn effective(&self) -> &Cut {
        &self.effective
    }

    /// The state machine has executed everything up to `slot`.
    pub(crate) fn on_applied(&mut self, slot: Slot) {
        let slot = slot.min(self.executed);
        self.applied = self.applied.max(slot);
        while let Some(&(first, bytes)) = self.unapplied.front() {
            if first > slot {
                break;
            }
            self.unapplied.pop_front();
            self.unapplied_bytes -= bytes;
        }
    }

    /// Whether a peer's hash after `slot` is another one than ours, as far as we remember.
    pub(crate) fn differs(&self, slot: Slot, hash: u64) -> bool {
        let Some(back) = self.executed.0.checked_sub(slot.0) else {
            return false;
        };
        let at = self
            .hashes
            .len()
            .checked_sub(1 + usize::try_from(back).unwrap_or(usize::MAX));
        at.is_some_and(|at| self.hashes[at] != hash)
    }

    /// Executes the next slot, whose decided value is `value`, if everything it orders is here.
    pub(crate) fn execute(&mut self, value: &Value, store: &mut BatchStore) -> Ready {
        if self.unapplied_bytes >= self.apply_bytes_max
            || self.unapplied.len() as u64 >= self.apply_slots_max
        {
            return Ready::Busy;
        }
        let empty = Cut::default();
        let cut = value.cut().unwrap_or(&empty);
        for &(lane, entry) in cut.entries() {
            assert!(
                entry.position > self.effective.position(lane) || planted!(BatchExecutedTwice),
                "the values of one log never go back"
            );
            match store.holding(lane, entry) {
                Holding::Held => {}
                Holding::Missing => return Ready::Lacks,
                Holding::Forked => return Ready::Forked(lane),
            }
        }
        let batches = interleave(cut, store);
        for &(lane, entry) in cut.entries() {
            store.execute(lane, entry);
            self.effective.advance(lane, entry);
        }
        assert!(
            value.log_time >= self.log_time,
            "log time never goes back (invariant 6)"
        );
        self.log_time = value.log_time;
        self.executed = self.executed.next();
        self.hash = next_hash(self.hash, self.executed, value, &batches);
        self.hashes.push_back(self.hash);
        if self.hashes.len() > HASHES_MAX {
            self.hashes.pop_front();
        }
        let bytes = batches.iter().map(|batch| batch.cost_bytes()).sum();
        self.unapplied.push_back((self.executed, bytes));
        self.unapplied_bytes += bytes;
        Ready::Executed(Execution {
            slot: self.executed,
            log_time: self.log_time,
            batches,
            hash: self.hash,
        })
    }
}

/// Round-robin over the lanes in the order of their ids, batch by batch: the same everywhere.
fn interleave(cut: &Cut, store: &BatchStore) -> Vec<Arc<Batch>> {
    let mut lanes: Vec<_> = cut
        .entries()
        .iter()
        .map(|&(lane, entry)| store.ordered_by(lane, entry))
        .collect();
    let mut batches = Vec::new();
    if planted!(InterleavedByOwnLane) {
        let turn = store.held(true).len() % lanes.len().max(1);
        lanes.rotate_left(turn);
    }
    loop {
        let before = batches.len();
        for lane in &mut lanes {
            batches.extend(lane.next().cloned());
        }
        if batches.len() == before {
            return batches;
        }
    }
}

fn next_hash(previous: u64, slot: Slot, value: &Value, batches: &[Arc<Batch>]) -> u64 {
    let mut words = vec![previous, slot.0, value.log_time.0];
    match &value.order {
        Order::Tick => words.push(0),
        Order::Cut { cut, .. } => {
            words.push(1);
            for (lane, entry) in cut.entries() {
                let position = entry.position;
                words.extend([
                    lane.0,
                    position.incarnation.0,
                    position.sequence.0,
                    entry.digest,
                ]);
            }
        }
    }
    words.extend(batches.iter().map(|batch| batch.checksum));
    hash_words(&words)
}
