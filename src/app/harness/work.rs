//! Contracts, and the tasks that are made of them.

use serde::Serialize;
use serde_json::{Value, json};

use super::id_of;
use crate::app::{App, task, team};
use crate::core::{Digest, Name, Outcome, TaskId, TeamName};
use crate::domain::Extra;
use crate::domain::harness::contract::{self, Contract, is_contract_file};
use crate::domain::harness::{EXECUTOR, Harness, texts};
use crate::domain::task::{NewTask, Priority, Status, Task};
use crate::store::{Dir, StoreError};

/// The contracts of a run, sorted, and what is wrong with files that could not be understood.
pub(super) fn read(app: &App, team: &TeamName, id: &Name) -> Outcome<(Vec<Contract>, Vec<String>)> {
    let dir = Dir::harness_artifacts(team, id);
    let mut names = app.store.backend().list(&dir)?;
    names.retain(|name| is_contract_file(name));
    names.sort();
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for name in names {
        let Some(blob) = app.store.backend().read(&dir.entry(&name))? else { continue };
        match contract::read(&name, &blob.bytes) {
            Ok(contracts) => found.extend(contracts),
            Err(problem) => problems.push(problem),
        }
    }
    contract::sort(&mut found);
    Ok((found, problems))
}

/// Everything that is wrong with the contracts of a run.
pub(super) fn problems(app: &App, team: &TeamName, id: &Name) -> Outcome<Vec<String>> {
    let (contracts, mut problems) = read(app, team, id)?;
    problems.extend(contract::order(&contracts).err().unwrap_or_default());
    Ok(problems)
}

/// A contract with what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct ContractStatus {
    /// The contract; its status is that of its task, if it has one.
    #[serde(flatten)]
    pub contract: Contract,
    /// Its task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Who has the task; empty if nobody has.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
}

/// The contracts of a run with what became of them, and what is wrong with the others.
pub fn contracts(
    app: &App,
    team: &TeamName,
    run: &Harness,
) -> Outcome<(Vec<ContractStatus>, Vec<String>)> {
    let (contracts, problems) = read(app, team, &id_of(run)?)?;
    let tasks = task::all(app, team)?;
    let with_task = |mut contract: Contract| {
        let task = tasks.iter().find(|task| is_of(task, run, &contract.id));
        if let Some(task) = task {
            status_of(task).clone_into(&mut contract.status);
            if task.status == Status::Completed {
                contract.completed_at = task.updated_at.to_string();
            }
        }
        ContractStatus {
            contract,
            task_id: task.map(|task| task.id.clone()),
            owner: task.map(|task| task.owner.clone()).unwrap_or_default(),
        }
    };
    Ok((contracts.into_iter().map(with_task).collect(), problems))
}

/// A task's standing in the words of contracts.
fn status_of(task: &Task) -> &'static str {
    match task.standing() {
        "completed" => "completed",
        "in_progress" => "in_progress",
        "failed" | "closed" => "failed",
        _ => "pending",
    }
}

/// Whether a task was made for a contract of a run.
fn is_of(task: &Task, run: &Harness, contract: &str) -> bool {
    let said = |field: &str| task.metadata.get(field).and_then(Value::as_str);
    said("harness_id") == Some(&run.harness_id) && said("contract_id") == Some(contract)
}

/// The tasks of a run that are not completed.
pub(super) fn open_tasks(app: &App, team: &TeamName, run: &Harness) -> Outcome<Vec<Task>> {
    let mut tasks = task::all(app, team)?;
    tasks.retain(|task| {
        let of = task.metadata.get("harness_id").and_then(Value::as_str);
        of == Some(&run.harness_id) && task.status != Status::Completed
    });
    Ok(tasks)
}

/// Makes the tasks of the contracts if the present phase works on them; those that are there stay
/// as they are. Contracts without an assignee go to the executors of the run in turn, or to
/// whoever is free if it has none. Returns the identifiers of new tasks.
pub(super) fn tasks(app: &App, team: &TeamName, run: &Harness) -> Outcome<Vec<String>> {
    if run.role() != Some(EXECUTOR) {
        return Ok(Vec::new());
    }
    let (contracts, mut problems) = read(app, team, &id_of(run)?)?;
    let steps = contract::order(&contracts).unwrap_or_else(|more| {
        problems.extend(more);
        Vec::new()
    });
    for problem in problems {
        app.warn(format!("no task was made: {problem}"));
    }
    let executors: Vec<&str> = run.on_shift().map(|hand| hand.name.as_str()).collect();
    let members = team::find(app, team)?.map(|doc| doc.value.members).unwrap_or_default();
    // Whoever wrote the contract may have named somebody who will never come.
    let can_come = |name: &String| executors.is_empty() || members.iter().any(|m| m.name == *name);
    let mut ids: Vec<Option<String>> = vec![None; contracts.len()];
    let mut made = Vec::new();
    for step in steps {
        let contract = &contracts[step.contract];
        let owner = match contract.assigned_to.first().filter(|name| can_come(name)) {
            Some(named) => named.as_str(),
            None if executors.is_empty() => "",
            None => executors[step.contract % executors.len()],
        };
        let blocked_by = step.after.iter().filter_map(|place| ids[*place].clone()).collect();
        let (task, new) = task_of(app, team, run, contract, owner, blocked_by)?;
        if new {
            made.push(task.id.clone());
        }
        ids[step.contract] = Some(task.id);
    }
    Ok(made)
}

/// The task of a contract, made if it is not there. Its identifier comes from run and contract, so
/// that a second try finds it.
fn task_of(
    app: &App,
    team: &TeamName,
    run: &Harness,
    contract: &Contract,
    owner: &str,
    blocked_by: Vec<String>,
) -> Outcome<(Task, bool)> {
    let digest = Digest::of_parts(&[run.harness_id.as_bytes(), &[0], contract.id.as_bytes()]);
    let metadata = json!({
        "harness_id": run.harness_id,
        "contract_id": contract.id,
        "wave": contract.wave,
        "assigned_to": contract.assigned_to,
    });
    // A short identifier may belong to another task.
    for digits in [8, 16, 64] {
        let id = TaskId::parse(digest.start(digits))?;
        let new = NewTask {
            id: id.clone(),
            subject: contract.title.clone(),
            description: texts::description(contract),
            priority: Priority::High,
            owner: owner.to_owned(),
            blocks: Vec::new(),
            blocked_by: blocked_by.clone(),
            allow_unknown: false,
            metadata: metadata.as_object().cloned().unwrap_or_else(Extra::new),
        };
        let found = match task::get(app, team, &id) {
            Ok(task) => task,
            Err(failure) if failure.inner().code() == "task_not_found" => {
                match task::create(app, team, new) {
                    Ok(task) => return Ok((task, true)),
                    // Somebody was faster, perhaps with the same task.
                    Err(failure)
                        if matches!(failure.downcast(), Some(StoreError::Conflict { .. })) =>
                    {
                        task::get(app, team, &id)?
                    }
                    Err(failure) => return Err(failure),
                }
            }
            Err(failure) => return Err(failure),
        };
        if is_of(&found, run, &contract.id) {
            return Ok((found, false));
        }
    }
    Err(crate::domain::task::TaskError::IdTaken(digest.to_string()).into())
}
