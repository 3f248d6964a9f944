//! The one error of this crate: why bytes are not what they should be.

/// Why bytes were refused. Small and `Copy`; made for branching, counting and one log line, and it
/// never carries any of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside something.
    #[error("the bytes end inside {what}")]
    Truncated {
        /// What was being read.
        what: &'static str,
    },
    /// The bytes go on behind the end.
    #[error("{bytes} bytes too many behind {what}")]
    Trailing {
        /// What was read.
        what: &'static str,
        /// How many bytes were left.
        bytes: usize,
    },
    /// A frame claims a length that no frame has here, in bytes.
    #[error("a frame of {bytes} bytes; between {bytes_min} and {bytes_max} are allowed")]
    FrameLength {
        /// The claimed length.
        bytes: usize,
        /// The shortest possible.
        bytes_min: usize,
        /// The longest allowed.
        bytes_max: usize,
    },
    /// The content is not what its checksum says.
    #[error("a frame's checksum does not match")]
    Checksum,
    /// A kind that this version does not know.
    #[error("unknown kind {kind} of {what}")]
    UnknownKind {
        /// A kind of what.
        what: &'static str,
        /// The kind found.
        kind: u8,
    },
    /// A known thing, but not in this place: the other direction, or before its time.
    #[error("kind {kind} of {what} does not belong here")]
    MisplacedKind {
        /// A kind of what.
        what: &'static str,
        /// The kind found.
        kind: u8,
    },
    /// A format version that this build does not speak.
    #[error("unsupported version {version} of {what}")]
    UnsupportedVersion {
        /// The version of what.
        what: &'static str,
        /// The version found.
        version: u16,
    },
    /// A greeting that does not begin as ours do: another protocol altogether.
    #[error("not a greeting of this protocol")]
    NotAGreeting,
    /// More of something than its limit, or an empty thing that must not be empty.
    #[error("{count} {what}; the limit is {count_max}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        count: u64,
        /// How many there may be.
        count_max: u64,
    },
    /// A number outside the range in which it makes sense.
    #[error("{what} {value} is out of range")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    /// Entries that must be strictly increasing are not.
    #[error("the entries of {what} are not strictly increasing")]
    Unordered {
        /// Whose entries.
        what: &'static str,
    },
}

impl DecodeError {
    /// A short name, for counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            DecodeError::Truncated { .. } => "Truncated",
            DecodeError::Trailing { .. } => "Trailing",
            DecodeError::FrameLength { .. } => "FrameLength",
            DecodeError::Checksum => "Checksum",
            DecodeError::UnknownKind { .. } => "UnknownKind",
            DecodeError::MisplacedKind { .. } => "MisplacedKind",
            DecodeError::UnsupportedVersion { .. } => "UnsupportedVersion",
            DecodeError::NotAGreeting => "NotAGreeting",
            DecodeError::Count { .. } => "Count",
            DecodeError::OutOfRange { .. } => "OutOfRange",
            DecodeError::Unordered { .. } => "Unordered",
        }
    }
}
