//! Which fault comes next, and whom it hits. Deciding is done here; the world carries it out.

use crate::FaultKind;
use crate::network::CutKind;
use crate::random::{Random, Span};
use crate::store::Damage;
use crate::swarm::FaultShape;

/// A fault with all its particulars.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Processes die, with or without the memory of their operating system.
    Crash { replicas: Vec<usize>, power: bool },
    /// A process dies after so many more effects, inside a step.
    CrashInStep { replica: usize, effects: u64 },
    /// A process stands still for a while, then gets everything at once.
    Pause { replica: usize, for_ns: u64 },
    /// A process' clock runs ahead all at once.
    ClockJump { replica: usize, by_ns: u64 },
    /// Links are cut for a while.
    Partition {
        cut: Vec<(usize, usize)>,
        kind: CutKind,
        for_ns: u64,
    },
    /// Something befalls a disk.
    Disk { replica: usize, fault: DiskFault },
    /// A twin of `lane` sends a batch to `at`.
    Forge { lane: usize, at: usize },
    /// A link takes longer for a while.
    SlowLink {
        from: usize,
        to: usize,
        by_ns: u64,
        for_ns: u64,
    },
}

/// What befalls a disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DiskFault {
    /// Syncs take longer for a while.
    Slow { by_ns: u64, for_ns: u64 },
    /// It has room for this much more for a while.
    Full { room_bytes: u64, for_ns: u64 },
    /// One of the next writes, syncs or changes of names fails.
    WriteError,
    /// One of the next reads fails.
    ReadError,
    /// A place goes bad.
    Damage(Damage),
    /// It is put back to what it was before the present life.
    Restore,
}

/// Draws the next fault, often one that hits the leader; `None` if there is none to draw.
pub(crate) fn draw(
    random: &mut Random,
    shape: &FaultShape,
    replicas: usize,
    leader: Option<usize>,
) -> Option<Fault> {
    if shape.kinds.is_empty() {
        return None;
    }
    let kind = random.pick(&shape.kinds);
    let anyone = random.index(replicas);
    let replica = leader.filter(|_| random.coin()).unwrap_or(anyone);
    let for_ns = random.skewed(shape.trouble_ns);
    let fault = match kind {
        FaultKind::Crash => Fault::Crash {
            replicas: vec![replica],
            power: random.coin(),
        },
        FaultKind::PowerCut => Fault::Crash {
            replicas: (0..replicas).filter(|_| random.chance(800_000)).collect(),
            power: true,
        },
        FaultKind::CrashInStep => Fault::CrashInStep {
            replica,
            effects: random.below(12),
        },
        FaultKind::Pause => Fault::Pause { replica, for_ns },
        FaultKind::ClockJump => Fault::ClockJump {
            replica,
            by_ns: random.skewed(Span::new(0, 100 * shape.trouble_ns.max)),
        },
        FaultKind::Isolate | FaultKind::Split | FaultKind::OneWay | FaultKind::Partial => {
            let cut = draw_cut(random, kind, replicas, replica);
            let kind = if random.coin() {
                CutKind::Drop
            } else {
                CutKind::Hold
            };
            Fault::Partition { cut, kind, for_ns }
        }
        FaultKind::SlowLink => Fault::SlowLink {
            from: replica,
            to: random.index(replicas),
            by_ns: random.within(Span::new(0, shape.trouble_ns.max / 4)),
            for_ns,
        },
        FaultKind::Twin => Fault::Forge {
            lane: replica,
            at: random.index(replicas),
        },
        _ => Fault::Disk {
            replica,
            fault: draw_disk_fault(random, kind, shape, for_ns)?,
        },
    };
    Some(fault)
}

/// What befalls a disk; `None` if `kind` is about something else.
fn draw_disk_fault(
    random: &mut Random,
    kind: FaultKind,
    shape: &FaultShape,
    for_ns: u64,
) -> Option<DiskFault> {
    Some(match kind {
        FaultKind::SlowDisk => DiskFault::Slow {
            by_ns: random.within(shape.trouble_ns) / 4,
            for_ns,
        },
        FaultKind::FullDisk => DiskFault::Full {
            room_bytes: random.below(1 << 18),
            for_ns,
        },
        FaultKind::WriteError => DiskFault::WriteError,
        FaultKind::ReadError => DiskFault::ReadError,
        FaultKind::BitRot => DiskFault::Damage(Damage::Flip),
        FaultKind::MisplacedBlock => {
            DiskFault::Damage(random.pick(&[Damage::Misdirected, Damage::Stale]))
        }
        FaultKind::Restore => DiskFault::Restore,
        _ => return None,
    })
}

/// The links that a partition cuts; `alone` is who is cut off where one is.
fn draw_cut(
    random: &mut Random,
    kind: FaultKind,
    replicas: usize,
    alone: usize,
) -> Vec<(usize, usize)> {
    let sides: Vec<bool> = match kind {
        FaultKind::Split => (0..replicas).map(|_| random.coin()).collect(),
        _ => (0..replicas).map(|at| at == alone).collect(),
    };
    // One way: one side is not heard by the other.
    let direction = random.coin();
    let mut cut = Vec::new();
    for (from, to) in pairs(replicas) {
        let is_cut = match kind {
            FaultKind::OneWay => sides[from] != sides[to] && sides[from] == direction,
            FaultKind::Partial => random.chance(300_000),
            _ => sides[from] != sides[to],
        };
        if is_cut {
            cut.push((from, to));
        }
    }
    cut
}

/// All ordered pairs of different replicas.
pub(crate) fn pairs(replicas: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..replicas * replicas)
        .map(move |at| (at / replicas, at % replicas))
        .filter(|(from, to)| from != to)
}
