//! Partial partitions of fixed shapes: links between members fail so that some members still reach a
//! majority, none of them perhaps the leader, and their clients are to be served all the same.
//!
//! A run elects a leader in a healthy cluster, cuts links once and for all, and asks every member for
//! writes and reads from then on. Nothing else fails; [`Outcome`] says how long the answers took.

use spaxos_core::config::{Dissemination, Modes};

use crate::faults::pairs;
use crate::random::Random;
use crate::world::World;
use crate::{FaultKind, Options};

/// Which links are cut. The others work in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// All links but those of one member, the hub, which does not lead: the leader has lost its quorum,
    /// and the hub alone has one.
    QuorumLoss,
    /// The same, and the hub's log is behind: it was cut off while requests were ordered.
    ConstrainedElection,
    /// A line with the leader at one end.
    ChainedEnd,
    /// A line with the leader in the middle.
    ChainedMiddle,
    /// A ring: of five, each reaches a majority, and no two the same.
    Ring,
    /// Two halves that share one member, the bridge, which does not lead.
    Bridge,
    /// The same, and the bridge leads.
    BridgeLeads,
    /// One link of the leader is cut.
    OneLink,
    /// Nobody hears the leader, which hears everybody.
    MuteLeader,
    /// The leader hears nobody, and everybody hears it.
    DeafLeader,
    /// One member does not hear the leader, which hears it.
    DeafToLeader,
    /// The leader does not hear one member, which hears it.
    UnheardByLeader,
    /// As quorum loss, and each link is cut in one direction only.
    OneWayQuorumLoss,
    /// As a line with the leader at one end, and each link is cut in one direction only.
    OneWayChained,
}

impl Shape {
    /// All shapes.
    pub const ALL: &'static [Shape] = &[
        Shape::QuorumLoss,
        Shape::ConstrainedElection,
        Shape::ChainedEnd,
        Shape::ChainedMiddle,
        Shape::Ring,
        Shape::Bridge,
        Shape::BridgeLeads,
        Shape::OneLink,
        Shape::MuteLeader,
        Shape::DeafLeader,
        Shape::DeafToLeader,
        Shape::UnheardByLeader,
        Shape::OneWayQuorumLoss,
        Shape::OneWayChained,
    ];

    /// The shapes that differ in a cluster of so many members: three make a line in any order.
    pub fn all_of(members: usize) -> impl Iterator<Item = Shape> {
        let same_of_three = [
            Shape::ChainedEnd,
            Shape::Ring,
            Shape::Bridge,
            Shape::BridgeLeads,
            Shape::OneLink,
            Shape::OneWayChained,
        ];
        let all = Shape::ALL.iter().copied();
        all.filter(move |shape| members > 3 || !same_of_three.contains(shape))
    }

    /// The links that are cut, from one member to another. `order` has all members: the leader first,
    /// then the one with the other part in the shape, if there is one.
    pub(crate) fn cut(self, order: &[usize]) -> Vec<(usize, usize)> {
        let all = pairs(order.len());
        let cut = all.filter(|&(from, to)| self.cuts(order.len(), from, to));
        cut.map(|(from, to)| (order[from], order[to])).collect()
    }

    /// Whether the link is cut between the members with these places in the order.
    fn cuts(self, members: usize, from: usize, to: usize) -> bool {
        let (low, high) = (from.min(to), from.max(to));
        let middle = members / 2;
        match self {
            Shape::QuorumLoss | Shape::ConstrainedElection => from != 1 && to != 1,
            Shape::OneWayQuorumLoss => from != 1 && to != 1 && from < to,
            Shape::ChainedEnd => high - low > 1,
            Shape::OneWayChained => to > from + 1,
            Shape::ChainedMiddle => {
                // The leader is put into the middle of the line.
                let place = |at: usize| match at {
                    0 => middle,
                    at if at <= middle => at - 1,
                    at => at,
                };
                place(from).abs_diff(place(to)) > 1
            }
            Shape::Ring => high - low > 1 && high - low < members - 1,
            Shape::Bridge => crosses(members, 1, from, to),
            Shape::BridgeLeads => crosses(members, 0, from, to),
            Shape::OneLink => (low, high) == (0, 1),
            Shape::MuteLeader => from == 0,
            Shape::DeafLeader => to == 0,
            Shape::DeafToLeader => (from, to) == (0, 1),
            Shape::UnheardByLeader => (from, to) == (1, 0),
        }
    }
}

