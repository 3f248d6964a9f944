//! What has been asked and not answered, in the form in which it can be asked again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use spaxos_core::types::Slot;
use spaxos_wire::answer::AnswerStatus;
use spaxos_wire::client::{ErrorKind, Replies, Request};

use crate::client::options::ClientError;
use crate::client::queue::{Ask, Outcome, Run, RunWaiter};

/// Chunks and questions that are sent and not answered, by the number of their frame.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    next_request_id: u64,
    chunks: BTreeMap<u64, Chunk>,
    asks: BTreeMap<u64, (Ask, Instant)>,
    /// The chunk that opens or renews the session, if one is under way.
    session_chunk: Option<u64>,
}

#[derive(Debug)]
struct Chunk {
    payload: Bytes,
    first_sequence: u64,
    requests: u32,
    waiters: Vec<RunWaiter>,
    /// What it counts for in the queue.
    bytes: usize,
    /// When its first request was pushed.
    since: Instant,
    /// Answers so far: long ones come in several frames.
    outcomes: Vec<Outcome>,
    /// Whether a member that took it may have it still.
    ambiguous: bool,
}

/// What a frame from a member has brought about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing that matters to anybody but callers.
    Nothing,
    /// `bytes` of requests are done.
    Done { bytes: usize },
    /// A question is done.
    Asked,
    /// A session is open.
    Opened(u64),
    /// The session has expired.
    Expired,
    /// The cluster opens no more sessions.
    TooManySessions,
    /// The member cannot take this now: ask it again a little later.
    Retry(u64),
    /// The member cannot help: ask another one.
    Leave,
}

impl InFlight {
    /// Adds a run and returns its frame.
    pub(crate) fn add(&mut self, run: Run) -> Request {
        let requests = run.chunk.requests();
        let payload = run.chunk.finish();
        let chunk = Chunk {
            payload: payload.clone(),
            first_sequence: run.first_sequence,
            requests,
            waiters: run.waiters,
            bytes: run.bytes,
            since: run.since,
            outcomes: Vec::new(),
            ambiguous: false,
        };
        let request_id = self.next_id();
        self.chunks.insert(request_id, chunk);
        Request::Submit {
            request_id,
            payload,
        }
    }

    /// Adds a question that was asked then, and returns its frame.
    pub(crate) fn ask(&mut self, ask: Ask, since: Instant) -> Request {
        let request_id = self.next_id();
        let request = question(request_id, &ask);
        self.asks.insert(request_id, (ask, since));
        request
    }

    /// The frame of a chunk that opens or renews the session.
    pub(crate) fn session_chunk(&mut self, payload: Bytes) -> Request {
        let request_id = self.next_id();
        self.session_chunk = Some(request_id);
        Request::Submit {
            request_id,
            payload,
        }
    }

    fn next_id(&mut self) -> u64 {
        self.next_request_id += 1;
        self.next_request_id
    }

    /// The frames of everything that is not answered, for another member.
    pub(crate) fn again(&mut self) -> Vec<Request> {
        let chunks = self.chunks.iter_mut().map(|(request_id, chunk)| {
            chunk.outcomes.clear();
            Request::Submit {
                request_id: *request_id,
                payload: chunk.payload.clone(),
            }
        });
        let asks = self
            .asks
            .iter()
            .map(|(request_id, ask)| question(*request_id, &ask.0));
        chunks.chain(asks).collect()
    }

    /// The connection is gone. With a session everything can be asked again; without, nobody knows
    /// what became of the requests. Returns the bytes of those.
    pub(crate) fn lost(&mut self, session: bool) -> usize {
        self.session_chunk = None;
        if session {
            for chunk in self.chunks.values_mut() {
                chunk.ambiguous = true;
            }
            return 0;
        }
        self.refuse_chunks(&ClientError::Unknown)
    }

    /// Refuses all requests; returns their bytes.
    pub(crate) fn refuse_chunks(&mut self, error: &ClientError) -> usize {
        let chunks = std::mem::take(&mut self.chunks);
        let mut bytes = 0;
        for chunk in chunks.into_values() {
            bytes += chunk.bytes;
            RunWaiter::refuse(chunk.waiters, error);
        }
        bytes
    }

    /// Refuses all questions; returns how many.
    pub(crate) fn refuse_asks(&mut self, error: &ClientError) -> usize {
        let asks = std::mem::take(&mut self.asks);
        let count = asks.len();
        for (ask, _) in asks.into_values() {
            ask.refuse(error.clone());
        }
        count
    }

    /// Gives up what is older than `age`. Returns the bytes of requests, and how many questions.
    pub(crate) fn give_up(&mut self, now: Instant, age: Duration) -> (usize, usize) {
        let mut bytes = 0;
        // Both are nearly sorted by age.
        while let Some(entry) = self.chunks.first_entry() {
            if now.saturating_duration_since(entry.get().since) < age {
                break;
            }
            let chunk = entry.remove();
            bytes += chunk.bytes;
            RunWaiter::refuse(chunk.waiters, &ClientError::Unknown);
        }
        let mut asks = 0;
        while let Some(entry) = self.asks.first_entry() {
            if now.saturating_duration_since(entry.get().1) < age {
                break;
            }
            entry.remove().0.refuse(ClientError::Unknown);
            asks += 1;
        }
        (bytes, asks)
    }

