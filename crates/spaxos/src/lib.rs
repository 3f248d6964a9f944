//! Replicated state machines over S-Paxos.

mod error;
mod handle;
mod state_machine;

pub use error::{ReadError, SubmitError};
pub use handle::{Consistency, Handle, Reply};
pub use spaxos_core::status::{Role, Status};
pub use spaxos_core::types::{LogTime, ReplicaId, Slot};
pub use state_machine::{Context, StateMachine};
