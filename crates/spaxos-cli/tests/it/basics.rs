//! The key-value API across replicas: what is written through one is read through the others.

use etcd_client::{
    Client, Compare, CompareOp, DeleteOptions, GetOptions, Txn, TxnOp, TxnOpResponse,
};

use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_takes_the_others_have() {
    let mut cluster = Cluster::start().await;
    let mut clients = Vec::new();
    for at in 0..3 {
        clients.push(cluster.client(at).await);
    }
    put_and_get(&mut clients).await;
    delete_a_prefix(&mut clients).await;
    decide_in_a_transaction(&mut clients).await;
    compact(&mut clients).await;
    for at in 0..3 {
        assert!(cluster.is_running(at));
        cluster.stop(at).await;
    }
}

async fn put_and_get(clients: &mut [Client]) {
    for writer in 0..3 {
        for reader in 0..3 {
            let key = format!("from-{writer}-to-{reader}");
            let put = clients[writer]
                .put(key.clone(), "v", None)
                .await
                .expect("written");
            let revision = put.header().expect("a header").revision();
            let got = clients[reader].get(key, None).await.expect("read");
            assert_eq!(got.kvs().len(), 1);
            assert_eq!(got.kvs()[0].mod_revision(), revision);
            assert_eq!(got.kvs()[0].value(), b"v");
        }
    }
}

async fn delete_a_prefix(clients: &mut [Client]) {
    let prefix = DeleteOptions::new().with_prefix();
    let deleted = clients[1]
        .delete("from-1", Some(prefix))
        .await
        .expect("deleted");
    assert_eq!(deleted.deleted(), 3);
    let all = GetOptions::new().with_prefix().with_count_only();
    let left = clients[2].get("from-", Some(all)).await.expect("read");
    assert_eq!(left.count(), 6);
}

async fn decide_in_a_transaction(clients: &mut [Client]) {
    let txn = |value: &str| {
        Txn::new()
            .when([Compare::create_revision("lock", CompareOp::Equal, 0)])
            .and_then([TxnOp::put("lock", value, None)])
            .or_else([TxnOp::get("lock", None)])
    };
    let first = clients[0].txn(txn("first")).await.expect("decided");
    assert!(first.succeeded());
    let second = clients[1].txn(txn("second")).await.expect("decided");
    assert!(!second.succeeded());
    match second.op_responses().first() {
        Some(TxnOpResponse::Get(got)) => assert_eq!(got.kvs()[0].value(), b"first"),
        other => panic!("no answer to the get: {other:?}"),
    }
}

async fn compact(clients: &mut [Client]) {
    let put = clients[0].put("k", "new", None).await.expect("written");
    let revision = put.header().expect("a header").revision();
    clients[2].compact(revision, None).await.expect("compacted");
    let at = |revision| Some(GetOptions::new().with_revision(revision));
    let kept = clients[1]
        .get("k", at(revision))
        .await
        .expect("still there");
    assert_eq!(kept.kvs()[0].value(), b"new");
    let gone = clients[1]
        .get("k", at(revision - 1))
        .await
        .expect_err("gone");
    let text = gone.to_string();
    assert!(
        text.contains("etcdserver: mvcc: required revision has been compacted"),
        "{text}"
    );
}
