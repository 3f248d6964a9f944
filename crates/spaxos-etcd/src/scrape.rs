//! `GET /metrics`: the numbers as text, under the names that etcd's dashboards and alerts know where
//! the meaning is the same, and under `spaxos_` where it is ours.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use spaxos::{Counters, PeerCounters, Role};
use tonic::Code;

use crate::call::Call;
use crate::endpoint::Endpoint;
use crate::info::ServerInfo;
use crate::metrics::BUCKETS;
use crate::process;

/// What [`text`] returns.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All numbers as text.
pub(crate) fn text(endpoint: &Arc<Endpoint>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(Arc::clone(endpoint))));
    let mut out = String::new();
    text::encode(&mut out, &registry).expect("writing to a string does not fail");
    out
}

/// Gathers the numbers when somebody asks for them.
#[derive(Debug)]
struct Scrape(Arc<Endpoint>);

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet { encoder };
        let counters = self.0.handle().counters();
        server(&mut sheet, &self.0, &counters)?;
        identity(&mut sheet, &self.0.info)?;
        store(&mut sheet, &self.0)?;
        clients(&mut sheet, &self.0)?;
        calls(&mut sheet, &self.0)?;
        peers(&mut sheet, &counters)?;
        log_and_process(&mut sheet, &counters)
    }
}

/// The node: who leads, and how far the log is.
fn server(sheet: &mut Sheet<'_>, endpoint: &Endpoint, counters: &Counters) -> fmt::Result {
    let status = endpoint.status();
    let gauges = [
        (
            "etcd_server_has_leader",
            "Whether a leader is known.",
            u64::from(status.leader.is_some()),
        ),
        (
            "etcd_server_is_leader",
            "Whether this member leads.",
            u64::from(status.role == Role::Leader),
        ),
        (
            "etcd_server_proposals_committed_total",
            "The last decided slot.",
            status.decided.0,
        ),
        (
            "etcd_server_proposals_applied_total",
            "The last applied slot.",
            status.applied.0,
        ),
        (
            "etcd_server_proposals_pending",
            "Writes of clients under way.",
            endpoint.metrics.pending(),
        ),
        (
            "spaxos_ballot_round",
            "The highest round of a ballot seen.",
            endpoint.term(),
        ),
        (
            "spaxos_last_slot",
            "The last slot with a known value.",
            status.last.0,
        ),
        (
            "spaxos_lane_bytes",
            "Bytes of the own lane that are not yet executed.",
            status.lane_bytes,
        ),
    ];
    for (name, help, value) in gauges {
        sheet.gauge(name, help, value)?;
    }
    sheet.counter(
        "etcd_server_leader_changes_seen",
        "Changes of the leader.",
        counters.leader_changes,
    )?;
    sheet.counter(
        "etcd_server_proposals_failed",
        "Writes of clients without an answer.",
        endpoint.metrics.submits_failed.load(Relaxed),
    )?;
    sheet.counter(
        "etcd_server_read_indexes_failed",
        "Linearizable reads without an answer.",
        endpoint.metrics.reads_failed.load(Relaxed),
    )
}

/// Who and what this is.
fn identity(sheet: &mut Sheet<'_>, info: &ServerInfo) -> fmt::Result {
    let version = [("server_version", info.etcd_version.as_str())];
    sheet.label("etcd_server_version", "The etcd version reported.", version)?;
    let version = [("cluster_version", info.etcd_cluster_version.as_str())];
    sheet.label(
        "etcd_cluster_version",
        "The etcd cluster version reported.",
        version,
    )?;
    let version = [("version", info.version.as_str())];
    sheet.label("spaxos_build_info", "The version of this server.", version)?;
    let id = format!("{:x}", info.member_id);
    sheet.label(
        "etcd_server_id",
        "This member.",
        [("server_id", id.as_str())],
    )
}

