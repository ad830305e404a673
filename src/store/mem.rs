//! Documents in memory: for tests, and stricter than files.
//!
//! Listings come in a shuffled order, and what a file system would forgive is refused, so that
//! nothing comes to rely on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::backend::{
    Backend, Blob, Changes, Claim, Commit, Each, Expect, Guard, Mode, Patience, Place, Put, Queued,
    Revision, Tick,
};
use super::error::{Holder, StoreError};
use super::fs;
use super::key::{Dir, Key, Scope};

#[derive(Debug, Default)]
struct State {
    documents: BTreeMap<Key, Blob>,
    dirs: BTreeSet<Dir>,
    /// Claimed queue entries, and whether somebody holds them.
    taken: BTreeMap<Key, bool>,
    locks: BTreeMap<Key, Locked>,
    ticks: BTreeMap<Key, Tick>,
    /// Counts writes; also the revision of what was written.
    writes: u128,
    shuffle: usize,
}

#[derive(Debug)]
enum Locked {
    By(usize),
    Alone,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Documents in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemBackend {
    shared: Arc<Shared>,
}

impl MemBackend {
    /// An empty place.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().expect("no thread panics while it changes documents")
    }
}

impl State {
    fn put(&mut self, put: &Put) {
        self.writes += 1;
        let blob = Blob { bytes: put.bytes.clone(), revision: Revision(self.writes) };
        if let Some(log) = &put.log {
            self.documents.entry(log.clone()).or_insert_with(|| blob.clone());
        }
        self.documents.insert(put.key.clone(), blob);
    }

    fn holds(&self, key: &Key, expect: Expect) -> bool {
        let now = self.documents.get(key).map(|blob| blob.revision);
        match expect {
            Expect::Any => true,
            Expect::Absent => now.is_none(),
            Expect::Revision(revision) => now == Some(revision),
        }
    }

    /// `name` or, if that is taken in `dir`, one like it that is not.
    fn fresh(&self, dir: &Dir, name: &str) -> String {
        let (stem, suffix) = name.rsplit_once('.').unwrap_or((name, ""));
        let numbered = (1..).map(|number| format!("{stem}-{number}.{suffix}"));
        std::iter::once(name.to_owned())
            .chain(numbered)
            .find(|name| !self.documents.contains_key(&dir.entry(name)))
            .expect("numbers do not end")
    }

    fn shuffled(&mut self, mut names: Vec<String>) -> Vec<String> {
        if !names.is_empty() {
            self.shuffle += 1;
            let by = self.shuffle % names.len();
            names.rotate_left(by);
            if self.shuffle % 2 == 1 {
                names.reverse();
            }
        }
        names
    }
}

/// The claim of one entry, given back when dropped.
struct MemHold {
    shared: Arc<Shared>,
    key: Key,
}

impl Drop for MemHold {
    fn drop(&mut self) {
        if let Ok(mut state) = self.shared.state.lock()
            && let Some(held) = state.taken.get_mut(&self.key)
        {
            *held = false;
        }
    }
}

struct MemGuard {
    backend: MemBackend,
    lock: Key,
    mode: Mode,
}

impl Guard for MemGuard {
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        assert!(self.mode == Mode::Exclusive, "a shared lock changes nothing");
        let mut state = self.backend.state();
        let puts = commit.puts.iter().map(|put| (&put.key, put.expect));
        let others = commit.expects.iter().chain(&commit.deletes).map(|(key, e)| (key, *e));
        for (key, expect) in puts.chain(others) {
            if !state.holds(key, expect) {
                return Err(StoreError::Conflict { key: key.to_string() });
            }
        }
        for put in &commit.puts {
            state.put(put);
        }
        for (key, _) in &commit.deletes {
            state.documents.remove(key);
        }
        self.backend.shared.changed.notify_all();
        Ok(())
    }
}

impl Drop for MemGuard {
    fn drop(&mut self) {
        let mut state = self.backend.state();
        match state.locks.get_mut(&self.lock) {
            Some(Locked::By(readers)) if *readers > 1 => *readers -= 1,
            _ => {
                state.locks.remove(&self.lock);
            }
        }
        self.backend.shared.changed.notify_all();
    }
}

struct MemChanges {
    backend: MemBackend,
    seen: u128,
}

impl Changes for MemChanges {
    fn wait(&mut self, limit: Duration) -> bool {
        let seen = self.seen;
        let (state, _) = self
            .backend
            .shared
            .changed
            .wait_timeout_while(self.backend.state(), limit, |state| state.writes == seen)
            .expect("no thread panics while it changes documents");
        let changed = state.writes != seen;
        self.seen = state.writes;
        changed
    }

    fn waker(&self) -> Box<dyn Fn() + Send> {
        let backend = self.backend.clone();
        Box::new(move || {
            backend.state().writes += 1;
            backend.shared.changed.notify_all();
        })
    }
}

fn stem(key: &Key) -> Option<&str> {
    key.name().strip_suffix(".json").filter(|name| name.starts_with("msg-"))
}

