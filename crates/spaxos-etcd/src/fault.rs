//! The error table: every way a request can fail, with the code and the words that etcd's clients
//! match on. No other file names a code or writes such a text.

use std::borrow::Cow;

use spaxos::{ReadError, SubmitError};
use spaxos_kv::KvError;
use tonic::{Code, Status};

/// Why a request failed, as etcd would say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A key is empty.
    EmptyKey,
    /// A key must exist and does not.
    KeyNotFound,
    /// A value was given together with `ignore_value`.
    ValueProvided,
    /// A lease was given together with `ignore_lease`.
    LeaseProvided,
    /// A transaction has too many comparisons or operations.
    TooManyOperations,
    /// A transaction writes a key twice.
    DuplicateKey,
    /// The order or the field to sort by is not known.
    InvalidSortOption,
    /// The client tells its version in bytes that are not text.
    InvalidClientVersion,
    /// The request is larger than the limit.
    TooLarge,
    /// The message is larger than what a connection may send, both in bytes.
    MessageTooLarge(usize, usize),
    /// The answer is larger than what gRPC can carry, both in bytes.
    AnswerTooLarge(usize, u32),
    /// A transaction would read or answer more than one request may. etcd has no such limit.
    TooCostly,
    /// The revision is no longer there.
    Compacted,
    /// The revision is not there yet.
    FutureRevision,
    /// There is no such lease.
    LeaseNotFound,
    /// Too many requests wait already.
    TooManyRequests,
    /// There is no leader.
    NoLeader,
    /// The server is stopping.
    Stopped,
    /// There was no answer in time; a write may yet be executed.
    Timeout,
    /// The request was lost on its way, perhaps with the leader; a write may have been executed.
    TimeoutAfterLeaderFailure,
    /// The method is not served: its name and its service.
    UnknownMethod(String, String),
    /// The service is not known.
    UnknownService(String),
    /// The path is not that of a method.
    MalformedMethod(String),
    /// The message is compressed in a way that is not known.
    UnknownCompression(String),
    /// The bytes are no message; why.
    Malformed(String),
    /// The client sent its request too slowly.
    SlowClient,
    /// The state machine gave an answer that cannot be read. A defect of ours.
    BadReply,
}

impl Fault {
    /// The code and the words, as they are on the wire.
    pub(crate) fn code_and_text(&self) -> (Code, Cow<'static, str>) {
        use Fault as F;
        let (code, text) = match self {
            F::EmptyKey => (Code::InvalidArgument, "etcdserver: key is not provided"),
            F::KeyNotFound => (Code::InvalidArgument, "etcdserver: key not found"),
            F::ValueProvided => (Code::InvalidArgument, "etcdserver: value is provided"),
            F::LeaseProvided => (Code::InvalidArgument, "etcdserver: lease is provided"),
            F::TooManyOperations => (
                Code::InvalidArgument,
                "etcdserver: too many operations in txn request",
            ),
            F::DuplicateKey => (
                Code::InvalidArgument,
                "etcdserver: duplicate key given in txn request",
            ),
            F::InvalidSortOption => (Code::InvalidArgument, "etcdserver: invalid sort option"),
            F::InvalidClientVersion => (
                Code::InvalidArgument,
                "etcdserver: invalid client api version",
            ),
            F::TooLarge => (Code::InvalidArgument, "etcdserver: request is too large"),
            F::Compacted => (
                Code::OutOfRange,
                "etcdserver: mvcc: required revision has been compacted",
            ),
            F::FutureRevision => (
                Code::OutOfRange,
                "etcdserver: mvcc: required revision is a future revision",
            ),
            F::LeaseNotFound => (Code::NotFound, "etcdserver: requested lease not found"),
            F::TooManyRequests => (Code::ResourceExhausted, "etcdserver: too many requests"),
            F::NoLeader => (Code::Unavailable, "etcdserver: no leader"),
            F::Stopped => (Code::Unavailable, "etcdserver: server stopped"),
            F::Timeout => (Code::Unavailable, "etcdserver: request timed out"),
            F::TimeoutAfterLeaderFailure => (
                Code::Unavailable,
                "etcdserver: request timed out, possibly due to previous leader failure",
            ),
            F::TooCostly => (
                Code::ResourceExhausted,
                "spaxos: the transaction reads or answers too much",
            ),
            F::SlowClient => (Code::DeadlineExceeded, "context deadline exceeded"),
            F::BadReply => (Code::Internal, "spaxos: the answer cannot be read"),
            _ => return self.code_and_built_text(),
        };
        (code, Cow::Borrowed(text))
    }

    /// The texts with something of the request in them.
    fn code_and_built_text(&self) -> (Code, Cow<'static, str>) {
        let (code, text) = match self {
            Fault::MessageTooLarge(bytes, bytes_max) => (
                Code::ResourceExhausted,
                format!("grpc: received message larger than max ({bytes} vs. {bytes_max})"),
            ),
            Fault::AnswerTooLarge(bytes, bytes_max) => (
                Code::ResourceExhausted,
                format!("grpc: trying to send message larger than max ({bytes} vs. {bytes_max})"),
            ),
            Fault::UnknownMethod(method, service) => (
                Code::Unimplemented,
                format!("unknown method {method} for service {service}"),
            ),
            Fault::UnknownService(service) => {
                (Code::Unimplemented, format!("unknown service {service}"))
            }
            Fault::MalformedMethod(path) => (
                Code::Unimplemented,
                format!("malformed method name: {path:?}"),
            ),
            Fault::UnknownCompression(name) => (
                Code::Unimplemented,
                format!("grpc: Decompressor is not installed for grpc-encoding {name:?}"),
            ),
            Fault::Malformed(why) => (
                Code::Internal,
                format!("grpc: error unmarshalling request: {why}"),
            ),
            other => unreachable!("{other:?} has a fixed text"),
        };
        (code, Cow::Owned(text))
    }
}

