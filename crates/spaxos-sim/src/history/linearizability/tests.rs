//! Histories by hand, good and bad.

use super::super::samples::{answered, cas, delete, found, get, history, put, refused, unanswered};
use super::*;

const STATES_MAX: usize = 10_000;

fn verdict(operations: &[Operation]) -> Result<Verdict, &'static str> {
    check(operations, STATES_MAX).map_err(|violation| violation.checker)
}

fn must_hold(operations: &[Operation]) {
    let verdict = check(operations, STATES_MAX);
    assert!(
        matches!(verdict, Ok(Verdict::Linearizable { .. })),
        "{verdict:?}"
    );
}

#[test]
fn a_good_history_is_explained() {
    must_hold(&history());
}

#[test]
fn operations_that_overlap_have_no_order() {
    must_hold(&[
        put(1, 9, "k", 1, 0),
        put(2, 8, "k", 2, 0),
        get(3, 4, "k", found(2, 0, 0), 0),
        get(5, 6, "k", found(1, 0, 0), 0),
    ]);
}

#[test]
fn a_read_that_goes_back_is_found() {
    let stale = [
        put(1, 2, "k", 1, 0),
        put(3, 9, "k", 2, 0),
        get(4, 5, "k", found(2, 0, 0), 0),
        get(6, 7, "k", found(1, 0, 0), 0),
    ];
    assert_eq!(verdict(&stale), Err(EXPLAINED));
}

#[test]
fn a_lost_write_is_found() {
    let lost = [put(1, 2, "k", 1, 0), get(3, 4, "k", None, 0)];
    assert_eq!(verdict(&lost), Err(EXPLAINED));
    let said = check(&lost, STATES_MAX).expect_err("lost").detail;
    assert!(said.contains("gets past client 0, \"k\", Get"), "{said}");
}

#[test]
fn a_value_of_nobody_is_found() {
    let made_up = [get(1, 2, "k", found(1, 0, 0), 0)];
    assert_eq!(verdict(&made_up), Err(EXPLAINED));
}

#[test]
fn two_comparisons_with_one_value_do_not_both_hold() {
    let both = [
        cas(1, 2, "k", None, 1, 0),
        cas(3, 9, "k", Some(1), 2, 0),
        cas(3, 9, "k", Some(1), 3, 0),
    ];
    assert_eq!(verdict(&both), Err(EXPLAINED));
    let one = [
        cas(1, 2, "k", None, 1, 0),
        cas(3, 9, "k", Some(1), 2, 0),
        refused(3, 9, "k", Some(1), 3, found(2, 0, 0), 0),
    ];
    must_hold(&one);
}

#[test]
fn what_a_delete_says_counts() {
    must_hold(&[put(1, 2, "k", 1, 0), delete(3, 4, "k", true, 0)]);
    let nothing_there = [put(1, 2, "k", 1, 0), delete(3, 4, "k", false, 0)];
    assert_eq!(verdict(&nothing_there), Err(EXPLAINED));
}

#[test]
fn without_an_answer_it_happened_late_or_never() {
    let late = |read| {
        [
            unanswered(1, "k", What::Put(1)),
            put(2, 3, "k", 2, 0),
            get(4, 5, "k", found(2, 0, 0), 0),
            get(6, 7, "k", read, 0),
        ]
    };
    must_hold(&late(found(1, 0, 0)));
    must_hold(&late(found(2, 0, 0)));
    assert_eq!(verdict(&late(None)), Err(EXPLAINED));
    let twice = [
        unanswered(1, "k", What::Put(1)),
        get(2, 3, "k", found(1, 0, 0), 0),
        put(4, 5, "k", 2, 0),
        get(6, 7, "k", found(1, 0, 0), 0),
    ];
    assert_eq!(verdict(&twice), Err(EXPLAINED), "once at most");
    let early = [
        get(1, 2, "k", found(1, 0, 0), 0),
        unanswered(3, "k", What::Put(1)),
    ];
    assert_eq!(verdict(&early), Err(EXPLAINED), "not before its call");
}

#[test]
fn what_nobody_looked_for_may_still_have_been_removed() {
    let removed = |value| {
        [
            unanswered(1, "k", value),
            delete(2, 3, "k", true, 0),
            get(4, 5, "k", None, 0),
        ]
    };
    must_hold(&removed(What::Put(1)));
    assert_eq!(verdict(&removed(What::Delete)), Err(EXPLAINED));
    let chain = [
        unanswered(1, "k", What::Put(1)),
        unanswered(
            1,
            "k",
            What::CompareAndPut {
                expected: Some(1),
                value: 2,
            },
        ),
        get(4, 5, "k", found(2, 0, 0), 0),
    ];
    must_hold(&chain);
}

#[test]
fn keys_are_independent_and_serializable_reads_are_left_out() {
    let stale = answered(5, 6, "k", What::SerializableGet, None, 0);
    must_hold(&[
        put(1, 2, "k", 1, 0),
        put(3, 4, "l", 2, 0),
        stale,
        get(7, 8, "k", found(1, 0, 0), 0),
    ]);
}

#[test]
fn a_value_written_twice_cannot_be_judged() {
    let twice = [put(1, 2, "k", 1, 0), put(3, 4, "k", 1, 0)];
    assert_eq!(verdict(&twice), Err("history: values are unique"));
}

#[test]
fn too_many_states_are_given_up() {
    let mut operations: Vec<_> = (1..=20).map(|value| put(1, 99, "k", value, 0)).collect();
    operations.push(get(100, 101, "k", None, 0));
    let expected = Verdict::Undecided {
        key: "k".to_owned(),
        states_max: STATES_MAX,
    };
    assert_eq!(verdict(&operations), Ok(expected));
}

#[test]
fn long_histories_take_about_as_many_states_as_operations() {
    let mut operations = Vec::new();
    for turn in 0..1000 {
        let at = 10 * turn;
        operations.push(put(at, at + 15, "k", 2 * turn, 0));
        operations.push(unanswered(at, "k", What::Put(2 * turn + 1)));
        operations.push(get(at + 5, at + 8, "k", found(2 * turn, 0, 0), 0));
    }
    match check(&operations, 100_000) {
        Ok(Verdict::Linearizable { states }) => assert!(states < 10_000, "{states}"),
        other => panic!("{other:?}"),
    }
}
