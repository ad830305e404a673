//! How a task was answered: its result, its failure, and its end by the workflow that made it.
//!
//! All of it stands in the task's metadata, which every program that knows tasks keeps.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::model::{Status, Task};
use super::rules::TaskError;
use crate::core::{Digest, Name, Stamp, limits, text};
use crate::domain::Extra;

/// How many late results a closed task keeps; more of them tell nothing new.
const LATE_RESULTS_MAX: usize = 20;

/// What a workflow demands before a task of it may be completed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Requires {
    /// A result.
    pub response: bool,
    /// How many characters it has at least, surrounding blanks left out.
    pub min_length: usize,
    /// At least one artifact.
    pub artifacts: bool,
}

/// Which part of which run a task belongs to: `metadata.workflow`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowRef {
    /// The run.
    pub run: Name,
    /// The node of its definition.
    #[serde(default)]
    pub node: String,
    /// The activation of the node.
    #[serde(default)]
    pub act: Value,
    /// Which attempt of it this is.
    #[serde(default)]
    pub attempt: u32,
    /// What the task's identifier was made from.
    #[serde(default)]
    pub key: String,
    /// What is demanded before it may be completed.
    #[serde(default)]
    pub requires: Requires,
}

/// Why a task failed: `metadata.failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// What went wrong.
    #[serde(default)]
    pub error: String,
    /// When that was said.
    #[serde(default)]
    pub at: Stamp,
    /// By whom.
    #[serde(default)]
    pub by: String,
}

/// Why nobody needs a task's answer any more: `metadata.closed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The reason.
    #[serde(default)]
    pub reason: String,
    /// Since when.
    #[serde(default)]
    pub at: Stamp,
}

/// A result as a task keeps it: `metadata.result`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskResult {
    /// The text, unless it is long; then it is the content with this digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The digest of the text.
    pub digest: Digest,
    /// How many bytes the text has.
    pub bytes: u64,
    /// How many characters it has, surrounding blanks left out.
    #[serde(default)]
    pub characters: usize,
    /// When it was handed in.
    pub at: Stamp,
    /// By whom.
    pub by: String,
}

/// An artifact as a task names it: in `metadata.artifacts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// Its name.
    pub name: Name,
    /// Which version.
    pub version: u32,
    /// The digest of its content.
    pub digest: Digest,
    /// How long that is.
    pub bytes: u64,
}

/// What is handed in with a change of a task.
#[derive(Debug, Clone, Default)]
pub struct Handed {
    /// A result.
    pub result: Option<String>,
    /// Artifacts of the task.
    pub artifacts: Vec<ArtifactRef>,
}

/// Whether a result is so long that it is kept outside the task.
pub fn is_long(result: &str) -> bool {
    result.len() > limits::RESULT_BYTES_INLINE
}

impl TaskResult {
    fn new(text: &str, by: &str, now: DateTime<Utc>) -> Self {
        Self {
            text: (!is_long(text)).then(|| text.to_owned()),
            digest: Digest::of(text.as_bytes()),
            bytes: text.len() as u64,
            characters: text.trim().chars().count(),
            at: Stamp::at(now),
            by: by.to_owned(),
        }
    }
}

impl Task {
    fn known<T: DeserializeOwned>(&self, field: &str) -> Option<T> {
        T::deserialize(self.metadata.get(field)?).ok()
    }

    /// Which run made the task, if one did.
    pub fn workflow(&self) -> Option<WorkflowRef> {
        self.known("workflow")
    }

    /// Why the task failed, if it did. Only as long as it is blocked: whoever moved it since,
    /// perhaps without knowing of failures, has overruled that.
    pub fn failed(&self) -> Option<Failed> {
        if self.status == Status::Blocked { self.known("failed") } else { None }
    }

    /// Why nobody needs its answer any more, if so.
    pub fn closed(&self) -> Option<Closed> {
        self.known("closed")
    }

    /// What was handed in as its result.
    pub fn result(&self) -> Option<TaskResult> {
        self.known("result")
    }

    /// The artifacts that were handed in with it.
    pub fn artifacts(&self) -> Vec<ArtifactRef> {
        self.known("artifacts").unwrap_or_default()
    }

    /// Where it stands, for people: `failed` and `closed` besides the statuses of documents.
    pub fn standing(&self) -> &'static str {
        if self.status != Status::Completed && self.closed().is_some() {
            "closed"
        } else if self.failed().is_some() {
            "failed"
        } else {
            self.status.as_str()
        }
    }

    /// Why it stands so, for people, if it failed or was closed.
    pub fn reason(&self) -> Option<String> {
        match self.standing() {
            "closed" => self.closed().map(|closed| closed.reason),
            "failed" => self.failed().map(|failed| failed.error),
            _ => None,
        }
    }

    /// Whether it will stay as it is until a person or its run does something about it.
    pub fn is_settled(&self) -> bool {
        matches!(self.standing(), "closed" | "failed")
    }
}

/// Refuses to change a task that its run has closed.
pub(super) fn refuse_closed(task: &Task) -> Result<(), TaskError> {
    match task.closed() {
        Some(closed) => {
            Err(TaskError::AttemptClosed { id: task.id.clone(), reason: closed.reason })
        }
        None => Ok(()),
    }
}

/// Refuses to go on with a task that has failed.
pub(super) fn refuse_failed(task: &Task) -> Result<(), TaskError> {
    match task.failed() {
        Some(failed) => Err(TaskError::HasFailed {
            id: task.id.clone(),
            error: failed.error,
            team: String::new(),
        }),
        None => Ok(()),
    }
}

