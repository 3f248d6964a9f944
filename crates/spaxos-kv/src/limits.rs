//! Every bound of this crate, in one place.

use xxhash_rust::xxh3::xxh3_64;

/// What a request may cost. The limits take part in deciding whether a command fails, so all
/// replicas of a cluster must run with equal ones: compare [`Limits::fingerprint`] when they meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Operations in one branch of a transaction, or compares of it, whichever is most. A nested
    /// transaction may use what its parents left. etcd's `--max-txn-ops`.
    pub txn_ops_max: usize,
    /// Levels of transactions, counting the outermost. etcd has no such limit of its own: there it
    /// follows from the budget, as it does here with the default.
    pub txn_depth_max: usize,
    /// Compares and operations of a whole transaction with everything nested in it. etcd bounds
    /// these only through the request's bytes; a decoder needs a number.
    pub txn_ops_total_max: usize,
    /// What one transaction, or one delete, may read and answer, in bytes: its answer, plus
    /// [`SCANNED_KEY_COST`] for every key that a range, a compare or a delete looked at. Keeps one
    /// request from stopping every replica for minutes or from filling its memory.
    pub txn_cost_max: u64,
    /// A request as its sender encoded it, in bytes. Enforced by whoever decodes requests, before
    /// they become commands. etcd's `--max-request-bytes`.
    pub request_bytes_max: usize,
    /// A command in this crate's encoding, in bytes. More than `request_bytes_max`, since the same
    /// request may take a little more room here.
    pub command_bytes_max: usize,
}

/// What looking at one key adds to a transaction's cost, in bytes.
pub const SCANNED_KEY_COST: u64 = 4;

impl Limits {
    /// etcd's defaults, and bounds of our own that no sensible request meets.
    pub const DEFAULT: Self = Self {
        txn_ops_max: 128,
        txn_depth_max: 129,
        txn_ops_total_max: 65_536,
        txn_cost_max: 256 * 1024 * 1024,
        request_bytes_max: 1536 * 1024,
        command_bytes_max: 2048 * 1024,
    };

    /// Checks the relations between the limits.
    ///
    /// # Panics
    ///
    /// When a limit is zero or contradicts another one: a configuration that cannot work must not
    /// start.
    pub const fn assert_valid(&self) {
        assert!(
            self.txn_ops_max > 0,
            "a transaction must be able to do something"
        );
        assert!(
            self.txn_depth_max > 0,
            "the outermost transaction is a level, too"
        );
        assert!(self.txn_depth_max <= 1024, "nesting is walked by recursion");
        assert!(
            self.txn_ops_total_max >= self.txn_ops_max,
            "one level must fit into the whole"
        );
        assert!(
            self.command_bytes_max > self.request_bytes_max,
            "a legal request must fit"
        );
        assert!(
            self.command_bytes_max <= u32::MAX as usize,
            "lengths are 32 bits on the wire"
        );
    }

    /// A number that is equal for equal limits, for the greeting between replicas.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let fields = [
            self.txn_ops_max as u64,
            self.txn_depth_max as u64,
            self.txn_ops_total_max as u64,
            self.txn_cost_max,
            self.request_bytes_max as u64,
            self.command_bytes_max as u64,
        ];
        let mut bytes = Vec::with_capacity(fields.len() * 8);
        for field in fields {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        xxh3_64(&bytes)
    }
}

const _: () = Limits::DEFAULT.assert_valid();

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
