//! Getting what is missing, from any replica that has it, after about two round trips.
//!
//! Data: per lane and incarnation the highest position known to exist; per replica how far its slots
//! are decided; when something was first missed and last asked for. Limit: one entry per live
//! incarnation. Nothing here is trusted for more than asking.

use crate::config::{Limits, Timing};
use crate::planted::planted;
use crate::types::{Incarnation, Position, ReplicaId, Sequence, Slot, Time};

/// Something of a lane that exists and is not here.
#[derive(Clone, Debug)]
struct Want {
    lane: ReplicaId,
    incarnation: Incarnation,
    /// The last batch known to exist.
    to: Sequence,
    /// The end of what was here when the clock was last set.
    end: Sequence,
    /// When it is asked for, unless it comes by itself.
    due: Time,
    /// How often it was asked for without any progress.
    attempts: u32,
    /// Bytes that came since it was last asked for; `None` if it was not.
    answered_bytes: Option<u64>,
    /// When it was last asked for, until something comes: that is about a round trip.
    asked: Option<Time>,
}

/// A request for batches that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchRequest {
    pub(crate) lane: ReplicaId,
    pub(crate) from: Position,
    pub(crate) to: Sequence,
    /// Counts up, to choose another replica each time.
    pub(crate) attempt: u32,
}

/// What this replica lacks.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    wants: Vec<Want>,
    /// The highest decided slot that some replica knows, and who.
    decided: (Slot, ReplicaId),
    /// Who was asked for slots last: whoever else has them is asked next.
    asked_last: ReplicaId,
    /// Counts those who were asked although they said nothing of having slots.
    guesses: usize,
    slots_due: Option<Time>,
    /// About a round trip, in nanoseconds.
    round_trip_ns: u64,
    fetch_ns_min: u64,
    fetch_ns_max: u64,
    fetch_bytes_max: u64,
    wants_max: usize,
    /// Whose turn it is to ask first: a peer reads its log for one request at a time.
    turn: usize,
}

impl Fetcher {
    pub(crate) fn new(timing: &Timing, limits: &Limits) -> Fetcher {
        Fetcher {
            wants: Vec::new(),
            decided: (Slot(0), ReplicaId(0)),
            asked_last: ReplicaId(0),
            guesses: 0,
            slots_due: None,
            round_trip_ns: 0,
            fetch_ns_min: timing.fetch_ns_min,
            fetch_ns_max: timing.fetch_ns_max,
            fetch_bytes_max: limits.fetch_bytes_max,
            wants_max: limits.members_max * limits.incarnations_max,
            turn: 0,
        }
    }

    /// A round trip took this long.
    pub(crate) fn on_round_trip(&mut self, ns: u64) {
        self.round_trip_ns = match self.round_trip_ns {
            0 => ns,
            known => (known * 7 + ns) / 8,
        };
    }

    /// About two round trips, longer with each attempt that brought nothing.
    fn patience_ns(&self, attempts: u32) -> u64 {
        let two = (2 * self.round_trip_ns).max(self.fetch_ns_min);
        two.saturating_mul(1 << attempts.min(6))
            .min(self.fetch_ns_max)
    }

    /// The batch at `position` exists; `end` is how far this replica holds that incarnation.
    pub(crate) fn want(&mut self, lane: ReplicaId, position: Position, end: Sequence, now: Time) {
        if position.sequence <= end {
            return;
        }
        let due = now.plus(self.patience_ns(0));
        let mut wants = self.wants.iter_mut();
        let known = wants.find(|w| w.lane == lane && w.incarnation == position.incarnation);
        if let Some(want) = known {
            want.to = want.to.max(position.sequence);
        } else if self.wants.len() < self.wants_max {
            self.wants.push(Want {
                lane,
                incarnation: position.incarnation,
                to: position.sequence,
                end,
                due,
                attempts: 0,
                answered_bytes: None,
                asked: None,
            });
        }
    }

    /// A batch was stored: the lane moves, so patience starts anew. When the answer to a request is
    /// complete, the next request goes out at once.
    pub(crate) fn on_stored(&mut self, lane: ReplicaId, position: Position, bytes: u64, now: Time) {
        let patience = self.patience_ns(0);
        let fetch_bytes_max = self.fetch_bytes_max;
        let mut round_trip = None;
        self.wants.retain_mut(|want| {
            if want.lane != lane || want.incarnation != position.incarnation {
                return true;
            }
            want.end = position.sequence;
            let asked = want.asked.take().filter(|_| want.attempts == 1);
            round_trip = round_trip.or(asked.map(|asked| now.since(asked)));
            want.attempts = 0;
            want.due = now.plus(patience);
            if let Some(answered) = &mut want.answered_bytes {
                *answered += bytes;
                if *answered >= fetch_bytes_max {
                    want.due = now;
                }
            }
            want.end < want.to
        });
        if let Some(ns) = round_trip {
            self.on_round_trip(ns);
        }
    }

