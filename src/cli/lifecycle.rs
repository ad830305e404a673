//! `clawteam lifecycle`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Cx;
use crate::app::lifecycle::{self, Ending};
use crate::app::respawn;
use crate::core::{AgentName, Outcome, TeamName};

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum LifecycleCommand {
    /// Tell the leader that you have nothing to do
    Idle(IdleArgs),
    /// Put back the tasks of an agent that has ended, and tell the leader
    OnExit(OnExitArgs),
    /// List agents that have run for long
    CheckZombies(ZombieArgs),
}

/// Arguments of `lifecycle idle`.
#[derive(Debug, Args)]
pub(super) struct IdleArgs {
    /// The team
    team: String,
    /// The task that you worked on last
    #[arg(long)]
    last_task: Option<String>,
    /// Where that task stands
    #[arg(long)]
    task_status: Option<String>,
    /// Who is idle [default: you]
    #[arg(short, long)]
    agent: Option<String>,
}

/// Arguments of `lifecycle on-exit`.
#[derive(Debug, Args)]
pub(super) struct OnExitArgs {
    /// The team
    #[arg(short, long)]
    team: String,
    /// The agent
    #[arg(short = 'n', long)]
    agent: String,
}

/// Arguments of `lifecycle check-zombies`.
#[derive(Debug, Args)]
pub(super) struct ZombieArgs {
    /// The team
    #[arg(short, long)]
    team: String,
    /// How many hours an agent may run
    #[arg(long, default_value_t = 2.0)]
    max_hours: f64,
}

pub(super) fn run(cx: &Cx, command: LifecycleCommand) -> Outcome<ExitCode> {
    match command {
        LifecycleCommand::Idle(args) => idle(cx, args),
        LifecycleCommand::OnExit(args) => on_exit(cx, args),
        LifecycleCommand::CheckZombies(args) => check_zombies(cx, args),
    }
}

fn idle(cx: &Cx, args: IdleArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let agent = args.agent.unwrap_or_else(|| cx.app.identity.agent_name.clone());
    let leader = lifecycle::idle(&cx.app, &team, &agent, args.last_task, args.task_status)?;
    let payload = json!({"status": "idle_sent", "agent": agent, "leader": leader});
    cx.out.result(&payload, || format!("OK Idle notification sent to '{leader}'"))?;
    Ok(ExitCode::SUCCESS)
}

fn on_exit(cx: &Cx, args: OnExitArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let agent = AgentName::parse(args.agent)?;
    let Some(exited) = lifecycle::on_exit(&cx.app, &team, &agent, &Ending::default())? else {
        return Ok(ExitCode::SUCCESS);
    };
    cx.out.result(&exited, || {
        format!(
            "Agent '{agent}' exited. Reset {} task(s) to pending.",
            exited.abandoned_tasks.len()
        )
    })?;
    if let Some(done) = respawn::after_exit(&cx.app, &team, &agent)? {
        cx.out.result(&done, || match done.status {
            "agent_respawned" => format!("  Auto-respawned agent '{agent}'. {}", done.detail),
            _ => format!("  Auto-respawn failed for '{agent}': {}", done.detail),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check_zombies(cx: &Cx, args: ZombieArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let zombies = lifecycle::zombies(&cx.app, &team, args.max_hours);
    let payload = json!({"team": team, "zombies": zombies});
    cx.out.result(&payload, || {
        if zombies.is_empty() {
            return format!("✓ No zombie agents detected for team '{team}'");
        }
        let mut text = format!("⚠ {} zombie agent(s) detected in team '{team}':", zombies.len());
        for zombie in &zombies {
            text.push_str(&format!(
                "\n  • {}  pid={}  backend={}  running={:.1}h",
                zombie.agent_name, zombie.pid, zombie.backend, zombie.running_hours
            ));
        }
        text.push_str("\nLook at them with `clawteam board attach`, or end the whole team with `clawteam team cleanup`.");
        text
    })?;
    Ok(if zombies.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
