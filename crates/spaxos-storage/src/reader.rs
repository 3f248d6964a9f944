//! Reading back what a lagging peer asks for, without ever holding up the log's writer.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use spaxos_core::batch::Batch;
use spaxos_core::cut::Value;
use spaxos_core::effect::{LogFound, LogQuery};
use spaxos_core::record::Record;
use spaxos_core::types::{Position, ReplicaId, Sequence, Slot};

use crate::disk::Access;
use crate::error::{DamageReason, ReadError};
use crate::format::{Kind, LogOffset};
use crate::index::Stretch;
use crate::memory_log::MemoryLog;
use crate::scan::{Cursor, Step};
use crate::shared::Shared;

/// How much of a stretch is read at once.
const READ_BYTES: usize = 256 << 10;

/// A view of the log for any thread. Sees what has been committed, and nothing that was trimmed.
/// Clones see the same.
#[derive(Clone)]
pub struct LogReader {
    source: Source,
}

#[derive(Clone)]
enum Source {
    Disk(Arc<Shared>),
    Memory(Arc<Mutex<MemoryLog>>),
}

impl LogReader {
    pub(crate) fn of_disk(shared: Arc<Shared>) -> LogReader {
        LogReader {
            source: Source::Disk(shared),
        }
    }

    pub(crate) fn of_memory(log: Arc<Mutex<MemoryLog>>) -> LogReader {
        LogReader {
            source: Source::Memory(log),
        }
    }

    /// Looks for what `query` asks for. The answer begins with the first batch or slot asked for, or is
    /// empty if the log does not have that one, not yet or not any more; it may be shorter than asked.
    ///
    /// # Errors
    /// Damage in the part that was read, or a disk that failed. Neither changes anything for the
    /// writer.
    pub fn read(&self, query: &LogQuery) -> Result<LogFound, ReadError> {
        match &self.source {
            Source::Memory(log) => {
                let log = log.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(log.read(query))
            }
            Source::Disk(shared) => match *query {
                LogQuery::Batches {
                    lane,
                    from,
                    to,
                    bytes_max,
                } => BatchSearch::new(lane, from, to, bytes_max).run(shared),
                LogQuery::Slots { from, to } => read_slots(shared, from, to),
            },
        }
    }
}

struct BatchSearch {
    lane: ReplicaId,
    /// The one that is to be found next.
    next: Position,
    to: Sequence,
    bytes_max: u64,
    bytes: u64,
    found: Vec<Arc<Batch>>,
}

impl BatchSearch {
    fn new(lane: ReplicaId, from: Position, to: Sequence, bytes_max: u64) -> BatchSearch {
        let sequence = from.sequence.max(Sequence(1));
        BatchSearch {
            lane,
            next: Position { sequence, ..from },
            to,
            bytes_max,
            bytes: 0,
            found: Vec::new(),
        }
    }

    fn run(mut self, shared: &Shared) -> Result<LogFound, ReadError> {
        let stretches = shared.lock().index.batches(self.lane, self.next, self.to);
        let mut read_bytes = 0;
        for stretch in stretches {
            if !self.found.is_empty() && read_bytes >= shared.options.query_read_bytes_max {
                break;
            }
            let (bytes, flow) = visit(shared, stretch, |record| self.take(record))?;
            read_bytes += bytes;
            if flow.is_break() {
                break;
            }
        }
        Ok(LogFound::Batches(self.found))
    }

