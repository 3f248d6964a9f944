//! Invariant 7: nothing leaves before the records it stands for are durable. With it the two promises
//! that messages make about each other: a promise reports every older vote, and a ballot is led in the
//! life that prepared it.

use std::collections::BTreeMap;

use spaxos_core::message::{Body, Header, Message, Promise};
use spaxos_core::types::{Ballot, Incarnation, ReplicaId, Slot};

use super::agreement::Agreement;
use super::shadow::ShadowLog;
use crate::violation::{Checked, ensure};

const NAME: &str = "output after durability";

#[derive(Debug, Default)]
struct Sent {
    /// Per ballot the highest slot voted for in messages.
    accepted: BTreeMap<Ballot, Slot>,
    /// Per promised ballot the least (adopted, last) reported.
    promised: BTreeMap<Ballot, (Ballot, Slot)>,
}

/// What each replica has said.
#[derive(Debug)]
pub(crate) struct Output {
    sent: Vec<Sent>,
    /// In which life each ballot was prepared.
    prepared: BTreeMap<Ballot, Incarnation>,
}

impl Output {
    pub(crate) fn new(replicas: usize) -> Output {
        let mut sent = Vec::new();
        sent.resize_with(replicas, Sent::default);
        Output {
            sent,
            prepared: BTreeMap::new(),
        }
    }

    /// A message leaves `replica`, whose durable records are `durable`.
    pub(crate) fn on_release(
        &mut self,
        replica: usize,
        id: ReplicaId,
        message: &Message,
        durable: &ShadowLog,
        agreement: &Agreement,
    ) -> Checked {
        check_header(&message.header, durable)?;
        match &message.body {
            Body::Batch(batch) if batch.lane == id => ensure(
                batch.position.incarnation <= durable.life.incarnation,
                NAME,
                || format!("batch {} leaves before its life is durable", batch.position),
            ),
            Body::Prepare { ballot, .. } => self.on_prepare(id, *ballot, durable),
            Body::Heartbeat { ballot, .. }
            | Body::Accept { ballot, .. }
            | Body::Adopt { ballot, .. } => self.on_lead(id, *ballot, durable),
            Body::Promise(promise) => self.on_promise(replica, promise, durable, agreement),
            Body::Accepted { ballot, slot } => {
                let vote = (*ballot, *slot);
                ensure(stands_for(vote, durable, agreement), NAME, || {
                    let votes = durable.votes.get(ballot);
                    format!("vote {ballot} s{slot} leaves, durable is {votes:?}")
                })?;
                let void = agreement.rules_out(*ballot, *slot);
                self.on_accepted(replica, vote, void)
            }
            _ => Ok(()),
        }
    }

    fn on_prepare(&mut self, id: ReplicaId, ballot: Ballot, durable: &ShadowLog) -> Checked {
        ensure(durable.promised >= ballot, NAME, || {
            format!("prepare {ballot} leaves before its own promise is durable")
        })?;
        let life = durable.life.incarnation;
        let prepared = *self.prepared.entry(ballot).or_insert(life);
        ensure(ballot.replica == id && prepared == life, NAME, || {
            format!("ballot {ballot} of life {prepared} is prepared by {id} in life {life}")
        })
    }

    fn on_lead(&self, id: ReplicaId, ballot: Ballot, durable: &ShadowLog) -> Checked {
        let life = durable.life.incarnation;
        let prepared = self.prepared.get(&ballot).copied();
        let alone = prepared.is_none() && durable.promised >= ballot;
        ensure(
            ballot.replica == id && (prepared == Some(life) || alone),
            NAME,
            || format!("ballot {ballot} of life {prepared:?} is led by {id} in life {life}"),
        )
    }

    fn on_promise(
        &mut self,
        replica: usize,
        promise: &Promise,
        durable: &ShadowLog,
        agreement: &Agreement,
    ) -> Checked {
        let ballot = promise.ballot;
        ensure(durable.promised >= ballot, NAME, || {
            format!("promise {ballot} leaves, durable is {}", durable.promised)
        })?;
        let report = (promise.adopted, promise.last);
        let sent = &mut self.sent[replica];
        for (voted, slot) in sent.accepted.range(..ballot) {
            let void = agreement.rules_out(*voted, *slot);
            ensure(void || (*voted, *slot) <= report, NAME, || {
                format!("promise {ballot} leaves out the vote {voted} s{slot}: {report:?}")
            })?;
        }
        let least = sent.promised.entry(ballot).or_insert(report);
        *least = report.min(*least);
        Ok(())
    }

    fn on_accepted(&mut self, replica: usize, vote: (Ballot, Slot), void: bool) -> Checked {
        let (ballot, slot) = vote;
        let sent = &mut self.sent[replica];
        for (promised, report) in sent.promised.range(ballot..) {
            let reported = *promised == ballot || vote <= *report;
            ensure(void || reported, NAME, || {
                format!("vote {ballot} s{slot} after promise {promised} with {report:?}")
            })?;
        }
        let last = sent.accepted.entry(ballot).or_default();
        *last = slot.max(*last);
        Ok(())
    }
}

/// Whether durable records stand for a vote: those of votes, and behind them those of slots that are
/// decided with the very values of that ballot.
fn stands_for(vote: (Ballot, Slot), durable: &ShadowLog, agreement: &Agreement) -> bool {
    let (ballot, slot) = vote;
    let Some(voted) = durable.votes.get(&ballot) else {
        return false;
    };
    if slot <= *voted {
        return true;
    }
    let confirms = |at| {
        let value = durable.value(at);
        value.is_some_and(|value| agreement.has_proposed(ballot, at, value))
    };
    slot <= durable.decided && (voted.0 + 1..=slot.0).map(Slot).all(confirms)
}

/// The acks in a header stand for durable batches.
fn check_header(header: &Header, durable: &ShadowLog) -> Checked {
    for ack in &header.held {
        let held = durable.held(ack.lane, ack.position.incarnation);
        ensure(ack.position.sequence.0 <= held, NAME, || {
            format!(
                "ack {}:{} leaves, durable is {held}",
                ack.lane, ack.position
            )
        })?;
    }
    Ok(())
}
