//! All lanes as this replica holds them: per lane the live incarnations, each a prefix without gap.
//!
//! Data: per lane a few [`Run`]s (one per incarnation that no executed cut has closed), and a cache
//! of executed batches for peers that lag a little. Limits: bytes held per lane, incarnations per
//! lane, bytes of the cache. Invariants: a run is contiguous; a stored batch is never replaced by
//! another content (invariant 3); nothing at or below the executed position is held as unexecuted.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::batch::Batch;
use crate::config::Limits;
use crate::cut::{Cut, CutEntry};
use crate::message::Held;
use crate::planted::planted;
use crate::types::{Incarnation, LaneMap, Lsn, Position, ReplicaId, Sequence};

/// What becomes of a batch that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It is the next of its incarnation: append it.
    Next,
    /// Already here, or ordered and executed, or void.
    Known,
    /// Something before it is missing.
    Gap,
    /// The next, but there is no room until some of the lane is executed. What the log orders is
    /// taken all the same: it is what makes room.
    Full,
    /// Its checksum is wrong: damaged on the way.
    Damaged,
    /// Another content than the one stored, or than the chain of digests allows.
    Forked,
    /// No such lane, or the lane was stopped by a fork.
    Refused,
}

/// Whether what a cut entry covers is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    /// Yes, or it is executed or void.
    Held,
    /// Not all of it.
    Missing,
    /// All of it, with another content than the cut names.
    Forked,
}

/// One incarnation of a lane beyond what is executed.
#[derive(Clone, Debug)]
struct Run {
    incarnation: Incarnation,
    /// The executed end of this incarnation, and the digest there.
    base: Sequence,
    base_digest: u64,
    batches: VecDeque<Arc<Batch>>,
    /// The end of the durable prefix. Execution waits for no disk, so `base` may be further.
    durable: Sequence,
    /// The records of the batches behind `durable`, in order.
    undurable: VecDeque<Lsn>,
    bytes: u64,
}

impl Run {
    fn new(incarnation: Incarnation) -> Run {
        Run {
            incarnation,
            base: Sequence(0),
            base_digest: 0,
            batches: VecDeque::new(),
            durable: Sequence(0),
            undurable: VecDeque::new(),
            bytes: 0,
        }
    }

    fn end(&self) -> Sequence {
        Sequence(self.base.0 + self.batches.len() as u64)
    }

    fn get(&self, sequence: Sequence) -> Option<&Arc<Batch>> {
        let at = sequence.0.checked_sub(self.base.0 + 1)?;
        self.batches.get(usize::try_from(at).ok()?)
    }

    fn digest_at(&self, sequence: Sequence) -> Option<u64> {
        if sequence == self.base {
            return Some(self.base_digest);
        }
        self.get(sequence).map(|batch| batch.digest)
    }
}

#[derive(Clone, Debug, Default)]
struct Lane {
    /// Up to here the lane is executed.
    executed: CutEntry,
    /// Live incarnations, in order; the executed one is among them once there is one.
    runs: Vec<Run>,
    /// Executed batches, in order.
    cache: VecDeque<Arc<Batch>>,
    cache_bytes: u64,
    /// Set by a fork: nothing more of this lane is taken.
    stopped: bool,
}

impl Lane {
    fn run(&self, incarnation: Incarnation) -> Option<&Run> {
        self.runs.iter().find(|run| run.incarnation == incarnation)
    }

    /// The bytes of an incarnation and the older ones. Newer ones never stand in the way of what must
    /// be ordered before them.
    fn bytes_up_to(&self, incarnation: Incarnation) -> u64 {
        let older = self
            .runs
            .iter()
            .filter(|run| run.incarnation <= incarnation);
        older.map(|run| run.bytes).sum()
    }

    fn cached(&self, position: Position) -> Option<&Arc<Batch>> {
        let at = self
            .cache
            .partition_point(|batch| batch.position < position);
        self.cache
            .get(at)
            .filter(|batch| batch.position == position)
    }
}

/// All lanes as this replica holds them.
#[derive(Clone, Debug)]
pub(crate) struct BatchStore {
    lanes: LaneMap<Lane>,
    held_bytes_max: u64,
    incarnations_max: usize,
    /// Per lane.
    cache_bytes_max: u64,
}

