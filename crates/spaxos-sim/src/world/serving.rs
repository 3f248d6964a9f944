//! What clients see first: requests taken and rejected, reads answered.

use spaxos_core::batch::Chunk;
use spaxos_core::effect::{Execution, Input, RejectReason};

use super::World;
use crate::command::{self, COMMAND_BYTES};
use crate::event::{Event, Wake};
use crate::history::What;
use crate::keyvalue::{KEYS, StoreAnswer};
use crate::process::{Read, Write};
use crate::violation::{Checked, Violation, ensure};

const NAME: &str = "answers";

/// A process with this many unanswered requests gets no more.
const REQUESTS_MAX: usize = 64;
/// How often a client sends more than a batch can hold.
const OVERSIZE_PPM: u32 = 5_000;

impl World {
    /// A client sends its next request to some replica.
    pub(super) fn on_client(&mut self, client: usize) -> Checked {
        if self.healing.is_some() && self.clients.is_content(client) {
            return Ok(());
        }
        let mut pause = self.clients.random.skewed(self.clients.shape.interval_ns);
        if self.healing.is_some() {
            pause = pause.min(self.swarm.timing.election_ns / 4);
        }
        let at_ns = self.now_ns + pause.max(1);
        self.queue.schedule(at_ns, Event::Client { client });
        let replica = self.pick_replica();
        let process = &self.processes[replica];
        let boot = process.boot;
        let Some(running) = process.running() else {
            return Ok(());
        };
        let waiting = running.requests.reads.len() + running.requests.writes.len();
        if waiting >= REQUESTS_MAX {
            return Ok(());
        }
        let wake = if self.clients.random.chance(self.clients.shape.read_ppm) {
            let shape = self.clients.shape;
            if shape.keys && self.clients.random.chance(shape.serializable_ppm) {
                return self.read_at_once(replica, client);
            }
            self.begin_read(replica, client)
        } else {
            self.begin_write(replica, client)
        };
        self.on_wake(replica, boot, wake)
    }

    fn pick_replica(&mut self) -> usize {
        match &self.healing {
            Some(healing) => self.clients.random.pick(&healing.served),
            None => self.clients.random.index(self.processes.len()),
        }
    }

    /// A serializable read: of what the replica has executed, however old. One that stands still or
    /// has lost its memory answers nothing.
    fn read_at_once(&mut self, replica: usize, client: usize) -> Checked {
        let key = self.clients.random.below(KEYS);
        let Some(running) = self.processes[replica].running() else {
            return Ok(());
        };
        if running.backlog.is_some() || self.checkers.is_expelled(replica) {
            return Ok(());
        }
        if let Some(answer) = running.machine.read(key)? {
            self.figures.count("serializable read answered");
            let what = What::SerializableGet;
            self.journal
                .on_read_at_once(client, key, what, &answer, self.now_ns);
        }
        Ok(())
    }

    pub(super) fn begin_read(&mut self, replica: usize, client: usize) -> Wake {
        let token = self.clients.ticket();
        let key = self.clients.random.below(KEYS);
        if self.clients.shape.keys {
            self.journal.on_read(client, token, key, self.now_ns);
        }
        let read = Read {
            client,
            key,
            floor: self.checkers.read_floor(),
            target: None,
        };
        if let Some(running) = self.processes[replica].running_mut() {
            running.requests.reads.insert(token, read);
        }
        Wake::Read { token }
    }

    fn begin_write(&mut self, replica: usize, client: usize) -> Wake {
        let chunk_max = (self.swarm.limits.chunk_bytes_max / COMMAND_BYTES) as u64;
        let mut count = self.clients.shape.commands_max.min(chunk_max);
        count = 1 + self.clients.random.below(count);
        if self.clients.random.chance(OVERSIZE_PPM) {
            count = (self.swarm.limits.batch_bytes_max / COMMAND_BYTES) as u64 + 1;
        }
        let ticket = self.clients.ticket();
        let commands = self.clients.next_commands(client, count);
        self.checkers.on_submit(&commands);
        for command in &commands {
            self.journal.on_submit(client, command, self.now_ns);
        }
        let chunk = Chunk {
            ticket,
            requests: commands.len() as u32,
            payload: command::encode(&commands),
        };
        if let Some(running) = self.processes[replica].running_mut() {
            let write = Write { client, commands };
            running.requests.writes.insert(ticket, write);
        }
        Wake::Submit { chunk }
    }

