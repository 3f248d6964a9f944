//! A counterexample once more, on members that are not numbered: told in words, and confirmed.

use std::collections::BTreeSet;

use super::World;
use super::completion::{self, Ending};
use super::history::Histories;
use super::node::{MEMBERS, Node};
use super::state::{Event, State};
use super::tables::{Step, Tables};
use crate::trace;
use crate::violation::{Checked, Violation};

/// What happened, from the first state on, and how that was continued to its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    pub(super) events: Vec<Event>,
    pub(super) ending: Option<&'static Ending>,
}

pub(super) struct Replay<'a> {
    world: &'a World,
    tables: &'a mut Tables,
    histories: &'a mut Histories,
    nodes: [Node; MEMBERS],
    /// The state with numbered members, which says what an event consists of.
    state: State,
    /// All messages that were sent, by number.
    sent: BTreeSet<u32>,
    /// The events, each with what it made members write and send.
    pub(super) lines: Vec<String>,
}

impl Replay<'_> {
    pub(super) fn new<'a>(
        first: &State,
        world: &'a World,
        tables: &'a mut Tables,
        histories: &'a mut Histories,
    ) -> Replay<'a> {
        Replay {
            nodes: first
                .members
                .map(|member| tables.members[member as usize].node.clone()),
            sent: first.flight.iter().copied().collect(),
            state: first.clone(),
            lines: Vec::new(),
            world,
            tables,
            histories,
        }
    }

    /// Goes the way again; the error is what it leads to.
    pub(super) fn run(&mut self, way: &Way) -> Checked {
        for &event in &way.events {
            self.lines.push(event.describe(self.tables));
            if !self.happen(event)? {
                return Ok(());
            }
        }
        let Some(ending) = way.ending else {
            return Ok(());
        };
        completion::complete(
            self.nodes.each_ref(),
            &self.state.flight,
            self.tables,
            ending,
        )
    }

    /// Lets an event happen; false if it cannot, or leads to nothing.
    fn happen(&mut self, event: Event) -> Checked<bool> {
        let decided = self.histories.decided(self.state.history);
        let (after, steps) = self
            .tables
            .watch(|tables| self.state.after(event, decided, self.world, tables));
        for (at, step) in steps {
            if !self.take(at, step)? {
                return Ok(false);
            }
        }
        let Ok(Some(after)) = after else {
            return Ok(false);
        };
        let mut real = after.clone();
        for (at, node) in self.nodes.iter().enumerate() {
            real.members[at] = self.tables.intern(node.clone())?.node;
        }
        self.state = after;
        self.histories.check(None, &mut real, self.tables)?;
        self.histories.check(None, &mut self.state, self.tables)?;
        Ok(true)
    }

    fn take(&mut self, at: u8, step: Step) -> Checked<bool> {
        if let Step::Deliver(letter) = step
            && !self.sent.contains(&letter)
        {
            self.lines.push("    -- but that was never sent".to_owned());
            return Ok(false);
        }
        let node = &mut self.nodes[usize::from(at)];
        let before = node.disk.clone();
        let taken: Result<(), Violation> = self.tables.try_take(node, step);
        let written: Vec<String> = node
            .disk
            .written_since(&before)
            .map(trace::record)
            .collect();
        if !written.is_empty() {
            let line = format!("    r{} writes {}", node.id, written.join(", "));
            self.lines.push(line);
        }
        let id = node.id;
        for parcel in std::mem::take(&mut node.sent) {
            let Some(letter) = self.tables.intern_parcel(id, &parcel) else {
                continue;
            };
            self.sent.insert(letter);
            let message = trace::message(&parcel.message);
            self.lines
                .push(format!("    r{id} sends to r{}: {message}", parcel.to));
        }
        taken.map(|()| true)
    }
}
