//! A client of the native protocol: many requests on one connection, to any replica, each executed
//! exactly once.
//!
//! Callers leave their requests in a queue (`queue.rs`), joined into chunks while the client's task is
//! busy. The task (`driver.rs`) keeps one connection (`connection.rs`) to some member, remembers what
//! is not answered (`in_flight.rs`), and sends that again when it has to go to another member: with
//! the same session and sequences, so that what was executed already is answered and not executed.

mod connection;
mod driver;
mod in_flight;
mod options;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use spaxos_core::status::Status;
use spaxos_wire::chunk::REQUEST_HEAD_BYTES;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

pub use crate::client::options::{ClientError, ClientOptions, ConnectError};

use crate::client::driver::Driver;
use crate::client::queue::{Ask, NotNow, Queue, RunWaiter};
use crate::handle::{Consistency, Reply};
use crate::wake::Wake;

/// A client of a cluster. Cheap to clone; all clones share one session and one connection. Ends with
/// its last clone.
///
/// Requests of one client may be executed in another order than they were submitted in, unless each
/// waits for the answer of the one before.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    _last: Arc<Last>,
}

/// What callers and the client's task share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Mutex<Queue>,
    /// Wakes the task.
    pub(crate) wake: Wake,
    /// Wakes callers that wait for room or for a session.
    pub(crate) room: Notify,
    /// How long they wait for that.
    pub(crate) wait_max: Duration,
}

/// Ends the task when the last client is dropped.
#[derive(Debug)]
struct Last {
    shared: Arc<Shared>,
}

impl Drop for Last {
    fn drop(&mut self) {
        self.shared.queue.lock().close();
        self.shared.wake.wake();
    }
}

