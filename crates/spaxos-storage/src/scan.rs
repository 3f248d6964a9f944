//! Walking over the records of a segment, and telling a torn end from damage.
//!
//! A group of records starts at a block of its own once the group before it has been synced, so a record
//! follows the one before it either at once, or behind zeros at the next block.

use spaxos_wire::record;

use crate::disk::{Access, BLOCK_BYTES, Disk};
use crate::error::{DamageError, DamageReason, IoFailure, ReadError};
use crate::format::{
    FIRST_RECORD, FRAME_BYTES, Frame, HeaderError, Kind, LogHead, LogOffset, Opening,
    RECORD_ALIGNMENT, SegmentHeader, checksum_seed, decode_trim, is_intact, record_bytes,
    segment_name,
};
use crate::planted::planted;
use crate::window::Window;
use crate::{LogOptions, directory::Identity};
use bytes::Bytes;
use spaxos_core::record::Record;

/// Where the records of a segment go on.
pub(crate) enum Step {
    /// The next record; [`Cursor::body`] has its content.
    Record(Frame),
    /// Nothing that follows is readable where it has to be.
    End {
        /// The first position that cannot be made sense of, or the cursor's limit.
        at: u64,
    },
}

/// A place in a segment's file.
pub(crate) struct Cursor {
    window: Window,
    segment: u32,
    seed: u32,
    position: u64,
    limit: u64,
    /// The number that the next record must have; the first one read sets it.
    number: Option<u64>,
}

impl Cursor {
    /// Opens the file of `segment`, at its first record.
    pub(crate) fn open(
        disk: &dyn Disk,
        identity: &Identity,
        segment: u32,
        access: Access,
        read_bytes: usize,
    ) -> Result<Cursor, IoFailure> {
        let name = segment_name(segment);
        let file = disk.open(&name, access);
        let file = file.map_err(IoFailure::of("open", &name))?;
        let window = Window::new(file, &name, read_bytes)?;
        Ok(Cursor {
            limit: window.file_bytes(),
            window,
            segment,
            seed: checksum_seed(identity),
            position: FIRST_RECORD,
            number: None,
        })
    }

    /// Looks only at what lies between two positions, of which the first is a record's.
    pub(crate) fn restrict(&mut self, position: u64, limit: u64) {
        self.position = position;
        self.limit = limit.min(self.window.file_bytes());
    }

