//! Moving own batches to peers. Per peer a cursor into the own lane, not a queue of copies: a slow or
//! dead peer costs no memory. What a cursor skips, the peer fetches.

use crate::types::{LaneMap, ReplicaId, Sequence};

#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    /// The last batch sent.
    sent: Sequence,
    /// The last batch acked.
    acked: Sequence,
}

/// The cursors of all peers into the own lane of this incarnation.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    cursors: LaneMap<Cursor>,
    /// Batches sent to a peer and not yet acked by it, at most.
    window: u64,
}

impl Sender {
    pub(crate) fn new(members: &[ReplicaId], own: ReplicaId, window: u64) -> Sender {
        let peers: Vec<_> = members.iter().copied().filter(|&id| id != own).collect();
        Sender {
            cursors: LaneMap::from_ids(&peers, |_| Cursor::default()),
            window,
        }
    }

    /// The peer holds own batches up to `sequence`.
    pub(crate) fn on_acked(&mut self, peer: ReplicaId, sequence: Sequence) {
        if let Some(cursor) = self.cursors.get_mut(peer) {
            cursor.acked = cursor.acked.max(sequence);
            cursor.sent = cursor.sent.max(cursor.acked);
        }
    }

    /// A new connection: what was sent and not acked may be lost.
    pub(crate) fn on_connected(&mut self, peer: ReplicaId, acked: Sequence) {
        if let Some(cursor) = self.cursors.get_mut(peer) {
            cursor.acked = acked;
            cursor.sent = acked;
        }
    }

    /// The next batch to send and to whom, given that own batches up to `end` exist. `in_memory`
    /// tells from where on they need not be read from the log.
    pub(crate) fn next(
        &mut self,
        end: Sequence,
        in_memory: Sequence,
    ) -> Option<(Sequence, Vec<ReplicaId>)> {
        let window = self.window;
        let room = |cursor: &Cursor| cursor.sent.0 < cursor.acked.0 + window;
        for (_, cursor) in self.cursors.iter_mut() {
            if cursor.sent.next() < in_memory && room(cursor) {
                // Too far behind: it fetches what it lacks; the stream goes on from memory.
                cursor.sent = Sequence(in_memory.0.saturating_sub(1)).min(end);
            }
        }
        let ready = |cursor: &Cursor| cursor.sent < end && room(cursor);
        let waiting = self.cursors.iter().filter(|(_, cursor)| ready(cursor));
        let first = waiting.map(|(_, cursor)| cursor.sent).min()?;
        let mut peers = Vec::new();
        for (id, cursor) in self.cursors.iter_mut() {
            if cursor.sent == first && ready(cursor) {
                cursor.sent = first.next();
                peers.push(id);
            }
        }
        Some((first.next(), peers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ReplicaId = ReplicaId(1);
    const B: ReplicaId = ReplicaId(2);
    const C: ReplicaId = ReplicaId(3);

    #[test]
    fn a_silent_peer_stops_at_its_window_and_goes_on_from_memory() {
        let mut sender = Sender::new(&[A, B, C], A, 64);
        let end = Sequence(74);
        let mut to_c = 0;
        while let Some((sequence, peers)) = sender.next(end, Sequence(1)) {
            if peers.contains(&B) {
                sender.on_acked(B, sequence);
            }
            to_c += u64::from(peers.contains(&C));
        }
        assert_eq!(to_c, 64);
        sender.on_connected(C, Sequence(3));
        let next = sender.next(end, Sequence(50));
        assert_eq!(next, Some((Sequence(50), vec![C])));
    }
}
