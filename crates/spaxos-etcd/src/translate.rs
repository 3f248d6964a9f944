//! Between etcd's messages and the store's own types. Bytes are handed over, never copied.

mod request;
mod response;

pub(crate) use request::{compaction, delete_range, put, range, txn};
pub(crate) use response::{delete_response, put_response, range_response, txn_response};
