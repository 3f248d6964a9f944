//! Requests and reads at every replica.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use spaxos::Consistency::{Linearizable, Serializable};
use spaxos::{Dissemination, Durability, Options, Propose, ReadError, SubmitError, Votes};

use crate::cluster::{Cluster, command};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_submitted_anywhere_is_read_everywhere() {
    let cluster = Cluster::start(3).await;
    for at in 0..3 {
        let reply = cluster.handle(at).submit(command(&format!("c{at}"))).await;
        assert_eq!(
            reply.expect("executed").bytes,
            (at as u64 + 1).to_le_bytes()[..]
        );
    }
    for at in 0..3 {
        let read = cluster.handle(at).read(Bytes::new(), Linearizable).await;
        assert_eq!(read.expect("answered").bytes, b"c0 c1 c2"[..]);
        let read = cluster.handle(at).read(Bytes::new(), Serializable).await;
        assert_eq!(read.expect("answered").bytes, b"c0 c1 c2"[..]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commands_cost_one_call() {
    let cluster = Cluster::start(3).await;
    let commands = (0..5000).map(|n| command(&format!("{n}"))).collect();
    let outcomes = cluster.handle(1).submit_many(commands).await;
    assert_eq!(outcomes.len(), 5000);
    let answers = outcomes
        .into_iter()
        .map(|outcome| outcome.expect("executed").bytes);
    assert!(
        answers.is_sorted_by(|a, b| number(a) < number(b)),
        "in order"
    );
    let counters = cluster.handle(1).counters();
    assert_eq!(counters.requests, 5000);
    assert!(counters.chunks < 50, "{} chunks", counters.chunks);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_at_once_are_joined() {
    let cluster = Cluster::start(3).await;
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..3000 {
        let handle = cluster.handle(n % 3);
        callers.spawn(async move { handle.submit(command(&format!("{n}"))).await });
    }
    let answers: BTreeSet<u64> = callers
        .join_all()
        .await
        .into_iter()
        .map(|outcome| number(&outcome.expect("executed").bytes))
        .collect();
    assert_eq!(answers, (1..=3000).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barrier_waits_for_what_was_answered_elsewhere() {
    let cluster = Cluster::start(3).await;
    for round in 0..20 {
        let at = round % 3;
        let reply = cluster
            .handle(at)
            .submit(command("x"))
            .await
            .expect("executed");
        let slot = cluster
            .handle((at + 1) % 3)
            .read_barrier()
            .await
            .expect("answered");
        assert!(slot >= reply.slot, "{slot} is before {}", reply.slot);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_a_restart_of_all() {
    let mut cluster = Cluster::start(3).await;
    for n in 0..100 {
        cluster
            .handle(n % 3)
            .submit(command(&format!("{n}")))
            .await
            .expect("executed");
    }
    let before = cluster
        .handle(0)
        .read(Bytes::new(), Linearizable)
        .await
        .expect("answered");
    for at in 0..3 {
        cluster.stop(at).await;
    }
    for at in 0..3 {
        cluster.restart(at).await;
    }
    for at in 0..3 {
        let after = cluster
            .handle(at)
            .read(Bytes::new(), Linearizable)
            .await
            .expect("answered");
        assert_eq!(after.bytes, before.bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_others_go_on_without_the_leader_and_it_catches_up() {
    let mut cluster = Cluster::start(3).await;
    cluster
        .handle(0)
        .submit(command("first"))
        .await
        .expect("executed");
    let leader = cluster.leader().await;
    let other = (leader + 1) % 3;
    cluster.kill(leader).await;
    for n in 0..50 {
        cluster
            .handle(other)
            .submit(command(&format!("{n}")))
            .await
            .expect("executed");
    }
    cluster.restart(leader).await;
    let here = cluster
        .handle(leader)
        .read(Bytes::new(), Linearizable)
        .await
        .expect("answered");
    let there = cluster
        .handle(other)
        .read(Bytes::new(), Linearizable)
        .await
        .expect("answered");
    assert_eq!(here.bytes, there.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mode_executes_the_same() {
    for change in [in_memory, unsynced, as_published, multi_paxos] {
        let cluster = Cluster::start_with(3, change).await;
        cluster.leader().await;
        for n in 0..30 {
            let handle = cluster.handle(n % 3);
            // A follower that has not yet heard of the leader has nobody to forward to.
            while let Err(error) = handle.submit(command(&format!("{n}"))).await {
                assert_eq!(error, SubmitError::NoLeader);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let read = cluster.handle(2).read(Bytes::new(), Linearizable).await;
        let journal = read.expect("answered").bytes;
        assert_eq!(journal.split(|byte| *byte == b' ').count(), 30);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_were_given_up_do_not_keep_others_out() {
    let mut cluster = Cluster::start_with(3, two_reads).await;
    let handle = cluster.handle(0);
    handle.submit(command("c")).await.expect("executed");
    cluster.kill(1).await;
    cluster.kill(2).await;
    let mut waited = 0;
    while waited < 6 {
        let read = handle.read(Bytes::new(), Linearizable);
        match tokio::time::timeout(Duration::from_millis(20), read).await {
            // Those before it are still counted.
            Ok(refused) => assert_eq!(refused, Err(ReadError::Overloaded)),
            Err(_given_up) => waited += 1,
        }
        let read = handle.read(Bytes::new(), Serializable).await;
        assert_eq!(read.expect("answered").bytes, b"c"[..]);
    }
    cluster.restart(1).await;
    let read = || handle.read(Bytes::new(), Linearizable);
    while let Err(error) = read().await {
        assert_eq!(error, ReadError::Overloaded);
        tokio::task::yield_now().await;
    }
}

fn two_reads(options: &mut Options) {
    options.runtime.reads_max = 2;
}

fn in_memory(options: &mut Options) {
    options.durability = Durability::Memory;
}

fn unsynced(options: &mut Options) {
    options.durability = Durability::Os;
}

fn as_published(options: &mut Options) {
    options.durability = Durability::Memory;
    options.modes.propose = Propose::Stable;
    options.modes.votes = Votes::Leader;
}

fn multi_paxos(options: &mut Options) {
    options.durability = Durability::Memory;
    options.modes.dissemination = Dissemination::Leader;
    options.modes.votes = Votes::Leader;
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}
