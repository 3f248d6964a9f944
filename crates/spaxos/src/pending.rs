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
use crate::waiter::Waiting;

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
        let chunks = std::mem::take(&mut self.tickets.lock().chunks);
        for waiter in chunks.into_iter().flatten().flat_map(|chunk| chunk.waiters) {
            waiter.refuse(&SubmitError::Stopped);
        }
    }

    /// The own chunks of an executed batch, each with the number of its first request.
    fn own_chunks(&self, batch: &Batch) -> Vec<(usize, Waiting)> {
        let mut tickets = self.tickets.lock();
        let mut found = Vec::new();
        let mut at = 0;
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

impl AnswerSink for Arc<Pending> {
    fn wants(&self, batch: &Batch) -> bool {
        if batch.origins.is_empty() {
            return batch.requests > 0 && self.is_mine(batch.lane, batch.position.incarnation);
        }
        let mut origins = batch.origins.iter();
        origins.any(|origin| self.is_mine(origin.replica, origin.incarnation))
    }

    fn answered(&mut self, slot: Slot, batch: &Batch, answers: Answers) {
        let mut permits = 0;
        for (mut at, waiting) in self.own_chunks(batch) {
            permits += waiting.permits;
            for waiter in waiting.waiters {
                let end = at + waiter.requests() as usize;
                waiter.answer(slot, &answers, at..end);
                at = end;
            }
        }
        self.intake.release(permits);
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
