//! Links that are slow: what waits for them is only what needs them.

use std::time::{Duration, Instant};

use super::clients::{Clients, Load};
use super::links::Link;
use super::world::World;
use super::{ELECTION, SERVED_AFTER, finish, load_for, more_answers};
use crate::cluster::name;

/// So far away that each answer takes long, and still nobody is missed.
const FAR: Link = Link::Slow {
    delay: Duration::from_millis(200),
    bytes_per_second: 10_000_000,
};
/// Less than the clients write.
const THIN: Link = Link::Slow {
    delay: Duration::ZERO,
    bytes_per_second: 10_000,
};

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_is_behind_a_slow_link() {
    let mut world = World::start(3, ELECTION).await;
    let clients = Clients::start(&world, Load::with_ballast(2048));
    let mut late = Vec::new();
    // What, and how many election timeouts the clients of the others may wait. Whoever leads and hears
    // too little must give way; all else changes nothing for the others.
    for (what, link, leading, waits) in [
        ("a far follower", FAR, false, 2),
        ("a far leader", FAR, true, 2),
        ("a thin link to a follower", THIN, false, 2),
        ("a thin link to a leader", THIN, true, SERVED_AFTER),
    ] {
        more_answers(&clients, &world.all(), 10).await;
        let leader = world.leader().await;
        let victim = if leading { leader } else { (leader + 1) % 3 };
        let others = world.others(victim);
        world.links.set_to(victim, link);
        if link == FAR {
            world.links.set_from(victim, link);
        }
        let begun = Instant::now();
        load_for(4 * world.election).await;
        for &at in &others {
            let gap = clients.record().longest_gap(at, begun, Instant::now());
            eprintln!("{what}: clients of {} waited {gap:?}", name(at));
            if gap > waits * world.election {
                late.push(format!("{what}: clients of {} waited {gap:?}", name(at)));
            }
        }
        world.links.heal();
        world.wait_until_ready(&[victim]).await;
    }
    finish("slow", &mut world, clients).await;
    assert!(late.is_empty(), "{}", late.join("\n"));
}
