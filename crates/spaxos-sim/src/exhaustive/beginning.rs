//! How a small world begins.

use spaxos_core::config::Dissemination;
use spaxos_core::types::{Slot, Time};

use super::disk::Disk;
use super::node::{MEMBERS, Node, members};
use super::state::{Left, State, index};
use super::tables::{Step, Tables};
use super::{Headers, Start, World};
use crate::violation::{Checked, Violation};

/// The first state of a world, and the last slot of its logs.
pub(super) fn begin(world: &World, tables: &mut Tables) -> Checked<(State, Slot)> {
    let early: Vec<(u8, u8)> = match world.late_requests {
        true => Vec::new(),
        false => (0..).zip(world.requests.iter().copied()).collect(),
    };
    let mut state = match world.start {
        Start::Fresh => fresh(&early, world, tables)?,
        Start::Led => led(world, tables)?,
    };
    let shown = state
        .members
        .map(|member| &tables.members[member as usize].shows);
    let last = shown
        .map(|shows| shows.last)
        .into_iter()
        .max()
        .unwrap_or_default();
    if world.start == Start::Led {
        for &(request, at) in &early {
            state.take(at - 1, Step::Submit(request), tables)?;
        }
    }
    if !world.late_requests {
        state.left.requests = 0;
    }
    Ok((state, last))
}

/// All members have just started; the first batch of a lane is the request, if there is one.
fn fresh(requests: &[(u8, u8)], world: &World, tables: &mut Tables) -> Checked<State> {
    let mut nodes = Vec::new();
    for id in members() {
        let mut node = Node::start(id, world.modes, Disk::default(), Time(1));
        for &(request, _) in requests.iter().filter(|(_, at)| u64::from(*at) == id.0) {
            node.submit(request)?;
        }
        node.settle()?;
        nodes.push(node);
    }
    let mut state = state_of(nodes, world, tables)?;
    for at in 0..MEMBERS as u8 {
        state.greet(at, tables)?;
    }
    Ok(state)
}

/// Replica 1 has come to lead, and everything is settled.
fn led(world: &World, tables: &mut Tables) -> Checked<State> {
    let before = World {
        headers: Headers::Full,
        undelivered: vec!["PreVote", "PreVoteReply"],
        ..world.clone()
    };
    let mut all = Tables::new(before.clone());
    let mut state = fresh(&[], &before, &mut all)?;
    run_out(&mut state, &mut all)?;
    for step in [Step::TimeOut, Step::Beat, Step::Beat] {
        state.take(0, step, &mut all)?;
        run_out(&mut state, &mut all)?;
    }
    let members = state.members.map(|member| &all.members[member as usize]);
    let [first, ..] = members.map(|member| &member.shows);
    let same = members
        .iter()
        .all(|member| member.shows.hashes == first.hashes);
    let idle = world.modes.dissemination == Dissemination::Leader;
    if !first.leads || !same || first.hashes.is_empty() != idle {
        let text = "replica 1 does not come to lead";
        return Err(Violation::new("small world", text));
    }
    state_of(members.map(|member| member.node.clone()), world, tables)
}

/// These members, and on its way what they have just sent.
fn state_of(
    nodes: impl IntoIterator<Item = Node>,
    world: &World,
    tables: &mut Tables,
) -> Checked<State> {
    let mut state = State {
        members: [0; MEMBERS],
        left: Left::of(world),
        history: 0,
        flight: Vec::new(),
    };
    for (at, node) in nodes.into_iter().enumerate() {
        let moved = tables.intern(node)?;
        state.members[at] = moved.node;
        state.flight.extend(moved.sent);
    }
    state.flight.sort_unstable();
    Ok(state)
}

/// Delivers everything and finishes all syncs.
fn run_out(state: &mut State, tables: &mut Tables) -> Checked {
    for _ in 0..10_000 {
        let syncing = (0..MEMBERS as u8).find(|&at| {
            let member = state.members[usize::from(at)];
            tables.members[member as usize].shows.syncing
        });
        if let Some(at) = syncing {
            state.take(at, Step::Sync, tables)?;
        } else if let Some(letter) = state.flight.first().copied() {
            state.flight.remove(0);
            let at = index(tables.letters[letter as usize].to);
            state.take(at, Step::Deliver(letter), tables)?;
        } else {
            return Ok(());
        }
    }
    Err(Violation::new("small world", "the beginning never ends"))
}
