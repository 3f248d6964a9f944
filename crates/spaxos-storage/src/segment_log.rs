//! The log on a disk: appending, group commit, going on to the next segment, trimming.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use spaxos_core::record::Record;
use spaxos_core::types::Lsn;
use spaxos_wire::record;

use crate::error::{IoFailure, LogError};
use crate::format::{Kind, LogHead, LogOffset, Opening};
use crate::index::Note;
use crate::options::Durability;
use crate::planted::planted;
use crate::recover::{Copied, retire};
use crate::segment::{NewRecord, Segment, SegmentMaker};
use crate::shared::Shared;

/// A record that waits to be written. The payload is shared with whoever sends it.
struct Pending {
    head: Bytes,
    payload: Bytes,
    note: Note,
    /// What the replica is once the record counts.
    log_head: LogHead,
}

/// See the module's first line. Every method that fails leaves the log unusable, except `prepare` on a
/// full disk.
pub(crate) struct SegmentLog {
    pub(crate) maker: SegmentMaker,
    pub(crate) shared: Arc<Shared>,
    /// The segment that is appended to.
    pub(crate) active: Segment,
    /// The one after it, if it is there already.
    pub(crate) next: Option<Segment>,
    /// Files to make segments of, by their old numbers.
    pub(crate) spares: Vec<u32>,
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    scratch: BytesMut,
    /// As of the last record appended.
    appended_head: LogHead,
    /// As of the last record that has a place in a segment.
    placed_head: LogHead,
    /// The segment with which the log begins.
    first: u32,
    next_number: u64,
    /// Up to here the log is as durable as its mode makes it.
    secured: LogOffset,
    /// Up to here a record on the disk says so.
    claimed: LogOffset,
    /// Whether a life is among what was not synced yet.
    life_unsynced: bool,
    appended: Lsn,
    committed: Lsn,
}

impl SegmentLog {
    pub(crate) fn new(
        maker: SegmentMaker,
        shared: Arc<Shared>,
        active: Segment,
        copied: Copied,
        spares: Vec<u32>,
    ) -> SegmentLog {
        // The header of the segment that a start writes claims all of it.
        let secured = active.end();
        SegmentLog {
            maker,
            shared,
            active,
            next: None,
            spares,
            pending: VecDeque::new(),
            pending_bytes: 0,
            scratch: BytesMut::new(),
            appended_head: copied.head,
            placed_head: copied.head,
            first: copied.first,
            next_number: copied.next_number,
            secured,
            claimed: secured,
            life_unsynced: false,
            appended: Lsn(0),
            committed: Lsn(0),
        }
    }

    pub(crate) fn committed(&self) -> Lsn {
        self.committed
    }

