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
//! Reading order: [`request`] and [`response`], then `store.rs`, and [`machine`] which ties them
//! to bytes.
#![warn(missing_docs)]

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
