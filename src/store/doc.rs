//! Typed documents above bytes.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::backend::{Backend, Commit, Expect, Guard, Mode, Patience, Put, Revision};
use super::error::{Holder, StoreError};
use super::key::{Dir, Key, Scope};
use crate::core::limits;

/// A document as it was read.
#[derive(Debug, Clone)]
pub struct Doc<T> {
    /// What it says.
    pub value: T,
    /// Which state of it this is.
    pub revision: Revision,
}

/// Below this many documents a second thread costs more than it saves.
const PARALLEL_FROM: usize = 256;

/// Documents of a collection with their names. Boxed: lists are sorted and passed on, and
/// documents are large.
pub type Documents<T> = Vec<(String, Box<Doc<T>>)>;

/// Documents of a collection, and those of them that could not be understood.
#[derive(Debug)]
pub struct Listing<T> {
    /// The good documents.
    pub docs: Documents<T>,
    /// What is wrong with the others.
    pub bad: Vec<StoreError>,
}

/// Something that the user should hear about while a command runs.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A lock is busy and the command waits for it.
    Waiting {
        /// What is locked.
        what: String,
        /// By whom.
        holder: Holder,
    },
    /// A document was passed over because it cannot be understood.
    PassedOver {
        /// What is wrong.
        reason: String,
    },
    /// Something is odd, but the command goes on.
    Warning {
        /// What, as a sentence.
        text: String,
    },
    /// Something that happens as it should.
    Told {
        /// What, as a sentence.
        text: String,
    },
    /// A listing was made while somebody else held the lock: its parts may not agree.
    Unlocked {
        /// What is locked.
        what: String,
    },
}

/// Who hears notices.
pub type Listener = dyn Fn(&Notice) + Send + Sync;

/// The documents of one data directory.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    listener: Arc<Listener>,
    patience: Duration,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("backend", &self.backend).finish_non_exhaustive()
    }
}

/// The bytes of a document: JSON as Python's ClawTeam writes it, two spaces, no newline at the end.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("documents have text keys and finite numbers")
}

impl Store {
    /// The documents in `backend`. `patience`: how long to wait for locks.
    pub fn new(backend: Arc<dyn Backend>, patience: Duration, listener: Arc<Listener>) -> Self {
        Self { backend, listener, patience }
    }

    /// The bytes below.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Tells the user something.
    pub fn notify(&self, notice: &Notice) {
        (self.listener)(notice);
    }

    /// Where a document lies, for messages.
    pub fn path_of(&self, key: &Key) -> PathBuf {
        self.backend.path_of(key)
    }

    /// A document, or `None` if there is none.
    pub fn load<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Doc<T>>, StoreError> {
        let Some(blob) = self.backend.read(key)? else { return Ok(None) };
        let value = self.decode(|| key.clone(), &blob.bytes)?;
        Ok(Some(Doc { value, revision: blob.revision }))
    }

    /// Refuses to change the document `key` if its format `found` (like `clawteam.run/2`) is a
    /// later one than `known`.
    pub fn writable(&self, key: &Key, found: &str, known: &str) -> Result<(), StoreError> {
        let major = |schema: &str| schema.rsplit_once('/').and_then(|(_, n)| n.parse::<u32>().ok());
        if major(found) > major(known) {
            let (path, schema) = (self.path_of(key), found.to_owned());
            return Err(StoreError::NewerFormat { path, schema });
        }
        Ok(())
    }

    fn decode<T: DeserializeOwned>(
        &self,
        key: impl FnOnce() -> Key,
        bytes: &[u8],
    ) -> Result<T, StoreError> {
        serde_json::from_slice(bytes).map_err(|error| StoreError::Unreadable {
            path: self.path_of(&key()),
            reason: error.to_string(),
        })
    }

