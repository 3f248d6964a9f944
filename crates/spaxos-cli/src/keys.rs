//! The settings of a replica: one table, from which flags, environment variables and the keys of the
//! configuration file are all made. Names and defaults are etcd's where etcd has them, so that what
//! starts an etcd can start this.

/// What a setting is about; the heading under which `--help` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Member,
    Clustering,
    Protocol,
    Logging,
}

impl Section {
    /// The heading in `--help`.
    pub(crate) const fn heading(self) -> &'static str {
        match self {
            Section::Member => "Member",
            Section::Clustering => "Clustering",
            Section::Protocol => "Protocol (the first value of each is the one for production)",
            Section::Logging => "Logging",
        }
    }
}

/// A setting that means something here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// `data-dir` is `--data-dir`, `ETCD_DATA_DIR` and `data-dir = …`.
    pub(crate) name: &'static str,
    /// What stands for the value in `--help`.
    pub(crate) value: &'static str,
    pub(crate) section: Section,
    pub(crate) help: &'static str,
}

const fn key(name: &'static str, value: &'static str, section: Section, help: &'static str) -> Key {
    Key {
        name,
        value,
        section,
        help,
    }
}

use Section::{Clustering, Logging, Member, Protocol};

/// Every setting that means something here.
pub(crate) const KEYS: &[Key] = &[
    key(
        "name",
        "NAME",
        Member,
        "This member's name, one of those in --initial-cluster [default: default]",
    ),
    key(
        "data-dir",
        "DIR",
        Member,
        "Where the data is kept [default: NAME.etcd]",
    ),
    key(
        "listen-client-urls",
        "URLS",
        Member,
        "Where to listen for etcd clients, with commas between [default: http://localhost:2379]",
    ),
    key(
        "listen-peer-urls",
        "URLS",
        Member,
        "Where to listen for the other members [default: http://localhost:2380]",
    ),
    key(
        "listen-native-urls",
        "URLS",
        Member,
        "Where to listen for clients of the native protocol, as tcp://HOST:PORT [default: nowhere]",
    ),
    key(
        "heartbeat-interval",
        "MS",
        Member,
        "How often a leader shows that it is alive, in milliseconds [default: 100]",
    ),
    key(
        "election-timeout",
        "MS",
        Member,
        "How long to miss the leader before electing another, in milliseconds [default: 1000]",
    ),
    key(
        "advertise-client-urls",
        "URLS",
        Clustering,
        "Where clients reach this member, as told to them",
    ),
    key(
        "initial-advertise-peer-urls",
        "URLS",
        Clustering,
        "Where the others reach this member, as in --initial-cluster [default: http://localhost:2380]",
    ),
    key(
        "initial-cluster",
        "NAME=URL,…",
        Clustering,
        "All members and where the others reach them [default: this member alone]",
    ),
    key(
        "initial-cluster-token",
        "TOKEN",
        Clustering,
        "Sets clusters with equal addresses apart [default: etcd-cluster]",
    ),
    key(
        "initial-cluster-state",
        "STATE",
        Clustering,
        "`new` to begin a cluster with an empty data directory [default: new]",
    ),
    key(
        "cluster-client-urls",
        "NAME=URL,…",
        Clustering,
        "Where clients reach the other members, as told to them [default: unknown]",
    ),
    key(
        "dissemination",
        "WHO",
        Protocol,
        "Who spreads requests: `all` (S-Paxos) or the `leader` (Multi-Paxos) [default: all]",
    ),
    key(
        "propose",
        "WHAT",
        Protocol,
        "What the leader orders: all it has `received`, or what is `stable` on a quorum [default: received]",
    ),
    key(
        "votes",
        "WHO",
        Protocol,
        "Who gets the votes: `all` or the `leader` [default: all]",
    ),
    key(
        "durability",
        "HOW",
        Protocol,
        "Answer after `fsync`, after the `os` took the write, or from `memory` [default: fsync]",
    ),
    key(
        "log-level",
        "LEVEL",
        Logging,
        "error, warn, info, debug or trace [default: warn]",
    ),
    key(
        "log-format",
        "FORMAT",
        Logging,
        "`human` or `json` [default: human]",
    ),
];

/// What becomes of a flag of etcd that means nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Taken, with a warning. Leaving it out changes no promise made to clients.
    Ignored,
    /// Refused unless switched off: whoever sets it relies on encryption.
    Tls,
    /// Refused unless switched off: whoever sets it relies on what it does.
    Refused,
}

/// A flag of etcd that means nothing here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Foreign {
    pub(crate) name: &'static str,
    /// `--f` alone means `--f=true`, and a value needs the `=`.
    pub(crate) switch: bool,
    pub(crate) fate: Fate,
}

const fn value(name: &'static str, fate: Fate) -> Foreign {
    Foreign {
        name,
        switch: false,
        fate,
    }
}

