//! One example of every kind of everything, with numbers that can be told apart in a dump.

use std::sync::Arc;

use bytes::Bytes;
use spaxos_core::batch::{Batch, Chunk, Origin};
use spaxos_core::cut::{Cut, CutEntry, Order, Value};
use spaxos_core::message::{Body, Header, Held, Message, Promise};
use spaxos_core::record::{Life, Record};
use spaxos_core::status::{Role, Status};
use spaxos_core::types::{Ballot, Incarnation, LogTime, Position, ReplicaId, Sequence, Slot, Time};
use spaxos_wire::answer::{AnswerStatus, Answers, AnswersBuilder};
use spaxos_wire::chunk::{self, ChunkBuilder};
use spaxos_wire::client::{ErrorKind, Replies, Request, Response};
use spaxos_wire::hello::{ClientHello, ClientWelcome, Hello, HelloReply, PeerHello, Refusal};

use crate::anything::Anything;

/// Everything below, each with a name.
pub(crate) fn all() -> Vec<(String, Anything)> {
    [records(), messages(), hellos(), client_frames()].concat()
}

/// One of each kind of record.
pub(crate) fn records() -> Vec<(String, Anything)> {
    let (slot, ballot) = (Slot(0x33), ballot(2));
    let records = [
        Record::Incarnation(life()),
        Record::Batch(batch()),
        Record::Promise { ballot },
        Record::Adoption {
            ballot,
            first: slot,
            values: values(),
        },
        Record::Vote {
            ballot,
            slot,
            value: cut_value(true),
            decided: Slot(0x32),
        },
        Record::Decided { slot },
        Record::DecidedSlot {
            slot,
            value: tick_value(),
        },
        Record::Greeting {
            member: ReplicaId(3),
            life: life(),
        },
    ];
    let named = |record: Record| (record.name().to_owned(), Anything::Record(record));
    records.into_iter().map(named).collect()
}

/// One of each kind of message.
pub(crate) fn messages() -> Vec<(String, Anything)> {
    let bodies = bodies_with_content().into_iter().chain(bodies_of_numbers());
    let named = |body: Body| {
        let name = body.name().to_owned();
        let header = header();
        (name, Anything::Message(Message { header, body }))
    };
    bodies.map(named).collect()
}

fn bodies_with_content() -> Vec<Body> {
    let (first, ballot) = (Slot(0x33), ballot(2));
    vec![
        Body::Batch(batch()),
        Body::Accept {
            ballot,
            first,
            values: values(),
            batches: vec![batch(), forwarded_batch()],
        },
        Body::Adopt {
            ballot,
            first,
            values: values(),
        },
        Body::Promise(Promise {
            ballot,
            adopted: Ballot { round: 1, ..ballot },
            last: Slot(0x34),
            decided: Slot(0x32),
            first,
            tail: values(),
        }),
        Body::Slots {
            adopted: ballot,
            first,
            decided: Slot(0x34),
            values: values(),
        },
        Body::Forward {
            incarnation: Incarnation(5),
            chunks: vec![chunk_of(8, b"one"), chunk_of(9, b"three")],
        },
    ]
}

fn bodies_of_numbers() -> Vec<Body> {
    let (slot, ballot, nonce) = (Slot(0x33), ballot(2), 0x99);
    vec![
        Body::Acks { echo: Time(0x77) },
        Body::Heartbeat {
            ballot,
            sent: Time(0x78),
        },
        Body::Accepted { ballot, slot },
        Body::Decide,
        Body::PreVote { round: 3 },
        Body::PreVoteReply {
            round: 3,
            granted: true,
        },
        Body::Prepare {
            ballot,
            decided: slot,
        },
        Body::Refuse {
            ballot,
            promised: Ballot { round: 4, ..ballot },
        },
        Body::FetchBatches {
            lane: ReplicaId(2),
            from: Position::new(5, 6),
            to: Sequence(8),
        },
        Body::FetchSlots { from: slot },
        Body::ReadQuery { nonce },
        Body::ReadAnswer {
            nonce,
            ballot,
            slot,
        },
    ]
}

