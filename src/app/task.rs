//! Tasks of a team.

mod answer;
mod keyed;

use std::collections::{BTreeSet, HashMap};

use super::{App, approval, hook, workflow};
use crate::core::{Name, Outcome, TaskId, TeamName};
use crate::domain::event::Event;
use crate::domain::task::{
    self, Change, NewTask, OnDisk, Priority, Stats, Status, Task, TaskError,
};
use crate::store::{
    Commit, Dir, Doc, Expect, Key, Locked, Put, Revision, Scope, StoreError, encode,
};

pub use answer::{Answer, NewArtifact, answer, fail, result_text};
pub use keyed::{close, create_keyed, take_up};

/// Which tasks are wanted; `None` is all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those that stand so.
    pub status: Option<Status>,
    /// Those of this owner.
    pub owner: Option<String>,
    /// Those of this priority.
    pub priority: Option<Priority>,
    /// The most urgent first, rather than the oldest.
    pub by_priority: bool,
}

fn is_task_file(name: &str) -> bool {
    name.strip_prefix("task-").and_then(|rest| rest.strip_suffix(".json")).is_some()
}

/// The identifier in a file name; it counts, whatever the document says.
fn id_in(file: &str) -> &str {
    file.strip_prefix("task-").and_then(|rest| rest.strip_suffix(".json")).unwrap_or(file)
}

/// All tasks as documents, in the order of their files.
#[expect(clippy::vec_box, reason = "sorting and passing on moves what is in the list")]
pub(super) fn documents(app: &App, team: &TeamName) -> Result<Vec<Box<Doc<Task>>>, StoreError> {
    let listed = app.store.list::<Task>(&Dir::tasks(team), is_task_file)?;
    let named = listed.into_iter().map(|(file, mut doc)| {
        let id = id_in(&file);
        if doc.value.id != id {
            id.clone_into(&mut doc.value.id);
        }
        doc
    });
    Ok(named.collect())
}

/// All tasks, oldest first.
pub fn all(app: &App, team: &TeamName) -> Outcome<Vec<Task>> {
    let mut docs = app.store.read(&Scope::Tasks(team.clone()), || documents(app, team))??;
    docs.sort_by(|a, b| {
        (&a.value.created_at, &a.value.id).cmp(&(&b.value.created_at, &b.value.id))
    });
    Ok(docs.into_iter().map(|doc| doc.value).collect())
}

/// The wanted tasks, in the order of their creation unless the most urgent shall come first.
pub fn list(app: &App, team: &TeamName, filter: &Filter) -> Outcome<Vec<Task>> {
    let mut tasks = all(app, team)?;
    tasks.retain(|task| {
        filter.status.is_none_or(|status| task.status == status)
            && filter.owner.as_ref().is_none_or(|owner| task.owner == *owner)
            && filter.priority.is_none_or(|priority| task.priority == priority)
    });
    if filter.by_priority {
        tasks.sort_by_key(|task| task.priority);
    }
    Ok(tasks)
}

/// A task.
pub fn get(app: &App, team: &TeamName, id: &TaskId) -> Outcome<Task> {
    Ok(load(app, team, id)?.value)
}

fn load(app: &App, team: &TeamName, id: &TaskId) -> Outcome<Doc<Task>> {
    let found = app.store.load::<Task>(&Key::task(team, id))?;
    let mut doc = found.ok_or_else(|| TaskError::NotFound(id.to_string()))?;
    doc.value.id = id.to_string();
    Ok(doc)
}

pub(super) fn put(team: &TeamName, task: &Task, revision: Option<Revision>) -> Outcome<Put> {
    let key = Key::task(team, &TaskId::parse(task.id.clone())?);
    let expect = revision.map_or(Expect::Absent, Expect::Revision);
    Ok(Put::new(key, encode(&OnDisk::of(task)), expect))
}

fn by_id(docs: &[Box<Doc<Task>>]) -> HashMap<&str, &Task> {
    docs.iter().map(|doc| (doc.value.id.as_str(), &doc.value)).collect()
}

