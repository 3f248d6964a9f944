//! Closing batches of the own lane.
//!
//! A batch is closed at once when nothing of the lane is on its way; otherwise when it is full or an
//! earlier one is ordered. So low load waits for no timer, and high load fills batches.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::batch::{Chunk, Origin, batch_cost_bytes};
use crate::config::Limits;
use crate::effect::RejectReason;
use crate::types::{ReplicaId, Sequence};

/// A chunk that waits, with who will answer it if that is not the coordinator by itself.
#[derive(Clone, Debug)]
struct Waiting {
    chunk: Chunk,
    origin: Option<Origin>,
}

impl Waiting {
    fn cost_bytes(&self) -> u64 {
        batch_cost_bytes(&self.chunk.payload, self.origin.as_slice())
    }
}

/// What goes into the next batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) requests: u32,
    pub(crate) payload: Bytes,
    pub(crate) origins: Vec<Origin>,
}

/// The queue in front of the own lane.
#[derive(Clone, Debug)]
pub(crate) struct Batcher {
    waiting: VecDeque<Waiting>,
    waiting_bytes: u64,
    /// A no-op is wanted: close a batch even if nothing waits.
    no_op: bool,
    /// The last batch that was made because a no-op was wanted.
    last_no_op: Sequence,
    /// An earlier batch was ordered: what waits may go although others are on their way.
    due: bool,
    /// The last closed batch.
    closed: Sequence,
    /// The last ordered batch.
    ordered: Sequence,
    /// Bytes of closed batches that are not executed.
    unexecuted_bytes: u64,
    batch_bytes_max: usize,
    chunk_bytes_max: usize,
    lane_bytes_max: u64,
}

impl Batcher {
    pub(crate) fn new(limits: &Limits) -> Batcher {
        Batcher {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            no_op: false,
            last_no_op: Sequence(0),
            due: false,
            closed: Sequence(0),
            ordered: Sequence(0),
            unexecuted_bytes: 0,
            batch_bytes_max: limits.batch_bytes_max,
            chunk_bytes_max: limits.chunk_bytes_max,
            lane_bytes_max: limits.lane_bytes_max,
        }
    }

    /// Takes a chunk, or says why not.
    pub(crate) fn push(
        &mut self,
        chunk: Chunk,
        origin: Option<Origin>,
    ) -> Result<(), RejectReason> {
        if chunk.payload.len() > self.chunk_bytes_max {
            return Err(RejectReason::TooLarge);
        }
        let waiting = Waiting { chunk, origin };
        if self.lane_bytes() + waiting.cost_bytes() > self.lane_bytes_max {
            return Err(RejectReason::Overloaded);
        }
        self.waiting_bytes += waiting.cost_bytes();
        self.waiting.push_back(waiting);
        Ok(())
    }

    /// Asks for a batch even if no request waits. Not subject to back-pressure: one such batch at a
    /// time is on its way, and the reserve has room for it.
    pub(crate) fn want_no_op(&mut self) {
        self.no_op = true;
    }

    /// The content of the batch that is to be closed now, if one is.
    pub(crate) fn close(&mut self) -> Option<Content> {
        if !self.is_ready() {
            return None;
        }
        self.due = false;
        self.closed = self.closed.next();
        if std::mem::take(&mut self.no_op) {
            self.last_no_op = self.closed;
        }
        let content = self.take();
        self.unexecuted_bytes += batch_cost_bytes(&content.payload, &content.origins);
        Some(content)
    }

    /// Whether a batch is to be closed now.
    pub(crate) fn is_ready(&self) -> bool {
        let full = self.waiting_bytes >= self.batch_bytes_max as u64;
        let idle = self.closed == self.ordered;
        let no_op = self.no_op && self.last_no_op <= self.ordered;
        no_op || (!self.waiting.is_empty() && (idle || full || self.due))
    }

    /// Own batches up to `sequence` are ordered and handed out for execution: `bytes` is what they
    /// cost. Lets the next batch go.
    pub(crate) fn on_executed(&mut self, sequence: Sequence, bytes: u64) {
        self.due |= sequence > self.ordered;
        self.ordered = self.ordered.max(sequence);
        self.unexecuted_bytes = self.unexecuted_bytes.saturating_sub(bytes);
    }

