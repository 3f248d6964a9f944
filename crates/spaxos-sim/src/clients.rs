//! The clients: they make unique commands, some in sessions, and remember what they wait for.

use std::collections::BTreeMap;

use crate::command::Command;
use crate::keyvalue::{KEYS, KeyKind, KeyOperation};
use crate::machine::Outcome;
use crate::random::Random;
use crate::swarm::ClientShape;
use crate::violation::{Checked, ensure};

const NAME: &str = "sessions";

/// All clients of a run.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) shape: ClientShape,
    pub(crate) random: Random,
    commands: u64,
    tickets: u64,
    attempts: u64,
    clients: Vec<Client>,
    /// Per key a value that some client has seen; 0 if none.
    seen: [u64; KEYS as usize],
}

#[derive(Clone, Debug, Default)]
struct Client {
    /// The answers of the liveness phase.
    answers: u64,
    session: Session,
}

/// A client's side of a session.
#[derive(Clone, Debug, Default)]
struct Session {
    /// 0 if none is open.
    id: u64,
    /// The last sequence used.
    last: u64,
    /// Commands without an answer, by sequence.
    waiting: BTreeMap<u64, Command>,
}

/// A client with this many unanswered commands in its session sends those again.
const WAITING_MAX: usize = 8;

impl Clients {
    pub(crate) fn new(shape: ClientShape, random: Random) -> Clients {
        Clients {
            shape,
            random,
            commands: 0,
            tickets: 0,
            attempts: 0,
            clients: vec![Client::default(); shape.clients],
            seen: [0; KEYS as usize],
        }
    }

    /// A number that no other request has; later ones are higher.
    pub(crate) fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// That many new commands of no session.
    pub(crate) fn commands(&mut self, count: u64) -> Vec<Command> {
        (0..count).map(|_| self.command()).collect()
    }

    /// What `client` sends next, that many commands.
    pub(crate) fn next_commands(&mut self, client: usize, count: u64) -> Vec<Command> {
        if !self.random.chance(self.shape.session_ppm) {
            return self.commands(count);
        }
        (0..count).map(|_| self.session_command(client)).collect()
    }

    fn command(&mut self) -> Command {
        self.commands += 1;
        self.attempts += 1;
        let timer_ns = if self.random.chance(self.shape.timer_ppm) {
            self.random.within(self.shape.timer_ns)
        } else {
            0
        };
        Command {
            id: self.commands,
            attempt: self.attempts,
            timer_ns,
            operation: self.key_operation(),
            ..Command::default()
        }
    }

    /// What the next command does to the key-value store.
    fn key_operation(&mut self) -> KeyOperation {
        if !self.shape.keys {
            return KeyOperation::default();
        }
        let key = self.random.below(KEYS);
        let kinds = [
            KeyKind::Put,
            KeyKind::Put,
            KeyKind::CompareAndPut,
            KeyKind::Delete,
        ];
        let kind = self.random.pick(&kinds);
        let seen = self.seen[key as usize];
        let expected = match (kind, self.random.coin()) {
            (KeyKind::CompareAndPut, true) => seen,
            _ => 0,
        };
        KeyOperation {
            kind,
            key,
            expected,
        }
    }

    /// A value was seen under a key: some client will compare with it.
    pub(crate) fn on_seen(&mut self, key: u64, value: u64) {
        self.seen[key as usize] = value;
    }

    /// The next command of the client's session, or one that opens it, or one again.
    fn session_command(&mut self, client: usize) -> Command {
        let mut command = self.command();
        let again = self.random.chance(self.shape.retry_ppm);
        let pick = self.random.number();
        let session = &mut self.clients[client].session;
        if session.id == 0 {
            command.session = command.id;
            return command;
        }
        let waiting = session.waiting.len();
        if waiting >= WAITING_MAX || (again && waiting > 0) {
            let old = session.waiting.values().nth(pick as usize % waiting);
            let attempt = command.attempt;
            command = Command {
                attempt,
                ..old.copied().unwrap_or_default()
            };
        } else {
            session.last += 1;
            command.session = session.id;
            command.sequence = session.last;
            session.waiting.insert(session.last, command);
        }
        let lowest = session.waiting.keys().next().copied();
        command.floor = lowest.unwrap_or(session.last + 1);
        command
    }

    /// The client learns what its command came to.
    pub(crate) fn on_outcome(
        &mut self,
        client: usize,
        command: &Command,
        outcome: Outcome,
    ) -> Checked {
        let session = &mut self.clients[client].session;
        if command.opens() {
            if session.id == 0 && matches!(outcome, Outcome::Done(_)) {
                *session = Session {
                    id: command.id,
                    ..Session::default()
                };
            }
            return Ok(());
        }
        if !command.may_repeat() || command.session != session.id {
            return Ok(());
        }
        let sequence = command.sequence;
        let waits = session.waiting.contains_key(&sequence);
        match outcome {
            Outcome::Done(_) => {
                session.waiting.remove(&sequence);
            }
            Outcome::UnknownSession => *session = Session::default(),
            other => ensure(other == Outcome::BelowFloor && !waits, NAME, || {
                format!(
                    "request {sequence} of session {} came to {other:?}",
                    session.id
                )
            })?,
        }
        Ok(())
    }

    /// The liveness phase begins.
    pub(crate) fn forget_answers(&mut self) {
        for client in &mut self.clients {
            client.answers = 0;
        }
    }

    pub(crate) fn on_answer(&mut self, client: usize) {
        self.clients[client].answers += 1;
    }

    /// Whether the client has all the answers it needs in the liveness phase.
    pub(crate) fn is_content(&self, client: usize) -> bool {
        self.clients[client].answers >= self.shape.final_requests
    }
}
