//! A good history, and for each rule bad ones.

use super::super::VALUES_UNIQUE;
use super::super::samples::{found, get, history, put, unanswered};
use super::*;

fn broken(operations: &[Operation]) -> &'static str {
    match check(operations) {
        Ok(summary) => panic!("nothing found: {summary:?}"),
        Err(violation) => violation.checker,
    }
}

fn must_hold(operations: &[Operation]) {
    if let Err(violation) = check(operations) {
        panic!("{violation}");
    }
}

#[test]
fn each_rule_can_be_broken() {
    let bad = bad::all();
    for (rule, what, history) in &bad {
        assert_eq!(broken(history), *rule, "{what}");
    }
    for rule in RULES {
        assert!(bad.iter().any(|bad| bad.0 == *rule), "{rule}");
    }
}

#[test]
fn values_must_be_unique() {
    let twice = [put(1, 2, "k", 1, 2), put(3, 4, "l", 1, 3)];
    assert_eq!(broken(&twice), VALUES_UNIQUE);
}

#[test]
fn a_good_history_is_good() {
    let summary = check(&history());
    let expected = Summary {
        writes: 7,
        resolved: 2,
        unseen: 2,
        observations: 13,
    };
    assert_eq!(summary, Ok(expected));
}

#[test]
fn what_nobody_saw_explains_at_most_itself() {
    let reads = |revision, answer| {
        vec![
            put(1, 2, "k", 1, 2),
            unanswered(3, "k", What::Delete),
            get(4, 5, "k", answer, revision),
        ]
    };
    must_hold(&reads(2, found(1, 2, 1)));
    must_hold(&reads(3, None));
    assert_eq!(broken(&reads(2, None)), CONTENT, "it has no revision");
    assert_eq!(broken(&reads(4, None)), EXPLAINED, "it happens once");
    assert_eq!(broken(&reads(3, found(1, 2, 2))), VERSION, "it is no put");
}

#[test]
fn versions_count_what_may_have_happened_between() {
    let last = |version| {
        vec![
            put(1, 2, "k", 1, 2),
            unanswered(3, "k", What::Put(2)),
            unanswered(3, "l", What::Put(4)),
            put(4, 5, "k", 3, 4),
            get(6, 7, "k", found(3, 4, version), 4),
        ]
    };
    // Revision 3 may be that of either key.
    must_hold(&last(3));
    must_hold(&last(2));
    assert_eq!(broken(&last(1)), VERSION);
    assert_eq!(broken(&last(4)), VERSION);
}
