//! Worlds by name.

use spaxos_core::config::Modes;

use super::{Headers, Start, World};

/// What most worlds have in common: replica 1 leads, nothing fails, two requests.
#[must_use]
pub fn plain() -> World {
    World {
        name: "plain",
        modes: Modes::default(),
        start: Start::Led,
        requests: vec![1, 2],
        late_requests: false,
        slots: 2,
        elections: 0,
        step_downs: 0,
        may_time_out: vec![1, 2, 3],
        crashes: 0,
        may_crash: vec![1, 2, 3],
        torn_logs: false,
        slow_disks: vec![1, 2, 3],
        ticks: 0,
        beats: 0,
        duplicates: false,
        undelivered: vec!["PreVote", "PreVoteReply", "Acks", "Heartbeat", "Refuse"],
        headers: Headers::Empty,
        completed_one_in: 0,
        states_max: 1_000_000,
    }
}
