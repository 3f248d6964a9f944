//! Messages made by hand, such as no correct replica sends, and damage to those on their way.

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Command};
use spaxos_core::batch::Batch;
use spaxos_core::cut::{Cut, CutEntry, Order, Value};
use spaxos_core::message::{Body, Header, Held, Message};
use spaxos_core::record::Record;
use spaxos_core::types::{Ballot, LogTime, Position, ReplicaId, Sequence, Slot, Time};

use crate::cluster::{Cluster, InFlight};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// `forge KIND from=N to=N …` delivers a message at once. Its header is empty but for `decided=SLOT`
/// with `of=BALLOT`, `executed=SLOT` with `hash=NUMBER`, `held=r1@1.5,…`. Bodies:
/// `Batch lane=N at=POSITION text=TEXT [damaged] [stray]` (stray: after another history),
/// `Acks`, `Heartbeat ballot=B`, `Prepare ballot=B`, `PreVote round=N`, `Accepted ballot=B slot=N`,
/// `Accept|Adopt ballot=B first=N [value=VALUE] [digest=wrong] [stable] [ms=N]`. A ballot is
/// `ROUND/rN`, a value `tick` or `r1@1.2,r2@1.1`; `tick,tick` are two.
pub(crate) fn forge(cluster: &mut Cluster, command: &Command) -> Fallible<()> {
    let args = &mut command.consume_args();
    let kind = args.next_pos().ok_or("which message?")?;
    let from: u64 = required(args, "from")?;
    let to: u64 = required(args, "to")?;
    let header = header(args)?;
    let body = match kind {
        "Batch" => Body::Batch(Arc::new(batch(cluster, args)?)),
        "Acks" => Body::Acks { echo: Time(0) },
        "Heartbeat" => Body::Heartbeat {
            ballot: ballot(args, "ballot")?,
            sent: Time(1),
        },
        "Prepare" => Body::Prepare {
            ballot: ballot(args, "ballot")?,
            decided: Slot(0),
        },
        "PreVote" => Body::PreVote {
            round: required(args, "round")?,
        },
        "Accepted" => Body::Accepted {
            ballot: ballot(args, "ballot")?,
            slot: Slot(required(args, "slot")?),
        },
        "Accept" => Body::Accept {
            ballot: ballot(args, "ballot")?,
            first: Slot(required(args, "first")?),
            values: values(cluster, args)?,
            batches: Vec::new(),
        },
        "Adopt" => Body::Adopt {
            ballot: ballot(args, "ballot")?,
            first: Slot(required(args, "first")?),
            values: values(cluster, args)?,
        },
        other => return Err(format!("cannot forge {other}").into()),
    };
    args.reject_next()?;
    let message = Message { header, body };
    cluster.receive(InFlight { from, to, message });
    Ok(())
}

/// Changes what a batch says without changing its checksum, as a fault on the way would.
pub(crate) fn damage(flight: &mut InFlight) {
    if let Body::Batch(batch) = &mut flight.message.body {
        let damaged = Batch {
            payload: Bytes::from_static(b"?"),
            ..Batch::clone(batch)
        };
        *batch = Arc::new(damaged);
    }
}

fn header(args: &mut ArgumentConsumer<'_>) -> Fallible<Header> {
    let mut header = Header::default();
    if let Some(decided) = taken(args, "decided")? {
        header.decided = Slot(decided);
        header.ballot = ballot(args, "of")?;
    }
    if let Some(executed) = taken(args, "executed")? {
        header.executed = Slot(executed);
        header.executed_hash = required(args, "hash")?;
    }
    if let Some(held) = args.take_key("held") {
        for (lane, position) in positions(held)? {
            header.held.push(Held { lane, position });
        }
    }
    Ok(header)
}

