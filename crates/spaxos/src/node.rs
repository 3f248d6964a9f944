//! A running member of a cluster.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::ending::{Ended, Ending};
use crate::error::{Fatal, StartError};
use crate::handle::Handle;
use crate::inbox::{Inbox, Stop};
use crate::options::{Listen, Options};
use crate::parts::{Parts, Ports};
use crate::start::{Opened, Storage};
use crate::state_machine::StateMachine;

/// A running member of a cluster. Dropping it stops it at once; [`Node::shutdown`] is kinder.
#[derive(Debug)]
pub struct Node {
    pub(crate) handle: Handle,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) ending: Arc<Ending>,
    pub(crate) peer_address: SocketAddr,
    pub(crate) client_address: Option<SocketAddr>,
    /// True ends the service of clients.
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) clients: Option<JoinHandle<()>>,
    /// The event loop's thread, then the others.
    pub(crate) threads: Vec<Ended>,
}

impl Node {
    /// Starts a member: binds its ports, replays its log, begins a new life, and takes part.
    /// Returns when all of that stands; it does not wait for other members.
    ///
    /// Clients of the native protocol are served on the runtime that this is called on; everything
    /// else has threads of its own.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(
        options: Options,
        machine: Box<dyn StateMachine>,
    ) -> Result<Node, StartError> {
        options.check().map_err(StartError::Options)?;
        let storage = Storage::new(&options);
        let (options, peer_listener) = bind_peers(options)?;
        let (options, client_listener) = bind_clients(options)?;
        let opened = open(storage, machine).await?;
        let parts = Parts::new(&options, opened)?;
        let ports = Ports::new(peer_listener, client_listener)?;
        parts.start(&options, ports)
    }

    /// A way into the node; cheap to clone.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where other members connect.
    #[must_use]
    pub const fn peer_address(&self) -> SocketAddr {
        self.peer_address
    }

    /// Where clients of the native protocol connect, if anywhere.
    #[must_use]
    pub const fn client_address(&self) -> Option<SocketAddr> {
        self.client_address
    }

    /// Stops: takes no more requests, lets those under way finish for at most
    /// [`crate::RuntimeLimits::shutdown_grace`], syncs the log, and returns when every thread has
    /// ended and the data directory is free.
    ///
    /// # Errors
    /// If the node ended for another reason before.
    pub async fn shutdown(mut self) -> Result<(), Fatal> {
        self.handle.close();
        self.inbox.stop(Stop::Gracefully);
        self.join().await;
        self.ending.finished();
        self.ending.wait().await
    }

    async fn join(&mut self) {
        let mut threads = std::mem::take(&mut self.threads).into_iter();
        if let Some(event_loop) = threads.next() {
            let _ended = event_loop.await;
        }
        for thread in threads {
            let _ended = thread.await;
        }
        // By now every request has its answer or is told that there is none: let that be written.
        self.stopping.send_replace(true);
        if let Some(clients) = self.clients.take() {
            let _ended = clients.await;
        }
    }

    /// Waits until the node has ended by itself, or is shut down from elsewhere.
    ///
    /// # Errors
    /// Why it ended, if nobody asked for it.
    pub async fn stopped(&self) -> Result<(), Fatal> {
        self.ending.wait().await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.handle.close();
        self.inbox.stop(Stop::AtOnce);
        self.stopping.send_replace(true);
    }
}

fn bind_peers(mut options: Options) -> Result<(Options, std::net::TcpListener), StartError> {
    let any = Listen::Address(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listen = std::mem::replace(&mut options.peer_listener, any);
    Ok((options, bind(listen)?))
}

fn bind_clients(
    mut options: Options,
) -> Result<(Options, Option<std::net::TcpListener>), StartError> {
    let listener = options.client_listener.take().map(bind).transpose()?;
    Ok((options, listener))
}

fn bind(listen: Listen) -> Result<std::net::TcpListener, StartError> {
    let bound = match listen {
        Listen::Bound(listener) => Ok(listener),
        Listen::Address(address) => std::net::TcpListener::bind(address)
            .map_err(|source| StartError::Listen { address, source }),
    }?;
    bound
        .set_nonblocking(true)
        .map_err(system("a non-blocking socket"))?;
    Ok(bound)
}

pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::System { what, source }
}

/// Replays on a thread of its own: it takes as long as the log is long, and the state machine may
/// panic on what is in there.
async fn open(storage: Storage, machine: Box<dyn StateMachine>) -> Result<Opened, StartError> {
    let (sender, opened) = oneshot::channel();
    std::thread::Builder::new()
        .name("spaxos-replay".to_owned())
        .spawn(move || drop(sender.send(storage.open(machine))))
        .map_err(system("a thread"))?;
    opened.await.unwrap_or(Err(StartError::Panicked))
}
