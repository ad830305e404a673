//! A file system in memory that forgets what was not synced.
//!
//! Everything exists twice: as programs see it, and as it would be found after a loss of power.
//! Bytes reach the disk by the sync of their file; creations, links, renames and removals reach it
//! by the sync of their directories. What was not synced may have arrived nevertheless: any subset
//! of it, in any order, only that one rename is never half done.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use clawteam::store::vfs::{Hold, NewFile, Vfs};
use clawteam::store::{Holder, Mode, Patience, StoreError};

/// A file or directory, by number. The top is 0.
type Ino = usize;
type Name = Arc<str>;
type Bytes = Arc<Vec<u8>>;
/// The names of a tree: which directory has which entry.
type Names = BTreeMap<(Ino, Name), Ino>;

/// Up to this many unsynced changes, every subset of them is tried.
const ALL_SUBSETS_UP_TO: usize = 10;

/// What goes wrong, and when. Changes (creations, writes, syncs, renames, …) are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// After this many changes the program is gone: nothing it tries has an effect any more.
    StopAfter(usize),
    /// This change fails. A write for want of space has written its first half.
    Fail(usize, io::ErrorKind),
    /// This reading operation fails. They are counted by themselves.
    FailRead(usize),
}

#[derive(Debug, Clone)]
enum Node {
    Dir,
    File {
        now: Bytes,
        /// What a loss of power cannot take away; `None` if nothing was ever synced.
        synced: Option<Bytes>,
    },
}

/// A change of names that happens as a whole.
#[derive(Debug, Clone)]
struct Change {
    updates: Vec<((Ino, Name), Option<Ino>)>,
    /// Directories whose sync is still missing; the change is durable when there are none.
    unsynced: BTreeSet<Ino>,
}

#[derive(Debug, Clone, Default)]
struct Lock {
    readers: usize,
    writer: bool,
}

#[derive(Debug, Clone)]
struct Disk {
    nodes: Vec<Node>,
    live: Names,
    durable: Names,
    /// Changes since, in order.
    pending: Vec<Change>,
    locks: BTreeMap<Ino, Lock>,
    fault: Fault,
    changes: usize,
    reads: usize,
    stopped: bool,
    trace: Vec<String>,
}

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

fn stopped() -> io::Error {
    io::Error::other("the program has ended")
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// Whether a name is one that commits use before they have happened.
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with(".tmp-")
}

impl Change {
    /// Whether it may or may not have reached the disk, and that matters.
    fn is_open(&self) -> bool {
        let matters = |((_, name), _): &((Ino, Name), Option<Ino>)| !is_temporary(name);
        !self.unsynced.is_empty() && self.updates.iter().any(matters)
    }
}

impl Disk {
    fn empty() -> Self {
        Self {
            nodes: vec![Node::Dir],
            live: Names::new(),
            durable: Names::new(),
            pending: Vec::new(),
            locks: BTreeMap::new(),
            fault: Fault::None,
            changes: 0,
            reads: 0,
            stopped: false,
            trace: Vec::new(),
        }
    }

    /// Counts a change. True if it is to fail half-way.
    fn change(&mut self, what: &str, path: &Path) -> io::Result<()> {
        if self.stopped || self.fault == Fault::StopAfter(self.changes) {
            self.stopped = true;
            return Err(stopped());
        }
        self.changes += 1;
        self.trace.push(format!("{} {what} {}", self.changes, path.display()));
        match self.fault {
            Fault::Fail(at, kind) if at == self.changes => Err(kind.into()),
            _ => Ok(()),
        }
    }

    fn reading(&mut self) -> io::Result<()> {
        if self.stopped {
            return Err(stopped());
        }
        self.reads += 1;
        if self.fault == Fault::FailRead(self.reads) {
            return Err(io::Error::other("the disk cannot be read"));
        }
        Ok(())
    }

