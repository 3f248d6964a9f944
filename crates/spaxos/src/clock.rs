//! The monotonic clock that a replica is driven by.

use std::time::Instant;

use spaxos_core::types::Time;

/// Nanoseconds since this clock was made, starting at 1: in heartbeats 0 means "none".
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock {
            start: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Time {
        let ns = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Time(ns.saturating_add(1))
    }

    /// When `time` is, for timers.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        let ns = std::time::Duration::from_nanos(time.0.saturating_sub(1));
        // Beyond what the platform can represent is as good as a year from now.
        let year = std::time::Duration::from_secs(365 * 24 * 3600);
        self.start
            .checked_add(ns)
            .unwrap_or_else(|| Instant::now() + year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_starts_behind_zero_and_does_not_go_back() {
        let clock = Clock::new();
        let first = clock.now();
        assert!(first > Time(0));
        assert!(clock.now() >= first);
        assert!(clock.instant(first) <= Instant::now());
        let _no_overflow = clock.instant(Time(u64::MAX));
    }
}
