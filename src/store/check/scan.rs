//! The walk through the data directory: each file by itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::kind::{self, Kind, Walk};
use super::{Doctor, Finding, Fix, Report, Severity};
use crate::core::{Digest, limits};
use crate::store::backend::Mode;
use crate::store::fs::JournalState;
use crate::store::key::{Dir, Key, Scope};

/// What was seen so far.
pub(super) struct Scan<'a> {
    pub(super) doctor: &'a Doctor<'a>,
    pub(super) report: Report,
    /// Documents that others refer to, by path.
    pub(super) documents: BTreeMap<String, Value>,
    /// Messages that wait in inboxes, by path.
    pub(super) messages: BTreeMap<String, Value>,
    /// Names of the directories below each of the top ones, if something is kept in them.
    pub(super) used: BTreeMap<String, Vec<String>>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(doctor: &'a Doctor<'a>) -> Self {
        Self {
            doctor,
            report: Report::default(),
            documents: BTreeMap::new(),
            messages: BTreeMap::new(),
            used: BTreeMap::new(),
        }
    }

    pub(super) fn path_of(&self, path: &str) -> PathBuf {
        self.doctor.backend.root().join(path)
    }

    /// Notes a finding about the file at the relative path `path`.
    pub(super) fn find(
        &mut self,
        severity: Severity,
        code: &'static str,
        path: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> &mut Finding {
        let path = self.path_of(path);
        let (message, remedy) = (message.into(), remedy.into());
        let findings = &mut self.report.findings;
        findings.push(Finding { severity, code, path, message, remedy, fix: None });
        let last = findings.len() - 1;
        &mut findings[last]
    }

    /// Looks at the place itself: whether it is there, writable, and has space left.
    pub(super) fn place(&mut self) {
        let (vfs, root) = (self.doctor.backend.vfs(), self.doctor.backend.root());
        if !vfs.exists(root) {
            self.find(
                Severity::Info,
                "no_data_directory",
                "",
                "there is no data directory yet",
                "the first command that writes makes it",
            );
            return;
        }
        let probe = root.join(format!(".tmp-{}-{:08x}", std::process::id(), 0));
        let written = vfs.create(&probe, false).and_then(|mut file| file.write_all(b"{}"));
        let removed = if vfs.exists(&probe) { vfs.unlink(&probe) } else { Ok(()) };
        if let Err(error) = written.and(removed) {
            self.find(
                Severity::Error,
                "not_writable",
                "",
                format!("the data directory cannot be written to: {error}"),
                "make it writable for this user (`chmod u+w`), or name another with --data-dir",
            );
        }
        let Ok(free) = vfs.available_space(root) else { return };
        if free < limits::DISK_FREE_BYTES_MIN {
            let severity = if free < limits::DISK_FREE_BYTES_MIN / 10 {
                Severity::Error
            } else {
                Severity::Warning
            };
            self.find(
                severity,
                "disk_space",
                "",
                format!("only {} MB are free on the disk of the data directory", free / 1_000_000),
                "free some space; nothing is written half, but commands will begin to fail",
            );
        }
    }

    /// Walks through all directories.
    pub(super) fn walk(&mut self) {
        let mut open = vec![String::new()];
        while let Some(dir) = open.pop() {
            let key = dir_of(&dir);
            let path = match self.doctor.backend.dir_path(&key) {
                Ok(path) => path,
                Err(error) => {
                    self.cannot_read(&dir, &error.to_string());
                    continue;
                }
            };
            let mut entries = match self.doctor.backend.vfs().list(&path) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    self.cannot_read(&dir, &error.to_string());
                    continue;
                }
            };
            entries.sort_unstable();
            for (name, is_dir) in entries {
                let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
                if is_dir {
                    self.directory(path, &mut open);
                } else {
                    self.report.files += 1;
                    self.file(&path);
                }
            }
        }
    }

    fn cannot_read(&mut self, path: &str, why: &str) {
        self.find(
            Severity::Error,
            "cannot_read",
            path,
            format!("cannot be read: {why}"),
            "look at its owner and permissions",
        );
    }

    fn directory(&mut self, path: String, open: &mut Vec<String>) {
        match kind::walk(&path) {
            Walk::Into => open.push(path),
            Walk::Past => self.note_use(&path),
            Walk::Foreign => {
                self.find(
                    Severity::Info,
                    "foreign_directory",
                    &path,
                    "clawteam does not know this directory",
                    "it is left alone",
                );
            }
        }
    }

    /// Remembers that something is kept below the first two parts of `path`.
    fn note_use(&mut self, path: &str) {
        let mut parts = path.split('/');
        if let (Some(top), Some(name), Some(_)) = (parts.next(), parts.next(), parts.next()) {
            let names = self.used.entry(top.to_owned()).or_default();
            if names.last().is_none_or(|last| last != name) {
                names.push(name.to_owned());
            }
        }
    }

    fn file(&mut self, path: &str) {
        let kind = kind::kind(path);
        if !matches!(kind, Kind::Lock | Kind::Temporary(_)) && !path.ends_with("/.sequence") {
            self.note_use(path);
        }
        match kind {
            Kind::Document => self.document(path),
            Kind::Lines => self.lines(path),
            Kind::Message { taken } => self.message(path, taken),
            Kind::Blob => self.blob(path),
            Kind::Lock => self.lock(path),
            Kind::Journal => self.journal(path),
            Kind::Temporary(pid) => self.temporary(path, pid),
            Kind::Other => {}
            Kind::Foreign => {
                self.find(
                    Severity::Info,
                    "foreign_file",
                    path,
                    "clawteam does not know this file",
                    "it is left alone",
                );
            }
        }
    }

    fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        match self.doctor.backend.vfs().read(&self.path_of(path)) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                self.cannot_read(path, &error.to_string());
                None
            }
        }
    }

    fn document(&mut self, path: &str) {
        let Some(bytes) = self.read(path) else { return };
        match parse(&bytes) {
            Ok(value) => {
                let mut parts = path.split('/');
                let top = parts.next();
                if matches!(top, Some("artifacts" | "teams" | "tasks" | "workspaces")) {
                    self.documents.insert(path.to_owned(), value);
                }
            }
            Err(reason) => {
                self.find(
                    Severity::Error,
                    "unreadable_document",
                    path,
                    format!("is not a valid document: {reason}"),
                    "moves it to quarantine/, where it can be looked at",
                )
                .fix = Some(Fix::SetAsideUnreadable(key_of(path)));
            }
        }
    }

    fn lines(&mut self, path: &str) {
        let Some(bytes) = self.read(path) else { return };
        let lines = bytes.split(|byte| *byte == b'\n').enumerate();
        let bad: Vec<String> = lines
            .filter(|(_, line)| !line.is_empty() && parse(line).is_err())
            .map(|(index, _)| (index + 1).to_string())
            .collect();
        if !bad.is_empty() {
            self.find(
                Severity::Warning,
                "torn_line",
                path,
                format!("cannot be understood in line {}", bad.join(", ")),
                "these lines are passed over; remove them if they disturb",
            );
        }
    }

    fn message(&mut self, path: &str, taken: bool) {
        let bytes = if taken {
            match self.doctor.backend.vfs().claim(&self.path_of(path), Mode::Shared) {
                Ok(Some((_hold, bytes))) => {
                    self.find(
                        Severity::Info,
                        "abandoned_message",
                        path,
                        "a receiver ended before it acknowledged this message",
                        "the next `clawteam inbox receive` delivers it again",
                    );
                    bytes
                }
                // Somebody is receiving it just now.
                Ok(None) => return,
                Err(error) => return self.cannot_read(path, &error.to_string()),
            }
        } else {
            let Some(bytes) = self.read(path) else { return };
            bytes
        };
        match parse(&bytes) {
            Ok(value) => {
                self.messages.insert(path.to_owned(), value);
            }
            Err(reason) => {
                self.find(
                    Severity::Warning,
                    "unreadable_message",
                    path,
                    format!("is not a valid message: {reason}"),
                    "the next `clawteam inbox receive` moves it to dead_letters/",
                );
            }
        }
    }

    /// Content is as good as its name says, or it is damaged.
    fn blob(&mut self, path: &str) {
        let Some(bytes) = self.read(path) else { return };
        let found = Digest::of(&bytes);
        if path.rsplit('/').next() != Some(found.as_str()) {
            self.find(
                Severity::Error,
                "damaged_blob",
                path,
                format!("is damaged: its content has the digest {found}"),
                "adding the same content again, as an artifact, puts the right one there",
            );
        }
    }

    fn lock(&mut self, path: &str) {
        if let Some(holder) = self.doctor.backend.lock_holder(&key_of(path)) {
            self.find(
                Severity::Info,
                "lock_held",
                path,
                format!("is locked by {holder}"),
                "nothing to do; a lock ends with its process",
            );
        }
    }

    fn journal(&mut self, path: &str) {
        let Some(bytes) = self.read(path) else { return };
        let name = path.rsplit('/').next().unwrap_or(path);
        let Some(scope) = Scope::of_journal(name) else {
            self.find(
                Severity::Info,
                "foreign_file",
                path,
                "clawteam does not know whose journal this is",
                "it is left alone",
            );
            return;
        };
        if let Some(holder) = self.doctor.backend.lock_holder(&scope.lock_file()) {
            self.find(
                Severity::Info,
                "commit_under_way",
                path,
                format!("{scope}: {holder} is writing"),
                "nothing to do",
            );
            return;
        }
        match JournalState::of(&bytes, &self.path_of(path)) {
            JournalState::Whole => {
                self.find(
                    Severity::Warning,
                    "unfinished_commit",
                    path,
                    format!("{scope}: a process ended in the middle of a change"),
                    "finishes the change, as the next command that writes there does",
                )
                .fix = Some(Fix::FinishCommit(scope.clone()));
            }
            JournalState::Newer(schema) => {
                self.find(
                    Severity::Error,
                    "newer_format",
                    path,
                    format!("{scope}: an unfinished change in the newer format {schema}"),
                    "install a newer clawteam; until then nothing can be changed there",
                );
            }
            JournalState::Unreadable(reason) => {
                self.find(
                    Severity::Error,
                    "unreadable_journal",
                    path,
                    format!("{scope}: an unfinished change that cannot be understood: {reason}"),
                    "moves it to quarantine/; look there for which documents it was to change",
                )
                .fix = Some(Fix::SetAsideJournal(scope.clone(), key_of(path)));
            }
        }
    }

    fn temporary(&mut self, path: &str, pid: Option<u32>) {
        if pid.is_some_and(|pid| (self.doctor.is_alive)(pid)) {
            return;
        }
        let what = match self.read(path) {
            Some(bytes) if parse(&bytes).is_ok() => "a whole document that never got its name",
            Some(_) => "part of a document",
            None => return,
        };
        let message = format!("{what}, left by a process that ended while it wrote");
        let is_old = self.doctor.is_stale(&self.path_of(path));
        let remedy = if is_old { "moves it to quarantine/" } else { "wait a minute: it is new" };
        self.find(Severity::Warning, "stray_temporary_file", path, message, remedy).fix =
            is_old.then(|| Fix::SetAsideTemporary(key_of(path)));
    }
}

/// A JSON object, or what is wrong with it.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, String> {
    match serde_json::from_slice(bytes) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("it is not an object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The document at a path that a listing gave.
pub(super) fn key_of(path: &str) -> Key {
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    dir_of(dir).entry(name)
}

fn dir_of(path: &str) -> Dir {
    path.split('/').filter(|part| !part.is_empty()).fold(Dir::top(), |dir, part| dir.child(part))
}

impl Doctor<'_> {
    /// Whether nobody can be writing this file any more.
    pub(super) fn is_stale(&self, path: &std::path::Path) -> bool {
        let modified = self.backend.vfs().modified(path);
        let age = modified.ok().and_then(|modified| self.now.duration_since(modified).ok());
        age.is_some_and(|age| age >= limits::STRAY_AGE_MIN)
    }
}
