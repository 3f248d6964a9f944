//! Runs of a healthy cluster in which links are cut once, in a given shape.

use std::collections::BTreeMap;

use spaxos_core::batch::Chunk;
use spaxos_core::config::Limits;

use super::World;
use crate::Options;
use crate::command;
use crate::event::{Event, Wake};
use crate::network::CutKind;
use crate::process::Write;
use crate::random::{Random, Span};
use crate::swarm::{MS, Swarm};
use crate::topology::{Reach, Served, Shape, Waits};
use crate::violation::{Checked, ensure};

const NAME: &str = "partition";

/// All in quarters of an election timeout. How long a healthy cluster has at most to find its leader;
const HEALTHY_MAX: u64 = 40;
/// how long the hub of a constrained election is cut off before;
const BEHIND: u64 = 8;
/// when a write and a read are asked of everybody, counted from the cut;
const ASKED: [u64; 6] = [0, 4, 10, 16, 18, 20];
/// from when on those are late ones;
const LATER: u64 = 16;
/// and how long answers are waited for at most.
const END: u64 = 40;

/// A request.
#[derive(Clone, Copy, Debug)]
struct Request {
    replica: usize,
    is_read: bool,
    asked_ns: u64,
    answered_ns: Option<u64>,
}

/// What was asked, by ticket or token: no two have the same.
#[derive(Debug, Default)]
struct Asked {
    waiting: BTreeMap<u64, Request>,
    answered: Vec<Request>,
}

impl World {
    /// A world in which nothing fails by itself, with limits that requests do not reach.
    pub(crate) fn calm(seed: u64, options: &Options) -> World {
        let mut random = Random::new(seed);
        let mut swarm = Swarm::draw(&mut random.fork(), options);
        swarm.calm();
        swarm.network.last_loss_ppm = 0;
        swarm.limits = Limits {
            members_max: 5,
            ..Limits::default()
        };
        swarm.clients.session_ppm = 0;
        swarm.clients.timer_ppm = 0;
        World::of(swarm, random, options)
    }

    /// The election timeout in nanoseconds.
    pub(crate) fn election_ns(&self) -> u64 {
        self.swarm.timing.election_ns
    }

    /// Elects a leader, cuts links, and asks everybody.
    pub(crate) fn run_partition(
        &mut self,
        shape: Shape,
        random: &mut Random,
    ) -> Checked<Vec<Served>> {
        let quarter = self.election_ns() / 4;
        let mut asked = Asked::default();
        for replica in 0..self.processes.len() {
            let at_ns = random.within(Span::new(0, 20 * MS));
            self.queue.schedule(at_ns, Event::Restart { replica });
        }
        while !self.all_follow() && self.now_ns < HEALTHY_MAX * quarter {
            self.pass(self.now_ns + quarter, &mut asked)?;
        }
        let mut order = self.order(random)?;
        if shape == Shape::ConstrainedElection {
            self.leave_behind(order[1], random, &mut asked)?;
            order = self.order_with(order[1], random)?;
        }
        let cut = shape.cut(&order);
        let cut_ns = self.now_ns;
        self.trace
            .remark(cut_ns, || format!("{shape:?}: cut are {cut:?}"));
        self.partition(&cut, CutKind::Drop);
        let reach = reaches(order.len(), &cut);
        for turn in 0..END {
            if ASKED.contains(&turn) {
                (0..order.len()).try_for_each(|replica| self.ask(replica, &mut asked))?;
            }
            self.pass(cut_ns + (turn + 1) * quarter, &mut asked)?;
            if turn > LATER + 4 && !asked.waits_for(&reach) {
                break;
            }
        }
        ensure(self.figures.get("reject: overloaded") == 0, NAME, || {
            "a request is rejected".to_owned()
        })?;
        let served = (0..order.len()).map(|at| asked.served(at, reach[at], cut_ns, quarter));
        Ok(served.collect())
    }

    /// Whether there is a leader that all replicas follow.
    fn all_follow(&self) -> bool {
        let leader = self.leader().map(|leader| self.processes[leader].id);
        leader.is_some()
            && self.processes.iter().all(|process| {
                let status = process.running().map(|running| running.replica.status());
                status.is_some_and(|status| status.leader == leader)
            })
    }

    /// All replicas, the leader first, the others drawn.
    fn order(&self, random: &mut Random) -> Checked<Vec<usize>> {
        ensure(self.all_follow(), NAME, || {
            "a healthy cluster has no leader".to_owned()
        })?;
        let leader = self.leader();
        let others = (0..self.processes.len()).filter(|at| Some(*at) != leader);
        let mut others: Vec<usize> = others.collect();
        random.shuffle(&mut others);
        Ok(leader.into_iter().chain(others).collect())
    }

    /// The same with `second` behind the leader, whoever that is by now; it does not follow.
    fn order_with(&self, second: usize, random: &mut Random) -> Checked<Vec<usize>> {
        let leader = self.leader().filter(|leader| *leader != second);
        ensure(leader.is_some(), NAME, || {
            "a majority has no leader".to_owned()
        })?;
        let first: Vec<usize> = leader.into_iter().chain([second]).collect();
        let others = (0..self.processes.len()).filter(|at| !first.contains(at));
        let mut others: Vec<usize> = others.collect();
        random.shuffle(&mut others);
        Ok(first.into_iter().chain(others).collect())
    }

