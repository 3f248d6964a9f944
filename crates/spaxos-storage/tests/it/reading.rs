//! Reading back for peers that lag.

use std::sync::Arc;

use spaxos_core::batch::Batch;
use spaxos_core::cut::Value;
use spaxos_core::effect::{LogFound, LogQuery};
use spaxos_core::record::Record;
use spaxos_core::types::{Lsn, Position, ReplicaId, Sequence, Slot};
use spaxos_storage::{Durability, Log, LogOptions, LogReader, MemoryDisk, ReadError};

use crate::trace::{Call, Run, ballot, batch, life, open, open_with, options, value, vote};

fn batches(reader: &LogReader, lane: u64, from: u64, to: u64) -> Vec<Arc<Batch>> {
    batches_up_to(reader, lane, from, to, u64::MAX)
}

fn batches_up_to(
    reader: &LogReader,
    lane: u64,
    from: u64,
    to: u64,
    bytes_max: u64,
) -> Vec<Arc<Batch>> {
    let found = reader.read(&LogQuery::Batches {
        lane: ReplicaId(lane),
        from: Position::new(1, from),
        to: Sequence(to),
        bytes_max,
    });
    match found.expect("readable") {
        LogFound::Batches(batches) => batches,
        LogFound::Slots { .. } => panic!("asked for batches"),
    }
}

fn slots(reader: &LogReader, from: u64, to: u64) -> Vec<Value> {
    let found = reader.read(&LogQuery::Slots {
        from: Slot(from),
        to: Slot(to),
    });
    match found.expect("readable") {
        LogFound::Slots { first, values } => {
            assert_eq!(first, Slot(from));
            values
        }
        LogFound::Batches(_) => panic!("asked for slots"),
    }
}

fn the_batch(record: &Record) -> Arc<Batch> {
    match record {
        Record::Batch(batch) => Arc::clone(batch),
        _ => panic!("a batch"),
    }
}

/// Three lanes of unlike pace over many segments.
fn mixed(run: &mut Run) {
    for turn in 1..=60_u64 {
        run.call(&Call::Append(batch(1, turn, 2000)))
            .expect("appends");
        if turn % 10 == 0 {
            run.call(&Call::Append(batch(2, turn / 10, 50)))
                .expect("appends");
        }
        run.call(&Call::Append(vote(turn, 1, turn - 1)))
            .expect("appends");
        run.call(&Call::Commit).expect("commits");
        if turn == 30 {
            run.call(&Call::Append(batch(3, 1, 10))).expect("appends");
        }
    }
}

fn check_mixed(reader: &LogReader) {
    for from in [1, 2, 17, 59, 60] {
        let found = batches(reader, 1, from, 1000);
        let expected: Vec<_> = (from..=60).map(|n| the_batch(&batch(1, n, 2000))).collect();
        assert_eq!(found, expected);
    }
    assert_eq!(batches(reader, 1, 5, 7).len(), 3);
    assert_eq!(
        batches(reader, 2, 3, 5),
        [3, 4, 5].map(|n| the_batch(&batch(2, n, 50)))
    );
    assert_eq!(batches(reader, 3, 1, 1).len(), 1);
    assert!(batches(reader, 1, 61, 70).is_empty());
    assert!(batches(reader, 4, 1, 1).is_empty());
    assert_eq!(batches_up_to(reader, 1, 10, 60, 1).len(), 1, "one at least");
    assert_eq!(batches_up_to(reader, 1, 10, 60, 5000).len(), 3);

    let found = slots(reader, 1, 59);
    assert_eq!(found, (1..=59).map(|n| value(n, 1)).collect::<Vec<_>>());
    assert_eq!(slots(reader, 40, 42).len(), 3);
    assert!(slots(reader, 60, 60).is_empty(), "not decided");
}

#[test]
fn everything_committed_is_found_again() {
    let disk = MemoryDisk::new();
    let mut run = Run::new(open(&disk).expect("an empty log").0);
    mixed(&mut run);
    check_mixed(&run.log.reader());
    // And after a restart, from the index that the replay builds.
    disk.crash(0);
    let (log, _) = open(&disk).expect("recovers");
    check_mixed(&log.reader());
}

#[test]
fn a_coarse_index_finds_the_same() {
    let coarse = LogOptions {
        stretches_max: 24,
        ..options()
    };
    let disk = MemoryDisk::new();
    let mut run = Run::new(open_with(&disk, coarse).expect("an empty log").0);
    mixed(&mut run);
    check_mixed(&run.log.reader());
}

#[test]
fn the_log_in_memory_answers_the_same() {
    let mut run = Run::new(Log::memory(options()));
    mixed(&mut run);
    check_mixed(&run.log.reader());
}

