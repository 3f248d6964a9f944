//! What reaches the core, apart from requests and reads: messages, and reports of the other threads.

use std::sync::Arc;

use parking_lot::Mutex;
use spaxos_core::effect::LogFound;
use spaxos_core::message::Message;
use spaxos_core::record::Life;
use spaxos_core::types::{LogTime, Lsn, ReplicaId, Slot};

use crate::wake::Wake;

/// Everything that has arrived since the core's last turn. Bounded by its producers: each connection
/// reads one piece at a time, and the log and the apply thread report marks, of which the last counts.
#[derive(Debug)]
pub(crate) struct Inbox {
    arrived: Mutex<Arrived>,
    wake: Arc<Wake>,
}

/// What has arrived.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    /// Connections that stand.
    pub(crate) greetings: Vec<Greeting>,
    /// Messages with their senders, in order per sender.
    pub(crate) messages: Vec<(ReplicaId, Message)>,
    /// Up to here the log is durable.
    pub(crate) durable: Option<Lsn>,
    /// Up to here slots are executed, and when something expires next.
    pub(crate) applied: Option<(Slot, Option<LogTime>)>,
    /// What was read from the log, and for whom.
    pub(crate) log_found: Vec<(ReplicaId, LogFound)>,
    /// The node is to stop.
    pub(crate) stop: Option<Stop>,
}

/// What another member said at the start of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// The other member.
    pub(crate) peer: ReplicaId,
    /// Its present life.
    pub(crate) life: Life,
    /// The latest of our lives that it has heard of.
    pub(crate) known: Life,
}

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Once nothing is under way, or after a while.
    Gracefully,
    /// Now.
    AtOnce,
}

impl Inbox {
    pub(crate) fn new(wake: Arc<Wake>) -> Inbox {
        Inbox {
            arrived: Mutex::new(Arrived::default()),
            wake,
        }
    }

    pub(crate) fn greeted(&self, greeting: Greeting) {
        self.arrived.lock().greetings.push(greeting);
        self.wake.wake();
    }

    /// Moves all of `messages` in, in order.
    pub(crate) fn messages(&self, messages: &mut Vec<(ReplicaId, Message)>) {
        if messages.is_empty() {
            return;
        }
        self.arrived.lock().messages.append(messages);
        self.wake.wake();
    }

    pub(crate) fn durable(&self, lsn: Lsn) {
        self.arrived.lock().durable = Some(lsn);
        self.wake.wake();
    }

    /// `wake` is whether the core should hear of it now.
    pub(crate) fn applied(&self, slot: Slot, next_expiry: Option<LogTime>, wake: bool) {
        self.arrived.lock().applied = Some((slot, next_expiry));
        if wake {
            self.wake.wake();
        }
    }

    pub(crate) fn log_found(&self, to: ReplicaId, found: LogFound) {
        self.arrived.lock().log_found.push((to, found));
        self.wake.wake();
    }

    /// Asks the core's thread to end. To stop at once is never taken back.
    pub(crate) fn stop(&self, stop: Stop) {
        let mut arrived = self.arrived.lock();
        if arrived.stop != Some(Stop::AtOnce) {
            arrived.stop = Some(stop);
        }
        drop(arrived);
        self.wake.wake();
    }

    /// Takes everything into `taken`, which must be empty but for `stop`: that stays.
    pub(crate) fn take(&self, taken: &mut Arrived) {
        assert!(
            taken.messages.is_empty(),
            "what was taken before must be done first"
        );
        let mut arrived = self.arrived.lock();
        let stop = arrived.stop;
        std::mem::swap(&mut *arrived, taken);
        arrived.stop = stop;
    }
}
