//! Taking connections.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use spaxos::Handle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::connection;
use crate::endpoint::Endpoint;
use crate::info::ServerInfo;
use crate::machine::SharedMachine;

/// Why an endpoint does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// What it was told contradicts itself.
    #[error("the endpoint makes no sense: {0}")]
    Info(&'static str),
    /// There is nowhere to listen.
    #[error("the endpoint has no listener")]
    NoListener,
}

/// The etcd v3 endpoint of one replica.
#[derive(Debug)]
pub struct EtcdServer {
    endpoint: Arc<Endpoint>,
}

impl EtcdServer {
    /// An endpoint over a running node. `machine` is the one that the node executes on.
    ///
    /// # Errors
    /// [`ServeError::Info`] if `info` contradicts itself.
    pub fn new(
        handle: Handle,
        machine: SharedMachine,
        info: ServerInfo,
    ) -> Result<EtcdServer, ServeError> {
        info.check().map_err(ServeError::Info)?;
        let endpoint = Arc::new(Endpoint::new(handle, machine, info));
        Ok(EtcdServer { endpoint })
    }

    /// Serves gRPC and HTTP on all of `listeners` until `shutdown` is done; then takes no more,
    /// answers what is under way, and returns after at most [`crate::Limits::shutdown_grace`].
    ///
    /// # Errors
    /// [`ServeError::NoListener`] if there is no listener.
    pub async fn serve(
        self,
        listeners: Vec<TcpListener>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        if listeners.is_empty() {
            return Err(ServeError::NoListener);
        }
        let grace = self.endpoint.info.limits.shutdown_grace;
        let (stop, stopping) = watch::channel(false);
        let mut accepting = JoinSet::new();
        let permits = Arc::new(Semaphore::new(self.endpoint.info.limits.connections_max));
        for listener in listeners {
            let endpoint = Arc::clone(&self.endpoint);
            let permits = Arc::clone(&permits);
            accepting.spawn(accept(endpoint, listener, permits, stopping.clone()));
        }
        drop(stopping);
        shutdown.await;
        stop.send_replace(true);
        let ended = tokio::time::timeout(grace, async {
            while accepting.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            tracing::info!("requests were still under way when the endpoint stopped");
        }
        Ok(())
    }
}

/// How long to wait when the system has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes connections until told to stop, then waits for those that stand. Dropped, it ends them.
async fn accept(
    endpoint: Arc<Endpoint>,
    listener: TcpListener,
    permits: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
) {
    let protocol = connection::protocol(&endpoint.info.limits);
    let mut connections = JoinSet::new();
    let mut stop = stopping.clone();
    loop {
        let accepted = tokio::select! {
            accepted = next(&listener, &permits) => accepted,
            Some(_) = connections.join_next() => continue,
            () = connection::stop(&mut stop) => break,
        };
        match accepted {
            Ok((stream, permit)) => {
                let endpoint = Arc::clone(&endpoint);
                let (protocol, stopping) = (protocol.clone(), stopping.clone());
                connections.spawn(async move {
                    let standing = Standing::new(&endpoint);
                    connection::serve(Arc::clone(&endpoint), protocol, stream, stopping).await;
                    drop((standing, permit));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The next connection, once there is room for one more.
async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await;
    let permit = permit.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

/// Counts a connection as long as it stands.
struct Standing<'a>(&'a Endpoint);

impl Standing<'_> {
    fn new(endpoint: &Endpoint) -> Standing<'_> {
        endpoint.metrics.connections.fetch_add(1, Relaxed);
        endpoint.metrics.connections_total.fetch_add(1, Relaxed);
        Standing(endpoint)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.metrics.connections.fetch_sub(1, Relaxed);
    }
}
