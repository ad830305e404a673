//! Plans: files and messages as Python's ClawTeam has them, decided about as approvals.

use serde_json::json;

use super::{create, decide, desk, tell};
use crate::app::{App, inbox, team};
use crate::core::{AgentName, Diagnose, Exit, Failure, Name, Outcome, TeamName};
use crate::domain::approval::{
    ActorKind, Answer, Approval, Approver, Decision, NewApproval, PLAN, Proof, Requester, Verdict,
};
use crate::domain::message::{Message, MessageType};
use crate::store::{Expect, Key, Put};

use super::actor::{Presented, actor};

/// Why a plan cannot be decided about. The group keeps the exit status of Python's ClawTeam.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanError {
    /// The agent has handed in no such plan.
    #[error("'{agent}' has no plan '{plan}' in team '{team}'")]
    NotFound {
        /// Whose plan it should be.
        agent: String,
        /// The plan.
        plan: String,
        /// Where.
        team: String,
    },
    /// The approval says no.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
        /// The stable identifier of the reason.
        code: &'static str,
        /// What to do next.
        hint: Option<String>,
    },
}

impl Diagnose for PlanError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "plan_not_found",
            Self::Refused { code, .. } => code,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { team, .. } => {
                Some(format!("see what waits: clawteam approval list {team} --status pending"))
            }
            Self::Refused { hint, .. } => hint.clone(),
        }
    }
}

/// A failure as the group of plans tells it.
fn as_plan(failure: Failure) -> Failure {
    let error = failure.inner();
    if error.exit() == Exit::Busy {
        return failure;
    }
    let (code, hint) = (error.code(), error.hint());
    PlanError::Refused { message: failure.message(), code, hint }.into()
}

/// The identifier of the approval of a plan.
fn approval_id(plan: &Name) -> Outcome<Name> {
    Ok(Name::parse_as("plan id", format!("ap-{plan}"))?)
}

/// A request to decide about a plan that lies in its file.
fn request(
    app: &App,
    agent: &AgentName,
    plan: &Name,
    key: &Key,
    summary: &str,
) -> Outcome<NewApproval> {
    let caller = actor(app, &Presented::default())?;
    let author = format!("agent:{agent}");
    let other = caller.kind == ActorKind::Agent && caller.id != author;
    let requester = Requester {
        id: author,
        kind: ActorKind::Agent,
        proof: if other || caller.kind == ActorKind::Human { Proof::None } else { caller.proof },
        via: other.then_some(caller.id),
    };
    let file = app.store.path_of(key).display().to_string();
    let title =
        if summary.trim().is_empty() { format!("Plan of {agent}") } else { summary.to_owned() };
    let mut new = NewApproval::new(requester, PLAN, title, format!("{agent} handed in a plan"));
    new.id = Some(approval_id(plan)?);
    new.key = Some(format!("plan:{agent}:{plan}"));
    new.plan_id = Some(plan.to_string());
    new.approvers = vec![Approver::Anybody];
    new.payload = Some(json!({"planFile": file, "summary": summary}));
    Ok(new)
}

/// Hands in a plan: keeps its text and asks the leader for a decision. Returns the plan's id.
pub fn submit_plan(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    plan: &str,
    summary: &str,
) -> Outcome<Name> {
    // Without a leader nobody would hear of it.
    team::leader(app, team)?;
    let id = Name::parse(app.ids.hex(12))?;
    let key = Key::plan(team, agent, &id);
    app.store.backend().create(&Put::new(key.clone(), plan.as_bytes().to_vec(), Expect::Absent))?;
    create(app, team, request(app, agent, &id, &key, summary)?).map_err(as_plan)?;
    Ok(id)
}

/// The text of a plan, if there is one.
pub fn plan_text(
    app: &App,
    team: &TeamName,
    plan: &Name,
    agent: &AgentName,
) -> Outcome<Option<String>> {
    for key in [Key::plan(team, agent, plan), Key::old_plan(agent, plan)] {
        if let Some(blob) = app.store.backend().read(&key)? {
            return Ok(Some(String::from_utf8_lossy(&blob.bytes).into_owned()));
        }
    }
    Ok(None)
}

