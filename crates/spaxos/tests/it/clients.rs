//! The native protocol: sessions, failover, many requests at once.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use spaxos::Consistency::Linearizable;
use spaxos::{Client, ClientError, ClientOptions, ConnectError};

use crate::cluster::{CLUSTER_ID, Cluster, command};

pub(crate) async fn client(cluster: &Cluster, first: usize) -> Client {
    let mut addresses: Vec<String> = cluster.clients.iter().map(ToString::to_string).collect();
    addresses.rotate_left(first);
    let options = ClientOptions {
        cluster_id: CLUSTER_ID,
        response_timeout: Duration::from_millis(500),
        ..ClientOptions::default()
    };
    let connected = Client::connect(addresses, options).await;
    connected.expect("a member answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_submits_and_reads_at_any_replica() {
    let cluster = Cluster::start(3).await;
    for at in 0..3 {
        let client = client(&cluster, at).await;
        let reply = client.submit(command(&format!("c{at}"))).await;
        assert_eq!(
            reply.expect("executed").bytes,
            (at as u64 + 1).to_le_bytes()[..]
        );
        let status = client.status().await.expect("answered");
        assert_eq!(status.id.0, at as u64 + 1);
    }
    let read = client(&cluster, 1)
        .await
        .read(Bytes::new(), Linearizable)
        .await;
    assert_eq!(read.expect("answered").bytes, b"c0 c1 c2"[..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_at_once_are_answered_each() {
    let cluster = Cluster::start(3).await;
    let client = client(&cluster, 2).await;
    let commands = (0..20_000).map(|n| command(&format!("{n}"))).collect();
    let outcomes = client.submit_many(commands).await;
    let answers: BTreeSet<Bytes> = outcomes
        .into_iter()
        .map(|outcome| outcome.expect("executed").bytes)
        .collect();
    assert_eq!(
        answers.len(),
        20_000,
        "each answer is another length of the list"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_executed_once_though_its_replica_goes_away() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let client = client(&cluster, leader).await;
    let mut answers = Vec::new();
    for round in 0..20 {
        let pending: Vec<_> = (0..50)
            .map(|n| {
                let client = client.clone();
                let command = command(&format!("{round}.{n}"));
                tokio::spawn(async move { client.submit(command).await })
            })
            .collect();
        if round == 10 {
            cluster.kill(leader).await;
        }
        for pending in pending {
            let answer = pending.await.expect("no panic").expect("executed");
            answers.push(answer.bytes);
        }
    }
    let distinct: BTreeSet<_> = answers.iter().collect();
    assert_eq!(distinct.len(), 1000, "no answer twice");
    let read = client
        .read(Bytes::new(), Linearizable)
        .await
        .expect("answered");
    let executed: Vec<_> = read.bytes.split(|byte| *byte == b' ').collect();
    let distinct: BTreeSet<_> = executed.iter().collect();
    assert_eq!((executed.len(), distinct.len()), (1000, 1000), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_session_is_told_so() {
    let cluster = Cluster::start_with(1, |options| {
        options.session_limits.idle_ns_max = 100_000_000;
    })
    .await;
    let client = client(&cluster, 0).await;
    client.submit(command("first")).await.expect("executed");
    let other = Client::connect([cluster.clients[0].to_string()], ClientOptions::default());
    let other = other.await.expect("connected");
    // Log time moves with requests, and an idle cluster's clock moves to the next expiry.
    let expired = loop {
        tokio::time::sleep(Duration::from_millis(150)).await;
        match client.submit(command("again")).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(expired, ClientError::SessionExpired);
    client
        .submit(command("anew"))
        .await
        .expect("in a new session");
    drop(other);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_is_not_talked_to() {
    let cluster = Cluster::start(1).await;
    let options = ClientOptions {
        cluster_id: 1,
        ..ClientOptions::default()
    };
    let address = cluster.clients[0].to_string();
    let refused = Client::connect([address], options).await;
    assert!(
        matches!(refused, Err(ConnectError::Refused(_))),
        "{refused:?}"
    );
}
