//! What the endpoint says about itself and the cluster.

use std::time::Duration;

use crate::limits::Limits;

/// The version of etcd whose behaviour this crate has. Clients read it, compare it and turn features
/// on by it, so it must be a version of etcd, and nothing but three numbers.
pub const ETCD_VERSION: &str = "3.6.6";

/// What etcd calls the cluster's version: the lowest minor version among its members.
pub const ETCD_CLUSTER_VERSION: &str = "3.6.0";

/// Everything about the endpoint that does not change while it runs.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    /// The cluster, in the header of each answer.
    pub cluster_id: u64,
    /// This member, in the header of each answer. Not the replica's id in the protocol, though one
    /// may be chosen equal to the other: clients want it to be stable and unique, no more.
    pub member_id: u64,
    /// This member's name.
    pub name: String,
    /// All members, this one included.
    pub members: Vec<Member>,
    /// The etcd version to report, [`ETCD_VERSION`] by default: three numbers with dots.
    pub etcd_version: String,
    /// The etcd cluster version to report, [`ETCD_CLUSTER_VERSION`] by default.
    pub etcd_cluster_version: String,
    /// Our own version, told beside etcd's.
    pub version: String,
    /// The election timeout of the protocol: a request waits [`Limits::request_timeout`] and two of
    /// these.
    pub election_timeout: Duration,
    /// Bytes that the store may take, to be reported; 0 is no limit. Not yet enforced.
    pub quota_bytes: i64,
    /// The limits.
    pub limits: Limits,
}

/// One member, as clients see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its id among clients.
    pub id: u64,
    /// The replica's id in the protocol.
    pub replica: u64,
    /// Its name; empty if it is not known.
    pub name: String,
    /// Where other members reach it, as URLs.
    pub peer_urls: Vec<String>,
    /// Where clients reach it, as URLs; empty if it is not known.
    pub client_urls: Vec<String>,
}

impl ServerInfo {
    /// Information with every default: no members, etcd's versions, an election timeout of a second.
    #[must_use]
    pub fn new(cluster_id: u64, member_id: u64, name: impl Into<String>) -> ServerInfo {
        ServerInfo {
            cluster_id,
            member_id,
            name: name.into(),
            members: Vec::new(),
            etcd_version: ETCD_VERSION.to_owned(),
            etcd_cluster_version: ETCD_CLUSTER_VERSION.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            election_timeout: Duration::from_secs(1),
            quota_bytes: 0,
            limits: Limits::default(),
        }
    }

    /// How long a request may wait for the cluster, as in etcd.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.limits.request_timeout + 2 * self.election_timeout
    }

    /// Checks what the rest of the crate relies on.
    ///
    /// # Errors
    /// A sentence about the first thing that does not hold.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.cluster_id == 0 || self.member_id == 0 {
            return Err("cluster id and member id must not be 0");
        }
        if !self
            .members
            .iter()
            .any(|member| member.id == self.member_id)
        {
            return Err("the member is not among the members");
        }
        if !is_plain_version(&self.etcd_version) || !is_plain_version(&self.etcd_cluster_version) {
            return Err("an etcd version is three numbers with dots, and nothing else");
        }
        self.limits.check()
    }

    /// The member id of a replica; 0 if it is none of the members.
    pub(crate) fn member_of(&self, replica: u64) -> u64 {
        let member = self.members.iter().find(|member| member.replica == replica);
        member.map_or(0, |member| member.id)
    }
}

/// Some clients make numbers of all parts of a version and stop working if they cannot.
fn is_plain_version(version: &str) -> bool {
    let parts: Vec<_> = version.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> ServerInfo {
        let mut info = ServerInfo::new(7, 9, "a");
        info.members.push(Member {
            id: 9,
            replica: 1,
            ..Member::default()
        });
        info
    }

    #[test]
    fn the_defaults_fit_together() {
        assert_eq!(info().check(), Ok(()));
        assert_eq!(info().request_timeout(), Duration::from_secs(7));
        assert_eq!(info().member_of(1), 9);
        assert_eq!(info().member_of(2), 0);
    }

    #[test]
    fn a_version_that_clients_cannot_read_is_refused() {
        for version in ["3.6", "3.6.0-rc.1", "v3.6.0", ""] {
            let mut info = info();
            info.etcd_version = version.to_owned();
            assert!(info.check().is_err(), "{version}");
        }
    }
}
