//! Each checker sees what it is there for: a small history by hand, with one thing wrong in it.

use std::sync::Arc;

use bytes::Bytes;
use spaxos_core::batch::Batch;
use spaxos_core::config::{Config, Limits, Modes, Timing};
use spaxos_core::cut::{Cut, CutEntry, Order, Value};
use spaxos_core::effect::Execution;
use spaxos_core::message::{Body, Header, Message, Promise};
use spaxos_core::record::{Life, Record};
use spaxos_core::sessions::SessionLimits;
use spaxos_core::types::{Ballot, Incarnation, LogTime, Position, ReplicaId, Slot};

use super::Checkers;
use crate::command::{self, Command};
use crate::violation::Checked;

const LANE: ReplicaId = ReplicaId(1);

/// Three replicas, each of which has appended and synced its first life.
fn checkers() -> Checkers {
    let members = vec![ReplicaId(1), ReplicaId(2), ReplicaId(3)];
    let config = Config {
        id: LANE,
        members,
        modes: Modes::default(),
        timing: Timing::default(),
        limits: Limits::default(),
    };
    let mut checkers = Checkers::new(&config, SessionLimits::default());
    for replica in 0..3 {
        let life = Life {
            incarnation: Incarnation(1),
            nonce: replica,
        };
        write(&mut checkers, replica as usize, &Record::Incarnation(life)).expect("first life");
    }
    checkers
}

/// A replica appends a record and syncs it.
fn write(checkers: &mut Checkers, replica: usize, record: &Record) -> Checked {
    checkers.on_append(replica, record)?;
    checkers.on_durable(replica, std::slice::from_ref(record))
}

fn ballot(round: u64) -> Ballot {
    Ballot {
        configuration: 0,
        round,
        replica: LANE,
    }
}

fn batch(sequence: u64, before: u64, commands: &[u64]) -> Arc<Batch> {
    let command = |id: &u64| Command {
        id: *id,
        ..Command::default()
    };
    let commands: Vec<Command> = commands.iter().map(command).collect();
    let payload: Bytes = command::encode(&commands);
    let requests = commands.len() as u32;
    let position = Position::new(1, sequence);
    Arc::new(Batch::new(
        LANE,
        position,
        before,
        requests,
        payload,
        Vec::new(),
    ))
}

fn cut(batch: &Batch, time: u64) -> Value {
    let entry = CutEntry {
        position: batch.position,
        digest: batch.digest,
    };
    Value {
        log_time: LogTime(time),
        order: Order::Cut {
            cut: Cut::new(vec![(LANE, entry)]).expect("one lane"),
            stable: false,
        },
    }
}

fn adoption(round: u64, values: &[Value]) -> Record {
    Record::Adoption {
        ballot: ballot(round),
        first: Slot(1),
        values: values.to_vec(),
    }
}

fn message(body: Body) -> Message {
    Message {
        header: Header::default(),
        body,
    }
}

fn seen(checked: Checked) -> &'static str {
    checked.expect_err("a violation").checker
}

/// Replicas 0 and 1 hold `batch` and vote for it in ballot 1.
fn decide(checkers: &mut Checkers, batch: &Arc<Batch>) {
    for replica in 0..2 {
        write(checkers, replica, &Record::Batch(Arc::clone(batch))).expect("a batch");
        write(checkers, replica, &adoption(1, &[cut(batch, 5)])).expect("a vote");
    }
    assert_eq!(checkers.decided(), Slot(1));
}

#[test]
fn two_decisions_for_a_slot_are_seen() {
    let mut checkers = checkers();
    let batch = batch(1, 0, &[]);
    decide(&mut checkers, &batch);
    let other = adoption(2, &[cut(&batch, 6)]);
    write(&mut checkers, 2, &Record::Batch(Arc::clone(&batch))).expect("a batch");
    write(&mut checkers, 2, &other).expect("one vote decides nothing");
    assert_eq!(seen(write(&mut checkers, 1, &other)), "agreement");
}

#[test]
fn two_values_in_one_ballot_are_seen() {
    let mut checkers = checkers();
    let batch = batch(1, 0, &[]);
    decide(&mut checkers, &batch);
    write(&mut checkers, 2, &Record::Batch(Arc::clone(&batch))).expect("a batch");
    let other = adoption(1, &[cut(&batch, 6)]);
    assert_eq!(seen(write(&mut checkers, 2, &other)), "agreement");
}

#[test]
fn a_vote_without_the_batch_is_seen() {
    let mut checkers = checkers();
    let vote = adoption(1, &[cut(&batch(1, 0, &[]), 5)]);
    assert_eq!(seen(write(&mut checkers, 0, &vote)), "availability");
}

