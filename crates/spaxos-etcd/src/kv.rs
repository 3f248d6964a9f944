//! The KV service. `bytes` is the length of a request as it came, which is what etcd limits for
//! requests that go through the log.

use spaxos_kv as kv;

use crate::endpoint::Endpoint;
use crate::fault::Fault;
use crate::proto::etcdserverpb as pb;
use crate::translate;

/// Reads the keys of a range.
pub(crate) async fn range(
    endpoint: &Endpoint,
    request: pb::RangeRequest,
) -> Result<pb::RangeResponse, Fault> {
    let request = translate::range(request);
    kv::validate_range(&request)?;
    if !request.serializable {
        endpoint.catch_up().await?;
    }
    let response = endpoint.machine().read().range(&request)?;
    let header = endpoint.header(response.revision);
    Ok(translate::range_response(header, response))
}

/// Writes one key.
pub(crate) async fn put(
    endpoint: &Endpoint,
    request: pb::PutRequest,
    bytes: usize,
) -> Result<pb::PutResponse, Fault> {
    let command = kv::Command::Put(translate::put(request));
    match submit(endpoint, command, bytes).await? {
        kv::Response::Put(response) => {
            let header = endpoint.header(response.revision);
            Ok(translate::put_response(header, response))
        }
        _ => Err(Fault::BadReply),
    }
}

/// Deletes the keys of a range.
pub(crate) async fn delete_range(
    endpoint: &Endpoint,
    request: pb::DeleteRangeRequest,
    bytes: usize,
) -> Result<pb::DeleteRangeResponse, Fault> {
    let command = kv::Command::DeleteRange(translate::delete_range(request));
    match submit(endpoint, command, bytes).await? {
        kv::Response::DeleteRange(response) => {
            let header = endpoint.header(response.revision);
            Ok(translate::delete_response(header, response))
        }
        _ => Err(Fault::BadReply),
    }
}

/// Compares, and then does one of two lists of operations. One that only reads is a read.
pub(crate) async fn txn(
    endpoint: &Endpoint,
    request: pb::TxnRequest,
    bytes: usize,
) -> Result<pb::TxnResponse, Fault> {
    let request = translate::txn(request);
    let response = if request.is_read_only() {
        kv::validate_txn(&request, endpoint.machine().limits())?;
        read_only_txn(endpoint, &request).await?
    } else {
        match submit(endpoint, kv::Command::Txn(request), bytes).await? {
            kv::Response::Txn(response) => response,
            _ => return Err(Fault::BadReply),
        }
    };
    let header = endpoint.header(response.revision);
    Ok(translate::txn_response(header, response))
}

/// Forgets the history before a revision.
pub(crate) async fn compact(
    endpoint: &Endpoint,
    request: pb::CompactionRequest,
    bytes: usize,
) -> Result<pb::CompactionResponse, Fault> {
    let command = kv::Command::Compact(translate::compaction(request));
    match submit(endpoint, command, bytes).await? {
        kv::Response::Compact(response) => Ok(pb::CompactionResponse {
            header: endpoint.header(response.revision),
        }),
        _ => Err(Fault::BadReply),
    }
}

async fn read_only_txn(
    endpoint: &Endpoint,
    request: &kv::TxnRequest,
) -> Result<kv::TxnResponse, Fault> {
    if !is_serializable(request) {
        endpoint.catch_up().await?;
    }
    Ok(endpoint.machine().read().txn_read_only(request)?)
}

/// Whether every range of a transaction that only reads may be answered from what this member has.
fn is_serializable(request: &kv::TxnRequest) -> bool {
    let mut operations = request.success.iter().chain(&request.failure);
    operations.all(|operation| match operation {
        kv::RequestOp::Range(range) => range.serializable,
        _ => false,
    })
}

/// Refuses what can be refused without the store, so that it costs no place in the log; the rest is
/// ordered, executed and answered.
async fn submit(
    endpoint: &Endpoint,
    command: kv::Command,
    bytes: usize,
) -> Result<kv::Response, Fault> {
    kv::validate_command(&command, endpoint.machine().limits())?;
    if bytes > endpoint.info.limits.request_bytes_max {
        return Err(Fault::TooLarge);
    }
    endpoint.submit(&command).await
}
