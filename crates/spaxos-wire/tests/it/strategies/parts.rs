//! The parts that records and messages share.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use spaxos_core::batch::{Batch, Origin};
use spaxos_core::cut::{Cut, CutEntry, Order, Value};
use spaxos_core::message::Held;
use spaxos_core::record::Life;
use spaxos_core::types::{Ballot, Incarnation, LogTime, Position, ReplicaId, Sequence, Slot};
use spaxos_wire::NUMBER_END;

/// A counter: often small, sometimes just below the end.
pub(crate) fn number() -> BoxedStrategy<u64> {
    prop_oneof![0..9_u64, 0..NUMBER_END, Just(NUMBER_END - 1)].boxed()
}

/// A number of a slot that values may follow.
pub(crate) fn slot_of_values() -> BoxedStrategy<Slot> {
    prop_oneof![1..9_u64, 1..NUMBER_END - 9]
        .prop_map(Slot)
        .boxed()
}

pub(crate) fn slot() -> BoxedStrategy<Slot> {
    number().prop_map(Slot).boxed()
}

pub(crate) fn lane() -> BoxedStrategy<ReplicaId> {
    prop_oneof![1..9_u64, 1..=u64::MAX]
        .prop_map(ReplicaId)
        .boxed()
}

pub(crate) fn position() -> BoxedStrategy<Position> {
    (number(), number())
        .prop_map(|(incarnation, sequence)| Position::new(incarnation, sequence))
        .boxed()
}

pub(crate) fn ballot() -> BoxedStrategy<Ballot> {
    (number(), number(), any::<u64>())
        .prop_map(|(configuration, round, replica)| Ballot {
            configuration,
            round,
            replica: ReplicaId(replica),
        })
        .boxed()
}

pub(crate) fn life() -> BoxedStrategy<Life> {
    (number(), any::<u64>())
        .prop_map(|(incarnation, nonce)| Life {
            incarnation: Incarnation(incarnation),
            nonce,
        })
        .boxed()
}

pub(crate) fn cut() -> BoxedStrategy<Cut> {
    btree_map(lane(), (position(), any::<u64>()), 0..6)
        .prop_map(|lanes| {
            let entries = lanes.into_iter();
            let entries =
                entries.map(|(lane, (position, digest))| (lane, CutEntry { position, digest }));
            Cut::new(entries.collect()).expect("a map is sorted")
        })
        .boxed()
}

pub(crate) fn value() -> BoxedStrategy<Value> {
    let order = prop_oneof![
        Just(Order::Tick),
        (cut(), any::<bool>()).prop_map(|(cut, stable)| Order::Cut { cut, stable }),
    ];
    (number(), order)
        .prop_map(|(log_time, order)| Value {
            log_time: LogTime(log_time),
            order,
        })
        .boxed()
}

pub(crate) fn values() -> BoxedStrategy<Vec<Value>> {
    vec(value(), 0..5).boxed()
}

pub(crate) fn held() -> BoxedStrategy<Vec<Held>> {
    btree_map((lane(), number()), number(), 0..6)
        .prop_map(|ends: BTreeMap<_, _>| {
            let entry = |((lane, incarnation), sequence)| Held {
                lane,
                position: Position::new(incarnation, sequence),
            };
            ends.into_iter().map(entry).collect()
        })
        .boxed()
}

pub(crate) fn bytes() -> BoxedStrategy<Bytes> {
    vec(any::<u8>(), 0..50).prop_map(Bytes::from).boxed()
}

/// A batch; its checksums are whatever, since no decoder judges them.
pub(crate) fn batch() -> BoxedStrategy<Arc<Batch>> {
    let place = (lane(), number(), 1..NUMBER_END);
    let content = (any::<u32>(), bytes(), vec(origin(), 0..4));
    (place, any::<u64>(), any::<u64>(), content)
        .prop_map(|(place, digest, checksum, content)| {
            let (lane, incarnation, sequence) = place;
            let (requests, payload, origins) = content;
            let mut bytes_left = u32::try_from(payload.len()).expect("short");
            let fit = |mut origin: Origin| {
                origin.bytes = origin.bytes.min(bytes_left);
                bytes_left -= origin.bytes;
                origin
            };
            Arc::new(Batch {
                lane,
                position: Position {
                    incarnation: Incarnation(incarnation),
                    sequence: Sequence(sequence),
                },
                digest,
                checksum,
                requests,
                payload,
                origins: origins.into_iter().map(fit).collect(),
            })
        })
        .boxed()
}

fn origin() -> BoxedStrategy<Origin> {
    let numbers = (any::<u64>(), number(), any::<u64>(), any::<u32>());
    numbers
        .prop_map(|(replica, incarnation, ticket, bytes)| Origin {
            replica: ReplicaId(replica),
            incarnation: Incarnation(incarnation),
            ticket,
            bytes,
        })
        .boxed()
}
