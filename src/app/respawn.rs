//! Starting an agent again that has ended: a few times, and never against its will.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::inbox::{self, Draft};
use super::lifecycle::Ending;
use super::{App, liveness, restart, start, task, team};
use crate::core::{AgentName, Outcome, TeamName, limits, text};
use crate::domain::agent::{Health, HealthTable, LaunchPlan, RunState};
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

/// The health of a team's agents that ever failed.
pub fn health(app: &App, team: &TeamName) -> Outcome<HealthTable> {
    let found = app.store.load::<HealthTable>(&Key::agent_health(team))?;
    Ok(found.map(|doc| doc.value).unwrap_or_default())
}

/// The health of one agent.
pub fn health_of(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<Health> {
    let fresh = || Health { agent_name: agent.to_string(), ..Health::default() };
    Ok(health(app, team)?.swap_remove(agent.as_str()).unwrap_or_else(fresh))
}

/// Forgets what went wrong with an agent. Returns whether there was anything.
pub fn reset(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<bool> {
    let key = Key::agent_health(team);
    if !health(app, team)?.contains_key(agent.as_str()) {
        return Ok(false);
    }
    let mut locked = app.store.lock(&Scope::AgentHealth(team.clone()))?;
    let Some(mut found) = app.store.load::<HealthTable>(&key)? else { return Ok(false) };
    let known = found.value.shift_remove(agent.as_str()).is_some();
    locked.put(key, &found.value, Some(found.revision))?;
    Ok(known)
}

/// Counts that an agent runs or ended well: what went wrong before is forgiven.
pub fn count_success(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<()> {
    if health(app, team)?.contains_key(agent.as_str()) {
        change_health(app, team, agent, Health::succeed)?;
    }
    Ok(())
}

/// Whether the agent of a plan failed since it ran well last.
pub(super) fn has_failed(app: &App, plan: &LaunchPlan) -> bool {
    let known = start::names(plan).and_then(|(team, agent)| health_of(app, &team, &agent));
    known.is_ok_and(|health| health.consecutive_failures > 0)
}

/// Counts a failure. Returns the number of failures in a row, and whether the agent may be started
/// again all the same: it was not too often, or a cool-down had passed before.
pub(super) fn count_failure(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
) -> Outcome<(Health, bool)> {
    let now = app.now_seconds();
    let mut cooled = false;
    let health = change_health(app, team, agent, |health| {
        cooled = health.is_open() && health.remaining(now) <= 0.0;
        health.fail(now);
    })?;
    let allowed = cooled || !health.is_open();
    Ok((health, allowed))
}

/// What an agent that is kept down is told of.
fn refusal(agent: &AgentName, health: &Health) -> String {
    format!(
        "Error: agent '{agent}' crashed {} times (max respawn attempts: {}), not respawning; it may be \
         started again after {} s",
        health.consecutive_failures,
        limits::RESPAWNS_MAX,
        health.cooldown_seconds
    )
}

/// Starts an agent again that has left work behind, if there is work and it did not crash too
/// often. Tells the leader. `None` if there was no reason to.
pub fn after_exit(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    ending: &Ending,
) -> Outcome<Option<Respawned>> {
    let waiting = task::all(app, team)?.iter().any(|task| task.status == Status::Pending);
    if !waiting || !is_registered(app, team, agent) {
        return Ok(None);
    }
    let done = respawn(app, team, agent, ending)?;
    let text = match done.status {
        "agent_respawned" => format!("Agent '{agent}' was started again ({}).", done.detail),
        _ => format!("Agent '{agent}' was not started again: {}", done.detail),
    };
    tell_leader(app, team, agent, text)?;
    Ok(Some(done))
}

/// How long whoever starts an agent may take to register it once it was seen to run.
const REGISTERED_WITHIN: Duration = Duration::from_secs(1);

/// Whether the agent was started, and did not end before its start could be called one.
fn is_registered(app: &App, team: &TeamName, agent: &AgentName) -> bool {
    let deadline = Instant::now() + REGISTERED_WITHIN;
    loop {
        if liveness::registry(app, team).contains_key(agent.as_str()) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Tells the leader of an agent's start, unless it is the leader's own.
fn tell_leader(app: &App, team: &TeamName, agent: &AgentName, text: String) -> Outcome<()> {
    if let Ok((leader, inbox)) = team::leader(app, team)
        && leader != *agent
    {
        let message = inbox::text(MessageType::Message, text);
        let draft = Draft { message, from: Some(agent.to_string()) };
        inbox::deliver(app, team, &inbox, Some(leader.to_string()), draft)?;
    }
    Ok(())
}

/// Starts an agent again as it was started before: same prompt, directory, environment,
/// permissions, and the session that it had.
fn respawn(app: &App, team: &TeamName, agent: &AgentName, ending: &Ending) -> Outcome<Respawned> {
    let failed =
        |detail: String| Respawned { status: "respawn_failed", agent: agent.to_string(), detail };
    let (health, allowed) = count_failure(app, team, agent)?;
    if !allowed {
        return Ok(failed(refusal(agent, &health)));
    }
    let Some(plan) = app.store.load::<LaunchPlan>(&Key::launch_plan(team, agent))? else {
        return Ok(failed(format!("Error: no spawn info found for agent '{agent}'")));
    };
    if plan.value.argv.is_empty() {
        return Ok(failed(format!("Error: no command recorded for agent '{agent}'")));
    }
    if team::load(app, team)?.member(agent.as_str()).is_none() {
        return Ok(failed(format!("Error: agent '{agent}' not found in team config")));
    }
    match again(app, &plan.value, &ending.why()) {
        Ok(session) => {
            let (crashes, most) = (health.consecutive_failures, limits::RESPAWNS_MAX);
            let what = if ending.exit_code == Some(0) { "unfinished" } else { "crash" };
            let session = session.map_or(String::new(), |id| format!(", session {id}"));
            Ok(Respawned {
                status: "agent_respawned",
                agent: agent.to_string(),
                detail: format!("ok: respawned agent '{agent}' ({what} {crashes}/{most}{session})"),
            })
        }
        Err(failure) => {
            Ok(failed(format!("Error: respawn failed for '{agent}': {}", failure.message())))
        }
    }
}

/// Starts an agent again by its plan. Returns the session that it goes on with.
pub(super) fn again(app: &App, old: &LaunchPlan, why: &str) -> Outcome<Option<String>> {
    let (plan, session) = restart::plan(app, old, why)?;
    match start::start_over(app, &plan, &old.instance) {
        // It ran and has ended once more: its own runner sees to that.
        Err(failure) if !has_run(app, &plan) => Err(failure),
        _ => Ok(session),
    }
}

/// Whether the start of a plan came so far that the agent's end is noted by its runner.
fn has_run(app: &App, plan: &LaunchPlan) -> bool {
    let record =
        start::names(plan).ok().and_then(|(team, _)| liveness::record(app, &team, &plan.agent));
    record.is_some_and(|record| {
        record.instance == plan.instance
            && record.process.is_some()
            && record.state == RunState::Exited
    })
}

/// Starts an agent again that has ended by itself and is to be kept alive. Returns whether it
/// runs again; if not, the leader was told why.
pub(super) fn keep_alive(app: &App, old: &LaunchPlan, short: bool) -> Outcome<bool> {
    let (team, agent) = start::names(old)?;
    if short {
        let (health, allowed) = count_failure(app, &team, &agent)?;
        if !allowed {
            let text = format!(
                "Agent '{agent}' ended by itself {} times within {} s of its start and is not kept alive any more.",
                health.consecutive_failures,
                limits::SHORT_RUN.as_secs()
            );
            tell_leader(app, &team, &agent, text)?;
            return Ok(false);
        }
    } else {
        count_success(app, &team, &agent)?;
    }
    match again(app, old, "your program had ended by itself") {
        Ok(_) => Ok(true),
        Err(failure) => {
            let reason = failure.message();
            let text =
                format!("Agent '{agent}' could not be kept alive: {}", text::cut(&reason, 700));
            tell_leader(app, &team, &agent, text)?;
            Ok(false)
        }
    }
}
