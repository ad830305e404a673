//! Advisory locks (`flock(2)`) with a deadline and a name for whom one waits.
//!
//! # Limitations
//!
//! A lock excludes processes that take it too: clawteam's own and Python ClawTeam's. A file system
//! that has no such locks (some network mounts) is refused rather than used without.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::core::{Stamp, limits};
use crate::store::backend::{Mode, Patience};
use crate::store::error::{Holder, StoreError};

/// What the holder writes into the lock file, for those who wait.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    pid: u32,
    command: String,
    since: Stamp,
}

/// Takes the lock if it is free.
pub(super) fn try_acquire(file: &File, mode: Mode) -> io::Result<bool> {
    let result = match mode {
        Mode::Shared => fs2::FileExt::try_lock_shared(file),
        Mode::Exclusive => fs2::FileExt::try_lock_exclusive(file),
    };
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// How long those who only look are waited for. They hold a lock for microseconds, but may be
/// interrupted meanwhile.
const LOOKERS_WAIT: Duration = Duration::from_secs(1);

/// Takes the lock if nobody holds it alone. Somebody who only looks whether it is locked holds it
/// for a moment, together with others, and is not taken for a holder.
pub(super) fn try_claim(file: &File, mode: Mode) -> io::Result<bool> {
    let began = Instant::now();
    let mut pause = Duration::ZERO;
    loop {
        if try_acquire(file, mode)? {
            return Ok(true);
        }
        if mode == Mode::Shared || !try_acquire(file, Mode::Shared)? {
            return Ok(false);
        }
        fs2::FileExt::unlock(file)?;
        if began.elapsed() > LOOKERS_WAIT {
            return Ok(false);
        }
        thread::sleep(pause);
        pause = (pause + Duration::from_micros(20)).min(Duration::from_millis(1));
    }
}

/// Locks the file at `path`, which is made if it is missing and never removed.
pub(super) fn acquire(
    path: &Path,
    what: &str,
    mode: Mode,
    patience: &Patience<'_>,
) -> Result<File, StoreError> {
    let began = Instant::now();
    let told = Cell::new(false);
    let notice = |holder: &Holder| {
        if !told.replace(true) {
            (patience.notice)(holder);
        }
    };
    loop {
        let file = open(path, mode)?;
        let file = match try_acquire(&file, mode) {
            Ok(true) => file,
            Ok(false) => {
                let patience = Patience { limit: patience.limit, notice: &notice };
                wait(file, path, what, mode, began, &patience)?
            }
            Err(error) => return Err(unsupported(path, error)),
        };
        // Python's clean-up removes lock files: a lock on a file without a name guards nothing.
        let named = fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
        let held = file.metadata().ok().map(|m| (m.dev(), m.ino()));
        if named == held {
            if mode == Mode::Exclusive {
                write_note(&file);
            }
            return Ok(file);
        }
    }
}

fn open(path: &Path, mode: Mode) -> Result<File, StoreError> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    match opened {
        // Who may only read can still share.
        Err(error) if mode == Mode::Shared && error.kind() == io::ErrorKind::PermissionDenied => {
            File::open(path).map_err(|e| StoreError::io("open", path, e))
        }
        other => other.map_err(|e| StoreError::io("open", path, e)),
    }
}

fn unsupported(path: &Path, error: io::Error) -> StoreError {
    if error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(37) {
        StoreError::LocksUnsupported { path: path.into() }
    } else {
        StoreError::io("lock", path, error)
    }
}

