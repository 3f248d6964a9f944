//! Chunks on their way through the core, by ticket, with whoever waits for them.
//!
//! The core's thread adds them in the order of their tickets, which is the order in which they are
//! executed in the own lane; the apply thread takes them out again.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use spaxos_core::batch::Batch;
use spaxos_core::record::Life;
use spaxos_core::types::{Incarnation, ReplicaId, Slot};
use spaxos_wire::chunk;

use crate::error::SubmitError;
use crate::executor::{AnswerSink, Answers};
use crate::intake::Intake;
use crate::waiter::{Touched, Waiting};

/// Chunks that the core has and that are neither executed nor refused.
#[derive(Debug)]
pub(crate) struct Pending {
    id: ReplicaId,
    life: Life,
    intake: Arc<Intake>,
    tickets: Mutex<Tickets>,
}

#[derive(Debug)]
struct Tickets {
    /// The ticket of the first entry of `chunks`.
    first: u64,
    /// `None` is taken out already, while an earlier one is not.
    chunks: VecDeque<Option<Waiting>>,
    /// Nobody waits any more, though slots handed out before may still be executed.
    stopped: bool,
}

impl Pending {
    /// Nothing pending, in `life` of replica `id`.
    pub(crate) fn new(id: ReplicaId, life: Life, intake: Arc<Intake>) -> Pending {
        Pending {
            id,
            life,
            intake,
            tickets: Mutex::new(Tickets {
                first: 1,
                chunks: VecDeque::new(),
                stopped: false,
            }),
        }
    }

    /// Adds a chunk and names it.
    pub(crate) fn add(&self, waiting: Waiting) -> u64 {
        let mut tickets = self.tickets.lock();
        tickets.chunks.push_back(Some(waiting));
        tickets.first + tickets.chunks.len() as u64 - 1
    }

    /// Says that chunk `ticket` has no answer.
    pub(crate) fn refuse(&self, ticket: u64, error: &SubmitError) {
        let taken = self.tickets.lock().take(ticket);
        if let Some(waiting) = taken {
            self.intake.release(waiting.permits);
            for waiter in waiting.waiters {
                waiter.refuse(error);
            }
        }
    }

    /// Whether nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.tickets.lock().chunks.is_empty()
    }

    /// Drops everything: whoever waits is told that the node stops.
    pub(crate) fn stop(&self) {
        let mut tickets = self.tickets.lock();
        tickets.stopped = true;
        let chunks = std::mem::take(&mut tickets.chunks);
        drop(tickets);
        for waiter in chunks.into_iter().flatten().flat_map(|chunk| chunk.waiters) {
            waiter.refuse(&SubmitError::Stopped);
        }
    }

    /// The own chunks of an executed batch, each with the number of its first request.
    fn own_chunks(&self, batch: &Batch) -> Vec<(usize, Waiting)> {
        let mut tickets = self.tickets.lock();
        let mut found = Vec::new();
        let mut at = 0;
        if tickets.stopped {
            return found;
        }
        if batch.origins.is_empty() {
            while at < batch.requests as usize {
                let waiting = tickets.take_first();
                let waiting =
                    waiting.expect("an own batch holds own chunks, in order, and nothing else");
                let requests = waiting.requests as usize;
                found.push((at, waiting));
                at += requests;
            }
            assert_eq!(
                at, batch.requests as usize,
                "an own batch holds whole chunks"
            );
            return found;
        }
        let mut payload = &batch.payload[..];
        for origin in &batch.origins {
            let (chunk, behind) = payload.split_at(payload.len().min(origin.bytes as usize));
            if self.is_mine(origin.replica, origin.incarnation) {
                found.extend(tickets.take(origin.ticket).map(|waiting| (at, waiting)));
            }
            at += requests_in(chunk);
            payload = behind;
        }
        found
    }

    fn is_mine(&self, replica: ReplicaId, incarnation: Incarnation) -> bool {
        replica == self.id && incarnation == self.life.incarnation
    }
}

fn requests_in(payload: &[u8]) -> usize {
    let chunks = chunk::iter(payload).map_while(Result::ok);
    chunks.map(|chunk| chunk.requests() as usize).sum()
}

/// Passes answers to whoever waits for them.
#[derive(Debug)]
pub(crate) struct Answering {
    pub(crate) pending: Arc<Pending>,
    /// Connections that have something to write now.
    pub(crate) touched: Touched,
}

impl AnswerSink for Answering {
    fn wants(&self, batch: &Batch) -> bool {
        if batch.origins.is_empty() {
            return batch.requests > 0
                && self.pending.is_mine(batch.lane, batch.position.incarnation);
        }
        let mut origins = batch.origins.iter();
        origins.any(|origin| self.pending.is_mine(origin.replica, origin.incarnation))
    }

    fn answered(&mut self, slot: Slot, batch: &Batch, answers: Answers) {
        let mut permits = 0;
        for (mut at, waiting) in self.pending.own_chunks(batch) {
            permits += waiting.permits;
            for waiter in waiting.waiters {
                let end = at + waiter.requests() as usize;
                waiter.answer(slot, &answers, at..end, &mut self.touched);
                at = end;
            }
        }
        self.pending.intake.release(permits);
    }
}

