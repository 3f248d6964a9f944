//! The search against one that is too simple to be wrong, on small random histories.

use super::super::samples::{answered, changed, found, unanswered};
use super::{Operation, Verdict, What, check};
use crate::random::Random;

/// Few enough that all orders can be tried.
const OPERATIONS_MAX: u64 = 6;

#[test]
fn the_search_finds_what_trying_everything_finds() {
    let mut random = Random::new(7);
    let mut explained = 0;
    let histories = 3000;
    for _ in 0..histories {
        let history = draw(&mut random);
        let expected = can_be_ordered(&history.iter().collect::<Vec<_>>(), None);
        let verdict = check(&history, 100_000);
        let found = matches!(verdict, Ok(Verdict::Linearizable { .. }));
        assert_eq!(found, expected, "{verdict:?}: {history:#?}");
        explained += usize::from(expected);
    }
    assert!((300..histories - 300).contains(&explained), "{explained}");
}

fn draw(random: &mut Random) -> Vec<Operation> {
    let count = 2 + random.below(OPERATIONS_MAX - 1);
    (1..=count)
        .map(|value| draw_one(random, value, count))
        .collect()
}

fn draw_one(random: &mut Random, value: u64, count: u64) -> Operation {
    let mut some = || Some(1 + random.below(count)).filter(|_| random.below(4) > 0);
    let (expected, seen) = (some(), some());
    let what = match random.below(8) {
        0..3 => What::Put(value),
        3..5 => What::CompareAndPut { expected, value },
        5 => What::Delete,
        _ => What::Get,
    };
    let called_ns = random.below(10);
    let returned_ns = called_ns + 1 + random.below(6);
    let seen = seen.and_then(|value| found(value, 0, 0));
    let is_put = matches!(what, What::Put(_));
    match random.below(3) {
        0 if what != What::Get => unanswered(called_ns, "k", what),
        1 if what != What::Get => changed(called_ns, returned_ns, "k", what, 0),
        _ if is_put => changed(called_ns, returned_ns, "k", what, 0),
        _ => answered(called_ns, returned_ns, "k", what, seen, 0),
    }
}

/// Whether the rest of a history can follow when `value` is there: by trying each of the rest as the
/// next one.
fn can_be_ordered(rest: &[&Operation], value: Option<u64>) -> bool {
    let returned = |op: &&Operation| op.answer.map(|answer| answer.returned_ns);
    let Some(deadline_ns) = rest.iter().filter_map(returned).min() else {
        // What had no answer need not have happened.
        return true;
    };
    (0..rest.len()).any(|at| {
        let next = rest[at];
        let others: Vec<&Operation> = [&rest[..at], &rest[at + 1..]].concat();
        let after = explain(next, value);
        next.called_ns <= deadline_ns && after.is_some_and(|value| can_be_ordered(&others, value))
    })
}

/// What `operation` leaves, if what it was answered fits `value`.
fn explain(operation: &Operation, value: Option<u64>) -> Option<Option<u64>> {
    let (changes, after) = match operation.what {
        What::Put(new) => (true, Some(new)),
        What::CompareAndPut {
            expected,
            value: new,
        } if expected == value => (true, Some(new)),
        What::Delete => (value.is_some(), None),
        _ => (false, value),
    };
    let Some(answer) = operation.answer else {
        return Some(after);
    };
    let shows = !changes && operation.what != What::Delete;
    let found = answer.found.map(|found| found.value);
    let fits = answer.changed == changes && (!shows || found == value);
    fits.then_some(after)
}
