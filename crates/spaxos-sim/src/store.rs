//! A replica's real log, on a disk in memory that fails as real ones do.
//!
//! The world decides when a group of records reaches the disk; this module hands it to the log of
//! `spaxos-storage` and lets the disk die, tear, fail or rot at a drawn operation.

use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;

use spaxos_core::effect::{LogFound, LogQuery};
use spaxos_core::record::Record;
use spaxos_core::types::{Lsn, ReplicaId};
use spaxos_storage::{
    BLOCK_BYTES, DirectoryError, DirectoryOptions, Disk as _, Durability, Fault, Log, LogError,
    LogOptions, LogReader, MemoryDisk, OpenError, ReadError, open_directory,
};

use crate::random::{Random, Span};

/// Why a log went no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Bytes are not what was written: the member is lost.
    Damage(String),
    /// The disk failed: another start may do.
    Disk(String),
    /// The disk is full: another start will do once there is room.
    Full(String),
}

/// A data directory, and the log in it if a process has it open.
pub(crate) struct Store {
    disk: MemoryDisk,
    member: ReplicaId,
    options: LogOptions,
    log: Option<Log>,
    reader: Option<LogReader>,
    /// The number of the last record handed to the open log.
    appended: Lsn,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("member", &self.member)
            .field("appended", &self.appended)
            .finish_non_exhaustive()
    }
}

/// A crash may hit one of that many calls to the disk; later ones are not reached by most commits.
const STEPS_MAX: u64 = 4;
/// A start makes about that many calls.
const START_STEPS_MAX: u64 = 12;
/// The cluster's id, which no run varies.
const CLUSTER: u64 = 1;

impl Store {
    pub(crate) fn new(member: ReplicaId, options: LogOptions) -> Store {
        Store {
            disk: MemoryDisk::new(),
            member,
            options,
            log: None,
            reader: None,
            appended: Lsn(0),
        }
    }

    /// Opens the log as every start does, and returns all its records.
    pub(crate) fn open(&mut self) -> Result<Vec<Record>, Failure> {
        let options = DirectoryOptions {
            cluster_id: CLUSTER,
            member_id: self.member,
            fresh_disk_id: self.member.0,
            durability: Durability::Fsync,
            boot_id: None,
        };
        let identity = open_directory(&self.disk, &options)?;
        let (log, replay) = Log::open(Arc::new(self.disk.clone()), &identity, self.options)?;
        let records: Result<Vec<Record>, ReadError> = replay.collect();
        let records = records?;
        self.reader = Some(log.reader());
        self.log = Some(log);
        self.appended = Lsn(0);
        Ok(records)
    }

    /// Makes records durable, in one group.
    pub(crate) fn commit(&mut self, records: &[Record]) -> Result<(), Failure> {
        self.append(records)?;
        if let Some(log) = &mut self.log {
            log.commit()?;
        }
        Ok(())
    }

