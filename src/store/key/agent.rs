//! Documents about what agents do, and about talking to them.

use super::{Dir, Key};
use crate::core::{AgentName, Name, TeamName};

impl Dir {
    /// The user's rows of agent programs, in the data directory of the user's home. What is kept
    /// of the agents of each team lies in directories beside them.
    pub fn agent_rows() -> Self {
        Self("agents".into())
    }

    /// What an agent's program keeps for this agent alone.
    pub fn own_state(team: &TeamName, agent: &AgentName) -> Self {
        Self(format!("agents/{team}/{agent}.state"))
    }

    /// What was learned of the agent programs of this machine.
    pub fn probes() -> Self {
        Self("probes".into())
    }
}

impl Key {
    /// A row of an agent program that the user wrote.
    pub fn agent_row(name: &Name) -> Self {
        Dir::agent_rows().entry(&format!("{name}.toml"))
    }

    /// The settings of an agent's program that only this agent has. Its program keeps its state
    /// beside them.
    pub fn own_settings(team: &TeamName, agent: &AgentName, file: &Name) -> Self {
        Dir::own_state(team, agent).entry(file.as_str())
    }

    /// What was learned of an agent program.
    pub fn probe(name: &Name) -> Self {
        Dir::probes().entry(&format!("{name}.json"))
    }

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
