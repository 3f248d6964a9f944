//! How far an order has got, and what may come next.

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
    /// Whether the value was left by an operation without an answer, and nobody has seen it yet.
    unseen: bool,
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
        next.unseen = false;
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
        next.unseen = true;
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
}

impl<'a> Key<'a> {
    pub(super) fn new(operations: &[&'a Operation]) -> Key<'a> {
        let mut sorted = operations.to_vec();
        sorted.sort_by_key(|operation| operation.called_ns);
        let (answered, unanswered) = sorted.iter().partition(|op| op.answer.is_some());
        Key {
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

    /// What may follow, the most likely last. An operation without an answer is placed only where the
    /// next one sees it: else it could as well never have happened.
    pub(super) fn next(&self, frontier: &Frontier) -> Vec<Frontier> {
        let deadline_ns = self.deadline_ns(frontier);
        let mut next = Vec::new();
        for (at, operation) in self.unanswered.iter().enumerate().rev() {
            let placed = frontier.unanswered.binary_search(&at).is_ok();
            let late = operation.called_ns > deadline_ns;
            let value = effect(operation.what, frontier.value);
            let hides = frontier.unseen && !compares(operation.what);
            if !placed && !late && !hides && value != frontier.value {
                next.push(frontier.with_unanswered(at, value));
            }
        }
        let answered = self.answered.iter().enumerate().skip(frontier.done);
        let callable = answered.take_while(|(_, op)| op.called_ns <= deadline_ns);
        let mut open: Vec<_> = callable.filter(|(at, _)| !frontier.has(*at)).collect();
        // What was answered first most likely happened first, however early the others were called.
        open.sort_by_key(|(_, op)| op.answer.map(|answer| answer.returned_ns));
        for (at, operation) in open.into_iter().rev() {
            let hides = frontier.unseen && matches!(operation.what, What::Put(_));
            if !hides && fits(operation, frontier.value) {
                let value = effect(operation.what, frontier.value);
                next.push(frontier.with_answered(at, value));
            }
        }
        next
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

const fn compares(what: What) -> bool {
    matches!(what, What::CompareAndPut { .. })
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
