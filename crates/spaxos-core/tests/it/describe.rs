//! Effects and messages as lines of a trace.

use spaxos_core::batch::Batch;
use spaxos_core::cut::{Order, Value};
use spaxos_core::effect::{Effect, Execution, LogQuery};
use spaxos_core::message::{Body, Header, Held, Promise};
use spaxos_core::record::Record;
use spaxos_core::types::{LogTime, Slot, Time};

use crate::cluster::InFlight;
use crate::trace::Line;

/// Which details the lines show beyond what happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Describe {
    /// Of each message the decided mark and the ballot of the log that it is about.
    pub(crate) marks: bool,
    /// Of each message the acks.
    pub(crate) acks: bool,
    /// Of each value and executed slot the log time, in milliseconds.
    pub(crate) times: bool,
}

impl Describe {
    /// A line for what a replica asks for; sending shows when the message arrives.
    pub(crate) fn effect(self, id: u64, effect: &Effect) -> Option<Line> {
        let (kind, name, text) = match effect {
            Effect::Append { record, .. } => {
                let text = format!("append {}", self.record(record));
                let name = match record {
                    Record::Batch(_) => "AppendBatch",
                    Record::Promise { .. } => "AppendPromise",
                    other => other.name(),
                };
                ("append", name, text)
            }
            Effect::Sync => ("sync", "", "sync".to_string()),
            Effect::Send { .. } => return None,
            Effect::Execute(execution) => {
                let text = format!("execute {}", self.execution(execution));
                ("execute", "", text)
            }
            Effect::ReadReady { tokens } => ("read", "", format!("read ready {tokens:?}")),
            Effect::ReadRefused { token } => ("read", "", format!("read refused {token}")),
            Effect::Reject { ticket, reason } => {
                ("reject", "", format!("reject ticket {ticket}: {reason:?}"))
            }
            Effect::Lost { ticket } => ("lost", "", format!("lost ticket {ticket}")),
            Effect::ReadLog { to, query } => {
                let text = format!("read log for r{to}: {}", log_query(query));
                ("readlog", "", text)
            }
            Effect::LaneStopped { lane, position } => {
                ("halt", "", format!("stops lane r{lane} at {position}"))
            }
            Effect::Halt(reason) => ("halt", "", format!("halt {reason:?}")),
        };
        Some(Line {
            node: id,
            kind,
            name,
            text: format!("r{id} {text}"),
        })
    }

    /// A line for a message, at its receiver.
    pub(crate) fn message(self, kind: &'static str, flight: &InFlight) -> Line {
        let verb = if kind == "receive" { "" } else { "lost: " };
        let body = self.body(&flight.message.body);
        let header = self.header(&flight.message.header);
        Line {
            node: flight.to,
            kind,
            name: flight.message.body.name(),
            text: format!("{verb}r{} → r{} {body}{header}", flight.from, flight.to),
        }
    }

    fn header(self, header: &Header) -> String {
        let mut text = String::new();
        if self.marks {
            text += &format!(" [decided {} of {}]", header.decided, header.ballot);
        }
        if self.acks {
            text += &format!(" [acks {}]", held(&header.held));
        }
        text
    }

    /// What was executed in one slot.
    pub(crate) fn execution(self, execution: &Execution) -> String {
        let batches: Vec<_> = execution.batches.iter().map(|b| batch(b)).collect();
        let time = self.time(execution.log_time);
        format!("slot {}{time} [{}]", execution.slot, batches.join(" "))
    }

    /// A record of the log.
    pub(crate) fn record(self, record: &Record) -> String {
        match record {
            Record::Incarnation(life) => format!("Incarnation {}", life.incarnation),
            Record::Batch(inner) => format!("Batch {}", batch(inner)),
            Record::Promise { ballot } => format!("Promise {ballot}"),
            Record::Adoption {
                ballot,
                first,
                values,
            } => format!("Adoption {ballot} {}", self.slots(*first, values)),
            Record::Vote {
                ballot,
                slot,
                value,
                ..
            } => format!("Vote {ballot} {slot}:{}", self.value(value)),
            Record::Decided { slot } => format!("Decided {slot}"),
            Record::DecidedSlot { slot, value } => {
                format!("DecidedSlot {slot}:{}", self.value(value))
            }
            Record::Greeting { member, life } => {
                format!("Greeting r{member} incarnation {}", life.incarnation)
            }
        }
    }