    /// The documents of a collection whose name passes `wanted`, sorted by name. What cannot be
    /// understood is passed over and told.
    pub fn list<T: DeserializeOwned + Send>(
        &self,
        dir: &Dir,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Documents<T>, StoreError> {
        let listing = self.list_all(dir, wanted)?;
        for error in &listing.bad {
            self.notify(&Notice::PassedOver { reason: error.to_string() });
        }
        Ok(listing.docs)
    }

    /// The same, but the caller hears of bad documents.
    pub fn list_all<T: DeserializeOwned + Send>(
        &self,
        dir: &Dir,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Listing<T>, StoreError> {
        let mut names = self.backend.list(dir)?;
        names.retain(|name| wanted(name));
        names.sort_unstable();
        if names.len() < PARALLEL_FROM {
            return Ok(self.read_all(dir, &names));
        }
        let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8);
        let share = names.len().div_ceil(workers);
        let parts: Vec<Listing<T>> = std::thread::scope(|scope| {
            let parts: Vec<_> = names
                .chunks(share)
                .map(|part| scope.spawn(move || self.read_all(dir, part)))
                .collect();
            let joined = parts.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined.map(|part| part.expect("a reading thread does not panic")).collect()
        });
        let mut listing = Listing { docs: Vec::with_capacity(names.len()), bad: Vec::new() };
        for part in parts {
            listing.docs.extend(part.docs);
            listing.bad.extend(part.bad);
        }
        Ok(listing)
    }

    fn read_all<T: DeserializeOwned>(&self, dir: &Dir, names: &[String]) -> Listing<T> {
        let mut listing = Listing { docs: Vec::with_capacity(names.len()), bad: Vec::new() };
        self.backend.read_each(dir, names, &mut |name, read| {
            let decoded = read.and_then(|(bytes, revision)| {
                let value = self.decode(|| dir.entry(name), bytes)?;
                Ok(Box::new(Doc { value, revision }))
            });
            match decoded {
                Ok(doc) => listing.docs.push((name.to_owned(), doc)),
                Err(error) => listing.bad.push(error),
            }
        });
        listing
    }

    /// The last lines of a document that is a list of lines, blank ones left out.
    pub fn tail(&self, key: &Key, lines: usize) -> Result<Vec<String>, StoreError> {
        let bytes = self.backend.read_end(key, limits::TAIL_BYTES_MAX)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut last: Vec<String> = text
            .lines()
            .rev()
            .map(str::trim_end)
            .filter(|line| !line.is_empty())
            .take(lines)
            .map(str::to_owned)
            .collect();
        last.reverse();
        Ok(last)
    }

    /// Locks `scope` to change its documents.
    pub fn lock(&self, scope: &Scope) -> Result<Locked<'_>, StoreError> {
        let guard = self.guard(scope, Mode::Exclusive, self.patience)?;
        Ok(Locked { store: self, guard })
    }

    /// The same, but waits only so long.
    pub fn lock_within(&self, scope: &Scope, limit: Duration) -> Result<Locked<'_>, StoreError> {
        let guard = self.guard(scope, Mode::Exclusive, limit)?;
        Ok(Locked { store: self, guard })
    }

    /// Reads several documents of `scope` that must agree. If the lock stays busy, reads without
    /// it rather than not at all, and says so.
    pub fn read<R>(&self, scope: &Scope, read: impl FnOnce() -> R) -> Result<R, StoreError> {
        // Where there is no lock file, nobody ever wrote: a reader makes none.
        if self.backend.read(&scope.lock_file())?.is_none() {
            return Ok(read());
        }
        match self.guard(scope, Mode::Shared, self.patience.min(limits::READ_LOCK_WAIT)) {
            Ok(_guard) => Ok(read()),
            Err(StoreError::Busy { what, .. }) => {
                self.notify(&Notice::Unlocked { what });
                Ok(read())
            }
            // Whoever may only read cannot finish what others left; the documents still stand.
            Err(StoreError::Io { .. }) => Ok(read()),
            // Nor is an unfinished commit that nobody can read a reason to show nothing.
            Err(error @ (StoreError::Unreadable { .. } | StoreError::NewerFormat { .. })) => {
                self.notify(&Notice::PassedOver { reason: error.to_string() });
                Ok(read())
            }
            Err(error) => Err(error),
        }
    }

    fn guard(
        &self,
        scope: &Scope,
        mode: Mode,
        limit: Duration,
    ) -> Result<Box<dyn Guard + '_>, StoreError> {
        let what = scope.to_string();
        let notice = |holder: &Holder| {
            self.notify(&Notice::Waiting { what: what.clone(), holder: holder.clone() });
        };
        self.backend.lock(scope, mode, &Patience { limit, notice: &notice })
    }
}

/// A scope that this process alone may change.
pub struct Locked<'s> {
    store: &'s Store,
    guard: Box<dyn Guard + 's>,
}

impl Locked<'_> {
    /// Makes `commit` happen, or nothing of it.
    pub fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.guard.commit(commit)
    }

    /// Writes one document that is in the state `revision`, or does not exist if that is `None`.
    pub fn put<T: Serialize>(
        &mut self,
        key: Key,
        value: &T,
        revision: Option<Revision>,
    ) -> Result<(), StoreError> {
        let expect = revision.map_or(Expect::Absent, Expect::Revision);
        let put = Put::new(key, encode(value), expect);
        self.guard.commit(&Commit { puts: vec![put], ..Commit::default() })
    }

    /// Removes one document.
    pub fn delete(&mut self, key: Key) -> Result<(), StoreError> {
        self.guard.commit(&Commit { deletes: vec![(key, Expect::Any)], ..Commit::default() })
    }

    /// The documents.
    pub fn store(&self) -> &Store {
        self.store
    }
}