#[test]
fn the_log_in_memory_forgets_the_oldest() {
    let small = LogOptions {
        memory_bytes_max: 20_000,
        ..options()
    };
    let mut run = Run::new(Log::memory(small));
    mixed(&mut run);
    let reader = run.log.reader();
    assert!(batches(&reader, 1, 40, 60).is_empty());
    assert_eq!(batches(&reader, 1, 58, 60).len(), 3);
    assert_eq!(slots(&reader, 58, 59).len(), 2);
    assert!(run.log.status().used_bytes <= 20_000);
    assert_eq!(
        run.log.commit().expect("nothing fails"),
        Lsn(run.appended.len() as u64)
    );
}

#[test]
fn what_is_not_committed_is_not_shown() {
    let disk = MemoryDisk::new();
    let mut run = Run::new(open(&disk).expect("an empty log").0);
    let reader = run.log.reader();
    run.calls(&[
        Call::Append(vote(1, 1, 0)),
        Call::Append(batch(1, 1, 10)),
        Call::Commit,
    ])
    .expect("commits");
    // Ballot 2 replaces slot 1, and that is what is decided.
    let adoption = Record::Adoption {
        ballot: ballot(2),
        first: Slot(1),
        values: vec![value(1, 2)],
    };
    run.calls(&[
        Call::Append(adoption),
        Call::Append(Record::Decided { slot: Slot(1) }),
        Call::Append(batch(1, 2, 10)),
        Call::Write,
    ])
    .expect("writes");
    assert!(
        slots(&reader, 1, 1).is_empty(),
        "the old value is not the decided one"
    );
    assert_eq!(batches(&reader, 1, 1, 9).len(), 1);
    run.call(&Call::Commit).expect("commits");
    assert_eq!(slots(&reader, 1, 1), [value(1, 2)]);
    assert_eq!(batches(&reader, 1, 1, 9).len(), 2);
}

#[test]
fn the_last_value_of_a_decided_slot_counts() {
    let disk = MemoryDisk::new();
    let mut run = Run::new(open(&disk).expect("an empty log").0);
    let filler = |n| Call::Append(batch(1, n, 5000));
    run.calls(&[
        Call::Append(vote(1, 1, 0)),
        Call::Append(vote(2, 1, 1)),
        Call::Append(vote(3, 1, 1)),
        filler(1),
        Call::Commit,
        Call::Append(Record::Adoption {
            ballot: ballot(2),
            first: Slot(2),
            values: vec![value(2, 2)],
        }),
        filler(2),
        Call::Commit,
        Call::Append(Record::DecidedSlot {
            slot: Slot(3),
            value: value(3, 3),
        }),
        filler(3),
        Call::Commit,
    ])
    .expect("commits");
    for _ in 0..2 {
        let reader = run.log.reader();
        assert_eq!(
            slots(&reader, 1, 9),
            [value(1, 1), value(2, 2), value(3, 3)]
        );
        disk.crash(0);
        run = Run::new(open(&disk).expect("recovers").0);
    }
}

#[test]
fn what_lies_in_front_of_an_adoption_is_decided() {
    let adoption = |slot, values| {
        Call::Append(Record::Adoption {
            ballot: ballot(2),
            first: Slot(slot),
            values,
        })
    };
    let disk = MemoryDisk::new();
    let mut run = Run::new(open(&disk).expect("an empty log").0);
    let mut memory = Run::new(Log::memory(options()));
    for run in [&mut run, &mut memory] {
        run.calls(&[
            Call::Append(vote(1, 1, 0)),
            Call::Append(vote(2, 1, 0)),
            adoption(2, vec![value(2, 2)]),
            Call::Commit,
        ])
        .expect("commits");
        assert_eq!(slots(&run.log.reader(), 1, 9), [value(1, 1)]);
        run.calls(&[adoption(3, Vec::new()), Call::Commit])
            .expect("commits");
        let both = [value(1, 1), value(2, 2)];
        assert_eq!(slots(&run.log.reader(), 1, 9), both);
    }
    disk.crash(0);
    let (log, _) = open(&disk).expect("recovers");
    assert_eq!(slots(&log.reader(), 1, 9), [value(1, 1), value(2, 2)]);
}

#[test]
fn the_first_content_of_a_position_counts() {
    let disk = MemoryDisk::new();
    let mut run = Run::new(open(&disk).expect("an empty log").0);
    run.calls(&[
        Call::Append(batch(1, 1, 10)),
        Call::Append(batch(1, 2, 20)),
        Call::Append(batch(1, 1, 30)),
        Call::Append(batch(1, 3, 10)),
        Call::Commit,
    ])
    .expect("commits");
    let found = batches(&run.log.reader(), 1, 1, 3);
    let sizes: Vec<_> = found.iter().map(|batch| batch.payload.len()).collect();
    assert_eq!(sizes, [10, 20, 10]);
}

