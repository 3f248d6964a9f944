//! Whether a replica takes writes, found out by asking it for one that changes nothing.

use std::time::Duration;

use etcd_client::{Client, Compare, CompareOp, ConnectOptions, Txn, TxnOp};

/// How long one attempt may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(2);
/// Between an attempt that failed and the next.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until the replica at `endpoint` has had a write ordered and executed.
pub(crate) async fn wait(endpoint: &str) {
    loop {
        let attempt = tokio::time::timeout(ATTEMPT_MAX, write(endpoint)).await;
        if matches!(attempt, Ok(Ok(()))) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A transaction with a write in a branch that is never taken: no version is below zero. It passes
/// through the log as every write does, and leaves no key and no revision behind.
async fn write(endpoint: &str) -> Result<(), etcd_client::Error> {
    let options = ConnectOptions::new().with_connect_timeout(ATTEMPT_MAX);
    let mut client = Client::connect([endpoint], Some(options)).await?;
    let never = Compare::version("spaxos", CompareOp::Less, 0);
    let write = TxnOp::delete("spaxos", None);
    client
        .txn(Txn::new().when([never]).and_then([write]))
        .await?;
    Ok(())
}
