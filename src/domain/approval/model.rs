//! The document of an approval.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::actor::{Actor, ActorKind, Approver, Proof};
use super::error::ApprovalError;
use crate::core::{Digest, Name, Stamp, TeamName};
use crate::domain::Extra;

/// The format of the document.
pub const SCHEMA: &str = "clawteam.approval/1";

/// Where an approval stands. Every state but `Pending` is final, except that an approval that was
/// given becomes `Cancelled` when what it was given for has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody has decided yet.
    Pending,
    /// It may be done.
    Approved,
    /// It must not be done.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// It was taken back, or is void.
    Cancelled,
}

impl Status {
    /// The state in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

impl FromStr for Status {
    type Err = ApprovalError;

    fn from_str(text: &str) -> Result<Self, ApprovalError> {
        serde_json::from_value(text.into()).map_err(|_| ApprovalError::Invalid {
            what: "status",
            why: format!("'{text}' is not pending, approved, rejected, expired or cancelled"),
        })
    }
}

/// What somebody answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No.
    Reject,
    /// Neither; somebody else shall decide.
    Abstain,
}

impl Verdict {
    /// The answer in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Abstain => "abstain",
        }
    }
}

/// How much harm it could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Little.
    Low,
    /// Some.
    #[default]
    Medium,
    /// Much.
    High,
    /// Very much.
    Critical,
}

impl Risk {
    /// The risk in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl FromStr for Risk {
    type Err = ApprovalError;

    fn from_str(text: &str) -> Result<Self, ApprovalError> {
        serde_json::from_value(text.into()).map_err(|_| ApprovalError::Invalid {
            what: "risk",
            why: format!("'{text}' is not low, medium, high or critical"),
        })
    }
}

/// What happens when nobody decides in time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OnTimeout {
    /// It expires.
    #[default]
    Expire,
    /// It expires; a run takes that as a rejection.
    Reject,
    /// It counts as approved. Not for what is external or risky.
    Approve,
    /// Somebody else is asked, for as long again; then it expires.
    Escalate(Approver),
    /// It goes on waiting.
    Nothing,
}

impl fmt::Display for OnTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expire => f.pad("expire"),
            Self::Reject => f.pad("reject"),
            Self::Approve => f.pad("approve"),
            Self::Escalate(to) => write!(f, "escalate:{to}"),
            Self::Nothing => f.pad("none"),
        }
    }
}

impl FromStr for OnTimeout {
    type Err = ApprovalError;

    fn from_str(text: &str) -> Result<Self, ApprovalError> {
        Ok(match text {
            "expire" => Self::Expire,
            "reject" => Self::Reject,
            "approve" => Self::Approve,
            "none" => Self::Nothing,
            _ => match text.split_once(':') {
                Some(("escalate", to)) => Self::Escalate(to.parse()?),
                _ => {
                    return Err(ApprovalError::Invalid {
                        what: "on-timeout",
                        why: format!(
                            "'{text}' is not expire, reject, approve, none or escalate:APPROVER"
                        ),
                    });
                }
            },
        })
    }
}

impl Serialize for OnTimeout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OnTimeout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requester {
    /// Who; see [`Actor`].
    pub id: String,
    /// What kind of actor.
    pub kind: ActorKind,
    /// How it showed that.
    pub proof: Proof,
    /// Another agent that asked in its name. It cannot decide either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
}

impl Requester {
    /// Whether `actor` asked, itself or for another.
    pub fn is(&self, actor: &Actor) -> bool {
        self.id == actor.id || self.via.as_ref() == Some(&actor.id)
    }
}

impl From<Actor> for Requester {
    fn from(actor: Actor) -> Self {
        Self { id: actor.id, kind: actor.kind, proof: actor.proof, via: None }
    }
}

/// Which state of what is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The digest of its content.
    pub digest: Digest,
    /// Its revision; 0 if it has none.
    #[serde(default)]
    pub revision: u64,
}

