//! Histories in which one thing is wrong.

use super::super::samples::{answered, cas, delete, found, get, put, refused, unanswered};
use super::super::{Found, Operation, What};
use super::{
    COMPARED, CONTENT, EXPLAINED, FINAL, ONE_EACH, READS_IN_TIME, VERSION, WRITES_IN_TIME, WRITTEN,
};

/// The rule, what is wrong, and the history.
pub(super) type Bad = (&'static str, &'static str, Vec<Operation>);

pub(super) fn all() -> Vec<Bad> {
    let groups = [
        of_places(),
        of_order(),
        of_content(),
        of_comparisons_and_ends(),
    ];
    groups.into_iter().flatten().collect()
}

fn one() -> Operation {
    put(1, 2, "k", 1, 2)
}

fn read(called_ns: u64, found: Option<Found>, revision: u64) -> Operation {
    get(called_ns, called_ns + 1, "k", found, revision)
}

fn of_places() -> Vec<Bad> {
    vec![
        (
            ONE_EACH,
            "two writes have one revision",
            vec![one(), put(3, 4, "l", 2, 2)],
        ),
        (
            ONE_EACH,
            "a write has the revision of the beginning",
            vec![put(1, 2, "k", 1, 1)],
        ),
        (
            ONE_EACH,
            "a write without an answer is seen at the revision of another",
            vec![
                one(),
                unanswered(1, "k", What::Put(2)),
                read(3, found(2, 2, 1), 2),
            ],
        ),
        (
            WRITTEN,
            "nobody wrote the value",
            vec![one(), read(3, found(9, 2, 1), 2)],
        ),
        (
            WRITTEN,
            "it was written to another key",
            vec![put(1, 2, "l", 1, 2), read(3, found(1, 2, 1), 2)],
        ),
        (
            WRITTEN,
            "it was written at another revision",
            vec![one(), put(3, 4, "k", 2, 3), read(5, found(1, 3, 1), 3)],
        ),
        (
            WRITTEN,
            "what a comparison refused to write was written",
            vec![
                one(),
                refused(3, 4, "k", None, 2, found(1, 2, 1), 2),
                read(5, found(2, 3, 2), 3),
            ],
        ),
    ]
}

fn of_order() -> Vec<Bad> {
    vec![
        (
            EXPLAINED,
            "a put was executed twice",
            vec![one(), read(3, found(1, 2, 1), 3)],
        ),
        (
            EXPLAINED,
            "a serializable read is ahead of everything",
            vec![
                one(),
                answered(3, 4, "k", What::SerializableGet, found(1, 2, 1), 3),
                read(5, found(1, 2, 1), 2),
            ],
        ),
        (
            EXPLAINED,
            "what might explain it was called later",
            vec![
                one(),
                read(3, found(1, 2, 1), 3),
                unanswered(5, "l", What::Put(2)),
                read(6, found(1, 2, 1), 3),
            ],
        ),
        (
            WRITES_IN_TIME,
            "a write is ordered before one that was answered",
            vec![put(1, 2, "k", 1, 3), put(3, 4, "k", 2, 2)],
        ),
        (
            WRITES_IN_TIME,
            "a write without an answer is seen before what was answered before its call",
            vec![
                put(1, 2, "k", 1, 3),
                unanswered(3, "k", What::Put(2)),
                answered(4, 5, "k", What::SerializableGet, found(2, 2, 1), 2),
            ],
        ),
        (
            READS_IN_TIME,
            "a read is older than a write that was answered",
            vec![one(), put(3, 4, "l", 2, 3), read(5, found(1, 2, 1), 2)],
        ),
        (
            READS_IN_TIME,
            "a read is older than a serializable one that was answered",
            vec![
                one(),
                unanswered(1, "k", What::Put(2)),
                answered(3, 4, "k", What::SerializableGet, found(2, 3, 2), 3),
                read(5, found(1, 2, 1), 2),
            ],
        ),
    ]
}

fn of_content() -> Vec<Bad> {
    vec![
        (
            CONTENT,
            "an acknowledged write is gone at the end",
            vec![one(), put(3, 4, "l", 2, 3), read(5, None, 3)],
        ),
        (
            CONTENT,
            "an older value is read than its revision has",
            vec![one(), put(3, 4, "k", 2, 3), read(5, found(1, 2, 1), 3)],
        ),
        (
            CONTENT,
            "a serializable read shows no state that ever was",
            vec![
                one(),
                put(3, 4, "k", 2, 3),
                answered(5, 6, "k", What::SerializableGet, found(1, 2, 1), 3),
            ],
        ),
        (
            CONTENT,
            "a value is read that is newer than the read's revision",
            vec![
                one(),
                put(3, 9, "k", 2, 3),
                answered(5, 6, "k", What::SerializableGet, found(2, 3, 2), 2),
            ],
        ),
        (
            CONTENT,
            "what was removed is read",
            vec![
                one(),
                delete(3, 4, "k", true, 3),
                read(5, found(1, 2, 1), 3),
            ],
        ),
        (
            CONTENT,
            "a delete removed what was not there",
            vec![delete(1, 2, "k", true, 2), read(3, None, 2)],
        ),
        (
            CONTENT,
            "a delete found nothing although something was there",
            vec![one(), delete(3, 4, "k", false, 2)],
        ),
        (
            VERSION,
            "a write in between is lost",
            vec![one(), put(3, 4, "k", 2, 3), read(5, found(2, 3, 1), 3)],
        ),
        (
            VERSION,
            "a write was executed twice, in place of one of another key",
            vec![
                put(1, 2, "k", 1, 3),
                unanswered(1, "l", What::Put(2)),
                read(5, found(1, 3, 2), 3),
            ],
        ),
    ]
}

fn of_comparisons_and_ends() -> Vec<Bad> {
    vec![
        (
            COMPARED,
            "it wrote although the values differ",
            vec![one(), cas(3, 4, "k", Some(7), 2, 3)],
        ),
        (
            COMPARED,
            "two comparisons with one value held",
            vec![
                one(),
                cas(3, 9, "k", Some(1), 2, 3),
                cas(3, 9, "k", Some(1), 3, 4),
            ],
        ),
        (
            COMPARED,
            "it did not write although they are equal",
            vec![one(), refused(3, 4, "k", Some(1), 2, found(1, 2, 1), 2)],
        ),
        (
            COMPARED,
            "one without an answer wrote although the values differ",
            vec![
                one(),
                put(3, 4, "k", 2, 3),
                unanswered(
                    5,
                    "k",
                    What::CompareAndPut {
                        expected: Some(1),
                        value: 3,
                    },
                ),
                read(6, found(3, 4, 3), 4),
            ],
        ),
        (
            FINAL,
            "the key is not read after the last write",
            vec![one(), read(3, found(1, 2, 1), 2), put(5, 6, "l", 2, 3)],
        ),
        (
            FINAL,
            "it is read, but from one replica's state",
            vec![
                one(),
                answered(3, 4, "k", What::SerializableGet, found(1, 2, 1), 2),
            ],
        ),
    ]
}
