//! What the peers' coordinators have made and their leaders have ordered: one log, in which nothing goes
//! back.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use spaxos_core::batch::Batch;
use spaxos_core::cut::{Cut, CutEntry, Order, Value};
use spaxos_core::message::{Body, Held};
use spaxos_core::record::Record;
use spaxos_core::types::{Incarnation, LogTime, Position, ReplicaId, Sequence, Slot};

use super::OWN;

/// How many slots may be made up at once, beyond those that somebody has named.
const SLOTS_AHEAD_MAX: u64 = 20;

/// The log, and up to where anything was ever ordered.
#[derive(Debug, Default)]
pub(super) struct History {
    values: BTreeMap<Slot, Value>,
    log_time: LogTime,
    ordered: BTreeMap<ReplicaId, Position>,
}

/// The batch that the coordinator of `lane` made at `position`.
pub(super) fn batch(lane: ReplicaId, position: Position) -> Batch {
    follow(lane, position, digest_before(lane, position))
}

/// The digest of everything before `position` in its incarnation.
pub(super) fn digest_before(lane: ReplicaId, position: Position) -> u64 {
    let before = (1..position.sequence.0).map(|sequence| Position {
        sequence: Sequence(sequence),
        ..position
    });
    before.fold(0, |previous, position| {
        follow(lane, position, previous).digest
    })
}

fn follow(lane: ReplicaId, position: Position, previous: u64) -> Batch {
    let payload = vec![7; (position.sequence.0 % 3) as usize * 11];
    let requests = u32::from(!payload.is_empty());
    let payload = Bytes::from(payload);
    Batch::new(lane, position, previous, requests, payload, Vec::new())
}

impl History {
    /// Takes note of what the replica's log has.
    pub(super) fn note(&mut self, record: &Record) {
        match record {
            Record::Vote { slot, value, .. } | Record::DecidedSlot { slot, value } => {
                self.put(*slot, value);
            }
            Record::Adoption { first, values, .. } => self.put_all(*first, values),
            _ => {}
        }
    }

    /// Takes note of what the replica proposes.
    pub(super) fn note_sent(&mut self, body: &Body) {
        if let Body::Accept { first, values, .. } = body {
            self.put_all(*first, values);
        }
    }

    fn put_all(&mut self, first: Slot, values: &[Value]) {
        for (slot, value) in (first.0..).map(Slot).zip(values) {
            self.put(slot, value);
        }
    }

    /// Another value than was made up makes void what was made up behind it.
    fn put(&mut self, slot: Slot, value: &Value) {
        if self.values.get(&slot) != Some(value) {
            self.values.split_off(&slot);
            self.values.insert(slot, value.clone());
            self.note_value(value);
        }
    }

    fn note_value(&mut self, value: &Value) {
        self.log_time = self.log_time.max(value.log_time);
        for &(lane, entry) in value.cut().into_iter().flat_map(Cut::entries) {
            let ordered = self.ordered.entry(lane).or_default();
            *ordered = entry.position.max(*ordered);
        }
    }

    /// Makes of `values` those of the slots from `first` on. What is not known yet is made up in the
    /// shape of what stands there.
    pub(super) fn tell(&mut self, first: Slot, values: &mut Vec<Value>) {
        let mut told = 0;
        for (slot, value) in (first.0..).map(Slot).zip(values.iter_mut()) {
            let Some(found) = self.value(slot, value) else {
                break;
            };
            *value = found;
            told += 1;
        }
        values.truncate(told);
    }

    fn value(&mut self, slot: Slot, shape: &Value) -> Option<Value> {
        let mut end = self.values.last_key_value().map_or(Slot(0), |last| *last.0);
        if slot.0 > end.0 + SLOTS_AHEAD_MAX {
            return None;
        }
        while end < slot {
            end = end.next();
            let value = self.made_up(shape);
            self.put(end, &value);
        }
        self.values.get(&slot).cloned()
    }

    /// A value that orders more than all before it: of the lanes that `shape` names, other than the
    /// replica's own, the next batch, or the first one of the next incarnation.
    fn made_up(&self, shape: &Value) -> Value {
        let passed = shape.log_time.0 % 1000;
        let order = match &shape.order {
            Order::Tick => Order::Tick,
            Order::Cut { cut, stable } => {
                let lanes = cut.entries().iter().filter(|entry| entry.0 != OWN);
                let entries = lanes.map(|(lane, wanted)| (*lane, self.next(*lane, *wanted)));
                Order::Cut {
                    cut: Cut::new(entries.collect()).expect("some of the lanes in their order"),
                    stable: *stable,
                }
            }
        };
        Value {
            log_time: LogTime(self.log_time.0.saturating_add(passed)),
            order,
        }
    }

    fn next(&self, lane: ReplicaId, wanted: CutEntry) -> CutEntry {
        let ordered = self.ordered.get(&lane).copied().unwrap_or_default();
        let incarnation = Incarnation(ordered.incarnation.0.max(1));
        let position = match wanted.position.incarnation.0 {
            2 => Position::new(incarnation.0 + 1, 1),
            _ => Position {
                incarnation,
                sequence: ordered.sequence.next(),
            },
        };
        let digest = batch(lane, position).digest;
        CutEntry { position, digest }
    }

    /// The batches up to what is ordered, as far as they lie beyond `held`.
    pub(super) fn batches_beyond(&self, held: &[Held]) -> Vec<Arc<Batch>> {
        let mut batches = Vec::new();
        for (&lane, ordered) in self.ordered.iter().filter(|entry| *entry.0 != OWN) {
            for incarnation in 1..=ordered.incarnation.0.min(4) {
                let found = held
                    .iter()
                    .find(|h| h.lane == lane && h.position.incarnation.0 == incarnation);
                let from = found.map_or(1, |h| h.position.sequence.0 + 1);
                let to = match incarnation == ordered.incarnation.0 {
                    true => ordered.sequence.0,
                    false => from,
                };
                let missing = (from..=to).take(8);
                let missing = missing.map(|at| batch(lane, Position::new(incarnation, at)));
                batches.extend(missing.map(Arc::new));
            }
        }
        batches
    }
}
