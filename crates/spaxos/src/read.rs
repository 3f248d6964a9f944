//! Reads: who asked what.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::error::ReadError;
use crate::executor::Executor;
use crate::handle::Reply;
use crate::native::output::{Asked, Output};
use crate::waiter::Touched;

/// A read that holds a permit of the intake, which comes back whatever becomes of the read.
#[derive(Debug)]
pub(crate) struct ReadRequest {
    /// What the state machine is asked; nothing if only the moment matters.
    pub(crate) query: Option<Bytes>,
    /// Who asks.
    pub(crate) reader: Reader,
    /// What the intake counts it by.
    pub(crate) permit: OwnedSemaphorePermit,
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
        // Whoever has the answer may ask again at once.
        drop(self.permit);
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

    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        match &self.reader {
            Reader::One(to) => to.is_closed(),
            Reader::Client { to, .. } => to.is_closed(),
        }
    }

    /// Says that there will be no answer.
    pub(crate) fn refuse(self, error: &ReadError) {
        drop(self.permit);
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
