//! `spaxos sim`: runs the simulator over seeds, prints its figures, and on failure the line that
//! reproduces it.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use spaxos_sim::{BRANCHES, FaultKind, Figures, Options, Report};

use crate::args::SimArgs;
use crate::usage::UsageError;

/// How often a long run says how far it is.
const PROGRESS: Duration = Duration::from_mins(1);
/// Prefixes of the figures that are listed apart.
const GROUPS: &[(&str, &str)] = &[
    ("faults by kind", "fault: "),
    ("rare branches reached", "branch: "),
];

/// Runs the command.
///
/// # Errors
/// A seed that breaks a rule, with the line that reproduces it; a rare branch that was not reached, if
/// all were asked for; options that make no sense.
pub(crate) fn run(args: &SimArgs) -> anyhow::Result<()> {
    let options = options(args)?;
    if args.trace {
        return trace(args.seed.unwrap_or(0), &options);
    }
    let plan = Plan::of(args, options);
    let began = Instant::now();
    let outcome = quietly(|| sweep(&plan, began));
    outcome.print(began.elapsed())?;
    if let Some(failed) = outcome.failed {
        return tell_failure(&failed, &plan.options);
    }
    if args.every_branch {
        let missed = |name: &&&str| outcome.figures.get(name) == 0;
        if let Some(branch) = BRANCHES.iter().find(missed) {
            bail!("not reached: {branch}");
        }
    }
    Ok(())
}

fn options(args: &SimArgs) -> Result<Options, UsageError> {
    let mut options = Options::default();
    for name in &args.without {
        let Some(kind) = FaultKind::named(name) else {
            let all: Vec<String> = FaultKind::ALL.iter().map(|k| format!("{k:?}")).collect();
            let all = all.join(", ");
            return Err(UsageError::new(format!(
                "no kind of fault is called {name}: there are {all}"
            )));
        };
        options.without.push(kind);
    }
    Ok(options)
}

/// Runs something in which replicas may panic: that is a violation like others, told once and in order.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let outcome = work();
    std::panic::set_hook(usual);
    outcome
}

/// Which seeds are run, and how.
struct Plan {
    options: Options,
    first: u64,
    runs: u64,
    until: Option<Duration>,
    twice: bool,
    jobs: usize,
}

impl Plan {
    fn of(args: &SimArgs, options: Options) -> Plan {
        let until = args
            .minutes
            .map(|minutes| Duration::from_mins(minutes.into()));
        let runs = match (args.runs, args.seed, until) {
            (Some(runs), _, _) => runs,
            (None, _, Some(_)) => u64::MAX,
            (None, Some(_), None) => 1,
            (None, None, None) => 1000,
        };
        // A night's search begins where none began before.
        let first = match (args.seed, until) {
            (Some(seed), _) => seed,
            (None, Some(_)) => fastrand::u64(..1 << 48),
            (None, None) => 0,
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Plan {
            options,
            first,
            runs: runs.min(u64::MAX - first),
            until,
            twice: args.twice,
            jobs: args.jobs.map_or(cores, usize::from),
        }
    }
}

/// What all runs came to.
#[derive(Default)]
struct Outcome {
    runs: u64,
    first: u64,
    virtual_ns: u128,
    figures: Figures,
    failed: Option<Report>,
}

/// Runs seeds on several threads until all are run, the time is over, or one fails.
fn sweep(plan: &Plan, began: Instant) -> Outcome {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let outcome = Mutex::new(Outcome {
        first: plan.first,
        ..Outcome::default()
    });
    let told = Mutex::new(began);
    let work = || {
        while !stop.load(Ordering::Relaxed) && plan.until.is_none_or(|most| began.elapsed() < most)
        {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= plan.runs {
                break;
            }
            let report = run_seed(plan.first + at, plan);
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            outcome.runs += 1;
            outcome.virtual_ns += u128::from(report.virtual_ns);
            outcome.figures.merge(&report.figures);
            if report.violation.is_some() {
                stop.store(true, Ordering::Relaxed);
                outcome.failed.get_or_insert(report);
            }
            tell_progress(&outcome, &told, began);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs {
            scope.spawn(work);
        }
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// One seed, or the same twice: then both must be the same run.
fn run_seed(seed: u64, plan: &Plan) -> Report {
    let mut report = spaxos_sim::run(seed, &plan.options);
    if plan.twice && report.violation.is_none() {
        let again = spaxos_sim::run(seed, &plan.options);
        if (again.trace_hash, &again.figures) != (report.trace_hash, &report.figures) {
            report.violation = Some(format!(
                "determinism: the trace hashes {:016x} and {:016x} differ",
                report.trace_hash, again.trace_hash
            ));
        }
    }
    report
}

fn tell_progress(outcome: &Outcome, told: &Mutex<Instant>, began: Instant) {
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    if told.elapsed() >= PROGRESS {
        *told = Instant::now();
        // Nobody to tell if standard error is gone.
        let _ = writeln!(
            std::io::stderr(),
            "{} runs in {} s, none failed",
            outcome.runs,
            began.elapsed().as_secs()
        );
    }
}

impl Outcome {
    fn print(&self, took: Duration) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        let hours = self.virtual_ns / 3_600_000_000_000;
        let minutes = self.virtual_ns / 60_000_000_000 % 60;
        writeln!(
            out,
            "{} runs from seed {}, {hours} h {minutes:02} min of virtual time in {:.1} s",
            self.runs,
            self.first,
            took.as_secs_f64()
        )?;
        for (title, prefix) in GROUPS {
            writeln!(out, "\n{title}")?;
            for (name, count) in self.figures.iter() {
                if let Some(name) = name.strip_prefix(prefix) {
                    writeln!(out, "{count:>14}  {name}")?;
                }
            }
        }
        writeln!(out, "\nwhat happened besides")?;
        let grouped = |name: &str| GROUPS.iter().any(|(_, prefix)| name.starts_with(prefix));
        for (name, count) in self.figures.iter().filter(|(name, _)| !grouped(name)) {
            writeln!(out, "{count:>14}  {name}")?;
        }
        writeln!(out)
    }
}

/// Says what went wrong, leaves out the faults that it does not need, and names the command that shows
/// it again.
fn tell_failure(report: &Report, options: &Options) -> anyhow::Result<()> {
    let violation = report.violation.as_deref().unwrap_or_default();
    let mut out = std::io::stdout().lock();
    writeln!(out, "seed {} ({})", report.seed, report.setting)?;
    writeln!(out, "{violation}")?;
    let least = quietly(|| spaxos_sim::shrink(report.seed, options));
    let kinds: Vec<String> = least.without.iter().map(|k| format!("{k:?}")).collect();
    let without = match kinds.is_empty() {
        true => String::new(),
        false => format!(" --without {}", kinds.join(",")),
    };
    bail!(
        "{} is violated; reproduce: spaxos sim --seed {}{without} --trace",
        spaxos_sim::checker(violation),
        report.seed
    )
}

/// Prints one run, event by event.
fn trace(seed: u64, options: &Options) -> anyhow::Result<()> {
    let options = Options {
        trace: true,
        ..options.clone()
    };
    let report = spaxos_sim::run(seed, &options);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in &report.trace {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    match report.violation {
        Some(violation) => bail!("seed {seed} ({}): {violation}", report.setting),
        None => Ok(()),
    }
}