/// Both greetings, and every answer to one.
pub(crate) fn hellos() -> Vec<(String, Anything)> {
    let peer = PeerHello {
        cluster_id: 0xc1,
        member_id: ReplicaId(1),
        receiver_id: ReplicaId(2),
        disk_id: 0xd1,
        life: life(),
        known: Life::default(),
        fingerprint: 0xf1,
    };
    let client = ClientHello { cluster_id: 0xc1 };
    let welcome = ClientWelcome {
        cluster_id: 0xc1,
        member_id: ReplicaId(2),
        chunk_bytes_max: 0x20_0000,
        requests_max: 0x1_0000,
        frame_bytes_max: 0x60_0000,
    };
    let mut all = vec![
        (
            "Hello of a member".to_owned(),
            Anything::Hello(Hello::Peer(peer)),
        ),
        (
            "Hello of a client".to_owned(),
            Anything::Hello(Hello::Client(client)),
        ),
    ];
    let replies = [
        ("HelloReply to a member", HelloReply::Peer(peer)),
        ("HelloReply to a client", HelloReply::Client(welcome)),
    ];
    let refused = refusals()
        .into_iter()
        .map(|(name, refusal)| (name, HelloReply::Refused(refusal)));
    for (name, reply) in replies.into_iter().chain(refused) {
        all.push((name.to_owned(), Anything::HelloReply(reply)));
    }
    all
}

fn refusals() -> Vec<(&'static str, Refusal)> {
    let member_id = ReplicaId(2);
    vec![
        ("Refused, malformed", Refusal::Malformed),
        ("Refused, format", Refusal::Format { format: 1 }),
        (
            "Refused, wrong cluster",
            Refusal::WrongCluster { cluster_id: 0xc2 },
        ),
        (
            "Refused, wrong receiver",
            Refusal::WrongReceiver { member_id },
        ),
        ("Refused, not a member", Refusal::NotAMember),
        ("Refused, same member", Refusal::SameMember),
        ("Refused, wrong disk", Refusal::WrongDisk { disk_id: 0xd2 }),
        (
            "Refused, other settings",
            Refusal::OtherSettings { fingerprint: 0xf2 },
        ),
        ("Refused, replaced", Refusal::Replaced { known: life() }),
        ("Refused, busy", Refusal::Busy),
        ("Refused, not ready", Refusal::NotReady),
    ]
}

/// Each request and response, each sort of chunk, each status of an answer.
pub(crate) fn client_frames() -> Vec<(String, Anything)> {
    let request_id = 0xa1;
    let requests = [
        (
            "Submit, plain",
            Request::Submit {
                request_id,
                payload: plain_chunk(),
            },
        ),
        (
            "Submit, session",
            Request::Submit {
                request_id,
                payload: session_chunks(),
            },
        ),
        (
            "Read",
            Request::Read {
                request_id,
                linearizable: true,
                query: Bytes::from_static(b"what?"),
            },
        ),
        ("Status", Request::Status { request_id }),
    ];
    let replies = Replies {
        request_id,
        slot: Slot(0x33),
        first: 2,
        answers: answers(),
    };
    let status = Box::new(status());
    let mut responses = vec![
        ("Replies", Response::Replies(replies)),
        ("StatusReply", Response::Status { request_id, status }),
    ];
    for kind in error_kinds() {
        responses.push(("Error", Response::Error { request_id, kind }));
    }
    let requests = requests.map(|(name, request)| (name.to_owned(), Anything::Request(request)));
    let responses = responses.into_iter().map(|(name, response)| {
        let name = match &response {
            Response::Error { kind, .. } => format!("{name}, {}", kind.name()),
            _ => name.to_owned(),
        };
        (name, Anything::Response(response))
    });
    requests.into_iter().chain(responses).collect()
}

fn error_kinds() -> [ErrorKind; 6] {
    [
        ErrorKind::Malformed,
        ErrorKind::Overloaded,
        ErrorKind::TooLarge {
            bytes_max: 0x20_0000,
        },
        ErrorKind::NoLeader,
        ErrorKind::Unknown,
        ErrorKind::Stopping,
    ]
}

