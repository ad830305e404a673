//! Asking an agent to end, and its answer.

use std::time::Duration;

use serde_json::json;

use super::inbox::{self, Draft};
use super::{App, agents, liveness, log, team};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::message::{Message, MessageType};
use crate::ports::web::WebRequest;

/// Where the gateway is that hears of requests to end.
const GATEWAY: &str = "CLAWTEAM_GATEWAY_URL";

/// Asks `to` to end, in the name of `from`. Returns the identifier of the request.
pub fn request(
    app: &App,
    team: &TeamName,
    from: &AgentName,
    to: &AgentName,
    reason: Option<String>,
) -> Outcome<String> {
    let id = app.ids.hex(12);
    let message = Message {
        kind: MessageType::ShutdownRequest,
        request_id: Some(id.clone()),
        reason,
        ..Message::default()
    };
    inbox::send(app, team, to.as_str(), Draft { message, from: Some(from.to_string()) })?;
    tell_gateway(app, team, to);
    Ok(id)
}

/// A gateway that does not answer changes nothing.
fn tell_gateway(app: &App, team: &TeamName, agent: &AgentName) {
    let Some(url) = app.env.get(GATEWAY) else { return };
    let found = team::find(app, team).ok().flatten();
    let named = found.iter().flat_map(|doc| &doc.value.members);
    let named: Vec<_> = named.filter(|member| member.name == agent.as_str()).collect();
    let id = if let [only] = named[..] { only.agent_id.clone() } else { String::new() };
    let body = json!({"agentName": agent, "agentId": id, "status": "shutdown", "teamName": team});
    let request = WebRequest {
        url: format!("{}/a2a/webhooks/agent-status", url.trim_end_matches('/')),
        method: "POST".into(),
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: Some(body.to_string().into_bytes()),
        timeout: Duration::from_secs(5),
        body_max: 0,
        follow: false,
    };
    if let Err(error) = app.web.call(&request) {
        app.warn(format!("the gateway did not hear of it: {error}"));
    }
}

/// An agent's answer to a request to end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The request.
    pub request: String,
    /// Whether it ends.
    pub approved: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// Tells whoever asked `agent` to end what it answers. Returns who that is.
pub fn answer(app: &App, team: &TeamName, agent: &AgentName, answer: Answer) -> Outcome<String> {
    let kind =
        if answer.approved { MessageType::ShutdownApproved } else { MessageType::ShutdownRejected };
    let to = if let Some(requester) = requester(app, team, agent, &answer.request)? {
        requester
    } else {
        app.warn(format!("no request '{}' to end '{agent}' is known", answer.request));
        let caller = &app.identity.agent_name;
        if caller == agent.as_str() {
            team::leader(app, team)?.0.to_string()
        } else {
            caller.clone()
        }
    };
    if answer.approved
        && let Some(record) = liveness::record(app, team, agent.as_str())
    {
        let request = answer.request.clone();
        agents::update_record(app, team, agent, &record.instance, |record| {
            record.shutdown_approved = Some(request);
        })?;
    }
    let message = Message {
        kind,
        request_id: Some(answer.request),
        reason: answer.reason,
        ..Message::default()
    };
    inbox::send(app, team, &to, Draft { message, from: Some(agent.to_string()) })?;
    Ok(to)
}

/// Who made a request to end: it waits in the agent's inbox, or was read from there.
fn requester(app: &App, team: &TeamName, agent: &AgentName, id: &str) -> Outcome<Option<String>> {
    let wanted = |message: &Message| {
        message.kind == MessageType::ShutdownRequest && message.request_id.as_deref() == Some(id)
    };
    let inbox = team::own_inbox_of(app, team, agent)?;
    let waiting = inbox::find(app, team, &inbox, wanted)?.into_iter().next();
    let found = match waiting {
        Some(message) => Some(message),
        None => log::newest(app, team, usize::MAX, None)?.into_iter().find(wanted),
    };
    Ok(found.map(|message| message.from))
}

/// Whether an agent has agreed, since its last start, to end.
pub fn agreed(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<bool> {
    let record = liveness::record(app, team, agent.as_str());
    if record.as_ref().is_some_and(|record| record.shutdown_approved.is_some()) {
        return Ok(true);
    }
    let since = record.as_ref().and_then(|record| record.started_at.instant());
    let approval = |message: &Message| {
        let later = message.timestamp.instant() >= since;
        message.kind == MessageType::ShutdownApproved && (since.is_none() || later)
    };
    // Python's ClawTeam puts an agent's approval into its own inbox.
    let inbox = team::own_inbox_of(app, team, agent)?;
    if !inbox::find(app, team, &inbox, |message| {
        approval(message) && message.from == agent.as_str()
    })?
    .is_empty()
    {
        return Ok(true);
    }
    if record.is_some() {
        return Ok(false);
    }
    // Nobody wrote down how it runs; all that is left is what it said.
    Ok(log::newest(app, team, usize::MAX, Some(agent.as_str()))?.iter().any(approval))
}

/// Whether an agent that has ended by itself shall be started again.
pub fn should_keep_alive(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<bool> {
    if team::find(app, team)?.is_none() {
        return Ok(false);
    }
    let stopping =
        liveness::record(app, team, agent.as_str()).is_some_and(|record| record.stopping);
    Ok(!stopping && !agreed(app, team, agent)?)
}
