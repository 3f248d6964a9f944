//! The term in the header of every answer.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use spaxos::Status;

/// The highest round of a ballot that this member has seen, which clients call term. It never goes
/// back, since some clients leave a member whose term does.
///
/// A node's status is a copy under a lock: too much for each answer, and no news more often than
/// every few milliseconds. So it is read at most once in [`FRESH_MS`].
#[derive(Debug)]
pub(crate) struct Term {
    highest: AtomicU64,
    start: Instant,
    /// Which period of [`FRESH_MS`], counted from 1, last read the status.
    read_in: AtomicU64,
}

/// How old a term may be, in milliseconds.
const FRESH_MS: u128 = 2;

impl Term {
    pub(crate) fn new() -> Term {
        Term {
            highest: AtomicU64::new(0),
            start: Instant::now(),
            read_in: AtomicU64::new(0),
        }
    }

    /// The term; `round` is asked if its last answer is too old.
    pub(crate) fn read(&self, round: impl FnOnce() -> u64) -> u64 {
        let period = self.start.elapsed().as_millis() / FRESH_MS + 1;
        let period = u64::try_from(period).unwrap_or(u64::MAX);
        if self.read_in.load(Relaxed) != period && self.read_in.swap(period, Relaxed) != period {
            self.see(round());
        }
        self.highest.load(Relaxed)
    }

    /// Takes note of a round.
    pub(crate) fn see(&self, round: u64) {
        self.highest.fetch_max(round, Relaxed);
    }
}

/// The highest round that a status tells.
pub(crate) fn round(status: &Status) -> u64 {
    status.promised.round.max(status.ballot.round)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_never_goes_back() {
        let term = Term::new();
        assert_eq!(term.read(|| 5), 5, "the first read asks");
        term.see(7);
        term.see(6);
        for round in [7, 3] {
            assert_eq!(term.read(|| round), 7);
        }
    }
}
