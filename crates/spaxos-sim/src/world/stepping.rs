//! One step of a replica, and what its effects do to the world.

use spaxos_core::effect::{Effect, Execution, Input, LogQuery, Recipients};
use spaxos_core::message::Message;
use spaxos_core::record::Record;
use spaxos_core::status::Role;
use spaxos_core::types::{Lsn, ReplicaId};

use super::World;
use crate::BRANCHES;
use crate::event::{Event, Packet, Wake};
use crate::process::Outgoing;
use crate::trace;
use crate::violation::{Checked, Violation, ensure};

/// No timer comes back sooner than this, so that a deadline in the past cannot stop the world.
const TIMER_NS_MIN: u64 = 1_000;

/// A replica whose timer goes off more often in a row, at nearly the same time, runs in circles.
const TIMER_ROW_MAX: u32 = 500;

impl World {
    /// A running process reacts to what came to it.
    pub(super) fn react(&mut self, replica: usize, wake: Wake) -> Checked {
        match wake {
            Wake::Timer { due_ns } => self.on_timer(replica, due_ns),
            Wake::Durable { lsn } => {
                self.release_held(replica, lsn)?;
                self.step(replica, Input::Durable { lsn })
            }
            Wake::Message { from, message } => {
                let from = self.processes[from].id;
                self.trace.event(self.now_ns, replica, &[4, from.0], || {
                    format!("<- {from} {}", trace::message(&message))
                });
                let message = *message;
                self.step(replica, Input::Message { from, message })
            }
            Wake::Hello { from, hello } => self.on_hello(replica, from, hello),
            Wake::Applied => self.on_applied(replica),
            Wake::LogRead { to, query } => self.on_log_read(replica, to, &query),
            Wake::Submit { chunk } => {
                self.trace
                    .event(self.now_ns, replica, &[5, chunk.ticket], || {
                        format!("submit {} ({} commands)", chunk.ticket, chunk.requests)
                    });
                self.step(replica, Input::Submit(chunk))
            }
            Wake::Read { token } => {
                self.trace.event(self.now_ns, replica, &[6, token], || {
                    format!("read {token}")
                });
                self.step(replica, Input::Read { token })
            }
        }
    }

    /// A read of the log is done.
    fn on_log_read(&mut self, replica: usize, to: ReplicaId, query: &LogQuery) -> Checked {
        match self.processes[replica].log.query(query) {
            Ok(found) => {
                self.trace.event(self.now_ns, replica, &[17, to.0], || {
                    format!("finds {} in its log", trace::found(&found))
                });
                self.step(replica, Input::LogRead { to, found })
            }
            Err(failure) => self.on_disk_failure(replica, &failure),
        }
    }

    /// Runs the replica once and carries its effects out, in order.
    pub(super) fn step(&mut self, replica: usize, input: Input) -> Checked {
        let process = &mut self.processes[replica];
        let now = process.clock.local(self.now_ns);
        let Some(running) = process.running_mut() else {
            return Ok(());
        };
        let effects: Vec<Effect> = running.replica.step(now, input).collect();
        self.figures.count("step");
        let boot = self.processes[replica].boot;
        for effect in effects {
            ensure(self.processes[replica].runs(boot), "halt", || {
                format!("replica {replica} goes on after its end: {effect:?}")
            })?;
            let running = self.processes[replica].running_mut();
            if running.is_some_and(|running| running.dies_now()) {
                self.figures.count("fault: death inside a step");
                let power = self.chance.faults.coin();
                return self.crash(replica, power);
            }
            self.carry_out(replica, effect)?;
        }
        self.after_step(replica)
    }

    fn carry_out(&mut self, replica: usize, effect: Effect) -> Checked {
        match effect {
            Effect::Append { lsn, record } => self.append(replica, lsn, record),
            Effect::Sync => {
                if self.processes[replica].log.begin_sync() {
                    self.schedule_sync(replica);
                }
                Ok(())
            }
            Effect::Send { to, message, after } => {
                if after <= self.processes[replica].log.durable_lsn() {
                    return self.release(replica, &to, message);
                }
                if let Some(running) = self.processes[replica].running_mut() {
                    let outgoing = Outgoing { after, to, message };
                    running.outbox.push(outgoing);
                }
                Ok(())
            }
            Effect::Execute(execution) => self.hand_out(replica, execution),
            Effect::ReadReady { tokens } => self.on_read_ready(replica, &tokens),
            Effect::ReadRefused { token } => Err(Violation::new(
                "bounds",
                format!("read {token} is refused, few are waiting"),
            )),
            Effect::Reject { ticket, reason } => self.on_reject(replica, ticket, reason),
            Effect::Lost { ticket } => {
                self.on_lost(replica, ticket);
                Ok(())
            }
            Effect::ReadLog { to, query } => {
                self.figures.count("log read");
                self.trace.event(self.now_ns, replica, &[16, to.0], || {
                    format!("reads its log for {to}: {query:?}")
                });
                let delay = self.chance.disk.within(self.swarm.disk.read_ns);
                let wake = Wake::LogRead { to, query };
                self.wake_later(replica, self.now_ns + delay, wake);
                Ok(())
            }
            Effect::LaneStopped { lane, .. } => self.on_lane_stopped(replica, lane),
            Effect::Halt(reason) => self.on_halt(replica, reason),
        }
    }

