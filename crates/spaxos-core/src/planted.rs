//! Bugs that tests switch on by name, one per rule of the protocol page, to see that some checker or
//! script finds each. They exist only in builds with `--cfg planted`; every other build has the
//! constant `false` in their place, so nothing of them is left.

/// Whether the named bug is switched on in this thread.
macro_rules! planted {
    ($bug:ident) => {{
        #[cfg(planted)]
        let on = crate::planted::is_on(crate::planted::Bug::$bug);
        #[cfg(not(planted))]
        let on = false;
        on
    }};
}

pub(crate) use planted;

#[cfg(planted)]
pub use on::{ALL, Bug, is_on, switch_on};

#[cfg(planted)]
mod on {
    use std::cell::Cell;

    thread_local! {
        static ON: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Switches on one bug, or none, for replicas that run in this thread.
    pub fn switch_on(bug: Option<Bug>) {
        ON.set(bug);
    }

    /// Whether `bug` is switched on in this thread.
    #[must_use]
    pub fn is_on(bug: Bug) -> bool {
        ON.get() == Some(bug)
    }

    macro_rules! bugs {
        ($($(#[$doc:meta])* $name:ident,)*) => {
            /// A rule that is broken on purpose.
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum Bug {
                $($(#[$doc])* $name,)*
            }

            /// All of them.
            pub const ALL: &[Bug] = &[$(Bug::$name,)*];
        };
    }

    bugs! {
        /// Acceptors vote for what they do not hold.
        VoteBeforeHolding,
        /// A position is taken as held if any incarnation of the lane reaches its sequence.
        HoldingAcrossIncarnations,
        /// Acks of another incarnation count for a position of this one.
        AcksAcrossIncarnations,
        /// The leader goes on with an older incarnation after a newer one was named.
        OldIncarnationNotClosed,
        /// An older incarnation is dropped as soon as a newer one streams.
        OldIncarnationDroppedEarly,
        /// Votes do not compare digests.
        DigestNotCompared,
        /// A stored batch is replaced by another content.
        StoredBatchReplaced,
        /// Votes of different ballots are counted together.
        VotesOfBallotsAdded,
        /// A decided mark is applied to whatever log is followed.
        MarkOfAnotherBallot,
        /// A newer log replaces only as much of the tail as it is long.
        TailReplacedInPart,
        /// A promise leaves out votes that are on their way to the disk.
        PromiseLeavesOutHanded,
        /// A promise counts before the slots and batches that it reports are here.
        PromiseCountedEarly,
        /// A vote that waited for batches does not look at the promise again.
        PromiseNotCheckedAgain,
        /// A restarted leader uses its last ballot again.
        BallotReused,
        /// A vote leaves before its record is durable.
        VoteBeforeSync,
        /// A promise leaves before its record is durable.
        PromiseBeforeSync,
        /// Acks tell what is not durable.
        AckBeforeSync,
        /// The own vote counts before it is durable.
        OwnVoteBeforeSync,
        /// The candidate takes its own log, whatever others report.
        OwnLogPreferred,
        /// The candidate takes the longest log, whatever ballot it was adopted in.
        LongestLogPreferred,
        /// Readers are told what is executed instead of what is voted for.
        ReadAsksExecuted,
        /// Readers are told votes of the followed ballot only.
        ReadAsksCurrentBallot,
        /// A read joins the round that is under way.
        ReadJoinsRound,
        /// A read whose slot may never be decided waits for it.
        ReadWaitsForever,
        /// A session remembers only the highest sequence.
        SessionHighestSequence,
        /// A replica whose disk went back, or whose id is used twice, goes on.
        ReplacedGoesOn,
        /// The leader stays although its oldest slot is stuck.
        StuckLeaderStays,
        /// The leader's clock begins with its own last executed slot, not with the adopted log.
        LogTimeOfExecuted,
        /// One vote less than a quorum decides.
        QuorumOneShort,
        /// Only the coordinator is asked for a missing batch.
        FetchFromOwnerOnly,
        /// A forwarded chunk is taken again when it comes again.
        ForwardTakenTwice,
        /// The value of a decided slot that was not voted for is not written down.
        DecidedSlotNotLogged,
        /// Slots leave memory before the log on disk knows that they are decided.
        SlotsLeaveUnrecorded,
        /// A value learned from elsewhere does not end the view.
        ViewOutlivesLearning,
        /// Lanes are interleaved beginning with the own one.
        InterleavedByOwnLane,
        /// A batch above its lane's budget is refused even when the log orders it.
        NeededBatchRefused,
        /// The leader sends nothing again.
        NothingSentAgain,
    }
}
