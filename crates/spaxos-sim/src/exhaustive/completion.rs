//! From a state to its end, when from now on nothing more goes wrong: a quorum stays, hears each
//! other, and has clocks that run. Everything asked of it must come to be executed.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use spaxos_core::message::Message;
use spaxos_core::status::Role;
use spaxos_core::types::ReplicaId;

use super::node::{ELECTION_NS, MEMBERS, Node};
use super::tables::Tables;
use crate::violation::{Checked, Violation, ensure};

/// How a state is continued.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    /// Who stays, by place.
    quorum: &'static [usize],
    then: Then,
}

/// What becomes of what was on its way, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It arrives first. Then each member gets another request.
    Arrives,
    /// It is lost. Then each member gets another request.
    IsLost,
    /// It is lost, and clients are silent: what waits must not wait for others.
    Silence,
}

impl Ending {
    /// Every quorum, with everything that may follow.
    pub(super) const ALL: [Ending; 12] = {
        const fn endings(quorum: &'static [usize]) -> [Ending; 3] {
            let [a, b, c] = [Then::Arrives, Then::IsLost, Then::Silence];
            [
                Ending { quorum, then: a },
                Ending { quorum, then: b },
                Ending { quorum, then: c },
            ]
        }
        let [a, b, c] = endings(&[0, 1]);
        let [d, e, f] = endings(&[0, 2]);
        let [g, h, i] = endings(&[1, 2]);
        let [j, k, l] = endings(&[0, 1, 2]);
        [a, b, c, d, e, f, g, h, i, j, k, l]
    };
}

/// The quorum must be done within so much time: a few elections that fail and one that succeeds.
const PATIENCE_NS: u64 = 40 * ELECTION_NS;

/// The same if one of them leads and the others would follow: no election is needed, a few heartbeats
/// must do.
const PATIENCE_LED_NS: u64 = ELECTION_NS * 9 / 10;

/// Requests that come in when everything is well again, one for each member, are named from here on.
const NEW_REQUESTS: u8 = 200;

struct Completion {
    nodes: Vec<Node>,
    network: VecDeque<(ReplicaId, ReplicaId, Arc<Message>)>,
    /// Whether requests are forwarded: what is lost on the way is reported after a while.
    forwards: bool,
    /// How much time has passed.
    passed_ns: u64,
}

/// Continues a state with a quorum of its members alone. At first new connections are made, as they are
/// when a connection has lost something.
pub(super) fn complete(
    members: [&Node; MEMBERS],
    flight: &[u32],
    tables: &Tables,
    ending: &Ending,
) -> Checked {
    let nodes: Vec<Node> = ending
        .quorum
        .iter()
        .map(|at| members[*at].clone())
        .collect();
    let ids: Vec<ReplicaId> = nodes.iter().map(|node| node.id).collect();
    let inside = |id| ids.contains(&id) && ending.then == Then::Arrives;
    let letters = flight
        .iter()
        .map(|letter| &tables.letters[*letter as usize]);
    let letters = letters.filter(|letter| inside(letter.from) && inside(letter.to));
    let network = letters.map(|letter| (letter.from, letter.to, Arc::clone(&letter.message)));
    let mut completion = Completion {
        passed_ns: 0,
        forwards: tables.forwards(),
        network: network.collect(),
        nodes,
    };
    let more = ending.then != Then::Silence;
    let ended = catch_unwind(AssertUnwindSafe(|| completion.run(more)));
    let ended =
        ended.unwrap_or_else(|panic| Err(Violation::new("panic", crate::panic_text(&*panic))));
    ended.map_err(|violation| {
        let names: Vec<String> = ids.iter().map(|id| format!("r{id}")).collect();
        let detail = format!("{} go on alone: {}", names.join(", "), violation.detail);
        Violation::new(violation.checker, detail)
    })
}

impl Completion {
    /// Runs until everything is done, after `more` requests have come in.
    fn run(&mut self, more: bool) -> Checked {
        self.settle()?;
        self.connect()?;
        for (request, at) in (NEW_REQUESTS..).zip(0..self.nodes.len()).filter(|_| more) {
            self.nodes[at].submit(request)?;
            self.collect(at);
        }
        self.settle()?;
        let patience_ns = match self.is_led() && !self.forwards {
            true => PATIENCE_LED_NS,
            false => PATIENCE_NS,
        };
        while !self.is_done() {
            let waits = self.nodes.iter().filter_map(|node| {
                let due = node.replica.deadline()?;
                Some(due.since(node.now))
            });
            let wait_ns = waits.min().unwrap_or(patience_ns);
            self.passed_ns += wait_ns;
            ensure(self.passed_ns < patience_ns, "progress", || {
                self.complaint()
            })?;
            for at in 0..self.nodes.len() {
                self.nodes[at].pass(wait_ns)?;
                self.collect(at);
            }
            self.settle()?;
        }
        Ok(())
    }

    /// Whether a member leads in a ballot that no other has promised to leave.
    fn is_led(&self) -> bool {
        let statuses = self.nodes.iter().map(|node| node.replica.status());
        let statuses: Vec<_> = statuses.collect();
        let promised = statuses.iter().map(|status| status.promised).max();
        let mut leaders = statuses.iter().filter(|status| status.role == Role::Leader);
        leaders.any(|leader| Some(leader.ballot) == promised)
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

    /// Whether all requests that a present life of a member has taken are executed at all members, and
    /// all its reads have looked.
    fn is_done(&self) -> bool {
        let mut reads = self.nodes.iter().flat_map(|node| &node.reads);
        self.missing().next().is_none() && reads.all(Option::is_none)
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
        let reads = self.nodes.iter().flat_map(|node| &node.reads).flatten();
        let reads = reads.count();
        let statuses: Vec<String> = self
            .nodes
            .iter()
            .map(|node| crate::trace::status(&node.replica.status()))
            .collect();
        let missing = missing.join(", ");
        format!("{missing}; {reads} reads wait; {}", statuses.join(" | "))
    }
}
