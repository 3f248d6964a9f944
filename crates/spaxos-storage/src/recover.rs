//! What a start does before anything is appended: finds the end of the log, and moves the last segment's
//! valid part into a new file.
//!
//! The move is what makes the end final. A torn group may have readable records behind an unreadable one,
//! and a page cache may show what the disk never took; in the new file neither is left. The new segment
//! takes effect with its name, in one rename, and says itself which older ones it stands for: a start
//! that dies in between leaves nothing but files that the next one ignores.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::LogOptions;
use crate::directory::{Identity, LogState, mark_started};
use crate::disk::{Access, BLOCK_BYTES, Disk};
use crate::error::{DamageError, DamageReason, IoFailure, OpenError, ReadError};
use crate::format::{
    Kind, LogHead, LogOffset, Opening, SegmentHeader, record_bytes, segment_name, segment_number,
    spare_name, spare_number,
};
use crate::planted::planted;
use crate::replay::Replay;
use crate::scan::{Cursor, Step, Survey, access_at_start, read_header, survey};
use crate::segment::{NewRecord, Segment, SegmentMaker, UNFINISHED, sync_dir};
use crate::segment_log::SegmentLog;
use crate::shared::Shared;

/// Opens the log of a data directory.
pub(crate) fn open(
    disk: Arc<dyn Disk>,
    identity: &Identity,
    options: LogOptions,
) -> Result<(SegmentLog, Replay), OpenError> {
    options.check().map_err(OpenError::Options)?;
    let found = list(disk.as_ref())?;
    let maker = SegmentMaker {
        disk: Arc::clone(&disk),
        identity: identity.clone(),
        options,
    };
    let end = match (found.segments.is_empty(), identity.log) {
        (true, LogState::New) => LogEnd::start(),
        (true, LogState::Started) => return Err(missing(1).into()),
        (false, _) => find_end(&maker, &found.segments)?,
    };
    let mut spares = found.spares;
    let (segment, copied) = write_last(&maker, &end, &mut spares)?;
    mark_started(disk.as_ref(), identity)?;

    let kept: BTreeSet<u32> = end.segments.iter().copied().collect();
    let gone = found
        .segments
        .iter()
        .filter(|number| !kept.contains(number));
    let gone: Vec<u32> = gone.copied().collect();
    let mut spares = retire(disk.as_ref(), &gone, spares, options.spares_max)?;
    spares.sort_unstable();

    let shared = Arc::new(Shared::new(disk, identity.clone(), options));
    let mut segments: VecDeque<u32> = end.segments.into();
    segments.push_back(segment.number());
    {
        let mut state = shared.lock();
        for number in &segments {
            state.segments.insert(*number, 0);
        }
        state
            .segments
            .insert(segment.number(), segment.end().position());
    }
    let replay = Replay::new(Arc::clone(&shared), segments, end.first_head);
    let log = SegmentLog::new(maker, shared, segment, copied, spares);
    Ok((log, replay))
}

struct Found {
    segments: BTreeSet<u32>,
    spares: Vec<u32>,
}

/// Lists the directory and clears away what an interrupted start or preparation has left.
fn list(disk: &dyn Disk) -> Result<Found, IoFailure> {
    let names = disk.list();
    let names = names.map_err(IoFailure::of("list", "the data directory"))?;
    if names.iter().any(|name| name == UNFINISHED) {
        remove(disk, UNFINISHED)?;
    }
    Ok(Found {
        segments: names
            .iter()
            .filter_map(|name| segment_number(name))
            .collect(),
        spares: names.iter().filter_map(|name| spare_number(name)).collect(),
    })
}

fn remove(disk: &dyn Disk, name: &str) -> Result<(), IoFailure> {
    disk.remove(name).map_err(IoFailure::of("remove", name))
}

fn missing(number: u32) -> DamageError {
    DamageError {
        file: segment_name(number),
        offset: 0,
        reason: DamageReason::Missing,
    }
}

/// Turns segments that are no part of the log any more into spares, as many as are wanted, and removes
/// the rest. Returns all spares. Their names are durable before anybody writes into them: a file that
/// got its old name back with new content would be damage.
pub(crate) fn retire(
    disk: &dyn Disk,
    gone: &[u32],
    mut spares: Vec<u32>,
    spares_max: usize,
) -> Result<Vec<u32>, IoFailure> {
    for number in gone {
        let name = segment_name(*number);
        if spares.len() < spares_max {
            let renamed = disk.rename(&name, &spare_name(*number));
            renamed.map_err(IoFailure::of("rename", &name))?;
            spares.push(*number);
        } else {
            remove(disk, &name)?;
        }
    }
    for number in spares.split_off(spares.len().min(spares_max)) {
        remove(disk, &spare_name(number))?;
    }
    sync_dir(disk)?;
    Ok(spares)
}

