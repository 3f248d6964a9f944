//! How a node is put together: its threads, and what they share.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::Mutex;
use spaxos_core::batch::hash_words;
use spaxos_core::replica::Replica;
use spaxos_core::status::Status;
use spaxos_core::types::ReplicaId;
use spaxos_storage::{Log, LogReader};
use spaxos_wire::WireLimits;
use spaxos_wire::hello::fingerprint;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::apply_thread::{Applied, Apply, ApplyThread, Work};
use crate::clock::Clock;
use crate::counters::Cells;
use crate::effects::{Effector, LogQuestion, Published, ReadGroups, SCRATCH_BYTES};
use crate::ending::{Ending, spawn};
use crate::error::{Fatal, StartError};
use crate::event_loop::{EventLoop, Progress};
use crate::executor::Executor;
use crate::handle::{Handle, Shared};
use crate::inbox::Inbox;
use crate::intake::Intake;
use crate::log_reader;
use crate::log_thread::{Group, LogThread, LogWriter};
use crate::mailbox::Mailbox;
use crate::native::{Server, serve};
use crate::node::{Node, system};
use crate::options::{Durability, Member, Options};
use crate::outbox::Outbox;
use crate::pending::{Answering, Pending};
use crate::random;
use crate::start::{Opened, RECORDS_BEFORE, no_randomness};
use crate::transport::lives::Lives;
use crate::transport::peer_queue::PeerQueue;
use crate::transport::{Identity, Peer, Transport};
use crate::waiter::Touched;
use crate::wake::Wake;

/// The sockets that a node listens on.
#[derive(Debug)]
pub(crate) struct Ports {
    peers: TcpListener,
    peer_address: SocketAddr,
    clients: Option<(TcpListener, SocketAddr)>,
}

impl Ports {
    pub(crate) fn new(
        peers: TcpListener,
        clients: Option<TcpListener>,
    ) -> Result<Ports, StartError> {
        let address = |listener: &TcpListener| {
            let found = listener.local_addr();
            found.map_err(system("the address of a socket"))
        };
        let clients = match clients {
            Some(listener) => {
                let at = address(&listener)?;
                Some((listener, at))
            }
            None => None,
        };
        Ok(Ports {
            peer_address: address(&peers)?,
            peers,
            clients,
        })
    }
}

/// What the parts of a node share.
struct Wiring {
    wake: Arc<Wake>,
    inbox: Arc<Inbox>,
    intake: Arc<Intake>,
    pending: Arc<Pending>,
    counters: Arc<Cells>,
    ending: Arc<Ending>,
    lives: Arc<Lives>,
    applied: Arc<Applied>,
    log: Arc<Mailbox<Group>>,
    apply: Arc<Mailbox<Apply>>,
    reader: Arc<Mailbox<LogQuestion>>,
}

/// A node before its threads run.
pub(crate) struct Parts {
    opened: Opened,
    wiring: Wiring,
    peers: Vec<Peer>,
    clock: Clock,
    seed: u64,
    runtime: Runtime,
}

