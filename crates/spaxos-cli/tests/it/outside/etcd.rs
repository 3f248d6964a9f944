//! Operations in etcd's API.

use std::time::Duration;

use etcd_client::{
    Client, Compare, CompareOp, Error, GetOptions, GetResponse, ResponseHeader, Txn, TxnOp,
    TxnOpResponse,
};
use spaxos_sim::history::{Answer, Found, What};
use tokio::time::timeout;

use super::clients::{Outcome, number, value};

/// An operation without an answer by then is left, whatever becomes of it.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Asks the replica of `client`. What has no answer, or an error, may have been done or not.
pub(super) async fn ask(client: &mut Client, key: &str, what: What, ballast: &str) -> Outcome {
    let asking = try_to_ask(client, key, what, ballast);
    let answer = timeout(ANSWER_MAX, asking).await.ok().and_then(Result::ok);
    answer.map_or(Outcome::Unknown, Outcome::Answered)
}

async fn try_to_ask(
    client: &mut Client,
    key: &str,
    what: What,
    ballast: &str,
) -> Result<Answer, Error> {
    let text = |value: u64| format!("{value}{ballast}");
    match what {
        What::Put(value) => {
            let put = client.put(key, text(value), None).await?;
            Ok(answer(put.header(), true, None))
        }
        What::CompareAndPut { expected, value } => {
            let compare = match expected {
                Some(expected) => Compare::value(key, CompareOp::Equal, text(expected)),
                None => Compare::version(key, CompareOp::Equal, 0),
            };
            let txn = Txn::new()
                .when([compare])
                .and_then([TxnOp::put(key, text(value), None)])
                .or_else([TxnOp::get(key, None)]);
            let done = client.txn(txn).await?;
            let found = done
                .op_responses()
                .iter()
                .find_map(|response| match response {
                    TxnOpResponse::Get(got) => found(got),
                    _ => None,
                });
            Ok(answer(done.header(), done.succeeded(), found))
        }
        What::Delete => {
            let done = client.delete(key, None).await?;
            Ok(answer(done.header(), done.deleted() > 0, None))
        }
        What::Get | What::SerializableGet => {
            let serializable = what == What::SerializableGet;
            let options = serializable.then(|| GetOptions::new().with_serializable());
            let got = client.get(key, options).await?;
            Ok(answer(got.header(), false, found(&got)))
        }
    }
}

fn answer(header: Option<&ResponseHeader>, changed: bool, found: Option<Found>) -> Answer {
    let revision = header.expect("answers have headers").revision();
    Answer {
        returned_ns: 0,
        revision: number(revision),
        changed,
        found,
    }
}

fn found(got: &GetResponse) -> Option<Found> {
    got.kvs().first().map(|kv| Found {
        value: value(kv.value()),
        revision: number(kv.mod_revision()),
        version: number(kv.version()),
    })
}
