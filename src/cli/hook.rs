//! `clawteam hook`, and the process that runs hooks.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Cx;
use crate::app::hook;
use crate::core::Outcome;
use crate::domain::event::{self, Event};
use crate::domain::hook::{Hook, SHELL, all};

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum HookCommand {
    /// List all hooks
    List,
    /// Have a command run when something happens
    Add {
        /// The kind of event
        #[arg(short, long)]
        event: String,
        /// The command, run by `sh -c`
        #[arg(short, long)]
        command: String,
        /// What kind of command it is; `shell` is the only one
        #[arg(short, long, default_value = SHELL)]
        action: String,
        /// Hooks with lower numbers are run first
        #[arg(short, long, default_value_t = 0, allow_negative_numbers = true)]
        priority: i64,
        /// Let it refuse what is about to happen, by ending with another status than 0
        #[arg(long)]
        veto: bool,
    },
    /// Remove hooks
    Remove(Which),
    /// Have hooks run again that were disabled
    Enable(Which),
    /// Keep hooks, but do not run them
    Disable(Which),
    /// Run the hooks for an event now, as if it happened
    Test {
        /// The kind of event
        #[arg(short, long)]
        event: String,
        /// The team that it happens in
        #[arg(short, long, default_value = "test")]
        team: String,
        /// The agent that it is about
        #[arg(short = 'n', long, default_value = "test-agent")]
        agent: String,
    },
}

/// Which hooks are meant.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The kind of event
    #[arg(short, long)]
    event: String,
    /// Only those with this command
    #[arg(short, long)]
    command: Option<String>,
}

/// Arguments of `hook-run`: none.
#[derive(Debug, Args)]
pub(super) struct HookRunArgs {}

/// Runs the hooks for what the environment tells.
pub(super) fn deliver(cx: &Cx, _: HookRunArgs) -> Outcome<ExitCode> {
    hook::deliver(&cx.app)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn run(cx: &Cx, command: HookCommand) -> Outcome<ExitCode> {
    match command {
        HookCommand::List => list(cx)?,
        HookCommand::Add { event, command, action, priority, veto } => {
            let hook = Hook { event, action, command, priority, veto, ..Hook::default() };
            hook::add(&cx.app, &hook)?;
            let payload = json!({"status": "added", "hook": hook});
            cx.out.result(&payload, || {
                format!("Hook added: {} → {}: {}", hook.event, hook.action, hook.command)
            })?;
        }
        HookCommand::Remove(which) => {
            let count = hook::remove(&cx.app, &which.event, which.command.as_deref())?;
            told(cx, "removed", "Removed", &which.event, count)?;
        }
        HookCommand::Enable(which) => {
            let count = hook::enable(&cx.app, &which.event, which.command.as_deref(), true)?;
            told(cx, "enabled", "Enabled", &which.event, count)?;
        }
        HookCommand::Disable(which) => {
            let count = hook::enable(&cx.app, &which.event, which.command.as_deref(), false)?;
            told(cx, "disabled", "Disabled", &which.event, count)?;
        }
        HookCommand::Test { event, team, agent } => test(cx, &event, &team, &agent)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn told(cx: &Cx, status: &str, word: &str, event: &str, count: usize) -> Outcome<()> {
    let payload = json!({"status": status, "event": event, "count": count});
    cx.out.result(&payload, || format!("{word} {count} hook(s) for {event}"))
}

fn list(cx: &Cx) -> Outcome<()> {
    let hooks = all(&cx.app.settings);
    cx.out.result(&hooks, || {
        if hooks.is_empty() {
            return "No hooks configured.".into();
        }
        let lines = hooks.iter().enumerate().map(|(number, hook)| {
            let state = match (hook.enabled, hook.check()) {
                (false, _) => "disabled".to_owned(),
                (true, Err(error)) => format!("not run: {error}"),
                (true, Ok(())) => "enabled".to_owned(),
            };
            let veto = if hook.veto { ", may veto" } else { "" };
            let (event, action, command) = (&hook.event, &hook.action, &hook.command);
            format!("  {}. {event} → {action}: {command}  ({state}{veto})", number + 1)
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}

fn test(cx: &Cx, kind: &str, team: &str, agent: &str) -> Outcome<()> {
    let known = event::find(kind)?;
    let mut event = Event::new(kind, team);
    for field in known.fields {
        event = match *field {
            "agent_name" | "from_agent" | "owner" => event.with(field, agent),
            "abandoned_tasks" | "artifacts" | "command" => event.with(field, Vec::<String>::new()),
            _ => event,
        };
    }
    let ran = hook::test(&cx.app, event);
    let payload = json!({"event": kind, "handlers": ran.len(), "results": ran});
    cx.out.result(&payload, || {
        let mut lines = vec![format!("Emitted {kind} → {} handler(s) executed", ran.len())];
        for ran in &ran {
            let ended = match (&ran.error, ran.exit_code) {
                (Some(error), _) => error.clone(),
                (None, code) => format!("status {}", code.unwrap_or(-1)),
            };
            lines.push(format!("  {} ({ended}, {} ms)", ran.command, ran.took_ms));
            lines.extend(ran.output.lines().map(|line| format!("    {line}")));
        }
        lines.join("\n")
    })
}
