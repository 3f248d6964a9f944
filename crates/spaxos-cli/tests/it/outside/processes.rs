//! Processes that die, and processes that stand still and then get everything at once.

use std::time::Instant;

use super::clients::{Clients, Load};
use super::world::World;
use super::{ELECTION, finish, load_for, more_answers, served_in_time};

#[tokio::test(flavor = "multi_thread")]
async fn replicas_die_and_come_back() {
    let mut world = World::start(3, ELECTION).await;
    let clients = Clients::start(&world, Load::LIGHT);
    let mut late = Vec::new();
    for victim in [0, 1, 2] {
        more_answers(&clients, &world.all(), 10).await;
        // The leader first, then whoever is left.
        let victim = (world.leader().await + victim) % 3;
        let begun = Instant::now();
        world.kill(victim);
        let others = world.others(victim);
        late.extend(
            served_in_time("killed", &world, &clients, &others, begun)
                .await
                .err(),
        );
        world.start_replica(victim);
        world.wait_until_ready(&[victim]).await;
    }
    // And a majority at once.
    more_answers(&clients, &world.all(), 10).await;
    world.kill(0);
    world.kill(1);
    world.start_replica(0);
    world.start_replica(1);
    finish("killed", &mut world, clients).await;
    assert!(late.is_empty(), "{}", late.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_stand_still_and_go_on() {
    let mut world = World::start(3, ELECTION).await;
    let clients = Clients::start(&world, Load::with_ballast(512));
    let mut late = Vec::new();
    // The leader for less than it may be missed, then for longer; then a follower.
    for (leading, elections) in [(true, 0.5), (true, 3.0), (false, 3.0)] {
        more_answers(&clients, &world.all(), 10).await;
        let leader = world.leader().await;
        let victim = if leading { leader } else { (leader + 1) % 3 };
        let begun = Instant::now();
        world.pause(victim);
        load_for(world.election.mul_f64(elections)).await;
        let what = format!("stood still for {elections} election timeouts");
        let others = world.others(victim);
        late.extend(
            served_in_time(&what, &world, &clients, &others, begun)
                .await
                .err(),
        );
        let resumed = Instant::now();
        world.resume(victim);
        late.extend(
            served_in_time(&what, &world, &clients, &[victim], resumed)
                .await
                .err(),
        );
    }
    // Everybody at once: nobody may take for old what is only late.
    let begun = Instant::now();
    world.all().into_iter().for_each(|at| world.pause(at));
    load_for(2 * world.election).await;
    world.all().into_iter().for_each(|at| world.resume(at));
    let all = world.all();
    late.extend(
        served_in_time("all stood still", &world, &clients, &all, begun)
            .await
            .err(),
    );
    finish("paused", &mut world, clients).await;
    assert!(late.is_empty(), "{}", late.join("\n"));
}
