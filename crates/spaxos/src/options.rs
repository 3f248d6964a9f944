//! How a node is set up, and every limit of the runtime around the core.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use spaxos_core::config::{Config, Limits, Modes, Timing};
use spaxos_core::sessions::SessionLimits;
use spaxos_core::types::ReplicaId;
use spaxos_storage::Disk;
pub use spaxos_storage::Durability;

/// One member of the cluster, as the others reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id, from 1; never used for another replica again.
    pub id: ReplicaId,
    /// Where the others connect to: `host:port`. Resolved anew at each attempt.
    pub address: String,
}

impl Member {
    /// A member with this id, reached at `address`.
    #[must_use]
    pub fn new(id: u64, address: impl Into<String>) -> Member {
        Member {
            id: ReplicaId(id),
            address: address.into(),
        }
    }
}

/// Where to listen.
#[derive(Debug)]
pub enum Listen {
    /// Bind this address.
    Address(SocketAddr),
    /// Use this socket, bound already: whoever starts the node knows its port beforehand.
    Bound(std::net::TcpListener),
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Listen {
        Listen::Address(address)
    }
}

impl From<std::net::TcpListener> for Listen {
    fn from(listener: std::net::TcpListener) -> Listen {
        Listen::Bound(listener)
    }
}

/// Everything that a node is told at its start.
pub struct Options {
    /// The cluster's id: members of different clusters refuse each other.
    pub cluster_id: u64,
    /// This node's member id.
    pub id: ReplicaId,
    /// All members, this one included.
    pub members: Vec<Member>,
    /// Where the other members connect to this one.
    pub peer_listener: Listen,
    /// Where clients of the native protocol connect to this node; nowhere if `None`.
    pub client_listener: Option<Listen>,
    /// Where the log is. Created if missing; used by one process at a time. Not touched with
    /// [`Durability::Memory`].
    pub data_dir: PathBuf,
    /// A disk to use instead of `data_dir`: for tests and simulations.
    pub disk: Option<Arc<dyn Disk>>,
    /// What "durable" means.
    pub durability: Durability,
    /// Which variant of the protocol runs; the same on all members.
    pub modes: Modes,
    /// The core's timers.
    pub timing: Timing,
    /// The core's limits; the same on all members.
    pub limits: Limits,
    /// The limits of client sessions; the same on all members.
    pub session_limits: SessionLimits,
    /// The limits of this node's queues and connections.
    pub runtime: RuntimeLimits,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("cluster_id", &self.cluster_id)
            .field("id", &self.id)
            .field("members", &self.members)
            .field("data_dir", &self.data_dir)
            .field("durability", &self.durability)
            .field("modes", &self.modes)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Options with every default.
    #[must_use]
    pub fn new(
        cluster_id: u64,
        id: u64,
        members: Vec<Member>,
        peer_listener: impl Into<Listen>,
        data_dir: impl Into<PathBuf>,
    ) -> Options {
        Options {
            cluster_id,
            id: ReplicaId(id),
            members,
            peer_listener: peer_listener.into(),
            client_listener: None,
            data_dir: data_dir.into(),
            disk: None,
            durability: Durability::default(),
            modes: Modes::default(),
            timing: Timing::default(),
            limits: Limits::default(),
            session_limits: SessionLimits::default(),
            runtime: RuntimeLimits::default(),
        }
    }

    /// Serves the native protocol too.
    #[must_use]
    pub fn with_clients(mut self, listener: impl Into<Listen>) -> Options {
        self.client_listener = Some(listener.into());
        self
    }

    /// Sets what "durable" means.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Options {
        self.durability = durability;
        self
    }

    /// What the core is told.
    #[must_use]
    pub fn core_config(&self) -> Config {
        Config {
            id: self.id,
            members: self.members.iter().map(|member| member.id).collect(),
            modes: self.modes,
            timing: self.timing,
            limits: self.limits,
        }
    }

    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.cluster_id == 0 {
            return Err("cluster id 0 is reserved");
        }
        self.core_config().check()?;
        self.runtime.check(&self.limits)
    }
}

