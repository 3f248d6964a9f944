//! The client's task: keeps a connection to some member and moves on to another when it must.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use spaxos_wire::chunk;
use spaxos_wire::client::Response;
use spaxos_wire::hello::ClientWelcome;
use tokio::sync::oneshot;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::client::Shared;
use crate::client::connection::Connection;
use crate::client::in_flight::{InFlight, Progress};
use crate::client::options::{ClientError, ClientOptions, ConnectError};
use crate::client::queue::{RunWaiter, SessionState};
use crate::transport::handshake::HandshakeError;

/// How precise the client's timers are.
const TICK: Duration = Duration::from_millis(50);

/// The task and what it remembers from connection to connection.
#[derive(Debug)]
pub(crate) struct Driver {
    shared: Arc<Shared>,
    addresses: Vec<String>,
    /// The address that is tried next.
    next: usize,
    options: ClientOptions,
    in_flight: InFlight,
    /// Told once the client can be used, or cannot.
    ready: Option<oneshot::Sender<Result<(), ConnectError>>>,
    started: Instant,
    /// The session is being closed, since no caller is left.
    closing: bool,
    pause: Duration,
    /// Doubled each time no answer came in time.
    response_timeout: Duration,
}

/// Why a connection was left.
#[derive(Debug)]
enum Left {
    /// No caller is left.
    Done,
    /// It broke, or the member cannot help.
    Broken(String),
}