    /// Demands that the next record has this number.
    pub(crate) fn expect_number(&mut self, number: Option<u64>) {
        self.number = number;
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn segment(&self) -> u32 {
        self.segment
    }

    pub(crate) fn damage(&self, offset: u64, reason: DamageReason) -> DamageError {
        DamageError {
            file: self.window.name().to_owned(),
            offset,
            reason,
        }
    }

    /// Goes to the next record.
    pub(crate) fn step(&mut self) -> Result<Step, IoFailure> {
        let from = self.position;
        if from >= self.limit {
            return Ok(Step::End { at: self.limit });
        }
        if let Some(frame) = self.frame_at(from)? {
            return Ok(match self.follows(&frame) {
                true => self.accept(frame),
                false => Step::End { at: from },
            });
        }
        let boundary = from.next_multiple_of(BLOCK_BYTES as u64);
        if boundary == from || !self.is_zero(from, boundary)? {
            return Ok(Step::End { at: from });
        }
        if boundary >= self.limit {
            return Ok(Step::End { at: self.limit });
        }
        Ok(match self.frame_at(boundary)? {
            Some(frame) if self.follows(&frame) => self.accept(frame),
            // The zeros are no padding: a record is gone.
            Some(_) => Step::End { at: from },
            None => Step::End { at: boundary },
        })
    }

    /// The body of a record that [`Cursor::step`] has just returned.
    pub(crate) fn body(&mut self, frame: &Frame) -> Result<&[u8], IoFailure> {
        let at = frame.offset.position() + FRAME_BYTES as u64;
        let body = self.window.view(at, frame.body_bytes)?;
        Ok(body.unwrap_or_default())
    }

    /// The record of the replica that is `frame`'s body.
    pub(crate) fn entry(&mut self, frame: &Frame) -> Result<Record, ReadError> {
        // A copy of its own: else a small batch would keep the whole buffer in memory.
        let body = Bytes::copy_from_slice(self.body(frame)?);
        let decoded = record::decode(body);
        decoded.map_err(|error| {
            let reason = DamageReason::Undecodable(error);
            self.damage(frame.offset.position(), reason).into()
        })
    }

    /// Up to where readable records at `position` and behind it say that the log had been synced.
    pub(crate) fn claims_behind(&mut self, position: u64) -> Result<LogOffset, IoFailure> {
        let mut claim = LogOffset::default();
        let mut position = position.next_multiple_of(RECORD_ALIGNMENT as u64);
        while let Some(candidate) = self.candidate(position)? {
            position = match self.frame_at(candidate)? {
                Some(frame) => {
                    claim = claim.max(frame.synced);
                    candidate + frame.total_bytes() as u64
                }
                None => candidate + RECORD_ALIGNMENT as u64,
            };
        }
        Ok(claim)
    }

    /// The first position from here on at which a frame has its own place written in it.
    fn candidate(&mut self, mut position: u64) -> Result<Option<u64>, IoFailure> {
        loop {
            let left = self.window.file_bytes().saturating_sub(position);
            let bytes = left.min(BLOCK_BYTES as u64 * 16) as usize;
            if bytes < FRAME_BYTES {
                return Ok(None);
            }
            let Some(view) = self.window.view(position, bytes)? else {
                return Ok(None);
            };
            let ends = bytes - FRAME_BYTES;
            for at in (0..=ends).step_by(RECORD_ALIGNMENT) {
                let offset = LogOffset::new(self.segment, position + at as u64);
                if view[at + 8..at + 16] == offset.0.to_le_bytes() {
                    return Ok(Some(position + at as u64));
                }
            }
            position += (ends / RECORD_ALIGNMENT * RECORD_ALIGNMENT + RECORD_ALIGNMENT) as u64;
        }
    }

    fn frame_at(&mut self, position: u64) -> Result<Option<Frame>, IoFailure> {
        let offset = LogOffset::new(self.segment, position);
        let seed = self.seed;
        let Some(bytes) = self.window.view(position, FRAME_BYTES)? else {
            return Ok(None);
        };
        let Some(frame) = Frame::decode(bytes, offset) else {
            return Ok(None);
        };
        // A length that rot has made huge ends behind the file, and nothing is allocated for it.
        if position + record_bytes(frame.body_bytes) as u64 > self.window.file_bytes() {
            return Ok(None);
        }
        let record = self.window.view(position, FRAME_BYTES + frame.body_bytes)?;
        Ok(record
            .is_some_and(|record| is_intact(seed, record))
            .then_some(frame))
    }

    fn follows(&self, frame: &Frame) -> bool {
        self.number.is_none_or(|number| number == frame.number)
    }

    fn accept(&mut self, frame: Frame) -> Step {
        self.position = frame.offset.position() + frame.total_bytes() as u64;
        self.number = Some(frame.number + 1);
        Step::Record(frame)
    }

    fn is_zero(&mut self, from: u64, to: u64) -> Result<bool, IoFailure> {
        let padding = self.window.view(from, (to - from) as usize)?;
        // All bytes are looked at, in strides that the processor takes at once.
        let sum = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum | byte);
        Ok(padding.is_some_and(|bytes| sum(bytes) == 0))
    }
}

/// How a start reads: past the page cache, which may show what the disk never took.
pub(crate) fn access_at_start() -> Access {
    match planted!(CacheBelieved) {
        true => Access::Read,
        false => Access::ReadUncached,
    }
}

