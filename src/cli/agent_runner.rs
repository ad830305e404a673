//! `clawteam agent-runner`: the process that runs one agent. People do not call it.

use std::process::ExitCode;

use clap::Args;

use super::Cx;
use crate::app::runner;
use crate::core::{AgentName, Outcome, TeamName};

/// Arguments of `agent-runner`.
#[derive(Debug, Args)]
pub(super) struct AgentRunnerArgs {
    /// The environment is that of the agent already
    #[arg(long)]
    entered: bool,
    /// The team
    team: String,
    /// The agent
    agent: String,
    /// Which start of the agent this is
    instance: String,
}

pub(super) fn run(cx: &Cx, args: AgentRunnerArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let agent = AgentName::parse(args.agent)?;
    if !args.entered {
        runner::enter(&cx.app, &team, &agent, &args.instance)?;
    }
    let code = runner::run(&cx.app, &team, &agent, &args.instance)?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
