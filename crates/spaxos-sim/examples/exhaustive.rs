//! Goes through one small world: `exhaustive NAME [KEY=VALUE…]`.
#![expect(clippy::print_stdout, reason = "an example that reports")]

use spaxos_sim::exhaustive::{Headers as worlds_headers, explore, worlds};

fn main() {
    let mut world = worlds::plain();
    #[expect(clippy::disallowed_methods, reason = "an example is a binary")]
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for argument in &arguments {
        let (key, value) = argument.split_once('=').expect("key=value");
        let number = || value.parse::<u64>().expect("a number");
        let list = || {
            value
                .split(',')
                .filter(|v| !v.is_empty())
                .map(|v| v.parse().expect("a number"))
                .collect::<Vec<u8>>()
        };
        match key {
            "elections" => world.elections = number() as u8,
            "step_downs" => world.step_downs = number() as u8,
            "crashes" => world.crashes = number() as u8,
            "ticks" => world.ticks = number() as u8,
            "beats" => world.beats = number() as u8,
            "slots" => world.slots = number(),
            "requests" => world.requests = list(),
            "time_out" => world.may_time_out = list(),
            "crash" => world.may_crash = list(),
            "torn" => world.torn_logs = number() == 1,
            "late" => world.late_requests = number() == 1,
            "dup" => world.duplicates = number() == 1,
            "slow" => world.slow_disks = list(),
            "one_in" => world.completed_one_in = number(),
            "votes" => {
                world.modes.votes = if value == "leader" {
                    spaxos_core::config::Votes::Leader
                } else {
                    spaxos_core::config::Votes::All
                }
            }
            "fetch" => {
                if number() == 0 {
                    world.undelivered.extend(["FetchBatches", "FetchSlots"]);
                }
            }
            "headers" => {
                world.headers = match value {
                    "full" => worlds_headers::Full,
                    "marks" => worlds_headers::Marks,
                    _ => worlds_headers::Empty,
                }
            }
            "max" => world.states_max = number() as usize,
            _ => panic!("{key}?"),
        }
    }
    #[expect(clippy::disallowed_methods, reason = "only to report")]
    let begun = std::time::Instant::now();
    let outcome = explore(world, &mut |progress| {
        println!(
            "{:>7.1?} depth {} frontier {} states {}",
            begun.elapsed(),
            progress.depth,
            progress.frontier,
            progress.states
        );
    });
    println!("{:.1?} {outcome:#?}", begun.elapsed());
    for line in outcome.counterexample.iter().flat_map(|c| &c.events) {
        println!("{line}");
    }
}
