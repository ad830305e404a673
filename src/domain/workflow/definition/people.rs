//! Nodes in which people and agents agree on something.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::model::is_default;
use crate::core::Span;

/// A decision by people or agents.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Approval {
    /// What is to be decided, in a line; may hold `{{ … }}`.
    #[serde(skip_serializing_if = "is_default")]
    pub title: String,
    /// The same at length; may hold `{{ … }}`.
    #[serde(skip_serializing_if = "is_default")]
    pub details: String,
    /// Who decides (`human`); may hold `{{ … }}`.
    #[serde(skip_serializing_if = "is_default")]
    pub approvers: Vec<String>,
    /// How many must agree (1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u32>,
    /// How sure the asker is, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// What that is made of.
    #[serde(skip_serializing_if = "is_default")]
    pub rubric: IndexMap<String, i64>,
    /// Whether it can do harm.
    #[serde(skip_serializing_if = "is_default")]
    pub risky: bool,
    /// Whether it is felt outside.
    #[serde(skip_serializing_if = "is_default")]
    pub external: bool,
    /// What happens when the node's time is over.
    #[serde(skip_serializing_if = "is_default")]
    pub on_timeout: OnTimeout,
    /// Where work begins again after a rejection.
    #[serde(skip_serializing_if = "is_default")]
    pub rework: Vec<String>,
    /// How often that may happen (3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rework: Option<u32>,
    /// Nodes whose results and artifacts are shown to who decides.
    #[serde(skip_serializing_if = "is_default")]
    pub show: Vec<String>,
    /// Whether only signed decisions count.
    #[serde(skip_serializing_if = "is_default")]
    pub sign: bool,
}

/// What happens when the time for a decision is over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OnTimeout {
    /// It counts as expired: the `expired` or `rejected` edge, or the run fails.
    #[default]
    Reject,
    /// It counts as approved, and the journal says by what.
    Approve,
    /// Somebody else is asked, with the same time again.
    Escalate(String),
    /// It waits on.
    None,
}

impl TryFrom<String> for OnTimeout {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "reject" => Ok(Self::Reject),
            "approve" => Ok(Self::Approve),
            "none" => Ok(Self::None),
            other => match other.strip_prefix("escalate:") {
                Some(who) if !who.is_empty() => Ok(Self::Escalate(who.to_owned())),
                _ => Err(format!(
                    "'{text}' is none of reject, approve, none and escalate:<approver>"
                )),
            },
        }
    }
}

impl From<OnTimeout> for String {
    fn from(value: OnTimeout) -> Self {
        match value {
            OnTimeout::Reject => "reject".into(),
            OnTimeout::Approve => "approve".into(),
            OnTimeout::None => "none".into(),
            OnTimeout::Escalate(who) => format!("escalate:{who}"),
        }
    }
}

/// Agents who speak in turn, and a lead who concludes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meeting {
    /// What kind: standup, kickoff, review, brainstorm, decision or retro (`review`).
    #[serde(skip_serializing_if = "is_default")]
    pub meeting_type: String,
    /// What about; may hold `{{ … }}`.
    #[serde(skip_serializing_if = "is_default")]
    pub topic: String,
    /// In which points.
    #[serde(skip_serializing_if = "is_default")]
    pub agenda: Vec<String>,
    /// Who speaks, in this order.
    pub participants: Vec<String>,
    /// Who concludes (the leader of the team).
    #[serde(skip_serializing_if = "is_default")]
    pub lead: String,
    /// How often everybody speaks (1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u32>,
    /// How long one may take (10 min).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_timeout: Option<Span>,
    /// What happens if one does not speak.
    #[serde(skip_serializing_if = "is_default")]
    pub on_missing: Missing,
    /// How many speeches there are at least (1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_speakers: Option<u32>,
}

/// What happens if a participant of a meeting does not speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The next one speaks.
    #[default]
    Skip,
    /// The meeting fails.
    Fail,
}
