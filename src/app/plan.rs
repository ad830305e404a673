//! Plans that agents hand in for a decision.

use super::App;
use super::inbox::{self, Draft};
use super::team;
use crate::core::{AgentName, Name, Outcome, TeamName, text};
use crate::domain::message::{Message, MessageType};
use crate::store::{Expect, Key, Put};

/// Hands in a plan: keeps its text and asks the leader for a decision. Returns the plan's id.
pub fn submit(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    plan: &str,
    summary: &str,
) -> Outcome<Name> {
    let (leader, leader_inbox) = team::leader(app, team)?;
    let id = Name::parse(app.ids.hex(12))?;
    let key = Key::plan(team, agent, &id);
    app.store.backend().create(&Put::new(key.clone(), plan.as_bytes().to_vec(), Expect::Absent))?;
    let summary = if summary.is_empty() { text::cut(plan, 200) } else { summary };
    let message = Message {
        kind: MessageType::PlanApprovalRequest,
        request_id: Some(id.to_string()),
        plan_file: Some(app.store.path_of(&key).display().to_string()),
        summary: Some(summary.to_owned()),
        plan: Some(plan.to_owned()),
        ..Message::default()
    };
    let draft = Draft { message, from: Some(agent.to_string()) };
    inbox::deliver(app, team, &leader_inbox, Some(leader.to_string()), draft)?;
    Ok(id)
}

/// Tells an agent what was decided about its plan.
pub fn decide(
    app: &App,
    team: &TeamName,
    plan: &Name,
    agent: &AgentName,
    approved: bool,
    feedback: &str,
) -> Outcome<()> {
    let message = Message {
        kind: if approved { MessageType::PlanApproved } else { MessageType::PlanRejected },
        request_id: Some(plan.to_string()),
        feedback: (!feedback.is_empty()).then(|| feedback.to_owned()),
        ..Message::default()
    };
    inbox::send(app, team, agent.as_str(), Draft { message, from: None })?;
    Ok(())
}
