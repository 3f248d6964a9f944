//! Replies: what a command or query came to, as bytes.
//!
//! `format version u8 | kind u8 | answer`, where kind 0 is an error. A reply may have been stored
//! with a session and be read by a later version, so its format has a version, too.

use bytes::Bytes;

use crate::codec::{Reader, put_bool, put_bytes, put_signed, put_unsigned};
use crate::error::{DecodeError, KvError};
use crate::response::{
    CompactResponse, DeleteRangeResponse, HashKvResponse, KeyValue, PutResponse, RangeResponse,
    Reply, Response, ResponseOp, StoreStatus, TxnResponse,
};

/// The format that [`encode`] writes.
pub const FORMAT_VERSION: u8 = 1;

const KIND_ERROR: u8 = 0;
const KIND_RANGE: u8 = 1;
const KIND_PUT: u8 = 2;
const KIND_DELETE_RANGE: u8 = 3;
const KIND_TXN: u8 = 4;
const KIND_COMPACT: u8 = 5;
const KIND_STATUS: u8 = 6;
const KIND_HASH_KV: u8 = 7;

/// An entry is written in at least this many bytes: two lengths and four numbers.
const KEY_VALUE_BYTES_MIN: usize = 6;
/// An answer inside a transaction is written in at least this many: its kind and two more.
const OP_BYTES_MIN: usize = 3;
/// Answers are nested as deeply as their requests, which the machine has checked; this only guards
/// the reader's stack.
const DEPTH_MAX: usize = 1024;

/// All errors with their numbers, which never change.
const ERRORS: [(u8, KvError); 15] = [
    (1, KvError::KeyNotProvided),
    (2, KvError::KeyNotFound),
    (3, KvError::ValueProvided),
    (4, KvError::LeaseProvided),
    (5, KvError::LeaseNotFound),
    (6, KvError::Compacted),
    (7, KvError::FutureRevision),
    (8, KvError::DuplicateKey),
    (9, KvError::TooManyOps),
    (10, KvError::InvalidSortOption),
    (11, KvError::RequestTooLarge),
    (12, KvError::TxnTooCostly),
    (13, KvError::NotReadOnly),
    (14, KvError::Undecodable),
    (15, KvError::UnknownVersion),
];

/// Appends `reply` to `out`.
pub fn encode(reply: &Reply, out: &mut Vec<u8>) {
    out.push(FORMAT_VERSION);
    match reply {
        Err(error) => {
            out.push(KIND_ERROR);
            out.extend(
                ERRORS
                    .iter()
                    .find(|(_, known)| known == error)
                    .map(|(code, _)| code),
            );
        }
        Ok(Response::Range(range)) => put_range(out, range),
        Ok(Response::Put(put)) => put_put(out, put),
        Ok(Response::DeleteRange(delete)) => put_delete_range(out, delete),
        Ok(Response::Txn(txn)) => put_txn(out, txn),
        Ok(Response::Compact(compact)) => {
            out.push(KIND_COMPACT);
            put_signed(out, compact.revision);
        }
        Ok(Response::Status(status)) => put_status(out, status),
        Ok(Response::HashKv(hash)) => {
            out.push(KIND_HASH_KV);
            put_signed(out, hash.revision);
            put_unsigned(out, u64::from(hash.hash));
            put_signed(out, hash.compact_revision);
            put_signed(out, hash.hash_revision);
        }
    }
}

/// Reads a reply. Keys and values share the memory of `bytes`.
///
/// # Errors
///
/// [`DecodeError`] for anything that [`encode`] does not write.
pub fn decode(bytes: &Bytes) -> Result<Reply, DecodeError> {
    let mut reader = Reader::new(bytes);
    match reader.byte()? {
        FORMAT_VERSION => {}
        version => return Err(DecodeError::UnknownVersion(version)),
    }
    let reply = match reader.byte()? {
        KIND_ERROR => Err(take_error(&mut reader)?),
        KIND_COMPACT => Ok(Response::Compact(CompactResponse {
            revision: reader.signed()?,
        })),
        KIND_STATUS => Ok(Response::Status(take_status(&mut reader)?)),
        KIND_HASH_KV => Ok(Response::HashKv(HashKvResponse {
            revision: reader.signed()?,
            hash: u32::try_from(reader.unsigned()?).map_err(|_| DecodeError::MalformedNumber)?,
            compact_revision: reader.signed()?,
            hash_revision: reader.signed()?,
        })),
        kind => Ok(match take_op(&mut reader, kind, DEPTH_MAX)? {
            ResponseOp::Range(range) => Response::Range(range),
            ResponseOp::Put(put) => Response::Put(put),
            ResponseOp::DeleteRange(delete) => Response::DeleteRange(delete),
            ResponseOp::Txn(txn) => Response::Txn(txn),
        }),
    };
    reader.finish()?;
    Ok(reply)
}

fn take_error(reader: &mut Reader<'_>) -> Result<KvError, DecodeError> {
    let code = reader.byte()?;
    let known = ERRORS.iter().find(|(number, _)| *number == code);
    known
        .map(|(_, error)| *error)
        .ok_or(DecodeError::UnknownTag(code))
}

fn put_range(out: &mut Vec<u8>, range: &RangeResponse) {
    out.push(KIND_RANGE);
    put_signed(out, range.revision);
    put_signed(out, range.count);
    put_bool(out, range.more);
    put_key_values(out, &range.kvs);
}

