//! Where requests and reads of all callers come in, and where back-pressure acts.
//!
//! Callers wait for permits, then join their requests to one payload; the core's thread is woken for
//! the first of them and takes all.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use spaxos_core::config::Limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::error::{ReadError, SubmitError};
use crate::handle::Consistency;
use crate::joined::Joined;
use crate::options::{CHUNK_HEAD_BYTES, RuntimeLimits};
use crate::read::ReadRequest;
use crate::waiter::Waiter;
use crate::wake::Wake;

/// What one request counts for beside its bytes: whoever waits for it needs memory too.
const REQUEST_COST_BYTES: usize = 32;

/// Requests and reads on their way to the core.
#[derive(Debug)]
pub(crate) struct Intake {
    state: Mutex<State>,
    wake: Arc<Wake>,
    /// Bytes of requests that may still be taken.
    requests: Semaphore,
    /// Linearizable reads that may still be taken.
    reads: Arc<Semaphore>,
    /// Serializable reads that may still be taken: they wait for nobody, and must not wait for reads
    /// that do.
    local_reads: Arc<Semaphore>,
    wait_max: Duration,
    payload_bytes_max: usize,
    /// The longest command, in bytes.
    pub(crate) command_bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Payloads that are full.
    full: VecDeque<Joined>,
    /// The payload that grows.
    open: Joined,
    /// Linearizable reads.
    reads: Vec<ReadRequest>,
    /// No more is taken.
    closed: bool,
}

/// What was taken out of the intake at once.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Payloads, in order.
    pub(crate) payloads: VecDeque<Joined>,
    /// Reads, all of which arrived before they were taken.
    pub(crate) reads: Vec<ReadRequest>,
    /// An empty payload whose memory is used again.
    pub(crate) spare: Joined,
}

impl Intake {
    pub(crate) fn new(core: &Limits, limits: &RuntimeLimits, wake: Arc<Wake>) -> Intake {
        Intake {
            state: Mutex::new(State::default()),
            wake,
            requests: Semaphore::new(limits.intake_bytes_max),
            reads: Arc::new(Semaphore::new(limits.reads_max)),
            local_reads: Arc::new(Semaphore::new(limits.reads_max)),
            wait_max: limits.intake_wait_max,
            payload_bytes_max: core.chunk_bytes_max,
            command_bytes_max: limits.command_bytes_max,
        }
    }

    /// What `requests` requests of together `bytes` bytes take.
    pub(crate) const fn permits(bytes: usize, requests: usize) -> usize {
        bytes + requests * REQUEST_COST_BYTES
    }

    /// Refuses a command that is too long.
    pub(crate) const fn check_length(&self, command: &[u8]) -> Result<(), SubmitError> {
        if command.len() > self.command_bytes_max {
            return Err(SubmitError::TooLarge {
                bytes: command.len(),
                bytes_max: self.command_bytes_max,
            });
        }
        Ok(())
    }

    /// Waits, not for ever, until `permits` may be taken, and takes them. They go with the requests
    /// that are pushed next, and come back by [`Intake::release`].
    pub(crate) async fn admit(&self, permits: usize) -> Result<(), SubmitError> {
        let many = u32::try_from(permits).map_err(|_| SubmitError::Overloaded)?;
        if let Ok(permit) = self.requests.try_acquire_many(many) {
            permit.forget();
            return Ok(());
        }
        let waited = tokio::time::timeout(self.wait_max, self.requests.acquire_many(many)).await;
        match waited {
            Ok(Ok(permit)) => permit.forget(),
            Ok(Err(_closed)) => return Err(SubmitError::Stopped),
            Err(_elapsed) => return Err(SubmitError::Overloaded),
        }
        Ok(())
    }

    /// Gives permits back.
    pub(crate) fn release(&self, permits: usize) {
        if permits > 0 {
            self.requests.add_permits(permits);
        }
    }

