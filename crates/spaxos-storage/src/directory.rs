//! Whose data this is: the stamp of cluster, member and disk on a data directory.
//!
//! An empty or strange directory must never pass for an old member's: it would have forgotten its votes.
//! So the stamp is written once, into an empty directory, and looked at by every start. Its file is
//! text, for people, and has a checksum, for programs.

use spaxos_core::types::ReplicaId;

use crate::disk::{Access, Disk};
use crate::error::{DirectoryError, IoFailure};
use crate::file_disk::LOCK;
use crate::format::segment_number;
use crate::options::Durability;
use crate::segment::sync_dir;

/// The format of the directory as a whole.
const FORMAT_VERSION: u32 = 1;
const IDENTITY: &str = "IDENTITY";
const BOOT: &str = "BOOT";
const UNFINISHED_ENDING: &str = ".tmp";
/// Both files are shorter than this.
const FILE_BYTES_MAX: usize = 1024;
const BOOT_ID_BYTES_MAX: usize = 64;

/// What a start expects of a data directory.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryOptions<'a> {
    /// The cluster.
    pub cluster_id: u64,
    /// The member.
    pub member_id: ReplicaId,
    /// A random number: the disk's id, should the directory turn out to be empty.
    pub fresh_disk_id: u64,
    /// How durable the log is to be.
    pub durability: Durability,
    /// Which boot of the machine this is (Linux: `/proc/sys/kernel/random/boot_id`). Needed with
    /// durability `os`, and by the first start without it after that.
    pub boot_id: Option<&'a str>,
}

/// The stamp of a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster_id: u64,
    /// The member.
    pub member_id: ReplicaId,
    /// Drawn at random when the directory was made: tells it from another one of the same member.
    pub disk_id: u64,
    /// Whether there has to be a log.
    pub(crate) log: LogState,
}

/// Whether the directory has ever had a log. Without this, a log that somebody deleted would look like
/// one that was never begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogState {
    New,
    Started,
}

/// Reads the stamp of a data directory and compares it with what is expected; stamps an empty one.
///
/// # Errors
/// See [`DirectoryError`]. Nothing is changed then.
pub fn open_directory(
    disk: &dyn Disk,
    options: &DirectoryOptions<'_>,
) -> Result<Identity, DirectoryError> {
    let names = disk.list();
    let names = names.map_err(IoFailure::of("list", "the data directory"))?;
    let has = |file: &str| names.iter().any(|name| name == file);
    let identity = match has(IDENTITY) {
        true => read_identity(disk, options)?,
        false => {
            check_empty(&names)?;
            let identity = Identity {
                cluster_id: options.cluster_id,
                member_id: options.member_id,
                disk_id: options.fresh_disk_id,
                log: LogState::New,
            };
            write_identity(disk, &identity)?;
            identity
        }
    };
    let recorded = match has(BOOT) {
        true => Some(read_boot(disk)?),
        false => None,
    };
    check_boot(disk, options, recorded, &names)?;
    Ok(identity)
}

/// Notes that there is a log now.
pub(crate) fn mark_started(disk: &dyn Disk, identity: &Identity) -> Result<(), IoFailure> {
    if identity.log == LogState::Started {
        return Ok(());
    }
    let started = Identity {
        log: LogState::Started,
        ..identity.clone()
    };
    write_identity(disk, &started)
}

fn check_empty(names: &[String]) -> Result<(), DirectoryError> {
    let ours = |name: &str| name == LOCK || name.ends_with(UNFINISHED_ENDING);
    // The root of a file system is as good as an empty directory.
    let strange = names
        .iter()
        .find(|name| !ours(name) && *name != "lost+found");
    match strange {
        Some(entry) => Err(DirectoryError::MissingIdentity {
            entry: entry.clone(),
        }),
        None => Ok(()),
    }
}

fn read_identity(
    disk: &dyn Disk,
    options: &DirectoryOptions<'_>,
) -> Result<Identity, DirectoryError> {
    let damaged = DirectoryError::Damaged { file: IDENTITY };
    let Some(text) = read_checked(disk, IDENTITY)? else {
        return Err(damaged);
    };
    let mut lines = text.lines();
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    let version = field("spaxos").and_then(|version| version.parse().ok());
    match version {
        None => return Err(damaged),
        Some(FORMAT_VERSION) => {}
        Some(found) => {
            return Err(DirectoryError::UnknownVersion {
                found,
                known: FORMAT_VERSION,
            });
        }
    }
    let mut hex = |name| u64::from_str_radix(field(name)?, 16).ok();
    let (cluster, member, disk_id) = (hex("cluster"), hex("member"), hex("disk"));
    let log = match field("log") {
        Some("new") => Some(LogState::New),
        Some("started") => Some(LogState::Started),
        _ => None,
    };
    let (Some(cluster_id), Some(member), Some(disk_id), Some(log)) =
        (cluster, member, disk_id, log)
    else {
        return Err(damaged);
    };
    let identity = Identity {
        cluster_id,
        member_id: ReplicaId(member),
        disk_id,
        log,
    };
    check_identity(&identity, options)?;
    Ok(identity)
}

