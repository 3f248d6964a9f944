//! One member of a small world: the real replica on its disk, with a clock that only events move.

use std::sync::Arc;

use bytes::Bytes;
use spaxos_core::batch::Chunk;
use spaxos_core::config::{Config, Limits, Modes, Timing};
use spaxos_core::effect::{Effect, Execution, Input, LogFound, Recipients, RejectReason};
use spaxos_core::message::{Body, Header, Message};
use spaxos_core::record::{Life, Record};
use spaxos_core::recovery::Recovery;
use spaxos_core::replica::Replica;
use spaxos_core::status::Role;
use spaxos_core::types::{Ballot, Incarnation, Lsn, ReplicaId, Time};

use super::checks;
use super::disk::Disk;
use crate::violation::{Checked, Violation, ensure};

/// How many members a small world has.
pub(super) const MEMBERS: usize = 3;

/// What is fetched is asked for after this long, always: so all that is due is due at once.
const FETCH_NS: u64 = 100;
const HEARTBEAT_NS: u64 = 1_000;
pub(super) const ELECTION_NS: u64 = 10_000;

/// Longer than any election timeout that a replica may draw, the one after a start included.
const LONG_NS: u64 = 4 * ELECTION_NS;

/// More inputs than any event needs before a replica rests.
const STEPS_MAX: usize = 64;

/// A member: what survives its process, and the process.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: ReplicaId,
    pub(super) replica: Replica,
    modes: Modes,
    pub(super) now: Time,
    pub(super) disk: Disk,
    /// Messages that wait for a record, named by its number.
    outbox: Vec<(Lsn, Parcel)>,
    /// Messages that have left. Whoever steps the node takes them out.
    pub(super) sent: Vec<Parcel>,
    /// What was promised when this life began: it leads in later ballots only (C3).
    begun_with: Ballot,
    /// Requests that this life has taken.
    pub(super) taken: Vec<u8>,
    /// Reads that this life has taken: each may look once so many slots are executed here; `None` when
    /// it has looked.
    pub(super) reads: Vec<Option<usize>>,
    /// Requests executed, in order.
    pub(super) executed: Vec<u8>,
    /// The running hash after each slot executed.
    pub(super) hashes: Vec<u64>,
    /// Executions that the state machine has not yet confirmed.
    unapplied: bool,
    /// What was found in the log for peers, and not yet handed to the replica.
    log_reads: Vec<(ReplicaId, LogFound)>,
}

/// A message with its receiver.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) to: ReplicaId,
    pub(super) message: Arc<Message>,
}

/// All members, in order.
pub(super) fn members() -> impl Iterator<Item = ReplicaId> {
    (1..=MEMBERS as u64).map(ReplicaId)
}

fn config(id: ReplicaId, modes: Modes) -> Config {
    Config {
        id,
        members: members().collect(),
        modes,
        timing: Timing {
            heartbeat_ns: HEARTBEAT_NS,
            election_ns: ELECTION_NS,
            batch_sync_ns: ELECTION_NS,
            fetch_ns_min: FETCH_NS,
            fetch_ns_max: FETCH_NS,
            read_retry_ns: HEARTBEAT_NS,
        },
        limits: Limits::default(),
    }
}

impl Node {
    /// Starts a member from what its disk holds. It does nothing before [`Node::settle`].
    pub(super) fn start(id: ReplicaId, modes: Modes, mut disk: Disk, now: Time) -> Node {
        let config = config(id, modes);
        let mut recovery = Recovery::new(&config);
        let mut executions = Vec::new();
        for record in disk.found(0) {
            executions.extend(recovery.replay(Record::clone(record)));
        }
        let incarnation = recovery.last_life().incarnation.next();
        let life = life(id, incarnation);
        disk.begin_life(life);
        let replica = Replica::new(config, recovery.finish(life), id.0, now);
        let mut node = Node {
            id,
            replica,
            modes,
            now,
            disk,
            outbox: Vec::new(),
            sent: Vec::new(),
            taken: Vec::new(),
            reads: Vec::new(),
            begun_with: Ballot::default(),
            executed: Vec::new(),
            hashes: Vec::new(),
            unapplied: false,
            log_reads: Vec::new(),
        };
        for execution in &executions {
            node.execute(execution)
                .expect("a log replays as it was executed");
        }
        node.unapplied = false;
        node.begun_with = node.replica.status().promised;
        node
    }

