//! Started agents: what is written down about them, and ending them.

use std::time::{Duration, Instant};

use super::{App, liveness};
use crate::core::{AgentName, Outcome, TeamName, limits};
use crate::domain::agent::{AgentRecord, SpawnEntry, SpawnRegistry};
use crate::store::{Dir, Key, Scope};

/// Changes the record of an agent's start. Nothing happens if there is none, or if it is about
/// another start than `instance`.
pub fn update_record(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    instance: &str,
    change: impl FnOnce(&mut AgentRecord),
) -> Outcome<bool> {
    let mut locked = app.store.lock(&Scope::Agent(team.clone(), agent.clone()))?;
    let key = Key::agent_record(team, agent);
    let Some(mut doc) = app.store.load::<AgentRecord>(&key)? else { return Ok(false) };
    if doc.value.instance != instance {
        return Ok(false);
    }
    change(&mut doc.value);
    locked.put(key, &doc.value, Some(doc.revision))?;
    Ok(true)
}

/// Writes an agent into the registry, in place of an earlier start.
pub fn register(app: &App, team: &TeamName, agent: &AgentName, entry: SpawnEntry) -> Outcome<()> {
    change_registry(app, team, |registry| {
        registry.insert(agent.to_string(), entry);
    })
}

/// Takes an agent out of the registry, if the entry is about the start `instance`.
pub fn unregister(app: &App, team: &TeamName, agent: &AgentName, instance: &str) -> Outcome<()> {
    change_registry(app, team, |registry| {
        let is_ours = |entry: &SpawnEntry| {
            entry.extra.get("instance").and_then(|value| value.as_str()) == Some(instance)
        };
        if registry.get(agent.as_str()).is_some_and(is_ours) {
            registry.shift_remove(agent.as_str());
        }
    })
}

fn change_registry(
    app: &App,
    team: &TeamName,
    change: impl FnOnce(&mut SpawnRegistry),
) -> Outcome<()> {
    let mut locked = app.store.lock(&Scope::SpawnRegistry(team.clone()))?;
    let key = Key::spawn_registry(team);
    let found = app.store.load::<SpawnRegistry>(&key)?;
    let revision = found.as_ref().map(|doc| doc.revision);
    let mut registry = found.map(|doc| doc.value).unwrap_or_default();
    change(&mut registry);
    locked.put(key, &registry, revision)?;
    Ok(())
}

/// Ends a running agent: its process group first, so that its runner sees the end and writes it
/// down. Returns whether it is gone.
pub fn stop(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<bool> {
    let Some(record) = liveness::record(app, team, agent.as_str()) else {
        // Started by Python's ClawTeam: a process number alone is not enough to kill by.
        app.warn(format!("agent '{agent}' was not started by this clawteam; end it yourself"));
        return Ok(liveness::of(app, team, agent.as_str()) != Some(true));
    };
    let instance = record.instance.clone();
    update_record(app, team, agent, &instance, |record| record.stopping = true)?;
    let gone = match (record.process, record.runner) {
        (Some(process), _) => {
            let gone = app.processes.end_group(process, limits::STOP_GRACE);
            // Its own process may have ended before, and left others behind.
            app.processes.end_rest(process, limits::STOP_GRACE);
            gone
        }
        (None, Some(runner)) => {
            app.processes.terminate(runner);
            true
        }
        (None, None) => true,
    };
    if let Some(runner) = record.runner {
        wait_for_end(app, team, || !app.processes.is_alive(runner))?;
    }
    if let Some(window) = &record.window {
        app.terminal.close(window)?;
    }
    Ok(gone)
}

/// Waits until an agent's runner has written down the end, for a short time: the runner may have
/// been killed itself.
fn wait_for_end(app: &App, team: &TeamName, over: impl Fn() -> bool) -> Outcome<()> {
    let deadline = Instant::now() + limits::STOP_GRACE;
    let mut changes = app.store.backend().watch(&[Dir::agents(team)])?;
    while !over() && Instant::now() < deadline {
        changes.wait(Duration::from_millis(20));
    }
    Ok(())
}

/// Ends the agents of a team that run, and what is left of those that have ended; `only`: just
/// this one. Returns the agents that ran and are gone, and those that could not be ended.
pub fn stop_each(
    app: &App,
    team: &TeamName,
    only: Option<AgentName>,
) -> Outcome<(Vec<AgentName>, Vec<AgentName>)> {
    let names = if let Some(agent) = only {
        vec![agent]
    } else {
        let known = liveness::registry(app, team).into_keys();
        known.filter_map(|name| AgentName::parse(name).ok()).collect()
    };
    let (mut stopped, mut failed) = (Vec::new(), Vec::new());
    for agent in names {
        let runs = liveness::of(app, team, agent.as_str()) == Some(true);
        let process = liveness::record(app, team, agent.as_str()).and_then(|r| r.process);
        let left = process.is_some_and(|process| !app.processes.group(process).is_empty());
        if !runs && !left {
            continue;
        }
        if stop(app, team, &agent)? {
            stopped.push(agent);
        } else {
            failed.push(agent);
        }
    }
    Ok((stopped, failed))
}

/// Ends every running agent of a team. Returns the agents that ran.
pub fn stop_all(app: &App, team: &TeamName) -> Outcome<Vec<String>> {
    let mut running: Vec<String> = liveness::all(app, team)
        .into_iter()
        .filter(|(_, alive)| *alive == Some(true))
        .map(|(agent, _)| agent)
        .collect();
    running.sort();
    for agent in &running {
        let name = AgentName::parse(agent.clone())?;
        if !stop(app, team, &name)? {
            app.warn(format!("agent '{agent}' could not be stopped"));
        }
    }
    // Windows that are kept after the end of their program go, too.
    for (_, window) in app.terminal.windows_of(team).unwrap_or_default() {
        app.terminal.close(&window)?;
    }
    Ok(running)
}
