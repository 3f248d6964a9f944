//! Chunks: requests as the client encodes them, and as they stay.
//!
//! A chunk's bytes are exactly what goes into a batch's payload: chunk after chunk. Nothing between
//! the client and the state machine encodes a request again.
//!
//! ```
//! use spaxos_wire::WireLimits;
//! use spaxos_wire::chunk::{self, ChunkBuilder, ChunkView};
//!
//! let mut builder = ChunkBuilder::plain();
//! builder.push(b"one");
//! builder.push(b"two");
//! let payload = builder.finish();
//! assert_eq!(chunk::validate(&payload, &WireLimits::default())?, 2);
//! for chunk in chunk::iter(&payload) {
//!     let ChunkView::Plain { requests } = chunk? else { continue };
//!     assert!(requests.eq([b"one", b"two"]));
//! }
//! # Ok::<(), spaxos_wire::DecodeError>(())
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use crate::cursor::NUMBER_END;
use crate::error::DecodeError;
use crate::limits::WireLimits;

const PLAIN: u8 = 0;
const SESSION: u8 = 1;
const OPEN: u8 = 2;
const RENEW: u8 = 3;
const CLOSE: u8 = 4;

/// What a plain chunk has beside its requests, in bytes.
pub const PLAIN_HEAD_BYTES: usize = 5;
/// What a session's chunk has beside its requests, in bytes.
pub const SESSION_HEAD_BYTES: usize = 29;
/// What each request has beside its own bytes.
pub const REQUEST_HEAD_BYTES: usize = 4;

/// Collects requests into one chunk.
#[derive(Debug)]
pub struct ChunkBuilder {
    bytes: BytesMut,
    /// Where the number of requests stands.
    count_at: usize,
    requests: u32,
}

impl ChunkBuilder {
    /// A chunk of requests without a session: a retry may execute them again.
    #[must_use]
    pub fn plain() -> ChunkBuilder {
        let mut bytes = BytesMut::new();
        bytes.put_u8(PLAIN);
        ChunkBuilder::counted(bytes)
    }

    /// A chunk of requests of `session`. They get the sequences from `first_sequence` on; the client
    /// has the answers of everything below `floor`.
    #[must_use]
    pub fn session(session: u64, floor: u64, first_sequence: u64) -> ChunkBuilder {
        let mut bytes = BytesMut::new();
        bytes.put_u8(SESSION);
        bytes.put_u64_le(session);
        bytes.put_u64_le(floor);
        bytes.put_u64_le(first_sequence);
        ChunkBuilder::counted(bytes)
    }

    fn counted(mut bytes: BytesMut) -> ChunkBuilder {
        let count_at = bytes.len();
        bytes.put_u32_le(0);
        ChunkBuilder {
            bytes,
            count_at,
            requests: 0,
        }
    }

    /// Adds a request. Whoever adds keeps [`ChunkBuilder::bytes`] below the cluster's limit.
    pub fn push(&mut self, request: &[u8]) {
        crate::cursor::put_count(&mut self.bytes, request.len());
        self.bytes.put_slice(request);
        self.requests += 1;
    }

    /// How many requests there are.
    #[must_use]
    pub const fn requests(&self) -> u32 {
        self.requests
    }

    /// The chunk's size so far, in bytes; each request adds its own and [`REQUEST_HEAD_BYTES`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The chunk.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        let count = self.requests.to_le_bytes();
        self.bytes[self.count_at..self.count_at + 4].copy_from_slice(&count);
        self.bytes.freeze()
    }
}

/// A chunk that opens a session. It counts as one request; the answer is the session's id, eight
/// bytes, little-endian.
#[must_use]
pub fn open() -> Bytes {
    Bytes::from_static(&[OPEN])
}

/// A chunk that keeps `session` from expiring. It counts as one request; the answer is empty.
#[must_use]
pub fn renew(session: u64) -> Bytes {
    kind_and_session(RENEW, session)
}

/// A chunk that closes `session`. It counts as one request; the answer is empty.
#[must_use]
pub fn close(session: u64) -> Bytes {
    kind_and_session(CLOSE, session)
}

fn kind_and_session(kind: u8, session: u64) -> Bytes {
    let mut bytes = BytesMut::with_capacity(9);
    bytes.put_u8(kind);
    bytes.put_u64_le(session);
    bytes.freeze()
}

