//! Everything that is scheduled, and the queue that brings it in the order of virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use bytes::Bytes;
use spaxos_core::batch::Chunk;
use spaxos_core::effect::LogQuery;
use spaxos_core::message::Message;
use spaxos_core::record::Life;
use spaxos_core::types::{Lsn, ReplicaId};

/// What is scheduled. `boot` numbers the starts of a process: what was meant for an earlier start
/// is void.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A packet comes out of the network.
    Deliver {
        from: usize,
        to: usize,
        boot: u64,
        packet: Packet,
    },
    /// Something for a process, which takes it unless it is paused.
    Wake {
        replica: usize,
        boot: u64,
        wake: Wake,
    },
    /// The disk has finished a sync.
    SyncDone { replica: usize, boot: u64 },
    /// A log with so many records may have had nothing to do since.
    Settle {
        replica: usize,
        boot: u64,
        appended: usize,
    },
    /// A starting process has made its incarnation durable.
    Started { replica: usize, boot: u64 },
    /// A process is started.
    Restart { replica: usize },
    /// A pause ends.
    Resume { replica: usize, boot: u64 },
    /// A process says hello to those it has not heard of yet.
    GreetAgain { replica: usize, boot: u64 },
    /// The next request of a client.
    Client { client: usize },
    /// The next fault is drawn.
    Fault,
    /// A partition ends.
    HealPartition { generation: u64 },
    /// A slow disk is as fast as before.
    HealDisk { replica: usize },
    /// A slow link is as fast as before.
    HealLink { from: usize, to: usize },
    /// The safety phase ends.
    BeginLiveness,
    /// Is everything answered?
    Inspect,
}

/// What travels between processes.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Message {
        message: Box<Message>,
        /// Its bytes, in runs that encode what travels.
        frame: Option<Bytes>,
    },
    Hello(Hello),
}

impl Packet {
    /// How long it is on the link, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Packet::Message {
                frame: Some(frame), ..
            } => frame.len() as u64,
            _ => SMALL_BYTES,
        }
    }
}

/// A greeting's length, and that of a message whose bytes nobody makes.
const SMALL_BYTES: u64 = 100;

/// What two processes say first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hello {
    /// The sender's life.
    pub(crate) life: Life,
    /// The latest life of the receiver that the sender has heard of.
    pub(crate) known: Life,
    /// Whether this answers another hello, and so wants no answer.
    pub(crate) reply: bool,
}

/// What a running process reacts to. A paused one keeps it for later.
#[derive(Clone, Debug)]
pub(crate) enum Wake {
    Timer { due_ns: u64 },
    Durable { lsn: Lsn },
    Message { from: usize, message: Box<Message> },
    Hello { from: usize, hello: Hello },
    Applied,
    LogRead { to: ReplicaId, query: LogQuery },
    Submit { chunk: Chunk },
    Read { token: u64 },
}

/// Events by virtual time; those of the same time in the order in which they were scheduled.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    /// Time, number, and the place in `events`.
    order: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Event>>,
    /// Places in `events` that are empty.
    free: Vec<usize>,
    scheduled: u64,
}

impl EventQueue {
    pub(crate) fn schedule(&mut self, at_ns: u64, event: Event) {
        self.scheduled += 1;
        let at = self.free.pop().unwrap_or(self.events.len());
        if at == self.events.len() {
            self.events.push(None);
        }
        self.events[at] = Some(event);
        self.order.push(Reverse((at_ns, self.scheduled, at)));
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, Event)> {
        let Reverse((at_ns, _, at)) = self.order.pop()?;
        let event = self.events[at].take();
        self.free.push(at);
        event.map(|event| (at_ns, event))
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}
