//! The state of a run: what the records of its journal come to.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::effect::Effect;
use crate::core::Digest;

/// What the `schema` field of a run says.
pub const SCHEMA: &str = "clawteam.run/1";

/// Milliseconds since the epoch, as the run knows the time: it never goes back.
pub type Millis = u64;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It goes on, or waits for something outside.
    #[default]
    Running,
    /// It takes note of results but begins nothing.
    Paused,
    /// It has done what it was to do.
    Completed,
    /// It has ended because of a failure.
    Failed,
    /// It has ended because somebody wanted that.
    Stopped,
}

impl Status {
    /// Whether nothing but an operator's wish leads away from here.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Stopped)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// A failure with a name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fault {
    /// What kind of failure, in snake case: programs branch on it.
    pub code: String,
    /// What happened, for people.
    pub message: String,
}

impl Fault {
    /// A failure.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

/// The state of a run. Two runs with equal journals have equal states.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// How many records led here.
    pub rev: u64,
    /// Where it stands.
    pub status: Status,
    /// Why it failed, stopped or paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// The latest time that it knows of.
    #[serde(default)]
    pub now: Millis,
    /// When the first record was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Millis>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// When it must have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Millis>,
    /// The variables.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub vars: Map<String, Value>,
    /// Visits of nodes in all.
    #[serde(default)]
    pub visits: u32,
    /// Visits of each node.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub visits_of: IndexMap<String, u32>,
    /// Nodes that succeeded at least once and must.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reached: Vec<String>,
    /// Visits by their id (`node#visit`): those that live, the last one of each node, and those
    /// that others still refer to.
    #[serde(default)]
    pub acts: IndexMap<String, Act>,
    /// Results that wait at joins: by join, by edge, in the order of their arrival.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub places: IndexMap<String, IndexMap<String, Vec<String>>>,
    /// The visit in which each join fired last.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub fired: IndexMap<String, u32>,
    /// How often each approval was answered by rework.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub rework: IndexMap<String, u32>,
    /// The rounds of loops.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub rounds: IndexMap<String, Rounds>,
    /// Signals that nobody has waited for yet, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<Signal>,
    /// The last requests of operators that were taken up: one that is found again, because power
    /// took its removal back, is not taken up twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_up: Vec<String>,
    /// Since when it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<Millis>,
    /// What it comes to once it has cleaned up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// What is to be done outside and was not reported as done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbox: Vec<Effect>,
    /// What it results in.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub outputs: Map<String, Value>,
    /// Whom pools gave a task last, for taking turns.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub turns: BTreeMap<String, String>,
}

/// How a run ends after its clean-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// As what.
    pub status: Status,
    /// Why.
    pub fault: Fault,
    /// Visits of the clean-up so far.
    pub visits: u32,
    /// What waited at joins when it began.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub places: IndexMap<String, IndexMap<String, Vec<String>>>,
    /// The visits that a retry begins anew: nothing of the clean-up itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<String>,
}

/// A signal that was sent to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// What it brings.
    #[serde(default)]
    pub data: Value,
    /// When it came.
    pub at: Millis,
    /// Who sent it.
    pub by: String,
}

/// The rounds of a loop.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Rounds {
    /// The round that goes on, counted from 0.
    pub index: u32,
    /// The visit of the loop that began it.
    pub visit: u32,
    /// Whether it goes on.
    pub open: bool,
    /// The visit of the loop that the round came back with. A round comes back once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<u32>,
    /// What is gone through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Value>,
    /// What the rounds have collected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collected: Vec<Value>,
}

/// Where a visit of a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActState {
    /// It can begin.
    #[default]
    Ready,
    /// Somebody outside works on it, or a time must pass.
    Dispatched,
    /// It failed and is tried again later.
    Backoff,
    /// It has a result.
    Succeeded,
    /// No attempt is left.
    Failed,
    /// It was called off.
    Cancelled,
    /// It was not needed.
    Skipped,
}

