//! Transactions.
//!
//! In three steps, so that one either happens wholly or not at all: choose every branch by the
//! state before, check what is on the way, then do it. Only running out of the allowed cost, and
//! putting on a key that the same transaction has deleted, can still fail while doing; the store
//! then takes back what was done.

use std::cmp::Ordering;

use crate::cost::Cost;
use crate::error::KvError;
use crate::key_history::Version;
use crate::limits::Limits;
use crate::request::{Compare, CompareResult, CompareTarget, RequestOp, TxnRequest};
use crate::response::{ResponseOp, TxnResponse};
use crate::span::Span;
use crate::store::{Store, Write};

/// Whether the compares held, of each transaction on the way, in the order in which they are
/// reached.
type Path = Vec<bool>;
type Steps<'p> = std::iter::Copied<std::slice::Iter<'p, bool>>;

impl Store {
    /// Executes a transaction.
    pub(crate) fn txn(
        &mut self,
        txn: &TxnRequest,
        limits: &Limits,
    ) -> Result<TxnResponse, KvError> {
        let mut cost = Cost::at_most(limits.txn_cost_max);
        let path = self.path(txn, &mut cost)?;
        self.write(|write| {
            let mut steps = path.iter().copied();
            let mut response = execute(write, txn, &mut steps, &mut cost)?;
            response.revision = write.revision();
            Ok(response)
        })
    }

    /// Executes a transaction that only reads.
    pub(crate) fn txn_read_only(
        &self,
        txn: &TxnRequest,
        limits: &Limits,
    ) -> Result<TxnResponse, KvError> {
        if !txn.is_read_only() {
            return Err(KvError::NotReadOnly);
        }
        let mut cost = Cost::at_most(limits.txn_cost_max);
        let path = self.path(txn, &mut cost)?;
        let succeeded = path.first().copied().unwrap_or_default();
        let mut responses = Vec::new();
        for op in branch(txn, succeeded) {
            if let RequestOp::Range(range) = op {
                let response = self.range(range, self.revision(), &mut cost)?;
                responses.push(ResponseOp::Range(response));
            }
        }
        Ok(TxnResponse {
            revision: self.revision(),
            succeeded,
            responses,
        })
    }

    /// The branches that a transaction takes, with what is on the way checked.
    fn path(&self, txn: &TxnRequest, cost: &mut Cost) -> Result<Path, KvError> {
        let mut path = Path::new();
        self.choose(txn, &mut path, cost)?;
        self.check(txn, &mut path.iter().copied())?;
        Ok(path)
    }

    fn choose(&self, txn: &TxnRequest, path: &mut Path, cost: &mut Cost) -> Result<(), KvError> {
        let mut succeeded = true;
        for compare in &txn.compare {
            if !self.holds(compare, cost)? {
                succeeded = false;
                break;
            }
        }
        path.push(succeeded);
        for op in branch(txn, succeeded) {
            if let RequestOp::Txn(nested) = op {
                self.choose(nested, path, cost)?;
            }
        }
        Ok(())
    }

    fn check(&self, txn: &TxnRequest, steps: &mut Steps<'_>) -> Result<(), KvError> {
        for op in branch(txn, next_step(steps)) {
            match op {
                RequestOp::Range(range) => self.check_revision(range.revision)?,
                RequestOp::Put(put) => self.check_put(put)?,
                RequestOp::DeleteRange(_) => {}
                RequestOp::Txn(nested) => self.check(nested, steps)?,
                RequestOp::Empty => return Err(KvError::KeyNotFound),
            }
        }
        Ok(())
    }

    /// Whether a condition holds for every key it names; for none at all, as if for one that has 0
    /// everywhere and no value.
    fn holds(&self, compare: &Compare, cost: &mut Cost) -> Result<bool, KvError> {
        let mut exists = false;
        for (_, history) in self.keys.range(Span::new(&compare.key, &compare.range_end)) {
            let Some(live) = history.live() else { continue };
            cost.scan()?;
            exists = true;
            if !relates(compare, Some(live)) {
                return Ok(false);
            }
        }
        Ok(exists || relates(compare, None))
    }
}

/// The operations of the branch that is taken.
fn branch(txn: &TxnRequest, succeeded: bool) -> &[RequestOp] {
    if succeeded {
        &txn.success
    } else {
        &txn.failure
    }
}

fn next_step(steps: &mut Steps<'_>) -> bool {
    steps
        .next()
        .expect("the path has a step for every transaction on it")
}

/// Does what the chosen branches say. A nested answer has revision 0, as in etcd.
fn execute(
    write: &mut Write<'_>,
    txn: &TxnRequest,
    steps: &mut Steps<'_>,
    cost: &mut Cost,
) -> Result<TxnResponse, KvError> {
    let succeeded = next_step(steps);
    let ops = branch(txn, succeeded);
    let mut responses = Vec::with_capacity(ops.len());
    for op in ops {
        responses.push(match op {
            RequestOp::Range(range) => {
                ResponseOp::Range(write.store().range(range, write.revision(), cost)?)
            }
            RequestOp::Put(put) => ResponseOp::Put(write.put(put, cost)?),
            RequestOp::DeleteRange(delete) => {
                ResponseOp::DeleteRange(write.delete_range(delete, cost)?)
            }
            RequestOp::Txn(nested) => ResponseOp::Txn(execute(write, nested, steps, cost)?),
            RequestOp::Empty => return Err(KvError::KeyNotFound),
        });
    }
    Ok(TxnResponse {
        revision: 0,
        succeeded,
        responses,
    })
}

/// Whether an entry, or the absence of one, satisfies a condition.
fn relates(compare: &Compare, entry: Option<&Version>) -> bool {
    let number = |field: fn(&Version) -> i64| entry.map_or(0, field);
    let order = match &compare.target {
        CompareTarget::Version(operand) => number(|v| v.version).cmp(operand),
        CompareTarget::Create(operand) => number(|v| v.create_revision).cmp(operand),
        CompareTarget::Mod(operand) => number(|v| v.stamp.revision).cmp(operand),
        CompareTarget::Lease(operand) => number(|v| v.lease).cmp(operand),
        CompareTarget::Value(operand) => match entry.and_then(|v| v.value.as_ref()) {
            Some(value) => value.cmp(operand),
            None => return false,
        },
        CompareTarget::Unknown => Ordering::Equal,
    };
    match compare.result {
        CompareResult::Equal => order.is_eq(),
        CompareResult::NotEqual => order.is_ne(),
        CompareResult::Greater => order.is_gt(),
        CompareResult::Less => order.is_lt(),
        CompareResult::Unknown(_) => true,
    }
}
