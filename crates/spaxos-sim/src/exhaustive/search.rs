//! The search itself: all states, breadth first.

use spaxos_core::batch::hash_words;
use spaxos_core::types::{Slot, Time};

use super::completion;
use super::disk::Disk;
use super::fingerprint::Seen;
use super::history::Histories;
use super::node::{MEMBERS, Node, members};
use super::state::{Event, Left, State, index};
use super::tables::{Step, Tables};
use super::{Counterexample, Headers, Outcome, Progress, Start, World};
use crate::violation::{Checked, Violation};

/// Goes through all states of a world, or as many as it may, or to the first violation. `report` hears
/// of each level before it is looked at.
pub fn explore(world: World, report: &mut dyn FnMut(&Progress)) -> Outcome {
    let mut search = Search::new(world);
    let found = search.run(report);
    let counterexample = found.err().map(|(violation, events)| Counterexample {
        checker: violation.checker,
        detail: violation.detail,
        events: search.retell(&events),
    });
    Outcome {
        states: search.seen.len(),
        exhausted: search.exhausted && counterexample.is_none(),
        member_states: search.tables.members.len(),
        messages: search.tables.letters.len(),
        counterexample,
        ..search.outcome
    }
}

/// What was violated, and the way there.
type Found = (Violation, Vec<Event>);

struct Search {
    world: World,
    tables: Tables,
    histories: Histories,
    seen: Seen,
    /// For each state seen, from which one and by which event it was reached.
    parents: Vec<(u32, u32)>,
    /// The longest log at the beginning.
    first_last: Slot,
    first: Option<State>,
    exhausted: bool,
    outcome: Outcome,
}

/// A state to be continued: its number among those seen, and the state.
type Open = (u32, Box<[u32]>);

impl Search {
    fn new(world: World) -> Search {
        Search {
            tables: Tables::new(world.clone()),
            world,
            histories: Histories::new(),
            seen: Seen::new(),
            parents: Vec::new(),
            first_last: Slot(0),
            first: None,
            exhausted: false,
            outcome: Outcome::default(),
        }
    }

    fn run(&mut self, report: &mut dyn FnMut(&Progress)) -> Result<(), Found> {
        let mut first = self.begin().map_err(|violation| (violation, Vec::new()))?;
        self.histories
            .check(&mut first, &mut self.tables)
            .map_err(|violation| (violation, Vec::new()))?;
        self.first = Some(first.clone());
        let mut level = Vec::new();
        self.enter(&first, None, &mut level);
        while !level.is_empty() && self.seen.len() < self.world.states_max {
            report(&Progress {
                depth: self.outcome.depth,
                frontier: level.len(),
                states: self.seen.len(),
            });
            let mut next = Vec::new();
            for (number, packed) in level.drain(..) {
                self.expand(number, &packed, &mut next)?;
                if self.seen.len() >= self.world.states_max {
                    return Ok(());
                }
            }
            level = next;
            self.outcome.depth += usize::from(!level.is_empty());
        }
        self.exhausted = level.is_empty();
        Ok(())
    }

    /// Everything that may happen in one state.
    fn expand(&mut self, number: u32, packed: &[u32], next: &mut Vec<Open>) -> Result<(), Found> {
        let state = State::unpack(packed);
        let mut is_final = true;
        for event in state.events(&self.world, &mut self.tables) {
            self.outcome.events += 1;
            let after = state
                .after(event, &self.world, &mut self.tables)
                .map_err(|violation| self.found(violation, number, Some(event)))?;
            let Some(mut after) = after else {
                continue;
            };
            is_final = false;
            self.histories
                .check(&mut after, &mut self.tables)
                .map_err(|violation| self.found(violation, number, Some(event)))?;
            self.enter(&after, Some((number, event)), next);
        }
        self.outcome.final_states += u64::from(is_final);
        self.complete(&state, number, is_final)
            .map_err(|violation| self.found(violation, number, None))
    }

    /// Takes in a state unless it was seen before.
    fn enter(&mut self, state: &State, from: Option<(u32, Event)>, next: &mut Vec<Open>) {
        let packed = state.pack();
        let (number, new) = self.seen.insert(hash_of(&packed));
        if !new {
            return;
        }
        let (parent, event) = from.map_or((u32::MAX, 0), |(parent, event)| (parent, event.pack()));
        self.parents.push((parent, event));
        let last = state
            .members
            .map(|member| self.tables.members[member as usize].shows.last);
        let slots_max = Slot(self.first_last.0 + self.world.slots);
        if last.into_iter().any(|last| last > slots_max) {
            self.outcome.cut_by_slots += 1;
        } else {
            next.push((number, packed));
        }
    }

    /// Continues some states to their end, with each quorum.
    fn complete(&mut self, state: &State, number: u32, is_final: bool) -> Checked {
        let one_in = self.world.completed_one_in;
        let hash = hash_words(&[u64::from(number)]);
        let sampled = one_in > 0 && hash.is_multiple_of(one_in);
        let quorums = completion::QUORUMS;
        let drawn = (hash >> 32) as usize % quorums.len();
        for (at, quorum) in quorums.iter().enumerate() {
            if is_final || (sampled && at == drawn) {
                self.outcome.completions += 1;
                completion::complete(&self.tables, state, quorum)?;
            }
        }
        Ok(())
    }