/// What is stored.
fn store(sheet: &mut Sheet<'_>, endpoint: &Endpoint) -> fmt::Result {
    let store = endpoint.machine().read().status();
    let gauges = [
        (
            "etcd_mvcc_db_total_size_in_bytes",
            "Bytes that the store takes.",
            store.size_bytes,
        ),
        (
            "etcd_mvcc_db_total_size_in_use_in_bytes",
            "Bytes that the store makes use of.",
            store.size_in_use_bytes,
        ),
        (
            "etcd_server_quota_backend_bytes",
            "Bytes that the store may take.",
            u64::try_from(endpoint.info.quota_bytes).unwrap_or(0),
        ),
        (
            "etcd_debugging_mvcc_keys_total",
            "Keys that exist.",
            store.key_count,
        ),
        (
            "etcd_debugging_mvcc_current_revision",
            "The latest revision.",
            u64::try_from(store.revision).unwrap_or(0),
        ),
        (
            "etcd_debugging_mvcc_compact_revision",
            "The oldest readable revision.",
            u64::try_from(store.compact_revision).unwrap_or(0),
        ),
    ];
    for (name, help, value) in gauges {
        sheet.gauge(name, help, value)?;
    }
    Ok(())
}

/// The connections of clients.
fn clients(sheet: &mut Sheet<'_>, endpoint: &Endpoint) -> fmt::Result {
    let metrics = &endpoint.metrics;
    sheet.gauge(
        "spaxos_client_connections",
        "Connections of clients that stand.",
        metrics.connections.load(Relaxed),
    )?;
    let counters: [(&str, &str, &AtomicU64); 4] = [
        (
            "spaxos_client_connections_accepted",
            "Connections of clients that were taken.",
            &metrics.connections_total,
        ),
        (
            "etcd_network_client_grpc_received_bytes",
            "Bytes from clients.",
            &metrics.received_bytes,
        ),
        (
            "etcd_network_client_grpc_sent_bytes",
            "Bytes to clients.",
            &metrics.sent_bytes,
        ),
        (
            "spaxos_grpc_unknown_methods",
            "Requests for methods that are not served.",
            &metrics.unknown_methods,
        ),
    ];
    for (name, help, value) in counters {
        sheet.counter(name, help, value.load(Relaxed))?;
    }
    Ok(())
}

/// The requests, per method.
fn calls(sheet: &mut Sheet<'_>, endpoint: &Endpoint) -> fmt::Result {
    let mut started = sheet.open(
        "grpc_server_started",
        "Requests that began.",
        MetricType::Counter,
    )?;
    for call in Call::ALL {
        let count = endpoint.metrics.of(call).started.load(Relaxed);
        ConstCounter::new(count).encode(started.encode_family(&labels(call))?)?;
    }
    let mut handled = sheet.open(
        "grpc_server_handled",
        "Requests that ended, by their outcome.",
        MetricType::Counter,
    )?;
    for call in Call::ALL {
        for (code, count) in (0_i32..).zip(&endpoint.metrics.of(call).handled) {
            let count = count.load(Relaxed);
            if count == 0 && code != Code::Ok as i32 {
                continue;
            }
            let [kind, service, method] = labels(call);
            let labels = [kind, service, method, ("grpc_code", code_name(code))];
            ConstCounter::new(count).encode(handled.encode_family(&labels)?)?;
        }
    }
    let mut seconds = sheet.open(
        "grpc_server_handling_seconds",
        "How long requests took.",
        MetricType::Histogram,
    )?;
    for call in Call::ALL {
        durations(endpoint, call, seconds.encode_family(&labels(call))?)?;
    }
    Ok(())
}

fn durations(endpoint: &Endpoint, call: Call, mut encoder: MetricEncoder<'_>) -> fmt::Result {
    let metrics = endpoint.metrics.of(call);
    let ends = BUCKETS.into_iter().chain([f64::INFINITY]);
    let counts = metrics.durations.iter().map(|n| n.load(Relaxed));
    let buckets: Vec<_> = ends.zip(counts).collect();
    let count = buckets.iter().map(|bucket| bucket.1).sum();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a sum of durations needs no more than 52 bits"
    )]
    let sum = metrics.duration_ns.load(Relaxed) as f64 / 1e9;
    encoder.encode_histogram::<[(&str, &str); 0]>(sum, count, &buckets, None)
}

