//! The client library that Rust programs use, unchanged.

use etcd_client::{
    Client, Compare, CompareOp, DeleteOptions, Error, GetOptions, PutOptions, SortOrder,
    SortTarget, Txn, TxnOp,
};

use crate::harness::Endpoint;

async fn connect(endpoint: &Endpoint) -> Client {
    let url = endpoint.address.to_string();
    Client::connect([url], None).await.expect("a connection")
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_can_be_written_read_and_deleted() {
    let endpoint = Endpoint::start().await;
    let mut client = connect(&endpoint).await;
    for (key, value) in [("k/1", "b"), ("k/2", "a"), ("l", "c")] {
        client.put(key, value, None).await.expect("a put");
    }
    let previous = Some(PutOptions::new().with_prev_key());
    let response = client.put("l", "d", previous).await.expect("a put");
    assert_eq!(response.prev_key().expect("before").value(), b"c");
    let sorted = GetOptions::new()
        .with_prefix()
        .with_sort(SortTarget::Value, SortOrder::Ascend);
    let response = client.get("k/", Some(sorted)).await.expect("a range");
    let keys: Vec<_> = response.kvs().iter().map(|entry| entry.key()).collect();
    assert_eq!(keys, [b"k/2", b"k/1"]);
    assert_eq!(response.header().expect("a header").revision(), 5);
    let prefix = DeleteOptions::new().with_prefix();
    let response = client.delete("k/", Some(prefix)).await.expect("a delete");
    assert_eq!(response.deleted(), 2);
    let all = GetOptions::new().with_all_keys().with_count_only();
    let response = client.get("", Some(all)).await.expect("a count");
    assert_eq!(response.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_creates_a_key_once() {
    let endpoint = Endpoint::start().await;
    let mut client = connect(&endpoint).await;
    let create = || {
        Txn::new()
            .when([Compare::create_revision("k", CompareOp::Equal, 0)])
            .and_then([TxnOp::put("k", "mine", None)])
            .or_else([TxnOp::get("k", None)])
    };
    let first = client.txn(create()).await.expect("a transaction");
    assert!(first.succeeded());
    let second = client.txn(create()).await.expect("a transaction");
    assert!(!second.succeeded());
    assert_eq!(second.op_responses().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_members_and_what_is_missing() {
    let endpoint = Endpoint::start().await;
    let mut client = connect(&endpoint).await;
    let status = client.status().await.expect("a status");
    assert_eq!(status.leader(), 0xA1);
    let members = client.member_list().await.expect("a list");
    assert_eq!(members.members().len(), 1);
    client.put("a", "1", None).await.expect("a put");
    client.compact(2, None).await.expect("a compaction");
    match client.compact(2, None).await {
        Err(Error::GRpcStatus(status)) => {
            let words = "etcdserver: mvcc: required revision has been compacted";
            assert_eq!(status.message(), words);
        }
        other => panic!("a second compaction is refused: {other:?}"),
    }
    match client.lease_grant(10, None).await {
        Err(Error::GRpcStatus(status)) => {
            assert_eq!(status.code(), tonic::Code::Unimplemented);
        }
        other => panic!("leases are not served yet: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_one_connection() {
    let endpoint = Endpoint::start().await;
    let client = connect(&endpoint).await;
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..32 {
        let mut client = client.kv_client();
        callers.spawn(async move {
            for n in 0..8 {
                let key = format!("{caller}/{n}");
                client.put(key, vec![b'v'; 512], None).await.expect("a put");
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.expect("a caller ends well");
    }
    let mut client = client.kv_client();
    let all = GetOptions::new().with_all_keys();
    let response = client.get("", Some(all)).await.expect("a range");
    assert_eq!(response.count(), 256);
    assert_eq!(response.header().expect("a header").revision(), 257);
}