    /// Adds plain requests that `waiter` waits for; together they fit into one payload.
    pub(crate) fn push_plain<'a>(
        &self,
        bytes: usize,
        commands: impl Iterator<Item = &'a Bytes>,
        waiter: Waiter,
        permits: usize,
    ) {
        self.push(bytes, waiter, permits, |open| {
            for command in commands {
                open.push_plain(command);
            }
        });
    }

    /// Adds a checked chunk of a client as it is.
    pub(crate) fn push_chunk(&self, chunk: &[u8], waiter: Waiter, permits: usize) {
        let requests = waiter.requests();
        self.push(chunk.len(), waiter, permits, |open| {
            open.push_chunk(chunk, requests);
        });
    }

    fn push(&self, bytes: usize, waiter: Waiter, permits: usize, encode: impl FnOnce(&mut Joined)) {
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            self.release(permits);
            waiter.refuse(&SubmitError::Stopped);
            return;
        }
        let first = state.open.is_empty();
        if !first && state.open.len() + bytes + CHUNK_HEAD_BYTES > self.payload_bytes_max {
            let full = std::mem::take(&mut state.open);
            state.full.push_back(full);
        }
        encode(&mut state.open);
        state.open.wait(waiter, permits);
        drop(state);
        if first {
            self.wake.wake();
        }
    }

    /// Takes a permit for one read.
    pub(crate) fn admit_read(
        &self,
        consistency: Consistency,
    ) -> Result<OwnedSemaphorePermit, ReadError> {
        let permits = match consistency {
            Consistency::Linearizable => &self.reads,
            Consistency::Serializable => &self.local_reads,
        };
        let permit = Arc::clone(permits).try_acquire_owned();
        permit.map_err(|error| match error {
            TryAcquireError::Closed => ReadError::Stopped,
            TryAcquireError::NoPermits => ReadError::Overloaded,
        })
    }

    /// Adds a linearizable read that holds a permit.
    pub(crate) fn push_read(&self, read: ReadRequest) {
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            read.refuse(&ReadError::Stopped);
            return;
        }
        let first = state.reads.is_empty();
        state.reads.push(read);
        drop(state);
        if first {
            self.wake.wake();
        }
    }

    /// Takes everything into `taken`, which must be empty, except reads if there is no room for them.
    /// Payloads that nobody waits for any more are dropped.
    pub(crate) fn take(&self, taken: &mut Taken, room_for_reads: bool) {
        assert!(taken.payloads.is_empty() && taken.reads.is_empty() && taken.spare.is_empty());
        let mut state = self.state.lock();
        std::mem::swap(&mut state.full, &mut taken.payloads);
        if room_for_reads {
            std::mem::swap(&mut state.reads, &mut taken.reads);
        }
        if !state.open.is_empty() {
            let spare = std::mem::take(&mut taken.spare);
            taken
                .payloads
                .push_back(std::mem::replace(&mut state.open, spare));
        }
        drop(state);
        taken.payloads.retain(|payload| {
            let abandoned = payload.waiting.is_abandoned();
            if abandoned {
                self.release(payload.waiting.permits);
            }
            !abandoned
        });
    }

    /// Drops the reads that nobody waits for any more, and with them their permits.
    pub(crate) fn purge_reads(&self) {
        let mut state = self.state.lock();
        state.reads.retain(|read| !read.is_abandoned());
    }

    /// Takes no more. What has been pushed stays until it is taken.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.requests.close();
        self.reads.close();
        self.local_reads.close();
    }

    /// Whether something waits to be taken.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.open.is_empty() && state.full.is_empty() && state.reads.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::sync::oneshot;

    use super::*;
    use crate::handle::Consistency::{Linearizable, Serializable};
    use crate::read::Reader;

    fn intake() -> Intake {
        let core = Limits {
            chunk_bytes_max: CHUNK_HEAD_BYTES + 100,
            ..Limits::default()
        };
        let limits = RuntimeLimits {
            intake_bytes_max: 1000,
            intake_wait_max: Duration::from_millis(1),
            reads_max: 1,
            ..RuntimeLimits::default()
        };
        Intake::new(&core, &limits, Arc::new(Wake::default()))
    }

    type Answer = oneshot::Receiver<Result<crate::handle::Reply, SubmitError>>;

    fn push(intake: &Intake, command: &'static [u8]) -> Answer {
        let (sender, answer) = oneshot::channel();
        let command = Bytes::from_static(command);
        let waiter = Waiter::One(sender);
        intake.push_plain(command.len(), std::iter::once(&command), waiter, 0);
        answer
    }

    #[test]
    fn what_comes_between_two_turns_is_one_payload_unless_it_is_too_long() {
        let intake = intake();
        let _answers = [
            push(&intake, b"a"),
            push(&intake, b"b"),
            push(&intake, &[0; 100]),
        ];
        let mut taken = Taken::default();
        intake.take(&mut taken, true);
        let requests = taken
            .payloads
            .iter()
            .map(|payload| payload.waiting.requests);
        assert_eq!(requests.collect::<Vec<_>>(), [2, 1]);
        assert!(intake.is_empty());
    }

    #[tokio::test]
    async fn callers_wait_for_room_and_not_for_ever() {
        let intake = intake();
        assert_eq!(intake.admit(900).await, Ok(()));
        assert_eq!(intake.admit(200).await, Err(SubmitError::Overloaded));
        intake.release(900);
        assert_eq!(intake.admit(200).await, Ok(()));
    }

    #[test]
    fn reads_count_while_somebody_waits_for_them() {
        let intake = intake();
        let refused = |consistency| intake.admit_read(consistency).err();
        let (sender, answer) = oneshot::channel();
        intake.push_read(ReadRequest {
            query: None,
            reader: Reader::One(sender),
            permit: intake.admit_read(Linearizable).expect("a permit"),
        });
        assert_eq!(refused(Linearizable), Some(ReadError::Overloaded));
        assert_eq!(refused(Serializable), None, "counted apart");
        let mut taken = Taken::default();
        intake.take(&mut taken, false);
        intake.purge_reads();
        assert!(!intake.is_empty(), "no room for it, and somebody waits");
        drop(answer);
        intake.purge_reads();
        assert!(intake.is_empty());
        assert_eq!(refused(Linearizable), None);
    }

    #[tokio::test]
    async fn payloads_that_nobody_waits_for_go_no_further() {
        let intake = intake();
        intake.admit(1000).await.expect("room");
        let mut taken = Taken::default();
        let commands = [Bytes::from_static(b"a"), Bytes::from_static(&[0; 100])];
        let answers = commands.map(|command| {
            let (sender, answer) = oneshot::channel();
            let waiter = Waiter::One(sender);
            intake.push_plain(command.len(), std::iter::once(&command), waiter, 500);
            answer
        });
        let [gone, mut waiting] = answers;
        drop(gone);
        intake.take(&mut taken, true);
        assert_eq!(taken.payloads.len(), 1);
        assert_eq!(intake.admit(501).await, Err(SubmitError::Overloaded));
        assert_eq!(intake.admit(500).await, Ok(()), "one's permits are back");
        assert!(waiting.try_recv().is_err(), "still waiting");
    }

    #[tokio::test]
    async fn a_closed_intake_takes_nothing_and_keeps_what_it_has() {
        let intake = intake();
        let mut before = push(&intake, b"a");
        intake.close();
        let mut after = push(&intake, b"b");
        assert_eq!(after.try_recv(), Ok(Err(SubmitError::Stopped)));
        assert_eq!(intake.admit(2000).await, Err(SubmitError::Stopped));
        for consistency in [Linearizable, Serializable] {
            let refused = intake.admit_read(consistency).err();
            assert_eq!(refused, Some(ReadError::Stopped));
        }
        let mut taken = Taken::default();
        intake.take(&mut taken, true);
        assert_eq!(taken.payloads.len(), 1);
        assert!(before.try_recv().is_err(), "still waiting");
    }
}
