//! Nodes that act without an agent.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map as Object, Value};

use super::model::is_default;

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Command {
    /// The program and its arguments, which may hold `{{ … }}`; with `shell`, one line.
    pub run: Vec<String>,
    /// Whether `run` is one line for `sh -c`.
    #[serde(skip_serializing_if = "is_default")]
    pub shell: bool,
    /// Where (the repository of the team, or the present directory at the start of the run).
    #[serde(skip_serializing_if = "is_default")]
    pub cwd: String,
    /// Variables of its environment; may hold `{{ … }}`.
    #[serde(skip_serializing_if = "is_default")]
    pub env: IndexMap<String, String>,
    /// What it reads; may hold `{{ … }}`.
    #[serde(skip_serializing_if = "is_default")]
    pub stdin: String,
    /// In whose worktree (the repository if that agent has none); empty: `cwd`. May hold `{{ … }}`.
    #[serde(skip_serializing_if = "is_default")]
    pub worktree: String,
    /// What its output is.
    #[serde(skip_serializing_if = "is_default")]
    pub parse: Parse,
    /// Exit statuses that mean success (0).
    #[serde(skip_serializing_if = "is_default")]
    pub ok_exit: Vec<i32>,
}

/// What the output of a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parse {
    /// Text.
    #[default]
    None,
    /// A JSON value.
    Json,
    /// A list of lines.
    Lines,
}

/// A plugin.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// What it works on: a CEL expression for each field.
    #[serde(skip_serializing_if = "is_default")]
    pub input: IndexMap<String, String>,
    /// How it works.
    #[serde(skip_serializing_if = "is_default")]
    pub config: Object<String, Value>,
}

/// A request over HTTP.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Http {
    /// Where; may hold `{{ … }}`.
    pub url: String,
    /// How (`GET`).
    #[serde(skip_serializing_if = "is_default")]
    pub method: String,
    /// Header fields; may hold `{{ … }}`.
    #[serde(skip_serializing_if = "is_default")]
    pub headers: IndexMap<String, String>,
    /// A text, which may hold `{{ … }}`, or a JSON value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Statuses that mean success (200 to 299).
    #[serde(skip_serializing_if = "is_default")]
    pub ok_status: Vec<u16>,
    /// Where a bearer token comes from: `env:<NAME>` or `cmd:<program>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
}

/// News for people or agents.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Notify {
    /// Who shall know: `human`, `human:<user>`, `agent:<name>` or `lead` (`human`).
    #[serde(skip_serializing_if = "is_default")]
    pub to: Vec<String>,
    /// The news in a line; may hold `{{ … }}`.
    #[serde(skip_serializing_if = "is_default")]
    pub title: String,
    /// The news at length; may hold `{{ … }}`.
    #[serde(alias = "template", skip_serializing_if = "is_default")]
    pub body: String,
    /// `info`, `warning` or `critical` (`info`).
    #[serde(skip_serializing_if = "is_default")]
    pub severity: String,
}

/// Agents' branches, merged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Merge {
    /// Whose work; may hold `{{ … }}`.
    #[serde(alias = "branch", deserialize_with = "one_or_many")]
    pub agent: Vec<String>,
    /// Into which branch (the one that the worktree came from).
    #[serde(skip_serializing_if = "is_default")]
    pub into: String,
    /// How.
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: MergeStrategy,
    /// What happens if both sides changed the same lines.
    #[serde(skip_serializing_if = "is_default")]
    pub on_conflict: MergeConflict,
    /// Whether the worktree goes afterwards.
    #[serde(skip_serializing_if = "is_default")]
    pub cleanup: bool,
}

/// How a branch is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeStrategy {
    /// A commit with two parents.
    #[default]
    Merge,
    /// One commit with all changes.
    Squash,
}

/// What happens if a merge has conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeConflict {
    /// The node fails.
    #[default]
    Fail,
    /// The run pauses.
    Pause,
    /// The agent gets a task to make its branch fit, then it is tried again.
    Task,
}

/// Agents' work, committed in their worktrees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Checkpoint {
    /// Whose; empty: everybody's.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "one_or_many")]
    pub agents: Vec<String>,
    /// The message of the commit; may hold `{{ … }}`.
    #[serde(skip_serializing_if = "is_default")]
    pub message: String,
}

/// A list, or the only item of one.
fn one_or_many<'de, D: serde::Deserializer<'de>>(de: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Raw {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Raw::deserialize(de)? {
        Raw::One(item) => vec![item],
        Raw::Many(items) => items,
    })
}
