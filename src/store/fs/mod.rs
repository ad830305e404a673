//! Documents as files below a data directory.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that opens files of the data directory"
)]

mod commit;
mod journal;
mod lock;
mod queue;
pub mod vfs;
mod watch;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::core::limits;

use super::backend::{
    Backend, Blob, Changes, Claim, Commit, Each, Guard, Mode, Patience, Place, Put, Queued,
    Revision, Tick,
};
use super::error::{Holder, StoreError};
use super::key::{Dir, Key, Scope};
pub(in crate::store) use journal::JournalState;
use vfs::{Hold, RealVfs, Vfs};

/// Files below a data directory.
#[derive(Debug)]
pub struct FsBackend {
    root: PathBuf,
    vfs: Arc<dyn Vfs>,
    /// Whether acknowledged changes are synced to the disk.
    sync: bool,
    /// Directories found to lie below the root, symbolic links resolved.
    inside: Mutex<HashSet<PathBuf>>,
    /// Directories known to be there after a loss of power.
    durable: Mutex<HashSet<PathBuf>>,
    suffix: AtomicU64,
}

/// The state of a document that holds `bytes`.
fn revision_of(bytes: &[u8]) -> Revision {
    Revision(xxhash_rust::xxh3::xxh3_128(bytes))
}

impl FsBackend {
    /// The data directory `root` on the operating system's file system. Without `sync`, changes
    /// survive the end of the process but perhaps not the loss of power.
    pub fn new(root: impl Into<PathBuf>, sync: bool) -> Self {
        Self::on(root, Arc::new(RealVfs), sync)
    }

    /// The same on another file system.
    pub fn on(root: impl Into<PathBuf>, vfs: Arc<dyn Vfs>, sync: bool) -> Self {
        let seed = uuid::Uuid::new_v4().as_u64_pair().0;
        let root = root.into();
        Self {
            // What stands above a relative path cannot be named.
            root: std::path::absolute(&root).unwrap_or(root),
            vfs,
            sync,
            inside: Mutex::new(HashSet::new()),
            durable: Mutex::new(HashSet::new()),
            suffix: AtomicU64::new(seed),
        }
    }

    pub(in crate::store) fn root(&self) -> &Path {
        &self.root
    }

    pub(in crate::store) fn vfs(&self) -> &dyn Vfs {
        &*self.vfs
    }

    /// Eight hexadecimal digits that this process did not use before.
    fn fresh_suffix(&self) -> String {
        let number = self.suffix.fetch_add(0x9e37_79b9, Ordering::Relaxed);
        format!("{:08x}", number & 0xffff_ffff)
    }

    fn path(&self, key: &Key) -> Result<PathBuf, StoreError> {
        Ok(self.dir_path(&key.dir())?.join(key.name()))
    }

    /// The path of a collection, after checking that no symbolic link leads out of the root.
    pub(in crate::store) fn dir_path(&self, dir: &Dir) -> Result<PathBuf, StoreError> {
        let path = if dir.as_str().is_empty() {
            return Ok(self.root.clone());
        } else {
            self.root.join(dir.as_str())
        };
        let mut inside = self.inside.lock().expect("no thread panics while it checks a path");
        if inside.contains(&path) {
            return Ok(path);
        }
        let there = self.check_inside(&path)?;
        if there {
            inside.insert(path.clone());
        }
        Ok(path)
    }

    /// Checks that `path`, or what there is of it, lies below the root once symbolic links are
    /// followed. Whether all of it is there.
    fn check_inside(&self, path: &Path) -> Result<bool, StoreError> {
        for part in path.ancestors().take_while(|part| part.starts_with(&self.root)) {
            match self.vfs.canonicalize(part) {
                Ok(real) => {
                    let root = self.vfs.canonicalize(&self.root);
                    let root = root.map_err(|error| StoreError::io("open", &self.root, error))?;
                    return if real.starts_with(&root) {
                        Ok(part == path)
                    } else {
                        Err(StoreError::Escapes { path: path.into() })
                    };
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(StoreError::io("open", part, error)),
            }
        }
        Ok(false)
    }

    fn read_file(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(key)?;
        match self.vfs.read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(StoreError::io("read", path, error)),
        }
    }

