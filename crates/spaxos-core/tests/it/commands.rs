//! What a script can tell a cluster to do: time and steps, members and their connections, clients,
//! messages by hand, and looking.

use std::collections::VecDeque;
use std::error::Error;

use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Command};
use spaxos_core::effect::Input;
use spaxos_core::types::LogTime;

use crate::cluster::{Cluster, InFlight};
use crate::describe;
use crate::forge::{self, member, taken};
use crate::trace::Line;

type Fallible<T> = Result<T, Box<dyn Error>>;

const MS: u64 = 1_000_000;

/// Carries a command out. What it returns is printed instead of the trace.
pub(crate) fn run(cluster: &mut Cluster, command: &Command) -> Fallible<String> {
    match command.name.as_str() {
        "deliver" | "drop" | "duplicate" | "damage" => select(cluster, command)?,
        "forge" => forge::forge(cluster, command)?,
        "submit" => submit(cluster, command)?,
        "details" => details(cluster, command)?,
        "network" => return Ok(network(cluster)),
        "state" => return state(cluster, command),
        "records" | "executed" => return history(cluster, command),
        _ => by_numbers(cluster, command)?,
    }
    Ok(String::new())
}

/// The commands whose arguments are numbers alone, members mostly.
fn by_numbers(cluster: &mut Cluster, command: &Command) -> Fallible<()> {
    let args = &mut command.consume_args();
    let keep: usize = taken(args, "keep")?.unwrap_or(0);
    let mut numbers = VecDeque::new();
    while let Some(text) = args.next_pos() {
        numbers.push_back(member(text)?);
    }
    args.reject_next()?;
    let mut next = || numbers.pop_front().ok_or("a number is missing");
    match command.name.as_str() {
        "settle" => cluster.settle(),
        "pass_ms" => cluster.pass(next()? * MS),
        "wait_ms" => cluster.now = cluster.now.plus(next()? * MS),
        "tick" => cluster.tick(next()?),
        "sync" => cluster.sync(next()?),
        "elect" => cluster.elect(next()?),
        "start" => cluster.start(next()?),
        "crash" => cluster.crash(next()?, keep),
        "restart" => {
            let id = next()?;
            cluster.crash(id, keep);
            cluster.start(id);
            cluster.connect_all(id);
        }
        "connect" => cluster.connect(next()?, next()?),
        "cut" | "heal" => {
            let (a, b) = (next()?, next()?);
            cluster.set_link(a, b, command.name == "heal");
            cluster.set_link(b, a, command.name == "heal");
        }
        "mute" | "unmute" => {
            let (from, to) = (next()?, next()?);
            cluster.set_link(from, to, command.name == "unmute");
        }
        "read" => {
            let (id, token) = (next()?, next()?);
            cluster.input(id, Input::Read { token });
        }
        "expiry_ms" => {
            let (id, ms) = (next()?, next()?);
            cluster.node(id).next_expiry = Some(LogTime(ms * MS));
        }
        name => of_one_process(cluster, name, &mut next)?,
    }
    match numbers.pop_front() {
        Some(extra) => Err(format!("one number too many: {extra}").into()),
        None => Ok(()),
    }
}

/// What befalls one member's disk, state machine or identity. `hang`, `unhang`: the disk; `roll_back
/// N RECORDS`: it has this many records; `clone N`, `swap N`: a second process with the same id, and
/// which of the two is running; `busy N`, `apply N`: the state machine.
fn of_one_process(
    cluster: &mut Cluster,
    name: &str,
    next: &mut impl FnMut() -> Result<u64, &'static str>,
) -> Fallible<()> {
    let id = next()?;
    let node = cluster.node(id);
    match name {
        "hang" => node.hangs = true,
        "unhang" => node.hangs = false,
        "roll_back" => {
            let records = usize::try_from(next()?)?;
            node.records.truncate(records);
            node.synced = records;
        }
        "clone" => node.twin = Some(Box::new(node.copy_of_disk())),
        "swap" => {
            let mut twin = node.twin.take().ok_or("clone it first")?;
            std::mem::swap(node, &mut twin);
            node.twin = Some(twin);
        }
        "busy" => node.busy = true,
        "apply" => {
            node.busy = false;
            if let Some(slot) = node.executed.last().map(|last| last.slot) {
                cluster.apply(id, slot);
            }
        }
        other => return Err(format!("no such command: {other}").into()),
    }
    Ok(())
}

/// `submit N TEXT [bytes=N]`: a chunk with one request; with `bytes` the text over and over.
fn submit(cluster: &mut Cluster, command: &Command) -> Fallible<()> {
    let args = &mut command.consume_args();
    let bytes: Option<usize> = taken(args, "bytes")?;
    let id = member(args.next_pos().ok_or("to whom?")?)?;
    let text = args.next_pos().ok_or("what?")?;
    args.reject_next()?;
    let len = bytes.unwrap_or(text.len());
    let payload: Bytes = text.bytes().cycle().take(len).collect();
    cluster.submit(id, payload);
    Ok(())
}

/// `details [marks] [acks] [times]`: what lines show from now on.
fn details(cluster: &mut Cluster, command: &Command) -> Fallible<()> {
    let args = &mut command.consume_args();
    let mut describe = describe::Describe::default();
    while let Some(word) = args.next_pos() {
        match word {
            "marks" => describe.marks = true,
            "acks" => describe.acks = true,
            "times" => describe.times = true,
            other => return Err(format!("no such detail: {other}").into()),
        }
    }
    cluster.describe = describe;
    Ok(())
}

