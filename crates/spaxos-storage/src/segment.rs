//! One segment that is written to: records collect in a buffer and reach the file in whole blocks.
//!
//! Invariant: a block that holds a synced byte is never written again. A sync therefore ends with
//! padding up to the next block, and a torn write can only hurt what nobody was told to be durable.

use std::sync::Arc;

use crate::LogOptions;
use crate::aligned::AlignedBuffer;
use crate::directory::Identity;
use crate::disk::{Access, BLOCK_BYTES, Disk, DiskFile};
use crate::error::IoFailure;
use crate::format::{
    FIRST_RECORD, FRAME_BYTES, Frame, Kind, LogOffset, SegmentHeader, checksum_seed, record_bytes,
    segment_name,
};
use crate::options::Durability;
use crate::planted::planted;

/// A block at the end of each segment is kept free for the seal.
const SEAL_BYTES: u64 = BLOCK_BYTES as u64;

/// How much collects in the buffer before it is written, sync or not.
const BUFFER_BYTES: usize = 1 << 20;

/// What is appended: the parts of a body stay where they are until they are copied into the buffer.
pub(crate) struct NewRecord<'a> {
    pub(crate) kind: Kind,
    pub(crate) body: [&'a [u8]; 2],
    /// Up to here the log is synced.
    pub(crate) synced: LogOffset,
    pub(crate) number: u64,
}

impl NewRecord<'_> {
    fn body_bytes(&self) -> usize {
        self.body[0].len() + self.body[1].len()
    }
}

/// A segment's file, open for writing, and what has not reached it.
pub(crate) struct Segment {
    file: Box<dyn DiskFile>,
    name: String,
    header: SegmentHeader,
    seed: u32,
    buffer: AlignedBuffer,
    /// Where in the file the buffer begins; a block's start.
    start: u64,
    /// How much of the buffer is used.
    used: usize,
    /// How much of that has been written.
    written: usize,
    /// Blocks from here to the end have not been written since the file was made; the end if all were.
    pub(crate) untouched: u64,
}

impl Segment {
    /// A segment that holds nothing but its header yet.
    pub(crate) fn new(
        file: Box<dyn DiskFile>,
        name: &str,
        header: SegmentHeader,
        seed: u32,
    ) -> Segment {
        Segment {
            file,
            name: name.to_owned(),
            header,
            seed,
            buffer: AlignedBuffer::new(BLOCK_BYTES),
            start: FIRST_RECORD,
            used: 0,
            written: 0,
            untouched: FIRST_RECORD,
        }
    }

    pub(crate) fn number(&self) -> u32 {
        self.header.number
    }

    /// The length of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.header.bytes
    }

    /// Where the next record goes.
    pub(crate) fn end(&self) -> LogOffset {
        LogOffset::new(self.header.number, self.position())
    }

    fn position(&self) -> u64 {
        self.start + self.used as u64
    }

    /// Whether a record with a body of `body_bytes`, and a seal after it, still fit.
    pub(crate) fn has_room(&self, body_bytes: usize) -> bool {
        let end = self.position() + record_bytes(body_bytes) as u64;
        end.next_multiple_of(BLOCK_BYTES as u64) + SEAL_BYTES <= self.header.bytes
    }

    /// Appends a record that has room. Writes to the file only when the buffer is full.
    pub(crate) fn push(&mut self, record: &NewRecord<'_>) -> Result<LogOffset, IoFailure> {
        let frame = Frame {
            kind: record.kind,
            body_bytes: record.body_bytes(),
            offset: self.end(),
            synced: record.synced,
            number: record.number,
        };
        let total = frame.total_bytes();
        assert!(
            self.position() + total as u64 <= self.header.bytes,
            "a record goes where there is room for it"
        );
        self.buffer.grow(self.used + total);
        let target = &mut self.buffer.as_mut()[self.used..self.used + total];
        let (head, body) = target.split_at_mut(FRAME_BYTES);
        head.copy_from_slice(&frame.encode(self.seed, record.body));
        let (first, rest) = body.split_at_mut(record.body[0].len());
        first.copy_from_slice(record.body[0]);
        let (second, filling) = rest.split_at_mut(record.body[1].len());
        second.copy_from_slice(record.body[1]);
        filling.fill(0);
        self.used += total;
        if self.used - self.written >= BUFFER_BYTES {
            self.write()?;
        }
        Ok(frame.offset)
    }

    /// Writes what has been appended, and zeros up to the end of its last block. That block stays in
    /// the buffer: until it is synced, more may follow in it.
    pub(crate) fn write(&mut self) -> Result<(), IoFailure> {
        if self.written == self.used {
            return Ok(());
        }
        let end = self.used.next_multiple_of(BLOCK_BYTES);
        let data = self.buffer.as_mut();
        data[self.used..end].fill(0);
        let written = self.file.write_at(self.start, &data[..end]);
        written.map_err(IoFailure::of("write", &self.name))?;
        let full = self.used / BLOCK_BYTES * BLOCK_BYTES;
        data.copy_within(full..end, 0);
        self.untouched = self.untouched.max(self.start + end as u64);
        self.start += full as u64;
        self.used -= full;
        self.written = self.used;
        Ok(())
    }

    /// Writes what has been appended and makes it durable; the next record begins a block.
    pub(crate) fn sync(&mut self) -> Result<(), IoFailure> {
        self.write()?;
        match self.file.sync() {
            Err(_) if planted!(FailedSyncIgnored) => {}
            synced => synced.map_err(IoFailure::of("sync", &self.name))?,
        }
        if self.used > 0 && !planted!(SyncedBlockRewritten) {
            self.start += BLOCK_BYTES as u64;
            self.used = 0;
            self.written = 0;
        }
        Ok(())
    }

    /// How much of the file lies behind what has been appended.
    pub(crate) fn left(&self) -> u64 {
        self.header.bytes - self.position()
    }

    /// Writes zeros over at most `bytes_max` bytes that were not written yet, so that later writes there
    /// change nothing but the blocks' content; goes no further than `ahead` bytes from what has been
    /// appended. Says whether there was something to do.
    pub(crate) fn touch(&mut self, bytes_max: usize, ahead: u64) -> Result<bool, IoFailure> {
        let next = self.position().next_multiple_of(BLOCK_BYTES as u64);
        let from = self.untouched.max(next);
        let limit = self
            .header
            .bytes
            .min(next + ahead / BLOCK_BYTES as u64 * BLOCK_BYTES as u64);
        let to = limit.min(from + bytes_max as u64);
        if from >= to {
            return Ok(false);
        }
        self.untouched = to;
        let zeros = AlignedBuffer::new((to - from) as usize);
        let written = self.file.write_at(from, zeros.as_ref());
        written.map_err(IoFailure::of("write", &self.name))?;
        let synced = self.file.sync();
        synced.map_err(IoFailure::of("sync", &self.name))?;
        Ok(true)
    }
}