impl Parts {
    pub(crate) fn new(options: &Options, opened: Opened) -> Result<Parts, StartError> {
        let others = |member: &&Member| member.id != options.id;
        let others: Vec<&Member> = options.members.iter().filter(others).collect();
        let ids: Vec<ReplicaId> = others.iter().map(|member| member.id).collect();
        let wiring = Wiring::new(options, &opened, &ids);
        let bytes_max = options.runtime.peer_queue_bytes_max;
        let peers = others.into_iter().map(|member| {
            let counters = Arc::clone(&wiring.counters);
            Peer {
                address: member.address.clone(),
                queue: Arc::new(PeerQueue::new(member.id, counters, bytes_max)),
            }
        });
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Parts {
            peers: peers.collect(),
            opened,
            wiring,
            clock: Clock::new(),
            seed: random::number().map_err(no_randomness)?,
            runtime: runtime.map_err(system("an event queue"))?,
        })
    }

    /// Starts all threads.
    pub(crate) fn start(self, options: &Options, ports: Ports) -> Result<Node, StartError> {
        let wiring = self.wiring;
        let opened = self.opened;
        let transport = Arc::new(wiring.transport(options, opened.disk_id));
        let executed = opened.executor.executed();
        let next_expiry = opened.executor.next_expiry();
        wiring.inbox.applied(executed, next_expiry, true);
        let now = self.clock.now();
        let replica = Replica::new(options.core_config(), opened.recovered, self.seed, now);
        let shared = Arc::new(wiring.shared(options, replica.status()));
        let (log, log_thread) = wiring.log(options.durability, opened.log);
        let queues = self.peers.iter().map(|peer| Arc::clone(&peer.queue));
        let effector = wiring.effector(options, queues.collect(), log);
        let core = CoreThread {
            runtime: self.runtime,
            event_loop: EventLoop {
                replica,
                effector,
                clock: self.clock,
                inbox: Arc::clone(&wiring.inbox),
                intake: Arc::clone(&wiring.intake),
                wake: Arc::clone(&wiring.wake),
                published: Published::clone(&shared.status),
                ending: Arc::clone(&wiring.ending),
                grace: options.runtime.shutdown_grace,
                progress: Progress::default(),
            },
            transport,
            listener: ports.peers,
            peers: self.peers,
        };
        let apply_thread = wiring.apply_thread(options, opened.executor);
        let reading = wiring.reading(opened.reader);
        let mut node = Node {
            handle: Handle::new(Arc::clone(&shared)),
            inbox: Arc::clone(&wiring.inbox),
            ending: Arc::clone(&wiring.ending),
            peer_address: ports.peer_address,
            client_address: ports.clients.as_ref().map(|clients| clients.1),
            stopping: watch::Sender::new(false),
            clients: None,
            threads: Vec::new(),
        };
        // If one of them cannot be started, dropping the node ends those that run.
        node.spawn("spaxos-core", move || core.run())?;
        if let Some(log_thread) = log_thread {
            node.spawn("spaxos-log", move || log_thread.run())?;
        }
        node.spawn("spaxos-apply", move || apply_thread.run())?;
        node.spawn("spaxos-read", reading)?;
        if let Some((listener, _)) = ports.clients {
            node.serve_clients(options, shared, listener)?;
        }
        Ok(node)
    }
}

impl Wiring {
    fn new(options: &Options, opened: &Opened, others: &[ReplicaId]) -> Wiring {
        let wake = Arc::new(Wake::default());
        let inbox = Arc::new(Inbox::new(Arc::clone(&wake)));
        let intake = Intake::new(&options.limits, &options.runtime, Arc::clone(&wake));
        let intake = Arc::new(intake);
        let pending = Pending::new(options.id, opened.life, Arc::clone(&intake));
        Wiring {
            ending: Arc::new(Ending::new(Arc::clone(&inbox))),
            counters: Arc::new(Cells::new(others.iter().copied())),
            lives: Arc::new(Lives::new(opened.life, opened.others())),
            pending: Arc::new(pending),
            wake,
            inbox,
            intake,
            applied: Arc::new(Applied::default()),
            log: Arc::new(Mailbox::new()),
            apply: Arc::new(Mailbox::new()),
            reader: Arc::new(Mailbox::new()),
        }
    }

    fn transport(&self, options: &Options, disk_id: u64) -> Transport {
        Transport {
            identity: Identity {
                cluster_id: options.cluster_id,
                id: options.id,
                disk_id,
                fingerprint: settings(options),
            },
            members: options.members.iter().map(|member| member.id).collect(),
            lives: Arc::clone(&self.lives),
            inbox: Arc::clone(&self.inbox),
            counters: Arc::clone(&self.counters),
            ending: Arc::clone(&self.ending),
            wire: WireLimits::new(&options.limits),
            limits: options.runtime,
        }
    }

    fn effector(&self, options: &Options, peers: Vec<Arc<PeerQueue>>, log: LogWriter) -> Effector {
        Effector {
            pending: Arc::clone(&self.pending),
            lives: Arc::clone(&self.lives),
            counters: Arc::clone(&self.counters),
            peers,
            log,
            apply: Arc::clone(&self.apply),
            reader: Arc::clone(&self.reader),
            outbox: Outbox::new(options.runtime.outbox_messages_max),
            log_buffer_bytes_max: options.runtime.log_buffer_bytes_max,
            failed: None,
            durable_at_once: None,
            scratch: BytesMut::with_capacity(SCRATCH_BYTES),
            appended: Group::default(),
            applying: Vec::new(),
            reads: ReadGroups::default(),
        }
    }

