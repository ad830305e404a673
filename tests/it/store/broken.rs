//! The proof of the proof: leave out one step of the protocol, and the enumeration must notice.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use clawteam::store::vfs::{Hold, NewFile, Vfs};
use clawteam::store::{Backend, FsBackend, Mode, Patience, StoreError};

use super::explore::explore;
use super::scenarios;
use super::sim::{SimFs, is_temporary};
use super::steps::ROOT;

/// A step of the protocol that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Omit {
    Nothing,
    SyncOfDocuments,
    SyncOfTheJournal,
    SyncOfDataDirectories,
    SyncOfTheJournalDirectoryBeforeApplying,
    SyncOfAForeignJournalBeforeRecovering,
    SyncOfTheRemovalOfTheJournal,
    TraceOfARemovedJournal,
    TheJournal,
    TheRename,
    SyncOfTheParentOfANewDirectory,
    SyncOfTheParentOfAnEmptyDirectory,
    SyncOfTheStatesThatACommitStartsFrom,
    SyncOfTheHistoryBeforeSettling,
    SyncOfALine,
    LockWhileRemoving,
}

/// A second program that tries to receive at the moment at which the first removes an entry.
#[derive(Debug)]
struct Rival {
    fs: SimFs,
    /// How many programs have got the message.
    received: Arc<Mutex<usize>>,
}

impl Rival {
    fn receive(&self) -> Result<(), StoreError> {
        let backend = FsBackend::on(ROOT, Arc::new(self.fs.clone()), true);
        let inbox = scenarios::inbox("ann");
        for entry in backend.queue(&inbox)? {
            if backend.claim(&inbox, &entry)?.is_some() {
                *self.received.lock().expect("one thread") += 1;
            }
        }
        Ok(())
    }
}

/// A lock that is held.
struct Kept(#[expect(dead_code, reason = "held, not used")] Hold);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

/// A file system that leaves one step out. One for each program.
#[derive(Debug)]
struct Broken {
    inner: Arc<dyn Vfs>,
    omit: Omit,
    /// Directories in which this program made others.
    parents: Mutex<Vec<PathBuf>>,
    /// Whether this program put a journal into place.
    journaled: Mutex<bool>,
    /// The lock of the claimed entry.
    claimed: Mutex<Option<Kept>>,
    rival: Option<Rival>,
}

fn in_journal(path: &Path) -> bool {
    path.parent().is_some_and(is_journal_dir)
}

fn is_journal_dir(path: &Path) -> bool {
    path.ends_with("journal")
}

fn is_temp(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(is_temporary)
}

impl Broken {
    fn new(inner: Arc<dyn Vfs>, omit: Omit) -> Self {
        Self {
            inner,
            omit,
            parents: Mutex::new(Vec::new()),
            journaled: Mutex::new(false),
            claimed: Mutex::new(None),
            rival: None,
        }
    }

    fn holds_journal(&self, dir: &Path) -> bool {
        let listed = self.inner.list(dir).unwrap_or_default();
        listed.iter().any(|(name, _)| name.ends_with(".json"))
    }

    fn journal_waits(&self) -> bool {
        self.holds_journal(&Path::new(ROOT).join("journal"))
    }

    fn omits_sync_of(&self, dir: &Path) -> bool {
        let journal = is_journal_dir(dir);
        let mut parents = self.parents.lock().expect("one thread");
        let made_here = parents.iter().any(|parent| parent == dir);
        match self.omit {
            Omit::SyncOfDataDirectories => dir.starts_with(ROOT) && !journal && !made_here,
            Omit::SyncOfTheJournalDirectoryBeforeApplying => journal && self.holds_journal(dir),
            Omit::SyncOfAForeignJournalBeforeRecovering => {
                journal && self.holds_journal(dir) && !*self.journaled.lock().expect("one thread")
            }
            Omit::SyncOfTheRemovalOfTheJournal => journal && !self.holds_journal(dir),
            Omit::SyncOfTheParentOfANewDirectory if made_here => {
                parents.retain(|parent| parent != dir);
                true
            }
            // When documents wait under temporary names, but there is no journal yet.
            Omit::SyncOfTheStatesThatACommitStartsFrom => {
                let listed = self.inner.list(dir).unwrap_or_default();
                let waiting = listed.iter().any(|(name, _)| is_temporary(name));
                waiting && !journal && !made_here && !self.journal_waits()
            }
            Omit::SyncOfTheHistoryBeforeSettling => dir.ends_with("events"),
            _ => false,
        }
    }

    /// Writes the bytes of `from` over `to`, as a program that knows no rename does.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        let bytes = self.inner.read(from)?;
        if self.inner.exists(to) {
            self.inner.unlink(to)?;
        }
        let mut file = self.inner.create(to, false)?;
        file.write_all(&bytes)?;
        file.sync()?;
        self.inner.unlink(from)
    }
}

/// A file whose sync does nothing.
struct Unsynced(Box<dyn NewFile>);

