//! What callers leave for the client's task: requests joined into chunks, and reads.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use spaxos_core::status::Status;
use spaxos_core::types::Slot;
use spaxos_wire::answer::AnswerStatus;
use spaxos_wire::chunk::{ChunkBuilder, REQUEST_HEAD_BYTES, SESSION_HEAD_BYTES};
use tokio::sync::oneshot;

use crate::client::options::{ClientError, ClientOptions};
use crate::handle::Reply;

/// The state that callers and the client's task share.
#[derive(Debug)]
pub(crate) struct Queue {
    limits: QueueLimits,
    session: SessionState,
    /// The sequence of the next request.
    next_sequence: u64,
    /// All requests below this have their answers.
    floor: u64,
    /// Bytes of requests pushed and not answered.
    bytes: usize,
    /// Reads pushed and not answered.
    reads: usize,
    full: VecDeque<Run>,
    open: Option<Run>,
    /// With when they were asked.
    asked: Vec<(Ask, Instant)>,
    /// No caller is left.
    closed: bool,
    /// The task has ended.
    ended: bool,
}

/// What one chunk, and the whole client, may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) chunk_bytes_max: usize,
    pub(crate) chunk_requests_max: u32,
    pub(crate) in_flight_bytes_max: usize,
    pub(crate) in_flight_requests_max: u64,
    pub(crate) reads_max: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SessionState {
    /// Requests are plain.
    Unused,
    /// None yet, or the last one has expired.
    Opening,
    /// Requests carry this one.
    Open(u64),
}

/// Requests that go out as one chunk.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) chunk: ChunkBuilder,
    /// The sequence of the first request.
    pub(crate) first_sequence: u64,
    pub(crate) waiters: Vec<RunWaiter>,
    /// What it counts for in the queue.
    pub(crate) bytes: usize,
    /// When its first request was pushed.
    pub(crate) since: Instant,
}

/// Who waits for consecutive requests of a run.
#[derive(Debug)]
pub(crate) enum RunWaiter {
    One(oneshot::Sender<Result<Reply, ClientError>>),
    Many {
        requests: usize,
        to: oneshot::Sender<Vec<Result<Reply, ClientError>>>,
    },
}

/// A question that changes nothing.
#[derive(Debug)]
pub(crate) enum Ask {
    Read {
        linearizable: bool,
        query: Bytes,
        to: oneshot::Sender<Result<Reply, ClientError>>,
    },
    Status {
        to: oneshot::Sender<Result<Status, ClientError>>,
    },
}

/// What stops a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// No room, or no session yet: wait.
    Wait,
    /// Never again.
    Ended,
}

impl QueueLimits {
    pub(crate) fn new(options: &ClientOptions) -> QueueLimits {
        QueueLimits {
            // Until a member says what it takes.
            chunk_bytes_max: CHUNK_BYTES_MAX,
            chunk_requests_max: CHUNK_REQUESTS_MAX,
            in_flight_bytes_max: options.in_flight_bytes_max,
            in_flight_requests_max: options.in_flight_requests_max,
            reads_max: options.reads_max,
        }
    }

    /// What the requests of one part of a large submission have together, in bytes: parts overlap.
    pub(crate) fn part_bytes_max(&self) -> usize {
        self.command_bytes_max().min(self.in_flight_bytes_max / 4)
    }

    /// The requests of one part of a large submission.
    pub(crate) fn part_requests_max(&self) -> usize {
        let quarter = (self.in_flight_requests_max / 4).max(1);
        (self.chunk_requests_max as usize).min(usize::try_from(quarter).unwrap_or(usize::MAX))
    }

    /// The longest command.
    pub(crate) const fn command_bytes_max(&self) -> usize {
        self.chunk_bytes_max - SESSION_HEAD_BYTES - REQUEST_HEAD_BYTES
    }
}

