//! The replica: it alone wires the components, and takes no protocol decision itself.
//!
//! A step takes one input to the component that it is for, and then lets every component do what has
//! become possible, always in the same order: decide, execute, serve reads, close batches, lead,
//! propose, vote, fetch, sync. That order is the whole control flow; see [`Replica::step`].

mod dissemination;
mod fingerprint;
mod leadership;
mod messages;
mod ordering;
mod output;

use std::collections::VecDeque;

use crate::config::{Config, Dissemination};
use crate::dissemination::acks::Acks;
use crate::dissemination::batch_store::BatchStore;
use crate::dissemination::batcher::Batcher;
use crate::dissemination::fetcher::Fetcher;
use crate::dissemination::sender::Sender;
use crate::effect::{Effect, Effects, HaltReason, Input, LogFound};
use crate::execution::Executor;
use crate::forwarding::Forwarding;
use crate::message::{Body, Message};
use crate::ordering::acceptor::Acceptor;
use crate::ordering::election::{Election, Role};
use crate::ordering::slots::SlotLog;
use crate::ordering::tally::Tally;
use crate::planted::planted;
use crate::reads::Reads;
use crate::record::{Life, Record};
use crate::recovery::Recovered;
use crate::status::{self, Status};
use crate::types::{Incarnation, LaneMap, LogTime, Lsn, ReplicaId, Slot, Time};

/// One member of a cluster. A clone is for explorers of states; two of them must never meet.
#[derive(Clone, Debug)]
pub struct Replica {
    config: Config,
    id: ReplicaId,
    /// All members, sorted.
    members: Vec<ReplicaId>,
    peers: Vec<ReplicaId>,
    quorum: usize,
    life: Life,
    /// All own lives, the present one last: one entry per start.
    lives: Vec<Life>,
    /// The latest lives of others that have sent messages here.
    known_lives: LaneMap<Life>,
    /// The latest lives of others that have greeted, and perhaps not heard the answer yet.
    greeted: LaneMap<Life>,
    now: Time,
    effects: Vec<Effect>,
    halted: bool,
    /// The own log says that this member was told to stop for good, of which life.
    replaced: Option<Life>,
    /// Messages and batches that were dropped since they made no sense.
    dropped: u64,
    disk: Disk,

    batcher: Batcher,
    /// The digest of the own lane at its end.
    own_digest: u64,
    store: BatchStore,
    sender: Sender,
    acks: Acks,
    fetcher: Fetcher,
    /// What is being read from the log, and for whom: one thing of a kind for each peer at a time.
    log_reads: Vec<(ReplicaId, LogRead)>,
    forwarding: Forwarding,

    log: SlotLog,
    acceptor: Acceptor,
    tally: Tally,
    election: Election,
    /// When the leader may be asked for slots again.
    ask_slots_after: Time,

    executor: Executor,
    next_expiry: Option<LogTime>,
    reads: Reads,
}

/// What the log is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogRead {
    Slots,
    Lane(ReplicaId, Incarnation),
}

/// What is on its way to the disk.
#[derive(Clone, Debug, Default)]
struct Disk {
    /// The last appended record.
    appended: Lsn,
    /// The last durable record.
    durable: Lsn,
    /// The last appended batch.
    last_batch: Lsn,
    /// Up to here a sync was asked for.
    asked: Lsn,
    /// Since when a sync has been under way.
    syncing_since: Option<Time>,
    /// This step appended something that must be synced.
    sync_now: bool,
    /// When batches that nothing takes along are synced.
    batch_sync_due: Option<Time>,
    /// The records that are not durable, with their bytes.
    unsynced: VecDeque<(Lsn, u64)>,
    unsynced_bytes: u64,
}

