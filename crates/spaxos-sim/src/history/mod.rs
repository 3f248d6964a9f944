//! What clients of a key-value store like etcd's saw, and checkers that read it.
//!
//! A *history* is what several clients recorded: each operation with the time of its call and, if there
//! was an answer, the time and content of that. Nothing is known here of how the store works, so these
//! checkers judge simulated and real clusters alike. They rely on one promise of whoever recorded:
//! every value is written by one operation alone.
//!
//! - [`revisions`]: for stores whose answers carry revisions. Fast, and exact about what it reports.
//! - [`linearizability`]: for stores whose answers carry none; searches for an order that explains all.
//!
//! ```
//! use spaxos_sim::history::{Answer, Found, Operation, What, revisions};
//!
//! let key = || "k".to_owned();
//! let put = Answer { returned_ns: 2, revision: 2, changed: true, found: None };
//! let found = Found { value: 7, revision: 2, version: 1 };
//! let got = Answer { returned_ns: 4, revision: 2, changed: false, found: Some(found) };
//! let history = [
//!     Operation { client: 1, called_ns: 1, key: key(), what: What::Put(7), answer: Some(put) },
//!     Operation { client: 2, called_ns: 3, key: key(), what: What::Get, answer: Some(got) },
//! ];
//! assert_eq!(revisions::check(&history).expect("a good history").writes, 1);
//! ```

pub mod linearizability;
pub mod revisions;
#[cfg(test)]
mod samples;

use std::collections::BTreeMap;
use std::fmt;

use crate::violation::ensure;

pub use crate::violation::Violation;

/// One operation of one client on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Who called; only for messages.
    pub client: u64,
    /// When it was called, on the clock that is common to all clients.
    pub called_ns: u64,
    /// The key.
    pub key: String,
    /// What was asked for.
    pub what: What,
    /// What came back. `None` if nothing did, or an error that leaves open what happened: it may take
    /// effect at any time after the call, or never.
    pub answer: Option<Answer>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Writes a value.
    Put(u64),
    /// Writes a value if the key has another one, or with `None` if there is no such key.
    CompareAndPut {
        /// What is there, or nothing happens.
        expected: Option<u64>,
        /// What is written.
        value: u64,
    },
    /// Removes the key.
    Delete,
    /// A linearizable read.
    Get,
    /// A read of what one replica has executed, which may be old.
    SerializableGet,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When it arrived, on the clock of the calls.
    pub returned_ns: u64,
    /// The revision in its header: for a write its own, else the one that it was answered from. Not
    /// looked at by [`linearizability`].
    pub revision: u64,
    /// Whether anything was written or removed.
    pub changed: bool,
    /// What a read found, or a comparison that did not hold.
    pub found: Option<Found>,
}

/// What stands under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The value.
    pub value: u64,
    /// The revision that wrote it. Not looked at by [`linearizability`].
    pub revision: u64,
    /// How often the key was written since it was created. Not looked at by [`linearizability`].
    pub version: u64,
}

impl What {
    /// The value that it writes.
    #[must_use]
    pub const fn value(self) -> Option<u64> {
        match self {
            What::Put(value) | What::CompareAndPut { value, .. } => Some(value),
            What::Delete | What::Get | What::SerializableGet => None,
        }
    }

    const fn is_read(self) -> bool {
        matches!(self, What::Get | What::SerializableGet)
    }
}

impl Operation {
    /// Whether it was called before an answer that came at `returned_ns`.
    const fn called_before(&self, returned_ns: u64) -> bool {
        self.called_ns <= returned_ns
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, key) = (self.client, &self.key);
        write!(f, "client {client}, {key:?}, {:?}", self.what)?;
        match self.answer {
            None => write!(f, " called at {} ns, no answer", self.called_ns),
            Some(answer) => write!(
                f,
                " from {} to {} ns: {} at revision {}, found {:?}",
                self.called_ns,
                answer.returned_ns,
                if answer.changed {
                    "changed"
                } else {
                    "unchanged"
                },
                answer.revision,
                answer.found
            ),
        }
    }
}

/// Who wrote which value.
///
/// # Errors
/// If two operations write the same one: such a history cannot be judged.
fn writers(history: &[Operation]) -> Result<BTreeMap<u64, &Operation>, Violation> {
    let mut writers = BTreeMap::new();
    for operation in history {
        let Some(value) = operation.what.value() else {
            continue;
        };
        let other = writers.insert(value, operation);
        ensure(other.is_none(), VALUES_UNIQUE, || {
            format!("value {value} is written by more than one operation: {operation}")
        })?;
    }
    Ok(writers)
}

/// A rule for whoever records.
const VALUES_UNIQUE: &str = "history: values are unique";
