//! Runs seeds one after the other and prints those that fail, then the figures of all:
//! `sweep FROM COUNT [KINDS [FIGURE]]`, or one seed with its trace: `sweep SEED trace [KINDS]`. KINDS
//! are the kinds of faults that are switched off, as in `Loss,Duplicate`; seeds that count FIGURE are
//! named.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people: it reads arguments and prints"
)]

use spaxos_sim::{FaultKind, Figures, Options, run};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let from: u64 = number(arguments.next()).unwrap_or(0);
    let what = arguments.next();
    let mut options = Options {
        without: kinds(&arguments.next().unwrap_or_default()),
        ..Options::default()
    };
    if what.as_deref() == Some("trace") {
        options.trace = true;
        let report = run(from, &options);
        for line in &report.trace {
            println!("{line}");
        }
        println!("{:?}", report.violation);
        return;
    }
    let figure = arguments.next();
    sweep(
        from,
        number(what).unwrap_or(100),
        &options,
        figure.as_deref(),
    );
}

fn sweep(from: u64, count: u64, options: &Options, figure: Option<&str>) {
    let mut figures = Figures::default();
    let mut failed = 0;
    for seed in from..from + count {
        let report = run(seed, options);
        figures.merge(&report.figures);
        if let Some(name) = figure
            && report.figures.get(name) > 0
        {
            println!("seed {seed} ({}) counts {name}", report.setting);
        }
        if let Some(violation) = report.violation {
            failed += 1;
            println!("seed {seed} ({}): {violation}", report.setting);
        }
    }
    for (name, figure) in figures.iter() {
        println!("{figure:>12} {name}");
    }
    println!("{failed} of {count} failed");
}

fn number(text: Option<String>) -> Option<u64> {
    text?.parse().ok()
}

fn kinds(names: &str) -> Vec<FaultKind> {
    let named = |kind: &&FaultKind| names.split(',').any(|name| name == format!("{kind:?}"));
    FaultKind::ALL.iter().filter(named).copied().collect()
}
