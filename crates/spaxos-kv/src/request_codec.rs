//! Requests as bytes: what commands and queries have in common.
//!
//! Fields that are usually absent are announced by a bit and cost nothing when they are.

use crate::codec::{Reader, put_bytes, put_signed, put_unsigned};
use crate::error::DecodeError;
use crate::limits::Limits;
use crate::request::{
    Compare, CompareResult, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp,
    SortOrder, SortTarget, TxnRequest,
};

const OP_RANGE: u8 = 1;
const OP_PUT: u8 = 2;
const OP_DELETE_RANGE: u8 = 3;
const OP_TXN: u8 = 4;
const OP_EMPTY: u8 = 5;

const TARGET_VERSION: u8 = 0;
const TARGET_CREATE: u8 = 1;
const TARGET_MOD: u8 = 2;
const TARGET_VALUE: u8 = 3;
const TARGET_LEASE: u8 = 4;
const TARGET_UNKNOWN: u8 = 5;

const RANGE_SERIALIZABLE: u64 = 1;
const RANGE_KEYS_ONLY: u64 = 1 << 1;
const RANGE_COUNT_ONLY: u64 = 1 << 2;
const RANGE_END: u64 = 1 << 3;
/// The numbers of a range request have a bit each, from this one on, in the order of
/// [`range_numbers`].
const RANGE_NUMBERS_SHIFT: u32 = 4;
const RANGE_NUMBERS: usize = 8;

const PUT_PREV_KV: u8 = 1;
const PUT_IGNORE_VALUE: u8 = 1 << 1;
const PUT_IGNORE_LEASE: u8 = 1 << 2;
const PUT_LEASE: u8 = 1 << 3;

const DELETE_PREV_KV: u8 = 1;
const DELETE_RANGE_END: u8 = 1 << 1;

/// A compare is written in at least this many bytes: result, target, operand, key, end.
const COMPARE_BYTES_MIN: usize = 5;

fn flag<T: Default>(condition: bool, bit: T) -> T {
    if condition { bit } else { T::default() }
}

fn range_numbers(range: &RangeRequest) -> [i64; RANGE_NUMBERS] {
    [
        range.limit,
        range.revision,
        i64::from(range.sort_order.number()),
        i64::from(range.sort_target.number()),
        range.min_mod_revision,
        range.max_mod_revision,
        range.min_create_revision,
        range.max_create_revision,
    ]
}

/// Appends a range request.
pub(crate) fn put_range(out: &mut Vec<u8>, range: &RangeRequest) {
    let numbers = range_numbers(range);
    let mut flags = flag(range.serializable, RANGE_SERIALIZABLE)
        | flag(range.keys_only, RANGE_KEYS_ONLY)
        | flag(range.count_only, RANGE_COUNT_ONLY)
        | flag(!range.range_end.is_empty(), RANGE_END);
    for (bit, number) in (RANGE_NUMBERS_SHIFT..).zip(numbers) {
        flags |= flag(number != 0, 1 << bit);
    }
    put_unsigned(out, flags);
    put_bytes(out, &range.key);
    if !range.range_end.is_empty() {
        put_bytes(out, &range.range_end);
    }
    for number in numbers.into_iter().filter(|number| *number != 0) {
        put_signed(out, number);
    }
}

/// Takes a range request.
pub(crate) fn take_range(reader: &mut Reader<'_>) -> Result<RangeRequest, DecodeError> {
    let flags = reader.unsigned()?;
    if flags >> RANGE_NUMBERS_SHIFT >> RANGE_NUMBERS != 0 {
        return Err(DecodeError::MalformedNumber);
    }
    let key = reader.bytes()?;
    let range_end = if flags & RANGE_END != 0 {
        reader.nonempty_bytes()?
    } else {
        Default::default()
    };
    let mut numbers = [0; RANGE_NUMBERS];
    for (bit, number) in (RANGE_NUMBERS_SHIFT..).zip(&mut numbers) {
        if flags & (1 << bit) != 0 {
            *number = reader.nonzero()?;
        }
    }
    let [
        limit,
        revision,
        order,
        target,
        min_mod,
        max_mod,
        min_create,
        max_create,
    ] = numbers;
    let enumeration = |number: i64| i32::try_from(number).map_err(|_| DecodeError::MalformedNumber);
    Ok(RangeRequest {
        key,
        range_end,
        limit,
        revision,
        sort_order: SortOrder::from_number(enumeration(order)?),
        sort_target: SortTarget::from_number(enumeration(target)?),
        serializable: flags & RANGE_SERIALIZABLE != 0,
        keys_only: flags & RANGE_KEYS_ONLY != 0,
        count_only: flags & RANGE_COUNT_ONLY != 0,
        min_mod_revision: min_mod,
        max_mod_revision: max_mod,
        min_create_revision: min_create,
        max_create_revision: max_create,
    })
}