    fn find(&self, path: &Path) -> io::Result<Ino> {
        let mut at = 0;
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            if !matches!(self.nodes[at], Node::Dir) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            let name: Name = name.to_str().ok_or_else(not_found)?.into();
            at = *self.live.get(&(at, name)).ok_or_else(not_found)?;
        }
        Ok(at)
    }

    /// The directory and name of `path`, whether or not something is there.
    fn place(&self, path: &Path) -> io::Result<(Ino, Name)> {
        let parent = self.find(path.parent().ok_or_else(not_found)?)?;
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(not_found)?;
        Ok((parent, name.into()))
    }

    fn bytes(&self, ino: Ino) -> io::Result<&Bytes> {
        match &self.nodes[ino] {
            Node::File { now, .. } => Ok(now),
            Node::Dir => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn children(&self, dir: Ino) -> impl Iterator<Item = (&Name, Ino)> {
        let first = (dir, Name::from(""));
        self.live.range(first..).take_while(move |(key, _)| key.0 == dir).map(|(k, v)| (&k.1, *v))
    }

    fn update(&mut self, updates: Vec<((Ino, Name), Option<Ino>)>) {
        let unsynced = updates.iter().map(|((dir, _), _)| *dir).collect();
        apply(&mut self.live, &updates);
        self.pending.push(Change { updates, unsynced });
    }

    fn add(&mut self, place: (Ino, Name), node: Node) -> Ino {
        self.nodes.push(node);
        let ino = self.nodes.len() - 1;
        self.update(vec![(place, Some(ino))]);
        ino
    }

    fn create(&mut self, path: &Path, secret: bool) -> io::Result<Ino> {
        let place = self.place(path)?;
        if self.live.contains_key(&place) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(if secret { "create secret" } else { "create" }, path)?;
        Ok(self.add(place, Node::File { now: Bytes::default(), synced: None }))
    }

    fn set(&mut self, ino: Ino, bytes: Vec<u8>) {
        if let Node::File { now, .. } = &mut self.nodes[ino] {
            *now = bytes.into();
        }
    }

    fn extend(&mut self, ino: Ino, bytes: &[u8], path: &Path) -> io::Result<()> {
        let outcome = self.change("write", path);
        let written = match &outcome {
            Ok(()) => bytes,
            Err(error) if error.kind() == io::ErrorKind::StorageFull => &bytes[..bytes.len() / 2],
            Err(_) => return outcome,
        };
        let mut all = self.bytes(ino)?.to_vec();
        all.extend_from_slice(written);
        self.set(ino, all);
        outcome
    }

    fn sync_file(&mut self, ino: Ino, path: &Path) -> io::Result<()> {
        self.change("sync", path)?;
        if let Node::File { now, synced } = &mut self.nodes[ino] {
            *synced = Some(now.clone());
        }
        Ok(())
    }

    fn sync_dir(&mut self, dir: Ino) {
        for change in &mut self.pending {
            change.unsynced.remove(&dir);
        }
        while self.pending.first().is_some_and(|change| change.unsynced.is_empty()) {
            let change = self.pending.remove(0);
            apply(&mut self.durable, &change.updates);
        }
    }

    fn try_lock(&mut self, ino: Ino, mode: Mode) -> bool {
        let lock = self.locks.entry(ino).or_default();
        match mode {
            Mode::Shared if !lock.writer => lock.readers += 1,
            Mode::Exclusive if !lock.writer && lock.readers == 0 => lock.writer = true,
            _ => return false,
        }
        true
    }

    /// The disk as it is found when the changes `kept` of the pending ones have arrived, and of
    /// unsynced bytes the part that `tear` says.
    fn remains(&self, kept: &[bool], tear: Tear) -> Self {
        let mut names = self.durable.clone();
        for (change, kept) in self.pending.iter().zip(kept) {
            if *kept || change.unsynced.is_empty() {
                apply(&mut names, &change.updates);
            }
        }
        let mut nodes = self.nodes.clone();
        for node in &mut nodes {
            if let Node::File { now, synced } = node
                && synced.as_ref() != Some(now)
            {
                *now = torn(now, synced.as_ref(), tear);
                *synced = Some(now.clone());
            }
        }
        Self { nodes, live: names.clone(), durable: names, ..Self::empty() }
    }

    /// Where the pending changes lead if those `kept` arrive: tells outcomes apart.
    fn outcome(&self, kept: &[bool]) -> Vec<(&(Ino, Name), Option<Ino>)> {
        let mut places = BTreeMap::new();
        for (change, kept) in self.pending.iter().zip(kept) {
            for (place, to) in &change.updates {
                if is_temporary(&place.1) {
                    continue;
                }
                let place = places.entry(place).or_insert_with(|| self.durable.get(place).copied());
                if *kept || change.unsynced.is_empty() {
                    *place = *to;
                }
            }
        }
        places.into_iter().collect()
    }

    /// Whether a file that may be found later has bytes that may not.
    fn has_unsynced_bytes(&self) -> bool {
        let dirty = |ino: Ino| matches!(&self.nodes[ino], Node::File { now, synced } if synced.as_ref() != Some(now));
        let updates = self.pending.iter().flat_map(|change| &change.updates);
        let pending = updates.filter_map(|((_, name), to)| Some((name, (*to)?)));
        let durable = self.durable.iter().map(|((_, name), ino)| (name, *ino));
        durable.chain(pending).any(|(name, ino)| !is_temporary(name) && dirty(ino))
    }

    /// Every file below the top, and every directory with a `/` at its end.
    fn tree(&self) -> BTreeMap<String, Bytes> {
        let mut found = BTreeMap::new();
        let mut open = vec![(0, String::new())];
        while let Some((dir, prefix)) = open.pop() {
            for (name, ino) in self.children(dir) {
                let path = format!("{prefix}/{name}");
                match &self.nodes[ino] {
                    Node::File { now, .. } => {
                        found.insert(path, now.clone());
                    }
                    Node::Dir => {
                        found.insert(format!("{path}/"), Bytes::default());
                        open.push((ino, path));
                    }
                }
            }
        }
        found
    }

    /// Tells disks apart, but not by temporary files, whose names are random.
    fn digest(&self) -> u128 {
        let mut text = Vec::new();
        for (path, bytes) in self.tree() {
            if !path.rsplit('/').next().is_some_and(is_temporary) {
                text.extend_from_slice(path.as_bytes());
                text.push(0);
                text.extend_from_slice(&bytes.len().to_le_bytes());
                text.extend_from_slice(&bytes);
            }
        }
        xxhash_rust::xxh3::xxh3_128(&text)
    }
}

fn apply(names: &mut Names, updates: &[((Ino, Name), Option<Ino>)]) {
    for (place, to) in updates {
        match to {
            Some(ino) => names.insert(place.clone(), *ino),
            None => names.remove(place),
        };
    }
}

/// What a loss of power leaves of bytes that were not synced.
#[derive(Debug, Clone, Copy)]
enum Tear {
    Whole,
    Half,
    Nothing,
}

fn torn(now: &Bytes, synced: Option<&Bytes>, tear: Tear) -> Bytes {
    let kept = synced.map_or(0, |synced| if now.starts_with(synced) { synced.len() } else { 0 });
    match tear {
        Tear::Whole => now.clone(),
        Tear::Half => now[..kept + (now.len() - kept) / 2].to_vec().into(),
        Tear::Nothing => synced.cloned().unwrap_or_default(),
    }
}

/// Which of `count` things are chosen: every subset of few, a systematic selection of many (all,
/// none, each one alone, all but one, every beginning, every end, every second).
fn subsets(count: usize) -> Vec<Vec<bool>> {
    if count <= ALL_SUBSETS_UP_TO {
        let bits = |set: usize| (0..count).map(move |bit| set >> bit & 1 == 1).collect();
        return (0..1 << count).map(bits).collect();
    }
    let pick = |wanted: &dyn Fn(usize) -> bool| (0..count).map(wanted).collect::<Vec<bool>>();
    let mut chosen = vec![pick(&|_| true), pick(&|_| false)];
    chosen.extend([pick(&|i| i % 2 == 0), pick(&|i| i % 2 == 1)]);
    for one in 0..count {
        chosen.push(pick(&|i| i == one));
        chosen.push(pick(&|i| i != one));
        chosen.push(pick(&|i| i < one));
        chosen.push(pick(&|i| i >= one));
        for other in 0..one {
            chosen.push(pick(&|i| i == one || i == other));
            chosen.push(pick(&|i| i != one && i != other));
        }
    }
    chosen
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
        let disk = self.disk().clone();
        Self::of(Disk {
            locks: BTreeMap::new(),
            fault: Fault::None,
            changes: 0,
            reads: 0,
            stopped: false,
            trace: Vec::new(),
            ..disk
        })
    }

    /// A copy on which everything has reached the disk.
    pub(super) fn settled(&self) -> Self {
        let disk = self.disk();
        let all = vec![true; disk.pending.len()];
        Self::of(disk.remains(&all, Tear::Whole))
    }

    /// What may be found after a loss of power, each different result once. Temporary files make
    /// no difference: nobody reads another one's.
    pub(super) fn after_power_loss(&self) -> Vec<Self> {
        let disk = self.disk();
        let open: Vec<usize> =
            (0..disk.pending.len()).filter(|index| disk.pending[*index].is_open()).collect();
        let tears: &[Tear] = if disk.has_unsynced_bytes() {
            &[Tear::Whole, Tear::Half, Tear::Nothing]
        } else {
            &[Tear::Whole]
        };
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
            for tear in tears {
                found.push(Self::of(disk.remains(&kept, *tear)));
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
        self.disk().trace.join("\n")
    }

    /// Every file, and every directory with a `/` at its end, as programs see them.
    pub(super) fn tree(&self) -> BTreeMap<String, Bytes> {
        self.disk().tree()
    }

    /// Tells file systems apart by what programs see, temporary files aside.
    pub(super) fn digest(&self) -> u128 {
        self.disk().digest()
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