const CHUNK_BYTES_MAX: usize = 2 << 20;
const CHUNK_REQUESTS_MAX: u32 = 1 << 14;

impl Queue {
    pub(crate) fn new(options: &ClientOptions) -> Queue {
        Queue {
            limits: QueueLimits::new(options),
            session: match options.session {
                true => SessionState::Opening,
                false => SessionState::Unused,
            },
            next_sequence: 1,
            floor: 1,
            bytes: 0,
            reads: 0,
            full: VecDeque::new(),
            open: None,
            asked: Vec::new(),
            closed: false,
            ended: false,
        }
    }

    pub(crate) const fn limits(&self) -> QueueLimits {
        self.limits
    }

    /// A member says what it takes. Members of one cluster say the same.
    pub(crate) fn limit_chunks(&mut self, bytes_max: usize, requests_max: u32) {
        self.limits.chunk_bytes_max = self.limits.chunk_bytes_max.min(bytes_max);
        self.limits.chunk_requests_max = self.limits.chunk_requests_max.min(requests_max);
    }

    /// Adds requests that together fit into one chunk. Returns whether the task has to be woken.
    pub(crate) fn push(
        &mut self,
        commands: &[Bytes],
        waiter: impl FnOnce() -> RunWaiter,
    ) -> Result<bool, NotNow> {
        let requests = commands.len() as u64;
        let encoded: usize = commands.iter().map(|c| c.len() + REQUEST_HEAD_BYTES).sum();
        if self.ended {
            return Err(NotNow::Ended);
        }
        if self.session == SessionState::Opening || !self.has_room(encoded, requests) {
            return Err(NotNow::Wait);
        }
        let wake = self.open.is_none();
        self.make_room_in_chunk(encoded, requests);
        let run = match self.open.take() {
            Some(run) => run,
            None => self.begin(),
        };
        let run = self.open.insert(run);
        for command in commands {
            run.chunk.push(command);
        }
        run.bytes += encoded;
        run.waiters.push(waiter());
        self.bytes += encoded;
        self.next_sequence += requests;
        Ok(wake)
    }

    /// Something always fits when nothing is under way.
    fn has_room(&self, bytes: usize, requests: u64) -> bool {
        let ahead = self.next_sequence + requests - self.floor;
        let fits = self.bytes + bytes <= self.limits.in_flight_bytes_max
            && ahead <= self.limits.in_flight_requests_max;
        fits || self.next_sequence == self.floor
    }

    fn make_room_in_chunk(&mut self, bytes: usize, requests: u64) {
        let fits = self.open.as_ref().is_none_or(|run| {
            let after = u64::from(run.chunk.requests()) + requests;
            run.chunk.bytes() + bytes <= self.limits.chunk_bytes_max
                && after <= u64::from(self.limits.chunk_requests_max)
        });
        if !fits {
            self.full.extend(self.open.take());
        }
    }

    fn begin(&self) -> Run {
        let chunk = match self.session {
            SessionState::Open(id) => ChunkBuilder::session(id, self.floor, self.next_sequence),
            SessionState::Unused | SessionState::Opening => ChunkBuilder::plain(),
        };
        Run {
            chunk,
            first_sequence: self.next_sequence,
            waiters: Vec::new(),
            bytes: 0,
            since: Instant::now(),
        }
    }

    /// Adds a question. Returns whether the task has to be woken.
    pub(crate) fn ask(&mut self, ask: impl FnOnce() -> Ask) -> Result<bool, NotNow> {
        if self.ended {
            return Err(NotNow::Ended);
        }
        if self.reads >= self.limits.reads_max {
            return Err(NotNow::Wait);
        }
        self.reads += 1;
        self.asked.push((ask(), Instant::now()));
        Ok(self.asked.len() == 1)
    }

    /// Takes out everything that is to be sent.
    pub(crate) fn take(&mut self) -> (VecDeque<Run>, Vec<(Ask, Instant)>) {
        let mut runs = std::mem::take(&mut self.full);
        runs.extend(self.open.take());
        (runs, std::mem::take(&mut self.asked))
    }

