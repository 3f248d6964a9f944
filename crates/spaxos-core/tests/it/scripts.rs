//! Protocol scripts: English, commands, and the trace that they must produce. One file per rule or
//! bug in `tests/scripts`; `UPDATE_GOLDENFILES=1 cargo test -p spaxos-core` writes the traces anew.

use std::error::Error;
use std::path::Path;
use std::str::FromStr;

use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use spaxos_core::config::{Dissemination, Limits, Modes, Propose, Votes};
use spaxos_core::effect::Input;
use spaxos_core::record::Life;
use spaxos_core::types::{Incarnation, LogTime, ReplicaId};

use crate::cluster::Cluster;
use crate::describe;

#[test]
fn every_script_produces_its_trace() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let entries = std::fs::read_dir(directory).expect("the scripts are there");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "script")
    });
    paths.sort();
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

#[derive(Default)]
struct Script {
    cluster: Option<Cluster>,
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        if command.name == "cluster" {
            self.cluster = Some(build(command)?);
            return Ok(String::new());
        }
        let cluster = self.cluster.as_mut().ok_or("begin with: cluster N")?;
        cluster.trace.clear();
        run(cluster, command)?;
        let mut output = cluster.trace.join("\n");
        if !output.is_empty() {
            output.push('\n');
        }
        Ok(output)
    }
}

/// `cluster N [propose=stable] [votes=leader] [dissemination=leader] [LIMIT=NUMBER]…`: all started.
fn build(command: &Command) -> Result<Cluster, Box<dyn Error>> {
    let mut args = command.consume_args();
    let n = args.next_pos().ok_or("how many?")?.parse()?;
    let args = &mut args;
    let mut modes = Modes::default();
    let mut limits = Limits::default();
    if args.take_key("propose") == Some("stable") {
        modes.propose = Propose::Stable;
    }
    if args.take_key("votes") == Some("leader") {
        modes.votes = Votes::Leader;
    }
    if args.take_key("dissemination") == Some("leader") {
        modes.dissemination = Dissemination::Leader;
    }
    let bytes = |value: Option<u64>, limit: &mut u64| *limit = value.unwrap_or(*limit);
    bytes(take(args, "lane_bytes_max")?, &mut limits.lane_bytes_max);
    bytes(take(args, "slot_bytes_max")?, &mut limits.slot_bytes_max);
    bytes(
        take(args, "window_slots_max")?,
        &mut limits.window_slots_max,
    );
    bytes(take(args, "cache_bytes_max")?, &mut limits.cache_bytes_max);
    bytes(take(args, "fetch_bytes_max")?, &mut limits.fetch_bytes_max);
    if let Some(max) = take(args, "batch_bytes_max")? {
        limits.batch_bytes_max = max;
        limits.chunk_bytes_max = max;
    }
    if let Some(max) = take(args, "cache_slots_max")? {
        limits.cache_slots_max = max;
    }
    if let Some(max) = take(args, "incarnations_max")? {
        limits.incarnations_max = max;
    }
    args.reject_next()?;
    let mut cluster = Cluster::new(n, modes, limits);
    for id in 1..=n {
        cluster.start(id);
    }
    Ok(cluster)
}

