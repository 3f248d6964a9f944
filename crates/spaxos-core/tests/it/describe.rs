//! Effects and messages as lines of a trace.

use spaxos_core::batch::Batch;
use spaxos_core::cut::{Order, Value};
use spaxos_core::effect::{Effect, Execution};
use spaxos_core::message::{Body, Promise};
use spaxos_core::record::Record;
use spaxos_core::types::{Slot, Time};

use crate::cluster::InFlight;

/// A line for what a replica asks for, unless a delivery shows it anyway.
pub(crate) fn effect(id: u64, effect: &Effect) -> Option<String> {
    let line = match effect {
        Effect::Append { lsn, record } => format!("append {lsn} {}", self::record(record)),
        Effect::Sync => "sync".to_string(),
        Effect::Send { .. } => return None,
        Effect::Execute(execution) => format!("execute {}", self::execution(execution)),
        Effect::ReadReady { tokens } => format!("read ready {tokens:?}"),
        Effect::ReadRefused { token } => format!("read refused {token}"),
        Effect::Reject { ticket, reason } => format!("reject ticket {ticket}: {reason:?}"),
        Effect::Lost { ticket } => format!("lost ticket {ticket}"),
        Effect::ReadLog { to, query } => format!("read log for r{to}: {query:?}"),
        Effect::Halt(reason) => format!("halt {reason:?}"),
    };
    Some(format!("r{id} {line}"))
}

/// A line for a message that arrives.
pub(crate) fn delivery(flight: &InFlight) -> String {
    let header = &flight.message.header;
    format!(
        "r{} → r{} {} [decided {} of {}]",
        flight.from,
        flight.to,
        body(&flight.message.body),
        header.decided,
        header.ballot
    )
}

/// What was executed in one slot.
pub(crate) fn execution(execution: &Execution) -> String {
    let batches: Vec<_> = execution.batches.iter().map(|b| batch(b)).collect();
    format!("slot {} [{}]", execution.slot, batches.join(" "))
}

fn batch(batch: &Batch) -> String {
    let text = String::from_utf8_lossy(&batch.payload);
    format!("r{}@{}={:?}", batch.lane, batch.position, text)
}

fn record(record: &Record) -> String {
    match record {
        Record::Incarnation(life) => format!("Incarnation {}", life.incarnation),
        Record::Batch(inner) => format!("Batch {}", batch(inner)),
        Record::Promise { ballot } => format!("Promise {ballot}"),
        Record::Adoption {
            ballot,
            first,
            values,
        } => format!("Adoption {ballot} {}", slots(*first, values)),
        Record::Vote {
            ballot,
            slot,
            value: voted,
            ..
        } => format!("Vote {ballot} {slot}:{}", value(voted)),
        Record::Decided { slot } => format!("Decided {slot}"),
        Record::DecidedSlot {
            slot,
            value: decided,
        } => {
            format!("DecidedSlot {slot}:{}", value(decided))
        }
        Record::Greeting { member, life } => format!("Greeting r{member} {}", life.incarnation),
    }
}

fn body(body: &Body) -> String {
    match body {
        Body::Batch(inner) => format!("Batch {}", batch(inner)),
        Body::Acks { echo: Time(0) } => "Acks".to_string(),
        Body::Acks { .. } => "Acks (echo)".to_string(),
        Body::Heartbeat { ballot, .. } => format!("Heartbeat {ballot}"),
        Body::Accept {
            ballot,
            first,
            values,
            batches,
        } => {
            let carried: Vec<_> = batches.iter().map(|b| batch(b)).collect();
            format!(
                "Accept {ballot} {} {}",
                slots(*first, values),
                carried.join(" ")
            )
            .trim_end()
            .to_string()
        }
        Body::Accepted { ballot, slot } => format!("Accepted {ballot} up to {slot}"),
        Body::Adopt {
            ballot,
            first,
            values,
        } => format!("Adopt {ballot} {}", slots(*first, values)),
        Body::Decide => "Decide".to_string(),
        Body::PreVote { round } => format!("PreVote {round}"),
        Body::PreVoteReply { round, granted } => format!("PreVoteReply {round} {granted}"),
        Body::Prepare { ballot, decided } => format!("Prepare {ballot} decided {decided}"),
        Body::Promise(inner) => promise(inner),
        Body::Refuse { ballot, promised } => format!("Refuse {ballot} promised {promised}"),
        Body::FetchBatches { lane, from, to } => format!("FetchBatches r{lane}@{from}..={to}"),
        Body::FetchSlots { from } => format!("FetchSlots {from}"),
        Body::Slots {
            adopted,
            first,
            decided,
            values,
        } => format!(
            "Slots of {adopted}, decided {decided}: {}",
            slots(*first, values)
        ),
        Body::ReadQuery { .. } => "ReadQuery".to_string(),
        Body::ReadAnswer { ballot, slot, .. } => format!("ReadAnswer {slot} in {ballot}"),
        Body::Forward { chunks, .. } => format!("Forward {} chunks", chunks.len()),
    }
}

fn promise(promise: &Promise) -> String {
    format!(
        "Promise {} adopted {} last {} decided {} tail {}",
        promise.ballot,
        promise.adopted,
        promise.last,
        promise.decided,
        slots(promise.first, &promise.tail)
    )
}

fn slots(first: Slot, values: &[Value]) -> String {
    let all = (first.0..).zip(values);
    let texts: Vec<_> = all
        .map(|(slot, v)| format!("{slot}:{}", value(v)))
        .collect();
    format!("({})", texts.join(" "))
}

fn value(value: &Value) -> String {
    match &value.order {
        Order::Tick => "tick".to_string(),
        Order::Cut { cut, stable } => {
            let lanes = cut.entries().iter();
            let texts: Vec<_> = lanes
                .map(|(lane, e)| format!("r{lane}@{}", e.position))
                .collect();
            format!(
                "{{{}}}{}",
                texts.join(","),
                if *stable { " stable" } else { "" }
            )
        }
    }
}
