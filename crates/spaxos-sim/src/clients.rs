//! The clients: they make unique commands and remember nothing but how many answers they got.

use crate::command::Command;
use crate::random::Random;
use crate::swarm::ClientShape;

/// All clients of a run.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) shape: ClientShape,
    pub(crate) random: Random,
    commands: u64,
    tickets: u64,
    /// Per client the answers of the liveness phase.
    answers: Vec<u64>,
}

impl Clients {
    pub(crate) fn new(shape: ClientShape, random: Random) -> Clients {
        Clients {
            shape,
            random,
            commands: 0,
            tickets: 0,
            answers: vec![0; shape.clients],
        }
    }

    /// A number that no other request has; later ones are higher.
    pub(crate) fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// That many new commands.
    pub(crate) fn commands(&mut self, count: u64) -> Vec<Command> {
        (0..count).map(|_| self.command()).collect()
    }

    fn command(&mut self) -> Command {
        self.commands += 1;
        let timer_ns = if self.random.chance(self.shape.timer_ppm) {
            self.random.within(self.shape.timer_ns)
        } else {
            0
        };
        Command {
            id: self.commands,
            timer_ns,
        }
    }

    /// The liveness phase begins.
    pub(crate) fn forget_answers(&mut self) {
        self.answers.fill(0);
    }

    pub(crate) fn on_answer(&mut self, client: usize) {
        self.answers[client] += 1;
    }

    /// Whether the client has all the answers it needs in the liveness phase.
    pub(crate) fn is_content(&self, client: usize) -> bool {
        self.answers[client] >= self.shape.final_requests
    }
}
