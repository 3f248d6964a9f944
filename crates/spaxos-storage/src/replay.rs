//! The records that a start finds, streamed in order.

use std::collections::VecDeque;
use std::sync::Arc;

use spaxos_core::record::Record;

use crate::error::{DamageReason, ReadError};
use crate::format::{Kind, LogHead};
use crate::index::Note;
use crate::scan::{Cursor, Step, access_at_start};
use crate::shared::Shared;

/// An iterator over the records of the log as it was found. Read it to its end before anything is
/// appended: the log builds its index from it. Memory is bounded by one buffer and one record.
///
/// After an error it ends, and the log must not be used: something of the past is missing.
pub struct Replay {
    /// None if there is nothing on a disk to replay.
    shared: Option<Arc<Shared>>,
    /// What is still to come. Only the last segment may end without a seal.
    segments: VecDeque<u32>,
    head: LogHead,
    cursor: Option<Cursor>,
    /// Numbers go on from one segment to the next.
    number: Option<u64>,
}

impl Replay {
    pub(crate) fn new(shared: Arc<Shared>, segments: VecDeque<u32>, head: LogHead) -> Replay {
        Replay {
            shared: Some(shared),
            segments,
            head,
            cursor: None,
            number: None,
        }
    }

    pub(crate) fn nothing() -> Replay {
        Replay {
            shared: None,
            segments: VecDeque::new(),
            head: LogHead::default(),
            cursor: None,
            number: None,
        }
    }

    /// What the replica was before the first record that is still there: all zero unless the log's
    /// beginning has been trimmed.
    #[must_use]
    pub fn head(&self) -> LogHead {
        self.head
    }

    fn advance(&mut self, shared: &Shared) -> Result<Option<Record>, ReadError> {
        loop {
            let Some(mut cursor) = self.cursor.take() else {
                let Some(segment) = self.segments.pop_front() else {
                    shared.lock().finish_replay();
                    return Ok(None);
                };
                self.cursor = Some(self.open(shared, segment)?);
                continue;
            };
            let frame = match cursor.step()? {
                Step::Record(frame) => frame,
                Step::End { at } => {
                    self.leave(shared, &cursor, false, at)?;
                    continue;
                }
            };
            self.number = Some(frame.number + 1);
            match frame.kind {
                Kind::Seal => self.leave(shared, &cursor, true, cursor.position())?,
                Kind::Entry => {
                    let record = cursor.entry(&frame)?;
                    shared.lock().index.add(frame.offset, Note::of(&record));
                    self.cursor = Some(cursor);
                    return Ok(Some(record));
                }
                Kind::Opening | Kind::Mark | Kind::Trim => self.cursor = Some(cursor),
            }
        }
    }

    fn open(&self, shared: &Shared, segment: u32) -> Result<Cursor, ReadError> {
        let read_bytes = shared.options.read_bytes;
        let access = access_at_start();
        let disk = shared.disk.as_ref();
        let mut cursor = Cursor::open(disk, &shared.identity, segment, access, read_bytes)?;
        cursor.expect_number(self.number);
        if self.segments.is_empty() {
            // The end of the last segment is known: this start has written it.
            let end = shared.lock().segments.get(&segment).copied();
            cursor.restrict(cursor.position(), end.unwrap_or(u64::MAX));
        }
        Ok(cursor)
    }

    /// Checks that a segment ended as it has to: the last one where this start ended it, every other
    /// one with its seal.
    fn leave(
        &self,
        shared: &Shared,
        cursor: &Cursor,
        sealed: bool,
        at: u64,
    ) -> Result<(), ReadError> {
        let mut state = shared.lock();
        let is_last = self.segments.is_empty();
        let known_end = state.segments.get(&cursor.segment()).copied();
        let sound = match is_last {
            true => known_end == Some(at),
            false => sealed,
        };
        if !sound {
            return Err(cursor.damage(at, DamageReason::Record).into());
        }
        state.segments.insert(cursor.segment(), at);
        Ok(())
    }
}

impl Iterator for Replay {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let shared = self.shared.take()?;
        match self.advance(&shared) {
            Ok(Some(record)) => {
                self.shared = Some(shared);
                Some(Ok(record))
            }
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
