//! Every run draws its own world: how many replicas, which variant of the protocol, which limits and
//! which faults. Limits are small, so that what is rare elsewhere is common here.

use spaxos_core::batch::BATCH_HEAD_BYTES;
use spaxos_core::config::{Config, Dissemination, Limits, Modes, Propose, Timing, Votes};
use spaxos_core::sessions::SessionLimits;
use spaxos_core::types::ReplicaId;
use spaxos_storage::LogOptions;

use crate::command::COMMAND_BYTES;
use crate::network::NetworkShape;
use crate::random::{Random, Span};
use crate::{FaultKind, Options};

/// One millisecond in nanoseconds.
pub(crate) const MS: u64 = 1_000_000;
/// One microsecond in nanoseconds.
pub(crate) const US: u64 = 1_000;

/// All parameters of a run.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    pub(crate) members: Vec<ReplicaId>,
    pub(crate) modes: Modes,
    pub(crate) timing: Timing,
    pub(crate) limits: Limits,
    pub(crate) network: NetworkShape,
    pub(crate) disk: DiskShape,
    pub(crate) process: ProcessShape,
    pub(crate) clients: ClientShape,
    pub(crate) sessions: SessionLimits,
    pub(crate) faults: FaultShape,
    /// How long the safety phase takes, in virtual time.
    pub(crate) safety_ns: u64,
}

/// How long the disk takes, and how the log uses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiskShape {
    pub(crate) log: LogOptions,
    pub(crate) sync_ns: Span,
    pub(crate) read_ns: Span,
    /// After so long without work the log is settled.
    pub(crate) quiet_ns: u64,
}

/// How a process behaves apart from the protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessShape {
    /// How long the state machine takes for a slot.
    pub(crate) apply_ns: Span,
    /// How late timers are noticed.
    pub(crate) timer_late_ns: Span,
    /// How much clocks may run fast or slow.
    pub(crate) drift_ppm_max: u64,
    /// Whether packets may reach a later start of the process they were sent to.
    pub(crate) late_packets: bool,
    /// How often a timer input comes that is not due.
    pub(crate) early_timer_ppm: u32,
}

/// What clients do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientShape {
    pub(crate) clients: usize,
    /// Between two requests of one client.
    pub(crate) interval_ns: Span,
    /// Commands in one request.
    pub(crate) commands_max: u64,
    /// Whether commands are about keys of the key-value store.
    pub(crate) keys: bool,
    /// How many reads take what a replica has executed, though it may be old.
    pub(crate) serializable_ppm: u32,
    pub(crate) read_ppm: u32,
    /// The same in the liveness phase; and what the network loses there.
    pub(crate) final_read_ppm: u32,
    pub(crate) final_loss_ppm: u32,
    /// How many commands start a timer.
    pub(crate) timer_ppm: u32,
    pub(crate) timer_ns: Span,
    /// How many requests go through a session, and how many of those are sent again.
    pub(crate) session_ppm: u32,
    pub(crate) retry_ppm: u32,
    /// How many answers each client needs in the liveness phase.
    pub(crate) final_requests: u64,
}

/// Which faults happen, and how often.
#[derive(Clone, Debug)]
pub(crate) struct FaultShape {
    /// Between two faults.
    pub(crate) interval_ns: Span,
    /// What may happen; the more often it is named, the more often it does.
    pub(crate) kinds: Vec<FaultKind>,
    /// How long a process stays down.
    pub(crate) down_ns: Span,
    /// How long a pause, a partition, a slow disk or a slow link lasts.
    pub(crate) trouble_ns: Span,
}

impl Swarm {
    /// Draws the parameters of a run.
    pub(crate) fn draw(random: &mut Random, options: &Options) -> Swarm {
        let replicas = options
            .replicas
            .unwrap_or_else(|| random.pick(&[1, 3, 3, 3, 3, 3, 5, 5]));
        let modes = draw_modes(random);
        let election_ns = random.within(Span::new(50, 400)) * MS;
        let mut id = 0;
        let members = (0..replicas)
            .map(|_| {
                id += random.within(Span::new(1, 3));
                ReplicaId(id)
            })
            .collect();
        Swarm {
            members,
            modes: options.modes.unwrap_or(modes),
            timing: draw_timing(random, election_ns),
            limits: draw_limits(random),
            network: draw_network(random, election_ns, options),
            disk: draw_disk(random, election_ns),
            process: draw_process(random, election_ns),
            clients: draw_clients(random, election_ns),
            sessions: SessionLimits {
                sessions_max: random.pick(&[2, 5, 1000]),
                idle_ns_max: random.within(Span::new(election_ns, 10 * election_ns)),
                ..SessionLimits::default()
            },
            faults: draw_faults(random, election_ns, options),
            safety_ns: election_ns * random.skewed(Span::new(6, 40)),
        }
    }

