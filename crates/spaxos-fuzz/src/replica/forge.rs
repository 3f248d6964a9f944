//! Messages that fit a replica's state nearly: bytes alone would seldom name its ballot.

use std::sync::Arc;

use bytes::Bytes;
use spaxos_core::batch::{Batch, Chunk, Origin};
use spaxos_core::cut::{Cut, CutEntry, Order, Value};
use spaxos_core::message::{Body, Header, Held, Message, Promise};
use spaxos_core::types::{Ballot, Incarnation, LogTime, Position, ReplicaId, Sequence, Slot, Time};

use super::{OWN, PEERS, Running, history};
use crate::draw::Draw;

const ALL: [ReplicaId; 3] = [OWN, PEERS[0], PEERS[1]];

impl Running {
    /// A message of `from`.
    pub(super) fn forged(&self, from: ReplicaId, draw: &mut Draw<'_>) -> Message {
        Message {
            header: self.header(from, draw),
            body: self.body(from, draw),
        }
    }

    fn header(&self, from: ReplicaId, draw: &mut Draw<'_>) -> Header {
        let status = self.replica.status();
        let shape = draw.byte();
        if shape & 7 == 0 {
            return Header::default();
        }
        let held = (0..shape >> 6).map(|_| Held {
            lane: draw.pick(&ALL),
            position: position(draw),
        });
        let mut held: Vec<Held> = held.collect();
        held.sort_unstable_by_key(|held| (held.lane, held.position));
        held.dedup_by_key(|held| (held.lane, held.position.incarnation));
        let (executed, executed_hash) = match shape >> 3 & 7 {
            0 => (slot(status.executed, draw), u64::from(draw.byte())),
            _ => (status.executed, status.executed_hash),
        };
        Header {
            ballot: self.ballot(from, draw),
            decided: slot(status.decided, draw),
            executed,
            executed_hash,
            held,
        }
    }

    fn body(&self, from: ReplicaId, draw: &mut Draw<'_>) -> Body {
        let status = self.replica.status();
        let ballot = self.ballot(from, draw);
        match draw.below(18) {
            0..=2 => Body::Batch(Arc::new(self.batch(draw))),
            3 => Body::Acks {
                echo: Time(draw.number()),
            },
            4 => Body::Heartbeat {
                ballot,
                sent: Time(draw.number()),
            },
            5 | 6 => Body::Accept {
                ballot,
                first: slot(status.last.next(), draw),
                values: Running::values(draw),
                batches: (0..draw.below(3))
                    .map(|_| Arc::new(self.batch(draw)))
                    .collect(),
            },
            7 => Body::Accepted {
                ballot,
                slot: slot(status.last, draw),
            },
            8 => Body::Adopt {
                ballot,
                first: slot(status.decided.next(), draw),
                values: Running::values(draw),
            },
            9 => Body::PreVote {
                round: ballot.round,
            },
            10 => Body::PreVoteReply {
                round: status.promised.round + u64::from(draw.byte() % 3),
                granted: draw.coin(),
            },
            11 => Body::Prepare {
                ballot,
                decided: slot(status.decided, draw),
            },
            12 => Body::Promise(Promise {
                ballot,
                adopted: self.ballot(from, draw),
                last: slot(status.last, draw),
                decided: slot(status.decided, draw),
                first: slot(status.decided.next(), draw),
                tail: Running::values(draw),
            }),
            13 => Body::Slots {
                adopted: ballot,
                first: slot(status.decided.next(), draw),
                decided: slot(status.last, draw),
                values: Running::values(draw),
            },
            _ => self.small_body(ballot, draw),
        }
    }

    fn small_body(&self, ballot: Ballot, draw: &mut Draw<'_>) -> Body {
        let status = self.replica.status();
        match draw.below(6) {
            0 => Body::Decide,
            1 => Body::Refuse {
                ballot,
                promised: self.ballot(draw.pick(&ALL), draw),
            },
            2 => Body::FetchBatches {
                lane: draw.pick(&ALL),
                from: position(draw),
                to: Sequence(draw.number() >> 3),
            },
            3 => Body::FetchSlots {
                from: slot(status.decided, draw),
            },
            4 => Body::ReadAnswer {
                nonce: u64::from(draw.byte() % 4) + (1 << 32),
                ballot,
                slot: slot(status.last, draw),
            },
            _ => Body::Forward {
                incarnation: Incarnation(draw.number() >> 3),
                chunks: (0..draw.below(3)).map(|_| chunk(draw)).collect(),
            },
        }
    }