/// `deliver [from=N] [to=N] [kind=Accept] [max=N]`: those messages that are on their way now, in order;
/// `drop` loses them instead, `duplicate` delivers them and keeps them, `damage` keeps them and spoils
/// the content of batches.
fn select(cluster: &mut Cluster, command: &Command) -> Fallible<()> {
    let args = &mut command.consume_args();
    let from = args.take_key("from").map(member).transpose()?;
    let to = args.take_key("to").map(member).transpose()?;
    let kind = args.take_key("kind");
    let max: usize = taken(args, "max")?.unwrap_or(usize::MAX);
    args.reject_next()?;
    let mut chosen: Vec<InFlight> = Vec::new();
    let mut others = VecDeque::new();
    for mut flight in std::mem::take(&mut cluster.network) {
        let fits = from.is_none_or(|from| from == flight.from)
            && to.is_none_or(|to| to == flight.to)
            && kind.is_none_or(|kind| kind == flight.message.body.name())
            && chosen.len() < max;
        match (fits, command.name.as_str()) {
            (false, _) => others.push_back(flight),
            (true, "damage") => {
                forge::damage(&mut flight);
                others.push_back(flight);
            }
            (true, "duplicate") => {
                others.push_back(flight.clone());
                chosen.push(flight);
            }
            (true, _) => chosen.push(flight),
        }
    }
    cluster.network = others;
    for flight in chosen {
        if command.name == "drop" {
            let line = cluster.describe.message("lose", &flight);
            cluster.trace.push(line);
        } else {
            cluster.receive(flight);
        }
    }
    Ok(())
}

/// What is on its way.
fn network(cluster: &Cluster) -> String {
    let flights = cluster.network.iter();
    let lines: Vec<Line> = flights
        .map(|flight| cluster.describe.message("receive", flight))
        .collect();
    lines_or_nothing(lines.into_iter().map(|line| line.text))
}

/// `state [N]… [FIELD]…`: these fields of these members, or all.
fn state(cluster: &Cluster, command: &Command) -> Fallible<String> {
    let args = &mut command.consume_args();
    let (mut ids, mut fields) = (Vec::new(), Vec::new());
    words(args, &mut ids, &mut fields)?;
    if ids.is_empty() {
        ids = cluster.ids();
    }
    if fields.is_empty() {
        fields = vec!["role", "promised", "ballot", "last", "decided", "executed"];
    }
    let mut lines = Vec::new();
    for id in ids {
        let Some(replica) = cluster.replica(id) else {
            lines.push(format!("r{id} down"));
            continue;
        };
        let status = replica.status();
        let mut line = format!("r{id}");
        for field in &fields {
            let value = match *field {
                "role" => format!("{:?}", status.role),
                "leader" => status
                    .leader
                    .map_or("none".to_string(), |id| format!("r{id}")),
                "promised" => status.promised.to_string(),
                "ballot" => status.ballot.to_string(),
                "last" => status.last.to_string(),
                "decided" => status.decided.to_string(),
                "executed" => status.executed.to_string(),
                "applied" => status.applied.to_string(),
                "held" => format!("[{}]", describe::held(&status.held)),
                "effective" => effective(&status.effective),
                "lane_bytes" => status.lane_bytes.to_string(),
                "dropped" => status.dropped.to_string(),
                "log_ms" => (status.log_time.0 / MS).to_string(),
                other => return Err(format!("no such field: {other}").into()),
            };
            line += &format!(" {field} {value}");
        }
        lines.push(line);
    }
    Ok(self::lines(lines.into_iter()))
}

fn effective(cut: &spaxos_core::cut::Cut) -> String {
    let lanes = cut.entries().iter();
    let texts: Vec<_> = lanes
        .map(|(lane, entry)| format!("r{lane}@{}", entry.position))
        .collect();
    format!("{{{}}}", texts.join(","))
}

fn words<'a>(
    args: &mut ArgumentConsumer<'a>,
    ids: &mut Vec<u64>,
    fields: &mut Vec<&'a str>,
) -> Fallible<()> {
    while let Some(word) = args.next_pos() {
        match member(word) {
            Ok(id) => ids.push(id),
            Err(_) => fields.push(word),
        }
    }
    args.reject_next()
}

/// `records N [last=N]`: a member's log, with a line where the durable part ends; `executed N [last=N]`:
/// what it executed in this life.
fn history(cluster: &mut Cluster, command: &Command) -> Fallible<String> {
    let args = &mut command.consume_args();
    let last: usize = taken(args, "last")?.unwrap_or(usize::MAX);
    let id = member(args.next_pos().ok_or("whose?")?)?;
    args.reject_next()?;
    let describe = cluster.describe;
    let node = cluster.node(id);
    let lines: Vec<String> = if command.name == "records" {
        let records = node.records.iter().enumerate();
        let text = |(at, record)| {
            let lost = if at < node.synced {
                ""
            } else {
                " (not durable)"
            };
            format!("r{id} {}{lost}", describe.record(record))
        };
        records.map(text).collect()
    } else {
        let executed = node.executed.iter();
        let text = |execution| format!("r{id} {}", describe.execution(execution));
        executed.map(text).collect()
    };
    let from = lines.len().saturating_sub(last);
    Ok(lines_or_nothing(lines.into_iter().skip(from)))
}

fn lines_or_nothing(lines: impl Iterator<Item = String>) -> String {
    let text = self::lines(lines);
    if text.is_empty() {
        "nothing\n".to_string()
    } else {
        text
    }
}

/// Lines, each with its end.
pub(crate) fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}