    fn append(&mut self, replica: usize, lsn: Lsn, record: Record) -> Checked {
        self.figures.count(record.name());
        self.trace.event(self.now_ns, replica, &[7, lsn.0], || {
            format!("append {lsn} {}", trace::record(&record))
        });
        self.checkers.on_append(replica, &record)?;
        self.processes[replica].log.append(lsn, record)?;
        if !self.processes[replica].settling {
            self.schedule_settling(replica);
        }
        Ok(())
    }

    fn schedule_settling(&mut self, replica: usize) {
        let process = &mut self.processes[replica];
        process.settling = true;
        let event = Event::Settle {
            replica,
            boot: process.boot,
            appended: process.log.records().len(),
        };
        let at_ns = self.now_ns + self.swarm.disk.quiet_ns;
        self.queue.schedule(at_ns, event);
    }

    /// Nothing may have been appended for a while: then all that was is made durable.
    pub(super) fn on_settle(&mut self, replica: usize, boot: u64, appended: usize) -> Checked {
        let process = &mut self.processes[replica];
        if !process.runs(boot) {
            return Ok(());
        }
        process.settling = false;
        if process.log.is_syncing() || process.log.records().len() > appended {
            self.schedule_settling(replica);
            return Ok(());
        }
        let before = process.log.durable();
        let settled = process.log.settle();
        self.checkers.on_durable(
            replica,
            &process.log.records()[before..process.log.durable()],
        )?;
        self.figures.count("log settled");
        match settled {
            Ok(()) => Ok(()),
            Err(failure) => self.on_disk_failure(replica, &failure),
        }
    }

    fn schedule_sync(&mut self, replica: usize) {
        let boot = self.processes[replica].boot;
        self.processes[replica].sync_began_ns = self.now_ns;
        let at_ns = self.now_ns + self.sync_delay(replica);
        self.queue
            .schedule(at_ns, Event::SyncDone { replica, boot });
    }

    /// The disk has finished a sync; the process hears of it unless it stands still.
    pub(super) fn on_sync_done(&mut self, replica: usize, boot: u64) -> Checked {
        let process = &mut self.processes[replica];
        if !process.runs(boot) {
            return Ok(());
        }
        let before = process.log.durable();
        let again = match process.log.finish_sync() {
            Ok(again) => again,
            Err(failure) => return self.on_disk_failure(replica, &failure),
        };
        let after = process.log.durable();
        let lsn = process.log.durable_lsn();
        self.checkers
            .on_durable(replica, &process.log.records()[before..after])?;
        if again && process.log.begin_sync() {
            self.schedule_sync(replica);
        } else if !again
            && self.chance.disk.coin()
            && let Err(failure) = self.processes[replica].log.work_ahead()
        {
            return self.on_disk_failure(replica, &failure);
        }
        self.figures.count("sync");
        self.trace.event(self.now_ns, replica, &[8, lsn.0], || {
            format!("durable {lsn}")
        });
        self.on_wake(replica, boot, Wake::Durable { lsn })
    }

    fn release_held(&mut self, replica: usize, lsn: Lsn) -> Checked {
        let running = self.processes[replica].running_mut();
        let ready = running.map(|running| running.release(lsn));
        for out in ready.into_iter().flatten() {
            self.release(replica, &out.to, out.message)?;
        }
        Ok(())
    }

    /// A message leaves the process.
    fn release(&mut self, replica: usize, to: &Recipients, message: Message) -> Checked {
        let mut targets = self.targets(replica, to)?;
        targets.retain(|target| self.processes[replica].is_connected_to(*target));
        if targets.is_empty() {
            self.figures.count("message without connection");
            return Ok(());
        }
        self.checkers.on_release(replica, &message, &targets)?;
        self.figures.add(message.body.name(), targets.len() as u64);
        self.trace
            .event(self.now_ns, replica, &[9, message.header.decided.0], || {
                format!("-> {targets:?} {}", trace::message(&message))
            });
        let frame = match self.swarm.network.encoded {
            true => Some(self.wire.encode(&message)?),
            false => None,
        };
        let message = Box::new(message);
        let packet = Packet::Message { message, frame };
        for target in targets {
            self.transmit(replica, target, &packet);
        }
        Ok(())
    }

