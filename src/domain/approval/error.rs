//! Why an approval cannot be asked for or changed.

use serde::Serialize;
use serde_json::{Map, Value};

use super::actor::Proof;
use super::model::Status;
use crate::core::{Diagnose, Exit, Stamp};

/// A task that somebody else's request is about already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The task.
    pub task: String,
    /// The approval that waits for a decision about it.
    pub approval: String,
}

/// Why an approval cannot be asked for or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// There is no such approval.
    #[error("Approval '{id}' not found in team '{team}'")]
    NotFound {
        /// What was asked for.
        id: String,
        /// Where.
        team: String,
    },
    /// There is no such team.
    #[error("Team '{team}' not found")]
    UnknownTeam {
        /// What was asked for.
        team: String,
    },
    /// A request is about a task that does not exist.
    #[error("Task '{id}' not found")]
    UnknownTask {
        /// The task.
        id: String,
    },
    /// Part of a request cannot be.
    #[error("Invalid {what}: {why}")]
    Invalid {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// It was decided before, or taken back.
    #[error("Approval '{id}' is {} and stays so", status.as_str())]
    NotPending {
        /// The approval.
        id: String,
        /// Where it stands.
        status: Status,
    },
    /// Its time is over.
    #[error("Approval '{id}' expired at {at}")]
    Expired {
        /// The approval.
        id: String,
        /// When.
        at: Stamp,
    },
    /// Somebody wanted to decide about their own request.
    #[error("{actor} asked for approval '{id}' and cannot decide about it")]
    OwnRequest {
        /// Who.
        actor: String,
        /// The approval.
        id: String,
    },
    /// Somebody else was asked.
    #[error("{actor} is not an approver of '{id}'; {approvers} may decide")]
    NotListed {
        /// Who.
        actor: String,
        /// The approval.
        id: String,
        /// Who may.
        approvers: String,
    },
    /// An agent wanted to act for a person.
    #[error("{actor} is an agent; a person has to decide about approval '{id}'")]
    NeedsHuman {
        /// Who.
        actor: String,
        /// The approval.
        id: String,
    },
    /// An agent wanted to change what it is under.
    #[error("{actor} is an agent; only a person may {what}")]
    PeopleOnly {
        /// Who.
        actor: String,
        /// What it wanted to do.
        what: &'static str,
    },
    /// The team does not let its leader decide.
    #[error("the policy of the team does not let its leader decide about approval '{id}'")]
    LeadMayNot {
        /// The approval.
        id: String,
    },
    /// A person did not show well enough who it is.
    #[error("a decision about approval '{id}' needs the proof '{}', not '{}'", needed.as_str(), given.as_str())]
    WeakProof {
        /// The approval.
        id: String,
        /// What is needed.
        needed: Proof,
        /// What was given.
        given: Proof,
    },
    /// A signature is not by a trusted key, or not of this.
    #[error("the signature of {actor} under approval '{id}' does not hold: {why}")]
    BadSignature {
        /// The approval.
        id: String,
        /// Who signed.
        actor: String,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody has answered before.
    #[error("{actor} has answered approval '{id}' already")]
    AlreadyAnswered {
        /// Who.
        actor: String,
        /// The approval.
        id: String,
    },
    /// A rejection without a reason helps nobody.
    #[error("say why approval '{id}' is rejected")]
    CommentRequired {
        /// The approval.
        id: String,
    },
    /// Tasks have requests that wait already.
    #[error("{}", conflicts_text(.0))]
    Conflicts(Vec<Conflict>),
    /// The same identifier was used for another request.
    #[error("approval '{id}' exists and is another request")]
    OtherRequest {
        /// The approval.
        id: String,
    },
    /// Only whoever asked, or a person, may do this.
    #[error("{actor} may not {what} approval '{id}'")]
    NotYours {
        /// Who.
        actor: String,
        /// What it wanted to do.
        what: &'static str,
        /// The approval.
        id: String,
    },
    /// Only an approval that was given lets something pass.
    #[error("Approval '{id}' is {}, not approved", status.as_str())]
    NotApproved {
        /// The approval.
        id: String,
        /// Where it stands.
        status: Status,
    },
    /// It was used before.
    #[error("Approval '{id}' was used by {by}; an approval lets one thing pass once")]
    Used {
        /// The approval.
        id: String,
        /// By what.
        by: String,
    },
    /// What was approved is not what is there now.
    #[error("Approval '{id}' is void: {why}")]
    Void {
        /// The approval.
        id: String,
        /// What has changed.
        why: String,
    },
    /// It is in another state than the caller has seen.
    #[error("approval '{id}' has revision {found}, not {expected}")]
    Moved {
        /// The approval.
        id: String,
        /// What the caller has seen.
        expected: u64,
        /// What it has.
        found: u64,
    },
}

fn conflicts_text(conflicts: &[Conflict]) -> String {
    let each: Vec<String> =
        conflicts.iter().map(|c| format!("task '{}' has '{}'", c.task, c.approval)).collect();
    format!("an approval is pending already: {}", each.join(", "))
}

impl Diagnose for ApprovalError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "approval_not_found",
            Self::UnknownTeam { .. } => "team_not_found",
            Self::UnknownTask { .. } => "task_not_found",
            Self::Invalid { .. } => "invalid_approval",
            Self::NotPending { .. } => "approval_not_pending",
            Self::Expired { .. } => "approval_expired",
            Self::OwnRequest { .. } => "own_request",
            Self::NotListed { .. } => "not_an_approver",
            Self::NeedsHuman { .. } | Self::PeopleOnly { .. } => "human_required",
            Self::LeadMayNot { .. } => "lead_may_not",
            Self::WeakProof { .. } => "weak_proof",
            Self::BadSignature { .. } => "bad_signature",
            Self::AlreadyAnswered { .. } => "already_answered",
            Self::CommentRequired { .. } => "comment_required",
            Self::Conflicts(_) => "approval_conflict",
            Self::OtherRequest { .. } => "other_request",
            Self::NotYours { .. } => "not_yours",
            Self::NotApproved { .. } => "not_approved",
            Self::Used { .. } => "approval_used",
            Self::Void { .. } => "approval_void",
            Self::Moved { .. } => "revision_conflict",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { team, .. } => {
                format!("list the approvals: clawteam approval list {team}")
            }
            Self::UnknownTeam { .. } => "list the teams: clawteam team discover".into(),
            Self::UnknownTask { .. } => "list the tasks: clawteam task list TEAM".into(),
            Self::NotPending { id, .. }
            | Self::Expired { id, .. }
            | Self::Void { id, .. }
            | Self::Used { id, .. } => {
                format!("ask again: clawteam approval request TEAM … --supersedes {id}")
            }
            Self::OwnRequest { .. } => "somebody else has to decide".into(),
            Self::NeedsHuman { .. } | Self::PeopleOnly { .. } => {
                "a person does this from a shell of their own, without CLAWTEAM_AGENT_NAME or \
                 another agent identity in the environment"
                    .into()
            }
            Self::WeakProof { needed, .. } => match needed {
                Proof::Signature => "sign it: --sign KEYFILE (see `clawteam approval key new`)",
                Proof::Token => "set CLAWTEAM_TOKEN (see `clawteam approval token new`)",
                _ => "decide from a terminal",
            }
            .into(),
            Self::CommentRequired { .. } => "add --comment \"…\"".into(),
            Self::Conflicts(_) => {
                "wait for the decision, or replace the request with --supersedes ID".into()
            }
            Self::Moved { .. } => "look at it again: clawteam approval show TEAM ID".into(),
            _ => return None,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } | Self::UnknownTeam { .. } | Self::UnknownTask { .. } => {
                Exit::NotFound
            }
            Self::Invalid { .. } => Exit::Invalid,
            Self::NotApproved { status: Status::Rejected, .. } => Exit::Rejected,
            Self::Expired { .. }
            | Self::NotApproved { status: Status::Expired | Status::Cancelled, .. } => {
                Exit::Expired
            }
            Self::CommentRequired { .. } => Exit::Usage,
            Self::Moved { .. } => Exit::Conflict,
            Self::OwnRequest { .. }
            | Self::NotListed { .. }
            | Self::NeedsHuman { .. }
            | Self::PeopleOnly { .. }
            | Self::LeadMayNot { .. }
            | Self::WeakProof { .. }
            | Self::BadSignature { .. }
            | Self::NotYours { .. } => Exit::Forbidden,
            Self::NotPending { .. }
            | Self::AlreadyAnswered { .. }
            | Self::Conflicts(_)
            | Self::OtherRequest { .. }
            | Self::NotApproved { .. }
            | Self::Used { .. }
            | Self::Void { .. } => Exit::Illegal,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        if let Self::Conflicts(conflicts) = self {
            let listed = serde_json::to_value(conflicts).unwrap_or_default();
            details.insert("conflicts".into(), listed);
        }
        details
    }
}
