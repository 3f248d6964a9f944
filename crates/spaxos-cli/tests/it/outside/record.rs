//! What clients recorded, how long they waited, and whether the checkers agree.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use spaxos_sim::history::{Operation, Violation, What, linearizability, revisions};

/// Most operations do not overlap, so that hardly any history needs so many.
const STATES_MAX: usize = 200_000;
/// With less, a test shows nothing.
const WRITES_MIN: usize = 20;

/// The operations of all clients.
pub(crate) struct Record {
    begun: Instant,
    operations: Mutex<Vec<Recorded>>,
}

/// An operation, and the replica that had to answer it, if it was one alone.
#[derive(Clone)]
struct Recorded {
    at: Option<usize>,
    operation: Operation,
}

/// How long the clients of a replica were without an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// For the first write called since then.
    pub(crate) write: Duration,
    /// For the first linearizable read called since then.
    pub(crate) read: Duration,
}

impl Record {
    pub(crate) fn new() -> Record {
        Record {
            begun: Instant::now(),
            operations: Mutex::default(),
        }
    }

    /// A moment on the clock of this record.
    pub(crate) fn ns(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.begun);
        u64::try_from(since.as_nanos()).expect("tests are short")
    }

    pub(crate) fn add(&self, at: Option<usize>, operation: Operation) {
        self.with(|operations| operations.push(Recorded { at, operation }));
    }

    fn with<T>(&self, look: impl FnOnce(&mut Vec<Recorded>) -> T) -> T {
        let operations = self.operations.lock();
        look(&mut operations.unwrap_or_else(PoisonError::into_inner))
    }

    /// How many operations that clients of `at` called since `since` were answered.
    pub(crate) fn answered(&self, at: usize, since: Instant) -> usize {
        let since_ns = self.ns(since);
        self.with(|all| {
            let mine = all.iter().filter(|one| one.at == Some(at));
            let mine = mine.filter(|one| one.operation.called_ns >= since_ns);
            mine.filter(|one| one.operation.answer.is_some()).count()
        })
    }

    /// How long clients of `at` waited from `since` on for the first answers of those operations that
    /// others than `at` have a part in; nothing while one of the two kinds has had none.
    pub(crate) fn waits(&self, at: usize, since: Instant) -> Option<Waits> {
        Some(Waits {
            write: self.first(at, since, |op| op.answer.is_some_and(|a| a.changed))?,
            read: self.first(at, since, |op| op.what == What::Get)?,
        })
    }

    fn first(
        &self,
        at: usize,
        since: Instant,
        which: impl Fn(&Operation) -> bool,
    ) -> Option<Duration> {
        let since_ns = self.ns(since);
        self.with(|all| {
            let mine = all
                .iter()
                .filter(|one| one.at == Some(at))
                .map(|one| &one.operation);
            let mine = mine.filter(|op| op.called_ns >= since_ns && which(op));
            let returned = mine.filter_map(|op| op.answer.map(|answer| answer.returned_ns));
            let first = returned.min()?;
            Some(Duration::from_nanos(first - since_ns))
        })
    }

    /// The longest time between `from` and `to` in which no write and no linearizable read of any client
    /// of `at` was answered.
    pub(crate) fn longest_gap(&self, at: usize, from: Instant, to: Instant) -> Duration {
        let (from_ns, to_ns) = (self.ns(from), self.ns(to));
        let mut moments: Vec<u64> = self.with(|all| {
            let mine = all
                .iter()
                .filter(|one| one.at == Some(at))
                .map(|one| &one.operation);
            let mine = mine.filter(|op| op.what != What::SerializableGet);
            let returned = mine.filter_map(|op| op.answer.map(|answer| answer.returned_ns));
            returned
                .filter(|ns| (from_ns..to_ns).contains(ns))
                .collect()
        });
        moments.extend([from_ns, to_ns]);
        moments.sort_unstable();
        let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
        Duration::from_nanos(gaps.max().unwrap_or(0))
    }

    /// Reads the history with both checkers. The second may give up where much overlaps; the first says
    /// all there is to say as long as answers have revisions. `name` is that of the file with it if it is bad.
    pub(crate) fn check(&self, name: &str) {
        let history: Vec<Operation> =
            self.with(|all| all.iter().map(|one| one.operation.clone()).collect());
        let begun = Instant::now();
        let summary = revisions::check(&history);
        let summary = summary.unwrap_or_else(|violation| bad(name, &history, &violation));
        let verdict = linearizability::check(&history, STATES_MAX);
        let verdict = verdict.unwrap_or_else(|violation| bad(name, &history, &violation));
        let operations = history.len();
        eprintln!(
            "{name}: {operations} operations, {summary:?}, {verdict:?}, in {:?}",
            begun.elapsed()
        );
        assert!(
            summary.writes >= WRITES_MIN,
            "{name}: little was written: {summary:?}"
        );
    }
}

/// Leaves the history where somebody can look at it.
fn bad(name: &str, history: &[Operation], violation: &Violation) -> ! {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.history"));
    let mut sorted: Vec<&Operation> = history.iter().collect();
    sorted.sort_by_key(|operation| operation.called_ns);
    let lines: Vec<String> = sorted.iter().map(|op| format!("{op}\n")).collect();
    fs::write(&path, lines.concat()).expect("the history can be kept");
    panic!("{name}: {violation}; the history is in {}", path.display());
}
