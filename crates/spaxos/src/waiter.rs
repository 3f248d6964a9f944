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

    /// Whether a caller has stopped waiting. A client's requests are carried on: it may have left
    /// them behind on purpose, and its connection bounds them.
    fn is_abandoned(&self) -> bool {
        match self {
            Waiter::One(to) => to.is_closed(),
            Waiter::Many { to, .. } => to.is_closed(),
            Waiter::Client { .. } => false,
        }
    }

    /// Hands over the answers of its requests, which are `run` of `answers`. Whoever has stopped
    /// waiting is not told. What is then to be written is added to `touched`.
    pub(crate) fn answer(
        self,
        slot: Slot,
        answers: &Answers,
        run: Range<usize>,
        touched: &mut Touched,
    ) {
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
            Waiter::Client { asked, to, .. } => {
                to.replies(asked, slot, answers, run);
                touched.add(to);
            }
        }
    }

    /// Says that there will be no answer.
    pub(crate) fn refuse(self, error: &SubmitError) {
        match self {
            Waiter::One(to) => drop(to.send(Err(error.clone()))),
            Waiter::Many { to, .. } => drop(to.send(Err(error.clone()))),
            Waiter::Client { asked, to, .. } => {
                to.refuse(asked, error);
                to.wake();
            }
        }
    }
}

/// Clients' connections that have something to write.
#[derive(Debug, Default)]
pub(crate) struct Touched(Vec<Arc<Output>>);

/// Up to so many connections are written to at once by whoever has the answers: that is quicker than
/// waking their tasks, which for many connections share the work better.
const DIRECT_MAX: usize = 4;

impl Touched {
    pub(crate) fn add(&mut self, output: Arc<Output>) {
        let last = self.0.last();
        if last.is_none_or(|last| !Arc::ptr_eq(last, &output)) {
            self.0.push(output);
        }
    }

    /// Has everything written.
    pub(crate) fn flush(&mut self) {
        let direct = self.0.len() <= DIRECT_MAX;
        for output in self.0.drain(..) {
            if direct {
                output.flush();
            } else {
                output.wake();
            }
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

impl Waiting {
    /// Whether nobody waits any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.waiters.iter().all(Waiter::is_abandoned)
    }
}