/// Reads and checks the header of a segment.
pub(crate) fn read_header(
    disk: &dyn Disk,
    identity: &Identity,
    number: u32,
) -> Result<SegmentHeader, ReadError> {
    let name = segment_name(number);
    let damage = |reason| DamageError {
        file: name.clone(),
        offset: 0,
        reason,
    };
    let file = disk.open(&name, access_at_start());
    let file = file.map_err(IoFailure::of("open", &name))?;
    let mut window = Window::new(file, &name, BLOCK_BYTES)?;
    let found = window.file_bytes();
    let Some(block) = window.view(0, BLOCK_BYTES)? else {
        let expected = BLOCK_BYTES as u64;
        return Err(damage(DamageReason::Length { expected, found }).into());
    };
    let header = SegmentHeader::decode(block, identity, number).map_err(|error| {
        damage(match error {
            HeaderError::Unreadable => DamageReason::SegmentHeader,
            HeaderError::Version(version) => DamageReason::Version(version),
        })
    })?;
    if header.bytes != found {
        let expected = header.bytes;
        return Err(damage(DamageReason::Length { expected, found }).into());
    }
    Ok(header)
}

/// What the readable part of a segment amounts to.
pub(crate) struct Survey {
    pub(crate) header: SegmentHeader,
    /// The number of the first record.
    pub(crate) first_number: u64,
    /// What the first record says.
    pub(crate) opening: Opening,
    /// As of the end.
    pub(crate) head: LogHead,
    /// The segment with which the log begins, as of the end.
    pub(crate) first: u32,
    /// The number that the next record would have.
    pub(crate) next_number: u64,
    /// The end of the readable part.
    pub(crate) end: u64,
    /// Whether the end is a seal.
    pub(crate) sealed: bool,
    /// What the records of the replica take, frames included.
    pub(crate) entry_bytes: u64,
}

/// A survey, if there is a single readable record, and what the rest of the file claims to be synced.
pub(crate) struct Surveyed {
    pub(crate) survey: Option<Survey>,
    /// The first position that cannot be made sense of.
    pub(crate) end: u64,
    pub(crate) claim: LogOffset,
}

/// Reads a whole segment past the system's cache.
pub(crate) fn survey(
    disk: &dyn Disk,
    identity: &Identity,
    header: SegmentHeader,
    options: &LogOptions,
) -> Result<Surveyed, ReadError> {
    let access = access_at_start();
    let mut cursor = Cursor::open(disk, identity, header.number, access, options.read_bytes)?;
    let mut survey: Option<Survey> = None;
    let end = loop {
        let frame = match cursor.step()? {
            Step::Record(frame) => frame,
            Step::End { at } => break at,
        };
        let at = frame.offset.position();
        match &mut survey {
            None => survey = Some(begin(&mut cursor, &frame, header)?),
            Some(survey) => extend(survey, &mut cursor, &frame)?,
        }
        if frame.kind == Kind::Seal {
            break at + frame.total_bytes() as u64;
        }
    };
    let claim = match survey.as_ref().is_some_and(|survey| survey.sealed) {
        true => LogOffset::default(),
        false => cursor.claims_behind(end)?,
    };
    if let Some(survey) = &mut survey {
        survey.end = end;
    }
    Ok(Surveyed {
        survey,
        end,
        claim: claim.max(header.synced),
    })
}

fn begin(cursor: &mut Cursor, frame: &Frame, header: SegmentHeader) -> Result<Survey, ReadError> {
    let opening = match frame.kind {
        Kind::Opening => Opening::decode(cursor.body(frame)?),
        _ => None,
    };
    let Some(opening) = opening else {
        let at = frame.offset.position();
        return Err(cursor.damage(at, DamageReason::Record).into());
    };
    Ok(Survey {
        header,
        first_number: frame.number,
        opening,
        head: opening.head,
        first: opening.first,
        next_number: frame.number + 1,
        end: cursor.position(),
        sealed: false,
        entry_bytes: 0,
    })
}

fn extend(survey: &mut Survey, cursor: &mut Cursor, frame: &Frame) -> Result<(), ReadError> {
    survey.next_number = frame.number + 1;
    match frame.kind {
        Kind::Entry => {
            survey.entry_bytes += frame.total_bytes() as u64;
            survey.head.follow(&cursor.entry(frame)?);
        }
        Kind::Trim => match decode_trim(cursor.body(frame)?) {
            Some(first) => survey.first = first,
            None => {
                let at = frame.offset.position();
                return Err(cursor.damage(at, DamageReason::Record).into());
            }
        },
        Kind::Seal => survey.sealed = true,
        Kind::Opening | Kind::Mark => {}
    }
    Ok(())
}
