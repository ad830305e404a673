//! `clawteam setup`: making clawteam at home on a machine.

use std::process::ExitCode;

use clap::Subcommand;

use super::setup_agent::AgentArgs;
use super::{Cx, setup_agent, timer};
use crate::core::Outcome;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum SetupCommand {
    /// Let the system call `clawteam tick` again and again
    Timer(timer::TimerArgs),
    /// Claude Code: skill, hooks, MCP server, allowed commands
    Claude(AgentArgs),
    /// Codex: skill, hooks, MCP server, allowed commands
    Codex(AgentArgs),
    /// Gemini CLI: skill, hooks, MCP server, allowed commands
    Gemini(AgentArgs),
    /// OpenClaw: skill, MCP server, exec approvals
    Openclaw(AgentArgs),
    /// Cursor: skill, MCP server, allowed commands
    Cursor(AgentArgs),
    /// OpenCode: skill, MCP server, allowed commands
    Opencode(AgentArgs),
    /// Qwen Code: skill, hooks, MCP server, allowed commands
    Qwen(AgentArgs),
    /// Kimi: skill, MCP server
    Kimi(AgentArgs),
    /// Hermes: skill
    Hermes(AgentArgs),
    /// nanobot: skill, MCP server
    Nanobot(AgentArgs),
    /// Pi: skill
    Pi(AgentArgs),
}

pub(super) fn run(cx: &Cx, command: SetupCommand) -> Outcome<ExitCode> {
    let (agent, args) = match command {
        SetupCommand::Timer(args) => return timer::run(cx, args),
        SetupCommand::Claude(args) => ("claude", args),
        SetupCommand::Codex(args) => ("codex", args),
        SetupCommand::Gemini(args) => ("gemini", args),
        SetupCommand::Openclaw(args) => ("openclaw", args),
        SetupCommand::Cursor(args) => ("cursor", args),
        SetupCommand::Opencode(args) => ("opencode", args),
        SetupCommand::Qwen(args) => ("qwen", args),
        SetupCommand::Kimi(args) => ("kimi", args),
        SetupCommand::Hermes(args) => ("hermes", args),
        SetupCommand::Nanobot(args) => ("nanobot", args),
        SetupCommand::Pi(args) => ("pi", args),
    };
    setup_agent::run(cx, agent, args)
}
