//! What can be said against a request without looking at the store.
//!
//! A server asks before a request enters the log, so that nonsense costs no consensus; the machine
//! asks again when it executes, because a log may come from anywhere. The order of the checks is
//! etcd's: it decides which of several faults is reported.

use crate::command::Command;
use crate::error::KvError;
use crate::limits::Limits;
use crate::overlap::check_overlap;
use crate::query::Query;
use crate::request::{
    DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, SortOrder, SortTarget, TxnRequest,
};

/// Checks any command.
///
/// # Errors
///
/// Those of the function for its kind.
pub fn validate_command(command: &Command, limits: &Limits) -> Result<(), KvError> {
    match command {
        Command::Put(put) => validate_put(put),
        Command::DeleteRange(delete) => validate_delete_range(delete),
        Command::Txn(txn) => validate_txn(txn, limits),
        // Every number is a revision that some store could be compacted at, or refuse.
        Command::Compact(_) => Ok(()),
    }
}

/// Checks any query.
///
/// # Errors
///
/// Those of the function for its kind.
pub fn validate_query(query: &Query, limits: &Limits) -> Result<(), KvError> {
    match query {
        Query::Range(range) => validate_range(range),
        Query::Txn(txn) => validate_txn(txn, limits),
        Query::Status | Query::HashKv { .. } => Ok(()),
    }
}

/// Checks a range.
///
/// # Errors
///
/// [`KvError::KeyNotProvided`], [`KvError::InvalidSortOption`].
pub fn validate_range(range: &RangeRequest) -> Result<(), KvError> {
    if range.key.is_empty() {
        return Err(KvError::KeyNotProvided);
    }
    match (range.sort_order, range.sort_target) {
        (SortOrder::Unknown(_), _) | (_, SortTarget::Unknown(_)) => Err(KvError::InvalidSortOption),
        _ => Ok(()),
    }
}

/// Checks a put.
///
/// # Errors
///
/// [`KvError::KeyNotProvided`], [`KvError::ValueProvided`], [`KvError::LeaseProvided`].
pub fn validate_put(put: &PutRequest) -> Result<(), KvError> {
    if put.key.is_empty() {
        Err(KvError::KeyNotProvided)
    } else if put.ignore_value && !put.value.is_empty() {
        Err(KvError::ValueProvided)
    } else if put.ignore_lease && put.lease != 0 {
        Err(KvError::LeaseProvided)
    } else {
        Ok(())
    }
}

/// Checks a delete.
///
/// # Errors
///
/// [`KvError::KeyNotProvided`].
pub fn validate_delete_range(delete: &DeleteRangeRequest) -> Result<(), KvError> {
    if delete.key.is_empty() {
        Err(KvError::KeyNotProvided)
    } else {
        Ok(())
    }
}

/// Checks a transaction with everything nested in it, both branches, whichever will be taken.
///
/// # Errors
///
/// [`KvError::TooManyOps`], [`KvError::KeyNotProvided`], those of the operations,
/// [`KvError::KeyNotFound`] for one that names no kind, [`KvError::DuplicateKey`].
pub fn validate_txn(txn: &TxnRequest, limits: &Limits) -> Result<(), KvError> {
    let mut total_left = limits.txn_ops_total_max;
    check_txn(
        txn,
        limits.txn_ops_max,
        limits.txn_depth_max,
        &mut total_left,
    )?;
    check_overlap(&txn.success)?;
    check_overlap(&txn.failure)
}

fn check_txn(
    txn: &TxnRequest,
    budget: usize,
    levels_left: usize,
    total_left: &mut usize,
) -> Result<(), KvError> {
    let levels_left = levels_left.checked_sub(1).ok_or(KvError::TooManyOps)?;
    let lens = [txn.compare.len(), txn.success.len(), txn.failure.len()];
    let longest = lens.into_iter().max().unwrap_or_default();
    let budget = budget.checked_sub(longest).ok_or(KvError::TooManyOps)?;
    let total = lens.into_iter().sum();
    *total_left = total_left.checked_sub(total).ok_or(KvError::TooManyOps)?;

    if txn.compare.iter().any(|compare| compare.key.is_empty()) {
        return Err(KvError::KeyNotProvided);
    }
    for op in txn.success.iter().chain(&txn.failure) {
        match op {
            RequestOp::Range(range) => validate_range(range)?,
            RequestOp::Put(put) => validate_put(put)?,
            RequestOp::DeleteRange(delete) => validate_delete_range(delete)?,
            RequestOp::Txn(nested) => check_txn(nested, budget, levels_left, total_left)?,
            RequestOp::Empty => return Err(KvError::KeyNotFound),
        }
    }
    Ok(())
}
