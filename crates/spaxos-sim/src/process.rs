//! One replica's process: the real replica with its log, its outbox, its state machine and the clients
//! that wait for it. It owns this state and says what follows; the world schedules.

use std::collections::{BTreeMap, VecDeque};

use spaxos_core::effect::{Execution, Recipients};
use spaxos_core::message::Message;
use spaxos_core::record::Life;
use spaxos_core::recovery::Recovery;
use spaxos_core::replica::Replica;
use spaxos_core::types::{Incarnation, Lsn, ReplicaId, Slot};
use spaxos_storage::LogOptions;

use crate::clock::LocalClock;
use crate::command::Command;
use crate::event::Wake;
use crate::log::SimLog;
use crate::machine::Machine;

/// A member of the cluster: what survives its process, and the process if there is one.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) id: ReplicaId,
    pub(crate) clock: LocalClock,
    pub(crate) log: SimLog,
    /// Counts the starts; events for an earlier start are void.
    pub(crate) boot: u64,
    pub(crate) state: State,
    /// Extra time of each sync while the disk is slow.
    pub(crate) slow_disk_ns: u64,
    /// Whether a look at its idle log is scheduled.
    pub(crate) settling: bool,
    /// When the sync began that is running.
    pub(crate) sync_began_ns: u64,
    /// Down for good.
    pub(crate) buried: bool,
    /// It has stopped itself once.
    pub(crate) halted: bool,
}

/// Where a process is in its life.
#[derive(Debug)]
pub(crate) enum State {
    Down,
    Starting(Box<Starting>),
    Running(Box<Running>),
}

/// A process that has read its log and waits for its incarnation to be durable.
#[derive(Debug)]
pub(crate) struct Starting {
    pub(crate) recovery: Recovery,
    pub(crate) life: Life,
    pub(crate) machine: Machine,
}

/// A process with a replica.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) replica: Replica,
    pub(crate) life: Life,
    pub(crate) machine: Machine,
    /// The last slot that the replica handed out.
    pub(crate) handed_out: Slot,
    /// Slots that wait for the state machine.
    pub(crate) executions: VecDeque<Execution>,
    pub(crate) outbox: Vec<Outgoing>,
    pub(crate) requests: Requests,
    /// Who has said hello to this start.
    pub(crate) greeted: Vec<usize>,
    pub(crate) timer_due_ns: Option<u64>,
    /// When its timer went off last, and how often in a row with hardly any time between.
    pub(crate) timer_last_ns: u64,
    pub(crate) timer_row: u32,
    /// What came in during a pause; `None` while there is none.
    pub(crate) backlog: Option<VecDeque<Wake>>,
    /// Whether it led after its last step.
    pub(crate) led: bool,
    /// Dies after this many more effects.
    pub(crate) dies_in: Option<u64>,
}

/// A message that waits for a record to be durable.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) after: Lsn,
    pub(crate) to: Recipients,
    pub(crate) message: Message,
}

/// The requests that a process has taken and not answered. They die with it.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// By ticket, which also is the order in which they were taken.
    pub(crate) writes: BTreeMap<u64, Write>,
    /// By token.
    pub(crate) reads: BTreeMap<u64, Read>,
}

/// A write that waits for its execution.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) client: usize,
    pub(crate) commands: Vec<Command>,
}

/// A read that waits until it may look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) client: usize,
    /// The key that it reads, in runs with a key-value store.
    pub(crate) key: u64,
    /// What it must see.
    pub(crate) floor: Slot,
    /// It may look once this slot is applied; `None` until the replica has said so.
    pub(crate) target: Option<Slot>,
}

impl Process {
    pub(crate) fn new(id: ReplicaId, clock: LocalClock, options: LogOptions) -> Process {
        Process {
            id,
            clock,
            log: SimLog::new(id, options),
            boot: 0,
            state: State::Down,
            slow_disk_ns: 0,
            settling: false,
            sync_began_ns: 0,
            buried: false,
            halted: false,
        }
    }

    pub(crate) fn running(&self) -> Option<&Running> {
        match &self.state {
            State::Running(running) => Some(running),
            _ => None,
        }
    }

    pub(crate) fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.state {
            State::Running(running) => Some(running),
            _ => None,
        }
    }

    /// Whether it runs and `peer` has said hello to it: nothing else is said or heard before.
    pub(crate) fn is_connected_to(&self, peer: usize) -> bool {
        self.running()
            .is_some_and(|running| running.greeted.contains(&peer))
    }

    pub(crate) fn is_down(&self) -> bool {
        matches!(self.state, State::Down)
    }

    /// Whether it runs, paused or not, in start number `boot`.
    pub(crate) fn runs(&self, boot: u64) -> bool {
        self.boot == boot && self.running().is_some()
    }
}

impl Running {
    pub(crate) fn new(replica: Replica, life: Life, machine: Machine) -> Running {
        Running {
            replica,
            life,
            handed_out: machine.applied(),
            machine,
            executions: VecDeque::new(),
            outbox: Vec::new(),
            requests: Requests::default(),
            greeted: Vec::new(),
            timer_due_ns: None,
            timer_last_ns: 0,
            timer_row: 0,
            backlog: None,
            led: false,
            dies_in: None,
        }
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.life.incarnation
    }

    /// Whether the next effect is one too many for this process. Counts effects.
    pub(crate) fn dies_now(&mut self) -> bool {
        match &mut self.dies_in {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    /// Takes out the messages that may leave now that `durable` is.
    pub(crate) fn release(&mut self, durable: Lsn) -> Vec<Outgoing> {
        let all = std::mem::take(&mut self.outbox);
        let (ready, held) = all.into_iter().partition(|out| out.after <= durable);
        self.outbox = held;
        ready
    }

    /// What the executions that wait cost.
    pub(crate) fn handed_out_bytes(&self) -> u64 {
        let batches = self.executions.iter().flat_map(|slot| &slot.batches);
        batches.map(|batch| batch.cost_bytes()).sum()
    }

    /// Takes out the reads that may look at the present state.
    pub(crate) fn ready_reads(&mut self) -> Vec<(u64, Read)> {
        let applied = self.machine.applied();
        let ready = |read: &Read| read.target.is_some_and(|target| target <= applied);
        let tokens: Vec<(u64, Read)> = self
            .requests
            .reads
            .iter()
            .filter(|(_, read)| ready(read))
            .map(|(token, read)| (*token, *read))
            .collect();
        for (token, _) in &tokens {
            self.requests.reads.remove(token);
        }
        tokens
    }
}
