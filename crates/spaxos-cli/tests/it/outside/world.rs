//! Replicas as processes, with links between them that can be cut.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::sync::MutexGuard;

use super::links::Links;
use super::private::Private;
use crate::cluster::{
    is_alive, kill, name, signal, spawn_replica, spaxos, status, turn, until, write_nothing,
};
use crate::ports;

const TOKEN: &str = "outside";

/// Some replicas, killed when this is dropped.
pub(crate) struct World {
    pub(crate) links: Links,
    /// How long a leader may be missed.
    pub(crate) election: Duration,
    /// The first of each replica's ports: for etcd's clients, its peers' proxy, native clients.
    bases: Vec<u16>,
    replicas: Vec<Option<Child>>,
    /// Settings that are the same for all, beside those that each must have.
    shared: Vec<(&'static str, &'static str)>,
    dir: TempDir,
    /// Where the disks are, if not in `dir`.
    private: Option<Private>,
    _turn: MutexGuard<'static, ()>,
}

impl World {
    /// So many replicas that take writes.
    pub(crate) async fn start(size: usize, election: Duration) -> World {
        let mut world = World::planned(size, election).await;
        world.start_all().await;
        world
    }

    /// So many replicas of which none runs yet.
    pub(crate) async fn planned(size: usize, election: Duration) -> World {
        let turn = turn().await;
        let bases: Vec<u16> = (0..size).map(|_| ports::free_base()).collect();
        let peers: Vec<u16> = bases.iter().map(|base| base + 1).collect();
        World {
            links: Links::start(&peers, TOKEN).await,
            election,
            bases,
            replicas: (0..size).map(|_| None).collect(),
            shared: vec![("initial-cluster-token", TOKEN), ("log-level", "info")],
            dir: TempDir::with_prefix("spaxos-it-").expect("a directory"),
            private: None,
            _turn: turn,
        }
    }

    /// A setting for all replicas that are started from now on.
    pub(crate) fn set(&mut self, setting: &'static str, value: &'static str) {
        self.shared.push((setting, value));
    }

    /// Puts the data of replica `n` on disk `n` of these.
    pub(crate) fn put_on_disks(&mut self, private: Private) {
        self.private = Some(private);
    }

    pub(crate) fn private(&self) -> &Private {
        self.private.as_ref().expect("the disks are private")
    }

    pub(crate) fn size(&self) -> usize {
        self.bases.len()
    }

    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.size()).collect()
    }

    /// All but one.
    pub(crate) fn others(&self, at: usize) -> Vec<usize> {
        self.all()
            .into_iter()
            .filter(|other| *other != at)
            .collect()
    }

    pub(crate) fn endpoint(&self, at: usize) -> String {
        format!("http://127.0.0.1:{}", self.bases[at])
    }

    /// Where a replica speaks the native protocol.
    pub(crate) fn native(&self, at: usize) -> String {
        format!("127.0.0.1:{}", self.bases[at] + 2)
    }

    pub(crate) async fn start_all(&mut self) {
        for at in self.all() {
            self.start_replica(at);
        }
        self.wait_until_ready(&self.all()).await;
    }

    fn command(&self, at: usize) -> Command {
        let mut command = match &self.private {
            Some(private) => private.command(env!("CARGO_BIN_EXE_spaxos")),
            None => spaxos(),
        };
        let data = match &self.private {
            Some(private) => private.disk(at).join("data"),
            None => self.dir.path().join(name(at)),
        };
        let members = self.all().into_iter();
        let members = members.map(|at| format!("{}={}", name(at), self.links.url(at)));
        let members: Vec<String> = members.collect();
        let election_ms = self.election.as_millis();
        let settings = [
            ("name", name(at)),
            ("data-dir", data.display().to_string()),
            ("listen-client-urls", self.endpoint(at)),
            ("advertise-client-urls", self.endpoint(at)),
            ("listen-native-urls", format!("tcp://{}", self.native(at))),
            (
                "listen-peer-urls",
                format!("http://127.0.0.1:{}", self.bases[at] + 1),
            ),
            ("initial-advertise-peer-urls", self.links.url(at).to_owned()),
            ("initial-cluster", members.join(",")),
            ("election-timeout", election_ms.to_string()),
            ("heartbeat-interval", (election_ms / 10).to_string()),
        ];
        command.arg("serve");
        for (setting, value) in settings {
            command.arg(format!("--{setting}={value}"));
        }
        for (setting, value) in &self.shared {
            command.arg(format!("--{setting}={value}"));
        }
        command
    }

    pub(crate) fn start_replica(&mut self, at: usize) {
        assert!(self.replicas[at].is_none(), "it runs already");
        self.replicas[at] = Some(spawn_replica(self.command(at), &self.log(at)));
    }

    /// Kills a replica as `kill -9` does.
    pub(crate) fn kill(&mut self, at: usize) {
        kill(self.replicas[at].take().expect("it runs"));
    }

    /// Lets a replica stand still.
    pub(crate) fn pause(&self, at: usize) {
        self.signal(at, Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self, at: usize) {
        self.signal(at, Signal::CONT);
    }

    fn signal(&self, at: usize, which: Signal) {
        let child = self.replicas[at].as_ref().expect("it runs");
        signal(child.id(), which);
    }

    /// Whether a replica is still the process that was started.
    pub(crate) fn runs(&mut self, at: usize) -> bool {
        self.replicas[at].as_mut().is_some_and(is_alive)
    }

    /// Waits until these replicas have each had a write ordered and executed.
    pub(crate) async fn wait_until_ready(&self, which: &[usize]) {
        for &at in which {
            let endpoint = self.endpoint(at);
            until("a replica takes writes", async || {
                write_nothing(&endpoint).await.ok()
            })
            .await;
        }
    }

    /// Who leads by its own word, once somebody does.
    pub(crate) async fn leader(&self) -> usize {
        until("somebody leads", async || {
            let leads = |at: &usize| {
                status(&self.endpoint(*at)).is_some_and(|status| status["role"] == "leader")
            };
            self.all().into_iter().find(leads)
        })
        .await
    }

    fn log(&self, at: usize) -> PathBuf {
        self.dir.path().join(format!("{}.log", name(at)))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in self.replicas.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for at in self.all() {
                let text = fs::read_to_string(self.log(at)).unwrap_or_default();
                eprintln!("--- {} logged:\n{text}", name(at));
            }
        }
    }
}
