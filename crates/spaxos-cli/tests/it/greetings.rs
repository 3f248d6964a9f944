//! What a real peer and a real client say first, cut short or with a byte changed: the connection is
//! closed, and the cluster goes on.

use std::process::Stdio;

use spaxos::{Client, ClientOptions};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::bad_input::{is_closed_after, is_unharmed};
use crate::cluster::{Cluster, SOON, elsewhere};

/// Connections at a time: fewer than a replica takes from peers.
const AT_ONCE: usize = 16;

/// The first bytes that somebody sends to `listener`.
async fn heard(listener: &TcpListener) -> Vec<u8> {
    let hear = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut bytes = vec![0; 4096];
        let length = stream.read(&mut bytes).await.expect("it speaks first");
        bytes.truncate(length);
        bytes
    };
    let bytes = tokio::time::timeout(SOON, hear)
        .await
        .expect("it speaks soon");
    assert!(bytes.len() > 16, "a greeting is longer than {bytes:?}");
    bytes
}

/// What a member of the cluster says to another.
async fn peer_greeting(cluster: &Cluster) -> Vec<u8> {
    let ear = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = ear.local_addr().expect("bound").port();
    let settings = cluster.settings(0);
    let members = settings.iter().find(|(name, _)| *name == "initial-cluster");
    let members = &members.expect("it is set").1;
    let real = format!("127.0.0.1:{}", cluster.peer_port(1));
    let mut instead = elsewhere();
    instead.push((
        "data-dir",
        cluster.dir().join("other").display().to_string(),
    ));
    instead.push((
        "initial-cluster",
        members.replace(&real, &format!("127.0.0.1:{port}")),
    ));
    let mut command = Command::from(cluster.command(0, &instead));
    command.stderr(Stdio::null()).kill_on_drop(true);
    let _member = command.spawn().expect("the program is there");
    heard(&ear).await
}

/// What a client of the native protocol says.
async fn client_greeting() -> Vec<u8> {
    let ear = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = ear.local_addr().expect("bound").to_string();
    let connecting = tokio::spawn(Client::connect([address], ClientOptions::default()));
    let bytes = heard(&ear).await;
    connecting.abort();
    bytes
}

/// Sends the greeting cut short at each length, and with each of its bytes changed.
async fn torture(port: u16, greeting: &[u8]) {
    let mut sent = JoinSet::new();
    for at in 0..greeting.len() {
        let short = greeting[..at].to_vec();
        let mut changed = greeting.to_vec();
        changed[at] ^= 0x04;
        if sent.len() >= AT_ONCE {
            sent.join_next()
                .await
                .expect("some run")
                .expect("it is closed");
        }
        sent.spawn(async move {
            is_closed_after(port, &short, true).await;
            is_closed_after(port, &changed, false).await;
        });
    }
    while let Some(done) = sent.join_next().await {
        done.expect("it is closed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_greetings_harm_nobody() {
    let mut cluster = Cluster::start().await;
    let of_peer = peer_greeting(&cluster).await;
    torture(cluster.peer_port(0), &of_peer).await;
    let of_client = client_greeting().await;
    torture(cluster.native_port(0), &of_client).await;
    // Each on the other's port, whole.
    is_closed_after(cluster.native_port(0), &of_peer, false).await;
    is_closed_after(cluster.peer_port(0), &of_client, false).await;
    is_unharmed(&mut cluster, "after broken greetings").await;
}
