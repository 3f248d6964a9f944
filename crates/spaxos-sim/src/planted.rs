//! Bugs planted in the core, one per rule of the protocol page: does some checker find each? Only in
//! builds with `--cfg planted`.

pub use spaxos_core::planted::Bug;

use crate::{Options, run};

/// How a planted bug came to light.
#[derive(Clone, Debug)]
pub struct Found {
    /// The seed that showed it.
    pub seed: u64,
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
/// violation.
#[must_use]
pub fn hunt(bug: Bug, from: u64, seeds_max: u64) -> Option<Found> {
    spaxos_core::planted::switch_on(Some(bug));
    let found = (from..from + seeds_max).find_map(|seed| {
        let violation = run(seed, &Options::default()).violation?;
        Some(Found {
            seed,
            seeds: seed - from + 1,
            violation,
        })
    });
    spaxos_core::planted::switch_on(None);
    found
}
