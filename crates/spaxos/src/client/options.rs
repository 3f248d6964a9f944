//! How a client behaves, and what can go wrong for it.

use std::time::Duration;

use spaxos_wire::hello::Refusal;

/// How a client behaves. The defaults suit most.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The cluster; members of others are not talked to. 0 takes any.
    pub cluster_id: u64,
    /// Whether requests belong to a session: each is then executed exactly once, however often the
    /// client has to send it. Without, a request whose answer is lost ends in
    /// [`ClientError::Unknown`].
    pub session: bool,
    /// Bytes of requests sent and not answered; more wait.
    pub in_flight_bytes_max: usize,
    /// Requests between the oldest unanswered one and the newest; more wait. Well below the window of
    /// the cluster's sessions.
    pub in_flight_requests_max: u64,
    /// Reads sent and not answered; more wait.
    pub reads_max: usize,
    /// How long an attempt to reach a member may take.
    pub connect_timeout: Duration,
    /// After this long without any answer another member is tried; doubled up to eight times.
    pub response_timeout: Duration,
    /// After this long a request is given up: [`ClientError::Unknown`] if a member may have it, and
    /// [`ClientError::NotSent`] otherwise. The wait for room before it is bounded likewise.
    pub give_up_after: Duration,
    /// The first pause before the next member is tried; doubled each time, up to `retry_max`.
    pub retry_min: Duration,
    /// The longest pause before the next member is tried.
    pub retry_max: Duration,
    /// A session that is silent this long is renewed. Well below the cluster's limit.
    pub renew_every: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            cluster_id: 0,
            session: true,
            in_flight_bytes_max: 8 << 20,
            in_flight_requests_max: 32_768,
            reads_max: 4096,
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(3),
            give_up_after: Duration::from_secs(30),
            retry_min: Duration::from_millis(10),
            retry_max: Duration::from_millis(500),
            renew_every: Duration::from_secs(10),
        }
    }
}

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No address was given, or a limit is zero.
    #[error("the options make no sense: {0}")]
    Options(&'static str),
    /// Every member that could be reached refused, the last of them for this reason.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// No member answered in time.
    #[error("no member answered in time; the last attempt: {last}")]
    Unreachable {
        /// What became of the last attempt.
        last: String,
    },
}

/// Why a request of a client has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Certainly not executed: too much waits at the members.
    #[error("overloaded: too many requests wait")]
    Overloaded,
    /// Certainly not executed: longer than the limit, both in bytes. For a read it may be the answer.
    #[error("{bytes} bytes are more than the {bytes_max} allowed")]
    TooLarge {
        /// The size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Certainly not executed: there is no leader to forward to.
    #[error("there is no leader")]
    NoLeader,
    /// Certainly not executed: no member could be asked in time.
    #[error("no member could be asked in time")]
    NotSent,
    /// May or may not have been executed, or may be yet.
    #[error("the outcome is unknown")]
    Unknown,
    /// The session has expired: the client was silent, or cut off, for too long. May have been
    /// executed before. Later requests get a new session.
    #[error("the session has expired")]
    SessionExpired,
    /// Certainly not executed: the cluster has as many sessions as it may have.
    #[error("too many sessions")]
    TooManySessions,
    /// The client has ended.
    #[error("the client has ended")]
    Closed,
}
