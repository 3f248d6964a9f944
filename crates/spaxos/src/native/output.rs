//! What waits to be written to one client, and what that client still waits for.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use parking_lot::Mutex;
use spaxos_core::status::Status;
use spaxos_core::types::Slot;
use spaxos_wire::answer::{ANSWER_HEAD_BYTES, AnswerStatus, AnswersBuilder};
use spaxos_wire::client::{ErrorKind, Replies, Response};
use spaxos_wire::frame::Frame;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::timeout;

use crate::error::{ReadError, SubmitError};
use crate::executor::Answers;
use crate::options::CHUNK_HEAD_BYTES;
use crate::wake::Wake;

/// The answers for one client. Filled by the apply thread, which also writes them if few clients wait
/// and the socket takes them; otherwise the connection's task is woken, once however many there are.
#[derive(Debug)]
pub(crate) struct Output {
    state: Mutex<State>,
    /// There is something to write, or nothing will follow.
    ready: Wake,
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

#[derive(Debug)]
struct State {
    /// The connection, while it stands: requests under way must not keep it open.
    stream: Option<Arc<OwnedWriteHalf>>,
    /// Encoded frames.
    buffer: Vec<u8>,
    /// What was taken out of `buffer` and is not written; nobody writes it now.
    leaving: Leaving,
    /// Somebody is writing: whoever that is looks again before it stops.
    writing: bool,
    /// Where frames are built.
    scratch: BytesMut,
    /// What was asked and whose answer is not yet being written.
    in_flight: InFlight,
    /// The part of it whose answers are in `buffer`.
    answered: InFlight,
    /// Nothing more will be asked.
    finished: bool,
    /// Why nothing can be written any more.
    failed: Option<WriteError>,
}

/// Frames on their way into the socket.
#[derive(Debug, Default)]
struct Leaving {
    bytes: Vec<u8>,
    /// How many of them are written.
    written: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct InFlight {
    frames: usize,
    bytes: usize,
}

/// Why answers cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("the connection failed: {0}")]
    Io(io::ErrorKind),
    #[error("the client let too many answers pile up")]
    Overflown,
    #[error("the client does not read its answers")]
    Stalled,
}

/// What became of an attempt to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flushed {
    /// Everything is written, or somebody else is at it.
    All,
    /// The socket takes no more now.
    Blocked,
}

