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
    match record(app, team, agent).filter(|record| is_about(record, entry)) {
        Some(record) => Some(of_record(app, &record)),
        None => of_number(app, entry),
    }
}

/// Whether a record is about the start that a registry entry is about.
pub fn is_about(record: &AgentRecord, entry: &SpawnEntry) -> bool {
    let instance = entry.extra.get("instance").and_then(|value| value.as_str());
    instance == Some(record.instance.as_str())
}

/// Whether the agent runs that its runner wrote the record of.
pub fn of_record(app: &App, record: &AgentRecord) -> bool {
    let process = match record.state {
        RunState::Failed | RunState::Exited => return false,
        // The runner writes the end down. Without it, only the agent itself counts.
        RunState::Starting => record.runner,
        RunState::Running => record.process,
    };
    process.is_some_and(|process| app.processes.is_alive(process))
}

/// Whether the agent of an entry of Python's ClawTeam runs: a process number is all there is.
pub fn of_number(app: &App, entry: &SpawnEntry) -> Option<bool> {
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