impl NewFile for Unsynced {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that goes nowhere.
struct Nowhere;

impl NewFile for Nowhere {
    fn write_all(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Vfs for Broken {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.inner.read(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>> {
        self.inner.list(path)
    }

    fn is_empty(&self, path: &Path) -> io::Result<bool> {
        let is_empty = self.inner.is_empty(path)?;
        Ok(is_empty && self.omit != Omit::SyncOfTheParentOfAnEmptyDirectory)
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
        let parent = path.parent().map(Path::to_owned);
        self.parents.lock().expect("one thread").extend(parent);
        self.inner.create_dir(path)
    }

    fn create(&self, path: &Path, secret: bool) -> io::Result<Box<dyn NewFile>> {
        if self.omit == Omit::TheJournal && in_journal(path) {
            return Ok(Box::new(Nowhere));
        }
        let file = self.inner.create(path, secret)?;
        Ok(match self.omit {
            Omit::SyncOfDocuments if !in_journal(path) => Box::new(Unsynced(file)),
            Omit::SyncOfTheJournal if in_journal(path) => Box::new(Unsynced(file)),
            _ => file,
        })
    }

    fn append(&self, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
        self.inner.append(path, bytes, sync)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        if self.omit == Omit::SyncOfALine { Ok(()) } else { self.inner.sync_file(path) }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.omit {
            Omit::TheJournal if in_journal(to) => Ok(()),
            Omit::TheRename if is_temp(from) && !in_journal(to) => self.copy(from, to),
            Omit::TraceOfARemovedJournal if to.extension().is_some_and(|e| e == "done") => {
                self.inner.unlink(from)
            }
            _ => {
                *self.journaled.lock().expect("one thread") |= in_journal(to);
                self.inner.rename(from, to)
            }
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        if path.extension().is_some_and(|extension| extension == "consumed") {
            if self.omit == Omit::LockWhileRemoving {
                *self.claimed.lock().expect("one thread") = None;
            }
            if let Some(rival) = &self.rival {
                rival.receive().map_err(io::Error::other)?;
            }
        }
        self.inner.unlink(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if self.omits_sync_of(path) { Ok(()) } else { self.inner.sync_dir(path) }
    }

    fn lock(
        &self,
        path: &Path,
        what: &str,
        mode: Mode,
        patience: &Patience<'_>,
    ) -> Result<Hold, StoreError> {
        self.inner.lock(path, what, mode, patience)
    }

    fn claim(&self, path: &Path, mode: Mode) -> io::Result<Option<(Hold, Vec<u8>)>> {
        let Some((hold, bytes)) = self.inner.claim(path, mode)? else { return Ok(None) };
        if self.omit != Omit::LockWhileRemoving {
            return Ok(Some((hold, bytes)));
        }
        *self.claimed.lock().expect("one thread") = Some(Kept(hold));
        Ok(Some((Box::new(()), bytes)))
    }

    fn exchange(&self, path: &Path, change: &mut dyn FnMut(&[u8]) -> Vec<u8>) -> io::Result<()> {
        self.inner.exchange(path, change)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.canonicalize(path)
    }
}

/// Explores a scenario with one step left out; fails if nothing wrong is found.
fn is_noticed(omit: Omit, scenario: &str) {
    let wrap = move |inner| Arc::new(Broken::new(inner, omit)) as Arc<dyn Vfs>;
    let Err(wrong) = explore(&scenarios::named(scenario), &wrap) else {
        panic!("nobody noticed that the program omits {omit:?}");
    };
    println!("without {omit:?}: {}", wrong.lines().next().unwrap_or_default());
}

#[test]
fn documents_must_be_synced() {
    is_noticed(Omit::SyncOfDocuments, "one new document");
}

#[test]
fn the_journal_must_be_synced() {
    is_noticed(Omit::SyncOfTheJournal, "several documents");
}

#[test]
fn data_directories_must_be_synced() {
    is_noticed(Omit::SyncOfDataDirectories, "one new document");
}

#[test]
fn the_journal_must_be_durable_before_it_is_applied() {
    is_noticed(Omit::SyncOfTheJournalDirectoryBeforeApplying, "several documents");
}

#[test]
fn a_journal_found_must_be_made_durable_before_it_is_applied() {
    is_noticed(Omit::SyncOfAForeignJournalBeforeRecovering, "several documents");
}

#[test]
fn the_removal_of_the_journal_must_be_synced() {
    is_noticed(Omit::SyncOfTheRemovalOfTheJournal, "several, then one of them alone");
}

#[test]
fn the_removal_of_the_journal_must_leave_a_trace_until_it_is_synced() {
    is_noticed(Omit::TraceOfARemovedJournal, "one document after half a commit");
}

#[test]
fn several_documents_need_a_journal() {
    is_noticed(Omit::TheJournal, "several documents");
}

#[test]
fn documents_must_be_renamed_into_place() {
    is_noticed(Omit::TheRename, "one new document");
}

#[test]
fn the_parent_of_a_new_directory_must_be_synced() {
    is_noticed(Omit::SyncOfTheParentOfANewDirectory, "documents in a new data directory");
}

#[test]
fn the_parent_of_an_empty_directory_must_be_synced() {
    is_noticed(
        Omit::SyncOfTheParentOfAnEmptyDirectory,
        "a message into an inbox that is not durable",
    );
}

#[test]
fn the_states_that_a_commit_starts_from_must_be_durable() {
    is_noticed(
        Omit::SyncOfTheStatesThatACommitStartsFrom,
        "several documents after a document that is not durable",
    );
}

#[test]
fn the_history_must_be_synced_before_a_message_is_settled() {
    is_noticed(Omit::SyncOfTheHistoryBeforeSettling, "settled without history so far");
}

#[test]
fn lines_must_be_synced() {
    is_noticed(Omit::SyncOfALine, "first line");
}

#[test]
fn a_message_must_be_removed_before_its_lock_is_let_go() {
    for omit in [Omit::Nothing, Omit::LockWhileRemoving] {
        let fs = SimFs::new();
        let received = Arc::new(Mutex::new(1));
        let rival = Some(Rival { fs: fs.clone(), received: received.clone() });
        let vfs = Broken { rival, ..Broken::new(Arc::new(fs), omit) };
        let backend = FsBackend::on(ROOT, Arc::new(vfs), true);
        scenarios::send_and_settle(&backend).expect("the file system works");
        let received = *received.lock().expect("one thread");
        assert_eq!(received, if omit == Omit::Nothing { 1 } else { 2 }, "without {omit:?}");
    }
}
