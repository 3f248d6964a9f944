//! A disk that notices who asks for more than there is.

use std::io;

use spaxos_storage::{Access, BLOCK_BYTES, Disk, DiskFile, MemoryDisk};

use crate::log::OPTIONS;

/// The longest file that a start may write: a segment that an edit has made longer than the options
/// say is taken over with all its records.
const FILE_BYTES_MAX: u64 = 8 * OPTIONS.segment_bytes;

/// A disk in memory. A buffer that is longer than the file it is for panics: whatever a damaged file
/// says about lengths, memory is taken for what is there only.
pub(crate) struct ServedDisk(MemoryDisk);

impl ServedDisk {
    pub(crate) const fn new(disk: MemoryDisk) -> ServedDisk {
        ServedDisk(disk)
    }
}

struct ServedFile(Box<dyn DiskFile>);

fn served(file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
    Box::new(ServedFile(file))
}

impl Disk for ServedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn create(&self, name: &str, bytes: u64, access: Access) -> io::Result<Box<dyn DiskFile>> {
        assert!(bytes <= FILE_BYTES_MAX, "a file of {bytes} bytes");
        self.0.create(name, bytes, access).map(served)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>> {
        self.0.open(name, access).map(served)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.0.sync_dir()
    }
}

impl DiskFile for ServedFile {
    fn bytes(&self) -> io::Result<u64> {
        self.0.bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let there = usize::try_from(self.0.bytes()?).unwrap_or(usize::MAX);
        let fair = there.next_multiple_of(BLOCK_BYTES).max(OPTIONS.read_bytes);
        assert!(buffer.len() <= fair, "{} bytes of {there}", buffer.len());
        self.0.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        assert!(
            offset + data.len() as u64 <= FILE_BYTES_MAX,
            "a write at {offset}"
        );
        self.0.write_at(offset, data)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}
