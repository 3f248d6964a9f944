//! What tells two states of a replica apart, for explorers of states. Nothing here is used by a node.

use std::fmt::{Debug, Write};

use crate::cut::Value;
use crate::replica::Replica;
use crate::types::{Ballot, Slot};

impl Replica {
    /// Appends everything that decides how this replica goes on. Left out are what never changes and
    /// what only counts. Points in time, and record numbers that are past, stand in it as they are:
    /// the reader knows by their types' names what to make of them.
    ///
    /// Every field is named, so that a new one is thought about here.
    #[doc(hidden)]
    pub fn write_state(&self, text: &mut String) {
        let Replica {
            config: _,
            lives,
            greeted,
            replaced,
            id: _,
            members: _,
            peers: _,
            quorum: _,
            now,
            effects: _,
            dropped: _,
            life,
            known_lives,
            halted,
            disk,
            batcher,
            own_digest,
            store,
            sender,
            acks,
            fetcher,
            log_reads,
            forwarding,
            log,
            acceptor,
            tally,
            election,
            ask_slots_after,
            executor,
            next_expiry,
            reads,
        } = self;
        let may_ask = ask_slots_after <= now;
        let parts: [(&str, &dyn Debug); 23] = [
            ("life", life),
            ("lives", lives),
            ("greeted", greeted),
            ("replaced", replaced),
            ("known_lives", known_lives),
            ("halted", halted),
            ("disk", disk),
            ("batcher", batcher),
            ("own_digest", own_digest),
            ("store", store),
            ("sender", sender),
            ("acks", acks),
            ("fetcher", fetcher),
            ("log_reads", log_reads),
            ("forwarding", forwarding),
            ("log", log),
            ("acceptor", acceptor),
            ("tally", tally),
            ("election", election),
            ("executor", executor),
            ("next_expiry", next_expiry),
            ("reads", reads),
            ("may_ask", &may_ask),
        ];
        for (name, part) in parts {
            writeln!(text, "{name}: {part:?}").expect("a string takes everything");
        }
    }

    /// The ballot whose log this replica follows; zero if nobody's.
    #[doc(hidden)]
    #[must_use]
    pub fn followed(&self) -> Ballot {
        self.log.view()
    }

    /// The value of a slot that this replica knows to be decided, if it is in memory.
    #[doc(hidden)]
    #[must_use]
    pub fn decided_value(&self, slot: Slot) -> Option<&Value> {
        self.log.get(slot).filter(|_| slot <= self.log.decided())
    }
}
