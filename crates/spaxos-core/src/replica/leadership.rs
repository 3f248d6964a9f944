//! Wiring of elections: timers, pre-vote, phase 1, leading and stepping down.

use crate::config::Dissemination;
use crate::cut::Value;
use crate::effect::{Effect, RejectReason};
use crate::message::{Body, Promise};
use crate::ordering::candidate::Candidate;
use crate::ordering::election::{PreCandidate, Role};
use crate::ordering::leading::Leading;
use crate::ordering::proposer::{LogClock, proposed_cut};
use crate::ordering::slots::Followed;
use crate::planted::planted;
use crate::record::Record;
use crate::replica::Replica;
use crate::replica::messages::is_sane;
use crate::types::{Ballot, LogTime, Lsn, ReplicaId, Slot, Time};

/// What a role's timer calls for.
enum Due {
    Nothing,
    Ask,
    AskAgain,
    StepDown,
    CandidateBeat,
    LeaderBeat,
}

impl Replica {
    pub(super) fn run_timers(&mut self) {
        match self.due() {
            Due::Nothing => {}
            Due::Ask => {
                let far = self.config.limits.message_slots_max as u64;
                if self.fetcher.slots_behind(self.log.decided()) > far {
                    // One that is far behind gives the others an election time more.
                    self.election.postpone(self.now);
                } else {
                    self.ask_for_votes();
                }
            }
            Due::AskAgain => self.ask_for_votes(),
            Due::StepDown => self.step_down(),
            Due::CandidateBeat => self.beat_as_candidate(),
            Due::LeaderBeat => self.beat_as_leader(),
        }
    }

    fn due(&self) -> Due {
        let (now, election_ns) = (self.now, self.config.timing.election_ns);
        let sync_hangs = self
            .disk
            .syncing_since
            .is_some_and(|since| now.since(since) >= election_ns);
        let sync_hangs = sync_hangs && !planted!(HungLeaderStays);
        match &self.election.role {
            Role::Follower if now >= self.election.deadline(self.quorum) => Due::Ask,
            Role::PreCandidate(asking) if now >= asking.until => Due::AskAgain,
            Role::Candidate(_) if sync_hangs => Due::StepDown,
            Role::Candidate(candidate) if now >= candidate.until => Due::AskAgain,
            Role::Candidate(candidate) if now >= candidate.beat_due => Due::CandidateBeat,
            Role::Leader(_) if sync_hangs => Due::StepDown,
            Role::Leader(leading) if leading.must_step_down(self.quorum, election_ns, now) => {
                Due::StepDown
            }
            Role::Leader(leading) if now >= leading.beat_due => Due::LeaderBeat,
            _ => Due::Nothing,
        }
    }

    /// Asks all whether they miss the leader too.
    fn ask_for_votes(&mut self) {
        let round = self.next_round();
        let until = self.now.plus(self.election.ask_again_ns());
        self.election.role = Role::PreCandidate(PreCandidate::new(self.id, round, until));
        self.send_all(Body::PreVote { round }, Lsn(0));
        if self.quorum == 1 {
            self.start_phase_1();
        }
    }

    pub(super) fn on_pre_vote(&mut self, from: ReplicaId, round: u64) {
        let granted = self.election.misses_leader(self.now) || planted!(PreVoteAlwaysGranted);
        self.send_one(from, Body::PreVoteReply { round, granted }, Lsn(0));
    }

    pub(super) fn on_pre_vote_reply(&mut self, from: ReplicaId, round: u64, granted: bool) {
        if let Role::PreCandidate(asking) = &mut self.election.role
            && asking.on_reply(from, round, granted) >= self.quorum
        {
            self.start_phase_1();
        }
    }

    fn next_round(&self) -> u64 {
        self.election
            .highest_round()
            .max(self.acceptor.promised().round)
            + 1
    }

