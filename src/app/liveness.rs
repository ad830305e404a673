//! Which agents run.

use std::collections::HashMap;

use super::App;
use crate::core::{AgentName, TeamName};
use crate::domain::agent::{AgentRecord, RunState, SpawnEntry, SpawnRegistry};
use crate::store::Key;

/// Seconds between the start of a process and the note of it, at most.
const START_SLACK: f64 = 60.0;

/// The spawn registry of a team; empty if it is missing or cannot be understood.
pub fn registry(app: &App, team: &TeamName) -> SpawnRegistry {
    match app.store.load::<SpawnRegistry>(&Key::spawn_registry(team)) {
        Ok(found) => found.map(|doc| doc.value).unwrap_or_default(),
        Err(error) => {
            app.warn(error.to_string());
            SpawnRegistry::new()
        }
    }
}

/// What became of the last start of an agent, if clawteam's runner started it.
pub fn record(app: &App, team: &TeamName, agent: &str) -> Option<AgentRecord> {
    let name = AgentName::parse(agent).ok()?;
    app.store.load(&Key::agent_record(team, &name)).ok().flatten().map(|doc| doc.value)
}

/// Whether an agent runs: `None` if it was never started by clawteam, so that nobody can know.
pub fn of(app: &App, team: &TeamName, agent: &str) -> Option<bool> {
    registry(app, team).get(agent).and_then(|entry| of_entry(app, team, agent, entry))
}

/// The same for every agent in the registry.
pub fn all(app: &App, team: &TeamName) -> HashMap<String, Option<bool>> {
    registry(app, team)
        .iter()
        .map(|(agent, entry)| (agent.clone(), of_entry(app, team, agent, entry)))
        .collect()
}

/// Whether the agent of a registry entry runs.
pub fn of_entry(app: &App, team: &TeamName, agent: &str, entry: &SpawnEntry) -> Option<bool> {
    let instance = entry.extra.get("instance").and_then(|value| value.as_str());
    if let Some(instance) = instance
        && let Some(record) = record(app, team, agent)
        && record.instance == instance
    {
        return Some(match record.state {
            RunState::Failed | RunState::Exited => false,
            // The runner writes the end down. Without it, only the agent itself counts.
            RunState::Starting => record.runner.is_some_and(|p| app.processes.is_alive(p)),
            RunState::Running => record.process.is_some_and(|p| app.processes.is_alive(p)),
        });
    }
    // An entry of Python's ClawTeam: a process number is all there is.
    match entry.backend.as_str() {
        "tmux" | "subprocess" => {
            let pid = u32::try_from(entry.pid).ok().filter(|pid| *pid > 0)?;
            let runs = app.processes.identify(pid).is_some();
            // A process that began long after the agent was started has only its number.
            let late = |at: f64| entry.spawned_at > 0.0 && at > entry.spawned_at + START_SLACK;
            Some(runs && !app.processes.started_at(pid).is_some_and(late))
        }
        _ => None,
    }
}
