//! The documents of a queue.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::{Diagnose, Digest, Exit, Name, ProcessId, Span, Stamp};
use crate::domain::Extra;

/// The schema of [`Item`].
pub const SCHEMA: &str = "clawteam.queue-item/1";
/// The schema of [`Lease`].
pub const LEASE_SCHEMA: &str = "clawteam.queue-lease/1";

/// How urgent an item is. The most urgent is the least.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before everything else.
    Critical,
    /// Before the ordinary.
    High,
    /// Ordinary.
    #[default]
    Normal,
    /// When nothing else is left.
    Low,
}

/// A text that is no priority of an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no priority of a queue item")]
pub struct UnknownPriority(pub String);

impl Diagnose for UnknownPriority {
    fn code(&self) -> &'static str {
        "unknown_priority"
    }

    fn hint(&self) -> Option<String> {
        Some("one of low, normal, high, critical".into())
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Low];

    /// The priority as documents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

impl FromStr for Priority {
    type Err = UnknownPriority;

    fn from_str(text: &str) -> Result<Self, UnknownPriority> {
        let found = Self::ALL.into_iter().find(|priority| priority.as_str() == text);
        found.ok_or_else(|| UnknownPriority(text.to_owned()))
    }
}

/// How long an item that failed waits for its next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// After the first failure.
    pub base: Span,
    /// By what each further wait is longer.
    pub factor: f64,
    /// No wait is longer.
    pub max: Span,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Span::seconds(60), factor: 2.0, max: Span::seconds(3600) }
    }
}

/// The attempt of a node of a workflow run that an item is done for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRef {
    /// The run.
    pub run: Name,
    /// Which activation of which node: `build#2`.
    pub act: String,
    /// Which attempt at it, from 1.
    pub attempt: u32,
}

impl RunRef {
    /// The name of the document that holds the result of this attempt. Different attempts have
    /// different names, whatever characters the activation has.
    pub fn result_file(&self) -> String {
        let mut name = String::with_capacity(self.act.len() + 8);
        for c in self.act.chars() {
            match c {
                '#' => name.push('~'),
                '/' => name.push('+'),
                c if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') => name.push(c),
                c => name.push_str(&format!("={:x}=", u32::from(c))),
            }
        }
        format!("{name}-a{}.json", self.attempt)
    }
}

/// An attempt that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When.
    pub at: Stamp,
    /// What kind of failure; programs branch on it.
    pub code: String,
    /// What went wrong, for people.
    pub message: String,
}

/// Where an item stands for good, or not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is still to be done.
    #[default]
    Open,
    /// It was done.
    Done,
    /// Somebody cancelled it.
    Cancelled,
    /// It failed for good.
    Dead,
}

/// What a worker found out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether it went well.
    pub ok: bool,
    /// The exit status of the program, if one ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What came out, as data.
    #[serde(default)]
    pub output: Value,
    /// What came out, as text.
    #[serde(default)]
    pub text: String,
    /// The last of what a program wrote to standard error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// Whether some of the output was left out because there was too much of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
    /// How long it took.
    #[serde(default)]
    pub duration_ms: u64,
    /// When it ended.
    #[serde(default)]
    pub at: Stamp,
}

impl Report {
    /// It went wrong, and nothing came out.
    pub fn failed(at: DateTime<Utc>, code: &str, message: impl Into<String>) -> Self {
        let at = Stamp::at(at);
        let fault = Fault { at: at.clone(), code: code.to_owned(), message: message.into() };
        Self { error: Some(fault), at, ..Self::default() }
    }
}

/// A machine, and which of its starts: a process of an earlier start does not run any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Its name in the network.
    pub host: String,
    /// Which start of it; empty if that cannot be found out.
    pub boot_id: String,
}

/// The right to do an item, for a time: `queue/<team>/leased/<id>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// What this document is.
    pub schema: String,
    /// What tells this lease from every other; only who knows it may finish the item.
    pub token: String,
    /// Who holds it.
    pub worker: String,
    /// Where the worker runs.
    #[serde(flatten)]
    pub machine: Machine,
    /// The worker.
    pub process: ProcessId,
    /// Since when.
    pub since: Stamp,
    /// Until when, unless it is renewed.
    pub until: Stamp,
    /// For how long each time.
    pub length: Span,
    /// What only one item at a time may touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_key: Option<String>,
    /// The program that does the item: it leads a process group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProcessId>,
    /// Whether somebody asked the worker to end it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancel_requested: bool,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An item of work: `queue/<team>/{open,done,dead}/….json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// What this document is.
    pub schema: String,
    /// Its identifier, made from the key if there is one.
    pub id: String,
    /// What keeps the same request from being done twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What kind of work it is.
    pub kind: String,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// What is to be done; its fields depend on the kind.
    #[serde(default)]
    pub payload: Value,
    /// Orders items that are due at the same instant.
    #[serde(default)]
    pub sequence: u64,
    /// Not before.
    pub due_at: Stamp,
    /// When it was pushed.
    pub created_at: Stamp,
    /// Attempts that came to an end.
    #[serde(default)]
    pub attempt: u32,
    /// Attempts before it is dead.
    pub max_attempts: u32,
    /// Attempts whose worker was lost.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub losses: u32,
    /// How long it waits after a failure.
    #[serde(default)]
    pub backoff: Backoff,
    /// How long an attempt may take.
    pub timeout: Span,
    /// Whether it may be done again when nobody knows how far a lost worker came.
    #[serde(default)]
    pub idempotent: bool,
    /// What only one item at a time may touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_key: Option<String>,
    /// What it is done for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunRef>,
    /// Where it stands.
    #[serde(default)]
    pub status: Status,
    /// What went wrong, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Report>,
    /// When it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Stamp>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An item that is to be pushed.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// What kind of work it is.
    pub kind: String,
    /// What is to be done.
    pub payload: Value,
    /// What keeps the same request from being done twice.
    pub key: Option<String>,
    /// How urgent it is.
    pub priority: Priority,
    /// How long it waits first.
    pub delay: Span,
    /// Attempts before it is dead; at least 1.
    pub max_attempts: u32,
    /// How long it waits after a failure.
    pub backoff: Backoff,
    /// How long an attempt may take.
    pub timeout: Span,
    /// Whether it may be done again when nobody knows how far a lost worker came; `None`: as is
    /// right for the kind.
    pub idempotent: Option<bool>,
    /// What only one item at a time may touch; `None`: as is right for the kind.
    pub serial_key: Option<String>,
    /// What it is done for.
    pub run: Option<RunRef>,
}

