//! Starting a crashed agent again, a few times.

use serde::Serialize;

use super::inbox::{self, Draft};
use super::{App, liveness, start, task, team};
use crate::core::{AgentName, Outcome, TeamName, limits};
use crate::domain::agent::{Health, HealthTable, LaunchPlan};
use crate::domain::message::MessageType;
use crate::domain::task::Status;
use crate::store::{Key, Scope};

/// How starting an agent again went.
#[derive(Debug, Clone, Serialize)]
pub struct Respawned {
    /// `agent_respawned` or `respawn_failed`.
    pub status: &'static str,
    /// The agent.
    pub agent: String,
    /// What there is to say.
    pub detail: String,
}

fn change_health(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    change: impl FnOnce(&mut Health),
) -> Outcome<Health> {
    let mut locked = app.store.lock(&Scope::AgentHealth(team.clone()))?;
    let key = Key::agent_health(team);
    let found = app.store.load::<HealthTable>(&key)?;
    let revision = found.as_ref().map(|doc| doc.revision);
    let mut table = found.map(|doc| doc.value).unwrap_or_default();
    let health = table.entry(agent.to_string()).or_default();
    health.agent_name = agent.to_string();
    change(health);
    let health = health.clone();
    locked.put(key, &table, revision)?;
    Ok(health)
}

/// Counts that an agent ended well: what went wrong before is forgiven.
pub fn count_success(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<()> {
    let found = app.store.load::<HealthTable>(&Key::agent_health(team))?;
    if found.is_some_and(|doc| doc.value.contains_key(agent.as_str())) {
        change_health(app, team, agent, Health::succeed)?;
    }
    Ok(())
}

/// Starts an agent again that has left work behind, if there is work and it did not crash too
/// often. Tells the leader. `None` if there was no reason to.
pub fn after_exit(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<Option<Respawned>> {
    let started = liveness::registry(app, team).contains_key(agent.as_str());
    let waiting = task::all(app, team)?.iter().any(|task| task.status == Status::Pending);
    if !started || !waiting {
        return Ok(None);
    }
    let done = respawn(app, team, agent)?;
    if let Ok((leader, inbox)) = team::leader(app, team)
        && leader != *agent
    {
        let text = match done.status {
            "agent_respawned" => format!("Agent '{agent}' was started again ({}).", done.detail),
            _ => format!("Agent '{agent}' was not started again: {}", done.detail),
        };
        let message = inbox::text(MessageType::Message, text);
        let draft = Draft { message, from: Some(agent.to_string()) };
        inbox::deliver(app, team, &inbox, Some(leader.to_string()), draft)?;
    }
    Ok(Some(done))
}

/// Starts an agent again as it was started before: same prompt, directory and environment.
fn respawn(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<Respawned> {
    let failed =
        |detail: String| Respawned { status: "respawn_failed", agent: agent.to_string(), detail };
    let now = app.now_seconds();
    let health = change_health(app, team, agent, |health| health.fail(now))?;
    let (crashes, most) = (health.consecutive_failures, limits::RESPAWNS_MAX);
    if crashes > most {
        return Ok(failed(format!(
            "Error: agent '{agent}' crashed {crashes} times (max respawn attempts: {most}), not respawning"
        )));
    }
    let Some(plan) = app.store.load::<LaunchPlan>(&Key::launch_plan(team, agent))? else {
        return Ok(failed(format!("Error: no spawn info found for agent '{agent}'")));
    };
    if team::load(app, team)?.member(agent.as_str()).is_none() {
        return Ok(failed(format!("Error: agent '{agent}' not found in team config")));
    }
    let plan = LaunchPlan { instance: app.ids.hex(12), ..plan.value };
    match start::start(app, &plan) {
        Ok(_) => Ok(Respawned {
            status: "agent_respawned",
            agent: agent.to_string(),
            detail: format!("ok: respawned agent '{agent}' (crash {crashes}/{most})"),
        }),
        Err(failure) => {
            Ok(failed(format!("Error: respawn failed for '{agent}': {}", failure.message())))
        }
    }
}
