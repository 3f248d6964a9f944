//! When to stop: Ctrl-C, SIGTERM, or the end of standard input.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask a process to stop, caught from the moment this is made.
#[derive(Debug)]
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Begins to catch them.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn new() -> std::io::Result<StopSignals> {
        Ok(StopSignals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one. Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Waits for the end of standard input, and for ever if `wanted` is false.
pub(crate) async fn stdin_end(wanted: bool) {
    if !wanted {
        return std::future::pending().await;
    }
    // A thread of its own: tokio's standard input would keep the runtime from ending while it reads.
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        // Whoever waited may have stopped for another reason.
        let _ = ended.send(());
    });
    let _ = end.await;
}