fn check_identity(
    identity: &Identity,
    options: &DirectoryOptions<'_>,
) -> Result<(), DirectoryError> {
    if identity.cluster_id != options.cluster_id {
        return Err(DirectoryError::WrongCluster {
            expected: options.cluster_id,
            found: identity.cluster_id,
        });
    }
    if identity.member_id != options.member_id {
        return Err(DirectoryError::WrongMember {
            expected: options.member_id,
            found: identity.member_id,
        });
    }
    Ok(())
}

fn write_identity(disk: &dyn Disk, identity: &Identity) -> Result<(), IoFailure> {
    let log = match identity.log {
        LogState::New => "new",
        LogState::Started => "started",
    };
    let text = format!(
        "spaxos {FORMAT_VERSION}\ncluster {:016x}\nmember {:016x}\ndisk {:016x}\nlog {log}\n",
        identity.cluster_id, identity.member_id.0, identity.disk_id,
    );
    replace_checked(disk, IDENTITY, &text)
}

fn read_boot(disk: &dyn Disk) -> Result<String, DirectoryError> {
    let text = read_checked(disk, BOOT)?;
    let recorded = text.as_deref().and_then(|text| {
        let id = text.strip_prefix("boot ")?.strip_suffix('\n')?;
        Some(id.to_owned())
    });
    recorded.ok_or(DirectoryError::Damaged { file: BOOT })
}

/// With durability `os`, and for as long as something from such a time may not have been synced, the
/// machine must not have restarted.
fn check_boot(
    disk: &dyn Disk,
    options: &DirectoryOptions<'_>,
    recorded: Option<String>,
    names: &[String],
) -> Result<(), DirectoryError> {
    let relies_on_memory = options.durability == Durability::Os;
    if !relies_on_memory && recorded.is_none() {
        return Ok(());
    }
    let current = options.boot_id.map(str::trim).filter(|id| is_boot_id(id));
    let current = current.ok_or(DirectoryError::BootIdMissing)?;
    match recorded {
        Some(recorded) if recorded != current => {
            return Err(DirectoryError::LostMemory {
                recorded,
                current: current.to_owned(),
            });
        }
        Some(_) if relies_on_memory => {}
        Some(_) => forget_boot(disk, names)?,
        None => replace_checked(disk, BOOT, &format!("boot {current}\n"))?,
    }
    Ok(())
}

fn is_boot_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= BOOT_ID_BYTES_MAX && id.bytes().all(|b| b.is_ascii_graphic())
}

/// Syncs what was only written so far; from then on a restart of the machine loses nothing.
fn forget_boot(disk: &dyn Disk, names: &[String]) -> Result<(), IoFailure> {
    for name in names.iter().filter(|name| segment_number(name).is_some()) {
        let file = disk.open(name, Access::Write);
        let file = file.map_err(IoFailure::of("open", name))?;
        file.sync().map_err(IoFailure::of("sync", name))?;
    }
    sync_dir(disk)?;
    disk.remove(BOOT).map_err(IoFailure::of("remove", BOOT))?;
    sync_dir(disk)
}

/// The text of a small file without its last line, the checksum; `None` if that does not match.
fn read_checked(disk: &dyn Disk, name: &str) -> Result<Option<String>, IoFailure> {
    let file = disk.open(name, Access::Read);
    let file = file.map_err(IoFailure::of("open", name))?;
    let mut bytes = [0; FILE_BYTES_MAX];
    let read = file.read_at(0, &mut bytes);
    let length = read.map_err(IoFailure::of("read", name))?;
    let Ok(content) = std::str::from_utf8(&bytes[..length]) else {
        return Ok(None);
    };
    let text = content.rfind("crc32c ").map(|at| &content[..at]);
    let text = text.filter(|text| with_checksum(text) == content);
    Ok(text.map(str::to_owned))
}

/// Writes a small file with its checksum, such that after a crash it is the old one or the new one.
fn replace_checked(disk: &dyn Disk, name: &str, text: &str) -> Result<(), IoFailure> {
    let content = with_checksum(text);
    let unfinished = format!("{name}{UNFINISHED_ENDING}");
    let failed = |operation| IoFailure::of(operation, &unfinished);
    match disk.remove(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(failed("remove")(error));
        }
        _ => {}
    }
    let file = disk.create(&unfinished, content.len() as u64, Access::Write);
    let file = file.map_err(failed("create"))?;
    file.write_at(0, content.as_bytes())
        .map_err(failed("write"))?;
    file.sync().map_err(failed("sync"))?;
    disk.rename(&unfinished, name).map_err(failed("rename"))?;
    sync_dir(disk)
}

