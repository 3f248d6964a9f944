//! A connection's bytes, in pieces of any size: the frames in them, and what those hold.

use bytes::{Bytes, BytesMut};
use spaxos_wire::frame::{Frame, FrameKind, FrameReader, HEADER_BYTES, Received};
use spaxos_wire::hello::{self, HELLO_BYTES_MAX};
use spaxos_wire::{DecodeError, WireLimits, message};

use crate::draw::Draw;
use crate::wire;

/// Length and checksum.
const PREFIX_BYTES: usize = 8;
/// A reader never has more room than this and a few times what has arrived.
const ROOM_BYTES: usize = 256 << 10;

/// Two bytes choose the limit, the size of the pieces and whether checksums are put right first; the
/// rest is what arrives.
pub fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let choice = draw.byte();
    let bytes_max = [HELLO_BYTES_MAX, 4096, 1 << 30][usize::from(choice >> 1) % 3];
    let piece = usize::from(draw.byte()) + 1;
    let mut arrived = draw.rest().to_vec();
    if choice & 1 == 1 {
        put_checksums_right(&mut arrived);
    }
    let reader = FrameReader::new(bytes_max);
    let at_once = received(reader, &arrived, usize::MAX);
    let in_pieces = received(reader, &arrived, piece);
    assert_eq!(at_once, in_pieces, "pieces of {piece} bytes matter");
    let mut at = 0;
    for frame in at_once.0 {
        let end = at + HEADER_BYTES + frame.body.len();
        assert!(end - at - PREFIX_BYTES <= bytes_max, "a frame is too long");
        read(frame, &arrived[at..end]);
        at = end;
    }
}

/// So that what lies behind the checksum is reached.
fn put_checksums_right(arrived: &mut [u8]) {
    let mut rest = arrived;
    while rest.len() >= HEADER_BYTES {
        let length = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        let Some(end) = length.checked_add(PREFIX_BYTES) else {
            return;
        };
        if end > rest.len() {
            return;
        }
        let (frame, behind) = rest.split_at_mut(end);
        let checksum = crc32c::crc32c(&frame[PREFIX_BYTES..]);
        frame[4..PREFIX_BYTES].copy_from_slice(&checksum.to_le_bytes());
        rest = behind;
    }
}

/// The frames of a connection, and why there are no more.
fn received(
    reader: FrameReader,
    arrived: &[u8],
    piece: usize,
) -> (Vec<Received>, Option<DecodeError>) {
    let mut frames = Vec::new();
    let mut buffer = BytesMut::new();
    for part in arrived.chunks(piece.min(arrived.len()).max(1)) {
        reader.reserve(&mut buffer);
        buffer.extend_from_slice(part);
        let room = buffer.capacity();
        assert!(
            room <= ROOM_BYTES + 4 * arrived.len(),
            "room for {room} bytes, of which {} are there",
            arrived.len()
        );
        loop {
            match reader.read(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

/// Reads what a frame holds; `bytes` is the frame as it arrived.
fn read(frame: Received, bytes: &[u8]) {
    let limits = WireLimits::default();
    let body = frame.body.clone();
    let written = match frame.kind {
        FrameKind::Hello => hello::decode(body).ok().map(|hello| Frame::hello(&hello)),
        FrameKind::HelloReply => hello::decode_reply(body)
            .ok()
            .map(|reply| Frame::hello_reply(&reply)),
        FrameKind::Message => message::decode(body, &limits)
            .ok()
            .map(|message| Frame::message(&message, &mut BytesMut::new())),
        _ => {
            wire::read_as_client_or_replica(frame, &limits);
            None
        }
    };
    if let Some(written) = written {
        let segments: Vec<Bytes> = written.segments().cloned().collect();
        assert_eq!(segments.concat(), bytes);
    }
}
