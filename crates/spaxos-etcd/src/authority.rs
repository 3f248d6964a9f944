//! Mends what some of etcd's clients call this endpoint, before HTTP/2 is spoken with them.
//!
//! A client that was given `http://host:2379` may send exactly that as `:authority`, as `etcdctl`
//! of etcd 3.4 does. It is no authority (RFC 9113, section 8.3.1), and h2 resets the request; etcd
//! does not mind. So the first request's headers are looked at: if the authority has a scheme, it
//! is cut off, there and in all later requests of that connection. Otherwise, and whenever anything
//! is unusual, the bytes pass as they are and no more of them are looked at.
//!
//! Nothing depends on the client's compression state. The client keeps the header that it sent in
//! its table and refers to it later; h2 keeps the mended one at the same place. Places count from
//! the newest entry, and the mended entry is the smaller one, so that h2 forgets nothing that the
//! client still refers to. Once the client has forgotten it, it sends it anew: hence the later
//! requests.

mod block;

use bytes::{Buf, BytesMut};
use tokio::io::ReadBuf;

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEADER_BYTES: usize = 9;
/// The longest frame that a client may send, in bytes: the protocol's default, which is ours.
const FRAME_BYTES_MAX: usize = 16 << 10;

const HEADERS: u8 = 1;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// A stream to depend on, and a weight.
const PRIORITY_BYTES: usize = 5;

/// Looks at what a client sends, and mends it where needed. Holds at most one frame's header, or
/// one frame of headers, that has not arrived as a whole.
#[derive(Debug)]
pub(crate) struct Mender {
    stage: Stage,
    /// Arrived and not yet passed on, since the rest must be seen first.
    held: BytesMut,
    /// To be passed on.
    ready: BytesMut,
    /// Whether an authority had a scheme: the client sends it again.
    mended: bool,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The preface, of which so many bytes were there.
    Preface(usize),
    FrameHeader,
    /// A frame of headers with so many bytes, its own header included.
    Headers(usize),
    /// Any other frame, of which so many bytes are missing.
    Other(usize),
    /// Nothing is looked at any more.
    Done,
}

impl Mender {
    pub(crate) fn new() -> Mender {
        Mender {
            stage: Stage::Preface(0),
            held: BytesMut::new(),
            ready: BytesMut::new(),
            mended: false,
        }
    }

    /// Takes what arrived; nothing stands for the end.
    pub(crate) fn take(&mut self, mut arrived: &[u8]) {
        if arrived.is_empty() {
            self.finish();
        }
        while !arrived.is_empty() {
            arrived = self.step(arrived);
        }
    }

    /// Whether there is something to pass on.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether whatever arrives from here on would be passed on as it is.
    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done && self.ready.is_empty()
    }

    /// Passes on as much as there is room for.
    pub(crate) fn give(&mut self, into: &mut ReadBuf<'_>) {
        let bytes = self.ready.len().min(into.remaining());
        into.put_slice(&self.ready[..bytes]);
        self.ready.advance(bytes);
    }

    /// Takes some of `arrived`, which is not empty, and returns the rest.
    fn step<'a>(&mut self, arrived: &'a [u8]) -> &'a [u8] {
        match self.stage {
            Stage::Preface(there) => self.preface(there, arrived),
            Stage::FrameHeader => {
                let rest = self.hold(FRAME_HEADER_BYTES, arrived);
                self.frame_header();
                rest
            }
            Stage::Headers(bytes) => {
                let rest = self.hold(bytes, arrived);
                if self.held.len() == bytes {
                    self.headers();
                }
                rest
            }
            Stage::Other(missing) => {
                let (frame, rest) = arrived.split_at(missing.min(arrived.len()));
                self.ready.extend_from_slice(frame);
                self.stage = other(missing - frame.len());
                rest
            }
            Stage::Done => {
                self.ready.extend_from_slice(arrived);
                &[]
            }
        }
    }

    fn preface<'a>(&mut self, there: usize, arrived: &'a [u8]) -> &'a [u8] {
        let expected = &PREFACE[there..];
        let (said, rest) = arrived.split_at(expected.len().min(arrived.len()));
        self.ready.extend_from_slice(said);
        self.stage = if !expected.starts_with(said) {
            Stage::Done
        } else if said.len() == expected.len() {
            Stage::FrameHeader
        } else {
            Stage::Preface(there + said.len())
        };
        rest
    }

    /// Holds back what is missing to `bytes`, and returns the rest.
    fn hold<'a>(&mut self, bytes: usize, arrived: &'a [u8]) -> &'a [u8] {
        let missing = bytes - self.held.len();
        let (taken, rest) = arrived.split_at(missing.min(arrived.len()));
        self.held.extend_from_slice(taken);
        rest
    }

    /// Decides what to do with a frame, once its header is there.
    fn frame_header(&mut self) {
        let Some(&[a, b, c, kind, ..]) = self.held.first_chunk::<FRAME_HEADER_BYTES>() else {
            return;
        };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if length > FRAME_BYTES_MAX {
            self.finish();
        } else if kind == HEADERS && length > 0 {
            self.stage = Stage::Headers(FRAME_HEADER_BYTES + length);
        } else {
            self.release();
            self.stage = other(length);
        }
    }

    /// Passes on a whole frame of headers.
    fn headers(&mut self) {
        if let Some(frame) = mend(&self.held) {
            self.held.clear();
            self.ready.extend_from_slice(&frame);
            self.mended = true;
        }
        self.release();
        // Who says it right once does so always.
        self.stage = if self.mended {
            Stage::FrameHeader
        } else {
            Stage::Done
        };
    }

    fn release(&mut self) {
        self.ready.extend_from_slice(&self.held);
        self.held.clear();
    }

    fn finish(&mut self) {
        self.release();
        self.stage = Stage::Done;
    }
}

