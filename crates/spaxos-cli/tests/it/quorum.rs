//! Without a majority: writes and linearizable reads end in etcd's error, serializable reads answer,
//! and with one replica more all goes on by itself.

use std::time::{Duration, Instant};

use etcd_client::{Client, Error, GetOptions};

use crate::cluster::{Cluster, until};

/// etcd's: five seconds and two election timeouts.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(7);

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_down() {
    let mut cluster = Cluster::start().await;
    let mut client = cluster.client(0).await;
    client.put("k", "v", None).await.expect("written");
    cluster.kill(1);
    cluster.kill(2);

    let begun = Instant::now();
    let (mut writer, mut reader) = (client.clone(), client.clone());
    let writing = async {
        let error = writer
            .put("k", "lonely", None)
            .await
            .expect_err("no majority");
        (error, begun.elapsed())
    };
    let reading = async {
        let error = reader.get("k", None).await.expect_err("no majority");
        (error, begun.elapsed())
    };
    let (write, read) = tokio::join!(writing, reading);
    for (error, elapsed) in [write, read] {
        must_be_timed_out(&error);
        let late = elapsed.abs_diff(REQUEST_TIMEOUT);
        assert!(late < Duration::from_secs(2), "answered after {elapsed:?}");
    }
    let serializable = Some(GetOptions::new().with_serializable());
    let local = client.get("k", serializable).await.expect("needs nobody");
    assert_eq!(local.kvs()[0].value(), b"v");

    cluster.start_replica(1);
    cluster.wait_until_ready(&[0, 1]).await;
    client
        .put("k", "again", None)
        .await
        .expect("a majority is there");
    let mut other = cluster.client(1).await;
    until("the other reads it", async || {
        reads(&mut other, "again").await
    })
    .await;
    assert!(cluster.is_running(0), "the survivor was never restarted");
}

async fn reads(client: &mut Client, value: &str) -> Option<()> {
    let got = client.get("k", None).await.ok()?;
    (got.kvs().first()?.value() == value.as_bytes()).then_some(())
}

fn must_be_timed_out(error: &Error) {
    let Error::GRpcStatus(status) = error else {
        panic!("not an answer of the server: {error}");
    };
    assert_eq!(status.code() as i32, 14, "Unavailable: {status}");
    assert_eq!(status.message(), "etcdserver: request timed out");
}
