//! Hunts the bugs planted in the core: `planted SEEDS_MAX HUNTS [NAME]` prints a table of name, how
//! often it was found, median number of seeds, and the checkers that saw it. Build with
//! `RUSTFLAGS="--cfg planted"`.
#![expect(clippy::print_stdout, reason = "a program for people")]
#![cfg_attr(
    planted,
    expect(clippy::disallowed_methods, reason = "a program: it reads arguments")
)]

#[cfg(planted)]
fn main() {
    use spaxos_sim::planted::{Bug, hunt};
    let mut arguments = std::env::args().skip(1);
    let mut number = |or| {
        arguments
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(or)
    };
    let (seeds_max, hunts): (u64, u64) = (number(500), number(3));
    let name = arguments.next();
    std::panic::set_hook(Box::new(|_| ()));
    for bug in Bug::ALL {
        if name
            .as_ref()
            .is_some_and(|name| *name != format!("{bug:?}"))
        {
            continue;
        }
        let finds: Vec<_> = (0..hunts)
            .filter_map(|at| hunt(*bug, at * 1_000_000, seeds_max))
            .collect();
        let mut seeds: Vec<u64> = finds.iter().map(|found| found.seeds).collect();
        seeds.sort_unstable();
        let median = seeds.get(seeds.len() / 2);
        let mut checkers: Vec<&str> = finds.iter().map(|found| found.checker()).collect();
        checkers.sort_unstable();
        checkers.dedup();
        let example = finds.first().map(|found| (found.seed, &found.violation));
        println!(
            "{:28} {}/{hunts} {:>5} {checkers:?} {example:?}",
            format!("{bug:?}"),
            finds.len(),
            median.map_or("-".to_owned(), u64::to_string),
        );
    }
}

#[cfg(not(planted))]
fn main() {
    println!("build with RUSTFLAGS=\"--cfg planted\"");
}