    fn start_phase_1(&mut self) {
        let ballot = Ballot {
            configuration: self.acceptor.promised().configuration,
            round: self.next_round(),
            replica: self.id,
        };
        let promised = self.acceptor.promised();
        let reused = planted!(BallotReused) && promised.replica == self.id;
        let ballot = if reused { promised } else { ballot };
        self.election.on_round(ballot.round);
        self.acceptor.promise(ballot);
        let own = self.append(Record::Promise { ballot });
        self.disk.sync_now = true;
        let until = self.now.plus(self.election.timeout_ns());
        let beat_due = self.now.plus(self.config.timing.heartbeat_ns);
        let candidate = Candidate::new(ballot, own, &self.peers, until, beat_due);
        self.election.role = Role::Candidate(Box::new(candidate));
        self.election.leader = None;
        let decided = self.log.decided();
        let early = planted!(PrepareBeforeSync);
        let after = if early { Lsn(0) } else { own };
        self.send_all(Body::Prepare { ballot, decided }, after);
    }

    fn beat_as_candidate(&mut self) {
        let (now, decided) = (self.now, self.log.decided());
        let beat_due = now.plus(self.config.timing.heartbeat_ns);
        let Role::Candidate(candidate) = &mut self.election.role else {
            return;
        };
        candidate.beat_due = beat_due;
        let (ballot, own, silent) = (candidate.ballot, candidate.own, candidate.silent());
        let promised: Vec<_> = candidate.promises().map(|(id, _)| id).collect();
        if !silent.is_empty() {
            self.send_several(silent, Body::Prepare { ballot, decided }, own);
        }
        if !promised.is_empty() {
            self.send_several(promised, Body::Heartbeat { ballot, sent: now }, Lsn(0));
        }
    }

    pub(super) fn on_prepare(&mut self, from: ReplicaId, ballot: Ballot, decided: Slot) {
        let sane = decided.0 < 1 << 62 && self.round_is_sane(ballot.round);
        if ballot.replica != from || !sane {
            self.dropped += 1;
            return;
        }
        let promised = self.acceptor.promised();
        if ballot < promised {
            self.send_one(from, Body::Refuse { ballot, promised }, Lsn(0));
            return;
        }
        if self.log.view() == ballot {
            return;
        }
        self.election.on_round(ballot.round);
        if ballot > promised {
            if self.election.own_ballot().is_some() {
                self.step_down();
            }
            self.acceptor.promise(ballot);
            self.append(Record::Promise { ballot });
            self.disk.sync_now = true;
            self.election.follow();
            self.election.on_heard(None, self.now);
        }
        let promise = self.promise_for(ballot, decided);
        let early = planted!(PromiseBeforeSync);
        let after = if early { Lsn(0) } else { self.disk.appended };
        self.send_one(from, Body::Promise(promise), after);
        self.disk.sync_now |= self.disk.appended > self.disk.asked;
    }

    /// What the own log is, as handed to the disk.
    fn promise_for(&self, ballot: Ballot, candidate_decided: Slot) -> Promise {
        let decided = self.log.decided();
        let first = decided.max(candidate_decided).next();
        let skip = usize::try_from(first.0 - decided.next().0).unwrap_or(usize::MAX);
        let tail = self.acceptor.tail(&self.log).into_iter().skip(skip);
        let mut tail: Vec<_> = tail.take(self.config.limits.message_slots_max).collect();
        let mut last = self.acceptor.logged();
        if planted!(PromiseLeavesOutHanded) {
            last = last.min(self.acceptor.durable().slot).max(decided);
            tail.truncate(usize::try_from((last.0 + 1).saturating_sub(first.0)).unwrap_or(0));
        }
        Promise {
            ballot,
            adopted: self.acceptor.adopted(),
            last,
            decided,
            first,
            tail,
        }
    }

    pub(super) fn on_promise(&mut self, from: ReplicaId, promise: Promise) {
        if !is_sane(promise.first) {
            self.dropped += 1;
        } else if let Role::Candidate(candidate) = &mut self.election.role {
            candidate.on_promise(from, promise);
        }
    }

