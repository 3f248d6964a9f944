//! Partial partitions of every shape: whoever still reaches a majority serves its clients in time.

use spaxos_sim::topology::{Reach, Served, Shape, run};

/// Seeds of each shape that every test run goes through.
const SEEDS: std::ops::Range<u64> = 0..20;

/// Within so many election timeouts a request is answered, counted from the cut or from when it was
/// made, whichever is later.
const ELECTIONS_MAX: u64 = 4;

#[test]
fn three_members_serve_in_every_partial_partition() {
    all_shapes_of(3);
}

#[test]
fn five_members_serve_in_every_partial_partition() {
    all_shapes_of(5);
}

fn all_shapes_of(members: usize) {
    for shape in Shape::all_of(members) {
        let served: usize = SEEDS.map(|seed| check(shape, members, seed)).sum();
        assert!(served > 0, "{shape:?} of {members}: nobody has a majority");
    }
}

/// Returns how many members had to serve.
fn check(shape: Shape, members: usize, seed: u64) -> usize {
    let outcome = run(shape, members, seed, false);
    let name = format!("topologies {shape:?} {members} {seed}");
    assert_eq!(outcome.violation, None, "{name}");
    let all = outcome.served.iter();
    let with_majority: Vec<&Served> = all.filter(|it| it.reach == Reach::Majority).collect();
    for served in &with_majority {
        let bound_ns = ELECTIONS_MAX * outcome.election_ns;
        let in_time = served.first.are_within(bound_ns) && served.later.are_within(bound_ns);
        let election_ns = outcome.election_ns;
        assert!(in_time, "{name}: {served:?}, election {election_ns} ns");
    }
    with_majority.len()
}

/// A candidate took its disk for hung, since it waited for a sync that was over, and began anew.
#[test]
fn a_sync_that_is_over_stops_no_candidate() {
    check(Shape::DeafLeader, 3, 112);
}

#[test]
fn a_partition_is_one_exact_run() {
    let [first, second] = [(); 2].map(|()| run(Shape::QuorumLoss, 5, 7, true));
    assert_eq!(first.trace, second.trace);
    assert_eq!(first.served, second.served);
}