/// One chunk of a payload, checked to its end.
#[derive(Clone, Debug)]
pub enum ChunkView<'a> {
    /// Requests without a session.
    Plain {
        /// The requests.
        requests: Requests<'a>,
    },
    /// Requests of a session.
    Session {
        /// The session.
        session: u64,
        /// The client has the answers of all sequences below.
        floor: u64,
        /// The sequence of the first request; each further one has the next.
        first_sequence: u64,
        /// The requests.
        requests: Requests<'a>,
    },
    /// Open a session.
    Open,
    /// Keep a session open.
    Renew {
        /// The session.
        session: u64,
    },
    /// Close a session.
    Close {
        /// The session.
        session: u64,
    },
}

impl ChunkView<'_> {
    /// How many answers the chunk gets.
    #[must_use]
    pub fn requests(&self) -> u32 {
        match self {
            ChunkView::Plain { requests } | ChunkView::Session { requests, .. } => requests.left,
            ChunkView::Open | ChunkView::Renew { .. } | ChunkView::Close { .. } => 1,
        }
    }
}

/// The requests of one chunk, in order.
#[derive(Clone, Debug)]
pub struct Requests<'a> {
    /// What is left, known to hold `left` requests and nothing else.
    bytes: &'a [u8],
    left: u32,
}

impl<'a> Iterator for Requests<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let checked = "the chunk was checked to its end when it was found";
        Some(take_request(&mut self.bytes).expect(checked))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Requests<'_> {}

/// The chunks of a payload.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    rest: &'a [u8],
}

/// The chunks of a batch's payload, in order. What cannot be read is one error, after which nothing
/// follows: the same for the same bytes, wherever they are read.
#[must_use]
pub const fn iter(payload: &[u8]) -> Chunks<'_> {
    Chunks { rest: payload }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<ChunkView<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let found = take_chunk(&mut self.rest);
        if found.is_err() {
            self.rest = &[];
        }
        Some(found)
    }
}

/// Checks what a client submits, before it enters a lane: one chunk or more, nothing behind them, all
/// within the limits. Returns the number of requests, which is the number of answers.
///
/// # Errors
/// See [`DecodeError`].
pub fn validate(payload: &[u8], limits: &WireLimits) -> Result<u32, DecodeError> {
    check_count("bytes of a chunk", payload.len(), limits.chunk_bytes_max)?;
    let mut requests: u32 = 0;
    for chunk in iter(payload) {
        // At least one byte each, and the bytes are limited: the sum cannot overflow.
        requests = requests.saturating_add(chunk?.requests());
    }
    check_count("requests", requests as usize, limits.requests_max as usize)?;
    Ok(requests)
}

/// Between one and `count_max`.
fn check_count(what: &'static str, count: usize, count_max: usize) -> Result<(), DecodeError> {
    if count > 0 && count <= count_max {
        return Ok(());
    }
    Err(DecodeError::Count {
        what,
        count: count as u64,
        count_max: count_max as u64,
    })
}

fn take_chunk<'a>(rest: &mut &'a [u8]) -> Result<ChunkView<'a>, DecodeError> {
    let [kind] = take(rest)?;
    Ok(match kind {
        PLAIN => ChunkView::Plain {
            requests: take_requests(rest)?,
        },
        SESSION => take_session(rest)?,
        OPEN => ChunkView::Open,
        RENEW => ChunkView::Renew {
            session: take_number(rest, "session")?,
        },
        CLOSE => ChunkView::Close {
            session: take_number(rest, "session")?,
        },
        kind => {
            let what = "chunk";
            return Err(DecodeError::UnknownKind { what, kind });
        }
    })
}

fn take_session<'a>(rest: &mut &'a [u8]) -> Result<ChunkView<'a>, DecodeError> {
    let session = take_number(rest, "session")?;
    let floor = take_number(rest, "floor")?;
    let first_sequence = take_number(rest, "request sequence")?;
    let requests = take_requests(rest)?;
    let end_fits = first_sequence < NUMBER_END - u64::from(requests.left);
    if first_sequence == 0 || !end_fits {
        return Err(DecodeError::OutOfRange {
            what: "request sequence",
            value: first_sequence,
        });
    }
    Ok(ChunkView::Session {
        session,
        floor,
        first_sequence,
        requests,
    })
}

fn take_requests<'a>(rest: &mut &'a [u8]) -> Result<Requests<'a>, DecodeError> {
    let left = u32::from_le_bytes(take(rest)?);
    check_count("requests of a chunk", left as usize, u32::MAX as usize)?;
    let start = *rest;
    // A count that the bytes do not bear out ends here: each request takes four bytes at least.
    for _ in 0..left {
        take_request(rest)?;
    }
    let bytes = &start[..start.len() - rest.len()];
    Ok(Requests { bytes, left })
}

