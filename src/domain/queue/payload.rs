//! What the items of each kind say is to be done.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::model::QueueError;
use crate::core::{AgentName, Name, Span};
use crate::domain::agent::BackendKind;
use crate::domain::notify_rules::Errand;

/// A kind of work that is known to the queue.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// A payload that works.
    pub example: &'static str,
    /// Looks at a payload, and tells how its items are treated if nobody says otherwise.
    pub check: fn(&Value) -> Result<Treatment, QueueError>,
}

/// How an item is treated if nobody says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Treatment {
    /// Whether doing it twice does no harm.
    pub idempotent: bool,
    /// What only one item at a time may touch.
    pub serial_key: Option<String>,
}

/// All kinds.
pub const KINDS: [Kind; 8] = [
    Kind {
        name: "command",
        about: "run a program",
        example: r#"{"argv":["make","test"],"cwd":"/repo"}"#,
        check: |payload| {
            let command = read::<Command>("command", payload)?;
            command.words().map_err(|reason| bad("command", reason))?;
            Ok(Treatment::default())
        },
    },
    Kind {
        name: "http",
        about: "call a web service",
        example: r#"{"url":"https://example.org/hook","method":"POST","body":{"a":1}}"#,
        check: |payload| {
            let call = read::<Http>("http", payload)?;
            if !(call.url.starts_with("http://") || call.url.starts_with("https://")) {
                return Err(bad("http", "`url` must begin with http:// or https://"));
            }
            let method = call.method.to_ascii_uppercase();
            let idempotent =
                matches!(method.as_str(), "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS");
            Ok(Treatment { idempotent, serial_key: None })
        },
    },
    Kind {
        name: "plugin",
        about: "call an installed plugin",
        example: r#"{"name":"review","input":{"branch":"main"}}"#,
        check: |payload| read::<Plugin>("plugin", payload).map(|_| Treatment::default()),
    },
    Kind {
        name: "spawn",
        about: "start an agent for its task, unless it runs",
        example: r#"{"agent":"worker-1","task":"9c1f02ab"}"#,
        check: |payload| {
            let spawn = read::<Spawn>("spawn", payload)?;
            // Two starts of one agent would see the other one not running.
            Ok(Treatment { idempotent: true, serial_key: Some(format!("agent:{}", spawn.agent)) })
        },
    },
    Kind {
        name: "notify",
        about: "tell of a notification by tmux, the desktop, a program or a web address",
        example: r#"{"to":"human","id":"k1","channel":"tmux","rule":"rule-1","due":""}"#,
        check: |payload| {
            read::<Errand>("notify", payload)?;
            // What was told is not told again.
            Ok(Treatment { idempotent: true, serial_key: None })
        },
    },
    Kind {
        name: "merge",
        about: "merge the work of agents, or branches",
        example: r#"{"agents":["w1"],"into":"main"}"#,
        check: |payload| {
            let merge = read::<Merge>("merge", payload)?;
            if merge.agents.is_empty() == merge.branches.is_empty() {
                return Err(bad("merge", "name either `agents` or `branches`"));
            }
            if !merge.branches.is_empty() && (merge.into.is_none() || merge.repo.is_none()) {
                return Err(bad("merge", "`branches` need `into` and `repo`"));
            }
            // Merging what is merged changes nothing.
            let repo = merge.repo.as_deref().unwrap_or_default();
            Ok(Treatment { idempotent: true, serial_key: Some(format!("repository:{repo}")) })
        },
    },
    Kind {
        name: "checkpoint",
        about: "commit what is in the worktrees of agents",
        example: r#"{"agents":["w1"],"message":"Before the merge"}"#,
        check: |payload| {
            if read::<Checkpoint>("checkpoint", payload)?.agents.is_empty() {
                return Err(bad("checkpoint", "name `agents`"));
            }
            Ok(Treatment { idempotent: true, serial_key: None })
        },
    },
    Kind {
        name: "verify",
        about: "run a check in an agent's worktree",
        example: r#"{"agent":"w1","argv":["make","test"]}"#,
        check: |payload| {
            let verify = read::<Verify>("verify", payload)?;
            verify.argv.words(verify.shell).map_err(|reason| bad("verify", reason))?;
            Ok(Treatment { idempotent: true, serial_key: None })
        },
    },
];

