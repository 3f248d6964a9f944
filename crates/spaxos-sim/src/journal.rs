//! What all clients of the key-value store record, and the checkers that read it after the run.

use std::collections::BTreeMap;

use crate::command::Command;
use crate::history::{Answer, Operation, What, linearizability, revisions};
use crate::keyvalue::{StoreAnswer, name};
use crate::violation::Checked;

/// Longer histories are left to the checker by revisions alone.
const SEARCHED_MAX: usize = 150;
/// States that the search may take for one key.
const STATES_MAX: usize = 2_000;

/// The history of a run.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// `None` for what was refused, and so never happened.
    operations: Vec<Option<Operation>>,
    writes: BTreeMap<u64, usize>,
    reads: BTreeMap<u64, usize>,
}

impl Journal {
    /// A client sends a command, perhaps again.
    pub(crate) fn on_submit(&mut self, client: usize, command: &Command, now_ns: u64) {
        let Some(what) = command.operation.what(command.id) else {
            return;
        };
        if !self.writes.contains_key(&command.id) {
            self.writes.insert(command.id, self.operations.len());
            let key = command.operation.key;
            self.push(client, key, what, now_ns);
        }
    }

    /// A command was not taken, and will not be sent again.
    pub(crate) fn on_refused(&mut self, command: &Command) {
        if let Some(at) = self.writes.get(&command.id) {
            self.operations[*at] = None;
        }
    }

    /// A client has the answer of a command.
    pub(crate) fn on_answer(&mut self, command: &Command, answer: &StoreAnswer, now_ns: u64) {
        if let Some(at) = self.writes.get(&command.id) {
            self.answer(*at, answer, now_ns);
        }
    }

    /// A linearizable read begins.
    pub(crate) fn on_read(&mut self, client: usize, token: u64, key: u64, now_ns: u64) {
        self.reads.insert(token, self.operations.len());
        self.push(client, key, What::Get, now_ns);
    }

    /// It has its answer.
    pub(crate) fn on_read_answer(&mut self, token: u64, answer: &StoreAnswer, now_ns: u64) {
        if let Some(at) = self.reads.remove(&token) {
            self.answer(at, answer, now_ns);
        }
    }

    /// A read that is answered at once.
    pub(crate) fn on_read_at_once(
        &mut self,
        client: usize,
        key: u64,
        what: What,
        answer: &StoreAnswer,
        now_ns: u64,
    ) {
        self.push(client, key, what, now_ns);
        self.answer(self.operations.len() - 1, answer, now_ns);
    }

    fn push(&mut self, client: usize, key: u64, what: What, now_ns: u64) {
        self.operations.push(Some(Operation {
            client: client as u64,
            called_ns: now_ns,
            key: name(key),
            what,
            answer: None,
        }));
    }

    fn answer(&mut self, at: usize, answer: &StoreAnswer, now_ns: u64) {
        if let Some(operation) = &mut self.operations[at] {
            operation.answer.get_or_insert(Answer {
                returned_ns: now_ns,
                revision: answer.revision,
                changed: answer.changed,
                found: answer.found,
            });
        }
    }

    /// Holds everything against the promises of the store. Returns how many operations there were.
    pub(crate) fn check(&self) -> Checked<usize> {
        let history: Vec<Operation> = self.operations.iter().flatten().cloned().collect();
        revisions::check(&history)?;
        if history.len() <= SEARCHED_MAX {
            linearizability::check(&history, STATES_MAX)?;
        }
        Ok(history.len())
    }
}
