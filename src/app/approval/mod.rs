//! Approvals: asking for one, answering, and using it once.
//!
//! The journal of an approval is the truth, and appending to it is what makes a change. The
//! document beside it and the messages about the change are one commit that follows; whoever
//! locks the approvals next makes up for one that is missing.

mod actor;
mod blob;
mod check;
mod desk;
mod keys;
mod plan;
mod policy;
mod stats;
mod tell;
mod wait;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

pub use actor::{Presented, actor, only_people, standing};
pub use blob::{attach, payload};
pub use check::{Damage, Forgery, chains, forgeries, rewrite};
pub use keys::{
    KeyDocument, TokenDocument, keys, new_token, revoke_key, revoke_token, tokens, trust_key,
};
pub use plan::{decide_plan, plan_text, submit_plan};
pub use policy::{check_condition, load_policy, set_policy, try_policy};
pub use stats::{ByRequester, Stats, stats};
pub use wait::{Wait, Waited, wait};

use super::App;
use super::task;
use crate::core::{Digest, Name, Outcome, Stamp, TaskId, TeamName};
use crate::domain::approval::{
    self, Actor, ActorKind, Answer, Approval, ApprovalError, Approver, Bound, Change, Conflict,
    NewApproval, Present, Record, Status,
};
use crate::domain::task::{REOPENED, TaskError};
use crate::store::{Dir, Key, Scope};
use desk::{Desk, Truth};

/// Which approvals are wanted; `None` is all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those that stand so.
    pub status: Option<Status>,
    /// Those about this task.
    pub task: Option<String>,
    /// Those that this run asked for.
    pub run: Option<String>,
    /// Those that this actor asked for.
    pub requester: Option<String>,
    /// Those that this actor may answer and has not.
    pub waiting_for: Option<Actor>,
    /// Those that were asked for since then.
    pub since: Option<DateTime<Utc>>,
}

/// The approval as it is at this instant: one whose time is over is shown so, even if nobody has
/// written that down yet.
fn view(mut truth: Truth, now: DateTime<Utc>) -> Approval {
    let now = truth.after(now);
    if let Some(change) = approval::due(&truth.approval, now) {
        let record = Record { rev: truth.approval.rev + 1, at: Stamp::at(now), change };
        // What is due is allowed.
        let _ = truth.approval.apply(&record);
    }
    truth.approval
}

fn not_found(team: &TeamName, id: &Name) -> ApprovalError {
    ApprovalError::NotFound { id: id.to_string(), team: team.to_string() }
}

/// An approval as it is at this instant.
pub fn load(app: &App, team: &TeamName, id: &Name) -> Outcome<Approval> {
    let truth = desk::read(app, team, id)?.ok_or_else(|| not_found(team, id))?;
    Ok(view(truth, app.now()))
}

/// The identifiers of all approvals, sorted.
fn ids(app: &App, team: &TeamName) -> Outcome<Vec<Name>> {
    let names = app.store.backend().list(&Dir::approvals(team))?;
    let mut ids: Vec<Name> =
        names.iter().filter_map(|name| Name::parse(name.strip_suffix(".jsonl")?).ok()).collect();
    ids.sort();
    Ok(ids)
}

/// All approvals as they are at this instant, oldest first. One whose journal is damaged is told
/// and passed over.
pub fn all(app: &App, team: &TeamName) -> Outcome<Vec<Approval>> {
    let mut found = Vec::new();
    for id in ids(app, team)? {
        match desk::read(app, team, &id) {
            Ok(Some(truth)) => found.push(view(truth, app.now())),
            Ok(None) => {}
            Err(failure) => app.warn(format!("passed over: {}", failure.message())),
        }
    }
    found.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
    Ok(found)
}

