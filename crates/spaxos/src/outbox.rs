//! Messages that must not leave before their records are durable (invariant 7).

use std::collections::VecDeque;
use std::sync::Arc;

use spaxos_core::effect::Recipients;
use spaxos_core::types::Lsn;

use crate::transport::outgoing::Outgoing;

/// A message with its addressees.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// To whom.
    pub(crate) to: Recipients,
    /// What.
    pub(crate) message: Arc<Outgoing>,
}

/// Holds messages back until the log's durable mark has passed theirs.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Sorted by mark; among equals, by arrival.
    held: VecDeque<(Lsn, Letter)>,
    durable: Lsn,
    messages_max: usize,
}

impl Outbox {
    /// Holds back at most `messages_max` messages.
    pub(crate) fn new(messages_max: usize) -> Outbox {
        Outbox {
            held: VecDeque::new(),
            durable: Lsn(0),
            messages_max,
        }
    }

    /// Gives the letter back if it may leave now, and keeps it otherwise. Returns false as the second
    /// value if there was no room and the letter is lost, which the protocol survives.
    pub(crate) fn post(&mut self, after: Lsn, letter: Letter) -> (Option<Letter>, bool) {
        if after <= self.durable {
            return (Some(letter), true);
        }
        if self.held.len() >= self.messages_max {
            return (None, false);
        }
        // Marks nearly always grow, so this looks at one entry.
        let behind = self.held.iter().rev().take_while(|held| held.0 > after);
        let at = self.held.len() - behind.count();
        self.held.insert(at, (after, letter));
        (None, true)
    }

    /// Everything up to `durable` is durable: hands out what waited for that, in order.
    pub(crate) fn release(&mut self, durable: Lsn, mut leave: impl FnMut(Letter)) {
        assert!(durable >= self.durable, "what is durable stays durable");
        self.durable = durable;
        while let Some((after, _)) = self.held.front() {
            if *after > durable {
                break;
            }
            if let Some((_, letter)) = self.held.pop_front() {
                leave(letter);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use spaxos_core::types::ReplicaId;

    use super::*;
    use crate::transport::outgoing::tests::outgoing;

    fn letter(to: u64) -> Letter {
        Letter {
            to: Recipients::One(ReplicaId(to)),
            message: outgoing(None),
        }
    }

    fn released(outbox: &mut Outbox, durable: u64) -> Vec<Recipients> {
        let mut left = Vec::new();
        outbox.release(Lsn(durable), |letter| left.push(letter.to));
        left
    }

    #[test]
    fn nothing_leaves_before_its_record_is_durable() {
        let mut outbox = Outbox::new(10);
        assert!(
            outbox.post(Lsn(0), letter(1)).0.is_some(),
            "no record to wait for"
        );
        assert!(outbox.post(Lsn(5), letter(2)).0.is_none());
        assert!(outbox.post(Lsn(3), letter(3)).0.is_none());
        assert!(outbox.post(Lsn(5), letter(4)).0.is_none());
        assert_eq!(released(&mut outbox, 2), []);
        assert_eq!(released(&mut outbox, 3), [Recipients::One(ReplicaId(3))]);
        let both = [2, 4].map(|id| Recipients::One(ReplicaId(id)));
        assert_eq!(released(&mut outbox, 9), both);
        assert!(outbox.post(Lsn(9), letter(5)).0.is_some());
    }

    #[test]
    fn a_stalled_disk_does_not_fill_memory() {
        let mut outbox = Outbox::new(2);
        for _ in 0..2 {
            assert!(outbox.post(Lsn(1), letter(1)).1);
        }
        assert!(!outbox.post(Lsn(1), letter(1)).1, "full");
    }
}