    pub(super) fn on_refuse(&mut self, ballot: Ballot, promised: Ballot) {
        if !self.round_is_sane(promised.round) {
            self.dropped += 1;
            return;
        }
        self.election.on_round(promised.round);
        if promised > ballot && self.election.own_ballot() == Some(ballot) {
            self.step_down();
        }
    }

    /// Rounds of peers may exceed the known one by a bounded step only.
    pub(super) fn round_is_sane(&self, round: u64) -> bool {
        let known = self
            .election
            .highest_round()
            .max(self.acceptor.promised().round);
        round <= known.saturating_add(self.config.limits.round_step_max)
    }

    /// The candidate leads once a quorum of promises counts: it holds everything that they report.
    pub(super) fn campaign(&mut self) {
        let Role::Candidate(candidate) = &self.election.role else {
            return;
        };
        let ballot = candidate.ballot;
        if candidate.own > self.disk.durable {
            return;
        }
        let promises: Vec<Promise> = candidate.promises().map(|(_, p)| p.clone()).collect();
        let own = self.promise_for(ballot, self.log.decided());
        let mut best: Option<&Promise> = None;
        let mut count = 0;
        for promise in promises.iter().chain([&own]) {
            if !self.counts(promise) {
                self.want_reported(promise);
                continue;
            }
            count += 1;
            let rank = |promise: &Promise| match promise.adopted {
                _ if planted!(LongestLogPreferred) => (Ballot::default(), promise.last),
                adopted => (adopted, promise.last),
            };
            if best.is_none_or(|best| rank(promise) > rank(best)) {
                best = Some(promise);
            }
        }
        let best = best.map(|best| {
            if planted!(OwnLogPreferred) {
                &own
            } else {
                best
            }
        });
        let Some(best) = best.filter(|_| count >= self.quorum) else {
            return;
        };
        let behind = self.log.decided().next().0 - best.first.0;
        let known = usize::try_from(behind).unwrap_or(usize::MAX);
        let tail: Vec<_> = best.tail.iter().skip(known).cloned().collect();
        self.lead(ballot, &tail);
    }

    /// Whether this replica holds everything that `promise` reports: slots and batches.
    fn counts(&self, promise: &Promise) -> bool {
        let decided = self.log.decided();
        let reaches = promise.first.0 + promise.tail.len() as u64 > promise.last.0;
        if promise.decided > decided || promise.first > decided.next() || !reaches {
            return false;
        }
        if planted!(PromiseCountedEarly) {
            return true;
        }
        let executed = self.executor.executed();
        let holds = |value: &Value| {
            value.is_stable() || value.cut().is_none_or(|cut| self.store.holds(cut))
        };
        let mut unexecuted = (executed.0 + 1..=promise.decided.0).map(Slot);
        unexecuted.all(|slot| self.log.get(slot).is_some_and(holds))
            && promise.tail.iter().all(holds)
    }

    fn want_reported(&mut self, promise: &Promise) {
        for value in &promise.tail {
            for (lane, entry) in value.cut().into_iter().flat_map(|cut| cut.entries()) {
                self.want(*lane, entry.position);
            }
        }
    }