impl BatchStore {
    pub(crate) fn new(members: &[ReplicaId], limits: &Limits) -> BatchStore {
        BatchStore {
            lanes: LaneMap::from_ids(members, |_| Lane::default()),
            held_bytes_max: limits.held_bytes_max,
            incarnations_max: limits.incarnations_max,
            cache_bytes_max: limits.cache_bytes_max / members.len() as u64,
        }
    }

    /// What is to become of `batch`.
    pub(crate) fn fit(&self, batch: &Batch) -> Fit {
        let Some(lane) = self.lanes.get(batch.lane) else {
            return Fit::Refused;
        };
        let position = batch.position;
        if lane.stopped || position.incarnation.0 == 0 || position.sequence.0 == 0 {
            return Fit::Refused;
        }
        if position <= lane.executed.position
            || position.incarnation < lane.executed.position.incarnation
        {
            return fit_executed(lane, batch);
        }
        let (end, digest) = match lane.run(position.incarnation) {
            Some(run) => (run.end(), run.digest_at(run.end()).unwrap_or_default()),
            None => (Sequence(0), 0),
        };
        if position.sequence <= end {
            return fit_stored(lane, batch);
        }
        if position.sequence != end.next() {
            return Fit::Gap;
        }
        if !batch.is_intact() {
            return Fit::Damaged;
        }
        if !batch.continues(digest) {
            return Fit::Forked;
        }
        let room = self.has_room(batch.lane, position.incarnation);
        let bytes = lane.bytes_up_to(position.incarnation) + batch.cost_bytes();
        if bytes > self.held_bytes_max || !room {
            return Fit::Full;
        }
        Fit::Next
    }

    /// Whether the next batch of an incarnation would be refused for want of room, unless it is needed.
    pub(crate) fn is_full(&self, lane: ReplicaId, incarnation: Incarnation) -> bool {
        let known = self.lanes.get(lane);
        let bytes = known.map_or(0, |lane| lane.bytes_up_to(incarnation));
        bytes >= self.held_bytes_max || !self.has_room(lane, incarnation)
    }

    /// Keeps a batch that [`BatchStore::fit`] said is the next; `lsn` is its record, 0 if it was
    /// replayed.
    pub(crate) fn push(&mut self, batch: Arc<Batch>, lsn: Lsn) {
        let lane = self.lanes.get_mut(batch.lane).expect("the lane fits");
        let incarnation = batch.position.incarnation;
        let at = lane
            .runs
            .partition_point(|run| run.incarnation < incarnation);
        if lane
            .runs
            .get(at)
            .is_none_or(|run| run.incarnation != incarnation)
        {
            lane.runs.insert(at, Run::new(incarnation));
        }
        if planted!(OldIncarnationDroppedEarly) {
            let newest = lane.runs.len() - 1;
            for old in &mut lane.runs[..newest] {
                old.batches.clear();
                old.bytes = 0;
            }
        }
        let run = &mut lane.runs[at];
        assert_eq!(
            batch.position.sequence,
            run.end().next(),
            "a lane is stored without gap"
        );
        run.bytes += batch.cost_bytes();
        if lsn.0 == 0 {
            run.durable = batch.position.sequence;
        } else {
            run.undurable.push_back(lsn);
        }
        run.batches.push_back(batch);
    }

