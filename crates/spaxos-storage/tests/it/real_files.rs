//! The real file system: directories, locks, direct writes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use spaxos_core::effect::{LogFound, LogQuery};
use spaxos_core::record::Record;
use spaxos_core::types::{Lsn, Position, ReplicaId, Sequence};
use spaxos_storage::{
    DirectoryOptions, Durability, FileDisk, FileDiskError, Log, LogOptions, open_directory,
};

use crate::trace::{batch, calls, options};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn open(disk: FileDisk, options: LogOptions) -> (Log, Vec<Record>) {
    let expected = DirectoryOptions {
        cluster_id: 7,
        member_id: ReplicaId(1),
        fresh_disk_id: 0xd15c,
        durability: options.durability,
        boot_id: Some("boot"),
    };
    let identity = open_directory(&disk, &expected).expect("this member's");
    let (log, replay) = Log::open(Arc::new(disk), &identity, options).expect("opens");
    let records = replay.collect::<Result<_, _>>().expect("undamaged");
    (log, records)
}

/// Appends, reopens and reads, as the disk that `disk` makes does it.
fn check_file_system(disk: impl Fn() -> FileDisk, options: LogOptions) {
    let mut expected = Vec::new();
    for start in 0..4_u64 {
        let (mut log, found) = open(disk(), options);
        assert_eq!(found, expected, "start {start}");
        for n in 1..=20_u64 {
            let record = batch(1, start * 20 + n, (n * 331) as usize % 8000);
            log.append(Lsn(n), &record).expect("appends");
            expected.push(record);
            if n % 3 == 0 {
                assert_eq!(log.commit().expect("commits"), Lsn(n));
                log.prepare().expect("prepares");
            }
        }
        log.settle().expect("settles");
        let query = LogQuery::Batches {
            lane: ReplicaId(1),
            from: Position::new(1, 1),
            to: Sequence(1000),
            bytes_max: u64::MAX,
        };
        match log.reader().read(&query).expect("readable") {
            LogFound::Batches(batches) => assert_eq!(batches.len(), expected.len()),
            LogFound::Slots { .. } => panic!("asked for batches"),
        }
    }
}

#[test]
fn records_survive_on_real_files() {
    let directory = directory();
    let path = directory.path().join("data");
    check_file_system(|| FileDisk::open(&path).expect("opens"), options());
    let mode = std::fs::metadata(&path).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn records_survive_without_direct_writes() {
    let directory = directory();
    let path = directory.path().join("deep/er/data");
    let disk = || {
        FileDisk::open(&path)
            .expect("opens")
            .without_direct_writes()
    };
    check_file_system(disk, options());
}

#[test]
fn records_survive_without_syncs() {
    let directory = directory();
    let path = directory.path().join("data");
    let os = LogOptions {
        durability: Durability::Os,
        ..options()
    };
    check_file_system(|| FileDisk::open(&path).expect("opens"), os);
}

#[test]
fn records_survive_where_memory_is_the_disk() {
    let memory = Path::new("/dev/shm");
    if !memory.is_dir() {
        return;
    }
    let directory = tempfile::tempdir_in(memory).expect("a temporary directory");
    let path = directory.path().join("data");
    check_file_system(|| FileDisk::open(&path).expect("opens"), options());
}

#[test]
fn a_second_process_is_refused() {
    let directory = directory();
    let path = directory.path().join("data");
    let first = FileDisk::open(&path).expect("opens");
    let second = FileDisk::open(&path);
    assert!(matches!(second, Err(FileDiskError::Locked { .. })));
    drop(first);
    FileDisk::open(&path).expect("free again");
}

#[test]
fn a_directory_open_to_others_is_refused_with_its_mode() {
    let directory = directory();
    let path = directory.path().join("data");
    for mode in [0o750, 0o701, 0o777] {
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).expect("makes it");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("opens it up");
        let refused = FileDisk::open(&path).expect_err("too open");
        let text = refused.to_string();
        assert!(text.contains(&format!("{mode:04o}")), "{text}");
    }
}

#[test]
fn a_file_is_no_directory() {
    let directory = directory();
    let path = directory.path().join("data");
    std::fs::write(&path, "x").expect("writes");
    let refused = FileDisk::open(&path);
    assert!(matches!(refused, Err(FileDiskError::NotADirectory { .. })));
}

#[test]
fn files_are_closed_to_others() {
    let directory = directory();
    let path = directory.path().join("data");
    let (mut log, _) = open(FileDisk::open(&path).expect("opens"), options());
    for (at, record) in crate::trace::appended(&calls()).iter().enumerate() {
        log.append(Lsn(at as u64 + 1), record).expect("appends");
    }
    log.commit().expect("commits");
    for entry in std::fs::read_dir(&path).expect("lists") {
        let entry = entry.expect("lists");
        let mode = entry.metadata().expect("is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
    }
}