fn entry_key(dir: &Dir, name: &str) -> Key {
    dir.entry(&format!("{name}.json"))
}

impl Backend for MemBackend {
    fn read(&self, key: &Key) -> Result<Option<Blob>, StoreError> {
        Ok(self.state().documents.get(key).cloned())
    }

    fn read_end(&self, key: &Key, max: u64) -> Result<Vec<u8>, StoreError> {
        let bytes = self.read(key)?.map(|blob| blob.bytes).unwrap_or_default();
        let skip = (bytes.len() as u64).saturating_sub(max);
        Ok(bytes.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).collect())
    }

    fn read_from(&self, key: &Key, start: u64) -> Result<(Vec<u8>, u64), StoreError> {
        let mut bytes = self.read(key)?.map(|blob| blob.bytes).unwrap_or_default();
        let length = bytes.len() as u64;
        let start = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
        Ok((bytes.split_off(start), length))
    }

    fn list(&self, dir: &Dir) -> Result<Vec<String>, StoreError> {
        let mut state = self.state();
        let names =
            state.documents.keys().filter(|key| key.dir() == *dir).map(|k| k.name().to_owned());
        let names = names.collect();
        Ok(state.shuffled(names))
    }

    fn list_dirs(&self, dir: &Dir) -> Result<Vec<String>, StoreError> {
        let mut state = self.state();
        let prefix = if dir.as_str().is_empty() { String::new() } else { format!("{dir}/") };
        let below = |path: &str| {
            let rest = path.strip_prefix(&prefix)?;
            Some(rest.split('/').next()?.to_owned())
        };
        let mut names: BTreeSet<String> =
            state.dirs.iter().filter_map(|known| below(known.as_str())).collect();
        names.extend(state.documents.keys().filter_map(|key| below(key.dir().as_str())));
        names.remove("");
        Ok(state.shuffled(names.into_iter().collect()))
    }

    fn read_each(&self, dir: &Dir, names: &[String], each: &mut Each<'_>) {
        for name in names {
            let blob = self.state().documents.get(&dir.entry(name)).cloned();
            if let Some(blob) = blob {
                each(name, Ok((&blob.bytes, blob.revision)));
            }
        }
    }

    fn create_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        self.state().dirs.insert(dir.clone());
        Ok(())
    }

    fn lock<'a>(
        &'a self,
        scope: &Scope,
        mode: Mode,
        patience: &Patience<'_>,
    ) -> Result<Box<dyn Guard + 'a>, StoreError> {
        let lock = scope.lock_file();
        let began = Instant::now();
        let mut told = false;
        let mut state = self.state();
        loop {
            let free = match (state.locks.get_mut(&lock), mode) {
                (None, Mode::Shared) => {
                    state.locks.insert(lock.clone(), Locked::By(1));
                    true
                }
                (None, Mode::Exclusive) => {
                    state.locks.insert(lock.clone(), Locked::Alone);
                    true
                }
                (Some(Locked::By(readers)), Mode::Shared) => {
                    *readers += 1;
                    true
                }
                _ => false,
            };
            if free {
                return Ok(Box::new(MemGuard { backend: self.clone(), lock, mode }));
            }
            let left = patience.limit.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(StoreError::Busy {
                    what: scope.to_string(),
                    holder: Holder::default(),
                    waited: began.elapsed(),
                    path: self.path_of(&lock),
                });
            }
            if !told {
                told = true;
                drop(state);
                (patience.notice)(&Holder::default());
                state = self.state();
                continue;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.expect("no thread panics while it changes documents").0;
        }
    }

    fn create(&self, put: &Put) -> Result<(), StoreError> {
        let mut state = self.state();
        if !state.holds(&put.key, Expect::Absent) {
            return Err(StoreError::Conflict { key: put.key.to_string() });
        }
        state.put(put);
        self.shared.changed.notify_all();
        Ok(())
    }

    fn append(&self, key: &Key, line: &[u8]) -> Result<(), StoreError> {
        let mut state = self.state();
        let mut bytes = state.documents.get(key).map(|b| b.bytes.clone()).unwrap_or_default();
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
        state.put(&Put::new(key.clone(), bytes, Expect::Any));
        self.shared.changed.notify_all();
        Ok(())
    }

    fn confirm(&self, _key: &Key) -> Result<(), StoreError> {
        Ok(())
    }

    fn anchor(&self, _key: &Key) -> Result<(), StoreError> {
        Ok(())
    }

    fn mark(&self, key: &Key) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.holds(key, Expect::Absent) {
            state.put(&Put::new(key.clone(), Vec::new(), Expect::Any));
            self.shared.changed.notify_all();
        }
        Ok(())
    }

    fn cache(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        self.state().put(&Put::new(key.clone(), bytes.to_vec(), Expect::Any));
        self.shared.changed.notify_all();
        Ok(())
    }

    fn tick(&self, key: &Key, now_millis: u64, seed: u32) -> Result<Tick, StoreError> {
        let mut state = self.state();
        let next = match state.ticks.get(key) {
            Some(last) => fs::after(*last, now_millis, seed),
            None => Tick { millis: now_millis, count: seed },
        };
        state.ticks.insert(key.clone(), next);
        Ok(next)
    }

    fn queue(&self, dir: &Dir) -> Result<Vec<Queued>, StoreError> {
        let state = self.state();
        let entries = state.documents.keys().filter(|key| key.dir() == *dir).filter_map(|key| {
            let name = stem(key)?.to_owned();
            Some(Queued { name, taken: state.taken.contains_key(key) })
        });
        Ok(entries.collect())
    }

    fn peek(&self, dir: &Dir, entry: &Queued) -> Result<Option<Vec<u8>>, StoreError> {
        let state = self.state();
        let key = entry_key(dir, &entry.name);
        if state.taken.get(&key) == Some(&true) {
            return Ok(None);
        }
        Ok(state.documents.get(&key).map(|blob| blob.bytes.clone()))
    }

    fn claim(&self, dir: &Dir, entry: &Queued) -> Result<Option<Claim>, StoreError> {
        let mut state = self.state();
        let key = entry_key(dir, &entry.name);
        if state.taken.get(&key) == Some(&true) {
            return Ok(None);
        }
        let Some(blob) = state.documents.get(&key) else { return Ok(None) };
        let bytes = blob.bytes.clone();
        state.taken.insert(key.clone(), true);
        let hold = Box::new(MemHold { shared: self.shared.clone(), key });
        Ok(Some(Claim { dir: dir.clone(), name: entry.name.clone(), bytes, hold }))
    }

    fn settle(&self, claims: Vec<(Claim, Option<Key>)>) -> Result<(), StoreError> {
        {
            let mut state = self.state();
            for (claim, log) in &claims {
                let key = entry_key(&claim.dir, &claim.name);
                if let (Some(log), Some(blob)) = (log, state.documents.get(&key).cloned()) {
                    state.documents.entry(log.clone()).or_insert(blob);
                }
                state.documents.remove(&key);
                state.taken.remove(&key);
                state.writes += 1;
            }
        }
        self.shared.changed.notify_all();
        Ok(())
    }

    fn put_aside(&self, claim: Claim, dir: &Dir, note: &[u8]) -> Result<String, StoreError> {
        let name;
        {
            let mut state = self.state();
            name = state.fresh(dir, &format!("{}.json", claim.name));
            let key = entry_key(&claim.dir, &claim.name);
            let bytes = claim.bytes.clone();
            state.documents.remove(&key);
            state.taken.remove(&key);
            state.put(&Put::new(dir.entry(&name), bytes, Expect::Any));
            let meta = dir.entry(&format!("{name}.meta.json"));
            state.put(&Put::new(meta, note.to_vec(), Expect::Any));
        }
        self.shared.changed.notify_all();
        Ok(name)
    }

    fn set_aside(&self, key: &Key) -> Result<String, StoreError> {
        let mut state = self.state();
        let Some(blob) = state.documents.remove(key) else {
            let error = std::io::ErrorKind::NotFound.into();
            return Err(StoreError::io("put aside", self.path_of(key), error));
        };
        let dir = Dir::top().child("quarantine");
        let to = dir.entry(&state.fresh(&dir, &key.as_str().replace('/', "__")));
        state.documents.insert(to.clone(), blob);
        state.writes += 1;
        self.shared.changed.notify_all();
        Ok(to.to_string())
    }

    fn retire(&self, dirs: &[Dir], last: &Key, label: &str) -> Result<usize, StoreError> {
        let mut state = self.state();
        let inside = |key: &Key| {
            dirs.iter().any(|dir| key.as_str().starts_with(&format!("{dir}/"))) || key == last
        };
        let moving: Vec<Key> = state.documents.keys().filter(|key| inside(key)).cloned().collect();
        for key in &moving {
            if let Some(blob) = state.documents.remove(key)
                && let Some(to) = Key::parse(&format!("trash/{label}/{key}"))
            {
                state.documents.insert(to, blob);
            }
        }
        let below = |known: &Dir, dir: &Dir| known.as_str().starts_with(&format!("{dir}/"));
        state.dirs.retain(|known| !dirs.iter().any(|dir| below(known, dir)));
        state.taken.retain(|key, _| !moving.contains(key));
        state.writes += 1;
        self.shared.changed.notify_all();
        Ok(moving.len())
    }

    fn watch(&self, _dirs: &[Dir]) -> Result<Box<dyn Changes>, StoreError> {
        let seen = self.state().writes;
        Ok(Box::new(MemChanges { backend: self.clone(), seen }))
    }

    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        self.state().documents.remove(key);
        Ok(())
    }

    fn claims_max(&self) -> usize {
        usize::MAX
    }

    fn place(&self) -> Place {
        Place { exists: true, is_mount: false }
    }

    fn path_of(&self, key: &Key) -> PathBuf {
        PathBuf::from(key.as_str())
    }
}
