//! Who waits for the answer to a run of requests.

use std::ops::Range;
use std::sync::Arc;

use spaxos_core::types::Slot;
use tokio::sync::oneshot;

use crate::error::SubmitError;
use crate::executor::Answers;
use crate::handle::Reply;
use crate::native::output::{Asked, Output};

/// Whoever waits for consecutive requests of a chunk.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// One caller of `Handle::submit`.
    One(oneshot::Sender<Result<Reply, SubmitError>>),
    /// One caller of `Handle::submit_many`: one wake-up for all.
    Many {
        /// How many requests.
        requests: u32,
        /// Where the answers go.
        to: oneshot::Sender<Result<Vec<Reply>, SubmitError>>,
    },
    /// A client's connection: its answers go out as one frame.
    Client {
        /// How many requests.
        requests: u32,
        /// The frame that they came in.
        asked: Asked,
        /// Where the answers go.
        to: Arc<Output>,
    },
}

impl Waiter {
    /// How many requests it waits for.
    pub(crate) const fn requests(&self) -> u32 {
        match self {
            Waiter::One(_) => 1,
            Waiter::Many { requests, .. } | Waiter::Client { requests, .. } => *requests,
        }
    }

    /// Hands over the answers of its requests, which are `run` of `answers`. Whoever has stopped
    /// waiting is not told.
    pub(crate) fn answer(self, slot: Slot, answers: &Answers, run: Range<usize>) {
        match self {
            Waiter::One(to) => {
                let bytes = answers.bytes(run.start);
                let _gone = to.send(Ok(Reply { slot, bytes }));
            }
            Waiter::Many { to, .. } => {
                let replies = run.map(|at| Reply {
                    slot,
                    bytes: answers.bytes(at),
                });
                let _gone = to.send(Ok(replies.collect()));
            }
            Waiter::Client { asked, to, .. } => to.replies(asked, slot, answers, run),
        }
    }

    /// Says that there will be no answer.
    pub(crate) fn refuse(self, error: &SubmitError) {
        match self {
            Waiter::One(to) => drop(to.send(Err(error.clone()))),
            Waiter::Many { to, .. } => drop(to.send(Err(error.clone()))),
            Waiter::Client { asked, to, .. } => to.refuse(asked, error),
        }
    }
}

/// Some requests that travel through the core together, with everybody who waits for them.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// In the order of the requests.
    pub(crate) waiters: Vec<Waiter>,
    /// How many requests.
    pub(crate) requests: u32,
    /// What is given back to the intake once they are answered, in permits.
    pub(crate) permits: usize,
}
