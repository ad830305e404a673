//! The document of a workflow.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::node::{Node, OnFailure, Retry};
use super::task::{Assign, Checks};
use crate::core::Span;

/// What the `schema` field of a definition says.
pub const SCHEMA: &str = "clawteam.workflow/1";

/// Whether `value` is what a field has when nothing is written.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A workflow, as its author wrote it. Nothing that was left out is filled in here, so that a
/// definition can be shown and exported as it was meant; the compiled graph
/// has the defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    /// [`SCHEMA`].
    pub schema: String,
    /// The name, unique in its team.
    pub name: String,
    /// The name for people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub title: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: String,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    /// How far it is on its way into use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: LifeStatus,
    /// Whose workflow it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub owner: String,
    /// What a run needs to be told.
    #[serde(default, skip_serializing_if = "is_default")]
    pub inputs: IndexMap<String, Input>,
    /// Variables and what they hold at first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub vars: Map<String, Value>,
    /// The nodes that a run begins with; empty: those that no edge leads to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub start: Vec<String>,
    /// Bounds of a run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// Who may move its runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub advance: Advance,
    /// What happens if a run is wanted while there is another.
    #[serde(default, skip_serializing_if = "is_default")]
    pub concurrency: Concurrency,
    /// What nodes have that do not say otherwise.
    #[serde(default, skip_serializing_if = "is_default")]
    pub defaults: NodeDefaults,
    /// The nodes by their id, in the order that decides between equals.
    pub nodes: IndexMap<String, Node>,
    /// Where results go.
    #[serde(default)]
    pub edges: Vec<Edge>,
    /// Nodes that must succeed for the run to complete, besides those which say so themselves.
    #[serde(default, skip_serializing_if = "is_default")]
    pub require: Vec<String>,
    /// What a run results in: a CEL expression for each output.
    #[serde(default, skip_serializing_if = "is_default")]
    pub outputs: IndexMap<String, String>,
    /// A node from which is cleaned up after a run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_run_failure: Option<String>,
    /// A node from which is cleaned up after a run was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_run_stop: Option<String>,
    /// Notes of an editor; not looked at, but kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ui: Map<String, Value>,
}

/// How far a workflow is on its way into use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifeStatus {
    /// Being written: only an explicit wish runs it.
    #[default]
    Draft,
    /// In use.
    Active,
    /// No longer in use.
    Archived,
}

/// Something that a run needs to be told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// What kind of value it is.
    #[serde(rename = "type", default)]
    pub kind: InputKind,
    /// Whether a run cannot do without it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub required: bool,
    /// What it is if nothing is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The values that are allowed; empty: all.
    #[serde(rename = "enum", default, skip_serializing_if = "is_default")]
    pub choices: Vec<Value>,
    /// A regular expression that a text must match somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The least number, or the least length of a text or list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest number, or the greatest length of a text or list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Whether nobody else may see it: it is in no journal, prompt or listing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub secret: bool,
    /// What it is for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: String,
}

/// What kind of value an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// A text.
    #[default]
    String,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true` or `false`.
    Bool,
    /// A list.
    List,
    /// An object.
    Object,
    /// The content of a file, given by its path.
    File,
}

/// Bounds of a run. Reaching one is a failure with a name, not a quiet end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Visits of nodes in all (100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_visits: Option<u32>,
    /// Visits of any one node (50).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_node_visits: Option<u32>,
    /// Transitions (1000).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u32>,
    /// How long a run may take (for ever).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
    /// Bytes of what one attempt results in (1 MiB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_bytes: Option<u64>,
    /// Activations that work at the same time (8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
}

/// Who may move runs of a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advance {
    /// Whoever changes what a run waits for.
    #[default]
    Auto,
    /// Only `workflow step` and `workflow drive`.
    Manual,
}

/// What happens if a run is wanted while there is another one of the same workflow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Concurrency {
    /// What happens.
    #[serde(default)]
    pub policy: Overlap,
    /// A CEL expression over `inputs`: only runs with the same value count (all).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How many may be there at the same time (1; with `allow`, as many as like).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// What happens to a run that would be one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is refused.
    #[default]
    Forbid,
    /// It runs beside the others.
    Allow,
    /// The others are stopped.
    Replace,
    /// It begins when another one has ended.
    Queue,
}

/// What nodes have that do not say otherwise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeDefaults {
    /// How long an attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How often to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Who does the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assign: Option<Assign>,
    /// What happens after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// What a task's result must be like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
}

/// An edge: where the result of a node goes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// The id; without one it is called `e` and its place in the list, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The node it leaves.
    pub from: String,
    /// The node it leads to.
    pub to: String,
    /// Which result it carries (`success`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// A CEL expression that must hold for it to be followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Whether it is followed if no other edge of its port is.
    #[serde(rename = "else", default, skip_serializing_if = "is_default")]
    pub otherwise: bool,
    /// A word for people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub label: String,
    /// Greater goes first among the edges of a port (0).
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i32,
}

/// The port that an edge carries if it does not say.
pub const SUCCESS: &str = "success";

impl Edge {
    /// The port.
    pub fn port(&self) -> &str {
        self.port.as_deref().unwrap_or(SUCCESS)
    }
}
