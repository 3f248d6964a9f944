//! Rot: no byte of what was synced may go bad without an error that names it.

use spaxos_core::record::Record;
use spaxos_storage::{DamageReason, MemoryDisk, OpenError, ReadError};

use crate::trace::{
    Call, Run, Unreadable, appended, batch, calls, life, open, open_with, tiny, tiny_calls, vote,
    written, written_with,
};

fn log_files(disk: &MemoryDisk) -> Vec<String> {
    use spaxos_storage::Disk;
    let mut names = disk.list().expect("lists");
    names.retain(|name| name.starts_with("log-"));
    names.sort();
    names
}

/// The file and offset that an error names.
fn place(error: &Unreadable) -> (String, u64) {
    match error {
        Unreadable::Open(OpenError::Damage(damage))
        | Unreadable::Replay(ReadError::Damage(damage)) => (damage.file.clone(), damage.offset),
        error => panic!("not damage: {error:?}"),
    }
}

/// Changes one byte after the other, each once, and hands over what the log makes of it. Of bytes that
/// are far from any that is not zero, only a few.
fn flip_each(
    disk: &MemoryDisk,
    mut look: impl FnMut(&str, usize, Result<Vec<Record>, Unreadable>),
) {
    const NEAR: usize = 48;
    for name in log_files(disk) {
        let sound = disk.content(&name).expect("it is there");
        for at in 0..sound.len() {
            let around = at.saturating_sub(NEAR)..(at + NEAR).min(sound.len());
            if at % 101 != 0 && sound[around].iter().all(|byte| *byte == 0) {
                continue;
            }
            let disk = disk.fork();
            let mut damaged = sound.clone();
            damaged[at] ^= 1 << (at % 8);
            disk.put(&name, damaged);
            look(
                &name,
                at,
                open_with(&disk, tiny()).map(|(_, records)| records),
            );
        }
    }
}

#[test]
pub(crate) fn a_settled_log_is_whole_or_damaged() {
    let mut calls = tiny_calls();
    calls.push(Call::Settle);
    let all = appended(&calls);
    let disk = written_with(&calls, tiny());
    assert!(log_files(&disk).len() >= 3);
    let mut noticed = 0;
    flip_each(&disk, |name, at, result| match result {
        Ok(found) => assert_eq!(found, all, "{name} byte {at}"),
        Err(error) => {
            noticed += 1;
            let (file, offset) = place(&error);
            assert_eq!(file, name, "byte {at}: {error:?}");
            assert!(offset <= at as u64, "{name} byte {at}: {error:?}");
        }
    });
    assert!(noticed > 4000, "only {noticed} flips were noticed");
}

#[test]
pub(crate) fn only_the_last_group_may_pass_for_torn() {
    let calls = tiny_calls();
    let all = appended(&calls);
    let last_group = 3;
    let claimed = all.len() - last_group;
    let disk = written_with(&calls, tiny());
    flip_each(&disk, |name, at, result| match result {
        Ok(found) => {
            assert!(found.len() >= claimed, "{name} byte {at}: {}", found.len());
            assert_eq!(found, all[..found.len()], "{name} byte {at}");
        }
        Err(error) => assert_eq!(place(&error).0, name, "byte {at}: {error:?}"),
    });
}

#[test]
fn a_start_makes_the_end_certain() {
    let calls = tiny_calls();
    let disk = written_with(&calls, tiny());
    disk.crash(0);
    drop(open_with(&disk, tiny()).expect("recovers"));
    let all = appended(&calls);
    flip_each(&disk, |name, at, result| match result {
        Ok(found) => assert_eq!(found, all, "{name} byte {at}"),
        Err(error) => assert_eq!(place(&error).0, name, "byte {at}: {error:?}"),
    });
}

#[test]
fn a_file_of_another_length_is_damage() {
    let disk = written(&calls());
    for name in log_files(&disk) {
        let sound = disk.content(&name).expect("it is there");
        let lengths = (0..sound.len()).step_by(61).chain([sound.len() - 1]);
        for length in lengths {
            let disk = disk.fork();
            disk.put(&name, sound[..length].to_vec());
            let error = open(&disk).err().expect("the file was cut");
            let (file, _) = place(&error);
            assert_eq!(file, name, "cut at {length}");
        }
        let disk = disk.fork();
        disk.put(&name, [sound, vec![0; 4096]].concat());
        place(&open(&disk).err().expect("the file grew"));
    }
}

