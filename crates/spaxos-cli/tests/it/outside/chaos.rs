//! Everything at once, drawn from a seed: links, processes and the load go through whatever comes up.
//!
//! Nothing is asked of the replicas meanwhile but that nobody is told anything wrong. Afterwards all
//! must be well again by itself. The seed fixes which faults come when, not what the machine makes of it.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::clients::{Clients, Load};
use super::links::Link;
use super::world::World;
use super::{ELECTION, finish, load_for};
use crate::cluster::name;

/// Another course of events, for whoever looks for more.
const SEED: &str = "SPAXOS_OUTSIDE_SEED";
/// How long it goes on.
const SECONDS: &str = "SPAXOS_OUTSIDE_SECONDS";

/// The variants of the protocol.
const MODES: [(&str, [&str; 2]); 3] = [
    ("dissemination", ["all", "leader"]),
    ("propose", ["received", "stable"]),
    ("votes", ["all", "leader"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn many_faults_at_once() {
    let seed = number(SEED, 3);
    let lasts = Duration::from_secs(number(SECONDS, 10));
    let mut random = Rng::with_seed(seed);
    let size = *random.choice([3, 5].iter()).expect("two");
    let modes = MODES.map(|(name, values)| (name, values[random.usize(..values.len())]));
    let seconds = lasts.as_secs();
    eprintln!("{SEED}={seed} {SECONDS}={seconds}: {size} replicas, {modes:?}");
    let mut world = World::planned(size, ELECTION).await;
    for (setting, value) in modes {
        world.set(setting, value);
    }
    world.start_all().await;
    let clients = Clients::start(&world, Load::with_ballast(256));
    let begun = Instant::now();
    let mut down: Option<usize> = None;
    let mut still: Option<usize> = None;
    while begun.elapsed() < lasts {
        let at = random.usize(..size);
        match random.u32(..10) {
            0..4 => draw_links(&world, &mut random),
            4..6 => world.links.heal(),
            6..8 if down.is_none() && still != Some(at) => {
                eprintln!("{:?}: {} dies", begun.elapsed(), name(at));
                world.kill(at);
                down = Some(at);
            }
            8..10 if still.is_none() && down != Some(at) => {
                eprintln!("{:?}: {} stands still", begun.elapsed(), name(at));
                world.pause(at);
                still = Some(at);
            }
            _ => {
                if let Some(at) = down.take() {
                    world.start_replica(at);
                }
                if let Some(at) = still.take() {
                    world.resume(at);
                }
            }
        }
        load_for(world.election.mul_f64(2.0 * random.f64())).await;
    }
    if let Some(at) = down {
        world.start_replica(at);
    }
    if let Some(at) = still {
        world.resume(at);
    }
    finish("chaos", &mut world, clients).await;
}

/// Each link fares by itself.
fn draw_links(world: &World, random: &mut Rng) {
    for from in world.all() {
        for to in world.others(from) {
            world.links.set(from, to, draw_link(random));
        }
    }
}

fn draw_link(random: &mut Rng) -> Link {
    match random.u32(..10) {
        0..2 => Link::Silent,
        2 => Link::Broken,
        3 => Link::Slow {
            delay: Duration::from_millis(random.u64(..300)),
            bytes_per_second: 10_000 << random.u32(..7),
        },
        _ => Link::Open,
    }
}

/// What the environment says, or `otherwise`.
fn number(variable: &str, otherwise: u64) -> u64 {
    let Ok(text) = std::env::var(variable) else {
        return otherwise;
    };
    text.parse()
        .unwrap_or_else(|_| panic!("{variable}={text}: not a number"))
}
