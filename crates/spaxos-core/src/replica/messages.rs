//! One line per message: which handler takes it.

use crate::effect::HaltReason;
use crate::message::{Body, Header};
use crate::planted::planted;
use crate::replica::Replica;
use crate::types::{Ballot, Lsn, ReplicaId, Slot};

impl Replica {
    /// The news that rides on every message: acks, the decided mark, the running hash.
    pub(super) fn on_header(&mut self, from: ReplicaId, header: &Header) {
        if self.executor.differs(header.executed, header.executed_hash) {
            self.halt(HaltReason::Diverged {
                peer: from,
                slot: header.executed,
            });
            return;
        }
        if header.decided.0 >= 1 << 62 {
            self.dropped += 1;
            return;
        }
        self.acks.on_held(from, &header.held);
        let own = self.acks.held_by(from, self.id, self.life.incarnation);
        self.sender.on_acked(from, own);
        for held in &header.held {
            self.want(held.lane, held.position);
        }
        let same = header.ballot == self.log.view() || planted!(MarkOfAnotherBallot);
        if same && header.ballot != Ballot::default() {
            // The mark of the log that is followed here; never applied to another log's values.
            self.decide(header.decided);
        }
        let decided = self.log.decided();
        self.fetcher
            .on_decided(from, header.decided, decided, self.now);
    }

    /// `view` is the ballot whose log the sender follows.
    pub(super) fn on_body(&mut self, from: ReplicaId, view: Ballot, body: Body) {
        match body {
            Body::Batch(batch) => self.on_batch(batch),
            Body::Acks { echo } => {
                if echo.0 > 0 && echo <= self.now {
                    self.fetcher.on_round_trip(self.now.since(echo));
                    self.heard_by(from, echo);
                }
            }
            Body::Heartbeat { ballot, sent } => self.on_heartbeat(from, ballot, sent),
            Body::Accept {
                ballot,
                first,
                values,
                batches,
            } => self.on_accept(from, ballot, first, &values, batches),
            Body::Accepted { ballot, slot } => self.on_accepted(from, ballot, slot),
            Body::Adopt {
                ballot,
                first,
                values,
            } => self.on_adopt(from, ballot, first, &values),
            Body::Decide => {}
            Body::PreVote { round } => self.on_pre_vote(from, round),
            Body::PreVoteReply { round, granted } => self.on_pre_vote_reply(from, round, granted),
            Body::Prepare { ballot, decided } => self.on_prepare(from, ballot, decided),
            Body::Promise(promise) => self.on_promise(from, promise),
            Body::Refuse { ballot, promised } => self.on_refuse(ballot, promised),
            Body::FetchBatches {
                lane,
                from: first,
                to,
            } => self.on_fetch_batches(from, lane, first, to),
            Body::FetchSlots { from: first } => self.on_fetch_slots(from, first),
            Body::Slots {
                adopted,
                first,
                decided,
                values,
            } => self.on_slots(adopted, first, decided, &values),
            Body::ReadQuery { nonce } => {
                let (slot, ballot) = self.read_answer();
                let answer = Body::ReadAnswer {
                    nonce,
                    ballot,
                    slot,
                };
                self.send_one(from, answer, Lsn(0));
            }
            Body::ReadAnswer {
                nonce,
                ballot,
                slot,
            } if slot.0 < 1 << 62 => self.reads.on_answer(from, nonce, slot, ballot),
            Body::ReadAnswer { .. } => self.dropped += 1,
            Body::Forward {
                incarnation,
                chunks,
            } => self.on_forward(from, view, incarnation, chunks),
        }
    }
}

/// Whether arithmetic on a slot that a peer named is safe. No cluster gets that far.
pub(super) fn is_sane(slot: Slot) -> bool {
    slot.0 > 0 && slot.0 < 1 << 62
}
