//! Queues of files that are each taken once, as Python's ClawTeam keeps its inboxes.
//!
//! An entry waits as `NAME.json`. Whoever takes it renames it to `NAME.consumed` and locks it; a
//! process that dies lets the lock go, and the entry is free again at its old place. It is removed
//! before the lock is let go, so that nobody can lock what is already settled.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::FsBackend;
use super::vfs::Hold;
use crate::store::backend::{Claim, Expect, Mode, Put, Queued};
use crate::store::error::StoreError;
use crate::store::key::{Dir, Key};

const WAITING: &str = ".json";
const TAKEN: &str = ".consumed";

/// Where the entry at `waiting` is while somebody has it.
pub(super) fn taken_path(waiting: &Path) -> PathBuf {
    waiting.with_extension(&TAKEN[1..])
}

impl FsBackend {
    pub(super) fn queue_entries(&self, dir: &Dir) -> Result<Vec<Queued>, StoreError> {
        let mut entries: Vec<Queued> = self
            .list_names(dir, false)?
            .into_iter()
            .filter(|name| name.starts_with("msg-"))
            .filter_map(|name| {
                if let Some(stem) = name.strip_suffix(WAITING) {
                    Some(Queued { name: stem.to_owned(), taken: false })
                } else {
                    name.strip_suffix(TAKEN)
                        .map(|stem| Queued { name: stem.to_owned(), taken: true })
                }
            })
            .collect();
        entries.sort();
        Ok(entries)
    }

    fn entry_path(&self, dir: &Dir, entry: &Queued) -> Result<PathBuf, StoreError> {
        let suffix = if entry.taken { TAKEN } else { WAITING };
        self.path(&dir.entry(&format!("{}{suffix}", entry.name)))
    }

    pub(super) fn peek_entry(
        &self,
        dir: &Dir,
        entry: &Queued,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.entry_path(dir, entry)?;
        if entry.taken {
            let looked = self.vfs.claim(&path, Mode::Shared);
            return Ok(looked
                .map_err(|e| StoreError::io("read", path, e))?
                .map(|(_, bytes)| bytes));
        }
        match self.vfs.read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", path, error)),
        }
    }

    pub(super) fn claim_entry(
        &self,
        dir: &Dir,
        entry: &Queued,
    ) -> Result<Option<Claim>, StoreError> {
        let taken = self.entry_path(dir, &Queued { name: entry.name.clone(), taken: true })?;
        if !entry.taken {
            let waiting = self.entry_path(dir, entry)?;
            match self.vfs.rename(&waiting, &taken) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(StoreError::io("take", waiting, error)),
            }
        }
        let claimed = self.vfs.claim(&taken, Mode::Exclusive);
        let claimed = claimed.map_err(|error| StoreError::io("take", &taken, error))?;
        Ok(claimed.map(|(hold, bytes)| Claim {
            dir: dir.clone(),
            name: entry.name.clone(),
            bytes,
            hold: Box::new(Taken { path: taken, _hold: hold }),
        }))
    }

    pub(super) fn settle_claims(
        &self,
        claims: Vec<(Claim, Option<Key>)>,
    ) -> Result<(), StoreError> {
        let mut log_paths = BTreeSet::new();
        for (claim, log) in &claims {
            if let Some(log) = log {
                let path = taken(claim).path.clone();
                self.ensure_logged(&path, &claim.bytes, log)?;
                log_paths.insert(self.path(log)?);
            }
        }
        let log_dirs: BTreeSet<_> = log_paths.iter().filter_map(|path| path.parent()).collect();
        for dir in log_dirs {
            self.sync_dir(dir)?;
        }
        let mut paths = BTreeSet::new();
        for (claim, _) in &claims {
            let path = taken(claim).path.clone();
            self.unlink_if_there(&path)?;
            paths.insert(path);
        }
        let dirs: BTreeSet<_> = paths.iter().filter_map(|path| path.parent()).collect();
        for dir in dirs {
            self.sync_dir(dir).map_err(|error| error.after_commit(dir))?;
        }
        // Only now, with all names gone, are the locks let go.
        drop(claims);
        Ok(())
    }

    /// Files a message as history while it waits. False if it is gone or filed already.
    pub(in crate::store) fn file_message(
        &self,
        message: &Key,
        log: &Key,
    ) -> Result<bool, StoreError> {
        let (path, target) = (self.path(message)?, self.path(log)?);
        if self.vfs.exists(&target) {
            return Ok(false);
        }
        let bytes = match self.vfs.read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(|error| StoreError::io("read", &path, error))?,
        };
        self.ensure_logged(&path, &bytes, log)?;
        self.confirm_entry(&target)?;
        Ok(true)
    }

    pub(super) fn put_claim_aside(
        &self,
        claim: Claim,
        dir: &Dir,
        note: &[u8],
    ) -> Result<String, StoreError> {
        let from = taken(&claim).path.clone();
        // Otherwise power could leave the entry in both places.
        self.sync_parent(&from)?;
        let mut name = format!("{}{WAITING}", claim.name);
        if self.vfs.exists(&self.path(&dir.entry(&name))?) {
            name = format!("{}-{}{WAITING}", claim.name, self.fresh_suffix());
        }
        // The note first: a file without a note is puzzling, a note without a file is not. One
        // that is there already was left by an attempt that did not get further.
        let key = dir.entry(&format!("{name}.meta.json"));
        self.put_unsynced(&Put::new(key, note.to_vec(), Expect::Any))?;
        let to = self.path(&dir.entry(&name))?;
        self.vfs.rename(&from, &to).map_err(|error| StoreError::io("put aside", &from, error))?;
        self.confirm_entry(&to)?;
        self.confirm_entry(&from)?;
        Ok(name)
    }
}

/// What holds a claim here: the file's path while it is taken, and the lock on it.
struct Taken {
    path: PathBuf,
    _hold: Hold,
}

fn taken(claim: &Claim) -> &Taken {
    claim.hold.downcast_ref().expect("a claim is settled by the backend that gave it")
}
