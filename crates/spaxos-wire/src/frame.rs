//! Frames: what travels on a connection. Each has its length, a checksum, a kind and a version.
//!
//! ```text
//! length u32 | crc32c u32 | kind u8 | version u8 | body
//! ```
//!
//! `length` counts what the checksum covers: kind, version and body. These ten bytes never change
//! their meaning, so that any two versions can at least refuse each other politely.

use bytes::{BufMut, Bytes, BytesMut};
use crc32c::{crc32c, crc32c_append};
use spaxos_core::message::Message;

use crate::client::{self, Request, Response};
use crate::error::DecodeError;
use crate::hello::{self, Hello, HelloReply};
use crate::message;

/// The version of all formats inside frames, in each frame's header.
pub const FRAME_VERSION: u8 = 1;
/// Length, checksum, kind, version.
pub const HEADER_BYTES: usize = 10;

/// Length and checksum, which the checksum does not cover.
const PREFIX_BYTES: usize = 8;
/// Kind and version: the length of a frame with an empty body.
const LENGTH_MIN: usize = 2;
/// How much room a reader asks for at a time while it cannot know better.
const READ_BYTES: usize = 64 << 10;
/// With less room than this, a read would bring too little to be worth its system call.
const READ_BYTES_MIN: usize = 4 << 10;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// The first frame of whoever opened the connection: a [`Hello`].
    Hello = 1,
    /// The answer to a hello: a [`HelloReply`].
    HelloReply = 2,
    /// A [`Message`] between members.
    Message = 3,
    /// A client's [`Request::Submit`].
    Submit = 16,
    /// A client's [`Request::Read`].
    Read = 17,
    /// A client's [`Request::Status`].
    Status = 18,
    /// A [`Response::Replies`] to a client.
    Replies = 32,
    /// A [`Response::Status`] to a client.
    StatusReply = 33,
    /// A [`Response::Error`] to a client.
    Error = 34,
}

impl FrameKind {
    /// All kinds, in the order of their codes.
    pub const ALL: [FrameKind; 9] = [
        FrameKind::Hello,
        FrameKind::HelloReply,
        FrameKind::Message,
        FrameKind::Submit,
        FrameKind::Read,
        FrameKind::Status,
        FrameKind::Replies,
        FrameKind::StatusReply,
        FrameKind::Error,
    ];

    /// The byte in the frame's header.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// A short name, for counters and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FrameKind::Hello => "Hello",
            FrameKind::HelloReply => "HelloReply",
            FrameKind::Message => "Message",
            FrameKind::Submit => "Submit",
            FrameKind::Read => "Read",
            FrameKind::Status => "Status",
            FrameKind::Replies => "Replies",
            FrameKind::StatusReply => "StatusReply",
            FrameKind::Error => "Error",
        }
    }

    fn from_code(code: u8) -> Result<FrameKind, DecodeError> {
        let found = FrameKind::ALL.into_iter().find(|kind| kind.code() == code);
        found.ok_or(DecodeError::UnknownKind {
            what: "frame",
            kind: code,
        })
    }
}

/// A frame ready to be written, to any number of connections: cloning shares its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The frame's header and the fixed part of its body.
    head: Bytes,
    /// What follows, as the batches and chunks share it.
    payloads: Vec<Bytes>,
}

impl Frame {
    /// A message between members. Build it once for all receivers.
    ///
    /// `scratch` must be empty; its capacity is used up frame by frame and renewed in pieces of the
    /// size that it was created with, so that small frames cost no allocation each.
    #[must_use]
    pub fn message(message: &Message, scratch: &mut BytesMut) -> Frame {
        Frame::build(FrameKind::Message, scratch, |head, payloads| {
            message::encode(message, head, payloads);
        })
    }

    /// A greeting.
    #[must_use]
    pub fn hello(hello: &Hello) -> Frame {
        Frame::build(FrameKind::Hello, &mut BytesMut::new(), |head, _| {
            hello::encode(hello, head);
        })
    }

    /// The answer to a greeting.
    #[must_use]
    pub fn hello_reply(reply: &HelloReply) -> Frame {
        Frame::build(FrameKind::HelloReply, &mut BytesMut::new(), |head, _| {
            hello::encode_reply(reply, head);
        })
    }

    /// A client's request; `scratch` as for [`Frame::message`].
    #[must_use]
    pub fn request(request: &Request, scratch: &mut BytesMut) -> Frame {
        Frame::build(request.kind(), scratch, |head, payloads| {
            payloads.extend(client::encode_request(request, head));
        })
    }