/// Whether a link goes from one half to the other past the bridge.
fn crosses(members: usize, bridge: usize, from: usize, to: usize) -> bool {
    // The leader is in the first half unless it is the bridge itself.
    let half = |at: usize| at.saturating_sub(usize::from(at > bridge)) < members / 2;
    from != bridge && to != bridge && half(from) != half(to)
}

/// How a member stands in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It has links to a majority, itself included, that work in both directions.
    Majority,
    /// Over others that pass on what it cannot get itself.
    ThroughOthers,
    /// Not at all.
    Nobody,
}

/// What came of the requests to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// How it stands.
    pub reach: Reach,
    /// The requests that were made right after the cut: how long after it they were answered.
    pub first: Waits,
    /// The requests that were made four election timeouts after the cut, or later: how long each took.
    pub later: Waits,
}

/// How long some requests took at most, in nanoseconds; `None` if one was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The writes.
    pub write_ns: Option<u64>,
    /// The linearizable reads.
    pub read_ns: Option<u64>,
}

impl Waits {
    /// Whether all were answered within so long.
    #[must_use]
    pub fn are_within(&self, ns: u64) -> bool {
        let both = [self.write_ns, self.read_ns];
        both.iter().all(|wait| wait.is_some_and(|wait| wait <= ns))
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The election timeout, in nanoseconds: each run draws its own.
    pub election_ns: u64,
    /// One entry for each member.
    pub served: Vec<Served>,
    /// The broken rule, if one was.
    pub violation: Option<String>,
    /// The trace, if it was asked for.
    pub trace: Vec<String>,
}

/// Runs a cluster of so many members with this partition.
#[must_use]
pub fn run(shape: Shape, members: usize, seed: u64, trace: bool) -> Outcome {
    let options = Options {
        trace,
        replicas: Some(members),
        modes: Some(Modes {
            dissemination: Dissemination::All,
            ..Modes::default()
        }),
        without: FaultKind::ALL.to_vec(),
    };
    let mut world = World::calm(seed, &options);
    let election_ns = world.election_ns();
    let (served, violation) = match world.run_partition(shape, &mut Random::new(!seed)) {
        Ok(served) => (served, None),
        Err(violation) => (Vec::new(), Some(violation.to_string())),
    };
    Outcome {
        election_ns,
        served,
        violation,
        trace: world.into_trace(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who reaches whom in both directions, as rows of links.
    fn shown(shape: Shape, members: usize) -> Vec<String> {
        let order: Vec<usize> = (0..members).collect();
        let cut = shape.cut(&order);
        let link = |from, to| match (from == to, cut.contains(&(from, to))) {
            (true, _) => '\\',
            (_, true) => '.',
            (_, false) => '#',
        };
        let row = |from| (0..members).map(|to| link(from, to)).collect();
        (0..members).map(row).collect()
    }

    #[test]
    fn shapes_look_as_they_are_called() {
        let hub = ["\\#...", "#\\###", ".#\\..", ".#.\\.", ".#..\\"];
        assert_eq!(shown(Shape::QuorumLoss, 5), hub);
        let line = ["\\#...", "#\\#..", ".#\\#.", "..#\\#", "...#\\"];
        assert_eq!(shown(Shape::ChainedEnd, 5), line);
        // In the line 1, 2, 0, 3, 4.
        let middle = ["\\.##.", ".\\#..", "##\\..", "#..\\#", "...#\\"];
        assert_eq!(shown(Shape::ChainedMiddle, 5), middle);
        let ring = ["\\#..#", "#\\#..", ".#\\#.", "..#\\#", "#..#\\"];
        assert_eq!(shown(Shape::Ring, 5), ring);
        // Halves 0, 2 and 3, 4 around 1.
        let bridge = ["\\##..", "#\\###", "##\\..", ".#.\\#", ".#.#\\"];
        assert_eq!(shown(Shape::Bridge, 5), bridge);
        let leads = ["\\####", "#\\#..", "##\\..", "#..\\#", "#..#\\"];
        assert_eq!(shown(Shape::BridgeLeads, 5), leads);
        assert_eq!(shown(Shape::MuteLeader, 3), ["\\..", "#\\#", "##\\"]);
        assert_eq!(shown(Shape::OneWayChained, 3), ["\\#.", "#\\#", "##\\"]);
        assert_eq!(shown(Shape::DeafToLeader, 3), ["\\.#", "#\\#", "##\\"]);
    }
}