/// The kind of this name.
pub fn kind(name: &str) -> Result<&'static Kind, QueueError> {
    let found = KINDS.iter().find(|kind| kind.name == name);
    found.ok_or_else(|| QueueError::UnknownKind(name.to_owned()))
}

/// A payload as its type.
pub fn read<T: DeserializeOwned>(kind: &str, payload: &Value) -> Result<T, QueueError> {
    T::deserialize(payload).map_err(|error| bad(kind, error.to_string()))
}

fn bad(kind: &str, reason: impl Into<String>) -> QueueError {
    QueueError::BadPayload { kind: kind.to_owned(), reason: reason.into() }
}

/// A program with its arguments, or a line for a shell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Words {
    /// A program and its arguments.
    List(Vec<String>),
    /// A line for `/bin/sh`.
    Line(String),
}

impl Words {
    /// What is to be started. `shell`: whether a line was said to be one for a shell.
    pub fn words(&self, shell: bool) -> Result<Vec<String>, &'static str> {
        match self {
            Self::List(_) if shell => Err("`shell` wants the command as one text"),
            Self::List(words) if words.first().is_none_or(String::is_empty) => {
                Err("`argv` names no program")
            }
            Self::List(words) => Ok(words.clone()),
            Self::Line(_) if !shell => {
                Err("a command in one text needs `shell: true`; without a shell, give a list")
            }
            Self::Line(line) if line.trim().is_empty() => Err("the command is empty"),
            Self::Line(line) => Ok(["/bin/sh", "-c", line].map(str::to_owned).into()),
        }
    }
}

/// What to make of what a program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parse {
    /// It is text.
    #[default]
    None,
    /// It is one JSON document.
    Json,
    /// It is a list, one entry a line.
    Lines,
}

/// What is kept of an output if nobody says otherwise.
pub const OUTPUT_MAX: usize = 1024 * 1024;

fn output_max() -> usize {
    OUTPUT_MAX
}

fn ok_exit() -> Vec<i32> {
    vec![0]
}

/// Runs a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments, or a line for a shell.
    #[serde(alias = "command")]
    pub argv: Words,
    /// Whether `argv` is a line for a shell.
    #[serde(default)]
    pub shell: bool,
    /// Where it runs; otherwise in the user's home.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Variables of its environment besides those of the worker.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What it reads.
    #[serde(default)]
    pub stdin: Option<String>,
    /// What to make of what it writes.
    #[serde(default)]
    pub parse: Parse,
    /// The exit statuses that mean success.
    #[serde(default = "ok_exit")]
    pub ok_exit: Vec<i32>,
    /// How many bytes of its output are kept.
    #[serde(default = "output_max")]
    pub output_max: usize,
}

impl Command {
    /// What is to be started.
    pub fn words(&self) -> Result<Vec<String>, &'static str> {
        self.argv.words(self.shell)
    }
}

/// Runs a check in an agent's worktree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verify {
    /// The program and its arguments, or a line for a shell.
    #[serde(alias = "command")]
    pub argv: Words,
    /// Whether `argv` is a line for a shell.
    #[serde(default)]
    pub shell: bool,
    /// Whose worktree.
    pub agent: AgentName,
    /// Where in it, relative to its top.
    #[serde(default)]
    pub cwd: Option<String>,
    /// The commit that the worktree must be at, without changes; otherwise the check says nothing
    /// about it.
    #[serde(default)]
    pub commit: Option<String>,
    /// Variables of its environment besides those of the worker.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The exit statuses that mean success.
    #[serde(default = "ok_exit")]
    pub ok_exit: Vec<i32>,
    /// How many bytes of its output are kept.
    #[serde(default = "output_max")]
    pub output_max: usize,
}

fn get() -> String {
    "GET".into()
}

