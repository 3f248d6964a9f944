//! Kill -9 under load: who is left goes on, and nothing that was acknowledged is lost or done twice.

use std::time::Duration;

use crate::cluster::{Cluster, name};
use crate::load::Load;

/// How long clients of the others may be without an answer when a replica dies.
const GAP_MAX: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn each_replica_may_die_under_load() {
    let mut cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    let mut everything = None;
    // The leader first: whoever leads after it is among those killed later.
    for victim in [leader, (leader + 1) % 3, (leader + 2) % 3] {
        let (load, begun) = Load::start(&cluster, &format!("without-{victim}"));
        load.more(300).await;
        cluster.kill(victim);
        load.more(300).await;
        let record = load.end(begun).await;
        for other in (0..3).filter(|at| *at != victim) {
            let gap = record.longest_gap(other);
            eprintln!(
                "{} died, clients of {} waited {gap:?}",
                name(victim),
                name(other)
            );
            assert!(gap <= GAP_MAX, "clients of {} waited {gap:?}", name(other));
        }
        cluster.start_replica(victim);
        cluster.wait_until_ready(&[0, 1, 2]).await;
        match &mut everything {
            None => everything = Some(record),
            Some(all) => all.append(record),
        }
    }
    let everything = everything.expect("three loads ran");
    for at in 0..3 {
        everything.check(&mut cluster.client(at).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_replicas_may_die_at_once_under_load() {
    let mut cluster = Cluster::start().await;
    let (load, begun) = Load::start(&cluster, "before");
    load.more(1000).await;
    for at in 0..3 {
        cluster.kill(at);
    }
    let mut record = load.end(begun).await;
    assert!(record.acknowledged() >= 1000);
    cluster.start_all().await;
    for at in 0..3 {
        record.check(&mut cluster.client(at).await).await;
    }
    let (load, begun) = Load::start(&cluster, "after");
    load.more(300).await;
    record.append(load.end(begun).await);
    record.check(&mut cluster.client(0).await).await;
}
