//! Answering a task: with a result, with artifacts, or by saying that it failed.

use super::{App, by_id, commit_one, load, update, wake};
use crate::app::artifact;
use crate::core::{Digest, Failure, Name, Outcome, TaskId, TeamName};
use crate::domain::artifact::Owner;
use crate::domain::task::{self, ArtifactRef, Change, Handed, Status, Task, TaskError};
use crate::store::Scope;

/// What is handed in with a task.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// What came of it.
    pub result: Option<String>,
    /// What was made.
    pub artifacts: Vec<NewArtifact>,
}

/// Something that was made.
#[derive(Debug, Clone)]
pub struct NewArtifact {
    /// Its name among the artifacts of the task.
    pub name: Name,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// The file that it comes from.
    pub source: String,
}

/// Changes a task for `caller`, with what is handed in. To a closed task nothing is done, but what
/// was said is kept with it.
pub fn answer(
    app: &App,
    team: &TeamName,
    id: &TaskId,
    change: Change,
    answer: Answer,
    caller: &str,
) -> Outcome<Task> {
    let current = load(app, team, id)?.value;
    let wanted = change.status.map_or("changed", Status::as_str);
    // What will be refused shall not leave artifacts behind.
    let trial = Change { handed: handed(&answer, Vec::new()), ..change.clone() };
    let seen = task::update(&current, &trial, caller, true, &by_id(&[]), app.now());
    if let Err(error) = seen
        && is_about_answers(&error)
    {
        return Err(refused(app, team, id, error, wanted, &answer, caller));
    }
    let handed = keep(app, team, id, &answer)?;
    match update(app, team, id, &Change { handed, ..change.clone() }, caller) {
        Err(failure) => match failure.downcast::<TaskError>() {
            // It was closed just now.
            Some(error @ TaskError::AttemptClosed { .. }) => {
                Err(refused(app, team, id, error.clone(), wanted, &answer, caller))
            }
            _ => Err(failure),
        },
        changed => changed,
    }
}

/// Notes for `caller` that a task has failed, with what is handed in.
pub fn fail(
    app: &App,
    team: &TeamName,
    id: &TaskId,
    error: &str,
    answer: Answer,
    caller: &str,
) -> Outcome<Task> {
    let attempt =
        |handed: &Handed, current: &Task| task::fail(current, error, handed, caller, app.now());
    let said = Answer {
        result: Some(answer.result.clone().unwrap_or_else(|| error.to_owned())),
        artifacts: Vec::new(),
    };
    let refuse = |refusal| refused(app, team, id, refusal, "failed", &said, caller);
    if let Err(refusal) = attempt(&Handed::default(), &load(app, team, id)?.value) {
        return Err(refuse(refusal));
    }
    let handed = keep(app, team, id, &answer)?;
    let mut locked = app.store.lock(&Scope::Tasks(team.clone()))?;
    let current = load(app, team, id)?;
    let failed = match attempt(&handed, &current.value) {
        Ok(failed) => failed,
        Err(refusal) => {
            drop(locked);
            return Err(refuse(refusal));
        }
    };
    commit_one(&mut locked, team, &failed, Some(current.revision))?;
    drop(locked);
    wake(app, team, [&failed]);
    super::tell_changes(app, team, [(&current.value, &failed)]);
    Ok(failed)
}

/// The result of a task as it was handed in; `None` if there is none.
pub fn result_text(app: &App, task: &Task) -> Outcome<Option<String>> {
    let Some(result) = task.result() else { return Ok(None) };
    if result.text.is_some() {
        return Ok(result.text);
    }
    let bytes = artifact::get_blob(app, &result.digest)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Whether a refusal will stand whatever other tasks do.
fn is_about_answers(error: &TaskError) -> bool {
    matches!(
        error,
        TaskError::AttemptClosed { .. }
            | TaskError::HasFailed { .. }
            | TaskError::ResponseRequired { .. }
            | TaskError::ArtifactRequired { .. }
    )
}

/// What is handed in as the task will name it; `versions` are those of the artifacts, if they are
/// known already.
fn handed(answer: &Answer, versions: Vec<ArtifactRef>) -> Handed {
    let unknown = |new: &NewArtifact| ArtifactRef {
        name: new.name.clone(),
        version: 0,
        digest: Digest::of(&[]),
        bytes: new.bytes.len() as u64,
    };
    let artifacts =
        if versions.is_empty() { answer.artifacts.iter().map(unknown).collect() } else { versions };
    Handed { result: answer.result.clone(), artifacts }
}

/// Keeps artifacts and a long result, before the task names them.
fn keep(app: &App, team: &TeamName, id: &TaskId, answer: &Answer) -> Outcome<Handed> {
    if let Some(result) = answer.result.as_ref().filter(|result| task::is_long(result)) {
        artifact::put_blob(app, result.clone().into_bytes())?;
    }
    let owner = Owner::task(id);
    let mut versions = Vec::new();
    for new in &answer.artifacts {
        let bytes = new.bytes.clone();
        let added = artifact::add(app, team, &owner, &new.name, bytes, &new.source)?;
        versions.push(ArtifactRef {
            name: new.name.clone(),
            version: added.version,
            digest: added.digest,
            bytes: added.bytes,
        });
    }
    Ok(handed(answer, versions))
}

/// The failure to tell. What was said of a closed task is kept with it first.
fn refused(
    app: &App,
    team: &TeamName,
    id: &TaskId,
    error: TaskError,
    wanted: &str,
    answer: &Answer,
    caller: &str,
) -> Failure {
    if let (TaskError::AttemptClosed { .. }, Some(said)) = (&error, &answer.result)
        && let Err(failure) = keep_late(app, team, id, wanted, said, caller)
    {
        app.warn(format!("what you said could not be kept: {}", failure.message()));
    }
    error.in_team(team.as_str()).into()
}

fn keep_late(
    app: &App,
    team: &TeamName,
    id: &TaskId,
    wanted: &str,
    said: &str,
    caller: &str,
) -> Outcome<()> {
    if task::is_long(said) {
        artifact::put_blob(app, said.to_owned().into_bytes())?;
    }
    let mut locked = app.store.lock(&Scope::Tasks(team.clone()))?;
    let current = load(app, team, id)?;
    let noted = task::note_late(&current.value, wanted, said, caller, app.now());
    commit_one(&mut locked, team, &noted, Some(current.revision))
}
