//! Hunts planted bugs, for `cargo xtask planted`, which builds this with `--cfg planted`:
//! `planted seeds HUNTS SEEDS [NAME…]`, `planted worlds STATES [NAME…]`. Without names, all bugs; with
//! `common`, those that few seeds show, or that show in small worlds for each check there. One line for each bug, its fields parted by tabs, as soon as it
//! is done.
#![cfg_attr(
    planted,
    expect(
        clippy::print_stdout,
        clippy::disallowed_methods,
        reason = "a program: it reads arguments and prints"
    )
)]

#[cfg(planted)]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().expect("a number");
    std::panic::set_hook(Box::new(|_| ()));
    match arguments[..] {
        ["seeds", hunts, seeds, ref names @ ..] => {
            hunters::seeds(number(hunts), number(seeds), names);
        }
        ["worlds", states, ref names @ ..] => {
            hunters::worlds(usize::try_from(number(states)).unwrap_or(usize::MAX), names);
        }
        _ => println!("seeds or worlds?"),
    }
}

#[cfg(not(planted))]
fn main() {}

#[cfg(planted)]
mod hunters {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use spaxos_sim::planted::{Bug, Found, explore_with, hunt};

    /// First seeds of hunts are so far from each other.
    const STRIDE: u64 = 1_000_000;

    pub(super) fn seeds(hunts: u64, seeds_max: u64, names: &[&str]) {
        let bugs = chosen(names, |bug| !bug.is_rare());
        let jobs: Vec<(usize, u64)> = (0..bugs.len())
            .flat_map(|bug| (0..hunts).map(move |hunt| (bug, hunt)))
            .collect();
        let ended: Mutex<Vec<Vec<Option<Found>>>> = Mutex::new(vec![Vec::new(); bugs.len()]);
        in_parallel(jobs.len(), &|at| {
            let (bug, at) = jobs[at];
            let found = hunt(bugs[bug], at * STRIDE, seeds_max);
            let mut ended = ended.lock().expect("no hunter panics");
            ended[bug].push(found);
            if ended[bug].len() as u64 == hunts {
                tell(bugs[bug], &ended[bug]);
            }
        });
    }

    fn tell(bug: Bug, hunts: &[Option<Found>]) {
        let finds: Vec<&Found> = hunts.iter().flatten().collect();
        // A hunt that found nothing took longer than any that did.
        let mut seeds: Vec<u64> = hunts
            .iter()
            .map(|found| found.as_ref().map_or(u64::MAX, |found| found.seeds))
            .collect();
        seeds.sort_unstable();
        let median = match seeds[(seeds.len() - 1) / 2] {
            u64::MAX => "-".to_owned(),
            median => median.to_string(),
        };
        let mut checkers: Vec<&str> = finds.iter().map(|found| found.checker()).collect();
        checkers.sort_unstable();
        checkers.dedup();
        let (found, hunts, name) = (finds.len(), hunts.len(), bug.name());
        let checkers = checkers.join(", ");
        println!("planted\t{name}\t{found}/{hunts}\t{median}\t{checkers}");
    }

    pub(super) fn worlds(states_max: usize, names: &[&str]) {
        let mut bugs = chosen(names, Bug::is_small);
        // The disks of small worlds are lists of records.
        bugs.retain(|bug| matches!(bug, Bug::Core(_)));
        in_parallel(bugs.len(), &|at| {
            let found = explore_with(bugs[at], states_max);
            let (world, checker) = found.unwrap_or_default();
            println!("planted\t{}\t{world}\t{checker}", bugs[at].name());
        });
    }

    fn chosen(names: &[&str], is_common: impl Fn(Bug) -> bool) -> Vec<Bug> {
        let wanted = |bug: &Bug| match names {
            [] => true,
            ["common"] => is_common(*bug),
            names => names.contains(&bug.name()),
        };
        Bug::all().filter(wanted).collect()
    }

    /// Does `count` jobs, by number, in as many threads as there are processors.
    fn in_parallel(count: usize, job: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(at) =
                        Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < count)
                    {
                        job(at);
                    }
                });
            }
        });
    }
}
