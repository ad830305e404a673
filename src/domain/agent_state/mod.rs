//! What an agent is doing, and how that is known.
//!
//! Four sources tell of it, in this order of trust: the agent's own hooks, its runner with the
//! table of processes, its transcript, and its screen. [`judge`] weighs them.

mod choice;
mod hook;
mod rule;

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::core::{Digest, Stamp};

pub use choice::{Word, choose, numbered};
pub use hook::{Answer, Heard, News, Way, understand};
pub use rule::{Evidence, HOOK_TRUSTED, Run, SCREEN_TRUSTED, judge, needs_screen};

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its program is being started.
    Starting,
    /// It runs and was given nothing to do yet.
    Ready,
    /// It is in the middle of a turn.
    Working,
    /// It asks whether it may do something, and does nothing until that is answered.
    WaitingPermission,
    /// It has ended its turn and waits for the next.
    Idle,
    /// It has ended as it should.
    Finished,
    /// It has ended otherwise.
    Dead,
    /// Nothing tells.
    #[serde(other)]
    Unknown,
}

impl State {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Starting,
        Self::Ready,
        Self::Working,
        Self::WaitingPermission,
        Self::Idle,
        Self::Finished,
        Self::Dead,
        Self::Unknown,
    ];

    /// The state as documents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Working => "working",
            Self::WaitingPermission => "waiting_permission",
            Self::Idle => "idle",
            Self::Finished => "finished",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the agent waits for something to be typed.
    pub fn takes_text(self) -> bool {
        matches!(self, Self::Ready | Self::Idle)
    }

    /// Whether its program has ended.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Dead)
    }
}

/// Where a state is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The agent's program said so.
    Hook,
    /// Its runner wrote it down, or the table of processes shows it.
    Runner,
    /// Its transcript grew.
    Transcript,
    /// It is on the screen.
    Screen,
}

impl Source {
    /// The source as documents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::Runner => "runner",
            Self::Transcript => "transcript",
            Self::Screen => "screen",
        }
    }
}

/// Something that an agent asks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// What it asks for: `permission`, or the kind of a start-up dialog (`trust`, `api_key`, …).
    pub kind: String,
    /// The question, with the exact command or edit that it is about as far as that is known.
    pub text: String,
    /// What its screen shows of it, if the text is from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// The tool that it wants to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What can be answered, in the program's own words and order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// The name of the dialog in the catalog, if it was read from a screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialog: Option<String>,
    /// Which option is chosen by Enter alone, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<usize>,
}

impl Question {
    /// What tells this question from any other: the text and the options, not what is chosen.
    pub fn digest(&self) -> Digest {
        let mut parts: Vec<&[u8]> = vec![self.kind.as_bytes(), b"\0", self.text.as_bytes()];
        if let Some(shown) = &self.shown {
            parts.extend([&b"\0"[..], shown.as_bytes()]);
        }
        for option in &self.options {
            parts.extend([&b"\0"[..], option.as_bytes()]);
        }
        Digest::of_parts(&parts)
    }
}

/// The schema of [`StateDocument`].
pub const STATE_SCHEMA: &str = "clawteam.agent-state/1";

/// What an agent's own hooks told last: `agents/<team>/<agent>.state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateDocument {
    /// [`STATE_SCHEMA`].
    pub schema: String,
    /// Which start of the agent this is about; empty for one that clawteam did not start.
    #[serde(default)]
    pub instance: String,
    /// What it is doing.
    pub state: State,
    /// Where that is known from.
    pub source: Source,
    /// Since when it does that.
    pub since: Stamp,
    /// When it was heard from last.
    pub heard_at: Stamp,
    /// The program that told, by its name in the catalog.
    #[serde(default)]
    pub program: String,
    /// The event that told, in the program's own words.
    #[serde(default)]
    pub event: String,
    /// What it asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    /// Its session, as the program names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Where its transcript lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// How many turns in a row were continued with messages, without anybody typing.
    #[serde(default)]
    pub continued: u32,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What an agent is doing, as far as the evidence goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What it is doing.
    pub state: State,
    /// Where that is known from; `None` if nothing tells.
    pub source: Option<Source>,
    /// Since when, if that is known.
    pub since: Stamp,
    /// What it asks.
    pub question: Option<Question>,
    /// How its program ended: its exit status, or 128 and the number of the signal.
    pub exit_code: Option<i32>,
}

impl Seen {
    /// Of an agent of which nothing is known.
    pub fn nothing() -> Self {
        Self {
            state: State::Unknown,
            source: None,
            since: Stamp::empty(),
            question: None,
            exit_code: None,
        }
    }

    /// For people: the state, with what belongs to it in parentheses.
    pub fn words(&self) -> String {
        StatePart::from(self.clone()).words()
    }
}

/// What an agent is doing, as it is shown beside its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatePart {
    /// What it is doing.
    pub state: State,
    /// Where that is known from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_source: Option<Source>,
    /// Since when, if that is known.
    #[serde(skip_serializing_if = "Stamp::is_empty")]
    pub state_since: Stamp,
    /// How its program ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What it asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
}

impl StatePart {
    /// For people: the state, with what belongs to it in parentheses.
    pub fn words(&self) -> String {
        match (self.state, self.exit_code) {
            (State::Dead, Some(code)) => format!("dead (exit {code})"),
            (State::WaitingPermission, _) => "waiting for permission".to_owned(),
            (state, _) => state.as_str().to_owned(),
        }
    }
}

impl From<Seen> for StatePart {
    fn from(seen: Seen) -> Self {
        Self {
            state: seen.state,
            state_source: seen.source,
            state_since: seen.since,
            exit_code: seen.exit_code,
            question: seen.question,
        }
    }
}

impl Default for StatePart {
    fn default() -> Self {
        Seen::nothing().into()
    }
}

/// What a screen shows, as far as it was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screen {
    /// The program is still setting itself up.
    Starting,
    /// A dialog stands in the way.
    Dialog(Question),
    /// A turn is under way.
    Working {
        /// What stands in the composer meanwhile.
        draft: Option<String>,
    },
    /// The composer is empty and the program waits.
    Composer,
    /// Somebody has written into the composer and not sent it.
    Draft {
        /// The text, as far as it can be seen.
        text: String,
    },
    /// Nothing that is known.
    Unknown,
}

impl Screen {
    /// What stands in the composer and was not sent.
    pub fn draft(&self) -> Option<&str> {
        match self {
            Self::Working { draft } => draft.as_deref(),
            Self::Draft { text } => Some(text),
            _ => None,
        }
    }
}
