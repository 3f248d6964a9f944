//! A cheap, cloneable way into a running node.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use spaxos_core::status::Status;
use spaxos_core::types::Slot;
use spaxos_wire::chunk::REQUEST_HEAD_BYTES;
use tokio::sync::oneshot;

use crate::apply_thread::{Applied, Apply};
use crate::counters::{Cells, Counters};
use crate::error::{ReadError, SubmitError};
use crate::intake::Intake;
use crate::mailbox::Mailbox;
use crate::options::CHUNK_HEAD_BYTES;
use crate::read::{ReadRequest, Reader};
use crate::waiter::Waiter;

/// An answer of the state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The slot in which the command was executed, or up to which the queried state had been.
    pub slot: Slot,
    /// What the state machine said.
    pub bytes: Bytes,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// Sees everything that was answered before the read began, on any replica.
    Linearizable,
    /// Whatever this replica has executed so far.
    Serializable,
}

/// A cheap, cloneable way into a running node. Works from any runtime and any number of tasks.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// What all handles of a node, and the tasks of its clients, share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) intake: Arc<Intake>,
    pub(crate) apply: Arc<Mailbox<Apply>>,
    pub(crate) status: Arc<Mutex<Status>>,
    pub(crate) counters: Arc<Cells>,
    pub(crate) applied: Arc<Applied>,
    /// What the requests of one payload may have together, in bytes.
    pub(crate) payload_bytes_max: usize,
}

impl Handle {
    pub(crate) const fn new(shared: Arc<Shared>) -> Handle {
        Handle { shared }
    }

    /// Replicates `command`, executes it and returns the answer. Waits as long as it takes; whether a
    /// command is executed whose future is dropped is unknown.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn submit(&self, command: Bytes) -> Result<Reply, SubmitError> {
        let intake = &self.shared.intake;
        intake.check_length(&command)?;
        let permits = Intake::permits(command.len(), 1);
        intake.admit(permits).await?;
        let (sender, receiver) = oneshot::channel();
        let bytes = command.len() + REQUEST_HEAD_BYTES;
        intake.push_plain(
            bytes,
            std::iter::once(&command),
            Waiter::One(sender),
            permits,
        );
        receiver.await.unwrap_or(Err(SubmitError::Stopped))
    }

    /// Replicates many commands: the way to high rates, since all of them together cost few wake-ups.
    /// Each has an outcome of its own, in the order of `commands`; they are executed in that order,
    /// though not always without others' in between.
    pub async fn submit_many(&self, commands: Vec<Bytes>) -> Vec<Result<Reply, SubmitError>> {
        let mut outcomes = Vec::with_capacity(commands.len());
        let mut parts = Vec::new();
        let mut rest = &commands[..];
        while !rest.is_empty() {
            let (part, behind) = self.split(rest);
            parts.push((part.len(), self.submit_part(part).await));
            rest = behind;
        }
        for (requests, part) in parts {
            let answered = match part {
                Ok(receiver) => receiver.await.unwrap_or(Err(SubmitError::Stopped)),
                Err(error) => Err(error),
            };
            match answered {
                Ok(replies) => outcomes.extend(replies.into_iter().map(Ok)),
                Err(error) => outcomes.extend((0..requests).map(|_| Err(error.clone()))),
            }
        }
        outcomes
    }

    /// The commands at the front that fit into one payload, and the others. A command that is too
    /// long comes alone.
    fn split<'a>(&self, commands: &'a [Bytes]) -> (&'a [Bytes], &'a [Bytes]) {
        let bytes_max = self.shared.payload_bytes_max - CHUNK_HEAD_BYTES;
        let mut bytes = 0;
        let fitting = commands.iter().take_while(|command| {
            bytes += command.len() + REQUEST_HEAD_BYTES;
            bytes <= bytes_max && self.shared.intake.check_length(command).is_ok()
        });
        commands.split_at(fitting.count().max(1))
    }

    async fn submit_part(
        &self,
        commands: &[Bytes],
    ) -> Result<oneshot::Receiver<Result<Vec<Reply>, SubmitError>>, SubmitError> {
        let intake = &self.shared.intake;
        for command in commands {
            intake.check_length(command)?;
        }
        let bytes: usize = commands.iter().map(Bytes::len).sum();
        let permits = Intake::permits(bytes, commands.len());
        intake.admit(permits).await?;
        let (to, receiver) = oneshot::channel();
        let requests = u32::try_from(commands.len()).expect("a payload bounds its requests");
        let bytes = bytes + commands.len() * REQUEST_HEAD_BYTES;
        intake.push_plain(
            bytes,
            commands.iter(),
            Waiter::Many { requests, to },
            permits,
        );
        Ok(receiver)
    }

    /// Asks the state machine, through [`crate::StateMachine::query`].
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read(&self, query: Bytes, consistency: Consistency) -> Result<Reply, ReadError> {
        self.ask(Some(query), consistency).await
    }

    /// Waits until the local state machine has executed everything that was answered anywhere before
    /// this call: after it, looking at shared local state is a linearizable read.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read_barrier(&self) -> Result<Slot, ReadError> {
        let reply = self.ask(None, Consistency::Linearizable).await?;
        Ok(reply.slot)
    }

    async fn ask(
        &self,
        query: Option<Bytes>,
        consistency: Consistency,
    ) -> Result<Reply, ReadError> {
        let permit = self.shared.intake.admit_read(consistency)?;
        let (sender, receiver) = oneshot::channel();
        let read = ReadRequest {
            query,
            reader: Reader::One(sender),
            permit,
        };
        self.shared.read(read, consistency);
        receiver.await.unwrap_or(Err(ReadError::Stopped))
    }

    /// Takes no more requests.
    pub(crate) fn close(&self) {
        self.shared.intake.close();
    }

    /// The node's state, at most a few milliseconds old.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// What the node has counted since its start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters.read()
    }
}

impl Shared {
    pub(crate) fn status(&self) -> Status {
        let mut status = self.status.lock().clone();
        status.applied = status.applied.max(self.applied.slot());
        status
    }

    /// Passes on a read that holds a permit for `consistency`.
    pub(crate) fn read(&self, read: ReadRequest, consistency: Consistency) {
        match consistency {
            Consistency::Linearizable => self.intake.push_read(read),
            Consistency::Serializable => {
                if let Err(Apply::Reads(reads)) = self.apply.push(Apply::Reads(vec![read])) {
                    for read in reads {
                        read.refuse(&ReadError::Stopped);
                    }
                }
            }
        }
    }
}
