//! Recovery of a log whose files say anything: what is found was appended, or an error says what is
//! wrong. No panic, and no read longer than a file.
//!
//! The first byte chooses a sound log; the rest edits its files. Some edits also put checksums right
//! again, so that what lies behind them is reached: of such a log nothing is known but that a start
//! ends with an answer.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use spaxos_core::batch::Batch;
use spaxos_core::cut::{Cut, CutEntry, Order, Value};
use spaxos_core::record::{Life, Record};
use spaxos_core::types::{Ballot, Incarnation, LogTime, Lsn, Position, ReplicaId, Slot};
use spaxos_storage::{DirectoryOptions, Durability, Log, LogOptions, MemoryDisk, open_directory};

use crate::draw::Draw;
use crate::edit::{self, Trust};
use crate::served::ServedDisk;

/// More edits than this add nothing.
const EDITS_MAX: usize = 12;

/// Segments of five blocks: every place of interest is near.
pub(crate) const OPTIONS: LogOptions = LogOptions {
    durability: Durability::Fsync,
    segment_bytes: 20 << 10,
    record_bytes_max: 2 << 10,
    pending_bytes_max: 6 << 10,
    prepare_bytes_max: 8 << 10,
    ahead_bytes_max: 16 << 10,
    spares_max: 2,
    read_bytes: 4 << 10,
    stretch_bytes: 2 << 10,
    stretches_max: 1 << 14,
    lanes_max: 1 << 16,
    query_read_bytes_max: 64 << 20,
    query_slots_max: 1024,
    memory_bytes_max: 64 << 20,
};

/// A sound log.
struct Sound {
    disk: MemoryDisk,
    /// Every record that was ever appended, those that were trimmed included.
    appended: Vec<Record>,
    /// How many of them no single changed byte may take away.
    certain: usize,
}

/// Edits the files of a log and starts from what is left.
pub fn run(data: &[u8]) {
    static LOGS: OnceLock<Vec<Sound>> = OnceLock::new();
    let mut draw = Draw::new(data);
    let logs = LOGS.get_or_init(sound_logs);
    let log = &logs[draw.below(logs.len())];
    let disk = log.disk.fork();
    let mut trust = Trust::Untouched;
    for _ in 0..EDITS_MAX {
        if draw.is_empty() {
            break;
        }
        trust = trust.after(edit::edit(&disk, &mut draw));
    }
    let Some((mut log_found, found)) = open(&disk) else {
        assert_ne!(trust, Trust::Untouched, "a sound log does not open");
        return;
    };
    if trust != Trust::Forged {
        let is_run = log.appended.windows(found.len().max(1)).any(|w| w == found);
        assert!(found.is_empty() || is_run, "found what nobody appended");
    }
    if trust <= Trust::OneByte {
        let end = log.appended.len();
        let from = (log.certain..=end).find(|&to| log.appended[..to].ends_with(&found));
        assert!(from.is_some(), "records are missing");
        let has_lost_all = found.is_empty() && log.certain > 0;
        assert!(!has_lost_all, "all records are missing");
    }
    // What a start has made of it stays, and the log goes on.
    let goes_on = log_found
        .append(Lsn(1), &vote(99))
        .and_then(|()| log_found.commit());
    drop(log_found);
    let again = open(&disk);
    if trust != Trust::Forged {
        goes_on.expect("a log that was opened takes records");
        let (_, again) = again.expect("a log that was opened opens again");
        assert_eq!(again.len(), found.len() + 1);
        assert_eq!(again[..found.len()], found);
        assert_eq!(again[found.len()], vote(99));
    }
}

/// Opens and replays. `None` is an error of any kind.
fn open(disk: &MemoryDisk) -> Option<(Log, Vec<Record>)> {
    let served = ServedDisk::new(disk.clone());
    let options = DirectoryOptions {
        cluster_id: 7,
        member_id: ReplicaId(1),
        fresh_disk_id: 0xd15c,
        durability: Durability::Fsync,
        boot_id: Some("boot"),
    };
    let identity = open_directory(&served, &options).ok()?;
    let (log, replay) = Log::open(Arc::new(served), &identity, OPTIONS).ok()?;
    let records = replay.collect::<Result<Vec<_>, _>>().ok()?;
    Some((log, records))
}

