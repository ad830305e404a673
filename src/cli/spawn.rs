//! `clawteam spawn`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::Cx;
use crate::app::profile::{self, Ready, Setup};
use crate::app::spawn::{self, Mission, Request, Spawned, WorkspaceMode};
use crate::app::{liveness, models, skill};
use crate::core::{AgentName, Diagnose, Outcome, TeamName};
use crate::domain::agent::BackendKind;
use crate::domain::agent_cli::Catalog;
use crate::domain::team::GENERAL_PURPOSE;
use crate::ports::terminal::Delivery;

/// Arguments of `spawn`.
#[derive(Debug, Args)]
pub(super) struct SpawnArgs {
    /// `tmux` or `subprocess` [default: the setting `default_backend`]
    backend: Option<String>,
    /// The agent's program and its arguments; put `--` before those that begin with `-`
    command: Vec<String>,
    /// The team; made if it does not exist
    #[arg(short, long)]
    team: Option<String>,
    /// The agent's name [default: agent-<6 digits>]
    #[arg(short = 'n', long)]
    agent_name: Option<String>,
    /// The profile that it runs with
    #[arg(long)]
    profile: Option<String>,
    /// What it does, in a word
    #[arg(long, default_value = GENERAL_PURPOSE)]
    agent_type: String,
    /// What it shall do
    #[arg(long)]
    task: Option<String>,
    /// Give it a worktree of its own
    #[arg(short, long, overrides_with = "no_workspace")]
    workspace: bool,
    /// Let it work in the repository itself
    #[arg(long, overrides_with = "workspace")]
    no_workspace: bool,
    /// The repository, or the directory to work in [default: the present one]
    #[arg(long, value_name = "PATH")]
    repo: Option<PathBuf>,
    /// Let it act without asking
    #[arg(long, overrides_with = "no_skip_permissions")]
    skip_permissions: bool,
    /// Let it ask before it acts
    #[arg(long, overrides_with = "skip_permissions")]
    no_skip_permissions: bool,
    /// Stop the agent first if it runs already
    #[arg(long)]
    replace: bool,
    /// Go on with the session that the agent had
    #[arg(short, long)]
    resume: bool,
    /// Start it again whenever it has ended by itself
    #[arg(long, overrides_with = "no_keepalive")]
    keepalive: bool,
    /// Do not start it again [default]
    #[arg(long, overrides_with = "keepalive")]
    no_keepalive: bool,
    /// Do not warn of too many agents
    #[arg(short, long)]
    force: bool,
    /// The model it shall use
    #[arg(short, long)]
    model: Option<String>,
    /// The tier of models that it shall use, instead of --model
    #[arg(long, value_name = "TIER", conflicts_with = "model")]
    model_tier: Option<String>,
    /// A skill that it shall have, from ~/.claude/skills or the project's. Repeat for more
    #[arg(long, value_name = "NAME")]
    skill: Vec<String>,
}

/// More agents than this get in each other's way more than they help.
const AGENTS_ADVISED_MAX: usize = 4;

/// The first word is no backend and no program.
#[derive(Debug, thiserror::Error)]
#[error("Unknown spawn backend: {name}. Available: subprocess, tmux")]
struct UnknownBackend {
    name: String,
    team_given: bool,
}

impl Diagnose for UnknownBackend {
    fn code(&self) -> &'static str {
        "unknown_backend"
    }

    fn hint(&self) -> Option<String> {
        (!self.team_given).then(|| {
            "the first word is the backend or the agent's program; the team is named with --team"
                .into()
        })
    }
}

/// The backend called `name`.
pub(super) fn parse_backend(name: &str) -> Outcome<BackendKind> {
    match name {
        "tmux" => Ok(BackendKind::Tmux),
        "subprocess" => Ok(BackendKind::Subprocess),
        _ => Err(UnknownBackend { name: name.to_owned(), team_given: true }.into()),
    }
}

/// Splits what was typed into backend and command: the first word may already be the program.
fn backend_and_command(cx: &Cx, args: &SpawnArgs) -> Outcome<(Option<BackendKind>, Vec<String>)> {
    let mut command = args.command.clone();
    let Some(first) = &args.backend else { return Ok((None, command)) };
    if let Ok(backend) = parse_backend(first) {
        return Ok((Some(backend), command));
    }
    let path = cx.app.env.get("PATH").unwrap_or_default();
    let here = PathBuf::from(".");
    let runs = cx.app.processes.find_program(first, &here, path).is_some();
    if runs || Catalog::built_in().knows(first) || first.contains('/') {
        command.insert(0, first.clone());
        return Ok((None, command));
    }
    Err(UnknownBackend { name: first.clone(), team_given: args.team.is_some() }.into())
}