    fn list_names(&self, dir: &Dir, dirs: bool) -> Result<Vec<String>, StoreError> {
        let path = self.dir_path(dir)?;
        match self.vfs.list(&path) {
            Ok(entries) => {
                Ok(entries.into_iter().filter(|(_, is_dir)| *is_dir == dirs).map(|e| e.0).collect())
            }
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            Err(error) => Err(StoreError::io("list", path, error)),
        }
    }

    /// Makes a directory and those above it, durably, if they are not there.
    ///
    /// One that is there may have been made by a process that was killed before it synced the
    /// directory above. Whoever puts the first thing into a directory has made sure of that; so
    /// what holds something is durable itself, and what is empty is synced once more.
    fn ensure_dir(&self, dir: &Path) -> Result<(), StoreError> {
        let mut durable = self.durable.lock().expect("no thread panics while it makes a directory");
        self.ensure_dir_in(dir, &mut durable)
    }

    fn ensure_dir_in(&self, dir: &Path, known: &mut HashSet<PathBuf>) -> Result<(), StoreError> {
        if known.contains(dir) {
            return Ok(());
        }
        let parent = dir.parent().unwrap_or(Path::new("/"));
        match self.vfs.is_empty(dir) {
            Ok(true) => self.sync_dir(parent)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.ensure_dir_in(parent, known)?;
                match self.vfs.create_dir(dir) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(StoreError::io("create", dir, error));
                    }
                    _ => self.sync_dir(parent)?,
                }
            }
            Ok(false) => {}
            // Who may write here but not list can do no better.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(StoreError::io("list", dir, error)),
        }
        known.insert(dir.to_owned());
        Ok(())
    }

    /// The same for the directory of a file that could not be made because it is gone.
    fn make_dir_again(&self, dir: &Path) -> Result<(), StoreError> {
        let mut durable = self.durable.lock().expect("no thread panics while it makes a directory");
        durable.retain(|known| !dir.starts_with(known));
        self.ensure_dir_in(dir, &mut durable)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), StoreError> {
        if !self.sync {
            return Ok(());
        }
        match self.vfs.sync_dir(dir) {
            // A directory that is gone has nothing left to lose.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("sync", dir, error))
            }
            _ => Ok(()),
        }
    }

    fn sync_parent(&self, path: &Path) -> Result<(), StoreError> {
        self.sync_dir(path.parent().unwrap_or(&self.root))
    }

    /// Makes a change to the entry `path` durable that everybody can see already.
    fn confirm_entry(&self, path: &Path) -> Result<(), StoreError> {
        self.sync_parent(path).map_err(|error| error.after_commit(path))
    }

    fn unlink_if_there(&self, path: &Path) -> Result<(), StoreError> {
        match self.vfs.unlink(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", path, error))
            }
            _ => Ok(()),
        }
    }

    /// Locks a scope, but does not look at its journal.
    pub(in crate::store) fn acquire(
        &self,
        scope: &Scope,
        mode: Mode,
        patience: &Patience<'_>,
    ) -> Result<Hold, StoreError> {
        let path = self.path(&scope.lock_file())?;
        self.ensure_dir(path.parent().unwrap_or(&self.root))?;
        self.vfs.lock(&path, &scope.to_string(), mode, patience)
    }

    /// Who holds the lock of a scope now, if anybody does.
    pub fn lock_holder(&self, lock_file: &Key) -> Option<Holder> {
        let path = self.path(lock_file).ok()?;
        let free = self.vfs.claim(&path, Mode::Shared).ok()?.is_some() || !self.vfs.exists(&path);
        (!free).then(|| lock::holder(&path))
    }
}

/// Whether a file stays when its collection is retired: others may be waiting for the lock, and
/// numbers must go on rising.
fn stays(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "lock") || name == ".sequence"
}

