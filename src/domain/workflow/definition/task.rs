//! Work for agents: who does it, what they see, and what shows that it is done.

use serde::{Deserialize, Serialize};

use super::model::is_default;
use crate::core::Span;

/// Work for an agent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Task {
    /// Who does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign: Option<Assign>,
    /// The task in a line (the label).
    #[serde(skip_serializing_if = "is_default")]
    pub subject: String,
    /// What is to be done; `{{ … }}` holds CEL expressions.
    #[serde(skip_serializing_if = "is_default")]
    pub prompt: String,
    /// An existing task that tells the state of this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_task: Option<String>,
    /// Whether and how the agent is started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spawn: Option<Spawn>,
    /// Which earlier results the agent sees.
    #[serde(skip_serializing_if = "is_default")]
    pub context: Context,
    /// What the result must be like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
    /// Whether another attempt is a new task.
    #[serde(skip_serializing_if = "is_default")]
    pub retry_mode: RetryMode,
    /// What happens if the agent is gone.
    #[serde(skip_serializing_if = "is_default")]
    pub loss_policy: LossPolicy,
}

/// Who does a task. One of `agent`, `role`, `capability`, `pool` and `lead` picks the candidates.
/// Beside an `agent` that holds `{{ … }}` there may be another one, for when that names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Assign {
    /// This agent; may hold `{{ … }}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Members of this type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Members who can do all of this.
    #[serde(skip_serializing_if = "is_default")]
    pub capability: Vec<String>,
    /// These members.
    #[serde(skip_serializing_if = "is_default")]
    pub pool: Vec<String>,
    /// The leader.
    #[serde(skip_serializing_if = "is_default")]
    pub lead: bool,
    /// Which of several candidates.
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: Strategy,
    /// What happens if there is no candidate.
    #[serde(skip_serializing_if = "is_default")]
    pub fallback: Fallback,
}

/// Which of several candidates does a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The one with the fewest open tasks.
    #[default]
    LeastLoaded,
    /// Each in turn.
    RoundRobin,
    /// The one who did this node before.
    Sticky,
    /// One that the identity of the attempt picks.
    Hash,
}

/// What happens if there is no candidate for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// The leader does it.
    #[default]
    Lead,
    /// Whoever claims it does it.
    Wait,
    /// The node fails.
    Fail,
}

/// Whether and how the agent of a task is started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spawn {
    /// The command; empty: the default agent.
    #[serde(skip_serializing_if = "is_default")]
    pub command: Vec<String>,
    /// `tmux` or `subprocess`; empty: as the settings say.
    #[serde(skip_serializing_if = "is_default")]
    pub backend: String,
    /// Whether it works in a worktree of its own (as the settings say).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worktree: Option<bool>,
}

/// Which earlier results an agent sees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Context {
    /// Of which nodes.
    #[serde(skip_serializing_if = "is_default")]
    pub from: ContextFrom,
    /// Characters in all (4000).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_chars: Option<u32>,
}

/// Of which nodes an agent sees the results.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ContextFrom {
    /// Of those that led here.
    #[default]
    #[serde(with = "word_direct")]
    Direct,
    /// Of all that have one.
    #[serde(with = "word_all")]
    All,
    /// Of these.
    Nodes(Vec<String>),
}

macro_rules! word {
    ($module:ident, $word:literal) => {
        mod $module {
            use serde::{Deserialize, Deserializer, Serializer};

            pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($word)
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<(), D::Error> {
                let word = String::deserialize(de)?;
                if word == $word {
                    return Ok(());
                }
                Err(serde::de::Error::custom(concat!("expected `", $word, "`")))
            }
        }
    };
}

word!(word_direct, "direct");
word!(word_all, "all");

/// What the result of a task must be like.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Checks {
    /// Whether the agent must answer at all (yes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_response: Option<bool>,
    /// How many characters the answer has at least (1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_output_length: Option<u32>,
    /// Whether the agent must hand in an artifact (no).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_artifacts: Option<bool>,
    /// Patterns of names; each must be that of an artifact.
    #[serde(skip_serializing_if = "is_default")]
    pub artifact_globs: Vec<String>,
    /// What the answer must hold, whatever its case.
    #[serde(skip_serializing_if = "is_default")]
    pub success_pattern: String,
    /// A regular expression that the answer must match somewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// A CEL expression that must hold; `last` is the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// A program that must succeed in the agent's worktree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
}

/// A program that proves that a task is done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Verify {
    /// The program and its arguments.
    #[serde(alias = "run")]
    pub cmd: Vec<String>,
    /// Where, relative to the worktree.
    #[serde(skip_serializing_if = "is_default")]
    pub cwd: String,
    /// How long it may take (300 s).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// Whether another attempt is a new task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryMode {
    /// A new task.
    #[default]
    New,
    /// The same task, opened again.
    Reopen,
}

/// What happens if the agent that does a task is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossPolicy {
    /// The task waits for it, or for the time to run out.
    #[default]
    Wait,
    /// The attempt has failed.
    Fail,
    /// The attempt has failed, and the next one is another agent's.
    Reassign,
}