/// A fresh task identifier.
pub fn fresh_id(app: &App) -> TaskId {
    TaskId::parse(app.ids.hex(8)).expect("hexadecimal digits are a good identifier")
}

/// Makes a task, if no hook refuses it.
pub fn create(app: &App, team: &TeamName, new: NewTask) -> Outcome<Task> {
    hook::ask(app, about_to_create(team, &new.subject, &new.owner))?;
    create_now(app, team, new)
}

/// What hooks hear of a task that is about to be made.
pub(super) fn about_to_create(team: &TeamName, subject: &str, owner: &str) -> Event {
    Event::new("BeforeTaskCreate", team.as_str()).with("subject", subject).with("owner", owner)
}

/// Tells hooks of tasks that were changed: each as it was and as it is.
fn tell_changes<'t>(
    app: &App,
    team: &TeamName,
    changes: impl IntoIterator<Item = (&'t Task, &'t Task)>,
) {
    let mut events = Vec::new();
    for (before, after) in changes {
        events.push(
            Event::new("AfterTaskUpdate", team.as_str())
                .with("task_id", after.id.as_str())
                .with("old_status", before.status.as_str())
                .with("new_status", after.status.as_str())
                .with("owner", after.owner.as_str()),
        );
        if after.status == Status::Completed && before.status != Status::Completed {
            events.push(
                Event::new("TaskCompleted", team.as_str())
                    .with("task_id", after.id.as_str())
                    .with("owner", after.owner.as_str())
                    .with("duration_seconds", after.duration_seconds()),
            );
        }
    }
    hook::emit_all(app, events);
}

fn create_now(app: &App, team: &TeamName, new: NewTask) -> Outcome<Task> {
    if new.blocked_by.is_empty() {
        // Nobody can know of the task yet and it depends on no other: no lock is needed.
        let made = task::create(new, &HashMap::new(), app.now())?;
        app.store.backend().create(&put(team, &made, None)?)?;
        return Ok(made);
    }
    let mut locked = app.store.lock(&Scope::Tasks(team.clone()))?;
    let mut blockers = Vec::new();
    for id in &new.blocked_by {
        if let Ok(id) = TaskId::parse(id.clone())
            && let Some(mut doc) = app.store.load::<Task>(&Key::task(team, &id))?
        {
            doc.value.id = id.to_string();
            blockers.push(Box::new(doc));
        }
    }
    let made = task::create(new, &by_id(&blockers), app.now())?;
    // What it waits for must still stand as it was looked at.
    let expects = blockers.iter().map(|doc| {
        let id = TaskId::parse(doc.value.id.clone())?;
        Ok((Key::task(team, &id), Expect::Revision(doc.revision)))
    });
    let expects = expects.collect::<Outcome<Vec<_>>>()?;
    locked.commit(&Commit { expects, puts: vec![put(team, &made, None)?], deletes: vec![] })?;
    Ok(made)
}

/// Changes a task for `caller`. Completing it releases the tasks that wait for it, in the same
/// commit.
pub fn update(
    app: &App,
    team: &TeamName,
    id: &TaskId,
    change: &Change,
    caller: &str,
) -> Outcome<Task> {
    // Locking makes directories: first see whether there is a task at all.
    let seen = load(app, team, id)?.value;
    let holder = seen.locked_by.as_str();
    let takes = change.status == Some(Status::InProgress) && !holder.is_empty() && holder != caller;
    let holder_is_dead = takes && super::liveness::of(app, team, holder) == Some(false);

    let mut locked = app.store.lock(&Scope::Tasks(team.clone()))?;
    let current = load(app, team, id)?;
    let needs_others = !change.add_blocked_by.is_empty()
        || change.status == Some(Status::Completed)
        || (change.status.is_none() && current.value.status == Status::Completed);
    let docs = if needs_others { documents(app, team)? } else { Vec::new() };
    let dead = holder_is_dead && current.value.locked_by == holder;
    let changed = task::update(&current.value, change, caller, dead, &by_id(&docs), app.now())
        .map_err(|error| error.in_team(team.as_str()))?;

    let mut puts = vec![put(team, &changed, Some(current.revision))?];
    let mut released = Vec::new();
    if changed.status == Status::Completed {
        let more;
        (released, more) = releases(app, team, &changed.id, &docs)?;
        puts.extend(more);
    }
    locked.commit(&Commit { puts, ..Commit::default() })?;
    drop(locked);
    if let Some(why) = task::regated(&current.value, &changed) {
        approval::task_changed(app, team, &changed.id, why)?;
    }
    wake(app, team, std::iter::once(&changed).chain(&released));
    tell_changes(app, team, [(&current.value, &changed)]);
    Ok(changed)
}

