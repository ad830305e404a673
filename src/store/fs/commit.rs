//! How documents get onto the disk: whole or not at all.
//!
//! One document: write a temporary file, `fdatasync`, rename over the target (this is the commit
//! point), `fsync` the directory.
//!
//! Several documents: write all temporary files, then a redo journal with the same care; the
//! rename of the journal is the commit point. Then rename the documents into place, sync their
//! directories, take the journal away and sync its directory. That last sync is not a nicety:
//! without it the journal can come back after a power loss and undo what was committed since.
//!
//! Whoever locks a scope next finishes what the journal says, so that a process killed in the
//! middle leaves nothing half-done.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::FsBackend;
use super::journal::{Journal, Record};
use crate::store::backend::{Commit, Expect, Put, Revision};
use crate::store::error::StoreError;
use crate::store::key::{Key, Scope};

/// A document's bytes, durable under a temporary name.
struct Prepared<'c> {
    put: &'c Put,
    temp: PathBuf,
}

/// The name of a journal that is carried out.
fn done_path(journal: &Path) -> PathBuf {
    journal.with_extension("done")
}

impl FsBackend {
    /// Carries out `commit` under the lock of `scope`.
    pub(super) fn commit_locked(&self, scope: &Scope, commit: &Commit) -> Result<(), StoreError> {
        self.check_expectations(commit)?;
        match (&commit.puts[..], &commit.deletes[..]) {
            ([], []) => Ok(()),
            ([put], []) => self.put_one(put),
            ([], [(key, _)]) => self.delete_one(key),
            _ => self.commit_many(scope, commit),
        }
    }

    fn check_expectations(&self, commit: &Commit) -> Result<(), StoreError> {
        let puts = commit.puts.iter().map(|put| (&put.key, put.expect));
        let others = commit.expects.iter().chain(&commit.deletes).map(|(key, e)| (key, *e));
        for (key, expect) in puts.chain(others) {
            let holds = match expect {
                Expect::Any => true,
                Expect::Absent => !self.vfs.exists(&self.path(key)?),
                Expect::Revision(revision) => self.revision(key)? == Some(revision),
            };
            if !holds {
                return Err(StoreError::Conflict { key: key.to_string() });
            }
        }
        Ok(())
    }

    fn revision(&self, key: &Key) -> Result<Option<Revision>, StoreError> {
        Ok(self.read_file(key)?.map(|bytes| super::revision_of(&bytes)))
    }

    /// Puts a document into its place, for everybody to see.
    pub(super) fn put_unsynced(&self, put: &Put) -> Result<(), StoreError> {
        let prepared = self.prepare(put)?;
        self.place(&prepared).inspect_err(|_| {
            let _ = self.vfs.unlink(&prepared.temp);
        })
    }

    fn put_one(&self, put: &Put) -> Result<(), StoreError> {
        self.put_unsynced(put)?;
        let target = self.path(&put.key)?;
        if let Some(log) = &put.log {
            self.file_under(&target, &put.bytes, log);
        }
        self.confirm_entry(&target)
    }

    fn delete_one(&self, key: &Key) -> Result<(), StoreError> {
        let path = self.path(key)?;
        self.unlink_if_there(&path)?;
        self.confirm_entry(&path)
    }

    fn commit_many(&self, scope: &Scope, commit: &Commit) -> Result<(), StoreError> {
        let mut prepared = Vec::with_capacity(commit.puts.len());
        let journal = self.path(&scope.journal_file())?;
        let recorded = self
            .prepare_all(commit, &mut prepared)
            .and_then(|()| self.write_journal(scope, commit, &journal));
        if let Err(error) = recorded {
            self.discard(&prepared);
            return Err(error);
        }
        // From here on the commit will happen, now or at the next lock.
        self.finish(commit, &prepared, &journal).map_err(|error| {
            // A recovery writes its own.
            self.discard(&prepared);
            error.after_commit(journal)
        })
    }

