//! `spaxos up`: lines, readiness, death and restart of replicas, the end.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::MutexGuard;

use crate::cluster::{SOON, client, complaint, run, spaxos, terminate, turn, until};
use crate::ports;

/// A running `spaxos up`, killed when dropped.
struct Up {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
    base: u16,
    _turn: MutexGuard<'static, ()>,
}

/// What a replica's line says.
struct Line {
    name: String,
    pid: u32,
    client: String,
}

impl Up {
    async fn start(arguments: &[&str]) -> Up {
        let turn = turn().await;
        Up::start_at(turn, ports::free_base(), arguments)
    }

    fn start_at(turn: MutexGuard<'static, ()>, base: u16, arguments: &[&str]) -> Up {
        let mut command = Command::from(spaxos());
        command
            .args(["up", "--base-port", &base.to_string()])
            .args(arguments);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the program is there");
        let out = child.stdout.take().expect("piped");
        let err = child.stderr.take().expect("piped");
        Up {
            child,
            out: BufReader::new(out).lines(),
            err: BufReader::new(err).lines(),
            base,
            _turn: turn,
        }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(SOON, self.out.next_line()).await;
        let line = line.expect("a line comes soon").expect("lines can be read");
        line.expect("it has not ended")
    }

    async fn complaint(&mut self) -> String {
        let line = tokio::time::timeout(SOON, self.err.next_line()).await;
        let line = line.expect("a line comes soon").expect("lines can be read");
        line.expect("it has not ended")
    }

    /// The three lines of the replicas, once all is ready.
    async fn ready(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        for _ in 0..3 {
            lines.push(parse(&self.line().await));
        }
        assert_eq!(self.line().await, "ready");
        lines
    }

    async fn stop(mut self) -> MutexGuard<'static, ()> {
        terminate(self.child.id().expect("it runs"));
        let status = tokio::time::timeout(SOON, self.child.wait()).await;
        let status = status.expect("it ends soon").expect("it can be waited for");
        assert!(status.success(), "{status}");
        self._turn
    }
}

fn parse(line: &str) -> Line {
    let words: Vec<&str> = line.split(' ').collect();
    let [name, "pid", pid, "client", client, "peer", _, "native", _] = words[..] else {
        panic!("not a replica's line: {line}");
    };
    Line {
        name: name.to_owned(),
        pid: pid.parse().expect("a pid"),
        client: client.to_owned(),
    }
}

fn is_alive(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    // A zombie is dead: whoever started it has only not looked yet.
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::KILL)
        .expect("it can be killed");
}

async fn all_die(lines: &[Line]) {
    until("all replicas end", async || {
        lines.iter().all(|line| !is_alive(line.pid)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_continued_with_its_data() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let arguments = ["--data-dir", data.to_str().expect("text")];
    let mut up = Up::start(&arguments).await;
    let base = up.base;
    let lines = up.ready().await;
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["r1", "r2", "r3"]);
    let mut writer = client(&lines[0].client).await;
    let fresh = writer.get("k", None).await.expect("read");
    let revision = fresh.header().expect("a header").revision();
    assert_eq!(revision, 1, "readiness is found out without a trace");
    writer.put("k", "v", None).await.expect("written");
    let turn = up.stop().await;
    all_die(&lines).await;

    let mut up = Up::start_at(turn, base, &arguments);
    let lines = up.ready().await;
    let mut reader = client(&lines[2].client).await;
    let got = reader.get("k", None).await.expect("read");
    assert_eq!(got.kvs()[0].value(), b"v");
    drop(up.stop().await);
    let other = run(&["up", "--data-dir", arguments[1], "--replicas", "5"]);
    assert_eq!(other.status.code(), Some(2));
    assert!(
        complaint(&other).contains("--replicas 3"),
        "{}",
        complaint(&other)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_is_reported_and_stays_dead() {
    let mut up = Up::start(&[]).await;
    let lines = up.ready().await;
    kill(lines[1].pid);
    let said = up.complaint().await;
    assert!(said.contains("r2 was killed by signal 9"), "{said}");
    let mut left = client(&lines[0].client).await;
    left.put("k", "v", None)
        .await
        .expect("two of three are enough");
    kill(lines[0].pid);
    kill(lines[2].pid);
    let status = tokio::time::timeout(SOON, up.child.wait()).await;
    let status = status.expect("nothing is left to keep").expect("waited");
    assert_eq!(status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_restart_a_replica_comes_back() {
    let mut up = Up::start(&["--restart"]).await;
    let lines = up.ready().await;
    kill(lines[2].pid);
    let said = up.complaint().await;
    assert!(
        said.contains("r3 was killed by signal 9; starting it again"),
        "{said}"
    );
    let again = parse(&up.line().await);
    assert_eq!(again.name, "r3");
    assert_ne!(again.pid, lines[2].pid);
    let endpoint = again.client.clone();
    until("it takes writes again", async || {
        let mut client = client(&endpoint).await;
        let put = client.put("k", "v", None);
        tokio::time::timeout(Duration::from_secs(2), put)
            .await
            .ok()?
            .ok()
    })
    .await;
    drop(up.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_do_not_outlive_it() {
    // Nobody is left to remove a temporary directory.
    let dir = tempfile::tempdir().expect("a directory");
    let mut up = Up::start(&["--data-dir", dir.path().to_str().expect("text")]).await;
    let lines = up.ready().await;
    up.child.kill().await.expect("killed");
    all_die(&lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_directory_nothing_stays_behind() {
    let place = tempfile::tempdir().expect("a directory");
    let turn = turn().await;
    let base = ports::free_base();
    let mut command = Command::from(spaxos());
    command.args(["up", "--replicas", "1", "--base-port", &base.to_string()]);
    command
        .env("TMPDIR", place.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("the program is there");
    let mut out = BufReader::new(child.stdout.take().expect("piped")).lines();
    while out.next_line().await.expect("read").expect("not ended") != "ready" {}
    assert_eq!(entries(place.path()), 1);
    terminate(child.id().expect("it runs"));
    let status = tokio::time::timeout(SOON, child.wait()).await;
    assert!(status.expect("it ends soon").expect("waited").success());
    assert_eq!(entries(place.path()), 0);
    drop(turn);
}

fn entries(dir: &Path) -> usize {
    std::fs::read_dir(dir)
        .expect("the directory is there")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let _turn = turn().await;
    let base = ports::free_base();
    let taken = std::net::TcpListener::bind(("127.0.0.1", base + ports::STEP + 1));
    let taken = taken.expect("the port is free");
    let output = run(&["up", "--base-port", &base.to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let port = taken.local_addr().expect("bound").port();
    let said = complaint(&output);
    assert!(
        said.contains(&format!("port {port} (peer port of r2)")),
        "{said}"
    );
}