    /// The process dies, `kept` records that were not durable survive, and it starts again at once:
    /// being down for a while is the same as getting nothing for a while.
    pub(super) fn restart(&mut self, kept: usize) -> Checked {
        let before = self.disk.durable();
        self.disk.crash(kept);
        let found = self.disk.clone();
        let sent = std::mem::take(&mut self.sent);
        *self = Node::start(self.id, self.modes, found, self.now);
        self.sent = sent;
        checks::nothing_went_back(&before, &self.replica.status())?;
        self.settle()
    }

    /// What this member says of itself to a peer that knows it as `known`, as that peer gets it.
    pub(super) fn greet(
        &mut self,
        peer: ReplicaId,
        incarnation: Incarnation,
        known: Incarnation,
    ) -> Checked {
        let known = life(self.id, known);
        let life = life(peer, incarnation);
        self.input(Input::Greeted { peer, life, known })
    }

    /// Which life of `peer` this member knows.
    pub(super) fn knows(&self, peer: ReplicaId) -> Incarnation {
        self.replica.known_life(peer).incarnation
    }

    /// Which life this member lives.
    pub(super) fn incarnation(&self) -> Incarnation {
        self.replica.life().incarnation
    }

    /// A client's request, named by one byte.
    pub(super) fn submit(&mut self, request: u8) -> Checked {
        self.taken.push(request);
        let chunk = Chunk {
            ticket: ticket_of(request),
            requests: 1,
            payload: Bytes::from(vec![request]),
        };
        self.input(Input::Submit(chunk))
    }

    /// A client's linearizable read; `floor` slots are decided by then.
    pub(super) fn read(&mut self, floor: usize) -> Checked {
        let token = self.reads.len() as u64;
        self.reads.push(Some(floor));
        self.input(Input::Read { token })
    }

    fn answer_read(&mut self, token: u64) -> Checked {
        const NAME: &str = "linearizability";
        let at = usize::try_from(token).expect("few reads");
        let Some(floor) = self.reads[at].take() else {
            return Err(Violation::new(NAME, "a read looks twice"));
        };
        let executed = self.hashes.len();
        ensure(executed >= floor, NAME, || {
            format!("a read sees {executed} slots, {floor} were decided when it came")
        })
    }

    pub(super) fn deliver(&mut self, from: ReplicaId, message: &Message) -> Checked {
        let message = message.clone();
        self.input(Input::Message { from, message })
    }

    /// The oldest sync under way is done.
    pub(super) fn finish_sync(&mut self) -> Checked {
        let Some(lsn) = self.disk.finish_sync() else {
            return Ok(());
        };
        // What waited for these records leaves now, before the replica hears of it, as in any driver
        // that hands messages to the log.
        let outbox = std::mem::take(&mut self.outbox);
        let (ready, wait): (Vec<_>, Vec<_>) =
            outbox.into_iter().partition(|(after, _)| *after <= lsn);
        self.outbox = wait;
        for (_, parcel) in ready {
            self.release(parcel)?;
        }
        self.input(Input::Durable { lsn })
    }

    /// As much time passes as a fetch waits for.
    pub(super) fn tick(&mut self) -> Checked {
        self.pass(FETCH_NS)
    }

    /// Whether something happens when so much time passes.
    pub(super) fn can_tick(&self) -> bool {
        let soon = self.now.plus(FETCH_NS);
        self.replica.deadline().is_some_and(|due| due <= soon)
    }

    /// As much time passes as lies between two heartbeats.
    pub(super) fn beat(&mut self) -> Checked {
        self.pass(HEARTBEAT_NS)
    }

    /// So much time passes that a follower misses its leader and a leader its followers. The pre-vote
    /// of one peer is granted on the spot: any peer that is no leader grants it once its own clock has
    /// moved on, and clocks of different replicas have nothing to do with each other here.
    pub(super) fn time_out(&mut self) -> Checked {
        self.pass(LONG_NS)?;
        let asked = self
            .sent
            .iter()
            .find_map(|parcel| match parcel.message.body {
                Body::PreVote { round } => Some((parcel.to, round)),
                _ => None,
            });
        let Some((peer, round)) = asked else {
            return Ok(());
        };
        let granted = Message {
            header: Header::default(),
            body: Body::PreVoteReply {
                round,
                granted: true,
            },
        };
        self.deliver(peer, &granted)
    }

    pub(super) fn pass(&mut self, ns: u64) -> Checked {
        self.now = self.now.plus(ns);
        self.input(Input::Timer)
    }

    pub(super) fn leads(&self) -> bool {
        self.replica.status().role == Role::Leader
    }

    fn input(&mut self, input: Input) -> Checked {
        self.step(input)?;
        self.settle()
    }

