//! Wiring of the ordering layer: deciding, executing, proposing, voting, and following a log.

use std::sync::Arc;

use crate::batch::Batch;
use crate::config::{Dissemination, Propose, Votes};
use crate::cut::{Order, Value};
use crate::effect::{Effect, HaltReason, LogQuery};
use crate::execution::Ready;
use crate::message::Body;
use crate::ordering::acceptor::NextVote;
use crate::ordering::proposer::next_cut;
use crate::ordering::slots::{Followed, Learned};
use crate::planted::planted;
use crate::record::Record;
use crate::replica::messages::is_sane;
use crate::replica::{LogRead, Replica};
use crate::types::{Ballot, Lsn, Position, ReplicaId, Sequence, Slot, Time};

impl Replica {
    /// Counts votes of the followed ballot; what a quorum voted for is decided.
    pub(super) fn count_votes(&mut self) {
        let mark = self.tally.decided(self.log.view());
        self.decide(mark);
    }

    /// Slots up to `mark` of the followed log are decided, as far as they are known.
    pub(super) fn decide(&mut self, mark: Slot) {
        let before = self.log.decided();
        if !self.log.decide(mark) {
            return;
        }
        for slot in before.0 + 1..=self.log.decided().0 {
            self.note_decided(Slot(slot), Learned::Same);
        }
        self.fetcher.on_slots(self.log.decided(), false, self.now);
        let announces = self.config.modes.votes == Votes::Leader
            && self.config.modes.dissemination == Dissemination::All;
        if announces && self.election.leading().is_some() {
            self.send_all(Body::Decide, Lsn(0));
        }
    }

    /// Slot `slot` was decided just now: the log on disk learns its value if it has another or none.
    fn note_decided(&mut self, slot: Slot, learned: Learned) {
        let value = self.log.get(slot).expect("decided values are known");
        let unknown = self.acceptor.on_decided(slot, value, learned);
        if unknown && !planted!(DecidedSlotNotLogged) {
            let value = value.clone();
            self.append(Record::DecidedSlot { slot, value });
        }
    }

    /// Executes decided slots whose batches are here. Waits on the own disk for nothing.
    pub(super) fn execute(&mut self) {
        while self.executor.executed() < self.log.decided() {
            let slot = self.executor.executed().next();
            let value = self
                .log
                .get(slot)
                .expect("what is not executed is in memory");
            match self.executor.execute(value, &mut self.store) {
                Ready::Executed(execution) => {
                    self.on_executed(&execution.batches);
                    self.effects.push(Effect::Execute(execution));
                }
                Ready::Lacks => {
                    self.want_slot(slot);
                    break;
                }
                Ready::Busy => break,
                Ready::Forked(lane) => {
                    let entry = value.cut().and_then(|cut| cut.get(lane));
                    let position = entry.unwrap_or_default().position;
                    self.halt(HaltReason::LaneForked { lane, position });
                    return;
                }
            }
        }
        let store = &self.store;
        self.fetcher
            .drop_closed(|lane, incarnation| store.is_closed(lane, incarnation));
        self.trim_cache();
        let (decided, last, now) = (self.log.decided(), self.log.last(), self.now);
        if let Some(leading) = self.election.leading_mut() {
            leading.on_progress(decided, last, now);
        }
    }

    fn on_executed(&mut self, batches: &[Arc<Batch>]) {
        let incarnation = self.life.incarnation;
        for batch in batches {
            if batch.lane == self.id && batch.position.incarnation == incarnation {
                let sequence = batch.position.sequence;
                self.batcher.on_executed(sequence, batch.cost_bytes());
            }
            for origin in &batch.origins {
                if origin.replica == self.id && origin.incarnation == incarnation {
                    self.forwarding.on_executed(origin.ticket);
                }
            }
        }
    }

    /// When the leader must propose a tick, should nothing else come: something waits for time.
    pub(super) fn tick_due(&self) -> Option<Time> {
        let leading = self.election.leading()?;
        let expiry = self.next_expiry?;
        let open = self.log.last() > self.executor.applied();
        (!open).then(|| leading.clock.shows_at(expiry))
    }

