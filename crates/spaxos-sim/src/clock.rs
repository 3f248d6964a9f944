//! A replica's own clock: it starts anywhere and runs a little fast or slow against the world's.

use spaxos_core::types::Time;

/// A monotonic clock with an offset and a constant drift.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalClock {
    offset_ns: u64,
    drift_ppm: i64,
}

impl LocalClock {
    pub(crate) fn new(offset_ns: u64, drift_ppm: i64) -> LocalClock {
        assert!(drift_ppm.abs() < 500_000, "a clock runs forward");
        LocalClock {
            offset_ns,
            drift_ppm,
        }
    }

    /// The clock runs ahead.
    pub(crate) fn jump(&mut self, by_ns: u64) {
        self.offset_ns += by_ns;
    }

    /// What this clock shows at the world's time `world_ns`.
    pub(crate) fn local(&self, world_ns: u64) -> Time {
        let drifted = i128::from(world_ns) * (1_000_000 + i128::from(self.drift_ppm)) / 1_000_000;
        Time(self.offset_ns + drifted as u64)
    }

    /// The first world time at which this clock shows `local` or more.
    pub(crate) fn world_ns(&self, local: Time) -> u64 {
        let shown = i128::from(local.0.saturating_sub(self.offset_ns));
        let rate = 1_000_000 + i128::from(self.drift_ppm);
        let mut world = (shown * 1_000_000 / rate) as u64;
        while self.local(world) < local {
            world += 1;
        }
        world
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_reached_when_the_clock_shows_it() {
        for drift in [-100_000, -1, 0, 1, 333, 100_000] {
            let clock = LocalClock::new(77, drift);
            for local in [0, 77, 78, 1_000_003, 5_000_000_001] {
                let world = clock.world_ns(Time(local));
                assert!(clock.local(world) >= Time(local));
                assert!(world == 0 || clock.local(world - 1) < Time(local));
            }
        }
    }
}
