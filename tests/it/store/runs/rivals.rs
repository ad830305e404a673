//! Two programs at once, one of which does all that it does at a moment of the other.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use clawteam::store::vfs::{Hold, NewFile, Vfs};
use clawteam::store::{Mode, Patience, StoreError};

use super::super::sim::SimFs;

/// A rule that a program does not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Omit {
    Nothing,
    /// Effects that an earlier program did not come to are taken for done.
    Redelivery,
    /// A journal that was found is not made durable.
    SyncOfAForeignJournal,
    /// Whether somebody relied on this program to look again.
    LookAtTheMark,
    LockOfTheRun,
}

type Deed = Box<dyn FnOnce() + Send>;

/// A program's view of the file system: it leaves a rule out, and at one of its changes somebody
/// else does something.
pub(super) struct Program {
    inner: SimFs,
    omit: Omit,
    changes: AtomicUsize,
    /// Before which change, and what.
    rival: Mutex<Option<(usize, Deed)>>,
    /// Whether this program wrote to the journal itself.
    wrote: Mutex<bool>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Program")
    }
}

impl Program {
    pub(super) fn new(inner: &SimFs, omit: Omit) -> Self {
        Self {
            inner: inner.clone(),
            omit,
            changes: AtomicUsize::new(0),
            rival: Mutex::new(None),
            wrote: Mutex::new(false),
        }
    }

    /// The same with somebody who does `deed` before change number `at`, counted from 1.
    pub(super) fn with_rival(self, at: usize, deed: impl FnOnce() + Send + 'static) -> Self {
        Self { rival: Mutex::new(Some((at, Box::new(deed)))), ..self }
    }

    /// How many changes it has made.
    pub(super) fn changes(&self) -> usize {
        self.changes.load(Ordering::SeqCst)
    }

    fn change(&self) {
        let now = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
        let mut rival = self.rival.lock().expect("one thread");
        if rival.as_ref().is_some_and(|(at, _)| *at == now)
            && let Some((_, deed)) = rival.take()
        {
            drop(rival);
            deed();
        }
    }

    fn has_written(&self) -> bool {
        *self.wrote.lock().expect("one thread")
    }

    /// Whether a new document is an effect that an earlier program should have made.
    fn passes_over(&self, to: &Path) -> bool {
        let effect = to.to_string_lossy().contains("/tasks/");
        self.omit == Omit::Redelivery && effect && !self.has_written()
    }
}

fn is_journal(path: &Path) -> bool {
    path.ends_with("journal.jsonl")
}

fn is_mark(path: &Path) -> bool {
    path.parent().is_some_and(|dir| dir.ends_with("pokes"))
}

impl Vfs for Program {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if self.omit == Omit::LookAtTheMark && is_mark(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.inner.read(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>> {
        self.inner.list(path)
    }

    fn is_empty(&self, path: &Path) -> io::Result<bool> {
        self.inner.is_empty(path)
    }

    fn last_byte(&self, path: &Path) -> io::Result<Option<u8>> {
        self.inner.last_byte(path)
    }

    fn modified(&self, path: &Path) -> io::Result<SystemTime> {
        self.inner.modified(path)
    }

    fn available_space(&self, path: &Path) -> io::Result<u64> {
        self.inner.available_space(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.inner.exists(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.change();
        self.inner.create_dir(path)
    }

    fn create(&self, path: &Path, secret: bool) -> io::Result<Box<dyn NewFile>> {
        self.change();
        self.inner.create(path, secret)
    }

    fn append(&self, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
        self.change();
        if is_journal(path) && !bytes.is_empty() {
            *self.wrote.lock().expect("one thread") = true;
        }
        self.inner.append(path, bytes, sync)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.change();
        let foreign = is_journal(path) && !self.has_written();
        if self.omit == Omit::SyncOfAForeignJournal && foreign {
            return Ok(());
        }
        self.inner.sync_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change();
        self.inner.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change();
        if self.passes_over(to) { Ok(()) } else { self.inner.link(from, to) }
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.change();
        self.inner.unlink(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.change();
        self.inner.sync_dir(path)
    }

    fn lock(
        &self,
        path: &Path,
        what: &str,
        mode: Mode,
        patience: &Patience<'_>,
    ) -> Result<Hold, StoreError> {
        if self.omit == Omit::LockOfTheRun && path.ends_with("run.lock") {
            return Ok(Box::new(()));
        }
        self.inner.lock(path, what, mode, patience)
    }

    fn claim(&self, path: &Path, mode: Mode) -> io::Result<Option<(Hold, Vec<u8>)>> {
        self.inner.claim(path, mode)
    }

    fn exchange(&self, path: &Path, change: &mut dyn FnMut(&[u8]) -> Vec<u8>) -> io::Result<()> {
        self.inner.exchange(path, change)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.canonicalize(path)
    }
}

/// Puts a program that leaves a rule out upon the file system.
pub(super) fn without(fs: &SimFs, omit: Omit) -> Arc<dyn Vfs> {
    Arc::new(Program::new(fs, omit))
}
