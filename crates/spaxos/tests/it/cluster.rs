//! Three nodes in this process, on ports that the system chooses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use spaxos::{Context, Handle, Member, Node, Options, Role, StateMachine};
use tempfile::TempDir;

pub(crate) const CLUSTER_ID: u64 = 0xc1;

/// Appends commands to a list; answers with the length. Queries answer with the whole list.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Vec<Vec<u8>>,
}

/// A command at which the machine panics.
pub(crate) const POISON: &[u8] = b"poison";

impl StateMachine for Journal {
    fn execute(&mut self, _context: &Context, command: &[u8], reply: &mut Vec<u8>) {
        assert_ne!(command, POISON, "on purpose");
        self.entries.push(command.to_vec());
        reply.extend_from_slice(&(self.entries.len() as u64).to_le_bytes());
    }

    fn query(&self, _query: &[u8], reply: &mut Vec<u8>) {
        reply.extend_from_slice(&self.entries.join(&b' '));
    }
}

/// Members of one cluster, running or not.
pub(crate) struct Cluster {
    dirs: Vec<TempDir>,
    peers: Vec<SocketAddr>,
    pub(crate) clients: Vec<SocketAddr>,
    pub(crate) nodes: Vec<Option<Node>>,
    change: fn(&mut Options),
}

pub(crate) fn local() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")
}

impl Cluster {
    /// Starts `size` nodes.
    pub(crate) async fn start(size: usize) -> Cluster {
        Cluster::start_with(size, |_| {}).await
    }

    /// Starts `size` nodes with changed options.
    pub(crate) async fn start_with(size: usize, change: fn(&mut Options)) -> Cluster {
        let listeners: Vec<_> = (0..size).map(|_| (local(), local())).collect();
        let address = |listener: &TcpListener| listener.local_addr().expect("bound");
        let mut cluster = Cluster {
            dirs: (0..size).map(|_| private_dir()).collect(),
            peers: listeners.iter().map(|pair| address(&pair.0)).collect(),
            clients: listeners.iter().map(|pair| address(&pair.1)).collect(),
            nodes: (0..size).map(|_| None).collect(),
            change,
        };
        for (at, (peer, client)) in listeners.into_iter().enumerate() {
            let mut options = cluster.options(at);
            options.peer_listener = peer.into();
            options.client_listener = Some(client.into());
            cluster.nodes[at] = Some(start(options).await);
        }
        cluster
    }

    /// The options of node `at`, on the ports that it had first.
    pub(crate) fn options(&self, at: usize) -> Options {
        let members = self.peers.iter().zip(1..);
        let members = members.map(|(peer, id)| Member::new(id, peer.to_string()));
        let id = at as u64 + 1;
        let mut options = Options::new(
            CLUSTER_ID,
            id,
            members.collect(),
            self.peers[at],
            self.dir(at),
        )
        .with_clients(self.clients[at]);
        options.timing.heartbeat_ns = 20_000_000;
        options.timing.election_ns = 200_000_000;
        (self.change)(&mut options);
        options
    }

    pub(crate) fn dir(&self, at: usize) -> PathBuf {
        self.dirs[at].path().join("data")
    }

    pub(crate) fn handle(&self, at: usize) -> Handle {
        self.nodes[at].as_ref().expect("running").handle()
    }

    /// Shuts node `at` down.
    pub(crate) async fn stop(&mut self, at: usize) {
        let node = self.nodes[at].take().expect("running");
        node.shutdown().await.expect("nothing went wrong");
    }

    /// Drops node `at`, without a word to anybody.
    pub(crate) async fn kill(&mut self, at: usize) {
        drop(self.nodes[at].take());
    }

    /// Starts node `at` again, as soon as what it used is free.
    pub(crate) async fn restart(&mut self, at: usize) {
        loop {
            let started = Node::start(self.options(at), Box::<Journal>::default()).await;
            match started {
                Ok(node) => {
                    self.nodes[at] = Some(node);
                    return;
                }
                Err(error) => eprintln_retry(at, &error),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The index of the node that leads, once one does and another follows it.
    pub(crate) async fn leader(&self) -> usize {
        loop {
            let running = self.nodes.iter().enumerate();
            let running = running.filter_map(|(at, node)| Some((at, node.as_ref()?)));
            let mut leaders = running.filter(|(_, node)| {
                let status = node.handle().status();
                status.role == Role::Leader
            });
            if let Some((at, _)) = leaders.next() {
                return at;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn eprintln_retry(at: usize, error: &spaxos::StartError) {
    let text = error.to_string();
    let waiting = text.contains("in use") || text.contains("listen");
    assert!(waiting, "node {at} does not start again: {text}");
}

fn private_dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

pub(crate) async fn start(options: Options) -> Node {
    let started = Node::start(options, Box::<Journal>::default()).await;
    started.expect("the node starts")
}

pub(crate) fn command(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