/// Appends a put request.
pub(crate) fn put_put(out: &mut Vec<u8>, put: &PutRequest) {
    out.push(
        flag(put.prev_kv, PUT_PREV_KV)
            | flag(put.ignore_value, PUT_IGNORE_VALUE)
            | flag(put.ignore_lease, PUT_IGNORE_LEASE)
            | flag(put.lease != 0, PUT_LEASE),
    );
    put_bytes(out, &put.key);
    put_bytes(out, &put.value);
    if put.lease != 0 {
        put_signed(out, put.lease);
    }
}

/// Takes a put request.
pub(crate) fn take_put(reader: &mut Reader<'_>) -> Result<PutRequest, DecodeError> {
    let flags = reader.byte()?;
    if flags >= PUT_LEASE << 1 {
        return Err(DecodeError::UnknownTag(flags));
    }
    Ok(PutRequest {
        key: reader.bytes()?,
        value: reader.bytes()?,
        lease: if flags & PUT_LEASE != 0 {
            reader.nonzero()?
        } else {
            0
        },
        prev_kv: flags & PUT_PREV_KV != 0,
        ignore_value: flags & PUT_IGNORE_VALUE != 0,
        ignore_lease: flags & PUT_IGNORE_LEASE != 0,
    })
}

/// Appends a delete request.
pub(crate) fn put_delete_range(out: &mut Vec<u8>, delete: &DeleteRangeRequest) {
    let has_end = !delete.range_end.is_empty();
    out.push(flag(delete.prev_kv, DELETE_PREV_KV) | flag(has_end, DELETE_RANGE_END));
    put_bytes(out, &delete.key);
    if has_end {
        put_bytes(out, &delete.range_end);
    }
}

/// Takes a delete request.
pub(crate) fn take_delete_range(
    reader: &mut Reader<'_>,
) -> Result<DeleteRangeRequest, DecodeError> {
    let flags = reader.byte()?;
    if flags >= DELETE_RANGE_END << 1 {
        return Err(DecodeError::UnknownTag(flags));
    }
    let key = reader.bytes()?;
    let has_end = flags & DELETE_RANGE_END != 0;
    Ok(DeleteRangeRequest {
        key,
        range_end: if has_end {
            reader.nonempty_bytes()?
        } else {
            Default::default()
        },
        prev_kv: flags & DELETE_PREV_KV != 0,
    })
}

/// Appends a transaction with everything nested in it.
pub(crate) fn put_txn(out: &mut Vec<u8>, txn: &TxnRequest) {
    put_unsigned(out, txn.compare.len() as u64);
    for compare in &txn.compare {
        put_compare(out, compare);
    }
    for branch in [&txn.success, &txn.failure] {
        put_unsigned(out, branch.len() as u64);
        for op in branch {
            put_op(out, op);
        }
    }
}

fn put_op(out: &mut Vec<u8>, op: &RequestOp) {
    match op {
        RequestOp::Range(range) => {
            out.push(OP_RANGE);
            put_range(out, range);
        }
        RequestOp::Put(put) => {
            out.push(OP_PUT);
            put_put(out, put);
        }
        RequestOp::DeleteRange(delete) => {
            out.push(OP_DELETE_RANGE);
            put_delete_range(out, delete);
        }
        RequestOp::Txn(txn) => {
            out.push(OP_TXN);
            put_txn(out, txn);
        }
        RequestOp::Empty => out.push(OP_EMPTY),
    }
}

