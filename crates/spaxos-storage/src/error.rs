//! What can go wrong, told apart by what there is to do: damage needs an operator and a new member, a
//! failure of the disk needs another start or another disk, a full disk needs space.

use std::fmt;
use std::io;
use std::sync::Arc;

use spaxos_core::types::ReplicaId;
use spaxos_wire::DecodeError;

/// A call to the disk that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {operation} {file}: {source}")]
pub struct IoFailure {
    /// What was tried, as a verb.
    pub operation: &'static str,
    /// The file's name inside the data directory.
    pub file: String,
    /// What the system said.
    pub source: Arc<io::Error>,
}

impl IoFailure {
    /// A function for `map_err` that names the operation and the file.
    pub(crate) fn of(operation: &'static str, file: &str) -> impl FnOnce(io::Error) -> IoFailure {
        let file = file.to_owned();
        move |source| IoFailure {
            operation,
            file,
            source: Arc::new(source),
        }
    }

    /// Whether the reason is that no space is left, on the disk or in a quota.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self.source.kind(), StorageFull | QuotaExceeded)
    }
}

/// Bytes on the disk are not what was written there. Nothing is changed or cut off; the member has to
/// be replaced, since a vote that it forgot can never be made good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} is damaged at byte {offset}: {reason}")]
pub struct DamageError {
    /// The file's name inside the data directory.
    pub file: String,
    /// Where in the file the first byte lies that cannot be made sense of.
    pub offset: u64,
    /// What is wrong there.
    pub reason: DamageReason,
}

/// What is wrong with a file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageReason {
    /// A record that had been synced cannot be read, or is gone: something behind it says that it had
    /// been, or the segment is not the last one.
    Record,
    /// A record has a correct checksum and yet no meaning.
    Undecodable(DecodeError),
    /// The first block of a segment, which was synced before the segment got its name.
    SegmentHeader,
    /// A segment of a format that this version does not know.
    Version(u32),
    /// The file is shorter or longer than its header says.
    Length {
        /// As the header says, in bytes.
        expected: u64,
        /// As the file system says, in bytes.
        found: u64,
    },
    /// The file is not there.
    Missing,
}

impl fmt::Display for DamageReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DamageReason::Record => {
                f.write_str("a record that had been synced is unreadable or missing")
            }
            DamageReason::Undecodable(error) => write!(f, "a record makes no sense: {error}"),
            DamageReason::SegmentHeader => f.write_str("the segment's header is unreadable"),
            DamageReason::Version(found) => {
                write!(f, "format version {found} is not known to this program")
            }
            DamageReason::Length { expected, found } => {
                write!(f, "the file has {found} bytes and should have {expected}")
            }
            DamageReason::Missing => f.write_str("the file is missing"),
        }
    }
}

/// Why a log cannot be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// The log is damaged.
    #[error(transparent)]
    Damage(#[from] DamageError),
    /// The disk is full: a start needs room for one more segment.
    #[error("the disk is full: {0}")]
    DiskFull(IoFailure),
    /// The disk failed.
    #[error(transparent)]
    Io(IoFailure),
    /// The options contradict each other.
    #[error("log options: {0}")]
    Options(&'static str),
}

/// Why nothing more can be appended. After the first of these, except where it says otherwise, every
/// call returns the same error again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The disk is full. Not final when [`crate::Log::prepare`] says it: the present segment has room.
    #[error("the disk is full: {0}")]
    DiskFull(IoFailure),
    /// The disk failed; what it holds of the last group is unknown.
    #[error(transparent)]
    Io(IoFailure),
    /// The record is longer than the options allow.
    #[error("a record of {bytes} bytes, more than the {bytes_max} that the log takes")]
    RecordTooLarge {
        /// How long the record is.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
}

/// Why the log cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The log is damaged.
    #[error(transparent)]
    Damage(#[from] DamageError),
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

impl From<IoFailure> for LogError {
    fn from(failure: IoFailure) -> Self {
        match failure.is_disk_full() {
            true => LogError::DiskFull(failure),
            false => LogError::Io(failure),
        }
    }
}

impl From<IoFailure> for OpenError {
    fn from(failure: IoFailure) -> Self {
        match failure.is_disk_full() {
            true => OpenError::DiskFull(failure),
            false => OpenError::Io(failure),
        }
    }
}

impl From<LogError> for OpenError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::DiskFull(failure) => OpenError::DiskFull(failure),
            LogError::Io(failure) => OpenError::Io(failure),
            LogError::RecordTooLarge { .. } => OpenError::Options("a record outgrew its segment"),
        }
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damage(damage) => OpenError::Damage(damage),
            ReadError::Io(failure) => failure.into(),
        }
    }
}

/// Why a data directory is not this replica's.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It belongs to another cluster.
    #[error("the data directory belongs to cluster {found:016x}, not to {expected:016x}")]
    WrongCluster {
        /// As configured.
        expected: u64,
        /// As the directory says.
        found: u64,
    },
    /// It belongs to another member.
    #[error("the data directory belongs to member {found}, not to {expected}")]
    WrongMember {
        /// As configured.
        expected: ReplicaId,
        /// As the directory says.
        found: ReplicaId,
    },
    /// There is something in it, but nothing that says whose it is.
    #[error("the data directory has no IDENTITY, and is not empty: it holds {entry}")]
    MissingIdentity {
        /// One of the entries.
        entry: String,
    },
    /// The identity or the boot mark cannot be read.
    #[error("{file} in the data directory is damaged")]
    Damaged {
        /// Which of the two.
        file: &'static str,
    },
    /// It was written by a newer version.
    #[error("the data directory has format {found}, and this program knows {known}")]
    UnknownVersion {
        /// As the directory says.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// Durability `os`: the machine has restarted since, and what was not synced is gone. The member
    /// has to be replaced.
    #[error("the machine restarted (boot {recorded}, now {current}): the log lost its memory")]
    LostMemory {
        /// The boot in which the log was written.
        recorded: String,
        /// The present one.
        current: String,
    },
    /// Durability `os` needs to know which boot of the machine this is, and the caller did not say,
    /// or said something that is no boot id.
    #[error("the machine's boot id is needed and not known")]
    BootIdMissing,
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

/// Why a directory of the file system cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FileDiskError {
    /// Others may look into it or change it.
    #[error("{path} has mode {mode:04o}; it must be closed to group and others (chmod 700)")]
    NotPrivate {
        /// The directory.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The path is something else.
    #[error("{path} is not a directory")]
    NotADirectory {
        /// The path.
        path: String,
    },
    /// Another process uses it.
    #[error("{path} is in use by another process")]
    Locked {
        /// The directory.
        path: String,
    },
    /// The system refused.
    #[error(transparent)]
    Io(#[from] IoFailure),
}
