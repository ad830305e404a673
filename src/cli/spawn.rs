//! `clawteam spawn`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::Cx;
use crate::app::profile::{self, Ready, Setup};
use crate::app::spawn::{self, Mission, Options, Request, Spawned, WorkspaceMode};
use crate::app::{agent_rows, liveness, models, preview, skill};
use crate::core::text::{cut, printable};
use crate::core::{AgentName, Diagnose, Exit, Outcome, TeamName};
use crate::domain::agent::{BackendKind, Stage};
use crate::domain::agent_cli::Level;
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
    #[arg(long, allow_hyphen_values = true)]
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
    /// How much it may do without asking: ask, edit or full [default: full, or ask with
    /// --no-skip-permissions]
    #[arg(long, value_name = "LEVEL", conflicts_with_all = ["skip_permissions", "no_skip_permissions"])]
    permissions: Option<String>,
    /// Answer this dialog at its start with yes, by name or kind (api-key, bypass, update, …)
    #[arg(long, value_name = "DIALOG")]
    allow: Vec<String>,
    /// Which of OpenClaw's own agents it is
    #[arg(long, value_name = "ID")]
    openclaw_agent: Option<String>,
    /// Give it clawteam as an MCP server
    #[arg(long)]
    mcp: bool,
    /// Wait until it is ready, at most so long [default: the setting `spawn_ready_timeout`]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "")]
    wait_ready: Option<String>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
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
    let here = std::path::absolute(".").unwrap_or_else(|_| PathBuf::from("."));
    let runs = cx.app.processes.find_program(first, &here, path).is_some();
    let known = agent_rows::catalog(&cx.app, &here).knows(first);
    if runs || known || first.contains('/') {
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
    let skip = either(args.skip_permissions, args.no_skip_permissions);
    let level = args.permissions.clone().or(ready.permissions.filter(|_| skip.is_none()));
    let level = level.as_deref().map(str::parse::<Level>).transpose()?;
    let options = Options {
        level,
        allow: args.allow,
        own_agent: args.openclaw_agent,
        mcp: args.mcp,
        ready_within: args.wait_ready.map(|given| ready_within(cx, &given)).transpose()?,
    };
    let must_be_ready = options.ready_within.is_some();
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
        skip_permissions: skip,
        replace: args.replace,
        model,
        resume: args.resume,
        keepalive: either(args.keepalive, args.no_keepalive).unwrap_or(false),
        env: ready.env,
        setup: Setup { instructions, ..ready.setup },
        options,
    };
    if args.dry_run {
        return dry_run(cx, &request);
    }
    let spawned = spawn::spawn(&cx.app, &request)?;
    show(cx, &spawned, must_be_ready)
}

/// How long the agent may take to be ready.
fn ready_within(cx: &Cx, given: &str) -> Outcome<Duration> {
    if given.is_empty() {
        return Ok(cx.app.setting_seconds("spawn_ready_timeout"));
    }
    let seconds = given.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(seconds.ok_or_else(|| BadSeconds(given.to_owned()))?)
}

/// A time that cannot be waited.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no number of seconds to wait")]
struct BadSeconds(String);

impl Diagnose for BadSeconds {
    fn code(&self) -> &'static str {
        "invalid_value"
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

fn dry_run(cx: &Cx, request: &Request) -> Outcome<ExitCode> {
    let plan = preview::preview(&cx.app, request)?;
    cx.out.result(&json!({"dryRun": true, "plan": plan}), || {
        let mut lines = vec![
            format!("Would start agent '{}' of team '{}'", plan.agent_name, plan.team),
            format!("  Backend:     {}", plan.backend),
            format!("  Program:     {}", plan.program),
            format!("  Command:     {}", plan.argv.join(" ")),
            format!("  Directory:   {}", plan.cwd),
        ];
        if let Some(branch) = &plan.branch {
            lines.push(format!("  Branch:      {branch}"));
        }
        if plan.new_team {
            lines.push(format!("  Team:        '{}' would be made", plan.team));
        }
        lines.push(format!("  Permissions: {}", plan.permissions));
        lines.push(format!("  Prompt:      {}", plan.prompt_by));
        lines.extend(plan.env.iter().map(|variable| format!("  Sets:        {variable}")));
        lines.extend(plan.unset.iter().map(|name| format!("  Unsets:      {name}")));
        let dialogs = plan.dialogs.iter();
        lines.extend(
            dialogs.map(|dialog| format!("  If asked:    {}: {}", dialog.name, dialog.answer)),
        );
        if let Some(prompt) = &plan.prompt {
            lines.push(format!("\n{prompt}"));
        }
        lines.join("\n")
    })?;
    Ok(ExitCode::SUCCESS)
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

pub(super) fn show(cx: &Cx, spawned: &Spawned, must_be_ready: bool) -> Outcome<ExitCode> {
    cx.out.result(&spawned.payload(), || {
        let mut lines = Vec::new();
        if let Some(branch) = &spawned.branch {
            lines.push(format!("Workspace: {} (branch: {branch})", spawned.cwd));
        }
        let answered = spawned.answered.iter();
        lines.extend(answered.map(|one| format!("Asked: {}: {}", one.name, one.answer)));
        lines.push(format!("OK {}: {}", spawned.message, spawned.stage.as_str()));
        lines.join("\n")
    })?;
    for one in spawned.answered.iter().filter(|one| one.refused) {
        cx.app.warn(format!(
            "the agent asked '{}' and was told '{}'; to allow it: --allow {}",
            one.name,
            printable(&one.answer, false),
            one.name
        ));
    }
    if let Some(dialog) = &spawned.asks {
        cx.app.warn(format!(
            "the agent asks something that nobody allowed ({}): {}",
            dialog.name,
            cut(&printable(&dialog.text.replace('\n', " "), false), 400)
        ));
        return Ok(ExitCode::FAILURE);
    }
    match spawned.prompt {
        Some(Delivery::NotReady) => {
            cx.app.warn("the agent runs but did not read its terminal; its prompt was not typed");
            Ok(ExitCode::FAILURE)
        }
        Some(Delivery::NotTaken) => {
            cx.app.warn("the prompt was typed, but the agent was not seen to take it");
            Ok(ExitCode::FAILURE)
        }
        None if must_be_ready
            && spawned.backend == BackendKind::Tmux
            && spawned.stage == Stage::Started =>
        {
            cx.app.warn("the agent runs but was not seen to become ready");
            Ok(ExitCode::FAILURE)
        }
        None | Some(Delivery::Delivered) => Ok(ExitCode::SUCCESS),
    }
}
