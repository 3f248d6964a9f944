//! Greetings and what clients say and hear.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use spaxos_core::status::{Role, Status};
use spaxos_core::types::{Incarnation, LogTime, ReplicaId};
use spaxos_wire::NUMBER_END;
use spaxos_wire::answer::{AnswerStatus, Answers, AnswersBuilder};
use spaxos_wire::chunk::{self, ChunkBuilder};
use spaxos_wire::client::{ErrorKind, Replies, Request, Response};
use spaxos_wire::hello::{ClientHello, ClientWelcome, Hello, HelloReply, PeerHello, Refusal};

use super::parts::{ballot, bytes, cut, held, life, number, slot};

pub(crate) fn hello() -> BoxedStrategy<Hello> {
    prop_oneof![
        peer_hello().prop_map(Hello::Peer),
        any::<u64>().prop_map(|cluster_id| Hello::Client(ClientHello { cluster_id })),
    ]
    .boxed()
}

fn peer_hello() -> BoxedStrategy<PeerHello> {
    let ids = any::<[u64; 5]>();
    (ids, life(), life())
        .prop_map(|(ids, life, known)| PeerHello {
            cluster_id: ids[0],
            member_id: ReplicaId(ids[1]),
            receiver_id: ReplicaId(ids[2]),
            disk_id: ids[3],
            life,
            known,
            fingerprint: ids[4],
        })
        .boxed()
}

pub(crate) fn hello_reply() -> BoxedStrategy<HelloReply> {
    let welcome = (any::<[u64; 2]>(), any::<[u32; 3]>()).prop_map(|(ids, limits)| ClientWelcome {
        cluster_id: ids[0],
        member_id: ReplicaId(ids[1]),
        chunk_bytes_max: limits[0],
        requests_max: limits[1],
        frame_bytes_max: limits[2],
    });
    prop_oneof![
        peer_hello().prop_map(HelloReply::Peer),
        welcome.prop_map(HelloReply::Client),
        refusal().prop_map(HelloReply::Refused),
    ]
    .boxed()
}

fn refusal() -> BoxedStrategy<Refusal> {
    prop_oneof![
        Just(Refusal::Malformed),
        any::<u16>().prop_map(|format| Refusal::Format { format }),
        any::<u64>().prop_map(|cluster_id| Refusal::WrongCluster { cluster_id }),
        any::<u64>().prop_map(|id| Refusal::WrongReceiver {
            member_id: ReplicaId(id)
        }),
        Just(Refusal::NotAMember),
        Just(Refusal::SameMember),
        any::<u64>().prop_map(|disk_id| Refusal::WrongDisk { disk_id }),
        any::<u64>().prop_map(|fingerprint| Refusal::OtherSettings { fingerprint }),
        life().prop_map(|known| Refusal::Replaced { known }),
        Just(Refusal::Busy),
        Just(Refusal::NotReady),
    ]
    .boxed()
}

pub(crate) fn request() -> BoxedStrategy<Request> {
    prop_oneof![
        (any::<u64>(), chunks()).prop_map(|(request_id, payload)| Request::Submit {
            request_id,
            payload,
        }),
        (any::<u64>(), any::<bool>(), bytes()).prop_map(|(request_id, linearizable, query)| {
            Request::Read {
                request_id,
                linearizable,
                query,
            }
        }),
        any::<u64>().prop_map(|request_id| Request::Status { request_id }),
    ]
    .boxed()
}

/// A payload of valid chunks, at least one.
pub(crate) fn chunks() -> BoxedStrategy<Bytes> {
    vec(chunk(), 1..5)
        .prop_map(|chunks| Bytes::from(chunks.concat()))
        .boxed()
}

fn chunk() -> BoxedStrategy<Bytes> {
    let fill = |mut builder: ChunkBuilder, requests: Vec<Bytes>| {
        requests.iter().for_each(|request| builder.push(request));
        builder.finish()
    };
    let requests = || vec(bytes(), 1..5);
    let numbers = (number(), number(), 1..NUMBER_END - 9);
    prop_oneof![
        requests().prop_map(move |requests| fill(ChunkBuilder::plain(), requests)),
        (numbers, requests()).prop_map(move |((session, floor, first), requests)| {
            fill(ChunkBuilder::session(session, floor, first), requests)
        }),
        Just(chunk::open()),
        number().prop_map(chunk::renew),
        number().prop_map(chunk::close),
    ]
    .boxed()
}

pub(crate) fn response() -> BoxedStrategy<Response> {
    let replies = (any::<u64>(), slot(), any::<u32>(), answers());
    prop_oneof![
        replies.prop_map(
            |(request_id, slot, first, answers)| Response::Replies(Replies {
                request_id,
                slot,
                first,
                answers,
            })
        ),
        (any::<u64>(), status()).prop_map(|(request_id, status)| Response::Status {
            request_id,
            status: Box::new(status),
        }),
        (any::<u64>(), error_kind())
            .prop_map(|(request_id, kind)| Response::Error { request_id, kind }),
    ]
    .boxed()
}

fn answers() -> BoxedStrategy<Answers> {
    let status = prop_oneof![
        Just(AnswerStatus::Ok),
        Just(AnswerStatus::UnknownSession),
        Just(AnswerStatus::BelowFloor),
        Just(AnswerStatus::BeyondWindow),
        Just(AnswerStatus::TooManySessions),
    ];
    vec((status, bytes()), 0..5)
        .prop_map(|all| {
            let mut answers = AnswersBuilder::new();
            for (status, answer) in &all {
                answers.push(*status, answer);
            }
            answers.finish()
        })
        .boxed()
}

fn error_kind() -> BoxedStrategy<ErrorKind> {
    prop_oneof![
        Just(ErrorKind::Malformed),
        Just(ErrorKind::Overloaded),
        any::<u64>().prop_map(|bytes_max| ErrorKind::TooLarge { bytes_max }),
        Just(ErrorKind::NoLeader),
        Just(ErrorKind::Unknown),
        Just(ErrorKind::Stopping),
    ]
    .boxed()
}

fn status() -> BoxedStrategy<Status> {
    let role = prop_oneof![
        Just(Role::Follower),
        Just(Role::PreCandidate),
        Just(Role::Candidate),
        Just(Role::Leader),
    ];
    let who = (any::<u64>(), number(), role, proptest::option::of(1_u64..));
    let slots = (slot(), slot(), slot(), slot());
    let rest = (any::<[u64; 3]>(), number(), cut(), held());
    let ballots = (ballot(), ballot());
    (who, ballots, slots, rest)
        .prop_map(|(who, ballots, slots, rest)| Status {
            id: ReplicaId(who.0),
            incarnation: Incarnation(who.1),
            role: who.2,
            leader: who.3.map(ReplicaId),
            promised: ballots.0,
            ballot: ballots.1,
            last: slots.0,
            decided: slots.1,
            executed: slots.2,
            applied: slots.3,
            executed_hash: rest.0[0],
            lane_bytes: rest.0[1],
            dropped: rest.0[2],
            log_time: LogTime(rest.1),
            effective: rest.2,
            held: rest.3,
        })
        .boxed()
}
