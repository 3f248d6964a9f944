//! The native client protocol: what a client asks, and what it is told.
//!
//! A client numbers its frames as it likes; every answer carries the number of what it answers, in
//! any order. A submission is a run of [chunks](crate::chunk); a read is a query to the state machine.

use bytes::{BufMut, Bytes, BytesMut};
use spaxos_core::status::Status;
use spaxos_core::types::Slot;

use crate::answer::Answers;
use crate::cursor::{Cursor, put_count};
use crate::error::DecodeError;
use crate::frame::{FrameKind, Received};
use crate::limits::WireLimits;
use crate::{status, value};

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Execute these requests. Answered by [`Response::Replies`] until all are answered, or by one
    /// [`Response::Error`] for all of them.
    Submit {
        /// Comes back with the answers.
        request_id: u64,
        /// Chunks; the server checks them with [`crate::chunk::validate`].
        payload: Bytes,
    },
    /// Ask the state machine. Answered by [`Response::Replies`] with one answer, or by an error.
    Read {
        /// Comes back with the answer.
        request_id: u64,
        /// Whether the answer must see everything that was answered before.
        linearizable: bool,
        /// What the state machine is asked.
        query: Bytes,
    },
    /// Ask the member how it is.
    Status {
        /// Comes back with the answer.
        request_id: u64,
    },
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Answers.
    Replies(Replies),
    /// How the member is.
    Status {
        /// What was asked.
        request_id: u64,
        /// The answer.
        status: Box<Status>,
    },
    /// No answer, and why.
    Error {
        /// What was asked; 0 if that could not be read.
        request_id: u64,
        /// Why there is no answer.
        kind: ErrorKind,
    },
}

/// Answers to consecutive requests of one submission, or to one read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replies {
    /// What was asked.
    pub request_id: u64,
    /// The slot that executed the submission, or up to which the queried state had been. The same
    /// for the whole submission: its chunks share a batch.
    pub slot: Slot,
    /// Which of the submission's requests the first answer is for, from 0: long answers come in
    /// several frames.
    pub first: u32,
    /// The answers.
    pub answers: Answers,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked could not be read. Certainly not executed.
    #[error("the request could not be read")]
    Malformed,
    /// Too much waits already. Certainly not executed.
    #[error("overloaded")]
    Overloaded,
    /// More bytes than are allowed. Certainly not executed, if it was a submission; for a read it may
    /// be the answer that is too large.
    #[error("too large: the limit is {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// There is no leader to forward to. Certainly not executed.
    #[error("there is no leader")]
    NoLeader,
    /// May or may not have been executed, or may be yet.
    #[error("the outcome is unknown")]
    Unknown,
    /// The member is stopping. May or may not have been executed, or may be yet.
    #[error("the member is stopping")]
    Stopping,
}

impl ErrorKind {
    /// Whether it is certain that the submission was not executed and never will be.
    #[must_use]
    pub const fn certainly_not_executed(self) -> bool {
        match self {
            ErrorKind::Malformed
            | ErrorKind::Overloaded
            | ErrorKind::TooLarge { .. }
            | ErrorKind::NoLeader => true,
            ErrorKind::Unknown | ErrorKind::Stopping => false,
        }
    }

    /// A short name, for counters and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ErrorKind::Malformed => "Malformed",
            ErrorKind::Overloaded => "Overloaded",
            ErrorKind::TooLarge { .. } => "TooLarge",
            ErrorKind::NoLeader => "NoLeader",
            ErrorKind::Unknown => "Unknown",
            ErrorKind::Stopping => "Stopping",
        }
    }

    /// The kind as its code and one number, which is 0 where the kind has less to say.
    const fn numbers(self) -> (u8, u64) {
        match self {
            ErrorKind::Malformed => (1, 0),
            ErrorKind::Overloaded => (2, 0),
            ErrorKind::TooLarge { bytes_max } => (3, bytes_max),
            ErrorKind::NoLeader => (4, 0),
            ErrorKind::Unknown => (5, 0),
            ErrorKind::Stopping => (6, 0),
        }
    }
}

impl Request {
    /// The kind of the frame that carries it.
    #[must_use]
    pub const fn kind(&self) -> FrameKind {
        match self {
            Request::Submit { .. } => FrameKind::Submit,
            Request::Read { .. } => FrameKind::Read,
            Request::Status { .. } => FrameKind::Status,
        }
    }

    /// The client's number for it.
    #[must_use]
    pub const fn request_id(&self) -> u64 {
        match self {
            Request::Submit { request_id, .. }
            | Request::Read { request_id, .. }
            | Request::Status { request_id } => *request_id,
        }
    }
}

impl Response {
    /// The kind of the frame that carries it.
    #[must_use]
    pub const fn kind(&self) -> FrameKind {
        match self {
            Response::Replies(_) => FrameKind::Replies,
            Response::Status { .. } => FrameKind::StatusReply,
            Response::Error { .. } => FrameKind::Error,
        }
    }

