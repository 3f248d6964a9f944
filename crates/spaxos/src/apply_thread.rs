//! The thread that executes decided slots and answers reads, in one queue: a read sees what was
//! handed out before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use spaxos_core::effect::Execution;
use spaxos_core::types::Slot;

use crate::executor::Executor;
use crate::inbox::Inbox;
use crate::mailbox::Mailbox;
use crate::pending::Answering;
use crate::read::ReadRequest;

/// Work of the apply thread.
#[derive(Debug)]
pub(crate) enum Apply {
    /// The next slot.
    Execute(Execution),
    /// Reads that may look at the state as it is then.
    Reads(Vec<ReadRequest>),
}

/// What the apply thread owns and talks to.
#[derive(Debug)]
pub(crate) struct ApplyThread {
    pub(crate) executor: Executor,
    pub(crate) queue: Arc<Mailbox<Apply>>,
    pub(crate) answering: Answering,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) applied: Arc<Applied>,
    /// Until so much has been executed the core is not woken to hear of it.
    pub(crate) wake_after: Work,
}

/// The last executed slot, for whoever wants to know without asking the core.
#[derive(Debug, Default)]
pub(crate) struct Applied(AtomicU64);

impl Applied {
    pub(crate) fn slot(&self) -> Slot {
        Slot(self.0.load(Ordering::Acquire))
    }

    fn set(&self, slot: Slot) {
        self.0.store(slot.0, Ordering::Release);
    }
}

/// Executed slots and bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    pub(crate) slots: u64,
    pub(crate) bytes: u64,
}

impl ApplyThread {
    /// Runs until the queue is closed and empty. A panic of the state machine is not caught: it ends
    /// the thread, and with it the node.
    pub(crate) fn run(mut self) {
        let mut taken = Vec::new();
        let mut scratch = Vec::new();
        let mut work = Work::default();
        while self.queue.take(&mut taken) {
            let before = self.executor.executed();
            for apply in taken.drain(..) {
                match apply {
                    Apply::Execute(execution) => {
                        work.add(&execution);
                        self.executor.execute(&execution, &mut self.answering);
                        self.applied.set(execution.slot);
                    }
                    Apply::Reads(reads) => self.read(reads, &mut scratch),
                }
                self.answering.touched.flush();
            }
            let executed = self.executor.executed();
            if executed > before {
                self.report(executed, &mut work);
            }
        }
    }

    fn read(&mut self, reads: Vec<ReadRequest>, scratch: &mut Vec<u8>) {
        for read in reads {
            read.answer(&self.executor, scratch, &mut self.answering.touched);
        }
    }

    /// The core hears of it at its next turn, whatever that is for. It waits for it only when it has
    /// handed out as much as it may.
    fn report(&self, executed: Slot, work: &mut Work) {
        let much = work.slots >= self.wake_after.slots || work.bytes >= self.wake_after.bytes;
        self.inbox
            .applied(executed, self.executor.next_expiry(), much);
        if much {
            *work = Work::default();
        }
    }
}

impl Work {
    fn add(&mut self, execution: &Execution) {
        let bytes: u64 = execution
            .batches
            .iter()
            .map(|batch| batch.cost_bytes())
            .sum();
        self.slots += 1;
        self.bytes += bytes;
    }
}
