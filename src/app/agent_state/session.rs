//! The session of an agent, as its program itself named it.

use serde_json::json;

use crate::app::{App, liveness, session};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::Extra;
use crate::domain::agent::LaunchPlan;
use crate::domain::agent_state::Heard;
use crate::domain::session::{Client, Confidence, Found, Session};
use crate::store::{Key, Scope};

/// Writes down which session the agent has, if that is not known yet. Nothing is surer than the
/// program's own word.
pub(super) fn remember(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    program: &str,
    heard: &Heard,
) -> Outcome<()> {
    let Some(id) = &heard.session_id else { return Ok(()) };
    let known = session::find(app, team, agent).ok().flatten();
    let same = known.as_ref().is_some_and(|known| {
        known.session_id == *id
            && known.confidence() == Confidence::Exact
            && (heard.transcript.is_none() || known.transcript() == heard.transcript.as_deref())
    });
    if same {
        return Ok(());
    }
    let record = liveness::record(app, team, agent.as_str());
    let plan = app.store.load::<LaunchPlan>(&Key::launch_plan(team, agent)).ok().flatten();
    let plan = plan.map(|doc| doc.value);
    let plan = plan.filter(|plan| record.is_some_and(|record| record.instance == plan.instance));
    match (Client::parse(program), plan) {
        (Some(client), Some(plan)) => {
            let (id, transcript) = (id.clone(), heard.transcript.clone());
            let confidence = Confidence::Exact;
            let found = Found { client, id, confidence, source: "hook", transcript };
            session::keep(app, &plan, &found).map(drop)
        }
        _ => keep(app, team, agent, program, heard),
    }
}

/// The same for an agent that clawteam did not start, or a program whose sessions it cannot find.
fn keep(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    program: &str,
    heard: &Heard,
) -> Outcome<()> {
    let key = Key::session(team, agent);
    let mut locked = app.store.lock(&Scope::SpawnRegistry(team.clone()))?;
    let found = app.store.load::<Session>(&key)?;
    let revision = found.as_ref().map(|doc| doc.revision);
    let mut session = found.map(|doc| doc.value).unwrap_or_else(|| Session {
        agent_name: agent.to_string(),
        team_name: team.to_string(),
        session_id: String::new(),
        last_task_id: String::new(),
        saved_at: app.stamp(),
        state: Extra::new(),
        extra: Extra::new(),
    });
    session.session_id = heard.session_id.clone().unwrap_or_default();
    session.saved_at = app.stamp();
    let told = [
        ("client", Some(program)),
        ("source", Some("hook")),
        ("confidence", Some(Confidence::Exact.as_str())),
        ("capturedAt", Some(session.saved_at.as_str())),
        ("cwd", heard.cwd.as_deref()),
        ("transcript", heard.transcript.as_deref()),
    ];
    for (name, value) in told {
        if let Some(value) = value {
            session.state.insert(name.into(), json!(value));
        }
    }
    Ok(locked.put(key, &session, revision)?)
}
