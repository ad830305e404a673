//! Working out a launch, and finding everything that stands in its way.

use std::collections::HashMap;
use std::path::Path;

use super::{Plan, Planned, Request};
use crate::app::spawn::{self, Mission, WorkspaceMode};
use crate::app::{App, models, profile, provision, task, team, template};
use crate::core::{AgentName, Diagnose, Outcome, TaskId, TeamName};
use crate::domain::Extra;
use crate::domain::agent::BackendKind;
use crate::domain::provision::Provision;
use crate::domain::task::{NewTask, Others, Task, create};
use crate::domain::team::TeamError;
use crate::domain::template::{ModelChoice, Parsed, Template, TemplateAgent, Values, fill, model};
use crate::ports::GitError;

/// Why a launch is refused.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// tmux was asked for, and is not there.
    #[error("tmux not installed")]
    NoTmux,
    /// No such way of choosing models.
    #[error("unknown model strategy '{0}'")]
    UnknownStrategy(String),
    /// The template's name cannot begin the name of a team.
    #[error("the template's name '{0}' cannot be used in the name of a team")]
    NoTeamName(String),
    /// The template names a workflow that there is no template of.
    #[error("template '{template}' names the workflow '{workflow}', which does not exist")]
    UnknownWorkflow {
        /// The template of the team.
        template: String,
        /// The workflow.
        workflow: String,
    },
    /// The workflow that the template names cannot be run as the template says.
    #[error("template '{template}' names the workflow '{workflow}': {reason}")]
    BadWorkflow {
        /// The template of the team.
        template: String,
        /// The workflow.
        workflow: String,
        /// What is wrong.
        reason: String,
    },
}

impl Diagnose for LaunchError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoTmux => "tmux_missing",
            Self::UnknownStrategy(_) => "unknown_strategy",
            Self::NoTeamName(_) => "no_team_name",
            Self::UnknownWorkflow { .. } => "unknown_workflow",
            Self::BadWorkflow { .. } => "bad_workflow",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoTmux => "install tmux, or launch with --backend subprocess".into(),
            Self::UnknownStrategy(_) => "one of auto, none".into(),
            Self::NoTeamName(_) => "name the team with --team-name".into(),
            Self::BadWorkflow { .. } => "the template says what it is told in workflow_inputs; \
                                         {goal} there is what --goal says"
                .into(),
            Self::UnknownWorkflow { workflow, .. } => format!(
                "see `clawteam workflow templates`, or write ~/.clawteam/workflows/{workflow}.toml"
            ),
        })
    }
}

/// Works out how a team would be launched. Makes nothing.
pub fn plan(app: &App, request: &Request) -> Outcome<Plan> {
    plan_of(app, request, template::find(app, &request.template)?)
}

/// The same for a template that was read already.
pub fn plan_of(app: &App, request: &Request, parsed: Parsed) -> Outcome<Plan> {
    let template = parsed.template;
    for warning in &parsed.warnings {
        app.warn(format!("template '{}': {warning}", template.name));
    }
    if let Some(strategy) = &request.model_strategy
        && !matches!(strategy.as_str(), "auto" | "none")
    {
        return Err(LaunchError::UnknownStrategy(strategy.clone()).into());
    }
    let team = team_name(app, request, &template)?;
    if team::find(app, &team)?.is_some() {
        return Err(TeamError::Exists(team.to_string()).into());
    }
    let backend = backend(app, request, &template)?;
    let mut members = Vec::new();
    for agent in template.members() {
        members.push(member(app, request, &template, agent, &team, backend)?);
    }
    let here = check_places(app, request, &members)?;
    for planned in &members {
        spawn::check_program(app, &planned.request, &here)?;
    }
    warn_of_size(app, request, &template);
    let tasks = tasks(app, request, &template, &team)?;
    let flow = super::flow::plan(app, request, &template, &team, &here)?;
    let description = template.description;
    Ok(Plan { team, template: template.name, backend, description, members, tasks, flow })
}

