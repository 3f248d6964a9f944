//! Bugs that tests switch on by name, to see that some test finds each. As in `spaxos-core`: they
//! exist only in builds with `--cfg planted`, and every other build has the constant `false`.

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

#[cfg(planted)]
spaxos_core::planted_bugs! {
    /// A life is not synced in durability `os`.
    LifeNotSynced: "L2, L7",
    /// What cannot be read is cut off as a torn end, whatever was claimed to be synced.
    DamageCutAsTorn: "L3, L4",
    /// A record is taken although its checksum does not fit.
    ChecksumNotCompared: "L3",
    /// The next record begins in a block that was synced, so a torn write takes synced records along.
    SyncedBlockRewritten: "L3",
    /// A sync that failed passes for one that succeeded.
    FailedSyncIgnored: "L5",
    /// A log goes on after a call that failed.
    FailureForgotten: "L5",
    /// A start believes what the page cache shows, and does not make it durable.
    CacheBelieved: "L6",
    /// A new segment has its name before its header is durable.
    NamedBeforeSync: "L6",
}
