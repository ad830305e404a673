//! `clawteam run`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Cx, spawn};
use crate::app::profile::{self, Ready, Setup};
use crate::app::spawn::{Mission, Options, Request, WorkspaceMode};
use crate::app::{run, skill};
use crate::core::{Outcome, TeamName};
use crate::domain::agent::BackendKind;
use crate::domain::agent_cli::Level;

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The agent's program, with its arguments
    cli: String,
    /// What it shall do
    goal: Option<String>,
    /// The team; made if it does not exist
    #[arg(short, long, default_value = "default")]
    team: String,
    /// The profile that it runs with
    #[arg(short = 'P', long)]
    profile: Option<String>,
    /// Give it a worktree of its own
    #[arg(short, long)]
    workspace: bool,
    /// A skill that it shall have. Repeat for more
    #[arg(short, long, value_name = "NAME")]
    skill: Vec<String>,
    /// Be the team's leader and go on with the session that it had
    #[arg(long)]
    resume: bool,
    /// Start it again whenever it has ended by itself
    #[arg(long, overrides_with = "no_keepalive")]
    keepalive: bool,
    /// Do not start it again [default]
    #[arg(long, overrides_with = "keepalive")]
    no_keepalive: bool,
}

pub(super) fn run(cx: &Cx, args: RunArgs) -> Outcome<ExitCode> {
    let command = run::words(&cx.app, &args.cli);
    let ready = match &args.profile {
        Some(name) => {
            let given = (!command.is_empty()).then_some(command.as_slice());
            profile::apply(&cx.app, name, given)?
        }
        None => Ready { command, ..Ready::default() },
    };
    let instructions = skill::load(&cx.app, &args.skill, &PathBuf::from("."))?;
    let level = ready.permissions.as_deref().map(str::parse::<Level>).transpose()?;
    let team = TeamName::parse(args.team)?;
    let kind = run::kind(ready.command.first().map_or("", String::as_str));
    let request = Request {
        agent: run::agent_name(&cx.app, &team, &kind, args.resume)?,
        team,
        agent_type: kind,
        backend: None,
        command: ready.command,
        mission: args.goal.filter(|goal| !goal.trim().is_empty()).map(Mission::of),
        workspace: if args.workspace { WorkspaceMode::Always } else { WorkspaceMode::Never },
        repo: None,
        skip_permissions: None,
        replace: false,
        model: ready.model,
        resume: args.resume,
        keepalive: args.keepalive && !args.no_keepalive,
        env: ready.env,
        setup: Setup { instructions, ..ready.setup },
        options: Options { level, ..Options::default() },
    };
    let spawned = crate::app::spawn::spawn(&cx.app, &request)?;
    let code = spawn::show(cx, &spawned, false)?;
    if !cx.out.json && spawned.backend == BackendKind::Tmux {
        cx.out.text(&format!("See it at work: clawteam board attach {}", request.team))?;
    }
    Ok(code)
}
