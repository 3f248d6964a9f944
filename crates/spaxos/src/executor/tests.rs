//! Slots through the executor: sessions, time, and what nobody can read.

use std::sync::Arc;

use spaxos_core::types::{Position, ReplicaId};
use spaxos_wire::chunk::ChunkBuilder;

use super::*;

/// Answers with the number of the command and the command; expires at a time of its choice.
#[derive(Default)]
struct Echo {
    executed: Vec<Vec<u8>>,
    expires: Option<LogTime>,
}

impl StateMachine for Echo {
    fn execute(&mut self, context: &Context, command: &[u8], reply: &mut Vec<u8>) {
        self.executed.push(command.to_vec());
        reply.extend_from_slice(context.index.to_string().as_bytes());
        reply.extend_from_slice(command);
    }

    fn query(&self, _query: &[u8], reply: &mut Vec<u8>) {
        reply.extend_from_slice(&self.executed.concat());
    }

    fn next_expiry(&self) -> Option<LogTime> {
        self.expires
    }
}

/// Shows every answer as `status:bytes`.
#[derive(Default)]
struct Shown(Vec<String>);

impl AnswerSink for Shown {
    fn wants(&self, batch: &Batch) -> bool {
        batch.lane == ReplicaId(1)
    }

    fn answered(&mut self, _slot: Slot, _batch: &Batch, answers: Answers) {
        self.0.extend((0..answers.len()).map(|at| {
            let bytes = String::from_utf8_lossy(answers.as_slice(at)).into_owned();
            match answers.status(at) {
                AnswerStatus::Ok => bytes,
                other => format!("{other:?}"),
            }
        }));
    }
}

fn executor(expires: Option<LogTime>) -> Executor {
    let machine = Echo {
        executed: Vec::new(),
        expires,
    };
    let limits = SessionLimits {
        sessions_max: 1,
        window_max: 10,
        idle_ns_max: 1000,
        ..SessionLimits::default()
    };
    Executor::new(Box::new(machine), limits)
}

/// Executes one slot with a batch of each given lane; returns the answers of lane 1.
fn execute(executor: &mut Executor, log_time: u64, batches: &[(u64, &[Bytes])]) -> Vec<String> {
    let batch = |(lane, chunks): &(u64, &[Bytes])| {
        let payload = Bytes::from(chunks.concat());
        let position = Position::new(1, 1);
        Arc::new(Batch::new(
            ReplicaId(*lane),
            position,
            0,
            1,
            payload,
            Vec::new(),
        ))
    };
    let execution = Execution {
        slot: executor.executed().next(),
        log_time: LogTime(log_time),
        batches: batches.iter().map(batch).collect(),
        hash: 0,
    };
    let mut shown = Shown::default();
    executor.execute(&execution, &mut shown);
    shown.0
}

fn plain(commands: &[&str]) -> Bytes {
    let mut builder = ChunkBuilder::plain();
    commands
        .iter()
        .for_each(|command| builder.push(command.as_bytes()));
    builder.finish()
}

fn session(id: u64, floor: u64, first: u64, commands: &[&str]) -> Bytes {
    let mut builder = ChunkBuilder::session(id, floor, first);
    commands
        .iter()
        .for_each(|command| builder.push(command.as_bytes()));
    builder.finish()
}

/// With session 1 open.
fn with_session() -> Executor {
    let mut executor = executor(None);
    let opened = execute(&mut executor, 0, &[(1, &[chunk::open()])]);
    assert_eq!(
        opened,
        ["\u{1}\0\0\0\0\0\0\0"],
        "the id is the place of the command"
    );
    executor
}

#[test]
fn every_command_has_a_place_and_only_wanted_answers_are_built() {
    let mut executor = executor(None);
    let own = [plain(&["a", "b"]), plain(&["c"])];
    let answers = execute(&mut executor, 0, &[(2, &[plain(&["x"])]), (1, &own)]);
    assert_eq!(answers, ["2a", "3b", "4c"]);
    let mut all = Vec::new();
    executor.query(b"", &mut all);
    assert_eq!(all, b"xabc");
}

