//! What can go wrong with documents.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::core::{Diagnose, Exit};

/// Who holds a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// The process, if it is known.
    pub pid: Option<u32>,
    /// Its command line, if it is known.
    pub command: Option<String>,
    /// When it took the lock, as RFC 3339 text, if it is known.
    pub since: Option<String>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.pid, &self.command) {
            (Some(pid), Some(command)) => write!(f, "process {pid} ({command})")?,
            (Some(pid), None) => write!(f, "process {pid}")?,
            _ => write!(f, "another process")?,
        }
        match &self.since {
            Some(since) => write!(f, " since {since}"),
            None => Ok(()),
        }
    }
}

/// Why documents could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed; nothing was changed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A lock stayed busy.
    #[error("{what} stayed locked by {holder} for {} s ({})", waited.as_secs(), path.display())]
    Busy {
        /// What the lock guards.
        what: String,
        /// Who holds it.
        holder: Holder,
        /// How long this process waited.
        waited: Duration,
        /// The lock file.
        path: PathBuf,
    },
    /// A document changed since it was read; nothing was written.
    #[error("{key} was changed by another process")]
    Conflict {
        /// The document.
        key: String,
    },
    /// A document cannot be understood.
    #[error("{} is not a valid document: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A document was written by a later version of clawteam.
    #[error("{} has the newer format {schema}; this clawteam reads it but does not change it", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format that it names.
        schema: String,
    },
    /// The commit has happened but could not be carried out to the end: part of it waits in the
    /// journal for the next who locks its scope, or it may not be durable yet.
    #[error("the change is made but not finished ({})", path.display())]
    Unfinished {
        /// The journal that holds it, or the document.
        path: PathBuf,
        /// What failed.
        #[source]
        source: Box<StoreError>,
    },
    /// A path leads out of the data directory, through a symbolic link.
    #[error("Resolved path escapes the configured data directory: {}", path.display())]
    Escapes {
        /// The path.
        path: PathBuf,
    },
    /// The file system has no locks.
    #[error("the file system of {} does not support locks", path.display())]
    LocksUnsupported {
        /// The lock file.
        path: PathBuf,
    },
}

impl StoreError {
    /// The same failure, after the point at which "nothing was changed" was true.
    pub(super) fn after_commit(self, path: impl Into<PathBuf>) -> Self {
        match self {
            Self::Unfinished { .. } => self,
            source => Self::Unfinished { path: path.into(), source: source.into() },
        }
    }

    /// An `io::Error` with what was tried and where.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }
}

impl Diagnose for StoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => "disk_full",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "permission_denied"
            }
            Self::Io { .. } => "io",
            Self::Busy { .. } => "busy",
            Self::Conflict { .. } => "conflict",
            Self::Unreadable { .. } => "unreadable_document",
            Self::NewerFormat { .. } => "newer_format",
            Self::Unfinished { .. } => "unfinished",
            Self::Escapes { .. } => "path_escapes",
            Self::LocksUnsupported { .. } => "locks_unsupported",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("nothing was changed; free some space and try again".into())
            }
            Self::Busy { .. } | Self::Conflict { .. } => {
                Some("nothing was changed; try again".into())
            }
            Self::Unreadable { .. } => {
                Some("see `clawteam doctor`; `clawteam doctor --fix` puts it aside".into())
            }
            Self::NewerFormat { .. } => Some("install a newer clawteam".into()),
            Self::Unfinished { .. } => Some(
                "the next command finishes it; `clawteam doctor` says what is in the way".into(),
            ),
            Self::LocksUnsupported { .. } => {
                Some("put the data directory on a local file system (--data-dir)".into())
            }
            Self::Io { .. } | Self::Escapes { .. } => None,
        }
    }

    fn exit(&self) -> Exit {
        if matches!(self, Self::Busy { .. }) { Exit::Busy } else { Exit::Failure }
    }
}
