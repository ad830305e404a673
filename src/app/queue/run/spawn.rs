//! Starting an agent for a task of a workflow.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::{Answer, Job};
use crate::app::profile::Setup;
use crate::app::spawn::{Options, Request, WorkspaceMode, spawn as start, workspace_mode};
use crate::app::{liveness, task, team};
use crate::core::{Outcome, TaskId};
use crate::domain::prompt::Mission;
use crate::domain::queue::QueueError;
use crate::domain::queue::payload::{self, Spawn};
use crate::domain::team::GENERAL_PURPOSE;

/// Starts an agent, unless it runs.
pub(super) fn spawn(job: &Job<'_>) -> Result<Answer, QueueError> {
    let wanted: Spawn = payload::read("spawn", &job.item.payload)?;
    if liveness::of(job.app, job.team, wanted.agent.as_str()) == Some(true) {
        return Ok(Answer::done(json!({"agent": wanted.agent, "started": false}), String::new()));
    }
    Ok(match run(job, &wanted) {
        Ok(message) => Answer::done(json!({"agent": wanted.agent, "started": true}), message),
        Err(failure) => Answer::failed(job, failure.inner().code(), failure.message()),
    })
}

fn run(job: &Job<'_>, wanted: &Spawn) -> Outcome<String> {
    let app = job.app;
    let task = task::get(app, job.team, &TaskId::parse(wanted.task.clone())?)?;
    let command = if wanted.command.is_empty() {
        vec!["openclaw".to_owned()]
    } else {
        wanted.command.clone()
    };
    let known = team::find(app, job.team)?;
    let member = known.as_ref().and_then(|doc| {
        doc.value.members.iter().find(|member| member.name == wanted.agent.as_str())
    });
    let request = Request {
        resume: false,
        keepalive: false,
        team: job.team.clone(),
        agent: wanted.agent.clone(),
        agent_type: member.map_or(GENERAL_PURPOSE, |member| &member.agent_type).to_owned(),
        backend: wanted.backend,
        command,
        mission: Some(Mission::of(format!(
            "Task {}: {}\n\n{}",
            task.id, task.subject, task.description
        ))),
        workspace: match wanted.worktree {
            Some(true) => WorkspaceMode::Always,
            Some(false) => WorkspaceMode::Never,
            None => workspace_mode(&app.settings, &app.env),
        },
        repo: wanted.repo.as_ref().map(PathBuf::from),
        skip_permissions: None,
        replace: false,
        model: None,
        env: BTreeMap::new(),
        options: Options::default(),
        setup: Setup::default(),
    };
    Ok(start(app, &request)?.message)
}
