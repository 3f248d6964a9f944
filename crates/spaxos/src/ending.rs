//! How a node ends: the first reason counts, and everybody hears of it.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use crate::error::{Fatal, StartError};
use crate::inbox::{Inbox, Stop};

/// The end of a node, shared by all its threads and tasks.
#[derive(Debug)]
pub(crate) struct Ending {
    reason: watch::Sender<Option<Result<(), Fatal>>>,
    inbox: Arc<Inbox>,
}

impl Ending {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Ending {
        Ending {
            reason: watch::Sender::new(None),
            inbox,
        }
    }

    /// Ends the node at once. Only the first reason is kept.
    pub(crate) fn fail(&self, fatal: Fatal) {
        if self.end(Err(fatal.clone())) {
            tracing::error!(reason = %fatal, "the node ends");
        }
        self.inbox.stop(Stop::AtOnce);
    }

    /// Everything has stopped since somebody asked for it.
    pub(crate) fn finished(&self) {
        self.end(Ok(()));
    }

    fn end(&self, reason: Result<(), Fatal>) -> bool {
        self.reason.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(reason);
            }
            first
        })
    }

    /// Waits for the end.
    pub(crate) async fn wait(&self) -> Result<(), Fatal> {
        let mut receiver = self.reason.subscribe();
        let ended = receiver.wait_for(Option::is_some).await;
        match ended.as_deref() {
            Ok(Some(reason)) => reason.clone(),
            Ok(None) | Err(_) => Ok(()),
        }
    }
}

/// Becomes ready when a thread has ended.
pub(crate) type Ended = oneshot::Receiver<()>;

/// Tells the node if the thread that holds it panics, and that the thread has ended in any case.
struct Watched {
    thread: &'static str,
    ending: Arc<Ending>,
    _ended: oneshot::Sender<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.ending.fail(Fatal::Panicked {
                thread: self.thread,
            });
        }
    }
}

/// Starts a thread whose panic ends the node.
pub(crate) fn spawn(
    thread: &'static str,
    ending: &Arc<Ending>,
    body: impl FnOnce() + Send + 'static,
) -> Result<Ended, StartError> {
    let (sender, ended) = oneshot::channel();
    let watched = Watched {
        thread,
        ending: Arc::clone(ending),
        _ended: sender,
    };
    let spawned = std::thread::Builder::new()
        .name(thread.to_owned())
        .spawn(move || {
            // Dropped last: whatever the body owns is gone when the end is told.
            let _watched = watched;
            body();
        });
    match spawned {
        Ok(_detached) => Ok(ended),
        Err(source) => Err(StartError::System {
            what: "a thread",
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wake::Wake;

    fn ending() -> Arc<Ending> {
        Arc::new(Ending::new(Arc::new(Inbox::new(Arc::new(Wake::default())))))
    }

    #[tokio::test]
    async fn a_panic_of_a_thread_is_the_reason() {
        let ending = ending();
        let ended = spawn("spaxos-test", &ending, || panic!("on purpose")).expect("a thread");
        let reason = ending.wait().await;
        assert_eq!(
            reason,
            Err(Fatal::Panicked {
                thread: "spaxos-test"
            })
        );
        assert!(
            ended.await.is_err(),
            "the sender is dropped with the thread"
        );
    }

    #[tokio::test]
    async fn the_first_reason_counts() {
        let ending = ending();
        ending.finished();
        ending.fail(Fatal::Panicked { thread: "later" });
        assert_eq!(ending.wait().await, Ok(()));
    }
}
