//! How tasks change.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::attempt::{self, Handed};
use super::graph;
use super::model::{Priority, Status, Task};
use crate::core::{Diagnose, Exit, Stamp, TaskId};
use crate::domain::Extra;

/// Why a task cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// There is no such task.
    #[error("Task '{0}' not found")]
    NotFound(String),
    /// Somebody else works on it.
    #[error("Task '{id}' is locked by '{holder}' (since {since}). Use --force to override.")]
    Locked {
        /// The task.
        id: String,
        /// Who works on it.
        holder: String,
        /// Since when.
        since: Stamp,
    },
    /// It was said to wait for itself.
    #[error("Task '{0}' cannot be blocked by itself")]
    BlockedByItself(String),
    /// It would wait for itself by way of others.
    #[error("Task dependencies cannot contain cycles: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// It was said to wait for a task that does not exist.
    #[error("unknown {} in --blocked-by: {}", if .0.len() == 1 { "task" } else { "tasks" }, .0.join(", "))]
    UnknownBlocker(Vec<String>),
    /// It cannot be claimed as it is.
    #[error("Task '{id}' cannot be claimed: it is {why}")]
    NotReady {
        /// The task.
        id: String,
        /// What stands in the way.
        why: String,
    },
    /// There is nothing to claim.
    #[error("No task is ready in team '{0}'")]
    NothingReady(String),
    /// The run that made it needs no answer to it any more.
    #[error("Task '{id}' is closed: {reason}")]
    AttemptClosed {
        /// The task.
        id: String,
        /// Why.
        reason: String,
    },
    /// It has failed, and nobody opened it again.
    #[error("Task '{id}' has failed: {error}")]
    HasFailed {
        /// The task.
        id: String,
        /// Why.
        error: String,
        /// The team, for the hint.
        team: String,
    },
    /// It is completed, so that it cannot fail.
    #[error("Task '{id}' is completed")]
    IsCompleted {
        /// The task.
        id: String,
        /// The team, for the hint.
        team: String,
    },
    /// Its workflow demands a result.
    #[error("Task '{id}' needs a result{}", demand(*.least, *.given))]
    ResponseRequired {
        /// The task.
        id: String,
        /// How many characters the result has at least.
        least: usize,
        /// How many it has.
        given: usize,
        /// The team, for the hint.
        team: String,
    },
    /// Its workflow demands an artifact.
    #[error("Task '{id}' needs an artifact")]
    ArtifactRequired {
        /// The task.
        id: String,
        /// The team, for the hint.
        team: String,
    },
    /// The identifier made from a key belongs to another task.
    #[error("Task '{0}' was made for something else")]
    IdTaken(String),
}

fn demand(least: usize, given: usize) -> String {
    if least <= 1 {
        return String::new();
    }
    format!(" of at least {least} characters; it has {given}")
}

impl TaskError {
    /// The same with the team, so that the hint is a command that works when pasted.
    #[must_use]
    pub fn in_team(mut self, name: &str) -> Self {
        if let Self::HasFailed { team, .. }
        | Self::IsCompleted { team, .. }
        | Self::ResponseRequired { team, .. }
        | Self::ArtifactRequired { team, .. } = &mut self
        {
            name.clone_into(team);
        }
        self
    }
}

impl Diagnose for TaskError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "task_not_found",
            Self::Locked { .. } => "task_locked",
            Self::BlockedByItself(_) => "blocked_by_itself",
            Self::Cycle(_) => "dependency_cycle",
            Self::UnknownBlocker(_) => "unknown_blocker",
            Self::NotReady { .. } => "task_not_ready",
            Self::NothingReady(_) => "nothing_ready",
            Self::AttemptClosed { .. } => "attempt_closed",
            Self::HasFailed { .. } => "task_failed",
            Self::IsCompleted { .. } => "task_completed",
            Self::ResponseRequired { .. } => "response_required",
            Self::ArtifactRequired { .. } => "artifact_required",
            Self::IdTaken(_) => "task_id_taken",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownBlocker(_) => Some(
                "create these tasks first, or say --allow-unknown to wait for them anyway".into(),
            ),
            Self::NothingReady(team) => {
                Some(format!("see what the others wait for: clawteam task list {team}"))
            }
            Self::NotFound(_) => Some("list the tasks: clawteam task list TEAM".into()),
            Self::AttemptClosed { .. } => Some(
                "nothing more is to be done about it; what you said is kept with the task".into(),
            ),
            Self::HasFailed { id, team, .. } | Self::IsCompleted { id, team } => Some(format!(
                "open it again first: clawteam task update {team} {id} --status pending"
            )),
            Self::ResponseRequired { id, team, .. } => Some(format!(
                "clawteam task update {team} {id} --status completed --result 'WHAT CAME OF IT' \
                 (or --result-file FILE)"
            )),
            Self::ArtifactRequired { id, team } => {
                Some(format!("clawteam task update {team} {id} --status completed --artifact FILE"))
            }
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::AttemptClosed { .. }
            | Self::HasFailed { .. }
            | Self::IsCompleted { .. }
            | Self::ResponseRequired { .. }
            | Self::ArtifactRequired { .. }
            | Self::IdTaken(_) => Exit::Illegal,
            _ => Exit::Failure,
        }
    }
}

