//! From a state to its end, when from now on nothing more goes wrong: a quorum stays, hears each
//! other, and has clocks that run. Everything asked of it must come to be executed.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use spaxos_core::message::Message;
use spaxos_core::types::{ReplicaId, Time};

use super::node::{ELECTION_NS, Node};
use super::state::State;
use super::tables::Tables;
use crate::violation::{Checked, Violation, ensure};

/// Everyone who may be left, by place.
pub(super) const QUORUMS: [&[usize]; 4] = [&[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]];

/// The quorum must be done within so much time: a few elections that fail and one that succeeds.
const PATIENCE_NS: u64 = 40 * ELECTION_NS;

/// Requests that come in when everything is well again, one for each member, are named from here on.
const NEW_REQUESTS: u8 = 200;

struct Completion {
    nodes: Vec<Node>,
    network: VecDeque<(ReplicaId, ReplicaId, Arc<Message>)>,
    now: Time,
}

/// Continues `state` with the members of `quorum` alone. What is on its way between them arrives first;
/// then new connections are made, as they are when a connection had lost something.
pub(super) fn complete(tables: &Tables, state: &State, quorum: &[usize]) -> Checked {
    let member = |at: &usize| &tables.members[state.members[*at] as usize].node;
    let nodes: Vec<Node> = quorum.iter().map(member).cloned().collect();
    let ids: Vec<ReplicaId> = nodes.iter().map(|node| node.id).collect();
    let inside = |id| ids.contains(&id);
    let letters = state
        .flight
        .iter()
        .map(|letter| &tables.letters[*letter as usize]);
    let letters = letters.filter(|letter| inside(letter.from) && inside(letter.to));
    let network = letters.map(|letter| (letter.from, letter.to, Arc::clone(&letter.message)));
    let mut completion = Completion {
        now: nodes.iter().map(|node| node.now).max().unwrap_or_default(),
        network: network.collect(),
        nodes,
    };
    let ended = catch_unwind(AssertUnwindSafe(|| completion.run()));
    let ended =
        ended.unwrap_or_else(|panic| Err(Violation::new("panic", crate::panic_text(&*panic))));
    ended.map_err(|violation| {
        let names: Vec<String> = ids.iter().map(|id| format!("r{id}")).collect();
        let detail = format!("{} go on alone: {}", names.join(", "), violation.detail);
        Violation::new(violation.checker, detail)
    })
}

impl Completion {
    fn run(&mut self) -> Checked {
        let until = self.now.plus(PATIENCE_NS);
        self.align()?;
        self.settle()?;
        self.connect()?;
        for (request, at) in (NEW_REQUESTS..).zip(0..self.nodes.len()) {
            self.nodes[at].submit(request)?;
            self.collect(at);
        }
        loop {
            self.settle()?;
            if self.is_done() {
                return Ok(());
            }
            let deadlines = self.nodes.iter().filter_map(|node| node.replica.deadline());
            let next = deadlines.min().unwrap_or(until);
            ensure(next < until, "progress", || self.complaint())?;
            self.now = self.now.max(next);
            self.align()?;
        }
    }

    /// One time for all, and what is due then.
    fn align(&mut self) -> Checked {
        for at in 0..self.nodes.len() {
            let node = &mut self.nodes[at];
            let passed = self.now.since(node.now);
            node.pass(passed)?;
            self.collect(at);
        }
        Ok(())
    }

    /// Finishes syncs and delivers messages until there are none.
    fn settle(&mut self) -> Checked {
        loop {
            if let Some(at) = self.nodes.iter().position(|node| node.disk.is_syncing()) {
                self.nodes[at].finish_sync()?;
                self.collect(at);
                continue;
            }
            let Some((from, to, message)) = self.network.pop_front() else {
                return Ok(());
            };
            if let Some(at) = self.nodes.iter().position(|node| node.id == to) {
                self.nodes[at].deliver(from, &message)?;
                self.collect(at);
            }
        }
    }

    fn connect(&mut self) -> Checked {
        for at in 0..self.nodes.len() {
            for peer in (0..self.nodes.len()).filter(|&peer| peer != at) {
                let to = self.nodes[at].id;
                let other = &self.nodes[peer];
                let (id, life, known) = (other.id, other.incarnation(), other.knows(to));
                self.nodes[at].greet(id, life, known)?;
                self.collect(at);
            }
        }
        Ok(())
    }

    /// What a member has sent is on its way.
    fn collect(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let from = node.id;
        let sent = std::mem::take(&mut node.sent).into_iter();
        self.network
            .extend(sent.map(|parcel| (from, parcel.to, parcel.message)));
    }

    /// Whether all requests that a present life of a member has taken are executed at all members.
    fn is_done(&self) -> bool {
        self.missing().next().is_none()
    }

    fn missing(&self) -> impl Iterator<Item = (ReplicaId, u8)> {
        let taken = self.nodes.iter().flat_map(|node| &node.taken);
        taken.flat_map(|request| {
            let lacks = self
                .nodes
                .iter()
                .filter(|node| !node.executed.contains(request));
            lacks.map(|node| (node.id, *request))
        })
    }

    fn complaint(&self) -> String {
        let missing: Vec<String> = self
            .missing()
            .map(|(id, request)| format!("r{id} has not executed request {request}"))
            .collect();
        let statuses: Vec<String> = self
            .nodes
            .iter()
            .map(|node| crate::trace::status(&node.replica.status()))
            .collect();
        format!("{}; {}", missing.join(", "), statuses.join(" | "))
    }
}
