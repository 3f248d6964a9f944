//! What must hold: for each message that leaves, for each restart, and for each state.

use spaxos_core::message::{Body, Message};
use spaxos_core::status::Status;
use spaxos_core::types::{Ballot, Slot};

use super::disk::{Disk, Durable};
use crate::violation::{Checked, ensure};

/// Invariant 7: what a message says is durable at its sender.
pub(super) fn output(disk: &Disk, message: &Message) -> Checked {
    const NAME: &str = "output";
    let durable = disk.durable();
    match &message.body {
        Body::Accepted { ballot, slot } => {
            let voted = durable.votes.get(ballot).copied().unwrap_or(Slot(0));
            let known = durable.votes.contains_key(ballot) && voted >= *slot;
            ensure(known, NAME, || {
                format!("a vote for slot {slot} in {ballot} leaves, {voted} is durable")
            })?;
        }
        Body::Promise(promise) => {
            let ballot = promise.ballot;
            let known = durable.promises.contains(&ballot);
            ensure(known, NAME, || {
                format!("a promise of {ballot} leaves and is not durable")
            })?;
        }
        Body::Prepare { ballot, .. } => {
            let known = durable.promises.contains(ballot);
            ensure(known, NAME, || {
                format!("a prepare of {ballot} leaves, the own promise is not durable")
            })?;
        }
        _ => {}
    }
    for held in &message.header.held {
        let lane = (held.lane, held.position.incarnation);
        let end = durable.held.get(&lane).copied().unwrap_or_default();
        ensure(held.position.sequence <= end, NAME, || {
            let (lane, position) = (held.lane, held.position);
            format!("an ack of {lane}:{position} leaves, {end} is durable")
        })?;
    }
    Ok(())
}

/// C3: a life leads only in ballots that it began.
pub(super) fn leads_anew(begun_with: Ballot, message: &Message) -> Checked {
    let Body::Prepare { ballot, .. } = message.body else {
        return Ok(());
    };
    ensure(ballot > begun_with, "nothing goes back", || {
        format!("ballot {ballot} is used again; {begun_with} was promised when this life began")
    })
}

/// Invariant 6, across a restart: `before` is what was durable, `after` how the replica came back.
pub(super) fn nothing_went_back(before: &Durable, after: &Status) -> Checked {
    ensure(
        after.promised >= before.promised,
        "nothing goes back",
        || format!("promised was {}, is {}", before.promised, after.promised),
    )?;
    ensure(after.ballot >= before.adopted, "nothing goes back", || {
        format!("adopted was {}, is {}", before.adopted, after.ballot)
    })
}
