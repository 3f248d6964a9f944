//! Client sessions: what makes a request execute at most once, however often and to whichever
//! replicas it is sent (invariant 5; protocol, Sessions).
//!
//! The table is part of the replicated state: it changes only by executed commands and by the log
//! time they carry, so it is the same on every replica. Lanes are ordered independently, so request 5
//! of a session may be executed before request 4; therefore the table remembers the executed
//! sequences above a floor, with their answers, and not the highest one seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::planted::planted;
use crate::types::LogTime;

/// The bounds of the session table; the same on all members.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Open sessions.
    pub sessions_max: usize,
    /// How far above its floor a session's requests may reach.
    pub window_max: u64,
    /// Bytes of remembered answers of one session.
    pub answer_bytes_max: u64,
    /// A session that sends nothing for this long, in log time, expires.
    pub idle_ns_max: u64,
}

impl Default for SessionLimits {
    fn default() -> Self {
        SessionLimits {
            sessions_max: 65_536,
            window_max: 65_536,
            answer_bytes_max: 16 << 20,
            idle_ns_max: 60_000_000_000,
        }
    }
}

/// What is to be done with a request of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Not executed before: execute it, then [`SessionTable::record`] the answer.
    Execute,
    /// Executed before: this was the answer.
    Answered(Bytes),
    /// The client has said that it has the answer already; it will not be executed again.
    BelowFloor,
    /// Further above the floor than the window reaches, or no room for more answers.
    BeyondWindow,
    /// No such session: never opened, or expired.
    UnknownSession,
}

#[derive(Clone, Debug)]
struct Session {
    /// All sequences below this are answered, and the client has the answers.
    floor: u64,
    /// The answers of executed requests; the first is the floor's. At most `window_max` long.
    answers: VecDeque<Option<Bytes>>,
    /// The bytes of `answers`.
    answer_bytes: u64,
    /// When it expires unless it is heard of.
    expires: LogTime,
}

/// The open sessions.
#[derive(Clone, Debug)]
pub struct SessionTable {
    limits: SessionLimits,
    sessions: BTreeMap<u64, Session>,
    /// (expiry, session), so that the next one to expire is the first.
    by_expiry: BTreeSet<(LogTime, u64)>,
}

impl SessionTable {
    /// An empty table.
    #[must_use]
    pub fn new(limits: SessionLimits) -> SessionTable {
        SessionTable {
            limits,
            sessions: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
        }
    }

    /// Opens session `id`, which must be new: the place of the opening command among all executed
    /// ones. Returns false if the table is full.
    pub fn open(&mut self, id: u64, now: LogTime) -> bool {
        if self.sessions.len() >= self.limits.sessions_max {
            return false;
        }
        let expires = LogTime(now.0.saturating_add(self.limits.idle_ns_max));
        let session = Session {
            floor: 1,
            answers: VecDeque::new(),
            answer_bytes: 0,
            expires,
        };
        let before = self.sessions.insert(id, session);
        assert!(before.is_none(), "session ids are never used again");
        self.by_expiry.insert((expires, id));
        true
    }

    /// Closes session `id`; false if there is none.
    pub fn close(&mut self, id: u64) -> bool {
        match self.sessions.remove(&id) {
            Some(session) => self.by_expiry.remove(&(session.expires, id)),
            None => false,
        }
    }