    fn targets(&self, replica: usize, to: &Recipients) -> Checked<Vec<usize>> {
        let ids = match to {
            Recipients::All => {
                let all = 0..self.processes.len();
                return Ok(all.filter(|at| *at != replica).collect());
            }
            Recipients::One(id) => std::slice::from_ref(id),
            Recipients::Several(ids) => ids.as_slice(),
        };
        let found: Option<Vec<usize>> = ids.iter().map(|id| self.index_of(*id)).collect();
        found
            .filter(|found| !found.contains(&replica))
            .ok_or_else(|| Violation::new("network", format!("{replica} sends to {ids:?}")))
    }

    fn hand_out(&mut self, replica: usize, execution: Execution) -> Checked {
        self.checkers.on_execute(replica, &execution)?;
        let (slot, hash) = (execution.slot.0, execution.hash);
        self.trace
            .event(self.now_ns, replica, &[10, slot, hash], || {
                format!("execute {slot}: {} batches", execution.batches.len())
            });
        self.count_execution(&execution);
        let Some(running) = self.processes[replica].running_mut() else {
            return Ok(());
        };
        running.handed_out = execution.slot;
        running.executions.push_back(execution);
        let waiting = running.executions.len();
        self.checkers
            .on_handed_out(waiting, running.handed_out_bytes())?;
        if waiting == 1 {
            self.schedule_apply(replica);
        }
        Ok(())
    }

    fn count_execution(&mut self, execution: &Execution) {
        self.figures.count("slot executed");
        if execution.batches.is_empty() {
            self.figures.count("slot without batches");
        }
        for batch in &execution.batches {
            if batch.requests == 0 {
                self.figures.count("no-op executed");
            }
        }
    }

    /// Checks what the replica shows of itself, and schedules its timer.
    fn after_step(&mut self, replica: usize) -> Checked {
        let Some(running) = self.processes[replica].running() else {
            return Ok(());
        };
        let status = running.replica.status();
        self.checkers
            .on_step(replica, &status, running.outbox.len())?;
        self.note_stalled_leader(replica, status.role == Role::Leader);
        self.schedule_timer(replica, self.now_ns);
        if self
            .chance
            .process
            .chance(self.swarm.process.early_timer_ppm)
        {
            self.figures.count("fault: early timer");
            self.wake_later(replica, self.now_ns, Wake::Timer { due_ns: 0 });
        }
        Ok(())
    }

    /// Counts a leader that gives up while its disk does not answer.
    fn note_stalled_leader(&mut self, replica: usize, leads: bool) {
        let process = &mut self.processes[replica];
        let waits_ns = self.now_ns - process.sync_began_ns;
        let stalled = process.log.is_syncing() && waits_ns >= self.swarm.timing.election_ns / 2;
        let Some(running) = process.running_mut() else {
            return;
        };
        if std::mem::replace(&mut running.led, leads) && !leads && stalled {
            self.figures.count(BRANCHES[14]);
        }
    }

    /// Makes sure that the replica is woken at its deadline, no sooner than `earliest_ns`.
    pub(super) fn schedule_timer(&mut self, replica: usize, earliest_ns: u64) {
        let process = &self.processes[replica];
        let Some(running) = process.running() else {
            return;
        };
        let Some(deadline) = running.replica.deadline() else {
            return;
        };
        let exact_ns = process.clock.world_ns(deadline).max(earliest_ns);
        if running.timer_due_ns.is_some_and(|due| due <= exact_ns) {
            return;
        }
        let late = self.chance.process.skewed(self.swarm.process.timer_late_ns);
        let due_ns = exact_ns + late;
        if let Some(running) = self.processes[replica].running_mut() {
            running.timer_due_ns = Some(due_ns);
        }
        self.wake_later(replica, due_ns, Wake::Timer { due_ns });
    }

    /// A timer goes off; `due_ns` of zero is one that nobody asked for.
    fn on_timer(&mut self, replica: usize, due_ns: u64) -> Checked {
        let Some(running) = self.processes[replica].running_mut() else {
            return Ok(());
        };
        if due_ns == 0 {
            // Nothing follows from it but a step.
        } else if running.timer_due_ns == Some(due_ns) {
            running.timer_due_ns = None;
        } else {
            return Ok(());
        }
        let now = self.now_ns;
        let soon = now < running.timer_last_ns + 2 * TIMER_NS_MIN;
        running.timer_row = if soon { running.timer_row + 1 } else { 0 };
        running.timer_last_ns = now;
        ensure(running.timer_row < TIMER_ROW_MAX, "progress", || {
            format!("replica {replica} wakes again and again for a deadline it does not serve")
        })?;
        self.trace.event(now, replica, &[11], || "timer".to_owned());
        self.step(replica, Input::Timer)?;
        self.schedule_timer(replica, now + TIMER_NS_MIN);
        Ok(())
    }
}
