//! Wiring of the dissemination layer: requests in, batches out, fetching, reads.

use std::sync::Arc;

use crate::batch::{Batch, Chunk, Origin};
use crate::config::Dissemination;
use crate::dissemination::batch_store::Fit;
use crate::effect::{Effect, HaltReason, LogQuery, RejectReason};
use crate::message::Body;
use crate::planted::planted;
use crate::replica::{LogRead, Replica};
use crate::types::{Ballot, Incarnation, Lsn, Position, ReplicaId, Sequence, Slot};

impl Replica {
    /// Requests of this replica's clients.
    pub(super) fn on_submit(&mut self, chunk: Chunk) {
        let ticket = chunk.ticket;
        let taken = match self.config.modes.dissemination {
            Dissemination::All => self.batcher.push(chunk, None),
            Dissemination::Leader => self.submit_to_leader(chunk),
        };
        if let Err(reason) = taken {
            self.effects.push(Effect::Reject { ticket, reason });
        }
    }

    fn submit_to_leader(&mut self, chunk: Chunk) -> Result<(), RejectReason> {
        let incarnation = self.life.incarnation;
        let leader = self.leader().ok_or(RejectReason::NoLeader)?;
        if leader == self.id {
            let origin = origin(self.id, incarnation, &chunk);
            return self.batcher.push(chunk, Some(origin));
        }
        if chunk.payload.len() > self.config.limits.chunk_bytes_max {
            return Err(RejectReason::TooLarge);
        }
        let until = self.now.plus(2 * self.config.timing.election_ns);
        if !self.forwarding.push(chunk.ticket, self.log.view(), until) {
            return Err(RejectReason::Overloaded);
        }
        let chunks = vec![chunk];
        let body = Body::Forward {
            incarnation,
            chunks,
        };
        self.send_one(leader, body, Lsn(0));
        Ok(())
    }

    /// Requests that another replica forwarded to the leader of `ballot`. A chunk that came before is
    /// dropped, and so is what cannot be taken: the forwarder reports it as lost in time.
    pub(super) fn on_forward(
        &mut self,
        from: ReplicaId,
        ballot: Ballot,
        incarnation: Incarnation,
        chunks: Vec<Chunk>,
    ) {
        for chunk in chunks {
            let leading = self
                .election
                .leading_mut()
                .filter(|leading| leading.ballot == ballot);
            let new = leading.is_some_and(|l| l.is_new_forward(from, incarnation, chunk.ticket));
            let origin = origin(from, incarnation, &chunk);
            if !new || self.batcher.push(chunk, Some(origin)).is_err() {
                self.dropped += 1;
            }
        }
    }

    /// Closes batches of the own lane, appends them and sends them.
    pub(super) fn close_batches(&mut self) {
        let incarnation = self.life.incarnation;
        while self.may_close() {
            let Some(content) = self.batcher.close() else {
                break;
            };
            let batch = Arc::new(Batch::new(
                self.id,
                Position {
                    incarnation,
                    sequence: self.batcher.closed(),
                },
                self.own_digest,
                content.requests,
                content.payload,
                content.origins,
            ));
            self.own_digest = batch.digest;
            let lsn = self.append_batch(&batch);
            self.store.push(batch, lsn);
        }
        self.send_batches();
    }

    /// Whether the own lane takes a batch. In mode `leader`, batch and cut travel together: a batch
    /// waits for room in the window.
    pub(super) fn may_close(&self) -> bool {
        let room = self.log.last().0 - self.log.decided().0 < self.config.limits.window_slots_max;
        let all = self.config.modes.dissemination == Dissemination::All;
        self.store.has_room(self.id, self.life.incarnation)
            && !self.disk_lags()
            && (all || room || self.election.leading().is_none())
    }

    fn send_batches(&mut self) {
        if self.config.modes.dissemination == Dissemination::Leader
            && self.election.leading().is_some()
        {
            return;
        }
        let incarnation = self.life.incarnation;
        let end = self.store.end(self.id, incarnation);
        let in_memory = self.store.first_in_memory(self.id, incarnation);
        while let Some((sequence, peers)) = self.sender.next(end, in_memory) {
            let position = Position {
                incarnation,
                sequence,
            };
            if let Some(batch) = self.store.get(self.id, position).cloned() {
                self.send_several(peers, Body::Batch(batch), Lsn(0));
            }
        }
    }

