//! A disk in memory that forgets as a real one does: what was not synced may be gone after a crash, in
//! any subset of its blocks, and any call can be made to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Access, BLOCK_BYTES, Disk, DiskFile};

mod content;

use content::{Content, Draw};

/// What happens to the call that [`MemoryDisk::fail_at`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The machine dies in it: it and every later call fail until [`MemoryDisk::crash`]. A write or a
    /// change of a name may have taken effect, as may any part of it; a sync has not.
    Stop,
    /// It alone fails, without effect. After a failed sync of a file the system forgets that something
    /// was to be written, so a later one succeeds and changes nothing.
    Error(io::ErrorKind),
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Default)]
struct State {
    /// Grows with each crash; files opened before it are dead.
    generation: u64,
    /// Calls that change something, counted.
    operations: u64,
    fault: Option<(u64, Fault)>,
    /// This many more reads succeed before one fails.
    reads_left: Option<u64>,
    stopped: bool,
    bytes_max: Option<u64>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes of names that are not durable; a crash keeps the first few, since journals do.
    changes: Vec<NameChange>,
    contents: BTreeMap<u64, Content>,
    contents_made: u64,
}

#[derive(Clone)]
enum NameChange {
    Link(String, u64),
    Unlink(String),
    Rename(String, String),
}

impl NameChange {
    fn carry_out(self, names: &mut BTreeMap<String, u64>) {
        match self {
            NameChange::Link(name, content) => {
                names.insert(name, content);
            }
            NameChange::Unlink(name) => {
                names.remove(&name);
            }
            NameChange::Rename(from, to) => {
                if let Some(content) = names.remove(&from) {
                    names.insert(to, content);
                }
            }
        }
    }
}

impl MemoryDisk {
    /// An empty disk without limits.
    #[must_use]
    pub fn new() -> MemoryDisk {
        MemoryDisk::default()
    }

    /// Another disk with the same content, for trying several futures of one past.
    #[must_use]
    pub fn fork(&self) -> MemoryDisk {
        MemoryDisk {
            state: Arc::new(Mutex::new(self.lock().clone())),
        }
    }

    /// How many calls have changed or synced something so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Makes the call fail that is the `operation`-th one, counted as [`MemoryDisk::operations`] does
    /// from the disk's beginning. Only one such call is remembered.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.lock().fault = Some((operation, fault));
    }

    /// Makes one read fail, after `reads` that succeed.
    pub fn fail_read_after(&self, reads: u64) {
        self.lock().reads_left = Some(reads);
    }

    /// Takes no more than this many bytes in all files together from now on.
    pub fn limit_bytes(&self, bytes_max: u64) {
        self.lock().bytes_max = Some(bytes_max);
    }

    /// Takes back every limit and every fault that has not happened yet.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.fault = None;
        state.reads_left = None;
        state.bytes_max = None;
    }

    /// How many bytes all files have together.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.lock().used_bytes()
    }

    /// A power cut: of what was not durable some is kept, some lost, some torn, as `seed` says. Files
    /// opened before are dead. With a seed divisible by four everything not durable is lost; with the
    /// next one everything is kept.
    pub fn crash(&self, seed: u64) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut draw = Draw(seed);
        let kept = match seed % 4 {
            0 => 0,
            1 => state.changes.len(),
            _ => draw.below(state.changes.len() + 1),
        };
        for change in state.changes.drain(..).take(kept) {
            change.carry_out(&mut state.durable_names);
        }
        state.names = state.durable_names.clone();
        let linked: BTreeSet<u64> = state.names.values().copied().collect();
        state.contents.retain(|id, _| linked.contains(id));
        for content in state.contents.values_mut() {
            content.crash(seed % 4, &mut draw);
        }
        state.restart();
    }

    /// The process dies and the machine goes on: nothing written is lost. Files opened before are dead.
    pub fn restart(&self) {
        self.lock().restart();
    }

    /// The content of a file as readers see it.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        let id = state.names.get(name)?;
        Some(state.contents.get(id)?.current.clone())
    }

    /// Puts a file there, durable at once, past every limit and fault: for damage on purpose.
    pub fn put(&self, name: &str, content: Vec<u8>) {
        let mut state = self.lock();
        let id = state.new_content(Content::durable(content));
        state.names.insert(name.to_owned(), id);
        state.durable_names.insert(name.to_owned(), id);
    }

    /// Changes bytes of a file in place, durably, past every limit and fault: for damage on purpose. The
    /// file does not grow; what does not fit is left out.
    pub fn overwrite(&self, name: &str, offset: usize, data: &[u8]) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let content = state
            .names
            .get(name)
            .and_then(|id| state.contents.get_mut(id));
        let Some(content) = content else {
            return;
        };
        for bytes in [&mut content.current, &mut content.durable] {
            let room = bytes.len().saturating_sub(offset).min(data.len());
            if room > 0 {
                bytes[offset..offset + room].copy_from_slice(&data[..room]);
            }
        }
    }

    /// Takes a file away, durably, past every fault.
    pub fn take(&self, name: &str) {
        let mut state = self.lock();
        state.names.remove(name);
        state.durable_names.remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, state: &State, content: u64, access: Access) -> Box<dyn DiskFile> {
        Box::new(MemoryFile {
            disk: self.clone(),
            generation: state.generation,
            content,
            access,
        })
    }
}

