//! Records and messages.

use proptest::collection::vec;
use proptest::prelude::*;
use spaxos_core::batch::Chunk;
use spaxos_core::message::{Body, Header, Message, Promise};
use spaxos_core::record::Record;
use spaxos_core::types::{Incarnation, ReplicaId, Sequence, Time};

use super::parts::{
    ballot, batch, bytes, held, lane, life, number, position, slot, slot_of_values, value, values,
};

pub(crate) fn record() -> BoxedStrategy<Record> {
    prop_oneof![
        life().prop_map(Record::Incarnation),
        batch().prop_map(Record::Batch),
        ballot().prop_map(|ballot| Record::Promise { ballot }),
        (ballot(), slot_of_values(), values()).prop_map(|(ballot, first, values)| {
            Record::Adoption {
                ballot,
                first,
                values,
            }
        }),
        (ballot(), slot_of_values(), value(), slot()).prop_map(|(ballot, slot, value, decided)| {
            Record::Vote {
                ballot,
                slot,
                value,
                decided,
            }
        }),
        slot().prop_map(|slot| Record::Decided { slot }),
        (slot_of_values(), value()).prop_map(|(slot, value)| Record::DecidedSlot { slot, value }),
        (any::<u64>(), life()).prop_map(|(member, life)| Record::Greeting {
            member: ReplicaId(member),
            life,
        }),
    ]
    .boxed()
}

pub(crate) fn message() -> BoxedStrategy<Message> {
    let body = prop_oneof![with_content(), with_values(), of_numbers(), of_ballots()];
    (header(), body)
        .prop_map(|(header, body)| Message { header, body })
        .boxed()
}

fn header() -> BoxedStrategy<Header> {
    let numbers = (ballot(), slot(), slot(), any::<u64>(), held());
    numbers
        .prop_map(|(ballot, decided, executed, executed_hash, held)| Header {
            ballot,
            decided,
            executed,
            executed_hash,
            held,
        })
        .boxed()
}

fn with_content() -> BoxedStrategy<Body> {
    let log = (ballot(), slot_of_values(), values());
    let chunk =
        (any::<u64>(), any::<u32>(), bytes()).prop_map(|(ticket, requests, payload)| Chunk {
            ticket,
            requests,
            payload,
        });
    prop_oneof![
        batch().prop_map(Body::Batch),
        (log, vec(batch(), 0..4)).prop_map(|((ballot, first, values), batches)| Body::Accept {
            ballot,
            first,
            values,
            batches,
        }),
        (number(), vec(chunk, 0..4)).prop_map(|(incarnation, chunks)| Body::Forward {
            incarnation: Incarnation(incarnation),
            chunks,
        }),
    ]
    .boxed()
}

fn with_values() -> BoxedStrategy<Body> {
    let promised = (ballot(), ballot(), slot(), slot());
    prop_oneof![
        (ballot(), slot_of_values(), values()).prop_map(|(ballot, first, values)| Body::Adopt {
            ballot,
            first,
            values,
        }),
        (promised, slot_of_values(), values()).prop_map(|(promised, first, tail)| {
            let (ballot, adopted, last, decided) = promised;
            Body::Promise(Promise {
                ballot,
                adopted,
                last,
                decided,
                first,
                tail,
            })
        }),
        (ballot(), slot_of_values(), slot(), values()).prop_map(
            |(adopted, first, decided, values)| Body::Slots {
                adopted,
                first,
                decided,
                values,
            }
        ),
    ]
    .boxed()
}

fn of_numbers() -> BoxedStrategy<Body> {
    prop_oneof![
        any::<u64>().prop_map(|echo| Body::Acks { echo: Time(echo) }),
        Just(Body::Decide),
        number().prop_map(|round| Body::PreVote { round }),
        (number(), any::<bool>())
            .prop_map(|(round, granted)| Body::PreVoteReply { round, granted }),
        (lane(), position(), number()).prop_map(|(lane, from, to)| Body::FetchBatches {
            lane,
            from,
            to: Sequence(to),
        }),
        slot().prop_map(|from| Body::FetchSlots { from }),
        any::<u64>().prop_map(|nonce| Body::ReadQuery { nonce }),
    ]
    .boxed()
}

fn of_ballots() -> BoxedStrategy<Body> {
    prop_oneof![
        (ballot(), any::<u64>()).prop_map(|(ballot, sent)| Body::Heartbeat {
            ballot,
            sent: Time(sent),
        }),
        (ballot(), slot()).prop_map(|(ballot, slot)| Body::Accepted { ballot, slot }),
        (ballot(), slot()).prop_map(|(ballot, decided)| Body::Prepare { ballot, decided }),
        (ballot(), ballot()).prop_map(|(ballot, promised)| Body::Refuse { ballot, promised }),
        (any::<u64>(), ballot(), slot()).prop_map(|(nonce, ballot, slot)| Body::ReadAnswer {
            nonce,
            ballot,
            slot,
        }),
    ]
    .boxed()
}
