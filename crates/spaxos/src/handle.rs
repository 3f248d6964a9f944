//! A cheap, cloneable way into a running node.

use bytes::Bytes;
use spaxos_core::status::Status;
use spaxos_core::types::Slot;

use crate::error::{ReadError, SubmitError};

/// An answer of the state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The slot in which the command was executed, or up to which the queried state had been.
    pub slot: Slot,
    /// What the state machine said.
    pub bytes: Bytes,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// Sees everything that was answered before the read began, on any replica.
    Linearizable,
    /// Whatever this replica has executed so far.
    Serializable,
}

/// A cheap, cloneable way into a running node.
#[derive(Clone, Debug)]
pub struct Handle {}

impl Handle {
    /// Replicates `command`, executes it and returns the answer. Waits as long as it takes; dropping
    /// the future does not take the command back.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn submit(&self, command: Bytes) -> Result<Reply, SubmitError> {
        let _ = command;
        Err(SubmitError::Stopped)
    }

    /// Asks the state machine, through [`crate::StateMachine::query`].
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read(&self, query: Bytes, consistency: Consistency) -> Result<Reply, ReadError> {
        let _ = (query, consistency);
        Err(ReadError::Stopped)
    }

    /// Waits until the local state machine has executed everything that was answered anywhere before
    /// this call: after it, looking at shared local state is a linearizable read.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read_barrier(&self) -> Result<Slot, ReadError> {
        Err(ReadError::Stopped)
    }

    /// The node's present state.
    #[must_use]
    pub fn status(&self) -> Status {
        unimplemented!()
    }
}
