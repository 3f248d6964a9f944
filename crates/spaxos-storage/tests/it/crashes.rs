//! Power cuts at every call to the disk, in a run and in the recovery after it.

use spaxos_core::record::Record;
use spaxos_storage::{Fault, MemoryDisk};

use crate::trace::{Call, Run, appended, batch, calls, life, open, vote};

const SEEDS: u64 = 8;

/// What a crash must leave: everything committed, and of the rest a prefix.
fn check(found: &[Record], all: &[Record], committed: usize, case: &str) {
    assert!(
        found.len() >= committed,
        "{case}: {} of {committed} committed records are left",
        found.len()
    );
    assert!(found.len() <= all.len(), "{case}: more than was appended");
    assert_eq!(found, &all[..found.len()], "{case}");
}

/// Runs `calls` on a disk that dies in call `operation`; the disk and what it must hold.
fn run_until(calls: &[Call], operation: u64) -> (MemoryDisk, usize) {
    let disk = MemoryDisk::new();
    let mut committed = 0;
    crate::trace::identity(&disk);
    disk.fail_at(disk.operations() + operation, Fault::Stop);
    if let Ok((log, _)) = open(&disk) {
        let mut run = Run::new(log);
        // Whether it got to the end does not matter.
        let _ = run.calls(calls);
        committed = run.committed;
    }
    (disk, committed)
}

/// How many calls to the disk `calls` make, the opening included.
fn operations(calls: &[Call]) -> u64 {
    let disk = MemoryDisk::new();
    crate::trace::identity(&disk);
    let before = disk.operations();
    let mut run = Run::new(open(&disk).expect("an empty log").0);
    run.calls(calls).expect("nothing fails");
    disk.operations() - before
}

#[test]
pub(crate) fn nothing_committed_is_lost_wherever_the_machine_dies() {
    let calls = calls();
    let all = appended(&calls);
    for operation in 1..=operations(&calls) + 1 {
        for seed in 0..SEEDS {
            let (disk, committed) = run_until(&calls, operation);
            disk.crash(seed);
            let case = format!("operation {operation}, seed {seed}");
            let (log, found) = open(&disk).unwrap_or_else(|error| panic!("{case}: {error:?}"));
            check(&found, &all, committed, &case);

            // And the log goes on: what is appended now stands behind what was found, for ever.
            let mut run = Run::new(log);
            let more = [life(2), batch(3, 1, 6000), vote(9, 2, 7), batch(3, 2, 6000)];
            for record in &more {
                run.call(&Call::Append(record.clone())).expect("appends");
                run.call(&Call::Commit).expect("commits");
            }
            disk.crash(seed / 2);
            let (_, later) = open(&disk).unwrap_or_else(|error| panic!("{case}: {error:?}"));
            assert_eq!(later[..found.len()], found, "{case}");
            assert_eq!(later[found.len()..], more, "{case}");
        }
    }
}

#[test]
fn a_recovery_may_die_anywhere_and_any_number_of_times() {
    let calls = calls();
    let all = appended(&calls);
    let total = operations(&calls);
    // A step that shares no factor with the length of a turn of the trace.
    for operation in (1..=total + 1).step_by(3) {
        let (disk, committed) = run_until(&calls, operation);
        disk.crash(operation % 4);
        let reference = disk.fork();
        let before = reference.operations();
        let (_, found) = open(&reference).expect("recovers");
        for died in 1..=reference.operations() - before {
            for seed in 0..4 {
                let disk = disk.fork();
                for again in 0..3 {
                    disk.fail_at(disk.operations() + died, Fault::Stop);
                    let _ = open(&disk);
                    disk.crash(seed + again);
                }
                let case = format!("operation {operation}, recovery {died}, seed {seed}");
                let (_, after) = open(&disk).unwrap_or_else(|error| panic!("{case}: {error:?}"));
                check(&after, &all, committed, &case);
                // What one recovery has shown, no later one takes back.
                assert!(after.len() >= found.len(), "{case}");
            }
        }
    }
}

#[test]
pub(crate) fn a_process_that_dies_alone_loses_nothing_it_had_written() {
    let calls = calls();
    let all = appended(&calls);
    for operation in 1..=operations(&calls) + 1 {
        let (disk, committed) = run_until(&calls, operation);
        disk.restart();
        let case = format!("operation {operation}");
        let (_, found) = open(&disk).unwrap_or_else(|error| panic!("{case}: {error:?}"));
        check(&found, &all, committed, &case);
        // What was only in the cache is on the disk by now.
        disk.crash(0);
        let (_, later) = open(&disk).unwrap_or_else(|error| panic!("{case}: {error:?}"));
        assert_eq!(later, found, "{case}");
    }
}

#[test]
fn starts_without_work_change_nothing() {
    let calls = calls();
    let disk = crate::trace::written(&calls);
    for start in 0..10 {
        disk.crash(start);
        let (_, found) = open(&disk).expect("recovers");
        assert_eq!(found, appended(&calls));
    }
}

#[test]
fn a_crash_in_a_trim_leaves_the_log_before_it_or_after_it() {
    let mut calls = calls();
    for turn in 0..12 {
        calls.push(Call::Append(batch(5, turn + 1, 6000)));
        calls.push(Call::Commit);
        if turn % 5 == 4 {
            calls.push(Call::Trim);
        }
    }
    let all = appended(&calls);
    for operation in 1..=operations(&calls) + 1 {
        for seed in 0..SEEDS {
            let (disk, committed) = run_until(&calls, operation);
            disk.crash(seed);
            let case = format!("operation {operation}, seed {seed}");
            let (_, found) = open(&disk).unwrap_or_else(|error| panic!("{case}: {error:?}"));
            // What is left is a part of what was appended, up to the end as ever.
            let start = found.first().map_or(0, |first| {
                let place = all.iter().position(|record| record == first);
                place.unwrap_or_else(|| panic!("{case}: a record that never was"))
            });
            check(
                &found,
                &all[start..],
                committed.saturating_sub(start),
                &case,
            );
        }
    }
}