    /// The leader proposes what is new, as long as the window has room.
    pub(super) fn propose(&mut self) {
        let (now, view) = (self.now, self.log.view());
        let tick = self.tick_due().is_some_and(|due| due <= now);
        let Some(leading) = self.election.leading_mut() else {
            return;
        };
        assert_eq!(leading.ballot, view, "a leader follows its own log");
        leading.clock.turn(now);
        let first = self.log.last().next();
        let mut values = Vec::new();
        while self.log.last().0 - self.log.decided().0 < self.config.limits.window_slots_max {
            let Some(value) = self.next_value(tick && values.is_empty()) else {
                break;
            };
            values.push(value.clone());
            self.log.push(value);
        }
        if values.is_empty() {
            return;
        }
        let batches = self.batches_to_carry();
        let body = Body::Accept {
            ballot: view,
            first,
            values,
            batches,
        };
        self.send_all(body, Lsn(0));
        let (decided, last) = (self.log.decided(), self.log.last());
        if let Some(leading) = self.election.leading_mut() {
            leading.on_progress(decided, last, now);
        }
    }

    fn next_value(&mut self, tick: bool) -> Option<Value> {
        let stable = self.config.modes.propose == Propose::Stable;
        let (store, acks, own, quorum) = (&self.store, &self.acks, self.id, self.quorum);
        let durable = if stable {
            store.held(false)
        } else {
            Vec::new()
        };
        let cap = |lane: ReplicaId, incarnation| {
            if !stable {
                return Sequence(u64::MAX);
            }
            let same = |position: Position| position.incarnation == incarnation;
            let mut held = durable
                .iter()
                .filter(|h| h.lane == lane && same(h.position));
            let own = held
                .next()
                .map_or(Sequence(0), |held| held.position.sequence);
            acks.stable(lane, incarnation, own, quorum)
        };
        debug_assert!(self.members.contains(&own));
        let bytes_max = self.config.limits.slot_bytes_max;
        let leading = self.election.leading_mut()?;
        let cut = next_cut(store, &self.members, &leading.proposed, bytes_max, cap);
        let log_time = leading.clock.log_time();
        let order = match cut {
            Some(cut) => {
                leading.proposed.merge(&cut);
                Order::Cut { cut, stable }
            }
            None if tick => Order::Tick,
            None => return None,
        };
        Some(Value { log_time, order })
    }

    /// In mode `leader`: the own batches that the proposed slots cover and nobody else has.
    fn batches_to_carry(&mut self) -> Vec<Arc<Batch>> {
        if self.config.modes.dissemination == Dissemination::All {
            return Vec::new();
        }
        let incarnation = self.life.incarnation;
        let Some(leading) = self.election.leading_mut() else {
            return Vec::new();
        };
        let to = leading.proposed.position(self.id);
        if to.incarnation != incarnation {
            return Vec::new();
        }
        let from = leading.sent;
        leading.sent = from.max(to.sequence);
        let sequences = from.0 + 1..=to.sequence.0;
        let positions = sequences.map(|sequence| Position {
            incarnation,
            sequence: Sequence(sequence),
        });
        let batches = positions.filter_map(|position| self.store.get(self.id, position).cloned());
        batches.collect()
    }

    /// Votes for as much of the followed log as the rules allow now.
    pub(super) fn vote(&mut self) {
        let mut voted = false;
        while !self.disk_lags() {
            let (log, store, executed) = (&self.log, &self.store, self.executor.executed());
            let holds = |slot: Slot| {
                let value = log.get(slot);
                planted!(VoteBeforeHolding)
                    || slot <= executed
                    || value.is_some_and(|value| {
                        value.is_stable() || value.cut().is_none_or(|cut| store.holds(cut))
                    })
            };
            match self.acceptor.next_vote(log, holds) {
                NextVote::Nothing => break,
                NextVote::Lacks(slot) => {
                    self.want_slot(slot);
                    break;
                }
                NextVote::Adopt => self.adopt(),
                NextVote::Confirm(slot) => self.acceptor.vote(slot),
                NextVote::Vote(slot) => {
                    let value = self.log.get(slot).expect("it is the next").clone();
                    let (ballot, decided) = (self.log.view(), self.log.decided());
                    self.append(Record::Vote {
                        ballot,
                        slot,
                        value,
                        decided,
                    });
                    self.acceptor.on_decided_recorded(decided);
                    self.acceptor.vote(slot);
                }
            }
            voted = true;
        }
        if voted {
            self.announce_vote();
        }
    }

