//! Queries: requests that only read, as bytes, for whoever reaches the machine through a channel.
//!
//! `format version u8 | kind u8 | request`. Queries are never stored.

use bytes::Bytes;

use crate::codec::{Reader, put_signed};
use crate::error::DecodeError;
use crate::limits::Limits;
use crate::request::{RangeRequest, TxnRequest};
use crate::request_codec::{TxnReader, put_range, put_txn, take_range};

/// The format that [`encode`] writes.
pub const FORMAT_VERSION: u8 = 1;

const KIND_RANGE: u8 = 1;
const KIND_TXN: u8 = 2;
const KIND_STATUS: u8 = 3;
const KIND_HASH_KV: u8 = 4;

/// A question to the store as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Read keys.
    Range(RangeRequest),
    /// A transaction that only reads; see [`TxnRequest::is_read_only`].
    Txn(TxnRequest),
    /// The store in figures.
    Status,
    /// Hash of the contents.
    HashKv {
        /// The revision to hash at; 0 or less is the latest.
        revision: i64,
    },
}

/// Appends `query` to `out`.
pub fn encode(query: &Query, out: &mut Vec<u8>) {
    out.push(FORMAT_VERSION);
    match query {
        Query::Range(range) => {
            out.push(KIND_RANGE);
            put_range(out, range);
        }
        Query::Txn(txn) => {
            out.push(KIND_TXN);
            put_txn(out, txn);
        }
        Query::Status => out.push(KIND_STATUS),
        Query::HashKv { revision } => {
            out.push(KIND_HASH_KV);
            put_signed(out, *revision);
        }
    }
}

/// Reads a query. Keys share the memory of `bytes`.
///
/// # Errors
///
/// [`DecodeError`] for anything that [`encode`] does not write, or that exceeds `limits`.
pub fn decode(bytes: &Bytes, limits: &Limits) -> Result<Query, DecodeError> {
    if bytes.len() > limits.command_bytes_max {
        return Err(DecodeError::TooLong(bytes.len()));
    }
    let mut reader = Reader::new(bytes);
    match reader.byte()? {
        FORMAT_VERSION => {}
        version => return Err(DecodeError::UnknownVersion(version)),
    }
    let query = match reader.byte()? {
        KIND_RANGE => Query::Range(take_range(&mut reader)?),
        KIND_TXN => Query::Txn(TxnReader::new(limits).take(&mut reader)?),
        KIND_STATUS => Query::Status,
        KIND_HASH_KV => Query::HashKv {
            revision: reader.signed()?,
        },
        tag => return Err(DecodeError::UnknownTag(tag)),
    };
    reader.finish()?;
    Ok(query)
}
