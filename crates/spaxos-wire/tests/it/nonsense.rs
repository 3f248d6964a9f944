//! Things that can be written down and make no sense: encoders write what they are given, decoders
//! refuse it.

use std::sync::Arc;

use spaxos_core::batch::Batch;
use spaxos_core::cut::{Order, Value};
use spaxos_core::message::{Body, Header, Held, Message, Promise};
use spaxos_core::record::Record;
use spaxos_core::types::{Ballot, LogTime, Position, ReplicaId, Slot};
use spaxos_wire::{DecodeError, NUMBER_END};

use crate::anything::Anything;
use crate::examples;

/// Reads back `thing`; the error, if there is one.
fn error_of(thing: &Anything) -> Option<DecodeError> {
    thing.decode_alike(thing.encode()).err()
}

fn record(record: Record) -> Option<DecodeError> {
    error_of(&Anything::Record(record))
}

fn message(body: Body) -> Option<DecodeError> {
    let header = Header::default();
    error_of(&Anything::Message(Message { header, body }))
}

const fn out_of_range(what: &'static str, value: u64) -> Option<DecodeError> {
    Some(DecodeError::OutOfRange { what, value })
}

fn ticks(count: usize) -> Vec<Value> {
    let tick = Value {
        log_time: LogTime(1),
        order: Order::Tick,
    };
    vec![tick; count]
}

fn changed(change: impl FnOnce(&mut Batch)) -> Arc<Batch> {
    let mut batch = Batch::clone(&examples::forwarded_batch());
    change(&mut batch);
    Arc::new(batch)
}

#[test]
fn a_batch_has_a_place_and_its_origins_lie_within_it() {
    assert_eq!(record(Record::Batch(changed(|_| ()))), None);
    let placeless = changed(|batch| batch.position = Position::new(5, 0));
    assert_eq!(
        record(Record::Batch(placeless)),
        out_of_range("sequence", 0)
    );
    let laneless = changed(|batch| batch.lane = ReplicaId(0));
    assert_eq!(message(Body::Batch(laneless)), out_of_range("lane", 0));
    let overlong = changed(|batch| batch.origins[1].bytes += 1);
    let error = out_of_range("bytes of an origin", 17);
    assert_eq!(message(Body::Batch(overlong)), error);
    let overflowing = changed(|batch| {
        batch.origins[0].bytes = 1;
        batch.origins[1].bytes = u32::MAX;
    });
    assert!(record(Record::Batch(overflowing)).is_some());
}

#[test]
fn slot_0_has_no_value() {
    let ballot = Ballot::default();
    let adoption = |first, count| {
        record(Record::Adoption {
            ballot,
            first: Slot(first),
            values: ticks(count),
        })
    };
    assert_eq!(adoption(1, 0), None);
    assert_eq!(adoption(0, 0), out_of_range("slot", 0));
    let promise = |first, count| {
        message(Body::Promise(Promise {
            ballot,
            adopted: ballot,
            last: Slot(0),
            decided: Slot(0),
            first: Slot(first),
            tail: ticks(count),
        }))
    };
    assert_eq!(promise(0, 0), None, "without values it does not matter");
    assert_eq!(promise(1, 1), None);
    assert_eq!(promise(0, 1), out_of_range("slot", 0));
}

#[test]
fn consecutive_slots_do_not_run_past_the_end() {
    let slots = |first| {
        message(Body::Slots {
            adopted: Ballot::default(),
            first: Slot(first),
            decided: Slot(0),
            values: ticks(3),
        })
    };
    assert_eq!(slots(NUMBER_END - 4), None);
    assert_eq!(slots(NUMBER_END - 3), out_of_range("slot", NUMBER_END - 3));
    assert_eq!(slots(u64::MAX), out_of_range("slot", u64::MAX));
}

#[test]
fn acks_are_strictly_increasing() {
    let acks = |places: [(u64, u64); 2]| {
        let held = |(lane, incarnation)| Held {
            lane: ReplicaId(lane),
            position: Position::new(incarnation, 1),
        };
        let header = Header {
            held: places.map(held).to_vec(),
            ..Header::default()
        };
        let body = Body::Decide;
        error_of(&Anything::Message(Message { header, body }))
    };
    let unordered = Some(DecodeError::Unordered { what: "acks" });
    assert_eq!(acks([(1, 1), (1, 2)]), None);
    assert_eq!(acks([(1, 2), (2, 1)]), None);
    assert_eq!(acks([(1, 2), (1, 1)]), unordered);
    assert_eq!(acks([(2, 1), (1, 2)]), unordered);
    assert_eq!(acks([(1, 1), (1, 1)]), unordered);
}
