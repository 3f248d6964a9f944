//! The small types that every other module speaks in. Each is a newtype, so that a slot cannot be
//! passed where a sequence is meant.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one. Panics at the end of the range, which no run reaches.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// A member of the cluster, for ever: ids are never used again (protocol, Membership).
    ReplicaId
);
number!(
    /// One life of a replica's process. Durable before the first message of that life leaves.
    Incarnation
);
number!(
    /// The place of a batch inside one incarnation of a lane. The first batch is 1; 0 means "none".
    Sequence
);
number!(
    /// A place in the ordering log. The first slot is 1; 0 means "nothing yet".
    Slot
);
number!(
    /// The number of a record in the replica's own log, counted from 1 at each start; 0 is always
    /// durable. A message that carries `after: Lsn` leaves once that record is durable.
    Lsn
);
number!(
    /// Nanoseconds on the driver's monotonic clock. Only differences mean anything.
    Time
);
number!(
    /// Nanoseconds on the cluster's own clock, which the ordering log carries and leases use.
    LogTime
);

impl Time {
    /// Nanoseconds since `earlier`; 0 if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time plus `ns` nanoseconds.
    #[must_use]
    pub const fn plus(self, ns: u64) -> Time {
        Time(self.0.saturating_add(ns))
    }
}

/// The identity of a batch inside its lane: ordered by incarnation first, since the first decided
/// cut that names a newer incarnation closes the older one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The life of the coordinator in which the batch was made.
    pub incarnation: Incarnation,
    /// The place inside that life; 0 is "before the first".
    pub sequence: Sequence,
}

impl Position {
    /// Builds a position from its two numbers.
    #[must_use]
    pub const fn new(incarnation: u64, sequence: u64) -> Position {
        Position {
            incarnation: Incarnation(incarnation),
            sequence: Sequence(sequence),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.incarnation, self.sequence)
    }
}

/// The number of a leadership. Compared by configuration, then round, then replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// The configuration whose members vote in this ballot.
    pub configuration: u64,
    /// Grows with each attempt to lead; 0 is the ballot before all others.
    pub round: u64,
    /// Who leads; makes ballots of the same round different.
    pub replica: ReplicaId,
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/r{}", self.configuration, self.round, self.replica)
    }
}

/// A map from replicas to values, for the handful of members a cluster has: a sorted vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneMap<T> {
    entries: Vec<(ReplicaId, T)>,
}

impl<T> Default for LaneMap<T> {
    fn default() -> Self {
        LaneMap {
            entries: Vec::new(),
        }
    }
}

impl<T> LaneMap<T> {
    /// One entry for each of `ids`, made by `value`.
    pub fn from_ids(ids: &[ReplicaId], mut value: impl FnMut(ReplicaId) -> T) -> LaneMap<T> {
        let mut entries: Vec<_> = ids.iter().map(|&id| (id, value(id))).collect();
        entries.sort_by_key(|entry| entry.0);
        LaneMap { entries }
    }

    /// The value of `id`.
    pub fn get(&self, id: ReplicaId) -> Option<&T> {
        let at = self.find(id).ok()?;
        Some(&self.entries[at].1)
    }

    /// The value of `id`, to change it.
    pub fn get_mut(&mut self, id: ReplicaId) -> Option<&mut T> {
        let at = self.find(id).ok()?;
        Some(&mut self.entries[at].1)
    }

    /// Sets the value of `id`.
    pub fn insert(&mut self, id: ReplicaId, value: T) {
        match self.find(id) {
            Ok(at) => self.entries[at].1 = value,
            Err(at) => self.entries.insert(at, (id, value)),
        }
    }

    /// All entries in the order of their ids.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (ReplicaId, &T)> + ExactSizeIterator {
        self.entries.iter().map(|(id, value)| (*id, value))
    }

    /// All entries in the order of their ids, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ReplicaId, &mut T)> {
        self.entries.iter_mut().map(|(id, value)| (*id, value))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn find(&self, id: ReplicaId) -> Result<usize, usize> {
        // At most `members_max` entries: a scan beats a binary search.
        for (at, entry) in self.entries.iter().enumerate() {
            if entry.0 == id {
                return Ok(at);
            }
            if entry.0 > id {
                return Err(at);
            }
        }
        Err(self.entries.len())
    }
}