fn team_name(app: &App, request: &Request, template: &Template) -> Outcome<TeamName> {
    match &request.team {
        Some(name) => Ok(TeamName::parse(name.clone())?),
        None => Ok(TeamName::parse(format!("{}-{}", template.name, app.ids.hex(6)))
            .map_err(|_| LaunchError::NoTeamName(template.name.clone()))?),
    }
}

/// How the team's agents run. tmux that is only a habit gives way where there is none.
fn backend(app: &App, request: &Request, template: &Template) -> Outcome<BackendKind> {
    let named = template.backend.clone().unwrap_or_else(|| app.setting("default_backend"));
    let wanted = request.backend.unwrap_or_else(|| kind(&named));
    let in_tmux = wanted == BackendKind::Tmux
        || request.backend.is_none()
            && template.members().any(|agent| agent.backend.as_deref() == Some("tmux"));
    if !in_tmux || app.terminal.is_available() {
        return Ok(wanted);
    }
    if request.backend == Some(BackendKind::Tmux) {
        return Err(LaunchError::NoTmux.into());
    }
    app.warn("tmux is not installed; the agents run in the background (backend subprocess)");
    Ok(BackendKind::Subprocess)
}

fn kind(name: &str) -> BackendKind {
    if name == "subprocess" { BackendKind::Subprocess } else { BackendKind::Tmux }
}

/// Whether the directory is there, and the repository if one is needed.
fn check_places(app: &App, request: &Request, members: &[Planned]) -> Outcome<std::path::PathBuf> {
    let first = members.first().map(|planned| &planned.request);
    let here = first.map_or_else(|| Ok(Path::new(".").to_owned()), spawn::directory)?;
    if request.workspace {
        let root = app.git.discover(&here)?.root;
        if app.git.resolve(&root, "HEAD")?.is_none() {
            return Err(GitError::NoCommits { path: root }.into());
        }
        provision::warn_of_changes(app, &root);
    }
    Ok(here)
}

fn member(
    app: &App,
    request: &Request,
    template: &Template,
    agent: &TemplateAgent,
    team: &TeamName,
    backend: BackendKind,
) -> Outcome<Planned> {
    let values = Values { goal: &request.goal, team_name: team.as_str(), agent_name: &agent.name };
    let filled = |text: &String| fill(text, &values);
    let own =
        agent.command.clone().or((!request.command.is_empty()).then(|| request.command.clone()));
    let mut env = request.env.clone();
    let ready = if let Some(name) = &request.profile {
        profile::apply(app, name, own.as_deref())?
    } else {
        let command = own.unwrap_or_else(|| template.command.clone());
        profile::Ready { command, ..profile::Ready::default() }
    };
    env.extend(ready.env);
    let command = with_own_program(app, ready.command);
    // An endpoint serves its own models only: the profile's counts more than the template's.
    let asked = request.model.clone().or(ready.model);
    // One that was told to run in tmux follows the others where there is no tmux.
    let own_backend = match (request.backend, agent.backend.as_deref()) {
        (Some(backend), _) => backend,
        (None, Some(name)) if backend == BackendKind::Tmux => kind(name),
        (None, Some("tmux")) if app.terminal.is_available() => BackendKind::Tmux,
        _ => backend,
    };
    let task = Some(filled(&agent.task)).filter(|task| !task.trim().is_empty());
    let permissions = permissions(request, template, agent).or(ready.permissions.as_deref());
    let workspace = if request.workspace { WorkspaceMode::Always } else { WorkspaceMode::Never };
    Ok(Planned {
        id: app.ids.hex(12),
        kind: agent.kind.clone(),
        retry: agent.retry,
        provision: provision(template, agent),
        request: spawn::Request {
            resume: false,
            keepalive: false,
            team: team.clone(),
            agent: AgentName::parse(agent.name.clone())?,
            agent_type: agent.kind.clone(),
            backend: Some(own_backend),
            command,
            mission: Some(Mission {
                task: task.unwrap_or_else(|| usual_task(&request.goal)),
                intent: agent.intent.as_ref().map(filled),
                end_state: agent.end_state.as_ref().map(filled),
                constraints: agent.constraints.iter().flatten().map(filled).collect(),
                team_size: template.agents.len() + 1,
            }),
            workspace,
            repo: request.repo.clone(),
            skip_permissions: None,
            replace: false,
            model: chosen_model(app, request, asked.as_deref(), template, agent),
            env,
            options: options(permissions)?,
            setup: ready.setup,
        },
    })
}