fn put_compare(out: &mut Vec<u8>, compare: &Compare) {
    put_signed(out, i64::from(compare.result.number()));
    let (tag, operand) = match &compare.target {
        CompareTarget::Version(version) => (TARGET_VERSION, *version),
        CompareTarget::Create(revision) => (TARGET_CREATE, *revision),
        CompareTarget::Mod(revision) => (TARGET_MOD, *revision),
        CompareTarget::Lease(lease) => (TARGET_LEASE, *lease),
        CompareTarget::Unknown => (TARGET_UNKNOWN, 0),
        CompareTarget::Value(_) => (TARGET_VALUE, 0),
    };
    out.push(tag);
    match &compare.target {
        CompareTarget::Value(value) => put_bytes(out, value),
        _ => put_signed(out, operand),
    }
    put_bytes(out, &compare.key);
    put_bytes(out, &compare.range_end);
}

fn take_compare(reader: &mut Reader<'_>) -> Result<Compare, DecodeError> {
    let result = CompareResult::from_number(reader.signed_32()?);
    let target = match reader.byte()? {
        TARGET_VERSION => CompareTarget::Version(reader.signed()?),
        TARGET_CREATE => CompareTarget::Create(reader.signed()?),
        TARGET_MOD => CompareTarget::Mod(reader.signed()?),
        TARGET_VALUE => CompareTarget::Value(reader.bytes()?),
        TARGET_LEASE => CompareTarget::Lease(reader.signed()?),
        TARGET_UNKNOWN => match reader.byte()? {
            0 => CompareTarget::Unknown,
            _ => return Err(DecodeError::MalformedNumber),
        },
        tag => return Err(DecodeError::UnknownTag(tag)),
    };
    Ok(Compare {
        result,
        target,
        key: reader.bytes()?,
        range_end: reader.bytes()?,
    })
}

/// Takes transactions, and counts what they hold.
pub(crate) struct TxnReader {
    levels_left: usize,
    ops_left: usize,
}

impl TxnReader {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            levels_left: limits.txn_depth_max,
            ops_left: limits.txn_ops_total_max,
        }
    }

    /// Takes a transaction with everything nested in it.
    pub(crate) fn take(&mut self, reader: &mut Reader<'_>) -> Result<TxnRequest, DecodeError> {
        self.levels_left = self
            .levels_left
            .checked_sub(1)
            .ok_or(DecodeError::TooDeep)?;
        let len = self.list_len(reader, COMPARE_BYTES_MIN)?;
        let mut compare = Vec::with_capacity(len);
        for _ in 0..len {
            compare.push(take_compare(reader)?);
        }
        let success = self.take_ops(reader)?;
        let failure = self.take_ops(reader)?;
        self.levels_left += 1;
        Ok(TxnRequest {
            compare,
            success,
            failure,
        })
    }

    fn list_len(&mut self, reader: &mut Reader<'_>, min: usize) -> Result<usize, DecodeError> {
        let len = reader.list_len(min)?;
        self.ops_left = self
            .ops_left
            .checked_sub(len)
            .ok_or(DecodeError::TooManyOps)?;
        Ok(len)
    }

    fn take_ops(&mut self, reader: &mut Reader<'_>) -> Result<Vec<RequestOp>, DecodeError> {
        let len = self.list_len(reader, 1)?;
        let mut ops = Vec::with_capacity(len);
        for _ in 0..len {
            ops.push(match reader.byte()? {
                OP_RANGE => RequestOp::Range(take_range(reader)?),
                OP_PUT => RequestOp::Put(take_put(reader)?),
                OP_DELETE_RANGE => RequestOp::DeleteRange(take_delete_range(reader)?),
                OP_TXN => RequestOp::Txn(self.take(reader)?),
                OP_EMPTY => RequestOp::Empty,
                tag => return Err(DecodeError::UnknownTag(tag)),
            });
        }
        Ok(ops)
    }
}
