//! A deterministic world around the code that ships: the replica of `spaxos-core` and its recovery, the
//! log of `spaxos-storage`, the codec of `spaxos-wire`, the store of `spaxos-kv`. One thread, virtual
//! time, and one seed is one exact run.
//!
//! A run has two phases. In the *safety phase* anything may fail: processes die and stand still,
//! links lose, repeat, reorder, delay and damage what they carry, partitions come and go, disks are
//! slow and full, fail, rot, and tear what was not synced. In the *liveness phase* a random connected majority is healed, what
//! befell the others stays, and everything asked of the majority has to be answered. All the while the
//! checkers compare what replicas write, send and execute with the invariants of the protocol page.
//!
//! Never here: a real clock, a thread, a file, a socket, a hash map. Nobody but tests and the command
//! line depends on this crate.
//!
//! Reading order: [`run`] → `world` (what happens) → `swarm` (what is drawn) → `checkers` (what must
//! hold) → `process`, `log` with `store`, `network` with `wire` (what a replica stands on) → `machine`
//! with `keyvalue` (what it executes) → `journal` and [`history`] (what clients saw). [`exhaustive`] is a
//! world of its own, for small cases, wholly.
//!
//! ```
//! let report = spaxos_sim::run(7, &spaxos_sim::Options::default());
//! assert_eq!(report.violation, None);
//! ```

mod checkers;
mod clients;
mod clock;
mod command;
mod event;
pub mod exhaustive;
mod faults;
mod figures;
pub mod history;
mod journal;
mod keyvalue;
mod log;
mod machine;
mod network;
#[cfg(planted)]
pub mod planted;
mod process;
mod random;
mod store;
mod swarm;
pub mod topology;
mod trace;
mod violation;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use spaxos_core::config::Modes;

pub use figures::Figures;

/// What to run besides the seed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether to keep the trace as text.
    pub trace: bool,
    /// How many replicas; drawn if not given.
    pub replicas: Option<usize>,
    /// Which variant of the protocol; drawn if not given.
    pub modes: Option<Modes>,
    /// Faults that do not happen: how a failure is narrowed down.
    pub without: Vec<FaultKind>,
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Links lose packets.
    Loss,
    /// Links deliver packets twice.
    Duplicate,
    /// Packets overtake each other.
    Reorder,
    /// Packets are damaged.
    Corrupt,
    /// Links carry so much and no more.
    Narrow,
    /// A process dies.
    Crash,
    /// A process dies between two effects of one step.
    CrashInStep,
    /// Most machines lose power at once.
    PowerCut,
    /// A process stands still, then gets everything at once.
    Pause,
    /// A process' clock runs ahead all at once.
    ClockJump,
    /// One replica is cut off.
    Isolate,
    /// The replicas fall into two groups.
    Split,
    /// One replica is not heard, or does not hear.
    OneWay,
    /// Some links are cut, in one direction or both.
    Partial,
    /// A disk goes back in time.
    Restore,
    /// Batches of a second process with one replica's id. Ends the run with the safety phase.
    Twin,
    /// A disk is slow.
    SlowDisk,
    /// A disk has no room left for a while.
    FullDisk,
    /// A write, a sync or a change of a name fails.
    WriteError,
    /// A read fails.
    ReadError,
    /// A bit of a disk turns over, where it was synced.
    BitRot,
    /// A block of a disk holds what belongs elsewhere, or what it held before.
    MisplacedBlock,
    /// A link is slow.
    SlowLink,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: &'static [FaultKind] = &[
        FaultKind::Loss,
        FaultKind::Duplicate,
        FaultKind::Reorder,
        FaultKind::Corrupt,
        FaultKind::Narrow,
        FaultKind::Crash,
        FaultKind::CrashInStep,
        FaultKind::PowerCut,
        FaultKind::Pause,
        FaultKind::ClockJump,
        FaultKind::Isolate,
        FaultKind::Split,
        FaultKind::OneWay,
        FaultKind::Partial,
        FaultKind::Restore,
        FaultKind::Twin,
        FaultKind::SlowDisk,
        FaultKind::FullDisk,
        FaultKind::WriteError,
        FaultKind::ReadError,
        FaultKind::BitRot,
        FaultKind::MisplacedBlock,
        FaultKind::SlowLink,
    ];

    /// The kind of this name, as `Debug` writes it, whatever the case of its letters.
    #[must_use]
    pub fn named(name: &str) -> Option<FaultKind> {
        let mut all = FaultKind::ALL.iter().copied();
        all.find(|kind| format!("{kind:?}").eq_ignore_ascii_case(name))
    }

    /// Those that happen at a point in time; the others are properties of the network.
    pub(crate) const SCHEDULED: &'static [FaultKind] = FaultKind::ALL.split_at(5).1;
}

