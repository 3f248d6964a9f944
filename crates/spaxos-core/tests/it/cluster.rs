//! A cluster that does nothing by itself: every message, sync and tick happens when the test says so.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use spaxos_core::batch::Chunk;
use spaxos_core::config::{Config, Limits, Modes, Timing};
use spaxos_core::effect::{Effect, Input, Recipients};
use spaxos_core::message::Message;
use spaxos_core::record::{Life, Record};
use spaxos_core::recovery::Recovery;
use spaxos_core::replica::Replica;
use spaxos_core::status::Role;
use spaxos_core::types::{ReplicaId, Slot, Time};

use crate::describe::Describe;
use crate::disk::Node;
use crate::trace::Line;

/// Drawn so that in a fresh cluster r1 misses a leader first, then r2, and so on.
const SEEDS: [u64; 7] = [107, 67, 21, 171, 119, 19, 20];

/// More steps than any script takes: a cluster that needs them goes round in circles.
const STEPS_MAX: usize = 100_000;

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) message: Message,
}

/// The members, the messages between them, and what has happened.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: VecDeque<InFlight>,
    pub(crate) now: Time,
    /// What has happened since the trace was last taken.
    pub(crate) trace: Vec<Line>,
    /// Which details its lines show.
    pub(crate) describe: Describe,
    /// Every broadcast and message by kind, for counting.
    pub(crate) sent: Vec<(u64, &'static str, usize)>,
    cut: BTreeSet<(u64, u64)>,
    /// How many lives have begun: makes nonces differ.
    starts: u64,
    members: Vec<ReplicaId>,
    modes: Modes,
    timing: Timing,
    limits: Limits,
}

impl Cluster {
    /// `n` members, none of them started.
    pub(crate) fn new(n: u64, modes: Modes, timing: Timing, limits: Limits) -> Cluster {
        Cluster {
            nodes: (0..n).map(|_| Node::default()).collect(),
            network: VecDeque::new(),
            now: Time(1),
            trace: Vec::new(),
            describe: Describe::default(),
            sent: Vec::new(),
            cut: BTreeSet::new(),
            starts: 0,
            members: (1..=n).map(ReplicaId).collect(),
            modes,
            timing,
            limits,
        }
    }

    pub(crate) fn node(&mut self, id: u64) -> &mut Node {
        let at = usize::try_from(id).expect("small") - 1;
        &mut self.nodes[at]
    }

    pub(crate) fn replica(&self, id: u64) -> Option<&Replica> {
        let at = usize::try_from(id).expect("small") - 1;
        self.nodes.get(at)?.replica.as_ref()
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        self.members.iter().map(|id| id.0).collect()
    }

    /// Starts a member from what its disk holds durably.
    pub(crate) fn start(&mut self, id: u64) {
        let config = Config {
            id: ReplicaId(id),
            members: self.members.clone(),
            modes: self.modes,
            timing: self.timing,
            limits: self.limits,
        };
        let now = self.now;
        self.starts += 1;
        let nonce = self.starts;
        let node = self.node(id);
        node.stop(0);
        node.executed.clear();
        let mut recovery = Recovery::new(&config);
        for record in node.records.clone() {
            node.executed.extend(recovery.replay(record));
        }
        let life = Life {
            incarnation: recovery.last_life().incarnation.next(),
            nonce,
        };
        node.records.push(Record::Incarnation(life));
        node.synced = node.records.len();
        node.base = node.records.len();
        let seed = SEEDS[usize::try_from(id).expect("small") - 1];
        node.replica = Some(Replica::new(config, recovery.finish(life), seed, now));
    }

    /// Stops a member: of what is not durable the first `keep` records survive.
    pub(crate) fn crash(&mut self, id: u64, keep: usize) {
        self.node(id).stop(keep);
        self.network.retain(|flight| flight.to != id);
    }

    /// A new connection: both ends say who they are and what they know of each other.
    pub(crate) fn connect(&mut self, a: u64, b: u64) {
        let (Some(left), Some(right)) = (self.replica(a), self.replica(b)) else {
            return;
        };
        let greeting = |peer: u64, replica: &Replica, to: u64| Input::Greeted {
            peer: ReplicaId(peer),
            life: replica.life(),
            known: replica.known_life(ReplicaId(to)),
        };
        let (to_left, to_right) = (greeting(b, right, a), greeting(a, left, b));
        self.input(a, to_left);
        self.input(b, to_right);
    }

    /// Connects a member to everyone it reaches.
    pub(crate) fn connect_all(&mut self, id: u64) {
        for peer in self.ids() {
            if peer != id && !self.cut.contains(&(id, peer)) && !self.cut.contains(&(peer, id)) {
                self.connect(id, peer);
            }
        }
    }

    pub(crate) fn submit(&mut self, id: u64, payload: Bytes) {
        let node = self.node(id);
        node.next_ticket += 1;
        let chunk = Chunk {
            ticket: node.next_ticket,
            requests: 1,
            payload,
        };
        self.input(id, Input::Submit(chunk));
    }

    /// One step of one member.
    pub(crate) fn input(&mut self, id: u64, input: Input) {
        let now = self.now;
        let Some(replica) = self.node(id).replica.as_mut() else {
            return;
        };
        let effects: Vec<Effect> = replica.step(now, input).collect();
        let mut halted = false;
        for effect in effects {
            assert!(!halted, "nothing follows a halt: {effect:?}");
            halted = matches!(effect, Effect::Halt(_));
            self.carry_out(id, effect);
        }
    }

