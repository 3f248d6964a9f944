//! Answers, refusals and losses of what is under way.

use spaxos_wire::answer::AnswersBuilder;
use spaxos_wire::chunk::ChunkBuilder;
use tokio::sync::oneshot;

use super::*;
use crate::handle::Reply;

type Answer = oneshot::Receiver<Vec<Result<Reply, ClientError>>>;

/// A chunk of `requests` requests, from `first_sequence` on.
fn run(first_sequence: u64, requests: usize) -> (Run, Answer) {
    let (to, answer) = oneshot::channel();
    let mut chunk = ChunkBuilder::session(1, 1, first_sequence);
    (0..requests).for_each(|_| chunk.push(b"x"));
    let run = Run {
        chunk,
        first_sequence,
        waiters: vec![RunWaiter::Many { requests, to }],
        bytes: 10,
        since: Instant::now(),
    };
    (run, answer)
}

fn replies(request_id: u64, first: u32, statuses: &[AnswerStatus]) -> Replies {
    let mut answers = AnswersBuilder::new();
    statuses
        .iter()
        .for_each(|status| answers.push(*status, b"y"));
    Replies {
        request_id,
        slot: Slot(3),
        first,
        answers: answers.finish(),
    }
}

const OK: AnswerStatus = AnswerStatus::Ok;

#[test]
fn answers_in_several_frames_are_one_answer() {
    let mut in_flight = InFlight::default();
    let (run, mut answer) = run(1, 3);
    let id = in_flight.add(run).request_id();
    assert_eq!(
        in_flight.replies(&replies(id, 0, &[OK, OK])),
        Progress::Nothing
    );
    assert!(answer.try_recv().is_err(), "not all of it");
    let done = Progress::Done { bytes: 10 };
    assert_eq!(in_flight.replies(&replies(id, 2, &[OK])), done);
    assert_eq!(answer.try_recv().expect("answered").len(), 3);
    assert_eq!(in_flight.replies(&replies(id, 0, &[OK])), Progress::Nothing);
    assert!(in_flight.is_empty());
}

#[test]
fn another_member_is_asked_the_same_and_starts_from_the_beginning() {
    let mut in_flight = InFlight::default();
    let (run, mut answer) = run(1, 2);
    let request = in_flight.add(run);
    let id = request.request_id();
    assert_eq!(in_flight.replies(&replies(id, 0, &[OK])), Progress::Nothing);
    assert_eq!(in_flight.lost(true), 0);
    assert_eq!(in_flight.again(), [request]);
    let done = Progress::Done { bytes: 10 };
    assert_eq!(in_flight.replies(&replies(id, 0, &[OK, OK])), done);
    assert_eq!(answer.try_recv().expect("answered").len(), 2);
}

#[test]
fn without_a_session_what_is_lost_is_unknown() {
    let mut in_flight = InFlight::default();
    let (run, mut answer) = run(1, 1);
    in_flight.add(run);
    assert_eq!(in_flight.lost(false), 10);
    let outcome = answer.try_recv().expect("told");
    assert_eq!(outcome, [Err(ClientError::Unknown)]);
    assert!(in_flight.again().is_empty(), "never sent twice");
}

#[test]
fn a_refusal_is_final_only_without_a_session() {
    let mut in_flight = InFlight::default();
    let overloaded = ErrorKind::Overloaded;
    let (first, _answer) = run(1, 1);
    let id = in_flight.add(first).request_id();
    assert_eq!(in_flight.error(id, overloaded, true), Progress::Retry(id));
    assert!(in_flight.retry(id).is_some());
    assert_eq!(
        in_flight.error(id, ErrorKind::Stopping, true),
        Progress::Leave
    );
    let (second, mut answer) = run(2, 1);
    let id = in_flight.add(second).request_id();
    let done = Progress::Done { bytes: 10 };
    assert_eq!(in_flight.error(id, overloaded, false), done);
    let outcome = answer.try_recv().expect("told");
    assert_eq!(outcome, [Err(ClientError::Overloaded)]);
}

#[test]
fn after_another_member_may_have_it_no_refusal_is_certain() {
    let mut in_flight = InFlight::default();
    let (run, mut answer) = run(1, 1);
    let id = in_flight.add(run).request_id();
    in_flight.lost(true);
    let too_large = ErrorKind::TooLarge { bytes_max: 1 };
    in_flight.error(id, too_large, true);
    let outcome = answer.try_recv().expect("told");
    assert_eq!(outcome, [Err(ClientError::Unknown)]);
}

#[test]
fn an_unknown_session_is_noticed_and_old_requests_are_given_up() {
    let mut in_flight = InFlight::default();
    let (run, mut answer) = run(5, 1);
    let now = Instant::now();
    let id = in_flight.add(run).request_id();
    let unknown = [AnswerStatus::UnknownSession];
    assert_eq!(
        in_flight.replies(&replies(id, 0, &unknown)),
        Progress::Expired
    );
    assert_eq!(
        in_flight.oldest(),
        Some(5),
        "whoever opens a new session refuses it"
    );
    let minute = Duration::from_secs(60);
    assert_eq!(in_flight.give_up(now, minute), (0, 0));
    assert_eq!(in_flight.give_up(now + minute, minute), (10, 0));
    let outcome = answer.try_recv().expect("told");
    assert_eq!(outcome, [Err(ClientError::Unknown)]);
}

#[test]
fn beyond_the_window_is_certain_only_for_what_was_sent_once() {
    let beyond = [AnswerStatus::BeyondWindow];
    let outcome_after = |before: fn(&mut InFlight, u64)| {
        let mut in_flight = InFlight::default();
        let (run, mut answer) = run(1, 1);
        let id = in_flight.add(run).request_id();
        before(&mut in_flight, id);
        in_flight.replies(&replies(id, 0, &beyond));
        answer.try_recv().expect("told").remove(0)
    };
    let certain = Err(ClientError::Overloaded);
    assert_eq!(outcome_after(|_, _| {}), certain);
    let refused = outcome_after(|in_flight, id| {
        let progress = in_flight.error(id, ErrorKind::NoLeader, true);
        assert_eq!(progress, Progress::Retry(id));
    });
    assert_eq!(refused, certain, "nobody has it");
    let lost = outcome_after(|in_flight, _| assert_eq!(in_flight.lost(true), 0));
    assert_eq!(lost, Err(ClientError::Unknown));
    let unknown = outcome_after(|in_flight, id| {
        let progress = in_flight.error(id, ErrorKind::Unknown, true);
        assert_eq!(progress, Progress::Retry(id));
    });
    assert_eq!(unknown, Err(ClientError::Unknown));
}