fn answers() -> Answers {
    let mut answers = AnswersBuilder::new();
    answers.push(AnswerStatus::Ok, b"done");
    answers.push(AnswerStatus::UnknownSession, b"");
    answers.push(AnswerStatus::BelowFloor, b"");
    answers.push(AnswerStatus::BeyondWindow, b"");
    answers.push(AnswerStatus::TooManySessions, b"");
    answers.finish()
}

fn plain_chunk() -> Bytes {
    let mut builder = ChunkBuilder::plain();
    builder.push(b"put");
    builder.push(b"");
    builder.finish()
}

fn session_chunks() -> Bytes {
    let mut builder = ChunkBuilder::session(0x51, 0x52, 0x53);
    builder.push(b"put");
    let requests = builder.finish();
    let chunks = [
        chunk::open(),
        requests,
        chunk::renew(0x51),
        chunk::close(0x51),
    ];
    Bytes::from(chunks.concat())
}

fn status() -> Status {
    Status {
        id: ReplicaId(2),
        incarnation: Incarnation(5),
        role: Role::Leader,
        leader: Some(ReplicaId(2)),
        promised: ballot(3),
        ballot: ballot(2),
        last: Slot(0x35),
        decided: Slot(0x34),
        executed: Slot(0x33),
        applied: Slot(0x32),
        executed_hash: 0xee,
        log_time: LogTime(0x44),
        effective: cut(),
        held: header().held,
        lane_bytes: 0x1000,
        dropped: 1,
    }
}

fn header() -> Header {
    let held = |lane, incarnation, sequence| Held {
        lane: ReplicaId(lane),
        position: Position::new(incarnation, sequence),
    };
    Header {
        ballot: ballot(2),
        decided: Slot(0x31),
        executed: Slot(0x30),
        executed_hash: 0xee,
        held: vec![held(1, 4, 9), held(1, 5, 2), held(2, 7, 1)],
    }
}

fn ballot(round: u64) -> Ballot {
    Ballot {
        configuration: 1,
        round,
        replica: ReplicaId(2),
    }
}

fn life() -> Life {
    Life {
        incarnation: Incarnation(5),
        nonce: 0x0123_4567_89ab_cdef,
    }
}

/// A batch as every coordinator makes them.
pub(crate) fn batch() -> Arc<Batch> {
    let position = Position::new(5, 6);
    let batch = Batch::new(ReplicaId(1), position, 0xab, 2, plain_chunk(), Vec::new());
    Arc::new(batch)
}

/// A batch of requests that were forwarded.
pub(crate) fn forwarded_batch() -> Arc<Batch> {
    let origin = |replica, ticket| Origin {
        replica: ReplicaId(replica),
        incarnation: Incarnation(5),
        ticket,
        bytes: 16,
    };
    let payload = Bytes::from([plain_chunk(), plain_chunk()].concat());
    let origins = vec![origin(3, 8), origin(2, 9)];
    let position = Position::new(5, 7);
    Arc::new(Batch::new(
        ReplicaId(1),
        position,
        0xab,
        4,
        payload,
        origins,
    ))
}

fn chunk_of(ticket: u64, request: &[u8]) -> Chunk {
    let mut builder = ChunkBuilder::plain();
    builder.push(request);
    Chunk {
        ticket,
        requests: 1,
        payload: builder.finish(),
    }
}

fn cut() -> Cut {
    let entry = |lane, incarnation, sequence, digest| {
        let position = Position::new(incarnation, sequence);
        (ReplicaId(lane), CutEntry { position, digest })
    };
    Cut::new(vec![entry(1, 5, 6, 0xd6), entry(3, 7, 1, 0xd7)]).expect("sorted")
}

fn cut_value(stable: bool) -> Value {
    Value {
        log_time: LogTime(0x44),
        order: Order::Cut { cut: cut(), stable },
    }
}

fn tick_value() -> Value {
    Value {
        log_time: LogTime(0x45),
        order: Order::Tick,
    }
}

fn values() -> Vec<Value> {
    vec![cut_value(false), tick_value()]
}
