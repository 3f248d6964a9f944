//! Executes decided slots: takes batches apart, keeps sessions, calls the state machine.
//!
//! Pure: no clock, no thread, no I/O. The apply thread drives it in a node, and anything else that
//! executes a log (recovery, a simulator) drives it in the same way.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use spaxos_core::batch::Batch;
use spaxos_core::effect::Execution;
use spaxos_core::sessions::{Admission, SessionLimits, SessionTable};
use spaxos_core::types::{LogTime, Slot};
use spaxos_wire::answer::AnswerStatus;
use spaxos_wire::chunk::{self, ChunkView, Requests};

use crate::state_machine::{Context, StateMachine};

/// Who gets the answers. Most batches are another replica's, and nobody here waits for them.
pub trait AnswerSink {
    /// Whether anybody here waits for an answer out of `batch`.
    fn wants(&self, batch: &Batch) -> bool;

    /// The answers of all requests of `batch`, in order. Called only for a batch that is wanted.
    fn answered(&mut self, slot: Slot, batch: &Batch, answers: Answers);
}

/// Wants nothing: for recovery, when all clients are gone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAnswers;

impl AnswerSink for NoAnswers {
    fn wants(&self, _batch: &Batch) -> bool {
        false
    }

    fn answered(&mut self, _slot: Slot, _batch: &Batch, _answers: Answers) {}
}

/// The answers of one batch's requests, in order.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// All answers, one behind the other.
    bytes: Bytes,
    /// Per request its status, and where its answer ends in `bytes`.
    ends: Vec<(AnswerStatus, usize)>,
}

impl Answers {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// What became of request `at` of the batch, from 0. Panics if there is none.
    #[must_use]
    pub fn status(&self, at: usize) -> AnswerStatus {
        self.ends[at].0
    }

    /// The answer to request `at` of the batch, shared. Panics if there is none.
    #[must_use]
    pub fn bytes(&self, at: usize) -> Bytes {
        self.bytes.slice(self.range(at))
    }

    /// The answer to request `at` of the batch. Panics if there is none.
    #[must_use]
    pub fn as_slice(&self, at: usize) -> &[u8] {
        &self.bytes[self.range(at)]
    }

    fn range(&self, at: usize) -> Range<usize> {
        let start = if at == 0 { 0 } else { self.ends[at - 1].1 };
        start..self.ends[at].1
    }
}

/// The state machine with everything that belongs to its place in the log.
pub struct Executor {
    machine: Box<dyn StateMachine>,
    sessions: SessionTable,
    /// The last executed slot.
    executed: Slot,
    /// Commands executed so far, the opening of sessions included.
    index: u64,
    /// Where answers are built; empty between batches.
    built: Built,
    /// Where the answers of one session's chunk are built; empty between chunks.
    session_built: Built,
}

#[derive(Debug, Default)]
struct Built {
    bytes: Vec<u8>,
    ends: Vec<(AnswerStatus, usize)>,
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("executed", &self.executed)
            .field("index", &self.index)
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}

impl Executor {
    /// Nothing executed yet.
    #[must_use]
    pub fn new(machine: Box<dyn StateMachine>, limits: SessionLimits) -> Executor {
        Executor {
            machine,
            sessions: SessionTable::new(limits),
            executed: Slot(0),
            index: 0,
            built: Built::default(),
            session_built: Built::default(),
        }
    }

    /// Executes one slot: its commands, then what time has brought about. Total: what a payload
    /// holds that cannot be read is left out, the same on every replica.
    ///
    /// # Panics
    /// If the slots do not come one by one (invariant 4), or if the state machine panics.
    pub fn execute(&mut self, execution: &Execution, sink: &mut dyn AnswerSink) {
        assert_eq!(
            execution.slot,
            self.executed.next(),
            "slots are executed one by one"
        );
        for batch in &execution.batches {
            let wanted = sink.wants(batch);
            // What cannot be read ends a payload. Coordinators check before they take: only a faulty
            // one's batch gets here.
            for chunk in chunk::iter(&batch.payload).map_while(Result::ok) {
                self.execute_chunk(execution, chunk, wanted);
            }
            if wanted {
                let answers = self.built.take();
                sink.answered(execution.slot, batch, answers);
            }
        }
        self.machine.advance(execution.log_time);
        self.sessions.expire(execution.log_time);
        self.executed = execution.slot;
    }

