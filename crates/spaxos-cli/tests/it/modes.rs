//! Every variant of the protocol that can be chosen is a working cluster, and one that survives its
//! leader.

use crate::cluster::Cluster;
use crate::load::Load;

/// Dissemination, what is proposed, who gets the votes.
const VARIANTS: [[&str; 3]; 8] = [
    ["all", "received", "all"],
    ["all", "received", "leader"],
    ["all", "stable", "all"],
    ["all", "stable", "leader"],
    ["leader", "received", "all"],
    ["leader", "received", "leader"],
    ["leader", "stable", "all"],
    ["leader", "stable", "leader"],
];

#[tokio::test(flavor = "multi_thread")]
async fn every_variant_survives_its_leader() {
    for [dissemination, propose, votes] in VARIANTS {
        eprintln!("dissemination {dissemination}, propose {propose}, votes {votes}");
        let mut cluster = Cluster::planned().await;
        cluster.set("dissemination", dissemination);
        cluster.set("propose", propose);
        cluster.set("votes", votes);
        // Quick elections, since this waits for eight of them.
        cluster.set("heartbeat-interval", "50");
        cluster.set("election-timeout", "300");
        cluster.start_all().await;
        let leader = cluster.leader().await;
        let (load, begun) = Load::start(&cluster, "load");
        load.more(100).await;
        cluster.kill(leader);
        load.more(100).await;
        let record = load.end(begun).await;
        cluster.start_replica(leader);
        cluster.wait_until_ready(&[0, 1, 2]).await;
        for at in 0..3 {
            record.check(&mut cluster.client(at).await).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn written_is_enough_for_a_process_to_come_back() {
    let mut cluster = Cluster::planned().await;
    cluster.set("durability", "os");
    cluster.start_all().await;
    let (load, begun) = Load::start(&cluster, "load");
    load.more(300).await;
    for at in 0..3 {
        cluster.kill(at);
    }
    let record = load.end(begun).await;
    cluster.start_all().await;
    record.check(&mut cluster.client(0).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_memory_the_others_go_on_without_one() {
    let mut cluster = Cluster::planned().await;
    cluster.set("durability", "memory");
    cluster.start_all().await;
    let (load, begun) = Load::start(&cluster, "load");
    load.more(300).await;
    cluster.kill(0);
    load.more(300).await;
    let record = load.end(begun).await;
    record.check(&mut cluster.client(1).await).await;
}
