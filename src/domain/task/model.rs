//! The document of a task.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::{Diagnose, Stamp};
use crate::domain::{Extra, lax};

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody works on it.
    #[default]
    Pending,
    /// Somebody works on it.
    InProgress,
    /// It is done.
    Completed,
    /// It waits for other tasks.
    Blocked,
}

/// How urgent a task is. Less is more urgent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before everything else.
    Urgent,
    /// Before the ordinary.
    High,
    /// Ordinary.
    #[default]
    Medium,
    /// When nothing else is left.
    Low,
}

/// A text that is no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a valid TaskStatus")]
pub struct UnknownStatus(pub String);

/// A text that is no priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a valid TaskPriority")]
pub struct UnknownPriority(pub String);

impl Diagnose for UnknownStatus {
    fn code(&self) -> &'static str {
        "unknown_status"
    }

    fn hint(&self) -> Option<String> {
        Some("one of pending, in_progress, completed, blocked".into())
    }
}

impl Diagnose for UnknownPriority {
    fn code(&self) -> &'static str {
        "unknown_priority"
    }

    fn hint(&self) -> Option<String> {
        Some("one of low, medium, high, urgent".into())
    }
}

impl Status {
    /// All of them, in the order of the board.
    pub const ALL: [Self; 4] = [Self::Pending, Self::InProgress, Self::Completed, Self::Blocked];

    /// The status as documents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Blocked => "blocked",
        }
    }
}

impl Priority {
    /// The priority as documents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

impl FromStr for Priority {
    type Err = UnknownPriority;

    fn from_str(text: &str) -> Result<Self, UnknownPriority> {
        [Self::Urgent, Self::High, Self::Medium, Self::Low]
            .into_iter()
            .find(|priority| priority.as_str() == text)
            .ok_or_else(|| UnknownPriority(text.to_owned()))
    }
}

/// A task: `tasks/<team>/task-<id>.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its identifier. The name of the file counts; this is a copy of it.
    #[serde(default)]
    pub id: String,
    /// What is to be done, in a line.
    pub subject: String,
    /// What is to be done, at length.
    #[serde(default, deserialize_with = "lax::text")]
    pub description: String,
    /// Where it stands.
    #[serde(default)]
    pub status: Status,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// Whose task it is; empty if it is nobody's.
    #[serde(default, deserialize_with = "lax::text")]
    pub owner: String,
    /// Who works on it; empty if nobody does.
    #[serde(alias = "locked_by", default, deserialize_with = "lax::text")]
    pub locked_by: String,
    /// Since when.
    #[serde(alias = "locked_at", default)]
    pub locked_at: Stamp,
    /// Tasks that were said to wait for this one. A note: what counts is their `blocked_by`.
    #[serde(default)]
    pub blocks: Vec<String>,
    /// Tasks that this one waits for.
    #[serde(alias = "blocked_by", default)]
    pub blocked_by: Vec<String>,
    /// When work on it began first; never if empty.
    #[serde(alias = "started_at", default)]
    pub started_at: Stamp,
    /// When it was made.
    #[serde(alias = "created_at", default)]
    pub created_at: Stamp,
    /// When it was last changed.
    #[serde(alias = "updated_at", default)]
    pub updated_at: Stamp,
    /// Anything else that is known about it.
    #[serde(default)]
    pub metadata: Extra,
    /// What keeps two requests from making two tasks.
    #[serde(alias = "idempotency_key", default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Task {
    /// How long the work took, in seconds, if that was measured.
    pub fn duration_seconds(&self) -> Option<f64> {
        self.metadata.get("duration_seconds").and_then(Value::as_f64)
    }
}

/// A task as it is written to its file, where Python's ClawTeam puts even an empty
/// `idempotencyKey`.
#[derive(Debug, Serialize)]
pub struct OnDisk<'t> {
    #[serde(flatten)]
    task: &'t Task,
    /// Written as `null` while the task has no key; otherwise the task itself writes it.
    #[serde(rename = "idempotencyKey", skip_serializing_if = "Option::is_none")]
    no_key: Option<Value>,
}

impl<'t> OnDisk<'t> {
    /// The file's view of `task`.
    pub fn of(task: &'t Task) -> Self {
        let no_key = task.idempotency_key.is_none().then_some(Value::Null);
        Self { task, no_key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_fields_in_the_order_of_python() {
        let task = Task { id: "87ad95d7".into(), subject: "Second".into(), ..Task::default() };
        assert_eq!(
            serde_json::to_string(&OnDisk::of(&task)).expect("a task is JSON"),
            r#"{"id":"87ad95d7","subject":"Second","description":"","status":"pending","priority":"medium","owner":"","lockedBy":"","lockedAt":"","blocks":[],"blockedBy":[],"startedAt":"","createdAt":"","updatedAt":"","metadata":{},"idempotencyKey":null}"#
        );
    }

    #[test]
    fn a_key_is_written_once() {
        let task = Task { idempotency_key: Some("k".into()), ..Task::default() };
        let text = serde_json::to_string(&OnDisk::of(&task)).expect("a task is JSON");
        assert_eq!(text.matches("idempotencyKey").count(), 1);
        assert!(text.contains(r#""idempotencyKey":"k""#));
    }

    #[test]
    fn words_are_read_exactly() {
        assert_eq!("in_progress".parse(), Ok(Status::InProgress));
        assert_eq!("bogus".parse::<Status>(), Err(UnknownStatus("bogus".into())));
        assert_eq!("urgent".parse(), Ok(Priority::Urgent));
        assert!("High".parse::<Priority>().is_err());
        assert!(Priority::Urgent < Priority::Low);
    }
}
