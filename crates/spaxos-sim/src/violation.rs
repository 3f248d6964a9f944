//! What a checker says when something must not be.

use std::fmt;

/// A broken rule: which checker saw it, and what it saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which checker saw it, or which of its rules.
    pub checker: &'static str,
    /// What it saw.
    pub detail: String,
}

pub(crate) type Checked<T = ()> = Result<T, Violation>;

impl Violation {
    pub(crate) fn new(checker: &'static str, detail: impl Into<String>) -> Violation {
        Violation {
            checker,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.checker, self.detail)
    }
}

/// Fails with the sentence that `detail` builds, unless `holds`.
pub(crate) fn ensure(
    holds: bool,
    checker: &'static str,
    detail: impl FnOnce() -> String,
) -> Checked {
    if holds {
        return Ok(());
    }
    Err(Violation::new(checker, detail()))
}
