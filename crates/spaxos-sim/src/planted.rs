//! Bugs planted in the code under test, one per rule of the protocol page: does a seed, or a small
//! world, find each? Only in builds with `--cfg planted`.

use spaxos_core::planted as core;
use spaxos_storage::planted as storage;

use crate::exhaustive::{World, explore, worlds};
use crate::{Options, run};

/// A bug that is planted somewhere below the simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// In the protocol.
    Core(core::Bug),
    /// In the log on disk.
    Storage(storage::Bug),
}

/// Bugs that take many seeds, more than fifteen in the median: a short look leaves them out.
const RARE: &[Bug] = &[
    Bug::Core(core::Bug::StoredBatchReplaced),
    Bug::Core(core::Bug::NeededBatchRefused),
    Bug::Core(core::Bug::DigestNotCompared),
    Bug::Core(core::Bug::PromiseNotCheckedAgain),
    Bug::Core(core::Bug::MarkOfAnotherBallot),
    Bug::Core(core::Bug::OneIsAskedForSlots),
    Bug::Core(core::Bug::SlotsLeaveUnrecorded),
    Bug::Core(core::Bug::PreVoteAlwaysGranted),
    Bug::Core(core::Bug::PromiseLeavesOutHanded),
    Bug::Core(core::Bug::LongestLogPreferred),
    Bug::Core(core::Bug::PromiseCountedEarly),
    Bug::Core(core::Bug::TailReplacedInPart),
    Bug::Core(core::Bug::AdoptionInPieces),
    Bug::Core(core::Bug::DeafLeaderStays),
    Bug::Core(core::Bug::StuckLeaderStays),
    Bug::Core(core::Bug::HungLeaderStays),
    Bug::Core(core::Bug::ReadAsksCurrentBallot),
    Bug::Core(core::Bug::ReadJoinsRound),
    Bug::Core(core::Bug::OldAnswersCount),
    Bug::Core(core::Bug::ReadWaitsForever),
    Bug::Core(core::Bug::ForwardTakenTwice),
    Bug::Storage(storage::Bug::DamageCutAsTorn),
    Bug::Storage(storage::Bug::ChecksumNotCompared),
    Bug::Storage(storage::Bug::SyncedBlockRewritten),
    Bug::Storage(storage::Bug::CacheBelieved),
];

/// Bugs that show in small worlds, one for each check there: a short look is for them.
const SMALL: &[core::Bug] = &[
    core::Bug::AckBeforeSync,
    core::Bug::VoteBeforeSync,
    core::Bug::PrepareBeforeSync,
    core::Bug::VoteBeforeHolding,
    core::Bug::QuorumOneShort,
    core::Bug::OwnLogPreferred,
    core::Bug::PromiseLeavesOutHanded,
    core::Bug::BallotReused,
    core::Bug::BatchExecutedTwice,
    core::Bug::ReadJoinsRound,
    core::Bug::NothingSentAgain,
];

impl Bug {
    /// All that can show here: no simulated disk runs in durability `os`.
    pub fn all() -> impl Iterator<Item = Bug> {
        let core = core::Bug::ALL.iter().copied().map(Bug::Core);
        let storage = storage::Bug::ALL.iter().copied().map(Bug::Storage);
        let all = core.chain(storage);
        all.filter(|bug| *bug != Bug::Storage(storage::Bug::LifeNotSynced))
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Bug::Core(bug) => bug.name(),
            Bug::Storage(bug) => bug.name(),
        }
    }

    /// Whether it takes many seeds.
    #[must_use]
    pub fn is_rare(self) -> bool {
        RARE.contains(&self)
    }

    /// Whether a short look in small worlds is for it.
    #[must_use]
    pub fn is_small(self) -> bool {
        match self {
            Bug::Core(bug) => SMALL.contains(&bug),
            Bug::Storage(_) => false,
        }
    }

    /// Does something in this thread while this bug, and no other, is switched on.
    fn during<T>(self, what: impl FnOnce() -> T) -> T {
        match self {
            Bug::Core(bug) => core::switch_on(Some(bug)),
            Bug::Storage(bug) => storage::switch_on(Some(bug)),
        }
        let done = what();
        core::switch_on(None);
        storage::switch_on(None);
        done
    }
}

/// How a planted bug came to light.
#[derive(Clone, Debug)]
pub struct Found {
    /// How many seeds it took, that one included.
    pub seeds: u64,
    /// What the run said: the checker first.
    pub violation: String,
}

impl Found {
    /// Which checker saw it; `panic` is an assertion of the replica itself.
    #[must_use]
    pub fn checker(&self) -> &str {
        let end = self.violation.find(':');
        end.map_or(&self.violation, |end| &self.violation[..end])
    }
}

/// Runs seeds from `from` on with `bug` switched on, at most `seeds_max` of them, until one shows a
/// violation that it does not show without.
#[must_use]
pub fn hunt(bug: Bug, from: u64, seeds_max: u64) -> Option<Found> {
    let violation = |seed| run(seed, &Options::default()).violation;
    (from..from + seeds_max).find_map(|seed| {
        let found = bug.during(|| violation(seed))?;
        violation(seed).is_none().then_some(Found {
            seeds: seed - from + 1,
            violation: found,
        })
    })
}

/// Goes through the small worlds with `bug` switched on, at most `states_max` states of each, until one
/// shows a violation: the name of that world, and the checker that saw it.
#[must_use]
pub fn explore_with(bug: Bug, states_max: usize) -> Option<(&'static str, &'static str)> {
    bug.during(|| {
        worlds::quick().into_iter().find_map(|world| {
            let name = world.name;
            let bounded = World {
                states_max,
                ..world
            };
            let found = explore(bounded, &mut |_| {}).counterexample?;
            Some((name, found.checker))
        })
    })
}
