//! The S-Paxos protocol as a pure state machine.
//!
//! Every replica takes requests and spreads them as batches in its own *lane*; the leader orders
//! *cuts*, a few numbers per lane however many requests they cover. `docs/protocol.md` is the
//! normative description; `docs/glossary.md` defines the terms.
//!
//! This crate never looks at a clock, draws a random number, starts a thread, opens a file or a
//! socket, writes a log line or awaits anything, and it does not know how a message is encoded. Time,
//! messages and the disk's progress come in as [`effect::Input`]; what is to be written, sent and
//! executed comes out as [`effect::Effect`].
//!
//! Reading order: [`types`], [`batch`], [`cut`] (the data); [`message`], [`record`], [`effect`] (the
//! surface); [`replica`] (the wiring); then the components: `dissemination`, `ordering`, `execution`,
//! `reads`, [`sessions`], and [`recovery`].
//!
//! ```
//! use spaxos_core::config::{Config, Limits, Modes, Timing};
//! use spaxos_core::effect::{Effect, Input};
//! use spaxos_core::record::Life;
//! use spaxos_core::recovery::Recovery;
//! use spaxos_core::replica::Replica;
//! use spaxos_core::types::{Incarnation, ReplicaId, Time};
//!
//! let config = Config {
//!     id: ReplicaId(1),
//!     members: vec![ReplicaId(1)],
//!     modes: Modes::default(),
//!     timing: Timing::default(),
//!     limits: Limits::default(),
//! };
//! let life = Life { incarnation: Incarnation(1), nonce: 42 };
//! let recovered = Recovery::new(&config).finish(life);
//! let mut replica = Replica::new(config, recovered, 7, Time(0));
//! let due = replica.deadline().expect("an incarnation begins with a batch");
//! let effects: Vec<Effect> = replica.step(due, Input::Timer).collect();
//! assert!(effects.iter().any(|effect| matches!(effect, Effect::Append { .. })));
//! ```

pub mod batch;
pub mod config;
pub mod cut;
mod dissemination;
pub mod effect;
mod execution;
mod forwarding;
pub mod message;
mod ordering;
#[cfg(planted)]
pub mod planted;
#[cfg(not(planted))]
mod planted;
mod reads;
pub mod record;
pub mod recovery;
pub mod replica;
pub mod sessions;
pub mod status;
pub mod types;