/// The wanted approvals, oldest first.
pub fn list(app: &App, team: &TeamName, filter: &Filter) -> Outcome<Vec<Approval>> {
    let standing = match &filter.waiting_for {
        Some(actor) => Some(standing(app, team, actor)?),
        None => None,
    };
    let mut found = all(app, team)?;
    found.retain(|a| {
        let waits = |actor: &Actor| {
            let is_lead = standing.is_some_and(|standing| standing.is_lead);
            a.status == Status::Pending
                && !a.requester.is(actor)
                && a.approvers.iter().any(|approver| approver.admits(actor, is_lead))
                && a.decisions.iter().all(|decision| decision.actor != actor.id)
        };
        filter.status.is_none_or(|status| a.status == status)
            && filter.task.as_ref().is_none_or(|task| a.task_ids.contains(task))
            && filter
                .run
                .as_ref()
                .is_none_or(|run| a.run.as_ref().is_some_and(|r| r.as_str() == run))
            && filter.requester.as_ref().is_none_or(|who| {
                a.requester.id == *who || a.requester.id.split_once(':').map(|p| p.1) == Some(who)
            })
            && filter.waiting_for.as_ref().is_none_or(waits)
            && filter.since.is_none_or(|since| a.created_at.instant().is_some_and(|at| at >= since))
    });
    Ok(found)
}