impl ActState {
    /// Whether something can still come of it.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Ready | Self::Dispatched | Self::Backoff)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Dispatched => "dispatched",
            Self::Backoff => "backoff",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

/// A visit of a node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Act {
    /// The node.
    pub node: String,
    /// Which visit of it, counted from 1.
    pub visit: u32,
    /// Where it stands.
    pub state: ActState,
    /// Attempts so far.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attempt: u32,
    /// The visits whose results led here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// The edges that these came on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
    /// The latest firing of each join, and visit of each loop, that this descends from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub since: BTreeMap<String, u32>,
    /// When it could begin.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ready_at: Millis,
    /// When the present attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Millis>,
    /// When it was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// When the present attempt must be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Millis>,
    /// When it is tried again, or when a delay is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Millis>,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// How far a node with several parts is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// Through which port its result left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// What was handed in with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactRef>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
    /// What those who rejected earlier work said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feedback: Vec<Feedback>,
    /// Agents that were lost with earlier attempts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}

/// What a visit waits for outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// A task of the team.
    Task {
        /// Its id.
        id: String,
    },
    /// A task that was said to be done; a queue item checks that.
    Verify {
        /// The task.
        id: String,
    },
    /// An approval.
    Approval {
        /// Its id.
        id: String,
    },
    /// An item of the queue.
    Item {
        /// Its key.
        key: String,
    },
    /// Other runs.
    Children,
    /// A time.
    Timer,
    /// A signal.
    Signal {
        /// Its name.
        name: String,
        /// Signals from this time on count.
        after: Millis,
    },
    /// An event of the team.
    Event {
        /// Its kind.
        event: String,
        /// Events after this time count.
        after: Millis,
    },
}

/// How far a node with several parts is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Parts {
    /// The children of a `map` or a `subworkflow`, in the order of their items.
    Children {
        /// Each of them.
        children: Vec<Child>,
        /// The items.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        items: Vec<Value>,
    },
    /// The speeches of a meeting.
    Meeting {
        /// What was said.
        speeches: Vec<Speech>,
        /// Which turn it is, counted from 0, those that were passed over included.
        turn: u32,
    },
    /// A merge that is tried again after the agent made its branch fit.
    Merge {
        /// How often.
        round: u32,
    },
    /// An approval that was passed on.
    Escalated {
        /// To whom.
        to: String,
    },
}

/// A run that was started by another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Its id.
    pub run: String,
    /// How it ended; `None` while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What it resulted in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// What one participant of a meeting said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speech {
    /// Who.
    pub by: String,
    /// What.
    pub text: String,
}

/// A value that is there, even if it is `null`.
fn present<'de, D: Deserializer<'de>>(de: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(de).map(Some)
}

/// What a visit results in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Output {
    /// The result, if it is more than text. `null` is a result too.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The result as text, or the beginning of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Where all of the text is, if it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<Digest>,
    /// How long the text is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bytes: u64,
    /// The exit status of a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

impl Output {
    /// A value, with its text.
    pub fn of(value: Value) -> Self {
        let text = match &value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let bytes = text.len() as u64;
        let value = if value.is_string() { None } else { Some(value) };
        Self { value, text, bytes, ..Self::default() }
    }

    /// A text. What is JSON is a value too.
    pub fn text(text: String) -> Self {
        let trimmed = text.trim_start();
        let value =
            if trimmed.starts_with(['{', '[']) { serde_json::from_str(trimmed).ok() } else { None };
        Self { value, bytes: text.len() as u64, text, ..Self::default() }
    }
}

/// Something that was handed in with a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// Its name.
    pub name: String,
    /// Which version of it.
    pub version: u32,
    /// What it is.
    pub digest: Digest,
    /// How long it is.
    pub bytes: u64,
}

/// What somebody who rejected earlier work said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// The visit of the approval.
    pub from: String,
    /// Who.
    pub by: String,
    /// What.
    pub text: String,
    /// When.
    pub at: Millis,
}

impl Act {
    /// Whether it has failed or was called off with the run, and nothing came of it: what a retry
    /// begins anew.
    pub fn is_open(&self) -> bool {
        matches!(self.state, ActState::Failed | ActState::Cancelled) && self.port.is_none()
    }
}

impl Run {
    /// The visits from which something can still come, in the order of their beginning.
    pub fn live(&self) -> impl Iterator<Item = (&str, &Act)> {
        self.acts.iter().filter(|(_, act)| act.state.is_live()).map(|(id, act)| (id.as_str(), act))
    }

    /// The last visit of a node that succeeded, as far as it is known.
    pub fn result_of(&self, node: &str) -> Option<(&str, &Act)> {
        let done = self
            .acts
            .iter()
            .rev()
            .find(|(_, act)| act.node == node && act.state == ActState::Succeeded);
        done.map(|(id, act)| (id.as_str(), act))
    }

    /// Whether results wait at a join.
    pub fn has_tokens(&self, join: &str) -> bool {
        self.places.get(join).is_some_and(|edges| edges.values().any(|queue| !queue.is_empty()))
    }
}
