//! What is known of the processes of agents.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Extra;
use super::agent_cli::Level;
use crate::core::{Delivery, ProcessId, Stamp, Window, limits};

/// How an agent runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendKind {
    /// In a tmux window.
    Tmux,
    /// As a process in the background.
    Subprocess,
}

impl BackendKind {
    /// The backend as documents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tmux => "tmux",
            Self::Subprocess => "subprocess",
        }
    }
}

/// An entry of the spawn registry, in the form that Python's ClawTeam reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpawnEntry {
    /// `tmux`, `subprocess`, or what another version knows.
    #[serde(default)]
    pub backend: String,
    /// The tmux window, `@N`.
    #[serde(default)]
    pub tmux_target: String,
    /// Used by another backend.
    #[serde(default)]
    pub block_id: String,
    /// The process that runs the agent.
    #[serde(default)]
    pub pid: i64,
    /// The agent's command, without its prompt.
    #[serde(default)]
    pub command: Vec<String>,
    /// When it was started, in seconds since the epoch.
    #[serde(default)]
    pub spawned_at: f64,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Which agents of a team were started: `teams/<team>/spawn_registry.json`.
pub type SpawnRegistry = IndexMap<String, SpawnEntry>;

/// How an agent is to be run: everything that its runner needs, and a later respawn.
///
/// Only the user may read this document: the environment can hold what only they shall know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaunchPlan {
    /// `clawteam.launch-plan/1`.
    pub schema: String,
    /// The team.
    pub team: String,
    /// The agent.
    pub agent: String,
    /// Its identifier.
    pub agent_id: String,
    /// What it does, in a word.
    pub agent_type: String,
    /// Whether it leads the team.
    pub is_leader: bool,
    /// How it runs.
    pub backend: BackendKind,
    /// Tells this start of the agent from others.
    pub instance: String,
    /// The program and its arguments, the prompt included if it is passed so.
    pub argv: Vec<String>,
    /// What was asked for, before options and prompt were added.
    pub command: Vec<String>,
    /// Where it works.
    pub cwd: String,
    /// What it finds in its environment on top of what it inherits.
    pub env: BTreeMap<String, String>,
    /// What it must not inherit.
    pub unset: Vec<String>,
    /// Where the rest of its environment comes from.
    #[serde(flatten)]
    pub sources: Sources,
    /// What it is told to do.
    pub prompt: Option<String>,
    /// Whether the prompt is typed into its terminal.
    pub paste: bool,
    /// Where the output goes that no terminal shows.
    pub log: String,
    /// The row of the catalog that its program has.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cli: String,
    /// Whether it is started again when it has ended by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keepalive: bool,
    /// The settings of its program that only this agent has: the name of their file and the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_settings: Option<(String, String)>,
    /// How much it may do without asking; `None` in plans of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Level>,
    /// Names and kinds of the dialogs that may be answered with yes at its start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Whether the directory is one that clawteam made or the user named.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trusted: bool,
    /// Whether its program shows its dialogs and its composer in a terminal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interactive: bool,
    /// How it is started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Again>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where the values come from that a launch plan does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sources {
    /// The profile that the agent runs with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub profile: String,
    /// Variables whose values are secrets, with the references that they are looked up by each
    /// time that it starts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// Variables that it has from whoever starts it, if they have them, and that are not written
    /// down: most likely secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inherited: Vec<String>,
}

impl Sources {
    /// Whether the plan holds the whole environment.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty() && self.inherited.is_empty()
    }
}

/// How an agent is started again: command lines in which [`SESSION_MARK`] stands for the session
/// and [`PROMPT_MARK`] for what it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Again {
    /// What it was told at its first start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// With a new session.
    pub fresh: Form,
    /// With its old one, if its program can do that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Form>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A command line with places to fill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Whether the prompt is typed into its terminal.
    pub paste: bool,
}

/// Stands for a session in a [`Form`].
pub const SESSION_MARK: &str = "{{clawteam:session}}";
/// Stands for a prompt in a [`Form`].
pub const PROMPT_MARK: &str = "{{clawteam:prompt}}";

impl Form {
    /// The command line for a session and a prompt.
    pub fn fill(&self, session: &str, prompt: &str) -> Vec<String> {
        // The prompt last: whatever stands in it stays as it is.
        let fill = |word: &String| word.replace(SESSION_MARK, session).replace(PROMPT_MARK, prompt);
        self.argv.iter().map(fill).collect()
    }

    /// The form of a command line in which `session` and the word at `prompt_at` may change.
    pub fn of(argv: &[String], paste: bool, session: &str, prompt_at: Option<usize>) -> Self {
        let open = |(at, word): (usize, &String)| {
            if prompt_at == Some(at) {
                PROMPT_MARK.to_owned()
            } else if session.is_empty() {
                word.clone()
            } else {
                word.replace(session, SESSION_MARK)
            }
        };
        Self { argv: argv.iter().enumerate().map(open).collect(), paste }
    }
}

/// How far the start of an agent was seen to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its program runs.
    Started,
    /// It can be typed to.
    Ready,
    /// It asks something that the user did not allow; its prompt waits.
    WaitingPermission,
    /// It has its prompt.
    Prompted,
    /// It works on its prompt.
    Working,
}

impl Stage {
    /// The stage in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::WaitingPermission => "waiting_permission",
            Self::Prompted => "prompted",
            Self::Working => "working",
        }
    }
}

/// Where a started agent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Its runner is being started.
    Starting,
    /// It runs.
    Running,
    /// It could not be started.
    Failed,
    /// It has ended.
    Exited,
}