    /// The log of `tail` behind the decided mark is this ballot's from now on.
    fn lead(&mut self, ballot: Ballot, tail: &[Value]) {
        let first = self.log.decided().next();
        assert_eq!(
            self.log.compare(first, tail),
            Followed::Yes,
            "it continues what is decided"
        );
        self.acceptor.before_view_change(&self.log);
        self.log.follow(ballot, first, tail);
        let executed = self.executor.executed();
        let open = (executed.0 + 1..=self.log.last().0).filter_map(|slot| self.log.get(Slot(slot)));
        let kept = open.clone().filter(|_| !planted!(OpenSlotsProposedAnew));
        let seen = kept.filter(|_| !planted!(BatchExecutedTwice));
        let proposed = proposed_cut(self.executor.effective(), seen);
        let last_time = open.map(|value| value.log_time).max().unwrap_or(LogTime(0));
        let last_time = if planted!(LogTimeOfExecuted) {
            LogTime(0)
        } else {
            last_time
        };
        let clock = LogClock::new(last_time.max(self.executor.log_time()), self.now);
        let mut leading = Leading::new(ballot, clock, proposed, &self.peers, self.now);
        leading.sent = self.batcher.ordered();
        leading.beat_due = self.now.plus(self.config.timing.heartbeat_ns);
        self.election.role = Role::Leader(Box::new(leading));
        self.election.leader = Some(self.id);
        let body = Body::Adopt {
            ballot,
            first,
            values: tail.to_vec(),
        };
        self.send_all(body, Lsn(0));
    }

    fn beat_as_leader(&mut self) {
        let now = self.now;
        let beat_due = now.plus(self.config.timing.heartbeat_ns);
        let Some(leading) = self.election.leading_mut() else {
            return;
        };
        leading.beat_due = beat_due;
        let ballot = leading.ballot;
        self.send_all(Body::Heartbeat { ballot, sent: now }, Lsn(0));
        for peer in self.peers.clone() {
            self.resend(peer, ballot);
        }
        self.record_decided();
    }

    /// Sends again what `peer` should have voted for, if its vote has not moved for a heartbeat.
    fn resend(&mut self, peer: ReplicaId, ballot: Ballot) {
        let vote = self.tally.vote_of(peer, ballot);
        let last = self.log.last();
        let Some(leading) = self.election.leading_mut() else {
            return;
        };
        if !leading.is_stuck(peer, vote) || planted!(NothingSentAgain) {
            return;
        }
        let Some(vote) = vote else {
            self.send_adopt(peer);
            return;
        };
        if vote >= last {
            return;
        }
        // What is decided the follower learns from the mark, or fetches.
        let first = vote.max(self.log.decided()).next();
        let slots_max = self.config.limits.message_slots_max as u64;
        let end = last.0.min(first.0 + slots_max - 1);
        if let Some(values) = self.log.range(first, Slot(end)) {
            let body = Body::Accept {
                ballot,
                first,
                values,
                batches: Vec::new(),
            };
            self.send_one(peer, body, Lsn(0));
        }
    }

    /// The leader's whole undecided tail, for one who does not follow it yet.
    pub(super) fn send_adopt(&mut self, to: ReplicaId) {
        let (ballot, first) = (self.log.view(), self.log.decided().next());
        let values = self.log.range(first, self.log.last());
        let values = values.expect("what is not decided is in memory");
        let body = Body::Adopt {
            ballot,
            first,
            values,
        };
        self.send_one(to, body, Lsn(0));
    }

    /// `peer` has heard this leader say something at `since` or later. That a peer is heard proves
    /// nothing: it may not hear the leader.
    pub(super) fn heard_by(&mut self, peer: ReplicaId, since: Time) {
        if let Some(leading) = self.election.leading_mut() {
            leading.on_heard(peer, since);
        }
    }

    pub(super) fn on_heartbeat(&mut self, from: ReplicaId, ballot: Ballot, sent: Time) {
        if !self.hear_leader(from, ballot) {
            return;
        }
        if ballot != self.log.view() {
            self.ask_for_log(from, ballot);
        }
        self.record_decided();
        self.send_one(from, Body::Acks { echo: sent }, Lsn(0));
    }

    /// Gives up leading, or trying to.
    pub(super) fn step_down(&mut self) {
        self.election.step_down(self.now);
        if self.config.modes.dissemination == Dissemination::Leader {
            for ticket in self.batcher.abandon(self.id) {
                let reason = RejectReason::NoLeader;
                self.effects.push(Effect::Reject { ticket, reason });
            }
        }
    }
}
