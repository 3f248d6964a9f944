//! Small logs to play with: options that make everything happen early, records, and traces of calls.

use std::sync::Arc;

use bytes::Bytes;
use spaxos_core::batch::Batch;
use spaxos_core::cut::{Cut, CutEntry, Order, Value};
use spaxos_core::record::{Life, Record};
use spaxos_core::types::{Ballot, Incarnation, LogTime, Lsn, Position, ReplicaId, Slot};
use spaxos_storage::{
    DirectoryOptions, Durability, Identity, Log, LogError, LogOptions, MemoryDisk, OpenError,
    ReadError, open_directory,
};

/// Segments of eight blocks.
pub(crate) fn options() -> LogOptions {
    LogOptions {
        segment_bytes: 32 << 10,
        record_bytes_max: 8 << 10,
        pending_bytes_max: 6 << 10,
        prepare_bytes_max: 8 << 10,
        read_bytes: 8 << 10,
        stretch_bytes: 2 << 10,
        ..LogOptions::default()
    }
}

pub(crate) fn identity(disk: &MemoryDisk) -> Identity {
    let options = DirectoryOptions {
        cluster_id: 7,
        member_id: ReplicaId(1),
        fresh_disk_id: 0xd15c,
        durability: Durability::Fsync,
        boot_id: Some("boot"),
    };
    open_directory(disk, &options).expect("the directory is this member's")
}

/// Why a log could not be read from its beginning to its end.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Open(OpenError),
    Replay(ReadError),
}

/// Opens and replays; the records that are there.
pub(crate) fn open_with(
    disk: &MemoryDisk,
    options: LogOptions,
) -> Result<(Log, Vec<Record>), Unreadable> {
    let identity = identity(disk);
    let (log, replay) =
        Log::open(Arc::new(disk.clone()), &identity, options).map_err(Unreadable::Open)?;
    let records = replay.collect::<Result<_, _>>();
    Ok((log, records.map_err(Unreadable::Replay)?))
}

pub(crate) fn open(disk: &MemoryDisk) -> Result<(Log, Vec<Record>), Unreadable> {
    open_with(disk, options())
}

pub(crate) fn life(incarnation: u64) -> Record {
    Record::Incarnation(Life {
        incarnation: Incarnation(incarnation),
        nonce: incarnation * 1000,
    })
}

pub(crate) fn ballot(round: u64) -> Ballot {
    Ballot {
        configuration: 1,
        round,
        replica: ReplicaId(1),
    }
}

/// A batch whose payload is `bytes` long and unlike any other.
pub(crate) fn batch(lane: u64, sequence: u64, bytes: usize) -> Record {
    let payload: Vec<u8> = (0..bytes)
        .map(|at| (at as u64 * 31 + lane * 7 + sequence * 13) as u8)
        .collect();
    let position = Position::new(1, sequence);
    Record::Batch(Arc::new(Batch::new(
        ReplicaId(lane),
        position,
        sequence,
        1,
        Bytes::from(payload),
        Vec::new(),
    )))
}

/// A value that says which ballot proposed it.
pub(crate) fn value(slot: u64, round: u64) -> Value {
    let entry = CutEntry {
        position: Position::new(1, slot),
        digest: slot * 100 + round,
    };
    let cut = Cut::new(vec![(ReplicaId(1), entry)]).expect("one lane");
    Value {
        log_time: LogTime(slot * 1000 + round),
        order: Order::Cut { cut, stable: false },
    }
}

pub(crate) fn vote(slot: u64, round: u64, decided: u64) -> Record {
    Record::Vote {
        ballot: ballot(round),
        slot: Slot(slot),
        value: value(slot, round),
        decided: Slot(decided),
    }
}

/// One call to a log.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Append(Record),
    Commit,
    Write,
    Prepare,
    Settle,
    /// Gives up all but the last two segments.
    Trim,
}

/// A log being written to, and what is known of it.
pub(crate) struct Run {
    pub(crate) log: Log,
    /// Everything appended in this run.
    pub(crate) appended: Vec<Record>,
    /// How many of them a commit has reported.
    pub(crate) committed: usize,
}

