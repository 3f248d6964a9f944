//! Reading a file in large aligned pieces, however small the parts that are wanted.

use crate::aligned::AlignedBuffer;
use crate::disk::{BLOCK_BYTES, DiskFile};
use crate::error::IoFailure;

/// A file, and the piece of it that is in memory.
pub(crate) struct Window {
    file: Box<dyn DiskFile>,
    name: String,
    file_bytes: u64,
    /// How much is read at once, unless more is asked for.
    read_bytes: usize,
    buffer: AlignedBuffer,
    /// Where in the file the buffer begins.
    start: u64,
    /// How much of the buffer is filled.
    filled: usize,
}

impl Window {
    pub(crate) fn new(
        file: Box<dyn DiskFile>,
        name: &str,
        read_bytes: usize,
    ) -> Result<Window, IoFailure> {
        let file_bytes = file.bytes().map_err(IoFailure::of("measure", name))?;
        Ok(Window {
            file,
            name: name.to_owned(),
            file_bytes,
            read_bytes,
            buffer: AlignedBuffer::new(0),
            start: 0,
            filled: 0,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// `bytes` bytes from `position` on; `None` if the file ends before.
    pub(crate) fn view(&mut self, position: u64, bytes: usize) -> Result<Option<&[u8]>, IoFailure> {
        let end = position.checked_add(bytes as u64);
        if end.is_none_or(|end| end > self.file_bytes) {
            return Ok(None);
        }
        if !self.holds(position, bytes) {
            self.load(position, bytes)?;
        }
        if !self.holds(position, bytes) {
            // The file became shorter while it was read.
            return Ok(None);
        }
        let at = (position - self.start) as usize;
        Ok(Some(&self.buffer.as_ref()[at..at + bytes]))
    }

    fn holds(&self, position: u64, bytes: usize) -> bool {
        position >= self.start && position + bytes as u64 <= self.start + self.filled as u64
    }

    fn load(&mut self, position: u64, bytes: usize) -> Result<(), IoFailure> {
        let block = BLOCK_BYTES as u64;
        self.start = position / block * block;
        let wanted = (position - self.start) as usize + bytes;
        let left = (self.file_bytes - self.start).min(usize::MAX as u64) as usize;
        let size = wanted.max(self.read_bytes.min(left));
        let size = size.next_multiple_of(BLOCK_BYTES);
        self.filled = 0;
        if self.buffer.bytes() < size {
            self.buffer = AlignedBuffer::new(size);
        }
        let target = &mut self.buffer.as_mut()[..size];
        let read = self.file.read_at(self.start, target);
        self.filled = read.map_err(IoFailure::of("read", &self.name))?;
        Ok(())
    }
}