    /// The outline, in a line.
    pub(crate) fn setting(&self) -> String {
        let modes = self.modes;
        format!(
            "{} replicas, dissemination {:?}, propose {:?}, votes {:?}",
            self.members.len(),
            modes.dissemination,
            modes.propose,
            modes.votes
        )
    }

    /// What the replica `id` is told.
    pub(crate) fn config(&self, id: ReplicaId) -> Config {
        Config {
            id,
            members: self.members.clone(),
            modes: self.modes,
            timing: self.timing,
            limits: self.limits,
        }
    }

    /// The network and the disks of the liveness phase: little is lost, nothing is very slow.
    pub(crate) fn calm(&mut self) {
        let election_ns = self.timing.election_ns;
        self.network.loss_ppm = 0;
        // What is lost is sent again after two heartbeats at most, and its answer may be lost as well.
        let in_time = self.timing.heartbeat_ns < election_ns / 5;
        self.network.last_loss_ppm = if in_time {
            self.clients.final_loss_ppm
        } else {
            0
        };
        self.network.duplicate_ppm = 0;
        self.network.corrupt_ppm = 0;
        self.network.bandwidth = None;
        self.clients.read_ppm = self.clients.final_read_ppm;
        cap(&mut self.network.delay_ns, election_ns / 40);
        cap(&mut self.disk.sync_ns, election_ns / 20);
        cap(&mut self.disk.read_ns, election_ns / 20);
        cap(&mut self.process.apply_ns, election_ns / 40);
    }
}

fn cap(span: &mut Span, max: u64) {
    span.max = span.max.min(max);
    span.min = span.min.min(span.max);
}

fn draw_modes(random: &mut Random) -> Modes {
    let dissemination = if random.chance(300_000) {
        Dissemination::Leader
    } else {
        Dissemination::All
    };
    let propose = if random.chance(300_000) {
        Propose::Stable
    } else {
        Propose::Received
    };
    let votes = if random.chance(300_000) {
        Votes::Leader
    } else {
        Votes::All
    };
    Modes {
        dissemination,
        propose,
        votes,
    }
}

fn draw_timing(random: &mut Random, election_ns: u64) -> Timing {
    let fetch_ns_min = random.within(Span::new(MS / 2, 5 * MS));
    Timing {
        heartbeat_ns: election_ns / random.within(Span::new(3, 10)),
        election_ns,
        batch_sync_ns: random.within(Span::new(MS / 10, 10 * MS)),
        fetch_ns_min,
        fetch_ns_max: fetch_ns_min + random.within(Span::new(0, election_ns / 3)),
        read_retry_ns: random.within(Span::new(election_ns / 10, election_ns)),
    }
}

fn draw_limits(random: &mut Random) -> Limits {
    let command = COMMAND_BYTES as u64;
    let chunk_bytes = command * random.within(Span::new(1, 3));
    let batch_bytes = chunk_bytes * random.within(Span::new(1, 3));
    // With an origin for each command, as in dissemination mode `leader`.
    let batch_cost = batch_bytes + BATCH_HEAD_BYTES + 32 * (batch_bytes / command);
    let window = random.within(Span::new(1, 4));
    let lane_bytes = batch_cost * random.within(Span::new(1, 12));
    let reserve_bytes = batch_cost * random.within(Span::new(1, 8));
    Limits {
        members_max: 5,
        chunk_bytes_max: chunk_bytes as usize,
        batch_bytes_max: batch_bytes as usize,
        slot_bytes_max: batch_cost * random.within(Span::new(1, 8)),
        window_slots_max: window,
        lane_bytes_max: lane_bytes,
        reserve_bytes,
        send_window_batches: random.within(Span::new(1, 8)),
        cache_bytes_max: batch_cost * random.within(Span::new(0, 8)),
        cache_slots_max: random.within(Span::new(1, 8)) as usize,
        incarnations_max: random.pick(&[4, 8, 64]),
        held_bytes_max: lane_bytes + reserve_bytes + batch_cost * random.below(8),
        unsynced_bytes_max: lane_bytes + batch_cost * random.below(20),
        slots_ahead_max: 2 * window + random.below(20),
        fetch_bytes_max: batch_cost * random.within(Span::new(1, 4)),
        message_slots_max: random.within(Span::new(window, window + 4)) as usize,
        apply_bytes_max: batch_cost * random.within(Span::new(1, 8)),
        apply_slots_max: random.within(Span::new(1, 6)),
        reads_max: 1 << 10,
        round_step_max: 1 << 10,
        forwarded_max: random.within(Span::new(1, 16)) as usize,
    }
}

