//! The links between replicas: a proxy in front of each replica's peer port, which every ordered pair
//! of replicas shares without knowing.
//!
//! A replica opens a connection to each other one and says in its greeting who it is
//! (`docs/formats.md`), so one proxy for each receiver is enough to tell the links apart. What one
//! replica says to another has a [`Link`] of its own, and so has what the other one says to it: a
//! connection hands on bytes in each direction as that direction's link allows.

use std::sync::Arc;
use std::time::Duration;

use sha1::{Digest, Sha1};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::pipe;

/// How far a greeting reaches, from the head of its frame to the fingerprint.
const HELLO_BYTES: usize = 89;
/// Where the magic and the sender's id stand in it.
const MAGIC: std::ops::Range<usize> = 10..14;
const SENDER: std::ops::Range<usize> = 25..33;

/// What becomes of what one replica says to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// It arrives.
    Open,
    /// Nothing arrives, and nobody is told: as if packets were lost. Once the link is open again, what
    /// was sent before arrives, as TCP would send it again.
    Silent,
    /// Connections are torn, and none comes to stand.
    Broken,
    /// It arrives late, or little by little.
    Slow {
        /// How long each piece is on its way.
        delay: Duration,
        /// How much passes.
        bytes_per_second: u32,
    },
}

impl Link {
    /// Whether anything arrives.
    pub(crate) const fn passes(self) -> bool {
        matches!(self, Link::Open | Link::Slow { .. })
    }
}

/// The links among some replicas.
pub(crate) struct Links {
    state: Arc<State>,
    /// Where the others reach each replica.
    urls: Vec<String>,
    _proxies: JoinSet<()>,
}

struct State {
    /// The ids by which replicas greet.
    ids: Vec<u64>,
    /// The link from one to another, row by row.
    links: Vec<watch::Sender<Link>>,
}

impl Links {
    /// Puts a proxy in front of each of `ports`, with all links open.
    pub(crate) async fn start(ports: &[u16], token: &str) -> Links {
        let mut listeners = Vec::new();
        let mut urls = Vec::new();
        for _ in ports {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await;
            let listener = listener.expect("some port is free");
            urls.push(format!("http://{}", listener.local_addr().expect("bound")));
            listeners.push(listener);
        }
        let links = (0..ports.len() * ports.len()).map(|_| watch::Sender::new(Link::Open));
        let state = Arc::new(State {
            ids: urls.iter().map(|url| member_id(url, token)).collect(),
            links: links.collect(),
        });
        let mut proxies = JoinSet::new();
        for (to, (listener, port)) in listeners.into_iter().zip(ports).enumerate() {
            proxies.spawn(accept(Arc::clone(&state), listener, to, *port));
        }
        Links {
            state,
            urls,
            _proxies: proxies,
        }
    }

    /// Where the others reach a replica.
    pub(crate) fn url(&self, at: usize) -> &str {
        &self.urls[at]
    }

    /// What `from` says to `to` passes like this from now on.
    pub(crate) fn set(&self, from: usize, to: usize, link: Link) {
        self.state.link(from, to).send_replace(link);
    }

    /// What two replicas say to each other.
    pub(crate) fn set_both(&self, one: usize, other: usize, link: Link) {
        self.set(one, other, link);
        self.set(other, one, link);
    }

    /// All that others say to `at`.
    pub(crate) fn set_to(&self, at: usize, link: Link) {
        for other in self.others(at) {
            self.set(other, at, link);
        }
    }

    /// All that `at` says to others.
    pub(crate) fn set_from(&self, at: usize, link: Link) {
        for other in self.others(at) {
            self.set(at, other, link);
        }
    }

    /// Only these pairs hear each other.
    pub(crate) fn only(&self, pairs: &[(usize, usize)], otherwise: Link) {
        for one in 0..self.urls.len() {
            for other in 0..one {
                let open = pairs.contains(&(one, other)) || pairs.contains(&(other, one));
                self.set_both(one, other, if open { Link::Open } else { otherwise });
            }
        }
    }

    /// Opens all links.
    pub(crate) fn heal(&self) {
        for link in &self.state.links {
            link.send_replace(Link::Open);
        }
    }

    fn others(&self, at: usize) -> impl Iterator<Item = usize> + use<> {
        (0..self.urls.len()).filter(move |other| *other != at)
    }
}

impl State {
    fn link(&self, from: usize, to: usize) -> &watch::Sender<Link> {
        &self.links[from * self.ids.len() + to]
    }

    /// Who sent this greeting.
    fn sender(&self, hello: &[u8; HELLO_BYTES]) -> usize {
        assert_eq!(&hello[MAGIC], b"SPXO", "greetings have another format now");
        let id = hello[SENDER].try_into().map(u64::from_le_bytes);
        let id = id.expect("eight bytes");
        let sender = self.ids.iter().position(|known| *known == id);
        sender.unwrap_or_else(|| panic!("nobody here is {id:x}"))
    }
}

/// The id that a member has by its address and the cluster's token, as etcd computes it.
fn member_id(url: &str, token: &str) -> u64 {
    let mut hash = Sha1::new();
    hash.update(url);
    hash.update(token);
    let digest = hash.finalize();
    let first = digest[..8].try_into().map(u64::from_be_bytes);
    first.expect("twenty bytes are more than eight")
}

async fn accept(state: Arc<State>, listener: TcpListener, to: usize, port: u16) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("the proxy accepts");
                connections.spawn(connection(Arc::clone(&state), stream, to, port));
            }
            Some(ended) = connections.join_next() => {
                ended.expect("a connection's proxy does not panic");
            }
        }
    }
}

async fn connection(state: Arc<State>, mut stream: TcpStream, to: usize, port: u16) {
    let mut hello = [0; HELLO_BYTES];
    if stream.read_exact(&mut hello).await.is_err() {
        return;
    }
    let from = state.sender(&hello);
    let mut there = state.link(from, to).subscribe();
    let mut back = state.link(to, from).subscribe();
    // It comes to stand if both directions pass, as TCP's own greeting needs; and whoever has given up
    // by then was never there.
    let mut early = [0];
    let stands = tokio::select! {
        stands = stand(&mut there, &mut back) => stands,
        _ = stream.read(&mut early) => false,
    };
    if !stands {
        return;
    }
    let Ok(target) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let torn = (there.clone(), back.clone());
    tokio::select! {
        () = pipe::carry(stream, target, hello.to_vec(), (there, back)) => {}
        () = broken(torn.0) => {}
        () = broken(torn.1) => {}
    }
}

/// Waits until both directions pass; false if one of them is broken.
async fn stand(there: &mut watch::Receiver<Link>, back: &mut watch::Receiver<Link>) -> bool {
    loop {
        let links = [*there.borrow_and_update(), *back.borrow_and_update()];
        if links.contains(&Link::Broken) {
            return false;
        }
        if links.iter().all(|link| link.passes()) {
            return true;
        }
        let changed = tokio::select! {
            changed = there.changed() => changed,
            changed = back.changed() => changed,
        };
        if changed.is_err() {
            return false;
        }
    }
}

async fn broken(mut link: watch::Receiver<Link>) {
    // An error means that the links are gone, and the connections with them.
    let _gone = link.wait_for(|link| *link == Link::Broken).await;
}