/// Decides about a plan, once. One that was handed in to Python's ClawTeam has only its file; it
/// is taken on first.
pub fn decide_plan(
    app: &App,
    team: &TeamName,
    plan: &Name,
    agent: &AgentName,
    verdict: Verdict,
    feedback: &str,
) -> Outcome<()> {
    let not_found = || PlanError::NotFound {
        agent: agent.to_string(),
        plan: plan.to_string(),
        team: team.to_string(),
    };
    let id = approval_id(plan)?;
    match desk::read(app, team, &id).map_err(as_plan)? {
        Some(truth) if truth.approval.requester.id != format!("agent:{agent}") => {
            return Err(not_found().into());
        }
        Some(_) => {}
        None => {
            let keys = [Key::plan(team, agent, plan), Key::old_plan(agent, plan)];
            let mut there = None;
            for key in keys {
                if app.store.backend().read(&key)?.is_some() {
                    there = Some(key);
                    break;
                }
            }
            let key = there.ok_or_else(not_found)?;
            let mut new = request(app, agent, plan, &key, "")?;
            // Whoever decides now did not hand it in.
            new.requester.via = None;
            new.requester.proof = Proof::None;
            new.payload = Some(
                json!({"planFile": app.store.path_of(&key).display().to_string(), "asked": true}),
            );
            create(app, team, new).map_err(as_plan)?;
        }
    }
    let answer = Answer { verdict, comment: feedback.to_owned(), sig: None };
    let presented = Presented::default();
    decide(app, team, &id, &answer, &presented, None).map_err(as_plan)?;
    Ok(())
}

/// The message that asks the leader about a plan.
pub(super) fn asked(app: &App, approval: &Approval) -> Outcome<Option<Put>> {
    let payload = approval.payload.clone().unwrap_or_default();
    if payload["asked"].as_bool().unwrap_or(false) {
        return Ok(None);
    }
    let (Some(agent), Some(plan)) =
        (approval.requester.id.strip_prefix("agent:"), &approval.plan_id)
    else {
        return Ok(None);
    };
    let (agent, plan) = (AgentName::parse(agent)?, Name::parse(plan.clone())?);
    let (leader, leader_inbox) = team::leader(app, &approval.team)?;
    let key = Key::plan(&approval.team, &agent, &plan);
    let text = app.store.backend().read(&key)?.map(|blob| blob.bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let summary = payload["summary"].as_str().unwrap_or_default();
    let summary = if summary.is_empty() { crate::core::text::cut(&text, 200) } else { summary };
    let message = Message {
        kind: MessageType::PlanApprovalRequest,
        from: agent.to_string(),
        to: Some(leader.to_string()),
        request_id: Some(plan.to_string()),
        plan_file: Some(app.store.path_of(&key).display().to_string()),
        summary: Some(summary.to_owned()),
        plan: Some(text),
        ..Message::default()
    };
    inbox::prepared(app, &approval.team, &leader_inbox, message).map(Some)
}

/// The message that tells an agent what was decided about its plan.
pub(super) fn answered(
    app: &App,
    approval: &Approval,
    decision: &Decision,
) -> Outcome<Option<Put>> {
    let Some(agent) = approval.requester.id.strip_prefix("agent:") else { return Ok(None) };
    let agent = AgentName::parse(agent)?;
    let approved = tell::verdict(approval.status) == Some(Verdict::Approve);
    let from = match decision.kind {
        ActorKind::Agent => decision.actor.trim_start_matches("agent:").to_owned(),
        // As Python's ClawTeam calls whoever has no name.
        _ => app.identity.agent_name.clone(),
    };
    let message = Message {
        kind: if approved { MessageType::PlanApproved } else { MessageType::PlanRejected },
        from,
        to: Some(agent.to_string()),
        request_id: approval.plan_id.clone(),
        feedback: (!decision.comment.is_empty()).then(|| decision.comment.clone()),
        ..Message::default()
    };
    let inbox = tell::member_inbox(app, &approval.team, &agent)?.unwrap_or(agent);
    inbox::prepared(app, &approval.team, &inbox, message).map(Some)
}