fn batch(cluster: &Cluster, args: &mut ArgumentConsumer<'_>) -> Fallible<Batch> {
    let lane = ReplicaId(required(args, "lane")?);
    let at = position(args.take_key("at").ok_or("at which position?")?)?;
    let text = args.take_key("text").unwrap_or_default();
    let mut damaged = false;
    let mut previous = match at.sequence {
        Sequence(1) => 0,
        Sequence(sequence) => {
            let before = Position {
                sequence: Sequence(sequence - 1),
                ..at
            };
            digest(cluster, lane, before)
        }
    };
    while let Some(word) = args.next_pos() {
        match word {
            "damaged" => damaged = true,
            "stray" => previous ^= 1,
            other => return Err(format!("no such batch: {other}").into()),
        }
    }
    let payload = Bytes::copy_from_slice(text.as_bytes());
    let mut batch = Batch::new(lane, at, previous, 1, payload, Vec::new());
    if damaged {
        batch.payload = Bytes::from_static(b"?");
    }
    Ok(batch)
}

fn values(cluster: &Cluster, args: &mut ArgumentConsumer<'_>) -> Fallible<Vec<Value>> {
    let Some(text) = args.take_key("value") else {
        return Ok(Vec::new());
    };
    let wrong = args.take_key("digest") == Some("wrong");
    let stable = args.next_pos() == Some("stable");
    let ms: u64 = taken(args, "ms")?.unwrap_or(0);
    let ticks = text.split(',').filter(|word| *word == "tick").count();
    let order = if ticks > 0 {
        Order::Tick
    } else {
        let entry = |(lane, position)| {
            let digest = digest(cluster, lane, position) ^ u64::from(wrong);
            (lane, CutEntry { position, digest })
        };
        let entries = positions(text)?.into_iter().map(entry).collect();
        let cut = Cut::new(entries).ok_or("lanes must increase")?;
        Order::Cut { cut, stable }
    };
    let value = Value {
        log_time: LogTime(ms * 1_000_000),
        order,
    };
    Ok(vec![value; ticks.max(1)])
}

/// The digest at a position, as some disk has it; 7 if none does.
fn digest(cluster: &Cluster, lane: ReplicaId, position: Position) -> u64 {
    let mut records = cluster.nodes.iter().flat_map(|node| &node.records);
    let found = records.find_map(|record| match record {
        Record::Batch(batch) if batch.lane == lane && batch.position == position => {
            Some(batch.digest)
        }
        _ => None,
    });
    found.unwrap_or(7)
}

fn positions(text: &str) -> Fallible<Vec<(ReplicaId, Position)>> {
    let entry = |text: &str| -> Fallible<(ReplicaId, Position)> {
        let (lane, at) = text.split_once('@').ok_or("a lane and position: r1@1.2")?;
        Ok((ReplicaId(member(lane)?), position(at)?))
    };
    text.split(',').map(entry).collect()
}

fn position(text: &str) -> Fallible<Position> {
    let (incarnation, sequence) = text.split_once('.').ok_or("a position: 1.2")?;
    Ok(Position::new(incarnation.parse()?, sequence.parse()?))
}

fn ballot(args: &mut ArgumentConsumer<'_>, key: &str) -> Fallible<Ballot> {
    let text = args
        .take_key(key)
        .ok_or_else(|| format!("{key}=ROUND/rN is missing"))?;
    let (round, replica) = text.split_once('/').ok_or("a ballot: 2/r1")?;
    Ok(Ballot {
        configuration: 0,
        round: round.parse()?,
        replica: ReplicaId(member(replica)?),
    })
}

/// A member, as `r2` or `2`.
pub(crate) fn member(text: &str) -> Fallible<u64> {
    Ok(text.strip_prefix('r').unwrap_or(text).parse()?)
}

/// The argument `key=…`, if it is given.
pub(crate) fn taken<T: FromStr>(args: &mut ArgumentConsumer<'_>, key: &str) -> Fallible<Option<T>>
where
    T::Err: Error + 'static,
{
    Ok(args.take_key(key).map(str::parse).transpose()?)
}

fn required<T: FromStr>(args: &mut ArgumentConsumer<'_>, key: &str) -> Fallible<T>
where
    T::Err: Error + 'static,
{
    taken(args, key)?.ok_or_else(|| format!("{key}= is missing").into())
}
