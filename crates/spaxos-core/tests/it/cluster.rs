//! A cluster that does nothing by itself: every message, sync and tick happens when the test says so.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use spaxos_core::batch::Chunk;
use spaxos_core::config::{Config, Limits, Modes, Timing};
use spaxos_core::effect::{Effect, Execution, Input, LogFound, LogQuery, Recipients};
use spaxos_core::message::Message;
use spaxos_core::record::{Life, Record};
use spaxos_core::recovery::Recovery;
use spaxos_core::replica::Replica;
use spaxos_core::types::{LogTime, Lsn, ReplicaId, Slot, Time};

use crate::describe;

/// Drawn so that in a fresh cluster r1 misses a leader first, then r2, and so on.
const SEEDS: [u64; 7] = [107, 67, 21, 171, 119, 19, 20];

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) message: Message,
}

/// One member: the replica while it runs, and its disk.
pub(crate) struct Node {
    pub(crate) replica: Option<Replica>,
    /// All records, of all lives; those at or above `synced` are not durable.
    pub(crate) records: Vec<Record>,
    synced: usize,
    /// How many records there were when this life began: record `lsn` is at `base + lsn - 1`.
    base: usize,
    /// Whether a sync was asked for and has not been made.
    sync_asked: bool,
    outbox: Vec<(Vec<u64>, Message, Lsn)>,
    pub(crate) executed: Vec<Execution>,
    next_ticket: u64,
    /// When the state machine wants to see time pass.
    pub(crate) next_expiry: Option<LogTime>,
}

/// The members, the messages between them, and what has happened.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: VecDeque<InFlight>,
    pub(crate) now: Time,
    /// What has happened since the trace was last taken.
    pub(crate) trace: Vec<String>,
    /// Every broadcast and message by kind, for counting.
    pub(crate) sent: Vec<(u64, &'static str, usize)>,
    cut: BTreeSet<(u64, u64)>,
    members: Vec<ReplicaId>,
    modes: Modes,
    timing: Timing,
    limits: Limits,
}