fn draw_network(random: &mut Random, election_ns: u64, options: &Options) -> NetworkShape {
    let without = |kind| options.without.contains(&kind);
    let slow = random.chance(200_000);
    let delay_max = if slow {
        election_ns / 2
    } else {
        election_ns / 20
    };
    let loss = random.pick(&[0, 0, 1_000, 10_000, 50_000, 200_000]);
    let duplicate = random.pick(&[0, 0, 10_000, 100_000, 300_000]);
    let reorder = random.coin();
    let encoded = random.chance(300_000);
    let corrupt = random.pick(&[0, 0, 1_000, 20_000]);
    let narrow = random.pick(&[None, None, Some(100_000), Some(1_000_000)]);
    NetworkShape {
        delay_ns: draw_span(random, 10 * US, delay_max),
        loss_ppm: if without(FaultKind::Loss) { 0 } else { loss },
        last_loss_ppm: 0,
        duplicate_ppm: if without(FaultKind::Duplicate) {
            0
        } else {
            duplicate
        },
        reorder: reorder && !without(FaultKind::Reorder),
        encoded,
        corrupt_ppm: if encoded && !without(FaultKind::Corrupt) {
            corrupt
        } else {
            0
        },
        bandwidth: narrow.filter(|_| encoded && !without(FaultKind::Narrow)),
        queue_ns_max: election_ns,
    }
}

fn draw_disk(random: &mut Random, election_ns: u64) -> DiskShape {
    let slow = random.chance(200_000);
    let sync_max = if slow {
        election_ns / 2
    } else {
        election_ns / 10
    };
    DiskShape {
        log: draw_log(random),
        sync_ns: draw_span(random, 10 * US, sync_max),
        read_ns: draw_span(random, 10 * US, election_ns / 10),
        quiet_ns: random.within(Span::new(MS, 100 * MS)),
    }
}

/// Segments that are soon full, an index that soon forgets, and queries that soon end.
fn draw_log(random: &mut Random) -> LogOptions {
    LogOptions {
        segment_bytes: random.pick(&[32 << 10, 64 << 10]),
        record_bytes_max: 16 << 10,
        pending_bytes_max: random.pick(&[256, 4 << 10, 1 << 20]),
        prepare_bytes_max: 16 << 10,
        ahead_bytes_max: random.pick(&[0, 32 << 10]),
        spares_max: random.pick(&[0, 1, 2]),
        read_bytes: random.pick(&[4 << 10, 64 << 10]),
        stretch_bytes: random.pick(&[4 << 10, 32 << 10]),
        stretches_max: random.pick(&[1 << 10, 1 << 14]),
        query_read_bytes_max: random.pick(&[8 << 10, 1 << 20]),
        query_slots_max: random.pick(&[1, 4, 1024]),
        ..LogOptions::default()
    }
}

fn draw_process(random: &mut Random, election_ns: u64) -> ProcessShape {
    ProcessShape {
        apply_ns: draw_span(random, US, election_ns / 20),
        timer_late_ns: draw_span(random, 0, election_ns / 20),
        drift_ppm_max: random.pick(&[0, 100, 50_000]),
        late_packets: random.coin(),
        early_timer_ppm: random.pick(&[0, 0, 50_000]),
    }
}

fn draw_clients(random: &mut Random, election_ns: u64) -> ClientShape {
    ClientShape {
        clients: random.within(Span::new(1, 6)) as usize,
        interval_ns: draw_span(random, election_ns / 50, 2 * election_ns),
        commands_max: random.within(Span::new(1, 3)),
        keys: random.coin(),
        serializable_ppm: random.pick(&[0, 300_000]),
        read_ppm: random.pick(&[0, 100_000, 400_000]),
        final_read_ppm: random.pick(&[0, 100_000, 400_000, 1_000_000]),
        final_loss_ppm: random.pick(&[0, 0, 300_000]),
        timer_ppm: random.pick(&[0, 0, 50_000]),
        timer_ns: Span::new(MS, 2 * election_ns),
        session_ppm: random.pick(&[0, 0, 500_000, 1_000_000]),
        retry_ppm: random.pick(&[100_000, 500_000]),
        final_requests: random.within(Span::new(1, 10)),
    }
}

fn draw_faults(random: &mut Random, election_ns: u64, options: &Options) -> FaultShape {
    let mut kinds = Vec::new();
    for kind in FaultKind::SCHEDULED {
        let weight = match kind {
            FaultKind::Twin => random.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            FaultKind::BitRot | FaultKind::MisplacedBlock => random.pick(&[0, 0, 0, 0, 1]),
            _ => random.pick(&[0, 0, 1, 1, 3]),
        };
        if !options.without.contains(kind) {
            kinds.extend(std::iter::repeat_n(*kind, weight));
        }
    }
    FaultShape {
        interval_ns: draw_span(random, election_ns / 10, 4 * election_ns),
        kinds,
        down_ns: Span::new(0, election_ns * random.within(Span::new(1, 10))),
        trouble_ns: Span::new(
            election_ns / 10,
            election_ns * random.within(Span::new(1, 8)),
        ),
    }
}

/// A span that starts near `min` and ends anywhere up to `max`.
fn draw_span(random: &mut Random, min: u64, max: u64) -> Span {
    let end = random.skewed(Span::new(min, max.max(min)));
    Span::new(random.within(Span::new(min, min + (end - min) / 4)), end)
}
