//! A replica's log: the list of what its process appended, as the world knows it, above the real log on
//! its disk. What a start finds is compared with the list.

use spaxos_core::effect::{LogFound, LogQuery};
use spaxos_core::record::Record;
use spaxos_core::types::{Lsn, ReplicaId};
use spaxos_storage::LogOptions;

use crate::random::Random;
use crate::store::{Damage, Failure, Store};
use crate::violation::{Checked, Violation, ensure};

const NAME: &str = "log";

/// All records of a replica's log, oldest first. Survives its process.
#[derive(Debug)]
pub(crate) struct SimLog {
    records: Vec<Record>,
    /// This many records were handed to the disk: they survive any crash.
    durable: usize,
    /// The process knows of this many that they are durable.
    told: usize,
    /// This many records were there when the present life began: `Lsn` counts from here.
    base: usize,
    /// The sync that is running makes this many records durable.
    syncing: Option<usize>,
    /// Another sync was asked for while one was running.
    again: bool,
    store: Store,
}

/// How a start went.
#[derive(Debug)]
pub(crate) enum Opening {
    /// This many of the records that the last process appended are gone.
    Open { lost: usize },
    /// The disk does not let it.
    Failed(Failure),
}

impl SimLog {
    pub(crate) fn new(member: ReplicaId, options: LogOptions) -> SimLog {
        SimLog {
            records: Vec::new(),
            durable: 0,
            told: 0,
            base: 0,
            syncing: None,
            again: false,
            store: Store::new(member, options),
        }
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) fn durable(&self) -> usize {
        self.durable
    }

    /// The number of the last record of this life that the process knows to be durable.
    pub(crate) fn durable_lsn(&self) -> Lsn {
        Lsn(self.told.saturating_sub(self.base) as u64)
    }

    pub(crate) fn is_syncing(&self) -> bool {
        self.syncing.is_some()
    }

    /// Opens the real log, and takes over what it has kept: at least what was durable, and nothing
    /// but what was appended.
    pub(crate) fn open(&mut self) -> Checked<Opening> {
        let found = match self.store.open() {
            Ok(found) => found,
            Err(failure) => return Ok(Opening::Failed(failure)),
        };
        let kept = found.len();
        ensure(kept >= self.durable, NAME, || {
            format!(
                "{} records were durable, a start finds {kept}",
                self.durable
            )
        })?;
        ensure(self.records.starts_with(&found), NAME, || {
            let both = self.records.iter().zip(&found).enumerate();
            let differs = both.into_iter().find(|(_, (ours, theirs))| ours != theirs);
            format!("a start finds {kept} records, one that was never appended so: {differs:?}")
        })?;
        let lost = self.records.len() - kept;
        self.records.truncate(kept);
        self.durable = kept;
        Ok(Opening::Open { lost })
    }

    /// Appends a record that the replica numbered.
    pub(crate) fn append(&mut self, lsn: Lsn, record: Record) -> Checked {
        let expected = Lsn((self.records.len() - self.base) as u64 + 1);
        ensure(lsn == expected, NAME, || {
            format!("record {lsn} is appended where {expected} is next")
        })?;
        self.records.push(record);
        Ok(())
    }

    /// Appends the record that begins a life; the caller then waits for [`SimLog::begin_life`].
    pub(crate) fn append_life(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Makes the new life durable: numbers start anew.
    pub(crate) fn begin_life(&mut self) -> Result<(), Failure> {
        self.store.commit(&self.records[self.records.len() - 1..])?;
        self.durable = self.records.len();
        self.told = self.durable;
        self.base = self.durable;
        Ok(())
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
    pub(crate) fn finish_sync(&mut self) -> Result<bool, Failure> {
        if let Some(upto) = self.syncing.take() {
            let upto = upto.max(self.durable);
            self.store.commit(&self.records[self.durable..upto])?;
            self.durable = upto;
            self.told = upto;
        }
        Ok(std::mem::take(&mut self.again))
    }

    /// Does what the log's thread does between groups.
    pub(crate) fn work_ahead(&mut self) -> Result<(), Failure> {
        self.store.work_ahead()
    }

    /// Does what the log's thread does after a while without work: all is made durable, and the disk is
    /// told so. The process does not hear of it.
    pub(crate) fn settle(&mut self) -> Result<(), Failure> {
        self.sync_all()?;
        self.store.settle()
    }

    /// The process dies. `power` takes what was not synced, except what happened to reach the disk;
    /// else the operating system still has what was written. How much that is, the next start finds.
    pub(crate) fn die(&mut self, power: bool, random: &mut Random) {
        self.syncing = None;
        self.again = false;
        let pending = &self.records[self.durable..];
        self.store.die(pending, power, random);
    }

    /// Everything is made durable at once, as a driver does before it ends.
    pub(crate) fn sync_all(&mut self) -> Result<(), Failure> {
        self.store.commit(&self.records[self.durable..])?;
        self.durable = self.records.len();
        Ok(())
    }

    /// The disk is put back to its first `kept` records.
    pub(crate) fn restore(&mut self, kept: usize) -> Checked {
        self.records.truncate(kept);
        self.durable = kept;
        self.base = kept;
        let restored = self.store.restore(&self.records);
        restored.map_err(|failure| Violation::new(NAME, format!("a good disk fails: {failure:?}")))
    }

    /// Answers a query of a peer that lags.
    pub(crate) fn query(&self, query: &LogQuery) -> Result<LogFound, Failure> {
        self.store.read(query)
    }

    /// The next start dies inside one of its calls to the disk.
    pub(crate) fn die_in_start(&mut self, random: &mut Random) {
        self.store.die_in_start(random);
    }

    /// See [`Store::fail_write`].
    pub(crate) fn fail_write(&mut self, random: &mut Random) {
        self.store.fail_write(random);
    }

    /// See [`Store::fail_read`].
    pub(crate) fn fail_read(&mut self, random: &mut Random) {
        self.store.fail_read(random);
    }

    /// See [`Store::heal`].
    pub(crate) fn heal(&mut self) {
        self.store.heal();
    }

    /// See [`Store::limit_room`].
    pub(crate) fn limit_room(&mut self, bytes: u64) {
        self.store.limit_room(bytes);
    }

    /// See [`Store::damage`].
    pub(crate) fn damage(&mut self, kind: Damage, random: &mut Random) -> Result<String, Failure> {
        self.store.damage(kind, random)
    }
}