    /// Where records go, and the thread that takes them if one is needed.
    fn log(&self, durability: Durability, log: Log) -> (LogWriter, Option<LogThread>) {
        let counters = Arc::clone(&self.counters);
        if durability == Durability::Memory {
            return (LogWriter::memory(log, RECORDS_BEFORE, counters), None);
        }
        let thread = LogThread {
            log,
            records_before: RECORDS_BEFORE,
            queue: Arc::clone(&self.log),
            inbox: Arc::clone(&self.inbox),
            counters,
            ending: Arc::clone(&self.ending),
        };
        (LogWriter::Thread(Arc::clone(&self.log)), Some(thread))
    }

    fn apply_thread(&self, options: &Options, executor: Executor) -> ApplyThread {
        ApplyThread {
            executor,
            queue: Arc::clone(&self.apply),
            answering: Answering {
                pending: Arc::clone(&self.pending),
                touched: Touched::default(),
            },
            inbox: Arc::clone(&self.inbox),
            applied: Arc::clone(&self.applied),
            wake_after: Work {
                slots: options.limits.apply_slots_max / 8,
                bytes: options.limits.apply_bytes_max / 8,
            },
        }
    }

    fn shared(&self, options: &Options, status: Status) -> Shared {
        Shared {
            intake: Arc::clone(&self.intake),
            apply: Arc::clone(&self.apply),
            status: Arc::new(Mutex::new(status)),
            counters: Arc::clone(&self.counters),
            applied: Arc::clone(&self.applied),
            payload_bytes_max: options.limits.chunk_bytes_max,
        }
    }

    fn reading(&self, reader: LogReader) -> impl FnOnce() + Send + use<> {
        let (queue, inbox) = (Arc::clone(&self.reader), Arc::clone(&self.inbox));
        let ending = Arc::clone(&self.ending);
        move || log_reader::run(&reader, &queue, &inbox, &ending)
    }
}

impl Node {
    fn spawn(
        &mut self,
        name: &'static str,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<(), StartError> {
        self.threads.push(spawn(name, &self.ending, body)?);
        Ok(())
    }

    fn serve_clients(
        &mut self,
        options: &Options,
        shared: Arc<Shared>,
        listener: TcpListener,
    ) -> Result<(), StartError> {
        let listener = tokio::net::TcpListener::from_std(listener);
        let listener = listener.map_err(system("a socket for clients"))?;
        let server = Arc::new(Server {
            cluster_id: options.cluster_id,
            id: options.id,
            shared,
            wire: WireLimits::new(&options.limits),
            limits: options.runtime,
        });
        let serving = serve(server, listener, self.stopping.subscribe());
        self.clients = Some(tokio::spawn(serving));
        Ok(())
    }
}

/// The thread of the event loop and of all connections to other members: what arrives is stepped,
/// and what the core says is written, without changing threads.
struct CoreThread {
    runtime: Runtime,
    event_loop: EventLoop,
    transport: Arc<Transport>,
    listener: TcpListener,
    peers: Vec<Peer>,
}

impl CoreThread {
    fn run(self) {
        let CoreThread {
            runtime,
            event_loop,
            transport,
            listener,
            peers,
        } = self;
        let ending = Arc::clone(&transport.ending);
        runtime.block_on(async move {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => transport.start(listener, peers),
                Err(error) => ending.fail(Fatal::System {
                    reason: error.to_string(),
                }),
            }
            event_loop.run().await;
        });
        runtime.shutdown_background();
    }
}

/// What must be the same on all members: modes, limits, and who the members are. Two nodes that count
/// different quorums must never meet.
fn settings(options: &Options) -> u64 {
    let mut ids: Vec<u64> = options.members.iter().map(|member| member.id.0).collect();
    ids.sort_unstable();
    let limits = fingerprint(&options.modes, &options.limits, &options.session_limits);
    limits ^ hash_words(&ids)
}
