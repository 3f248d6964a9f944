//! Bodies of frames and records: whatever can be read is written the same way again.

use bytes::{Bytes, BytesMut};
use spaxos_core::message::Message;
use spaxos_wire::chunk::{self, ChunkBuilder, ChunkView};
use spaxos_wire::client::{self, Request, Response};
use spaxos_wire::frame::{FrameKind, Received};
use spaxos_wire::{WireLimits, hello, message, record};

/// Limits that small inputs exceed.
const TIGHT: WireLimits = WireLimits {
    frame_bytes_max: 1000,
    client_frame_bytes_max: 1000,
    batch_bytes_max: 20,
    chunk_bytes_max: 20,
    requests_max: 2,
    lanes_max: 2,
    held_max: 3,
    slots_max: 2,
};

/// Messages between members.
pub fn messages(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let wide = message::decode(body.clone(), &WireLimits::default());
    if let Ok(message) = &wide {
        assert_eq!(written(message), data, "{message:?}");
    }
    if let Ok(message) = message::decode(body, &TIGHT) {
        let held = message.header.held.len();
        assert!(held <= TIGHT.held_max, "{held} acks pass for few");
        assert_eq!(Ok(message), wide, "a limit changes what bytes mean");
    }
}

/// A message's body in one piece.
pub(crate) fn written(message: &Message) -> BytesMut {
    let mut head = BytesMut::new();
    let mut payloads = Vec::new();
    message::encode(message, &mut head, &mut payloads);
    payloads
        .iter()
        .for_each(|part| head.extend_from_slice(part));
    head
}

/// Log records.
pub fn records(data: &[u8]) {
    let Ok(record) = record::decode(Bytes::copy_from_slice(data)) else {
        return;
    };
    let mut head = BytesMut::new();
    let payload = record::encode(&record, &mut head);
    head.extend_from_slice(&payload);
    assert_eq!(head, data, "{record:?}");
}

/// Greetings and their answers; the first byte says which.
pub fn hellos(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let mut head = BytesMut::new();
    let shared = Bytes::copy_from_slice(body);
    let read = match choice % 2 {
        0 => hello::decode(shared).map(|found| hello::encode(&found, &mut head)),
        _ => hello::decode_reply(shared).map(|found| hello::encode_reply(&found, &mut head)),
    };
    if read.is_ok() {
        assert_eq!(head, body);
    }
}

/// What clients and replicas say to each other; the first byte is the kind of the frame.
pub fn client(data: &[u8]) {
    const KINDS: [FrameKind; 6] = [
        FrameKind::Submit,
        FrameKind::Read,
        FrameKind::Status,
        FrameKind::Replies,
        FrameKind::StatusReply,
        FrameKind::Error,
    ];
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let kind = KINDS[usize::from(*choice) % KINDS.len()];
    for limits in [WireLimits::default(), TIGHT] {
        let body = Bytes::copy_from_slice(body);
        read_as_client_or_replica(Received { kind, body }, &limits);
    }
}

/// Reads a frame as either side of a client's connection would, and writes it again.
pub(crate) fn read_as_client_or_replica(frame: Received, limits: &WireLimits) {
    let body = frame.body.clone();
    let mut head = BytesMut::new();
    let payload = match frame.kind {
        FrameKind::Submit | FrameKind::Read | FrameKind::Status => {
            let Ok(request) = client::decode_request(frame, limits) else {
                return;
            };
            if let Request::Submit { payload, .. } = &request {
                chunks(payload);
            }
            client::encode_request(&request, &mut head)
        }
        _ => {
            let Ok(response) = client::decode_response(frame, limits) else {
                return;
            };
            if let Response::Replies(replies) = &response {
                let answers = replies.answers.iter();
                let count = answers.len();
                assert_eq!(answers.count(), count, "an answer is missing");
            }
            client::encode_response(&response, &mut head)
        }
    };
    head.extend_from_slice(&payload.unwrap_or_default());
    assert_eq!(head, body);
}

/// What clients submit: a run of chunks.
pub fn chunks(data: &[u8]) {
    let mut built = Vec::new();
    let mut requests = 0;
    let mut is_whole = !data.is_empty();
    for found in chunk::iter(data) {
        assert!(is_whole, "something follows an error");
        match found {
            Ok(view) => {
                requests += u64::from(view.requests());
                built.extend_from_slice(&rebuilt(view));
            }
            Err(_) => is_whole = false,
        }
    }
    assert!(
        data.starts_with(&built),
        "what was read is not what is there"
    );
    assert_eq!(
        is_whole && !data.is_empty(),
        built == data && !data.is_empty()
    );
    let valid = chunk::validate(data, &WireLimits::default());
    let few = requests <= u64::from(WireLimits::default().requests_max);
    assert_eq!(valid.is_ok(), is_whole && few, "{valid:?}");
    if let Ok(count) = valid {
        assert_eq!(u64::from(count), requests);
    }
    if let Ok(count) = chunk::validate(data, &TIGHT) {
        assert!(data.len() <= TIGHT.chunk_bytes_max && count <= TIGHT.requests_max);
    }
}

fn rebuilt(view: ChunkView<'_>) -> Bytes {
    let (mut builder, requests) = match view {
        ChunkView::Open => return chunk::open(),
        ChunkView::Renew { session } => return chunk::renew(session),
        ChunkView::Close { session } => return chunk::close(session),
        ChunkView::Plain { requests } => (ChunkBuilder::plain(), requests),
        ChunkView::Session {
            session,
            floor,
            first_sequence,
            requests,
        } => (
            ChunkBuilder::session(session, floor, first_sequence),
            requests,
        ),
    };
    requests.for_each(|request| builder.push(request));
    builder.finish()
}