fn take<T: FromStr>(args: &mut ArgumentConsumer<'_>, key: &str) -> Result<Option<T>, Box<dyn Error>>
where
    T::Err: Error + 'static,
{
    Ok(args.take_key(key).map(str::parse).transpose()?)
}

fn run(cluster: &mut Cluster, command: &Command) -> Result<(), Box<dyn Error>> {
    let mut args = command.consume_args();
    let mut number = || -> Result<u64, Box<dyn Error>> {
        let arg = args.next_pos().ok_or("a number is missing")?;
        Ok(arg.trim_start_matches('r').parse()?)
    };
    match command.name.as_str() {
        "start" => cluster.start(number()?),
        "crash" => cluster.crash(number()?),
        "elect" => cluster.elect(number()?),
        "sync" => cluster.sync(number()?),
        "settle" => cluster.settle(),
        "tick" => cluster.tick(number()?),
        "pass_ms" => cluster.pass(number()? * 1_000_000),
        "wait_ms" => cluster.now = cluster.now.plus(number()? * 1_000_000),
        "read" => {
            let (id, token) = (number()?, number()?);
            cluster.input(id, Input::Read { token });
        }
        "expiry_ms" => {
            let (id, ms) = (number()?, number()?);
            cluster.node(id).next_expiry = Some(LogTime(ms * 1_000_000));
        }
        "greet" => {
            let (to, from, incarnation, known) = (number()?, number()?, number()?, number()?);
            let life = |incarnation, nonce| Life {
                incarnation: Incarnation(incarnation),
                nonce,
            };
            cluster.input(
                to,
                Input::Greeted {
                    peer: ReplicaId(from),
                    life: life(incarnation, from * 1000 + incarnation - 1),
                    known: life(known, to * 1000 + known.saturating_sub(1)),
                },
            );
        }
        "cut" | "heal" => {
            let (from, to) = (number()?, number()?);
            cluster.set_link(from, to, command.name == "heal");
        }
        "submit" => {
            let id = number()?;
            let text = args.next_pos().ok_or("what?")?;
            cluster.submit(id, text);
        }
        "deliver" | "drop" | "duplicate" => select(cluster, command)?,
        "network" => {
            let lines: Vec<_> = cluster.network.iter().map(describe::delivery).collect();
            cluster.trace.extend(lines);
        }
        "state" => state(cluster),
        "executed" => {
            let id = number()?;
            let lines: Vec<_> = cluster
                .node(id)
                .executed
                .iter()
                .map(describe::execution)
                .collect();
            cluster.trace.extend(lines);
        }
        other => return Err(format!("no such command: {other}").into()),
    }
    Ok(())
}

/// `deliver [from=N] [to=N] [kind=Accept] [max=N]`: those messages that are on their way now, in order;
/// `drop` loses them instead, `duplicate` delivers them and keeps them.
fn select(cluster: &mut Cluster, command: &Command) -> Result<(), Box<dyn Error>> {
    let args = &mut command.consume_args();
    let from: Option<u64> = take(args, "from")?;
    let to: Option<u64> = take(args, "to")?;
    let kind = args.take_key("kind");
    let max: usize = take(args, "max")?.unwrap_or(usize::MAX);
    args.reject_next()?;
    let mut chosen = Vec::new();
    let mut kept = std::collections::VecDeque::new();
    for flight in std::mem::take(&mut cluster.network) {
        let fits = from.is_none_or(|from| from == flight.from)
            && to.is_none_or(|to| to == flight.to)
            && kind.is_none_or(|kind| kind == flight.message.body.name())
            && chosen.len() < max;
        if fits {
            chosen.push(flight);
        } else {
            kept.push_back(flight);
        }
    }
    if command.name == "duplicate" {
        kept.extend(chosen.iter().cloned());
    }
    cluster.network = kept;
    for flight in chosen {
        if command.name == "drop" {
            cluster
                .trace
                .push(format!("lost: {}", describe::delivery(&flight)));
        } else {
            cluster.receive(flight);
        }
    }
    Ok(())
}

fn state(cluster: &mut Cluster) {
    for id in cluster.ids() {
        let line = match cluster.replica(id).map(|replica| replica.status()) {
            None => format!("r{id} down"),
            Some(status) => {
                let held: Vec<_> = status
                    .held
                    .iter()
                    .map(|held| format!("r{}@{}", held.lane, held.position))
                    .collect();
                format!(
                    "r{id} {:?} promised {} follows {} last {} decided {} executed {} held [{}] dropped {}",
                    status.role,
                    status.promised,
                    status.ballot,
                    status.last,
                    status.decided,
                    status.executed,
                    held.join(" "),
                    status.dropped
                )
            }
        };
        cluster.trace.push(line);
    }
}