impl Replica {
    /// Builds a replica from what its log holds.
    ///
    /// # Panics
    /// If `config.check()` fails.
    #[must_use]
    pub fn new(config: Config, recovered: Recovered, seed: u64, now: Time) -> Replica {
        if let Err(reason) = config.check() {
            panic!("the configuration does not hold: {reason}");
        }
        let mut members = config.members.clone();
        members.sort_unstable();
        let id = config.id;
        let peers: Vec<_> = members.iter().copied().filter(|&peer| peer != id).collect();
        let quorum = config.quorum();
        let (timing, limits) = (config.timing, config.limits);
        let fresh = recovered.promised.round == 0;
        let round = recovered.promised.round;
        let decided = recovered.log.decided();
        let acceptor = Acceptor::recovered(
            recovered.promised,
            recovered.adopted,
            recovered.log.last(),
            decided,
            recovered.highest,
        );
        let life = recovered.lives.last().copied().unwrap_or_default();
        let incarnation = life.incarnation;
        let replaced = recovered.replaced;
        let mut replica = Replica {
            id,
            quorum,
            life,
            lives: recovered.lives,
            greeted: recovered.known_lives.clone(),
            known_lives: recovered.known_lives,
            now,
            effects: Vec::new(),
            halted: false,
            replaced,
            dropped: 0,
            disk: Disk::default(),
            batcher: Batcher::new(&limits),
            own_digest: 0,
            store: recovered.store,
            sender: Sender::new(&members, id, limits.send_window_batches),
            acks: Acks::new(&members, id),
            fetcher: Fetcher::new(&timing, &limits),
            log_reads: Vec::new(),
            forwarding: Forwarding::new(limits.forwarded_max),
            log: recovered.log,
            acceptor,
            tally: Tally::new(&members, quorum),
            election: Election::new(&timing, seed, fresh, round, now),
            ask_slots_after: now,
            executor: recovered.executor,
            next_expiry: None,
            reads: Reads::new(
                &members,
                quorum,
                incarnation,
                timing.read_retry_ns,
                limits.reads_max,
            ),
            config,
            members,
            peers,
        };
        if replica.config.modes.dissemination == Dissemination::All {
            // The first batch of an incarnation goes out at once: it closes the older one.
            replica.batcher.want_no_op();
        }
        replica
    }

