//! Revisions: what makes them grow, what headers tell, and what compaction leaves.

use tonic::Code;

use crate::harness::{Endpoint, Refusal, delete, put, range, success, txn, values};
use spaxos_etcd::proto::etcdserverpb as pb;

fn compacted() -> Refusal {
    let text = "etcdserver: mvcc: required revision has been compacted";
    (Code::OutOfRange, text.to_owned())
}

fn future() -> Refusal {
    let text = "etcdserver: mvcc: required revision is a future revision";
    (Code::OutOfRange, text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changes_something_makes_a_revision() {
    let endpoint = Endpoint::start().await;
    let empty = endpoint.range(range("a", "")).await;
    assert_eq!(endpoint.revision_of(empty.header), 1, "an empty store");
    assert_eq!(endpoint.put("a", "1").await, 2, "the first write");
    assert_eq!(endpoint.put("a", "1").await, 3, "the same value is a write");
    let none = endpoint.delete(delete("x", "")).await;
    assert_eq!((none.deleted, endpoint.revision_of(none.header)), (0, 3));
    let nothing = endpoint.txn(txn([], [])).await;
    assert!(nothing.succeeded, "no condition holds");
    assert_eq!(endpoint.revision_of(nothing.header), 3);
    let both = txn([], [success::put("b", "2"), success::put("c", "3")]);
    let both = endpoint.txn(both).await;
    assert_eq!(endpoint.revision_of(both.header), 4);
    let response = endpoint.range(range("b", "d")).await;
    let revisions = response.kvs.iter().map(|entry| entry.mod_revision);
    assert_eq!(revisions.collect::<Vec<_>>(), [4, 4], "one transaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_made_again_starts_anew() {
    let endpoint = Endpoint::start().await;
    endpoint.put("a", "1").await;
    endpoint.put("a", "2").await;
    let gone = endpoint.delete(delete("a", "")).await;
    assert_eq!((gone.deleted, endpoint.revision_of(gone.header)), (1, 4));
    endpoint.put("a", "3").await;
    let response = endpoint.range(range("a", "")).await;
    let entry = &response.kvs[0];
    assert_eq!(
        (entry.create_revision, entry.mod_revision, entry.version),
        (5, 5, 1)
    );
    assert_eq!(entry.lease, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_names_cluster_member_and_term() {
    let endpoint = Endpoint::start().await;
    let response: pb::PutResponse = endpoint
        .call("KV/Put", &put("a", "1"))
        .await
        .expect("a put");
    let header = response.header.expect("a header");
    assert_eq!((header.cluster_id, header.member_id), (0xC1, 0xA1));
    assert_eq!(header.revision, 2);
    assert!(header.raft_term > 0, "somebody leads");
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_keeps_its_revision_and_forgets_the_older() {
    let endpoint = Endpoint::start().await;
    for value in ["1", "2", "3", "4"] {
        endpoint.put("a", value).await;
    }
    assert_eq!(endpoint.compact(3).await, Ok(5), "the store's revision");
    let at = |revision| pb::RangeRequest {
        revision,
        ..range("a", "")
    };
    assert_eq!(values(&endpoint.range(at(3)).await), ["2"]);
    assert_eq!(endpoint.range_error(at(2)).await, compacted());
    assert_eq!(values(&endpoint.range(at(0)).await), ["4"]);
    assert_eq!(endpoint.compact(3).await, Err(compacted()), "the same");
    assert_eq!(endpoint.compact(2).await, Err(compacted()), "an older one");
    assert_eq!(endpoint.compact(0).await, Err(compacted()));
    assert_eq!(endpoint.compact(6).await, Err(future()));
    assert_eq!(endpoint.compact(5).await, Ok(5), "the present one");
    assert_eq!(values(&endpoint.range(at(5)).await), ["4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn compacting_nothing_at_zero_is_allowed_once_and_below_zero_never() {
    let endpoint = Endpoint::start().await;
    endpoint.put("a", "1").await;
    assert_eq!(endpoint.compact(-1).await, Err(compacted()));
    assert_eq!(endpoint.compact(0).await, Ok(2));
}