impl Output {
    pub(crate) fn new(stream: Arc<OwnedWriteHalf>, limits: OutputLimits) -> Output {
        let state = State {
            stream: Some(stream),
            buffer: Vec::new(),
            leaving: Leaving::default(),
            writing: false,
            scratch: BytesMut::new(),
            in_flight: InFlight::default(),
            answered: InFlight::default(),
            finished: false,
            failed: None,
        };
        Output {
            state: Mutex::new(state),
            ready: Wake::default(),
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

    /// Writes what there is, without waiting. Whatever stops it is the task's matter.
    pub(crate) fn flush(&self) {
        if self.try_flush() != Ok(Flushed::All) {
            self.ready.wake();
        }
    }

    /// Has the connection's task write what there is.
    pub(crate) fn wake(&self) {
        self.ready.wake();
    }

    /// Writes answers to `stream` as they come, until nothing more will be asked and all is answered.
    /// The task of the connection waits here.
    pub(crate) async fn write(
        &self,
        stream: &OwnedWriteHalf,
        stall_max: Duration,
    ) -> Result<(), WriteError> {
        loop {
            while self.try_flush()? == Flushed::Blocked {
                let writable = timeout(stall_max, stream.writable()).await;
                let ready = writable.map_err(|_| WriteError::Stalled)?;
                ready.map_err(|error| WriteError::Io(error.kind()))?;
            }
            if self.is_done() {
                return Ok(());
            }
            self.ready.woken().await;
        }
    }

    fn try_flush(&self) -> Result<Flushed, WriteError> {
        let Some((stream, mut leaving)) = self.begin_writing()? else {
            return Ok(Flushed::All);
        };
        loop {
            while leaving.written < leaving.bytes.len() {
                match stream.try_write(&leaving.bytes[leaving.written..]) {
                    Ok(bytes) => leaving.written += bytes,
                    Err(error) => return self.stop_writing(leaving, error.kind()),
                }
            }
            let mut state = self.state.lock();
            if !state.take_buffer(&mut leaving) {
                state.writing = false;
                state.leaving = leaving;
                return Ok(Flushed::All);
            }
            drop(state);
            self.room.wake();
        }
    }

    /// What is to be written, for this caller alone; nothing if there is nothing, or somebody writes.
    fn begin_writing(&self) -> Result<Option<(Arc<OwnedWriteHalf>, Leaving)>, WriteError> {
        let mut state = self.state.lock();
        if let Some(failed) = state.failed {
            return Err(failed);
        }
        let Some(stream) = state.stream.clone().filter(|_| !state.writing) else {
            return Ok(None);
        };
        let mut leaving = std::mem::take(&mut state.leaving);
        let rest = leaving.written < leaving.bytes.len();
        let took = !rest && state.take_buffer(&mut leaving);
        if !rest && !took {
            state.leaving = leaving;
            return Ok(None);
        }
        state.writing = true;
        drop(state);
        if took {
            self.room.wake();
        }
        Ok(Some((stream, leaving)))
    }

    fn stop_writing(&self, leaving: Leaving, error: io::ErrorKind) -> Result<Flushed, WriteError> {
        let mut state = self.state.lock();
        state.writing = false;
        state.leaving = leaving;
        if error == io::ErrorKind::WouldBlock {
            return Ok(Flushed::Blocked);
        }
        let failed = WriteError::Io(error);
        state.failed = Some(failed);
        Err(failed)
    }

    /// Lets go of the connection: answers that still come are dropped.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.stream = None;
        state.failed = Some(WriteError::Io(io::ErrorKind::NotConnected));
        state.buffer = Vec::new();
    }

    /// Whether answers that still come are dropped.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().failed.is_some()
    }

    /// Nothing more will be asked: what is under way is still answered.
    pub(crate) fn finish(&self) {
        self.state.lock().finished = true;
        self.ready.wake();
    }

    /// Nothing more will be asked, and nobody waits for what is not yet answered.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        state.finished = true;
        state.in_flight = InFlight::default();
        drop(state);
        self.ready.wake();
    }

    fn is_done(&self) -> bool {
        let state = self.state.lock();
        let idle = state.in_flight.frames == 0 && state.buffer.is_empty();
        state.finished && idle && !state.writing
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
        if state.failed.is_some() {
            return;
        }
        let State {
            buffer, scratch, ..
        } = &mut *state;
        for response in responses {
            let frame = Frame::response(response, scratch);
            for segment in frame.segments() {
                buffer.extend_from_slice(segment);
            }
        }
        state.answered.frames += 1;
        state.answered.bytes += asked.bytes;
        if state.buffer.len() > self.limits.output_bytes_max {
            state.failed = Some(WriteError::Overflown);
            state.buffer = Vec::new();
        }
    }
}

impl State {
    /// Swaps what is to be written into `leaving`, which is written; false if there is nothing. What
    /// is being written is bounded, so that it makes room already.
    fn take_buffer(&mut self, leaving: &mut Leaving) -> bool {
        leaving.bytes.clear();
        leaving.written = 0;
        if self.buffer.is_empty() {
            return false;
        }
        std::mem::swap(&mut self.buffer, &mut leaving.bytes);
        let answered = std::mem::take(&mut self.answered);
        self.in_flight.frames = self.in_flight.frames.saturating_sub(answered.frames);
        self.in_flight.bytes = self.in_flight.bytes.saturating_sub(answered.bytes);
        true
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
mod tests;
