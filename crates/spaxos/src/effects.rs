//! Carries out what the core asks for.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::Mutex;
use spaxos_core::effect::{Effect, LogQuery, Recipients, RejectReason};
use spaxos_core::record::Record;
use spaxos_core::types::{Lsn, ReplicaId};

use crate::apply_thread::Apply;
use crate::counters::Cells;
use crate::error::{Fatal, ReadError, SubmitError};
use crate::log_thread::{Group, LogWriter};
use crate::mailbox::Mailbox;
use crate::outbox::{Letter, Outbox};
use crate::pending::Pending;
use crate::read::ReadRequest;
use crate::transport::lives::Lives;
use crate::transport::outgoing::Outgoing;
use crate::transport::peer_queue::PeerQueue;

/// A question to the log, for a peer that lags.
pub(crate) type LogQuestion = (ReplicaId, LogQuery);

/// Everything that effects act on. What goes to other threads is collected and handed over once per
/// turn of the event loop.
#[derive(Debug)]
pub(crate) struct Effector {
    pub(crate) pending: Arc<Pending>,
    pub(crate) lives: Arc<Lives>,
    pub(crate) counters: Arc<Cells>,
    pub(crate) peers: Vec<Arc<PeerQueue>>,
    pub(crate) log: LogWriter,
    pub(crate) apply: Arc<Mailbox<Apply>>,
    pub(crate) reader: Arc<Mailbox<LogQuestion>>,
    pub(crate) outbox: Outbox,
    pub(crate) log_buffer_bytes_max: usize,
    /// Why the node cannot go on.
    pub(crate) failed: Option<Fatal>,
    /// Up to here the log turned out to be durable at once.
    pub(crate) durable_at_once: Option<Lsn>,
    /// Messages are encoded here.
    pub(crate) scratch: BytesMut,
    /// Records that are not yet handed to the log.
    pub(crate) appended: Group,
    /// Work that is not yet handed to the apply thread.
    pub(crate) applying: Vec<Apply>,
    /// Reads that the core knows, by token.
    pub(crate) reads: ReadGroups,
}

/// Heads of messages are cut from pieces of memory of this size.
pub(crate) const SCRATCH_BYTES: usize = 16 << 10;

impl Effector {
    pub(crate) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Append { lsn, record } => self.append(lsn, record),
            Effect::Sync => self.appended.sync = true,
            Effect::Send { to, message, after } => {
                let message = Outgoing::new(&message, &mut self.scratch);
                let (leaving, kept) = self.outbox.post(after, Letter { to, message });
                if let Some(letter) = leaving {
                    send(&self.peers, &letter);
                }
                if !kept {
                    self.counters.outbox_dropped.add(1);
                }
            }
            Effect::Execute(execution) => self.applying.push(Apply::Execute(execution)),
            Effect::ReadReady { tokens } => {
                let groups = tokens
                    .into_iter()
                    .filter_map(|token| self.reads.take(token));
                self.applying.extend(groups.map(Apply::Reads));
            }
            Effect::ReadRefused { token } => {
                let reads = self.reads.take(token).unwrap_or_default();
                for read in reads {
                    read.refuse(&ReadError::Overloaded);
                }
            }
            Effect::Reject { ticket, reason } => self.pending.refuse(ticket, &refusal(reason)),
            Effect::Lost { ticket } => self.pending.refuse(ticket, &SubmitError::Unknown),
            Effect::ReadLog { to, query } => drop(self.reader.push((to, query))),
            Effect::LaneStopped { lane, position } => {
                tracing::error!(
                    lane = lane.0,
                    %position,
                    "two contents under one position: a member id is used twice, or a disk went back"
                );
                self.counters.lanes_stopped.add(1);
            }
            Effect::Halt(reason) => self.fail(Fatal::Halted(reason)),
        }
    }

    fn append(&mut self, lsn: Lsn, record: Record) {
        if let Record::Greeting { member, life } = &record {
            self.lives.learn(*member, *life);
        }
        self.appended.push(lsn, record);
        if self.appended.bytes >= self.log_buffer_bytes_max {
            self.hand_over_records();
        }
    }

    /// Everything up to `lsn` is durable: what waited for that leaves.
    pub(crate) fn durable(&mut self, lsn: Lsn) {
        let peers = &self.peers;
        self.outbox.release(lsn, |letter| send(peers, &letter));
    }

    /// Hands the turn's work to the other threads. Records without a sync wait for the next one.
    pub(crate) fn hand_over(&mut self) {
        if self.appended.sync {
            self.hand_over_records();
        }
        self.apply.append(&mut self.applying);
    }

    fn hand_over_records(&mut self) {
        let group = std::mem::take(&mut self.appended);
        match self.log.push(group) {
            Ok(durable) => self.durable_at_once = durable.or(self.durable_at_once),
            Err(error) => self.fail(Fatal::Storage {
                reason: error.to_string(),
            }),
        }
    }

    fn fail(&mut self, fatal: Fatal) {
        self.failed.get_or_insert(fatal);
    }

    /// Hands over what has not been, to be synced before the log is closed.
    pub(crate) fn finish(&mut self) {
        self.appended.sync = true;
        self.hand_over();
    }
}

