//! etcd's data model in memory, as a deterministic state machine.
//!
//! Keys with revisions and history, ranges at any readable revision, transactions that nest, and
//! compaction. Commands come in as bytes, in the order that consensus gave them, and replies go out
//! as bytes; reads may also call the machine directly.
//!
//! It never knows that replicas, sockets or protobuf exist, never reads a clock, never fails
//! half-way, and never lets the order of a hash map or a float into its state: equal commands in
//! equal order give equal states and equal replies everywhere.
//!
//! Reading order: [`request`] and [`response`] say what is asked and answered; `key_history.rs` is
//! one key through time, `store.rs` all of them and how they change; `read.rs`, `txn.rs` and
//! `compaction.rs` are what one can do with that; [`machine`] ties it to bytes.
//!
//! ```
//! use spaxos_kv::{Command, Machine, PutRequest, RangeRequest, command, reply};
//!
//! let put = PutRequest { key: "colour".into(), value: "blue".into(), ..PutRequest::default() };
//! let mut bytes = Vec::new();
//! command::encode(&Command::Put(put), &mut bytes);
//!
//! let mut machine = Machine::default();
//! let mut answer = Vec::new();
//! machine.execute(&bytes, &mut answer);
//! assert!(reply::decode(&answer.into())?.is_ok());
//!
//! let range = RangeRequest { key: "colour".into(), ..RangeRequest::default() };
//! let found = machine.range(&range)?;
//! assert_eq!(found.revision, 2);
//! assert_eq!(found.kvs[0].value, "blue");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod change_log;
mod codec;
pub mod command;
mod compaction;
mod cost;
mod error;
mod key_history;
mod key_table;
mod limits;
pub mod machine;
mod overlap;
pub mod query;
mod read;
pub mod reply;
pub mod request;
mod request_codec;
pub mod response;
mod span;
mod store;
mod txn;
mod validate;

pub use command::Command;
pub use error::{DecodeError, KvError};
pub use limits::{Limits, SCANNED_KEY_COST};
pub use machine::Machine;
pub use query::Query;
pub use read::{Event, EventKind};
pub use request::*;
pub use response::*;
pub use validate::{
    validate_command, validate_delete_range, validate_put, validate_query, validate_range,
    validate_txn,
};
