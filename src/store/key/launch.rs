//! Where lies what teams are launched from, and what their worktrees were given.

use super::{Dir, Key};
use crate::core::{AgentName, Name, TeamName};

impl Dir {
    /// The user's team templates, in the data directory of the user's home.
    pub fn templates() -> Self {
        Self("templates".into())
    }
}

impl Key {
    /// A team template of the user, in the data directory of the user's home.
    pub fn template(name: &Name) -> Self {
        Dir::templates().entry(&format!("{name}.toml"))
    }

    /// Which ports belong to which agent.
    pub fn ports() -> Self {
        Dir::top().entry("ports.json")
    }

    /// What the commands that made an agent's worktree ready wrote.
    pub fn setup_log(team: &TeamName, agent: &AgentName) -> Self {
        Dir::agents(team).entry(&format!("{agent}.setup.log"))
    }

    /// What the commands wrote that were run before it was removed.
    pub fn teardown_log(team: &TeamName, agent: &AgentName) -> Self {
        Dir::agents(team).entry(&format!("{agent}.teardown.log"))
    }
}
