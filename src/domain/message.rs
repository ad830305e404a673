//! Messages between agents.

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::core::{Diagnose, Stamp};

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageType {
    /// Plain text to one agent.
    #[default]
    Message,
    /// Plain text to all.
    Broadcast,
    /// Somebody wants to join the team.
    JoinRequest,
    /// The request was granted.
    JoinApproved,
    /// The request was refused.
    JoinRejected,
    /// A plan waits for a decision.
    PlanApprovalRequest,
    /// The plan was approved.
    PlanApproved,
    /// The plan was rejected.
    PlanRejected,
    /// The agent is asked to end.
    ShutdownRequest,
    /// The agent ends.
    ShutdownApproved,
    /// The agent does not end.
    ShutdownRejected,
    /// The agent has nothing to do.
    Idle,
}

/// A text that is no message type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a valid MessageType")]
pub struct UnknownMessageType(pub String);

impl Diagnose for UnknownMessageType {
    fn code(&self) -> &'static str {
        "unknown_message_type"
    }

    fn hint(&self) -> Option<String> {
        Some(
            "one of message, broadcast, join_request, join_approved, join_rejected, \
             plan_approval_request, plan_approved, plan_rejected, shutdown_request, \
             shutdown_approved, shutdown_rejected, idle"
                .into(),
        )
    }
}

impl MessageType {
    /// The type as documents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Broadcast => "broadcast",
            Self::JoinRequest => "join_request",
            Self::JoinApproved => "join_approved",
            Self::JoinRejected => "join_rejected",
            Self::PlanApprovalRequest => "plan_approval_request",
            Self::PlanApproved => "plan_approved",
            Self::PlanRejected => "plan_rejected",
            Self::ShutdownRequest => "shutdown_request",
            Self::ShutdownApproved => "shutdown_approved",
            Self::ShutdownRejected => "shutdown_rejected",
            Self::Idle => "idle",
        }
    }
}

impl std::str::FromStr for MessageType {
    type Err = UnknownMessageType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_value(text.into()).map_err(|_| UnknownMessageType(text.to_owned()))
    }
}

/// A message, as it lies in an inbox and in the log.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// What it is about.
    #[serde(rename = "type", default)]
    pub kind: MessageType,
    /// Who sent it.
    #[serde(alias = "from_agent", alias = "fromAgent")]
    pub from: String,
    /// The name that the sender gave; the inbox for a broadcast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// What the message is known by; broadcasts have none.
    #[serde(alias = "request_id", default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// When it was sent.
    #[serde(default)]
    pub timestamp: Stamp,
    /// A word to sort messages by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The name that the sender of a join request would like.
    #[serde(alias = "proposed_name", default, skip_serializing_if = "Option::is_none")]
    pub proposed_name: Option<String>,
    /// What the sender of a join request can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<String>,
    /// The path of a plan.
    #[serde(alias = "plan_file", default, skip_serializing_if = "Option::is_none")]
    pub plan_file: Option<String>,
    /// The gist of a plan or a notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The text of a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// What was said about a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
    /// Why something was asked or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The name that a join request was granted under.
    #[serde(alias = "assigned_name", default, skip_serializing_if = "Option::is_none")]
    pub assigned_name: Option<String>,
    /// The sender's agent id.
    #[serde(alias = "agent_id", default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The team that was joined.
    #[serde(alias = "team_name", default, skip_serializing_if = "Option::is_none")]
    pub team_name: Option<String>,
    /// The task that an idle agent worked on last.
    #[serde(alias = "last_task", default, skip_serializing_if = "Option::is_none")]
    pub last_task: Option<String>,
    /// The status of that task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Fields that this version does not know, or only carries.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Message {
    /// The text, empty if there is none.
    pub fn text(&self) -> &str {
        self.content.as_deref().unwrap_or_default()
    }

    /// Drops fields that are `null`, which Python writes nowhere.
    #[must_use]
    pub fn without_nulls(mut self) -> Self {
        self.extra.retain(|_, value| !value.is_null());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_written_as_python_writes_it() {
        let message = Message {
            from: "lead".into(),
            to: Some("w2".into()),
            content: Some("hello".into()),
            request_id: Some("817678a6fb9f".into()),
            timestamp: Stamp::from("2026-11-20T17:34:43.389334+00:00".to_owned()),
            ..Message::default()
        };
        assert_eq!(
            serde_json::to_string(&message).expect("a message is JSON"),
            r#"{"type":"message","from":"lead","to":"w2","content":"hello","requestId":"817678a6fb9f","timestamp":"2026-11-20T17:34:43.389334+00:00"}"#
        );
    }

    #[test]
    fn both_spellings_of_a_field_are_read() {
        let text = r#"{"from_agent":"a","request_id":"r","confidence":0.5,"key":null}"#;
        let message: Message = serde_json::from_str(text).expect("a message");
        assert_eq!((message.from.as_str(), message.request_id.as_deref()), ("a", Some("r")));
        assert_eq!(message.extra["confidence"], 0.5);
        assert!("bogus".parse::<MessageType>().is_err());
    }
}
