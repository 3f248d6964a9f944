//! The network: one link per ordered pair of replicas, each with its own delay, loss, duplication and
//! order, each of which can be cut alone.

use std::collections::BTreeMap;

use bytes::Bytes;
use spaxos_core::message::Body;

use crate::event::Packet;
use crate::figures::Figures;
use crate::random::{Random, Span};

/// How the links behave while nothing special happens to them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetworkShape {
    pub(crate) delay_ns: Span,
    pub(crate) loss_ppm: u32,
    /// The loss of the liveness phase: it takes messages of phase 2 only, and never two of a kind in
    /// a row, so that it is no reason for another leader.
    pub(crate) last_loss_ppm: u32,
    pub(crate) duplicate_ppm: u32,
    /// Whether a packet may overtake an earlier one.
    pub(crate) reorder: bool,
    /// Whether messages travel as bytes; only then they can be damaged, and have a length.
    pub(crate) encoded: bool,
    pub(crate) corrupt_ppm: u32,
    /// Bytes per second of each link; `None` for as many as there are.
    pub(crate) bandwidth: Option<u64>,
    /// What waits longer than this for its turn on the link is lost.
    pub(crate) queue_ns_max: u64,
}

/// What becomes of packets on a link that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutKind {
    /// They are lost.
    Drop,
    /// They arrive after the link is whole again, as a retransmitting transport would have it.
    Hold,
}

#[derive(Debug, Default)]
struct Link {
    cut: Option<CutKind>,
    held: Vec<Packet>,
    /// Extra delay of every packet while the link is slow.
    slow_ns: u64,
    /// Until then it is busy with earlier packets, where bandwidth is bounded.
    busy_ns: u64,
    /// No packet arrives before this, unless packets may overtake each other.
    last_ns: u64,
    /// Whether the last message of this kind was lost; see [`NetworkShape::last_loss_ppm`].
    lost_last: BTreeMap<&'static str, bool>,
}

/// A held-up link keeps this many packets.
const HELD_MAX: usize = 1000;

/// All links.
#[derive(Debug)]
pub(crate) struct Network {
    replicas: usize,
    links: Vec<Link>,
    shape: NetworkShape,
    random: Random,
}

impl Network {
    pub(crate) fn new(replicas: usize, shape: NetworkShape, random: Random) -> Network {
        let mut links = Vec::new();
        links.resize_with(replicas * replicas, Link::default);
        Network {
            replicas,
            links,
            shape,
            random,
        }
    }

    pub(crate) fn reshape(&mut self, shape: NetworkShape) {
        self.shape = shape;
        for link in &mut self.links {
            link.slow_ns = 0;
        }
    }

    /// The times at which copies of `packet` arrive: none, one or two.
    pub(crate) fn transmit(
        &mut self,
        now_ns: u64,
        from: usize,
        to: usize,
        packet: &Packet,
        figures: &mut Figures,
    ) -> Vec<u64> {
        let cut = self.link(from, to).cut;
        if let Some(kind) = cut {
            figures.count("fault: packet cut off");
            self.hold(from, to, kind, packet);
            return Vec::new();
        }
        let mut copies = 1;
        let lost = self.random.chance(self.shape.loss_ppm) || self.loses_last(from, to, packet);
        if lost {
            figures.count("fault: packet lost");
            copies = 0;
        } else if self.random.chance(self.shape.duplicate_ppm) {
            figures.count("fault: packet duplicated");
            copies = 2;
        }
        (0..copies)
            .filter_map(|_| {
                let sent_ns = self.take_turn(now_ns, from, to, packet);
                if sent_ns.is_none() {
                    figures.count("fault: packet dropped by a full queue");
                }
                Some(self.arrival(sent_ns?, from, to))
            })
            .collect()
    }

    /// Whether the loss of the liveness phase takes this packet.
    fn loses_last(&mut self, from: usize, to: usize, packet: &Packet) -> bool {
        let Packet::Message { message, .. } = packet else {
            return false;
        };
        let phase_two = matches!(
            message.body,
            Body::Accept { .. } | Body::Adopt { .. } | Body::Accepted { .. } | Body::Decide
        );
        if !phase_two || self.shape.last_loss_ppm == 0 {
            return false;
        }
        let chance = self.random.chance(self.shape.last_loss_ppm);
        let kind = message.body.name();
        let last = self.link(from, to).lost_last.entry(kind).or_default();
        *last = chance && !*last;
        *last
    }

    fn hold(&mut self, from: usize, to: usize, kind: CutKind, packet: &Packet) {
        let link = self.link(from, to);
        if kind == CutKind::Hold && link.held.len() < HELD_MAX {
            link.held.push(packet.clone());
        }
    }

    /// When the last byte of a packet is on the link; `None` if too much waits there.
    fn take_turn(&mut self, now_ns: u64, from: usize, to: usize, packet: &Packet) -> Option<u64> {
        let Some(bandwidth) = self.shape.bandwidth else {
            return Some(now_ns);
        };
        let queue_ns_max = self.shape.queue_ns_max;
        let link = self.link(from, to);
        let begin_ns = link.busy_ns.max(now_ns);
        if begin_ns - now_ns > queue_ns_max {
            return None;
        }
        link.busy_ns = begin_ns + packet.bytes() * 1_000_000_000 / bandwidth;
        Some(link.busy_ns)
    }

    /// Whether this packet is damaged under way.
    pub(crate) fn corrupts(&mut self) -> bool {
        self.random.chance(self.shape.corrupt_ppm)
    }

    /// The same bytes but for one bit.
    pub(crate) fn damage(&mut self, frame: &Bytes) -> Bytes {
        let mut bytes = frame.to_vec();
        let at = self.random.index(bytes.len());
        bytes[at] ^= 1 << self.random.below(8);
        Bytes::from(bytes)
    }

    fn arrival(&mut self, now_ns: u64, from: usize, to: usize) -> u64 {
        let delay = self.random.skewed(self.shape.delay_ns);
        let reorder = self.shape.reorder;
        let link = self.link(from, to);
        let mut at = now_ns + delay + link.slow_ns;
        if !reorder {
            at = at.max(link.last_ns);
        }
        link.last_ns = link.last_ns.max(at);
        at
    }

    pub(crate) fn is_cut(&mut self, from: usize, to: usize) -> bool {
        self.link(from, to).cut.is_some()
    }

    pub(crate) fn cut(&mut self, from: usize, to: usize, kind: CutKind) {
        self.link(from, to).cut = Some(kind);
    }

    /// Makes the link whole; returns what it held up, to be sent again.
    pub(crate) fn heal(&mut self, from: usize, to: usize) -> Vec<Packet> {
        let link = self.link(from, to);
        link.cut = None;
        std::mem::take(&mut link.held)
    }

    pub(crate) fn slow_down(&mut self, from: usize, to: usize, by_ns: u64) {
        self.link(from, to).slow_ns = by_ns;
    }

    fn link(&mut self, from: usize, to: usize) -> &mut Link {
        &mut self.links[from * self.replicas + to]
    }
}
