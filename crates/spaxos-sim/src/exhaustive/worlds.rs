//! Worlds by name: quick ones that every test run goes through, and deep ones for a command.
//!
//! Each world leaves something out, to be small enough for all of what is left: its doc says what.

use spaxos_core::config::{Dissemination, Modes, Propose, Votes};

use super::{Headers, Start, World};

/// What is never delivered unless a world says otherwise: it carries news that other messages carry
/// too (`Acks`, `Heartbeat`), makes a leader step down that would hear it otherwise later (`Refuse`), or
/// is answered on the spot (`PreVote`, see [`super::World::elections`]).
const NEWS: [&str; 5] = ["PreVote", "PreVoteReply", "Acks", "Heartbeat", "Refuse"];

/// The same, and nobody fetches: what is missing comes late, from who sent it first, or never.
const NEWS_AND_FETCHES: [&str; 7] = [
    "PreVote",
    "PreVoteReply",
    "Acks",
    "Heartbeat",
    "Refuse",
    "FetchBatches",
    "FetchSlots",
];

/// Heartbeats and acks arrive, and nobody fetches.
fn without_fetches() -> Vec<&'static str> {
    let heard = |name: &&str| !["Acks", "Heartbeat"].contains(name);
    NEWS_AND_FETCHES.into_iter().filter(heard).collect()
}

/// Replica 1 leads, nothing fails, disks are fast, messages carry no news, nobody fetches.
#[must_use]
pub fn plain(name: &'static str) -> World {
    World {
        name,
        modes: Modes::default(),
        start: Start::Led,
        requests: vec![1],
        late_requests: false,
        reads: vec![],
        slots: 2,
        elections: 0,
        step_downs: 0,
        may_time_out: vec![1, 2, 3],
        crashes: 0,
        may_crash: vec![1, 2, 3],
        greetings: false,
        torn_logs: false,
        slow_disks: vec![],
        ticks: 0,
        beats: 0,
        duplicates: false,
        undelivered: NEWS_AND_FETCHES.to_vec(),
        headers: Headers::Empty,
        completed_one_in: 100,
        states_max: 50_000_000,
    }
}

/// Votes go to the leader alone: fewer messages, so that other things may be more. Agreement is then
/// checked on the votes themselves, which are on the disks.
fn votes_to_leader(world: World) -> World {
    World {
        modes: Modes {
            votes: Votes::Leader,
            ..world.modes
        },
        ..world
    }
}

/// Two requests of two clients, slow disks.
#[must_use]
pub fn steady() -> World {
    World {
        requests: vec![1, 2],
        slow_disks: vec![1, 2, 3],
        ..plain("steady")
    }
}

/// One request while replica 2 takes over, slow disks.
#[must_use]
pub fn change() -> World {
    World {
        elections: 1,
        may_time_out: vec![2],
        slow_disks: vec![1, 2, 3],
        ..plain("change")
    }
}

/// Two requests of two clients while replica 2 takes over: their slots may differ between ballots.
#[must_use]
pub fn change_of_two() -> World {
    World {
        requests: vec![1, 2],
        elections: 1,
        may_time_out: vec![2],
        ..plain("change-of-two")
    }
}

/// Two slots, two ballots, one crash: the leader of two requests dies and starts again while replica 2
/// takes over.
#[must_use]
pub fn crash() -> World {
    votes_to_leader(World {
        requests: vec![1, 1],
        elections: 1,
        may_time_out: vec![2],
        crashes: 1,
        may_crash: vec![1],
        ..plain("crash")
    })
}

/// Two slots, two ballots, one crash of anybody: a request, and the first batch of the life that
/// follows; anybody tries to lead.
#[must_use]
pub fn crash_of_any() -> World {
    votes_to_leader(World {
        elections: 1,
        crashes: 1,
        ..plain("crash-of-any")
    })
}

/// The leader's disk takes its time: it dies in a sync, of which it never hears, whether or not the
/// disk took the records; replica 2 takes over.
#[must_use]
pub fn crash_in_sync() -> World {
    votes_to_leader(World {
        elections: 1,
        may_time_out: vec![2],
        crashes: 1,
        may_crash: vec![1],
        slow_disks: vec![1],
        ..plain("crash-in-sync")
    })
}

/// Three ballots: anybody tries to lead, twice.
#[must_use]
pub fn ballots() -> World {
    votes_to_leader(World {
        elections: 2,
        ..plain("ballots")
    })
}

/// A request and two reads at a replica that follows.
#[must_use]
pub fn reads() -> World {
    votes_to_leader(World {
        reads: vec![3, 3],
        ..plain("reads")
    })
}

/// A request and a read while replica 2 takes over: the slot that the read waits for may be void.
#[must_use]
pub fn read_in_change() -> World {
    votes_to_leader(World {
        reads: vec![3],
        elections: 1,
        may_time_out: vec![2],
        ..plain("read-in-change")
    })
}

/// A request and a read at one replica while another dies: it must answer for what it voted for before.
#[must_use]
pub fn read_after_crash() -> World {
    votes_to_leader(World {
        reads: vec![3],
        crashes: 1,
        may_crash: vec![2],
        ..plain("read-after-crash")
    })
}

