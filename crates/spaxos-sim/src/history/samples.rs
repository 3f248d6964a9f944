//! Operations by hand, for the tests of the checkers. Times are in nanoseconds: called, returned.

use super::{Answer, Found, Operation, What};

pub(super) const fn found(value: u64, revision: u64, version: u64) -> Option<Found> {
    Some(Found {
        value,
        revision,
        version,
    })
}

pub(super) fn unanswered(called_ns: u64, key: &str, what: What) -> Operation {
    Operation {
        client: 0,
        called_ns,
        key: key.to_owned(),
        what,
        answer: None,
    }
}

/// Something that changed nothing.
pub(super) fn answered(
    called_ns: u64,
    returned_ns: u64,
    key: &str,
    what: What,
    found: Option<Found>,
    revision: u64,
) -> Operation {
    let answer = Answer {
        returned_ns,
        revision,
        changed: false,
        found,
    };
    Operation {
        answer: Some(answer),
        ..unanswered(called_ns, key, what)
    }
}

/// Something that changed the key.
pub(super) fn changed(
    called_ns: u64,
    returned_ns: u64,
    key: &str,
    what: What,
    revision: u64,
) -> Operation {
    let mut operation = answered(called_ns, returned_ns, key, what, None, revision);
    if let Some(answer) = &mut operation.answer {
        answer.changed = true;
    }
    operation
}

pub(super) fn put(
    called_ns: u64,
    returned_ns: u64,
    key: &str,
    value: u64,
    revision: u64,
) -> Operation {
    changed(called_ns, returned_ns, key, What::Put(value), revision)
}

pub(super) fn get(
    called_ns: u64,
    returned_ns: u64,
    key: &str,
    found: Option<Found>,
    revision: u64,
) -> Operation {
    answered(called_ns, returned_ns, key, What::Get, found, revision)
}

pub(super) fn delete(
    called_ns: u64,
    returned_ns: u64,
    key: &str,
    was_there: bool,
    revision: u64,
) -> Operation {
    if was_there {
        return changed(called_ns, returned_ns, key, What::Delete, revision);
    }
    answered(called_ns, returned_ns, key, What::Delete, None, revision)
}

/// A comparison that held.
pub(super) fn cas(
    called_ns: u64,
    returned_ns: u64,
    key: &str,
    expected: Option<u64>,
    value: u64,
    revision: u64,
) -> Operation {
    let what = What::CompareAndPut { expected, value };
    changed(called_ns, returned_ns, key, what, revision)
}

/// A comparison that did not hold.
pub(super) fn refused(
    called_ns: u64,
    returned_ns: u64,
    key: &str,
    expected: Option<u64>,
    value: u64,
    found: Option<Found>,
    revision: u64,
) -> Operation {
    let what = What::CompareAndPut { expected, value };
    answered(called_ns, returned_ns, key, what, found, revision)
}

/// A history in which everything occurs and nothing is wrong.
pub(super) fn history() -> Vec<Operation> {
    vec![
        get(1, 2, "k", None, 1),
        put(3, 10, "k", 1, 2),
        put(4, 12, "l", 2, 3),
        get(5, 9, "k", found(1, 2, 1), 2),
        cas(13, 14, "k", Some(1), 3, 4),
        refused(13, 15, "k", Some(1), 4, found(3, 4, 2), 4),
        answered(15, 16, "k", What::SerializableGet, found(1, 2, 1), 3),
        // Seen by somebody, so it happened.
        unanswered(20, "l", What::Put(5)),
        get(21, 22, "l", found(5, 5, 2), 5),
        // Seen by nobody, and one of them explains revision 6.
        unanswered(23, "k", What::Put(6)),
        unanswered(23, "m", What::Delete),
        delete(30, 31, "k", true, 7),
        delete(32, 33, "k", false, 7),
        cas(34, 35, "k", None, 7, 8),
        // It was carried out, since the version of what was put last is 2.
        unanswered(
            36,
            "k",
            What::CompareAndPut {
                expected: Some(7),
                value: 8,
            },
        ),
        get(40, 41, "k", found(8, 9, 2), 9),
        get(40, 41, "l", found(5, 5, 2), 9),
        get(40, 41, "m", None, 9),
    ]
}
