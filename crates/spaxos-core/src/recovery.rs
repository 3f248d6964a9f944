//! From the log on disk back to a replica's state.
//!
//! The driver feeds every record in order. Decided slots are executed on the way, so memory stays
//! bounded however long the log is. Records are trusted: their checksums were verified, and what does
//! not fit together is broken local state, which panics.

use crate::config::Config;
use crate::cut::Value;
use crate::dissemination::batch_store::{BatchStore, Fit};
use crate::effect::Execution;
use crate::execution::{Executor, Ready};
use crate::ordering::acceptor::DurableVote;
use crate::ordering::slots::{Learned, SlotLog};
use crate::planted::planted;
use crate::record::{Life, Record};
use crate::types::{Ballot, LaneMap, Lsn, ReplicaId, Slot};

/// A replay under way.
#[derive(Debug)]
pub struct Recovery {
    store: BatchStore,
    log: SlotLog,
    executor: Executor,
    promised: Ballot,
    adopted: Ballot,
    highest: DurableVote,
    /// All own lives so far, in order.
    lives: Vec<Life>,
    known_lives: LaneMap<Life>,
    /// This member was told to stop for good: of this life its log knew nothing.
    replaced: Option<Life>,
    id: ReplicaId,
}

/// What a log holds: the state in which a replica starts.
#[derive(Debug)]
pub struct Recovered {
    pub(crate) store: BatchStore,
    pub(crate) log: SlotLog,
    pub(crate) executor: Executor,
    pub(crate) promised: Ballot,
    pub(crate) adopted: Ballot,
    pub(crate) highest: DurableVote,
    /// All own lives, the present one last.
    pub(crate) lives: Vec<Life>,
    pub(crate) known_lives: LaneMap<Life>,
    pub(crate) replaced: Option<Life>,
}

impl Recovery {
    /// Starts with an empty log. Panics if `config.check()` fails.
    #[must_use]
    pub fn new(config: &Config) -> Recovery {
        if let Err(reason) = config.check() {
            panic!("the configuration does not hold: {reason}");
        }
        let mut members = config.members.clone();
        members.sort_unstable();
        Recovery {
            store: BatchStore::new(&members, &config.limits),
            log: SlotLog::new(&config.limits),
            executor: Executor::new(&config.limits),
            promised: Ballot::default(),
            adopted: Ballot::default(),
            highest: DurableVote::default(),
            lives: Vec::new(),
            known_lives: LaneMap::from_ids(&members, |_| Life::default()),
            replaced: None,
            id: config.id,
        }
    }

    /// Takes the next record of the log, in order; returns the slots that are executed by it. The
    /// driver applies them before the next record.
    ///
    /// # Panics
    /// If the record contradicts the ones before it.
    pub fn replay(&mut self, record: Record) -> Vec<Execution> {
        match record {
            Record::Incarnation(life) => {
                assert!(
                    life.incarnation > self.last_life().incarnation,
                    "incarnations never go back (invariant 6)"
                );
                self.lives.push(life);
            }
            Record::Batch(batch) => match self.store.fit(&batch) {
                // Executions may come later in a replay than they came in life: no limit here.
                Fit::Next | Fit::Full => self.store.push(batch, Lsn(0)),
                Fit::Known => {}
                other => panic!("a batch on disk does not fit: {other:?}"),
            },
            Record::Promise { ballot } => {
                assert!(
                    ballot >= self.promised,
                    "promises never go back (invariant 6)"
                );
                self.promised = ballot;
            }
            Record::Adoption {
                ballot,
                first,
                values,
            } => self.replay_adoption(ballot, first, values),
            Record::Vote {
                ballot,
                slot,
                value,
                decided,
            } => self.replay_vote(ballot, slot, value, decided),
            Record::Decided { slot } => {
                assert!(slot <= self.log.last(), "only known slots are decided");
                self.log.decide(slot);
            }
            Record::DecidedSlot { slot, value } => {
                self.log.decide(Slot(slot.0 - 1));
                if slot > self.log.decided() {
                    let learned = self.log.learn(Ballot::default(), &value);
                    if learned != Learned::Same {
                        // Not known to be part of the adopted log: its leader must show it anew.
                        self.log.leave_view();
                    }
                }
            }
            Record::Greeting { member, life } if member == self.id => {
                self.replaced = Some(life);
            }
            Record::Greeting { member, life } => {
                self.known_lives.insert(member, life);
            }
        }
        self.execute()
    }

    /// The latest life that the log knows; zero for an empty log. The next one is one more.
    #[must_use]
    pub fn last_life(&self) -> Life {
        let before = usize::from(planted!(IncarnationReused));
        let last = self.lives.iter().rev().nth(before);
        last.copied().unwrap_or_default()
    }

    /// Whether the log says that this member was told to stop for good, and of which of its lives it
    /// knew nothing then. Its replica will halt at once; the driver may say so without starting it.
    #[must_use]
    pub fn replaced(&self) -> Option<Life> {
        self.replaced
    }

    /// The last slot executed so far.
    #[must_use]
    pub fn executed(&self) -> Slot {
        self.executor.executed()
    }

    /// Ends the replay. `life` is the new one; the driver has made its record durable already.
    ///
    /// # Panics
    /// If `life` is not a new one.
    #[must_use]
    pub fn finish(mut self, life: Life) -> Recovered {
        assert!(
            life.incarnation > self.last_life().incarnation,
            "each start is a new incarnation"
        );
        self.lives.push(life);
        let executed = self.executor.executed();
        self.executor.on_applied(executed);
        self.log.trim_cache(executed);
        Recovered {
            store: self.store,
            log: self.log,
            executor: self.executor,
            promised: self.promised,
            adopted: self.adopted,
            highest: self.highest,
            lives: self.lives,
            known_lives: self.known_lives,
            replaced: self.replaced,
        }
    }

    fn replay_adoption(&mut self, ballot: Ballot, first: Slot, values: Vec<Value>) {
        assert!(ballot >= self.promised, "no adoption below the promise");
        assert!(
            first <= self.log.last().next(),
            "the log on disk has no holes"
        );
        self.promised = ballot;
        self.adopted = ballot;
        self.log.restore_tail(ballot, first, values);
        self.note_vote(ballot);
    }

    fn replay_vote(&mut self, ballot: Ballot, slot: Slot, value: Value, decided: Slot) {
        assert_eq!(
            ballot, self.adopted,
            "votes follow the adoption of their ballot"
        );
        assert_eq!(slot, self.log.last().next(), "votes are given in order");
        self.log.restore_vote(ballot, value);
        self.log.decide(decided);
        self.note_vote(ballot);
    }

    fn note_vote(&mut self, ballot: Ballot) {
        let slot = self.log.last();
        if slot >= self.highest.slot {
            self.highest = DurableVote { ballot, slot };
        }
    }

    fn execute(&mut self) -> Vec<Execution> {
        let mut executions = Vec::new();
        while self.executor.executed() < self.log.decided() {
            let slot = self.executor.executed().next();
            let value = self
                .log
                .get(slot)
                .expect("what is not executed is in memory")
                .clone();
            match self.executor.execute(&value, &mut self.store) {
                Ready::Executed(execution) => {
                    self.executor.on_applied(slot);
                    executions.push(execution);
                }
                // Its batches were on their way when the log ended, or were never fetched. If a lane has
                // another content, the replica halts once it runs, as it did before.
                Ready::Lacks | Ready::Busy | Ready::Forked(_) => break,
            }
        }
        self.log.trim_cache(self.executor.executed());
        executions
    }
}