    /// Takes out what was to be sent and is older than `age`: it certainly was not. It counts until
    /// it is done.
    pub(crate) fn expire(&mut self, now: Instant, age: Duration) -> (Vec<Run>, Vec<Ask>) {
        let old = |since: Instant| now.saturating_duration_since(since) >= age;
        let runs = self.full.partition_point(|run| old(run.since));
        let mut runs: Vec<Run> = self.full.drain(..runs).collect();
        runs.extend(self.open.take_if(|run| old(run.since)));
        let asked = self.asked.partition_point(|(_, since)| old(*since));
        let asked = self.asked.drain(..asked);
        (runs, asked.map(|(ask, _)| ask).collect())
    }

    /// `bytes` of requests are done; `oldest` is the sequence of the oldest one that was taken and is
    /// not.
    pub(crate) fn done(&mut self, bytes: usize, oldest: Option<u64>) {
        self.bytes -= bytes;
        let queued = self.full.front().or(self.open.as_ref());
        let oldest = oldest.or(queued.map(|run| run.first_sequence));
        self.floor = oldest.unwrap_or(self.next_sequence);
    }

    /// `reads` questions are done.
    pub(crate) const fn asked_done(&mut self, reads: usize) {
        self.reads -= reads;
    }

    pub(crate) const fn session(&self) -> &SessionState {
        &self.session
    }

    /// A session has been opened.
    pub(crate) fn opened(&mut self, session: u64) {
        self.session = SessionState::Open(session);
        self.next_sequence = 1;
        self.floor = 1;
    }

    /// The session has expired. Returns the requests that were to be sent in it.
    pub(crate) fn expired(&mut self) -> VecDeque<Run> {
        self.session = SessionState::Opening;
        self.bytes = 0;
        let mut runs = std::mem::take(&mut self.full);
        runs.extend(self.open.take());
        runs
    }

    pub(crate) const fn close(&mut self) {
        self.closed = true;
    }

    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) const fn end(&mut self) {
        self.ended = true;
    }
}

/// What became of one request.
pub(crate) type Outcome = (AnswerStatus, Bytes);

impl RunWaiter {
    const fn requests(&self) -> usize {
        match self {
            RunWaiter::One(_) => 1,
            RunWaiter::Many { requests, .. } => *requests,
        }
    }

    /// Tells all of `waiters` how their requests went. `ambiguous` says that they may have been, or
    /// may be, executed in another place too.
    pub(crate) fn answer(
        waiters: Vec<RunWaiter>,
        slot: Slot,
        outcomes: Vec<Outcome>,
        ambiguous: bool,
    ) {
        let outcomes = outcomes.into_iter();
        let mut outcomes = outcomes.map(|outcome| reply(slot, outcome, ambiguous));
        for waiter in waiters {
            let requests = waiter.requests();
            match waiter {
                RunWaiter::One(to) => {
                    let outcome = outcomes.next().unwrap_or(Err(ClientError::Unknown));
                    let _gone = to.send(outcome);
                }
                RunWaiter::Many { to, .. } => {
                    let _gone = to.send(outcomes.by_ref().take(requests).collect());
                }
            }
        }
    }

    /// Tells all of `waiters` that there is no answer.
    pub(crate) fn refuse(waiters: Vec<RunWaiter>, error: &ClientError) {
        for waiter in waiters {
            let requests = waiter.requests();
            match waiter {
                RunWaiter::One(to) => drop(to.send(Err(error.clone()))),
                RunWaiter::Many { to, .. } => {
                    drop(to.send((0..requests).map(|_| Err(error.clone())).collect()));
                }
            }
        }
    }
}

