//! Disks that refuse: the first failure is the last call, and it says what happened.

use std::io::ErrorKind;
use std::sync::Arc;

use spaxos_core::types::Lsn;
use spaxos_storage::{Durability, Fault, Log, LogError, LogOptions, MemoryDisk, OpenError};

use crate::trace::{
    Call, Run, Unreadable, appended, batch, calls, identity, life, open, open_with, options,
};

#[test]
pub(crate) fn every_failed_call_is_final_and_loses_nothing() {
    let calls = calls();
    let all = appended(&calls);
    let mut failed = 0;
    for operation in 1.. {
        let disk = MemoryDisk::new();
        let (log, _) = open(&disk).expect("an empty log");
        let at = disk.operations() + operation;
        disk.fail_at(at, Fault::Error(ErrorKind::Other));
        let mut run = Run::new(log);
        let Err(error) = run.calls(&calls) else {
            break;
        };
        failed += 1;
        assert!(matches!(error, LogError::Io(_)), "{error:?}");
        let before = disk.operations();
        run.log.commit().expect_err("it is final");
        run.log
            .append(Lsn(run.appended.len() as u64 + 1), &life(9))
            .expect_err("for everything");
        run.log.prepare().expect_err("for everything");
        assert_eq!(disk.operations(), before, "the disk is left alone");
        assert!(run.log.failure().is_some());

        for seed in 0..5 {
            let disk = disk.fork();
            // Seed 4 stands for a process that dies alone: what the disk did not take may be in the
            // cache, and must not be believed.
            match seed {
                4 => disk.restart(),
                seed => disk.crash(seed),
            }
            let (_, found) = open(&disk).expect("recovers");
            assert!(
                found.len() >= run.committed,
                "operation {operation}, seed {seed}"
            );
            assert_eq!(
                found,
                all[..found.len()],
                "operation {operation}, seed {seed}"
            );
            disk.crash(0);
            let (_, later) = open(&disk).expect("recovers");
            assert_eq!(later, found, "operation {operation}, seed {seed}");
        }
    }
    assert!(failed > 50, "{failed}");
}

#[test]
fn a_failed_opening_can_be_tried_again() {
    let disk = crate::trace::written(&calls());
    let reference = disk.fork();
    let before = reference.operations();
    open(&reference).expect("opens");
    for operation in 1..=reference.operations() - before {
        let disk = disk.fork();
        disk.fail_at(
            disk.operations() + operation,
            Fault::Error(ErrorKind::Other),
        );
        match open(&disk) {
            Err(Unreadable::Open(OpenError::Io(_))) => {}
            other => panic!("operation {operation}: {:?}", other.err()),
        }
        let (_, found) = open(&disk).expect("the second attempt");
        assert_eq!(found, appended(&calls()));
    }
}

