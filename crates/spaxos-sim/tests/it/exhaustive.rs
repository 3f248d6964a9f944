//! Small worlds, wholly: every order of events that their rations allow. How far each was exhausted is
//! told on the process' own standard error, which the test harness does not keep to itself.

#[cfg(not(planted))]
use std::io::Write as _;
#[cfg(not(planted))]
use std::time::Instant;

use spaxos_sim::exhaustive::{World, explore, worlds};

/// Goes through worlds to their last state. `parts` tests share the worlds, to run side by side.
#[cfg(not(planted))]
fn exhaust(part: usize, parts: usize) {
    for world in worlds::quick().into_iter().skip(part).step_by(parts) {
        let name = world.name;
        #[expect(clippy::disallowed_methods, reason = "only to report")]
        let begun = Instant::now();
        let outcome = explore(world, &mut |_| {});
        let seconds = begun.elapsed().as_secs_f64();
        let line = format!("small world {name}: {outcome}, {seconds:.1} s");
        let told = writeln!(std::io::stderr(), "{line}");
        assert!(outcome.exhausted && told.is_ok(), "{name}: {outcome}");
        assert!(outcome.completions > 0, "{name} has ends");
    }
}

#[cfg(not(planted))]
#[test]
fn small_worlds_hold_in_every_order_of_events() {
    exhaust(0, 2);
}

#[cfg(not(planted))]
#[test]
fn the_other_small_worlds_hold_too() {
    exhaust(1, 2);
}

#[test]
fn worlds_are_found_by_name() {
    let names = |worlds: Vec<World>| worlds.into_iter().map(|world| world.name);
    let mut all: Vec<_> = names(worlds::quick())
        .chain(names(worlds::deep()))
        .collect();
    for name in &all {
        assert_eq!(worlds::named(name).map(|world| world.name), Some(*name));
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), worlds::quick().len() + worlds::deep().len());
    assert!(worlds::named("no such world").is_none());
}

#[test]
fn a_search_that_ends_early_says_so() {
    let world = World {
        states_max: 1_000,
        ..worlds::change()
    };
    let mut levels = 0;
    let outcome = explore(world, &mut |progress| {
        assert!(progress.frontier > 0);
        levels += 1;
    });
    assert!(!outcome.exhausted && outcome.counterexample.is_none());
    assert!((1_000..1_100).contains(&outcome.states));
    assert!(levels > outcome.depth);
    assert!(outcome.to_string().starts_with("not exhausted"));
}