impl NewItem {
    /// An ordinary item: due now, four attempts of five minutes.
    pub fn new(kind: impl Into<String>, payload: Value) -> Self {
        Self {
            kind: kind.into(),
            payload,
            key: None,
            priority: Priority::Normal,
            delay: Span::millis(0),
            max_attempts: 4,
            backoff: Backoff::default(),
            timeout: Span::seconds(300),
            idempotent: None,
            serial_key: None,
            run: None,
        }
    }
}

/// Where an item stands, as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A worker can take it.
    Ready,
    /// It is not due yet.
    Delayed,
    /// A worker has it.
    Leased,
    /// It was done.
    Done,
    /// Somebody cancelled it.
    Cancelled,
    /// It failed for good.
    Dead,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Ready, Self::Delayed, Self::Leased, Self::Done, Self::Cancelled, Self::Dead];

    /// The state as people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Delayed => "delayed",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
        }
    }
}

impl FromStr for State {
    type Err = QueueError;

    fn from_str(text: &str) -> Result<Self, QueueError> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| QueueError::UnknownState(text.to_owned()))
    }
}

/// An item together with who holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The item.
    pub item: Item,
    /// The right to do it, if a worker has it.
    pub lease: Option<Lease>,
}

impl Entry {
    /// Where it stands at `now`.
    pub fn state(&self, now: DateTime<Utc>) -> State {
        match self.item.status {
            Status::Done => State::Done,
            Status::Cancelled => State::Cancelled,
            Status::Dead => State::Dead,
            Status::Open if self.lease.is_some() => State::Leased,
            Status::Open if self.item.is_due(now) => State::Ready,
            Status::Open => State::Delayed,
        }
    }
}

impl Item {
    /// The identifier of the item with this key.
    pub fn id_of_key(key: &str) -> String {
        Digest::of(key.as_bytes()).start(16).to_owned()
    }

    /// Whether it may be taken at `now`. One whose time cannot be read may: it shall not wait for
    /// ever.
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.due_at.instant().is_none_or(|due| due <= now)
    }

    /// Whether it came to its end.
    pub fn has_ended(&self) -> bool {
        self.status != Status::Open
    }
}

/// Why something cannot be done with an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// There is no such item.
    #[error("no item '{id}' in the queue of team '{team}'")]
    NotFound {
        /// What was asked for.
        id: String,
        /// The team.
        team: String,
    },
    /// Somebody else has the item by now, or it came to its end.
    #[error("item '{id}' is not held by this worker any more")]
    Fenced {
        /// The item.
        id: String,
    },
    /// The item does not stand where it would have to.
    #[error("item '{id}' is {state}; {wanted}")]
    WrongState {
        /// The item.
        id: String,
        /// Where it stands.
        state: &'static str,
        /// What would be needed.
        wanted: &'static str,
    },
    /// No executor is known for the kind.
    #[error("'{0}' is no kind of work that the queue knows")]
    UnknownKind(String),
    /// The payload does not say what the kind needs.
    #[error("the payload of a '{kind}' item is wrong: {reason}")]
    BadPayload {
        /// The kind.
        kind: String,
        /// What is wrong.
        reason: String,
    },
    /// A text that is no state.
    #[error("'{0}' is no state of a queue item")]
    UnknownState(String),
}

impl Diagnose for QueueError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "item_not_found",
            Self::Fenced { .. } => "lease_lost",
            Self::WrongState { .. } => "wrong_state",
            Self::UnknownKind(_) => "unknown_kind",
            Self::BadPayload { .. } => "bad_payload",
            Self::UnknownState(_) => "unknown_state",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { team, .. } => {
                Some(format!("see the items: clawteam queue list {team}"))
            }
            Self::UnknownKind(_) => {
                Some(format!("one of {}", super::payload::KINDS.map(|k| k.name).join(", ")))
            }
            Self::UnknownState(_) => {
                Some(format!("one of {}", State::ALL.map(State::as_str).join(", ")))
            }
            Self::BadPayload { kind, .. } => super::payload::KINDS
                .iter()
                .find(|known| known.name == kind)
                .map(|known| format!("for example: {}", known.example)),
            Self::Fenced { .. } | Self::WrongState { .. } => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } => Exit::NotFound,
            Self::Fenced { .. } => Exit::Conflict,
            Self::WrongState { .. } => Exit::Illegal,
            Self::UnknownKind(_) | Self::BadPayload { .. } => Exit::Invalid,
            Self::UnknownState(_) => Exit::Usage,
        }
    }
}
