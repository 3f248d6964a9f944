//! What can go wrong, made for branching on.

use std::io;
use std::net::SocketAddr;

use spaxos_core::effect::HaltReason;

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// Certainly not executed: too much waits already. Try again later.
    #[error("overloaded: too many requests wait for execution")]
    Overloaded,
    /// Certainly not executed: the command is larger than the limit, both in bytes.
    #[error("the command has {bytes} bytes, more than the {bytes_max} allowed")]
    TooLarge {
        /// The command's size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Certainly not executed: there is no leader to forward to.
    #[error("there is no leader")]
    NoLeader,
    /// May or may not have been executed, or may be yet.
    #[error("the outcome is unknown")]
    Unknown,
    /// The node is stopping; may or may not have been executed.
    #[error("the node is stopping")]
    Stopped,
}

/// Why a read has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Too many reads wait already. Try again later.
    #[error("overloaded: too many reads wait")]
    Overloaded,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

/// Why a node does not start. Nothing has been sent to anybody, and nothing was changed that another
/// attempt could miss.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The options contradict themselves.
    #[error("the options make no sense: {0}")]
    Options(&'static str),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The data directory is in use, belongs to another member, is damaged (with file and offset),
    /// or cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The system gave no thread, random number or event queue.
    #[error("the system refused {what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The state machine panicked while the log was replayed.
    #[error("the state machine panicked while the log was replayed")]
    Panicked,
}

/// Why the log of a node cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The directory itself: in use by another process, open to others, not a directory.
    #[error(transparent)]
    Disk(#[from] spaxos_storage::FileDiskError),
    /// The directory is another member's, or has lost its memory.
    #[error(transparent)]
    Directory(#[from] spaxos_storage::DirectoryError),
    /// The log is damaged, or the disk is full or failed.
    #[error(transparent)]
    Open(#[from] spaxos_storage::OpenError),
}

/// Why a running node ended although nobody asked for it. Final: start a new one, unless the reason
/// says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fatal {
    /// A write or a sync failed, or the log cannot be read. What was acknowledged is safe at the
    /// other members; nothing was acknowledged after the failure.
    #[error("the log failed: {reason}")]
    Storage {
        /// What the storage said.
        reason: String,
    },
    /// The system took a socket away.
    #[error("the system failed: {reason}")]
    System {
        /// What the system said.
        reason: String,
    },
    /// Going on would have been unsafe.
    #[error("the replica halted: {0:?}")]
    Halted(HaltReason),
    /// A thread or task panicked, the state machine's included.
    #[error("{thread} panicked")]
    Panicked {
        /// Which one.
        thread: &'static str,
    },
}