#[test]
fn a_full_disk_is_told_early_and_by_name() {
    let disk = MemoryDisk::new();
    let mut run = Run::new(open(&disk).expect("an empty log").0);
    disk.limit_bytes(40 << 10);
    // The segment has its space; only the next one does not fit.
    for sequence in 1..=2 {
        run.call(&Call::Append(batch(1, sequence, 5000)))
            .expect("appends");
        run.call(&Call::Commit).expect("there is room");
    }
    let mut warned = 0;
    for _ in 0..8 {
        match run.log.prepare() {
            Err(LogError::DiskFull(_)) => warned += 1,
            Ok(_) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(warned > 0);
    assert!(run.log.failure().is_none(), "a warning is not the end");
    run.call(&Call::Append(life(1))).expect("appends");
    run.call(&Call::Commit).expect("there is still room");

    // Space returns, and it goes on.
    let freed = disk.fork();
    disk.limit_bytes(1 << 20);
    while run.log.prepare().expect("there is room") {}
    for sequence in 3..=9 {
        run.call(&Call::Append(batch(1, sequence, 5000)))
            .expect("appends");
        run.call(&Call::Commit).expect("there is room");
    }

    // It does not, and the log stops.
    freed.restart();
    freed.limit_bytes(80 << 10);
    let mut run = Run::new(open(&freed).expect("room for one more segment").0);
    let error = loop {
        run.call(&Call::Append(batch(1, 9, 5000))).expect("appends");
        if let Err(error) = run.call(&Call::Commit) {
            break error;
        }
    };
    assert!(matches!(error, LogError::DiskFull(_)), "{error:?}");
    freed.restart();
    freed.limit_bytes(0);
    let refused = open(&freed).err().expect("no room for a segment");
    assert!(matches!(refused, Unreadable::Open(OpenError::DiskFull(_))));
}

#[test]
fn starts_need_no_more_room_than_work_does() {
    let disk = MemoryDisk::new();
    for start in 1..20 {
        let (log, found) = open(&disk).expect("there is room");
        assert_eq!(found.len(), start - 1);
        let mut run = Run::new(log);
        run.call(&Call::Append(life(start as u64)))
            .expect("appends");
        run.call(&Call::Commit).expect("there is room");
        while run.log.prepare().is_ok_and(|more| more) {}
        disk.restart();
        if start == 4 {
            disk.limit_bytes(disk.used_bytes());
        }
    }
}

#[test]
fn a_record_that_is_too_large_is_refused() {
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).expect("an empty log");
    let refused = log.append(Lsn(1), &batch(1, 1, 9000));
    assert!(matches!(
        refused,
        Err(LogError::RecordTooLarge {
            bytes_max: 8192,
            ..
        })
    ));
}

#[test]
fn limits_may_shrink_between_starts() {
    let disk = crate::trace::written(&calls());
    let smaller = LogOptions {
        segment_bytes: 20 << 10,
        record_bytes_max: 1 << 10,
        ..options()
    };
    for options in [smaller, options()] {
        let (_, found) = open_with(&disk, options).expect("opens");
        assert_eq!(found, appended(&calls()));
    }
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let disk = MemoryDisk::new();
    let identity = identity(&disk);
    let wrong = LogOptions {
        record_bytes_max: 64 << 10,
        ..options()
    };
    let refused = Log::open(Arc::new(disk), &identity, wrong);
    assert!(matches!(refused, Err(OpenError::Options(_))));
}

#[test]
#[should_panic(expected = "replayed to its end")]
fn appending_before_the_replay_is_a_mistake() {
    let disk = crate::trace::written(&calls());
    let identity = identity(&disk);
    let (mut log, _replay) = Log::open(Arc::new(disk), &identity, options()).expect("opens");
    let _ = log.append(Lsn(1), &life(2));
}

#[test]
pub(crate) fn without_syncs_a_process_may_die_and_a_life_is_synced_all_the_same() {
    let os = LogOptions {
        durability: Durability::Os,
        ..options()
    };
    let disk = MemoryDisk::new();
    let mut run = Run::new(open_with(&disk, os).expect("an empty log").0);
    run.calls(&[Call::Append(life(1)), Call::Commit])
        .expect("commits");
    disk.fork().crash(0);
    let lost = disk.fork();
    lost.crash(0);
    assert_eq!(open_with(&lost, os).expect("opens").1, [life(1)]);

    let syncs_nothing = disk.operations();
    run.calls(&[Call::Append(batch(1, 1, 10)), Call::Commit])
        .expect("commits");
    assert_eq!(disk.operations(), syncs_nothing + 1, "one write");
    for sequence in 2..=20 {
        let group = [Call::Append(batch(1, sequence, 3000)), Call::Commit];
        run.calls(&group).expect("commits");
        assert_eq!(run.committed, run.appended.len());
        let killed = disk.fork();
        killed.restart();
        assert_eq!(open_with(&killed, os).expect("opens").1, run.appended);
    }
}

#[test]
fn work_ahead_is_bounded_and_ends() {
    let ahead = LogOptions {
        segment_bytes: 64 << 10,
        ahead_bytes_max: 24 << 10,
        ..options()
    };
    let disk = MemoryDisk::new();
    let mut run = Run::new(open_with(&disk, ahead).expect("an empty log").0);
    let before = disk.operations();
    while run.log.prepare().expect("there is room") {}
    // Three steps of 8 KiB, each a write and a sync.
    assert_eq!(disk.operations() - before, 6);
    assert!(!run.log.prepare().expect("nothing to do"));
    for sequence in 1..=40 {
        run.calls(&[Call::Append(batch(1, sequence, 5000)), Call::Commit])
            .expect("commits");
        while run.log.prepare().expect("there is room") {}
    }
    disk.crash(0);
    assert_eq!(open_with(&disk, ahead).expect("opens").1, run.appended);
}
