//! Wrong members, garbage, overload, failures: a clear error each time, and the cluster unharmed.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use spaxos::storage::{Fault, MemoryDisk};
use spaxos::{Fatal, Member, Node, Options, StartError, SubmitError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::cluster::{CLUSTER_ID, Cluster, Journal, POISON, command, local, start};

/// Waits until `holds` does.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_another_cluster_is_refused() {
    let cluster = Cluster::start(3).await;
    let mut options = cluster.options(2);
    options.cluster_id = 0xbad;
    options.peer_listener = local().into();
    options.client_listener = None;
    options.data_dir = cluster.dir(2).with_file_name("other");
    let stranger = start(options).await;
    until(|| cluster.handle(0).counters().greetings_refused > 0).await;
    until(|| stranger.handle().counters().greetings_refused > 0).await;
    cluster
        .handle(0)
        .submit(command("x"))
        .await
        .expect("unharmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_with_other_limits_are_refused() {
    let cluster = Cluster::start(3).await;
    let mut options = cluster.options(2);
    options.limits.window_slots_max += 1;
    options.peer_listener = local().into();
    options.client_listener = None;
    options.data_dir = cluster.dir(2).with_file_name("other");
    let _stranger = start(options).await;
    until(|| cluster.handle(0).counters().greetings_refused > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_with_the_same_id_does_not_stay() {
    let cluster = Cluster::start(3).await;
    cluster
        .handle(0)
        .submit(command("x"))
        .await
        .expect("executed");
    let mut options = cluster.options(2);
    options.peer_listener = local().into();
    options.client_listener = None;
    options.data_dir = cluster.dir(2).with_file_name("other");
    let twin = start(options).await;
    let reason = twin.stopped().await;
    assert!(matches!(reason, Err(Fatal::Halted(_))), "{reason:?}");
    cluster
        .handle(2)
        .submit(command("y"))
        .await
        .expect("unharmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_is_used_once() {
    let cluster = Cluster::start(1).await;
    let mut options = cluster.options(0);
    options.peer_listener = local().into();
    options.client_listener = None;
    let second = Node::start(options, Box::<Journal>::default()).await;
    let error = second.expect_err("in use");
    assert!(error.to_string().contains("in use"), "{error}");
    cluster
        .handle(0)
        .submit(command("x"))
        .await
        .expect("unharmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_is_named_with_the_place() {
    let mut cluster = Cluster::start(1).await;
    for n in 0..20 {
        cluster
            .handle(0)
            .submit(command(&format!("{n}")))
            .await
            .expect("executed");
    }
    cluster.stop(0).await;
    let files = std::fs::read_dir(cluster.dir(0)).expect("a directory");
    let paths = files.map(|entry| entry.expect("an entry").path());
    let is_long = |path: &std::path::PathBuf| path.metadata().is_ok_and(|m| m.len() > 1 << 20);
    let segment = paths.filter(is_long).min().expect("a segment");
    let mut content = std::fs::read(&segment).expect("readable");
    let at = content
        .windows(2)
        .position(|pair| pair == b"17")
        .expect("the request");
    content[at] ^= 1;
    std::fs::write(&segment, content).expect("writable");
    let started = Node::start(cluster.options(0), Box::<Journal>::default()).await;
    let error = started.expect_err("damaged");
    assert!(matches!(error, StartError::Storage(_)), "{error:?}");
    assert!(error.to_string().contains("damaged at byte"), "{error}");
}

/// Sends `bytes` and returns what comes back until the other side closes.
async fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    // It may close before all is written.
    let _closed = stream.write_all(bytes).await;
    let _closed = stream.shutdown().await;
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_both_ports_hurts_nobody() {
    let cluster = Cluster::start(3).await;
    cluster
        .handle(0)
        .submit(command("x"))
        .await
        .expect("executed");
    let node = cluster.nodes[0].as_ref().expect("running");
    let ports = [node.peer_address(), node.client_address().expect("served")];
    let mut huge = vec![0xff; 64];
    huge[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let inputs: [&[u8]; 6] = [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0; 4096],
        &huge,
        &[10, 0, 0, 0, 1, 2],
    ];
    for port in ports {
        for input in inputs {
            let _answer = send(port, input).await;
        }
    }
    let counters = cluster.handle(0).counters();
    assert!(counters.greetings_refused >= 12, "{counters:?}");
    cluster
        .handle(0)
        .submit(command("y"))
        .await
        .expect("unharmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_closed() {
    let cluster = Cluster::start_with(1, |options| {
        options.runtime.handshake_timeout = Duration::from_millis(50);
    })
    .await;
    let node = cluster.nodes[0].as_ref().expect("running");
    for port in [node.peer_address(), node.client_address().expect("served")] {
        let mut stream = TcpStream::connect(port).await.expect("it listens");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("closed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_requests_wait_and_then_too_many_are_refused() {
    let mut cluster = Cluster::start_with(3, |options| {
        options.runtime.intake_wait_max = Duration::from_millis(50);
        options.runtime.intake_bytes_max = 4 << 20;
    })
    .await;
    cluster
        .handle(0)
        .submit(command("x"))
        .await
        .expect("executed");
    for at in [1, 2] {
        cluster.kill(at).await;
    }
    let large = Bytes::from(vec![7; 1 << 20]);
    let handle = cluster.handle(0);
    let mut waiting = JoinSet::new();
    for _ in 0..6 {
        let (handle, large) = (handle.clone(), large.clone());
        waiting.spawn(async move { handle.submit(large).await });
    }
    let first = waiting.join_next().await.expect("six").expect("no panic");
    assert_eq!(first, Err(SubmitError::Overloaded));
    cluster.restart(1).await;
    let outcomes = waiting.join_all().await;
    let executed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(executed, 3, "as many as there was room for: {outcomes:?}");
    handle.submit(large).await.expect("there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_long_a_command_is_refused_before_it_enters() {
    let cluster = Cluster::start(1).await;
    let long = Bytes::from(vec![0; 3 << 20]);
    let outcome = cluster.handle(0).submit(long.clone()).await;
    assert!(
        matches!(outcome, Err(SubmitError::TooLarge { .. })),
        "{outcome:?}"
    );
    let outcomes = cluster
        .handle(0)
        .submit_many(vec![command("x"), long, command("y")])
        .await;
    let executed: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(executed, [true, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_state_machine_ends_the_node() {
    let cluster = Cluster::start(1).await;
    let handle = cluster.handle(0);
    let outcome = handle.submit(Bytes::from_static(POISON)).await;
    assert_eq!(outcome, Err(SubmitError::Stopped));
    let node = cluster.nodes[0].as_ref().expect("not dropped");
    let panicked = Fatal::Panicked {
        thread: "spaxos-apply",
    };
    assert_eq!(node.stopped().await, Err(panicked));
    assert_eq!(handle.submit(command("x")).await, Err(SubmitError::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_ends_the_node_and_answers_nothing() {
    let disk = MemoryDisk::new();
    let listener = local();
    let address = listener.local_addr().expect("bound").to_string();
    let members = vec![Member::new(1, address)];
    let mut options = Options::new(CLUSTER_ID, 1, members, listener, "unused");
    options.disk = Some(Arc::new(disk.clone()));
    let node = start(options).await;
    let handle = node.handle();
    handle.submit(command("x")).await.expect("executed");
    loop {
        // Work ahead of use may have been quicker: then the next one fails.
        disk.fail_at(disk.operations() + 1, Fault::Error(ErrorKind::Other));
        match handle.submit(command("y")).await {
            Ok(_) => {}
            Err(error) => break assert_eq!(error, SubmitError::Stopped),
        }
    }
    let reason = node.stopped().await;
    assert!(matches!(reason, Err(Fatal::Storage { .. })), "{reason:?}");
    assert!(node.shutdown().await.is_err(), "the first reason stays");
}