/// Whether an error means that nothing is there. A component that is a file means so too.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A locked scope.
struct FsGuard<'b> {
    backend: &'b FsBackend,
    scope: Scope,
    mode: Mode,
    /// Whether the commit before this one may have left a journal.
    unfinished: bool,
    _hold: Hold,
}

impl Guard for FsGuard<'_> {
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        debug_assert!(self.mode == Mode::Exclusive, "a shared lock changes nothing");
        if self.unfinished {
            // A second journal would take the place of the first, and half of that commit be lost.
            self.backend.recover(&self.scope)?;
            self.unfinished = false;
        }
        let outcome = self.backend.commit_locked(&self.scope, commit);
        self.unfinished = matches!(outcome, Err(StoreError::Unfinished { .. }));
        outcome
    }
}

impl Backend for FsBackend {
    fn read(&self, key: &Key) -> Result<Option<Blob>, StoreError> {
        let bytes = self.read_file(key)?;
        Ok(bytes.map(|bytes| Blob { revision: revision_of(&bytes), bytes }))
    }

    fn read_end(&self, key: &Key, max: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.path(key)?;
        match self.vfs.read_end(&path, max) {
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            other => other.map_err(|error| StoreError::io("read", path, error)),
        }
    }

    fn read_from(&self, key: &Key, start: u64) -> Result<(Vec<u8>, u64), StoreError> {
        let path = self.path(key)?;
        match self.vfs.read_from(&path, start) {
            Err(error) if is_absent(&error) => Ok((Vec::new(), 0)),
            other => other.map_err(|error| StoreError::io("read", path, error)),
        }
    }

    fn list(&self, dir: &Dir) -> Result<Vec<String>, StoreError> {
        self.list_names(dir, false)
    }

    fn list_dirs(&self, dir: &Dir) -> Result<Vec<String>, StoreError> {
        self.list_names(dir, true)
    }

    fn read_each(&self, dir: &Dir, names: &[String], each: &mut Each<'_>) {
        let base = match self.dir_path(dir) {
            Ok(base) => base,
            // Nothing of it can be read; one error says so.
            Err(error) => return each(dir.as_str(), Err(error)),
        };
        self.vfs.read_each(&base, names, &mut |name, bytes| match bytes {
            Ok(bytes) => each(name, Ok((bytes, revision_of(bytes)))),
            Err(error) if is_absent(&error) => {}
            Err(error) => each(name, Err(StoreError::io("read", base.join(name), error))),
        });
    }

