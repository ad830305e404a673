//! `clawteam tick`.

use std::process::ExitCode;

use clap::Args;

use super::Cx;
use crate::app::tick::{self, TeamTick, TickOptions, Ticked};
use crate::core::text::count;
use crate::core::{Outcome, Span, TeamName};

/// Arguments of `tick`.
#[derive(Debug, Args)]
pub(super) struct TickArgs {
    /// Look at this team only
    #[arg(short, long)]
    team: Option<String>,
    /// Begin no further work after this time
    #[arg(long, value_name = "TIME", default_value = "50s")]
    budget: Span,
    /// How many items of a queue at once
    #[arg(short, long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
}

pub(super) fn run(cx: &Cx, args: TickArgs) -> Outcome<ExitCode> {
    let options = TickOptions {
        team: args.team.map(TeamName::parse).transpose()?,
        budget: args.budget.duration(),
        jobs: usize::from(args.jobs),
        stop: Cx::stop_on_signal()?,
    };
    let ticked = tick::tick(&cx.app, &options)?;
    cx.out.result(&ticked, || text(&ticked))?;
    Ok(ExitCode::SUCCESS)
}

fn text(ticked: &Ticked) -> String {
    let lines: Vec<String> = ticked.teams.iter().flat_map(lines).collect();
    if lines.is_empty() {
        return format!("Nothing is due ({})", count(ticked.looked, "team"));
    }
    lines.join("\n")
}

fn lines(done: &TeamTick) -> Vec<String> {
    let team = &done.team;
    let mut lines = Vec::new();
    for fire in &done.fired {
        let started = fire.fired.started.as_ref().map(|id| format!("started {id}"));
        let what = started.or_else(|| fire.fired.problem.clone()).unwrap_or_default();
        lines.push(format!("{team}: schedule {}: {what}", fire.schedule));
    }
    if done.reclaimed > 0 {
        let items = count(done.reclaimed, "item");
        lines.push(format!("{team}: {items} of workers that are gone"));
    }
    if done.given > 0 {
        lines.push(format!("{team}: {} given to agents", count(done.given, "text")));
    }
    for item in &done.items {
        let outcome = serde_json::to_value(item.outcome).unwrap_or_default();
        let outcome = outcome.as_str().unwrap_or_default().replace('_', " ");
        lines.push(format!("{team}: item {} ({}): {outcome}", item.id, item.kind));
    }
    lines.extend(done.problems.iter().map(|problem| format!("{team}: {problem}")));
    lines
}
