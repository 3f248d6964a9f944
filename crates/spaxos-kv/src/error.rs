//! Why a request is refused, and why bytes are not what they should be.

/// Why a request fails. The first ten are etcd's; which gRPC code and text belongs to each is known
/// to whoever speaks gRPC. A failed request changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum KvError {
    /// A key is empty.
    #[error("key is not provided")]
    KeyNotProvided,
    /// `ignore_value` or `ignore_lease` on a key that does not exist, or an operation that names
    /// none of the kinds.
    #[error("key not found")]
    KeyNotFound,
    /// A value beside `ignore_value`.
    #[error("value is provided")]
    ValueProvided,
    /// A lease beside `ignore_lease`.
    #[error("lease is provided")]
    LeaseProvided,
    /// A put names a lease that does not exist.
    #[error("requested lease not found")]
    LeaseNotFound,
    /// The revision is below the compacted one; or, when compacting, not above it.
    #[error("required revision has been compacted")]
    Compacted,
    /// The revision is above the store's.
    #[error("required revision is a future revision")]
    FutureRevision,
    /// A transaction may put a key twice, or put and delete it.
    #[error("duplicate key given in txn request")]
    DuplicateKey,
    /// A transaction has more operations, or more levels, than the limits allow.
    #[error("too many operations in txn request")]
    TooManyOps,
    /// Sort order or sort target is none of the known ones.
    #[error("invalid sort option")]
    InvalidSortOption,
    /// The command is longer than the limits allow.
    #[error("request is too large")]
    RequestTooLarge,
    /// The transaction, or the delete, would read or answer more than the limits allow.
    #[error("transaction costs more than allowed")]
    TxnTooCostly,
    /// A transaction that may write was given to a function that only reads.
    #[error("transaction is not read-only")]
    NotReadOnly,
    /// The command cannot be decoded.
    #[error("command cannot be decoded")]
    Undecodable,
    /// The command is written in a format that this version does not know.
    #[error("command has an unknown format version")]
    UnknownVersion,
}

/// Why bytes are not a command, query or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end before what they promise.
    #[error("bytes end too early")]
    Truncated,
    /// There are bytes behind the end.
    #[error("bytes behind the end")]
    Trailing,
    /// A format version of the future.
    #[error("format version {0} is unknown")]
    UnknownVersion(u8),
    /// A byte that tells kinds apart has none of the known values.
    #[error("tag {0} is unknown")]
    UnknownTag(u8),
    /// A number is out of its range, or not written in its shortest form.
    #[error("number is malformed")]
    MalformedNumber,
    /// Longer than [`Limits::command_bytes_max`](crate::Limits::command_bytes_max).
    #[error("{0} bytes are too many")]
    TooLong(usize),
    /// Transactions nested deeper than [`Limits::txn_depth_max`](crate::Limits::txn_depth_max).
    #[error("nested too deeply")]
    TooDeep,
    /// More operations than [`Limits::txn_ops_total_max`](crate::Limits::txn_ops_total_max).
    #[error("too many operations")]
    TooManyOps,
}

/// How the state machine answers a command that it cannot decode.
impl From<DecodeError> for KvError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::UnknownVersion(_) => Self::UnknownVersion,
            DecodeError::TooLong(_) => Self::RequestTooLarge,
            DecodeError::TooDeep | DecodeError::TooManyOps => Self::TooManyOps,
            DecodeError::Truncated
            | DecodeError::Trailing
            | DecodeError::UnknownTag(_)
            | DecodeError::MalformedNumber => Self::Undecodable,
        }
    }
}