/// A heartbeat of the leader, with acks and executed slots on every message.
#[must_use]
pub fn heartbeat() -> World {
    votes_to_leader(World {
        beats: 1,
        undelivered: without_fetches(),
        headers: Headers::Full,
        ..plain("heartbeat")
    })
}

/// A heartbeat of either leader while replica 2 takes over: marks of two ballots are on their way.
#[must_use]
pub fn heartbeat_in_change() -> World {
    let mut undelivered = without_fetches();
    undelivered.push("Acks");
    votes_to_leader(World {
        beats: 1,
        elections: 1,
        may_time_out: vec![2],
        undelivered,
        headers: Headers::Marks,
        ..plain("heartbeat-in-change")
    })
}

/// Fetching of batches and slots, once, while replica 2 takes over; marks tell what is missing.
#[must_use]
pub fn fetch() -> World {
    votes_to_leader(World {
        elections: 1,
        may_time_out: vec![2],
        ticks: 1,
        undelivered: NEWS.to_vec(),
        headers: Headers::Marks,
        ..plain("fetch")
    })
}

/// Multi-Paxos for comparison: forwarded requests, every message any number of times.
#[must_use]
pub fn forward() -> World {
    let mut world = votes_to_leader(World {
        requests: vec![2, 3],
        elections: 1,
        may_time_out: vec![2],
        duplicates: true,
        headers: Headers::Marks,
        ..plain("forward")
    });
    world.modes.dissemination = Dissemination::Leader;
    world
}

/// From nothing: the first leader, the first batch of each lane.
#[must_use]
pub fn fresh() -> World {
    votes_to_leader(World {
        start: Start::Fresh,
        elections: 1,
        may_time_out: vec![1],
        ..plain("fresh")
    })
}

/// As published: ids are ordered when acks show that they are stable.
#[must_use]
pub fn stable() -> World {
    let mut world = votes_to_leader(World {
        undelivered: vec!["PreVote", "PreVoteReply", "FetchBatches", "FetchSlots"],
        headers: Headers::Full,
        ..plain("stable")
    });
    world.modes.propose = Propose::Stable;
    world
}

/// The worlds that every test run goes through.
#[must_use]
pub fn quick() -> Vec<World> {
    vec![
        steady(),
        change(),
        change_of_two(),
        crash(),
        crash_of_any(),
        crash_in_sync(),
        ballots(),
        reads(),
        read_in_change(),
        read_after_crash(),
        heartbeat(),
        heartbeat_in_change(),
        fetch(),
        forward(),
        fresh(),
        stable(),
    ]
}

/// Larger worlds, some of which end only for want of memory: minutes to hours each.
#[must_use]
pub fn deep() -> Vec<World> {
    let mut all = deep_changes();
    all.extend(deep_crashes());
    all
}

fn of_two(name: &'static str, world: World) -> World {
    World {
        name,
        requests: vec![1, 2],
        ..world
    }
}

/// Without a crash.
fn deep_changes() -> Vec<World> {
    vec![
        World {
            name: "deep-change",
            slow_disks: vec![1, 2, 3],
            ..votes_to_leader(change_of_two())
        },
        of_two("deep-ballots", ballots()),
        World {
            name: "deep-reads",
            reads: vec![2],
            elections: 1,
            may_time_out: vec![2],
            slow_disks: vec![3],
            ..reads()
        },
        World {
            name: "deep-fresh",
            elections: 2,
            may_time_out: vec![1, 2],
            ..fresh()
        },
        World {
            name: "deep-late",
            late_requests: true,
            requests: vec![1, 2, 3],
            slots: 3,
            ..change_of_two()
        },
        World {
            duplicates: true,
            ..of_two("deep-duplicates", votes_to_leader(change()))
        },
    ]
}

/// With crashes.
fn deep_crashes() -> Vec<World> {
    vec![
        World {
            greetings: true,
            torn_logs: true,
            slow_disks: vec![1],
            ..of_two("deep-crash", crash())
        },
        World {
            name: "deep-two-requests",
            requests: vec![1, 1],
            ..crash_of_any()
        },
        World {
            name: "deep-adoption",
            requests: vec![1, 1],
            elections: 2,
            may_time_out: vec![2, 3],
            may_crash: vec![2],
            slow_disks: vec![2],
            torn_logs: true,
            ..crash_of_any()
        },
        World {
            greetings: true,
            slots: 3,
            ..of_two("deep-crash-of-any", crash_of_any())
        },
        World {
            name: "deep-crashes",
            crashes: 2,
            elections: 2,
            ..crash_of_any()
        },
        World {
            name: "deep-fetch",
            beats: 1,
            crashes: 1,
            undelivered: NEWS[..3].to_vec(),
            ..fetch()
        },
        World {
            name: "deep-stable",
            elections: 1,
            crashes: 1,
            may_crash: vec![1],
            may_time_out: vec![2],
            ..stable()
        },
    ]
}

/// The world of that name.
#[must_use]
pub fn named(name: &str) -> Option<World> {
    let mut all = quick().into_iter().chain(deep());
    all.find(|world| world.name == name)
}