fn send(peers: &[Arc<PeerQueue>], letter: &Letter) {
    let chosen = |peer: ReplicaId| match &letter.to {
        Recipients::One(id) => *id == peer,
        Recipients::All => true,
        Recipients::Several(ids) => ids.contains(&peer),
    };
    for queue in peers.iter().filter(|queue| chosen(queue.peer)) {
        queue.push(&letter.message);
    }
}

const fn refusal(reason: RejectReason) -> SubmitError {
    match reason {
        // A single chunk is limited before it gets to the core, so that a chunk too large can only
        // mean that the core has no room for it.
        RejectReason::Overloaded | RejectReason::TooLarge => SubmitError::Overloaded,
        RejectReason::NoLeader => SubmitError::NoLeader,
    }
}

/// Groups of reads that the core has at most. Further reads wait in the intake, and go as one group.
const GROUPS_MAX: usize = 1 << 16;

/// Reads on their way through the core: all that arrived between two turns share a token.
#[derive(Debug, Default)]
pub(crate) struct ReadGroups {
    /// The token of the first group.
    first: u64,
    groups: VecDeque<Option<Vec<ReadRequest>>>,
}

impl ReadGroups {
    /// Adds a group and names it.
    pub(crate) fn add(&mut self, reads: Vec<ReadRequest>) -> u64 {
        self.groups.push_back(Some(reads));
        self.first + self.groups.len() as u64 - 1
    }

    /// Whether so many groups wait that the core is to get no more for now: unlike reads, groups do
    /// not go away when nobody waits for them any more.
    pub(crate) fn is_full(&self) -> bool {
        self.groups.len() >= GROUPS_MAX
    }

    /// Whether the core knows no read.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Drops the reads that nobody waits for, and with them their permits. Their tokens stay: the
    /// core still answers them.
    pub(crate) fn purge(&mut self) {
        for group in self.groups.iter_mut().flatten() {
            group.retain(|read| !read.is_abandoned());
            if group.is_empty() {
                *group = Vec::new();
            }
        }
    }

    fn take(&mut self, token: u64) -> Option<Vec<ReadRequest>> {
        let at = usize::try_from(token.checked_sub(self.first)?).ok()?;
        let taken = self.groups.get_mut(at)?.take();
        while let Some(None) = self.groups.front() {
            self.groups.pop_front();
            self.first += 1;
        }
        taken
    }

    /// Takes out all groups.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = ReadRequest> {
        std::mem::take(&mut self.groups)
            .into_iter()
            .flatten()
            .flatten()
    }
}

/// The last published status, for handles.
pub(crate) type Published = Arc<Mutex<spaxos_core::status::Status>>;

#[cfg(test)]
mod tests {
    use tokio::sync::{Semaphore, oneshot};

    use super::*;
    use crate::read::Reader;

    #[test]
    fn reads_that_nobody_waits_for_give_their_permits_back() {
        let permits = Arc::new(Semaphore::new(3));
        let read = || {
            let (sender, answer) = oneshot::channel();
            let permit = Arc::clone(&permits).try_acquire_owned();
            let read = ReadRequest {
                query: None,
                reader: Reader::One(sender),
                permit: permit.expect("a permit"),
            };
            (read, answer)
        };
        let [(first, gone), (second, also_gone), (third, waiting)] = [read(), read(), read()];
        let mut groups = ReadGroups::default();
        let lost = groups.add(vec![first]);
        let mixed = groups.add(vec![second, third]);
        groups.purge();
        assert_eq!(permits.available_permits(), 0, "all wait");
        drop((gone, also_gone));
        groups.purge();
        assert_eq!(permits.available_permits(), 2);
        let left = |reads: Option<Vec<ReadRequest>>| reads.map(|reads| reads.len());
        assert_eq!(left(groups.take(mixed)), Some(1), "whoever waits is kept");
        assert_eq!(left(groups.take(lost)), Some(0), "the core may answer it");
        assert!(groups.is_empty());
        assert_eq!(permits.available_permits(), 3);
        drop(waiting);
    }
}
