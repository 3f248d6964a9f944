//! The thread that executes decided slots and answers reads, in one queue: a read sees what was
//! handed out before it.

use std::sync::Arc;

use spaxos_core::effect::Execution;

use crate::executor::Executor;
use crate::inbox::Inbox;
use crate::intake::Intake;
use crate::mailbox::Mailbox;
use crate::pending::Pending;
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
    pub(crate) pending: Arc<Pending>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) intake: Arc<Intake>,
}

impl ApplyThread {
    /// Runs until the queue is closed and empty. A panic of the state machine is not caught: it ends
    /// the thread, and with it the node.
    pub(crate) fn run(mut self) {
        let mut taken = Vec::new();
        let mut scratch = Vec::new();
        while self.queue.take(&mut taken) {
            let before = self.executor.executed();
            for work in taken.drain(..) {
                match work {
                    Apply::Execute(execution) => {
                        self.executor.execute(&execution, &mut self.pending);
                    }
                    Apply::Reads(reads) => {
                        self.intake.release_reads(reads.len());
                        for read in reads {
                            read.answer(&self.executor, &mut scratch);
                        }
                    }
                }
            }
            let executed = self.executor.executed();
            if executed > before {
                self.inbox.applied(executed, self.executor.next_expiry());
            }
        }
    }
}
