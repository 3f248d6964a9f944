//! How far an order has got, and what may come next.

use std::collections::BTreeSet;

use super::{Operation, What};

/// A set of operations that have their place, and the value that they leave.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Frontier {
    /// All answered operations below this have their place.
    done: usize,
    /// Answered operations beyond `done` that have their place. Sorted.
    beyond: Vec<usize>,
    /// Operations without an answer that have a place. Sorted.
    unanswered: Vec<usize>,
    value: Option<u64>,
}

impl Frontier {
    /// How many answered operations have their place.
    pub(super) const fn placed(&self) -> usize {
        self.done + self.beyond.len()
    }

    fn has(&self, answered: usize) -> bool {
        answered < self.done || self.beyond.binary_search(&answered).is_ok()
    }

    fn with_answered(&self, at: usize, value: Option<u64>) -> Frontier {
        let mut next = self.clone();
        next.value = value;
        insert(&mut next.beyond, at);
        let ready = next.beyond.iter().enumerate();
        let ready = ready.take_while(|(skipped, at)| next.done + skipped == **at);
        let ready = ready.count();
        next.beyond.drain(..ready);
        next.done += ready;
        next
    }

    fn with_unanswered(&self, at: usize, value: Option<u64>) -> Frontier {
        let mut next = self.clone();
        next.value = value;
        insert(&mut next.unanswered, at);
        next
    }
}

fn insert(sorted: &mut Vec<usize>, at: usize) {
    if let Err(place) = sorted.binary_search(&at) {
        sorted.insert(place, at);
    }
}

/// The operations of one key, by the time of their call.
pub(super) struct Key<'a> {
    answered: Vec<&'a Operation>,
    unanswered: Vec<&'a Operation>,
    /// Values that some answer shows, or some comparison looks for.
    looked_for: BTreeSet<u64>,
    /// Whether some delete found something to remove, whatever it was.
    removed: bool,
}

impl<'a> Key<'a> {
    pub(super) fn new(operations: &[&'a Operation]) -> Key<'a> {
        let mut sorted = operations.to_vec();
        sorted.sort_by_key(|operation| operation.called_ns);
        let (answered, unanswered) = sorted.iter().partition(|op| op.answer.is_some());
        let shown = |op: &&Operation| op.answer?.found.map(|found| found.value);
        let expected = |op: &&Operation| match op.what {
            What::CompareAndPut { expected, .. } => expected,
            _ => None,
        };
        let looked_for = sorted.iter().filter_map(shown);
        let looked_for = looked_for.chain(sorted.iter().filter_map(expected));
        let removed = |op: &&Operation| {
            op.what == What::Delete && op.answer.is_some_and(|answer| answer.changed)
        };
        Key {
            looked_for: looked_for.collect(),
            removed: sorted.iter().any(removed),
            answered,
            unanswered,
        }
    }

    pub(super) fn is_complete(&self, frontier: &Frontier) -> bool {
        frontier.done == self.answered.len()
    }

    /// The first operation that has no place yet.
    pub(super) fn first_open(&self, frontier: &Frontier) -> Option<&'a Operation> {
        self.answered.get(frontier.done).copied()
    }

    /// What may follow, the most likely last.
    pub(super) fn next(&self, frontier: &Frontier) -> Vec<Frontier> {
        let deadline_ns = self.deadline_ns(frontier);
        let mut next = Vec::new();
        for (at, operation) in self.unanswered.iter().enumerate().rev() {
            let placed = frontier.unanswered.binary_search(&at).is_ok();
            if operation.called_ns > deadline_ns || placed {
                continue;
            }
            let value = effect(operation.what, frontier.value);
            if value != frontier.value && self.matters(frontier.value, value) {
                next.push(frontier.with_unanswered(at, value));
            }
        }
        let answered = self.answered.iter().enumerate().skip(frontier.done);
        let callable = answered.take_while(|(_, op)| op.called_ns <= deadline_ns);
        let open: Vec<_> = callable.filter(|(at, _)| !frontier.has(*at)).collect();
        for (at, operation) in open.into_iter().rev() {
            if fits(operation, frontier.value) {
                let value = effect(operation.what, frontier.value);
                next.push(frontier.with_answered(at, value));
            }
        }
        next
    }

    /// Whether any answer can tell that an operation without one left `after` instead of `before`. A value
    /// that nobody looks for could as well never have been written, unless something was removed then.
    fn matters(&self, before: Option<u64>, after: Option<u64>) -> bool {
        after.is_none_or(|value| self.looked_for.contains(&value))
            || (before.is_none() && self.removed)
    }

    /// The first answer of those that have no place: whatever was called later comes later.
    fn deadline_ns(&self, frontier: &Frontier) -> u64 {
        let mut deadline_ns = u64::MAX;
        for (at, operation) in self.answered.iter().enumerate().skip(frontier.done) {
            if operation.called_ns > deadline_ns {
                break;
            }
            if let Some(answer) = operation.answer.filter(|_| !frontier.has(at)) {
                deadline_ns = deadline_ns.min(answer.returned_ns);
            }
        }
        deadline_ns
    }
}

/// What an operation leaves of `value`.
fn effect(what: What, value: Option<u64>) -> Option<u64> {
    match what {
        What::Put(new) => Some(new),
        What::CompareAndPut {
            expected,
            value: new,
        } if value == expected => Some(new),
        What::Delete => None,
        What::CompareAndPut { .. } | What::Get | What::SerializableGet => value,
    }
}

/// Whether the answer is the one that this operation gets when `value` is there.
fn fits(operation: &Operation, value: Option<u64>) -> bool {
    let Some(answer) = operation.answer else {
        return true;
    };
    let found = answer.found.map(|found| found.value);
    match operation.what {
        What::Put(_) => answer.changed,
        What::CompareAndPut { expected, .. } if value == expected => answer.changed,
        What::CompareAndPut { .. } => !answer.changed && found == value,
        What::Delete => answer.changed == value.is_some(),
        What::Get | What::SerializableGet => found == value,
    }
}
