//! What happens before a replica says anything: the log is opened and replayed, what is decided is
//! executed, and a new life is made durable.

use std::sync::Arc;

use spaxos_core::config::Config;
use spaxos_core::record::{Life, Record};
use spaxos_core::recovery::{Recovered, Recovery};
use spaxos_core::sessions::SessionLimits;
use spaxos_core::types::{LaneMap, Lsn, ReplicaId};
use spaxos_storage::{
    DirectoryOptions, Disk, Durability, FileDisk, Identity, Log, LogOptions, LogReader, MemoryDisk,
    open_directory,
};

use crate::error::{StartError, StorageError};
use crate::executor::{Executor, NoAnswers};
use crate::options::Options;
use crate::random;
use crate::state_machine::StateMachine;

/// What the replay of a log needs to know.
pub(crate) struct Storage {
    cluster_id: u64,
    config: Config,
    session_limits: SessionLimits,
    durability: Durability,
    data_dir: std::path::PathBuf,
    disk: Option<Arc<dyn Disk>>,
}

/// A replica's state as its log has it, in a new life.
pub(crate) struct Opened {
    pub(crate) log: Log,
    pub(crate) reader: LogReader,
    pub(crate) disk_id: u64,
    pub(crate) recovered: Recovered,
    pub(crate) executor: Executor,
    pub(crate) life: Life,
    /// The lives of other members that the log remembers.
    pub(crate) others: LaneMap<Life>,
}

impl Storage {
    pub(crate) fn new(options: &Options) -> Storage {
        Storage {
            cluster_id: options.cluster_id,
            config: options.core_config(),
            session_limits: options.session_limits,
            durability: options.durability,
            data_dir: options.data_dir.clone(),
            disk: options.disk.clone(),
        }
    }

    /// Opens, replays, begins a life. Blocks, for as long as the log is long.
    pub(crate) fn open(self, machine: Box<dyn StateMachine>) -> Result<Opened, StartError> {
        let disk = self.disk()?;
        let identity = self.open_directory(disk.as_ref())?;
        let (mut log, replay) =
            Log::open(disk, &identity, self.log_options()).map_err(StorageError::Open)?;
        let mut recovery = Recovery::new(&self.config);
        let mut executor = Executor::new(machine, self.session_limits);
        let mut others = LaneMap::default();
        let mut records = 0_u64;
        for record in replay {
            let record = record.map_err(|error| StorageError::Open(error.into()))?;
            if let Record::Greeting { member, life } = &record {
                others.insert(*member, *life);
            }
            for execution in recovery.replay(record) {
                executor.execute(&execution, &mut NoAnswers);
            }
            records += 1;
        }
        let life = next_life(recovery.last_life())?;
        log.append(Lsn(RECORDS_BEFORE), &Record::Incarnation(life))
            .and_then(|()| log.sync())
            .map_err(|error| StorageError::Open(error.into()))?;
        tracing::info!(
            records,
            executed = executor.executed().0,
            incarnation = life.incarnation.0,
            "the log is replayed"
        );
        Ok(Opened {
            reader: log.reader(),
            log,
            disk_id: identity.disk_id,
            recovered: recovery.finish(life),
            executor,
            life,
            others,
        })
    }

    fn disk(&self) -> Result<Arc<dyn Disk>, StartError> {
        if let Some(disk) = &self.disk {
            return Ok(Arc::clone(disk));
        }
        if self.durability == Durability::Memory {
            return Ok(Arc::new(MemoryDisk::new()));
        }
        let disk = FileDisk::open(&self.data_dir).map_err(StorageError::Disk)?;
        Ok(Arc::new(disk))
    }

    fn open_directory(&self, disk: &dyn Disk) -> Result<Identity, StartError> {
        let boot_id = boot_id();
        let options = DirectoryOptions {
            cluster_id: self.cluster_id,
            member_id: self.config.id,
            fresh_disk_id: random::number().map_err(no_randomness)?,
            durability: self.durability,
            boot_id: boot_id.as_deref(),
        };
        let opened = open_directory(disk, &options).map_err(StorageError::Directory)?;
        Ok(opened)
    }

    fn log_options(&self) -> LogOptions {
        let defaults = LogOptions::default();
        let longest = self.config.limits.batch_bytes_max + RECORD_HEAD_BYTES_MAX;
        LogOptions {
            durability: self.durability,
            record_bytes_max: defaults.record_bytes_max.max(longest),
            ..defaults
        }
    }
}

/// The core counts its records from 1, and the log has the life's record before them.
pub(crate) const RECORDS_BEFORE: u64 = 1;

/// What a record may have beside a batch's payload.
const RECORD_HEAD_BYTES_MAX: usize = 4 << 20;

fn next_life(last: Life) -> Result<Life, StartError> {
    Ok(Life {
        incarnation: last.incarnation.next(),
        nonce: random::number().map_err(no_randomness)?,
    })
}

pub(crate) fn no_randomness(source: std::io::Error) -> StartError {
    StartError::System {
        what: "a random number",
        source,
    }
}

/// Which boot of the machine this is, where the system says so.
fn boot_id() -> Option<String> {
    let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(read.trim().to_owned())
}

impl Opened {
    pub(crate) fn others(&self) -> impl Iterator<Item = (ReplicaId, Life)> {
        self.others.iter().map(|(member, life)| (member, *life))
    }
}