    fn create_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        self.ensure_dir(&self.dir_path(dir)?)
    }

    fn lock<'a>(
        &'a self,
        scope: &Scope,
        mode: Mode,
        patience: &Patience<'_>,
    ) -> Result<Box<dyn Guard + 'a>, StoreError> {
        let journal = self.path(&scope.journal_file())?;
        let hold = loop {
            let hold = self.acquire(scope, mode, patience)?;
            if mode == Mode::Exclusive {
                self.recover(scope)?;
                break hold;
            }
            if !self.vfs.exists(&journal) {
                break hold;
            }
            // Readers together find what a dead writer left: one of them finishes it first.
            drop(hold);
            let _alone = self.acquire(scope, Mode::Exclusive, patience)?;
            self.recover(scope)?;
        };
        let scope = scope.clone();
        Ok(Box::new(FsGuard { backend: self, scope, mode, unfinished: false, _hold: hold }))
    }

    fn create(&self, put: &Put) -> Result<(), StoreError> {
        self.create_new(put)
    }

    fn append(&self, key: &Key, line: &[u8]) -> Result<(), StoreError> {
        self.append_line(key, line)
    }

    fn confirm(&self, key: &Key) -> Result<(), StoreError> {
        if !self.sync {
            return Ok(());
        }
        let path = self.path(key)?;
        match self.vfs.sync_file(&path) {
            Err(error) if is_absent(&error) => Ok(()),
            other => other.map_err(|error| StoreError::io("sync", path, error)),
        }
    }

    fn anchor(&self, key: &Key) -> Result<(), StoreError> {
        self.sync_parent(&self.path(key)?)
    }

    fn mark(&self, key: &Key) -> Result<(), StoreError> {
        let path = self.path(key)?;
        let mut marked = self.vfs.append(&path, b"", false);
        if matches!(&marked, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            self.ensure_dir(path.parent().unwrap_or(&self.root))?;
            marked = self.vfs.append(&path, b"", false);
        }
        marked.map_err(|error| StoreError::io("write", path, error))
    }

    fn cache(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(key)?;
        let temp = self.write_temp(&path, bytes, false, false)?;
        self.vfs.rename(&temp, &path).map_err(|error| {
            let _ = self.vfs.unlink(&temp);
            StoreError::io("write", path, error)
        })
    }

    fn tick(&self, key: &Key, now_millis: u64, seed: u32) -> Result<Tick, StoreError> {
        let path = self.path(key)?;
        let mut next = Tick { millis: now_millis, count: seed };
        let mut advance = |bytes: &[u8]| {
            if let Some(last) = parse_tick(bytes) {
                next = after(last, now_millis, seed);
            }
            format!("{} {:08x}\n", next.millis, next.count).into_bytes()
        };
        let dir = path.parent().unwrap_or(&self.root);
        self.ensure_dir(dir)?;
        let mut done = self.vfs.exchange(&path, &mut advance);
        if matches!(&done, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            self.make_dir_again(dir)?;
            done = self.vfs.exchange(&path, &mut advance);
        }
        done.map_err(|error| StoreError::io("write", path, error))?;
        Ok(next)
    }

    fn queue(&self, dir: &Dir) -> Result<Vec<Queued>, StoreError> {
        self.queue_entries(dir)
    }

    fn peek(&self, dir: &Dir, entry: &Queued) -> Result<Option<Vec<u8>>, StoreError> {
        self.peek_entry(dir, entry)
    }

    fn claim(&self, dir: &Dir, entry: &Queued) -> Result<Option<Claim>, StoreError> {
        self.claim_entry(dir, entry)
    }

    fn settle(&self, claims: Vec<(Claim, Option<Key>)>) -> Result<(), StoreError> {
        self.settle_claims(claims)
    }

    fn put_aside(&self, claim: Claim, dir: &Dir, note: &[u8]) -> Result<String, StoreError> {
        self.put_claim_aside(claim, dir, note)
    }

    fn set_aside(&self, key: &Key) -> Result<String, StoreError> {
        let from = self.path(key)?;
        let name = format!("{}.{}", key.as_str().replace('/', "__"), self.fresh_suffix());
        let to = self.path(&Dir::top().child("quarantine").entry(&name))?;
        self.ensure_dir(to.parent().unwrap_or(&self.root))?;
        self.vfs.rename(&from, &to).map_err(|error| StoreError::io("put aside", &from, error))?;
        self.confirm_entry(&to)?;
        self.confirm_entry(&from)?;
        Ok(to.display().to_string())
    }

    fn retire(&self, dirs: &[Dir], last: &Key, label: &str) -> Result<usize, StoreError> {
        let trash = Dir::top().child("trash").child(label);
        let mut moved = 0;
        for dir in dirs {
            moved += self.retire_dir(dir, last, &trash)?;
        }
        let from = self.path(last)?;
        let to = self.root.join(trash.as_str()).join(last.as_str());
        if self.vfs.exists(&from) {
            moved += self.move_entry(&from, &to)?;
        }
        self.confirm_entry(&to)?;
        self.confirm_entry(&from)?;
        Ok(moved)
    }

    fn watch(&self, dirs: &[Dir]) -> Result<Box<dyn Changes>, StoreError> {
        let paths: Result<Vec<PathBuf>, StoreError> =
            dirs.iter().map(|dir| self.dir_path(dir)).collect();
        Ok(Box::new(watch::FileChanges::new(&paths?)))
    }

    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        self.unlink_if_there(&self.path(key)?)
    }

    fn claims_max(&self) -> usize {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current < limit.maximum || limit.maximum.is_none() {
            // The soft limit is there for programs that cannot handle many files; we can.
            let wanted = limits::CLAIMS_MAX as u64 + limits::OPEN_FILES_RESERVED as u64;
            let raised = limit.maximum.map_or(wanted, |most| most.min(wanted));
            if limit.current.is_some_and(|now| now < raised) {
                limit.current = Some(raised);
                let _ = setrlimit(Resource::Nofile, limit);
            }
        }
        let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let now = usize::try_from(now).unwrap_or(usize::MAX);
        now.saturating_sub(limits::OPEN_FILES_RESERVED).clamp(1, limits::CLAIMS_MAX)
    }

    fn place(&self) -> Place {
        use std::os::unix::fs::MetadataExt;
        let device = |path: &Path| std::fs::metadata(path).map(|meta| meta.dev()).ok();
        let own = device(&self.root);
        let above = self.root.parent().and_then(device);
        Place { exists: own.is_some(), is_mount: own.is_some() && above.is_some() && own != above }
    }

    fn path_of(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }
}