/// Rare branches of the protocol. Enough seeds reach every one of them; [`Report::figures`] counts how
/// often each was.
pub const BRANCHES: &[&str] = &[
    "branch: a log with open slots is adopted",
    "branch: an adoption replaces votes",
    "branch: a decided slot makes votes void",
    "branch: an incarnation is closed",
    "branch: batches are void",
    "branch: a batch is asked of a third replica",
    "branch: a batch comes from another than its coordinator",
    "branch: slots are handed on",
    "branch: a promise reports open slots",
    "branch: a power cut takes records",
    "branch: a start dies",
    "branch: a full disk stops a replica",
    "branch: damage is found",
    "branch: a read orders a no-op",
    "branch: a leader with a stalled disk steps down",
];

/// What came out of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was drawn, in a line: replicas and modes.
    pub setting: String,
    /// The broken rule, if one was: which checker, and what it saw.
    pub violation: Option<String>,
    /// Counts of events, faults and branches reached.
    pub figures: Figures,
    /// How much virtual time passed, in nanoseconds.
    pub virtual_ns: u64,
    /// Equal for equal runs.
    pub trace_hash: u64,
    /// The trace, if it was asked for.
    pub trace: Vec<String>,
}

/// Runs one world to its end, or to the first violation.
///
/// A panic inside the replica is a violation as well; the panic hook has printed where it happened.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Report {
    let mut world = world::World::new(seed, options);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = match ended {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(violation.to_string()),
        Err(panic) => Some(format!("panic: {}", panic_text(&*panic))),
    };
    Report {
        seed,
        setting: world.setting(),
        violation,
        virtual_ns: world.now_ns(),
        trace_hash: world.trace.hash(),
        figures: std::mem::take(&mut world.figures),
        trace: world.into_trace(),
    }
}

/// Switches off as many kinds of faults as possible such that `seed` still breaks the same rule. Returns
/// the options that are left; those that were given if the seed breaks none.
///
/// What a kind's absence leaves of the run is another run, so this is no proof that a kind has nothing
/// to do with the failure. It makes the trace shorter, mostly.
#[must_use]
pub fn shrink(seed: u64, options: &Options) -> Options {
    let quiet = |options: &Options| Options {
        trace: false,
        ..options.clone()
    };
    let mut least = options.clone();
    let Some(broken) = run(seed, &quiet(&least)).violation else {
        return least;
    };
    for kind in FaultKind::ALL {
        if least.without.contains(kind) {
            continue;
        }
        let mut fewer = least.clone();
        fewer.without.push(*kind);
        let same = run(seed, &quiet(&fewer)).violation;
        if same.is_some_and(|same| checker(&same) == checker(&broken)) {
            least = fewer;
        }
    }
    least
}

/// The checker that a violation names; `panic` for an assertion of the replica itself.
#[must_use]
pub fn checker(violation: &str) -> &str {
    violation.split(':').next().unwrap_or(violation)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<String>() {
        return text;
    }
    panic
        .downcast_ref::<&str>()
        .copied()
        .unwrap_or("without words")
}
