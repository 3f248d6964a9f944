//! What waits to be written to one client, and what that client still waits for.

use std::ops::Range;

use bytes::BytesMut;
use parking_lot::Mutex;
use spaxos_core::status::Status;
use spaxos_core::types::Slot;
use spaxos_wire::answer::{ANSWER_HEAD_BYTES, AnswerStatus, AnswersBuilder};
use spaxos_wire::client::{ErrorKind, Replies, Response};
use spaxos_wire::frame::Frame;

use crate::error::{ReadError, SubmitError};
use crate::executor::Answers;
use crate::options::CHUNK_HEAD_BYTES;
use crate::wake::Wake;

/// The answers for one client. Filled by the apply thread, emptied by the connection's task, which is
/// woken once however many answers come.
#[derive(Debug)]
pub(crate) struct Output {
    state: Mutex<State>,
    /// There is something to write, or the client is to be cut off.
    written: Wake,
    /// There is room for more requests.
    room: Wake,
    limits: OutputLimits,
}

/// The limits of one client's connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputLimits {
    /// The longest frame.
    pub(crate) frame_bytes_max: usize,
    /// Answers waiting to be written; more cut the client off.
    pub(crate) output_bytes_max: usize,
    /// Bytes asked and not answered.
    pub(crate) in_flight_bytes_max: usize,
    /// Frames asked and not answered.
    pub(crate) in_flight_frames_max: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Encoded frames.
    buffer: Vec<u8>,
    /// Where frames are built.
    scratch: BytesMut,
    /// What was asked and whose answer is not yet written.
    in_flight: InFlight,
    /// The part of it whose answers are in `buffer`.
    answered: InFlight,
    /// Nothing more will be asked.
    finished: bool,
    /// Too much piled up.
    overflown: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct InFlight {
    frames: usize,
    bytes: usize,
}

/// The client let more answers pile up than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflown;

impl Output {
    pub(crate) fn new(limits: OutputLimits) -> Output {
        Output {
            state: Mutex::new(State::default()),
            written: Wake::default(),
            room: Wake::default(),
            limits,
        }
    }

    /// Counts a frame of `bytes` bytes in, once there is room for it.
    pub(crate) async fn enter(&self, bytes: usize) {
        loop {
            {
                let in_flight = &mut self.state.lock().in_flight;
                let room = in_flight.frames < self.limits.in_flight_frames_max
                    && in_flight.bytes + bytes <= self.limits.in_flight_bytes_max;
                if room || in_flight.frames == 0 {
                    in_flight.frames += 1;
                    in_flight.bytes += bytes;
                    return;
                }
            }
            self.room.woken().await;
        }
    }

    /// The answers `run` to a submission of `bytes` bytes.
    pub(crate) fn replies(&self, asked: Asked, slot: Slot, answers: &Answers, run: Range<usize>) {
        let answers = run.map(|at| (answers.status(at), answers.as_slice(at)));
        self.encode_replies(asked, slot, answers);
    }

    /// The answer to a read.
    pub(crate) fn answer(&self, asked: Asked, slot: Slot, answer: &[u8]) {
        self.encode_replies(asked, slot, std::iter::once((AnswerStatus::Ok, answer)));
    }

    /// In as many frames as it takes.
    fn encode_replies<'a>(
        &self,
        asked: Asked,
        slot: Slot,
        answers: impl Iterator<Item = (AnswerStatus, &'a [u8])>,
    ) {
        let bytes_max = self.limits.frame_bytes_max - CHUNK_HEAD_BYTES;
        let mut frames = Vec::new();
        let (mut first, mut built) = (0, AnswersBuilder::new());
        let finish = |first, built: AnswersBuilder| {
            Response::Replies(Replies {
                request_id: asked.request_id,
                slot,
                first,
                answers: built.finish(),
            })
        };
        for (status, answer) in answers {
            if answer.len() + ANSWER_HEAD_BYTES > bytes_max {
                // Executed, but there is no way to say what the answer was.
                let kind = ErrorKind::Unknown;
                frames = vec![asked.error(kind)];
                break;
            }
            if built.bytes() + answer.len() + ANSWER_HEAD_BYTES > bytes_max {
                let full = std::mem::take(&mut built);
                let count = full.count();
                frames.push(finish(first, full));
                first += count;
            }
            built.push(status, answer);
        }
        if built.count() > 0 && !matches!(frames.first(), Some(Response::Error { .. })) {
            frames.push(finish(first, built));
        }
        self.push(asked, &frames);
    }

    /// A submission has no answer.
    pub(crate) fn refuse(&self, asked: Asked, error: &SubmitError) {
        let kind = match error {
            SubmitError::Overloaded => ErrorKind::Overloaded,
            SubmitError::TooLarge { bytes_max, .. } => ErrorKind::TooLarge {
                bytes_max: *bytes_max as u64,
            },
            SubmitError::NoLeader => ErrorKind::NoLeader,
            SubmitError::Unknown => ErrorKind::Unknown,
            SubmitError::Stopped => ErrorKind::Stopping,
        };
        self.push(asked, &[asked.error(kind)]);
    }

    /// A read has no answer.
    pub(crate) fn refuse_read(&self, asked: Asked, error: &ReadError) {
        let kind = match error {
            ReadError::Overloaded => ErrorKind::Overloaded,
            ReadError::Stopped => ErrorKind::Stopping,
        };
        self.push(asked, &[asked.error(kind)]);
    }

    /// What was asked could not be read.
    pub(crate) fn malformed(&self, asked: Asked) {
        self.push(asked, &[asked.error(ErrorKind::Malformed)]);
    }