    /// Whether nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.asks.is_empty() && self.session_chunk.is_none()
    }

    /// Whether the session is being opened or renewed.
    pub(crate) const fn is_session_busy(&self) -> bool {
        self.session_chunk.is_some()
    }

    /// The sequence of the oldest unanswered request.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let (_, chunk) = self.chunks.first_key_value()?;
        Some(chunk.first_sequence)
    }

    /// Takes answers in.
    pub(crate) fn replies(&mut self, replies: &Replies) -> Progress {
        let request_id = replies.request_id;
        if self.session_chunk == Some(request_id) {
            self.session_chunk = None;
            return session_answer(replies);
        }
        if let Some((ask, _)) = self.asks.remove(&request_id) {
            return answer_ask(ask, replies);
        }
        let Some(chunk) = self.chunks.get_mut(&request_id) else {
            // Given up meanwhile.
            return Progress::Nothing;
        };
        if replies.first as usize != chunk.outcomes.len() {
            return Progress::Nothing;
        }
        let expired = chunk.take(replies);
        if expired {
            return Progress::Expired;
        }
        if chunk.outcomes.len() < chunk.requests as usize {
            return Progress::Nothing;
        }
        let Some(chunk) = self.chunks.remove(&request_id) else {
            return Progress::Nothing;
        };
        chunk.finish(replies.slot)
    }

    /// Takes an error in. With a session nearly everything can be asked again, since it is executed
    /// once at most; questions can in any case.
    pub(crate) fn error(&mut self, request_id: u64, kind: ErrorKind, session: bool) -> Progress {
        if self.session_chunk == Some(request_id) {
            self.session_chunk = None;
            return Progress::Leave;
        }
        let asked = self.asks.contains_key(&request_id);
        if kind == ErrorKind::Unknown
            && let Some(chunk) = self.chunks.get_mut(&request_id)
        {
            chunk.ambiguous = true;
        }
        let error = match kind {
            ErrorKind::TooLarge { bytes_max } => ClientError::TooLarge {
                bytes: 0,
                bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
            },
            ErrorKind::Malformed => ClientError::Unknown,
            // The answer to the question fits into no frame.
            ErrorKind::Unknown if asked => ClientError::Unknown,
            ErrorKind::Stopping if session || asked => return Progress::Leave,
            _ if session || asked => return Progress::Retry(request_id),
            ErrorKind::Overloaded => ClientError::Overloaded,
            ErrorKind::NoLeader => ClientError::NoLeader,
            _ => ClientError::Unknown,
        };
        if let Some((ask, _)) = self.asks.remove(&request_id) {
            ask.refuse(error);
            return Progress::Asked;
        }
        match self.chunks.remove(&request_id) {
            Some(chunk) => chunk.refuse(error),
            None => Progress::Nothing,
        }
    }

    /// The frame of one chunk or question, to be sent again; nothing if it is done.
    pub(crate) fn retry(&mut self, request_id: u64) -> Option<Request> {
        if let Some(chunk) = self.chunks.get_mut(&request_id) {
            chunk.outcomes.clear();
            let payload = chunk.payload.clone();
            return Some(Request::Submit {
                request_id,
                payload,
            });
        }
        let (ask, _) = self.asks.get(&request_id)?;
        Some(question(request_id, ask))
    }

    /// Takes a status in.
    pub(crate) fn status(
        &mut self,
        request_id: u64,
        status: spaxos_core::status::Status,
    ) -> Progress {
        match self.asks.remove(&request_id) {
            Some((Ask::Status { to }, _)) => drop(to.send(Ok(status))),
            Some((ask, _)) => ask.refuse(ClientError::Unknown),
            None => return Progress::Nothing,
        }
        Progress::Asked
    }
}

impl Chunk {
    /// Returns whether the session is unknown.
    fn take(&mut self, replies: &Replies) -> bool {
        let mut expired = false;
        for outcome in replies.answers.iter() {
            expired |= outcome.0 == AnswerStatus::UnknownSession;
            self.outcomes.push(outcome);
        }
        expired
    }

    /// What may be executed at another member yet is unknown, whatever this one says.
    fn refuse(self, error: ClientError) -> Progress {
        let error = match self.ambiguous {
            true => ClientError::Unknown,
            false => error,
        };
        RunWaiter::refuse(self.waiters, &error);
        Progress::Done { bytes: self.bytes }
    }

    fn finish(self, slot: Slot) -> Progress {
        RunWaiter::answer(self.waiters, slot, self.outcomes, self.ambiguous);
        Progress::Done { bytes: self.bytes }
    }
}

fn question(request_id: u64, ask: &Ask) -> Request {
    match ask {
        Ask::Read {
            linearizable,
            query,
            ..
        } => Request::Read {
            request_id,
            linearizable: *linearizable,
            query: query.clone(),
        },
        Ask::Status { .. } => Request::Status { request_id },
    }
}

fn answer_ask(ask: Ask, replies: &Replies) -> Progress {
    let answer = replies.answers.iter().next();
    match (ask, answer) {
        (Ask::Read { to, .. }, Some((AnswerStatus::Ok, bytes))) => {
            let slot = replies.slot;
            let _gone = to.send(Ok(crate::handle::Reply { slot, bytes }));
        }
        (ask, _) => ask.refuse(ClientError::Unknown),
    }
    Progress::Asked
}

fn session_answer(replies: &Replies) -> Progress {
    match replies.answers.iter().next() {
        // Opened: the answer is the session's id. Renewed: it is empty.
        Some((AnswerStatus::Ok, bytes)) => match <[u8; 8]>::try_from(&bytes[..]) {
            Ok(id) => Progress::Opened(u64::from_le_bytes(id)),
            Err(_) => Progress::Nothing,
        },
        Some((AnswerStatus::TooManySessions, _)) => Progress::TooManySessions,
        _ => Progress::Expired,
    }
}

#[cfg(test)]
mod tests;
