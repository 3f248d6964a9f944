//! A replica's log in a small world: records, how many of them are durable, and what they amount to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use spaxos_core::batch::Batch;
use spaxos_core::cut::Value;
use spaxos_core::effect::{LogFound, LogQuery};
use spaxos_core::record::{Life, Record};
use spaxos_core::types::{Ballot, Incarnation, Lsn, Position, ReplicaId, Sequence, Slot};

use crate::violation::{Checked, ensure};

/// All records of a replica, oldest first. Survives the process, as far as it is durable.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    records: Vec<Arc<Record>>,
    durable: usize,
    /// This many records were there when the present life began: record numbers count from here.
    base: usize,
    /// Syncs under way: each makes so many records durable.
    syncs: VecDeque<usize>,
}

/// What the durable records amount to.
#[derive(Clone, Debug, Default)]
pub(super) struct Durable {
    /// The highest ballot of any promise or adoption.
    pub(super) promised: Ballot,
    /// All ballots that were promised.
    pub(super) promises: Vec<Ballot>,
    pub(super) adopted: Ballot,
    /// Whether the log is the adopted ballot's to its end.
    pub(super) is_adopted: bool,
    /// The log, from slot 1 on.
    pub(super) log: Vec<Value>,
    /// Up to where was voted, per ballot.
    pub(super) votes: BTreeMap<Ballot, Slot>,
    /// Per lane and incarnation the last batch.
    pub(super) held: BTreeMap<(ReplicaId, Incarnation), Sequence>,
}

impl Disk {
    /// Appends a record that the replica numbered.
    pub(super) fn append(&mut self, lsn: Lsn, record: Record) -> Checked {
        let expected = Lsn((self.records.len() - self.base) as u64 + 1);
        ensure(lsn == expected, "log", || {
            format!("record {lsn} is appended where {expected} is next")
        })?;
        self.records.push(Arc::new(record));
        Ok(())
    }

    /// A sync of everything appended so far begins.
    pub(super) fn sync(&mut self) {
        self.syncs.push_back(self.records.len());
    }

    pub(super) fn is_syncing(&self) -> bool {
        !self.syncs.is_empty()
    }

    /// The oldest sync is done.
    pub(super) fn finish_sync(&mut self) -> Option<Lsn> {
        let durable = self.syncs.pop_front()?;
        self.durable = self.durable.max(durable);
        Some(self.durable_lsn())
    }

    /// The number of the last durable record of this life.
    pub(super) fn durable_lsn(&self) -> Lsn {
        Lsn(self.durable.saturating_sub(self.base) as u64)
    }

    /// Whether a batch was written, durable or not.
    pub(super) fn has(&self, batch: &Batch) -> bool {
        let same = |known: &Batch| known.lane == batch.lane && known.position == batch.position;
        let mut records = self.records.iter();
        records.any(|record| matches!(&**record, Record::Batch(known) if same(known)))
    }

    /// What is found in the log, written or durable.
    pub(super) fn query(&self, query: &LogQuery) -> LogFound {
        match *query {
            LogQuery::Batches { lane, from, to, .. } => {
                LogFound::Batches(self.batches(lane, from, to))
            }
            LogQuery::Slots { from, to } => {
                let mut all = Durable::default();
                self.records.iter().for_each(|record| all.take(record));
                let end = all.log.len().min(index(to.next()).unwrap_or(0));
                let values = all.log.get(index(from).unwrap_or(end)..end);
                let values = values.unwrap_or_default().to_vec();
                LogFound::Slots {
                    first: from,
                    values,
                }
            }
        }
    }

    fn batches(&self, lane: ReplicaId, from: Position, to: Sequence) -> Vec<Arc<Batch>> {
        let mut found: Vec<Arc<Batch>> = Vec::new();
        let mut next = from;
        for record in &self.records {
            if let Record::Batch(batch) = &**record
                && (batch.lane, batch.position) == (lane, next)
                && next.sequence <= to
            {
                found.push(Arc::clone(batch));
                next.sequence = next.sequence.next();
            }
        }
        found
    }

    /// How many records would be lost if nothing of them had reached the disk.
    pub(super) fn at_risk(&self) -> usize {
        self.records.len() - self.durable
    }

    /// The process dies; `kept` of the records that were not durable had reached the disk.
    pub(super) fn crash(&mut self, kept: usize) {
        self.syncs.clear();
        self.durable += kept;
        self.records.truncate(self.durable);
    }

    /// A life begins: everything is durable, its own record too, and numbers start anew.
    pub(super) fn begin_life(&mut self, life: Life) {
        self.records.push(Arc::new(Record::Incarnation(life)));
        self.durable = self.records.len();
        self.base = self.records.len();
    }

    /// The records that are found after a crash that kept `kept` of those at risk.
    pub(super) fn found(&self, kept: usize) -> &[Arc<Record>] {
        &self.records[..self.durable + kept]
    }

    /// The records behind those that `before` had, or all of this life if it is a later one.
    pub(super) fn written_since<'a>(
        &'a self,
        before: &'a Disk,
    ) -> impl Iterator<Item = &'a Record> {
        let kept = self.records.iter().zip(&before.records);
        let kept = kept
            .take_while(|(now, before)| Arc::ptr_eq(now, before))
            .count();
        self.records[kept..].iter().map(|record| &**record)
    }

    /// The syncs under way, as how many of the records at risk each makes durable.
    pub(super) fn pending_syncs(&self) -> impl Iterator<Item = usize> {
        self.syncs
            .iter()
            .map(|end| end.saturating_sub(self.durable))
    }

    /// What the durable records amount to.
    pub(super) fn durable(&self) -> Durable {
        let mut durable = Durable::default();
        for record in self.found(0) {
            durable.take(record);
        }
        durable
    }
}

impl Durable {
    fn take(&mut self, record: &Record) {
        match record {
            Record::Promise { ballot } => {
                self.promised = self.promised.max(*ballot);
                self.promises.push(*ballot);
            }
            Record::Adoption {
                ballot,
                first,
                values,
            } => {
                self.promised = self.promised.max(*ballot);
                self.adopted = *ballot;
                self.is_adopted = true;
                self.truncate_before(*first);
                self.log.extend(values.iter().cloned());
                self.note_vote();
            }
            Record::Vote { slot, value, .. } => {
                self.truncate_before(*slot);
                self.log.push(value.clone());
                self.note_vote();
            }
            Record::DecidedSlot { slot, value } => {
                let known = index(*slot).and_then(|at| self.log.get(at));
                if known != Some(value) {
                    self.truncate_before(*slot);
                    self.log.push(value.clone());
                    self.is_adopted = false;
                }
                // A later vote for this slot finds its value here and writes no record.
                self.note_vote();
            }
            Record::Batch(batch) => {
                let lane = (batch.lane, batch.position.incarnation);
                self.held.insert(lane, batch.position.sequence);
            }
            Record::Incarnation(_) | Record::Decided { .. } | Record::Greeting { .. } => {}
        }
    }

    fn note_vote(&mut self) {
        let last = Slot(self.log.len() as u64);
        let vote = self.votes.entry(self.adopted).or_default();
        *vote = last.max(*vote);
    }

    fn truncate_before(&mut self, slot: Slot) {
        self.log.truncate(index(slot).unwrap_or(0));
    }
}

/// Where a slot stands in a list that begins with slot 1.
fn index(slot: Slot) -> Option<usize> {
    usize::try_from(slot.0.checked_sub(1)?).ok()
}
