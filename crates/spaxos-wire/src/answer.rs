//! Answers to a client's requests: a status and bytes each, encoded once where they are executed.

use bytes::{BufMut, Bytes, BytesMut};

use crate::cursor::{Cursor, put_count};
use crate::error::DecodeError;

/// What each answer has beside its bytes: status and length.
pub const ANSWER_HEAD_BYTES: usize = 5;

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AnswerStatus {
    /// Executed, once, now or before; the bytes are the state machine's answer. For a chunk that
    /// opens a session they are its id, eight bytes, little-endian.
    Ok = 0,
    /// Not executed now: the session was never opened, is closed, or has expired. Whether an earlier
    /// try was executed is unknown.
    UnknownSession = 1,
    /// Not executed now: the client had said that it has this answer already.
    BelowFloor = 2,
    /// Not executed: too far above the session's floor, or too many answers wait there.
    BeyondWindow = 3,
    /// Not opened: the cluster has as many sessions as it may have.
    TooManySessions = 4,
}

impl AnswerStatus {
    const ALL: [AnswerStatus; 5] = [
        AnswerStatus::Ok,
        AnswerStatus::UnknownSession,
        AnswerStatus::BelowFloor,
        AnswerStatus::BeyondWindow,
        AnswerStatus::TooManySessions,
    ];

    /// A short name, for counters and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            AnswerStatus::Ok => "Ok",
            AnswerStatus::UnknownSession => "UnknownSession",
            AnswerStatus::BelowFloor => "BelowFloor",
            AnswerStatus::BeyondWindow => "BeyondWindow",
            AnswerStatus::TooManySessions => "TooManySessions",
        }
    }

    fn from_code(code: u8) -> Result<AnswerStatus, DecodeError> {
        let found = AnswerStatus::ALL.get(usize::from(code)).copied();
        found.ok_or(DecodeError::UnknownKind {
            what: "answer",
            kind: code,
        })
    }
}

/// Collects answers.
#[derive(Debug, Default)]
pub struct AnswersBuilder {
    bytes: BytesMut,
    count: u32,
}

impl AnswersBuilder {
    /// No answers yet.
    #[must_use]
    pub fn new() -> AnswersBuilder {
        AnswersBuilder::default()
    }

    /// Adds the answer of the next request.
    pub fn push(&mut self, status: AnswerStatus, answer: &[u8]) {
        self.bytes.put_u8(status as u8);
        put_count(&mut self.bytes, answer.len());
        self.bytes.put_slice(answer);
        self.count += 1;
    }

    /// How many answers there are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Their size, in bytes; each answer adds its own and [`ANSWER_HEAD_BYTES`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The answers.
    #[must_use]
    pub fn finish(self) -> Answers {
        Answers {
            count: self.count,
            bytes: self.bytes.freeze(),
        }
    }
}

/// Encoded answers of consecutive requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    count: u32,
    /// Known to hold `count` answers and nothing else.
    bytes: Bytes,
}

impl Answers {
    /// How many answers there are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Their encoding.
    #[must_use]
    pub const fn encoded(&self) -> &Bytes {
        &self.bytes
    }

    /// The answers in order. Their bytes are shared, not copied.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (AnswerStatus, Bytes)> {
        let mut cursor = Cursor::new(self.bytes.clone(), WHAT);
        (0..self.count)
            .map(move |_| take(&mut cursor).expect("answers are checked when they are decoded"))
    }

    /// Reads `count` answers that fill the rest of what `cursor` reads.
    pub(crate) fn decode(cursor: &mut Cursor) -> Result<Answers, DecodeError> {
        let count = cursor.count("answers", u32::MAX as usize, ANSWER_HEAD_BYTES)?;
        let bytes = cursor.rest();
        let mut checked = Cursor::new(bytes.clone(), WHAT);
        for _ in 0..count {
            take(&mut checked)?;
        }
        checked.finish()?;
        Ok(Answers {
            count: u32::try_from(count).expect("it was read as four bytes"),
            bytes,
        })
    }
}

const WHAT: &str = "answers";

fn take(cursor: &mut Cursor) -> Result<(AnswerStatus, Bytes), DecodeError> {
    let status = AnswerStatus::from_code(cursor.u8()?)?;
    let len = cursor.length("bytes of an answer", u32::MAX as usize)?;
    Ok((status, cursor.slice(len)?))
}