    fn found(&self, violation: Violation, number: u32, last: Option<Event>) -> Found {
        let mut events: Vec<Event> = last.into_iter().collect();
        let mut at = number;
        while let Some(&(parent, event)) = self.parents.get(at as usize) {
            if parent == u32::MAX {
                break;
            }
            events.push(Event::unpack(event));
            at = parent;
        }
        events.reverse();
        (violation, events)
    }

    /// The events in words, each with what it made members write and send.
    fn retell(&mut self, events: &[Event]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut state = self.first.clone();
        for &event in events {
            lines.push(event.describe(&self.tables));
            let Some(before) = state else {
                break;
            };
            state = before
                .after(event, &self.world, &mut self.tables)
                .ok()
                .flatten();
            for after in state.iter() {
                lines.extend(before.difference(after, &self.tables));
            }
        }
        lines
    }

    /// The first state.
    fn begin(&mut self) -> Checked<State> {
        let early: Vec<(u8, u8)> = match self.world.late_requests {
            true => Vec::new(),
            false => (0..).zip(self.world.requests.iter().copied()).collect(),
        };
        let mut state = match self.world.start {
            Start::Fresh => self.fresh(&early)?,
            Start::Led => {
                let mut state = self.led()?;
                for &(request, at) in &early {
                    state.take(at - 1, Step::Submit(request), &mut self.tables)?;
                }
                state
            }
        };
        if !self.world.late_requests {
            state.left.requests = 0;
        }
        Ok(state)
    }

    /// All members have just started; the first batch of a lane is the request, if there is one.
    fn fresh(&mut self, requests: &[(u8, u8)]) -> Checked<State> {
        let mut nodes = Vec::new();
        for id in members() {
            let mut node = Node::start(id, self.world.modes, Disk::default(), Time(1));
            for &(request, _) in requests.iter().filter(|(_, at)| u64::from(*at) == id.0) {
                node.submit(request)?;
            }
            node.settle()?;
            nodes.push(node);
        }
        let mut state = self.state_of(nodes)?;
        for at in 0..MEMBERS as u8 {
            state.greet(at, &mut self.tables)?;
        }
        Ok(state)
    }

    /// Replica 1 has come to lead, and everything is settled.
    fn led(&mut self) -> Checked<State> {
        let before = World {
            headers: Headers::Full,
            undelivered: vec!["PreVote", "PreVoteReply"],
            ..self.world.clone()
        };
        let mut search = Search::new(before);
        let mut state = search.fresh(&[])?;
        search.run_out(&mut state)?;
        for step in [Step::TimeOut, Step::Beat, Step::Beat] {
            state.take(0, step, &mut search.tables)?;
            search.run_out(&mut state)?;
        }
        let members = state
            .members
            .map(|member| &search.tables.members[member as usize]);
        let [first, ..] = members.map(|member| &member.shows);
        let same = members
            .iter()
            .all(|member| member.shows.hashes == first.hashes);
        if !first.leads || !same || first.hashes.is_empty() {
            return Err(Violation::new(
                "small world",
                "replica 1 does not come to lead",
            ));
        }
        self.first_last = first.last;
        self.state_of(members.map(|member| member.node.clone()))
    }

    /// These members, and on its way what they have just sent.
    fn state_of(&mut self, nodes: impl IntoIterator<Item = Node>) -> Checked<State> {
        let mut state = State {
            members: [0; MEMBERS],
            left: Left::of(&self.world),
            history: 0,
            flight: Vec::new(),
        };
        for (at, node) in nodes.into_iter().enumerate() {
            let moved = self.tables.intern(node)?;
            state.members[at] = moved.node;
            state.flight.extend(moved.sent);
        }
        state.flight.sort_unstable();
        Ok(state)
    }

    /// Delivers everything and finishes all syncs.
    fn run_out(&mut self, state: &mut State) -> Checked {
        for _ in 0..10_000 {
            let syncing = (0..MEMBERS as u8).find(|&at| {
                let member = state.members[usize::from(at)];
                self.tables.members[member as usize].shows.syncing
            });
            if let Some(at) = syncing {
                state.take(at, Step::Sync, &mut self.tables)?;
            } else if let Some(letter) = state.flight.first().copied() {
                state.flight.remove(0);
                let at = index(self.tables.letters[letter as usize].to);
                state.take(at, Step::Deliver(letter), &mut self.tables)?;
            } else {
                return Ok(());
            }
        }
        Err(Violation::new("small world", "the beginning never ends"))
    }
}

fn hash_of(packed: &[u32]) -> u64 {
    let pairs = packed.chunks(2);
    let words = pairs
        .map(|pair| u64::from(pair[0]) << 32 | u64::from(pair.get(1).map_or(u32::MAX, |&b| b)));
    hash_words(&words.collect::<Vec<u64>>())
}