/// Blocks in a helper thread, so that the kernel wakes us at once and the deadline still holds.
/// If the lock comes after the deadline, the helper finds nobody to give it to and lets go.
fn wait(
    file: File,
    path: &Path,
    what: &str,
    mode: Mode,
    began: Instant,
    patience: &Patience<'_>,
) -> Result<File, StoreError> {
    let left = || patience.limit.saturating_sub(began.elapsed());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let result = match mode {
            Mode::Shared => fs2::FileExt::lock_shared(&file),
            Mode::Exclusive => fs2::FileExt::lock_exclusive(&file),
        };
        let _ = sender.send(result.map(|()| file));
    });
    let mut answer = receiver.recv_timeout(limits::LOCK_NOTICE_AFTER.min(left()));
    if matches!(answer, Err(RecvTimeoutError::Timeout)) && !left().is_zero() {
        (patience.notice)(&holder(path));
        answer = receiver.recv_timeout(left());
    }
    match answer {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(error)) => Err(unsupported(path, error)),
        Err(_) => Err(StoreError::Busy {
            what: what.to_owned(),
            holder: holder(path),
            waited: began.elapsed(),
            path: path.into(),
        }),
    }
}

/// Tells those who will wait who we are. Failing to say so is no reason to fail.
fn write_note(file: &File) {
    let command: Vec<String> = std::env::args().take(4).collect();
    let note = Note {
        pid: std::process::id(),
        command: crate::core::text::cut(&command.join(" "), 80).to_owned(),
        since: Stamp::at(chrono::Utc::now()),
    };
    let Ok(text) = serde_json::to_string(&note) else { return };
    // Over the note before, not in its place: a file that shrinks and grows gets new blocks, which
    // every sync that follows on the same disk would have to write first.
    let text = format!("{text:<NOTE_BYTES$}\n");
    let mut file = file;
    if file.seek(SeekFrom::Start(0)).is_ok() && file.write_all(text.as_bytes()).is_ok() {
        let length = text.len() as u64;
        if file.metadata().is_ok_and(|meta| meta.len() > length) {
            let _ = file.set_len(length);
        }
    }
}

/// How long a note is, so that most of them are equally long.
const NOTE_BYTES: usize = 191;

/// Who holds the lock at `path`, as far as it can be known.
pub(super) fn holder(path: &Path) -> Holder {
    let mut text = String::new();
    if let Ok(mut file) = File::open(path) {
        let _ = file.read_to_string(&mut text);
    }
    let note: Option<Note> = serde_json::from_str(&text).ok();
    let noted = note.map(|note| Holder {
        pid: Some(note.pid),
        command: Some(note.command),
        since: Some(note.since.to_string()),
    });
    let pids = kernel_holders(path);
    match (noted, pids.first()) {
        (Some(noted), Some(_)) if noted.pid.is_some_and(|pid| pids.contains(&pid)) => noted,
        // Somebody who writes no notes: Python's ClawTeam, flock(1), a reader.
        (_, Some(pid)) => Holder { pid: Some(*pid), command: command_of(*pid), since: None },
        (noted, None) => noted.unwrap_or_default(),
    }
}

/// The processes that hold a lock on the file, as Linux lists them in `/proc/locks` (proc(5)).
#[cfg(target_os = "linux")]
fn kernel_holders(path: &Path) -> Vec<u32> {
    let Ok(file) = fs::metadata(path) else { return Vec::new() };
    let inode = file.ino().to_string();
    let table = fs::read_to_string("/proc/locks").unwrap_or_default();
    let holder = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // `1: FLOCK ADVISORY WRITE 4242 08:01:131 0 EOF`; waiters have `->` in second place. A
        // process of another container has the number 0.
        let [_, "FLOCK", _, _, pid, file, ..] = fields[..] else { return None };
        let same = file.rsplit(':').next() == Some(inode.as_str());
        pid.parse().ok().filter(|pid| same && *pid != 0)
    };
    table.lines().filter_map(holder).collect()
}

#[cfg(not(target_os = "linux"))]
fn kernel_holders(_path: &Path) -> Vec<u32> {
    Vec::new()
}

fn command_of(pid: u32) -> Option<String> {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<String> = raw
        .split(|b| *b == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    Some(crate::core::text::cut(&words.join(" "), 80).to_owned())
}
