//! Runs of the whole world.

mod exhaustive;
mod topologies;

use spaxos_sim::{Options, run};

/// Seeds that every test run goes through; `spaxos sim` goes through as many as one likes.
const SEEDS: std::ops::Range<u64> = 0..200;

#[test]
fn many_seeds_show_no_violation_and_are_exact_runs() {
    for seed in SEEDS {
        let first = run(seed, &Options::default());
        assert_eq!(first.violation, None, "seed {seed} ({})", first.setting);
        let traced = Options {
            trace: seed % 20 == 0,
            ..Options::default()
        };
        let second = run(seed, &traced);
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_eq!(first.figures, second.figures, "seed {seed}");
        assert_eq!(second.trace.is_empty(), !traced.trace);
    }
}

/// A failure is told with fewer kinds of faults, and still fails with them.
#[cfg(planted)]
#[test]
fn what_fails_is_shown_with_as_few_faults_as_possible() {
    use spaxos_core::planted::{Bug, switch_on};
    use spaxos_sim::{checker, shrink};

    switch_on(Some(Bug::VoteBeforeSync));
    let failing =
        (0..2000).find_map(|seed| run(seed, &Options::default()).violation.map(|v| (seed, v)));
    let (seed, violation) = failing.expect("a vote that was not durable is missed");
    let least = shrink(seed, &Options::default());
    let again = run(seed, &least).violation.expect("it fails as before");
    switch_on(None);
    assert_eq!(checker(&again), checker(&violation));
    assert!(
        !least.without.is_empty(),
        "not all kinds of faults are needed"
    );
}