fn reply(slot: Slot, (status, bytes): Outcome, ambiguous: bool) -> Result<Reply, ClientError> {
    match status {
        AnswerStatus::Ok => Ok(Reply { slot, bytes }),
        AnswerStatus::UnknownSession => Err(ClientError::SessionExpired),
        // This client raises the floor only over what is answered.
        AnswerStatus::BelowFloor => Err(ClientError::Unknown),
        // The other place may be one where the window has moved on.
        AnswerStatus::BeyondWindow if ambiguous => Err(ClientError::Unknown),
        AnswerStatus::BeyondWindow => Err(ClientError::Overloaded),
        AnswerStatus::TooManySessions => Err(ClientError::TooManySessions),
    }
}

impl Ask {
    /// Says that there is no answer.
    pub(crate) fn refuse(self, error: ClientError) {
        match self {
            Ask::Read { to, .. } => drop(to.send(Err(error))),
            Ask::Status { to } => drop(to.send(Err(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue {
        let mut queue = Queue::new(&ClientOptions {
            in_flight_requests_max: 4,
            ..ClientOptions::default()
        });
        queue.opened(9);
        queue
    }

    fn push(queue: &mut Queue, requests: usize) -> Result<bool, NotNow> {
        let commands = vec![Bytes::from_static(b"x"); requests];
        let (to, _receiver) = oneshot::channel();
        queue.push(&commands, || RunWaiter::Many { requests, to })
    }

    #[test]
    fn nothing_is_sent_without_a_session() {
        let mut queue = Queue::new(&ClientOptions::default());
        assert_eq!(push(&mut queue, 1), Err(NotNow::Wait));
        queue.opened(9);
        assert_eq!(push(&mut queue, 1), Ok(true));
        assert_eq!(push(&mut queue, 1), Ok(false), "the task knows already");
        assert_eq!(queue.take().0.len(), 1, "joined into one chunk");
    }

    #[test]
    fn the_window_reaches_from_the_oldest_unanswered_request() {
        let mut queue = queue();
        assert_eq!(push(&mut queue, 1), Ok(true));
        let first = queue.take().0.pop_front().expect("a run");
        assert_eq!(push(&mut queue, 3), Ok(true));
        let second = queue.take().0.pop_front().expect("a run");
        assert_eq!(push(&mut queue, 1), Err(NotNow::Wait));
        queue.done(second.bytes, Some(first.first_sequence));
        assert_eq!(
            push(&mut queue, 1),
            Err(NotNow::Wait),
            "the first is not answered"
        );
        queue.done(first.bytes, None);
        assert_eq!(push(&mut queue, 4), Ok(true));
        assert_eq!(queue.floor, 5);
    }

    #[test]
    fn what_is_queued_holds_the_floor_down() {
        let mut queue = queue();
        assert_eq!(push(&mut queue, 1), Ok(true));
        let first = queue.take().0.pop_front().expect("a run");
        assert_eq!(push(&mut queue, 1), Ok(true));
        queue.done(first.bytes, None);
        assert_eq!(queue.floor, 2);
    }

    #[test]
    fn what_is_never_sent_expires() {
        let mut queue = queue();
        assert_eq!(push(&mut queue, 2), Ok(true));
        let (to, _receiver) = oneshot::channel();
        assert_eq!(queue.ask(|| Ask::Status { to }), Ok(true));
        let (now, minute) = (Instant::now(), Duration::from_secs(60));
        let (runs, asks) = queue.expire(now, minute);
        assert!(runs.is_empty() && asks.is_empty(), "not yet");
        let (runs, asks) = queue.expire(now + minute, minute);
        assert_eq!((runs.len(), asks.len()), (1, 1));
        queue.done(runs[0].bytes, None);
        queue.asked_done(1);
        assert_eq!((queue.bytes, queue.reads), (0, 0));
        assert_eq!(queue.floor, 3, "its sequences are not used again");
        assert_eq!(push(&mut queue, 4), Ok(true), "there is room again");
    }
}
