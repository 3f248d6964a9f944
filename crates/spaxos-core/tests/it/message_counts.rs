//! How many messages one request costs, unbatched and with nothing riding along, measured on the real
//! replicas and held against the formulas of `docs/protocol.md`. A broadcast counts as n messages,
//! itself included; so does a vote of the leader for itself.

use bytes::Bytes;
use spaxos_core::config::{Dissemination, Limits, Modes, Propose, Timing, Votes};

use crate::cluster::Cluster;

const MULTI_PAXOS: Modes = Modes {
    dissemination: Dissemination::Leader,
    propose: Propose::Received,
    votes: Votes::All,
};
const S_PAXOS: Modes = Modes {
    dissemination: Dissemination::All,
    propose: Propose::Stable,
    votes: Votes::All,
};

/// The messages of one request through `coordinator` while r1 leads: client, replicas and client.
fn measure(n: u64, modes: Modes, coordinator: u64) -> u64 {
    let mut cluster = Cluster::new(n, modes, Timing::default(), Limits::default());
    for id in 1..=n {
        cluster.start(id);
    }
    cluster.elect(1);
    cluster.settle();
    cluster.sent.clear();
    let executed = cluster.node(coordinator).executed.len();
    cluster.submit(coordinator, Bytes::from_static(b"x"));
    cluster.settle();
    assert_eq!(
        cluster.node(coordinator).executed.len(),
        executed + 1,
        "answered"
    );
    let (request, answer) = (1, 1);
    let messages: u64 = cluster.sent.iter().map(|sent| with_itself(n, sent)).sum();
    let own_vote = u64::from(modes.votes == Votes::Leader);
    request + messages + own_vote + answer
}

fn with_itself(n: u64, &(_, _, recipients): &(u64, &str, usize)) -> u64 {
    let recipients = recipients as u64;
    if recipients == n - 1 { n } else { recipients }
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is what the test is for")]
fn the_published_modes_cost_what_their_formulas_say_and_ours_costs_less() {
    for n in [3, 5, 7] {
        let to_leader = |modes| Modes {
            votes: Votes::Leader,
            ..modes
        };
        // In S-Paxos the client talks to any replica, in Multi-Paxos to the leader.
        assert_eq!(
            measure(n, to_leader(S_PAXOS), 2),
            n * n + 4 * n + 2,
            "S-Paxos, 2b to the leader"
        );
        assert_eq!(
            measure(n, S_PAXOS, 2),
            2 * n * n + 2 * n + 2,
            "S-Paxos, 2b to all"
        );
        assert_eq!(
            measure(n, to_leader(MULTI_PAXOS), 1),
            2 * n + 2,
            "Multi-Paxos, 2b to the leader"
        );
        assert_eq!(
            measure(n, MULTI_PAXOS, 1),
            n * n + n + 2,
            "Multi-Paxos, 2b to all"
        );
        let ours = measure(n, Modes::default(), 2);
        assert_eq!(ours, n * n + 2 * n + 2, "ours");
        println!(
            "n = {n}: S-Paxos {} to the leader, {} to all; Multi-Paxos {}, {}; ours {ours}",
            n * n + 4 * n + 2,
            2 * n * n + 2 * n + 2,
            2 * n + 2,
            n * n + n + 2
        );
    }
}
