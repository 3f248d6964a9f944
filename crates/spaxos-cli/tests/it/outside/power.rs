//! The power fails on all replicas at once, and everything that was acknowledged is there.

use super::clients::Clients;
use super::private::Private;
use super::world::World;
use super::{ELECTION, finish, more_answers};

#[tokio::test(flavor = "multi_thread")]
async fn the_power_fails_everywhere_at_once() {
    let mut world = World::planned(3, ELECTION).await;
    match Private::new(3) {
        Ok(disks) => world.put_on_disks(disks),
        Err(why) => {
            eprintln!(
                "NOT TESTED, a power cut needs root, mount namespaces and loop devices: {why}"
            );
            return;
        }
    }
    world.start_all().await;
    let clients = Clients::start(&world, 0);
    // Files that nobody syncs: what they become shows whether the power was really cut. Each has a name of
    // its own, since writing a file anew makes ext4 sync it.
    for unsynced in ["unsynced-1", "unsynced-2"] {
        more_answers(&clients, &world.all(), 30).await;
        let file = |at| {
            world
                .private()
                .disk(at)
                .join(unsynced)
                .display()
                .to_string()
        };
        for at in world.all() {
            let run = world
                .private()
                .run("sh", &["-c", "echo gone > $0", &file(at)]);
            run.expect("the disk can be written to");
        }
        for at in world.all() {
            world.private().cut_power(at);
        }
        for at in world.all() {
            world.kill(at);
            world.private().power_on(at);
            let file = world
                .private()
                .disk(at)
                .join(unsynced)
                .display()
                .to_string();
            let there = world.private().run("test", &["-s", &file]);
            assert!(there.is_err(), "{file} is there: the power was not cut");
        }
        world.start_all().await;
    }
    finish("power", &mut world, clients).await;
}
