//! A replica's log at the level of records: a list with a durable prefix.

use spaxos_core::batch::Batch;
use spaxos_core::cut::Value;
use spaxos_core::effect::{LogFound, LogQuery};
use spaxos_core::record::Record;
use spaxos_core::types::{Lsn, Position, ReplicaId, Sequence, Slot};
use std::sync::Arc;

use crate::random::{Random, Span};
use crate::violation::{Checked, ensure};

/// All records of a replica's log, oldest first. Survives its process.
#[derive(Debug, Default)]
pub(crate) struct SimLog {
    records: Vec<Record>,
    /// This many records survive any crash.
    durable: usize,
    /// This many records were there when the present life began: `Lsn` counts from here.
    base: usize,
    /// The sync that is running makes this many records durable.
    syncing: Option<usize>,
    /// Another sync was asked for while one was running.
    again: bool,
}

impl SimLog {
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) fn durable(&self) -> usize {
        self.durable
    }

    /// The number of the last durable record of this life.
    pub(crate) fn durable_lsn(&self) -> Lsn {
        Lsn(self.durable.saturating_sub(self.base) as u64)
    }

    /// Appends a record that the replica numbered.
    pub(crate) fn append(&mut self, lsn: Lsn, record: Record) -> Checked {
        let expected = Lsn((self.records.len() - self.base) as u64 + 1);
        ensure(lsn == expected, "log", || {
            format!("record {lsn} is appended where {expected} is next")
        })?;
        self.records.push(record);
        Ok(())
    }

    /// Appends the record that begins a life; the caller then waits for [`SimLog::begin_life`].
    pub(crate) fn append_life(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Everything on the disk, the new life included, is durable: numbers start anew.
    pub(crate) fn begin_life(&mut self) {
        self.durable = self.records.len();
        self.base = self.records.len();
    }

    /// Starts a sync of everything appended so far; false if one is running, which is then followed
    /// by another.
    pub(crate) fn begin_sync(&mut self) -> bool {
        if self.syncing.is_some() {
            self.again = true;
            return false;
        }
        self.syncing = Some(self.records.len());
        true
    }

    /// The running sync is done. Returns whether another one is wanted.
    pub(crate) fn finish_sync(&mut self) -> bool {
        if let Some(upto) = self.syncing.take() {
            self.durable = self.durable.max(upto);
        }
        std::mem::take(&mut self.again)
    }

    /// The process dies. `power` takes what was not synced, except a prefix of it that happened to
    /// reach the disk; else the operating system still has everything. Returns how many are lost.
    pub(crate) fn crash(&mut self, power: bool, random: &mut Random) -> usize {
        let before = self.records.len();
        self.syncing = None;
        self.again = false;
        if power {
            let pending = (self.records.len() - self.durable) as u64;
            let kept = match random.below(4) {
                0 => 0,
                1 => pending,
                _ => random.within(Span::new(0, pending)),
            };
            self.records.truncate(self.durable + kept as usize);
        }
        before - self.records.len()
    }

    /// Everything is made durable at once, as a driver does before it ends.
    pub(crate) fn sync_all(&mut self) {
        self.durable = self.records.len();
    }

    /// The disk is put back to its first `kept` records.
    pub(crate) fn restore(&mut self, kept: usize) {
        self.records.truncate(kept);
        self.durable = kept;
        self.base = kept;
    }

    /// Answers a query as the storage would, from what was written.
    pub(crate) fn query(&self, query: &LogQuery) -> LogFound {
        match *query {
            LogQuery::Batches {
                lane,
                from,
                to,
                bytes_max,
            } => LogFound::Batches(self.batches(lane, from, to, bytes_max)),
            LogQuery::Slots { from, to } => LogFound::Slots {
                first: from,
                values: self.slots(from, to),
            },
        }
    }

    fn batches(
        &self,
        lane: ReplicaId,
        from: Position,
        to: Sequence,
        bytes_max: u64,
    ) -> Vec<Arc<Batch>> {
        let mut found: Vec<Arc<Batch>> = Vec::new();
        let mut next = from;
        let mut bytes = 0;
        for record in &self.records {
            let Record::Batch(batch) = record else {
                continue;
            };
            if batch.lane != lane || batch.position != next || next.sequence > to {
                continue;
            }
            if bytes >= bytes_max && !found.is_empty() {
                break;
            }
            bytes += batch.cost_bytes();
            next.sequence = next.sequence.next();
            found.push(Arc::clone(batch));
        }
        found
    }

    /// The values that the log has for these slots, as far as it has them without gap. The asker
    /// knows them to be decided.
    fn slots(&self, from: Slot, to: Slot) -> Vec<Value> {
        let mut values: Vec<&Value> = Vec::new();
        for record in &self.records {
            match record {
                Record::Adoption {
                    first,
                    values: tail,
                    ..
                } => {
                    values.truncate(first.0 as usize - 1);
                    values.extend(tail);
                }
                Record::Vote { slot, value, .. } => {
                    values.truncate(slot.0 as usize - 1);
                    values.push(value);
                }
                Record::DecidedSlot { slot, value } => {
                    let at = slot.0 as usize - 1;
                    if values.get(at).is_none_or(|known| *known != value) {
                        values.truncate(at);
                        values.push(value);
                    }
                }
                _ => {}
            }
        }
        let end = values.len().min(to.0 as usize);
        let first = (from.0 as usize - 1).min(end);
        values[first..end]
            .iter()
            .map(|value| (*value).clone())
            .collect()
    }
}
