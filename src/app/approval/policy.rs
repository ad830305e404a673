//! What a team says about approvals in general.

use serde_json::Value;

use crate::app::{App, task};
use crate::core::{Outcome, Stamp, TaskId, TeamName};
use crate::domain::approval::{
    Actor, ActorKind, Approval, ApprovalError, Change, Decision, NewApproval, Policy, Proof,
    Ruling, Status, Verdict,
};
use crate::domain::expr::Expr;
use crate::store::{Doc, Key, Scope, StoreError};

/// Refuses a condition that can never be evaluated.
pub fn check_condition(condition: &str) -> Outcome<()> {
    Expr::compile(condition)?;
    Ok(())
}

/// The policy of a team; the common one if it has none.
pub fn load_policy(app: &App, team: &TeamName) -> Outcome<Policy> {
    let found: Option<Doc<Policy>> = app.store.load(&Key::approval_policy(team))?;
    Ok(found.map(|doc| doc.value).unwrap_or_default())
}

/// Changes the policy of a team. Only people do.
pub fn set_policy(
    app: &App,
    team: &TeamName,
    by: &Actor,
    edit: impl FnOnce(&mut Policy) -> Outcome<()>,
) -> Outcome<Policy> {
    if by.kind != ActorKind::Human {
        let (actor, what) = (by.id.clone(), "change the policy of a team");
        return Err(ApprovalError::PeopleOnly { actor, what }.into());
    }
    if app.store.backend().read(&Key::team(team))?.is_none() {
        return Err(ApprovalError::UnknownTeam { team: team.to_string() }.into());
    }
    let mut locked = app.store.lock(&Scope::Approvals(team.clone()))?;
    let key = Key::approval_policy(team);
    let found: Option<Doc<Policy>> = app.store.load(&key)?;
    let revision = found.as_ref().map(|doc| doc.revision);
    let mut policy = found.map(|doc| doc.value).unwrap_or_default();
    if !policy.is_known_format() {
        let (path, schema) = (app.store.path_of(&key), policy.schema);
        return Err(StoreError::NewerFormat { path, schema }.into());
    }
    edit(&mut policy)?;
    locked.put(key, &policy, revision)?;
    Ok(policy)
}

/// The document of the first task that a request is about, for conditions.
pub(super) fn primary_task(
    app: &App,
    team: &TeamName,
    new: &NewApproval,
) -> Outcome<Option<Value>> {
    let Some(id) = new.task_ids.first() else { return Ok(None) };
    let task = task::get(app, team, &TaskId::parse(id.clone())?)?;
    Ok(serde_json::to_value(task).ok())
}

/// What the policy of a team would say about a request, which is not made.
pub fn try_policy(app: &App, team: &TeamName, new: NewApproval) -> Outcome<(Approval, Ruling)> {
    let policy = load_policy(app, team)?;
    let task = primary_task(app, team, &new)?;
    let sample = new.make(super::fresh_id(app), team, &policy.weights, app.now())?;
    let ruling = policy.rule(&sample, task.as_ref());
    Ok((sample, ruling))
}

/// The answer of a rule that approves.
pub(super) fn approved(rule: &str, why: &str, now: chrono::DateTime<chrono::Utc>) -> Change {
    let decision = Decision {
        actor: Actor::policy(rule).id,
        kind: ActorKind::Policy,
        proof: Proof::None,
        decision: Verdict::Approve,
        comment: why.to_owned(),
        at: Stamp::at(now),
        sig: None,
    };
    Change::Answered { decision, status: Status::Approved }
}
