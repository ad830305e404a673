//! `clawteam runtime`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::inbox::{WatchArgs, call, tell};
use super::{Cx, args};
use crate::app::agent_state::{self, Screens};
use crate::app::runtime::{self, How, Mode, Note, REACTION_MAX, Watch};
use crate::app::team;
use crate::core::{AgentName, Diagnose, Failure, Name, Outcome, TeamName};
use crate::domain::runtime::Envelope;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum RuntimeCommand {
    /// Give a text to an agent that runs
    Inject(InjectArgs),
    /// Pass the messages of an inbox on to its agent as they come
    Watch(WatchArgs),
    /// Show how messages are passed on in a team
    State {
        /// The team
        team: String,
    },
}

/// When a text is given, and how long that may take.
#[derive(Debug, Args)]
struct HowArgs {
    /// When: at its next turn (queue), once it waits for one (when-idle), or now
    #[arg(long, value_name = "MODE", default_value = "queue")]
    mode: String,
    /// Seconds to wait for it to become idle (with --mode when-idle)
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = args::poll_seconds)]
    timeout: Duration,
}

impl HowArgs {
    fn how(&self) -> Outcome<How> {
        how(&self.mode, self.timeout)
    }
}

/// How a text is given. Only `when-idle` waits.
pub(super) fn how(mode: &str, timeout: Duration) -> Outcome<How> {
    let mode = mode.parse::<Mode>()?;
    let patience = if mode == Mode::WhenIdle { timeout } else { Duration::ZERO };
    Ok(How { mode, patience, reaction: REACTION_MAX })
}

/// Arguments of `runtime inject`.
#[derive(Debug, Args)]
pub(super) struct InjectArgs {
    /// The team
    team: String,
    /// The agent
    agent: String,
    /// What it says
    #[arg(long)]
    summary: String,
    /// Who says it
    #[arg(short, long, default_value = "system")]
    source: String,
    /// `direct` or `team`
    #[arg(long, default_value = "direct")]
    channel: String,
    /// How much it matters
    #[arg(long, default_value = "medium")]
    priority: String,
    /// A line that belongs to it; may be given several times
    #[arg(short, long, value_name = "LINE")]
    evidence: Vec<String>,
    /// What the agent should do
    #[arg(long, value_name = "TEXT")]
    recommended_next_action: Option<String>,
    /// What makes it known again: the same id is given once [default: a fresh one]
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    how: HowArgs,
}

pub(super) fn run(cx: &Cx, command: RuntimeCommand) -> Outcome<ExitCode> {
    match command {
        RuntimeCommand::Inject(args) => inject(cx, args)?,
        RuntimeCommand::Watch(args) => watch(cx, args)?,
        RuntimeCommand::State { team } => state(cx, team)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn inject(cx: &Cx, args: InjectArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let agent = AgentName::parse(args.agent)?;
    let how = args.how.how()?;
    let id = match args.id {
        Some(id) => Name::parse_as("id", id)?.to_string(),
        None => cx.app.ids.hex(12),
    };
    team::load(&cx.app, &team)?;
    let envelope = Envelope {
        source: args.source,
        target: agent.to_string(),
        channel: args.channel,
        priority: args.priority,
        summary: args.summary,
        evidence: args.evidence,
        recommended_next_action: args.recommended_next_action,
        dedupe_key: id.clone(),
        created_at: cx.app.stamp(),
        ..Envelope::default()
    };
    let note = Note { id, envelope };
    let (backend, given) = runtime::inject(&cx.app, &team, &agent, &note, how)?;
    let status = given.status(&agent);
    let payload = json!({
        "team": team,
        "agent": agent,
        "backend": backend,
        "status": status,
        "id": note.id,
        "mode": how.mode.as_str(),
        "delivery": given.word(),
    });
    cx.out.result(&payload, || format!("OK {status}"))
}

/// An agent without a terminal cannot be typed to.
#[derive(Debug, thiserror::Error)]
#[error(
    "runtime watch is not supported for subprocess agents. Use `clawteam runtime inject`, which \
     leaves the text in their inbox."
)]
struct NoTerminal;

impl Diagnose for NoTerminal {
    fn code(&self) -> &'static str {
        "backend_unsupported"
    }
}

fn watch(cx: &Cx, args: WatchArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let name = args.agent.unwrap_or_else(|| cx.app.identity.agent_name.clone());
    let agent = AgentName::parse(name)?;
    team::load(&cx.app, &team)?;
    let look = agent_state::of(&cx.app, &team, &agent, Screens::Needed)?;
    if look.entry.as_ref().is_some_and(|entry| entry.backend == "subprocess") {
        return Err(Failure::from(NoTerminal));
    }
    if !cx.out.json {
        cx.out.text(&format!(
            "Watching runtime routes for '{agent}' in team '{team}'... (Ctrl+C to stop)"
        ))?;
    }
    let stop = Cx::stop_on_signal()?;
    let watched = Watch { team: &team, agent: &agent, poll: args.poll_interval, stop: &stop };
    runtime::watch(&cx.app, &watched, &mut |message| {
        tell(cx, message)?;
        if let Some(exec) = &args.exec {
            call(exec, message, &stop);
        }
        Ok(())
    })
}

fn state(cx: &Cx, team: String) -> Outcome<()> {
    let team = TeamName::parse(team)?;
    cx.app.warn_if_unknown(&team);
    let state = runtime::state(&cx.app, &team)?;
    cx.out.result(&state, || {
        let mut text = format!("Runtime state for '{team}' (throttle={}s)", state.throttle_seconds);
        if state.routes.is_empty() {
            text.push_str("\nNo runtime route state.");
        }
        let mut routes: Vec<_> = state.routes.values().collect();
        routes.sort_by(|a, b| (&a.source, &a.target).cmp(&(&b.source, &b.target)));
        for route in routes {
            let flush = route.flush_after.as_str();
            text.push_str(&format!(
                "\n  {} -> {} pending={} status={} flushAfter={}",
                route.source,
                route.target,
                route.pending_count,
                route.last_dispatch_status,
                if flush.is_empty() { "-" } else { flush }
            ));
        }
        text
    })
}
