//! A directory of the real file system, private to one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags, OFlags};
use rustix::io::Errno;

use crate::aligned::AlignedBuffer;
use crate::disk::{Access, BLOCK_BYTES, Disk, DiskFile};
use crate::error::{FileDiskError, IoFailure};

/// The name of the lock file; it never goes away.
pub(crate) const LOCK: &str = "LOCK";
const PROBE: &str = "probe.tmp";

/// A data directory of the file system: mode 0700, locked for as long as this value lives.
#[derive(Debug)]
pub struct FileDisk {
    path: PathBuf,
    /// Whether direct synchronous writes work here.
    direct: bool,
    /// Holds the lock.
    _lock: File,
}

impl FileDisk {
    /// Opens the directory and locks it; creates it, with its parents, if it does not exist. Finds out
    /// whether the file system takes direct synchronous writes.
    ///
    /// # Errors
    /// See [`FileDiskError`]; a directory that group or others may enter is refused, not repaired.
    pub fn open(path: &Path) -> Result<FileDisk, FileDiskError> {
        let shown = path.display().to_string();
        let failed = |operation| IoFailure::of(operation, &shown);
        match std::fs::metadata(path) {
            Ok(found) if !found.is_dir() => {
                return Err(FileDiskError::NotADirectory { path: shown });
            }
            Ok(found) => {
                let mode = found.permissions().mode() & 0o7777;
                if mode & 0o077 != 0 {
                    return Err(FileDiskError::NotPrivate { path: shown, mode });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_private(path).map_err(failed("create"))?;
            }
            Err(error) => return Err(failed("open")(error).into()),
        }
        let lock = lock(&path.join(LOCK), &shown)?;
        let direct = takes_direct_writes(&path.join(PROBE)).map_err(failed("write to"))?;
        Ok(FileDisk {
            path: path.to_owned(),
            direct,
            _lock: lock,
        })
    }

    /// Whether writes go to the disk directly, past the system's cache.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// Writes through the system's cache and a sync from now on, as on a file system that takes no
    /// direct writes. For comparisons and tests.
    #[must_use]
    pub fn without_direct_writes(self) -> FileDisk {
        FileDisk {
            direct: false,
            ..self
        }
    }

    fn flags(&self, access: Access) -> OFlags {
        match access {
            Access::WriteThrough if self.direct => OFlags::DIRECT | OFlags::DSYNC,
            Access::ReadUncached if self.direct => OFlags::DIRECT,
            _ => OFlags::empty(),
        }
    }

    fn wrap(&self, file: File, access: Access) -> Box<dyn DiskFile> {
        Box::new(RealFile {
            file,
            durable_writes: self.direct && access == Access::WriteThrough,
        })
    }
}

impl Disk for FileDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    fn create(&self, name: &str, bytes: u64, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(raw(self.flags(access)))
            .open(self.path.join(name))?;
        reserve(&file, bytes)?;
        // A direct synchronous write need not carry the length along.
        file.sync_all()?;
        Ok(self.wrap(file, access))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let writes = matches!(access, Access::Write | Access::WriteThrough);
        let file = OpenOptions::new()
            .read(true)
            .write(writes)
            .custom_flags(raw(self.flags(access)))
            .open(self.path.join(name))?;
        if access == Access::ReadUncached && !self.direct {
            // What is still on its way must arrive first: only clean pages can be dropped.
            file.sync_data()?;
            ignore_unsupported(rustix::fs::fadvise(&file, 0, None, Advice::DontNeed))?;
        }
        Ok(self.wrap(file, access))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

struct RealFile {
    file: File,
    /// Whether a write is durable when it returns.
    durable_writes: bool,
}

impl DiskFile for RealFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.size())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self
                .file
                .read_at(&mut buffer[filled..], offset + filled as u64)
            {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if !filled.is_multiple_of(BLOCK_BYTES) {
                // The end of a file that has no whole number of blocks; a direct read cannot go on
                // from there.
                break;
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn sync(&self) -> io::Result<()> {
        if self.durable_writes {
            return Ok(());
        }
        self.file.sync_data()
    }
}

fn raw(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

/// Makes the directory and what is missing of the way to it, and the names of all of them durable.
fn create_private(path: &Path) -> io::Result<()> {
    let absolute = std::path::absolute(path)?;
    let missing = absolute.ancestors().take_while(|way| !way.exists());
    let parents: Vec<_> = missing.filter_map(Path::parent).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    for parent in parents {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

fn lock(path: &Path, directory: &str) -> Result<File, FileDiskError> {
    let failed = || IoFailure::of("lock", LOCK);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FileDiskError::Locked {
            path: directory.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed()(error).into()),
    }
}

/// Space is reserved where the file system can; elsewhere the length must do.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(bytes),
        result => Ok(result?),
    }
}

fn ignore_unsupported(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::SPIPE) => Ok(()),
        result => Ok(result?),
    }
}

/// Tries one block: some file systems refuse the flag, others take it and refuse the write.
fn takes_direct_writes(probe: &Path) -> io::Result<bool> {
    match std::fs::remove_file(probe) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let block = AlignedBuffer::new(BLOCK_BYTES);
    let attempt = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(raw(OFlags::DIRECT | OFlags::DSYNC))
        .open(probe)
        .and_then(|file| file.write_all_at(block.as_ref(), 0));
    match std::fs::remove_file(probe) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match attempt {
        Ok(()) => Ok(true),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::INVAL | Errno::OPNOTSUPP) => Ok(false),
            _ => Err(error),
        },
    }
}