/// What kind of content an attachment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachmentKind {
    /// A difference between two states of files.
    Diff,
    /// Text.
    Text,
    /// Anything else.
    File,
}

/// Something to look at before one decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Its name.
    pub name: Name,
    /// The digest of its content, under which it is kept.
    pub blob: Digest,
    /// Its length in bytes.
    pub bytes: u64,
    /// What kind of content it is.
    pub kind: AttachmentKind,
}

/// What the policy of the team says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVerdict {
    /// The rule that decided.
    pub name: String,
    /// `required`, `optional` or `auto`.
    pub verdict: String,
    /// Why, with the values that were looked at.
    pub why: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Who; see [`Actor`].
    pub actor: String,
    /// What kind of actor.
    pub kind: ActorKind,
    /// How it showed that.
    pub proof: Proof,
    /// What it said.
    pub decision: Verdict,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// When.
    pub at: Stamp,
    /// The signature, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sig: Option<super::signature::Signed>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// Who ended it.
    pub by: String,
    /// What was said about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// Somebody else was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Who was asked last.
    pub to: Approver,
    /// When.
    pub at: Stamp,
    /// How often somebody else was asked.
    pub level: u32,
}

/// What an approval let pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumption {
    /// What.
    pub by: String,
    /// When.
    pub at: Stamp,
}

/// An approval: `approvals/<team>/<id>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// The format.
    pub schema: String,
    /// Its identifier.
    pub id: Name,
    /// Whose it is.
    pub team: TeamName,
    /// How many changes it has seen.
    pub rev: u64,
    /// Where it stands.
    pub status: Status,
    /// What kind of thing is to be done, in a word.
    pub action_type: String,
    /// What is to be done, in a line.
    pub title: String,
    /// What is to be done, at length.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Why.
    pub reason: String,
    /// The tasks that it is about, the primary one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub task_ids: Vec<String>,
    /// The run that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Name>,
    /// The node of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Which activation of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<u64>,
    /// The plan that is decided about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
    /// Who asked.
    pub requester: Requester,
    /// Who may decide.
    pub approvers: Vec<Approver>,
    /// How many of them must agree.
    pub quorum: u32,
    /// How many of them must refuse for a rejection.
    pub reject_quorum: u32,
    /// Whether answers must be signed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_signature: bool,
    /// What exactly is to be done, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// The digest under which a large payload is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_blob: Option<Digest>,
    /// What to look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// How sure the requester is, from 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<u8>,
    /// What that is made of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rubric: BTreeMap<String, i64>,
    /// Whether it reaches beyond the team.
    #[serde(default)]
    pub external: bool,
    /// Whether it can do harm.
    #[serde(default)]
    pub risky: bool,
    /// How much.
    #[serde(default)]
    pub risk: Risk,
    /// What the policy of the team says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyVerdict>,
    /// When it was asked for.
    pub created_at: Stamp,
    /// From when on no decision counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Stamp>,
    /// What happens then.
    #[serde(default)]
    pub on_timeout: OnTimeout,
    /// Who else was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Escalation>,
    /// The answers, oldest first.
    #[serde(default)]
    pub decisions: Vec<Decision>,
    /// When it was decided, or ended otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Stamp>,
    /// How.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// Which state of what is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    /// Which state of each task is approved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub valid_for_revision: BTreeMap<String, Digest>,
    /// What it let pass: nothing, or one thing.
    #[serde(default)]
    pub consumed_by: Vec<Consumption>,
    /// The request that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Name>,
    /// What tells the same request from another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Approval {
    /// Whether the format is one that this version may change.
    pub fn is_known_format(&self) -> bool {
        self.schema == SCHEMA
    }

    /// How many have answered so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.decisions.iter().filter(|decision| decision.decision == verdict).count()
    }

    /// The approvers, separated by commas.
    pub fn approvers_text(&self) -> String {
        let names: Vec<String> = self.approvers.iter().map(ToString::to_string).collect();
        names.join(", ")
    }
}
