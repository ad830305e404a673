//! What a node of a workflow is.

use serde::{Deserialize, Serialize};
use serde_json::{Map as Object, Value};

use super::action::{Checkpoint, Command, Http, Merge, Notify, Plugin};
use super::model::is_default;
use super::people::{Approval, Meeting};
use super::route::{
    Condition, Delay, End, Join, Loop, Map, Parallel, Set, Subworkflow, Switch, Wait,
};
use super::task::Task;
use crate::core::Span;

/// A node: a piece of work, a decision, or a place where branches meet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// What it does.
    #[serde(flatten)]
    pub kind: Kind,
    /// A word for people; without one the id.
    #[serde(default, skip_serializing_if = "is_default")]
    pub label: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: String,
    /// How long an attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How often to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What happens when no attempt is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// Whether the run cannot complete unless this node succeeded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub required: bool,
    /// A CEL expression; if it is false the node is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Where a skipped node leads.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skip_policy: SkipPolicy,
    /// Visits of this node (the run's limit).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_visits: Option<u32>,
    /// How urgent its work is: 1 (low) to 4 (critical) (2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Whether its work may be done twice if a worker is lost (yes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    /// Where an editor shows it; not looked at, but kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Value>,
    /// Notes of an editor; not looked at, but kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ui: Object<String, Value>,
}

/// The kinds of nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kind {
    /// Work for an agent.
    Task(Box<Task>),
    /// A question with the answers `yes` and `no`.
    Condition(Condition),
    /// A question with any answers.
    Switch(Switch),
    /// Several branches at once.
    Parallel(Parallel),
    /// A place where branches meet.
    Join(Join),
    /// A decision by people or agents.
    Approval(Box<Approval>),
    /// A time that passes.
    Delay(Delay),
    /// A signal or an event that must come.
    Wait(Wait),
    /// A part that is gone through again and again.
    Loop(Loop),
    /// A workflow for each item of a list.
    Map(Box<Map>),
    /// Another workflow.
    Subworkflow(Subworkflow),
    /// A program.
    Command(Command),
    /// A plugin.
    Plugin(Plugin),
    /// A request over HTTP.
    Http(Http),
    /// News for people or agents.
    Notify(Notify),
    /// New values of variables.
    Set(Set),
    /// Agents' branches, merged.
    Merge(Merge),
    /// Agents' work, committed.
    Checkpoint(Checkpoint),
    /// Agents who speak in turn.
    Meeting(Box<Meeting>),
    /// The end of the run.
    End(End),
}

/// How often to try again, and when.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Attempts after the first (0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// The time before the second attempt (5 s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// By how much each further time is longer (2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// The longest time (10 min).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Span>,
    /// By which part each time differs, either way (0.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
    /// After what (everything).
    #[serde(rename = "for", default, skip_serializing_if = "is_default")]
    pub causes: Vec<RetryCause>,
}

/// Why an attempt did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryCause {
    /// It failed.
    Failure,
    /// It took too long.
    Timeout,
    /// Whoever worked on it is gone.
    Lost,
    /// It was said to be done, but the checks say otherwise.
    Check,
}

/// What happens when no attempt is left and no edge leads on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OnFailure {
    /// The run fails.
    #[default]
    Fail,
    /// The run goes on as if the node had succeeded, without a result.
    Continue,
    /// The run pauses, and somebody decides.
    Pause,
    /// The run goes on at this node.
    Route(String),
}

impl TryFrom<String> for OnFailure {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "fail" => Ok(Self::Fail),
            "continue" => Ok(Self::Continue),
            "pause" => Ok(Self::Pause),
            other => match other.strip_prefix("route:") {
                Some(node) if !node.is_empty() => Ok(Self::Route(node.to_owned())),
                _ => Err(format!("'{text}' is none of fail, continue, pause and route:<node>")),
            },
        }
    }
}

impl From<OnFailure> for String {
    fn from(value: OnFailure) -> Self {
        match value {
            OnFailure::Fail => "fail".into(),
            OnFailure::Continue => "continue".into(),
            OnFailure::Pause => "pause".into(),
            OnFailure::Route(node) => format!("route:{node}"),
        }
    }
}

/// Where a skipped node leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipPolicy {
    /// Where it would have led after a success.
    #[default]
    Follow,
    /// Nowhere.
    Stop,
}

impl Kind {
    /// The word for it in a definition.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Task(_) => "task",
            Self::Condition(_) => "condition",
            Self::Switch(_) => "switch",
            Self::Parallel(_) => "parallel",
            Self::Join(_) => "join",
            Self::Approval(_) => "approval",
            Self::Delay(_) => "delay",
            Self::Wait(_) => "wait",
            Self::Loop(_) => "loop",
            Self::Map(_) => "map",
            Self::Subworkflow(_) => "subworkflow",
            Self::Command(_) => "command",
            Self::Plugin(_) => "plugin",
            Self::Http(_) => "http",
            Self::Notify(_) => "notify",
            Self::Set(_) => "set",
            Self::Merge(_) => "merge",
            Self::Checkpoint(_) => "checkpoint",
            Self::Meeting(_) => "meeting",
            Self::End(_) => "end",
        }
    }
}
