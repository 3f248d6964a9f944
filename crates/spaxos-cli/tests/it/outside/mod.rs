//! Faults from outside: processes that die or stand still, links that are cut, slow or deaf in one
//! direction, disks that lose power. Clients record all the while what they see, and the checkers of
//! `spaxos-sim` read that.
//!
//! What is used: `world.rs` (the processes), `links.rs` and `pipe.rs` (the links between them),
//! `private.rs` (disks of their own), `clients.rs` with `etcd.rs` and `native.rs` (who asks), `record.rs` (what
//! they saw). Then one file for each
//! kind of fault. Links are named by who speaks to whom; in a test's text, a replica that *hears* is one
//! whose incoming links pass, and one that *speaks* is one whose outgoing links do.

mod chaos;
mod clients;
mod etcd;
mod links;
mod native;
mod partitions;
mod pipe;
mod power;
mod private;
mod processes;
mod record;
mod shapes;
mod slow;
mod world;

use std::time::{Duration, Instant};

use self::clients::Clients;
use self::record::Waits;
use self::world::World;
use crate::cluster::{name, until};

/// Long enough that a busy machine is not taken for a dead leader.
const ELECTION: Duration = Duration::from_millis(1000);
/// How long clients of a replica that can serve may be without an answer, in election timeouts.
const SERVED_AFTER: u32 = 4;

/// Waits until clients of all of `which` were served after `since`, and says how long each waited.
async fn served(what: &str, clients: &Clients, which: &[usize], since: Instant) -> Vec<Waits> {
    let mut all = Vec::new();
    for &at in which {
        let what = format!("{what}: clients of {} are served", name(at));
        let waits = until(&what, async || clients.record().waits(at, since)).await;
        all.push(waits);
    }
    all
}

/// Waits until clients of all of `which` were served after `since`, which must not take longer than
/// four election timeouts.
async fn served_in_time(
    what: &str,
    world: &World,
    clients: &Clients,
    which: &[usize],
    since: Instant,
) -> Result<(), String> {
    let bound = SERVED_AFTER * world.election;
    let mut late = Vec::new();
    for (at, waits) in which.iter().zip(served(what, clients, which, since).await) {
        let (at, longest) = (name(*at), waits.write.max(waits.read));
        eprintln!("{what}: clients of {at} waited {waits:?}");
        if longest > bound {
            late.push(format!(
                "{what}: clients of {at} waited {waits:?}, more than {bound:?}"
            ));
        }
    }
    if late.is_empty() {
        Ok(())
    } else {
        Err(late.join("\n"))
    }
}

/// Waits until clients of all of `which` got so many more answers.
async fn more_answers(clients: &Clients, which: &[usize], count: usize) {
    let since = Instant::now();
    for &at in which {
        let what = format!("clients of {} get answers", name(at));
        let enough = async || (clients.record().answered(at, since) >= count).then_some(());
        until(&what, enough).await;
    }
}

/// Lets so much time pass under load.
async fn load_for(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Opens all links, waits until every replica serves its clients, and checks what the clients saw.
async fn finish(test: &str, world: &mut World, clients: Clients) {
    world.links.heal();
    world.wait_until_ready(&world.all()).await;
    more_answers(&clients, &world.all(), 10).await;
    let record = clients.finish().await;
    for at in world.all() {
        assert!(world.runs(at), "{} ended by itself", name(at));
    }
    record.check(test);
}
