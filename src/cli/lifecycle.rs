//! `clawteam lifecycle`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Cx;
use crate::app::lifecycle::{self, Ending};
use crate::app::shutdown::{self, Answer};
use crate::app::{respawn, zombie};
use crate::core::{AgentName, Outcome, TeamName};
use crate::output::Table;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum LifecycleCommand {
    /// Ask an agent to end
    RequestShutdown(RequestArgs),
    /// Agree to end, and tell whoever asked
    ApproveShutdown(ApproveArgs),
    /// Refuse to end, and tell whoever asked
    RejectShutdown(RejectArgs),
    /// Tell the leader that you have nothing to do
    Idle(IdleArgs),
    /// Put back the tasks of an agent that has ended, and tell the leader
    OnExit(OnExitArgs),
    /// The same for one that was killed
    OnCrash(OnExitArgs),
    /// Exit with 0 if an agent that has ended by itself shall be started again
    ShouldKeepalive(OnExitArgs),
    /// List agents that run but do not get on
    CheckZombies(ZombieArgs),
    /// Show which agents failed and may not be started again yet
    Health(HealthArgs),
}

/// Arguments of `lifecycle request-shutdown`.
#[derive(Debug, Args)]
pub(super) struct RequestArgs {
    /// The team
    team: String,
    /// Who asks; may be left out if it is you
    from: String,
    /// Who is asked
    to: Option<String>,
    /// Why
    #[arg(short, long, default_value = "")]
    reason: String,
}

/// Arguments of `lifecycle approve-shutdown`.
#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// The team
    team: String,
    /// The request
    request_id: String,
    /// Who ends
    agent: String,
}

/// Arguments of `lifecycle reject-shutdown`.
#[derive(Debug, Args)]
pub(super) struct RejectArgs {
    /// The team
    team: String,
    /// The request
    request_id: String,
    /// Who does not end
    agent: String,
    /// Why not
    #[arg(short, long, default_value = "")]
    reason: String,
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

/// Arguments of `lifecycle on-exit`, `on-crash` and `should-keepalive`.
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
    /// How many hours an agent that works on a task may give no sign of life
    #[arg(long, default_value_t = 2.0)]
    max_hours: f64,
}

/// Arguments of `lifecycle health`.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// The team
    team: String,
    /// The agent [default: all that ever failed]
    #[arg(short = 'n', short_alias = 'a', long)]
    agent: Option<String>,
    /// Forget the failures, so that it may be started again at once
    #[arg(long)]
    reset: bool,
}

