//! What a node counts about itself: for operators, benchmarks and tests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use spaxos_core::types::ReplicaId;
use spaxos_wire::message::{KINDS_END, kind_name};

/// A moment's view of everything that a node counts. All numbers are since its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// Per other member, in the order of their ids.
    pub peers: Vec<PeerCounters>,
    /// Syncs of the log.
    pub syncs: u64,
    /// Records appended to the log.
    pub log_records: u64,
    /// Bytes written to the log.
    pub log_bytes: u64,
    /// Requests taken from handles and clients.
    pub requests: u64,
    /// Chunks that they were joined into.
    pub chunks: u64,
    /// How often the leader that this node follows became another one.
    pub leader_changes: u64,
    /// Connections of clients that stand now.
    pub client_connections: u64,
    /// Connections that were closed since a frame made no sense: garbage, wrong checksums, lengths
    /// beyond the limits, messages in the wrong place.
    pub frames_refused: u64,
    /// Greetings that were refused: wrong cluster, member, disk or version.
    pub greetings_refused: u64,
    /// Connections closed unheard since too many stood already.
    pub connections_refused: u64,
    /// Messages dropped since too many waited for the disk.
    pub outbox_dropped: u64,
    /// Lanes that were stopped since two contents claimed one position.
    pub lanes_stopped: u64,
    /// CPU seconds of the whole process, user and system.
    pub cpu_seconds: f64,
}

/// The traffic with one other member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCounters {
    /// The other member.
    pub id: ReplicaId,
    /// Whether this node can send to it now.
    pub connected: bool,
    /// Connections to it that came to stand.
    pub connections: u64,
    /// Messages dropped since its queue was full or it was not connected.
    pub dropped: u64,
    /// What was sent, per kind of message that occurred; bytes include frame headers.
    pub sent: Vec<KindCounters>,
    /// What was received, per kind of message that occurred; bytes include frame headers.
    pub received: Vec<KindCounters>,
}

/// The traffic of one kind of message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindCounters {
    /// The kind's name.
    pub kind: &'static str,
    /// How many.
    pub messages: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// The numbers behind [`Counters`].
#[derive(Debug)]
pub(crate) struct Cells {
    peers: Vec<(ReplicaId, PeerCells)>,
    pub(crate) syncs: Cell,
    pub(crate) log_records: Cell,
    pub(crate) log_bytes: Cell,
    pub(crate) requests: Cell,
    pub(crate) chunks: Cell,
    pub(crate) leader_changes: Cell,
    pub(crate) client_connections: Cell,
    pub(crate) frames_refused: Cell,
    pub(crate) greetings_refused: Cell,
    pub(crate) connections_refused: Cell,
    pub(crate) outbox_dropped: Cell,
    pub(crate) lanes_stopped: Cell,
}

/// The numbers behind [`PeerCounters`].
#[derive(Debug, Default)]
pub(crate) struct PeerCells {
    pub(crate) connected: Cell,
    pub(crate) connections: Cell,
    pub(crate) dropped: Cell,
    pub(crate) sent: Traffic,
    pub(crate) received: Traffic,
}

/// One number. Its readers need no order between several of them.
#[derive(Debug, Default)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Relaxed);
    }

    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Messages and bytes by kind of message.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    kinds: [(Cell, Cell); KINDS_END],
}

impl Traffic {
    pub(crate) fn add(&self, kind: u8, bytes: usize) {
        if let Some((messages, sum)) = self.kinds.get(usize::from(kind)) {
            messages.add(1);
            sum.add(bytes as u64);
        }
    }

    fn read(&self) -> Vec<KindCounters> {
        let kinds = (0_u8..).zip(&self.kinds);
        kinds
            .filter(|(_, (messages, _))| messages.get() > 0)
            .filter_map(|(kind, (messages, bytes))| {
                Some(KindCounters {
                    kind: kind_name(kind)?,
                    messages: messages.get(),
                    bytes: bytes.get(),
                })
            })
            .collect()
    }
}

impl Cells {
    /// All zero, with a place for each of `peers`.
    pub(crate) fn new(peers: impl Iterator<Item = ReplicaId>) -> Cells {
        let mut peers: Vec<_> = peers.map(|id| (id, PeerCells::default())).collect();
        peers.sort_by_key(|peer| peer.0);
        Cells {
            peers,
            syncs: Cell::default(),
            log_records: Cell::default(),
            log_bytes: Cell::default(),
            requests: Cell::default(),
            chunks: Cell::default(),
            leader_changes: Cell::default(),
            client_connections: Cell::default(),
            frames_refused: Cell::default(),
            greetings_refused: Cell::default(),
            connections_refused: Cell::default(),
            outbox_dropped: Cell::default(),
            lanes_stopped: Cell::default(),
        }
    }

    /// The numbers of `peer`, which is a member.
    pub(crate) fn peer(&self, peer: ReplicaId) -> &PeerCells {
        let found = self.peers.iter().find(|entry| entry.0 == peer);
        &found.expect("only members are counted").1
    }

    pub(crate) fn read(&self) -> Counters {
        let peers = self.peers.iter().map(|(id, cells)| PeerCounters {
            id: *id,
            connected: cells.connected.get() != 0,
            connections: cells.connections.get(),
            dropped: cells.dropped.get(),
            sent: cells.sent.read(),
            received: cells.received.read(),
        });
        Counters {
            peers: peers.collect(),
            syncs: self.syncs.get(),
            log_records: self.log_records.get(),
            log_bytes: self.log_bytes.get(),
            requests: self.requests.get(),
            chunks: self.chunks.get(),
            leader_changes: self.leader_changes.get(),
            client_connections: self.client_connections.get(),
            frames_refused: self.frames_refused.get(),
            greetings_refused: self.greetings_refused.get(),
            connections_refused: self.connections_refused.get(),
            outbox_dropped: self.outbox_dropped.get(),
            lanes_stopped: self.lanes_stopped.get(),
            cpu_seconds: cpu_seconds(),
        }
    }
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    // Both are far below 2^52: nothing is lost.
    let (seconds, ns) = (time.tv_sec as f64, time.tv_nsec as f64);
    seconds + ns / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_occur_is_left_out() {
        let cells = Cells::new([ReplicaId(3), ReplicaId(2)].into_iter());
        cells.peer(ReplicaId(3)).sent.add(1, 100);
        cells.peer(ReplicaId(3)).sent.add(1, 50);
        cells.peer(ReplicaId(3)).sent.add(255, 1);
        let read = cells.read();
        assert_eq!(read.peers[0].sent, []);
        let batches = KindCounters {
            kind: "Batch",
            messages: 2,
            bytes: 150,
        };
        assert_eq!(read.peers[1].sent, [batches]);
        assert!(read.cpu_seconds > 0.0);
    }
}
