//! `GET /spaxos/v1/status`: how the replica stands, for operators and for `spaxos ctl status`.

use serde_json::{Value, json};
use spaxos::{KindCounters, Role};

use crate::endpoint::Endpoint;
use crate::process;

/// The status as JSON text. Positions of lanes are written as `incarnation` and `sequence`; a ballot
/// as `configuration/round/replica`.
pub(crate) fn text(endpoint: &Endpoint) -> String {
    let status = endpoint.status();
    let counters = endpoint.handle().counters();
    let store = endpoint.machine().read().status();
    let sent = || counters.peers.iter().flat_map(|peer| &peer.sent);
    let received = || counters.peers.iter().flat_map(|peer| &peer.received);
    let held = status.held.iter().map(|held| {
        json!({
            "replica": held.lane.0,
            "incarnation": held.position.incarnation.0,
            "sequence": held.position.sequence.0,
        })
    });
    let effective = status.effective.entries().iter().map(|(lane, entry)| {
        json!({
            "replica": lane.0,
            "incarnation": entry.position.incarnation.0,
            "sequence": entry.position.sequence.0,
        })
    });
    json!({
        "id": status.id.0,
        "member_id": endpoint.info.member_id,
        "cluster_id": endpoint.info.cluster_id,
        "name": endpoint.info.name,
        "version": endpoint.info.version,
        "role": role(status.role),
        "leader": status.leader.map(|id| id.0),
        "incarnation": status.incarnation.0,
        "ballot": status.ballot.to_string(),
        "promised": status.promised.to_string(),
        "last": status.last.0,
        "decided": status.decided.0,
        "executed": status.executed.0,
        "applied": status.applied.0,
        "lag": status.last.max(status.decided).0.saturating_sub(status.applied.0),
        "executed_hash": format!("{:016x}", status.executed_hash),
        "log_time_ns": status.log_time.0,
        "held": held.collect::<Vec<_>>(),
        "effective": effective.collect::<Vec<_>>(),
        "lane_bytes": status.lane_bytes,
        "dropped": status.dropped,
        "messages_in": messages(received()),
        "messages_out": messages(sent()),
        "bytes_in": bytes(received()),
        "bytes_out": bytes(sent()),
        "requests": counters.requests,
        "chunks": counters.chunks,
        "syncs": counters.syncs,
        "log_records": counters.log_records,
        "log_bytes": counters.log_bytes,
        "leader_changes": counters.leader_changes,
        "cpu_seconds": counters.cpu_seconds,
        "resident_bytes": process::resident_bytes(),
        "peers": counters.peers.iter().map(peer).collect::<Vec<_>>(),
        "revision": store.revision,
        "compact_revision": store.compact_revision,
        "keys": store.key_count,
        "store_bytes": store.size_bytes,
        "state_hash": format!("{:016x}", store.state_hash),
    })
    .to_string()
}

fn peer(peer: &spaxos::PeerCounters) -> Value {
    json!({
        "id": peer.id.0,
        "connected": peer.connected,
        "connections": peer.connections,
        "dropped": peer.dropped,
        "messages_in": messages(peer.received.iter()),
        "messages_out": messages(peer.sent.iter()),
        "bytes_in": bytes(peer.received.iter()),
        "bytes_out": bytes(peer.sent.iter()),
    })
}

fn messages<'a>(kinds: impl Iterator<Item = &'a KindCounters>) -> u64 {
    kinds.map(|kind| kind.messages).sum()
}

fn bytes<'a>(kinds: impl Iterator<Item = &'a KindCounters>) -> u64 {
    kinds.map(|kind| kind.bytes).sum()
}

/// The role's name, as operators see it everywhere.
pub(crate) const fn role(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::PreCandidate => "pre-candidate",
    }
}