    /// An answer to a client; `scratch` as for [`Frame::message`].
    #[must_use]
    pub fn response(response: &Response, scratch: &mut BytesMut) -> Frame {
        Frame::build(response.kind(), scratch, |head, payloads| {
            payloads.extend(client::encode_response(response, head));
        })
    }

    fn build(
        kind: FrameKind,
        scratch: &mut BytesMut,
        put: impl FnOnce(&mut BytesMut, &mut Vec<Bytes>),
    ) -> Frame {
        assert!(scratch.is_empty(), "a frame starts in an empty buffer");
        scratch.put_bytes(0, PREFIX_BYTES);
        scratch.put_u8(kind.code());
        scratch.put_u8(FRAME_VERSION);
        let mut payloads = Vec::new();
        put(scratch, &mut payloads);

        let mut length = scratch.len() - PREFIX_BYTES;
        let mut checksum = crc32c(&scratch[PREFIX_BYTES..]);
        for payload in &payloads {
            length += payload.len();
            checksum = crc32c_append(checksum, payload);
        }
        let length = u32::try_from(length).expect("frames are limited to less than 2^32 bytes");
        scratch[..4].copy_from_slice(&length.to_le_bytes());
        scratch[4..PREFIX_BYTES].copy_from_slice(&checksum.to_le_bytes());
        Frame {
            head: scratch.split().freeze(),
            payloads,
        }
    }

    /// The frame's length on the wire in bytes, its header included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.segments().map(Bytes::len).sum()
    }

    /// Whether a reader with this limit takes the frame, in bytes as in [`FrameReader::new`].
    #[must_use]
    pub fn fits(&self, bytes_max: usize) -> bool {
        self.bytes() - PREFIX_BYTES <= bytes_max
    }

    /// What is to be written, piece by piece, in order.
    pub fn segments(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.head).chain(&self.payloads)
    }
}

/// A frame that has arrived whole, with the right checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What it is.
    pub kind: FrameKind,
    /// Its body, shared with the buffer that it arrived in.
    pub body: Bytes,
}

/// Takes frames out of the bytes of one connection.
///
/// ```
/// use bytes::BytesMut;
/// use spaxos_wire::frame::{Frame, FrameReader};
/// use spaxos_wire::hello::{ClientHello, HELLO_BYTES_MAX, Hello};
///
/// let frame = Frame::hello(&Hello::Client(ClientHello { cluster_id: 7 }));
/// let reader = FrameReader::new(HELLO_BYTES_MAX);
/// let mut buffer = BytesMut::new();
/// for segment in frame.segments() {
///     assert_eq!(reader.read(&mut buffer)?, None);
///     buffer.extend_from_slice(segment);
/// }
/// assert!(reader.read(&mut buffer)?.is_some());
/// # Ok::<(), spaxos_wire::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FrameReader {
    bytes_max: usize,
}

impl FrameReader {
    /// A reader that refuses frames whose kind, version and body have more than `bytes_max` bytes.
    /// Before the greeting that is [`crate::hello::HELLO_BYTES_MAX`].
    #[must_use]
    pub const fn new(bytes_max: usize) -> FrameReader {
        FrameReader { bytes_max }
    }

    /// The next frame, removed from the front of `buffer`; `None` if it is not yet whole.
    ///
    /// # Errors
    /// A length out of bounds, as soon as its four bytes are there; a wrong checksum, an unknown
    /// kind or version. After an error nothing more can be read: close the connection.
    pub fn read(&self, buffer: &mut BytesMut) -> Result<Option<Received>, DecodeError> {
        let Some(length) = self.length(buffer)? else {
            return Ok(None);
        };
        if buffer.len() < PREFIX_BYTES + length {
            return Ok(None);
        }
        let frame = buffer.split_to(PREFIX_BYTES + length).freeze();
        if crc32c(&frame[PREFIX_BYTES..]) != read_u32(&frame[4..PREFIX_BYTES]) {
            return Err(DecodeError::Checksum);
        }
        let version = frame[PREFIX_BYTES + 1];
        if version != FRAME_VERSION {
            return Err(DecodeError::UnsupportedVersion {
                what: "frame",
                version: u16::from(version),
            });
        }
        let kind = FrameKind::from_code(frame[PREFIX_BYTES])?;
        let body = frame.slice(HEADER_BYTES..);
        Ok(Some(Received { kind, body }))
    }

    /// Makes room in `buffer` for the next read from the connection. A frame that only claims to be
    /// long gets no room: at most as much as has already arrived of it, or one small piece.
    pub fn reserve(&self, buffer: &mut BytesMut) {
        let missing = match self.length(buffer) {
            Ok(Some(length)) => (PREFIX_BYTES + length).saturating_sub(buffer.len()),
            Ok(None) | Err(_) => 0,
        };
        let room = buffer.capacity() - buffer.len();
        let wanted = missing.min(buffer.len()).max(READ_BYTES);
        if room < missing.min(wanted).max(READ_BYTES_MIN) {
            buffer.reserve(wanted);
        }
    }