impl Cluster {
    /// `n` members, none of them started.
    pub(crate) fn new(n: u64, modes: Modes, limits: Limits) -> Cluster {
        let node = |_| Node {
            replica: None,
            records: Vec::new(),
            synced: 0,
            base: 0,
            sync_asked: false,
            outbox: Vec::new(),
            executed: Vec::new(),
            next_ticket: 0,
            next_expiry: None,
        };
        Cluster {
            nodes: (0..n).map(node).collect(),
            network: VecDeque::new(),
            now: Time(1),
            trace: Vec::new(),
            sent: Vec::new(),
            cut: BTreeSet::new(),
            members: (1..=n).map(ReplicaId).collect(),
            modes,
            timing: Timing::default(),
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
        let node = self.node(id);
        node.records.truncate(node.synced);
        node.executed.clear();
        let mut recovery = Recovery::new(&config);
        for record in node.records.clone() {
            node.executed.extend(recovery.replay(record));
        }
        let last = recovery.last_life().incarnation;
        let life = Life {
            incarnation: last.next(),
            nonce: id * 1000 + last.0,
        };
        node.records.push(Record::Incarnation(life));
        node.synced = node.records.len();
        node.base = node.records.len();
        let seed = SEEDS[usize::try_from(id).expect("small") - 1];
        node.replica = Some(Replica::new(config, recovery.finish(life), seed, now));
    }

    /// Stops a member: what is not durable is gone, and so is what waited for it.
    pub(crate) fn crash(&mut self, id: u64) {
        let node = self.node(id);
        node.replica = None;
        node.sync_asked = false;
        node.outbox.clear();
        node.records.truncate(node.synced);
        self.network.retain(|flight| flight.to != id);
    }

    pub(crate) fn submit(&mut self, id: u64, command: &str) {
        let node = self.node(id);
        node.next_ticket += 1;
        let chunk = Chunk {
            ticket: node.next_ticket,
            requests: 1,
            payload: Bytes::copy_from_slice(command.as_bytes()),
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
        for effect in effects {
            self.carry_out(id, effect);
        }
    }

    fn carry_out(&mut self, id: u64, effect: Effect) {
        if let Some(line) = describe::effect(id, &effect) {
            self.trace.push(line);
        }
        match effect {
            Effect::Append { record, .. } => self.node(id).records.push(record),
            Effect::Send { to, message, after } => {
                let to = self.recipients(id, to);
                self.sent.push((id, message.body.name(), to.len()));
                self.node(id).outbox.push((to, message, after));
                self.release(id);
            }
            Effect::Execute(execution) => {
                let slot = execution.slot;
                let node = self.node(id);
                let next_expiry = node.next_expiry;
                node.executed.push(execution);
                self.input(id, Input::Applied { slot, next_expiry });
            }
            Effect::ReadLog { to, query } => {
                let found = self.read_log(id, query);
                self.input(id, Input::LogRead { to, found });
            }
            Effect::Sync => self.node(id).sync_asked = true,
            Effect::Halt(_) => self.node(id).replica = None,
            _ => {}
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
        let node = self.node(id);
        let durable = (node.synced.saturating_sub(node.base)) as u64;
        let (ready, held) = std::mem::take(&mut node.outbox)
            .into_iter()
            .partition(|(_, _, after)| after.0 <= durable);
        node.outbox = held;
        let ready: Vec<(Vec<u64>, Message, Lsn)> = ready;
        for (to, message, _) in ready {
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
        let lsn = Lsn((node.synced - node.base) as u64);
        self.trace.push(format!("r{id} durable {lsn}"));
        self.release(id);
        self.input(id, Input::Durable { lsn });
    }

    /// Delivers the `at`-th message of the network.
    pub(crate) fn deliver(&mut self, at: usize) {
        let Some(flight) = self.network.remove(at) else {
            return;
        };
        self.receive(flight);
    }

    /// Hands a message to its receiver.
    pub(crate) fn receive(&mut self, flight: InFlight) {
        self.trace.push(describe::delivery(&flight));
        let from = ReplicaId(flight.from);
        let message = flight.message;
        self.input(flight.to, Input::Message { from, message });
    }

    /// Makes every sync that was asked for and delivers every message, in order, until nothing is on
    /// its way. Disks are faster than the network here, so nothing rides along that need not. Time
    /// stands still.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            if let Some(at) = self.nodes.iter().position(|node| node.sync_asked) {
                self.sync(at as u64 + 1);
            } else if self.network.is_empty() {
                return;
            } else {
                self.deliver(0);
            }
        }
        panic!("the cluster does not settle");
    }

    /// Moves time on and lets every member's due timers run.
    pub(crate) fn pass(&mut self, ns: u64) {
        let end = self.now.plus(ns);
        loop {
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
            if replica.status().role == spaxos_core::status::Role::Leader {
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

    fn read_log(&mut self, id: u64, query: LogQuery) -> LogFound {
        let records = &self.node(id).records;
        match query {
            LogQuery::Batches { lane, from, to, .. } => {
                let wanted = records.iter().filter_map(|record| match record {
                    Record::Batch(batch) if batch.lane == lane => Some(batch.clone()),
                    _ => None,
                });
                LogFound::Batches(
                    wanted
                        .filter(|batch| {
                            batch.position.incarnation == from.incarnation
                                && batch.position >= from
                                && batch.position.sequence <= to
                        })
                        .collect(),
                )
            }
            LogQuery::Slots { from, to } => {
                let mut values = std::collections::BTreeMap::new();
                for record in records {
                    match record {
                        Record::Adoption {
                            first,
                            values: tail,
                            ..
                        } => {
                            values.split_off(first);
                            values.extend((first.0..).map(Slot).zip(tail.iter().cloned()));
                        }
                        Record::Vote { slot, value, .. } | Record::DecidedSlot { slot, value } => {
                            values.insert(*slot, value.clone());
                        }
                        _ => {}
                    }
                }
                let values = values.range(from..=to).map(|(_, value)| value.clone());
                LogFound::Slots {
                    first: from,
                    values: values.collect(),
                }
            }
        }
    }
}