#[test]
fn a_file_that_is_gone_is_damage() {
    let disk = written(&calls());
    let names = log_files(&disk);
    assert!(names.len() >= 3, "{names:?}");
    for name in &names {
        // The last segment may be one that was prepared and never used.
        let unused = disk
            .content(name)
            .is_some_and(|content| content[4096..].iter().all(|b| *b == 0));
        let disk = disk.fork();
        disk.take(name);
        match open(&disk) {
            Ok(_) => assert!(unused, "{name}"),
            Err(Unreadable::Open(OpenError::Damage(damage))) => {
                assert_eq!(damage.file, *name);
                assert_eq!(damage.reason, DamageReason::Missing);
            }
            Err(error) => panic!("{name}: {error:?}"),
        }
    }
    for name in &names {
        disk.take(name);
    }
    let error = open(&disk).err().expect("the whole log is gone");
    assert_eq!(place(&error).0, "log-0000000001");
}

#[test]
fn zeros_up_to_the_end_of_a_block_do_not_pass_for_padding() {
    let mut calls = tiny_calls();
    calls.push(Call::Settle);
    let disk = written_with(&calls, tiny());
    let all = appended(&calls);
    for name in log_files(&disk) {
        let sound = disk.content(&name).expect("it is there");
        for from in (0..sound.len()).step_by(8) {
            let end = (from + 1).next_multiple_of(4096);
            if sound[from..end].iter().all(|byte| *byte == 0) {
                continue;
            }
            let disk = disk.fork();
            let mut damaged = sound.clone();
            damaged[from..end].fill(0);
            disk.put(&name, damaged);
            match open_with(&disk, tiny()) {
                Err(error) => assert_eq!(place(&error).0, name, "from {from}"),
                // The very last record is nothing but the mark.
                Ok((_, found)) => assert_eq!(found, all, "{name} from {from}"),
            }
        }
    }
}

#[test]
fn a_block_in_the_wrong_place_is_not_taken_for_the_right_one() {
    let mut calls = calls();
    calls.push(Call::Settle);
    let disk = written(&calls);
    let names = log_files(&disk);
    let blocks = |name: &String| {
        let content = disk.content(name).expect("it is there");
        content.chunks(4096).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    for (name, from) in names.iter().flat_map(|a| names.iter().map(move |b| (a, b))) {
        for target in 1..8 {
            for source in 1..8 {
                let mut damaged = blocks(name);
                let moved = blocks(from)[source].clone();
                if moved == damaged[target] || moved.iter().all(|byte| *byte == 0) {
                    continue;
                }
                damaged[target] = moved;
                let disk = disk.fork();
                disk.put(name, damaged.concat());
                match open(&disk) {
                    Err(error) => assert_eq!(place(&error).0, *name),
                    Ok((_, found)) => assert_eq!(found, appended(&calls)),
                }
            }
        }
    }
}

#[test]
fn the_log_of_another_disk_is_refused() {
    let disk = written(&calls());
    let other = MemoryDisk::new();
    crate::trace::identity(&other);
    // Same cluster and member, another disk id in the stamp.
    let stamp = other.content("IDENTITY").expect("stamped");
    let text = String::from_utf8(stamp).expect("text");
    let text = text.replace("000000000000d15c", "000000000000d15d");
    let body = &text[..text.rfind("crc32c").expect("the last line")];
    let stamp = format!("{body}crc32c {:08x}\n", crc32c::crc32c(body.as_bytes()));
    disk.put("IDENTITY", stamp.into_bytes());
    place(&open(&disk).err().expect("records of another disk"));
}

#[test]
fn old_records_in_a_recycled_file_stay_dead() {
    let disk = MemoryDisk::new();
    let mut run = Run::new(open(&disk).expect("an empty log").0);
    run.call(&Call::Append(life(1))).expect("appends");
    // Every group has the same shape, so old records lie exactly where new ones would.
    let mut trimmed = 0;
    for sequence in 1..=60 {
        run.call(&Call::Append(batch(1, sequence, 5000)))
            .expect("appends");
        run.call(&Call::Commit).expect("commits");
        if sequence % 9 == 0 {
            run.call(&Call::Trim).expect("trims");
            trimmed += 1;
        }
        let crashed = disk.fork();
        crashed.crash(sequence);
        let (mut again, found) = open(&crashed).expect("recovers");
        let expected = &run.appended[run.appended.len() - found.len()..];
        assert_eq!(found, expected, "after {sequence}");
        // A torn end over old content: the first block of a group is lost, the rest arrives.
        again
            .append(spaxos_core::types::Lsn(1), &vote(sequence, 1, 0))
            .expect("appends");
        again.commit().expect("commits");
        crashed.crash(3);
        let (_, later) = open(&crashed).expect("recovers");
        assert_eq!(later.len(), found.len() + 1, "after {sequence}");
    }
    assert!(trimmed > 5);
    let status = run.log.status();
    assert!(status.segment_numbers.0 > 8, "{status:?}");
}
