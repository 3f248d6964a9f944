//! What the log and its readers share: the index, which segments there are, and how far they are safe
//! to read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::LogOptions;
use crate::directory::Identity;
use crate::disk::Disk;
use crate::format::LogOffset;
use crate::index::Index;

/// Shared by a log on a disk and its readers.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) identity: Identity,
    pub(crate) options: LogOptions,
    state: Mutex<SharedState>,
}

/// The part that changes. Locked for moments only, never while the disk is waited for.
pub(crate) struct SharedState {
    pub(crate) index: Index,
    /// The segments of the log, each with the position behind its last record.
    pub(crate) segments: BTreeMap<u32, u64>,
    /// Whether the replay has come to its end, so that the index is whole.
    pub(crate) replayed: bool,
}

impl Shared {
    pub(crate) fn new(disk: Arc<dyn Disk>, identity: Identity, options: LogOptions) -> Shared {
        let state = SharedState {
            index: Index::new(&options),
            segments: BTreeMap::new(),
            replayed: false,
        };
        Shared {
            disk,
            identity,
            options,
            state: Mutex::new(state),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, SharedState> {
        // Nothing in here can be left half done by a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SharedState {
    /// Lets readers see everything up to `end`, which is everything that the index knows of.
    pub(crate) fn publish(&mut self, end: LogOffset) {
        let known = self.segments.entry(end.segment()).or_default();
        *known = (*known).max(end.position());
        self.index.show();
    }

    /// The index knows the whole log from now on.
    pub(crate) fn finish_replay(&mut self) {
        self.replayed = true;
        self.index.show();
    }
}