    /// Asks the state machine in its present state; the answer is appended to `reply`.
    pub fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        self.machine.query(query, reply);
    }

    /// The last executed slot.
    #[must_use]
    pub const fn executed(&self) -> Slot {
        self.executed
    }

    /// How many commands have been executed, the opening of sessions included.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// When something expires next, in the state machine or among the sessions.
    #[must_use]
    pub fn next_expiry(&self) -> Option<LogTime> {
        let machine = self.machine.next_expiry();
        let session = self.sessions.next_expiry();
        machine.into_iter().chain(session).min()
    }

    fn execute_chunk(&mut self, at: &Execution, chunk: ChunkView<'_>, wanted: bool) {
        match chunk {
            ChunkView::Plain { requests } => self.execute_plain(at, requests, wanted),
            ChunkView::Session {
                session,
                floor,
                first_sequence,
                requests,
            } => {
                self.sessions.raise_floor(session, floor);
                self.execute_session(at, session, first_sequence, requests);
                self.sessions.renew(session, at.log_time);
                if wanted {
                    self.built.append(&self.session_built);
                }
                self.session_built.clear();
            }
            ChunkView::Open => {
                let id = self.index + 1;
                let opened = self.sessions.open(id, at.log_time);
                // A place is given out once, whether it became a session or not.
                self.index = id;
                if !opened {
                    self.built
                        .push_if(wanted, AnswerStatus::TooManySessions, &[]);
                    return;
                }
                self.built
                    .push_if(wanted, AnswerStatus::Ok, &id.to_le_bytes());
            }
            ChunkView::Renew { session } => {
                let known = self.sessions.renew(session, at.log_time);
                self.built.push_if(wanted, known_or_not(known), &[]);
            }
            ChunkView::Close { session } => {
                let known = self.sessions.close(session);
                self.built.push_if(wanted, known_or_not(known), &[]);
            }
        }
    }

    fn execute_plain(&mut self, at: &Execution, requests: Requests<'_>, wanted: bool) {
        let start = self.built.bytes.len();
        for command in requests {
            self.index += 1;
            let context = context(at, self.index);
            self.machine
                .execute(&context, command, &mut self.built.bytes);
            if wanted {
                self.built.end(AnswerStatus::Ok);
            } else {
                self.built.bytes.truncate(start);
            }
        }
    }

    /// Executes what was not executed before, and remembers the answers. All new answers of the chunk
    /// share one piece of memory, which holds nothing else: they are forgotten together, as the floor
    /// rises.
    fn execute_session(
        &mut self,
        at: &Execution,
        session: u64,
        first: u64,
        requests: Requests<'_>,
    ) {
        let mut executed = Vec::new();
        for (sequence, command) in (first..).zip(requests) {
            let built = &mut self.session_built;
            match self.sessions.admit(session, sequence) {
                Admission::Execute => {
                    self.index += 1;
                    let context = context(at, self.index);
                    let start = built.bytes.len();
                    self.machine.execute(&context, command, &mut built.bytes);
                    built.end(AnswerStatus::Ok);
                    executed.push((sequence, start..built.bytes.len()));
                }
                Admission::Answered(answer) => built.push(AnswerStatus::Ok, &answer),
                Admission::BelowFloor => built.push(AnswerStatus::BelowFloor, &[]),
                Admission::BeyondWindow => built.push(AnswerStatus::BeyondWindow, &[]),
                Admission::UnknownSession => built.push(AnswerStatus::UnknownSession, &[]),
            }
        }
        if executed.is_empty() {
            return;
        }
        let bytes = executed.iter().map(|(_, range)| range.len()).sum();
        let mut answers = Vec::with_capacity(bytes);
        for (_, range) in &executed {
            answers.extend_from_slice(&self.session_built.bytes[range.clone()]);
        }
        let mut answers = Bytes::from(answers);
        for (sequence, range) in executed {
            let answer = answers.split_to(range.len());
            self.sessions.record(session, sequence, answer);
        }
    }
}

const fn context(at: &Execution, index: u64) -> Context {
    Context {
        slot: at.slot,
        log_time: at.log_time,
        index,
    }
}

const fn known_or_not(known: bool) -> AnswerStatus {
    if known {
        AnswerStatus::Ok
    } else {
        AnswerStatus::UnknownSession
    }
}

impl Built {
    /// What was appended to `bytes` since the last call is an answer.
    fn end(&mut self, status: AnswerStatus) {
        self.ends.push((status, self.bytes.len()));
    }

    fn push(&mut self, status: AnswerStatus, answer: &[u8]) {
        self.bytes.extend_from_slice(answer);
        self.end(status);
    }

    fn push_if(&mut self, wanted: bool, status: AnswerStatus, answer: &[u8]) {
        if wanted {
            self.push(status, answer);
        }
    }

    fn append(&mut self, other: &Built) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        let ends = other
            .ends
            .iter()
            .map(|(status, end)| (*status, start + end));
        self.ends.extend(ends);
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn take(&mut self) -> Answers {
        let requests = self.ends.len();
        let ends = std::mem::replace(&mut self.ends, Vec::with_capacity(requests));
        let bytes = Bytes::copy_from_slice(&self.bytes);
        self.bytes.clear();
        Answers { bytes, ends }
    }
}

#[cfg(test)]
mod tests;
