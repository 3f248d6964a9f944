//! Garbage on every port, and processes that are not who they say: a closed connection or a clear
//! error each time, and the cluster goes on.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::cluster::{Cluster, SOON, client, complaint, elsewhere, output, until};

/// No connection that says nonsense, or nothing, may stand longer.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

/// Sends `bytes` and waits until the other side closes. Whether it answers first is its affair.
pub(crate) async fn is_closed_after(port: u16, bytes: &[u8], then_end: bool) {
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("it listens");
    // It may close before all is written.
    let _ = stream.write_all(bytes).await;
    if then_end {
        let _ = stream.shutdown().await;
    }
    let begun = Instant::now();
    let mut sink = Vec::new();
    let end = tokio::time::timeout(CLOSED_WITHIN, stream.read_to_end(&mut sink)).await;
    let head = &bytes[..bytes.len().min(16)];
    assert!(
        end.is_ok(),
        "port {port} listens to {head:?} for {:?}",
        begun.elapsed()
    );
}

/// Numbers that look like noise, the same each time.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..count).map(next).collect()
}

/// What nobody sane sends.
fn nonsense() -> Vec<Vec<u8>> {
    let oversized = |length: u32| {
        let mut frame = length.to_le_bytes().to_vec();
        frame.extend(noise(7, 64));
        frame
    };
    let mut all = vec![
        Vec::new(),
        vec![0],
        vec![0; 64],
        vec![0xFF; 4096],
        oversized(u32::MAX),
        oversized(1 << 30),
        u32::MAX.to_be_bytes().to_vec(),
        b"GET / HTTP/1.1\r\n".to_vec(),
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), noise(9, 512)].concat(),
        [b"GET /".to_vec(), vec![b'a'; 1 << 20]].concat(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
    ];
    all.extend((0..20).map(|seed| noise(seed, 16 << (seed % 8))));
    all
}

pub(crate) async fn is_unharmed(cluster: &mut Cluster, value: &str) {
    for at in 0..3 {
        assert!(cluster.is_running(at), "{}", cluster.log_text(at));
        let mut client = cluster.client(at).await;
        client
            .put(format!("k{at}"), value, None)
            .await
            .expect("written");
    }
    for at in 0..3 {
        let mut client = cluster.client((at + 1) % 3).await;
        let got = client.get(format!("k{at}"), None).await.expect("read");
        assert_eq!(got.kvs()[0].value(), value.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_on_any_port_harms_nobody() {
    let mut cluster = Cluster::start().await;
    let ports = [
        cluster.client_port(0),
        cluster.peer_port(0),
        cluster.native_port(0),
    ];
    let mut sent = tokio::task::JoinSet::new();
    for bytes in nonsense() {
        for port in ports {
            let bytes = bytes.clone();
            // Some say all they have to say, some fall silent in the middle of a frame.
            sent.spawn(async move {
                is_closed_after(port, &bytes, true).await;
                is_closed_after(port, &bytes, false).await;
            });
        }
    }
    while let Some(done) = sent.join_next().await {
        done.expect("every connection is closed");
    }
    is_unharmed(&mut cluster, "after nonsense").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_with_the_same_directory_is_refused() {
    let mut cluster = Cluster::start().await;
    let output = output(cluster.command(0, &elsewhere()));
    let said = complaint(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("in use") || said.contains("locked"), "{said}");
    is_unharmed(&mut cluster, "after a second process").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_another_member_or_cluster_is_refused() {
    let mut cluster = Cluster::start().await;
    cluster.stop(0).await;
    let mine = cluster.data_dir(0).display().to_string();
    let of_another = cluster.command(1, &with(&[("data-dir", mine.clone())]));
    let token = [("initial-cluster-token", "other".to_owned())];
    let of_another_cluster = cluster.command(0, &with(&token));
    for command in [of_another, of_another_cluster] {
        let output = output(command);
        let said = complaint(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&mine), "it names the directory: {said}");
    }
    cluster.start_replica(0);
    cluster.wait_until_ready(&[0, 1, 2]).await;
    is_unharmed(&mut cluster, "after mistaken directories").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_with_the_same_member_id_gets_nowhere() {
    let mut cluster = Cluster::start().await;
    let empty = cluster.dir().join("impostor").display().to_string();
    let instead = with(&[("data-dir", empty)]);
    gets_nowhere(&cluster, &instead, true).await;
    is_unharmed(&mut cluster, "after an impostor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_another_cluster_gets_nowhere() {
    let mut cluster = Cluster::start().await;
    let empty = cluster.dir().join("stranger").display().to_string();
    let token = ("initial-cluster-token", "other".to_owned());
    gets_nowhere(&cluster, &with(&[("data-dir", empty), token]), false).await;
    is_unharmed(&mut cluster, "after a stranger").await;
}

/// Starts a process in the place of the first replica. It must say what is wrong, end by itself if
/// `ends`, and never have a write executed.
async fn gets_nowhere(cluster: &Cluster, instead: &[(&'static str, String)], ends: bool) {
    let endpoint = instead
        .iter()
        .find(|(name, _)| *name == "listen-client-urls");
    let endpoint = &endpoint.expect("it listens elsewhere").1;
    let log = cluster.dir().join("impostor.log");
    let mut command = Command::from(cluster.command(0, instead));
    command
        .arg("--stop-with-stdin")
        .stdin(Stdio::piped())
        .kill_on_drop(true);
    command.stderr(File::create(&log).expect("the log can be written"));
    let mut impostor = command.spawn().expect("the program is there");
    let stdin = impostor.stdin.take();
    let said = until("it says what is wrong", async || {
        let mut hopeful = client(endpoint).await;
        let put = hopeful.put("k0", "from an impostor", None);
        let put = tokio::time::timeout(Duration::from_secs(1), put).await;
        assert!(!matches!(put, Ok(Ok(_))), "it was let in");
        let ended = impostor.try_wait().expect("waited");
        if ends && ended?.success() {
            panic!("it ended as if all were well");
        }
        let said = fs::read_to_string(&log).expect("the log can be read");
        (!said.is_empty()).then_some(said)
    })
    .await;
    drop(stdin);
    assert!(said.contains("refused"), "{said}");
}

fn with(settings: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let mut all = elsewhere();
    all.extend_from_slice(settings);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_beyond_the_limits_is_refused_and_the_connection_stays() {
    let cluster = Cluster::start().await;
    let mut client = cluster.client(0).await;
    let large = vec![0; 1_600_000];
    let error = client.put("k", large, None).await.expect_err("too large");
    assert!(
        error
            .to_string()
            .contains("etcdserver: request is too large"),
        "{error}"
    );
    let larger = vec![0; 3 << 20];
    let error = client.put("k", larger, None).await.expect_err("too large");
    assert!(
        error
            .to_string()
            .contains("received message larger than max"),
        "{error}"
    );
    client.put("k", "small", None).await.expect("written");
    let begun = Instant::now();
    until("it is still there", async || {
        client.get("k", None).await.ok()
    })
    .await;
    assert!(begun.elapsed() < SOON);
}