/// The digest of what a task asks for. It also changes when the task is opened again.
fn task_digest(app: &App, team: &TeamName, id: &str) -> Outcome<Option<Digest>> {
    let Ok(id) = TaskId::parse(id) else { return Ok(None) };
    match task::get(app, team, &id) {
        Ok(task) => {
            let reopened = task.metadata.get(REOPENED);
            let held = serde_json::json!([task.subject, task.description, reopened]);
            Ok(Some(Digest::of(held.to_string().as_bytes())))
        }
        Err(failure) if failure.downcast::<TaskError>().is_some() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The pending approvals about any of these tasks, but for the one that is replaced.
fn conflicts(app: &App, team: &TeamName, new: &NewApproval) -> Outcome<Vec<Conflict>> {
    if new.task_ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for other in all(app, team)? {
        if other.status != Status::Pending || new.supersedes.as_ref() == Some(&other.id) {
            continue;
        }
        found.extend(
            other
                .task_ids
                .iter()
                .filter(|task| new.task_ids.contains(task))
                .map(|task| Conflict { task: task.clone(), approval: other.id.to_string() }),
        );
    }
    Ok(found)
}

fn fresh_id(app: &App) -> Name {
    Name::parse(format!("ap-{}", app.ids.hex(8))).expect("hexadecimal digits are a good name")
}

/// Asks for an approval. The same request again, that is one with the same identifier and key,
/// gives the approval that it made, however it stands by now.
pub fn create(app: &App, team: &TeamName, mut new: NewApproval) -> Outcome<Approval> {
    if app.store.backend().read(&Key::team(team))?.is_none() {
        return Err(ApprovalError::UnknownTeam { team: team.to_string() }.into());
    }
    for id in &new.task_ids {
        let digest = task_digest(app, team, id)?;
        let digest = digest.ok_or_else(|| ApprovalError::UnknownTask { id: id.clone() })?;
        new.valid_for_revision.insert(id.clone(), digest);
    }
    let policy = load_policy(app, team)?;
    let task = policy::primary_task(app, team, &new)?;
    let mut locked = app.store.lock(&Scope::Approvals(team.clone()))?;
    let id = match new.id.clone() {
        Some(id) => {
            if let Some(mut desk) = Desk::open(app, team, &id)? {
                if desk.approval().key != new.key {
                    return Err(ApprovalError::OtherRequest { id: id.to_string() }.into());
                }
                desk.pass_time()?;
                let told = desk.finish(&mut locked)?;
                drop(locked);
                return Ok(tell::after(app, told));
            }
            id
        }
        None => fresh_id(app),
    };
    let found = conflicts(app, team, &new)?;
    if !found.is_empty() {
        return Err(ApprovalError::Conflicts(found).into());
    }
    let made = new.clone().make(id.clone(), team, &policy.weights, app.now())?;
    let mut told = Vec::new();
    if let Some(old) = &new.supersedes {
        told.extend(supersede(app, team, &mut locked, old, &made)?);
    }
    let ruling = policy.rule(&made, task.as_ref());
    let made = Approval { policy: Some(ruling.verdict.clone()), ..made };
    let mut desk = Desk::new(app, made)?;
    if let Some(rule) = ruling.approved_by {
        desk.append(policy::approved(&rule, &ruling.verdict.why, desk.now()))?;
    }
    let made = desk.finish(&mut locked)?;
    drop(locked);
    for replaced in told {
        tell::after(app, replaced);
    }
    Ok(tell::after(app, made))
}

/// The same for a run, which tries again until everything is done: people are told, too.
pub fn create_for_run(app: &App, team: &TeamName, new: NewApproval) -> Outcome<()> {
    let made = create(app, team, new)?;
    tell::again(app, &made)
}

/// Takes back the request that a new one replaces, if it still waits.
fn supersede(
    app: &App,
    team: &TeamName,
    locked: &mut crate::store::Locked<'_>,
    old: &Name,
    new: &Approval,
) -> Outcome<Option<tell::Told>> {
    let mut desk = Desk::open(app, team, old)?.ok_or_else(|| not_found(team, old))?;
    desk.pass_time()?;
    if desk.approval().status == Status::Pending {
        let by = Actor {
            id: new.requester.id.clone(),
            kind: new.requester.kind,
            proof: new.requester.proof,
        };
        let reason = format!("superseded by {}", new.id);
        let change = approval::cancel(desk.approval(), &by, &reason, desk.now())?;
        desk.append(change)?;
    }
    Ok(Some(desk.finish(locked)?))
}

/// Changes an approval by a rule, which sees it as it is at this instant.
fn change(
    app: &App,
    team: &TeamName,
    id: &Name,
    rule: impl FnOnce(&Approval, DateTime<Utc>) -> Outcome<Vec<Change>>,
) -> Outcome<Approval> {
    // Locking makes directories: first see whether there is anything to lock for.
    if desk::read(app, team, id)?.is_none() {
        return Err(not_found(team, id).into());
    }
    let mut locked = app.store.lock(&Scope::Approvals(team.clone()))?;
    let mut desk = Desk::open(app, team, id)?.ok_or_else(|| not_found(team, id))?;
    desk.pass_time()?;
    let ruled = rule(desk.approval(), desk.now());
    // Whatever the rule says, what time has done is written down.
    let (changes, refused) = match ruled {
        Ok(changes) => (changes, None),
        Err(failure) => (Vec::new(), Some(failure)),
    };
    for change in changes {
        desk.append(change)?;
    }
    let told = desk.finish(&mut locked)?;
    drop(locked);
    let approval = tell::after(app, told);
    match refused {
        Some(failure) => Err(failure),
        None => Ok(approval),
    }
}

/// Refuses if the approval is not in the state that the caller has seen.
fn check_revision(approval: &Approval, expected: Option<u64>) -> Result<(), ApprovalError> {
    match expected.filter(|expected| *expected != approval.rev) {
        Some(expected) => {
            let (id, found) = (approval.id.to_string(), approval.rev);
            Err(ApprovalError::Moved { id, expected, found })
        }
        None => Ok(()),
    }
}

/// Answers a request as whoever calls. `if_rev`: only if the approval has that revision.
pub fn decide(
    app: &App,
    team: &TeamName,
    id: &Name,
    answer: &Answer,
    presented: &Presented,
    if_rev: Option<u64>,
) -> Outcome<Approval> {
    let actor = actor(app, presented)?;
    let standing = standing(app, team, &actor)?;
    // Teams have members of the same names.
    let home = app.identity.team_name.as_deref();
    if actor.kind == ActorKind::Agent && home.is_some_and(|home| home != team.as_str()) {
        let what = "decide, as a member of another team, about";
        return Err(ApprovalError::NotYours { actor: actor.id, what, id: id.to_string() }.into());
    }
    change(app, team, id, |approval, now| {
        check_revision(approval, if_rev)?;
        let sig = presented
            .secret
            .as_ref()
            .map(|secret| secret.sign(approval, answer.verdict, &answer.comment));
        let answer = Answer { sig, ..answer.clone() };
        Ok(vec![approval::decide(approval, &answer, &actor, standing, now)?])
    })
}

/// Takes a request back as whoever calls.
pub fn cancel(
    app: &App,
    team: &TeamName,
    id: &Name,
    by: &Actor,
    reason: &str,
) -> Outcome<Approval> {
    change(app, team, id, |approval, now| Ok(vec![approval::cancel(approval, by, reason, now)?]))
}

/// Takes a given approval away because what it was given for has changed; takes back one that
/// still waits. One that ended otherwise is left as it is.
pub fn revoke(
    app: &App,
    team: &TeamName,
    id: &Name,
    by: &Actor,
    reason: &str,
) -> Outcome<Approval> {
    change(app, team, id, |approval, now| {
        Ok(match approval.status {
            Status::Pending => vec![approval::cancel(approval, by, reason, now)?],
            Status::Approved => vec![approval::invalidate(approval, by, reason)?],
            _ => Vec::new(),
        })
    })
}

/// Asks somebody else too. `until`: a new end of the time to decide.
pub fn escalate(
    app: &App,
    team: &TeamName,
    id: &Name,
    by: &Actor,
    to: &Approver,
    reason: &str,
    until: Option<Stamp>,
) -> Outcome<Approval> {
    change(app, team, id, |approval, now| {
        Ok(vec![approval::escalate(approval, by, to, reason, until, now)?])
    })
}

/// Uses an approval to let `by` pass, once; again for the same `by` changes nothing. `bound`: the
/// state of what passes, which must be the one that was approved.
pub fn consume(
    app: &App,
    team: &TeamName,
    id: &Name,
    by: &str,
    bound: Option<&Bound>,
) -> Outcome<Approval> {
    let mut tasks = BTreeMap::new();
    for task in load(app, team, id)?.valid_for_revision.into_keys() {
        let digest = task_digest(app, team, &task)?;
        tasks.insert(task, digest);
    }
    let present = Present { bound: bound.cloned(), tasks };
    let mut refused = None;
    let used = change(app, team, id, |approval, now| {
        let Some(change) = approval::consume(approval, by, now)? else { return Ok(Vec::new()) };
        if let Some(why) = approval::void(approval, &present) {
            let change = approval::invalidate(approval, &Actor::system("changed"), &why)?;
            refused = Some(ApprovalError::Void { id: approval.id.to_string(), why });
            return Ok(vec![change]);
        }
        keys::check_signatures(app, approval)?;
        Ok(vec![change])
    })?;
    match refused {
        Some(error) => Err(error.into()),
        None => Ok(used),
    }
}

/// What the document of an approval says of its time. The documents are enough to see which
/// approvals must be looked at: one that is behind its journal is looked at once too often, or is
/// made up for by the next who touches it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Glance {
    status: Status,
    expires_at: Option<Stamp>,
}

/// Writes down what time has done to the approvals of a team. Returns how many it changed.
pub fn expire_due(app: &App, team: &TeamName) -> Outcome<usize> {
    let is_document = |name: &str| name.strip_suffix(".json").is_some_and(|id| id != "policy");
    let mut changed = 0;
    for (name, glance) in app.store.list::<Glance>(&Dir::approvals(team), is_document)? {
        let at = glance.value.expires_at.as_ref().and_then(Stamp::instant);
        if glance.value.status != Status::Pending || at.is_none_or(|at| at > app.now()) {
            continue;
        }
        let Ok(id) = Name::parse(name.trim_end_matches(".json")) else { continue };
        // A damaged journal must not keep the others from being looked at.
        let Ok(Some(truth)) = desk::read(app, team, &id) else { continue };
        let before = truth.approval.rev;
        if change(app, team, &id, |_, _| Ok(Vec::new()))?.rev > before {
            changed += 1;
        }
    }
    Ok(changed)
}

/// Takes away the approvals of a task that was opened again or asks for something else now.
pub(super) fn task_changed(app: &App, team: &TeamName, task: &str, why: &str) -> Outcome<()> {
    for approval in all(app, team)? {
        let given = approval.status == Status::Approved && approval.consumed_by.is_empty();
        if given && approval.valid_for_revision.contains_key(task) {
            let reason = format!("task '{task}' {why}");
            revoke(app, team, &approval.id, &Actor::system("task"), &reason)?;
        }
    }
    Ok(())
}