    /// How much is appended and not written.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    pub(crate) fn append(&mut self, lsn: Lsn, record: &Record) -> Result<(), LogError> {
        assert_eq!(
            lsn,
            self.appended.next(),
            "records are numbered without gap"
        );
        assert!(
            self.shared.lock().replayed,
            "the log is replayed to its end before anything is appended"
        );
        let payload = record::encode(record, &mut self.scratch);
        let head = self.scratch.split().freeze();
        let bytes = head.len() + payload.len();
        let bytes_max = self.maker.options.record_bytes_max;
        if bytes > bytes_max {
            return Err(LogError::RecordTooLarge { bytes, bytes_max });
        }
        self.appended = lsn;
        self.appended_head.follow(record);
        self.life_unsynced |= matches!(record, Record::Incarnation(_));
        self.pending_bytes += bytes;
        self.pending.push_back(Pending {
            head,
            payload,
            note: Note::of(record),
            log_head: self.appended_head,
        });
        if self.pending_bytes > self.maker.options.pending_bytes_max {
            self.place()?;
        }
        Ok(())
    }

    /// Makes durable what the mode demands.
    pub(crate) fn commit(&mut self) -> Result<Lsn, LogError> {
        match self.maker.options.durability {
            Durability::Os if !self.life_unsynced || planted!(LifeNotSynced) => self.write(),
            _ => self.sync(),
        }
    }

    pub(crate) fn write(&mut self) -> Result<Lsn, LogError> {
        self.place()?;
        self.active.write()?;
        if self.maker.options.durability == Durability::Os {
            self.secure();
        }
        Ok(self.committed)
    }

    pub(crate) fn sync(&mut self) -> Result<Lsn, LogError> {
        self.place()?;
        self.active.sync()?;
        self.life_unsynced = false;
        self.secure();
        Ok(self.committed)
    }

    /// Lets a record on the disk say that everything is synced, unless one does.
    pub(crate) fn settle(&mut self) -> Result<Lsn, LogError> {
        self.commit()?;
        if self.claimed < self.secured {
            self.make_room(0)?;
            self.push(Kind::Mark, [&[], &[]])?;
            self.commit()?;
            // The mark itself says nothing that would be missed.
            self.claimed = self.secured;
        }
        Ok(self.committed)
    }

    /// Gives up all segments with numbers below `first`.
    pub(crate) fn trim(&mut self, first: u32) -> Result<(), LogError> {
        let active = self.active.number();
        let first = {
            let state = self.shared.lock();
            let kept = state.segments.range(first..).next();
            kept.map_or(active, |kept| *kept.0).min(active)
        };
        if first <= self.first {
            return Ok(());
        }
        self.place()?;
        self.first = first;
        let body = first.to_le_bytes();
        self.make_room(body.len())?;
        self.push(Kind::Trim, [&body, &[]])?;
        self.sync()?;
        let gone: Vec<u32> = {
            let mut state = self.shared.lock();
            state.index.trim(first);
            let kept = state.segments.split_off(&first);
            let gone = std::mem::replace(&mut state.segments, kept);
            gone.into_keys().collect()
        };
        let spares = std::mem::take(&mut self.spares);
        let spares_max = self.maker.options.spares_max;
        self.spares = retire(self.maker.disk.as_ref(), &gone, spares, spares_max)?;
        Ok(())
    }

    /// What has been written counts from now on, and readers may see it.
    fn secure(&mut self) {
        self.secured = self.active.end();
        self.committed = self.appended;
        self.shared.lock().publish(self.secured);
    }

    /// Gives every pending record its place.
    fn place(&mut self) -> Result<(), IoFailure> {
        while let Some(record) = self.pending.pop_front() {
            let bytes = record.head.len() + record.payload.len();
            self.pending_bytes -= bytes;
            self.make_room(bytes)?;
            let at = self.push(Kind::Entry, [&record.head, &record.payload])?;
            self.placed_head = record.log_head;
            self.shared.lock().index.add(at, record.note);
        }
        Ok(())
    }

    fn push(&mut self, kind: Kind, body: [&[u8]; 2]) -> Result<LogOffset, IoFailure> {
        let record = NewRecord {
            kind,
            body,
            synced: self.secured,
            number: self.next_number,
        };
        let at = self.active.push(&record)?;
        self.next_number += 1;
        self.claimed = self.secured;
        Ok(at)
    }

    /// Goes on to the next segment unless a body of this length has room in the present one.
    fn make_room(&mut self, body_bytes: usize) -> Result<(), IoFailure> {
        if self.active.has_room(body_bytes) {
            return Ok(());
        }
        // The next one has its name before the seal says that there is one.
        let next = match self.next.take() {
            Some(next) => next,
            None => self.make_next()?,
        };
        self.push(Kind::Seal, [&[], &[]])?;
        match self.maker.options.durability {
            Durability::Os => self.active.write()?,
            Durability::Fsync | Durability::Memory => self.active.sync()?,
        }
        self.shared.lock().publish(self.active.end());
        self.active = next;
        self.secured = self.active.end();
        let opening = Opening {
            head: self.placed_head,
            first: self.first,
        };
        self.push(Kind::Opening, [&opening.encode(), &[]])?;
        Ok(())
    }
}
