//! Appending, syncing and sending: every effect that touches the disk or the network is made here.

use std::sync::Arc;

use crate::batch::Batch;
use crate::config::{Dissemination, Propose};
use crate::effect::{Effect, Recipients};
use crate::message::{Body, Header, Message};
use crate::planted::planted;
use crate::record::Record;
use crate::replica::Replica;
#[cfg(planted)]
use crate::types::Slot;
use crate::types::{Lsn, ReplicaId};

impl Replica {
    /// Appends a record; it is synced with the next sync at the latest.
    pub(super) fn append(&mut self, record: Record) -> Lsn {
        #[cfg(planted)]
        let record = match planted!(AdoptionInPieces) {
            true => self.append_but_last(record),
            false => record,
        };
        let lsn = self.disk.appended.next();
        self.disk.appended = lsn;
        let bytes = record.cost_bytes();
        self.disk.unsynced.push_back((lsn, bytes));
        self.disk.unsynced_bytes += bytes;
        self.effects.push(Effect::Append { lsn, record });
        lsn
    }

    /// The planted bug that C7 is about: appends an adoption of several slots but for the last, which
    /// is returned as a vote.
    #[cfg(planted)]
    fn append_but_last(&mut self, record: Record) -> Record {
        let Record::Adoption {
            ballot,
            first,
            mut values,
        } = record
        else {
            return record;
        };
        let slot = Slot(first.0 + values.len() as u64 - 1);
        match values.pop() {
            Some(value) if slot > first => {
                self.append(Record::Adoption {
                    ballot,
                    first,
                    values,
                });
                let decided = Slot(first.0 - 1);
                Record::Vote {
                    ballot,
                    slot,
                    value,
                    decided,
                }
            }
            last => Record::Adoption {
                ballot,
                first,
                values: last.into_iter().collect(),
            },
        }
    }

    /// Tells the log on disk how far it is decided, when nothing else has.
    pub(super) fn record_decided(&mut self) {
        let slot = self.log.decided();
        if slot > self.acceptor.recorded_decided() {
            self.append(Record::Decided { slot });
            self.acceptor.on_decided_recorded(slot);
        }
    }

    /// Lets executed slots leave memory. From then on peers get them from the log on disk, which hands
    /// out only what it knows to be decided.
    pub(super) fn trim_cache(&mut self) {
        let executed = self.executor.executed();
        let unknown = self.log.leaving(executed) > self.acceptor.recorded_decided();
        if unknown && !planted!(SlotsLeaveUnrecorded) {
            self.record_decided();
        }
        self.log.trim_cache(executed);
    }

    /// Whether so much waits for the disk that nothing more is to be added.
    pub(super) fn disk_lags(&self) -> bool {
        self.disk.unsynced_bytes >= self.config.limits.unsynced_bytes_max
    }

    /// Appends a batch. That alone does not start a sync, unless the leader waits for acks.
    pub(super) fn append_batch(&mut self, batch: &Arc<Batch>) -> Lsn {
        let lsn = self.append(Record::Batch(Arc::clone(batch)));
        self.disk.last_batch = lsn;
        if self.config.modes.propose == Propose::Stable {
            self.disk.sync_now = true;
        } else if self.disk.batch_sync_due.is_none() {
            let wait = self.config.timing.batch_sync_ns;
            self.disk.batch_sync_due = Some(self.now.plus(wait));
        }
        lsn
    }

    /// Asks for a sync if this step needs one or a batch has waited long enough.
    pub(super) fn finish_sync(&mut self) {
        let batches_wait = self.disk.last_batch > self.disk.asked;
        if !batches_wait {
            self.disk.batch_sync_due = None;
        }
        let due = self.disk.batch_sync_due.is_some_and(|due| due <= self.now);
        if !(self.disk.sync_now || due || self.disk_lags()) {
            return;
        }
        self.disk.sync_now = false;
        self.disk.batch_sync_due = None;
        if self.disk.asked < self.disk.appended {
            self.disk.asked = self.disk.appended;
            self.disk.syncing_since.get_or_insert(self.now);
            self.effects.push(Effect::Sync);
        }
    }

    pub(super) fn send_one(&mut self, to: ReplicaId, body: Body, after: Lsn) {
        self.acks.announce(to, after.max(self.disk.durable));
        self.send(Recipients::One(to), body, after);
    }

    pub(super) fn send_all(&mut self, body: Body, after: Lsn) {
        if self.peers.is_empty() {
            return;
        }
        self.acks.announce_all(after.max(self.disk.durable));
        self.send(Recipients::All, body, after);
    }

    pub(super) fn send_several(&mut self, to: Vec<ReplicaId>, body: Body, after: Lsn) {
        if to.len() == self.peers.len() {
            self.send_all(body, after);
            return;
        }
        for &peer in &to {
            self.acks.announce(peer, after.max(self.disk.durable));
        }
        self.send(Recipients::Several(to), body, after);
    }

    /// Acks what has become durable, alone, to whom no other message has told it.
    pub(super) fn send_owed_acks(&mut self) {
        if self.config.modes.dissemination == Dissemination::Leader {
            // The votes carry the leader's acks, and nobody else's lane moves.
            return;
        }
        let lsn = self.disk.durable.min(self.disk.last_batch);
        let owed: Vec<_> = self
            .acks
            .peers()
            .filter(|&peer| self.acks.owes(peer, lsn))
            .collect();
        if !owed.is_empty() {
            let echo = crate::types::Time(0);
            self.send_several(owed, Body::Acks { echo }, Lsn(0));
        }
    }

    fn send(&mut self, to: Recipients, body: Body, after: Lsn) {
        assert!(
            after <= self.disk.appended,
            "nothing waits for what is not appended"
        );
        let appended = (after == self.disk.appended && after.0 > 0) || planted!(AckBeforeSync);
        let header = Header {
            ballot: self.log.view(),
            decided: self.log.decided(),
            executed: self.executor.executed(),
            executed_hash: self.executor.hash(),
            // What leaves once the last record is durable may ack everything before it.
            held: self.store.held(appended),
        };
        let message = Message { header, body };
        self.effects.push(Effect::Send { to, message, after });
    }
}