/// What is known about the present connection.
#[derive(Debug)]
struct Talk {
    connection: Connection,
    /// When the last answer came, or the first unanswered request went.
    heard: Instant,
    /// When something last went out in the session.
    sent: Instant,
    /// Frames to be sent again at the next tick.
    retries: Vec<u64>,
    tick: Interval,
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        addresses: Vec<String>,
        options: ClientOptions,
        ready: oneshot::Sender<Result<(), ConnectError>>,
    ) -> Driver {
        Driver {
            shared,
            addresses,
            next: 0,
            pause: options.retry_min,
            response_timeout: options.response_timeout,
            options,
            in_flight: InFlight::default(),
            ready: Some(ready),
            started: Instant::now(),
            closing: false,
        }
    }

    /// Runs until no caller is left, or the client never came to be.
    pub(crate) async fn run(mut self) {
        loop {
            let address = self.addresses[self.next % self.addresses.len()].clone();
            self.next += 1;
            let cluster_id = self.options.cluster_id;
            let opened = Connection::open(&address, cluster_id, self.options.connect_timeout);
            let last = match opened.await {
                Ok((connection, welcome)) => match self.talk(connection, welcome).await {
                    Left::Done => break,
                    Left::Broken(reason) => ConnectError::Unreachable { last: reason },
                },
                Err(HandshakeError::RefusedByPeer(refusal)) => ConnectError::Refused(refusal),
                Err(error) => ConnectError::Unreachable {
                    last: error.to_string(),
                },
            };
            tracing::debug!(%address, reason = %last, "a client moves on");
            self.give_up();
            if !self.may_go_on(last) {
                break;
            }
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(self.options.retry_max);
        }
        self.end();
    }

    /// Whether to try the next member. Until the client is ready, somebody waits for it: not for ever,
    /// and not at all once all members have refused.
    fn may_go_on(&mut self, last: ConnectError) -> bool {
        if self.shared.queue.lock().is_closed() {
            return false;
        }
        let Some(ready) = self.ready.take() else {
            return true;
        };
        let refused = matches!(last, ConnectError::Refused(_)) && self.next >= self.addresses.len();
        if refused || self.started.elapsed() >= self.options.give_up_after {
            drop(ready.send(Err(last)));
            return false;
        }
        self.ready = Some(ready);
        !self.ready.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    async fn talk(&mut self, connection: Connection, welcome: ClientWelcome) -> Left {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let now = Instant::now();
        let mut talk = Talk {
            connection,
            heard: now,
            sent: now,
            retries: Vec::new(),
            tick,
        };
        let bytes_max = welcome.chunk_bytes_max as usize;
        self.shared
            .queue
            .lock()
            .limit_chunks(bytes_max, welcome.requests_max);
        self.begin(&mut talk);
        let left = loop {
            self.send(&mut talk);
            if self.is_done() && !self.close(&mut talk) {
                break Left::Done;
            }
            match self.wait(&mut talk).await {
                Ok(Event::Arrived) => {
                    if let Err(reason) = self.receive(&mut talk) {
                        break Left::Broken(reason);
                    }
                }
                Ok(Event::Tick) => {
                    if let Err(reason) = self.tick(&mut talk) {
                        break Left::Broken(reason);
                    }
                }
                Ok(Event::Woken) => {}
                Err(reason) => break Left::Broken(reason),
            }
        };
        let bytes = self.in_flight.lost(self.options.session);
        self.done(bytes, 0);
        left
    }

    /// What is sent first: everything that another member left unanswered, or the opening of a session.
    fn begin(&mut self, talk: &mut Talk) {
        for request in self.in_flight.again() {
            talk.connection.push(&request);
        }
        match self.shared.queue.lock().session() {
            SessionState::Opening => {
                let open = self.in_flight.session_chunk(chunk::open());
                talk.connection.push(&open);
            }
            SessionState::Unused | SessionState::Open(_) => {}
        }
        if !self.options.session {
            self.is_ready();
        }
    }

    fn is_ready(&mut self) {
        self.pause = self.options.retry_min;
        if let Some(ready) = self.ready.take() {
            let _gone = ready.send(Ok(()));
        }
    }

    /// Takes what callers have left and adds it to what is written.
    fn send(&mut self, talk: &mut Talk) {
        let (runs, asks) = self.shared.queue.lock().take();
        if runs.is_empty() && asks.is_empty() {
            return;
        }
        let now = Instant::now();
        if self.in_flight.is_empty() {
            talk.heard = now;
        }
        talk.sent = now;
        for run in runs {
            talk.connection.push(&self.in_flight.add(run));
        }
        for (ask, since) in asks {
            talk.connection.push(&self.in_flight.ask(ask, since));
        }
    }

    fn is_done(&self) -> bool {
        self.shared.queue.lock().is_closed() && self.in_flight.is_empty()
    }

    /// Closes the session, once; false if that is done or there is none.
    fn close(&mut self, talk: &mut Talk) -> bool {
        let session = self.shared.queue.lock().session().clone();
        match session {
            SessionState::Open(id) if !self.closing => {
                self.closing = true;
                let close = self.in_flight.session_chunk(chunk::close(id));
                talk.connection.push(&close);
                true
            }
            _ => false,
        }
    }

    async fn wait(&self, talk: &mut Talk) -> Result<Event, String> {
        let mut woken = pin!(self.shared.wake.woken());
        poll_fn(|context| {
            if let Poll::Ready(moved) = talk.connection.poll_progress(context) {
                return Poll::Ready(moved.map(|()| Event::Arrived).map_err(|e| e.to_string()));
            }
            if woken.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(Event::Woken));
            }
            talk.tick.poll_tick(context).map(|_| Ok(Event::Tick))
        })
        .await
    }

    /// Takes in all answers that have come.
    fn receive(&mut self, talk: &mut Talk) -> Result<(), String> {
        talk.heard = Instant::now();
        self.response_timeout = self.options.response_timeout;
        let (mut bytes, mut asks) = (0, 0);
        let mut outcome = Ok(());
        loop {
            let response = match talk.connection.next() {
                Ok(Some(response)) => response,
                Ok(None) => break,
                Err(broken) => {
                    outcome = Err(broken.to_string());
                    break;
                }
            };
            let progress = self.take_in(response);
            match progress {
                Progress::Nothing => {}
                Progress::Expired if self.closing => {}
                Progress::Done { bytes: done } => bytes += done,
                Progress::Asked => asks += 1,
                Progress::Opened(session) => {
                    self.shared.queue.lock().opened(session);
                    self.shared.room.notify_waiters();
                    self.is_ready();
                }
                Progress::Expired => {
                    self.expire(talk);
                    bytes = 0;
                }
                Progress::Retry(request_id) => talk.retries.push(request_id),
                Progress::TooManySessions => {
                    outcome = Err("the cluster opens no more sessions".to_owned());
                }
                Progress::Leave => outcome = Err("the member cannot help".to_owned()),
            }
        }
        self.done(bytes, asks);
        outcome
    }

    fn take_in(&mut self, response: Response) -> Progress {
        match response {
            Response::Replies(replies) => self.in_flight.replies(&replies),
            Response::Status { request_id, status } => self.in_flight.status(request_id, *status),
            Response::Error { request_id, kind } => {
                self.in_flight.error(request_id, kind, self.options.session)
            }
        }
    }

    /// Tells everybody who relied on the session, and opens another one.
    fn expire(&mut self, talk: &mut Talk) {
        let queued = self.shared.queue.lock().expired();
        for run in queued {
            RunWaiter::refuse(run.waiters, &ClientError::SessionExpired);
        }
        let _counted_anew = self.in_flight.refuse_chunks(&ClientError::SessionExpired);
        if !self.in_flight.is_session_busy() {
            let open = self.in_flight.session_chunk(chunk::open());
            talk.connection.push(&open);
        }
    }

    /// Makes room for callers: `bytes` of requests and `asks` questions are done.
    fn done(&self, bytes: usize, asks: usize) {
        if bytes == 0 && asks == 0 {
            return;
        }
        let mut queue = self.shared.queue.lock();
        queue.done(bytes, self.in_flight.oldest());
        queue.asked_done(asks);
        drop(queue);
        self.shared.room.notify_waiters();
    }

    fn tick(&mut self, talk: &mut Talk) -> Result<(), String> {
        self.give_up();
        let now = Instant::now();
        for request_id in std::mem::take(&mut talk.retries) {
            if let Some(request) = self.in_flight.retry(request_id) {
                talk.connection.push(&request);
            }
        }
        if !self.in_flight.is_empty() && now.duration_since(talk.heard) > self.response_timeout {
            self.response_timeout =
                (self.response_timeout * 2).min(self.options.response_timeout * 8);
            return Err("no answer in time".to_owned());
        }
        let idle = now.duration_since(talk.sent) > self.options.renew_every;
        if idle && !self.in_flight.is_session_busy() {
            let session = self.shared.queue.lock().session().clone();
            if let SessionState::Open(id) = session {
                talk.sent = now;
                if self.in_flight.is_empty() {
                    talk.heard = now;
                }
                let renew = self.in_flight.session_chunk(chunk::renew(id));
                talk.connection.push(&renew);
            }
        }
        Ok(())
    }

    fn give_up(&mut self) {
        let (now, age) = (Instant::now(), self.options.give_up_after);
        let (mut bytes, mut asks) = self.in_flight.give_up(now, age);
        let (queued, questions) = self.shared.queue.lock().expire(now, age);
        for run in queued {
            bytes += run.bytes;
            RunWaiter::refuse(run.waiters, &ClientError::NotSent);
        }
        for ask in questions {
            asks += 1;
            ask.refuse(ClientError::NotSent);
        }
        self.done(bytes, asks);
    }

    /// Tells everybody that the client has ended.
    fn end(mut self) {
        let mut queue = self.shared.queue.lock();
        queue.end();
        let (runs, asks) = queue.take();
        drop(queue);
        for run in runs {
            RunWaiter::refuse(run.waiters, &ClientError::Closed);
        }
        for (ask, _) in asks {
            ask.refuse(ClientError::Closed);
        }
        self.in_flight.refuse_chunks(&ClientError::Closed);
        self.in_flight.refuse_asks(&ClientError::Closed);
        self.shared.room.notify_waiters();
    }
}

/// What ended a wait.
#[derive(Debug)]
enum Event {
    Arrived,
    Woken,
    Tick,
}