impl Run {
    pub(crate) fn new(log: Log) -> Run {
        Run {
            log,
            appended: Vec::new(),
            committed: 0,
        }
    }

    pub(crate) fn call(&mut self, call: &Call) -> Result<(), LogError> {
        match call {
            Call::Append(record) => {
                self.appended.push(record.clone());
                let lsn = Lsn(self.appended.len() as u64);
                self.log.append(lsn, record)?;
            }
            Call::Commit => self.committed = self.log.commit()?.0 as usize,
            Call::Write => self.committed = self.log.write()?.0 as usize,
            Call::Prepare => {
                self.log.prepare()?;
            }
            Call::Settle => self.committed = self.log.settle()?.0 as usize,
            Call::Trim => self.log.trim(self.log.status().segment_numbers.1 - 1)?,
        }
        Ok(())
    }

    pub(crate) fn calls(&mut self, calls: &[Call]) -> Result<(), LogError> {
        calls.iter().try_for_each(|call| self.call(call))
    }
}

/// Segments of five blocks, for tests that go through every byte.
pub(crate) fn tiny() -> LogOptions {
    LogOptions {
        segment_bytes: 20 << 10,
        record_bytes_max: 2 << 10,
        read_bytes: 4 << 10,
        ..options()
    }
}

/// Groups of several shapes, through three of the tiny segments, without much in them.
pub(crate) fn tiny_calls() -> Vec<Call> {
    use Call::{Append, Commit, Write};
    let mut calls = vec![Append(life(1)), Commit];
    for turn in 1..=4 {
        calls.extend([
            Append(batch(1, turn, 300)),
            Append(vote(turn, 1, turn - 1)),
            Commit,
            Append(batch(2, turn, 40)),
            Write,
            Append(Record::Decided { slot: Slot(turn) }),
            Commit,
        ]);
    }
    calls.extend([
        Append(Record::Promise { ballot: ballot(2) }),
        Append(batch(1, 5, 100)),
        Append(batch(1, 6, 100)),
        Commit,
    ]);
    calls
}

/// Groups of several shapes, through three segments, with every kind of call but a trim in between.
pub(crate) fn calls() -> Vec<Call> {
    use Call::{Append, Commit, Prepare, Settle, Write};
    let mut calls = vec![
        Append(life(1)),
        Commit,
        Append(Record::Promise { ballot: ballot(1) }),
        Append(batch(1, 1, 100)),
        Append(batch(2, 1, 5000)),
        Commit,
        Append(Record::Adoption {
            ballot: ballot(1),
            first: Slot(1),
            values: vec![value(1, 1), value(2, 1)],
        }),
        Write,
        Append(vote(3, 1, 1)),
        Commit,
        Prepare,
    ];
    for turn in 0..4 {
        calls.extend([
            Append(batch(1, turn + 2, 3000)),
            Append(vote(turn + 4, 1, turn + 2)),
            Commit,
            Append(batch(2, turn + 2, 7000)),
            Prepare,
            Commit,
        ]);
    }
    calls.extend([
        Append(Record::Decided { slot: Slot(7) }),
        Settle,
        Prepare,
        Append(batch(1, 6, 4000)),
        Append(batch(1, 7, 4000)),
        Append(batch(1, 8, 4000)),
        Commit,
    ]);
    calls
}

/// The records that `calls` append.
pub(crate) fn appended(calls: &[Call]) -> Vec<Record> {
    let records = calls.iter().filter_map(|call| match call {
        Call::Append(record) => Some(record.clone()),
        _ => None,
    });
    records.collect()
}

/// Runs `calls` on an empty disk to their end.
pub(crate) fn written(calls: &[Call]) -> MemoryDisk {
    written_with(calls, options())
}

pub(crate) fn written_with(calls: &[Call], options: LogOptions) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut run = Run::new(open_with(&disk, options).expect("an empty log").0);
    run.calls(calls).expect("nothing fails");
    disk
}
