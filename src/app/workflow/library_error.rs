//! Why a workflow cannot be made, changed or found.

use std::path::PathBuf;

use crate::core::text::count;
use crate::core::{Diagnose, Exit};
use crate::domain::workflow::definition::Problem;

/// Why a workflow cannot be made, changed or found.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// There is none of that name.
    #[error("Workflow '{name}' not found in team '{team}'")]
    NotFound {
        /// The team.
        team: String,
        /// The workflow.
        name: String,
    },
    /// It has no such version.
    #[error("workflow '{name}' has no version {version}; the latest is {latest}")]
    NoVersion {
        /// The workflow.
        name: String,
        /// What was asked for.
        version: u32,
        /// The greatest one that there is.
        latest: u32,
    },
    /// There is one of that name already.
    #[error("workflow '{name}' exists already")]
    Exists {
        /// The workflow.
        name: String,
    },
    /// The definition has errors.
    #[error("workflow '{name}' has {}{}", count(errors(problems), "error"), lines(problems))]
    Invalid {
        /// The workflow.
        name: String,
        /// Everything that was found.
        problems: Vec<Problem>,
    },
    /// Somebody made another version in between.
    #[error("workflow '{name}' is at version {latest}, not {wanted}")]
    Moved {
        /// The workflow.
        name: String,
        /// The version that was expected.
        wanted: u32,
        /// The version that it has.
        latest: u32,
    },
    /// It has runs that go on.
    #[error("workflow '{name}' has runs that have not ended: {}", runs.join(", "))]
    HasRuns {
        /// The workflow.
        name: String,
        /// The runs.
        runs: Vec<String>,
    },
    /// The document of a version is not as it was written.
    #[error("{} was changed after it was made", path.display())]
    Changed {
        /// Where it is.
        path: PathBuf,
    },
    /// The document of a version cannot be understood.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such template.
    #[error("there is no workflow template '{name}'")]
    NoTemplate {
        /// Its name.
        name: String,
    },
    /// A change by path names nothing that can be changed.
    #[error("'{path}' cannot be set: {reason}")]
    BadPath {
        /// The path.
        path: String,
        /// Why not.
        reason: String,
    },
    /// A definition cannot be written in a format.
    #[error("this cannot be written as {format}: {reason}")]
    NoFormat {
        /// The format.
        format: &'static str,
        /// Why not.
        reason: String,
    },
}

fn errors(problems: &[Problem]) -> usize {
    problems.iter().filter(|problem| problem.is_error()).count()
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |lines, problem| lines + "\n" + &problem.to_string())
}

impl Diagnose for LibraryError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "workflow_not_found",
            Self::NoVersion { .. } => "version_not_found",
            Self::Exists { .. } => "workflow_exists",
            Self::Invalid { .. } => "invalid_workflow",
            Self::Moved { .. } => "version_conflict",
            Self::HasRuns { .. } => "workflow_has_runs",
            Self::Changed { .. } => "version_changed",
            Self::Unreadable { .. } => "unreadable",
            Self::NoTemplate { .. } => "template_not_found",
            Self::BadPath { .. } => "bad_path",
            Self::NoFormat { .. } => "not_in_format",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { team, .. } => format!("see them: clawteam workflow list {team}"),
            Self::Exists { name } => {
                format!("make a new version of it: clawteam workflow edit TEAM {name} --file FILE")
            }
            Self::Moved { name, .. } => {
                format!("look at what is new, then try again: clawteam workflow diff TEAM {name}")
            }
            Self::HasRuns { .. } => {
                "stop them first, or use --force: they go on with their own copy".into()
            }
            Self::Changed { .. } => {
                "versions never change: put the old text back, and use `workflow edit`".into()
            }
            Self::NoTemplate { .. } => "see them: clawteam workflow templates".into(),
            _ => return None,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } | Self::NoVersion { .. } | Self::NoTemplate { .. } => {
                Exit::NotFound
            }
            Self::Exists { .. } | Self::Moved { .. } => Exit::Conflict,
            Self::Invalid { .. } | Self::Changed { .. } | Self::Unreadable { .. } => Exit::Invalid,
            Self::HasRuns { .. } => Exit::Illegal,
            Self::BadPath { .. } => Exit::Usage,
            Self::NoFormat { .. } => Exit::Failure,
        }
    }
}
