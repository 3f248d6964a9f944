//! What can be asked without gRPC: is the endpoint healthy, which version is it, what does it count,
//! and how does the replica stand.

use std::sync::Arc;

use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use crate::body::AnswerBody;
use crate::endpoint::Endpoint;
use crate::fault::Fault;
use crate::{scrape, status_json};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers a request that is not gRPC.
pub(crate) async fn answer(
    endpoint: &Arc<Endpoint>,
    method: &Method,
    path: &str,
    query: &str,
) -> Response<AnswerBody> {
    let known = matches!(
        path,
        "/health" | "/version" | "/metrics" | "/spaxos/v1/status"
    );
    if !known {
        return text(StatusCode::NOT_FOUND, TEXT, "404 page not found\n");
    }
    if *method != Method::GET {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, TEXT, "Method Not Allowed\n");
        let allow = HeaderValue::from_static("GET");
        refusal.headers_mut().insert(http::header::ALLOW, allow);
        return refusal;
    }
    match path {
        "/health" => health(endpoint, query).await,
        "/version" => text(StatusCode::OK, JSON, version(endpoint)),
        "/metrics" => text(StatusCode::OK, scrape::CONTENT_TYPE, scrape::text(endpoint)),
        _ => text(StatusCode::OK, JSON, status_json::text(endpoint)),
    }
}

/// Healthy is who has a leader and can read; with `serializable=true` who can read by itself.
async fn health(endpoint: &Endpoint, query: &str) -> Response<AnswerBody> {
    let serializable = query.split('&').any(|pair| pair == "serializable=true");
    let reason = if serializable {
        String::new()
    } else if !endpoint.has_leader() {
        "RAFT NO LEADER".to_owned()
    } else {
        match endpoint.catch_up().await {
            Ok(()) => String::new(),
            Err(fault) => range_error(&fault),
        }
    };
    let healthy = reason.is_empty();
    let body = json!({ "health": healthy.to_string(), "reason": reason });
    let status = if healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    text(status, JSON, body.to_string())
}

fn range_error(fault: &Fault) -> String {
    format!("RANGE ERROR:{}", fault.code_and_text().1)
}

/// The versions as etcd's clients expect them, and ours beside.
fn version(endpoint: &Endpoint) -> String {
    let info = &endpoint.info;
    json!({
        "etcdserver": info.etcd_version,
        "etcdcluster": info.etcd_cluster_version,
        "storage": info.etcd_cluster_version,
        "spaxos": info.version,
    })
    .to_string()
}

fn text(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<bytes::Bytes>,
) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(body.into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, content_type);
    response
}
