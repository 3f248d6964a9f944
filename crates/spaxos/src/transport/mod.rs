//! TCP between members.
//!
//! Each member opens one connection to each other one and sends on it; it receives on those that the
//! others open. So all that one member says to another, heartbeats included, shares one connection:
//! whoever hears the leader's heartbeats can hear its proposals. Reading from a peer never waits for
//! writing to one. Every connection begins with a greeting both ways (`handshake.rs`).

mod dial;
pub(crate) mod handshake;
pub(crate) mod incoming;
pub(crate) mod lives;
pub(crate) mod outgoing;
pub(crate) mod peer_queue;

use std::sync::Arc;

use spaxos_core::types::ReplicaId;
use spaxos_wire::WireLimits;
use spaxos_wire::frame::HEADER_BYTES;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::counters::Cells;
use crate::ending::Ending;
use crate::error::Fatal;
use crate::inbox::Inbox;
use crate::options::RuntimeLimits;
use crate::transport::lives::Lives;
use crate::transport::peer_queue::PeerQueue;

/// What all connections between members share.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) identity: Identity,
    pub(crate) members: Vec<ReplicaId>,
    pub(crate) lives: Arc<Lives>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) counters: Arc<Cells>,
    pub(crate) ending: Arc<Ending>,
    pub(crate) wire: WireLimits,
    pub(crate) limits: RuntimeLimits,
}

/// Who we are, for greetings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) cluster_id: u64,
    pub(crate) id: ReplicaId,
    pub(crate) disk_id: u64,
    /// A hash of everything that must be equal on all members.
    pub(crate) fingerprint: u64,
}

/// Another member and its queue.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: String,
    pub(crate) queue: Arc<PeerQueue>,
}

impl Transport {
    /// Starts listening and dialling, on the present runtime; ends when that does.
    pub(crate) fn start(self: &Arc<Transport>, listener: TcpListener, peers: Vec<Peer>) {
        let mut tasks = JoinSet::new();
        tasks.spawn(incoming::accept(Arc::clone(self), listener));
        for peer in peers {
            tasks.spawn(dial::keep_connected(Arc::clone(self), peer));
        }
        let ending = Arc::clone(&self.ending);
        tokio::spawn(async move {
            // None of them ever returns: what comes here has panicked.
            while let Some(ended) = tasks.join_next().await {
                if ended.is_err_and(|error| error.is_panic()) {
                    ending.fail(Fatal::Panicked {
                        thread: "a connection to a peer",
                    });
                }
            }
        });
    }

    /// The longest frame of a greeted peer, as a reader of frames counts.
    fn frame_bytes_max(&self) -> usize {
        self.wire.frame_bytes_max + HEADER_BYTES
    }
}