fn labels(call: Call) -> [(&'static str, &'static str); 3] {
    let (service, method) = call.names();
    [
        ("grpc_type", "unary"),
        ("grpc_service", service),
        ("grpc_method", method),
    ]
}

/// A code's name as Go's servers write it, since dashboards match on it.
fn code_name(code: i32) -> &'static str {
    match Code::from_i32(code) {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

/// The traffic with other members.
fn peers(sheet: &mut Sheet<'_>, counters: &Counters) -> fmt::Result {
    type Count = fn(&PeerCounters) -> u64;
    let families: [(&str, &str, &str, Count); 5] = [
        (
            "etcd_network_peer_sent_bytes",
            "Bytes to another member.",
            "To",
            |peer| peer.sent.iter().map(|kind| kind.bytes).sum(),
        ),
        (
            "etcd_network_peer_received_bytes",
            "Bytes from another member.",
            "From",
            |peer| peer.received.iter().map(|kind| kind.bytes).sum(),
        ),
        (
            "etcd_network_peer_sent_failures",
            "Messages to another member that were dropped.",
            "To",
            |peer| peer.dropped,
        ),
        (
            "spaxos_peer_sent_messages",
            "Messages to another member.",
            "To",
            |peer| peer.sent.iter().map(|kind| kind.messages).sum(),
        ),
        (
            "spaxos_peer_received_messages",
            "Messages from another member.",
            "From",
            |peer| peer.received.iter().map(|kind| kind.messages).sum(),
        ),
    ];
    for (name, help, label, count) in families {
        let mut family = sheet.open(name, help, MetricType::Counter)?;
        for peer in &counters.peers {
            let id = peer.id.to_string();
            let labels = [(label, id.as_str())];
            ConstCounter::new(count(peer)).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// The log, the intake and the process.
fn log_and_process(sheet: &mut Sheet<'_>, counters: &Counters) -> fmt::Result {
    let numbers = [
        ("spaxos_log_syncs", "Syncs of the log.", counters.syncs),
        (
            "spaxos_log_records",
            "Records appended to the log.",
            counters.log_records,
        ),
        (
            "spaxos_log_bytes",
            "Bytes written to the log.",
            counters.log_bytes,
        ),
        (
            "spaxos_requests",
            "Requests given to the node.",
            counters.requests,
        ),
        (
            "spaxos_chunks",
            "Chunks that requests were joined into.",
            counters.chunks,
        ),
    ];
    for (name, help, value) in numbers {
        sheet.counter(name, help, value)?;
    }
    sheet.gauge(
        "process_resident_memory_bytes",
        "Memory that the process holds.",
        process::resident_bytes(),
    )?;
    let cpu = ConstCounter::new(counters.cpu_seconds);
    let encoder = sheet.open(
        "process_cpu_seconds",
        "CPU time of the process.",
        MetricType::Counter,
    )?;
    cpu.encode(encoder)
}

/// Writes numbers one after the other.
struct Sheet<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Sheet<'_> {
    fn open<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        // The writer ends the sentence itself.
        let help = help.trim_end_matches('.');
        self.encoder.encode_descriptor(name, help, None, kind)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.open(name, help, MetricType::Gauge)?;
        ConstGauge::new(value).encode(encoder)
    }

    /// The writer adds `_total` to the name.
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.open(name, help, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    /// Something that is text, as the label of a one.
    fn label(&mut self, name: &str, help: &str, label: [(&str, &str); 1]) -> fmt::Result {
        let mut encoder = self.open(name, help, MetricType::Gauge)?;
        ConstGauge::new(1_u64).encode(encoder.encode_family(&label)?)
    }
}
