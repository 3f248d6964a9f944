//! The thread that owns the log: one write and one sync for everything that has come since the last.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use spaxos_core::record::Record;
use spaxos_core::types::Lsn;
use spaxos_storage::{Log, LogError};

use crate::counters::Cells;
use crate::ending::Ending;
use crate::error::Fatal;
use crate::inbox::Inbox;
use crate::mailbox::{Mailbox, Taken};

/// Records that are handed over together.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) records: Vec<(Lsn, Record)>,
    /// About how many bytes they take.
    pub(crate) bytes: usize,
    /// Whether they must be durable as soon as possible.
    pub(crate) sync: bool,
}

impl Group {
    pub(crate) fn push(&mut self, lsn: Lsn, record: Record) {
        self.bytes += about_bytes(&record);
        self.records.push((lsn, record));
    }
}

/// What a record takes in the log, but for a few bytes.
fn about_bytes(record: &Record) -> usize {
    const HEAD_BYTES: usize = 128;
    HEAD_BYTES
        + match record {
            Record::Batch(batch) => batch.payload.len(),
            Record::Adoption { values, .. } => values.len() * HEAD_BYTES,
            _ => 0,
        }
}

/// Where records go.
pub(crate) enum LogWriter {
    /// To the thread that owns the log.
    Thread(Arc<Mailbox<Group>>),
    /// Into memory, at once: no other thread is needed where nothing is waited for.
    Memory(Box<MemoryWriter>),
}

/// A log in memory.
pub(crate) struct MemoryWriter {
    log: Log,
    records_before: u64,
    counters: Arc<Cells>,
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogWriter::Thread(_) => "LogWriter::Thread",
            LogWriter::Memory(_) => "LogWriter::Memory",
        })
    }
}

impl LogWriter {
    /// A writer into a log of durability `memory`.
    pub(crate) fn memory(log: Log, records_before: u64, counters: Arc<Cells>) -> LogWriter {
        LogWriter::Memory(Box::new(MemoryWriter {
            log,
            records_before,
            counters,
        }))
    }

    /// Takes a group. Returns the last durable record, if it is known at once.
    pub(crate) fn push(&mut self, group: Group) -> Result<Option<Lsn>, LogError> {
        match self {
            LogWriter::Thread(queue) => {
                // A closed mailbox means that the node has ended; nothing leaves any more.
                drop(queue.push(group));
                Ok(None)
            }
            LogWriter::Memory(writer) => writer.push(&group),
        }
    }

    /// No group follows.
    pub(crate) fn close(&self) {
        if let LogWriter::Thread(queue) = self {
            queue.close();
        }
    }
}

impl MemoryWriter {
    fn push(&mut self, group: &Group) -> Result<Option<Lsn>, LogError> {
        for (lsn, record) in &group.records {
            self.log.append(Lsn(lsn.0 + self.records_before), record)?;
        }
        self.counters.log_records.add(group.records.len() as u64);
        if !group.sync {
            return Ok(None);
        }
        let durable = self.log.commit()?;
        Ok(Some(Lsn(durable.0 - self.records_before)))
    }
}

/// What the log's thread owns and talks to.
pub(crate) struct LogThread {
    pub(crate) log: Log,
    /// How many records this start had appended before the core's first.
    pub(crate) records_before: u64,
    pub(crate) queue: Arc<Mailbox<Group>>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) counters: Arc<Cells>,
    pub(crate) ending: Arc<Ending>,
}

/// After this long without work the log is settled.
const QUIET: Duration = Duration::from_millis(100);

impl LogThread {
    /// Runs until the queue is closed and empty, or a write or sync fails: that ends the node, and
    /// nothing that waited for it ever leaves.
    pub(crate) fn run(mut self) {
        if let Err(error) = self.serve() {
            self.ending.fail(Fatal::Storage {
                reason: error.to_string(),
            });
        }
    }

    fn serve(&mut self) -> Result<(), LogError> {
        let mut groups = Vec::new();
        let mut settled = false;
        loop {
            self.prepare()?;
            let quiet = (!settled).then_some(QUIET);
            match self.queue.take_within(&mut groups, quiet) {
                Taken::Items => {
                    self.write(&mut groups)?;
                    settled = false;
                }
                Taken::Nothing => {
                    self.log.settle()?;
                    settled = true;
                }
                Taken::Closed => {
                    self.log.settle()?;
                    return Ok(());
                }
            }
        }
    }

    fn write(&mut self, groups: &mut Vec<Group>) -> Result<(), LogError> {
        let mut sync = false;
        for group in groups.drain(..) {
            for (lsn, record) in &group.records {
                self.log.append(Lsn(lsn.0 + self.records_before), record)?;
            }
            self.counters.log_records.add(group.records.len() as u64);
            sync |= group.sync;
        }
        if sync {
            let durable = self.log.commit()?;
            self.inbox.durable(Lsn(durable.0 - self.records_before));
            self.counters.syncs.add(1);
            self.counters.log_bytes.set(self.log.status().used_bytes);
        }
        Ok(())
    }

    /// Works ahead in small steps while nothing else is to be done.
    fn prepare(&mut self) -> Result<(), LogError> {
        while self.queue.is_empty() {
            match self.log.prepare() {
                Ok(true) => {}
                Ok(false) => break,
                Err(LogError::DiskFull(error)) => {
                    tracing::warn!(%error, "no space for the next part of the log");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