    fn take(&mut self, record: Record) -> ControlFlow<()> {
        let Record::Batch(batch) = record else {
            return ControlFlow::Continue(());
        };
        let same = batch.lane == self.lane && batch.position.incarnation == self.next.incarnation;
        if !same || batch.position < self.next {
            return ControlFlow::Continue(());
        }
        if batch.position > self.next {
            // New batches of a lane follow each other: the one wanted is not there.
            return ControlFlow::Break(());
        }
        self.bytes += batch.cost_bytes();
        self.found.push(batch);
        let is_last = self.next.sequence >= self.to || self.bytes >= self.bytes_max;
        self.next.sequence = self.next.sequence.next();
        match is_last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

fn read_slots(shared: &Shared, from: Slot, to: Slot) -> Result<LogFound, ReadError> {
    let first = from.max(Slot(1));
    let (stretches, to) = plan_slots(shared, first, to);
    let mut values = BTreeMap::new();
    for stretch in stretches {
        let collect = |record| {
            set_values(&mut values, record, first, to);
            ControlFlow::Continue(())
        };
        let _whole = visit(shared, stretch, collect)?;
    }
    let wanted = (first.0..).map(Slot);
    let known = wanted.map_while(|slot| values.remove(&slot));
    let values = known.collect();
    Ok(LogFound::Slots { first, values })
}

/// Which stretches to read, and up to which slot: no further than decided, and no more than one query
/// may read.
fn plan_slots(shared: &Shared, first: Slot, to: Slot) -> (Vec<Stretch>, Slot) {
    let state = shared.lock();
    let limit = Slot(first.0.saturating_add(shared.options.query_slots_max - 1));
    let mut to = to.min(limit).min(state.index.decided_shown());
    if to < first {
        return (Vec::new(), to);
    }
    loop {
        let stretches = state.index.slots(first, to);
        let bytes: u64 = stretches
            .iter()
            .map(|stretch| stretch_bytes(*stretch, &state.segments))
            .sum();
        if to == first || bytes <= shared.options.query_read_bytes_max {
            return (stretches, to);
        }
        to = Slot(first.0 + (to.0 - first.0) / 2);
    }
}

/// Carries out what `record` does to the slots from `first` to `to`. Of several values of a decided
/// slot the last one counts: what an adoption has replaced was never decided.
fn set_values(values: &mut BTreeMap<Slot, Value>, record: Record, first: Slot, to: Slot) {
    let mut set = |slot: Slot, value| {
        if first <= slot && slot <= to {
            values.insert(slot, value);
        }
    };
    match record {
        Record::Vote { slot, value, .. } | Record::DecidedSlot { slot, value } => set(slot, value),
        Record::Adoption {
            first: start,
            values: tail,
            ..
        } => {
            for (slot, value) in (start.0..).map(Slot).zip(tail) {
                set(slot, value);
            }
        }
        _ => {}
    }
}

fn stretch_bytes(stretch: Stretch, segments: &BTreeMap<u32, u64>) -> u64 {
    let limit = stretch_limit(stretch, segments).unwrap_or(0);
    limit.saturating_sub(stretch.start.position())
}

/// The position behind the last record of a stretch; `None` if its segment has been trimmed.
fn stretch_limit(stretch: Stretch, segments: &BTreeMap<u32, u64>) -> Option<u64> {
    let segment = stretch.start.segment();
    let readable = *segments.get(&segment)?;
    let next = stretch.end.filter(|end| end.segment() == segment);
    Some(next.map_or(readable, |end| end.position().min(readable)))
}

/// Shows all records of a stretch to `look` until it has seen enough. Returns how many bytes the
/// stretch has. `look` must bear to see the stretch twice.
fn visit(
    shared: &Shared,
    stretch: Stretch,
    mut look: impl FnMut(Record) -> ControlFlow<()>,
) -> Result<(u64, ControlFlow<()>), ReadError> {
    let limit = stretch_limit(stretch, &shared.lock().segments);
    let Some(limit) = limit else {
        return Ok((0, ControlFlow::Continue(())));
    };
    let bytes = limit.saturating_sub(stretch.start.position());
    let outcome = match walk(shared, stretch.start, limit, Access::Read, &mut look) {
        // The writer goes past the system's cache, which may therefore be behind: look again.
        Err(ReadError::Damage(_)) => walk(
            shared,
            stretch.start,
            limit,
            Access::ReadUncached,
            &mut look,
        ),
        outcome => outcome,
    };
    match outcome {
        Ok(flow) => Ok((bytes, flow)),
        Err(error) => {
            // Trimmed meanwhile: the file is gone or has become another segment.
            let segments = &shared.lock().segments;
            match segments.contains_key(&stretch.start.segment()) {
                true => Err(error),
                false => Ok((0, ControlFlow::Continue(()))),
            }
        }
    }
}

fn walk(
    shared: &Shared,
    start: LogOffset,
    limit: u64,
    access: Access,
    look: &mut impl FnMut(Record) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ReadError> {
    let disk = shared.disk.as_ref();
    let segment = start.segment();
    let mut cursor = Cursor::open(disk, &shared.identity, segment, access, READ_BYTES)?;
    cursor.restrict(start.position(), limit);
    loop {
        let frame = match cursor.step()? {
            Step::Record(frame) => frame,
            Step::End { at } if at >= limit => return Ok(ControlFlow::Continue(())),
            Step::End { at } => return Err(cursor.damage(at, DamageReason::Record).into()),
        };
        if frame.kind == Kind::Entry && look(cursor.entry(&frame)?).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

impl std::fmt::Debug for LogReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.source {
            Source::Disk(_) => "LogReader(disk)",
            Source::Memory(_) => "LogReader(memory)",
        })
    }
}
