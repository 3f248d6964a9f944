//! A member whose disk went back in time must never take part again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use spaxos::Consistency::Linearizable;
use spaxos::{Fatal, HaltReason, Node, StartError, StorageError};

use crate::cluster::{Cluster, Journal, command};

/// The member that is restored, and the others.
const RESTORED: usize = 2;
const OTHERS: [usize; 2] = [0, 1];

#[tokio::test(flavor = "multi_thread")]
async fn a_member_restored_from_a_copy_halts_at_every_start() {
    let mut cluster = Cluster::start(3).await;
    submit(&cluster, RESTORED, "before").await;
    cluster.stop(RESTORED).await;
    let copies = tempfile::tempdir().expect("a directory");
    let copy = copies.path().join("copy");
    copy_dir(&cluster.dir(RESTORED), &copy);

    cluster.restart(RESTORED).await;
    // Executed here in its own lane: the others have heard of this life.
    submit(&cluster, RESTORED, "after").await;
    for at in OTHERS {
        submit(&cluster, at, "with it").await;
    }
    cluster.stop(RESTORED).await;

    fs::remove_dir_all(cluster.dir(RESTORED)).expect("removed");
    copy_dir(&copy, &cluster.dir(RESTORED));
    for start in 0..4 {
        let ended = tokio::time::timeout(Duration::from_secs(60), end_of_start(&cluster)).await;
        let ended = ended.unwrap_or_else(|_| panic!("start {start}: it takes part"));
        assert!(
            matches!(ended, Fatal::Halted(HaltReason::Replaced { .. })),
            "start {start}: {ended}"
        );
        for at in OTHERS {
            submit(&cluster, at, "without it").await;
        }
    }
    let read = cluster.handle(0).read(Bytes::new(), Linearizable).await;
    let journal = read.expect("answered").bytes;
    let commands = String::from_utf8_lossy(&journal);
    assert_eq!(commands.matches("without it").count(), 8);
    assert!(commands.starts_with("before after"), "{commands}");
}

async fn submit(cluster: &Cluster, at: usize, text: &str) {
    let submitted = cluster.handle(at).submit(command(text)).await;
    submitted.expect("executed");
}

/// Starts the member and waits for its end.
async fn end_of_start(cluster: &Cluster) -> Fatal {
    loop {
        let options = cluster.options(RESTORED);
        match Node::start(options, Box::<Journal>::default()).await {
            Ok(node) => return node.stopped().await.expect_err("nobody stops it"),
            // The one before lets go of its ports and its directory while it ends.
            Err(StartError::Listen { .. } | StartError::Storage(StorageError::Disk(_))) => {}
            Err(error) => panic!("it does not start: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Copies a directory of files, with its permissions.
fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).expect("created");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("listed");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
    let permissions = fs::metadata(from).expect("there").permissions();
    fs::set_permissions(to, permissions).expect("set");
}
