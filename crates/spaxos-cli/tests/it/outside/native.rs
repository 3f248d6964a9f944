//! Operations in the native protocol: in a session, sent again to other replicas until there is an
//! answer, and still to be done once.

use std::time::Duration;

use spaxos::{Client, ClientError, ClientOptions, Consistency};
use spaxos_kv::request::{
    Compare, CompareResult, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp,
    TxnRequest,
};
use spaxos_kv::response::{KeyValue, RangeResponse, Response, ResponseOp};
use spaxos_kv::{Command, Query, command, query, reply};
use spaxos_sim::history::{Answer, Found, What};

use super::clients::{Outcome, number, value};

/// A client in a session, of the first of `addresses` that answers, once one does: the faults may have
/// begun already.
pub(super) async fn connect(addresses: &[String]) -> Client {
    let options = ClientOptions {
        // Shorter than usual, so that much is sent twice.
        response_timeout: Duration::from_millis(300),
        give_up_after: Duration::from_secs(5),
        ..ClientOptions::default()
    };
    loop {
        let connecting = Client::connect(addresses.iter().cloned(), options.clone());
        if let Ok(client) = connecting.await {
            return client;
        }
    }
}

/// Asks until there is an answer, or it was too long.
pub(super) async fn ask(client: &Client, key: &str, what: What, ballast: &str) -> Outcome {
    let done = match what {
        What::Get => read(client, key, Consistency::Linearizable).await,
        What::SerializableGet => read(client, key, Consistency::Serializable).await,
        What::Put(value) => {
            let put = put(key, value, ballast);
            submit(client, &Command::Put(put)).await
        }
        What::CompareAndPut { expected, value } => {
            let txn = compare_and_put(key, expected, value, ballast);
            submit(client, &Command::Txn(txn)).await
        }
        What::Delete => {
            let delete = DeleteRangeRequest {
                key: key.to_owned().into(),
                ..DeleteRangeRequest::default()
            };
            submit(client, &Command::DeleteRange(delete)).await
        }
    };
    match done {
        Ok(response) => Outcome::Answered(answer(&response)),
        Err(ClientError::Unknown | ClientError::SessionExpired | ClientError::Closed) => {
            Outcome::Unknown
        }
        Err(_) => Outcome::NotDone,
    }
}

async fn submit(client: &Client, command: &Command) -> Result<Response, ClientError> {
    let mut bytes = Vec::new();
    command::encode(command, &mut bytes);
    let replied = client.submit(bytes.into()).await?;
    Ok(response(&replied))
}

async fn read(
    client: &Client,
    key: &str,
    consistency: Consistency,
) -> Result<Response, ClientError> {
    let mut bytes = Vec::new();
    query::encode(&Query::Range(range(key)), &mut bytes);
    let replied = client.read(bytes.into(), consistency).await?;
    Ok(response(&replied))
}

fn response(replied: &spaxos::Reply) -> Response {
    let reply = reply::decode(&replied.bytes).expect("replies can be read");
    reply.expect("nothing is wrong with the request")
}

fn range(key: &str) -> RangeRequest {
    RangeRequest {
        key: key.to_owned().into(),
        ..RangeRequest::default()
    }
}

fn put(key: &str, value: u64, ballast: &str) -> PutRequest {
    PutRequest {
        key: key.to_owned().into(),
        value: format!("{value}{ballast}").into(),
        ..PutRequest::default()
    }
}

fn compare_and_put(key: &str, expected: Option<u64>, value: u64, ballast: &str) -> TxnRequest {
    let target = match expected {
        Some(expected) => CompareTarget::Value(format!("{expected}{ballast}").into()),
        None => CompareTarget::Version(0),
    };
    let compare = Compare {
        result: CompareResult::Equal,
        target,
        key: key.to_owned().into(),
        ..Compare::default()
    };
    TxnRequest {
        compare: vec![compare],
        success: vec![RequestOp::Put(put(key, value, ballast))],
        failure: vec![RequestOp::Range(range(key))],
    }
}

/// What a response says, all but the time.
fn answer(response: &Response) -> Answer {
    let (revision, changed, found) = match response {
        Response::Put(put) => (put.revision, true, None),
        Response::DeleteRange(done) => (done.revision, done.deleted > 0, None),
        Response::Range(got) => (got.revision, false, found(got)),
        Response::Txn(done) => {
            let got = done.responses.iter().find_map(|response| match response {
                ResponseOp::Range(got) => found(got),
                _ => None,
            });
            (done.revision, done.succeeded, got)
        }
        other => panic!("nobody asked for {other:?}"),
    };
    Answer {
        returned_ns: 0,
        revision: number(revision),
        changed,
        found,
    }
}

fn found(got: &RangeResponse) -> Option<Found> {
    let entry = |kv: &KeyValue| Found {
        value: value(&kv.value),
        revision: number(kv.mod_revision),
        version: number(kv.version),
    };
    got.kvs.first().map(entry)
}
