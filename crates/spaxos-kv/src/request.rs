//! Requests, as etcd's clients mean them.
//!
//! Fields keep etcd's names and its encodings of "absent": an empty `range_end` is none, revision 0
//! is the latest, limit 0 is none. Enumerations keep numbers that nobody knows, so that refusing
//! them happens here, at the same place in the order of checks as everything else.

use bytes::Bytes;

/// Reads one key or a range of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeRequest {
    /// The key, or the first key of the range. Never empty.
    pub key: Bytes,
    /// Empty: only `key`. One zero byte: all keys from `key` on. Else: the first key behind the
    /// range; a range whose end is not above its start is empty.
    pub range_end: Bytes,
    /// Most entries to return; 0 or less is no limit.
    pub limit: i64,
    /// The revision to read at; 0 or less is the latest.
    pub revision: i64,
    /// Direction of sorting. `None` with a target other than the key means ascending.
    pub sort_order: SortOrder,
    /// What to sort by; equal entries stay in the order of their keys.
    pub sort_target: SortTarget,
    /// Whether any replica may answer from what it has. Says how the request travels; the store
    /// itself does not look at it.
    pub serializable: bool,
    /// Leave values out of the answer.
    pub keys_only: bool,
    /// Answer with the number of keys alone.
    pub count_only: bool,
    /// Leave out entries modified before; 0 is off.
    pub min_mod_revision: i64,
    /// Leave out entries modified later; 0 is off.
    pub max_mod_revision: i64,
    /// Leave out entries created before; 0 is off.
    pub min_create_revision: i64,
    /// Leave out entries created later; 0 is off.
    pub max_create_revision: i64,
}

/// Direction of sorting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// None asked for.
    #[default]
    None,
    /// Smallest first.
    Ascend,
    /// Largest first.
    Descend,
    /// A number that etcd does not define; refused. Made by [`SortOrder::from_number`] only.
    Unknown(i32),
}

impl SortOrder {
    /// The variant of a number of the API.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        match number {
            0 => Self::None,
            1 => Self::Ascend,
            2 => Self::Descend,
            other => Self::Unknown(other),
        }
    }

    /// The number in the API.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::None => 0,
            Self::Ascend => 1,
            Self::Descend => 2,
            Self::Unknown(number) => number,
        }
    }
}

/// What to sort by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortTarget {
    /// The key.
    #[default]
    Key,
    /// How often the key was put since its creation.
    Version,
    /// The revision that created the key.
    Create,
    /// The revision that put the key last.
    Mod,
    /// The value.
    Value,
    /// A number that etcd does not define; refused. Made by [`SortTarget::from_number`] only.
    Unknown(i32),
}

impl SortTarget {
    /// The variant of a number of the API.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        match number {
            0 => Self::Key,
            1 => Self::Version,
            2 => Self::Create,
            3 => Self::Mod,
            4 => Self::Value,
            other => Self::Unknown(other),
        }
    }

    /// The number in the API.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Key => 0,
            Self::Version => 1,
            Self::Create => 2,
            Self::Mod => 3,
            Self::Value => 4,
            Self::Unknown(number) => number,
        }
    }
}

/// Sets one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutRequest {
    /// The key. Never empty.
    pub key: Bytes,
    /// The value; may be empty.
    pub value: Bytes,
    /// The lease that the key lives by; 0 is none.
    pub lease: i64,
    /// Answer with the entry as it was before.
    pub prev_kv: bool,
    /// Keep the value that the key has; it must exist, and `value` be empty.
    pub ignore_value: bool,
    /// Keep the lease that the key has; it must exist, and `lease` be 0.
    pub ignore_lease: bool,
}

/// Deletes one key or a range of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteRangeRequest {
    /// The key, or the first key of the range. Never empty.
    pub key: Bytes,
    /// As in [`RangeRequest::range_end`].
    pub range_end: Bytes,
    /// Answer with the entries as they were before.
    pub prev_kv: bool,
}

/// Compares, then one of two lists of operations, as one atomic step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxnRequest {
    /// Conditions, all of which must hold; none at all holds.
    pub compare: Vec<Compare>,
    /// What to do when they hold, in this order.
    pub success: Vec<RequestOp>,
    /// What to do when they do not.
    pub failure: Vec<RequestOp>,
}

impl TxnRequest {
    /// Whether both branches hold ranges and nothing else. Such a transaction is a read: it need
    /// not go through the log. One that nests another transaction counts as a write, as in etcd.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.ops().all(|op| matches!(op, RequestOp::Range(_)))
    }

    /// Whether any replica may answer from what it has: both branches hold ranges that allow it,
    /// and nothing else.
    #[must_use]
    pub fn is_serializable(&self) -> bool {
        self.ops()
            .all(|op| matches!(op, RequestOp::Range(range) if range.serializable))
    }

    fn ops(&self) -> impl Iterator<Item = &RequestOp> {
        self.success.iter().chain(&self.failure)
    }
}

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestOp {
    /// Read; sees what earlier operations of the same transaction wrote.
    Range(RangeRequest),
    /// Set a key.
    Put(PutRequest),
    /// Delete keys.
    DeleteRange(DeleteRangeRequest),
    /// A transaction inside the transaction. Its compares see the state before the outermost one.
    Txn(TxnRequest),
    /// An operation that names no kind. Always refused; kept so that it is refused in order.
    Empty,
}

/// One condition on a key, or on every key of a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compare {
    /// How the entry's field must relate to the operand.
    pub result: CompareResult,
    /// Which field, and the operand.
    pub target: CompareTarget,
    /// The key, or the first key of the range. Never empty.
    pub key: Bytes,
    /// As in [`RangeRequest::range_end`]. The condition must hold for each key of the range.
    pub range_end: Bytes,
}

/// A relation: entry's field on the left, operand on the right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompareResult {
    /// They are equal.
    #[default]
    Equal,
    /// The entry's is larger.
    Greater,
    /// The entry's is smaller.
    Less,
    /// They differ.
    NotEqual,
    /// A number that etcd does not define. It always holds, as in etcd.
    Unknown(i32),
}

impl CompareResult {
    /// The variant of a number of the API.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        match number {
            0 => Self::Equal,
            1 => Self::Greater,
            2 => Self::Less,
            3 => Self::NotEqual,
            other => Self::Unknown(other),
        }
    }

    /// The number in the API.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Equal => 0,
            Self::Greater => 1,
            Self::Less => 2,
            Self::NotEqual => 3,
            Self::Unknown(number) => number,
        }
    }
}

/// A field of an entry and what to compare it with. A key that does not exist has 0 everywhere,
/// and no value: whatever is asked of that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompareTarget {
    /// How often the key was put since its creation.
    Version(i64),
    /// The revision that created the key.
    Create(i64),
    /// The revision that put the key last.
    Mod(i64),
    /// The value, byte by byte.
    Value(Bytes),
    /// The lease.
    Lease(i64),
    /// A field that etcd does not define. Compares as equal, as in etcd.
    Unknown,
}

impl Default for CompareTarget {
    fn default() -> Self {
        Self::Version(0)
    }
}

/// Forgets history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactRequest {
    /// The oldest revision that stays readable.
    pub revision: i64,
    /// Free the memory before answering, instead of little by little with later commands.
    pub physical: bool,
}
