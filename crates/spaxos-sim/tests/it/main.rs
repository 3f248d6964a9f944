//! Runs of the whole world.

mod exhaustive;
mod topologies;

use spaxos_sim::{BRANCHES, Figures, Options, run};

/// Seeds that every test run goes through.
const SEEDS: std::ops::Range<u64> = 0..200;

#[test]
fn many_seeds_show_no_violation_and_reach_every_branch() {
    let mut figures = Figures::default();
    for seed in SEEDS {
        let report = run(seed, &Options::default());
        assert_eq!(report.violation, None, "seed {seed} ({})", report.setting);
        figures.merge(&report.figures);
    }
    for branch in BRANCHES {
        assert!(figures.get(branch) > 0, "not reached: {branch}");
    }
}

#[test]
fn a_seed_is_one_exact_run() {
    for seed in 0..10 {
        let first = run(seed, &Options::default());
        let traced = Options {
            trace: true,
            ..Options::default()
        };
        let second = run(seed, &traced);
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_eq!(first.figures, second.figures, "seed {seed}");
        assert!(!second.trace.is_empty());
    }
}