/// What a new task shall be.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Its identifier.
    pub id: TaskId,
    /// What is to be done, in a line.
    pub subject: String,
    /// What is to be done, at length.
    pub description: String,
    /// How urgent it is.
    pub priority: Priority,
    /// Whose task it is; empty if it is nobody's.
    pub owner: String,
    /// Tasks that are said to wait for it.
    pub blocks: Vec<String>,
    /// Tasks that it waits for.
    pub blocked_by: Vec<String>,
    /// Whether it may wait for tasks that do not exist.
    pub allow_unknown: bool,
    /// Anything else that is known about it.
    pub metadata: Extra,
}

/// What is to be changed about a task; `None` and empty lists change nothing.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The new status.
    pub status: Option<Status>,
    /// The new owner; empty for nobody.
    pub owner: Option<String>,
    /// The new subject.
    pub subject: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// The new priority.
    pub priority: Option<Priority>,
    /// Tasks that are now said to wait for it.
    pub add_blocks: Vec<String>,
    /// Tasks that it now waits for, too.
    pub add_blocked_by: Vec<String>,
    /// Whether these may be tasks that do not exist.
    pub allow_unknown: bool,
    /// Whether to take it from whoever works on it.
    pub force: bool,
    /// What is handed in with it.
    pub handed: Handed,
    /// Notes that take the place of those of the same name, or are added.
    pub metadata: Extra,
}

/// What clawteam itself keeps in the metadata of a task; nobody else writes it.
pub const KEPT: [&str; 8] =
    ["workflow", "result", "artifacts", "failed", "closed", "history", "lateResults", REOPENED];

/// The tasks of a team by identifier, as far as a rule needs them.
pub type Others<'t> = HashMap<&'t str, &'t Task>;

/// Which of `blockers` still have to be waited for: each once, without those that are completed.
fn open_blockers(
    blockers: &[String],
    others: &Others<'_>,
    allow_unknown: bool,
) -> Result<Vec<String>, TaskError> {
    let unknown: Vec<String> =
        blockers.iter().filter(|id| !others.contains_key(id.as_str())).cloned().collect();
    if !unknown.is_empty() && !allow_unknown {
        return Err(TaskError::UnknownBlocker(unknown));
    }
    let mut open = Vec::new();
    for id in blockers {
        let done = others.get(id.as_str()).is_some_and(|task| task.status == Status::Completed);
        if !done && !open.contains(id) {
            open.push(id.clone());
        }
    }
    Ok(open)
}

/// Makes a task. Blockers that are completed already are left out.
pub fn create(new: NewTask, others: &Others<'_>, now: DateTime<Utc>) -> Result<Task, TaskError> {
    let id = new.id.to_string();
    if new.blocked_by.contains(&id) {
        return Err(TaskError::BlockedByItself(id));
    }
    let blocked_by = open_blockers(&new.blocked_by, others, new.allow_unknown)?;
    Ok(Task {
        id,
        subject: new.subject,
        description: new.description,
        status: if blocked_by.is_empty() { Status::Pending } else { Status::Blocked },
        priority: new.priority,
        owner: new.owner,
        blocks: new.blocks,
        blocked_by,
        created_at: Stamp::at(now),
        updated_at: Stamp::at(now),
        metadata: new.metadata,
        ..Task::default()
    })
}

/// Changes a task for `caller`. `holder_is_dead`: whether the agent that works on it is known not
/// to run any more.
pub fn update(
    task: &Task,
    change: &Change,
    caller: &str,
    holder_is_dead: bool,
    others: &Others<'_>,
    now: DateTime<Utc>,
) -> Result<Task, TaskError> {
    attempt::refuse_closed(task)?;
    if matches!(change.status, Some(Status::InProgress | Status::Completed)) {
        attempt::refuse_failed(task)?;
    }
    let mut changed = task.clone();
    attempt::hand_in(&mut changed, &change.handed, caller, now);
    match change.status {
        Some(Status::InProgress) => {
            take(&mut changed, caller, change.force || holder_is_dead, now)?;
            if change.owner.is_none() && changed.owner.is_empty() {
                caller.clone_into(&mut changed.owner);
            }
        }
        Some(Status::Completed) => {
            attempt::check_demands(&changed)?;
            complete(&mut changed, now);
        }
        Some(Status::Pending) => {
            attempt::reopen(&mut changed, caller, now);
            release(&mut changed, now);
        }
        Some(Status::Blocked) => changed.status = Status::Blocked,
        None => {}
    }
    if task.status == Status::Completed && changed.status != Status::Completed {
        let before = task.metadata.get(REOPENED).and_then(Value::as_u64).unwrap_or(0);
        changed.metadata.insert(REOPENED.into(), Value::from(before + 1));
    }
    changed.metadata.extend(change.metadata.clone());
    if let Some(owner) = &change.owner {
        changed.owner.clone_from(owner);
    }
    if let Some(subject) = &change.subject {
        changed.subject.clone_from(subject);
    }
    if let Some(description) = &change.description {
        changed.description.clone_from(description);
    }
    if let Some(priority) = change.priority {
        changed.priority = priority;
    }
    for id in &change.add_blocks {
        if !changed.blocks.contains(id) {
            changed.blocks.push(id.clone());
        }
    }
    add_blockers(&mut changed, change, others)?;
    changed.updated_at = Stamp::at(now);
    Ok(changed)
}

