//! What the log needs of a disk: one flat directory of files. Small enough for a simulator to stand in.

use std::io;

/// The unit of direct input and output, and of what a power cut tears: offsets and lengths of every
/// read and write that the log makes are multiples of it, and so are the addresses of its buffers.
pub const BLOCK_BYTES: usize = 4096;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read, from the system's cache if it is there.
    Read,
    /// Read what the disk itself has, past the system's cache: after a failed sync the cache may show
    /// bytes that the disk never took.
    ReadUncached,
    /// Write; [`DiskFile::sync`] makes it durable. Reading is allowed as well.
    Write,
    /// Write such that each [`DiskFile::write_at`] is durable when it returns, where the file system
    /// offers that; the writer calls [`DiskFile::sync`] all the same. Reading is allowed as well.
    WriteThrough,
}

/// A directory of files. Names are plain: no separators.
///
/// A power cut loses what was not made durable: writes without [`DiskFile::sync`], in any subset of
/// their blocks, and created, renamed and removed names without [`Disk::sync_dir`].
pub trait Disk: Send + Sync {
    /// The names of all entries, in any order.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Creates a file of `bytes` zeros with the space for them reserved. The length is durable when
    /// this returns; the name is not.
    ///
    /// # Errors
    /// Whatever the disk reports; `AlreadyExists` if the name is taken.
    fn create(&self, name: &str, bytes: u64, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that exists.
    ///
    /// # Errors
    /// Whatever the disk reports; `NotFound` if there is none.
    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// Renames a file; replaces one that has the new name.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes all created, renamed and removed names durable.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn sync_dir(&self) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn bytes(&self) -> io::Result<u64>;

    /// Reads from `offset` on until `buffer` is full or the file ends; returns how many bytes it read.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `data`. The file grows if that goes past its end.
    ///
    /// # Errors
    /// Whatever the disk reports; some blocks may have been written then.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Makes everything written durable, the length included.
    ///
    /// # Errors
    /// Whatever the disk reports. What is on the disk then is unknown: the log never tries again.
    fn sync(&self) -> io::Result<()>;
}
