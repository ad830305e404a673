//! `clawteam agent-runner`: the process that runs one agent. People do not call it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Cx;
use crate::app::runner;
use crate::core::{AgentName, Diagnose, Outcome, TeamName};

/// Arguments of `agent-runner`.
#[derive(Debug, Args)]
pub(super) struct AgentRunnerArgs {
    /// The environment is that of the agent already
    #[arg(long)]
    entered: bool,
    /// Where the secrets of the agent are offered
    #[arg(long, value_name = "PATH")]
    secrets: Option<PathBuf>,
    /// The team
    team: String,
    /// The agent
    agent: String,
    /// Which start of the agent this is
    instance: String,
}

/// Arguments of `agent-exec`.
#[derive(Debug, Args)]
pub(super) struct AgentExecArgs {
    /// The agent's program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    argv: Vec<String>,
}

/// The agent's program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot run '{program}'")]
struct NotRun {
    program: String,
    #[source]
    source: std::io::Error,
}

impl Diagnose for NotRun {
    fn code(&self) -> &'static str {
        "did_not_start"
    }
}

/// Becomes the agent as soon as it has the terminal.
pub(super) fn exec(cx: &Cx, args: AgentExecArgs) -> Outcome<ExitCode> {
    cx.app.processes.await_terminal();
    let source = cx.app.processes.exec(&args.argv);
    Err(NotRun { program: args.argv[0].clone(), source }.into())
}

pub(super) fn run(cx: &Cx, args: AgentRunnerArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let agent = AgentName::parse(args.agent)?;
    if !args.entered {
        runner::enter(&cx.app, &team, &agent, &args.instance, args.secrets.as_deref())?;
    }
    let code = runner::run(&cx.app, &team, &agent, &args.instance)?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
