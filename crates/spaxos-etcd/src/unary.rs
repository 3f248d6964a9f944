//! A gRPC call with one request and one answer, from its headers to its outcome.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Code;

use crate::body::AnswerBody;
use crate::budget::Taken;
use crate::call::Call;
use crate::endpoint::Endpoint;
use crate::fault::Fault;
use crate::grpc::{self, answer, decode};
use crate::{kv, maintenance, metadata};

/// Answers one call.
pub(crate) async fn respond(
    endpoint: &Endpoint,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let call = match Call::from_path(request.uri().path()) {
        Ok(call) => call,
        Err(fault) => {
            endpoint.metrics.unknown_methods.fetch_add(1, Relaxed);
            return grpc::failure(&fault);
        }
    };
    let started = endpoint.metrics.start(call);
    match attempt(endpoint, call, request).await {
        Ok(response) => {
            started.finish(Code::Ok);
            response
        }
        Err(fault) => {
            started.finish(fault.code_and_text().0);
            grpc::failure(&fault)
        }
    }
}

async fn attempt(
    endpoint: &Endpoint,
    call: Call,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Fault> {
    metadata::check(request.headers(), || endpoint.has_leader())?;
    let (message, _in_use) = read(endpoint, request).await?;
    let bytes = message.len();
    match call {
        Call::Range => answer(&kv::range(endpoint, decode(message)?).await?),
        Call::Put => answer(&kv::put(endpoint, decode(message)?, bytes).await?),
        Call::DeleteRange => answer(&kv::delete_range(endpoint, decode(message)?, bytes).await?),
        Call::Txn => answer(&kv::txn(endpoint, decode(message)?, bytes).await?),
        Call::Compact => answer(&kv::compact(endpoint, decode(message)?, bytes).await?),
        Call::Status => answer(&maintenance::status(endpoint)),
        Call::MemberList => answer(&maintenance::member_list(endpoint, decode(message)?).await?),
    }
}

/// Reads the message, which has to arrive in time and to have room.
async fn read(
    endpoint: &Endpoint,
    request: Request<Incoming>,
) -> Result<(Bytes, Taken<'_>), Fault> {
    let limits = grpc::ReadLimits {
        bytes_max: endpoint.info.limits.message_bytes_max(),
        budget: &endpoint.budget,
    };
    let (head, body) = request.into_parts();
    let reading = grpc::read_message(&head.headers, body, limits);
    match tokio::time::timeout(endpoint.info.limits.body_timeout, reading).await {
        Ok(read) => read,
        Err(_elapsed) => Err(Fault::SlowClient),
    }
}
