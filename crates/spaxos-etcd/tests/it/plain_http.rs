//! The same port without gRPC.

use serde_json::Value;

use crate::harness::{Endpoint, range};

const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_a_leader_is_healthy() {
    let endpoint = Endpoint::start().await;
    for path in [
        "/health",
        "/health?serializable=true",
        "/health?exclude=NOSPACE",
    ] {
        let (status, content_type, body) = endpoint.get(path).await;
        assert_eq!((status, content_type.as_str()), (200, JSON), "{path}");
        assert_eq!(body, r#"{"health":"true","reason":""}"#, "{path}");
    }
    let (status, _, _) = endpoint.plain("POST", "/health").await;
    assert_eq!(status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_without_a_leader_is_not() {
    let endpoint = Endpoint::start_alone().await;
    let (status, _, body) = endpoint.get("/health").await;
    assert_eq!(status, 503);
    assert_eq!(body, r#"{"health":"false","reason":"RAFT NO LEADER"}"#);
    let (status, _, _) = endpoint.get("/health?serializable=true").await;
    assert_eq!(status, 200, "by itself it can answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_is_one_of_etcds_with_ours_beside() {
    let endpoint = Endpoint::start().await;
    let (status, content_type, body) = endpoint.get("/version").await;
    assert_eq!((status, content_type.as_str()), (200, JSON));
    let version: Value = serde_json::from_str(&body).expect("JSON");
    for key in ["etcdserver", "etcdcluster", "storage"] {
        let text = version[key].as_str().expect("text");
        let parts: Vec<_> = text.split('.').map(str::parse::<u32>).collect();
        assert!(
            parts.len() == 3 && parts.iter().all(Result::is_ok),
            "{text}"
        );
        assert!(text.starts_with("3.6."), "{text}");
    }
    assert!(version["spaxos"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_there_under_etcds_names() {
    let endpoint = Endpoint::start().await;
    endpoint.put("a", "1").await;
    endpoint.range_error(range("", "")).await;
    let (status, content_type, body) = endpoint.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(
        content_type.starts_with("application/openmetrics-text"),
        "{content_type}"
    );
    let kv = r#"{grpc_type="unary",grpc_service="etcdserverpb.KV",grpc_method="#;
    let put = format!(r#"grpc_server_handled_total{kv}"Put",grpc_code="OK"}} 1"#);
    let range = format!(r#"grpc_server_handled_total{kv}"Range",grpc_code="InvalidArgument"}} 1"#);
    let started = format!(r#"grpc_server_started_total{kv}"Put"}} 1"#);
    let handling = format!(r#"grpc_server_handling_seconds_count{kv}"Put"}} 1"#);
    let bucket = "grpc_server_handling_seconds_bucket{le=\"+Inf\",";
    let infinite = format!("{bucket}{}\"Put\"}} 1", &kv[1..]);
    let lines = [
        "etcd_server_has_leader 1",
        "etcd_server_is_leader 1",
        "etcd_server_proposals_pending 0",
        "etcd_server_proposals_failed_total 0",
        "etcd_debugging_mvcc_keys_total 1",
        "etcd_debugging_mvcc_current_revision 2",
        r#"etcd_cluster_version{cluster_version="3.6.0"} 1"#,
        put.as_str(),
        range.as_str(),
        started.as_str(),
        handling.as_str(),
        infinite.as_str(),
        "# EOF",
    ];
    for line in lines {
        assert!(
            body.lines().any(|present| present == line),
            "{line}\nin\n{body}"
        );
    }
    let names = [
        "etcd_server_leader_changes_seen_total",
        "etcd_server_proposals_committed_total",
        "etcd_server_proposals_applied_total",
        "etcd_mvcc_db_total_size_in_bytes",
        "etcd_mvcc_db_total_size_in_use_in_bytes",
        "etcd_network_client_grpc_received_bytes_total",
        "etcd_network_client_grpc_sent_bytes_total",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "spaxos_ballot_round",
    ];
    for name in names {
        let line = body
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("{name} in\n{body}"));
        let value = line
            .rsplit(' ')
            .next()
            .and_then(|value| value.parse::<f64>().ok());
        assert!(value.is_some_and(|value| value >= 0.0), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_how_the_replica_stands() {
    let endpoint = Endpoint::start().await;
    endpoint.put("a", "1").await;
    let (status, content_type, body) = endpoint.get("/spaxos/v1/status").await;
    assert_eq!((status, content_type.as_str()), (200, JSON));
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["id"], 1);
    assert_eq!(body["member_id"], 0xA1);
    assert_eq!(body["name"], "a");
    assert_eq!(body["role"], "leader");
    assert_eq!(body["leader"], 1);
    assert_eq!(body["revision"], 2);
    let numbers = [
        "decided",
        "executed",
        "applied",
        "lag",
        "bytes_in",
        "bytes_out",
        "messages_in",
        "messages_out",
        "cpu_seconds",
        "log_bytes",
    ];
    for key in numbers {
        assert!(body[key].is_number(), "{key} in {body}");
    }
    assert!(body["ballot"].is_string() && body["held"].is_array());
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_nothing_else() {
    let endpoint = Endpoint::start().await;
    for path in ["/", "/v3/kv/range", "/healthz", "/version/"] {
        let (status, _, _) = endpoint.get(path).await;
        assert_eq!(status, 404, "{path}");
    }
    let (status, _, _) = endpoint.plain("POST", "/etcdserverpb.KV/Range").await;
    assert_eq!(status, 404, "gRPC needs HTTP/2");
}
