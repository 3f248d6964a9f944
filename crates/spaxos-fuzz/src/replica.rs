//! One real replica, and peers that say anything: whatever they send, the replica goes on or halts
//! with a reason, what it sends can be read, and its log can be replayed in the end.
//!
//! The first byte chooses the mode of the protocol. The rest is what happens: bytes that a peer sends,
//! messages forged to fit the replica's state, time, requests, syncs.
//!
//! In one thing the peers are held to the protocol, which does not promise to survive leaders that lie
//! about the log: of each slot they all say one value, the one that the replica has if it has one, and
//! no slot goes back behind those before it. `history` sees to that.

mod forge;
mod history;

use bytes::Bytes;
use spaxos_core::batch::Chunk;
use spaxos_core::config::{Config, Dissemination, Limits, Modes, Propose, Timing, Votes};
use spaxos_core::effect::{Effect, HaltReason, Input, LogFound, LogQuery};
use spaxos_core::message::{Body, Header, Message};
use spaxos_core::record::{Life, Record};
use spaxos_core::recovery::Recovery;
use spaxos_core::replica::Replica;
use spaxos_core::types::{Incarnation, Lsn, ReplicaId, Slot, Time};
use spaxos_wire::{WireLimits, message};

use crate::draw::Draw;
use crate::wire::written;
use history::History;

/// The real replica; the others are the peers.
const OWN: ReplicaId = ReplicaId(1);
const PEERS: [ReplicaId; 2] = [ReplicaId(2), ReplicaId(3)];
/// More happenings than this add nothing.
const STEPS_MAX: usize = 120;
/// No step asks for more than this: a message cannot make a replica work for long.
const EFFECTS_MAX: usize = 400;
const MS: u64 = 1_000_000;

/// Lets things happen to a replica until the bytes are used up.
pub fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let mut life = Running::new(config(draw.byte()));
    for _ in 0..STEPS_MAX {
        if draw.is_empty() || life.halted.is_some() {
            break;
        }
        life.happen(&mut draw);
    }
    life.check_log();
}

/// Small limits: what is rare elsewhere happens within a few messages.
fn config(choice: u8) -> Config {
    let modes = Modes {
        dissemination: [Dissemination::All, Dissemination::Leader][usize::from(choice & 1)],
        propose: [Propose::Received, Propose::Stable][usize::from(choice >> 1 & 1)],
        votes: [Votes::All, Votes::Leader][usize::from(choice >> 2 & 1)],
    };
    Config {
        id: OWN,
        members: vec![PEERS[0], OWN, PEERS[1]],
        modes,
        timing: Timing::default(),
        limits: Limits {
            members_max: 3,
            chunk_bytes_max: 64,
            batch_bytes_max: 128,
            slot_bytes_max: 1000,
            window_slots_max: 3,
            lane_bytes_max: 2000,
            reserve_bytes: 1000,
            send_window_batches: 3,
            cache_bytes_max: 1000,
            cache_slots_max: 4,
            incarnations_max: 3,
            held_bytes_max: 4000,
            unsynced_bytes_max: 4000,
            slots_ahead_max: 12,
            fetch_bytes_max: 1000,
            message_slots_max: 5,
            apply_bytes_max: 1000,
            apply_slots_max: 4,
            reads_max: 8,
            round_step_max: 16,
            forwarded_max: 4,
        },
    }
}

/// A replica and what it stands on.
struct Running {
    config: Config,
    wire: WireLimits,
    replica: Replica,
    now: Time,
    halted: Option<HaltReason>,
    /// All records, the one of its life first.
    records: Vec<Record>,
    executed: Slot,
    tickets: u64,
    history: History,
}

impl Running {
    fn new(config: Config) -> Running {
        let life = Life {
            incarnation: Incarnation(1),
            nonce: 42,
        };
        let recovered = Recovery::new(&config).finish(life);
        let now = Time(MS);
        Running {
            wire: WireLimits::new(&config.limits),
            replica: Replica::new(config.clone(), recovered, 7, now),
            config,
            now,
            halted: None,
            records: vec![Record::Incarnation(life)],
            executed: Slot(0),
            tickets: 0,
            history: History::default(),
        }
    }

    fn happen(&mut self, draw: &mut Draw<'_>) {
        match draw.below(16) {
            0..=2 => {
                let from = draw.pick(&PEERS);
                let len = usize::from(draw.short());
                let body = Bytes::copy_from_slice(draw.bytes(len));
                self.receive(from, body);
            }
            3..=9 => {
                let from = draw.pick(&PEERS);
                let message = self.forged(from, draw);
                self.receive(from, written(&message).freeze());
                // Else what values order is seldom there.
                if draw.coin() {
                    self.deliver_batches(from);
                }
            }
            10 => {
                self.now = self.now.plus(MS * draw.number().min(3000));
                self.step(Input::Timer);
            }
            11 => {
                self.now = self.replica.deadline().unwrap_or(self.now).max(self.now);
                self.step(Input::Timer);
            }
            12 => self.submit(draw),
            13 => self.step(Input::Read {
                token: u64::from(draw.byte()),
            }),
            14 => self.sync(),
            _ => {
                let greeted = self.greeting(draw);
                self.step(greeted);
            }
        }
    }

