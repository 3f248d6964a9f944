//! Replicated state machines over S-Paxos: bring a [`StateMachine`], run a [`Node`] on each of a few
//! machines, and every replica executes the same commands in the same order, durably.
//!
//! # What this crate is
//!
//! The shell around `spaxos_core::replica::Replica`: the threads, sockets and files that the core asks
//! for. A [`Handle`] takes commands and reads in the node's process; a [`Client`] does so over TCP from
//! anywhere, at whichever replica it reaches, with exactly-once execution across failovers.
//!
//! What crosses a queue, a thread or a socket is a *chunk*: all requests that came while the receiver
//! was busy. Under load a request costs no wake-up and no allocation of its own; without load it waits
//! for nothing. Payload bytes are encoded once, where they come in, and shared until they are executed.
//!
//! # What it never does
//!
//! It takes no protocol decision, does not know what a command means, reads no environment, and writes
//! no key, value or command into a log line. It does not end the process: a node that cannot go on says
//! why ([`Node::stopped`]), and never answers anything after that.
//!
//! # Threads of a node
//!
//! | thread | what it owns |
//! | --- | --- |
//! | `spaxos-core` | the replica, the outbox, the connections to other members |
//! | `spaxos-log` | the log: one write and sync for all that came since the last |
//! | `spaxos-apply` | the state machine and the sessions; answers reads |
//! | `spaxos-read` | reading the log back, for members that lag |
//! | the caller's runtime | the connections of clients |
//!
//! # Reading order
//!
//! `handle.rs` and `intake.rs` (how requests come in), `event_loop.rs` and `effects.rs` (how the core
//! is driven), `log_thread.rs` and `outbox.rs` (what waits for the disk), [`executor`] and `pending.rs`
//! (how answers come back), `transport/` (other members), `native/` and `client/` (both ends of the
//! native protocol), `start.rs` and `parts.rs` (how all of it begins).
//!
//! # Example
//!
//! One replica, in memory. `examples/counter.rs` has three, on disk, with a failover.
//!
//! ```
//! use bytes::Bytes;
//! use spaxos::{Consistency, Context, Durability, Member, Node, Options, StateMachine};
//!
//! #[derive(Default)]
//! struct Sum(u64);
//!
//! impl StateMachine for Sum {
//!     fn execute(&mut self, _context: &Context, command: &[u8], reply: &mut Vec<u8>) {
//!         self.0 += command.len() as u64;
//!         reply.extend_from_slice(&self.0.to_le_bytes());
//!     }
//!
//!     fn query(&self, _query: &[u8], reply: &mut Vec<u8>) {
//!         reply.extend_from_slice(&self.0.to_le_bytes());
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let members = vec![Member::new(1, listener.local_addr()?.to_string())];
//! let options = Options::new(7, 1, members, listener, "unused").with_durability(Durability::Memory);
//! let node = Node::start(options, Box::<Sum>::default()).await?;
//!
//! let reply = node.handle().submit(Bytes::from_static(b"four")).await?;
//! assert_eq!(reply.bytes, 4_u64.to_le_bytes()[..]);
//! let read = node.handle().read(Bytes::new(), Consistency::Linearizable).await?;
//! assert_eq!(read.bytes, reply.bytes);
//! node.shutdown().await?;
//! # Ok(())
//! # }
//! ```

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