    /// Gives up everything that waits; returns the tickets of the chunks that came from `replica`.
    pub(crate) fn abandon(&mut self, replica: ReplicaId) -> Vec<u64> {
        self.waiting_bytes = 0;
        let own = |waiting: Waiting| {
            let own = waiting
                .origin
                .is_none_or(|origin| origin.replica == replica);
            own.then_some(waiting.chunk.ticket)
        };
        self.waiting.drain(..).filter_map(own).collect()
    }

    /// The last closed batch.
    pub(crate) fn closed(&self) -> Sequence {
        self.closed
    }

    /// The last ordered batch.
    pub(crate) fn ordered(&self) -> Sequence {
        self.ordered
    }

    /// Bytes taken and not yet executed.
    pub(crate) fn lane_bytes(&self) -> u64 {
        self.waiting_bytes + self.unexecuted_bytes
    }

    fn take(&mut self) -> Content {
        let mut content = Content {
            requests: 0,
            payload: Bytes::new(),
            origins: Vec::new(),
        };
        let mut parts: Vec<Bytes> = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.waiting.front() {
            let len = next.chunk.payload.len();
            if !parts.is_empty() && bytes + len > self.batch_bytes_max {
                break;
            }
            let next = self.waiting.pop_front().expect("it is in front");
            self.waiting_bytes -= next.cost_bytes();
            bytes += len;
            content.requests = content.requests.saturating_add(next.chunk.requests);
            content.origins.extend(next.origin);
            parts.push(next.chunk.payload);
        }
        content.payload = join(parts, bytes);
        content
    }
}

/// One buffer out of several; a single one is passed on as it is.
fn join(mut parts: Vec<Bytes>, bytes: usize) -> Bytes {
    if parts.len() == 1 {
        return parts.pop().expect("there is one");
    }
    let mut joined = BytesMut::with_capacity(bytes);
    for part in &parts {
        joined.extend_from_slice(part);
    }
    joined.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(ticket: u64, bytes: usize) -> Chunk {
        Chunk {
            ticket,
            requests: 1,
            payload: Bytes::from(vec![7; bytes]),
        }
    }

    fn batcher() -> Batcher {
        Batcher::new(&Limits {
            batch_bytes_max: 200,
            chunk_bytes_max: 200,
            lane_bytes_max: 2000,
            ..Limits::default()
        })
    }

    #[test]
    fn the_first_goes_at_once_and_the_rest_gathers_until_it_is_ordered() {
        let mut batcher = batcher();
        batcher.push(chunk(1, 10), None).expect("room");
        assert_eq!(batcher.close().map(|c| c.requests), Some(1));
        batcher.push(chunk(2, 10), None).expect("room");
        batcher.push(chunk(3, 10), None).expect("room");
        assert_eq!(batcher.close(), None);
        batcher.on_executed(Sequence(1), 74);
        assert_eq!(batcher.close().map(|c| c.requests), Some(2));
        assert_eq!(batcher.close(), None);
    }

    #[test]
    fn a_full_batch_does_not_wait() {
        let mut batcher = batcher();
        batcher.push(chunk(1, 10), None).expect("room");
        assert!(batcher.close().is_some());
        batcher.push(chunk(2, 150), None).expect("room");
        assert_eq!(batcher.close().map(|c| c.payload.len()), Some(150));
    }

    #[test]
    fn back_pressure_refuses_but_not_a_no_op() {
        let mut batcher = batcher();
        let mut taken = 0;
        while batcher.push(chunk(taken, 200), None).is_ok() {
            taken += 1;
        }
        assert_eq!(
            batcher.push(chunk(99, 200), None),
            Err(RejectReason::Overloaded)
        );
        assert_eq!(
            batcher.push(chunk(99, 201), None),
            Err(RejectReason::TooLarge)
        );
        while batcher.close().is_some() {}
        batcher.want_no_op();
        assert!(batcher.close().is_some());
    }
}
