//! The log as its thread sees it.
//!
//! Records are appended in memory and reach the disk in groups. The loop of the thread that owns a
//! log: take what has arrived, [`Log::append`] each record, [`Log::commit`] once, report the number it
//! returns; with nothing to do, [`Log::prepare`] while it says that there is more, and [`Log::settle`]
//! once. Under load a step of `prepare` between two commits costs less than what it saves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spaxos_core::record::Record;
use spaxos_core::types::Lsn;

use crate::directory::Identity;
use crate::disk::Disk;
use crate::error::{LogError, OpenError};
use crate::memory_log::MemoryLog;
use crate::options::{Durability, LogOptions};
use crate::planted::planted;
use crate::reader::LogReader;
use crate::recover;
use crate::replay::Replay;
use crate::segment_log::SegmentLog;

/// A replica's write-ahead log.
///
/// The first call that fails is the last that reaches the disk: all later ones return the same error.
/// The only exception is a full disk in [`Log::prepare`], which leaves everything as it was.
pub struct Log {
    backend: Backend,
    failed: Option<LogError>,
}

enum Backend {
    Disk(Box<SegmentLog>),
    Memory {
        log: Arc<Mutex<MemoryLog>>,
        appended: Lsn,
    },
}

/// How large a log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStatus {
    /// Bytes that hold records, frames and padding included.
    pub used_bytes: u64,
    /// The number of segments that hold them.
    pub segments: usize,
    /// The number of the first of them, and of the last; zero in durability `memory`.
    pub segment_numbers: (u32, u32),
    /// Bytes appended and not written.
    pub pending_bytes: usize,
}

impl Log {
    /// Opens the log of the data directory that `identity` was read from, and finds its end: what a
    /// crash has torn is left out, damage is an error. Nothing that the returned replay yields can be
    /// lost any more. The replay must be read to its end before the first append.
    ///
    /// With durability `memory` nothing is read or written.
    ///
    /// # Errors
    /// See [`OpenError`]. Damage further back shows during the replay.
    pub fn open(
        disk: Arc<dyn Disk>,
        identity: &Identity,
        options: LogOptions,
    ) -> Result<(Log, Replay), OpenError> {
        if options.durability == Durability::Memory {
            return Ok((Log::memory(options), Replay::nothing()));
        }
        let (log, replay) = recover::open(disk, identity, options)?;
        let log = Log {
            backend: Backend::Disk(Box::new(log)),
            failed: None,
        };
        Ok((log, replay))
    }

    /// A log in memory: of durability `memory`, whatever the options say, without a directory.
    #[must_use]
    pub fn memory(options: LogOptions) -> Log {
        let log = MemoryLog::new(options.memory_bytes_max, options.query_slots_max);
        Log {
            backend: Backend::Memory {
                log: Arc::new(Mutex::new(log)),
                appended: Lsn(0),
            },
            failed: None,
        }
    }

    /// Appends a record. It is written with the next commit at the latest; it is durable when a commit
    /// returns a number that is not lower than `lsn`.
    ///
    /// # Errors
    /// [`LogError::RecordTooLarge`], or a write that failed, since many pending records are written
    /// early; both are final.
    ///
    /// # Panics
    /// If `lsn` is not one more than the last, or the replay was not read to its end.
    pub fn append(&mut self, lsn: Lsn, record: &Record) -> Result<(), LogError> {
        self.check_alive()?;
        let result = match &mut self.backend {
            Backend::Disk(log) => log.append(lsn, record),
            Backend::Memory { log, appended } => {
                assert_eq!(lsn, appended.next(), "records are numbered without gap");
                *appended = lsn;
                lock(log).append(record);
                Ok(())
            }
        };
        self.remember(result)
    }

    /// Makes everything appended as durable as the mode demands, and returns the number of the last
    /// durable record. In mode `os` a life is synced all the same.
    ///
    /// # Errors
    /// A failed write or sync; final.
    pub fn commit(&mut self) -> Result<Lsn, LogError> {
        self.on_disk(SegmentLog::commit)
    }