    fn prepare_all<'c>(
        &self,
        commit: &'c Commit,
        prepared: &mut Vec<Prepared<'c>>,
    ) -> Result<(), StoreError> {
        for put in &commit.puts {
            prepared.push(self.prepare(put)?);
        }
        Ok(())
    }

    fn write_journal(&self, scope: &Scope, commit: &Commit, path: &Path) -> Result<(), StoreError> {
        let records = self.records_of(commit)?;
        self.anchor(&records)?;
        let secret = commit.puts.iter().any(|put| put.secret);
        let temp =
            self.write_temp(path, &Journal::new(scope, records).encode(), secret, self.sync)?;
        self.vfs.rename(&temp, path).map_err(|source| {
            let _ = self.vfs.unlink(&temp);
            StoreError::io("write", path, source)
        })
    }

    /// Makes the states durable that the journal says were there before.
    ///
    /// A process that was killed may have left them seen but not synced. If power took them away
    /// when the journal is there already, a recovery would find neither what was before nor what
    /// shall be, and take it for somebody else's. New queue entries have no such past.
    fn anchor(&self, records: &[Record]) -> Result<(), StoreError> {
        let mut paths = BTreeSet::new();
        for record in records {
            if record.before.is_some() || record.log.is_none() {
                paths.insert(self.path(&record.key)?);
            }
        }
        self.sync_parents(&paths)
    }

    fn finish(
        &self,
        commit: &Commit,
        prepared: &[Prepared<'_>],
        journal_path: &Path,
    ) -> Result<(), StoreError> {
        self.sync_parent(journal_path)?;
        let mut dirs = BTreeSet::new();
        for one in prepared {
            self.place(one)?;
            dirs.insert(self.path(&one.put.key)?);
        }
        for (key, _) in &commit.deletes {
            let path = self.path(key)?;
            self.unlink_if_there(&path)?;
            dirs.insert(path);
        }
        self.sync_parents(&dirs)?;
        for one in prepared {
            if let Some(log) = &one.put.log {
                self.file_under(&self.path(&one.put.key)?, &one.put.bytes, log);
            }
        }
        self.retire_journal(journal_path)
    }

    fn sync_parents(&self, paths: &BTreeSet<PathBuf>) -> Result<(), StoreError> {
        let dirs: BTreeSet<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
        dirs.into_iter().try_for_each(|dir| self.sync_dir(dir))
    }

    /// Removes the journal for good.
    ///
    /// Between its removal and the sync it could come back with the power and undo what others
    /// commit from now on. So it is renamed first: who finds that name knows that the sync may be
    /// missing.
    fn retire_journal(&self, journal: &Path) -> Result<(), StoreError> {
        let done = done_path(journal);
        let renamed = self.vfs.rename(journal, &done);
        renamed.map_err(|error| StoreError::io("remove", journal, error))?;
        self.forget_journal(&done)
    }

    fn forget_journal(&self, done: &Path) -> Result<(), StoreError> {
        self.sync_parent(done)?;
        // If this fails, the next one syncs once more.
        let _ = self.vfs.unlink(done);
        Ok(())
    }

    fn records_of(&self, commit: &Commit) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        for put in &commit.puts {
            let before = self.revision(&put.key)?;
            records.push(Record::put(put, before, &self.path(&put.key)?)?);
        }
        for (key, _) in &commit.deletes {
            records.push(Record::delete(key, self.revision(key)?));
        }
        Ok(records)
    }

    /// Finishes the commit that a journal describes, if there is one.
    pub(super) fn recover(&self, scope: &Scope) -> Result<(), StoreError> {
        let key = scope.journal_file();
        let path = self.path(&key)?;
        if !self.vfs.exists(&path) {
            let done = done_path(&path);
            return if self.vfs.exists(&done) { self.forget_journal(&done) } else { Ok(()) };
        }
        let Some(bytes) = self.read_file(&key)? else { return Ok(()) };
        let journal = Journal::decode(&bytes, &path)?;
        // Its writer may have been killed before it did this. Without it, power can fail when some
        // documents are in place and the journal is gone.
        self.sync_parent(&path)?;
        let records: Vec<Record> = journal.records().collect();
        let mut paths = BTreeSet::new();
        let mut logs = Vec::new();
        for record in &records {
            let target = self.path(&record.key)?;
            // Whoever did it may not have synced it.
            paths.insert(target.clone());
            let now = self.revision(&record.key)?;
            let after = record.after.as_deref().map(|text| super::revision_of(text.as_bytes()));
            if now == after {
                // Done before the crash, but perhaps not yet durable.
            } else if now.is_none() && self.was_taken(record, &target)? {
                continue;
            } else if now == record.before {
                self.redo(record, &target)?;
            } else {
                // Somebody who does not know the journal changed the document since. What is
                // there is newer; ours is kept where a person can find it.
                self.keep_aside(record)?;
                continue;
            }
            if let (Some(log), Some(text)) = (&record.log, &record.after) {
                logs.push((target, text, log));
            }
        }
        self.sync_parents(&paths)?;
        for (target, text, log) in logs {
            self.file_under(&target, text.as_bytes(), log);
        }
        self.retire_journal(&path)
    }

    /// Whether a queue entry that is not in its place was there already and has been received.
    ///
    /// An entry goes from its place to a claim and from there to the history, and the places are
    /// looked at in this order, so that it is not missed while it moves. A history entry proves
    /// it: the commit makes them only when all documents are in place for good, a receiver before
    /// it removes the entry.
    fn was_taken(&self, record: &Record, target: &Path) -> Result<bool, StoreError> {
        let Some(log) = &record.log else { return Ok(false) };
        Ok(self.vfs.exists(&super::queue::taken_path(target)) || self.vfs.exists(&self.path(log)?))
    }

    fn redo(&self, record: &Record, target: &Path) -> Result<(), StoreError> {
        match &record.after {
            None => self.unlink_if_there(target),
            Some(text) => {
                let put = Put {
                    key: record.key.clone(),
                    bytes: text.clone().into_bytes(),
                    expect: Expect::Any,
                    secret: record.secret,
                    log: record.log.clone(),
                };
                let prepared = self.prepare(&put)?;
                self.place(&prepared)
            }
        }
    }

    fn keep_aside(&self, record: &Record) -> Result<(), StoreError> {
        let Some(text) = &record.after else { return Ok(()) };
        let name = record.key.as_str().replace('/', "__");
        let key = crate::store::key::Dir::top()
            .child("quarantine")
            .entry(&format!("{name}.superseded-{}", self.fresh_suffix()));
        let bytes = text.clone().into_bytes();
        self.put_one(&Put { secret: record.secret, ..Put::new(key, bytes, Expect::Any) })
    }

    /// Writes one new document without a lock: its name must not exist.
    pub(super) fn create_new(&self, put: &Put) -> Result<(), StoreError> {
        let prepared = self.prepare(put)?;
        let target = self.path(&put.key)?;
        let linked = self.vfs.link(&prepared.temp, &target);
        if let Err(error) = linked {
            let outcome = match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    Err(StoreError::Conflict { key: put.key.to_string() })
                }
                // A file system without hard links: the name is random enough.
                _ if !self.vfs.exists(&target) => self.place(&prepared),
                _ => Err(StoreError::io("write", &target, error)),
            };
            if outcome.is_err() {
                let _ = self.vfs.unlink(&prepared.temp);
                return outcome;
            }
            return self.confirm_entry(&target);
        }
        // The temporary name cannot be consumed by a reader, so that the history entry is made
        // from it even if the document is taken at this very moment.
        if let Some(log) = &put.log {
            self.file_under(&prepared.temp, &put.bytes, log);
        }
        let _ = self.vfs.unlink(&prepared.temp);
        self.confirm_entry(&target)
    }

    /// Gives `file` a second name as history. A failure costs nothing: whoever settles the
    /// document files it again, and makes sure.
    fn file_under(&self, file: &Path, bytes: &[u8], log: &Key) {
        let _ = self.ensure_logged(file, bytes, log);
    }

    /// Makes the history entry of a document if it is not there.
    pub(super) fn ensure_logged(
        &self,
        file: &Path,
        bytes: &[u8],
        log: &Key,
    ) -> Result<(), StoreError> {
        let path = self.path(log)?;
        let dir = path.parent().unwrap_or(&self.root);
        self.ensure_dir(dir)?;
        let mut linked = self.vfs.link(file, &path);
        if matches!(&linked, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            self.make_dir_again(dir)?;
            linked = self.vfs.link(file, &path);
        }
        if linked.is_ok() || self.vfs.exists(&path) {
            return Ok(());
        }
        // The document was taken meanwhile, or the file system has no links.
        let temp = self.write_temp(&path, bytes, false, self.sync)?;
        self.vfs.rename(&temp, &path).map_err(|error| {
            let _ = self.vfs.unlink(&temp);
            StoreError::io("write", &path, error)
        })
    }

    fn prepare<'c>(&self, put: &'c Put) -> Result<Prepared<'c>, StoreError> {
        let target = self.path(&put.key)?;
        let temp = self.write_temp(&target, &put.bytes, put.secret, self.sync)?;
        Ok(Prepared { put, temp })
    }

    /// Moves a prepared document into its place.
    fn place(&self, prepared: &Prepared<'_>) -> Result<(), StoreError> {
        let target = self.path(&prepared.put.key)?;
        self.vfs
            .rename(&prepared.temp, &target)
            .map_err(|source| StoreError::io("write", target, source))
    }

    fn discard(&self, prepared: &[Prepared<'_>]) {
        for one in prepared {
            let _ = self.vfs.unlink(&one.temp);
        }
    }

    /// Writes `bytes` under a temporary name beside `target`, durably if `sync`.
    pub(super) fn write_temp(
        &self,
        target: &Path,
        bytes: &[u8],
        secret: bool,
        sync: bool,
    ) -> Result<PathBuf, StoreError> {
        let dir = target.parent().unwrap_or(&self.root);
        let temp = dir.join(format!(".tmp-{}-{}", std::process::id(), self.fresh_suffix()));
        self.ensure_dir(dir)?;
        let mut created = self.vfs.create(&temp, secret);
        if matches!(&created, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            self.make_dir_again(dir)?;
            created = self.vfs.create(&temp, secret);
        }
        let written = created.and_then(|mut file| {
            file.write_all(bytes).and_then(|()| if sync { file.sync() } else { Ok(()) })
        });
        match written {
            Ok(()) => Ok(temp),
            Err(source) => {
                let _ = self.vfs.unlink(&temp);
                Err(StoreError::io("write", target, source))
            }
        }
    }
}