/// Wakes the runs that these tasks belong to. Not under a lock: whoever wakes a run may go on to
/// step it.
fn wake<'t>(app: &App, team: &TeamName, tasks: impl IntoIterator<Item = &'t Task>) {
    let tasks: Vec<&Task> = tasks.into_iter().collect();
    let runs: BTreeSet<Name> = tasks.iter().filter_map(|task| Some(task.workflow()?.run)).collect();
    for run in &runs {
        workflow::wake(app, team, run);
    }
    if tasks.iter().any(|task| task.status == Status::Completed) {
        workflow::happened(app, team);
    }
}

/// The tasks that are released because `completed` is done, and how to write them.
fn releases(
    app: &App,
    team: &TeamName,
    completed: &str,
    docs: &[Box<Doc<Task>>],
) -> Outcome<(Vec<Task>, Vec<Put>)> {
    let revisions: HashMap<&str, Revision> =
        docs.iter().map(|doc| (doc.value.id.as_str(), doc.revision)).collect();
    let released =
        task::complete_dependents(completed, docs.iter().map(|doc| &doc.value), app.now());
    let puts = released.iter().map(|task| {
        let revision = revisions.get(task.id.as_str()).copied();
        put(team, task, revision)
    });
    let puts = puts.collect::<Outcome<Vec<_>>>()?;
    Ok((released, puts))
}

/// The tasks that `caller` can claim, the best first.
pub fn ready(app: &App, team: &TeamName, caller: &str) -> Outcome<Vec<Task>> {
    let tasks = all(app, team)?;
    Ok(task::ready(&tasks, caller).into_iter().cloned().collect())
}

/// Claims a task for `caller`: this one, or the best that is ready. If none is, the tasks of
/// agents that are known to have died become anybody's: nobody else might see to that.
pub fn claim(app: &App, team: &TeamName, id: Option<&TaskId>, caller: &str) -> Outcome<Task> {
    match claim_now(app, team, id, caller) {
        Err(failure) if id.is_none() && failure.inner().code() == "nothing_ready" => {
            if !disown_dead(app, team)? {
                return Err(failure);
            }
            claim_now(app, team, None, caller)
        }
        claimed => claimed,
    }
}

/// Takes unfinished tasks from agents that are known to have died. Whether there were any.
fn disown_dead(app: &App, team: &TeamName) -> Outcome<bool> {
    release_of_dead(app, team)?;
    let alive = super::liveness::all(app, team);
    let is_dead = |agent: &str| alive.get(agent).copied().flatten() == Some(false);
    let orphaned = |task: &Task| {
        // What has failed or is closed is nobody's to claim.
        let open = matches!(task.standing(), "pending" | "blocked");
        open && is_dead(&task.owner)
    };
    let mut locked = app.store.lock(&Scope::Tasks(team.clone()))?;
    let mut puts = Vec::new();
    for doc in documents(app, team)?.iter().filter(|doc| orphaned(&doc.value)) {
        let mut task = doc.value.clone();
        task.owner.clear();
        task.updated_at = app.stamp();
        puts.push(put(team, &task, Some(doc.revision))?);
    }
    let any = !puts.is_empty();
    locked.commit(&Commit { puts, ..Commit::default() })?;
    Ok(any)
}