impl Client {
    /// Connects to one of the members at `addresses` (`host:port`, of their native client ports),
    /// whichever answers first in that order, and opens a session. The client's task runs on the
    /// present runtime.
    ///
    /// # Errors
    /// See [`ConnectError`]; [`ClientOptions::give_up_after`] bounds the time.
    pub async fn connect<A: Into<String>>(
        addresses: impl IntoIterator<Item = A>,
        options: ClientOptions,
    ) -> Result<Client, ConnectError> {
        let addresses: Vec<String> = addresses.into_iter().map(Into::into).collect();
        if addresses.is_empty() {
            return Err(ConnectError::Options("no address"));
        }
        if options.in_flight_requests_max == 0 || options.reads_max == 0 {
            return Err(ConnectError::Options("a limit is zero"));
        }
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(&options)),
            wake: Wake::default(),
            room: Notify::new(),
            wait_max: options.give_up_after,
        });
        let (ready, connected) = oneshot::channel();
        let driver = Driver::new(Arc::clone(&shared), addresses, options, ready);
        tokio::spawn(driver.run());
        let last = Arc::new(Last {
            shared: Arc::clone(&shared),
        });
        let client = Client {
            shared,
            _last: last,
        };
        let outcome = connected.await;
        let ended = || ConnectError::Unreachable {
            last: "the client's task has ended".to_owned(),
        };
        outcome.map_err(|_| ended())??;
        Ok(client)
    }

    /// Has `command` executed and returns the answer. Waits as long as
    /// [`ClientOptions::give_up_after`] for room, and as long again for the answer; dropping the future does not take the command back.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn submit(&self, command: Bytes) -> Result<Reply, ClientError> {
        self.check_length(&command)?;
        let (sender, receiver) = oneshot::channel();
        let mut sender = Some(sender);
        self.push(std::slice::from_ref(&command), || {
            RunWaiter::One(sender.take().expect("pushed once"))
        })
        .await?;
        receiver.await.unwrap_or(Err(ClientError::Closed))
    }

    /// Has many commands executed: the way to high rates, since all of them together cost few
    /// wake-ups. Each has an outcome of its own, in the order of `commands`.
    pub async fn submit_many(&self, commands: Vec<Bytes>) -> Vec<Result<Reply, ClientError>> {
        let mut outcomes = Vec::with_capacity(commands.len());
        let mut parts = Vec::new();
        let mut rest = &commands[..];
        while !rest.is_empty() {
            let (part, behind) = self.split(rest);
            parts.push((part.len(), self.submit_part(part).await));
            rest = behind;
        }
        for (requests, part) in parts {
            let refuse_all = |error: ClientError| vec![Err(error); requests];
            match part {
                Ok(receiver) => {
                    let answered = receiver.await;
                    outcomes.extend(answered.unwrap_or_else(|_| refuse_all(ClientError::Closed)));
                }
                Err(error) => outcomes.extend(refuse_all(error)),
            }
        }
        outcomes
    }

    /// The commands at the front that go into one chunk, and the others. A command that is too long
    /// comes alone.
    fn split<'a>(&self, commands: &'a [Bytes]) -> (&'a [Bytes], &'a [Bytes]) {
        let limits = self.shared.queue.lock().limits();
        let bytes_max = limits.part_bytes_max();
        let mut bytes = 0;
        let fitting = commands
            .iter()
            .take(limits.part_requests_max())
            .take_while(|command| {
                bytes += command.len() + REQUEST_HEAD_BYTES;
                bytes <= bytes_max
            });
        commands.split_at(fitting.count().max(1))
    }

    async fn submit_part(
        &self,
        commands: &[Bytes],
    ) -> Result<oneshot::Receiver<Vec<Result<Reply, ClientError>>>, ClientError> {
        for command in commands {
            self.check_length(command)?;
        }
        let requests = commands.len();
        let (sender, receiver) = oneshot::channel();
        let mut sender = Some(sender);
        self.push(commands, || RunWaiter::Many {
            requests,
            to: sender.take().expect("pushed once"),
        })
        .await?;
        Ok(receiver)
    }

    /// Asks the state machine of some member.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn read(&self, query: Bytes, consistency: Consistency) -> Result<Reply, ClientError> {
        let (sender, receiver) = oneshot::channel();
        let linearizable = consistency == Consistency::Linearizable;
        self.ask(Ask::Read {
            linearizable,
            query,
            to: sender,
        })
        .await?;
        receiver.await.unwrap_or(Err(ClientError::Closed))
    }

    /// Asks the member that the client is connected to how it is.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        let (to, receiver) = oneshot::channel();
        self.ask(Ask::Status { to }).await?;
        receiver.await.unwrap_or(Err(ClientError::Closed))
    }

    fn check_length(&self, command: &[u8]) -> Result<(), ClientError> {
        let bytes_max = self.shared.queue.lock().limits().command_bytes_max();
        if command.len() > bytes_max {
            let bytes = command.len();
            return Err(ClientError::TooLarge { bytes, bytes_max });
        }
        Ok(())
    }

    /// Waits for room.
    async fn push(
        &self,
        commands: &[Bytes],
        mut waiter: impl FnMut() -> RunWaiter,
    ) -> Result<(), ClientError> {
        self.when_there_is_room(|queue| queue.push(commands, &mut waiter))
            .await
    }

    async fn ask(&self, ask: Ask) -> Result<(), ClientError> {
        let mut ask = Some(ask);
        self.when_there_is_room(|queue| queue.ask(|| ask.take().expect("asked once")))
            .await
    }

    async fn when_there_is_room(
        &self,
        mut attempt: impl FnMut(&mut Queue) -> Result<bool, NotNow>,
    ) -> Result<(), ClientError> {
        let mut until = None;
        loop {
            let room = self.shared.room.notified();
            tokio::pin!(room);
            // From here on a wake-up is not lost.
            room.as_mut().enable();
            let attempted = attempt(&mut self.shared.queue.lock());
            match attempted {
                Ok(wake) => {
                    if wake {
                        self.shared.wake.wake();
                    }
                    return Ok(());
                }
                Err(NotNow::Wait) => {
                    let until = *until.get_or_insert_with(|| Instant::now() + self.shared.wait_max);
                    let waited = timeout_at(until, room).await;
                    waited.map_err(|_elapsed| ClientError::NotSent)?;
                }
                Err(NotNow::Ended) => return Err(ClientError::Closed),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::queue::SessionState;

    /// A client whose task never gets to anything.
    fn stuck(options: &ClientOptions) -> Client {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(options)),
            wake: Wake::default(),
            room: Notify::new(),
            wait_max: options.give_up_after,
        });
        let last = Arc::new(Last {
            shared: Arc::clone(&shared),
        });
        Client {
            shared,
            _last: last,
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_room_for_ever() {
        let client = stuck(&ClientOptions {
            give_up_after: Duration::from_millis(1),
            reads_max: 1,
            ..ClientOptions::default()
        });
        let opening = SessionState::Opening;
        assert_eq!(*client.shared.queue.lock().session(), opening);
        let refused = client.submit(Bytes::new()).await;
        assert_eq!(refused, Err(ClientError::NotSent), "no session");
        let (to, _never) = oneshot::channel();
        client.ask(Ask::Status { to }).await.expect("room for one");
        let refused = client.status().await;
        assert_eq!(refused.err(), Some(ClientError::NotSent), "no room");
    }
}