/// What comes while `missing` bytes of a frame other than headers are missing.
fn other(missing: usize) -> Stage {
    if missing == 0 {
        Stage::FrameHeader
    } else {
        Stage::Other(missing)
    }
}

/// A frame of headers with its authority mended, or `None` to leave it as it is. Padding, which no
/// known client uses, is left alone.
fn mend(frame: &[u8]) -> Option<Vec<u8>> {
    let (header, payload) = frame.split_first_chunk::<FRAME_HEADER_BYTES>()?;
    let flags = header[4];
    if flags & PADDED != 0 {
        return None;
    }
    let priority = flags & PRIORITY != 0;
    let (priority, headers) =
        payload.split_at_checked(if priority { PRIORITY_BYTES } else { 0 })?;
    let headers = block::mend(headers)?;
    let length = priority.len() + headers.len();
    if length > FRAME_BYTES_MAX {
        return None;
    }
    let [_, a, b, c] = u32::try_from(length).ok()?.to_be_bytes();
    let mut mended = Vec::with_capacity(FRAME_HEADER_BYTES + length);
    mended.extend_from_slice(&[a, b, c]);
    mended.extend_from_slice(&header[3..]);
    mended.extend_from_slice(priority);
    mended.extend_from_slice(&headers);
    Some(mended)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    const DATA: &[u8] = b"\0\0\x05\0\x01\0\0\0\x01hello";

    /// `POST`, an authority, and a reference to the newest entry of the table.
    fn headers(flags: u8, before: &[u8], authority: &str) -> Vec<u8> {
        let mut payload = before.to_vec();
        payload.extend([0x83, 0x41, authority.len() as u8]);
        payload.extend(authority.as_bytes());
        payload.push(0xbe);
        let mut frame = vec![0, 0, payload.len() as u8, HEADERS, flags, 0, 0, 0, 1];
        frame.extend(payload);
        frame
    }

    /// What is passed on of `sent`, which arrives in pieces of `piece` bytes, and whether later
    /// bytes would still be looked at.
    fn pass(sent: &[u8], piece: usize) -> (Vec<u8>, bool) {
        let mut mender = Mender::new();
        let mut passed = Vec::new();
        for arrived in sent.chunks(piece) {
            mender.take(arrived);
            give_all(&mut mender, &mut passed);
        }
        let looks = !mender.is_done();
        mender.take(&[]);
        give_all(&mut mender, &mut passed);
        assert!(mender.is_done(), "nothing stays behind");
        (passed, looks)
    }

    fn give_all(mender: &mut Mender, passed: &mut Vec<u8>) {
        while mender.is_ready() {
            let mut room = [0; 7];
            let mut into = ReadBuf::new(&mut room);
            mender.give(&mut into);
            passed.extend_from_slice(into.filled());
        }
    }

    #[test]
    fn the_scheme_is_cut_off_in_every_request() {
        let frames = |authority: &str| {
            let plain = headers(4, b"", authority);
            let weighted = headers(4 | PRIORITY, &[0, 0, 0, 0, 15], authority);
            [PREFACE, SETTINGS, &plain, DATA, &weighted, DATA].concat()
        };
        let sent = frames("http://127.0.0.1:2379");
        for piece in [1, 2, 9, 24, sent.len()] {
            let expected = (frames("127.0.0.1:2379"), true);
            assert_eq!(pass(&sent, piece), expected, "in pieces of {piece}");
        }
        for end in 0..sent.len() {
            pass(&sent[..end], 5);
        }
    }

    #[test]
    fn what_needs_no_mending_passes_and_is_looked_at_no_more() {
        let bad = headers(4, b"", "http://a");
        let good = headers(4, b"", "a:1");
        let padded = headers(4 | PADDED, &[0], "http://a");
        let long = [0, 0x40, 1, HEADERS, 4, 0, 0, 0, 1];
        let cases: [&[&[u8]]; 6] = [
            &[PREFACE, SETTINGS, &good, &bad],
            &[PREFACE, SETTINGS, &padded, &bad],
            &[PREFACE, &long, &bad],
            &[b"GET / HTTP/1.1\r\n\r\n"],
            &[b"PUT / HTTP/1.1\r\n\r\n"],
            &[b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", &bad],
        ];
        for case in cases {
            let sent = case.concat();
            for piece in [1, 3, sent.len()] {
                assert_eq!(pass(&sent, piece), (sent.clone(), false), "{case:?}");
            }
        }
    }

    #[test]
    fn a_frame_that_never_ends_is_passed_on_at_the_end() {
        let bad = headers(4, b"", "http://a");
        let sent = [PREFACE, &bad[..bad.len() - 1]].concat();
        assert_eq!(pass(&sent, 4), (sent.clone(), true));
    }

    proptest! {
        #[test]
        fn how_bytes_arrive_makes_no_difference(
            frames in proptest::collection::vec(any::<u8>(), 0..200),
            piece in 1_usize..40,
        ) {
            let sent = [PREFACE, &headers(4, b"", "http://a"), &frames].concat();
            prop_assert_eq!(pass(&sent, piece), pass(&sent, sent.len()));
        }
    }
}