    /// The client's number for what it answers.
    #[must_use]
    pub const fn request_id(&self) -> u64 {
        match self {
            Response::Replies(replies) => replies.request_id,
            Response::Status { request_id, .. } | Response::Error { request_id, .. } => *request_id,
        }
    }
}

/// Appends the fixed part of `request`'s body; returns the shared bytes behind it, if any.
#[must_use = "a request is its head and its payload"]
pub fn encode_request(request: &Request, head: &mut BytesMut) -> Option<Bytes> {
    head.put_u64_le(request.request_id());
    match request {
        Request::Submit { payload, .. } => {
            put_count(head, payload.len());
            shared(payload)
        }
        Request::Read {
            linearizable,
            query,
            ..
        } => {
            head.put_u8(u8::from(*linearizable));
            put_count(head, query.len());
            shared(query)
        }
        Request::Status { .. } => None,
    }
}

/// Reads a request. Its payload or query is shared with the frame, not copied.
///
/// # Errors
/// See [`DecodeError`]; among them frames that a client must not send.
pub fn decode_request(frame: Received, limits: &WireLimits) -> Result<Request, DecodeError> {
    let mut cursor = Cursor::new(frame.body, "a client's request");
    let request = match frame.kind {
        FrameKind::Submit => Request::Submit {
            request_id: cursor.u64()?,
            payload: counted(&mut cursor, "bytes of a chunk", limits)?,
        },
        FrameKind::Read => Request::Read {
            request_id: cursor.u64()?,
            linearizable: cursor.flag("consistency")?,
            query: counted(&mut cursor, "bytes of a query", limits)?,
        },
        FrameKind::Status => Request::Status {
            request_id: cursor.u64()?,
        },
        kind => return Err(misplaced(kind)),
    };
    cursor.finish()?;
    Ok(request)
}

/// Appends the fixed part of `response`'s body; returns the shared bytes behind it, if any.
#[must_use = "a response is its head and its payload"]
pub fn encode_response(response: &Response, head: &mut BytesMut) -> Option<Bytes> {
    head.put_u64_le(response.request_id());
    match response {
        Response::Replies(replies) => {
            head.put_u64_le(replies.slot.0);
            head.put_u32_le(replies.first);
            head.put_u32_le(replies.answers.count());
            shared(replies.answers.encoded())
        }
        Response::Status { status, .. } => {
            status::put(head, status);
            None
        }
        Response::Error { kind, .. } => {
            let (code, number) = kind.numbers();
            head.put_u8(code);
            head.put_u64_le(number);
            None
        }
    }
}

/// Reads a response. Its answers are shared with the frame, not copied.
///
/// # Errors
/// See [`DecodeError`]; among them frames that a server must not send.
pub fn decode_response(frame: Received, limits: &WireLimits) -> Result<Response, DecodeError> {
    let mut cursor = Cursor::new(frame.body, "a response to a client");
    let response = match frame.kind {
        FrameKind::Replies => Response::Replies(Replies {
            request_id: cursor.u64()?,
            slot: value::slot(&mut cursor)?,
            first: cursor.u32()?,
            answers: Answers::decode(&mut cursor)?,
        }),
        FrameKind::StatusReply => Response::Status {
            request_id: cursor.u64()?,
            status: Box::new(status::status(&mut cursor, limits)?),
        },
        FrameKind::Error => Response::Error {
            request_id: cursor.u64()?,
            kind: error_kind(&mut cursor)?,
        },
        kind => return Err(misplaced(kind)),
    };
    cursor.finish()?;
    Ok(response)
}

fn error_kind(cursor: &mut Cursor) -> Result<ErrorKind, DecodeError> {
    let code = cursor.u8()?;
    let number = cursor.u64()?;
    let kind = match code {
        1 => ErrorKind::Malformed,
        2 => ErrorKind::Overloaded,
        3 => ErrorKind::TooLarge { bytes_max: number },
        4 => ErrorKind::NoLeader,
        5 => ErrorKind::Unknown,
        6 => ErrorKind::Stopping,
        kind => {
            let what = "error";
            return Err(DecodeError::UnknownKind { what, kind });
        }
    };
    if kind.numbers() != (code, number) {
        let what = "number of an error";
        return Err(DecodeError::OutOfRange {
            what,
            value: number,
        });
    }
    Ok(kind)
}

fn counted(
    cursor: &mut Cursor,
    what: &'static str,
    limits: &WireLimits,
) -> Result<Bytes, DecodeError> {
    let len = cursor.length(what, limits.chunk_bytes_max)?;
    cursor.slice(len)
}

fn shared(bytes: &Bytes) -> Option<Bytes> {
    (!bytes.is_empty()).then(|| bytes.clone())
}

const fn misplaced(kind: FrameKind) -> DecodeError {
    DecodeError::MisplacedKind {
        what: "frame",
        kind: kind.code(),
    }
}
