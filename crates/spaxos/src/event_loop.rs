//! The task that owns the replica: takes what has arrived, steps, carries out the effects, sleeps
//! until something arrives or the replica's deadline passes.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use spaxos_core::batch::Chunk;
use spaxos_core::effect::Input;
use spaxos_core::replica::Replica;
use spaxos_core::types::{Lsn, ReplicaId, Time};
use tokio::time::Sleep;

use crate::clock::Clock;
use crate::effects::{Effector, Published};
use crate::ending::Ending;
use crate::error::{ReadError, SubmitError};
use crate::inbox::{Arrived, Inbox, Stop};
use crate::intake::{Intake, Taken};
use crate::wake::Wake;

/// What the event loop owns and listens to.
#[derive(Debug)]
pub(crate) struct EventLoop {
    pub(crate) replica: Replica,
    pub(crate) effector: Effector,
    pub(crate) clock: Clock,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) published: Published,
    pub(crate) ending: Arc<Ending>,
    pub(crate) grace: Duration,
    pub(crate) progress: Progress,
}

/// What the event loop remembers from turn to turn.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    arrived: Arrived,
    taken: Taken,
    /// The leader when the status was last published.
    leader: Option<ReplicaId>,
    /// When the status was last published, and whether it may have changed since.
    published: Time,
    changed: bool,
    /// When reads that nobody waits for were last dropped.
    purged: Time,
    /// A graceful stop does not wait beyond this.
    stop_at: Option<Time>,
}

/// The status is published at most this often while there is work.
const PUBLISH_NS: u64 = 2_000_000;

/// How often reads that nobody waits for are dropped, while there are reads.
const PURGE_NS: u64 = 500_000_000;

/// How often a node that stops looks whether all is answered.
const STOPPING_NS: u64 = 1_000_000;