/// Calls a web service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    /// What is called.
    pub url: String,
    /// How.
    #[serde(default = "get")]
    pub method: String,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What is sent: a text as it is, anything else as JSON.
    #[serde(default)]
    pub body: Option<Value>,
    /// The statuses that mean success; otherwise 200 to 299.
    #[serde(default)]
    pub ok_status: Vec<u16>,
    /// How long it may take, if that is less than an attempt may.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// Who calls.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// How many bytes of the answer are kept.
    #[serde(default = "output_max")]
    pub output_max: usize,
}

/// How a caller proves who it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Auth {
    /// Where the secret of an `Authorization: Bearer` header is found.
    Bearer(Secret),
    /// A header of one's own.
    #[serde(rename_all = "camelCase")]
    Header {
        /// Where the secret is found.
        secret: Secret,
        /// The header.
        header: String,
        /// What stands before the secret in it.
        #[serde(default)]
        prefix: String,
    },
}

/// Where a secret is found when it is needed. The secret itself is never written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Secret {
    /// In a variable of the worker's environment.
    Env(String),
    /// It is what a shell command writes.
    Cmd(String),
}

impl TryFrom<String> for Secret {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("cmd", line)) if !line.trim().is_empty() => Ok(Self::Cmd(line.to_owned())),
            // The text may be the secret itself: it is not repeated.
            _ => Err("a secret is named as env:NAME or cmd:COMMAND, never written out".into()),
        }
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        match secret {
            Secret::Env(name) => format!("env:{name}"),
            Secret::Cmd(line) => format!("cmd:{line}"),
        }
    }
}

/// Calls an installed plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plugin {
    /// Which one.
    pub name: Name,
    /// What it shall work on.
    #[serde(default)]
    pub input: Value,
    /// How.
    #[serde(default)]
    pub config: Value,
}

/// How branches are brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// By a commit with both as parents.
    #[default]
    Merge,
    /// By one commit that holds the changes of the branch.
    Squash,
}

/// Merges the work of agents, or branches, one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Merge {
    /// Whose work.
    #[serde(default, alias = "agent", deserialize_with = "one_or_many")]
    pub agents: Vec<AgentName>,
    /// Which branches.
    #[serde(default, alias = "branch", deserialize_with = "one_or_many")]
    pub branches: Vec<String>,
    /// Into which branch; otherwise the one that the agent's work started from.
    #[serde(default)]
    pub into: Option<String>,
    /// The repository, if the worktree does not say so itself.
    #[serde(default)]
    pub repo: Option<String>,
    /// How.
    #[serde(default)]
    pub strategy: Strategy,
    /// Whether the worktrees of the agents go after it.
    #[serde(default)]
    pub cleanup: bool,
}

/// Commits what is in the worktrees of agents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkpoint {
    /// Whose worktrees.
    #[serde(alias = "agent", deserialize_with = "one_or_many")]
    pub agents: Vec<AgentName>,
    /// The commit message.
    #[serde(default)]
    pub message: Option<String>,
    /// A tag for the commit; with several agents, `<tag>-<agent>` for each.
    #[serde(default)]
    pub tag: Option<String>,
}

fn one_or_many<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Raw<T> {
        One(T),
        Many(Vec<T>),
    }
    Ok(match Raw::deserialize(deserializer)? {
        Raw::One(one) => vec![one],
        Raw::Many(many) => many,
    })
}

/// An agent to be started: `spawn`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spawn {
    /// The agent.
    pub agent: AgentName,
    /// The task that it is started for.
    pub task: String,
    /// Its program and arguments; empty: the default agent.
    #[serde(default)]
    pub command: Vec<String>,
    /// How it runs; `None`: as the settings say.
    #[serde(default)]
    pub backend: Option<BackendKind>,
    /// Whether it works in a worktree of its own; `None`: as the settings say.
    #[serde(default)]
    pub worktree: Option<bool>,
    /// A directory of the repository that it works on.
    #[serde(default)]
    pub repo: Option<String>,
}