fn value(known: &impl Serialize) -> Value {
    serde_json::to_value(known).expect("what is known of a task is JSON")
}

/// Keeps what was handed in.
pub(super) fn hand_in(task: &mut Task, handed: &Handed, by: &str, now: DateTime<Utc>) {
    if let Some(text) = &handed.result {
        task.metadata.insert("result".into(), value(&TaskResult::new(text, by, now)));
    }
    if handed.artifacts.is_empty() {
        return;
    }
    let mut artifacts = task.artifacts();
    for new in &handed.artifacts {
        match artifacts.iter_mut().find(|known| known.name == new.name) {
            Some(known) => known.clone_from(new),
            None => artifacts.push(new.clone()),
        }
    }
    task.metadata.insert("artifacts".into(), value(&artifacts));
}

/// Refuses to complete a task without what its workflow demands.
pub(super) fn check_demands(task: &Task) -> Result<(), TaskError> {
    let Some(requires) = task.workflow().map(|workflow| workflow.requires) else { return Ok(()) };
    let least = if requires.response { requires.min_length.max(1) } else { requires.min_length };
    let given = task.result().map_or(0, |result| result.characters);
    if given < least {
        let (id, team) = (task.id.clone(), String::new());
        return Err(TaskError::ResponseRequired { id, least, given, team });
    }
    if requires.artifacts && task.artifacts().is_empty() {
        let (id, team) = (task.id.clone(), String::new());
        return Err(TaskError::ArtifactRequired { id, team });
    }
    Ok(())
}

/// Notes that a task has failed. It is blocked then, which every program understands.
pub fn fail(
    task: &Task,
    error: &str,
    handed: &Handed,
    caller: &str,
    now: DateTime<Utc>,
) -> Result<Task, TaskError> {
    refuse_closed(task)?;
    if task.status == Status::Completed {
        let (id, team) = (task.id.clone(), String::new());
        return Err(TaskError::IsCompleted { id, team });
    }
    let mut failed = task.clone();
    hand_in(&mut failed, handed, caller, now);
    failed.status = Status::Blocked;
    super::rules::unlock(&mut failed);
    let error = text::cut(error, limits::RESULT_BYTES_INLINE).to_owned();
    let why = Failed { error, at: Stamp::at(now), by: caller.to_owned() };
    failed.metadata.insert("failed".into(), value(&why));
    failed.updated_at = Stamp::at(now);
    Ok(failed)
}

/// Opens a task again that was completed or has failed: what came of it moves to its history.
pub(super) fn reopen(task: &mut Task, caller: &str, now: DateTime<Utc>) {
    if task.status != Status::Completed && task.failed().is_none() {
        // It may be left from before another program moved the task.
        task.metadata.shift_remove("failed");
        return;
    }
    let mut entry = Extra::new();
    entry.insert("event".into(), "reopened".into());
    entry.insert("was".into(), task.standing().into());
    entry.insert("at".into(), value(&Stamp::at(now)));
    entry.insert("by".into(), caller.into());
    for field in ["failed", "result", "artifacts"] {
        if let Some(was) = task.metadata.shift_remove(field) {
            entry.insert(field.into(), was);
        }
    }
    append(task, "history", Value::Object(entry), usize::MAX);
}

/// Opens a task for another attempt, whatever came of it before: `new` says who does what now.
pub fn reopen_for(task: &Task, new: super::NewTask, now: DateTime<Utc>) -> Task {
    let mut opened = task.clone();
    reopen(&mut opened, "workflow", now);
    super::rules::unlock(&mut opened);
    opened.metadata.shift_remove("closed");
    opened.metadata.extend(new.metadata);
    opened.status = Status::Pending;
    opened.owner = new.owner;
    opened.description = new.description;
    opened.updated_at = Stamp::at(now);
    opened
}

/// Appends to a list in the metadata, of which at most the last `max` entries are kept.
fn append(task: &mut Task, field: &str, entry: Value, max: usize) {
    let mut list = match task.metadata.shift_remove(field) {
        Some(Value::Array(list)) => list,
        Some(other) => vec![other],
        None => Vec::new(),
    };
    list.push(entry);
    let excess = list.len().saturating_sub(max);
    list.drain(..excess);
    task.metadata.insert(field.into(), Value::Array(list));
}

/// Keeps what somebody wanted to say of a closed task, as a comment that changes nothing else.
/// `wanted` is what they wanted of it.
pub fn note_late(task: &Task, wanted: &str, said: &str, caller: &str, now: DateTime<Utc>) -> Task {
    let mut noted = task.clone();
    let mut entry = value(&TaskResult::new(said, caller, now));
    entry["wanted"] = json!(wanted);
    append(&mut noted, "lateResults", entry, LATE_RESULTS_MAX);
    noted.updated_at = Stamp::at(now);
    noted
}

/// Closes a task: nobody needs its answer any more. `None` if it is closed already.
pub fn close(task: &Task, reason: &str, now: DateTime<Utc>) -> Option<Task> {
    if task.closed().is_some() {
        return None;
    }
    let mut closed = task.clone();
    if closed.status != Status::Completed {
        closed.status = Status::Blocked;
    }
    super::rules::unlock(&mut closed);
    let why = Closed { reason: reason.to_owned(), at: Stamp::at(now) };
    closed.metadata.insert("closed".into(), value(&why));
    closed.updated_at = Stamp::at(now);
    Some(closed)
}

#[cfg(test)]
mod tests;
