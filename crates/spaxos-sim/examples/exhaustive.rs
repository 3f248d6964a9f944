//! Goes through small worlds: `exhaustive [NAME…] [KEY=VALUE…]`; all quick ones if none is named. Keys
//! change the worlds named before.
#![expect(clippy::print_stdout, reason = "an example that reports")]

use std::time::Instant;

use spaxos_core::config::{Dissemination, Propose, Votes};
use spaxos_sim::exhaustive::{Headers, World, explore, worlds};

fn main() {
    #[expect(clippy::disallowed_methods, reason = "an example is a binary")]
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut chosen: Vec<World> = Vec::new();
    for argument in &arguments {
        match argument.split_once('=') {
            Some((key, value)) => chosen.iter_mut().for_each(|world| set(world, key, value)),
            None if argument == "plain" => chosen.push(worlds::plain("plain")),
            None => chosen.push(worlds::named(argument).expect("a world's name")),
        }
    }
    if chosen.is_empty() {
        chosen = worlds::quick();
    }
    for world in chosen {
        run(world);
    }
}

fn run(world: World) {
    #[expect(clippy::disallowed_methods, reason = "only to report")]
    let begun = Instant::now();
    let name = world.name;
    let outcome = explore(world, &mut |progress| {
        if progress.frontier > 100_000 {
            let (depth, states) = (progress.depth, progress.states);
            println!(
                "{name}: {depth} deep, {states} states, {:.1?}",
                begun.elapsed()
            );
        }
    });
    println!("{name}: {outcome}, {:.1?}", begun.elapsed());
}

fn set(world: &mut World, key: &str, value: &str) {
    let number = || value.parse::<u8>().expect("a number");
    let list = || -> Vec<u8> {
        let parts = value.split(',').filter(|part| !part.is_empty());
        parts.map(|part| part.parse().expect("numbers")).collect()
    };
    match key {
        "requests" => world.requests = list(),
        "late" => world.late_requests = number() == 1,
        "reads" => world.reads = list(),
        "slots" => world.slots = u64::from(number()),
        "elections" => world.elections = number(),
        "step_downs" => world.step_downs = number(),
        "time_out" => world.may_time_out = list(),
        "crashes" => world.crashes = number(),
        "crash" => world.may_crash = list(),
        "greet" => world.greetings = number() == 1,
        "torn" => world.torn_logs = number() == 1,
        "slow" => world.slow_disks = list(),
        "ticks" => world.ticks = number(),
        "beats" => world.beats = number(),
        "duplicates" => world.duplicates = number() == 1,
        "lost" => {
            world.undelivered = value
                .split(',')
                .map(|kind| &*kind.to_owned().leak())
                .collect()
        }
        "headers" => {
            world.headers = match value {
                "full" => Headers::Full,
                "marks" => Headers::Marks,
                _ => Headers::Empty,
            }
        }
        "votes" => {
            world.modes.votes = if value == "leader" {
                Votes::Leader
            } else {
                Votes::All
            }
        }
        "propose" if value == "stable" => world.modes.propose = Propose::Stable,
        "dissemination" if value == "leader" => {
            world.modes.dissemination = Dissemination::Leader;
        }
        "one_in" => world.completed_one_in = value.parse().expect("a number"),
        "states" => world.states_max = value.parse().expect("a number"),
        #[cfg(planted)]
        "bug" => {
            let bugs = spaxos_core::planted::Bug::ALL.iter();
            let bug = bugs.copied().find(|bug| format!("{bug:?}") == value);
            spaxos_core::planted::switch_on(Some(bug.expect("a bug's name")));
            std::panic::set_hook(Box::new(|_| {}));
        }
        _ => panic!("no key {key}={value}"),
    }
}