#[test]
fn a_stable_value_that_too_few_hold_is_seen() {
    let mut checkers = checkers();
    let batch = batch(1, 0, &[]);
    let mut value = cut(&batch, 5);
    if let Order::Cut { stable, .. } = &mut value.order {
        *stable = true;
    }
    write(&mut checkers, 0, &Record::Batch(batch)).expect("a batch");
    write(&mut checkers, 0, &adoption(1, std::slice::from_ref(&value))).expect("one vote");
    let second = write(&mut checkers, 1, &adoption(1, &[value]));
    assert_eq!(seen(second), "availability");
}

#[test]
fn two_contents_under_a_position_are_seen() {
    let mut checkers = checkers();
    write(&mut checkers, 0, &Record::Batch(batch(1, 0, &[1]))).expect("a batch");
    let other = Record::Batch(batch(1, 0, &[2]));
    assert_eq!(seen(write(&mut checkers, 1, &other)), "integrity");
}

#[test]
fn a_vote_below_a_promise_is_seen() {
    let mut checkers = checkers();
    let promise = Record::Promise { ballot: ballot(2) };
    write(&mut checkers, 0, &promise).expect("a promise");
    assert_eq!(seen(write(&mut checkers, 0, &adoption(1, &[]))), "records");
}

#[test]
fn a_promise_that_leaves_out_a_vote_is_seen() {
    let mut checkers = checkers();
    let batch = batch(1, 0, &[]);
    decide(&mut checkers, &batch);
    let accepted = message(Body::Accepted {
        ballot: ballot(1),
        slot: Slot(1),
    });
    checkers
        .on_release(0, &accepted, &[1])
        .expect("a durable vote");
    let promise = Record::Promise { ballot: ballot(2) };
    write(&mut checkers, 0, &promise).expect("a promise");
    let empty = message(Body::Promise(Promise {
        ballot: ballot(2),
        adopted: ballot(0),
        last: Slot(0),
        decided: Slot(0),
        first: Slot(1),
        tail: Vec::new(),
    }));
    let left_out = seen(checkers.on_release(0, &empty, &[1]));
    assert_eq!(left_out, "output after durability");
}

#[test]
fn a_vote_that_leaves_before_its_sync_is_seen() {
    let mut checkers = checkers();
    checkers.on_append(0, &adoption(1, &[])).expect("appended");
    let accepted = message(Body::Accepted {
        ballot: ballot(1),
        slot: Slot(0),
    });
    let early = seen(checkers.on_release(0, &accepted, &[1]));
    assert_eq!(early, "output after durability");
}

fn execution(slot: u64, batches: Vec<Arc<Batch>>) -> Execution {
    Execution {
        slot: Slot(slot),
        log_time: LogTime(5),
        batches,
        hash: slot,
    }
}

#[test]
fn an_execution_that_differs_is_seen() {
    let mut checkers = checkers();
    let batch = batch(1, 0, &[]);
    assert_eq!(
        seen(checkers.on_execute(0, &execution(1, Vec::new()))),
        "order"
    );
    decide(&mut checkers, &batch);
    checkers.on_boot(0);
    assert_eq!(
        seen(checkers.on_execute(0, &execution(1, Vec::new()))),
        "order"
    );
    checkers.on_boot(0);
    let right = execution(1, vec![batch]);
    checkers.on_execute(0, &right).expect("what was decided");
    assert_eq!(seen(checkers.on_execute(0, &right)), "order");
}

#[test]
fn an_answer_without_execution_is_seen() {
    let mut checkers = checkers();
    let command = Command {
        id: 1,
        ..Command::default()
    };
    checkers.on_submit(&[command]);
    let early = checkers.on_acknowledge(&command, Slot(1), Slot(1));
    assert_eq!(seen(early), "exactly once");
}

#[test]
fn a_rejected_command_that_is_executed_is_seen() {
    let mut checkers = checkers();
    let command = Command {
        id: 1,
        ..Command::default()
    };
    let batch = batch(1, 0, &[1]);
    checkers.on_submit(&[command]);
    checkers.on_reject(&[command]).expect("not executed yet");
    decide(&mut checkers, &batch);
    let executed = checkers.on_execute(0, &execution(1, vec![batch]));
    assert_eq!(seen(executed), "exactly once");
}

#[test]
fn a_stale_read_is_seen() {
    let mut checkers = checkers();
    checkers.on_read(Slot(0), Slot(3)).expect("a first read");
    let floor = checkers.read_floor();
    let stale = checkers.on_read(floor, Slot(2));
    assert_eq!(seen(stale), "linearizable reads");
}
