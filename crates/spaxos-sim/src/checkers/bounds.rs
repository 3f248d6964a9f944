//! Every queue has a bound: what a replica holds back, hands out and sends stays within its limits.

use spaxos_core::batch::{BATCH_HEAD_BYTES, Batch};
use spaxos_core::config::Limits;
use spaxos_core::message::{Body, Message};
use spaxos_core::status::Status;

use crate::violation::{Checked, ensure};

const NAME: &str = "bounds";

/// The limits that hold in this run.
#[derive(Debug)]
pub(crate) struct Bounds {
    limits: Limits,
    members: usize,
}

/// Messages that one replica holds back until a sync, at most: a stalled disk must not fill memory.
const OUTBOX_MAX: usize = 20_000;

impl Bounds {
    pub(crate) fn new(limits: Limits, members: usize) -> Bounds {
        Bounds { limits, members }
    }

    pub(crate) fn on_step(&self, status: &Status, outbox: usize) -> Checked {
        let lane_max = self.limits.lane_bytes_max + self.limits.reserve_bytes;
        ensure(status.lane_bytes <= lane_max, NAME, || {
            format!(
                "{} bytes of the own lane wait, {lane_max} may",
                status.lane_bytes
            )
        })?;
        // The own lane grows with every start of which nothing is ordered: nobody else's does. A
        // restart may know less to be decided than was known, and so hold what was closed already.
        let others = status.held.iter().filter(|held| held.lane != status.id);
        let lives = others.count();
        let lives_max = 2 * (self.members - 1) * self.limits.incarnations_max;
        ensure(lives <= lives_max, NAME, || {
            format!("{lives} incarnations of others are held, {lives_max} may")
        })?;
        ensure(outbox <= OUTBOX_MAX, NAME, || {
            format!("{outbox} messages wait for the disk")
        })
    }

    /// Executions that were handed out and are not applied yet.
    pub(crate) fn on_execute(&self, slots: usize, bytes: u64) -> Checked {
        let slots_max = self.limits.apply_slots_max;
        ensure(slots as u64 <= slots_max, NAME, || {
            format!("{slots} slots are handed out, {slots_max} may")
        })?;
        // The last slot handed out may have been the one that passed the limit.
        let bytes_max = self.limits.apply_bytes_max + self.slot_bytes_max();
        ensure(bytes <= bytes_max, NAME, || {
            format!("{bytes} bytes are handed out, {bytes_max} may")
        })
    }

    pub(crate) fn on_release(&self, message: &Message) -> Checked {
        let values = match &message.body {
            Body::Batch(batch) => {
                self.check_batch(batch)?;
                0
            }
            Body::Accept {
                values, batches, ..
            } => {
                for batch in batches {
                    self.check_batch(batch)?;
                }
                values.len()
            }
            Body::Adopt { values, .. } | Body::Slots { values, .. } => values.len(),
            Body::Promise(promise) => promise.tail.len(),
            _ => 0,
        };
        let values_max = self.limits.message_slots_max;
        ensure(values <= values_max, NAME, || {
            format!(
                "{} has {values} slots, {values_max} may be",
                message.body.name()
            )
        })
    }

    fn check_batch(&self, batch: &Batch) -> Checked {
        let bytes = batch.payload.len();
        ensure(bytes <= self.limits.batch_bytes_max, NAME, || {
            format!("batch {}:{} has {bytes} bytes", batch.lane, batch.position)
        })
    }

    /// A slot's bytes; one batch of each lane is always allowed.
    fn slot_bytes_max(&self) -> u64 {
        let batch = self.limits.batch_bytes_max as u64 + BATCH_HEAD_BYTES;
        self.limits.slot_bytes_max + self.members as u64 * batch
    }
}