/// Makes the files of segments: under another name first, and under their own once the header is
/// durable.
pub(crate) struct SegmentMaker {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) identity: Identity,
    pub(crate) options: LogOptions,
}

/// The name of a segment that is being made.
pub(crate) const UNFINISHED: &str = "next.tmp";

impl SegmentMaker {
    fn access(&self) -> Access {
        match self.options.durability {
            Durability::Fsync => Access::WriteThrough,
            Durability::Os | Durability::Memory => Access::Write,
        }
    }

    /// Makes the file of segment `number`, still under its temporary name and without its header.
    pub(crate) fn begin(
        &self,
        number: u32,
        replaces: u32,
        bytes: u64,
    ) -> Result<Segment, IoFailure> {
        let file = self.disk.create(UNFINISHED, bytes, self.access());
        let file = file.map_err(IoFailure::of("create", UNFINISHED))?;
        let header = SegmentHeader::new(&self.identity, number, replaces, bytes);
        let seed = checksum_seed(&self.identity);
        Ok(Segment::new(file, UNFINISHED, header, seed))
    }

    /// Takes a spare file for segment `number`. `None` if it has another length than segments have now.
    pub(crate) fn begin_with(
        &self,
        spare: &str,
        number: u32,
        replaces: u32,
    ) -> Result<Option<Segment>, IoFailure> {
        let file = self.disk.open(spare, self.access());
        let file = file.map_err(IoFailure::of("open", spare))?;
        let bytes = file.bytes().map_err(IoFailure::of("measure", spare))?;
        if bytes != self.options.segment_bytes {
            return Ok(None);
        }
        let header = SegmentHeader::new(&self.identity, number, replaces, bytes);
        let seed = checksum_seed(&self.identity);
        let mut segment = Segment::new(file, spare, header, seed);
        segment.untouched = bytes;
        Ok(Some(segment))
    }

    /// Writes the header and makes everything in the segment durable, then its name. Everything of the
    /// segment up to its present end counts as synced from then on.
    pub(crate) fn finish(&self, mut segment: Segment) -> Result<Segment, IoFailure> {
        segment.sync()?;
        if segment.position() > FIRST_RECORD {
            segment.header.synced = segment.end();
        }
        let mut block = AlignedBuffer::new(BLOCK_BYTES);
        segment.header.encode(block.as_mut());
        let written = segment.file.write_at(0, block.as_ref());
        written.map_err(IoFailure::of("write", &segment.name))?;
        if !planted!(NamedBeforeSync) {
            let synced = segment.file.sync();
            synced.map_err(IoFailure::of("sync", &segment.name))?;
        }
        let name = segment_name(segment.header.number);
        let renamed = self.disk.rename(&segment.name, &name);
        renamed.map_err(IoFailure::of("rename", &segment.name))?;
        sync_dir(self.disk.as_ref())?;
        segment.name = name;
        Ok(segment)
    }
}

/// Makes names durable.
pub(crate) fn sync_dir(disk: &dyn Disk) -> Result<(), IoFailure> {
    disk.sync_dir()
        .map_err(IoFailure::of("sync", "the data directory"))
}