/// Where the log ends, and what the segment that is to be written begins with.
struct LogEnd {
    /// The segments that stay as they are.
    segments: Vec<u32>,
    /// The segment whose records are to be moved, if its end is not sealed.
    source: Option<Survey>,
    /// The number of the new segment.
    number: u32,
    /// The first segment that the new one stands for; its own number if there is none.
    replaces: u32,
    /// As of the new segment's beginning.
    opening: Opening,
    /// The number of the new segment's first record.
    record_number: u64,
    /// As of the log's beginning.
    first_head: LogHead,
}

impl LogEnd {
    fn start() -> LogEnd {
        LogEnd {
            segments: Vec::new(),
            source: None,
            number: 1,
            replaces: 1,
            opening: Opening {
                head: LogHead::default(),
                first: 1,
            },
            record_number: 1,
            first_head: LogHead::default(),
        }
    }
}

/// The segments that are not void, in order; each follows the one before it without gap.
fn chain(maker: &SegmentMaker, numbers: &BTreeSet<u32>) -> Result<Vec<SegmentHeader>, ReadError> {
    let mut chain: Vec<SegmentHeader> = Vec::new();
    let mut below = u32::MAX;
    while let Some(number) = numbers.range(..below).next_back() {
        let header = read_header(maker.disk.as_ref(), &maker.identity, *number)?;
        below = header.replaces;
        chain.push(header);
    }
    chain.reverse();
    Ok(chain)
}

fn find_end(maker: &SegmentMaker, numbers: &BTreeSet<u32>) -> Result<LogEnd, OpenError> {
    let mut chain = chain(maker, numbers)?;
    let newest = numbers.last().copied().unwrap_or(0);
    let number = newest.checked_add(1);
    let number = number.ok_or(OpenError::Options("segment numbers are used up"))?;
    let last = last_used(maker, &chain)?;
    check_gaps(&chain, last.first)?;
    if last.sealed && last.header.number == chain.last().map_or(0, |header| header.number) {
        // The successor had its name before the seal was written.
        return Err(missing(last.header.number + 1).into());
    }
    chain.retain(|header| header.number <= last.header.number);

    let mut segments: Vec<u32> = chain.iter().map(|header| header.number).collect();
    segments.retain(|segment| *segment >= last.first);
    let end = match last.sealed {
        true => LogEnd {
            number,
            replaces: last.header.number + 1,
            opening: Opening {
                head: last.head,
                first: last.first,
            },
            record_number: last.next_number,
            first_head: LogHead::default(),
            source: None,
            segments,
        },
        false => {
            segments.pop();
            let moved = last.first >= last.header.replaces;
            LogEnd {
                number,
                replaces: last.header.replaces,
                opening: Opening {
                    head: last.opening.head,
                    first: if moved { number } else { last.first },
                },
                record_number: last.first_number,
                first_head: LogHead::default(),
                source: Some(last),
                segments,
            }
        }
    };
    with_first_head(maker, end)
}

/// Walks back over segments that were prepared and have no readable record, to the last one that has.
/// What cannot be read on the way, and behind that one's end, is torn, unless something claims more.
fn last_used(maker: &SegmentMaker, chain: &[SegmentHeader]) -> Result<Survey, OpenError> {
    let mut claim = LogOffset::default();
    for header in chain.iter().rev() {
        let disk = maker.disk.as_ref();
        let surveyed = survey(disk, &maker.identity, *header, &maker.options)?;
        claim = claim.max(surveyed.claim);
        match surveyed.survey {
            // Claims of what follows reach to its own end at most, which has been checked.
            Some(survey) if survey.sealed => return Ok(survey),
            _ if claim > LogOffset::new(header.number, surveyed.end)
                && !planted!(DamageCutAsTorn) =>
            {
                return Err(DamageError {
                    file: segment_name(header.number),
                    offset: surveyed.end,
                    reason: DamageReason::Record,
                }
                .into());
            }
            Some(survey) => return Ok(survey),
            None => {}
        }
    }
    Err(missing(1).into())
}

/// Checks that no segment is missing behind the log's beginning.
fn check_gaps(chain: &[SegmentHeader], first: u32) -> Result<(), DamageError> {
    let mut next = first;
    for header in chain.iter().filter(|header| header.number >= first) {
        if header.replaces > next {
            return Err(missing(next));
        }
        next = header.number + 1;
    }
    Ok(())
}