    fn adopt(&mut self) {
        let (ballot, first) = (self.log.view(), self.log.decided().next());
        let last = self.log.adopt_last().max(self.log.decided());
        let values = self
            .log
            .range(first, last)
            .expect("what is not decided is in memory");
        self.append(Record::Adoption {
            ballot,
            first,
            values,
        });
        self.acceptor.on_decided_recorded(self.log.decided());
        self.acceptor.adopt(ballot, last);
    }

    fn announce_vote(&mut self) {
        let lsn = self.disk.appended;
        let vote = self.acceptor.handed(lsn);
        self.disk.sync_now = lsn > self.disk.asked;
        let after = if planted!(VoteBeforeSync) {
            Lsn(0)
        } else {
            lsn
        };
        let body = Body::Accepted {
            ballot: vote.ballot,
            slot: vote.slot,
        };
        match self.config.modes.votes {
            Votes::All => self.send_all(body, after),
            Votes::Leader if vote.ballot.replica != self.id => {
                self.send_one(vote.ballot.replica, body, after);
            }
            Votes::Leader => {}
        }
        self.take_durable_votes();
    }

    /// Own votes count once they are durable.
    pub(super) fn take_durable_votes(&mut self) {
        let early = planted!(OwnVoteBeforeSync);
        let lsn = if early {
            self.disk.appended
        } else {
            self.disk.durable
        };
        if let Some(vote) = self.acceptor.on_durable(lsn) {
            self.tally.record(self.id, vote.ballot, vote.slot);
        }
    }

    /// Phase 2b.
    pub(super) fn on_accepted(&mut self, from: ReplicaId, ballot: Ballot, slot: Slot) {
        if self.members.contains(&ballot.replica) && self.round_is_sane(ballot.round) {
            self.tally.record(from, ballot, slot);
            if self.election.own_ballot() == Some(ballot) {
                self.heard_by(from, self.now);
            }
        } else {
            self.dropped += 1;
        }
    }

    /// Phase 2a: the leader's log goes on.
    pub(super) fn on_accept(
        &mut self,
        from: ReplicaId,
        ballot: Ballot,
        first: Slot,
        values: &[Value],
        batches: Vec<Arc<Batch>>,
    ) {
        if !is_sane(first) || !self.hear_leader(from, ballot) {
            return;
        }
        for batch in batches {
            self.on_batch(batch);
        }
        if ballot != self.log.view() {
            self.ask_for_log(from, ballot);
            return;
        }
        if self.is_far_ahead() {
            return;
        }
        if self.log.extend(first, values) == Followed::Gap {
            self.ask_slots(from, self.log.last().next());
        }
        let vote = self.acceptor.durable();
        let last = Slot(first.0 + values.len() as u64 - 1);
        if vote.ballot == ballot && vote.slot >= last {
            self.send_one(from, accepted(vote.ballot, vote.slot), Lsn(0));
        }
    }

    /// Whether so many slots wait for execution, or their records for the disk, that no more are taken.
    pub(super) fn is_far_ahead(&self) -> bool {
        let ahead = self.log.last().0 - self.executor.executed().0;
        ahead >= self.config.limits.slots_ahead_max || self.disk_lags()
    }

    /// A new leader's log, to be adopted as a whole.
    pub(super) fn on_adopt(
        &mut self,
        from: ReplicaId,
        ballot: Ballot,
        first: Slot,
        values: &[Value],
    ) {
        if !is_sane(first) || !self.hear_leader(from, ballot) {
            return;
        }
        if !self.log.may_follow(ballot) {
            let vote = self.acceptor.durable();
            if vote.ballot == ballot {
                self.send_one(from, accepted(vote.ballot, vote.slot), Lsn(0));
            }
            return;
        }
        match self.log.compare(first, values) {
            Followed::Yes => {
                self.acceptor.before_view_change(&self.log);
                self.log.follow(ballot, first, values);
            }
            Followed::Gap => self.ask_slots(from, self.log.decided().next()),
            Followed::Outdated => self.dropped += 1,
        }
    }

