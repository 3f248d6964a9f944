//! What waits to be written to one peer.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use spaxos_core::types::ReplicaId;

use crate::counters::Cells;
use crate::transport::outgoing::Outgoing;
use crate::wake::Wake;

/// The frames for one peer, bounded in bytes. While no connection stands nothing is kept: a peer
/// that is away costs no memory, and what it missed it fetches.
#[derive(Debug)]
pub(crate) struct PeerQueue {
    /// The peer.
    pub(crate) peer: ReplicaId,
    state: Mutex<State>,
    wake: Wake,
    counters: Arc<Cells>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Arc<Outgoing>>,
    bytes: usize,
    connected: bool,
}

impl PeerQueue {
    pub(crate) fn new(peer: ReplicaId, counters: Arc<Cells>, bytes_max: usize) -> PeerQueue {
        PeerQueue {
            peer,
            state: Mutex::new(State::default()),
            wake: Wake::default(),
            counters,
            bytes_max,
        }
    }

    /// Adds a frame, if there is room.
    pub(crate) fn push(&self, frame: &Arc<Outgoing>) {
        let mut state = self.state.lock();
        let dropped = state.push(frame, self.bytes_max);
        drop(state);
        if dropped > 0 {
            self.counters.peer(self.peer).dropped.add(dropped);
        }
        self.wake.wake();
    }

    /// A connection stands: frames are kept from now on.
    pub(crate) fn connected(&self) {
        let mut state = self.state.lock();
        state.connected = true;
        drop(state);
        let cells = self.counters.peer(self.peer);
        cells.connected.set(1);
        cells.connections.add(1);
    }

    /// The connection is gone, and what waited for it.
    pub(crate) fn disconnected(&self) {
        let dropped = std::mem::take(&mut *self.state.lock()).frames.len();
        let cells = self.counters.peer(self.peer);
        cells.connected.set(0);
        cells.dropped.add(dropped as u64);
    }

    /// Waits for frames and moves all of them behind `taken`. The bytes count until
    /// [`PeerQueue::written`].
    pub(crate) async fn take(&self, taken: &mut VecDeque<Arc<Outgoing>>) {
        loop {
            if self.try_take(taken) {
                return;
            }
            self.wake.woken().await;
        }
    }

    /// Moves all frames behind `taken`; false if there is none.
    pub(crate) fn try_take(&self, taken: &mut VecDeque<Arc<Outgoing>>) -> bool {
        let mut state = self.state.lock();
        let some = !state.frames.is_empty();
        taken.append(&mut state.frames);
        some
    }

    /// A frame is out.
    pub(crate) fn written(&self, frame: &Outgoing) {
        let mut state = self.state.lock();
        state.bytes = state.bytes.saturating_sub(frame.bytes);
        drop(state);
        let cells = self.counters.peer(self.peer);
        cells.sent.add(frame.kind, frame.bytes);
    }
}

impl State {
    /// Returns how many frames were dropped.
    fn push(&mut self, frame: &Arc<Outgoing>, bytes_max: usize) -> u64 {
        // Beyond the limit only what is not a batch goes in, and beyond twice the limit nothing.
        let limit = if frame.is_batch {
            bytes_max
        } else {
            2 * bytes_max
        };
        let full = self.bytes > 0 && self.bytes + frame.bytes > limit;
        if !self.connected || full {
            return 1;
        }
        self.bytes += frame.bytes;
        self.frames.push_back(Arc::clone(frame));
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::outgoing::tests::outgoing;

    fn queue() -> PeerQueue {
        let cells = Cells::new([ReplicaId(2)].into_iter());
        PeerQueue::new(ReplicaId(2), Arc::new(cells), 10_000)
    }

    fn len(queue: &PeerQueue) -> usize {
        queue.state.lock().frames.len()
    }

    #[test]
    fn nothing_is_kept_for_a_peer_that_is_away() {
        let queue = queue();
        queue.push(&outgoing(None));
        assert_eq!(len(&queue), 0);
        queue.connected();
        queue.push(&outgoing(None));
        assert_eq!(len(&queue), 1);
        queue.disconnected();
        assert_eq!(len(&queue), 0);
        assert_eq!(queue.counters.peer(ReplicaId(2)).dropped.get(), 2);
    }

    #[test]
    fn a_slow_peer_loses_batches_first() {
        let queue = queue();
        queue.connected();
        queue.push(&outgoing(Some(8_000)));
        queue.push(&outgoing(Some(3_000)));
        assert_eq!(len(&queue), 1, "the batch does not fit");
        queue.push(&outgoing(None));
        assert_eq!(len(&queue), 2, "anything else does");
        let mut taken = VecDeque::new();
        assert!(queue.try_take(&mut taken));
        queue.push(&outgoing(Some(3_000)));
        assert_eq!(len(&queue), 0, "what is being written counts");
        for frame in taken {
            queue.written(&frame);
        }
        queue.push(&outgoing(Some(3_000)));
        assert_eq!(len(&queue), 1);
    }
}
