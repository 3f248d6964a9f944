//! Which methods are served, and what is said about the others.

use crate::fault::Fault;
use crate::proto::etcdserverpb::SERVICES;

/// A method that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Range,
    Put,
    DeleteRange,
    Txn,
    Compact,
    Status,
    MemberList,
}

impl Call {
    /// All of them; each stands at the place of its number.
    pub(crate) const ALL: [Call; 7] = [
        Call::Range,
        Call::Put,
        Call::DeleteRange,
        Call::Txn,
        Call::Compact,
        Call::Status,
        Call::MemberList,
    ];

    /// The full name of its service, and its own.
    pub(crate) const fn names(self) -> (&'static str, &'static str) {
        match self {
            Call::Range => ("etcdserverpb.KV", "Range"),
            Call::Put => ("etcdserverpb.KV", "Put"),
            Call::DeleteRange => ("etcdserverpb.KV", "DeleteRange"),
            Call::Txn => ("etcdserverpb.KV", "Txn"),
            Call::Compact => ("etcdserverpb.KV", "Compact"),
            Call::Status => ("etcdserverpb.Maintenance", "Status"),
            Call::MemberList => ("etcdserverpb.Cluster", "MemberList"),
        }
    }

    /// Whether it goes through the log.
    pub(crate) const fn is_write(self) -> bool {
        matches!(
            self,
            Call::Put | Call::DeleteRange | Call::Txn | Call::Compact
        )
    }

    /// The method at an HTTP/2 path, `/service/method`. The fault says how much of it is known:
    /// clients go another way when a method is not there, and some look at the words.
    pub(crate) fn from_path(path: &str) -> Result<Call, Fault> {
        let malformed = || Fault::MalformedMethod(path.to_owned());
        let name = path.strip_prefix('/').ok_or_else(malformed)?;
        let (service, method) = name.rsplit_once('/').ok_or_else(malformed)?;
        let served = Call::ALL
            .into_iter()
            .find(|call| call.names() == (service, method));
        if let Some(call) = served {
            return Ok(call);
        }
        if SERVICES.iter().any(|row| row.0 == service) {
            return Err(Fault::UnknownMethod(method.to_owned(), service.to_owned()));
        }
        Err(Fault::UnknownService(service.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_served_method_is_in_the_table_and_takes_one_message() {
        for (at, call) in Call::ALL.into_iter().enumerate() {
            assert_eq!(call as usize, at, "each stands at the place of its number");
            let (service, method) = call.names();
            let row = SERVICES.iter().find(|row| row.0 == service);
            let (_, methods) = row.expect("the service is in the table");
            assert!(methods.contains(&(method, "unary")), "{call:?}");
            let path = format!("/{service}/{method}");
            assert_eq!(Call::from_path(&path), Ok(call));
        }
    }

    #[track_caller]
    fn check(path: &str, text: &str) {
        let fault = Call::from_path(path).expect_err("not served");
        let (code, said) = fault.code_and_text();
        assert_eq!((code, said.as_ref()), (tonic::Code::Unimplemented, text));
    }

    #[test]
    fn what_is_not_served_is_named() {
        let lease = "/etcdserverpb.Lease/LeaseGrant";
        check(
            lease,
            "unknown method LeaseGrant for service etcdserverpb.Lease",
        );
        let stream = "/etcdserverpb.KV/RangeStream";
        check(
            stream,
            "unknown method RangeStream for service etcdserverpb.KV",
        );
        check("/v3lockpb.Lock/Lock", "unknown service v3lockpb.Lock");
        check("/nothing", "malformed method name: \"/nothing\"");
        check("", "malformed method name: \"\"");
    }

    #[test]
    fn the_table_has_all_services_and_methods() {
        let counts: Vec<_> = SERVICES.iter().map(|row| (row.0, row.1.len())).collect();
        let expected = [
            ("etcdserverpb.KV", 6),
            ("etcdserverpb.Watch", 1),
            ("etcdserverpb.Lease", 5),
            ("etcdserverpb.Cluster", 5),
            ("etcdserverpb.Maintenance", 8),
            ("etcdserverpb.Auth", 17),
        ];
        assert_eq!(counts, expected);
    }
}