    /// Keeps session `id` open; false if there is none.
    pub fn renew(&mut self, id: u64, now: LogTime) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        let expires = LogTime(now.0.saturating_add(self.limits.idle_ns_max));
        if expires > session.expires {
            self.by_expiry.remove(&(session.expires, id));
            self.by_expiry.insert((expires, id));
            session.expires = expires;
        }
        true
    }

    /// Raises the floor of session `id`: the client has the answers of everything below.
    pub fn raise_floor(&mut self, id: u64, floor: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if floor <= session.floor {
            return;
        }
        let raised = usize::try_from(floor - session.floor).unwrap_or(usize::MAX);
        let dropped = session.answers.drain(..raised.min(session.answers.len()));
        let bytes: u64 = dropped.flatten().map(|answer| answer_cost(&answer)).sum();
        session.answer_bytes -= bytes;
        session.floor = floor;
    }

    /// What is to be done with request `sequence` of session `id`.
    #[must_use]
    pub fn admit(&self, id: u64, sequence: u64) -> Admission {
        let Some(session) = self.sessions.get(&id) else {
            return Admission::UnknownSession;
        };
        if sequence < session.floor {
            return Admission::BelowFloor;
        }
        let above = sequence - session.floor;
        let at = usize::try_from(above).unwrap_or(usize::MAX);
        if let Some(Some(answer)) = session.answers.get(at) {
            return Admission::Answered(answer.clone());
        }
        if planted!(SessionHighestSequence) && at < session.answers.len() {
            return Admission::Answered(Bytes::new());
        }
        let in_window = above < self.limits.window_max;
        if in_window && session.answer_bytes < self.limits.answer_bytes_max {
            Admission::Execute
        } else {
            Admission::BeyondWindow
        }
    }

    /// Remembers the answer of a request that [`SessionTable::admit`] let through.
    pub fn record(&mut self, id: u64, sequence: u64, answer: Bytes) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.answer_bytes += answer_cost(&answer);
        let at = usize::try_from(sequence - session.floor).expect("within the window");
        if session.answers.len() <= at {
            session.answers.resize(at + 1, None);
        }
        let before = session.answers[at].replace(answer);
        assert!(before.is_none(), "a request is executed once (invariant 5)");
    }

    /// Expires every session whose time has come. Called in each slot after its requests, so that a
    /// request of the same slot still renews.
    pub fn expire(&mut self, now: LogTime) -> Vec<u64> {
        let mut expired = Vec::new();
        while let Some(&(expires, id)) = self.by_expiry.first() {
            if expires > now {
                break;
            }
            self.close(id);
            expired.push(id);
        }
        expired
    }

    /// When the next session expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<LogTime> {
        self.by_expiry.first().map(|entry| entry.0)
    }

    /// How many sessions are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether no session is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

fn answer_cost(answer: &Bytes) -> u64 {
    answer.len() as u64 + 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> SessionTable {
        let mut table = SessionTable::new(SessionLimits {
            sessions_max: 2,
            window_max: 4,
            answer_bytes_max: 1 << 20,
            idle_ns_max: 100,
        });
        assert!(table.open(7, LogTime(0)));
        table
    }

    #[test]
    fn a_later_request_executed_first_does_not_hide_an_earlier_one() {
        let mut table = table();
        assert_eq!(table.admit(7, 2), Admission::Execute);
        table.record(7, 2, Bytes::from_static(b"two"));
        assert_eq!(table.admit(7, 1), Admission::Execute);
        let again = table.admit(7, 2);
        assert_eq!(again, Admission::Answered(Bytes::from_static(b"two")));
    }

    #[test]
    fn below_the_floor_nothing_is_executed() {
        let mut table = table();
        table.record(7, 1, Bytes::new());
        table.raise_floor(7, 2);
        assert_eq!(table.admit(7, 1), Admission::BelowFloor);
        assert_eq!(table.admit(7, 5), Admission::Execute);
        assert_eq!(table.admit(7, 6), Admission::BeyondWindow);
        table.raise_floor(7, 1);
        assert_eq!(
            table.admit(7, 1),
            Admission::BelowFloor,
            "a floor never sinks"
        );
    }

    #[test]
    fn the_answers_of_one_session_are_bounded_in_bytes() {
        let mut table = SessionTable::new(SessionLimits {
            answer_bytes_max: 100,
            ..SessionLimits::default()
        });
        assert!(table.open(7, LogTime(0)));
        table.record(7, 1, Bytes::from_static(&[0; 40]));
        assert_eq!(table.admit(7, 2), Admission::BeyondWindow);
        table.raise_floor(7, 2);
        assert_eq!(table.admit(7, 2), Admission::Execute);
    }

    #[test]
    fn a_session_expires_by_log_time_only() {
        let mut table = table();
        assert!(table.renew(7, LogTime(50)));
        assert_eq!(table.next_expiry(), Some(LogTime(150)));
        assert!(table.expire(LogTime(149)).is_empty());
        assert_eq!(table.expire(LogTime(150)), [7]);
        assert_eq!(table.admit(7, 1), Admission::UnknownSession);
        assert_eq!(table.next_expiry(), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut table = table();
        assert!(table.open(8, LogTime(0)));
        assert!(!table.open(9, LogTime(0)));
        assert!(table.close(8));
        assert!(!table.close(8));
        assert!(table.open(9, LogTime(0)));
        assert_eq!(table.len(), 2);
    }
}
