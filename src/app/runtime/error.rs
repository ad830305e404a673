//! Why a text was not given to an agent.

use serde_json::{Map, Value};

use crate::core::{Diagnose, Exit};

/// Why a text was not given to an agent. Nothing was typed, unless it says so.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RuntimeError {
    /// clawteam did not start it in a window of its own.
    #[error("tmux target '{target}' not found")]
    NoTarget {
        /// The team.
        team: String,
        /// The agent.
        agent: String,
        /// Where it would be.
        target: String,
    },
    /// Its program has ended.
    #[error("agent '{team}/{agent}' has ended{}", exit_words(*.exit_code))]
    Dead {
        /// The team.
        team: String,
        /// The agent.
        agent: String,
        /// Its exit status.
        exit_code: Option<i32>,
    },
    /// It runs in the background and has ended.
    #[error("subprocess agent '{team}/{agent}' is not alive")]
    NotAlive {
        /// The team.
        team: String,
        /// The agent.
        agent: String,
    },
    /// A backend that this version does not know.
    #[error("Backend '{0}' does not support runtime injection.")]
    Backend(String),
    /// It stands at a dialog.
    #[error("agent '{agent}' waits for an answer to a question of its own: {question}")]
    Blocked {
        /// The team.
        team: String,
        /// The agent.
        agent: String,
        /// What it asks, in one line.
        question: String,
    },
    /// Its screen is not understood, and may be a question.
    #[error("the window of agent '{agent}' shows something that clawteam does not know")]
    Unclear {
        /// The team.
        team: String,
        /// The agent.
        agent: String,
    },
    /// Somebody is writing in its composer.
    #[error("the composer of agent '{agent}' holds a text that was not sent: {draft}")]
    ComposerBusy {
        /// The agent.
        agent: String,
        /// The text, in one line.
        draft: String,
    },
    /// It was not seen to wait for a text in time.
    #[error("agent '{agent}' did not become idle within {seconds} s (it is {state})")]
    Busy {
        /// The agent.
        agent: String,
        /// What it does.
        state: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Its program does not read its terminal.
    #[error("agent '{agent}' does not read its terminal")]
    NotReading {
        /// The agent.
        agent: String,
    },
    /// The text was typed, and nothing came of it.
    #[error("the text was typed, but agent '{agent}' did not react within {seconds} s")]
    Stalled {
        /// The team.
        team: String,
        /// The agent.
        agent: String,
        /// How long was waited.
        seconds: u64,
        /// The id of the text.
        id: String,
    },
}

fn exit_words(code: Option<i32>) -> String {
    code.map(|code| format!(" (exit {code})")).unwrap_or_default()
}

impl Diagnose for RuntimeError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoTarget { .. } => "target_not_found",
            Self::Dead { .. } | Self::NotAlive { .. } => "agent_dead",
            Self::Backend(_) => "backend_unsupported",
            Self::Blocked { .. } | Self::Unclear { .. } => "agent_blocked",
            Self::ComposerBusy { .. } => "composer_busy",
            Self::Busy { .. } => "agent_busy",
            Self::NotReading { .. } => "agent_not_reading",
            Self::Stalled { .. } => "stalled",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoTarget { team, agent, .. } => Some(format!(
                "only agents that clawteam started in tmux can be typed to; leave a message: \
                 clawteam inbox send {team} {agent} …"
            )),
            Self::Dead { team, agent, .. } | Self::NotAlive { team, agent } => Some(format!(
                "start it again (clawteam spawn --team {team} -n {agent} …), or leave a message: \
                 clawteam inbox send {team} {agent} …"
            )),
            Self::Backend(_) => None,
            Self::Blocked { team, agent, .. } => {
                Some(format!("see it and answer: clawteam permission show {team} {agent}"))
            }
            Self::Unclear { team, agent } => Some(format!(
                "it may be a question, so nothing is typed; look: clawteam board attach {team}, \
                 window {agent}; or leave a message: clawteam inbox send {team} {agent} …"
            )),
            Self::ComposerBusy { .. } => {
                Some("send or clear what stands there, then try again".into())
            }
            Self::Busy { .. } | Self::NotReading { .. } => Some(
                "leave it in the inbox with --mode queue, or wait longer with --timeout".into(),
            ),
            Self::Stalled { team, agent, .. } => Some(format!(
                "look at its window: clawteam board attach {team}, window {agent}; \
                 trying again with the same id presses the submit key again"
            )),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Blocked { .. } | Self::Unclear { .. } => Exit::Illegal,
            Self::ComposerBusy { .. } => Exit::Conflict,
            Self::Busy { .. } | Self::Stalled { .. } | Self::NotReading { .. } => Exit::TimedOut,
            _ => Exit::Failure,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        match self {
            Self::Stalled { id, .. } => {
                details.insert("id".into(), id.clone().into());
            }
            Self::Dead { exit_code: Some(code), .. } => {
                details.insert("exitCode".into(), (*code).into());
            }
            _ => {}
        }
        details
    }
}
