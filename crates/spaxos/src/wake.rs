//! Wakes one task, however many ask for it.

use tokio::sync::Notify;

/// A wake-up that is not lost if the task is busy, and costs next to nothing if it is already due.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    notify: Notify,
}

impl Wake {
    /// Makes the next, or the present, [`Wake::woken`] return.
    pub(crate) fn wake(&self) {
        self.notify.notify_one();
    }

    /// Waits until somebody has called [`Wake::wake`] since the last return. For one task only.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}
