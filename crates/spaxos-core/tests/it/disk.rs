//! One member of a scripted cluster: the replica while it runs, and its disk.

use std::collections::BTreeMap;

use spaxos_core::effect::{Execution, LogFound, LogQuery};
use spaxos_core::message::Message;
use spaxos_core::record::Record;
use spaxos_core::replica::Replica;
use spaxos_core::types::{LogTime, Lsn, Slot};

/// One member: the replica while it runs, and its disk.
#[derive(Default)]
pub(crate) struct Node {
    pub(crate) replica: Option<Replica>,
    /// All records, of all lives; those at or above `synced` are not durable.
    pub(crate) records: Vec<Record>,
    pub(crate) synced: usize,
    /// How many records there were when this life began: record `lsn` is at `base + lsn - 1`.
    pub(crate) base: usize,
    /// Whether a sync was asked for and has not been made.
    pub(crate) sync_asked: bool,
    /// A disk that hangs makes no sync.
    pub(crate) hangs: bool,
    /// What leaves once its record is durable.
    pub(crate) outbox: Vec<(Vec<u64>, Message, Lsn)>,
    pub(crate) executed: Vec<Execution>,
    pub(crate) next_ticket: u64,
    /// When the state machine wants to see time pass.
    pub(crate) next_expiry: Option<LogTime>,
    /// A state machine that is busy says nothing of what it has executed.
    pub(crate) busy: bool,
    /// Another process with the same member id, with a disk of its own.
    pub(crate) twin: Option<Box<Node>>,
}

impl Node {
    /// Stops the process: of what is not durable the first `keep` records survive.
    pub(crate) fn stop(&mut self, keep: usize) {
        self.replica = None;
        self.sync_asked = false;
        self.hangs = false;
        self.busy = false;
        self.outbox.clear();
        self.records.truncate(self.synced + keep);
        self.synced = self.records.len();
    }

    /// A stopped process with the durable part of this one's disk.
    pub(crate) fn copy_of_disk(&self) -> Node {
        Node {
            records: self.records[..self.synced].to_vec(),
            synced: self.synced,
            ..Node::default()
        }
    }

    /// The last record of this life that is durable.
    pub(crate) fn durable(&self) -> Lsn {
        Lsn(self.synced.saturating_sub(self.base) as u64)
    }

    /// Takes out the messages that may leave.
    pub(crate) fn take_ready(&mut self) -> Vec<(Vec<u64>, Message, Lsn)> {
        let durable = self.durable();
        let (ready, waiting) = std::mem::take(&mut self.outbox)
            .into_iter()
            .partition(|(_, _, after)| *after <= durable);
        self.outbox = waiting;
        ready
    }

    /// What a driver would find in the log.
    pub(crate) fn read_log(&self, query: LogQuery) -> LogFound {
        match query {
            LogQuery::Batches { lane, from, to, .. } => {
                let batches = self.records.iter().filter_map(|record| match record {
                    Record::Batch(batch) if batch.lane == lane => Some(batch),
                    _ => None,
                });
                let wanted = batches.filter(|batch| {
                    batch.position.incarnation == from.incarnation
                        && batch.position >= from
                        && batch.position.sequence <= to
                });
                LogFound::Batches(wanted.cloned().collect())
            }
            LogQuery::Slots { from, to } => {
                let mut values = BTreeMap::new();
                for record in &self.records {
                    match record {
                        Record::Adoption {
                            first,
                            values: tail,
                            ..
                        } => {
                            values.split_off(first);
                            values.extend((first.0..).map(Slot).zip(tail.iter().cloned()));
                        }
                        Record::Vote { slot, value, .. } | Record::DecidedSlot { slot, value } => {
                            values.insert(*slot, value.clone());
                        }
                        _ => {}
                    }
                }
                let found = values.range(from..=to).map(|(_, value)| value.clone());
                LogFound::Slots {
                    first: from,
                    values: found.collect(),
                }
            }
        }
    }
}