impl From<&Fault> for Status {
    fn from(fault: &Fault) -> Status {
        let (code, text) = fault.code_and_text();
        Status::new(code, text)
    }
}

impl From<SubmitError> for Fault {
    fn from(error: SubmitError) -> Fault {
        match error {
            SubmitError::Overloaded => Fault::TooManyRequests,
            SubmitError::TooLarge { .. } => Fault::TooLarge,
            SubmitError::NoLeader => Fault::NoLeader,
            SubmitError::Stopped => Fault::Stopped,
            _ => Fault::TimeoutAfterLeaderFailure,
        }
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Fault {
        match error {
            ReadError::Overloaded => Fault::TooManyRequests,
            ReadError::Stopped => Fault::Stopped,
            _ => Fault::Timeout,
        }
    }
}

impl From<KvError> for Fault {
    fn from(error: KvError) -> Fault {
        match error {
            KvError::KeyNotProvided => Fault::EmptyKey,
            KvError::KeyNotFound => Fault::KeyNotFound,
            KvError::ValueProvided => Fault::ValueProvided,
            KvError::LeaseProvided => Fault::LeaseProvided,
            KvError::LeaseNotFound => Fault::LeaseNotFound,
            KvError::Compacted => Fault::Compacted,
            KvError::FutureRevision => Fault::FutureRevision,
            KvError::DuplicateKey => Fault::DuplicateKey,
            KvError::TooManyOps => Fault::TooManyOperations,
            KvError::InvalidSortOption => Fault::InvalidSortOption,
            KvError::RequestTooLarge => Fault::TooLarge,
            KvError::TxnTooCostly => Fault::TooCostly,
            // What we sent to the store it must be able to read.
            KvError::NotReadOnly | KvError::Undecodable | KvError::UnknownVersion => {
                Fault::BadReply
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// etcd's own words, letter by letter: clients compare them.
    const TABLE: &[(Fault, Code, &str)] = &[
        (
            Fault::EmptyKey,
            Code::InvalidArgument,
            "key is not provided",
        ),
        (Fault::KeyNotFound, Code::InvalidArgument, "key not found"),
        (
            Fault::ValueProvided,
            Code::InvalidArgument,
            "value is provided",
        ),
        (
            Fault::LeaseProvided,
            Code::InvalidArgument,
            "lease is provided",
        ),
        (
            Fault::TooManyOperations,
            Code::InvalidArgument,
            "too many operations in txn request",
        ),
        (
            Fault::DuplicateKey,
            Code::InvalidArgument,
            "duplicate key given in txn request",
        ),
        (
            Fault::InvalidSortOption,
            Code::InvalidArgument,
            "invalid sort option",
        ),
        (
            Fault::InvalidClientVersion,
            Code::InvalidArgument,
            "invalid client api version",
        ),
        (
            Fault::TooLarge,
            Code::InvalidArgument,
            "request is too large",
        ),
        (
            Fault::Compacted,
            Code::OutOfRange,
            "mvcc: required revision has been compacted",
        ),
        (
            Fault::FutureRevision,
            Code::OutOfRange,
            "mvcc: required revision is a future revision",
        ),
        (
            Fault::LeaseNotFound,
            Code::NotFound,
            "requested lease not found",
        ),
        (
            Fault::TooManyRequests,
            Code::ResourceExhausted,
            "too many requests",
        ),
        (Fault::NoLeader, Code::Unavailable, "no leader"),
        (Fault::Stopped, Code::Unavailable, "server stopped"),
        (Fault::Timeout, Code::Unavailable, "request timed out"),
        (
            Fault::TimeoutAfterLeaderFailure,
            Code::Unavailable,
            "request timed out, possibly due to previous leader failure",
        ),
    ];

    #[test]
    fn etcds_faults_have_etcds_codes_and_words() {
        for (fault, code, words) in TABLE {
            let text = format!("etcdserver: {words}");
            assert_eq!(
                fault.code_and_text(),
                (*code, Cow::Owned(text)),
                "{fault:?}"
            );
        }
    }

    #[test]
    fn every_way_to_fail_of_the_node_has_its_words() {
        let too_large = SubmitError::TooLarge {
            bytes: 2,
            bytes_max: 1,
        };
        assert_eq!(Fault::from(SubmitError::Overloaded), Fault::TooManyRequests);
        assert_eq!(Fault::from(too_large), Fault::TooLarge);
        assert_eq!(Fault::from(SubmitError::NoLeader), Fault::NoLeader);
        assert_eq!(Fault::from(SubmitError::Stopped), Fault::Stopped);
        let unknown = Fault::from(SubmitError::Unknown);
        assert_eq!(unknown, Fault::TimeoutAfterLeaderFailure);
        assert_eq!(Fault::from(ReadError::Overloaded), Fault::TooManyRequests);
        assert_eq!(Fault::from(ReadError::Stopped), Fault::Stopped);
    }
}
