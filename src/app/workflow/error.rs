//! What can go wrong with runs of workflows.

use std::path::PathBuf;

use crate::app::App;
use crate::core::{Diagnose, Exit, Name, TeamName};
use crate::domain::chain::BrokenChain;
use crate::domain::workflow::run::state::Fault;
use crate::store::Key;

/// What can go wrong with runs of workflows.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no such run.
    #[error("there is no run '{0}'")]
    NotFound(String),
    /// A newer clawteam made it.
    #[error("run '{run}' was made by a newer clawteam ({schema})")]
    Newer {
        /// The run.
        run: String,
        /// What its document says of itself.
        schema: String,
    },
    /// Its journal was changed by somebody.
    #[error("the journal of run '{run}' is damaged ({}): {source}", path.display())]
    Broken {
        /// The run.
        run: String,
        /// The journal.
        path: PathBuf,
        /// Where.
        source: BrokenChain,
    },
    /// Its journal has lost its end.
    #[error(
        "the journal of run '{run}' has {length} bytes, but its state knows {known} ({})",
        path.display()
    )]
    JournalShort {
        /// The run.
        run: String,
        /// The journal.
        path: PathBuf,
        /// How long it is.
        length: u64,
        /// How long it was.
        known: u64,
    },
    /// A record is not understood by this version.
    #[error("the journal of run '{run}' holds a record that this version does not understand")]
    BadRecord {
        /// The run.
        run: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Another run of the workflow is there.
    #[error("workflow '{workflow}' runs already: {}", runs.join(", "))]
    Active {
        /// The workflow.
        workflow: String,
        /// Its runs.
        runs: Vec<String>,
    },
    /// The inputs are not what the workflow needs.
    #[error("the inputs do not fit: {}", problems.join("; "))]
    Inputs {
        /// What is wrong.
        problems: Vec<String>,
    },
    /// The workflow is not in use yet.
    #[error("workflow '{0}' is a draft")]
    Draft(String),
    /// The workflow is not to be run any more.
    #[error("workflow '{0}' is archived")]
    Archived(String),
    /// This cannot be asked of the run as it stands.
    #[error("{}", .0.message)]
    Refused(Fault),
    /// Only people and the leader can do this.
    #[error("'{0}' is neither a person nor the leader of the team")]
    NotLead(String),
    /// There is no such record.
    #[error("run '{run}' has no record {rev}, only {last}")]
    NoRecord {
        /// The run.
        run: String,
        /// What was asked for.
        rev: u64,
        /// How many it has.
        last: u64,
    },
    /// There is no such node in the run.
    #[error("run '{run}' has no result of '{node}'")]
    NoResult {
        /// The run.
        run: String,
        /// What was asked for.
        node: String,
    },
}

impl RunError {
    pub(super) fn broken(app: &App, team: &TeamName, run: &Name, source: BrokenChain) -> Self {
        let path = app.store.path_of(&Key::run_journal(team, run));
        Self::Broken { run: run.to_string(), path, source }
    }
}

impl Diagnose for RunError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "run_not_found",
            Self::Newer { .. } => "newer_format",
            Self::Broken { .. } => "broken_chain",
            Self::JournalShort { .. } => "journal_short",
            Self::BadRecord { .. } => "bad_record",
            Self::Active { .. } => "run_active",
            Self::Inputs { .. } => "invalid_inputs",
            Self::Draft(_) => "workflow_draft",
            Self::Archived(_) => "workflow_archived",
            Self::Refused(fault) => match fault.code.as_str() {
                "nothing_to_retry" => "nothing_to_retry",
                "not_live" => "not_live",
                "signals_full" => "signals_full",
                _ => "illegal_transition",
            },
            Self::NotLead(_) => "lead_only",
            Self::NoRecord { .. } => "no_record",
            Self::NoResult { .. } => "no_result",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound(_) => Some("see `clawteam workflow history <team>`".into()),
            Self::Newer { .. } => Some("use that version".into()),
            Self::Broken { run, .. } | Self::JournalShort { run, .. } => {
                Some(format!("look at it with `clawteam workflow fsck <team> {run}`"))
            }
            Self::Active { runs, .. } => Some(format!(
                "wait for it, stop it with `clawteam workflow stop <team> {}`, or set the \
                 workflow's concurrency policy to allow, replace or queue",
                runs.first().map_or("<run>", String::as_str)
            )),
            Self::Inputs { .. } => Some("give them with --input NAME=VALUE".into()),
            Self::Draft(name) => {
                Some(format!("take it into use with `clawteam workflow activate <team> {name}`"))
            }
            Self::Archived(name) => {
                Some(format!("bring it back with `clawteam workflow activate <team> {name}`"))
            }
            Self::NotLead(_) => Some("ask the leader, or the person who started the run".into()),
            Self::Refused(fault) if fault.code == "not_live" => {
                Some("see `clawteam workflow status <team> <run>`".into())
            }
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotFound(_) | Self::NoRecord { .. } | Self::NoResult { .. } => Exit::NotFound,
            Self::Inputs { .. } => Exit::Invalid,
            Self::Active { .. } | Self::Draft(_) | Self::Archived(_) | Self::Refused(_) => {
                Exit::Illegal
            }
            Self::NotLead(_) => Exit::Forbidden,
            _ => Exit::Failure,
        }
    }
}
