//! What a transaction may still read and answer.

use crate::error::KvError;
use crate::key_history::Version;
use crate::limits::SCANNED_KEY_COST;

/// What an entry in an answer costs beside its key and value, in bytes.
const ENTRY_COST: u64 = 48;

/// A budget that only shrinks. Counts nothing but what clients could see, so that it runs out at
/// the same place on replicas that hold more or less of what is already forgotten.
#[derive(Debug)]
pub(crate) struct Cost {
    left: u64,
}

impl Cost {
    pub(crate) fn at_most(bytes: u64) -> Self {
        Self { left: bytes }
    }

    pub(crate) fn unlimited() -> Self {
        Self { left: u64::MAX }
    }

    /// A key was looked at.
    pub(crate) fn scan(&mut self) -> Result<(), KvError> {
        self.spend(SCANNED_KEY_COST)
    }

    /// An entry goes into the answer.
    pub(crate) fn answer(&mut self, key: &[u8], version: &Version) -> Result<(), KvError> {
        self.spend(ENTRY_COST + key.len() as u64 + version.value_len())
    }

    fn spend(&mut self, bytes: u64) -> Result<(), KvError> {
        self.left = self.left.checked_sub(bytes).ok_or(KvError::TxnTooCostly)?;
        Ok(())
    }
}
