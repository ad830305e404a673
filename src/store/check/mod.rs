//! Looks over a whole data directory: what is damaged, left over or dangling, and what can be done.
//!
//! Nothing is ever deleted. What cannot be understood and what nobody will finish goes to
//! `quarantine/`; everything else is told, with what a person can do.

mod fix;
mod kind;
mod references;
mod scan;

use std::path::PathBuf;
use std::time::SystemTime;

use super::fs::FsBackend;
use super::key::{Key, Scope};

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Info,
    /// Left over or dangling; nothing is lost.
    Warning,
    /// Damaged, or in the way of work.
    Error,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The stable identifier of this kind of finding.
    pub code: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What is the matter, as a sentence.
    pub message: String,
    /// What [`Doctor::apply`] would do, or what a person can do.
    pub remedy: String,
    /// What [`Doctor::apply`] would do, if anything.
    pub fix: Option<Fix>,
}

/// A repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// Moves a document that cannot be understood to `quarantine/`.
    SetAsideUnreadable(Key),
    /// Moves a journal that cannot be understood to `quarantine/`.
    SetAsideJournal(Scope, Key),
    /// Moves what a process that has ended did not finish writing to `quarantine/`.
    SetAsideTemporary(Key),
    /// Carries out what a journal says.
    FinishCommit(Scope),
    /// Files a message as history.
    FileMessage {
        /// The message.
        message: Key,
        /// Its history entry.
        log: Key,
    },
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What is the matter, worst first. In this order they can be repaired one after the other.
    pub findings: Vec<Finding>,
    /// How many files were looked at.
    pub files: usize,
    /// How many teams there are.
    pub teams: usize,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Info)
    }
}

/// Checks a data directory, and repairs it.
pub struct Doctor<'a> {
    backend: &'a FsBackend,
    is_alive: &'a dyn Fn(u32) -> bool,
    now: SystemTime,
}

impl std::fmt::Debug for Doctor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doctor").field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl<'a> Doctor<'a> {
    /// For the data directory of `backend`. `is_alive` says whether a process of that number runs;
    /// `now` is the present.
    pub fn new(backend: &'a FsBackend, is_alive: &'a dyn Fn(u32) -> bool, now: SystemTime) -> Self {
        Self { backend, is_alive, now }
    }

    /// Looks at everything. Changes nothing, except that it makes and removes a file to see whether
    /// the directory can be written to.
    pub fn check(&self) -> Report {
        let mut scan = scan::Scan::new(self);
        scan.place();
        scan.walk();
        references::check(&mut scan);
        let mut report = scan.report;
        // A journal that cannot be understood keeps its lock from everybody, also from repairs;
        // `journal/` comes before the collections that have locks.
        report.findings.sort_by(|a, b| {
            (b.severity, &a.path, a.code, &a.message)
                .cmp(&(a.severity, &b.path, b.code, &b.message))
        });
        report
    }
}