    /// Orders requests without `replica`, which hears nothing of them.
    fn leave_behind(&mut self, replica: usize, random: &mut Random, asked: &mut Asked) -> Checked {
        let alone = crate::faults::pairs(self.processes.len())
            .filter(|(from, to)| *from == replica || *to == replica);
        let alone: Vec<(usize, usize)> = alone.collect();
        self.partition(&alone, CutKind::Drop);
        let quarter = self.election_ns() / 4;
        let others = (0..self.processes.len()).filter(|at| *at != replica);
        let others: Vec<usize> = others.collect();
        for _ in 0..BEHIND {
            self.ask(random.pick(&others), asked)?;
            self.pass(self.now_ns + quarter, asked)?;
        }
        Ok(())
    }

    /// A write and a read.
    fn ask(&mut self, replica: usize, asked: &mut Asked) -> Checked {
        let boot = self.processes[replica].boot;
        let commands = self.clients.commands(1);
        self.checkers.on_submit(&commands);
        let ticket = self.clients.ticket();
        let chunk = Chunk {
            ticket,
            requests: 1,
            payload: command::encode(&commands),
        };
        if let Some(running) = self.processes[replica].running_mut() {
            let client = 0;
            let write = Write { client, commands };
            running.requests.writes.insert(ticket, write);
        }
        asked.note(ticket, replica, false, self.now_ns);
        self.on_wake(replica, boot, Wake::Submit { chunk })?;
        let wake = self.begin_read(replica, 0);
        if let Wake::Read { token } = wake {
            asked.note(token, replica, true, self.now_ns);
        }
        self.on_wake(replica, boot, wake)
    }

    /// Lets everything happen up to `end_ns`.
    fn pass(&mut self, end_ns: u64, asked: &mut Asked) -> Checked {
        while let Some((at_ns, event)) = self.queue.pop() {
            if at_ns > end_ns {
                self.queue.schedule(at_ns, event);
                break;
            }
            self.now_ns = at_ns;
            self.on_event(event)?;
            self.note_answers(asked);
        }
        self.now_ns = end_ns;
        Ok(())
    }

    /// Takes note of requests that nobody waits for any more.
    fn note_answers(&self, asked: &mut Asked) {
        let requests = |at: usize| {
            let running = self.processes[at].running();
            running.map(|running| &running.requests)
        };
        let all = (0..self.processes.len()).filter_map(requests);
        let left: usize = all.map(|it| it.writes.len() + it.reads.len()).sum();
        if left >= asked.waiting.len() {
            return;
        }
        let (waiting, answered) = (&mut asked.waiting, &mut asked.answered);
        waiting.retain(|ticket, request| {
            let waits = requests(request.replica).is_some_and(|all| {
                all.writes.contains_key(ticket) || all.reads.contains_key(ticket)
            });
            if !waits {
                let answered_ns = Some(self.now_ns);
                answered.push(Request {
                    answered_ns,
                    ..*request
                });
            }
            waits
        });
    }
}

impl Asked {
    fn note(&mut self, ticket: u64, replica: usize, is_read: bool, asked_ns: u64) {
        let request = Request {
            replica,
            is_read,
            asked_ns,
            answered_ns: None,
        };
        self.waiting.insert(ticket, request);
    }

    /// Whether anybody waits who may hope. A read needs a majority of links; a write passes others.
    fn waits_for(&self, reach: &[Reach]) -> bool {
        self.waiting.values().any(|it| match reach[it.replica] {
            Reach::Majority => true,
            Reach::ThroughOthers => !it.is_read,
            Reach::Nobody => false,
        })
    }

    fn served(&self, replica: usize, reach: Reach, cut_ns: u64, quarter: u64) -> Served {
        let later_ns = cut_ns + LATER * quarter;
        let waits = |chosen: &dyn Fn(u64) -> bool| Waits {
            write_ns: self.worst(replica, false, chosen),
            read_ns: self.worst(replica, true, chosen),
        };
        Served {
            reach,
            first: waits(&|asked_ns| asked_ns == cut_ns),
            later: waits(&|asked_ns| asked_ns >= later_ns),
        }
    }

    fn worst(&self, replica: usize, is_read: bool, chosen: &dyn Fn(u64) -> bool) -> Option<u64> {
        let all = self.waiting.values().chain(&self.answered);
        let own = all.filter(|it| it.replica == replica && it.is_read == is_read);
        let own = own.filter(|it| chosen(it.asked_ns));
        own.map(|it| Some(it.answered_ns? - it.asked_ns))
            .try_fold(0, |worst, wait| Some(wait?.max(worst)))
    }
}

/// How each replica stands.
fn reaches(replicas: usize, cut: &[(usize, usize)]) -> Vec<Reach> {
    let linked = |one: usize, other: usize| {
        one == other || !(cut.contains(&(one, other)) || cut.contains(&(other, one)))
    };
    let count = |one: usize| (0..replicas).filter(|other| linked(one, *other)).count();
    let direct = |one: usize| count(one) > replicas / 2;
    let mut found: Vec<usize> = (0..replicas).filter(|one| direct(*one)).collect();
    for _ in 0..replicas {
        let more = (0..replicas)
            .filter(|one| !found.contains(one) && found.iter().any(|other| linked(*one, *other)));
        let more: Vec<usize> = more.collect();
        found.extend(more);
    }
    let reach = |one| match (direct(one), found.contains(&one)) {
        (true, _) => Reach::Majority,
        (false, true) => Reach::ThroughOthers,
        (false, false) => Reach::Nobody,
    };
    (0..replicas).map(reach).collect()
}
