//! Errors of whoever typed the command, told apart from errors of the run by their exit code.

/// What was typed makes no sense. Ends the program with exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(String);

impl UsageError {
    /// An error with one clear sentence.
    pub(crate) fn new(sentence: impl Into<String>) -> UsageError {
        UsageError(sentence.into())
    }
}
