//! The log of durability `memory`: the last batches and slot values, for peers that lag a little.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use spaxos_core::batch::Batch;
use spaxos_core::cut::Value;
use spaxos_core::effect::{LogFound, LogQuery};
use spaxos_core::record::Record;
use spaxos_core::types::{Position, ReplicaId, Sequence, Slot};

/// What a value counts for in the byte budget; values are small and of about one size.
const VALUE_BYTES: u64 = 512;

/// Keeps what can be asked for, and forgets the oldest beyond its limit. Nothing else of a record is
/// kept: nobody replays this log.
pub(crate) struct MemoryLog {
    bytes_max: u64,
    slots_max: u64,
    bytes: u64,
    batches: BTreeMap<(ReplicaId, Position), Arc<Batch>>,
    /// With the turn in which each value was set: an older key must not take a newer value along.
    values: BTreeMap<Slot, (u64, Value)>,
    decided: Slot,
    turn: u64,
    /// What to forget next, with its cost.
    order: VecDeque<(Key, u64)>,
}

enum Key {
    Batch(ReplicaId, Position),
    Value(Slot, u64),
}

impl MemoryLog {
    pub(crate) fn new(bytes_max: u64, slots_max: u64) -> MemoryLog {
        MemoryLog {
            bytes_max,
            slots_max,
            bytes: 0,
            batches: BTreeMap::new(),
            values: BTreeMap::new(),
            decided: Slot(0),
            turn: 0,
            order: VecDeque::new(),
        }
    }

    /// How many bytes are kept, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes a record in.
    pub(crate) fn append(&mut self, record: &Record) {
        match record {
            Record::Batch(batch) => self.keep_batch(batch),
            Record::Vote {
                slot,
                value,
                decided,
                ..
            } => {
                self.keep_value(*slot, value);
                self.decided = self.decided.max(*decided);
            }
            Record::DecidedSlot { slot, value } => {
                self.keep_value(*slot, value);
                self.decided = self.decided.max(*slot);
            }
            Record::Adoption { first, values, .. } => {
                // A log is adopted right behind what is decided.
                self.decided = self.decided.max(Slot(first.0.saturating_sub(1)));
                for (slot, value) in (first.0..).map(Slot).zip(values) {
                    self.keep_value(slot, value);
                }
            }
            Record::Decided { slot } => self.decided = self.decided.max(*slot),
            Record::Incarnation(_) | Record::Promise { .. } | Record::Greeting { .. } => {}
        }
        while self.bytes > self.bytes_max {
            self.forget_oldest();
        }
    }

    fn keep_batch(&mut self, batch: &Arc<Batch>) {
        let key = (batch.lane, batch.position);
        if self.batches.contains_key(&key) {
            return;
        }
        self.batches.insert(key, Arc::clone(batch));
        self.keep(Key::Batch(key.0, key.1), batch.cost_bytes());
    }

    fn keep_value(&mut self, slot: Slot, value: &Value) {
        self.turn += 1;
        self.values.insert(slot, (self.turn, value.clone()));
        self.keep(Key::Value(slot, self.turn), VALUE_BYTES);
    }

    fn keep(&mut self, key: Key, cost: u64) {
        self.bytes += cost;
        self.order.push_back((key, cost));
    }

    fn forget_oldest(&mut self) {
        let Some((key, cost)) = self.order.pop_front() else {
            return;
        };
        self.bytes -= cost;
        match key {
            Key::Batch(lane, position) => {
                self.batches.remove(&(lane, position));
            }
            Key::Value(slot, turn) => {
                if self.values.get(&slot).is_some_and(|value| value.0 == turn) {
                    self.values.remove(&slot);
                }
            }
        }
    }

    /// See [`crate::LogReader::read`].
    pub(crate) fn read(&self, query: &LogQuery) -> LogFound {
        match *query {
            LogQuery::Batches {
                lane,
                from,
                to,
                bytes_max,
            } => LogFound::Batches(self.read_batches(lane, from, to, bytes_max)),
            LogQuery::Slots { from, to } => {
                let first = from.max(Slot(1));
                let limit = Slot(first.0.saturating_add(self.slots_max - 1));
                let last = to.min(self.decided).min(limit);
                let wanted = (first.0..=last.0).map(Slot);
                let known = wanted.map_while(|slot| Some(self.values.get(&slot)?.1.clone()));
                let values = known.collect();
                LogFound::Slots { first, values }
            }
        }
    }

    fn read_batches(
        &self,
        lane: ReplicaId,
        from: Position,
        to: Sequence,
        bytes_max: u64,
    ) -> Vec<Arc<Batch>> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let mut sequence = from.sequence.max(Sequence(1));
        while sequence <= to && (found.is_empty() || bytes < bytes_max) {
            let position = Position { sequence, ..from };
            let Some(batch) = self.batches.get(&(lane, position)) else {
                break;
            };
            bytes += batch.cost_bytes();
            found.push(Arc::clone(batch));
            sequence = sequence.next();
        }
        found
    }
}