fn either(yes: bool, no: bool) -> Option<bool> {
    if yes {
        Some(true)
    } else if no {
        Some(false)
    } else {
        None
    }
}

pub(super) fn run(cx: &Cx, args: SpawnArgs) -> Outcome<ExitCode> {
    let (backend, command) = backend_and_command(cx, &args)?;
    let given = Some(command.as_slice()).filter(|command| !command.is_empty());
    let ready = match profile::choose(&cx.app, args.profile.as_deref(), given.is_some())? {
        Some(name) => profile::apply(&cx.app, &name, given)?,
        None => Ready {
            command: given.map_or_else(|| vec!["openclaw".to_owned()], <[String]>::to_vec),
            ..Ready::default()
        },
    };
    let here = args.repo.clone().unwrap_or_else(|| PathBuf::from("."));
    let instructions = skill::load(&cx.app, &args.skill, &here)?;
    let model = models::choose(&cx.app, args.model, args.model_tier.as_deref(), ready.model)?;
    let team = TeamName::parse(args.team.unwrap_or_else(|| "default".to_owned()))?;
    let agent = args.agent_name.unwrap_or_else(|| format!("agent-{}", cx.app.ids.hex(6)));
    let workspace = match either(args.workspace, args.no_workspace) {
        Some(true) => WorkspaceMode::Always,
        Some(false) => WorkspaceMode::Never,
        None => spawn::workspace_mode(&cx.app.settings, &cx.app.env),
    };
    if !args.force {
        warn_of_crowd(cx, &team);
    }
    let request = Request {
        team,
        agent: AgentName::parse(agent)?,
        agent_type: args.agent_type,
        backend,
        command: ready.command,
        mission: args.task.map(Mission::of),
        workspace,
        repo: args.repo,
        skip_permissions: either(args.skip_permissions, args.no_skip_permissions)
            .or(ready.permissions.map(|level| level == "full")),
        replace: args.replace,
        model,
        resume: args.resume,
        keepalive: either(args.keepalive, args.no_keepalive).unwrap_or(false),
        env: ready.env,
        setup: Setup { instructions, ..ready.setup },
    };
    let spawned = spawn::spawn(&cx.app, &request)?;
    show(cx, &spawned)
}

fn warn_of_crowd(cx: &Cx, team: &TeamName) {
    let running =
        liveness::all(&cx.app, team).values().filter(|alive| **alive == Some(true)).count();
    if running >= AGENTS_ADVISED_MAX {
        cx.app.warn(format!(
            "this is agent number {} of team '{team}'; more than {AGENTS_ADVISED_MAX} tend to get \
             in each other's way (arXiv:2512.08296). --force leaves this warning out.",
            running + 1
        ));
    }
}

pub(super) fn show(cx: &Cx, spawned: &Spawned) -> Outcome<ExitCode> {
    let mut payload = json!({
        "status": "spawned",
        "backend": spawned.backend.as_str(),
        "agentName": spawned.agent,
        "agentId": spawned.agent_id,
        "message": spawned.message,
    });
    if let Some(prompt) = spawned.prompt {
        payload["prompt"] = serde_json::to_value(prompt).unwrap_or(Value::Null);
    }
    if let Some(branch) = &spawned.branch {
        payload["workspace"] = spawned.cwd.clone().into();
        payload["branch"] = branch.clone().into();
    }
    cx.out.result(&payload, || match &spawned.branch {
        Some(branch) => {
            format!("Workspace: {} (branch: {branch})\nOK {}", spawned.cwd, spawned.message)
        }
        None => format!("OK {}", spawned.message),
    })?;
    match spawned.prompt {
        None | Some(Delivery::Delivered) => Ok(ExitCode::SUCCESS),
        Some(Delivery::NotReady) => {
            cx.app.warn("the agent runs but did not read its terminal; its prompt was not typed");
            Ok(ExitCode::FAILURE)
        }
        Some(Delivery::NotTaken) => {
            cx.app.warn("the prompt was typed, but the agent was not seen to take it");
            Ok(ExitCode::FAILURE)
        }
    }
}
