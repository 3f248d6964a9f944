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

/// The compiler itself finds that the switch is the constant `false`.
#[cfg(not(planted))]
const _: () = assert!(
    !planted!(AnyBug),
    "a build without bugs has no switch for them"
);

#[cfg(all(planted, not(debug_assertions)))]
compile_error!("bugs are planted in test builds only");

/// Defines the bugs of one crate: what is broken, the bug's name, the rule that it breaks.
#[cfg(planted)]
#[macro_export]
macro_rules! planted_bugs {
    ($($(#[doc = $what:literal])+ $name:ident: $rule:literal,)*) => {
        thread_local! {
            static ON: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
        }

        /// Switches on one bug of this crate, or none, for what runs in this thread.
        pub fn switch_on(bug: Option<Bug>) {
            ON.set(bug);
        }

        /// Whether `bug` is switched on in this thread.
        #[must_use]
        pub fn is_on(bug: Bug) -> bool {
            ON.get() == Some(bug)
        }

        /// A rule that is broken on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $($(#[doc = $what])+ $name,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Bug] = &[$(Bug::$name,)*];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Bug::$name => stringify!($name),)*
                }
            }

            /// The rule of `docs/protocol.md` that it breaks.
            #[must_use]
            pub fn rule(self) -> &'static str {
                match self {
                    $(Bug::$name => $rule,)*
                }
            }

            /// What is broken, in a sentence.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self {
                    $(Bug::$name => concat!($($what),+).trim_ascii(),)*
                }
            }
        }
    };
}

#[cfg(planted)]
planted_bugs! {
    /// Lanes are interleaved beginning with the own one.
    InterleavedByOwnLane: "E3",
    /// Acks tell what is not durable.
    AckBeforeSync: "D6, invariant 7",
    /// Only the coordinator is asked for a missing batch.
    FetchFromOwnerOnly: "D8",
    /// A stored batch is replaced by another content.
    StoredBatchReplaced: "D12, invariant 3",
    /// A batch above its lane's budget is refused even when the log orders it.
    NeededBatchRefused: "D13",
    /// The leader goes on with an older incarnation after a newer one was named.
    OldIncarnationNotClosed: "D14",
    /// A position is taken as held if any incarnation of the lane reaches its sequence.
    HoldingAcrossIncarnations: "D15, O4",
    /// Acks of another incarnation count for a position of this one.
    AcksAcrossIncarnations: "D15",
    /// An older incarnation is dropped as soon as a newer one streams.
    OldIncarnationDroppedEarly: "D16",
    /// Acceptors vote for what they do not hold.
    VoteBeforeHolding: "O4, invariant 2",
    /// Votes do not compare digests.
    DigestNotCompared: "O4, invariant 3",
    /// A vote that waited for batches does not look at the promise again.
    PromiseNotCheckedAgain: "O4",
    /// A vote leaves before its record is durable.
    VoteBeforeSync: "O5, invariant 7",
    /// Votes of different ballots are counted together.
    VotesOfBallotsAdded: "O6",
    /// One vote less than a quorum decides.
    QuorumOneShort: "O6",
    /// The own vote counts before it is durable.
    OwnVoteBeforeSync: "O6",
    /// A decided mark is applied to whatever log is followed.
    MarkOfAnotherBallot: "O8",
    /// A value learned from elsewhere does not end the view.
    ViewOutlivesLearning: "O8",
    /// Who is known to have slots is asked for them, and nobody else.
    OneIsAskedForSlots: "C12",
    /// Slots leave memory before the log on disk knows that they are decided.
    SlotsLeaveUnrecorded: "C12",
    /// The value of a decided slot that was not voted for is not written down.
    DecidedSlotNotLogged: "L6",
    /// The leader sends nothing again.
    NothingSentAgain: "O9",
    /// The leader's clock begins with its own last executed slot, not with the adopted log.
    LogTimeOfExecuted: "O10",
    /// Whoever is asked grants a pre-vote, whether it hears the leader or not.
    PreVoteAlwaysGranted: "C2",
    /// A prepare leaves before the own promise is durable.
    PrepareBeforeSync: "C3",
    /// A restarted leader uses its last ballot again.
    BallotReused: "C3",
    /// A promise leaves out votes that are on their way to the disk.
    PromiseLeavesOutHanded: "C4",
    /// A promise leaves before its record is durable.
    PromiseBeforeSync: "C4, invariant 7",
    /// The candidate takes its own log, whatever others report.
    OwnLogPreferred: "C5",
    /// The candidate takes the longest log, whatever ballot it was adopted in.
    LongestLogPreferred: "C5",
    /// A promise counts before the slots and batches that it reports are here.
    PromiseCountedEarly: "C6",
    /// A newer log replaces only as much of the tail as it is long.
    TailReplacedInPart: "C7",
    /// An adoption of several slots is written as several records.
    AdoptionInPieces: "C7",
    /// A leader that no quorum answers stays.
    DeafLeaderStays: "C9",
    /// The leader stays although its oldest slot is stuck.
    StuckLeaderStays: "C9",
    /// A leader whose sync does not return stays.
    HungLeaderStays: "C9",
    /// A new leader begins its cuts behind what is executed, not behind the log that it took over.
    OpenSlotsProposedAnew: "E2",
    /// A new leader does so, and what lies below the effective cut is executed once more.
    BatchExecutedTwice: "E2, invariant 5",
    /// Readers are told what is executed instead of what is voted for.
    ReadAsksExecuted: "R1",
    /// Readers are told votes of the followed ballot only.
    ReadAsksCurrentBallot: "R1",
    /// One answer less than a quorum will do for a read.
    ReadOneShort: "R1",
    /// A read joins the round that is under way.
    ReadJoinsRound: "R2",
    /// Answers to an earlier round of questions count.
    OldAnswersCount: "R3",
    /// A read whose slot may never be decided waits for it.
    ReadWaitsForever: "R4",
    /// A restarted replica does not tell readers of the votes of its former lives.
    FormerVotesForgotten: "R1, L6",
    /// A session remembers only the highest sequence.
    SessionHighestSequence: "S3, invariant 5",
    /// A start lives in the incarnation of the life before.
    IncarnationReused: "L2",
    /// A replica whose disk went back or was lost, or whose id is used twice, goes on.
    ReplacedGoesOn: "G3",
    /// A forwarded chunk is taken again when it comes again.
    ForwardTakenTwice: "S9",
}