    /// The length that the frame at the front of `buffer` claims, if it may.
    fn length(&self, buffer: &[u8]) -> Result<Option<usize>, DecodeError> {
        if buffer.len() < 4 {
            return Ok(None);
        }
        let bytes = read_u32(&buffer[..4]) as usize;
        if bytes < LENGTH_MIN || bytes > self.bytes_max {
            return Err(DecodeError::FrameLength {
                bytes,
                bytes_min: LENGTH_MIN,
                bytes_max: self.bytes_max,
            });
        }
        Ok(Some(bytes))
    }
}

fn read_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("four bytes were sliced out"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hello::{ClientHello, HELLO_BYTES_MAX};

    #[test]
    fn a_claimed_length_gets_no_memory() {
        let reader = FrameReader::new(1 << 30);
        let mut buffer = BytesMut::new();
        buffer.put_u32_le(1 << 30);
        buffer.put_u32_le(0);
        reader.reserve(&mut buffer);
        assert!(buffer.capacity() <= 2 * READ_BYTES);
        buffer.put_bytes(0, 300_000);
        reader.reserve(&mut buffer);
        assert!(buffer.capacity() <= 4 * 300_000);
    }

    #[test]
    fn room_for_a_long_frame_grows_with_what_has_arrived() {
        let reader = FrameReader::new(1 << 20);
        let mut buffer = BytesMut::new();
        buffer.put_u32_le(1 << 20);
        let mut rounds = 0;
        while buffer.len() < PREFIX_BYTES + (1 << 20) {
            reader.reserve(&mut buffer);
            let room = buffer.capacity() - buffer.len();
            assert!(room > 0, "a reserve always makes room");
            buffer.put_bytes(0, room);
            rounds += 1;
        }
        assert!(rounds < 10, "{rounds} rounds for a megabyte");
        assert_eq!(reader.read(&mut buffer), Err(DecodeError::Checksum));
    }

    #[test]
    fn lengths_out_of_bounds_are_refused_at_once() {
        let reader = FrameReader::new(HELLO_BYTES_MAX);
        for bytes in [0, 1, HELLO_BYTES_MAX + 1, u32::MAX as usize] {
            let mut buffer = BytesMut::new();
            put_u32(&mut buffer, bytes);
            let error = DecodeError::FrameLength {
                bytes,
                bytes_min: LENGTH_MIN,
                bytes_max: HELLO_BYTES_MAX,
            };
            assert_eq!(reader.read(&mut buffer), Err(error));
        }
        let mut stray = BytesMut::from(&b"GET / HTTP/1.1\r\n"[..]);
        assert!(reader.read(&mut stray).is_err());
    }

    #[test]
    fn unknown_kinds_and_versions_have_errors_of_their_own() {
        let reader = FrameReader::new(HELLO_BYTES_MAX);
        assert_eq!(
            reader.read(&mut sealed(99, FRAME_VERSION)),
            Err(DecodeError::UnknownKind {
                what: "frame",
                kind: 99
            })
        );
        assert_eq!(
            reader.read(&mut sealed(FrameKind::Hello.code(), 2)),
            Err(DecodeError::UnsupportedVersion {
                what: "frame",
                version: 2
            })
        );
    }

    #[test]
    fn several_frames_come_out_one_by_one() {
        let hello = |cluster_id| Frame::hello(&Hello::Client(ClientHello { cluster_id }));
        let mut buffer = BytesMut::new();
        for frame in [hello(1), hello(2)] {
            assert!(frame.fits(HELLO_BYTES_MAX));
            frame.segments().for_each(|part| buffer.put_slice(part));
        }
        let reader = FrameReader::new(HELLO_BYTES_MAX);
        for cluster_id in [1, 2] {
            let found = reader.read(&mut buffer).expect("intact").expect("whole");
            let expected = Hello::Client(ClientHello { cluster_id });
            assert_eq!(hello::decode(found.body), Ok(expected));
        }
        assert_eq!(reader.read(&mut buffer), Ok(None));
    }

    fn sealed(kind: u8, version: u8) -> BytesMut {
        let mut buffer = BytesMut::new();
        put_u32(&mut buffer, LENGTH_MIN);
        buffer.put_u32_le(crc32c(&[kind, version]));
        buffer.put_slice(&[kind, version]);
        buffer
    }

    fn put_u32(buffer: &mut BytesMut, value: usize) {
        buffer.put_u32_le(u32::try_from(value).expect("fits"));
    }
}