pub(super) fn run(cx: &Cx, command: LifecycleCommand) -> Outcome<ExitCode> {
    match command {
        LifecycleCommand::RequestShutdown(args) => request(cx, args)?,
        LifecycleCommand::ApproveShutdown(args) => approve(cx, args)?,
        LifecycleCommand::RejectShutdown(args) => reject(cx, args)?,
        LifecycleCommand::Idle(args) => return idle(cx, args),
        LifecycleCommand::OnExit(args) | LifecycleCommand::OnCrash(args) => {
            return on_exit(cx, args);
        }
        LifecycleCommand::ShouldKeepalive(args) => {
            let (team, agent) = (TeamName::parse(args.team)?, AgentName::parse(args.agent)?);
            let yes = shutdown::should_keep_alive(&cx.app, &team, &agent)?;
            return Ok(if yes { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        LifecycleCommand::CheckZombies(args) => return check_zombies(cx, args),
        LifecycleCommand::Health(args) => health(cx, args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn request(cx: &Cx, args: RequestArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let (from, to) = match args.to {
        Some(to) => (args.from, to),
        None => (cx.app.identity.agent_name.clone(), args.from),
    };
    let (from, to) = (AgentName::parse(from)?, AgentName::parse(to)?);
    let id = shutdown::request(&cx.app, &team, &from, &to, some(args.reason))?;
    let payload = json!({"status": "requested", "requestId": id, "from": from, "to": to});
    cx.out.result(&payload, || format!("OK Shutdown request sent to '{to}' (id: {id})"))
}

fn approve(cx: &Cx, args: ApproveArgs) -> Outcome<()> {
    let (team, agent) = (TeamName::parse(args.team)?, AgentName::parse(args.agent)?);
    let answer = Answer { request: args.request_id.clone(), approved: true, reason: None };
    shutdown::answer(&cx.app, &team, &agent, answer)?;
    let payload = json!({"status": "approved", "requestId": args.request_id, "agent": agent});
    cx.out.result(&payload, || format!("OK {agent} approved shutdown"))
}

fn reject(cx: &Cx, args: RejectArgs) -> Outcome<()> {
    let (team, agent) = (TeamName::parse(args.team)?, AgentName::parse(args.agent)?);
    let reason = some(args.reason.clone());
    let answer = Answer { request: args.request_id.clone(), approved: false, reason };
    shutdown::answer(&cx.app, &team, &agent, answer)?;
    let payload = json!({
        "status": "rejected",
        "requestId": args.request_id,
        "agent": agent,
        "reason": args.reason,
    });
    cx.out.result(&payload, || format!("OK {agent} rejected shutdown"))
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
    // The shells of Python's ClawTeam hand on the status so.
    let exit_code = cx.app.env.get("CLAWTEAM_EXIT_CODE").and_then(|code| code.parse().ok());
    let stopped = shutdown::agreed(&cx.app, &team, &agent)?;
    let ending = Ending { exit_code, stopped, ..Ending::default() };
    let Some(exited) = lifecycle::on_exit(&cx.app, &team, &agent, &ending)? else {
        return Ok(ExitCode::SUCCESS);
    };
    cx.out.result(&exited, || {
        format!(
            "Agent '{agent}' exited. Reset {} task(s) to pending.",
            exited.abandoned_tasks.len()
        )
    })?;
    if stopped {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(done) = respawn::after_exit(&cx.app, &team, &agent, &ending)? {
        cx.out.result(&done, || match done.status {
            "agent_respawned" => format!("  Auto-respawned agent '{agent}'. {}", done.detail),
            _ => format!("  Auto-respawn failed for '{agent}': {}", done.detail),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check_zombies(cx: &Cx, args: ZombieArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    cx.app.warn_if_unknown(&team);
    let zombies = zombie::zombies(&cx.app, &team, args.max_hours);
    let payload = json!({"team": team, "zombies": zombies});
    cx.out.result(&payload, || {
        if zombies.is_empty() {
            return format!("✓ No zombie agents detected for team '{team}'");
        }
        let mut text = format!("⚠ {} zombie agent(s) detected in team '{team}':", zombies.len());
        for zombie in &zombies {
            text.push_str(&format!(
                "\n  • {}  pid={}  backend={}  running={:.1}h  {}",
                zombie.agent_name, zombie.pid, zombie.backend, zombie.running_hours, zombie.reason
            ));
        }
        text.push_str(&format!(
            "\nEnd one with `clawteam team stop {team} --agent NAME`; bring it back with \
             `clawteam team resume {team} --agent NAME`."
        ));
        text
    })?;
    Ok(if zombies.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn health(cx: &Cx, args: HealthArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    cx.app.warn_if_unknown(&team);
    let agents: Vec<AgentName> = if let Some(agent) = args.agent {
        vec![AgentName::parse(agent)?]
    } else {
        let known = respawn::health(&cx.app, &team)?;
        known.into_keys().filter_map(|name| AgentName::parse(name).ok()).collect()
    };
    if args.reset {
        let mut reset = Vec::new();
        for agent in agents {
            if respawn::reset(&cx.app, &team, &agent)? {
                reset.push(agent);
            }
        }
        let payload = json!({"status": "reset", "team": team, "agents": reset});
        return cx.out.result(&payload, || {
            let names: Vec<&str> = reset.iter().map(AgentName::as_str).collect();
            match names[..] {
                [] => "Nothing had failed".to_owned(),
                _ => format!("OK Forgot the failures of {}", names.join(", ")),
            }
        });
    }
    let now = cx.app.now_seconds();
    let mut rows: Vec<Value> = Vec::new();
    let mut table = Table::new(format!("Health — {team}")).column("Agent").column("State");
    table = table.number("Failures in a row").number("Failures").number("Successes");
    table = table.column("May be started again");
    for agent in agents {
        let health = respawn::health_of(&cx.app, &team, &agent)?;
        let wait = health.remaining(now).ceil();
        let when = if wait > 0.0 { format!("in {wait} s") } else { "yes".to_owned() };
        table.row([
            agent.to_string(),
            health.state.clone(),
            health.consecutive_failures.to_string(),
            health.total_failures.to_string(),
            health.total_successes.to_string(),
            when,
        ]);
        let mut row = serde_json::to_value(&health).unwrap_or_default();
        row["acceptsAgainInSeconds"] = json!(wait);
        rows.push(row);
    }
    let payload = json!({"team": team, "agents": rows});
    cx.out.result(&payload, || {
        if rows.is_empty() {
            return format!("No agent of team '{team}' has failed");
        }
        table.render(cx.out.width())
    })
}
