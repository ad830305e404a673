//! A file system in memory that forgets what was not synced.
//!
//! Everything exists twice: as programs see it, and as it would be found after a loss of power.
//! Bytes reach the disk by the sync of their file; creations, links, renames and removals reach it
//! by the sync of their directories. What was not synced may have arrived nevertheless: any subset
//! of it, in any order, only that one rename is never half done.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use clawteam::store::vfs::{Hold, NewFile, Vfs};
use clawteam::store::{Holder, Mode, Patience, StoreError};

use super::disk::{Bytes, Disk, Ino, Name, Node, Tear, not_found, subsets};
pub(super) use super::disk::{Fault, is_temporary};

struct Shared {
    disk: Mutex<Disk>,
    freed: Condvar,
}

/// The file system. Clones are the same one.
#[derive(Clone)]
pub(super) struct SimFs {
    shared: Arc<Shared>,
}

impl fmt::Debug for SimFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimFs")
    }
}

impl SimFs {
    /// An empty file system.
    pub(super) fn new() -> Self {
        Self::of(Disk::empty())
    }

    fn of(disk: Disk) -> Self {
        Self { shared: Arc::new(Shared { disk: Mutex::new(disk), freed: Condvar::new() }) }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.shared.disk.lock().expect("no test panics while it holds the disk")
    }

    /// A copy of what programs see and of what is on the disk, with nobody holding a lock.
    /// This is also what is left when all programs are killed.
    pub(super) fn without_programs(&self) -> Self {
        let disk = self.disk();
        Self::of(Disk {
            nodes: disk.nodes.clone(),
            live: disk.live.clone(),
            durable: disk.durable.clone(),
            pending: disk.pending.clone(),
            ..Disk::empty()
        })
    }

    /// A copy on which everything has reached the disk.
    pub(super) fn settled(&self) -> Self {
        let disk = self.disk();
        let all = vec![true; disk.pending.len()];
        Self::of(disk.remains(&all, Tear::Whole, None))
    }

    /// What may be found after a loss of power, each different result once. Temporary files make
    /// no difference: nobody reads another one's.
    pub(super) fn after_power_loss(&self) -> Vec<Self> {
        let disk = self.disk();
        let open: Vec<usize> =
            (0..disk.pending.len()).filter(|index| disk.pending[*index].is_open()).collect();
        let unsynced = disk.unsynced();
        let mut tears = vec![(Tear::Whole, None)];
        if !unsynced.is_empty() {
            tears.extend([(Tear::Half, None), (Tear::Nothing, None)]);
        }
        // Of several files, one may have arrived and another one not.
        for ino in unsynced.iter().filter(|_| unsynced.len() > 1) {
            tears.extend([(Tear::Half, Some(*ino)), (Tear::Nothing, Some(*ino))]);
        }
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for chosen in subsets(open.len()) {
            let mut kept = vec![false; disk.pending.len()];
            for (index, chosen) in open.iter().zip(chosen) {
                kept[*index] = chosen;
            }
            if !seen.insert(disk.outcome(&kept)) {
                continue;
            }
            for (tear, only) in &tears {
                found.push(Self::of(disk.remains(&kept, *tear, *only)));
            }
        }
        found
    }

    /// From now on, `fault` happens; the counts begin anew.
    pub(super) fn set_fault(&self, fault: Fault) {
        let mut disk = self.disk();
        disk.fault = fault;
        disk.changes = 0;
        disk.reads = 0;
        disk.stopped = false;
        disk.trace.clear();
    }

    /// Changes since the fault was set.
    pub(super) fn changes(&self) -> usize {
        self.disk().changes
    }

    /// Reading operations since the fault was set.
    pub(super) fn reads(&self) -> usize {
        self.disk().reads
    }

    /// Whether [`Fault::StopAfter`] has happened.
    pub(super) fn is_stopped(&self) -> bool {
        self.disk().stopped
    }

    /// The changes since the fault was set, for a message.
    pub(super) fn trace(&self) -> String {
        let disk = self.disk();
        let lines = disk.trace.iter().enumerate();
        let lines = lines.map(|(at, (what, path))| format!("{} {what} {}", at + 1, path.display()));
        lines.collect::<Vec<String>>().join("\n")
    }

    /// Every file, and every directory with a `/` at its end, as programs see them.
    pub(super) fn tree(&self) -> BTreeMap<String, Bytes> {
        self.disk().tree()
    }

    /// Tells file systems apart by what programs see, temporary files aside.
    pub(super) fn digest(&self) -> u128 {
        self.disk().digest()
    }

    /// Puts a file there, durably, as somebody would who knows nothing of the protocol. Uncounted.
    pub(super) fn plant(&self, path: &str, bytes: &[u8]) {
        let mut disk = self.disk();
        let mut at = 0;
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        for (index, part) in parts.iter().enumerate() {
            let place = (at, Name::from(*part));
            let known = disk.live.get(&place).copied();
            let is_last = index + 1 == parts.len();
            at = match known {
                Some(ino) if !is_last => ino,
                _ if !is_last => disk.add(place, Node::Dir),
                _ => {
                    let bytes: Bytes = bytes.to_vec().into();
                    disk.add(place, Node::File { now: bytes.clone(), synced: Some(bytes) })
                }
            };
        }
        for change in &mut disk.pending {
            change.unsynced.clear();
        }
        disk.sync_dir(0);
    }
}

struct SimFile {
    fs: SimFs,
    ino: Ino,
    path: PathBuf,
}