#[test]
fn a_request_sent_again_anywhere_gets_the_first_answer() {
    let mut executor = with_session();
    let request = session(1, 1, 1, &["a", "b"]);
    let first = execute(&mut executor, 0, &[(2, std::slice::from_ref(&request))]);
    assert!(first.is_empty(), "another lane's");
    assert_eq!(execute(&mut executor, 0, &[(1, &[request])]), ["2a", "3b"]);
    let partly = session(1, 1, 2, &["b", "c"]);
    assert_eq!(execute(&mut executor, 0, &[(1, &[partly])]), ["3b", "4c"]);
    assert_eq!(executor.index(), 4, "each was executed once");
}

#[test]
fn a_remembered_answer_keeps_no_repeated_one_in_memory() {
    let mut executor = with_session();
    let long = "x".repeat(10_000);
    let later = session(1, 1, 2, &[&long]);
    execute(&mut executor, 0, &[(1, &[later])]);
    let both = session(1, 1, 1, &["a", &long]);
    let answers = execute(&mut executor, 0, &[(1, &[both])]);
    assert_eq!(answers, ["3a".to_owned(), format!("2{long}")]);
    let Admission::Answered(answer) = executor.sessions.admit(1, 1) else {
        panic!("it is remembered");
    };
    // Nobody else holds its memory then: all of it is seen.
    executor.sessions.close(1);
    let alone = answer.try_into_mut().expect("the only holder");
    assert_eq!(alone.capacity(), 2);
}

#[test]
fn what_cannot_be_executed_once_is_refused() {
    let mut executor = with_session();
    execute(&mut executor, 0, &[(1, &[session(1, 1, 1, &["a"])])]);
    let chunks = [
        session(1, 2, 1, &["a"]),
        session(1, 2, 12, &["far"]),
        session(7, 1, 1, &["stranger"]),
        chunk::open(),
        chunk::renew(1),
        chunk::renew(7),
        chunk::close(1),
        session(1, 2, 2, &["late"]),
    ];
    let expected = [
        "BelowFloor",
        "BeyondWindow",
        "UnknownSession",
        "TooManySessions",
        "",
        "UnknownSession",
        "",
        "UnknownSession",
    ];
    assert_eq!(execute(&mut executor, 0, &[(1, &chunks)]), expected);
}

#[test]
fn a_request_in_the_slot_of_its_expiry_still_renews() {
    let mut executor = with_session();
    assert_eq!(executor.next_expiry(), Some(LogTime(1000)));
    let answers = execute(&mut executor, 1000, &[(1, &[session(1, 1, 1, &["a"])])]);
    assert_eq!(answers, ["2a"]);
    assert_eq!(executor.next_expiry(), Some(LogTime(2000)));
    execute(&mut executor, 2000, &[]);
    assert_eq!(executor.next_expiry(), None);
    let answers = execute(&mut executor, 2000, &[(1, &[session(1, 1, 2, &["b"])])]);
    assert_eq!(answers, ["UnknownSession"]);
}

#[test]
fn what_expires_first_counts() {
    let mut executor = executor(Some(LogTime(500)));
    assert_eq!(executor.next_expiry(), Some(LogTime(500)));
    execute(&mut executor, 0, &[(1, &[chunk::open()])]);
    assert_eq!(executor.next_expiry(), Some(LogTime(500)));
}

#[test]
fn unreadable_bytes_end_a_payload_and_nothing_else() {
    let mut executor = executor(None);
    let broken = [plain(&["a"]), Bytes::from_static(&[99]), plain(&["lost"])];
    let answers = execute(&mut executor, 0, &[(1, &broken), (1, &[plain(&["b"])])]);
    assert_eq!(answers, ["1a", "2b"]);
}
