//! Runs every shape of a partial partition over many seeds and prints how long clients waited at worst:
//! `topologies [SEEDS]`; or one run with its trace: `topologies SHAPE MEMBERS SEED`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people: it reads arguments and prints"
)]

use spaxos_sim::topology::{Outcome, Reach, Shape, run};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [shape, members, seed] = arguments.as_slice() {
        let named = |known: &&Shape| format!("{known:?}") == *shape;
        let shape = Shape::ALL.iter().find(named).expect("a shape");
        let members = members.parse().expect("3 or 5");
        let outcome = run(*shape, members, seed.parse().expect("a seed"), true);
        outcome.trace.iter().for_each(|line| println!("{line}"));
        println!("{:?} {:?}", outcome.violation, outcome.served);
        return;
    }
    let seeds = arguments.first().and_then(|text| text.parse().ok());
    let seeds = seeds.unwrap_or(100);
    println!(
        "Worst waits in election timeouts, with the seed. First: writes and reads that were asked at"
    );
    println!("the cut; then those asked four timeouts later or after that.");
    println!(
        "                          with a majority of links                                        with a majority through others"
    );
    for members in [3, 5] {
        for shape in Shape::all_of(members) {
            print_row(shape, members, seeds);
        }
    }
}

fn print_row(shape: Shape, members: usize, seeds: u64) {
    let mut columns = [Worst::default(); 8];
    for seed in 0..seeds {
        let outcome = run(shape, members, seed, false);
        if let Some(violation) = &outcome.violation {
            println!("{shape:?} {members} seed {seed}: {violation}");
        }
        for served in &outcome.served {
            let at = match served.reach {
                Reach::Majority => 0,
                Reach::ThroughOthers => 4,
                Reach::Nobody => continue,
            };
            let (first, later) = (served.first, served.later);
            let waits = [first.write_ns, first.read_ns, later.write_ns, later.read_ns];
            for (column, wait) in columns[at..].iter_mut().zip(waits) {
                column.note(seed, &outcome, wait);
            }
        }
    }
    let shown: Vec<String> = columns.iter().map(Worst::shown).collect();
    let name = format!("{shape:?} of {members}");
    println!("{name:24}{}", shown.concat());
}

/// The longest wait, in thousandths of an election timeout, and its seed.
#[derive(Clone, Copy, Default)]
struct Worst {
    wait: Option<(u64, u64)>,
    /// Requests without an answer, as runs of one replica.
    unanswered: u64,
}

impl Worst {
    fn note(&mut self, seed: u64, outcome: &Outcome, wait_ns: Option<u64>) {
        match wait_ns {
            Some(ns) => self.wait = self.wait.max(Some((ns * 1000 / outcome.election_ns, seed))),
            None => self.unanswered += 1,
        }
    }

    fn shown(&self) -> String {
        let wait = match self.wait {
            Some((wait, seed)) => format!("{}.{:02} ({seed})", wait / 1000, wait % 1000 / 10),
            None => String::from("-"),
        };
        match self.unanswered {
            0 => format!("{wait:>13} "),
            count => format!("{wait:>13}, {count} never "),
        }
    }
}
