//! What a place for documents must offer.
//!
//! A backend knows bytes and revisions, not what they mean. Correctness rests on the
//! preconditions of a commit; locks only keep processes from conflicting all the time. A cluster
//! store can serve the same commands: one [`Commit`] is one transaction there.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use super::error::{Holder, StoreError};
use super::key::{Dir, Key, Scope};

/// Which state of a document this is. Equal revisions of a key mean equal documents; nothing else
/// can be read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision(pub(super) u128);

/// A document as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Which state of it this is.
    pub revision: Revision,
}

/// What must be true of a document when a commit happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// It does not exist.
    Absent,
    /// It is in this state.
    Revision(Revision),
    /// Nothing.
    Any,
}

/// A change of several documents: all of it happens, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Documents that must be in a known state although they are not changed.
    pub expects: Vec<(Key, Expect)>,
    /// Documents to write, whole.
    pub puts: Vec<Put>,
    /// Documents to remove. One that is gone already is no error unless it was expected.
    pub deletes: Vec<(Key, Expect)>,
}

/// A document to write.
#[derive(Debug, Clone)]
pub struct Put {
    /// Where.
    pub key: Key,
    /// What it shall hold.
    pub bytes: Vec<u8>,
    /// What must be true of it now.
    pub expect: Expect,
    /// Whether only the user may read it.
    pub secret: bool,
    /// A second key under which the same bytes are filed as history. The document is the truth:
    /// while it exists its history entry can be missing, but whoever settles it (see
    /// [`Backend::settle`]) makes sure that the entry is there first.
    pub log: Option<Key>,
}

impl Put {
    /// A document without history that everybody may read.
    pub fn new(key: Key, bytes: Vec<u8>, expect: Expect) -> Self {
        Self { key, bytes, expect, secret: false, log: None }
    }
}

/// An entry of a queue: a document that is taken once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Queued {
    /// Its name without suffix; names sort in the order of the queue.
    pub name: String,
    /// Whether somebody has begun to take it. If nobody holds it any more, it can be claimed.
    pub taken: bool,
}

/// An entry of a queue that only this process has, until it is settled or dropped. Dropping it
/// gives it back, at its old place.
pub struct Claim {
    /// The queue.
    pub dir: Dir,
    /// The entry's name in it.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// What keeps others away; known to the backend.
    pub(super) hold: Box<dyn Any + Send>,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("dir", &self.dir)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How a lock is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Together with other readers.
    Shared,
    /// Alone.
    Exclusive,
}

/// How long to wait for a lock, and who is told.
pub struct Patience<'a> {
    /// The time after which the wait ends with [`StoreError::Busy`].
    pub limit: Duration,
    /// Called once when the wait is long enough to be noticed.
    pub notice: &'a dyn Fn(&Holder),
}

/// The right to change the documents of a scope.
pub trait Guard: Send {
    /// Makes `commit` happen, or nothing of it. Acknowledged means durable. With
    /// [`StoreError::Unfinished`] it has happened, but not to the end.
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError>;
}

/// Waits for changes.
pub trait Changes: Send {
    /// Returns at the next change of what is watched, or after `limit`. True if something changed
    /// (or may have).
    fn wait(&mut self, limit: Duration) -> bool;

    /// Something that ends a wait at once from another thread.
    fn waker(&self) -> Box<dyn Fn() + Send>;
}

/// A number that rises with each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick {
    /// Milliseconds since the epoch, never less than in the tick before.
    pub millis: u64,
    /// Tells ticks of one millisecond apart.
    pub count: u32,
}

/// What kind of place documents are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Whether it exists already.
    pub exists: bool,
    /// Whether it is the top of a file system of its own, perhaps of another machine.
    pub is_mount: bool,
}

/// Hears of a document: its name, and its bytes with its revision, or why it cannot be read.
pub type Each<'a> = dyn FnMut(&str, Result<(&[u8], Revision), StoreError>) + 'a;

/// A place for documents.
pub trait Backend: Send + Sync + fmt::Debug {
    /// A document, or `None` if there is none.
    fn read(&self, key: &Key) -> Result<Option<Blob>, StoreError>;

    /// The last `max` bytes of a document that is a list of lines.
    fn read_end(&self, key: &Key, max: u64) -> Result<Vec<u8>, StoreError>;

