//! Protocol scripts: English, commands, and the trace that they must produce. One file per rule or
//! bug in `tests/scripts`; `UPDATE_GOLDENFILES=1 cargo test -p spaxos-core` writes the traces anew.
//!
//! `(command)` prints nothing. `command [WORD,…]` prints only lines of these kinds (`append`, `sync`,
//! `durable`, `receive`, `execute`, `read`, `reject`, `lost`, `readlog`, `halt`, or the name of a
//! message or record) at these members (`r2`; of a message, its receiver); `show WORD…` sets that for
//! all commands that follow and say nothing of their own. The commands are in `commands.rs`.

use std::error::Error;
use std::path::{Path, PathBuf};

use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use spaxos_core::config::{Dissemination, Limits, Modes, Propose, Timing, Votes};

use crate::cluster::Cluster;
use crate::commands;
use crate::trace::{Filter, Line};

#[test]
fn every_script_produces_its_trace() {
    let paths = paths();
    assert!(!paths.is_empty(), "there are scripts");
    let mut failed = Vec::new();
    for path in &paths {
        let run = || goldenscript::run(&mut Script::default(), path);
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failed.push(format!("{}: {error}", path.display())),
            Err(_) => failed.push(path.display().to_string()),
        }
    }
    assert!(failed.is_empty(), "scripts that differ: {failed:#?}");
}

/// All scripts, by name.
pub(crate) fn paths() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let entries = std::fs::read_dir(directory).expect("the scripts are there");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let is_script = |path: &PathBuf| path.extension().is_some_and(|end| end == "script");
    let mut paths: Vec<_> = paths.filter(is_script).collect();
    paths.sort();
    paths
}

/// A script with the trace that it produces now.
#[cfg(planted)]
pub(crate) fn trace(script: &str) -> std::io::Result<String> {
    goldenscript::generate(&mut Script::default(), script)
}

#[derive(Default)]
struct Script {
    cluster: Option<Cluster>,
    filter: Filter,
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, context: &Context) -> Result<String, Box<dyn Error>> {
        if command.name == "cluster" {
            self.cluster = Some(build(command)?);
            return Ok(String::new());
        }
        if command.name == "show" {
            let words = command.args.iter().map(ToString::to_string);
            self.filter = Filter::new(words.filter(|word| word != "all"))?;
            return Ok(String::new());
        }
        let cluster = self.cluster.as_mut().ok_or("begin with: cluster N")?;
        cluster.trace.clear();
        let answer = commands::run(cluster, command)?;
        if !answer.is_empty() {
            return Ok(answer);
        }
        let own = Filter::new(context.tags.iter().cloned())?;
        let filter = if own.is_empty() { &self.filter } else { &own };
        let shown = cluster.trace.iter().filter(|line| filter.shows(line));
        Ok(commands::lines(shown.map(|line: &Line| line.text.clone())))
    }
}

/// `cluster N [propose=stable] [votes=leader] [dissemination=leader] [LIMIT=N]… [TIMER_ms=N]…`: a fresh
/// cluster, all started.
fn build(command: &Command) -> Result<Cluster, Box<dyn Error>> {
    let mut args = command.consume_args();
    let n = args.next_pos().ok_or("how many?")?.parse()?;
    let (modes, timing) = (modes(&mut args), timing(&mut args)?);
    let limits = limits(&mut args)?;
    args.reject_next()?;
    let mut cluster = Cluster::new(n, modes, timing, limits);
    for id in 1..=n {
        cluster.start(id);
    }
    Ok(cluster)
}

fn modes(args: &mut ArgumentConsumer<'_>) -> Modes {
    let mut modes = Modes::default();
    if args.take_key("propose") == Some("stable") {
        modes.propose = Propose::Stable;
    }
    if args.take_key("votes") == Some("leader") {
        modes.votes = Votes::Leader;
    }
    if args.take_key("dissemination") == Some("leader") {
        modes.dissemination = Dissemination::Leader;
    }
    modes
}

fn timing(args: &mut ArgumentConsumer<'_>) -> Result<Timing, Box<dyn Error>> {
    let mut timing = Timing::default();
    let timers = [
        ("heartbeat_ms", &mut timing.heartbeat_ns),
        ("election_ms", &mut timing.election_ns),
        ("batch_sync_ms", &mut timing.batch_sync_ns),
        ("fetch_ms_min", &mut timing.fetch_ns_min),
        ("fetch_ms_max", &mut timing.fetch_ns_max),
        ("read_retry_ms", &mut timing.read_retry_ns),
    ];
    for (key, timer) in timers {
        if let Some(ms) = args.take_key(key) {
            *timer = ms.parse::<u64>()? * 1_000_000;
        }
    }
    Ok(timing)
}

fn limits(args: &mut ArgumentConsumer<'_>) -> Result<Limits, Box<dyn Error>> {
    let mut limits = Limits::default();
    let numbers = [
        ("slot_bytes_max", &mut limits.slot_bytes_max),
        ("window_slots_max", &mut limits.window_slots_max),
        ("lane_bytes_max", &mut limits.lane_bytes_max),
        ("reserve_bytes", &mut limits.reserve_bytes),
        ("send_window_batches", &mut limits.send_window_batches),
        ("cache_bytes_max", &mut limits.cache_bytes_max),
        ("held_bytes_max", &mut limits.held_bytes_max),
        ("fetch_bytes_max", &mut limits.fetch_bytes_max),
        ("apply_bytes_max", &mut limits.apply_bytes_max),
        ("apply_slots_max", &mut limits.apply_slots_max),
        ("round_step_max", &mut limits.round_step_max),
    ];
    for (key, limit) in numbers {
        if let Some(number) = args.take_key(key) {
            *limit = number.parse()?;
        }
    }
    let sizes = [
        ("chunk_bytes_max", &mut limits.chunk_bytes_max),
        ("batch_bytes_max", &mut limits.batch_bytes_max),
        ("cache_slots_max", &mut limits.cache_slots_max),
        ("incarnations_max", &mut limits.incarnations_max),
        ("message_slots_max", &mut limits.message_slots_max),
        ("reads_max", &mut limits.reads_max),
        ("forwarded_max", &mut limits.forwarded_max),
    ];
    for (key, limit) in sizes {
        if let Some(number) = args.take_key(key) {
            *limit = number.parse()?;
        }
    }
    Ok(limits)
}
