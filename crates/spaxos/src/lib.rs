//! Replicated state machines over S-Paxos.

mod apply_thread;
mod client;
mod clock;
mod counters;
mod effects;
mod ending;
mod error;
mod event_loop;
pub mod executor;
mod handle;
mod inbox;
mod intake;
mod joined;
mod log_reader;
mod log_thread;
mod mailbox;
mod native;
mod node;
mod options;
mod outbox;
mod parts;
mod pending;
mod random;
mod read;
mod start;
mod state_machine;
mod transport;
mod waiter;
mod wake;

pub use client::{Client, ClientError, ClientOptions, ConnectError};
pub use counters::{Counters, KindCounters, PeerCounters};
pub use error::{Fatal, ReadError, StartError, StorageError, SubmitError};
pub use executor::Executor;
pub use handle::{Consistency, Handle, Reply};
pub use node::Node;
pub use options::{Durability, Listen, Member, Options, RuntimeLimits};
pub use spaxos_core::config::{Dissemination, Limits, Modes, Propose, Timing, Votes};
pub use spaxos_core::effect::HaltReason;
pub use spaxos_core::sessions::SessionLimits;
pub use spaxos_core::status::{Role, Status};
pub use spaxos_core::types::{LogTime, ReplicaId, Slot};
/// The log and its disks: for tests that hand a node a disk of their own.
pub use spaxos_storage as storage;
pub use state_machine::{Context, StateMachine};