impl EventLoop {
    /// Runs until the node is to stop or the replica halts.
    pub(crate) async fn run(mut self) {
        let mut sleep = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            let now = self.clock.now();
            self.turn(now);
            if let Some(reason) = self.effector.failed.take() {
                self.ending.fail(reason);
                break;
            }
            if self.is_stopping(now) {
                break;
            }
            self.publish(now);
            self.wait(sleep.as_mut()).await;
        }
        self.finish();
    }

    /// Steps through everything that has arrived.
    fn turn(&mut self, now: Time) {
        let mut arrived = std::mem::take(&mut self.progress.arrived);
        self.inbox.take(&mut arrived);
        if let Some(lsn) = arrived.durable.take() {
            self.on_durable(now, lsn);
        }
        for greeting in arrived.greetings.drain(..) {
            let input = Input::Greeted {
                peer: greeting.peer,
                life: greeting.life,
                known: greeting.known,
            };
            self.step(now, input);
        }
        for (from, message) in arrived.messages.drain(..) {
            self.step(now, Input::Message { from, message });
        }
        for (to, found) in arrived.log_found.drain(..) {
            self.step(now, Input::LogRead { to, found });
        }
        if let Some((slot, next_expiry)) = arrived.applied.take() {
            self.step(now, Input::Applied { slot, next_expiry });
        }
        if arrived.stop == Some(Stop::Gracefully) && self.progress.stop_at.is_none() {
            let grace = u64::try_from(self.grace.as_nanos()).unwrap_or(u64::MAX);
            self.progress.stop_at = Some(now.plus(grace));
        } else if arrived.stop == Some(Stop::AtOnce) {
            self.progress.stop_at = Some(Time(0));
        }
        self.progress.arrived = arrived;
        self.take_requests(now);
        if self
            .replica
            .deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.step(now, Input::Timer);
        }
        self.effector.hand_over();
        while let Some(lsn) = self.effector.durable_at_once.take() {
            self.on_durable(now, lsn);
            self.effector.hand_over();
        }
    }

    fn on_durable(&mut self, now: Time, lsn: Lsn) {
        self.effector.durable(lsn);
        self.step(now, Input::Durable { lsn });
    }

    fn take_requests(&mut self, now: Time) {
        let mut taken = std::mem::take(&mut self.progress.taken);
        self.purge(now);
        let room_for_reads = !self.effector.reads.is_full();
        self.intake.take(&mut taken, room_for_reads);
        while let Some(mut joined) = taken.payloads.pop_front() {
            let (payload, waiting) = joined.finish();
            taken.spare = joined;
            let requests = waiting.requests;
            self.effector.counters.requests.add(u64::from(requests));
            self.effector.counters.chunks.add(1);
            let ticket = self.effector.pending.add(waiting);
            let chunk = Chunk {
                ticket,
                requests,
                payload,
            };
            self.step(now, Input::Submit(chunk));
        }
        if !taken.reads.is_empty() {
            let token = self.effector.reads.add(std::mem::take(&mut taken.reads));
            self.step(now, Input::Read { token });
        }
        self.progress.taken = taken;
    }

    /// Reads that nobody waits for must not keep others out while there is no quorum.
    fn purge(&mut self, now: Time) {
        if self.effector.reads.is_empty() || now.since(self.progress.purged) < PURGE_NS {
            return;
        }
        self.progress.purged = now;
        self.effector.reads.purge();
        self.intake.purge_reads();
    }

    fn step(&mut self, now: Time, input: Input) {
        if self.effector.failed.is_some() {
            return;
        }
        self.progress.changed = true;
        for effect in self.replica.step(now, input) {
            self.effector.carry_out(effect);
        }
    }

    fn is_stopping(&self, now: Time) -> bool {
        let Some(stop_at) = self.progress.stop_at else {
            return false;
        };
        let idle = self.intake.is_empty() && self.effector.pending.is_empty();
        idle || now >= stop_at
    }

    /// Shows handles what has changed, but not too often.
    fn publish(&mut self, now: Time) {
        if !self.progress.changed || now.since(self.progress.published) < PUBLISH_NS {
            return;
        }
        let status = self.replica.status();
        if status.leader.is_some() && status.leader != self.progress.leader {
            self.progress.leader = status.leader;
            self.effector.counters.leader_changes.add(1);
        }
        self.progress.published = now;
        self.progress.changed = false;
        *self.published.lock() = status;
    }

    /// Waits for the next turn.
    async fn wait(&mut self, mut sleep: Pin<&mut Sleep>) {
        let mut woken = pin!(self.wake.woken());
        let due = poll_fn(|context| Poll::Ready(woken.as_mut().poll(context).is_ready())).await;
        if due {
            // Something came while the last turn ran: let the connections bring the rest of it.
            tokio::task::yield_now().await;
            return;
        }
        let publish = self
            .progress
            .changed
            .then(|| self.progress.published.plus(PUBLISH_NS));
        let stop = self.progress.stop_at.map(|stop_at| {
            let look_again = self.clock.now().plus(STOPPING_NS);
            stop_at.min(look_again)
        });
        let reads = &self.effector.reads;
        let purge = (!reads.is_empty()).then(|| self.progress.purged.plus(PURGE_NS));
        let times = [self.replica.deadline(), stop, publish, purge];
        let Some(next) = times.into_iter().flatten().min() else {
            woken.await;
            return;
        };
        let next = tokio::time::Instant::from_std(self.clock.instant(next));
        if sleep.deadline() != next {
            sleep.as_mut().reset(next);
        }
        tokio::select! {
            biased;
            () = woken => {}
            () = sleep => {}
        }
    }

    /// Leaves nothing behind: what can be synced is, and whoever waits is told.
    fn finish(mut self) {
        self.intake.close();
        let mut taken = Taken::default();
        self.intake.take(&mut taken, true);
        for mut joined in taken.payloads {
            for waiter in joined.finish().1.waiters {
                waiter.refuse(&SubmitError::Stopped);
            }
        }
        let waiting = self.effector.reads.drain();
        for read in taken.reads.into_iter().chain(waiting) {
            read.refuse(&ReadError::Stopped);
        }
        self.effector.finish();
        *self.published.lock() = self.replica.status();
    }
}

impl Drop for EventLoop {
    /// The other threads end with this one, however it ends.
    fn drop(&mut self) {
        self.intake.close();
        self.effector.pending.stop();
        self.effector.log.close();
        self.effector.apply.close();
        self.effector.reader.close();
    }
}