const fn switch(name: &'static str, fate: Fate) -> Foreign {
    Foreign {
        name,
        switch: true,
        fate,
    }
}

/// What other tools pass to an etcd and what means nothing here. Flags that begin with
/// `experimental-` are all ignored as well and need no line.
pub(crate) const FOREIGN: &[Foreign] = &[
    value("auth-token", Fate::Ignored),
    value("auth-token-ttl", Fate::Ignored),
    value("auto-compaction-mode", Fate::Ignored),
    value("auto-compaction-retention", Fate::Ignored),
    value("backend-batch-interval", Fate::Ignored),
    value("backend-batch-limit", Fate::Ignored),
    value("backend-bbolt-freelist-type", Fate::Ignored),
    value("bcrypt-cost", Fate::Ignored),
    value("cipher-suites", Fate::Tls),
    value("compaction-batch-limit", Fate::Ignored),
    value("compact-hash-check-time", Fate::Ignored),
    switch("compact-hash-check-enabled", Fate::Ignored),
    value("corrupt-check-time", Fate::Ignored),
    value("cors", Fate::Ignored),
    value("feature-gates", Fate::Ignored),
    value("grpc-keepalive-interval", Fate::Ignored),
    value("grpc-keepalive-min-time", Fate::Ignored),
    value("grpc-keepalive-timeout", Fate::Ignored),
    value("host-whitelist", Fate::Ignored),
    value("listen-metrics-urls", Fate::Ignored),
    value("log-outputs", Fate::Ignored),
    value("logger", Fate::Ignored),
    value("max-concurrent-streams", Fate::Ignored),
    value("max-learners", Fate::Ignored),
    value("max-request-bytes", Fate::Ignored),
    value("max-snapshots", Fate::Ignored),
    value("max-txn-ops", Fate::Ignored),
    value("max-wals", Fate::Ignored),
    value("metrics", Fate::Ignored),
    value("quota-backend-bytes", Fate::Ignored),
    value("snapshot-catchup-entries", Fate::Ignored),
    value("snapshot-count", Fate::Ignored),
    value("wal-dir", Fate::Ignored),
    value("warning-apply-duration", Fate::Ignored),
    value("warning-unary-request-duration", Fate::Ignored),
    value("watch-progress-notify-interval", Fate::Ignored),
    switch("enable-grpc-gateway", Fate::Ignored),
    switch("enable-pprof", Fate::Ignored),
    switch("enable-v2", Fate::Ignored),
    switch("initial-corrupt-check", Fate::Ignored),
    switch("initial-election-tick-advance", Fate::Ignored),
    switch("log-rotation", Fate::Ignored),
    switch("pre-vote", Fate::Ignored),
    switch("socket-reuse-address", Fate::Ignored),
    switch("socket-reuse-port", Fate::Ignored),
    switch("strict-reconfig-check", Fate::Ignored),
    switch("unsafe-no-fsync", Fate::Ignored),
    value("cert-file", Fate::Tls),
    value("key-file", Fate::Tls),
    value("trusted-ca-file", Fate::Tls),
    value("client-cert-allowed-hostname", Fate::Tls),
    value("client-crl-file", Fate::Tls),
    value("peer-cert-allowed-cn", Fate::Tls),
    value("peer-cert-allowed-hostname", Fate::Tls),
    value("peer-cert-file", Fate::Tls),
    value("peer-crl-file", Fate::Tls),
    value("peer-key-file", Fate::Tls),
    value("peer-trusted-ca-file", Fate::Tls),
    value("tls-max-version", Fate::Tls),
    value("tls-min-version", Fate::Tls),
    switch("auto-tls", Fate::Tls),
    switch("client-cert-auth", Fate::Tls),
    switch("peer-auto-tls", Fate::Tls),
    switch("peer-client-cert-auth", Fate::Tls),
    value("discovery", Fate::Refused),
    value("discovery-srv", Fate::Refused),
    value("listen-client-http-urls", Fate::Refused),
    switch("force-new-cluster", Fate::Refused),
];

/// The prefix of flags of etcd that come and go with its releases.
pub(crate) const EXPERIMENTAL: &str = "experimental-";

/// The setting called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The flag of etcd called `name` that means nothing here.
pub(crate) fn find_foreign(name: &str) -> Option<&'static Foreign> {
    FOREIGN.iter().find(|foreign| foreign.name == name)
}

/// `data-dir` → `ETCD_DATA_DIR`.
pub(crate) fn variable(name: &str) -> String {
    let mut variable = String::from("ETCD_");
    for c in name.chars() {
        variable.push(if c == '-' {
            '_'
        } else {
            c.to_ascii_uppercase()
        });
    }
    variable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        names.extend(FOREIGN.iter().map(|foreign| foreign.name));
        names.push("config-file");
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn variables_are_named_as_etcd_names_them() {
        assert_eq!(
            variable("initial-cluster-token"),
            "ETCD_INITIAL_CLUSTER_TOKEN"
        );
    }
}