    /// Stops a lane in which two contents claim one position (invariant 3).
    pub(crate) fn stop_lane(&mut self, lane: ReplicaId) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.stopped = true;
        }
    }

    /// The planted bug that invariant 3 is about.
    #[cfg(planted)]
    pub(crate) fn replace(&mut self, batch: Arc<Batch>) {
        let position = batch.position;
        let lane = self.lanes.get_mut(batch.lane);
        let mut runs = lane.into_iter().flat_map(|lane| &mut lane.runs);
        if let Some(run) = runs.find(|run| run.incarnation == position.incarnation) {
            let at = position.sequence.0.checked_sub(run.base.0 + 1);
            let at = at.and_then(|at| usize::try_from(at).ok());
            if let Some(stored) = at.and_then(|at| run.batches.get_mut(at)) {
                *stored = batch;
            }
        }
    }

    /// Everything up to record `lsn` is durable.
    pub(crate) fn on_durable(&mut self, lsn: Lsn) {
        for (_, lane) in self.lanes.iter_mut() {
            for run in &mut lane.runs {
                while run.undurable.front().is_some_and(|first| *first <= lsn) {
                    run.undurable.pop_front();
                    run.durable = run.durable.next();
                }
            }
        }
    }

    /// The acks: per lane and live incarnation the durable end, or with `appended` the end of what is
    /// on its way to the disk. Only so many of a lane, the oldest first, since those are ordered first:
    /// a peer takes no more in one message.
    pub(crate) fn held(&self, appended: bool) -> Vec<Held> {
        let mut held = Vec::with_capacity(self.lanes.len() + 1);
        for (id, lane) in self.lanes.iter() {
            for run in lane.runs.iter().take(self.incarnations_max) {
                let sequence = if appended { run.end() } else { run.durable };
                let position = Position {
                    incarnation: run.incarnation,
                    sequence,
                };
                held.push(Held { lane: id, position });
            }
        }
        held
    }

    /// The end of what is here of one incarnation.
    pub(crate) fn end(&self, lane: ReplicaId, incarnation: Incarnation) -> Sequence {
        let run = self.lanes.get(lane).and_then(|lane| lane.run(incarnation));
        run.map_or(Sequence(0), Run::end)
    }

    /// Whether an incarnation of a lane is closed: an executed cut names a newer one.
    pub(crate) fn is_closed(&self, lane: ReplicaId, incarnation: Incarnation) -> bool {
        self.lanes
            .get(lane)
            .is_none_or(|lane| incarnation < lane.executed.position.incarnation)
    }

    /// Whether what `entry` covers of `lane` is here, executed or void.
    pub(crate) fn holding(&self, lane: ReplicaId, entry: CutEntry) -> Holding {
        let Some(lane) = self.lanes.get(lane) else {
            return Holding::Missing;
        };
        let executed = lane.executed;
        if entry.position <= executed.position {
            return Holding::Held;
        }
        if planted!(HoldingAcrossIncarnations) {
            let reaches = |run: &Run| run.end() >= entry.position.sequence;
            if lane.runs.iter().any(reaches) {
                return Holding::Held;
            }
        }
        let run = lane.run(entry.position.incarnation);
        let digest = run.and_then(|run| run.digest_at(entry.position.sequence));
        match digest {
            Some(digest) if digest == entry.digest || planted!(DigestNotCompared) => Holding::Held,
            Some(_) => Holding::Forked,
            None => Holding::Missing,
        }
    }

    /// Whether everything under `cut` is here, executed or void.
    pub(crate) fn holds(&self, cut: &Cut) -> bool {
        let mut entries = cut.entries().iter();
        entries.all(|&(lane, entry)| self.holding(lane, entry) == Holding::Held)
    }

    /// Where the leader may go next in `lane` after `from`: further in the same incarnation, or if
    /// that is exhausted into the next one. Takes batches while they stay within `budget_bytes`,
    /// at least one, and none behind `cap`.
    pub(crate) fn advance(
        &self,
        lane: ReplicaId,
        from: Position,
        budget_bytes: u64,
        cap: impl Fn(Incarnation) -> Sequence,
    ) -> Option<CutEntry> {
        let lane = self.lanes.get(lane)?;
        let mut runs = lane.runs.iter();
        let run = runs.find(|run| match run.incarnation.cmp(&from.incarnation) {
            std::cmp::Ordering::Less => {
                planted!(OldIncarnationNotClosed) && !run.batches.is_empty()
            }
            std::cmp::Ordering::Equal => run.end() > from.sequence,
            std::cmp::Ordering::Greater => run.end().0 > 0,
        })?;
        let start = if run.incarnation == from.incarnation {
            from.sequence
        } else {
            run.base
        };
        let end = run.end().min(cap(run.incarnation));
        let mut bytes = 0;
        let mut last = None;
        for sequence in start.0 + 1..=end.0 {
            let batch = run.get(Sequence(sequence))?;
            bytes += batch.cost_bytes();
            if last.is_some() && bytes > budget_bytes {
                break;
            }
            last = Some(CutEntry {
                position: batch.position,
                digest: batch.digest,
            });
        }
        last
    }

    /// The batches that `entry` orders of `lane`, beyond what is executed. Nothing if it is void.
    pub(crate) fn ordered_by(
        &self,
        lane: ReplicaId,
        entry: CutEntry,
    ) -> impl Iterator<Item = &Arc<Batch>> {
        let lane = self.lanes.get(lane);
        let fresh = lane.filter(|lane| entry.position > lane.executed.position);
        let run = fresh.and_then(|lane| lane.run(entry.position.incarnation));
        let count = run.map_or(0, |run| entry.position.sequence.0 - run.base.0);
        let again = lane.filter(|_| fresh.is_none() && planted!(BatchExecutedTwice));
        let again = again.and_then(|lane| lane.cached(entry.position));
        run.into_iter()
            .flat_map(|run| run.batches.iter())
            .take(usize::try_from(count).unwrap_or(usize::MAX))
            .chain(again)
    }

    /// `lane` is executed up to `entry`: what it covers moves to the cache, older incarnations go.
    pub(crate) fn execute(&mut self, lane: ReplicaId, entry: CutEntry) {
        let cache_bytes_max = self.cache_bytes_max;
        let lane = self.lanes.get_mut(lane).expect("a cut names members only");
        if entry.position <= lane.executed.position {
            return;
        }
        lane.executed = entry;
        for run in &mut lane.runs {
            if run.incarnation == entry.position.incarnation {
                while run.base < entry.position.sequence {
                    let batch = run.batches.pop_front().expect("what is executed is held");
                    run.base = run.base.next();
                    run.base_digest = batch.digest;
                    run.bytes -= batch.cost_bytes();
                    lane.cache_bytes += batch.cost_bytes();
                    lane.cache.push_back(batch);
                }
                assert_eq!(run.base_digest, entry.digest, "invariant 3: one content");
            }
        }
        let keeps = planted!(OldIncarnationNotClosed);
        lane.runs
            .retain(|run| keeps || run.incarnation >= entry.position.incarnation);
        while lane.cache_bytes > cache_bytes_max {
            let oldest = lane.cache.pop_front().expect("bytes are of batches");
            lane.cache_bytes -= oldest.cost_bytes();
        }
    }

    /// A batch, if it is in memory.
    pub(crate) fn get(&self, lane: ReplicaId, position: Position) -> Option<&Arc<Batch>> {
        let lane = self.lanes.get(lane)?;
        let run = lane.run(position.incarnation);
        let live = run.and_then(|run| run.get(position.sequence));
        live.or_else(|| lane.cached(position))
    }

    /// Whether the first batch of `incarnation` would be taken.
    pub(crate) fn has_room(&self, lane: ReplicaId, incarnation: Incarnation) -> bool {
        let lane = self.lanes.get(lane);
        lane.is_some_and(|lane| {
            let older = lane.runs.iter().filter(|run| run.incarnation < incarnation);
            let known = lane.run(incarnation).is_some();
            !lane.stopped && (known || older.count() < self.incarnations_max)
        })
    }

    /// The first batch of `incarnation` that is in memory, or the one after its end.
    pub(crate) fn first_in_memory(&self, lane: ReplicaId, incarnation: Incarnation) -> Sequence {
        let Some(lane) = self.lanes.get(lane) else {
            return Sequence(1);
        };
        let floor = Position {
            incarnation,
            sequence: Sequence(0),
        };
        let at = lane.cache.partition_point(|batch| batch.position < floor);
        match lane.cache.get(at) {
            Some(batch) if batch.position.incarnation == incarnation => batch.position.sequence,
            _ => lane
                .run(incarnation)
                .map_or(Sequence(1), |run| run.base.next()),
        }
    }

    /// Up to where `lane` is executed.
    pub(crate) fn executed(&self, lane: ReplicaId) -> CutEntry {
        self.lanes
            .get(lane)
            .map(|lane| lane.executed)
            .unwrap_or_default()
    }
}

fn fit_executed(lane: &Lane, batch: &Batch) -> Fit {
    match lane.cached(batch.position) {
        Some(known) if known.checksum != batch.checksum && batch.is_intact() => Fit::Forked,
        _ => Fit::Known,
    }
}

fn fit_stored(lane: &Lane, batch: &Batch) -> Fit {
    let run = lane.run(batch.position.incarnation);
    match run.and_then(|run| run.get(batch.position.sequence)) {
        Some(known) if known.checksum == batch.checksum => Fit::Known,
        Some(_) if batch.is_intact() => Fit::Forked,
        Some(_) => Fit::Damaged,
        None => Fit::Known,
    }
}

#[cfg(test)]
mod tests;
