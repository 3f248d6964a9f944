//! A cluster of three processes, in a directory of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use etcd_client::{Client, Compare, CompareOp, ConnectOptions, Txn, TxnOp};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::ports::{self, STEP};

/// How long anything may take that should happen soon. Only failures take that long.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// Between one look and the next.
const LOOK_EVERY: Duration = Duration::from_millis(20);

static TURN: Mutex<()> = Mutex::const_new(());

/// Waits for the turn of whoever starts processes.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

/// The program.
pub(crate) fn spaxos() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spaxos"));
    command.env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

/// Runs the program to its end, which must come soon.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let mut command = spaxos();
    command.args(arguments);
    output(command)
}

/// Runs a command to its end, which must come soon.
pub(crate) fn output(mut command: Command) -> Output {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("the program is there");
    let begun = Instant::now();
    while child.try_wait().expect("it can be waited for").is_none() {
        if begun.elapsed() > SOON {
            let _ = child.kill();
            panic!("{command:?} does not end");
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
    child.wait_with_output().expect("it has ended")
}

/// Starts a replica that ends with this process, and lets it write to `log`.
pub(crate) fn spawn_replica(mut command: Command, log: &Path) -> Child {
    let log = File::options().create(true).append(true).open(log);
    let child = command
        .arg("--stop-with-stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log.expect("the log can be written"))
        .spawn();
    child.expect("the program is there")
}

/// Kills a process as `kill -9` does.
pub(crate) fn kill(mut child: Child) {
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}

/// Whether a process is still the one that was started.
pub(crate) fn is_alive(child: &mut Child) -> bool {
    child.try_wait().expect("waited").is_none()
}

/// What a program wrote on standard error.
pub(crate) fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Looks again and again until `look` finds something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < SOON, "in vain: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Three replicas, each `spaxos serve` with a directory, killed when this is dropped.
pub(crate) struct Cluster {
    pub(crate) base: u16,
    /// Settings that are the same for all, beside those that each must have.
    shared: Vec<(&'static str, String)>,
    replicas: [Option<Child>; 3],
    dir: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Three replicas that take writes.
    pub(crate) async fn start() -> Cluster {
        let mut cluster = Cluster::planned().await;
        cluster.start_all().await;
        cluster
    }

    /// Starts all replicas and waits until they take writes.
    pub(crate) async fn start_all(&mut self) {
        for at in 0..3 {
            self.start_replica(at);
        }
        self.wait_until_ready(&[0, 1, 2]).await;
    }

    /// A cluster of which nothing runs yet.
    pub(crate) async fn planned() -> Cluster {
        let turn = turn().await;
        Cluster {
            base: ports::free_base(),
            shared: vec![
                ("initial-cluster-token", "it".to_owned()),
                ("log-level", "info".to_owned()),
            ],
            replicas: [None, None, None],
            dir: TempDir::with_prefix("spaxos-it-").expect("a directory"),
            _turn: turn,
        }
    }

    /// A setting for all replicas that are started from now on.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.shared.retain(|setting| setting.0 != name);
        self.shared.push((name, value.to_owned()));
    }

    pub(crate) fn client_port(&self, at: usize) -> u16 {
        self.base + u16::try_from(at).expect("one of three") * STEP
    }

    pub(crate) fn peer_port(&self, at: usize) -> u16 {
        self.client_port(at) + 1
    }

    pub(crate) fn native_port(&self, at: usize) -> u16 {
        self.client_port(at) + 2
    }

    pub(crate) fn endpoint(&self, at: usize) -> String {
        format!("http://127.0.0.1:{}", self.client_port(at))
    }

    /// All endpoints with commas between.
    pub(crate) fn endpoints(&self) -> String {
        [0, 1, 2].map(|at| self.endpoint(at)).join(",")
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn data_dir(&self, at: usize) -> PathBuf {
        self.dir().join(name(at))
    }

    /// The settings of a replica, as anybody would type them.
    pub(crate) fn settings(&self, at: usize) -> Vec<(&'static str, String)> {
        let peer = |at| format!("http://127.0.0.1:{}", self.peer_port(at));
        let members = [0, 1, 2].map(|at| format!("{}={}", name(at), peer(at)));
        let mut settings = vec![
            ("name", name(at)),
            ("data-dir", self.data_dir(at).display().to_string()),
            ("listen-client-urls", self.endpoint(at)),
            ("advertise-client-urls", self.endpoint(at)),
            ("listen-peer-urls", peer(at)),
            ("initial-advertise-peer-urls", peer(at)),
            (
                "listen-native-urls",
                format!("tcp://127.0.0.1:{}", self.native_port(at)),
            ),
            ("initial-cluster", members.join(",")),
        ];
        settings.extend(self.shared.iter().cloned());
        settings
    }

    /// `spaxos serve` for a replica, with some of its settings replaced.
    pub(crate) fn command(&self, at: usize, instead: &[(&'static str, String)]) -> Command {
        let mut command = spaxos();
        command.arg("serve");
        for (name, value) in self.settings(at) {
            let replaced = instead.iter().find(|replaced| replaced.0 == name);
            let value = replaced.map_or(&value, |replaced| &replaced.1);
            command.arg(format!("--{name}={value}"));
        }
        command
    }

    pub(crate) fn start_replica(&mut self, at: usize) {
        assert!(self.replicas[at].is_none(), "it runs already");
        self.replicas[at] = Some(spawn_replica(self.command(at, &[]), &self.log(at)));
    }

    /// Kills a replica as `kill -9` does.
    pub(crate) fn kill(&mut self, at: usize) {
        kill(self.replicas[at].take().expect("it runs"));
    }

    /// Asks a replica to stop and waits until it has; it must say that all went well.
    pub(crate) async fn stop(&mut self, at: usize) {
        let mut child = self.replicas[at].take().expect("it runs");
        terminate(child.id());
        let status = until("a replica stops", async || {
            child.try_wait().expect("waited")
        })
        .await;
        assert!(status.success(), "{status}: {}", self.log_text(at));
    }

    pub(crate) fn is_running(&mut self, at: usize) -> bool {
        self.replicas[at].as_mut().is_some_and(is_alive)
    }

    /// Waits until these replicas have each had a write ordered and executed.
    pub(crate) async fn wait_until_ready(&mut self, which: &[usize]) {
        for &at in which {
            let endpoint = self.endpoint(at);
            until("a replica takes writes", async || {
                assert!(
                    self.is_running(at),
                    "{} died: {}",
                    name(at),
                    self.log_text(at)
                );
                write_nothing(&endpoint).await.ok()
            })
            .await;
        }
    }

    /// A client of one replica alone.
    pub(crate) async fn client(&self, at: usize) -> Client {
        client(&self.endpoint(at)).await
    }

    /// What `spaxos ctl status --json` says of a replica.
    pub(crate) fn status(&self, at: usize) -> Option<Value> {
        status(&self.endpoint(at))
    }

    /// Who leads by its own word, once somebody does.
    pub(crate) async fn leader(&self) -> usize {
        until("somebody leads", async || {
            (0..3).find(|&at| {
                self.status(at)
                    .is_some_and(|status| status["role"] == "leader")
            })
        })
        .await
    }

    fn log(&self, at: usize) -> PathBuf {
        self.dir().join(format!("{}.log", name(at)))
    }

    /// What a replica has logged.
    pub(crate) fn log_text(&self, at: usize) -> String {
        fs::read_to_string(self.log(at)).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.replicas.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for at in 0..3 {
                eprintln!("--- {} logged:\n{}", name(at), self.log_text(at));
            }
        }
    }
}

/// What `spaxos ctl status --json` says of an endpoint.
pub(crate) fn status(endpoint: &str) -> Option<Value> {
    let output = run(&["ctl", "status", "--json", "--endpoints", endpoint]);
    let mut answers: Vec<Value> = serde_json::from_slice(&output.stdout).ok()?;
    let answer = answers.pop()?;
    answer.get("error").is_none().then_some(answer)
}

pub(crate) fn name(at: usize) -> String {
    format!("r{}", at + 1)
}

/// Settings of a process that must not clash with the ports of any cluster.
pub(crate) fn elsewhere() -> Vec<(&'static str, String)> {
    let base = ports::free_base();
    let url = |offset: u16| format!("http://127.0.0.1:{}", base + offset);
    vec![
        ("listen-client-urls", url(0)),
        ("listen-peer-urls", url(1)),
        ("listen-native-urls", url(2).replace("http", "tcp")),
    ]
}

/// Sends SIGTERM to a child that has not been waited for.
pub(crate) fn terminate(pid: u32) {
    signal(pid, Signal::TERM);
}

/// Sends a signal to a child that has not been waited for.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    rustix::process::kill_process(pid.expect("a pid"), signal).expect("it can be signalled");
}

/// A client of one endpoint.
pub(crate) async fn client(endpoint: &str) -> Client {
    let options = ConnectOptions::new().with_connect_timeout(Duration::from_secs(2));
    let client = Client::connect([endpoint], Some(options)).await;
    client.expect("the address is valid")
}

/// A write that goes through the log and changes nothing.
pub(crate) async fn write_nothing(endpoint: &str) -> Result<(), String> {
    let txn = Txn::new()
        .when([Compare::version("none", CompareOp::Less, 0)])
        .and_then([TxnOp::delete("none", None)]);
    let attempt = async {
        let mut client = client(endpoint).await;
        client.txn(txn).await
    };
    match tokio::time::timeout(Duration::from_secs(2), attempt).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(late) => Err(late.to_string()),
    }
}
