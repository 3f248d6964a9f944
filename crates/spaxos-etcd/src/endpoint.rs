//! What every request to an endpoint shares, and the two ways a request meets the cluster: a write
//! that is submitted and a read that waits until this member is up to date.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use spaxos::{Handle, Status};
use spaxos_kv as kv;

use crate::budget::Budget;
use crate::fault::Fault;
use crate::info::ServerInfo;
use crate::machine::SharedMachine;
use crate::metrics::Metrics;
use crate::proto::etcdserverpb::ResponseHeader;
use crate::term::{Term, round};

/// What every request to an endpoint shares.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) info: ServerInfo,
    pub(crate) metrics: Metrics,
    /// Bytes of the requests under way.
    pub(crate) budget: Budget,
    term: Term,
    handle: Handle,
    machine: SharedMachine,
    request_timeout: Duration,
}

impl Endpoint {
    pub(crate) fn new(handle: Handle, machine: SharedMachine, info: ServerInfo) -> Endpoint {
        Endpoint {
            metrics: Metrics::default(),
            budget: Budget::new(info.limits.in_flight_bytes_max),
            request_timeout: info.request_timeout(),
            term: Term::new(),
            handle,
            machine,
            info,
        }
    }

    /// The node.
    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// How the node stands. A copy: for those who ask rarely.
    pub(crate) fn status(&self) -> Status {
        let status = self.handle.status();
        self.term.see(round(&status));
        status
    }

    /// Whether a leader is known.
    pub(crate) fn has_leader(&self) -> bool {
        self.status().leader.is_some()
    }

    /// The highest round of a ballot that this member has seen, which clients call term.
    pub(crate) fn term(&self) -> u64 {
        self.term.read(|| round(&self.handle.status()))
    }

    /// The store.
    pub(crate) const fn machine(&self) -> &SharedMachine {
        &self.machine
    }

    /// The header of an answer. `revision` is 0 in answers that are not about keys.
    pub(crate) fn header(&self, revision: i64) -> Option<ResponseHeader> {
        Some(ResponseHeader {
            cluster_id: self.info.cluster_id,
            member_id: self.info.member_id,
            revision,
            raft_term: self.term(),
        })
    }

    /// Has the cluster execute `command`, and reads the answer.
    pub(crate) async fn submit(&self, command: &kv::Command) -> Result<kv::Response, Fault> {
        let submitted = self.submit_bytes(command).await;
        if submitted.is_err() {
            self.metrics.submits_failed.fetch_add(1, Relaxed);
        }
        let reply = kv::reply::decode(&submitted?).map_err(|_| Fault::BadReply)?;
        reply.map_err(Fault::from)
    }

    async fn submit_bytes(&self, command: &kv::Command) -> Result<Bytes, Fault> {
        let mut encoded = Vec::with_capacity(room_for(command));
        kv::command::encode(command, &mut encoded);
        let submitting = self.handle.submit(Bytes::from(encoded));
        match tokio::time::timeout(self.request_timeout, submitting).await {
            Ok(reply) => Ok(reply?.bytes),
            Err(_elapsed) => Err(Fault::Timeout),
        }
    }

    /// Waits until this member has executed everything that was answered anywhere before.
    pub(crate) async fn catch_up(&self) -> Result<(), Fault> {
        let waiting = tokio::time::timeout(self.request_timeout, self.handle.read_barrier());
        let result = match waiting.await {
            Ok(slot) => slot.map(drop).map_err(Fault::from),
            Err(_elapsed) => Err(Fault::Timeout),
        };
        if result.is_err() {
            self.metrics.reads_failed.fetch_add(1, Relaxed);
        }
        result
    }
}

/// About what a command takes, so that encoding a put allocates once.
fn room_for(command: &kv::Command) -> usize {
    const AROUND: usize = 64;
    match command {
        kv::Command::Put(put) => AROUND + put.key.len() + put.value.len(),
        kv::Command::DeleteRange(delete) => AROUND + delete.key.len() + delete.range_end.len(),
        kv::Command::Txn(_) => 8 * AROUND,
        kv::Command::Compact(_) => AROUND,
    }
}