/// Looks up what the replica was at the beginning of the first segment that stays.
fn with_first_head(maker: &SegmentMaker, mut end: LogEnd) -> Result<LogEnd, OpenError> {
    end.first_head = match end.segments.first() {
        None => end.opening.head,
        Some(first) => {
            let disk = maker.disk.as_ref();
            let access = access_at_start();
            let mut cursor = Cursor::open(disk, &maker.identity, *first, access, BLOCK_BYTES)?;
            match read_opening(&mut cursor)? {
                Some(opening) => opening.head,
                None => {
                    let at = cursor.position();
                    return Err(cursor.damage(at, DamageReason::Record).into());
                }
            }
        }
    };
    Ok(end)
}

fn read_opening(cursor: &mut Cursor) -> Result<Option<Opening>, IoFailure> {
    match cursor.step()? {
        Step::Record(frame) if frame.kind == Kind::Opening => {
            Ok(Opening::decode(cursor.body(&frame)?))
        }
        _ => Ok(None),
    }
}

/// What the log goes on with behind the new segment's records.
pub(crate) struct Copied {
    pub(crate) head: LogHead,
    pub(crate) first: u32,
    pub(crate) next_number: u64,
}

/// Writes the new segment, with the records that it takes over, and gives it its name.
fn write_last(
    maker: &SegmentMaker,
    end: &LogEnd,
    spares: &mut Vec<u32>,
) -> Result<(Segment, Copied), OpenError> {
    let entry_bytes = end.source.as_ref().map_or(0, |source| source.entry_bytes);
    let opening = end.opening.encode();
    // Behind the header's block: the records, the rest of their last block, and the seal's.
    let blocks = entry_bytes + (record_bytes(opening.len()) + 3 * BLOCK_BYTES) as u64;
    let needed = blocks.next_multiple_of(BLOCK_BYTES as u64);
    let bytes = maker.options.segment_bytes.max(needed);
    let mut segment = begin_last(maker, end, bytes, spares)?;
    let synced = LogOffset::new(end.number, 0);
    let mut number = end.record_number;
    segment.push(&NewRecord {
        kind: Kind::Opening,
        body: [&opening, &[]],
        synced,
        number,
    })?;
    number += 1;
    let mut head = end.opening.head;
    if let Some(source) = &end.source {
        head = source.head;
        copy_entries(maker, source, &mut segment, &mut number)?;
    } else if end.number > 1 {
        sync_sealed(maker, end.replaces - 1)?;
    }
    let segment = maker.finish(segment)?;
    let copied = Copied {
        head,
        first: end.opening.first,
        next_number: number,
    };
    Ok((segment, copied))
}

/// The file of the new segment: a spare one if there is one, so that a disk which is full may be
/// started from.
fn begin_last(
    maker: &SegmentMaker,
    end: &LogEnd,
    bytes: u64,
    spares: &mut Vec<u32>,
) -> Result<Segment, OpenError> {
    while bytes == maker.options.segment_bytes
        && let Some(spare) = spares.pop()
    {
        let name = spare_name(spare);
        if let Some(segment) = maker.begin_with(&name, end.number, end.replaces)? {
            return Ok(segment);
        }
        // Segments had another length when it was one.
        remove(maker.disk.as_ref(), &name)?;
    }
    Ok(maker.begin(end.number, end.replaces, bytes)?)
}

fn copy_entries(
    maker: &SegmentMaker,
    source: &Survey,
    segment: &mut Segment,
    number: &mut u64,
) -> Result<(), OpenError> {
    let SegmentMaker {
        disk,
        identity,
        options,
    } = maker;
    let access = access_at_start();
    let from = source.header.number;
    let mut cursor = Cursor::open(disk.as_ref(), identity, from, access, options.read_bytes)?;
    cursor.restrict(cursor.position(), source.end);
    loop {
        let frame = match cursor.step()? {
            Step::Record(frame) => frame,
            Step::End { at } if at == source.end => return Ok(()),
            // It was readable a moment ago.
            Step::End { at } => return Err(cursor.damage(at, DamageReason::Record).into()),
        };
        if frame.kind == Kind::Entry {
            segment.push(&NewRecord {
                kind: Kind::Entry,
                body: [cursor.body(&frame)?, &[]],
                synced: LogOffset::new(segment.number(), 0),
                number: *number,
            })?;
            *number += 1;
        }
    }
}

/// A seal that was found may have been on its way when the process died.
fn sync_sealed(maker: &SegmentMaker, number: u32) -> Result<(), IoFailure> {
    let name = segment_name(number);
    let file = maker.disk.open(&name, Access::Write);
    let file = file.map_err(IoFailure::of("open", &name))?;
    if planted!(CacheBelieved) {
        return Ok(());
    }
    file.sync().map_err(IoFailure::of("sync", &name))
}