    fn carry_out(&mut self, id: u64, effect: Effect) {
        let line = self.describe.effect(id, &effect);
        self.trace.extend(line);
        match effect {
            Effect::Append { record, .. } => self.node(id).records.push(record),
            Effect::Send { to, message, after } => {
                let to = self.recipients(id, to);
                self.sent.push((id, message.body.name(), to.len()));
                self.node(id).outbox.push((to, message, after));
                self.release(id);
            }
            Effect::Execute(execution) => {
                let (slot, log_time) = (execution.slot, execution.log_time);
                let node = self.node(id);
                node.executed.push(execution);
                node.next_expiry = node.next_expiry.filter(|&expiry| expiry > log_time);
                self.apply(id, slot);
            }
            Effect::ReadLog { to, query } => {
                let found = self.node(id).read_log(query);
                self.input(id, Input::LogRead { to, found });
            }
            Effect::Sync => self.node(id).sync_asked = true,
            Effect::Halt(_) => {
                let node = self.node(id);
                node.synced = node.records.len();
                node.replica = None;
            }
            _ => {}
        }
    }

    /// The state machine has executed everything up to `slot`, unless it is busy.
    pub(crate) fn apply(&mut self, id: u64, slot: Slot) {
        let node = self.node(id);
        if !node.busy {
            let next_expiry = node.next_expiry;
            self.input(id, Input::Applied { slot, next_expiry });
        }
    }

    fn recipients(&self, id: u64, to: Recipients) -> Vec<u64> {
        match to {
            Recipients::One(peer) => vec![peer.0],
            Recipients::All => self.ids().into_iter().filter(|&peer| peer != id).collect(),
            Recipients::Several(peers) => peers.into_iter().map(|peer| peer.0).collect(),
        }
    }

    fn release(&mut self, id: u64) {
        for (to, message, _) in self.node(id).take_ready() {
            for to in to {
                if !self.cut.contains(&(id, to)) {
                    let message = message.clone();
                    self.network.push_back(InFlight {
                        from: id,
                        to,
                        message,
                    });
                }
            }
        }
    }

    /// Makes everything that `id` has appended durable.
    pub(crate) fn sync(&mut self, id: u64) {
        let node = self.node(id);
        node.sync_asked = false;
        if node.replica.is_none() || node.synced == node.records.len() {
            return;
        }
        node.synced = node.records.len();
        let lsn = node.durable();
        self.trace.push(Line {
            node: id,
            kind: "durable",
            name: "",
            text: format!("r{id} durable {lsn}"),
        });
        self.release(id);
        self.input(id, Input::Durable { lsn });
    }

    /// Hands a message to its receiver.
    pub(crate) fn receive(&mut self, flight: InFlight) {
        self.trace.push(self.describe.message("receive", &flight));
        let from = ReplicaId(flight.from);
        let message = flight.message;
        self.input(flight.to, Input::Message { from, message });
    }

    /// Makes every sync that was asked for and delivers every message, in order, until nothing is on
    /// its way. Disks are faster than the network here, so nothing rides along that need not. Time
    /// stands still.
    pub(crate) fn settle(&mut self) {
        let ready = |node: &Node| node.sync_asked && !node.hangs;
        for _ in 0..STEPS_MAX {
            if let Some(at) = self.nodes.iter().position(ready) {
                self.sync(at as u64 + 1);
            } else if let Some(flight) = self.network.pop_front() {
                self.receive(flight);
            } else {
                return;
            }
        }
        panic!("the cluster does not settle");
    }

    /// Moves time on and lets every member's due timers run.
    pub(crate) fn pass(&mut self, ns: u64) {
        let end = self.now.plus(ns);
        for _ in 0..STEPS_MAX {
            let deadlines = self
                .nodes
                .iter()
                .filter_map(|node| node.replica.as_ref()?.deadline());
            let next = deadlines.min().filter(|&next| next <= end);
            self.now = next.unwrap_or(end).max(self.now);
            for id in self.ids() {
                self.tick(id);
            }
            if next.is_none() {
                return;
            }
            self.settle();
        }
        panic!("timers are always due");
    }

    /// Lets one member's timer run, if it is due.
    pub(crate) fn tick(&mut self, id: u64) {
        let deadline = self.replica(id).and_then(Replica::deadline);
        if deadline.is_some_and(|deadline| deadline <= self.now) {
            self.input(id, Input::Timer);
        }
    }

    /// Lets time stand for all but `id` until it leads.
    pub(crate) fn elect(&mut self, id: u64) {
        for _ in 0..100 {
            let Some(replica) = self.replica(id) else {
                return;
            };
            if replica.status().role == Role::Leader {
                return;
            }
            self.now = replica.deadline().unwrap_or(self.now).max(self.now);
            self.input(id, Input::Timer);
            self.settle();
        }
        panic!("r{id} is not elected");
    }

    /// Cuts or heals the link from `from` to `to`.
    pub(crate) fn set_link(&mut self, from: u64, to: u64, up: bool) {
        if up {
            self.cut.remove(&(from, to));
        } else {
            self.cut.insert((from, to));
        }
    }
}
