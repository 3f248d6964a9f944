//! `spaxos serve` before it serves: settings, where they come from, and what is refused.

use std::fs;
use std::process::{Command, Output};

use crate::cluster::{Cluster, complaint, elsewhere, output, run, spaxos, until};

fn refused(output: &Output, code: i32, sentence: &str) {
    let said = complaint(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(sentence), "{said}");
}

#[test]
fn versions_are_etcds_and_ours() {
    for arguments in [&["--version"][..], &["version"], &["serve", "--version"]] {
        let text = String::from_utf8(run(arguments).stdout).expect("text");
        assert!(
            text.lines()
                .any(|line| line.starts_with("etcd Version: 3.")),
            "{text}"
        );
        assert!(
            text.lines()
                .any(|line| line.starts_with("spaxos Version: ")),
            "{text}"
        );
    }
}

#[test]
fn under_the_name_of_etcd_it_serves() {
    let dir = tempfile::tempdir().expect("a directory");
    let link = dir.path().join("etcd");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_spaxos"), &link).expect("linked");
    let mut version = Command::new(&link);
    version.arg("--version");
    let text = String::from_utf8(output(version).stdout).expect("text");
    assert!(text.starts_with("etcd Version: "), "{text}");
    let mut serve = Command::new(&link);
    serve.args(["-name", "a", "-initial-cluster", "b=http://127.0.0.1:1"]);
    refused(
        &output(serve),
        2,
        "\"a\" (--name) is not among its members: b",
    );
}

#[test]
fn help_is_there_for_every_command() {
    let commands = ["up", "serve", "ctl status", "bench put", "bench native"];
    for command in commands {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.push("--help");
        let text = String::from_utf8(run(&arguments).stdout).expect("text");
        assert!(text.contains("Example"), "{command}: {text}");
    }
}

#[test]
fn what_makes_no_sense_ends_with_exit_code_2() {
    refused(&run(&["serve", "--nmae", "a"]), 2, "--nmae");
    refused(
        &run(&["serve", "--votes", "none"]),
        2,
        "--votes: must be one of all, leader",
    );
    let tls = [
        "serve",
        "--listen-client-urls=https://h:1",
        "--advertise-client-urls=http://h:1",
    ];
    refused(&run(&tls), 2, "TLS is not built yet");
    refused(&run(&["up", "--replicas", "0"]), 2, "--replicas");
    refused(
        &run(&["up", "--base-port", "60000"]),
        2,
        "65535 is the last",
    );
}

#[test]
fn settings_come_from_flag_then_environment_then_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("replica.toml");
    fs::write(
        &file,
        "votes = 'file'\npropose = 'file'\ndissemination = 'file'\n",
    )
    .expect("written");
    let serve = |flags: &[&str]| {
        let mut command = spaxos();
        command.arg("serve").args(flags);
        command.env("ETCD_CONFIG_FILE", &file);
        command.env("ETCD_PROPOSE", "environment");
        output(command)
    };
    refused(
        &serve(&["--dissemination=flag"]),
        2,
        "--dissemination: must be",
    );
    refused(&serve(&["--dissemination=all"]), 2, "ETCD_PROPOSE: must be");
    let rest = ["--dissemination=all", "-propose", "stable"];
    refused(&serve(&rest), 2, "`votes` in ");
    fs::write(&file, "nmae = 'a'\n").expect("written");
    refused(&serve(&[]), 2, "unknown key `nmae`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let cluster = Cluster::start().await;
    for (setting, port) in [
        ("listen-client-urls", cluster.client_port(0)),
        ("listen-peer-urls", cluster.peer_port(0)),
        ("listen-native-urls", cluster.native_port(0)),
    ] {
        let dir = cluster.dir().join(setting).display().to_string();
        let mut instead = elsewhere();
        instead.retain(|(name, _)| *name != setting);
        let scheme = if setting == "listen-native-urls" {
            "tcp"
        } else {
            "http"
        };
        instead.push((setting, format!("{scheme}://127.0.0.1:{port}")));
        instead.push(("data-dir", dir));
        let output = output(cluster.command(0, &instead));
        refused(&output, 1, &format!("127.0.0.1:{port}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_of_etcd_that_mean_nothing_are_taken_with_a_warning() {
    let mut cluster = Cluster::planned().await;
    let mut command = cluster.command(0, &[("data-dir", "/dev/null/no".to_owned())]);
    command.args([
        "--snapshot-count",
        "5",
        "-enable-pprof",
        "--experimental-x=1",
    ]);
    let said = complaint(&output(command));
    for name in ["snapshot-count", "enable-pprof", "experimental-x"] {
        assert!(said.contains(name), "{said}");
    }
    assert!(!cluster.is_running(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_cluster_is_continued_and_not_joined() {
    let mut cluster = Cluster::planned().await;
    cluster.set("initial-cluster-state", "existing");
    let joining = output(cluster.command(0, &[]));
    refused(&joining, 2, "joining a running cluster is not built yet");
    cluster.set("initial-cluster-state", "new");
    cluster.start_all().await;
    cluster.stop(0).await;
    cluster.set("initial-cluster-state", "existing");
    cluster.start_replica(0);
    cluster.wait_until_ready(&[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_when_it_serves() {
    let cluster = Cluster::start().await;
    until("the line is logged", async || {
        let log = cluster.log_text(0);
        log.contains("ready to serve client requests").then_some(())
    })
    .await;
}
