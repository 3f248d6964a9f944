//! What the leader proposes: the next cut and its time.

use crate::cut::{Cut, Value};
use crate::dissemination::batch_store::BatchStore;
use crate::types::{Incarnation, LogTime, ReplicaId, Sequence, Time};

/// The cluster's clock, kept by the leader: its own monotonic clock, continued from the highest log
/// time of the adopted log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogClock {
    log_time: LogTime,
    turned: Time,
}

/// The clock advances by at most this much per turn: a long pause expires nothing at once.
const TURN_NS_MAX: u64 = 1_000_000_000;

impl LogClock {
    pub(crate) fn new(log_time: LogTime, now: Time) -> LogClock {
        LogClock {
            log_time,
            turned: now,
        }
    }

    /// Brings the clock up to `now`.
    pub(crate) fn turn(&mut self, now: Time) {
        let passed = now.since(self.turned).min(TURN_NS_MAX);
        self.log_time = LogTime(self.log_time.0.saturating_add(passed));
        self.turned = self.turned.max(now);
    }

    /// The cluster's time.
    pub(crate) fn log_time(&self) -> LogTime {
        self.log_time
    }

    /// When the clock will show `log_time`, if the driver's clock goes on.
    pub(crate) fn shows_at(&self, log_time: LogTime) -> Time {
        self.turned.plus(log_time.0.saturating_sub(self.log_time.0))
    }
}

/// The next cut after `proposed`: as far as batches are here, within `slot_bytes_max`, and not behind
/// `cap`. `None` if no lane moves. The lanes take turns by share, so none starves another.
pub(crate) fn next_cut(
    store: &BatchStore,
    members: &[ReplicaId],
    proposed: &Cut,
    slot_bytes_max: u64,
    cap: impl Fn(ReplicaId, Incarnation) -> Sequence,
) -> Option<Cut> {
    let share = slot_bytes_max / members.len() as u64;
    let mut entries = Vec::with_capacity(members.len());
    for &lane in members {
        let from = proposed.position(lane);
        let next = store.advance(lane, from, share, |incarnation| cap(lane, incarnation));
        entries.extend(next.map(|entry| (lane, entry)));
    }
    if entries.is_empty() {
        return None;
    }
    Some(Cut::new(entries).expect("members are sorted"))
}

/// Up to where everything is ordered by the log: what is executed, and what `values` add.
pub(crate) fn proposed_cut<'a>(executed: &Cut, values: impl Iterator<Item = &'a Value>) -> Cut {
    let mut proposed = executed.clone();
    for value in values {
        if let Some(cut) = value.cut() {
            proposed.merge(cut);
        }
    }
    proposed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_pause_advances_the_clock_by_one_second() {
        let mut clock = LogClock::new(LogTime(5), Time(100));
        clock.turn(Time(150));
        assert_eq!(clock.log_time(), LogTime(55));
        clock.turn(Time(3_600_000_000_000));
        assert_eq!(clock.log_time(), LogTime(55 + TURN_NS_MAX));
        clock.turn(Time(7));
        assert_eq!(
            clock.log_time(),
            LogTime(55 + TURN_NS_MAX),
            "never goes back"
        );
    }
}