fn put_put(out: &mut Vec<u8>, put: &PutResponse) {
    out.push(KIND_PUT);
    put_signed(out, put.revision);
    put_bool(out, put.prev_kv.is_some());
    if let Some(entry) = &put.prev_kv {
        put_key_value(out, entry);
    }
}

fn put_delete_range(out: &mut Vec<u8>, delete: &DeleteRangeResponse) {
    out.push(KIND_DELETE_RANGE);
    put_signed(out, delete.revision);
    put_signed(out, delete.deleted);
    put_key_values(out, &delete.prev_kvs);
}

fn put_txn(out: &mut Vec<u8>, txn: &TxnResponse) {
    out.push(KIND_TXN);
    put_signed(out, txn.revision);
    put_bool(out, txn.succeeded);
    put_unsigned(out, txn.responses.len() as u64);
    for response in &txn.responses {
        match response {
            ResponseOp::Range(range) => put_range(out, range),
            ResponseOp::Put(put) => put_put(out, put),
            ResponseOp::DeleteRange(delete) => put_delete_range(out, delete),
            ResponseOp::Txn(txn) => put_txn(out, txn),
        }
    }
}

fn take_op(
    reader: &mut Reader<'_>,
    kind: u8,
    levels_left: usize,
) -> Result<ResponseOp, DecodeError> {
    match kind {
        KIND_RANGE => Ok(ResponseOp::Range(RangeResponse {
            revision: reader.signed()?,
            count: reader.signed()?,
            more: reader.bool()?,
            kvs: take_key_values(reader)?,
        })),
        KIND_PUT => Ok(ResponseOp::Put(PutResponse {
            revision: reader.signed()?,
            prev_kv: if reader.bool()? {
                Some(take_key_value(reader)?)
            } else {
                None
            },
        })),
        KIND_DELETE_RANGE => Ok(ResponseOp::DeleteRange(DeleteRangeResponse {
            revision: reader.signed()?,
            deleted: reader.signed()?,
            prev_kvs: take_key_values(reader)?,
        })),
        KIND_TXN => Ok(ResponseOp::Txn(take_txn(reader, levels_left)?)),
        tag => Err(DecodeError::UnknownTag(tag)),
    }
}

fn take_txn(reader: &mut Reader<'_>, levels_left: usize) -> Result<TxnResponse, DecodeError> {
    let levels_left = levels_left.checked_sub(1).ok_or(DecodeError::TooDeep)?;
    let revision = reader.signed()?;
    let succeeded = reader.bool()?;
    let len = reader.list_len(OP_BYTES_MIN)?;
    let mut responses = Vec::with_capacity(len);
    for _ in 0..len {
        let kind = reader.byte()?;
        responses.push(take_op(reader, kind, levels_left)?);
    }
    Ok(TxnResponse {
        revision,
        succeeded,
        responses,
    })
}

fn put_key_values(out: &mut Vec<u8>, entries: &[KeyValue]) {
    put_unsigned(out, entries.len() as u64);
    for entry in entries {
        put_key_value(out, entry);
    }
}

fn take_key_values(reader: &mut Reader<'_>) -> Result<Vec<KeyValue>, DecodeError> {
    let len = reader.list_len(KEY_VALUE_BYTES_MIN)?;
    let mut entries = Vec::with_capacity(len);
    for _ in 0..len {
        entries.push(take_key_value(reader)?);
    }
    Ok(entries)
}

fn put_key_value(out: &mut Vec<u8>, entry: &KeyValue) {
    put_bytes(out, &entry.key);
    put_signed(out, entry.create_revision);
    put_signed(out, entry.mod_revision);
    put_signed(out, entry.version);
    put_bytes(out, &entry.value);
    put_signed(out, entry.lease);
}

fn take_key_value(reader: &mut Reader<'_>) -> Result<KeyValue, DecodeError> {
    Ok(KeyValue {
        key: reader.bytes()?,
        create_revision: reader.signed()?,
        mod_revision: reader.signed()?,
        version: reader.signed()?,
        value: reader.bytes()?,
        lease: reader.signed()?,
    })
}

fn put_status(out: &mut Vec<u8>, status: &StoreStatus) {
    out.push(KIND_STATUS);
    put_signed(out, status.revision);
    put_signed(out, status.compact_revision);
    put_unsigned(out, status.key_count);
    put_unsigned(out, status.size_bytes);
    put_unsigned(out, status.size_in_use_bytes);
    put_unsigned(out, status.state_hash);
}

fn take_status(reader: &mut Reader<'_>) -> Result<StoreStatus, DecodeError> {
    Ok(StoreStatus {
        revision: reader.signed()?,
        compact_revision: reader.signed()?,
        key_count: reader.unsigned()?,
        size_bytes: reader.unsigned()?,
        size_in_use_bytes: reader.unsigned()?,
        state_hash: reader.unsigned()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_comes_back() {
        for (_, error) in ERRORS {
            let mut out = Vec::new();
            encode(&Err(error), &mut out);
            assert_eq!(out.len(), 3, "{error:?} has a number");
            assert_eq!(decode(&Bytes::from(out)), Ok(Err(error)));
        }
    }
}
