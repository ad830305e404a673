//! What a launch would do, without doing any of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Plan, Planned, make};
use crate::app::spawn::{self, WorkspaceMode};
use crate::app::{App, provision};
use crate::core::Outcome;
use crate::domain::provision::Provision;
use crate::domain::team::Team;

/// A launch that was only worked out.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// `planned`.
    pub status: &'static str,
    /// The team.
    pub team: String,
    /// The template.
    pub template: String,
    /// What the team is for.
    pub description: String,
    /// How agents run that do not say otherwise.
    pub backend: &'static str,
    /// The members, the leader first.
    pub agents: Vec<PlannedAgent>,
    /// The tasks, in the order in which they are made.
    pub tasks: Vec<PlannedTask>,
    /// The workflow that the team would work by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<PlannedFlow>,
}

/// A member as it would be started.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedAgent {
    /// Its name.
    pub name: String,
    /// What it does, in a word.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it leads the team.
    pub leader: bool,
    /// How it runs.
    pub backend: &'static str,
    /// Its program and all arguments. A prompt among them is left out here: it is in `prompt`.
    pub argv: Vec<String>,
    /// Whether the prompt is typed into its terminal.
    pub typed: bool,
    /// Where it works.
    pub cwd: String,
    /// The branch of its worktree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Its model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How much it may really do without asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<String>,
    /// The names of the variables that a profile or the template adds to its environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// What its place gets; see `.clawteam/workspace.toml`.
    pub workspace: Provision,
    /// How often a failed start is tried again.
    pub retries: u32,
    /// What it is told.
    pub prompt: String,
}

/// A task as it would be made.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedTask {
    /// What is to be done, in a line.
    pub subject: String,
    /// What is to be done, at length.
    pub description: String,
    /// Whose task it is.
    pub owner: String,
    /// How urgent it is.
    pub priority: &'static str,
    /// Where it stands at first.
    pub status: &'static str,
    /// The subjects of the tasks that it waits for.
    pub blocked_by: Vec<String>,
}

/// A workflow as it would be started.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedFlow {
    /// Its name.
    pub name: String,
    /// What its run is told.
    pub inputs: Map<String, Value>,
}

/// Tells what [`launch`](super::launch) would do with a plan. Makes nothing.
pub fn preview(app: &App, plan: &Plan) -> Outcome<Preview> {
    let team = make::document(app, plan)?;
    let agents: Outcome<Vec<PlannedAgent>> =
        plan.members.iter().enumerate().map(|(n, one)| agent(app, one, &team, n == 0)).collect();
    let subjects: BTreeMap<&str, &str> =
        plan.tasks.iter().map(|task| (task.id.as_str(), task.subject.as_str())).collect();
    let tasks = plan.tasks.iter().map(|task| {
        let subject = |id: &String| (*subjects.get(id.as_str()).unwrap_or(&id.as_str())).to_owned();
        PlannedTask {
            subject: task.subject.clone(),
            description: task.description.clone(),
            owner: task.owner.clone(),
            priority: task.priority.as_str(),
            status: task.status.as_str(),
            blocked_by: task.blocked_by.iter().map(subject).collect(),
        }
    });
    Ok(Preview {
        status: "planned",
        team: plan.team.to_string(),
        template: plan.template.clone(),
        description: plan.description.clone(),
        backend: plan.backend.as_str(),
        agents: agents?,
        tasks: tasks.collect(),
        workflow: plan.flow.as_ref().map(|flow| PlannedFlow {
            name: flow.name().to_owned(),
            inputs: flow.inputs().clone(),
        }),
    })
}

fn agent(app: &App, planned: &Planned, team: &Team, leader: bool) -> Outcome<PlannedAgent> {
    let request = &planned.request;
    let start = spawn::preview(app, request, team)?;
    let prompt = start.prompt.unwrap_or_default();
    let isolated = request.workspace == WorkspaceMode::Always;
    let here = spawn::directory(request)?;
    let root = if isolated { app.git.discover(&here)?.root } else { here };
    let all = provision::wanted(app, Path::new(&root), &planned.provision)?;
    // Without a worktree there is nothing to copy to.
    let only_ports =
        Provision { ports: all.ports, port_base: all.port_base, ..Provision::default() };
    let branch = crate::domain::workspace::branch(&request.team, &request.agent);
    let hide =
        |word: String| if !prompt.is_empty() && word == prompt { "<prompt>".into() } else { word };
    Ok(PlannedAgent {
        name: start.agent,
        kind: planned.kind.clone(),
        leader,
        backend: start.backend.as_str(),
        argv: start.argv.into_iter().map(hide).collect(),
        typed: start.paste,
        cwd: start.cwd,
        branch: isolated.then_some(branch),
        model: request.model.clone(),
        permissions: start.permissions.map(|level| level.to_string()),
        env: request.env.keys().cloned().collect(),
        workspace: if isolated { all } else { only_ports },
        retries: planned.retry.map_or(0, |retry| retry.max_retries),
        prompt,
    })
}
