//! Commands: the requests that may change the store, as bytes for the log.
//!
//! A later version may read a log with commands of any earlier one; a version of the future is
//! answered with [`KvError::UnknownVersion`](crate::KvError::UnknownVersion), by every replica
//! alike.
//!
//! # Format, version 1
//!
//! `command = version u8 | kind u8 | body`, and nothing behind it. `number` is a signed 64-bit
//! integer, zigzag, seven bits a byte from the lowest, the high bit set on all but the last;
//! `length` is unsigned, the same way; `bytes` is a length and that many bytes. The shortest form is
//! the only one. What a flag announces is there exactly when it is not empty or zero.
//!
//! | kind | body |
//! | --- | --- |
//! | 1 put | flags u8: 1 previous entry, 2 keep value, 4 keep lease, 8 lease follows; key `bytes`; value `bytes`; lease `number` |
//! | 2 delete range | flags u8: 1 previous entries, 2 end follows; key `bytes`; end `bytes` |
//! | 3 transaction | `length` compares; `length` operations (success); `length` operations (failure) |
//! | 4 compact | revision `number`; physical u8, 0 or 1 |
//!
//! | part | body |
//! | --- | --- |
//! | compare | relation `number`; field u8: 0 version, 1 create, 2 mod, 3 value, 4 lease, 5 unknown; operand, `bytes` for value and else `number`, 0 for unknown; key `bytes`; end `bytes` |
//! | operation | kind u8: 1 range, 2 put, 3 delete range, 4 transaction, 5 empty; body |
//! | range | flags `length`: 1 serializable, 2 keys only, 4 count only, 8 end follows, then a bit each for the numbers that follow; key `bytes`; end `bytes`; limit, revision, order, target, least and most mod revision, least and most create revision, `number` each |

use bytes::Bytes;

use crate::codec::{Reader, put_bool, put_signed};
use crate::error::DecodeError;
use crate::limits::Limits;
use crate::request::{CompactRequest, DeleteRangeRequest, PutRequest, TxnRequest};
use crate::request_codec::{
    TxnReader, put_delete_range, put_put, put_txn, take_delete_range, take_put,
};

/// The format that [`encode`] writes.
pub const FORMAT_VERSION: u8 = 1;

const KIND_PUT: u8 = 1;
const KIND_DELETE_RANGE: u8 = 2;
const KIND_TXN: u8 = 3;
const KIND_COMPACT: u8 = 4;

/// A request that goes through the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Set a key.
    Put(PutRequest),
    /// Delete keys.
    DeleteRange(DeleteRangeRequest),
    /// Compare, then do.
    Txn(TxnRequest),
    /// Forget history.
    Compact(CompactRequest),
}

/// Appends `command` to `out`.
///
/// Any request can be written; the receiver may find it longer or deeper than the limits allow.
/// Validate it first.
pub fn encode(command: &Command, out: &mut Vec<u8>) {
    out.push(FORMAT_VERSION);
    match command {
        Command::Put(put) => {
            out.push(KIND_PUT);
            put_put(out, put);
        }
        Command::DeleteRange(delete) => {
            out.push(KIND_DELETE_RANGE);
            put_delete_range(out, delete);
        }
        Command::Txn(txn) => {
            out.push(KIND_TXN);
            put_txn(out, txn);
        }
        Command::Compact(compact) => {
            out.push(KIND_COMPACT);
            put_signed(out, compact.revision);
            put_bool(out, compact.physical);
        }
    }
}

/// Reads a command. Keys and values share the memory of `bytes`.
///
/// # Errors
///
/// [`DecodeError`] for anything that [`encode`] does not write, or that exceeds `limits`.
pub fn decode(bytes: &Bytes, limits: &Limits) -> Result<Command, DecodeError> {
    if bytes.len() > limits.command_bytes_max {
        return Err(DecodeError::TooLong(bytes.len()));
    }
    let mut reader = Reader::new(bytes);
    match reader.byte()? {
        FORMAT_VERSION => {}
        version => return Err(DecodeError::UnknownVersion(version)),
    }
    let command = match reader.byte()? {
        KIND_PUT => Command::Put(take_put(&mut reader)?),
        KIND_DELETE_RANGE => Command::DeleteRange(take_delete_range(&mut reader)?),
        KIND_TXN => Command::Txn(TxnReader::new(limits).take(&mut reader)?),
        KIND_COMPACT => Command::Compact(CompactRequest {
            revision: reader.signed()?,
            physical: reader.bool()?,
        }),
        tag => return Err(DecodeError::UnknownTag(tag)),
    };
    reader.finish()?;
    Ok(command)
}