/// What became of an agent's process, written by its runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentRecord {
    /// `clawteam.agent/1`.
    pub schema: String,
    /// Which start of the agent this is about.
    pub instance: String,
    /// Where it stands.
    pub state: RunState,
    /// How it runs.
    pub backend: BackendKind,
    /// The runner.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub runner: Option<ProcessId>,
    /// The agent itself, the leader of its process group.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub process: Option<ProcessId>,
    /// The window that it runs in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub window: Option<Window>,
    /// Where it works.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cwd: String,
    /// Whether it was told what to do when it was started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tasked: bool,
    /// When it was started.
    #[serde(default)]
    pub started_at: Stamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Stamp::is_empty")]
    pub ended_at: Stamp,
    /// Its exit status; 128 and the number of the signal that killed it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exit_code: Option<i32>,
    /// Why it could not be started.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// The last lines that it showed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub last_output: Vec<String>,
    /// What became of its prompt, if that was typed into its terminal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prompt: Option<Delivery>,
    /// Whether it was told to end by clawteam; then its end is no crash.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopping: bool,
    /// Whether it was told to end by something else while it worked: its window was closed, or the
    /// machine went down. Whatever its exit status, it was not done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// The request by which it was asked to end and to which it agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_approved: Option<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The schema of [`AgentRecord`].
pub const AGENT_SCHEMA: &str = "clawteam.agent/1";
/// The schema of [`LaunchPlan`].
pub const PLAN_SCHEMA: &str = "clawteam.launch-plan/1";

/// Crashes of an agent: an entry of `teams/<team>/agent_health.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Health {
    /// The agent.
    pub agent_name: String,
    /// `healthy`, `degraded` or `open`.
    pub state: String,
    /// Between 0 and 1.
    pub quality_score: f64,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// All successes.
    pub total_successes: u32,
    /// All failures.
    pub total_failures: u32,
    /// When it failed last, in seconds since the epoch.
    pub last_failure_at: f64,
    /// How long `open` lasts, in seconds.
    pub cooldown_seconds: f64,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            agent_name: String::new(),
            state: "healthy".into(),
            quality_score: 1.0,
            consecutive_failures: 0,
            total_successes: 0,
            total_failures: 0,
            last_failure_at: 0.0,
            cooldown_seconds: 60.0,
            extra: Extra::new(),
        }
    }
}

/// The health of a team's agents by name.
pub type HealthTable = IndexMap<String, Health>;

impl Health {
    /// Whether the breaker is open: so many failures in a row that it would go on like that.
    pub fn is_open(&self) -> bool {
        self.consecutive_failures > limits::RESPAWNS_MAX
    }

    /// How many seconds an open breaker still keeps the agent down at `now`; 0 if it does not.
    pub fn remaining(&self, now: f64) -> f64 {
        if !self.is_open() {
            return 0.0;
        }
        // A clock that was set back must not keep it down for ever.
        let passed = (now - self.last_failure_at).max(0.0);
        (self.cooldown_seconds - passed).clamp(0.0, limits::COOLDOWN_MAX)
    }

    /// Counts a failure at `now` (seconds since the epoch). Each further one of an agent that was
    /// tried again after a cool-down makes the next cool-down twice as long.
    pub fn fail(&mut self, now: f64) {
        if self.is_open() {
            self.cooldown_seconds = (self.cooldown_seconds * 2.0).min(limits::COOLDOWN_MAX);
        }
        self.consecutive_failures += 1;
        self.total_failures += 1;
        self.last_failure_at = now;
        self.quality_score = round_tenth((self.quality_score - 0.2).max(0.0));
        self.state = if self.consecutive_failures >= 3 { "open" } else { "degraded" }.into();
    }

    /// Counts a success.
    pub fn succeed(&mut self) {
        self.consecutive_failures = 0;
        self.cooldown_seconds = Self::default().cooldown_seconds;
        self.total_successes += 1;
        self.quality_score = round_tenth((self.quality_score + 0.1).min(1.0));
        self.state = "healthy".into();
    }
}

fn round_tenth(score: f64) -> f64 {
    (score * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_filled_as_it_was_made() {
        let argv: Vec<String> =
            ["p", "--session=u-1", "-p", "do {{clawteam:session}}"].map(str::to_owned).into();
        let form = Form::of(&argv, false, "u-1", Some(3));
        assert_eq!(form.argv, ["p", "--session={{clawteam:session}}", "-p", PROMPT_MARK]);
        assert_eq!(form.fill("u-1", "do {{clawteam:session}}"), argv);
        assert_eq!(form.fill("u-2", "x"), ["p", "--session=u-2", "-p", "x"]);
    }

    #[test]
    fn the_breaker_opens_at_the_third_failure_and_a_success_closes_it() {
        let mut health = Health::default();
        health.fail(1.0);
        health.fail(2.0);
        assert_eq!((health.state.as_str(), health.quality_score), ("degraded", 0.6));
        health.fail(3.0);
        assert_eq!(health.state, "open");
        assert_eq!(
            (health.remaining(4.0), health.remaining(63.0), health.remaining(0.0)),
            (59.0, 0.0, 60.0)
        );
        health.fail(100.0);
        assert_eq!((health.cooldown_seconds, health.remaining(150.0)), (120.0, 70.0));
        health.succeed();
        assert_eq!((health.cooldown_seconds, health.remaining(150.0)), (60.0, 0.0));
        assert_eq!((health.state.as_str(), health.consecutive_failures), ("healthy", 0));
        assert_eq!((health.total_failures, health.total_successes), (4, 1));
    }
}
