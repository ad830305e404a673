//! Documents about what agents do, and about talking to them.

use super::{Dir, Key};
use crate::core::{AgentName, TeamName};

impl Key {
    /// What an agent's own hooks told last.
    pub fn agent_state(team: &TeamName, agent: &AgentName) -> Self {
        Dir::agents(team).entry(&format!("{agent}.state.json"))
    }

    /// What was given to an agent besides its prompt, so that nothing is given twice.
    pub fn agent_given(team: &TeamName, agent: &AgentName) -> Self {
        Dir::agents(team).entry(&format!("{agent}.given.json"))
    }

    /// Which dialogs of a team's agents were answered by whom, one JSON object a line.
    pub fn permission_journal(team: &TeamName) -> Self {
        Dir::agents(team).entry("permissions.jsonl")
    }

    /// How messages are passed on to agents that run.
    pub fn runtime_state(team: &TeamName) -> Self {
        Dir::team(team).entry("runtime_state.json")
    }
}
