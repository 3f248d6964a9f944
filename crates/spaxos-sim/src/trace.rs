//! What happened, as text for people and as one hash that tells whether two runs were the same.

use spaxos_core::batch::hash_words;
use spaxos_core::cut::{Cut, CutEntry, Order, Value};
use spaxos_core::effect::LogFound;
use spaxos_core::message::{Body, Held, Message};
use spaxos_core::record::Record;
use spaxos_core::status::Status;
use spaxos_core::types::ReplicaId;

/// Collects the trace of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

/// A text trace keeps this many lines, the last ones.
const LINES_MAX: usize = 2_000_000;

impl Trace {
    pub(crate) fn new(text: bool) -> Trace {
        Trace {
            hash: 0,
            lines: text.then(Vec::new),
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }

    /// Adds an event at `replica`: `words` go into the hash, `text` into the text if one is wanted.
    pub(crate) fn event(
        &mut self,
        now_ns: u64,
        replica: usize,
        words: &[u64],
        text: impl FnOnce() -> String,
    ) {
        self.hash = hash_words(&[self.hash, now_ns, replica as u64, hash_words(words)]);
        if let Some(lines) = &mut self.lines
            && lines.len() < LINES_MAX
        {
            let (ms, us) = (now_ns / 1_000_000, now_ns / 1_000 % 1_000);
            lines.push(format!("{ms:>6}.{us:03} #{replica} {}", text()));
        }
    }

    /// Adds a remark that is about no replica.
    pub(crate) fn remark(&mut self, now_ns: u64, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let (ms, us) = (now_ns / 1_000_000, now_ns / 1_000 % 1_000);
            lines.push(format!("{ms:>6}.{us:03} -- {}", text()));
        }
    }
}

/// A replica's state in a few words.
pub(crate) fn status(status: &Status) -> String {
    format!(
        "r{} life {} {:?} of {:?}, promised {}, ballot {}, last {} decided {} executed {} \
         applied {}, effective{}, held{}, {} lane bytes, {} dropped",
        status.id,
        status.incarnation,
        status.role,
        status.leader.map(|leader| leader.0),
        status.promised,
        status.ballot,
        status.last,
        status.decided,
        status.executed,
        status.applied,
        cut(&status.effective),
        held(&status.held),
        status.lane_bytes,
        status.dropped
    )
}

/// One message in a few words.
pub(crate) fn message(message: &Message) -> String {
    let header = &message.header;
    format!(
        "{} [{} d{} e{} h{}]",
        body(&message.body),
        header.ballot,
        header.decided,
        header.executed,
        held(&header.held)
    )
}

fn held(held: &[Held]) -> String {
    let ack = |ack: &Held| format!(" {}:{}", ack.lane, ack.position);
    held.iter().map(ack).collect()
}

fn cut(cut: &Cut) -> String {
    let lane = |entry: &(ReplicaId, CutEntry)| format!(" {}:{}", entry.0, entry.1.position);
    cut.entries().iter().map(lane).collect()
}

fn body(body: &Body) -> String {
    match body {
        Body::Batch(batch) => format!(
            "Batch {}:{} ({} requests)",
            batch.lane, batch.position, batch.requests
        ),
        Body::Heartbeat { ballot, .. } => format!("Heartbeat {ballot}"),
        Body::Accept {
            ballot,
            first,
            values: list,
            batches,
        } => format!(
            "Accept {ballot} s{first}{} with {} batches",
            values(list),
            batches.len()
        ),
        Body::Accepted { ballot, slot } => format!("Accepted {ballot} s{slot}"),
        Body::Adopt {
            ballot,
            first,
            values: list,
        } => format!("Adopt {ballot} s{first}{}", values(list)),
        Body::PreVote { round } => format!("PreVote {round}"),
        Body::PreVoteReply { round, granted } => format!("PreVoteReply {round} {granted}"),
        Body::Prepare { ballot, decided } => format!("Prepare {ballot} d{decided}"),
        Body::Promise(promise) => format!(
            "Promise {} adopted {} last {} decided {} s{}{}",
            promise.ballot,
            promise.adopted,
            promise.last,
            promise.decided,
            promise.first,
            values(&promise.tail)
        ),
        Body::Refuse { ballot, promised } => format!("Refuse {ballot} promised {promised}"),
        Body::FetchBatches { lane, from, to } => format!("FetchBatches {lane}:{from}..{to}"),
        Body::FetchSlots { from } => format!("FetchSlots {from}.."),
        Body::Slots {
            adopted,
            first,
            decided,
            values: list,
        } => format!("Slots {adopted} s{first}{} decided {decided}", values(list)),
        Body::ReadQuery { nonce } => format!("ReadQuery {nonce:x}"),
        Body::ReadAnswer {
            nonce,
            ballot,
            slot,
        } => format!("ReadAnswer {nonce:x} {ballot} s{slot}"),
        Body::Forward { chunks, .. } => format!("Forward {} chunks", chunks.len()),
        Body::Acks { .. } | Body::Decide => body.name().to_owned(),
    }
}

/// Values in a few words, each in front of a blank.
fn values(values: &[Value]) -> String {
    values
        .iter()
        .map(|one| format!(" {}", value(one)))
        .collect()
}

pub(crate) fn value(value: &Value) -> String {
    match &value.order {
        Order::Tick => format!("tick@{}", value.log_time),
        Order::Cut { cut: it, stable } => {
            let mark = if *stable { "!" } else { "" };
            format!("{{{} }}{mark}", cut(it))
        }
    }
}

/// What a log had, in a few words.
pub(crate) fn found(found: &LogFound) -> String {
    match found {
        LogFound::Batches(batches) => format!("{} batches", batches.len()),
        LogFound::Slots { first, values } => format!("{} slots from {first}", values.len()),
    }
}

/// One record in a few words.
pub(crate) fn record(record: &Record) -> String {
    match record {
        Record::Incarnation(life) => format!("Incarnation {}", life.incarnation),
        Record::Batch(batch) => format!("Batch {}:{}", batch.lane, batch.position),
        Record::Promise { ballot } => format!("Promise {ballot}"),
        Record::Adoption {
            ballot,
            first,
            values: list,
        } => format!("Adoption {ballot} s{first}{}", values(list)),
        Record::Vote {
            ballot,
            slot,
            value: one,
            decided,
        } => format!("Vote {ballot} s{slot} {} d{decided}", value(one)),
        Record::Decided { slot } => format!("Decided {slot}"),
        Record::DecidedSlot { slot, value: one } => format!("DecidedSlot {slot} {}", value(one)),
        Record::Greeting { member, life } => format!("Greeting {member} {}", life.incarnation),
    }
}