    /// What the transport does with a peer's bytes: hands on what can be read.
    fn receive(&mut self, from: ReplicaId, body: Bytes) {
        if let Ok(mut message) = message::decode(body, &self.wire) {
            self.hold_to_protocol(&mut message.body);
            self.step(Input::Message { from, message });
        }
    }

    /// Replaces values by those of the one log. What the replica proposed itself, nobody else knows
    /// before it does.
    fn hold_to_protocol(&mut self, body: &mut Body) {
        let history = &mut self.history;
        match body {
            Body::Slots {
                adopted, values, ..
            } if adopted.replica == OWN => values.clear(),
            Body::Accept { first, values, .. }
            | Body::Adopt { first, values, .. }
            | Body::Slots { first, values, .. } => history.tell(*first, values),
            Body::Promise(promise) => history.tell(promise.first, &mut promise.tail),
            _ => {}
        }
    }

    /// All batches that any value orders, as their coordinators made them.
    fn deliver_batches(&mut self, from: ReplicaId) {
        let held = self.replica.status().held;
        for batch in self.history.batches_beyond(&held) {
            let message = Message {
                header: Header::default(),
                body: Body::Batch(batch),
            };
            self.step(Input::Message { from, message });
        }
    }

    fn submit(&mut self, draw: &mut Draw<'_>) {
        self.tickets += 1;
        let len = draw.below(80);
        let chunk = Chunk {
            ticket: self.tickets,
            requests: 1,
            payload: Bytes::copy_from_slice(draw.bytes(len)),
        };
        self.step(Input::Submit(chunk));
    }

    fn sync(&mut self) {
        let lsn = self.appended();
        self.step(Input::Durable { lsn });
    }

    /// A connection of a peer, which may have heard of any life of this replica.
    fn greeting(&self, draw: &mut Draw<'_>) -> Input {
        let life = |draw: &mut Draw<'_>| Life {
            incarnation: Incarnation(draw.number() >> 2),
            nonce: draw.number(),
        };
        Input::Greeted {
            peer: draw.pick(&PEERS),
            life: life(draw),
            known: match draw.below(12) {
                0 => life(draw),
                1..=4 => Life::default(),
                _ => self.replica.life(),
            },
        }
    }

    /// The last record's number in this life: the record of the life itself has none.
    fn appended(&self) -> Lsn {
        Lsn(self.records.len() as u64 - 1)
    }

    fn step(&mut self, input: Input) {
        if self.halted.is_some() {
            return;
        }
        let effects: Vec<Effect> = self.replica.step(self.now, input).collect();
        let count = effects.len();
        assert!(count <= EFFECTS_MAX, "{count} effects of one step");
        let mut next = Vec::new();
        for effect in effects {
            assert_eq!(self.halted, None, "nothing follows a halt: {effect:?}");
            next.extend(self.carry_out(effect));
        }
        next.into_iter().for_each(|input| self.step(input));
    }

    /// Returns what the driver has to say next.
    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Append { lsn, record } => {
                self.history.note(&record);
                self.records.push(record);
                assert_eq!(lsn, self.appended(), "records are numbered without gap");
            }
            Effect::Send { message, after, .. } => {
                assert!(after <= self.appended(), "it would never leave");
                self.check_sent(&message);
                self.history.note_sent(&message.body);
            }
            Effect::Execute(execution) => {
                let slot = execution.slot;
                assert_eq!(slot, self.executed.next(), "slots come in order");
                self.executed = slot;
                let next_expiry = None;
                return Some(Input::Applied { slot, next_expiry });
            }
            Effect::ReadLog { to, query } => {
                let found = match query {
                    LogQuery::Batches { .. } => LogFound::Batches(Vec::new()),
                    LogQuery::Slots { from, .. } => LogFound::Slots {
                        first: from,
                        values: Vec::new(),
                    },
                };
                return Some(Input::LogRead { to, found });
            }
            Effect::Halt(reason) => self.halted = Some(reason),
            _ => {}
        }
        None
    }

    /// What one member sends, another one can read.
    fn check_sent(&self, message: &Message) {
        let body = written(message).freeze();
        let read = message::decode(body, &self.wire);
        assert_eq!(read.as_ref(), Ok(message), "a peer could not read this");
    }

    /// Whatever peers have said, the log that came of it can be replayed.
    fn check_log(&self) {
        let mut recovery = Recovery::new(&self.config);
        for record in &self.records {
            recovery.replay(record.clone());
        }
        let life = Life {
            incarnation: recovery.last_life().incarnation.next(),
            nonce: 43,
        };
        let recovered = recovery.finish(life);
        let mut replica = Replica::new(self.config.clone(), recovered, 7, self.now);
        replica.step(self.now, Input::Timer);
    }
}