    /// Does a little of what the log's thread does between groups.
    pub(crate) fn work_ahead(&mut self) -> Result<(), Failure> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        match log.prepare() {
            // The present segment goes on.
            Ok(_) | Err(LogError::DiskFull(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the disk say that what was written is whole.
    pub(crate) fn settle(&mut self) -> Result<(), Failure> {
        if let Some(log) = &mut self.log {
            log.settle()?;
        }
        Ok(())
    }

    fn append(&mut self, records: &[Record]) -> Result<(), Failure> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        for record in records {
            self.appended = self.appended.next();
            log.append(self.appended, record)?;
        }
        Ok(())
    }

    /// The process dies while a part of `pending` may be on its way to the disk; with the power goes
    /// what the disk has not got, in any subset of its blocks.
    pub(crate) fn die(&mut self, pending: &[Record], power: bool, random: &mut Random) {
        let begun = random.coin();
        if begun && self.log.is_some() {
            let handed = random.within(Span::new(0, pending.len() as u64)) as usize;
            let step = self.disk.operations() + random.within(Span::new(1, STEPS_MAX));
            self.disk.fail_at(step, Fault::Stop);
            // Whether it comes back with an error or not: nobody is left to hear of it.
            let _unheard = self.commit(&pending[..handed]);
        }
        self.close();
        if power {
            self.disk.crash(random.number());
        } else {
            self.disk.restart();
        }
    }

    fn close(&mut self) {
        self.log = None;
        self.reader = None;
    }

    /// Answers a query of a peer that lags.
    pub(crate) fn read(&self, query: &LogQuery) -> Result<LogFound, Failure> {
        let Some(reader) = &self.reader else {
            return Err(Failure::Disk("the log is closed".to_owned()));
        };
        Ok(reader.read(query)?)
    }

    /// Puts the disk back to a time when it had these records and no more: none at all if there are no
    /// records, as a new disk.
    pub(crate) fn restore(&mut self, records: &[Record]) -> Result<(), Failure> {
        self.close();
        self.disk = MemoryDisk::new();
        if records.is_empty() {
            return Ok(());
        }
        self.open()?;
        self.commit(records)?;
        self.close();
        Ok(())
    }

    /// The machine dies in one of the next calls of a start.
    pub(crate) fn die_in_start(&mut self, random: &mut Random) {
        let step = self.disk.operations() + random.within(Span::new(1, START_STEPS_MAX));
        self.disk.fail_at(step, Fault::Stop);
    }

    /// One of the next calls that change something fails, and nothing else.
    pub(crate) fn fail_write(&mut self, random: &mut Random) {
        let step = self.disk.operations() + random.within(Span::new(1, STEPS_MAX));
        self.disk.fail_at(step, Fault::Error(ErrorKind::Other));
    }

    /// One of the next reads fails.
    pub(crate) fn fail_read(&mut self, random: &mut Random) {
        self.disk.fail_read_after(random.below(STEPS_MAX));
    }

    /// What might still befall the disk does not happen.
    pub(crate) fn heal(&mut self) {
        self.disk.heal();
    }

    /// The disk has room for this much more from now on.
    pub(crate) fn limit_room(&mut self, bytes: u64) {
        let used = self.disk.used_bytes();
        self.disk.limit_bytes(used.saturating_add(bytes));
    }

    /// Lets the disk go bad in one place whose content was synced and is claimed by what was synced
    /// behind it, so that it must be noticed. Says where.
    pub(crate) fn damage(&mut self, kind: Damage, random: &mut Random) -> Result<String, Failure> {
        self.settle()?;
        let mut names = self.disk.list().unwrap_or_default();
        names.sort_unstable();
        let file = |random: &mut Random| {
            let name = names[random.index(names.len())].clone();
            let content = self.disk.content(&name).unwrap_or_default();
            (name, content)
        };
        let (name, content) = file(random);
        let block = random.index(content.len().div_ceil(BLOCK_BYTES).max(1)) * BLOCK_BYTES;
        let data = match kind {
            Damage::Flip => {
                let at = random.index(content.len().max(1));
                let byte = content.get(at).copied().unwrap_or(0);
                let data = [byte ^ (1 << random.below(8))];
                self.disk.overwrite(&name, at, &data);
                return Ok(format!("{name} at byte {at}"));
            }
            Damage::Misdirected => {
                let (_, other) = file(random);
                let from = random.index(other.len().div_ceil(BLOCK_BYTES).max(1)) * BLOCK_BYTES;
                block_of(&other, from).to_vec()
            }
            Damage::Stale => vec![0; BLOCK_BYTES],
        };
        self.disk.overwrite(&name, block, &data);
        Ok(format!("{name} at block {}", block / BLOCK_BYTES))
    }
}

/// How a disk goes bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// A bit turns over.
    Flip,
    /// A block holds what was meant for another place.
    Misdirected,
    /// A block holds what it held before it was written.
    Stale,
}

fn block_of(content: &[u8], from: usize) -> &[u8] {
    &content[from.min(content.len())..(from + BLOCK_BYTES).min(content.len())]
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Failure {
        match error {
            DirectoryError::Io(failure) if failure.is_disk_full() => {
                Failure::Full(failure.to_string())
            }
            DirectoryError::Io(_) => Failure::Disk(error.to_string()),
            _ => Failure::Damage(error.to_string()),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        match error {
            OpenError::Damage(_) => Failure::Damage(error.to_string()),
            OpenError::DiskFull(_) => Failure::Full(error.to_string()),
            _ => Failure::Disk(error.to_string()),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Failure {
        match error {
            ReadError::Damage(_) => Failure::Damage(error.to_string()),
            ReadError::Io(_) => Failure::Disk(error.to_string()),
        }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Failure {
        match error {
            LogError::DiskFull(_) => Failure::Full(error.to_string()),
            _ => Failure::Disk(error.to_string()),
        }
    }
}