    /// Writes and syncs everything appended, in any mode, and returns the number of the last record.
    ///
    /// # Errors
    /// A failed write or sync; final.
    pub fn sync(&mut self) -> Result<Lsn, LogError> {
        self.on_disk(SegmentLog::sync)
    }

    /// Writes everything appended without a sync, and returns the number of the last record that is as
    /// durable as the mode demands: in mode `fsync` that of the last sync.
    ///
    /// # Errors
    /// A failed write; final.
    pub fn write(&mut self) -> Result<Lsn, LogError> {
        self.on_disk(SegmentLog::write)
    }

    /// Commits, and lets the disk say so: if the last group goes bad later, the next start then knows
    /// that it is damaged and not torn. Costs one more small sync, or nothing if nothing was appended
    /// since the last call. For moments without work, and before a shutdown.
    ///
    /// # Errors
    /// A failed write or sync; final.
    pub fn settle(&mut self) -> Result<Lsn, LogError> {
        self.on_disk(SegmentLog::settle)
    }

    /// Does one small step of work ahead of use, as long as one sync at most: writes zeros where the
    /// log will be, or makes the next segment once the present one is half full. Returns whether there
    /// may be more to do.
    ///
    /// # Errors
    /// [`LogError::DiskFull`], which is not final: the present segment goes on, and the next call tries
    /// again. Everything else is.
    pub fn prepare(&mut self) -> Result<bool, LogError> {
        self.check_alive()?;
        let result = match &mut self.backend {
            Backend::Disk(log) => log.prepare(),
            Backend::Memory { .. } => Ok(false),
        };
        match result {
            Err(LogError::DiskFull(_)) => result,
            result => self.remember(result),
        }
    }

    /// Gives up all segments with numbers below `first`: their records are needed by nobody any more.
    /// The present segment always stays.
    ///
    /// # Errors
    /// A failed write, sync or rename; final.
    pub fn trim(&mut self, first: u32) -> Result<(), LogError> {
        self.on_disk(|log| {
            log.trim(first)?;
            Ok(log.committed())
        })?;
        Ok(())
    }

    /// A reader for any other thread.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        match &self.backend {
            Backend::Disk(log) => LogReader::of_disk(Arc::clone(&log.shared)),
            Backend::Memory { log, .. } => LogReader::of_memory(Arc::clone(log)),
        }
    }

    /// How large the log is.
    #[must_use]
    pub fn status(&self) -> LogStatus {
        match &self.backend {
            Backend::Disk(log) => {
                let state = log.shared.lock();
                let number = |entry: Option<(&u32, &u64)>| entry.map_or(0, |entry| *entry.0);
                LogStatus {
                    used_bytes: state.segments.values().sum(),
                    segments: state.segments.len(),
                    segment_numbers: (
                        number(state.segments.first_key_value()),
                        number(state.segments.last_key_value()),
                    ),
                    pending_bytes: log.pending_bytes(),
                }
            }
            Backend::Memory { log, .. } => LogStatus {
                used_bytes: lock(log).bytes(),
                ..LogStatus::default()
            },
        }
    }

    /// The error that ended this log, if one has.
    #[must_use]
    pub fn failure(&self) -> Option<&LogError> {
        self.failed.as_ref()
    }

    fn on_disk(
        &mut self,
        call: impl FnOnce(&mut SegmentLog) -> Result<Lsn, LogError>,
    ) -> Result<Lsn, LogError> {
        self.check_alive()?;
        let result = match &mut self.backend {
            Backend::Disk(log) => call(log),
            Backend::Memory { appended, .. } => Ok(*appended),
        };
        self.remember(result)
    }

    fn check_alive(&self) -> Result<(), LogError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    fn remember<T>(&mut self, result: Result<T, LogError>) -> Result<T, LogError> {
        if let Err(error) = &result {
            self.failed = Some(error.clone()).filter(|_| !planted!(FailureForgotten));
        }
        result
    }
}

fn lock(log: &Mutex<MemoryLog>) -> MutexGuard<'_, MemoryLog> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