    /// A batch of another's lane, or one of the own lane that this replica lost in an earlier life.
    pub(super) fn on_batch(&mut self, batch: Arc<Batch>) {
        let (lane, position) = (batch.lane, batch.position);
        let end = self.store.end(lane, position.incarnation);
        let own = lane == self.id && position.incarnation >= self.life.incarnation;
        match self.store.fit(&batch) {
            Fit::Forked | Fit::Next | Fit::Gap if own => {
                // Nobody but this process makes batches of this life: its id is used twice.
                self.halt(HaltReason::LaneForked { lane, position });
            }
            _ if own => self.dropped += 1,
            Fit::Next | Fit::Full if self.disk_lags() => self.dropped += 1,
            Fit::Full if planted!(NeededBatchRefused) => self.dropped += 1,
            Fit::Full if !self.is_needed(lane, position) => self.dropped += 1,
            Fit::Next | Fit::Full => {
                let bytes = batch.cost_bytes();
                let lsn = self.append_batch(&batch);
                self.store.push(batch, lsn);
                self.fetcher.on_stored(lane, position, bytes, self.now);
            }
            Fit::Known => {}
            Fit::Gap | Fit::Damaged => {
                self.dropped += 1;
                self.fetcher.want(lane, position, end, self.now);
            }
            Fit::Refused => self.dropped += 1,
            #[cfg(planted)]
            Fit::Forked if planted!(StoredBatchReplaced) => self.store.replace(batch),
            Fit::Forked => {
                self.dropped += 1;
                self.store.stop_lane(lane);
                self.effects.push(Effect::LaneStopped { lane, position });
            }
        }
    }

    /// Whether the log orders the batch at `position`: what is executed next, what may be voted for,
    /// or what a promise reports.
    fn is_needed(&self, lane: ReplicaId, position: Position) -> bool {
        let next = self.executor.executed().next();
        let open = (self.log.decided().next().0..=self.log.last().0).map(Slot);
        let values = [next]
            .into_iter()
            .chain(open)
            .filter_map(|slot| self.log.get(slot));
        let reported = self.election.reported();
        values.chain(reported).any(|value| {
            let entry = value
                .cut()
                .and_then(|cut| cut.get(lane))
                .unwrap_or_default();
            entry.position.incarnation == position.incarnation && entry.position >= position
        })
    }

    /// What is under slot `slot` and not here must come.
    pub(super) fn want_slot(&mut self, slot: Slot) {
        let cut = self.log.get(slot).and_then(|value| value.cut()).cloned();
        for (lane, entry) in cut.iter().flat_map(|cut| cut.entries()) {
            self.want(*lane, entry.position);
        }
    }

    /// The batch at `position` exists and is wanted, unless it is here or void.
    pub(super) fn want(&mut self, lane: ReplicaId, position: Position) {
        let own = lane == self.id && position.incarnation >= self.life.incarnation;
        if own || !self.members.contains(&lane) || position <= self.store.executed(lane).position {
            return;
        }
        let end = self.store.end(lane, position.incarnation);
        if !self.store.is_closed(lane, position.incarnation) {
            self.fetcher.want(lane, position, end, self.now);
        }
    }

    /// Asks for what is missing and due.
    pub(super) fn fetch(&mut self) {
        for request in self.fetcher.due_batches(self.now) {
            let full = self.store.is_full(request.lane, request.from.incarnation);
            if self.disk_lags() || (full && !self.is_needed(request.lane, request.from)) {
                continue;
            }
            let Some(peer) = self.holder_of(request.lane, request.from, request.attempt) else {
                continue;
            };
            let body = Body::FetchBatches {
                lane: request.lane,
                from: request.from,
                to: request.to,
            };
            self.send_one(peer, body, Lsn(0));
        }
        if self.is_far_ahead() {
            self.fetcher.postpone_slots(self.now);
            return;
        }
        let own = self.log.decided();
        if let Some(peer) = self.fetcher.due_slots(own, &self.peers, self.now) {
            let from = own.next();
            self.send_one(peer, Body::FetchSlots { from }, Lsn(0));
        }
    }

