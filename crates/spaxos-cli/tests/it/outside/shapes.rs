//! Partial partitions: some pairs of replicas do not hear each other, and no group is cut off as a whole.
//!
//! The shapes are those of the paper on OmniPaxos (Ng, Haridi, Carbone: EuroSys 2023) and of Jepsen. A
//! replica that reaches a majority, itself counted, can serve its clients, and must, within four election
//! timeouts, whoever led before.

use std::time::{Duration, Instant};

use super::clients::{Clients, Load};
use super::links::Link;
use super::world::World;
use super::{finish, load_for, more_answers, served_in_time};
use crate::cluster::name;

/// More than elsewhere: here each moment counts, and five replicas may share one processor.
const ELECTION: Duration = Duration::from_millis(1500);

/// Who hears whom. Replicas are named by their part, 0 being the leader when the links are cut.
struct Shape {
    name: &'static str,
    pairs: &'static [(usize, usize)],
    /// Who has missed the last writes before.
    outdated: Option<usize>,
    /// What happens on the other links.
    otherwise: Link,
}

const fn shape(name: &'static str, pairs: &'static [(usize, usize)]) -> Shape {
    Shape {
        name,
        pairs,
        outdated: None,
        otherwise: Link::Silent,
    }
}

/// Among three, all that is left of most shapes is a chain.
const OF_THREE: &[Shape] = &[
    shape("chain that the leader ends", &[(0, 1), (1, 2)]),
    Shape {
        otherwise: Link::Broken,
        ..shape("chain that the leader ends, torn", &[(0, 1), (1, 2)])
    },
    shape("chain around the leader", &[(1, 0), (0, 2)]),
    Shape {
        outdated: Some(1),
        ..shape("constrained election", &[(1, 2)])
    },
];

const OF_FIVE: &[Shape] = &[
    shape("quorum loss", &[(1, 0), (1, 2), (1, 3), (1, 4)]),
    Shape {
        outdated: Some(1),
        ..shape("constrained election", &[(1, 2), (1, 3), (1, 4)])
    },
    shape("chain", &[(0, 1), (1, 2), (2, 3), (3, 4)]),
    Shape {
        otherwise: Link::Broken,
        ..shape("chain, torn", &[(0, 1), (1, 2), (2, 3), (3, 4)])
    },
    shape("bridge", &[(0, 1), (0, 2), (1, 2), (2, 3), (2, 4), (3, 4)]),
    shape("ring", &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]),
];

#[tokio::test(flavor = "multi_thread")]
async fn partial_partitions_of_three() {
    survive("shapes-of-three", 3, OF_THREE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_partitions_of_five() {
    survive("shapes-of-five", 5, OF_FIVE).await;
}

async fn survive(test: &str, size: usize, shapes: &[Shape]) {
    let mut world = World::start(size, ELECTION).await;
    let clients = Clients::start(&world, Load::LIGHT);
    let mut late = Vec::new();
    for shape in shapes {
        more_answers(&clients, &world.all(), 10).await;
        if let Err(why) = survive_one(shape, &world, &clients).await {
            late.push(why);
        }
        world.links.heal();
        world.wait_until_ready(&world.all()).await;
    }
    finish(test, &mut world, clients).await;
    assert!(late.is_empty(), "{}", late.join("\n"));
}

async fn survive_one(shape: &Shape, world: &World, clients: &Clients) -> Result<(), String> {
    let leader = world.leader().await;
    // Who has which part.
    let parts: Vec<usize> = (0..world.size())
        .map(|part| (leader + part) % world.size())
        .collect();
    if let Some(part) = shape.outdated {
        world.links.set_to(parts[part], Link::Silent);
        load_for(world.election / 2).await;
    }
    let pairs: Vec<(usize, usize)> = shape
        .pairs
        .iter()
        .map(|(a, b)| (parts[*a], parts[*b]))
        .collect();
    let can_serve: Vec<usize> = world
        .all()
        .into_iter()
        .filter(|at| reaches_majority(*at, &pairs, world.size()))
        .collect();
    let cut = Instant::now();
    world.links.only(&pairs, shape.otherwise);
    let what = format!("{}, {} led", shape.name, name(leader));
    served_in_time(&what, world, clients, &can_serve, cut).await?;
    // Once somebody leads who can, it stays.
    let begun = Instant::now();
    load_for(world.election.mul_f64(1.5)).await;
    for at in can_serve {
        let gap = clients.record().longest_gap(at, begun, Instant::now());
        if gap > world.election {
            return Err(format!(
                "{what}: clients of {} then waited {gap:?}",
                name(at)
            ));
        }
    }
    Ok(())
}

/// Whether `at` and those whom it hears are a majority.
fn reaches_majority(at: usize, pairs: &[(usize, usize)], size: usize) -> bool {
    let heard = pairs
        .iter()
        .filter(|pair| pair.0 == at || pair.1 == at)
        .count();
    2 * (heard + 1) > size
}
