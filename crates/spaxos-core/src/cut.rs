//! Cuts: the values that the leader orders, a few numbers per lane however many requests they cover.

use crate::types::{LogTime, Position, ReplicaId};

/// One lane's part of a cut: everything of the lane up to `position` is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutEntry {
    /// Up to here, inclusive.
    pub position: Position,
    /// The lane's digest at `position`: pins the content (invariant 3).
    pub digest: u64,
}

/// Per lane a position with its digest, sorted by lane; lanes that are not named stay where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    entries: Vec<(ReplicaId, CutEntry)>,
}

impl Cut {
    /// Builds a cut; `None` unless the lanes are strictly increasing.
    #[must_use]
    pub fn new(entries: Vec<(ReplicaId, CutEntry)>) -> Option<Cut> {
        let sorted = entries.windows(2).all(|pair| pair[0].0 < pair[1].0);
        sorted.then_some(Cut { entries })
    }

    /// The entry of `lane`.
    #[must_use]
    pub fn get(&self, lane: ReplicaId) -> Option<CutEntry> {
        let found = self.entries.iter().find(|entry| entry.0 == lane);
        found.map(|entry| entry.1)
    }

    /// Up to where `lane` is ordered; zero if the cut does not name it.
    #[must_use]
    pub fn position(&self, lane: ReplicaId) -> Position {
        self.get(lane).unwrap_or_default().position
    }

    /// All entries in the order of their lanes.
    #[must_use]
    pub fn entries(&self) -> &[(ReplicaId, CutEntry)] {
        &self.entries
    }

    /// Moves `lane` to `entry` if that is later; the effective cut grows by this and nothing else.
    pub fn advance(&mut self, lane: ReplicaId, entry: CutEntry) {
        match self.entries.binary_search_by_key(&lane, |known| known.0) {
            Ok(at) if self.entries[at].1.position < entry.position => self.entries[at].1 = entry,
            Ok(_) => {}
            Err(at) => self.entries.insert(at, (lane, entry)),
        }
    }

    /// Moves every lane that `other` names.
    pub fn merge(&mut self, other: &Cut) {
        for &(lane, entry) in &other.entries {
            self.advance(lane, entry);
        }
    }
}

/// What a slot orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Batches up to a cut.
    Cut {
        /// The cut.
        cut: Cut,
        /// Whether the leader proposed it as stable on a quorum already, so that acceptors vote
        /// without holding (mode `propose = stable`, as published).
        stable: bool,
    },
    /// Nothing but the time.
    Tick,
}

/// The value of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The cluster's clock when the leader proposed it; never decreases from slot to slot.
    pub log_time: LogTime,
    /// What is ordered.
    pub order: Order,
}

impl Value {
    /// The cut, unless the value is a tick.
    #[must_use]
    pub fn cut(&self) -> Option<&Cut> {
        match &self.order {
            Order::Cut { cut, .. } => Some(cut),
            Order::Tick => None,
        }
    }

    /// Whether acceptors need not hold what it covers.
    #[must_use]
    pub fn is_stable(&self) -> bool {
        matches!(self.order, Order::Cut { stable: true, .. })
    }
}