impl NewFile for SimFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.fs.disk().extend(self.ino, bytes, &self.path)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.fs.disk().sync_file(self.ino, &self.path)
    }
}

struct SimHold {
    fs: SimFs,
    ino: Ino,
    mode: Mode,
}

impl Drop for SimHold {
    fn drop(&mut self) {
        if let Ok(mut disk) = self.fs.shared.disk.lock()
            && let Some(lock) = disk.locks.get_mut(&self.ino)
        {
            match self.mode {
                Mode::Shared => lock.readers -= 1,
                Mode::Exclusive => lock.writer = false,
            }
        }
        self.fs.shared.freed.notify_all();
    }
}

impl Vfs for SimFs {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut disk = self.disk();
        disk.reading()?;
        let ino = disk.find(path)?;
        Ok(disk.bytes(ino)?.to_vec())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>> {
        let mut disk = self.disk();
        disk.reading()?;
        let dir = disk.find(path)?;
        if !matches!(disk.nodes[dir], Node::Dir) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let entry =
            |(name, ino): (&Name, Ino)| (name.to_string(), matches!(disk.nodes[ino], Node::Dir));
        Ok(disk.children(dir).map(entry).collect())
    }

    fn is_empty(&self, path: &Path) -> io::Result<bool> {
        Ok(self.list(path)?.is_empty())
    }

    fn last_byte(&self, path: &Path) -> io::Result<Option<u8>> {
        Ok(self.read(path)?.last().copied())
    }

    fn modified(&self, _path: &Path) -> io::Result<SystemTime> {
        Ok(SystemTime::UNIX_EPOCH)
    }

    fn available_space(&self, _path: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn exists(&self, path: &Path) -> bool {
        self.disk().find(path).is_ok()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let place = disk.place(path)?;
        if disk.live.contains_key(&place) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.change("mkdir", path)?;
        disk.add(place, Node::Dir);
        Ok(())
    }

    fn create(&self, path: &Path, secret: bool) -> io::Result<Box<dyn NewFile>> {
        let ino = self.disk().create(path, secret)?;
        Ok(Box::new(SimFile { fs: self.clone(), ino, path: path.into() }))
    }

    fn append(&self, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
        let mut disk = self.disk();
        let ino = match disk.find(path) {
            Ok(ino) => ino,
            Err(_) => disk.create(path, false)?,
        };
        if !bytes.is_empty() {
            disk.extend(ino, bytes, path)?;
        }
        if sync { disk.sync_file(ino, path) } else { Ok(()) }
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let ino = disk.find(path)?;
        disk.sync_file(ino, path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let (old, new) = (disk.place(from)?, disk.place(to)?);
        let ino = *disk.live.get(&old).ok_or_else(not_found)?;
        if let Some(there) = disk.live.get(&new)
            && disk.children(*there).next().is_some()
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        disk.change("rename", to)?;
        disk.update(vec![(old, None), (new, Some(ino))]);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let ino = disk.find(from)?;
        let place = disk.place(to)?;
        if disk.live.contains_key(&place) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.change("link", to)?;
        disk.update(vec![(place, Some(ino))]);
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let place = disk.place(path)?;
        let ino = *disk.live.get(&place).ok_or_else(not_found)?;
        disk.bytes(ino)?;
        disk.change("unlink", path)?;
        disk.update(vec![(place, None)]);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let dir = disk.find(path)?;
        disk.change("sync dir", path)?;
        disk.sync_dir(dir);
        Ok(())
    }

    fn lock(
        &self,
        path: &Path,
        what: &str,
        mode: Mode,
        patience: &Patience<'_>,
    ) -> Result<Hold, StoreError> {
        let began = Instant::now();
        let mut told = false;
        let mut disk = self.disk();
        loop {
            let opened = disk.find(path).or_else(|_| disk.create(path, false));
            let ino = opened.map_err(|source| StoreError::Io {
                action: "open",
                path: path.into(),
                source,
            })?;
            if disk.try_lock(ino, mode) {
                return Ok(Box::new(SimHold { fs: self.clone(), ino, mode }));
            }
            let left = patience.limit.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(StoreError::Busy {
                    what: what.to_owned(),
                    holder: Holder::default(),
                    waited: began.elapsed(),
                    path: path.into(),
                });
            }
            if !told {
                told = true;
                drop(disk);
                (patience.notice)(&Holder::default());
                disk = self.disk();
                continue;
            }
            let waited = self.shared.freed.wait_timeout(disk, left.min(Duration::from_secs(1)));
            disk = waited.expect("no test panics while it holds the disk").0;
        }
    }

    fn claim(&self, path: &Path, mode: Mode) -> io::Result<Option<(Hold, Vec<u8>)>> {
        let mut disk = self.disk();
        disk.reading()?;
        let Ok(ino) = disk.find(path) else { return Ok(None) };
        if !disk.try_lock(ino, mode) {
            return Ok(None);
        }
        let bytes = disk.bytes(ino)?.to_vec();
        Ok(Some((Box::new(SimHold { fs: self.clone(), ino, mode }), bytes)))
    }

    fn exchange(&self, path: &Path, change: &mut dyn FnMut(&[u8]) -> Vec<u8>) -> io::Result<()> {
        let mut disk = self.disk();
        let ino = match disk.find(path) {
            Ok(ino) => ino,
            Err(_) => disk.create(path, false)?,
        };
        disk.change("exchange", path)?;
        let changed = change(disk.bytes(ino)?);
        disk.set(ino, changed);
        Ok(())
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.disk().find(path).map(|_| path.to_owned())
    }
}