    fn body(self, body: &Body) -> String {
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
                let carried: Vec<_> = batches.iter().map(|b| format!(" {}", batch(b))).collect();
                let slots = self.slots(*first, values);
                format!("Accept {ballot} {slots}{}", carried.concat())
            }
            Body::Accepted { ballot, slot } => format!("Accepted {ballot} up to {slot}"),
            Body::Adopt {
                ballot,
                first,
                values,
            } => format!("Adopt {ballot} {}", self.slots(*first, values)),
            Body::Decide => "Decide".to_string(),
            Body::PreVote { round } => format!("PreVote {round}"),
            Body::PreVoteReply { round, granted } => {
                let answer = if *granted { "granted" } else { "denied" };
                format!("PreVoteReply {round} {answer}")
            }
            Body::Prepare { ballot, decided } => format!("Prepare {ballot} decided {decided}"),
            Body::Promise(inner) => self.promise(inner),
            Body::Refuse { ballot, promised } => format!("Refuse {ballot} promised {promised}"),
            Body::FetchBatches { lane, from, to } => format!("FetchBatches r{lane}@{from}..={to}"),
            Body::FetchSlots { from } => format!("FetchSlots {from}"),
            Body::Slots {
                adopted,
                first,
                decided,
                values,
            } => {
                let slots = self.slots(*first, values);
                format!("Slots of {adopted} decided {decided} {slots}")
            }
            Body::ReadQuery { nonce } => format!("ReadQuery {}", round_of(*nonce)),
            Body::ReadAnswer {
                nonce,
                ballot,
                slot,
            } => format!("ReadAnswer {} slot {slot} of {ballot}", round_of(*nonce)),
            Body::Forward { chunks, .. } => {
                let chunks: Vec<_> = chunks.iter().map(|c| payload(&c.payload)).collect();
                format!("Forward {}", chunks.join(" "))
            }
        }
    }

    fn promise(self, promise: &Promise) -> String {
        format!(
            "Promise {} adopted {} last {} decided {} tail {}",
            promise.ballot,
            promise.adopted,
            promise.last,
            promise.decided,
            self.slots(promise.first, &promise.tail)
        )
    }

    fn slots(self, first: Slot, values: &[Value]) -> String {
        let all = (first.0..).zip(values);
        let texts: Vec<_> = all
            .map(|(slot, value)| format!("{slot}:{}", self.value(value)))
            .collect();
        format!("({})", texts.join(" "))
    }

    fn value(self, value: &Value) -> String {
        let time = self.time(value.log_time);
        let Order::Cut { cut, stable } = &value.order else {
            return format!("tick{time}");
        };
        let lanes = cut.entries().iter();
        let texts: Vec<_> = lanes
            .map(|(lane, entry)| format!("r{lane}@{}", entry.position))
            .collect();
        let mark = if *stable { " stable" } else { "" };
        format!("{{{}}}{mark}{time}", texts.join(","))
    }

    fn time(self, log_time: LogTime) -> String {
        if self.times {
            format!(" at {} ms", log_time.0 / 1_000_000)
        } else {
            String::new()
        }
    }
}

/// Acks, or what a replica holds.
pub(crate) fn held(held: &[Held]) -> String {
    let held: Vec<_> = held
        .iter()
        .map(|held| format!("r{}@{}", held.lane, held.position))
        .collect();
    held.join(" ")
}

fn batch(batch: &Batch) -> String {
    let origins: Vec<_> = batch
        .origins
        .iter()
        .map(|origin| format!(" for r{}", origin.replica))
        .collect();
    let (lane, position) = (batch.lane, batch.position);
    format!(
        "r{lane}@{position}={}{}",
        payload(&batch.payload),
        origins.concat()
    )
}

/// A payload as text; a long one by its beginning and length.
fn payload(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(&payload[..payload.len().min(12)]);
    if payload.len() > 12 {
        let start: String = text.chars().take(1).collect();
        format!("{start}…({} bytes)", payload.len())
    } else {
        format!("{text:?}")
    }
}

fn log_query(query: &LogQuery) -> String {
    match query {
        LogQuery::Batches { lane, from, to, .. } => format!("batches r{lane}@{from}..={to}"),
        LogQuery::Slots { from, to } => format!("slots {from}..={to}"),
    }
}

/// A reader's nonce, as incarnation and round.
fn round_of(nonce: u64) -> String {
    format!("{}/{}", nonce >> 32, nonce & 0xffff_ffff)
}
