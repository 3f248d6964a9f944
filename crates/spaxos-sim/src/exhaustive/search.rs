//! The search itself: all states, breadth first.

use spaxos_core::batch::hash_words;
use spaxos_core::types::Slot;

use super::beginning::begin;
use super::completion::{self, Ending};
use super::fingerprint::Seen;
use super::history::Histories;
use super::replay::{Replay, Way};
use super::state::{Event, State};
use super::tables::Tables;
use super::{Counterexample, Outcome, Progress, World};
use crate::violation::Violation;

/// Goes through all states of a world, or as many as it may, or to the first violation. `report` hears
/// of each level before it is looked at.
pub fn explore(world: World, report: &mut dyn FnMut(&Progress)) -> Outcome {
    let mut search = Search::new(world);
    let found = search.run(report);
    let counterexample = found.err().map(|(violation, way)| {
        let (events, confirmed) = search.retell(&way);
        Counterexample {
            checker: violation.checker,
            detail: violation.detail,
            confirmed,
            events,
        }
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
type Found = (Violation, Way);

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
        let first = begin(&self.world, &mut self.tables).and_then(|(mut first, last)| {
            self.histories.check(None, &mut first, &mut self.tables)?;
            self.first_last = last;
            Ok(first)
        });
        let first = first.map_err(|violation| (violation, Way::default()))?;
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
        let decided = self.histories.decided(state.history);
        let mut is_final = true;
        for event in state.events(&self.world, &mut self.tables) {
            self.outcome.events += 1;
            let after = state
                .after(event, decided, &self.world, &mut self.tables)
                .map_err(|violation| self.found(violation, number, Some(event)))?;
            let Some(mut after) = after else {
                continue;
            };
            is_final = false;
            self.histories
                .check(Some(&state), &mut after, &mut self.tables)
                .map_err(|violation| self.found(violation, number, Some(event)))?;
            self.enter(&after, Some((number, event)), next);
        }
        self.outcome.final_states += u64::from(is_final);
        self.complete(&state, number, is_final)
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

    /// Continues a state to its end in one of the ways, if it is final or drawn.
    fn complete(&mut self, state: &State, number: u32, is_final: bool) -> Result<(), Found> {
        let one_in = self.world.completed_one_in;
        let hash = hash_words(&[u64::from(number)]);
        let sampled = one_in > 0 && hash.is_multiple_of(one_in);
        let drawn = (hash >> 32) as usize % Ending::ALL.len();
        if !(is_final || sampled) {
            return Ok(());
        }
        let ending = &Ending::ALL[drawn];
        self.outcome.completions += 1;
        let tables = &self.tables;
        let nodes = state
            .members
            .map(|member| &tables.members[member as usize].node);
        completion::complete(nodes, &state.flight, tables, ending).map_err(|violation| {
            let mut way = self.way_to(number, None);
            way.ending = Some(ending);
            (violation, way)
        })
    }

    fn found(&self, violation: Violation, number: u32, last: Option<Event>) -> Found {
        (violation, self.way_to(number, last))
    }

    /// How a state was reached, and what happened there.
    fn way_to(&self, number: u32, last: Option<Event>) -> Way {
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
        Way {
            events,
            ending: None,
        }
    }

    /// A way in words, and whether it leads to a violation without any numbering of states as well.
    fn retell(&mut self, way: &Way) -> (Vec<String>, bool) {
        let Some(first) = &self.first else {
            return (Vec::new(), true);
        };
        let mut replay = Replay::new(first, &self.world, &mut self.tables, &mut self.histories);
        let confirmed = replay.run(way).err();
        let mut lines = replay.lines;
        lines.extend(confirmed.iter().map(|violation| format!("-- {violation}")));
        (lines, confirmed.is_some())
    }
}

fn hash_of(packed: &[u32]) -> u64 {
    let pairs = packed.chunks(2);
    let words = pairs
        .map(|pair| u64::from(pair[0]) << 32 | u64::from(pair.get(1).map_or(u32::MAX, |&b| b)));
    hash_words(&words.collect::<Vec<u64>>())
}
