//! The thread that reads the log back for peers that lag. It never holds up the one that writes.

use spaxos_core::effect::{LogFound, LogQuery};
use spaxos_storage::LogReader;

use crate::effects::LogQuestion;
use crate::ending::Ending;
use crate::error::Fatal;
use crate::inbox::Inbox;
use crate::mailbox::Mailbox;

/// Answers questions until the queue is closed. Damage in a part of the log that was synced ends the
/// node: the member has to be replaced.
pub(crate) fn run(
    reader: &LogReader,
    queue: &Mailbox<LogQuestion>,
    inbox: &Inbox,
    ending: &Ending,
) {
    let mut questions = Vec::new();
    while queue.take(&mut questions) {
        for (to, query) in questions.drain(..) {
            match reader.read(&query) {
                Ok(found) => inbox.log_found(to, found),
                Err(error) => {
                    inbox.log_found(to, nothing(&query));
                    let reason = error.to_string();
                    return ending.fail(Fatal::Storage { reason });
                }
            }
        }
    }
}

const fn nothing(query: &LogQuery) -> LogFound {
    match query {
        LogQuery::Batches { .. } => LogFound::Batches(Vec::new()),
        LogQuery::Slots { from, .. } => LogFound::Slots {
            first: *from,
            values: Vec::new(),
        },
    }
}
