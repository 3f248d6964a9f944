//! etcd's own command line client, unmodified, as Debian ships it (package `etcd-client`).
//!
//! Where it is not installed there is nothing to run; the same calls are made through the
//! `etcd-client` crate in `basics.rs`.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cluster::{Cluster, complaint, output};

fn command(endpoints: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("etcdctl");
    command.env("ETCDCTL_API", "3").stdin(Stdio::null());
    command.args(["--endpoints", endpoints]).args(arguments);
    command
}

/// What `etcdctl` prints.
fn etcdctl(endpoints: &str, arguments: &[&str]) -> String {
    printed(command(endpoints, arguments))
}

fn printed(command: Command) -> String {
    let what = format!("{command:?}");
    let output = output(command);
    assert!(output.status.success(), "{what}: {}", complaint(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// A transaction, which `etcdctl` reads from standard input.
fn txn(endpoints: &str, dir: &Path, text: &str) -> String {
    let file = dir.join("txn");
    std::fs::write(&file, text).expect("written");
    let mut command = command(endpoints, &["txn"]);
    command.stdin(File::open(file).expect("just written"));
    printed(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn etcds_own_client_works() {
    let cluster = Cluster::start().await;
    if Command::new("etcdctl").arg("version").output().is_err() {
        eprintln!("etcdctl is not installed (apt-get install etcd-client): nothing is checked");
        return;
    }
    let at = |replica| format!("127.0.0.1:{}", cluster.client_port(replica));
    let first = |arguments: &[&str]| etcdctl(&at(0), arguments);
    let second = |arguments: &[&str]| etcdctl(&at(1), arguments);
    assert_eq!(first(&["put", "a/1", "one"]), "OK\n");
    assert_eq!(second(&["get", "a/1"]), "a/1\none\n");
    first(&["put", "a/2", "two"]);
    assert_eq!(second(&["del", "--prefix", "a/"]), "2\n");
    let third = at(2);
    let text = "create(\"c\") = \"0\"\n\nput c yes\n\nget c\n\n";
    assert_eq!(txn(&third, cluster.dir(), text), "SUCCESS\n\nOK\n");
    assert_eq!(txn(&third, cluster.dir(), text), "FAILURE\n\nc\nyes\n");
    let json = first(&["put", "b", "three", "-w", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let revision = json["header"]["revision"]
        .as_u64()
        .expect("a revision")
        .to_string();
    let compacted = second(&["compact", &revision]);
    assert_eq!(compacted, format!("compacted revision {revision}\n"));
    let all = [0, 1, 2].map(at).join(",");
    let status = etcdctl(&all, &["endpoint", "status", "-w", "table"]);
    assert_eq!(status.matches("| 127.0.0.1:").count(), 3, "{status}");
    assert_eq!(
        status.matches("|      true |").count(),
        1,
        "one leads: {status}"
    );
    let health = etcdctl(&all, &["endpoint", "health"]);
    assert!(!health.contains("unhealthy"), "{health}");
    let members = first(&["member", "list"]);
    assert_eq!(members.matches("started").count(), 3, "{members}");
}
