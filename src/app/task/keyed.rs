//! Tasks that a workflow makes: once for a key, and closed when nobody needs them any more.

use super::{App, commit_one, create_now, load};
use crate::app::hook;
use crate::core::{Outcome, TaskId, TeamName};
use crate::domain::task::{self, NewTask, Task, TaskError};
use crate::store::{Key, Scope, StoreError};

fn key_of(metadata: &crate::domain::Extra) -> Option<&str> {
    metadata.get("workflow")?.get("key")?.as_str()
}

/// Makes the task `id`, unless it was made before for the same `metadata.workflow.key`: then it is
/// returned as it is, wherever it stands. A task of that identifier with another key is refused
/// with `task_id_taken`; the caller takes a longer one.
pub fn create_keyed(app: &App, team: &TeamName, id: TaskId, new: NewTask) -> Outcome<Task> {
    let new = NewTask { id: id.clone(), ..new };
    let key = key_of(&new.metadata).map(str::to_owned);
    let same = |known: Task| {
        if key.is_none() || key_of(&known.metadata) != key.as_deref() {
            return Err(TaskError::IdTaken(id.to_string()).into());
        }
        // Whoever made it may have ended before it was durable.
        app.store.backend().anchor(&Key::task(team, &id))?;
        Ok(known)
    };
    if let Some(mut doc) = app.store.load::<Task>(&Key::task(team, &id))? {
        doc.value.id = id.to_string();
        return same(doc.value);
    }
    // A run has decided to make it: a hook hears of it, but cannot refuse it.
    hook::emit(app, super::about_to_create(team, &new.subject, &new.owner));
    match create_now(app, team, new) {
        Err(failure) => {
            let conflict = matches!(failure.downcast(), Some(StoreError::Conflict { .. }));
            // Somebody was faster, perhaps with the same task.
            if conflict { same(load(app, team, &id)?.value) } else { Err(failure) }
        }
        made => made,
    }
}

/// Closes a task that nobody needs an answer to any more: nobody can change or claim it, and its
/// lock is let go. One that is completed stays so. Closing twice, or what does not exist, is fine.
///
/// Does not wake the run: it is the run that closes its tasks.
pub fn close(app: &App, team: &TeamName, id: &TaskId, reason: &str) -> Outcome<()> {
    let is_there = |outcome: Outcome<_>| match outcome {
        Err(failure) if failure.inner().code() == "task_not_found" => Ok(None),
        other => other.map(Some),
    };
    // Locking makes directories: first see whether there is a task at all.
    if is_there(load(app, team, id))?.is_none() {
        return Ok(());
    }
    let mut locked = app.store.lock(&Scope::Tasks(team.clone()))?;
    let Some(current) = is_there(load(app, team, id))? else { return Ok(()) };
    let Some(closed) = task::close(&current.value, reason, app.now()) else {
        // Whoever closed it may have ended before that was durable.
        return Ok(app.store.backend().anchor(&Key::task(team, id))?);
    };
    commit_one(&mut locked, team, &closed, Some(current.revision))
}

/// Gives a task that is there to an attempt of a run: it is open again, and its answer is the
/// attempt's. The same attempt again changes nothing.
pub fn take_up(app: &App, team: &TeamName, id: &TaskId, new: NewTask) -> Outcome<Task> {
    load(app, team, id)?;
    let mut locked = app.store.lock(&Scope::Tasks(team.clone()))?;
    let current = load(app, team, id)?;
    if key_of(&new.metadata).is_some() && key_of(&current.value.metadata) == key_of(&new.metadata) {
        app.store.backend().anchor(&Key::task(team, id))?;
        return Ok(current.value);
    }
    let opened = task::reopen_for(&current.value, new, app.now());
    commit_one(&mut locked, team, &opened, Some(current.revision))?;
    Ok(opened)
}