    /// How the member is.
    pub(crate) fn status(&self, asked: Asked, status: Status) {
        let response = Response::Status {
            request_id: asked.request_id,
            status: Box::new(status),
        };
        self.push(asked, &[response]);
    }

    fn push(&self, asked: Asked, responses: &[Response]) {
        let mut state = self.state.lock();
        let State {
            buffer, scratch, ..
        } = &mut *state;
        let first = buffer.is_empty();
        for response in responses {
            let frame = Frame::response(response, scratch);
            for segment in frame.segments() {
                buffer.extend_from_slice(segment);
            }
        }
        state.answered.frames += 1;
        state.answered.bytes += asked.bytes;
        if state.buffer.len() > self.limits.output_bytes_max {
            state.overflown = true;
            state.buffer = Vec::new();
        }
        drop(state);
        if first {
            self.written.wake();
        }
    }

    /// Waits for frames to write and swaps them into `taken`, which must be empty. Returns false when
    /// the output is finished and everything that was asked is answered and handed out.
    pub(crate) async fn take(&self, taken: &mut Vec<u8>) -> Result<bool, Overflown> {
        assert!(
            taken.is_empty(),
            "what was taken before must be written first"
        );
        loop {
            if self.try_take(taken)? {
                return Ok(true);
            }
            if self.is_done() {
                return Ok(false);
            }
            self.written.woken().await;
        }
    }

    /// Nothing more will be asked: what is under way is still answered.
    pub(crate) fn finish(&self) {
        self.state.lock().finished = true;
        self.written.wake();
    }

    /// Nothing more will be asked, and nobody waits for what is not yet answered.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        state.finished = true;
        state.in_flight = InFlight::default();
        drop(state);
        self.written.wake();
    }

    fn is_done(&self) -> bool {
        let state = self.state.lock();
        state.finished && state.in_flight.frames == 0 && state.buffer.is_empty()
    }

    /// Swaps what there is to write into `taken`, which must be empty; false if there is nothing.
    fn try_take(&self, taken: &mut Vec<u8>) -> Result<bool, Overflown> {
        let mut state = self.state.lock();
        if state.overflown {
            return Err(Overflown);
        }
        std::mem::swap(&mut state.buffer, taken);
        let answered = std::mem::take(&mut state.answered);
        // What is being written is bounded: it makes room already.
        state.in_flight.frames = state.in_flight.frames.saturating_sub(answered.frames);
        state.in_flight.bytes = state.in_flight.bytes.saturating_sub(answered.bytes);
        drop(state);
        if answered.frames > 0 {
            self.room.wake();
        }
        Ok(!taken.is_empty())
    }
}

/// A client's frame that has been read and not answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The client's name for it.
    pub(crate) request_id: u64,
    /// What it counts for.
    pub(crate) bytes: usize,
}

impl Asked {
    const fn error(self, kind: ErrorKind) -> Response {
        Response::Error {
            request_id: self.request_id,
            kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use spaxos_wire::WireLimits;
    use spaxos_wire::client::decode_response;
    use spaxos_wire::frame::FrameReader;

    use super::*;

    const LIMITS: OutputLimits = OutputLimits {
        frame_bytes_max: CHUNK_HEAD_BYTES + 100,
        output_bytes_max: 10_000,
        in_flight_bytes_max: 1000,
        in_flight_frames_max: 2,
    };

    fn asked(request_id: u64) -> Asked {
        Asked {
            request_id,
            bytes: 10,
        }
    }

    fn responses(output: &Output) -> Vec<Response> {
        let mut taken = Vec::new();
        assert_eq!(output.try_take(&mut taken), Ok(true));
        let mut buffer = BytesMut::from(&taken[..]);
        let reader = FrameReader::new(LIMITS.frame_bytes_max);
        let frames = std::iter::from_fn(|| reader.read(&mut buffer).expect("intact"));
        let limits = WireLimits::default();
        frames
            .map(|frame| decode_response(frame, &limits).expect("valid"))
            .collect()
    }

    #[test]
    fn long_answers_come_in_several_frames() {
        let output = Output::new(LIMITS);
        let answers = [[1; 60], [2; 60], [3; 60]];
        let answers = answers.iter().map(|answer| (AnswerStatus::Ok, &answer[..]));
        output.encode_replies(asked(4), Slot(9), answers);
        let firsts: Vec<u32> = responses(&output)
            .into_iter()
            .map(|response| match response {
                Response::Replies(replies) => replies.first,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(firsts, [0, 1, 2]);
    }

    #[test]
    fn an_answer_that_fits_no_frame_is_an_error() {
        let output = Output::new(LIMITS);
        output.answer(asked(4), Slot(9), &[0; 200]);
        let unknown = asked(4).error(ErrorKind::Unknown);
        assert_eq!(responses(&output), [unknown]);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_not_read_from_and_then_cut_off() {
        let output = Output::new(LIMITS);
        output.enter(10).await;
        output.enter(10).await;
        let third = output.enter(10);
        tokio::pin!(third);
        assert!(
            poll_once(third.as_mut()).await.is_none(),
            "no room for a third"
        );
        output.answer(asked(1), Slot(1), b"x");
        assert_eq!(responses(&output).len(), 1);
        assert!(poll_once(third).await.is_some(), "an answer makes room");
        for request_id in 0..1000 {
            output.answer(asked(request_id), Slot(1), b"x");
        }
        assert_eq!(output.try_take(&mut Vec::new()), Err(Overflown));
    }

    async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match future.as_mut().poll(context) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
