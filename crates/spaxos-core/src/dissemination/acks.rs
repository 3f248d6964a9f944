//! What peers hold durably, as far as their acks tell. Hints only: they steer proposing, fetching
//! and flow control, and never permit deleting anything.

use crate::message::Held;
use crate::planted::planted;
use crate::types::{Incarnation, LaneMap, Lsn, ReplicaId, Sequence};

#[derive(Clone, Debug, Default)]
struct PeerAcks {
    held: Vec<Held>,
    /// Everything up to this record of ours has been acked to the peer, or will be by a message that
    /// waits for it.
    announced: Lsn,
}

/// The acks of all peers, and what we have told them.
#[derive(Clone, Debug)]
pub(crate) struct Acks {
    peers: LaneMap<PeerAcks>,
}

impl Acks {
    pub(crate) fn new(members: &[ReplicaId], own: ReplicaId) -> Acks {
        let peers: Vec<_> = members.iter().copied().filter(|&id| id != own).collect();
        Acks {
            peers: LaneMap::from_ids(&peers, |_| PeerAcks::default()),
        }
    }

    /// Takes the acks of a message. They may come in any order, so none is taken back.
    pub(crate) fn on_held(&mut self, peer: ReplicaId, held: &[Held]) {
        let Some(known) = self.peers.get_mut(peer) else {
            return;
        };
        if known.held.len() == held.len() {
            let same = |(a, b): (&Held, &Held)| {
                a.lane == b.lane && a.position.incarnation == b.position.incarnation
            };
            if known.held.iter().zip(held).all(same) {
                for (old, new) in known.held.iter_mut().zip(held) {
                    old.position = old.position.max(new.position);
                }
                return;
            }
        }
        let mut merged = held.to_vec();
        for new in &mut merged {
            let old = find(&known.held, new.lane, new.position.incarnation);
            new.position.sequence = new.position.sequence.max(old);
        }
        known.held = merged;
    }

    /// The peer lives anew: what it said before counts no more.
    pub(crate) fn forget(&mut self, peer: ReplicaId) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.held.clear();
        }
    }

    /// Up to where `peer` holds an incarnation of `lane`.
    pub(crate) fn held_by(
        &self,
        peer: ReplicaId,
        lane: ReplicaId,
        incarnation: Incarnation,
    ) -> Sequence {
        let known = self.peers.get(peer);
        known.map_or(Sequence(0), |known| find(&known.held, lane, incarnation))
    }

    /// Up to where `quorum` replicas hold it, this one with `own`.
    pub(crate) fn stable(
        &self,
        lane: ReplicaId,
        incarnation: Incarnation,
        own: Sequence,
        quorum: usize,
    ) -> Sequence {
        let peers = self.peers.iter();
        let mut ends: Vec<_> = peers
            .map(|(_, known)| find(&known.held, lane, incarnation))
            .collect();
        ends.push(own);
        ends.sort_unstable_by(|a, b| b.cmp(a));
        ends[quorum - 1]
    }

    /// A message that leaves when `lsn` is durable acks everything up to there to `peer`.
    pub(crate) fn announce(&mut self, peer: ReplicaId, lsn: Lsn) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.announced = known.announced.max(lsn);
        }
    }

    /// The same for all peers.
    pub(crate) fn announce_all(&mut self, lsn: Lsn) {
        for (_, known) in self.peers.iter_mut() {
            known.announced = known.announced.max(lsn);
        }
    }

    /// Whether `peer` has not been told of record `lsn`.
    pub(crate) fn owes(&self, peer: ReplicaId, lsn: Lsn) -> bool {
        self.peers
            .get(peer)
            .is_some_and(|known| known.announced < lsn)
    }

    /// All peers.
    pub(crate) fn peers(&self) -> impl Iterator<Item = ReplicaId> {
        self.peers.iter().map(|(id, _)| id)
    }
}

fn find(held: &[Held], lane: ReplicaId, incarnation: Incarnation) -> Sequence {
    let across = planted!(AcksAcrossIncarnations);
    let found = held
        .iter()
        .find(|held| held.lane == lane && (held.position.incarnation == incarnation || across));
    found.map_or(Sequence(0), |held| held.position.sequence)
}