impl FsBackend {
    /// Appends a line. It begins anew where another one was torn, and a file that nobody has
    /// written to yet may have been made by a process that was killed before it synced it.
    fn append_line(&self, key: &Key, line: &[u8]) -> Result<(), StoreError> {
        let path = self.path(key)?;
        self.ensure_dir(path.parent().unwrap_or(&self.root))?;
        let failed = |error| StoreError::io("append to", &path, error);
        let last = match self.vfs.last_byte(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.vfs.append(&path, b"", false).map_err(failed)?;
                None
            }
            other => other.map_err(failed)?,
        };
        let mut bytes = Vec::with_capacity(line.len() + 2);
        match last {
            None => self.sync_parent(&path)?,
            Some(b'\n') => {}
            Some(_) => bytes.push(b'\n'),
        }
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
        self.vfs.append(&path, &bytes, false).map_err(failed)?;
        if self.sync {
            let synced = self.vfs.sync_file(&path);
            synced.map_err(|error| StoreError::io("sync", &path, error).after_commit(&path))?;
        }
        Ok(())
    }

    fn retire_dir(&self, dir: &Dir, last: &Key, trash: &Dir) -> Result<usize, StoreError> {
        let from = self.dir_path(dir)?;
        let to = self.root.join(trash.as_str()).join(dir.as_str());
        let entries = match self.vfs.list(&from) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(0),
            Err(error) => return Err(StoreError::io("list", from, error)),
        };
        let mut moved = 0;
        for (name, _) in entries {
            if !stays(&name) && dir.entry(&name) != *last {
                moved += self.move_entry(&from.join(&name), &to.join(&name))?;
            }
        }
        // Even if nothing was left to move: an earlier attempt may have ended before this.
        self.sync_dir(&to)?;
        self.sync_dir(&from)?;
        Ok(moved)
    }

    /// Moves an entry into the trash, beside what may be there under its name already.
    fn move_entry(&self, from: &Path, to: &Path) -> Result<usize, StoreError> {
        self.ensure_dir(to.parent().unwrap_or(&self.root))?;
        let mut to = to.to_owned();
        if self.vfs.exists(&to) {
            to.as_mut_os_string().push(format!(".{}", self.fresh_suffix()));
        }
        match self.vfs.rename(from, &to) {
            Ok(()) => Ok(1),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(StoreError::io("move", from, error)),
        }
    }
}

fn parse_tick(bytes: &[u8]) -> Option<Tick> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (millis, count) = text.trim().split_once(' ')?;
    Some(Tick { millis: millis.parse().ok()?, count: u32::from_str_radix(count, 16).ok()? })
}

/// The tick that follows `last`: close to the clock, but never behind.
pub(super) fn after(last: Tick, now_millis: u64, seed: u32) -> Tick {
    if now_millis > last.millis {
        Tick { millis: now_millis, count: seed }
    } else if last.count == u32::MAX {
        Tick { millis: last.millis + 1, count: seed }
    } else {
        Tick { millis: last.millis, count: last.count + 1 }
    }
}