    /// Whom to ask: the leader first, then the lane's owner, then others; those whose acks show it
    /// before those whose acks do not. Each attempt asks the next.
    fn holder_of(&self, lane: ReplicaId, from: Position, attempt: u32) -> Option<ReplicaId> {
        if planted!(FetchFromOwnerOnly) {
            return Some(lane).filter(|&lane| lane != self.id);
        }
        let leader = self.log.view().replica;
        let mut peers = self.peers.clone();
        peers.sort_by_key(|&peer| {
            let held = self.acks.held_by(peer, lane, from.incarnation);
            let executed = held == Sequence(0);
            (
                held < from.sequence && !executed,
                executed,
                peer != leader,
                peer != lane,
            )
        });
        let at = attempt as usize % peers.len().max(1);
        peers.get(at).copied()
    }

    /// A peer lacks batches.
    pub(super) fn on_fetch_batches(
        &mut self,
        from: ReplicaId,
        lane: ReplicaId,
        first: Position,
        to: Sequence,
    ) {
        let bytes_max = self.config.limits.fetch_bytes_max;
        let mut bytes = 0;
        let mut position = first;
        while position.sequence <= to && bytes < bytes_max {
            let Some(batch) = self.store.get(lane, position).cloned() else {
                break;
            };
            bytes += batch.cost_bytes();
            self.send_one(from, Body::Batch(batch), Lsn(0));
            position.sequence = position.sequence.next();
        }
        let executed = self.store.executed(lane).position;
        let read = (from, LogRead::Lane(lane, first.incarnation));
        let reads_max = self.config.limits.incarnations_max * self.members.len();
        let room = self.log_reads.len() < reads_max && !self.log_reads.contains(&read);
        if bytes == 0 && first <= executed && room {
            self.log_reads.push(read);
            let query = LogQuery::Batches {
                lane,
                from: first,
                to,
                bytes_max,
            };
            self.effects.push(Effect::ReadLog { to: from, query });
        }
    }

    /// Begins rounds of questions, releases reads whose slot is executed, and orders a no-op for
    /// those whose slot may never be decided.
    pub(super) fn serve_reads(&mut self) {
        let next = self.batcher.closed().next();
        let view = if planted!(ReadWaitsForever) {
            Ballot::default()
        } else {
            self.log.view()
        };
        if self.reads.strand(view, self.log.last(), next) {
            self.batcher.want_no_op();
        }
        let own = self.batcher.ordered();
        let tokens = self.reads.ready(self.executor.executed(), own);
        if !tokens.is_empty() {
            self.effects.push(Effect::ReadReady { tokens });
        }
        if let Some(nonce) = self.reads.begin(self.now) {
            self.send_all(Body::ReadQuery { nonce }, Lsn(0));
            let (slot, ballot) = self.read_answer();
            self.reads.on_answer(self.id, nonce, slot, ballot);
            if self.peers.is_empty() {
                let tokens = self.reads.ready(self.executor.executed(), own);
                self.effects.push(Effect::ReadReady { tokens });
            }
        }
    }

    /// The highest slot that this replica has durably voted for in any ballot, or knows decided.
    pub(super) fn read_answer(&self) -> (Slot, Ballot) {
        let highest = self.acceptor.highest();
        let decided = self.log.decided();
        if planted!(ReadAsksExecuted) {
            return (self.executor.executed(), self.log.highest_view());
        }
        let current = highest.ballot == self.log.view() || !planted!(ReadAsksCurrentBallot);
        if decided >= highest.slot || !current {
            (decided, self.log.highest_view())
        } else {
            (highest.slot, highest.ballot)
        }
    }

    /// Reports forwarded chunks that are lost.
    pub(super) fn report_lost(&mut self) {
        for ticket in self.forwarding.take_lost(self.log.view(), self.now) {
            self.effects.push(Effect::Lost { ticket });
        }
    }
}

fn origin(replica: ReplicaId, incarnation: Incarnation, chunk: &Chunk) -> Origin {
    Origin {
        replica,
        incarnation,
        ticket: chunk.ticket,
        bytes: u32::try_from(chunk.payload.len()).unwrap_or(u32::MAX),
    }
}