    /// The bytes of a document that is a list of lines from the byte `start` on, and how long the
    /// document is. A document that does not exist is empty.
    fn read_from(&self, key: &Key, start: u64) -> Result<(Vec<u8>, u64), StoreError>;

    /// The names of the documents in a collection, in no order. A collection that does not exist
    /// is empty.
    fn list(&self, dir: &Dir) -> Result<Vec<String>, StoreError>;

    /// The names of the collections in a collection, in no order.
    fn list_dirs(&self, dir: &Dir) -> Result<Vec<String>, StoreError>;

    /// Reads the documents `names` of a collection one after the other and gives each to `each`.
    /// Those that are gone are left out.
    fn read_each(&self, dir: &Dir, names: &[String], each: &mut Each<'_>);

    /// Makes an empty collection, so that it is listed.
    fn create_dir(&self, dir: &Dir) -> Result<(), StoreError>;

    /// Locks a scope, after finishing what a crashed process left unfinished in it.
    fn lock<'a>(
        &'a self,
        scope: &Scope,
        mode: Mode,
        patience: &Patience<'_>,
    ) -> Result<Box<dyn Guard + 'a>, StoreError>;

    /// Writes one document that nobody else can know of yet. Needs no lock.
    fn create(&self, put: &Put) -> Result<(), StoreError>;

    /// Appends one line to a document that is a list of lines. A line that could not be written
    /// to its end stays as it is, and readers pass it over; the next one begins anew.
    fn append(&self, key: &Key, line: &[u8]) -> Result<(), StoreError>;

    /// Makes durable what a document that is a list of lines holds, whoever appended it.
    fn confirm(&self, key: &Key) -> Result<(), StoreError>;

    /// Makes durable that a document is there, whoever put it there.
    fn anchor(&self, key: &Key) -> Result<(), StoreError>;

    /// Makes an empty document, if it is not there, whose loss after a power failure would not
    /// matter.
    fn mark(&self, key: &Key) -> Result<(), StoreError>;

    /// Replaces a document that can be made again from others. Readers see the old or the new one;
    /// after a power failure it may be either, or not readable.
    fn cache(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError>;

    /// A number greater than every one that was given out under `key` before, and close to
    /// `now_millis`.
    fn tick(&self, key: &Key, now_millis: u64, seed: u32) -> Result<Tick, StoreError>;

    /// The entries of a queue, oldest first.
    fn queue(&self, dir: &Dir) -> Result<Vec<Queued>, StoreError>;

    /// Reads an entry of a queue without taking it; `None` if it is gone or somebody holds it.
    fn peek(&self, dir: &Dir, entry: &Queued) -> Result<Option<Vec<u8>>, StoreError>;

    /// Takes an entry of a queue; `None` if it is gone or somebody else holds it.
    fn claim(&self, dir: &Dir, entry: &Queued) -> Result<Option<Claim>, StoreError>;

    /// Removes claimed entries for good, after filing each under its `log` key if it is not there.
    /// If it fails, each entry by itself is either settled or given back.
    fn settle(&self, claims: Vec<(Claim, Option<Key>)>) -> Result<(), StoreError>;

    /// Moves a claimed entry out of its queue to `dir`, where people look for what could not be
    /// understood, with a note beside it. Returns the file's new name.
    fn put_aside(&self, claim: Claim, dir: &Dir, note: &[u8]) -> Result<String, StoreError>;

    /// Moves a document that could not be understood out of the way, to where people look for it.
    /// Returns where it is now.
    fn set_aside(&self, key: &Key) -> Result<String, StoreError>;

    /// Moves all documents of the collections to `trash/<label>/`, where they keep their paths.
    /// Lock files stay. Returns how many entries were moved. `last` goes after everything else.
    fn retire(&self, dirs: &[Dir], last: &Key, label: &str) -> Result<usize, StoreError>;

    /// Watches collections for changes.
    fn watch(&self, dirs: &[Dir]) -> Result<Box<dyn Changes>, StoreError>;

    /// Removes a document whose loss after a power failure would not matter.
    fn discard(&self, key: &Key) -> Result<(), StoreError>;

    /// How many entries of queues this process can hold at once.
    fn claims_max(&self) -> usize;

    /// What kind of place this is.
    fn place(&self) -> Place;

    /// Where a document lies, for messages.
    fn path_of(&self, key: &Key) -> std::path::PathBuf;
}