    /// The only way to change a replica. Infallible: what peers send that makes no sense is dropped
    /// and counted, broken local state panics.
    pub fn step(&mut self, now: Time, input: Input) -> Effects<'_> {
        self.effects.clear();
        if !self.halted {
            self.now = self.now.max(now);
            match self.replaced {
                Some(known) => self.halt(HaltReason::Replaced {
                    peer: self.id,
                    known,
                }),
                None => self.take(input),
            }
        }
        if !self.halted {
            self.advance();
        }
        if self.halted {
            self.end_with_halt();
        }
        Effects {
            drain: self.effects.drain(..),
        }
    }

    /// When [`Input::Timer`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        if self.halted {
            return None;
        }
        if self.batcher.is_ready() && self.may_close() {
            return Some(self.now);
        }
        let election_ns = self.config.timing.election_ns;
        let times = [
            Some(self.election.deadline(self.quorum)),
            self.fetcher.deadline(),
            self.reads.deadline(),
            self.disk.batch_sync_due,
            self.forwarding.deadline(),
            self.tick_due(),
            self.disk
                .syncing_since
                .filter(|_| self.election.own_ballot().is_some())
                .map(|since| since.plus(election_ns)),
        ];
        times.into_iter().flatten().min()
    }

    /// The replica's state, for operators and tests.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            id: self.id,
            incarnation: self.life.incarnation,
            role: match self.election.role {
                Role::Follower => status::Role::Follower,
                Role::PreCandidate(_) => status::Role::PreCandidate,
                Role::Candidate(_) => status::Role::Candidate,
                Role::Leader(_) => status::Role::Leader,
            },
            leader: self.leader(),
            promised: self.acceptor.promised(),
            ballot: self.log.highest_view(),
            last: self.log.last(),
            decided: self.log.decided(),
            executed: self.executor.executed(),
            applied: self.executor.applied(),
            executed_hash: self.executor.hash(),
            log_time: self.executor.log_time(),
            effective: self.executor.effective().clone(),
            held: self.store.held(false),
            lane_bytes: self.batcher.lane_bytes(),
            dropped: self.dropped,
        }
    }

    /// The latest life of `peer` that this replica has heard of: what a greeting says to it.
    #[must_use]
    pub fn known_life(&self, peer: ReplicaId) -> Life {
        self.known_lives.get(peer).copied().unwrap_or_default()
    }

    /// This replica's life.
    #[must_use]
    pub fn life(&self) -> Life {
        self.life
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Timer => {}
            Input::Submit(chunk) => self.on_submit(chunk),
            Input::Read { token } => {
                if !self.reads.push(token) {
                    self.effects.push(Effect::ReadRefused { token });
                }
            }
            Input::Message { from, message } => self.on_message(from, message),
            Input::Durable { lsn } => self.on_durable(lsn),
            Input::Applied { slot, next_expiry } => {
                self.executor.on_applied(slot);
                self.next_expiry = next_expiry;
            }
            Input::Greeted { peer, life, known } => self.on_greeted(peer, life, known),
            Input::LogRead { to, found } => self.on_log_read(to, found),
        }
    }

    /// Lets every component do what has become possible.
    fn advance(&mut self) {
        self.run_timers();
        self.count_votes();
        self.execute();
        if self.halted {
            return;
        }
        self.serve_reads();
        self.close_batches();
        self.campaign();
        self.propose();
        self.vote();
        self.fetch();
        self.report_lost();
        self.finish_sync();
    }

    /// The leader that this replica follows and hears; itself if it leads.
    fn leader(&self) -> Option<ReplicaId> {
        let view = self.log.view();
        match self.election.role {
            Role::Leader(_) => Some(self.id),
            _ => self
                .election
                .leader
                .filter(|&leader| view.replica == leader),
        }
    }

    fn halt(&mut self, reason: HaltReason) {
        self.halted = true;
        self.effects.push(Effect::Halt(reason));
    }

    /// What a handler still asked for behind the halt, or another reason to halt, is not for the driver.
    fn end_with_halt(&mut self) {
        let is_halt = |effect: &Effect| matches!(effect, Effect::Halt(_));
        if let Some(at) = self.effects.iter().position(is_halt) {
            self.effects.truncate(at + 1);
        }
    }

    fn on_durable(&mut self, lsn: Lsn) {
        assert!(
            lsn <= self.disk.appended,
            "only what was appended is durable"
        );
        if lsn <= self.disk.durable {
            return;
        }
        self.disk.durable = lsn;
        // A sync may take along more than was asked for: nobody asks for that again, and waits for an
        // answer that was given.
        self.disk.asked = self.disk.asked.max(lsn);
        while let Some(&(_, bytes)) = self.disk.unsynced.front().filter(|first| first.0 <= lsn) {
            self.disk.unsynced.pop_front();
            self.disk.unsynced_bytes -= bytes;
        }
        self.disk.syncing_since = (self.disk.asked > lsn).then_some(self.now);
        self.store.on_durable(lsn);
        self.take_durable_votes();
        self.send_owed_acks();
    }

    /// `peer` lives, and has heard of `known` as the latest life of this replica.
    fn on_greeted(&mut self, peer: ReplicaId, life: Life, known: Life) {
        let Some(&before) = self.greeted.get(peer).filter(|_| peer != self.id) else {
            self.dropped += 1;
            return;
        };
        // A life of ours that the own log does not have: the disk went back, or the id is used twice.
        let foreign = known != Life::default() && !self.lives.contains(&known);
        if foreign && !planted!(ReplacedGoesOn) {
            self.halt_replaced(peer, known);
            return;
        }
        if life.incarnation <= before.incarnation && life != before {
            // An older life, or a twin of the one that was heard first: it will be told to stop.
            self.dropped += 1;
            return;
        }
        if life == before {
            let acked = self.acks.held_by(peer, self.id, self.life.incarnation);
            self.sender.on_connected(peer, acked);
            return;
        }
        self.greeted.insert(peer, life);
        self.acks.forget(peer);
        self.sender.on_connected(peer, self.batcher.ordered());
    }

    /// A message of `peer` shows that it has heard what was known of it, and goes on in its new life:
    /// only now is that life the one to tell it of.
    fn note_life(&mut self, peer: ReplicaId) {
        let greeted = self.greeted.get(peer).copied().unwrap_or_default();
        if greeted != self.known_life(peer) {
            self.known_lives.insert(peer, greeted);
            let life = greeted;
            self.append(Record::Greeting { member: peer, life });
        }
    }

    /// Stops for good: the own log says so from now on, however often it is started.
    fn halt_replaced(&mut self, peer: ReplicaId, known: Life) {
        let (member, life) = (self.id, known);
        self.append(Record::Greeting { member, life });
        self.effects.push(Effect::Sync);
        self.halt(HaltReason::Replaced { peer, known });
    }

    fn on_log_read(&mut self, to: ReplicaId, found: LogFound) {
        let ended = |read: LogRead| match (&found, read) {
            (LogFound::Slots { .. }, LogRead::Slots) => true,
            (LogFound::Batches(batches), LogRead::Lane(lane, incarnation)) => {
                let first = batches.first();
                first.is_none_or(|b| b.lane == lane && b.position.incarnation == incarnation)
            }
            _ => false,
        };
        self.log_reads
            .retain(|&(peer, read)| peer != to || !ended(read));
        match found {
            LogFound::Batches(batches) => {
                for batch in batches {
                    self.send_one(to, Body::Batch(batch), Lsn(0));
                }
            }
            LogFound::Slots { first, values } if !values.is_empty() => {
                let decided = Slot(first.0 + values.len() as u64 - 1);
                let body = Body::Slots {
                    adopted: crate::types::Ballot::default(),
                    first,
                    decided,
                    values,
                };
                self.send_one(to, body, Lsn(0));
            }
            LogFound::Slots { .. } => {}
        }
    }

    fn on_message(&mut self, from: ReplicaId, message: Message) {
        if from == self.id || !self.members.contains(&from) {
            self.dropped += 1;
            return;
        }
        self.note_life(from);
        self.on_header(from, &message.header);
        if !self.halted {
            self.on_body(from, message.header.ballot, message.body);
        }
    }
}
