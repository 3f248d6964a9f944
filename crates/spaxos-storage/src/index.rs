//! A sparse map of the log: in which stretches the batches of a lane and the values of slots lie. Kept
//! in memory, bounded, built while the log is replayed and appended to.

use std::collections::BTreeMap;

use spaxos_core::record::Record;
use spaxos_core::types::{Incarnation, Position, ReplicaId, Sequence, Slot};

use crate::LogOptions;
use crate::format::LogOffset;

/// What the index keeps of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// A batch.
    Batch { lane: ReplicaId, position: Position },
    /// Values of consecutive slots, and up to where slots are known to be decided.
    Values {
        first: Slot,
        last: Slot,
        decided: Slot,
    },
    /// The decided mark alone.
    Decided(Slot),
    /// Nothing that is ever asked for.
    Other,
}

impl Note {
    pub(crate) fn of(record: &Record) -> Note {
        match record {
            Record::Batch(batch) => Note::Batch {
                lane: batch.lane,
                position: batch.position,
            },
            Record::Vote { slot, decided, .. } => Note::Values {
                first: *slot,
                last: *slot,
                decided: *decided,
            },
            Record::DecidedSlot { slot, .. } => Note::Values {
                first: *slot,
                last: *slot,
                decided: *slot,
            },
            // A log is adopted right behind what is decided.
            Record::Adoption { first, values, .. } if values.is_empty() => {
                Note::Decided(Slot(first.0.saturating_sub(1)))
            }
            Record::Adoption { first, values, .. } => Note::Values {
                first: *first,
                last: Slot(first.0.saturating_add(values.len() as u64 - 1)),
                decided: Slot(first.0.saturating_sub(1)),
            },
            Record::Decided { slot } => Note::Decided(*slot),
            _ => Note::Other,
        }
    }
}

/// A part of the log, inside one segment, from a record's start to the start of the next stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) start: LogOffset,
    /// Where the next stretch starts, if there is one.
    pub(crate) end: Option<LogOffset>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    start: LogOffset,
    /// The lowest and the highest slot that has a value here.
    slots: Option<(Slot, Slot)>,
}

/// Where the batches of one incarnation of a lane are.
#[derive(Clone, Debug)]
struct Lane {
    highest: Sequence,
    /// Stretches that have new ones, each with the lowest of them. Both grow.
    parts: Vec<(LogOffset, Sequence)>,
}

/// See the module's first line.
pub(crate) struct Index {
    parts: Vec<Part>,
    lanes: BTreeMap<(ReplicaId, Incarnation), Lane>,
    decided: Slot,
    /// What readers are told: a mark counts only once they can read everything in front of it, or they
    /// would take a value for decided that something behind it has replaced.
    decided_shown: Slot,
    stretch_bytes: u64,
    stretches_max: usize,
    lanes_max: usize,
}

impl Index {
    pub(crate) fn new(options: &LogOptions) -> Index {
        Index {
            parts: Vec::new(),
            lanes: BTreeMap::new(),
            decided: Slot(0),
            decided_shown: Slot(0),
            stretch_bytes: options.stretch_bytes,
            stretches_max: options.stretches_max,
            lanes_max: options.lanes_max,
        }
    }

    /// Takes note of a record at `at`; offsets grow from call to call.
    pub(crate) fn add(&mut self, at: LogOffset, note: Note) {
        match note {
            Note::Batch { lane, position } => {
                let start = self.part_at(at).start;
                self.add_batch(start, (lane, position.incarnation), position.sequence);
            }
            Note::Values {
                first,
                last,
                decided,
            } => {
                let part = self.part_at(at);
                let (low, high) = part.slots.unwrap_or((first, last));
                part.slots = Some((low.min(first), high.max(last)));
                self.decided = self.decided.max(decided);
            }
            Note::Decided(slot) => self.decided = self.decided.max(slot),
            Note::Other => {}
        }
    }