fn take_request<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let len = u32::from_le_bytes(take(rest)?) as usize;
    let (request, behind) = rest.split_at_checked(len).ok_or(TRUNCATED)?;
    *rest = behind;
    Ok(request)
}

fn take_number(rest: &mut &[u8], what: &'static str) -> Result<u64, DecodeError> {
    let value = u64::from_le_bytes(take(rest)?);
    if value >= NUMBER_END {
        return Err(DecodeError::OutOfRange { what, value });
    }
    Ok(value)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let (found, behind) = rest.split_first_chunk::<N>().ok_or(TRUNCATED)?;
    *rest = behind;
    Ok(*found)
}

const TRUNCATED: DecodeError = DecodeError::Truncated { what: "a chunk" };

#[cfg(test)]
mod tests {
    use super::*;

    fn session_chunk(first_sequence: u64) -> Bytes {
        let mut builder = ChunkBuilder::session(9, 1, first_sequence);
        builder.push(b"a");
        builder.push(b"");
        assert_eq!(
            builder.bytes(),
            SESSION_HEAD_BYTES + 2 * REQUEST_HEAD_BYTES + 1
        );
        builder.finish()
    }

    #[test]
    fn a_payload_is_chunk_after_chunk() {
        let payload = [&open()[..], &session_chunk(4), &renew(9), &close(9)].concat();
        assert_eq!(validate(&payload, &WireLimits::default()), Ok(5));
        let shown: Vec<String> = iter(&payload)
            .map(|chunk| match chunk.expect("valid") {
                ChunkView::Plain { .. } => "plain".to_owned(),
                ChunkView::Session {
                    session,
                    floor,
                    first_sequence,
                    requests,
                } => {
                    let requests: Vec<&[u8]> = requests.collect();
                    format!("{session}: {requests:?} from {first_sequence}, floor {floor}")
                }
                ChunkView::Open => "open".to_owned(),
                ChunkView::Renew { session } => format!("renew {session}"),
                ChunkView::Close { session } => format!("close {session}"),
            })
            .collect();
        let expected = [
            "open",
            "9: [[97], []] from 4, floor 1",
            "renew 9",
            "close 9",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_error_ends_the_payload() {
        let payload = [&open()[..], &[77], &open()].concat();
        let mut chunks = iter(&payload);
        assert!(matches!(chunks.next(), Some(Ok(ChunkView::Open))));
        assert!(matches!(chunks.next(), Some(Err(_))));
        assert!(chunks.next().is_none());
        assert!(validate(&payload, &WireLimits::default()).is_err());
    }

    #[test]
    fn nothing_empty_and_nothing_too_large_enters_a_lane() {
        let limits = WireLimits {
            chunk_bytes_max: 64,
            requests_max: 2,
            ..WireLimits::default()
        };
        assert!(validate(b"", &limits).is_err());
        assert!(validate(&ChunkBuilder::plain().finish(), &limits).is_err());
        let mut builder = ChunkBuilder::plain();
        builder.push(&[0; 64 - PLAIN_HEAD_BYTES - REQUEST_HEAD_BYTES]);
        assert_eq!(validate(&builder.finish(), &limits), Ok(1));
        let mut builder = ChunkBuilder::plain();
        builder.push(&[0; 65 - PLAIN_HEAD_BYTES - REQUEST_HEAD_BYTES]);
        assert!(validate(&builder.finish(), &limits).is_err());
        let three = [&open()[..], &open(), &open()].concat();
        assert!(validate(&three, &limits).is_err());
    }

    #[test]
    fn sequences_begin_at_one_and_end_before_the_end() {
        let limits = WireLimits::default();
        assert!(validate(&session_chunk(0), &limits).is_err());
        assert_eq!(validate(&session_chunk(NUMBER_END - 3), &limits), Ok(2));
        assert!(validate(&session_chunk(NUMBER_END - 2), &limits).is_err());
        assert!(validate(&session_chunk(u64::MAX), &limits).is_err());
        assert!(validate(&renew(NUMBER_END), &limits).is_err());
    }

    #[test]
    fn a_false_count_is_refused() {
        let mut payload = session_chunk(1).to_vec();
        payload[25..29].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = validate(&payload, &WireLimits::default());
        assert_eq!(error, Err(TRUNCATED));
    }
}
