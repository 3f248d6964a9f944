//! What clients see last: the requests that a process took, found again in what it executes, and
//! answered.

use std::ops::Range;

use spaxos_core::batch::Batch;
use spaxos_core::config::Dissemination;
use spaxos_core::effect::Execution;
use spaxos_core::types::{ReplicaId, Slot};

use super::World;
use crate::command::{COMMAND_BYTES, Command};
use crate::machine::{Outcome, commands_of};
use crate::process::Running;
use crate::violation::{Checked, ensure};

const NAME: &str = "answers";

/// A request of this process: its ticket, and which of the batch's commands it is.
type Own = (u64, Range<usize>);

impl World {
    /// Answers the requests of this process that a slot executed; `outcomes` is what the commands
    /// came to, batch by batch.
    pub(super) fn answer_writes(
        &mut self,
        replica: usize,
        execution: &Execution,
        outcomes: &[Vec<Outcome>],
    ) -> Checked {
        for (batch, outcomes) in execution.batches.iter().zip(outcomes) {
            let commands = commands_of(batch)?;
            for (ticket, range) in self.own_requests(replica, batch, &commands)? {
                let answers = (&commands[range.clone()], &outcomes[range]);
                self.answer(replica, ticket, answers, execution.slot)?;
            }
        }
        Ok(())
    }

    /// The requests in a batch that this process has to answer.
    fn own_requests(
        &self,
        replica: usize,
        batch: &Batch,
        commands: &[Command],
    ) -> Checked<Vec<Own>> {
        let process = &self.processes[replica];
        let Some(running) = process.running() else {
            return Ok(Vec::new());
        };
        if !batch.origins.is_empty() {
            let mut own = named_by_origins(batch, process.id, running)?;
            own.retain(|(ticket, _)| running.requests.writes.contains_key(ticket));
            return Ok(own);
        }
        let mine = batch.lane == process.id && batch.position.incarnation == running.incarnation();
        if !mine || self.checkers.expects_forks() {
            return Ok(Vec::new());
        }
        let in_order = self.swarm.modes.dissemination == Dissemination::All;
        next_in_line(batch, commands, running, in_order)
    }

    fn answer(
        &mut self,
        replica: usize,
        ticket: u64,
        answers: (&[Command], &[Outcome]),
        slot: Slot,
    ) -> Checked {
        let (commands, outcomes) = answers;
        let running = self.processes[replica].running_mut();
        let write = running.and_then(|running| running.requests.writes.remove(&ticket));
        let Some(write) = write else {
            return Ok(());
        };
        ensure(write.commands == commands, NAME, || {
            format!("ticket {ticket} comes back with other commands")
        })?;
        self.figures.add("command answered", commands.len() as u64);
        self.trace
            .event(self.now_ns, replica, &[15, ticket, slot.0], || {
                format!("answer {ticket} from slot {slot}: {outcomes:?}")
            });
        self.clients.on_answer(write.client);
        for (command, outcome) in commands.iter().zip(outcomes) {
            self.clients.on_outcome(write.client, command, *outcome)?;
            self.count_outcome(command, *outcome, slot);
            if let Outcome::Done(first) = *outcome {
                self.answer_key_operation(replica, command);
                self.checkers.on_acknowledge(command, first, slot)?;
            }
        }
        Ok(())
    }

    fn answer_key_operation(&mut self, replica: usize, command: &Command) {
        let machine = self.processes[replica].running().map(|it| &it.machine);
        if let Some(answer) = machine.and_then(|it| it.answer_of(command.id)) {
            self.journal.on_answer(command, &answer, self.now_ns);
        }
    }

    fn count_outcome(&mut self, command: &Command, outcome: Outcome, slot: Slot) {
        let name = match outcome {
            Outcome::Done(_) if command.opens() => "session opened",
            Outcome::Done(first) if first < slot => "session: answered again",
            Outcome::Done(_) if command.may_repeat() => "session: executed",
            Outcome::Done(_) => return,
            Outcome::TooManySessions => "session: too many",
            Outcome::BelowFloor => "session: below the floor",
            Outcome::BeyondWindow => "session: beyond the window",
            Outcome::UnknownSession => "session: unknown",
        };
        self.figures.count(name);
    }
}

/// The parts of a batch whose origin is this life of this process.
fn named_by_origins(batch: &Batch, id: ReplicaId, running: &Running) -> Checked<Vec<Own>> {
    let mut own = Vec::new();
    let mut at = 0;
    for origin in &batch.origins {
        let end = at + origin.bytes as usize;
        if origin.replica == id && origin.incarnation == running.incarnation() {
            own.push((origin.ticket, at / COMMAND_BYTES..end / COMMAND_BYTES));
        }
        at = end;
    }
    ensure(at == batch.payload.len(), NAME, || {
        "origins do not fit their batch".to_owned()
    })?;
    Ok(own)
}

/// The requests of a batch without origins: this process's own, in the order in which they were
/// taken if all of them went into its own lane.
fn next_in_line(
    batch: &Batch,
    commands: &[Command],
    running: &Running,
    in_order: bool,
) -> Checked<Vec<Own>> {
    let mut own = Vec::new();
    let mut at = 0;
    for (ticket, write) in &running.requests.writes {
        if at == commands.len() {
            break;
        }
        if commands[at..].starts_with(&write.commands) {
            let end = at + write.commands.len();
            own.push((*ticket, at..end));
            at = end;
        } else {
            ensure(!in_order, NAME, || {
                format!("batch {} passes over request {ticket}", batch.position)
            })?;
        }
    }
    ensure(at == commands.len(), NAME, || {
        format!("batch {} holds what nobody waits for", batch.position)
    })?;
    Ok(own)
}