    /// Forgets incarnations that are closed.
    pub(crate) fn drop_closed(&mut self, closed: impl Fn(ReplicaId, Incarnation) -> bool) {
        self.wants
            .retain(|want| !closed(want.lane, want.incarnation));
    }

    /// The requests for batches that are due.
    pub(crate) fn due_batches(&mut self, now: Time) -> Vec<BatchRequest> {
        let mut due = Vec::new();
        for at in 0..self.wants.len() {
            let at = (at + self.turn) % self.wants.len();
            if self.wants[at].due > now {
                continue;
            }
            let patience = self.patience_ns(self.wants[at].attempts + 1);
            let want = &mut self.wants[at];
            due.push(BatchRequest {
                lane: want.lane,
                from: Position {
                    incarnation: want.incarnation,
                    sequence: want.end.next(),
                },
                to: want.to,
                attempt: want.attempts,
            });
            want.attempts += 1;
            want.answered_bytes = Some(0);
            want.asked = Some(now);
            want.due = now.plus(patience);
        }
        self.turn = self.turn.wrapping_add(usize::from(!due.is_empty()));
        due
    }

    /// `peer` knows slots up to `decided` to be decided; `own` is how far this replica does.
    pub(crate) fn on_decided(&mut self, peer: ReplicaId, decided: Slot, own: Slot, now: Time) {
        if decided <= own {
            return;
        }
        let another = self.decided.1 == self.asked_last && peer != self.asked_last;
        if decided > self.decided.0 || another {
            self.decided = (decided, peer);
        }
        if self.slots_due.is_none() {
            self.slots_due = Some(now.plus(self.patience_ns(0)));
        }
    }

    /// Slots moved up to `own`: patience starts anew; `more` asks for the rest at once.
    pub(crate) fn on_slots(&mut self, own: Slot, more: bool, now: Time) {
        self.asked_last = ReplicaId(0);
        self.slots_due = match self.decided.0 > own {
            true if more => Some(now),
            true => Some(now.plus(self.patience_ns(0))),
            false => None,
        };
    }

    /// No slots can be taken now: they are asked for later.
    pub(crate) fn postpone_slots(&mut self, now: Time) {
        if self.slots_due.is_some_and(|due| due <= now) {
            self.slots_due = Some(now.plus(self.patience_ns(2)));
        }
    }

    /// Whom of `peers` to ask for slots, if that is due; `own` is how far this replica has them. First one
    /// that is known to have them; if it does not answer, every other time one that may have them: it may
    /// be that the one which speaks does not hear.
    pub(crate) fn due_slots(
        &mut self,
        own: Slot,
        peers: &[ReplicaId],
        now: Time,
    ) -> Option<ReplicaId> {
        if self.slots_due.is_none_or(|due| due > now) {
            return None;
        }
        if self.decided.0 <= own {
            self.slots_due = None;
            return None;
        }
        self.slots_due = Some(now.plus(self.patience_ns(2)));
        let knows = self.decided.1;
        let in_vain = knows == self.asked_last && !planted!(OneIsAskedForSlots);
        let peer = if in_vain {
            self.guess(peers, knows)
        } else {
            knows
        };
        // Should this one not answer, whoever speaks next is asked next.
        self.decided.0 = own;
        self.asked_last = peer;
        Some(peer)
    }

    /// Another peer than `knows`, each in turn.
    fn guess(&mut self, peers: &[ReplicaId], knows: ReplicaId) -> ReplicaId {
        self.guesses = self.guesses.wrapping_add(1);
        let others = peers.iter().copied().filter(|peer| *peer != knows);
        let turn = self.guesses % others.clone().count().max(1);
        others.clone().nth(turn).unwrap_or(knows)
    }

    /// How many slots this replica is known to lack.
    pub(crate) fn slots_behind(&self, own: Slot) -> u64 {
        self.decided.0.0.saturating_sub(own.0)
    }

    /// When something is due next.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let wants = self.wants.iter().map(|want| want.due);
        wants.chain(self.slots_due).min()
    }
}