#[test]
fn what_was_trimmed_is_not_found_and_no_error() {
    let disk = MemoryDisk::new();
    let mut run = Run::new(open(&disk).expect("an empty log").0);
    run.call(&Call::Append(life(1))).expect("appends");
    mixed(&mut run);
    let reader = run.log.reader();
    run.call(&Call::Trim).expect("trims");
    assert!(batches(&reader, 1, 1, 60).is_empty());
    assert!(slots(&reader, 1, 60).is_empty());
    assert_eq!(batches(&reader, 1, 58, 60).len(), 3);
    let status = run.log.status();
    assert_eq!(status.segments, 2, "{status:?}");

    // The life is gone from the records, not from the log.
    disk.crash(1);
    let identity = crate::trace::identity(&disk);
    let (log, replay) = Log::open(Arc::new(disk), &identity, options()).expect("opens");
    let head = replay.head();
    assert_eq!(Record::Incarnation(head.life), life(1));
    assert_eq!(head.adopted, ballot(1));
    assert!(replay.count() > 0);
    assert_eq!(batches(&log.reader(), 1, 58, 60).len(), 3);
}

#[test]
fn a_moved_segment_begins_with_what_was_known_before_it() {
    let disk = MemoryDisk::new();
    let mut run = Run::new(open(&disk).expect("an empty log").0);
    run.call(&Call::Append(life(1))).expect("appends");
    mixed(&mut run);
    let promise = Record::Promise { ballot: ballot(5) };
    run.calls(&[Call::Append(promise.clone()), Call::Commit])
        .expect("commits");
    disk.crash(0);
    let (mut log, _) = open(&disk).expect("recovers");
    log.trim(u32::MAX).expect("trims");
    assert_eq!(log.status().segments, 1);
    disk.crash(0);
    let identity = crate::trace::identity(&disk);
    let (_, replay) = Log::open(Arc::new(disk), &identity, options()).expect("opens");
    let head = replay.head();
    assert_eq!(Record::Incarnation(head.life), life(1));
    assert_eq!(head.promised, ballot(1), "the promise follows");
    let records: Vec<_> = replay.collect::<Result<_, _>>().expect("undamaged");
    assert!(records.contains(&promise));
}

#[test]
fn damage_that_a_reader_meets_is_named() {
    let disk = MemoryDisk::new();
    let mut run = Run::new(open(&disk).expect("an empty log").0);
    mixed(&mut run);
    let reader = run.log.reader();
    let name = "log-0000000001";
    let mut content = disk.content(name).expect("it is there");
    content[9000] ^= 4;
    disk.put(name, content);
    let found = reader.read(&LogQuery::Batches {
        lane: ReplicaId(1),
        from: Position::new(1, 1),
        to: Sequence(60),
        bytes_max: u64::MAX,
    });
    assert!(matches!(found, Err(ReadError::Damage(damage)) if damage.file == name));
    assert_eq!(
        batches(&reader, 1, 50, 60).len(),
        11,
        "elsewhere it is sound"
    );
}

#[test]
fn one_query_reads_a_bounded_part() {
    let bounded = LogOptions {
        query_read_bytes_max: 10_000,
        query_slots_max: 8,
        ..options()
    };
    let disk = MemoryDisk::new();
    let mut run = Run::new(open_with(&disk, bounded).expect("an empty log").0);
    mixed(&mut run);
    let reader = run.log.reader();
    let some = batches(&reader, 1, 1, 60).len();
    assert!((1..20).contains(&some), "{some}");
    let some = slots(&reader, 1, 59).len();
    assert!((1..=8).contains(&some), "{some}");
}

#[test]
fn a_reader_works_while_the_log_is_written_to() {
    let disk = MemoryDisk::new();
    let mut run = Run::new(open(&disk).expect("an empty log").0);
    run.calls(&[Call::Append(batch(1, 1, 100)), Call::Commit])
        .expect("commits");
    let reader = run.log.reader();
    let follower = std::thread::spawn(move || {
        let mut seen = 1;
        while seen < 300 {
            let found = batches(&reader, 1, seen, seen + 5);
            for (batch, sequence) in found.iter().zip(seen..) {
                assert_eq!(batch.position, Position::new(1, sequence));
            }
            assert!(!found.is_empty(), "{seen} was seen before");
            seen += found.len() as u64 - 1;
            if found.len() == 1 {
                std::thread::yield_now();
            }
        }
    });
    for sequence in 2..=305 {
        run.calls(&[Call::Append(batch(1, sequence, 100)), Call::Commit])
            .expect("commits");
    }
    follower.join().expect("the reader found everything");
}

#[test]
fn durability_memory_needs_no_disk() {
    let memory = LogOptions {
        durability: Durability::Memory,
        ..options()
    };
    let disk = MemoryDisk::new();
    let (log, found) = open_with(&disk, memory).expect("opens");
    assert!(found.is_empty());
    check_operations(&disk);
    let mut run = Run::new(log);
    run.calls(&[
        Call::Append(life(1)),
        Call::Commit,
        Call::Prepare,
        Call::Settle,
    ])
    .expect("works");
    assert_eq!(run.committed, 1);
    check_operations(&disk);
}

/// Nothing but the stamp of the directory has been written.
fn check_operations(disk: &MemoryDisk) {
    use spaxos_storage::Disk;
    assert_eq!(disk.list().expect("lists"), ["IDENTITY"]);
}