    pub(super) fn on_reject(
        &mut self,
        replica: usize,
        ticket: u64,
        reason: RejectReason,
    ) -> Checked {
        let running = self.processes[replica].running_mut();
        let write = running.and_then(|running| running.requests.writes.remove(&ticket));
        let write = write.ok_or_else(|| {
            Violation::new(NAME, format!("{ticket} is rejected, nobody waits for it"))
        })?;
        let bytes = write.commands.len() * COMMAND_BYTES;
        let oversize = bytes > self.swarm.limits.batch_bytes_max;
        ensure(oversize || reason != RejectReason::TooLarge, NAME, || {
            format!("{bytes} bytes are rejected as {reason:?}")
        })?;
        self.figures.count(match reason {
            RejectReason::Overloaded => "reject: overloaded",
            RejectReason::TooLarge => "reject: too large",
            RejectReason::NoLeader => "reject: no leader",
        });
        self.trace.event(self.now_ns, replica, &[12, ticket], || {
            format!("reject {ticket}: {reason:?}")
        });
        for command in write.commands.iter().filter(|it| !it.may_repeat()) {
            self.journal.on_refused(command);
        }
        self.checkers.on_reject(&write.commands)
    }

    /// Nobody knows what became of a request.
    pub(super) fn on_lost(&mut self, replica: usize, ticket: u64) {
        self.figures.count("request lost");
        self.trace.event(self.now_ns, replica, &[13, ticket], || {
            format!("lost {ticket}")
        });
        if let Some(running) = self.processes[replica].running_mut() {
            running.requests.writes.remove(&ticket);
        }
    }

    /// Reads may look once what was handed out so far is applied.
    pub(super) fn on_read_ready(&mut self, replica: usize, tokens: &[u64]) -> Checked {
        let Some(running) = self.processes[replica].running_mut() else {
            return Ok(());
        };
        let target = running.handed_out;
        for token in tokens {
            let read = running.requests.reads.get_mut(token);
            let read = read.filter(|read| read.target.is_none()).ok_or_else(|| {
                Violation::new(NAME, format!("read {token} is ready, nobody waits for it"))
            })?;
            read.target = Some(target);
        }
        self.answer_reads(replica)
    }

    fn answer_reads(&mut self, replica: usize) -> Checked {
        let Some(running) = self.processes[replica].running_mut() else {
            return Ok(());
        };
        let observed = running.machine.applied();
        for (token, read) in running.ready_reads() {
            self.figures.count("read answered");
            self.trace.event(self.now_ns, replica, &[14, token], || {
                format!("read {token} sees {observed}, must see {}", read.floor)
            });
            self.clients.on_answer(read.client);
            self.checkers.on_read(read.floor, observed)?;
            let machine = self.processes[replica].running().map(|it| &it.machine);
            if let Some(answer) = machine.and_then(|it| it.read(read.key).transpose()) {
                self.answer_key_read(token, read.key, &answer?);
            }
        }
        Ok(())
    }

    fn answer_key_read(&mut self, token: u64, key: u64, answer: &StoreAnswer) {
        self.journal.on_read_answer(token, answer, self.now_ns);
        if let Some(found) = answer.found {
            self.clients.on_seen(key, found.value);
        }
    }

    pub(super) fn schedule_apply(&mut self, replica: usize) {
        let delay = self.chance.process.within(self.swarm.process.apply_ns);
        self.wake_later(replica, self.now_ns + delay, Wake::Applied);
    }

    /// The state machine has executed one slot or several.
    pub(super) fn on_applied(&mut self, replica: usize) -> Checked {
        let Some(running) = self.processes[replica].running_mut() else {
            return Ok(());
        };
        let waiting = running.executions.len();
        let count = 1 + self.chance.process.index(waiting.max(1));
        let applied: Vec<Execution> = running.executions.drain(..count.min(waiting)).collect();
        let more = !running.executions.is_empty();
        for execution in &applied {
            let Some(running) = self.processes[replica].running_mut() else {
                return Ok(());
            };
            let outcomes = running.machine.apply(execution)?;
            self.checkers
                .on_outcomes(replica, execution.slot, &outcomes)?;
            self.answer_writes(replica, execution, &outcomes)?;
        }
        self.answer_reads(replica)?;
        if more {
            self.schedule_apply(replica);
        }
        let Some(running) = self.processes[replica].running() else {
            return Ok(());
        };
        let input = Input::Applied {
            slot: running.machine.applied(),
            next_expiry: running.machine.next_expiry(),
        };
        self.step(replica, input)
    }
}