fn with_checksum(text: &str) -> String {
    format!("{text}crc32c {:08x}\n", crc32c::crc32c(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryDisk;
    use crate::memory_disk::Fault;

    fn options(durability: Durability, boot_id: Option<&str>) -> DirectoryOptions<'_> {
        DirectoryOptions {
            cluster_id: 7,
            member_id: ReplicaId(2),
            fresh_disk_id: 0xd15c,
            durability,
            boot_id,
        }
    }

    fn open(disk: &MemoryDisk) -> Result<Identity, DirectoryError> {
        open_directory(disk, &options(Durability::Fsync, None))
    }

    #[test]
    fn a_stamp_stays_what_it_was() {
        let disk = MemoryDisk::new();
        let first = open(&disk).expect("an empty directory");
        disk.crash(0);
        let later = DirectoryOptions {
            fresh_disk_id: 99,
            ..options(Durability::Fsync, None)
        };
        assert_eq!(open_directory(&disk, &later).expect("the same"), first);
        assert_eq!(first.disk_id, 0xd15c);
    }

    #[test]
    fn others_are_refused() {
        let disk = MemoryDisk::new();
        open(&disk).expect("an empty directory");
        let cluster = DirectoryOptions {
            cluster_id: 8,
            ..options(Durability::Fsync, None)
        };
        let refused = open_directory(&disk, &cluster);
        assert!(matches!(
            refused,
            Err(DirectoryError::WrongCluster {
                expected: 8,
                found: 7
            })
        ));
        let member = DirectoryOptions {
            member_id: ReplicaId(1),
            ..options(Durability::Fsync, None)
        };
        let refused = open_directory(&disk, &member);
        assert!(matches!(refused, Err(DirectoryError::WrongMember { .. })));
    }

    #[test]
    fn a_directory_with_something_in_it_is_not_empty() {
        let disk = MemoryDisk::new();
        disk.put(LOCK, Vec::new());
        disk.put("IDENTITY.tmp", b"half".to_vec());
        disk.put("lost+found", Vec::new());
        open(&disk).expect("as good as empty");
        let disk = MemoryDisk::new();
        disk.put("log-0000000001", vec![0; 4096]);
        let refused = open(&disk);
        assert!(
            matches!(refused, Err(DirectoryError::MissingIdentity { entry }) if entry == "log-0000000001")
        );
    }

    #[test]
    fn every_damaged_byte_of_the_stamp_is_noticed() {
        let disk = MemoryDisk::new();
        open(&disk).expect("an empty directory");
        let sound = disk.content(IDENTITY).expect("it is there");
        for at in 0..sound.len() {
            for flip in [1, 0x20, 0x80] {
                let mut damaged = sound.clone();
                damaged[at] ^= flip;
                disk.put(IDENTITY, damaged);
                let refused = open(&disk);
                assert!(
                    matches!(refused, Err(DirectoryError::Damaged { .. })),
                    "byte {at}: {refused:?}"
                );
            }
            disk.put(IDENTITY, sound[..at].to_vec());
            assert!(open(&disk).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let disk = MemoryDisk::new();
        disk.put(IDENTITY, with_checksum("spaxos 2\nwhatever\n").into_bytes());
        let refused = open(&disk);
        assert!(matches!(
            refused,
            Err(DirectoryError::UnknownVersion { found: 2, known: 1 })
        ));
    }

    #[test]
    fn a_crash_while_stamping_does_no_harm() {
        let reference = MemoryDisk::new();
        open(&reference).expect("an empty directory");
        for operation in 1..=reference.operations() {
            for seed in 0..8 {
                let disk = MemoryDisk::new();
                disk.fail_at(operation, Fault::Stop);
                open(&disk).expect_err("the machine died");
                disk.crash(seed);
                let identity = open(&disk).expect("the next start is whole");
                disk.crash(0);
                assert_eq!(open(&disk).expect("and stays"), identity);
            }
        }
    }

    #[test]
    fn memory_is_lost_with_the_machine_and_not_with_the_process() {
        let disk = MemoryDisk::new();
        let start = |durability, boot| open_directory(&disk, &options(durability, boot));
        let missing = start(Durability::Os, None);
        assert!(matches!(missing, Err(DirectoryError::BootIdMissing)));
        start(Durability::Os, Some("boot-1\n")).expect("first");
        start(Durability::Os, Some("boot-1")).expect("same boot");
        for durability in [Durability::Os, Durability::Fsync] {
            let lost = start(durability, Some("boot-2"));
            assert!(matches!(lost, Err(DirectoryError::LostMemory { .. })));
        }
        start(Durability::Fsync, Some("boot-1")).expect("synced now");
        start(Durability::Fsync, None).expect("and for good");
        start(Durability::Os, Some("boot-2")).expect("nothing was at stake");
    }
}