    /// Whether `ballot`'s leader may be followed; tells it if not.
    pub(super) fn hear_leader(&mut self, from: ReplicaId, ballot: Ballot) -> bool {
        if ballot.replica != from || !self.round_is_sane(ballot.round) {
            self.dropped += 1;
            return false;
        }
        let promised = self.acceptor.promised();
        if ballot < promised {
            self.send_one(from, Body::Refuse { ballot, promised }, Lsn(0));
            return false;
        }
        self.election.on_round(ballot.round);
        if self.election.own_ballot().is_some_and(|own| own < ballot) {
            self.step_down();
        }
        self.election.follow();
        self.election.on_heard(Some(from), self.now);
        true
    }

    /// `from` leads in `ballot`, and its log is not followed here: ask for it.
    pub(super) fn ask_for_log(&mut self, from: ReplicaId, ballot: Ballot) {
        if self.log.may_follow(ballot) {
            self.ask_slots(from, self.log.decided().next());
        }
    }

    fn ask_slots(&mut self, to: ReplicaId, from: Slot) {
        if self.now < self.ask_slots_after {
            return;
        }
        self.ask_slots_after = self.now.plus(self.config.timing.fetch_ns_min);
        self.send_one(to, Body::FetchSlots { from }, Lsn(0));
    }

    /// A peer lacks slots.
    pub(super) fn on_fetch_slots(&mut self, to: ReplicaId, from: Slot) {
        if !is_sane(from) {
            self.dropped += 1;
            return;
        }
        let slots_max = self.config.limits.message_slots_max as u64;
        let (decided, last) = (self.log.decided(), self.log.last());
        if from <= decided && self.log.get(from).is_none() {
            let read = (to, LogRead::Slots);
            if !self.log_reads.contains(&read) {
                self.log_reads.push(read);
                let end = Slot(decided.0.min(from.0 + slots_max - 1));
                let query = LogQuery::Slots { from, to: end };
                self.effects.push(Effect::ReadLog { to, query });
            }
            return;
        }
        let end = Slot(last.0.min(from.0.saturating_add(slots_max - 1)));
        if let Some(values) = self
            .log
            .range(from, end)
            .filter(|values| !values.is_empty())
        {
            let body = Body::Slots {
                adopted: self.log.view(),
                first: from,
                decided,
                values,
            };
            self.send_one(to, body, Lsn(0));
        }
        if self.election.leading().is_some() && end >= decided {
            self.send_adopt(to);
        }
    }

    /// Slots that were asked for: decided ones are final; the rest continues the followed log only if
    /// it is that log.
    pub(super) fn on_slots(
        &mut self,
        adopted: Ballot,
        first: Slot,
        decided: Slot,
        values: &[Value],
    ) {
        if !is_sane(first) || first > self.log.last().next() || self.is_far_ahead() {
            self.dropped += 1;
            return;
        }
        let before = self.log.decided();
        for (slot, value) in (first.0..).map(Slot).zip(values) {
            if slot == self.log.decided().next() && slot <= decided {
                let learned = self.log.learn(adopted, value);
                self.note_decided(slot, learned);
            } else if slot > decided && adopted == self.log.view() && adopted != Ballot::default() {
                self.log.extend(slot, std::slice::from_ref(value));
            }
        }
        let view = self.log.view();
        if self
            .election
            .leading()
            .is_some_and(|leading| leading.ballot != view)
        {
            // Another ballot has decided something: this one is over (C9).
            self.step_down();
        }
        let moved = self.log.decided() > before;
        self.fetcher.on_slots(self.log.decided(), moved, self.now);
    }
}

fn accepted(ballot: Ballot, slot: Slot) -> Body {
    Body::Accepted { ballot, slot }
}