/// The options of a start at a permission level.
fn options(permissions: Option<&str>) -> Outcome<spawn::Options> {
    let level = permissions.map(str::parse).transpose()?;
    Ok(spawn::Options { level, ..spawn::Options::default() })
}

/// What an agent may do without asking, if anybody says so.
fn permissions<'a>(
    request: &'a Request,
    template: &'a Template,
    agent: &'a TemplateAgent,
) -> Option<&'a str> {
    let said = request.permissions.as_ref().or(agent.permissions.as_ref());
    said.or(template.permissions.as_ref()).map(String::as_str)
}

/// What the worktree of an agent gets, as the template has it.
fn provision(template: &Template, agent: &TemplateAgent) -> Provision {
    let all = template.workspace.clone().unwrap_or_default();
    agent.workspace.as_ref().map_or(all.clone(), |own| all.with(own))
}

/// `command` with its first word as an absolute path if that is `clawteam`: the program that
/// launches a team is the one that its scripted agents run, wherever it is installed.
fn with_own_program(app: &App, mut command: Vec<String>) -> Vec<String> {
    if let Some(first) = command.first_mut().filter(|first| *first == "clawteam")
        && let Ok(program) = app.processes.own_program()
    {
        *first = program.display().to_string();
    }
    command
}

/// What an agent is told of whom the template says nothing.
fn usual_task(goal: &str) -> String {
    if goal.trim().is_empty() {
        "Take the tasks that are ready for you and complete them.".into()
    } else {
        format!("Help the team to reach this goal: {goal}")
    }
}

fn chosen_model(
    app: &App,
    request: &Request,
    asked: Option<&str>,
    template: &Template,
    agent: &TemplateAgent,
) -> Option<String> {
    let usual = app.setting("default_model");
    let choice = ModelChoice {
        asked,
        strategy: request.model_strategy.as_deref(),
        usual: Some(usual.as_str()).filter(|model| !model.is_empty()),
    };
    model(template, agent, &choice, |tier| models::set(app, tier))
}

fn warn_of_size(app: &App, request: &Request, template: &Template) {
    let count = template.agents.len();
    if count >= template.max_agents && !request.force && template.max_agents > 0 {
        app.warn(format!(
            "template '{}' starts {count} agents besides the leader; {} or more tend to get in \
             each other's way (arXiv:2512.08296). --force leaves this warning out.",
            template.name, template.max_agents
        ));
    }
}

/// The tasks of the template, each with an identifier, waiting for one another as it says.
fn tasks(app: &App, request: &Request, template: &Template, team: &TeamName) -> Outcome<Vec<Task>> {
    let ids: Vec<TaskId> = template.tasks.iter().map(|_| task::fresh_id(app)).collect();
    let of_subject: HashMap<&str, &TaskId> =
        template.tasks.iter().map(|task| task.subject.as_str()).zip(&ids).collect();
    let others = Others::new();
    let now = app.now();
    let planned = template.tasks.iter().zip(&ids).map(|(task, id)| {
        let values =
            Values { goal: &request.goal, team_name: team.as_str(), agent_name: &task.owner };
        let blocked_by = task
            .blocked_by
            .iter()
            .filter_map(|subject| of_subject.get(subject.as_str()).map(ToString::to_string));
        let new = NewTask {
            id: id.clone(),
            subject: fill(&task.subject, &values),
            description: fill(&task.description, &values),
            priority: task.priority,
            owner: task.owner.clone(),
            blocks: Vec::new(),
            blocked_by: blocked_by.collect(),
            // They are made together; the template was checked to hold all of them.
            allow_unknown: true,
            metadata: Extra::new(),
        };
        Ok(create(new, &others, now)?)
    });
    planned.collect()
}
