//! The ordering layer: Paxos on cuts.
//!
//! `slots` is the log, `acceptor` what this replica has promised and voted, `tally` counts votes,
//! `proposer` chooses the next cut, `election` and `candidate` change the leader, `leading` is what a
//! leader remembers.

pub(crate) mod acceptor;
pub(crate) mod candidate;
pub(crate) mod election;
pub(crate) mod leading;
pub(crate) mod proposer;
pub(crate) mod slots;
pub(crate) mod tally;
