//! The session of an agent, as its program itself named it.

use serde_json::{Value, json};

use crate::app::{App, liveness};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::agent_state::Heard;
use crate::store::{Commit, Expect, Key, Put, Scope, encode};

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
    let key = Key::session(team, agent);
    let found = app.store.load::<Value>(&key).ok().flatten().map(|doc| doc.value);
    let known = |name: &str| found.as_ref().and_then(|doc| doc["state"][name].as_str());
    let same = found.as_ref().is_some_and(|doc| doc["sessionId"] == id.as_str())
        && known("confidence") == Some("exact")
        && (heard.transcript.is_none() || known("transcript") == heard.transcript.as_deref());
    if same {
        return Ok(());
    }
    let mut locked = app.store.lock(&Scope::AgentState(team.clone(), agent.clone()))?;
    let mut doc = found.filter(Value::is_object).unwrap_or_else(|| json!({"lastTaskId": ""}));
    doc["agentName"] = agent.as_str().into();
    doc["teamName"] = team.as_str().into();
    doc["sessionId"] = id.as_str().into();
    doc["savedAt"] = app.stamp().as_str().into();
    if !doc["state"].is_object() {
        doc["state"] = json!({});
    }
    let state = &mut doc["state"];
    let entry = liveness::registry(app, team).shift_remove(agent.as_str());
    if let Some(entry) = entry {
        state["command"] = json!(entry.command);
    }
    state["client"] = program.into();
    state["source"] = "hook".into();
    state["confidence"] = "exact".into();
    state["capturedAt"] = app.stamp().as_str().into();
    for (name, told) in [("cwd", &heard.cwd), ("transcript", &heard.transcript)] {
        if let Some(told) = told {
            state[name] = told.as_str().into();
        }
    }
    let put = Put::new(key, encode(&doc), Expect::Any);
    Ok(locked.commit(&Commit { puts: vec![put], ..Commit::default() })?)
}