    /// The ballot that the replica follows, a new one of the sender's, or one near by.
    fn ballot(&self, from: ReplicaId, draw: &mut Draw<'_>) -> Ballot {
        let status = self.replica.status();
        match draw.byte() {
            0..=0x7f => status.ballot,
            0x80..=0xaf => status.promised,
            more => Ballot {
                configuration: u64::from(more == 0xff),
                round: status.promised.round + u64::from(more % 3),
                replica: match more % 5 {
                    0 => draw.pick(&ALL),
                    _ => from,
                },
            },
        }
    }

    /// Usually the next batch of an incarnation, as its coordinator made it.
    fn batch(&self, draw: &mut Draw<'_>) -> Batch {
        let lane = draw.pick(&ALL);
        let incarnation = Incarnation(u64::from(draw.byte() % 4) + 1);
        let shape = draw.byte();
        let held = self.replica.status().held;
        let end = held
            .iter()
            .rev()
            .find(|held| held.lane == lane && held.position.incarnation == incarnation);
        let end = end.map_or(0, |held| held.position.sequence.0);
        let sequence = match shape & 7 {
            0 => Sequence(u64::from(draw.byte() % 8) + 1),
            1 => Sequence(end.max(1)),
            _ => Sequence(end + 1),
        };
        let position = Position {
            incarnation,
            sequence,
        };
        if shape >> 3 & 7 > 0 && lane != OWN {
            return history::batch(lane, position);
        }
        let payload = Bytes::copy_from_slice(draw.bytes(usize::from(shape >> 6)));
        let origins = match draw.coin() {
            true => vec![Origin {
                replica: draw.pick(&ALL),
                incarnation: Incarnation(1),
                ticket: u64::from(draw.byte() % 4),
                bytes: draw.number() as u32,
            }],
            false => Vec::new(),
        };
        let requests = u32::from(!payload.is_empty());
        let previous = history::digest_before(lane, position);
        Batch::new(lane, position, previous, requests, payload, origins)
    }

    /// How many, and of which shape; what they order is put in when they are sent.
    fn values(draw: &mut Draw<'_>) -> Vec<Value> {
        let count = draw.below(4);
        let value = |draw: &mut Draw<'_>| {
            let log_time = LogTime(draw.number());
            let lanes = draw.byte();
            if lanes == 0 {
                let order = Order::Tick;
                return Value { log_time, order };
            }
            let named = ALL.into_iter().enumerate();
            let named = named.filter(|(bit, _)| lanes >> bit & 1 == 1);
            let entry = CutEntry {
                position: Position::new(1 + u64::from(lanes == 0xff), 1),
                digest: u64::from(lanes & 0xf0 == 0xf0),
            };
            let entries = named.map(|(_, lane)| (lane, entry)).collect();
            let order = Order::Cut {
                cut: Cut::new(entries).expect("lanes in order"),
                stable: lanes & 0x30 == 0x30,
            };
            Value { log_time, order }
        };
        (0..count).map(|_| value(draw)).collect()
    }
}

fn position(draw: &mut Draw<'_>) -> Position {
    Position {
        incarnation: Incarnation(u64::from(draw.byte() % 4) + 1),
        sequence: Sequence(draw.number() >> 3),
    }
}

/// A slot near `near`, or anywhere.
fn slot(near: Slot, draw: &mut Draw<'_>) -> Slot {
    match draw.byte() {
        0..=0x9f => near,
        more @ 0xa0..=0xef => Slot((near.0 + u64::from(more % 8)).saturating_sub(3)),
        _ => Slot(draw.number()),
    }
}

fn chunk(draw: &mut Draw<'_>) -> Chunk {
    let len = draw.below(40);
    Chunk {
        ticket: u64::from(draw.byte()),
        requests: u32::from(draw.byte() % 3),
        payload: Bytes::copy_from_slice(draw.bytes(len)),
    }
}