impl Tickets {
    fn take(&mut self, ticket: u64) -> Option<Waiting> {
        let at = usize::try_from(ticket.checked_sub(self.first)?).ok()?;
        let taken = self.chunks.get_mut(at)?.take();
        self.drop_taken();
        taken
    }

    fn take_first(&mut self) -> Option<Waiting> {
        let taken = self.chunks.front_mut()?.take();
        self.drop_taken();
        taken
    }

    fn drop_taken(&mut self) {
        while let Some(None) = self.chunks.front() {
            self.chunks.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use spaxos_core::batch::Origin;
    use spaxos_core::config::Limits;
    use spaxos_core::effect::Execution;
    use spaxos_core::sessions::SessionLimits;
    use spaxos_core::types::{LogTime, Position};
    use tokio::sync::oneshot;

    use super::*;
    use crate::executor::Executor;
    use crate::handle::Reply;
    use crate::options::RuntimeLimits;
    use crate::state_machine::{Context, StateMachine};
    use crate::waiter::Waiter;
    use crate::wake::Wake;

    struct Echo;

    impl StateMachine for Echo {
        fn execute(&mut self, _context: &Context, command: &[u8], reply: &mut Vec<u8>) {
            reply.extend_from_slice(command);
        }

        fn query(&self, _query: &[u8], _reply: &mut Vec<u8>) {}
    }

    type Answer = oneshot::Receiver<Result<Reply, SubmitError>>;

    struct World {
        pending: Arc<Pending>,
        executor: Executor,
    }

    impl World {
        fn new() -> World {
            let limits = RuntimeLimits::default();
            let intake = Intake::new(&Limits::default(), &limits, Arc::new(Wake::default()));
            let life = Life {
                incarnation: Incarnation(3),
                nonce: 9,
            };
            let pending = Pending::new(ReplicaId(1), life, Arc::new(intake));
            World {
                pending: Arc::new(pending),
                executor: Executor::new(Box::new(Echo), SessionLimits::default()),
            }
        }

        fn submit(&self) -> (u64, Answer) {
            let (sender, answer) = oneshot::channel();
            let waiting = Waiting {
                waiters: vec![Waiter::One(sender)],
                requests: 1,
                permits: 0,
            };
            (self.pending.add(waiting), answer)
        }

        fn execute(&mut self, lane: u64, commands: &[&str], origins: Vec<Origin>) {
            let payload = commands.iter().flat_map(|command| plain(command)).collect();
            let requests = u32::try_from(commands.len()).expect("few");
            let lane = ReplicaId(lane);
            let batch = Batch::new(lane, Position::new(3, 1), 0, requests, payload, origins);
            let execution = Execution {
                slot: self.executor.executed().next(),
                log_time: LogTime(0),
                batches: vec![Arc::new(batch)],
                hash: 0,
            };
            let mut answering = Answering {
                pending: Arc::clone(&self.pending),
                touched: Touched::default(),
            };
            self.executor.execute(&execution, &mut answering);
        }
    }

    fn plain(command: &str) -> Bytes {
        let mut builder = chunk::ChunkBuilder::plain();
        builder.push(command.as_bytes());
        builder.finish()
    }

    fn answer(answer: &mut Answer) -> String {
        let reply = answer.try_recv().expect("answered").expect("executed");
        String::from_utf8_lossy(&reply.bytes).into_owned()
    }

    #[test]
    fn own_batches_answer_in_the_order_of_their_tickets() {
        let mut world = World::new();
        let (_, mut a) = world.submit();
        let (refused, mut b) = world.submit();
        let (_, mut c) = world.submit();
        world.pending.refuse(refused, &SubmitError::Overloaded);
        world.execute(2, &["other"], Vec::new());
        world.execute(1, &["a", "c"], Vec::new());
        assert_eq!(
            (answer(&mut a), answer(&mut c)),
            ("a".to_owned(), "c".to_owned())
        );
        assert_eq!(b.try_recv(), Ok(Err(SubmitError::Overloaded)));
        assert!(world.pending.is_empty());
    }

    #[test]
    fn a_slot_may_be_executed_after_the_node_has_stopped() {
        let mut world = World::new();
        let (_, mut answer) = world.submit();
        world.pending.stop();
        world.execute(1, &["a"], Vec::new());
        assert_eq!(answer.try_recv(), Ok(Err(SubmitError::Stopped)));
    }

    #[test]
    fn forwarded_chunks_are_answered_where_they_came_from() {
        let mut world = World::new();
        let (first, mut lost) = world.submit();
        let (second, mut kept) = world.submit();
        world.pending.refuse(first, &SubmitError::Unknown);
        let origin = |replica, incarnation, ticket, command: &str| Origin {
            replica: ReplicaId(replica),
            incarnation: Incarnation(incarnation),
            ticket,
            bytes: u32::try_from(plain(command).len()).expect("short"),
        };
        let origins = vec![
            origin(2, 8, second, "other's"),
            origin(1, 2, second, "of an older life"),
            origin(1, 3, first, "late"),
            origin(1, 3, second, "mine"),
        ];
        world.execute(2, &["other's", "of an older life", "late", "mine"], origins);
        assert_eq!(answer(&mut kept), "mine");
        assert_eq!(lost.try_recv(), Ok(Err(SubmitError::Unknown)));
    }
}
