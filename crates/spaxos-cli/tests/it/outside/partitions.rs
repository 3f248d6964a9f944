//! One replica that the others do not hear, that does not hear the others, or both.

use std::time::Instant;

use super::clients::{Clients, Load};
use super::links::Link;
use super::world::World;
use super::{ELECTION, finish, load_for, more_answers, served_in_time};

/// How one replica is cut off.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// It hears nobody and nobody hears it.
    Off,
    /// Its connections are torn as well.
    Torn,
    /// It speaks and hears nobody.
    Deaf,
    /// It hears and nobody hears it.
    Mute,
}

impl Cut {
    fn make(self, world: &World, at: usize) {
        match self {
            Cut::Off | Cut::Deaf => world.links.set_to(at, Link::Silent),
            Cut::Torn => world.links.set_to(at, Link::Broken),
            Cut::Mute => {}
        }
        match self {
            Cut::Off | Cut::Mute => world.links.set_from(at, Link::Silent),
            Cut::Torn => world.links.set_from(at, Link::Broken),
            Cut::Deaf => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_is_cut_off() {
    cut_off("leader-cut-off", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_is_cut_off() {
    cut_off("follower-cut-off", false).await;
}

async fn cut_off(test: &str, leading: bool) {
    let mut world = World::start(3, ELECTION).await;
    let clients = Clients::start(&world, Load::LIGHT);
    let mut late = Vec::new();
    for cut in [Cut::Off, Cut::Torn, Cut::Deaf, Cut::Mute] {
        more_answers(&clients, &world.all(), 10).await;
        let leader = world.leader().await;
        let victim = if leading { leader } else { (leader + 1) % 3 };
        let begun = Instant::now();
        cut.make(&world, victim);
        let what = format!("{test}, {cut:?}");
        let others = world.others(victim);
        late.extend(
            served_in_time(&what, &world, &clients, &others, begun)
                .await
                .err(),
        );
        // Long enough that the victim has done all that it does alone.
        load_for(world.election.mul_f64(1.5)).await;
        let healed = Instant::now();
        world.links.heal();
        late.extend(
            served_in_time(&what, &world, &clients, &[victim], healed)
                .await
                .err(),
        );
    }
    finish(test, &mut world, clients).await;
    assert!(late.is_empty(), "{}", late.join("\n"));
}