impl State {
    fn restart(&mut self) {
        self.generation += 1;
        self.stopped = false;
        self.fault = None;
        self.reads_left = None;
    }

    fn used_bytes(&self) -> u64 {
        self.contents.values().map(|c| c.current.len() as u64).sum()
    }

    /// Counts a read, which may be the one that fails.
    fn count_read(&mut self) -> io::Result<()> {
        match &mut self.reads_left {
            Some(0) => {
                self.reads_left = None;
                Err(io::Error::other("the disk cannot read this"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn new_content(&mut self, content: Content) -> u64 {
        self.contents_made += 1;
        self.contents.insert(self.contents_made, content);
        self.contents_made
    }

    fn check_alive(&self) -> io::Result<()> {
        match self.stopped {
            true => Err(io::Error::other("the machine is down")),
            false => Ok(()),
        }
    }

    /// Counts a call that changes something; says what becomes of it.
    fn count(&mut self) -> io::Result<Option<Fault>> {
        self.check_alive()?;
        self.operations += 1;
        match self.fault {
            Some((operation, fault)) if operation == self.operations => {
                self.fault = None;
                self.stopped = fault == Fault::Stop;
                Ok(Some(fault))
            }
            _ => Ok(None),
        }
    }

    /// Counts a call whose `effect` may survive a machine that dies in it.
    fn change<T>(&mut self, effect: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        match self.count()? {
            None => effect(self),
            Some(Fault::Error(kind)) => Err(kind.into()),
            Some(Fault::Stop) => {
                effect(self)?;
                Err(io::Error::other("the machine died"))
            }
        }
    }

    fn check_room(&self, more: u64) -> io::Result<()> {
        match self.bytes_max {
            Some(bytes_max) if self.used_bytes() + more > bytes_max => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn rename(&mut self, change: NameChange) {
        change.clone().carry_out(&mut self.names);
        self.changes.push(change);
    }

    fn find(&self, name: &str) -> io::Result<u64> {
        let id = self.names.get(name).copied();
        id.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for MemoryDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.lock();
        state.check_alive()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn create(&self, name: &str, bytes: u64, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.lock();
        let content = state.change(|state| {
            if state.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.check_room(bytes)?;
            let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
            let content = state.new_content(Content::zeros(bytes));
            state.rename(NameChange::Link(name.to_owned(), content));
            Ok(content)
        })?;
        Ok(self.handle(&state, content, access))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let state = self.lock();
        state.check_alive()?;
        let content = state.find(name)?;
        Ok(self.handle(&state, content, access))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.lock().change(|state| {
            state.find(from)?;
            state.rename(NameChange::Rename(from.to_owned(), to.to_owned()));
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.lock().change(|state| {
            state.find(name)?;
            state.rename(NameChange::Unlink(name.to_owned()));
            Ok(())
        })
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.lock();
        match state.count()? {
            Some(Fault::Error(kind)) => return Err(kind.into()),
            Some(Fault::Stop) => return Err(io::Error::other("the machine died")),
            None => {}
        }
        state.changes.clear();
        state.durable_names = state.names.clone();
        let linked: BTreeSet<u64> = state.names.values().copied().collect();
        state.contents.retain(|id, _| linked.contains(id));
        Ok(())
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    generation: u64,
    content: u64,
    access: Access,
}

impl MemoryFile {
    fn lock(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock();
        state.check_alive()?;
        match state.generation == self.generation && state.contents.contains_key(&self.content) {
            true => Ok(state),
            false => Err(io::Error::other("opened before the crash, or removed")),
        }
    }

    /// Holds the log to what direct input and output ask for.
    fn check_aligned(&self, offset: u64, buffer: &[u8]) -> io::Result<()> {
        let direct = matches!(self.access, Access::ReadUncached | Access::WriteThrough);
        let aligned = offset.is_multiple_of(BLOCK_BYTES as u64)
            && buffer.len().is_multiple_of(BLOCK_BYTES)
            && buffer.as_ptr().addr().is_multiple_of(BLOCK_BYTES);
        match aligned || !direct {
            true => Ok(()),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

impl DiskFile for MemoryFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.lock()?.contents[&self.content].current.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.check_aligned(offset, buffer)?;
        let mut state = self.lock()?;
        state.count_read()?;
        let content = &state.contents[&self.content];
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let start = start.min(content.current.len());
        let bytes = buffer.len().min(content.current.len() - start);
        let buffer = &mut buffer[..bytes];
        match self.access {
            Access::ReadUncached => content.read_uncached(start, buffer),
            _ => buffer.copy_from_slice(&content.current[start..start + bytes]),
        }
        Ok(bytes)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if matches!(self.access, Access::Read | Access::ReadUncached) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.check_aligned(offset, data)?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        self.lock()?.change(|state| {
            let known = state.contents[&self.content].current.len();
            let more = (start + data.len()).saturating_sub(known);
            if more > 0 {
                state.check_room(more as u64)?;
            }
            if let Some(content) = state.contents.get_mut(&self.content) {
                content.write(start, data);
            }
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.lock()?;
        let fault = state.count()?;
        let Some(content) = state.contents.get_mut(&self.content) else {
            return Ok(());
        };
        match fault {
            None => content.sync(),
            Some(Fault::Stop) => return Err(io::Error::other("the machine died")),
            Some(Fault::Error(kind)) => {
                content.forget_writes();
                return Err(kind.into());
            }
        }
        Ok(())
    }
}
