//! Linearizable reads: a read sees everything that was acknowledged or read before it began.

use spaxos_core::types::Slot;

use crate::violation::{Checked, ensure};

/// The highest slot that any client has seen the effect of.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    seen: Slot,
}

impl Reads {
    /// What a read that begins now must see.
    pub(crate) fn floor(&self) -> Slot {
        self.seen
    }

    pub(crate) fn on_acknowledge(&mut self, slot: Slot) {
        self.seen = self.seen.max(slot);
    }

    /// A read that began when the floor was `floor` is answered from the state after `observed`.
    pub(crate) fn on_read(&mut self, floor: Slot, observed: Slot) -> Checked {
        ensure(observed >= floor, "linearizable reads", || {
            format!("a read sees slot {observed}, slot {floor} was seen before it began")
        })?;
        self.seen = self.seen.max(observed);
        Ok(())
    }
}
