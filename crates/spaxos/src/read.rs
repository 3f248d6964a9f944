//! Reads: who asked what.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::error::ReadError;
use crate::executor::Executor;
use crate::handle::Reply;
use crate::native::output::{Asked, Output};
use crate::waiter::Touched;

/// A read that holds a permit of the intake.
#[derive(Debug)]
pub(crate) struct ReadRequest {
    /// What the state machine is asked; nothing if only the moment matters.
    pub(crate) query: Option<Bytes>,
    /// Who asks.
    pub(crate) reader: Reader,
}

/// Whoever waits for the answer to a read.
#[derive(Debug)]
pub(crate) enum Reader {
    /// A caller of a handle.
    One(oneshot::Sender<Result<Reply, ReadError>>),
    /// A client's connection.
    Client {
        /// The frame that it came in.
        asked: Asked,
        /// Where the answer goes.
        to: Arc<Output>,
    },
}

impl ReadRequest {
    /// Answers from the present state. `scratch` is empty before and after. What is then to be written
    /// is added to `touched`.
    pub(crate) fn answer(self, executor: &Executor, scratch: &mut Vec<u8>, touched: &mut Touched) {
        let slot = executor.executed();
        match self.reader {
            // The caller has gone: no need to look.
            Reader::One(to) if to.is_closed() => {}
            Reader::One(to) => {
                query(executor, self.query.as_deref(), scratch);
                let bytes = Bytes::copy_from_slice(scratch);
                let _gone = to.send(Ok(Reply { slot, bytes }));
            }
            Reader::Client { asked, to } => {
                query(executor, self.query.as_deref(), scratch);
                to.answer(asked, slot, scratch);
                touched.add(to);
            }
        }
        scratch.clear();
    }

    /// Says that there will be no answer.
    pub(crate) fn refuse(self, error: &ReadError) {
        match self.reader {
            Reader::One(to) => drop(to.send(Err(error.clone()))),
            Reader::Client { asked, to } => {
                to.refuse_read(asked, error);
                to.wake();
            }
        }
    }
}

fn query(executor: &Executor, query: Option<&[u8]>, scratch: &mut Vec<u8>) {
    if let Some(query) = query {
        executor.query(query, scratch);
    }
}
