//! The power of disks fails, on all replicas at once, and everything that was acknowledged is there.

use std::io::Write;
use std::time::{Duration, Instant};

use super::clients::{Clients, Load};
use super::private::Private;
use super::world::World;
use super::{ELECTION, finish, more_answers, served_in_time};
use crate::cluster::until;

/// So much that there is always something under way when the power fails.
const BUSY: Load = Load {
    pace: Duration::from_millis(5),
    ..Load::LIGHT
};

#[tokio::test(flavor = "multi_thread")]
async fn the_power_fails_everywhere_at_once() {
    let Some(mut world) = with_disks().await else {
        return;
    };
    let clients = Clients::start(&world, BUSY);
    for round in ["1", "2", "3"] {
        more_answers(&clients, &world.all(), 100).await;
        for at in world.all() {
            leave_unsynced(&world, at, round);
        }
        world.private().cut_power(&world.all());
        for at in world.all() {
            world.kill(at);
            power_on(&world, at, round);
        }
        world.start_all().await;
    }
    finish("power", &mut world, clients).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_disk_fails_gives_way() {
    let Some(mut world) = with_disks().await else {
        return;
    };
    let clients = Clients::start(&world, Load::LIGHT);
    more_answers(&clients, &world.all(), 10).await;
    let leader = world.leader().await;
    leave_unsynced(&world, leader, "1");
    let begun = Instant::now();
    world.private().cut_power(&[leader]);
    let others = world.others(leader);
    let served = served_in_time("its disk failed", &world, &clients, &others, begun).await;
    // What it has said of its disk was true so far, and will never be again.
    until("the replica ends by itself", async || {
        (!world.runs(leader)).then_some(())
    })
    .await;
    world.kill(leader);
    power_on(&world, leader, "1");
    world.start_replica(leader);
    finish("disk-failure", &mut world, clients).await;
    assert_eq!(served, Ok(()));
}

/// Three replicas, each with a disk of its own; nothing on machines that do not allow it.
async fn with_disks() -> Option<World> {
    let mut world = World::planned(3, ELECTION).await;
    match Private::new(3) {
        Ok(disks) => world.put_on_disks(disks),
        Err(why) => {
            // Not by a macro, whose output is shown of tests that fail alone.
            let told = writeln!(
                std::io::stderr(),
                "NOT TESTED: cutting power needs root, mount namespaces and loop devices: {why}"
            );
            told.expect("somebody listens");
            return None;
        }
    }
    world.start_all().await;
    Some(world)
}

/// A file that nobody syncs: what becomes of it shows whether the power was cut. In each round another
/// one, since ext4 syncs a file that is written anew.
fn unsynced(world: &World, at: usize, round: &str) -> String {
    let file = format!("unsynced-{round}");
    world.private().disk(at).join(file).display().to_string()
}

fn leave_unsynced(world: &World, at: usize, round: &str) {
    let file = unsynced(world, at, round);
    let written = world.private().run("sh", &["-c", "echo x > $0", &file]);
    written.expect("the disk can be written to");
}

/// Brings a disk back whose replica has ended.
fn power_on(world: &World, at: usize, round: &str) {
    world.private().power_on(at);
    let file = unsynced(world, at, round);
    let there = world.private().run("test", &["-s", &file]);
    assert!(there.is_err(), "{file} is there: the power was not cut");
}
