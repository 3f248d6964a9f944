//! What a replica keeps on disk: a segmented write-ahead log in a data directory of its own.
//!
//! The log answers one question after a crash: which records are there, in which order? It tells a
//! *torn end*, which every power cut leaves behind, from *damage*, which must stop the replica: a vote
//! that is quietly missing breaks the protocol. Records reach the disk in groups, one sync for each, and
//! what was synced once is never written over.
//!
//! What this crate never does: decide anything about the protocol, start a thread, read a clock, draw
//! a random number, print, or repair. It calls the disk and blocks; the caller runs it on a thread made
//! for that. The first failed write or sync is the last call that reaches the disk.
//!
//! Reading order: [`disk`] (what a disk is; [`FileDisk`] and [`MemoryDisk`] are the two there are),
//! [`directory`] (whose data this is), `format` and `scan` (records and how the log's end is found),
//! `recover` (what a start does), [`log`] (appending), `index` and [`reader`] (reading back).
//! `DESIGN.md` beside this crate's manifest has the rules on two pages, `docs/formats.md` the bytes.
//!
//! ```
//! use std::sync::Arc;
//! use spaxos_core::record::Record;
//! use spaxos_core::types::{Ballot, Lsn, ReplicaId};
//! use spaxos_storage::{DirectoryOptions, Durability, Log, LogOptions, MemoryDisk, open_directory};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let disk = Arc::new(MemoryDisk::new());
//! let identity = open_directory(
//!     disk.as_ref(),
//!     &DirectoryOptions {
//!         cluster_id: 7,
//!         member_id: ReplicaId(1),
//!         fresh_disk_id: 0x5eed,
//!         durability: Durability::Fsync,
//!         boot_id: None,
//!     },
//! )?;
//! let (mut log, replay) = Log::open(disk, &identity, LogOptions::default())?;
//! assert_eq!(replay.count(), 0);
//! let promise = Record::Promise { ballot: Ballot { configuration: 1, round: 1, replica: ReplicaId(1) } };
//! log.append(Lsn(1), &promise)?;
//! assert_eq!(log.commit()?, Lsn(1));
//! # Ok(())
//! # }
//! ```

mod aligned;
pub mod directory;
pub mod disk;
pub mod error;
mod file_disk;
mod format;
mod index;
pub mod log;
mod memory_disk;
mod memory_log;
mod options;
#[cfg(planted)]
pub mod planted;
#[cfg(not(planted))]
mod planted;
mod prepare;
pub mod reader;
mod recover;
mod replay;
mod scan;
mod segment;
mod segment_log;
mod shared;
mod window;

pub use directory::{DirectoryOptions, Identity, open_directory};
pub use disk::{Access, BLOCK_BYTES, Disk, DiskFile};
pub use error::{
    DamageError, DamageReason, DirectoryError, FileDiskError, IoFailure, LogError, OpenError,
    ReadError,
};
pub use file_disk::FileDisk;
pub use format::LogHead;
pub use log::{Log, LogStatus};
pub use memory_disk::{Fault, MemoryDisk};
pub use options::{Durability, LogOptions};
pub use reader::LogReader;
pub use replay::Replay;