    /// Lets the replica rest: what is executed is applied, and timers that are due fire.
    pub(super) fn settle(&mut self) -> Checked {
        for _ in 0..STEPS_MAX {
            if std::mem::take(&mut self.unapplied) {
                let slot = self.replica.status().executed;
                let next_expiry = None;
                self.step(Input::Applied { slot, next_expiry })?;
            } else if let Some((to, found)) = self.log_reads.pop() {
                self.step(Input::LogRead { to, found })?;
            } else if self.replica.deadline().is_some_and(|due| due <= self.now) {
                self.step(Input::Timer)?;
            } else {
                return Ok(());
            }
        }
        Err(Violation::new(
            "rest",
            "a replica is never done with one moment",
        ))
    }

    fn step(&mut self, input: Input) -> Checked {
        let effects: Vec<Effect> = self.replica.step(self.now, input).collect();
        for effect in effects {
            self.carry_out(effect)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) -> Checked {
        match effect {
            Effect::Append { lsn, record } => self.disk.append(lsn, record),
            Effect::Sync => {
                self.disk.sync();
                Ok(())
            }
            Effect::Send { to, message, after } => self.send(&to, message, after),
            Effect::Execute(execution) => self.execute(&execution),
            Effect::Halt(reason) => Err(Violation::new("halt", format!("{reason:?}"))),
            Effect::LaneStopped { lane, position } => Err(Violation::new(
                "integrity",
                format!("two contents at {position} of lane {lane}"),
            )),
            Effect::ReadLog { to, query } => {
                self.log_reads.push((to, self.disk.query(&query)));
                Ok(())
            }
            Effect::Reject {
                ticket,
                reason: RejectReason::NoLeader,
            }
            | Effect::Lost { ticket } => {
                self.taken.retain(|request| ticket_of(*request) != ticket);
                Ok(())
            }
            Effect::Reject { ticket, reason } => Err(Violation::new(
                "small world",
                format!("request {ticket} is refused: {reason:?}"),
            )),
            Effect::ReadReady { tokens } => {
                let mut tokens = tokens.into_iter();
                tokens.try_for_each(|token| self.answer_read(token))
            }
            Effect::ReadRefused { .. } => Err(Violation::new("small world", "a read is refused")),
        }
    }

    fn send(&mut self, to: &Recipients, message: Message, after: Lsn) -> Checked {
        let message = Arc::new(message);
        let receives = |peer: &ReplicaId| match to {
            Recipients::One(one) => one == peer,
            Recipients::All => true,
            Recipients::Several(several) => several.contains(peer),
        };
        let id = self.id;
        for to in members().filter(|peer| *peer != id).filter(receives) {
            let parcel = Parcel {
                to,
                message: Arc::clone(&message),
            };
            if after <= self.disk.durable_lsn() {
                self.release(parcel)?;
            } else {
                self.outbox.push((after, parcel));
            }
        }
        Ok(())
    }

    fn release(&mut self, parcel: Parcel) -> Checked {
        checks::output(&self.disk, &parcel.message)?;
        checks::leads_anew(self.begun_with, &parcel.message)?;
        self.sent.push(parcel);
        Ok(())
    }

    fn execute(&mut self, execution: &Execution) -> Checked {
        let next = self.hashes.len() as u64 + 1;
        ensure(execution.slot.0 == next, "same order", || {
            format!("slot {} is executed where {next} is next", execution.slot)
        })?;
        for request in execution
            .batches
            .iter()
            .flat_map(|batch| &batch.payload[..])
        {
            ensure(!self.executed.contains(request), "exactly once", || {
                format!("request {request} is executed again in slot {next}")
            })?;
            self.executed.push(*request);
        }
        self.hashes.push(execution.hash);
        self.unapplied = true;
        Ok(())
    }

    /// The messages that wait for a record, with how many records beyond the durable ones that is.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (u64, &Parcel)> {
        let durable = self.disk.durable_lsn().0;
        self.outbox
            .iter()
            .map(move |(after, parcel)| (after.0 - durable, parcel))
    }

    /// What a start would make of the log, `kept` of the records at risk included, as text.
    pub(super) fn recovered(&self, kept: usize) -> String {
        let mut recovery = Recovery::new(&config(self.id, self.modes));
        for record in self.disk.found(kept) {
            recovery.replay(Record::clone(record));
        }
        format!("{recovery:?}")
    }
}

/// A replica's name for a request.
fn ticket_of(request: u8) -> u64 {
    u64::from(request) + 1
}

/// The life of a member in one incarnation; nobody here has a twin.
fn life(id: ReplicaId, incarnation: Incarnation) -> Life {
    let nonce = match incarnation {
        Incarnation(0) => 0,
        Incarnation(n) => n << 8 | id.0,
    };
    Life { incarnation, nonce }
}