fn sound_logs() -> Vec<Sound> {
    let shapes: [fn(&mut Writer); 4] = [|_| {}, short, settled, trimmed];
    shapes.map(Writer::sound).into()
}

/// A log being written.
struct Writer {
    log: Log,
    appended: Vec<Record>,
    certain: usize,
}

impl Writer {
    fn sound(shape: fn(&mut Writer)) -> Sound {
        let disk = MemoryDisk::new();
        let (log, _) = open(&disk).expect("an empty disk");
        let mut writer = Writer {
            log,
            appended: Vec::new(),
            certain: 0,
        };
        shape(&mut writer);
        Sound {
            disk,
            appended: writer.appended,
            certain: writer.certain,
        }
    }

    fn append(&mut self, record: Record) {
        self.appended.push(record);
        let lsn = Lsn(self.appended.len() as u64);
        let record = self.appended.last().expect("just pushed");
        self.log.append(lsn, record).expect("nothing fails");
    }

    /// What was appended before this group is certain from now on.
    fn commit(&mut self, group: &[Record]) {
        self.certain = self.appended.len();
        group.iter().for_each(|record| self.append(record.clone()));
        self.log.commit().expect("nothing fails");
    }
}

/// One segment, two groups.
fn short(writer: &mut Writer) {
    writer.commit(&[Record::Incarnation(life(1))]);
    writer.commit(&[batch(1, 1, 30), vote(1)]);
}

/// Groups of several shapes through some segments, with nothing left in doubt.
fn settled(writer: &mut Writer) {
    writer.commit(&[Record::Incarnation(life(1))]);
    for turn in 1..=6 {
        writer.commit(&[batch(1, turn, 900), vote(turn)]);
        writer.log.prepare().expect("nothing fails");
        writer.commit(&[batch(2, turn, 1700), Record::Decided { slot: Slot(turn) }]);
    }
    writer.commit(&[Record::Promise { ballot: ballot(2) }]);
    writer.log.settle().expect("nothing fails");
    writer.certain = writer.appended.len();
}

/// A log that has lost its beginning, with files that are used again.
fn trimmed(writer: &mut Writer) {
    writer.commit(&[Record::Incarnation(life(1))]);
    for turn in 1..=16 {
        writer.commit(&[batch(1, turn, 1900), vote(turn), batch(2, turn, 1500)]);
        writer.log.prepare().expect("nothing fails");
        if turn % 5 == 0 {
            let last = writer.log.status().segment_numbers.1;
            writer.log.trim(last - 1).expect("nothing fails");
        }
    }
    writer.commit(&[Record::Greeting {
        member: ReplicaId(2),
        life: life(3),
    }]);
}

fn life(incarnation: u64) -> Life {
    Life {
        incarnation: Incarnation(incarnation),
        nonce: incarnation * 1000,
    }
}

fn ballot(round: u64) -> Ballot {
    Ballot {
        configuration: 1,
        round,
        replica: ReplicaId(1),
    }
}

fn batch(lane: u64, sequence: u64, bytes: usize) -> Record {
    let seed = (lane * 7 + sequence * 13).to_le_bytes()[0];
    let payload: Vec<u8> = (0..bytes)
        .map(|at| (at * 31).to_le_bytes()[0].wrapping_add(seed))
        .collect();
    Record::Batch(Arc::new(Batch::new(
        ReplicaId(lane),
        Position::new(1, sequence),
        sequence,
        1,
        Bytes::from(payload),
        Vec::new(),
    )))
}

fn vote(slot: u64) -> Record {
    let entry = CutEntry {
        position: Position::new(1, slot),
        digest: slot * 100,
    };
    let cut = Cut::new(vec![(ReplicaId(1), entry)]).expect("one lane");
    Record::Vote {
        ballot: ballot(1),
        slot: Slot(slot),
        value: Value {
            log_time: LogTime(slot * 1000),
            order: Order::Cut { cut, stable: false },
        },
        decided: Slot(slot - 1),
    }
}