    fn add_batch(&mut self, start: LogOffset, key: (ReplicaId, Incarnation), sequence: Sequence) {
        let lane = self.lanes.entry(key).or_insert_with(|| Lane {
            highest: Sequence(0),
            parts: Vec::new(),
        });
        // The first content of a position is the one that counts; later copies are not looked for.
        if sequence > lane.highest {
            lane.highest = sequence;
            if lane.parts.last().is_none_or(|part| part.0 < start) {
                lane.parts.push((start, sequence));
            }
        }
        if self.lanes.len() > self.lanes_max {
            let last_part = |lane: &Lane| lane.parts.last().map(|part| part.0);
            let oldest = self.lanes.iter().min_by_key(|(_, lane)| last_part(lane));
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.lanes.remove(&key);
            }
        }
    }

    /// The stretches that have batches of this lane and incarnation from `from` to `to`, in order.
    pub(crate) fn batches(&self, lane: ReplicaId, from: Position, to: Sequence) -> Vec<Stretch> {
        let Some(lane) = self.lanes.get(&(lane, from.incarnation)) else {
            return Vec::new();
        };
        let behind = lane.parts.partition_point(|part| part.1 <= from.sequence);
        let Some(first) = behind.checked_sub(1) else {
            return Vec::new();
        };
        let wanted = lane.parts[first..].iter().take_while(|part| part.1 <= to);
        wanted.map(|part| self.stretch(part.0)).collect()
    }

    /// The stretches that have values of slots from `from` to `to`, in order.
    pub(crate) fn slots(&self, from: Slot, to: Slot) -> Vec<Stretch> {
        let holds = |part: &&Part| {
            part.slots
                .is_some_and(|(low, high)| low <= to && from <= high)
        };
        let parts = self.parts.iter().filter(holds);
        parts.map(|part| self.stretch(part.start)).collect()
    }

    /// The highest slot that the readable part of the log knows to be decided.
    pub(crate) fn decided_shown(&self) -> Slot {
        self.decided_shown
    }

    /// Everything that was added is readable now.
    pub(crate) fn show(&mut self) {
        self.decided_shown = self.decided;
    }

    /// Forgets everything in front of a segment.
    pub(crate) fn trim(&mut self, first: u32) {
        let gone = |start: LogOffset| start.segment() < first;
        self.parts.retain(|part| !gone(part.start));
        self.forget_lanes(gone);
    }

    fn forget_lanes(&mut self, gone: impl Fn(LogOffset) -> bool) {
        self.lanes.retain(|_, lane| {
            lane.parts.retain(|part| !gone(part.0));
            !lane.parts.is_empty()
        });
    }

    fn stretch(&self, start: LogOffset) -> Stretch {
        let next = self.parts.partition_point(|part| part.start <= start);
        Stretch {
            start,
            end: self.parts.get(next).map(|part| part.start),
        }
    }

    /// The part that a record at `at` belongs to.
    fn part_at(&mut self, at: LogOffset) -> &mut Part {
        let fits = self.parts.last().is_some_and(|part| {
            part.start.segment() == at.segment() && at.0 - part.start.0 < self.stretch_bytes
        });
        if !fits {
            if self.parts.len() >= self.stretches_max {
                self.thin();
            }
            self.parts.push(Part {
                start: at,
                slots: None,
            });
        }
        let last = self.parts.len() - 1;
        &mut self.parts[last]
    }

    /// Joins stretches two by two where they lie in the same segment, and makes future ones twice as
    /// long. If that frees nothing, the oldest one is forgotten.
    fn thin(&mut self) {
        self.stretch_bytes = self.stretch_bytes.saturating_mul(2);
        let before = self.parts.len();
        let mut joined: Vec<Part> = Vec::with_capacity(before);
        let mut may_join = false;
        for part in self.parts.drain(..) {
            match joined.last_mut() {
                Some(last) if may_join && last.start.segment() == part.start.segment() => {
                    last.slots = match (last.slots, part.slots) {
                        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                        (a, b) => a.or(b),
                    };
                    may_join = false;
                }
                _ => {
                    joined.push(part);
                    may_join = true;
                }
            }
        }
        if joined.len() == before {
            joined.remove(0);
        }
        self.parts = joined;
        self.move_lanes();
    }

    /// Lets lanes name the stretches that are left.
    fn move_lanes(&mut self) {
        let Some(first) = self.parts.first().map(|part| part.start) else {
            return;
        };
        self.forget_lanes(|start| start < first);
        for lane in self.lanes.values_mut() {
            for part in &mut lane.parts {
                let behind = self.parts.partition_point(|known| known.start <= part.0);
                part.0 = self.parts[behind - 1].start;
            }
            // Of several in one stretch the first has the lowest sequence.
            lane.parts.dedup_by_key(|part| part.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(stretches_max: usize) -> Index {
        Index::new(&LogOptions {
            stretch_bytes: 100,
            stretches_max,
            lanes_max: 4,
            ..LogOptions::default()
        })
    }

    fn batch(lane: u64, incarnation: u64, sequence: u64) -> Note {
        Note::Batch {
            lane: ReplicaId(lane),
            position: Position::new(incarnation, sequence),
        }
    }

    fn starts(stretches: &[Stretch]) -> Vec<u64> {
        stretches.iter().map(|s| s.start.position()).collect()
    }

    #[test]
    fn a_lane_is_found_where_it_is_and_nowhere_else() {
        let mut index = index(100);
        for n in 0..100 {
            let note = if n % 10 < 5 {
                batch(1, 1, n / 10 * 5 + n % 10 + 1)
            } else {
                batch(2, 1, n + 1)
            };
            index.add(LogOffset::new(1, 4096 + n * 50), note);
        }
        let found = index.batches(ReplicaId(1), Position::new(1, 6), Sequence(10));
        // Batches 6 to 10 are the records 10 to 14; a stretch has two records.
        assert_eq!(starts(&found), [4596, 4696, 4796]);
        assert_eq!(found[0].end, Some(LogOffset::new(1, 4696)));
        assert!(
            index
                .batches(ReplicaId(3), Position::new(1, 1), Sequence(9))
                .is_empty()
        );
        assert!(
            index
                .batches(ReplicaId(1), Position::new(2, 1), Sequence(9))
                .is_empty()
        );
    }

    #[test]
    fn thinning_keeps_everything_findable() {
        let mut index = index(8);
        for n in 0..1000_u64 {
            index.add(
                LogOffset::new(1, 4096 + n * 100),
                batch(n % 2, 1, n / 2 + 1),
            );
            assert!(index.parts.len() <= 8);
        }
        for wanted in 1..=500 {
            let record = LogOffset::new(1, 4096 + (wanted * 2 - 1) * 100);
            let found = index.batches(ReplicaId(1), Position::new(1, wanted), Sequence(wanted));
            let hit = found
                .iter()
                .any(|s| s.start <= record && s.end.is_none_or(|end| record < end));
            assert!(hit, "{wanted}: {found:?}");
        }
    }

    #[test]
    fn stretches_end_with_their_segment_and_old_ones_give_way() {
        let mut index = index(3);
        for segment in 1..=10 {
            index.add(
                LogOffset::new(segment, 4096),
                batch(1, 1, u64::from(segment)),
            );
        }
        assert_eq!(index.parts.len(), 3);
        assert!(
            index
                .batches(ReplicaId(1), Position::new(1, 3), Sequence(9))
                .is_empty()
        );
        assert_eq!(
            index
                .batches(ReplicaId(1), Position::new(1, 9), Sequence(9))
                .len(),
            1
        );
    }

    #[test]
    fn slots_are_found_wherever_they_were_set() {
        let mut index = index(100);
        let value = |first, last| Note::Values {
            first: Slot(first),
            last: Slot(last),
            decided: Slot(0),
        };
        index.add(LogOffset::new(1, 4096), value(1, 1));
        index.add(LogOffset::new(1, 5000), value(2, 4));
        index.add(LogOffset::new(1, 6000), value(3, 3));
        index.add(LogOffset::new(1, 7000), Note::Decided(Slot(3)));
        assert_eq!(starts(&index.slots(Slot(3), Slot(3))), [5000, 6000]);
        assert_eq!(starts(&index.slots(Slot(1), Slot(9))), [4096, 5000, 6000]);
        assert_eq!(index.decided_shown(), Slot(0));
        index.show();
        assert_eq!(index.decided_shown(), Slot(3));
    }

    #[test]
    fn the_lane_last_heard_of_longest_ago_is_forgotten_first() {
        let mut index = index(100);
        for lane in 1..=6 {
            index.add(LogOffset::new(1, 4096 + lane * 200), batch(lane, 1, 1));
        }
        let known = |lane| {
            !index
                .batches(ReplicaId(lane), Position::new(1, 1), Sequence(1))
                .is_empty()
        };
        assert_eq!(
            (1..=6).map(known).collect::<Vec<_>>(),
            [false, false, true, true, true, true]
        );
    }

    #[test]
    fn trimming_forgets_what_is_in_front() {
        let mut index = index(100);
        for segment in 1..=4_u32 {
            index.add(
                LogOffset::new(segment, 4096),
                batch(1, 1, u64::from(segment)),
            );
            index.add(
                LogOffset::new(segment, 4200),
                batch(u64::from(segment) + 1, 1, 1),
            );
        }
        index.trim(3);
        assert!(
            index
                .batches(ReplicaId(1), Position::new(1, 2), Sequence(2))
                .is_empty()
        );
        assert_eq!(
            index
                .batches(ReplicaId(1), Position::new(1, 3), Sequence(4))
                .len(),
            2
        );
        assert!(
            index
                .batches(ReplicaId(2), Position::new(1, 1), Sequence(1))
                .is_empty()
        );
    }
}
