//! What was given to an agent besides its prompt.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::core::{AgentName, Outcome, Stamp, TeamName};
use crate::domain::Extra;
use crate::store::{Commit, Expect, Key, Locked, Put, encode};

/// How many texts are remembered. A repeat that comes after so many others is given again.
const ENTRIES_MAX: usize = 200;

const SCHEMA: &str = "clawteam.agent-given/1";

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// It lies in the agent's inbox.
    Queued,
    /// Somebody began to type it. If nobody does any more, that one was killed.
    Typing,
    /// The agent has it.
    Typed,
    /// It was typed, and the agent was not seen to react.
    Stalled,
}

impl Fate {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Typing => "typing",
            Self::Typed => "typed",
            Self::Stalled => "stalled",
        }
    }
}

/// A text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) fate: Fate,
    pub(super) at: Stamp,
    #[serde(flatten)]
    extra: Extra,
}

/// `agents/<team>/<agent>.given.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ledger {
    #[serde(default)]
    schema: String,
    #[serde(default)]
    given: Vec<Entry>,
    #[serde(flatten)]
    extra: Extra,
}

impl Ledger {
    /// The ledger of an agent. The terminal of the agent must be locked.
    pub(super) fn load(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<Self> {
        let key = Key::agent_given(team, agent);
        let empty = || Self { schema: SCHEMA.into(), given: Vec::new(), extra: Extra::new() };
        let Some(doc) = app.store.load::<Self>(&key)? else { return Ok(empty()) };
        app.store.writable(&key, &doc.value.schema, SCHEMA)?;
        Ok(doc.value)
    }

    /// Whether the agent was given something since `start`.
    pub(super) fn any_since(&self, start: &Stamp) -> bool {
        let typed = |entry: &&Entry| entry.fate == Fate::Typed;
        self.given.iter().filter(typed).any(|entry| entry.at >= *start)
    }

    /// What became of a text.
    pub(super) fn fate(&self, id: &str) -> Option<Fate> {
        self.given.iter().rev().find(|entry| entry.id == id).map(|entry| entry.fate)
    }

    /// Notes what became of a text; `None` forgets it.
    pub(super) fn set(&mut self, id: &str, fate: Option<Fate>, at: Stamp) {
        self.given.retain(|entry| entry.id != id);
        if let Some(fate) = fate {
            self.given.push(Entry { id: id.to_owned(), fate, at, extra: Extra::new() });
        }
        let over = self.given.len().saturating_sub(ENTRIES_MAX);
        self.given.drain(..over);
    }

    /// Writes the ledger, and other documents with it.
    pub(super) fn save(
        &self,
        locked: &mut Locked<'_>,
        team: &TeamName,
        agent: &AgentName,
        others: Vec<Put>,
    ) -> Outcome<()> {
        let mut puts = others;
        puts.push(Put::new(Key::agent_given(team, agent), encode(self), Expect::Any));
        Ok(locked.commit(&Commit { puts, ..Commit::default() })?)
    }
}
