//! Talking to agents that run.
//!
//! A text is typed only where the agent was seen to wait for one, and counts as given only once
//! the agent was seen to react. Whoever types holds the lock of the agent's terminal, and writes
//! the text's id down before the first key, so that nothing is typed twice.

mod error;
mod give;
mod given;
mod typing;
mod watch;

use std::str::FromStr;
use std::time::Duration;

use super::App;
use crate::core::{AgentName, Diagnose, Exit, Outcome, Stamp, TeamName};
use crate::domain::message::Message;
use crate::domain::runtime::RuntimeState;
use crate::store::Key;

pub use error::RuntimeError;
pub use give::{Given, How, NUDGE, Note, give_queued, inject, nudge};
pub use watch::{Watch, watch};

/// When a text is given to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// At its next turn: typed if it waits for one, otherwise put into its inbox, which its hook
    /// reads to it at the end of its turn.
    Queue,
    /// Once it waits for a turn.
    WhenIdle,
    /// Now, whatever it is doing.
    Now,
}

impl Mode {
    /// The mode in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::WhenIdle => "when-idle",
            Self::Now => "now",
        }
    }
}

/// A word that is no mode.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no way of giving a text to an agent")]
pub struct NoMode(String);

impl Diagnose for NoMode {
    fn code(&self) -> &'static str {
        "invalid_value"
    }

    fn hint(&self) -> Option<String> {
        Some("one of queue, when-idle, now".into())
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl FromStr for Mode {
    type Err = NoMode;

    fn from_str(text: &str) -> Result<Self, NoMode> {
        [Self::Queue, Self::WhenIdle, Self::Now]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| NoMode(text.to_owned()))
    }
}

/// How long an agent may take to react to what was typed.
pub const REACTION_MAX: Duration = Duration::from_secs(10);

/// A message as an agent gets it.
pub(super) fn message_block(message: &Message, session: &str) -> String {
    let id = message.request_id.clone().unwrap_or_default();
    give::envelope(message, session).render(&id)
}

/// Whether something was typed to an agent since `start`.
pub(super) fn was_given_since(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    start: &Stamp,
) -> bool {
    given::Ledger::load(app, team, agent).is_ok_and(|ledger| ledger.any_since(start))
}

/// How messages are passed on in a team.
pub fn state(app: &App, team: &TeamName) -> Outcome<RuntimeState> {
    let found = app.store.load::<RuntimeState>(&Key::runtime_state(team))?;
    let fresh = || RuntimeState { team: team.to_string(), ..RuntimeState::default() };
    Ok(found.map_or_else(fresh, |doc| doc.value))
}
