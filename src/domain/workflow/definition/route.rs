//! Nodes that decide where a run goes on, and when.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::model::{Definition, is_default};
use crate::core::Span;

/// A question with the answers `yes` and `no`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// A CEL expression that is true or false.
    pub expr: String,
    /// What happens if it cannot be evaluated.
    #[serde(skip_serializing_if = "is_default")]
    pub on_error: OnError,
}

/// What happens if an expression cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "String")]
pub enum OnError {
    /// The node fails.
    #[default]
    Fail,
    /// It counts as false.
    False,
    /// This branch is taken.
    Branch(String),
}

impl TryFrom<Value> for OnError {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Bool(false) => Ok(Self::False),
            Value::String(text) => match text.as_str() {
                "fail" => Ok(Self::Fail),
                "false" => Ok(Self::False),
                other => match other.strip_prefix("branch:") {
                    Some(branch) if !branch.is_empty() => Ok(Self::Branch(branch.to_owned())),
                    _ => Err(format!("'{text}' is none of fail, false and branch:<name>")),
                },
            },
            other => Err(format!("{other} is none of fail, false and branch:<name>")),
        }
    }
}

impl From<OnError> for String {
    fn from(value: OnError) -> Self {
        match value {
            OnError::Fail => "fail".into(),
            OnError::False => "false".into(),
            OnError::Branch(branch) => format!("branch:{branch}"),
        }
    }
}

/// A question with any answers: either `expr`, whose value is the branch, or `cases`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Switch {
    /// A CEL expression that is a text or a whole number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expr: Option<String>,
    /// The first one that holds says the branch.
    #[serde(skip_serializing_if = "is_default")]
    pub cases: Vec<SwitchCase>,
    /// The branch if none holds, or no edge carries the value of `expr`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What happens if an expression cannot be evaluated.
    #[serde(skip_serializing_if = "is_default")]
    pub on_error: OnError,
}

/// One answer of a [`Switch`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SwitchCase {
    /// A CEL expression.
    pub when: String,
    /// The branch if it holds.
    pub branch: String,
}

/// Several branches at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Parallel {
    /// Names of ports that are all followed; empty: `success` is.
    #[serde(skip_serializing_if = "is_default")]
    pub branches: Vec<String>,
}

/// A place where branches meet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Join {
    /// How many it waits for.
    #[serde(skip_serializing_if = "is_default")]
    pub mode: JoinMode,
    /// Of a quorum: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// Of `xor`: the node whose result is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefer: Option<String>,
    /// Of `xor`: what happens if that one cannot come.
    #[serde(skip_serializing_if = "is_default")]
    pub fallback: XorFallback,
    /// Whether it is a failure if not all that it waits for can come.
    #[serde(skip_serializing_if = "is_default")]
    pub strict: bool,
    /// Whether what can lead nowhere but here is cancelled when it fires.
    #[serde(skip_serializing_if = "is_default")]
    pub cancel_remaining: bool,
    /// How the results become one.
    #[serde(skip_serializing_if = "is_default")]
    pub merge: MergeOutputs,
}

/// How many branches a [`Join`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinMode {
    /// All that can come.
    #[default]
    And,
    /// The first.
    Or,
    /// The preferred one.
    Xor,
    /// So many.
    Quorum,
}

/// What a [`Join`] does if the preferred branch cannot come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum XorFallback {
    /// It takes what has come.
    #[default]
    First,
    /// It drops what has come; the branch ends.
    None,
}

/// How the results of branches become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeOutputs {
    /// A list, in the order of the edges.
    #[default]
    List,
    /// An object with the nodes' ids as keys.
    Object,
    /// The one that came last.
    Last,
}

/// A time that passes. One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Delay {
    /// So long.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// Until then: an instant as RFC 3339 text, or a CEL expression for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// A signal or an event that must come. One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Wait {
    /// The name of a signal that is sent to the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// The kind of an event of the team: a message type, or `task.completed`.
    #[serde(alias = "topic", skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// A CEL expression over `event` that must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// From when on it counts.
    #[serde(skip_serializing_if = "is_default")]
    pub from: WaitFrom,
}

/// From when on a signal or an event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitFrom {
    /// From the start of the run.
    #[default]
    Start,
    /// From when the node is reached.
    Now,
}

/// A part of the graph that is gone through again and again: it leaves through the port `body`
/// and comes back, until it leaves through `done`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Loop {
    /// A CEL expression: another round while it holds.
    #[serde(rename = "while", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// A CEL expression for a list: a round for each item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_each: Option<String>,
    /// The name of the item in expressions (`item`).
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The first node of the part; an edge from port `body` says the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The most rounds (50).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_iterations: Option<u32>,
    /// A CEL expression for what each round adds to the list that the loop results in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collect: Option<String>,
}

/// A workflow for each item of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Map {
    /// A CEL expression for the list; at most 1000 items.
    pub items: String,
    /// The input of the workflow that is the item (`item`).
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The workflow.
    pub body: Body,
    /// Further inputs: a CEL expression for each.
    #[serde(default, skip_serializing_if = "is_default")]
    pub inputs: IndexMap<String, String>,
    /// How many run at the same time (4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How many may fail.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tolerate: Tolerate,
}

/// The workflow of a [`Map`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Body {
    /// A workflow of the team.
    Name(String),
    /// One that is written here.
    Inline(Box<Definition>),
}

/// How many children of a [`Map`] may fail.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tolerate {
    /// So many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// Such a part of all, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

/// Another workflow of the team.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subworkflow {
    /// Its name.
    pub workflow: String,
    /// Which version (the active one, else the latest).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Its inputs: a CEL expression for each.
    #[serde(skip_serializing_if = "is_default")]
    pub inputs: IndexMap<String, String>,
    /// Whether to wait for its end (yes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<bool>,
    /// Whether it is stopped when this one ends early (yes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_with_parent: Option<bool>,
}

/// New values of variables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Set {
    /// A CEL expression for each.
    pub vars: IndexMap<String, String>,
}

/// The end of the run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct End {
    /// As what the run ends.
    #[serde(skip_serializing_if = "is_default")]
    pub status: EndStatus,
    /// Why; may hold `{{ … }}`.
    #[serde(skip_serializing_if = "is_default")]
    pub reason: String,
}

/// As what a run ends at an [`End`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndStatus {
    /// As completed.
    #[default]
    Completed,
    /// As failed.
    Failed,
}
