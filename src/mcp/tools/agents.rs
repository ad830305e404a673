//! Starting agents and teams.

use std::path::PathBuf;

use super::{Nature, Tool};
use crate::app::profile::{self, Ready};
use crate::app::spawn::{self, Mission, Options, WorkspaceMode};
use crate::app::wait::Stop;
use crate::app::{launch, models};
use crate::core::{Diagnose, Outcome, TeamName};
use crate::domain::agent::BackendKind;
use crate::domain::agent_cli::Level;
use crate::domain::team::GENERAL_PURPOSE;
use crate::mcp::args::{Kind, Param, maybe, required, text, truth};
use crate::mcp::call::{Answer, Call};

const BACKEND: Param = maybe("backend", Kind::Text).about("tmux or subprocess");
const REPO: Param = maybe("repo", Kind::Text).about("The repository, or the directory to work in");

const PERMISSIONS: Param =
    maybe("permissions", Kind::Text).about("What it may do without asking: ask, edit or full");

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "agent_spawn",
        about: "Start an agent in the team, with a worktree of its own if there is a repository.",
        params: &[
            required("team_name"),
            required("agent_name"),
            text("task", "").about("What it shall do"),
            maybe("command", Kind::Texts).about("Its program and arguments; openclaw by default"),
            maybe("profile", Kind::Text).about("The profile that it runs with"),
            BACKEND,
            text("agent_type", GENERAL_PURPOSE),
            maybe("workspace", Kind::Truth).about("Whether it gets a worktree"),
            REPO,
            maybe("model", Kind::Text),
            PERMISSIONS,
            truth("replace", false).about("Stop it first if it runs already"),
        ],
        nature: Nature::Works,
        run: spawn_agent,
    },
    Tool {
        name: "team_launch",
        about: "Start a whole team from a template (see `clawteam template list`).",
        params: &[
            required("template"),
            text("goal", "").about("What the team is to achieve"),
            maybe("team_name", Kind::Text),
            BACKEND,
            truth("workspace", false).about("Whether each agent gets a worktree"),
            REPO,
            maybe("command", Kind::Texts).about("The agents' program and arguments"),
            maybe("model", Kind::Text),
            PERMISSIONS,
        ],
        nature: Nature::Works,
        run: launch_team,
    },
];

/// There is no such backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Unknown spawn backend: {0}. Available: subprocess, tmux")]
struct UnknownBackend(String);

impl Diagnose for UnknownBackend {
    fn code(&self) -> &'static str {
        "unknown_backend"
    }
}

fn backend(call: &Call) -> Outcome<Option<BackendKind>> {
    match call.args.some("backend") {
        None => Ok(None),
        Some(name) => [BackendKind::Tmux, BackendKind::Subprocess]
            .into_iter()
            .find(|backend| backend.as_str() == name)
            .map(Some)
            .ok_or_else(|| UnknownBackend(name).into()),
    }
}

fn spawn_agent(call: Call) -> Outcome<Answer> {
    let command = call.args.list("command");
    let given = Some(command.as_slice()).filter(|command| !command.is_empty());
    let asked = call.args.some("profile");
    let ready = match profile::choose(&call.app, asked.as_deref(), given.is_some())? {
        Some(name) => profile::apply(&call.app, &name, given)?,
        None => Ready {
            command: given.map_or_else(|| vec!["openclaw".to_owned()], <[String]>::to_vec),
            ..Ready::default()
        },
    };
    let workspace = match call.args.truth("workspace") {
        Some(true) => WorkspaceMode::Always,
        Some(false) => WorkspaceMode::Never,
        None => spawn::workspace_mode(&call.app.settings, &call.app.env),
    };
    let level = call.args.some("permissions").or(ready.permissions);
    let level = level.map(|level| level.parse::<Level>()).transpose()?;
    let request = spawn::Request {
        team: TeamName::parse(call.args.text("team_name"))?,
        agent: call.agent("agent_name")?,
        agent_type: call.args.text("agent_type"),
        backend: backend(&call)?,
        command: ready.command,
        mission: call.args.some("task").map(Mission::of),
        workspace,
        repo: call.args.some("repo").map(PathBuf::from),
        skip_permissions: None,
        replace: call.args.truth("replace").unwrap_or(false),
        model: models::choose(&call.app, call.args.some("model"), None, ready.model)?,
        resume: false,
        keepalive: false,
        env: ready.env,
        options: Options { level, ..Options::default() },
        setup: ready.setup,
    };
    let spawned = spawn::spawn(&call.app, &request)?;
    Answer::of(&spawned.payload())
}

fn launch_team(call: Call) -> Outcome<Answer> {
    let request = launch::Request {
        template: call.args.text("template"),
        goal: call.args.text("goal"),
        team: call.args.some("team_name"),
        backend: backend(&call)?,
        workspace: call.args.truth("workspace").unwrap_or(false),
        repo: call.args.some("repo").map(PathBuf::from),
        command: call.args.list("command"),
        model: call.args.some("model"),
        permissions: call.args.some("permissions"),
        ..launch::Request::default()
    };
    let plan = launch::plan(&call.app, &request)?;
    let hearers = launch::Hearers { tell: &|_| {}, stop: &Stop::default(), leave: &|_| {} };
    Answer::of(&launch::launch(&call.app, &plan, hearers)?)
}