/// Gives back the tasks in progress of agents that are known to have died.
pub fn release_of_dead(app: &App, team: &TeamName) -> Outcome<Vec<Task>> {
    let alive = super::liveness::all(app, team);
    let is_dead = |agent: &str| alive.get(agent).copied().flatten() == Some(false);
    if !alive.values().any(|alive| *alive == Some(false)) {
        return Ok(Vec::new());
    }
    release_where(app, team, |task| is_dead(worker(task)))
}

/// Who works on a task in progress.
pub fn worker(task: &Task) -> &str {
    if task.locked_by.is_empty() { &task.owner } else { &task.locked_by }
}

fn claim_now(app: &App, team: &TeamName, id: Option<&TaskId>, caller: &str) -> Outcome<Task> {
    if let Some(id) = id {
        load(app, team, id)?;
    } else if app.store.backend().list(&Dir::tasks(team))?.is_empty() {
        return Err(TaskError::NothingReady(team.to_string()).into());
    }
    let mut locked = app.store.lock(&Scope::Tasks(team.clone()))?;
    let docs = documents(app, team)?;
    let others = by_id(&docs);
    let chosen = if let Some(id) = id {
        others.get(id.as_str()).map(|task| (*task).clone())
    } else {
        let tasks: Vec<Task> = docs.iter().map(|doc| doc.value.clone()).collect();
        task::ready(&tasks, caller).first().map(|task| (*task).clone())
    };
    let chosen = match (chosen, id) {
        (Some(task), _) => task,
        (None, Some(id)) => return Err(TaskError::NotFound(id.to_string()).into()),
        (None, None) => return Err(TaskError::NothingReady(team.to_string()).into()),
    };
    let claimed = task::claim(&chosen, caller, &others, app.now())?;
    let revision = docs.iter().find(|doc| doc.value.id == claimed.id).map(|doc| doc.revision);
    commit_one(&mut locked, team, &claimed, revision)?;
    drop(locked);
    wake(app, team, [&claimed]);
    tell_changes(app, team, [(&chosen, &claimed)]);
    Ok(claimed)
}

fn commit_one(
    locked: &mut Locked<'_>,
    team: &TeamName,
    task: &Task,
    revision: Option<Revision>,
) -> Outcome<()> {
    let puts = vec![put(team, task, revision)?];
    locked.commit(&Commit { puts, ..Commit::default() })?;
    Ok(())
}

/// Gives back every task in progress that `wanted` picks, and returns these as they were.
pub fn release_where(
    app: &App,
    team: &TeamName,
    wanted: impl Fn(&Task) -> bool,
) -> Outcome<Vec<Task>> {
    let picked = |task: &Task| task.status == Status::InProgress && wanted(task);
    // Most often there is nothing to do, which needs no lock.
    if !documents(app, team)?.iter().any(|doc| picked(&doc.value)) {
        return Ok(Vec::new());
    }
    let mut locked = app.store.lock(&Scope::Tasks(team.clone()))?;
    let docs = documents(app, team)?;
    let (mut released, mut after) = (Vec::new(), Vec::new());
    let mut puts = Vec::new();
    for doc in docs.iter().filter(|doc| picked(&doc.value)) {
        let mut task = doc.value.clone();
        task::release(&mut task, app.now());
        puts.push(put(team, &task, Some(doc.revision))?);
        released.push(doc.value.clone());
        after.push(task);
    }
    locked.commit(&Commit { puts, ..Commit::default() })?;
    drop(locked);
    wake(app, team, &released);
    tell_changes(app, team, released.iter().zip(&after));
    Ok(released)
}

/// How many tasks stand where.
pub fn stats(app: &App, team: &TeamName) -> Outcome<Stats> {
    Ok(task::stats(&all(app, team)?))
}