fn add_blockers(task: &mut Task, change: &Change, others: &Others<'_>) -> Result<(), TaskError> {
    if change.add_blocked_by.is_empty() {
        return Ok(());
    }
    if change.add_blocked_by.contains(&task.id) {
        return Err(TaskError::BlockedByItself(task.id.clone()));
    }
    let added = open_blockers(&change.add_blocked_by, others, change.allow_unknown)?;
    let waits_for = |id: &str| others.get(id).map_or(&[][..], |other| &other.blocked_by);
    if let Some(cycle) = graph::cycle_through(&task.id, &added, waits_for) {
        return Err(TaskError::Cycle(cycle));
    }
    for id in added {
        if !task.blocked_by.contains(&id) {
            task.blocked_by.push(id);
        }
    }
    if task.status == Status::Pending && !task.blocked_by.is_empty() {
        task.status = Status::Blocked;
    }
    Ok(())
}

/// How often a completed task was opened again, among a task's metadata. What was approved about a
/// task does not hold for it any more when it was.
pub const REOPENED: &str = "reopened";

/// Why what was approved about a task does not hold for it any more, if it does not.
pub fn regated(before: &Task, after: &Task) -> Option<&'static str> {
    if before.metadata.get(REOPENED) != after.metadata.get(REOPENED) {
        return Some("was opened again");
    }
    let same = before.subject == after.subject && before.description == after.description;
    (!same).then_some("asks for something else now")
}

/// Gives a task to `caller`, unless somebody else has it.
fn take(task: &mut Task, caller: &str, anyway: bool, now: DateTime<Utc>) -> Result<(), TaskError> {
    if !task.locked_by.is_empty() && task.locked_by != caller && !anyway {
        return Err(TaskError::Locked {
            id: task.id.clone(),
            holder: task.locked_by.clone(),
            since: task.locked_at.clone(),
        });
    }
    task.status = Status::InProgress;
    caller.clone_into(&mut task.locked_by);
    task.locked_at = if caller.is_empty() { Stamp::empty() } else { Stamp::at(now) };
    if task.started_at.is_empty() {
        task.started_at = Stamp::at(now);
    }
    Ok(())
}

fn complete(task: &mut Task, now: DateTime<Utc>) {
    task.status = Status::Completed;
    unlock(task);
    if let Some(started) = task.started_at.instant() {
        let seconds = (now - started).as_seconds_f64();
        let rounded = (seconds * 100.0).round() / 100.0;
        task.metadata.insert("duration_seconds".into(), Value::from(rounded));
    }
}

/// Gives a task back: nobody works on it any more.
pub fn release(task: &mut Task, now: DateTime<Utc>) {
    task.status = Status::Pending;
    unlock(task);
    task.updated_at = Stamp::at(now);
}

pub(super) fn unlock(task: &mut Task) {
    task.locked_by.clear();
    task.locked_at = Stamp::empty();
}

/// Claims a task for `caller`: it must be ready, that is unblocked, unclaimed and not another's.
pub fn claim(
    task: &Task,
    caller: &str,
    others: &Others<'_>,
    now: DateTime<Utc>,
) -> Result<Task, TaskError> {
    attempt::refuse_closed(task)?;
    let not_ready = |why: String| TaskError::NotReady { id: task.id.clone(), why };
    if let Some(why) = super::select::obstacle(task, caller, others) {
        return Err(not_ready(why));
    }
    let mut claimed = task.clone();
    claimed.blocked_by.retain(|id| super::select::is_open(id, others));
    take(&mut claimed, caller, false, now)?;
    if claimed.owner.is_empty() {
        caller.clone_into(&mut claimed.owner);
    }
    claimed.updated_at = Stamp::at(now);
    Ok(claimed)
}

/// The tasks that change because `completed` is done: it is taken from what they wait for, and
/// those that wait for nothing any more are pending.
pub fn complete_dependents<'t>(
    completed: &str,
    tasks: impl Iterator<Item = &'t Task>,
    now: DateTime<Utc>,
) -> Vec<Task> {
    tasks
        .filter(|task| task.id != completed && task.blocked_by.iter().any(|id| id == completed))
        .map(|task| {
            let mut released = task.clone();
            released.blocked_by.retain(|id| id != completed);
            let waits = released.status == Status::Blocked && !released.is_settled();
            if released.blocked_by.is_empty() && waits {
                released.status = Status::Pending;
            }
            released.updated_at = Stamp::at(now);
            released
        })
        .collect()
}

#[cfg(test)]
mod tests;