/// Every limit of the runtime around the core. Unlike the core's they may differ between members.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeLimits {
    /// One command, in bytes.
    pub command_bytes_max: usize,
    /// Requests taken and not yet answered, in bytes with a fixed cost for each.
    pub intake_bytes_max: usize,
    /// How long a request waits for its place among those before it is refused as overload.
    pub intake_wait_max: Duration,
    /// Reads that somebody waits for: as many linearizable ones, and as many serializable ones.
    pub reads_max: usize,
    /// Bytes waiting to be sent to one peer. Beyond this, batches are dropped (the peer fetches
    /// them), beyond twice this everything.
    pub peer_queue_bytes_max: usize,
    /// Messages waiting for their records to be durable; beyond this they are dropped.
    pub outbox_messages_max: usize,
    /// Records that nobody has asked to sync are handed to the log's thread beyond this many bytes.
    pub log_buffer_bytes_max: usize,
    /// Connections that peers have opened, those that have not yet greeted included.
    pub peer_connections_max: usize,
    /// Connections that clients have opened.
    pub client_connections_max: usize,
    /// Bytes of one client connection's requests that are not yet answered. Not read on beyond.
    pub client_in_flight_bytes_max: usize,
    /// Frames of one client connection that are not yet answered. Not read on beyond.
    pub client_in_flight_frames_max: usize,
    /// Answers waiting to be sent to one client; a client that lets more pile up is cut off.
    pub client_output_bytes_max: usize,
    /// How long a client may leave answers unread, or a frame unfinished.
    pub client_stall_max: Duration,
    /// How long a new connection may take to say who it is.
    pub handshake_timeout: Duration,
    /// How long an attempt to reach a peer may take.
    pub connect_timeout: Duration,
    /// The first pause before a peer is tried again; doubled each time, up to `reconnect_max`.
    pub reconnect_min: Duration,
    /// The longest pause before a peer is tried again.
    pub reconnect_max: Duration,
    /// How long a shutdown waits for what is under way.
    pub shutdown_grace: Duration,
}

impl Default for RuntimeLimits {
    fn default() -> Self {
        RuntimeLimits {
            command_bytes_max: (2 << 20) - CHUNK_HEAD_BYTES,
            intake_bytes_max: 48 << 20,
            intake_wait_max: Duration::from_secs(5),
            reads_max: 65_536,
            peer_queue_bytes_max: 64 << 20,
            outbox_messages_max: 65_536,
            log_buffer_bytes_max: 1 << 20,
            peer_connections_max: 64,
            client_connections_max: 10_000,
            client_in_flight_bytes_max: 16 << 20,
            client_in_flight_frames_max: 4096,
            client_output_bytes_max: 64 << 20,
            client_stall_max: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            reconnect_min: Duration::from_millis(20),
            reconnect_max: Duration::from_secs(1),
            shutdown_grace: Duration::from_secs(2),
        }
    }
}

/// More than the head of any chunk and of one request in it.
pub(crate) const CHUNK_HEAD_BYTES: usize = 1 << 10;

impl RuntimeLimits {
    /// The relations between limits that other code relies on.
    fn check(&self, core: &Limits) -> Result<(), &'static str> {
        let positive = self.command_bytes_max > 0
            && self.reads_max > 0
            && self.outbox_messages_max > 0
            && self.peer_connections_max > 0
            && self.client_connections_max > 0
            && self.client_in_flight_frames_max > 0
            && !self.reconnect_min.is_zero();
        if !positive {
            return Err("limits of the runtime must be positive");
        }
        if self.command_bytes_max + CHUNK_HEAD_BYTES > core.chunk_bytes_max {
            return Err("a command must fit into a chunk");
        }
        if self.intake_bytes_max < 2 * core.chunk_bytes_max {
            return Err("the intake must have room for two chunks");
        }
        if u32::try_from(self.intake_bytes_max).is_err() {
            return Err("the intake must be below 4 GiB");
        }
        if self.peer_queue_bytes_max < core.batch_bytes_max {
            return Err("a peer's queue must have room for a batch");
        }
        if self.client_in_flight_bytes_max < core.chunk_bytes_max {
            return Err("a client must be allowed one chunk");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        let members = vec![Member::new(1, "127.0.0.1:1"), Member::new(2, "127.0.0.1:2")];
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Options::new(7, 1, members, listen, "data")
    }

    #[test]
    fn the_defaults_fit_together() {
        assert_eq!(options().check(), Ok(()));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let mut wrong = options();
        wrong.id = ReplicaId(3);
        assert!(wrong.check().is_err(), "not a member");
        let mut wrong = options();
        wrong.cluster_id = 0;
        assert!(wrong.check().is_err(), "no cluster");
        let mut wrong = options();
        wrong.runtime.command_bytes_max = wrong.limits.chunk_bytes_max;
        assert!(wrong.check().is_err(), "a command larger than a chunk");
    }
}
