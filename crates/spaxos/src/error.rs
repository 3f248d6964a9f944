//! What can go wrong, made for branching on.

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// Certainly not executed: too much waits already. Try again later.
    #[error("overloaded: too many requests wait for execution")]
    Overloaded,
    /// Certainly not executed: the command is larger than the limit, both in bytes.
    #[error("the command has {bytes} bytes, more than the {bytes_max} allowed")]
    TooLarge {
        /// The command's size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Certainly not executed: there is no leader to forward to.
    #[error("there is no leader")]
    NoLeader,
    /// May or may not have been executed, or may be yet.
    #[error("the outcome is unknown")]
    Unknown,
    /// The node is stopping; may or may not have been executed.
    #[error("the node is stopping")]
    Stopped,
}

/// Why a read has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Too many reads wait already. Try again later.
    #[error("overloaded: too many reads wait")]
    Overloaded,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}
