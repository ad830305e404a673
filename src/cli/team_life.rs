//! `clawteam team stop` and `clawteam team resume`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::Cx;
use crate::app::comeback::{self, Back, Came, Report};
use crate::app::{agents, team};
use crate::core::{AgentName, Outcome, TeamName, text};

/// Arguments of `team stop`.
#[derive(Debug, Args)]
pub(super) struct StopArgs {
    /// The team
    team: String,
    /// Only this agent
    #[arg(short, long)]
    agent: Option<String>,
}

/// Arguments of `team resume`.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The team
    team: String,
    /// Only this agent, whatever its last end was
    #[arg(short, long)]
    agent: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn stop(cx: &Cx, args: StopArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    team::load(&cx.app, &team)?;
    let only = args.agent.map(AgentName::parse).transpose()?;
    let (stopped, failed) = agents::stop_each(&cx.app, &team, only)?;
    let payload =
        json!({"status": "stopped", "team": team, "stopped": stopped, "notStopped": failed});
    cx.out.result(&payload, || {
        let names =
            |list: &[AgentName]| list.iter().map(AgentName::as_str).collect::<Vec<_>>().join(", ");
        let mut lines = match stopped[..] {
            [] => "No agent was running".to_owned(),
            _ => format!("OK Stopped: {}", names(&stopped)),
        };
        if !failed.is_empty() {
            lines.push_str(&format!("\nNot stopped: {}", names(&failed)));
        }
        lines
    })?;
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) fn resume(cx: &Cx, args: ResumeArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let agent = args.agent.map(AgentName::parse).transpose()?;
    let request = comeback::Request { agent, dry_run: args.dry_run };
    let report = comeback::team(&cx.app, &team, &request)?;
    cx.out.result(&report, || shown(&report))?;
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn shown(report: &Report) -> String {
    let mut lines = Vec::new();
    for back in &report.agents {
        lines.push(line(back, report.status == "planned"));
    }
    if lines.is_empty() {
        lines.push(format!("Team '{}' has no members", report.team));
    }
    lines.join("\n")
}

/// What became of an agent, on one line.
pub(super) fn line(back: &Back, planned: bool) -> String {
    let would = if planned { "would be " } else { "" };
    let session = back.session.as_deref().unwrap_or_default();
    let what = match back.status {
        Came::Running => "runs already".to_owned(),
        Came::Resumed => format!("{would}resumed in session {}", text::printable(session, false)),
        Came::Restarted => format!("{would}started anew (no session is known to go on with)"),
        Came::Finished => "had finished".to_owned(),
        Came::ShutDown => "had agreed to end".to_owned(),
        Came::Resting => "rests".to_owned(),
        Came::Unknown => "was never started by clawteam".to_owned(),
        Came::Failed => "could not be started".to_owned(),
    };
    let mut line = format!("  {}: {what}", back.agent);
    if back.worktree_restored {
        line.push_str(&format!("; its worktree {would}made again"));
    }
    if back.unread > 0 {
        line.push_str(&format!("; {}", text::count(back.unread, "unread message")));
    }
    let names = |tasks: &[crate::app::wait::TaskRef]| {
        let all: Vec<String> = tasks
            .iter()
            .map(|task| format!("{} ({})", task.id, text::printable(&task.subject, false)))
            .collect();
        all.join(", ")
    };
    if !back.tasks.is_empty() {
        line.push_str(&format!("; goes on with {}", names(&back.tasks)));
    }
    if !back.released.is_empty() {
        line.push_str(&format!("; {would}given back: {}", names(&back.released)));
    }
    if let Some(detail) = &back.detail {
        line.push_str(&format!(" ({})", text::printable(detail, false)));
    }
    line
}
