//! Damage in the log: never passed over in silence, and never worse than one replica.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::cluster::{Cluster, SOON, until};
use crate::load::Load;

/// Places in the log that are damaged, one after the other.
const PLACES: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_byte_is_found_and_named() {
    let mut cluster = Cluster::start().await;
    let (load, begun) = Load::start(&cluster, "before");
    load.more(300).await;
    let record = load.end(begun).await;
    cluster.stop(0).await;
    let segment = largest_file(&cluster.data_dir(0));
    let whole = fs::read(&segment).expect("the log can be read");
    let written = whole.len() - whole.iter().rev().take_while(|byte| **byte == 0).count();
    for place in 0..PLACES {
        let offset = written * place / PLACES;
        let mut damaged = whole.clone();
        damaged[offset] ^= 0x10;
        fs::write(&segment, &damaged).expect("the log can be written");
        refuses_to_start(&cluster, &segment, offset).await;
        let after = fs::read(&segment).expect("the log can be read");
        assert_eq!(after, damaged, "a damaged log is left as it is");
    }
    fs::write(&segment, &whole).expect("the log can be written");
    cluster.start_replica(0);
    cluster.wait_until_ready(&[0, 1, 2]).await;
    record.check(&mut cluster.client(0).await).await;
}

/// The replica must end with an error that names the file and an offset.
async fn refuses_to_start(cluster: &Cluster, segment: &Path, offset: usize) {
    let mut command = Command::from(cluster.command(0, &[]));
    command.arg("--stop-with-stdin").stdin(Stdio::piped());
    command.stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().expect("the program is there");
    let output = tokio::time::timeout(SOON, child.wait_with_output()).await;
    let output = output.unwrap_or_else(|_| panic!("damage at {offset} was not found"));
    let output = output.expect("it has ended");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "damage at {offset}: {said}");
    let file = segment.file_name().expect("a name").to_string_lossy();
    assert!(said.contains(&*file), "damage at {offset}: {said}");
    assert!(said.contains("at byte "), "damage at {offset}: {said}");
}

fn largest_file(dir: &Path) -> PathBuf {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let size = fs::metadata(&path).expect("a file").len();
                files.push((size, path));
            }
        }
    }
    files.into_iter().max().expect("there is a log").1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_end_is_no_damage() {
    let mut cluster = Cluster::start().await;
    let (load, begun) = Load::start(&cluster, "torn");
    load.more(100).await;
    cluster.kill(0);
    let record = load.end(begun).await;
    let segment = largest_file(&cluster.data_dir(0));
    let mut torn = fs::read(&segment).expect("the log can be read");
    let written = torn.len() - torn.iter().rev().take_while(|byte| **byte == 0).count();
    // What a crash in the middle of a write leaves: the beginning of a record, never synced.
    let noise: Vec<u8> = (1..=200).collect();
    if written + noise.len() > torn.len() {
        torn.truncate(written);
        torn.extend(noise);
    } else {
        torn[written..written + noise.len()].copy_from_slice(&noise);
    }
    fs::write(&segment, torn).expect("the log can be written");
    cluster.start_replica(0);
    cluster.wait_until_ready(&[0, 1, 2]).await;
    until("it has everything", async || {
        let status = cluster.status(0)?;
        (status["lag"] == 0).then_some(())
    })
    .await;
    record.check(&mut cluster.client(0).await).await;
}
