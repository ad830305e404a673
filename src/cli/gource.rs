//! `clawteam board gource`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::{Cx, args};
use crate::app::gource::{self, Show};
use crate::core::{Diagnose, Outcome, TeamName};
use crate::domain::activity::Event;
use crate::output;

/// Arguments of `board gource`.
#[derive(Debug, Args)]
pub(super) struct GourceArgs {
    /// The team
    team: String,
    /// Write a video to this file (needs ffmpeg)
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Print the log for Gource and start nothing
    #[arg(long)]
    log_only: bool,
    /// Show what happens from now on, too
    #[arg(long)]
    live: bool,
    /// Seconds between two looks with --live, at least 0.2
    #[arg(long, default_value = "2.0", value_parser = interval)]
    interval: Duration,
    /// Show what agents committed, too (the default)
    #[arg(long, overrides_with = "events_only")]
    combine_worktrees: bool,
    /// Show only members, tasks and messages
    #[arg(long, overrides_with = "combine_worktrees")]
    events_only: bool,
    /// The repository [default: that of the team's worktrees, or the one around you]
    #[arg(long, value_name = "PATH")]
    repo: Option<PathBuf>,
    /// Width and height [default: the setting `gource_resolution`]
    #[arg(short, long, value_name = "WxH")]
    resolution: Option<String>,
    /// Seconds that a day takes [default: the setting `gource_seconds_per_day`]
    #[arg(short, long, value_name = "SECONDS")]
    speed: Option<f64>,
}

fn interval(text: &str) -> Result<Duration, String> {
    let least = Duration::from_millis(200);
    let given = args::seconds(text)?;
    if given < least { Err("the least is 0.2".to_owned()) } else { Ok(given) }
}

/// A video of what has not happened yet cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("--live cannot be used with --export")]
struct LiveExport;

impl Diagnose for LiveExport {
    fn code(&self) -> &'static str {
        "invalid_arguments"
    }
}

pub(super) fn run(cx: &Cx, args: GourceArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    if args.live && args.export.is_some() {
        return Err(LiveExport.into());
    }
    let with_work = !args.events_only;
    if args.log_only {
        let events = gource::events(&cx.app, &team, with_work, args.repo.as_deref())?;
        let lines: Vec<String> = events.iter().map(Event::line).collect();
        return cx.out.text(&lines.join("\n"));
    }
    let stop = Cx::stop_on_signal()?;
    let speed = args.speed.map(|speed| speed.to_string());
    let show = Show {
        team: &team,
        with_work,
        repo: args.repo.as_deref(),
        resolution: args.resolution.unwrap_or_else(|| cx.app.setting("gource_resolution")),
        seconds_per_day: speed.unwrap_or_else(|| cx.app.setting("gource_seconds_per_day")),
        export: args.export.as_deref(),
        live: args.live.then_some(args.interval),
        stop: &stop,
    };
    if !cx.out.json {
        output::say(&format!("Showing team '{team}' with Gource …"));
    }
    gource::show(&cx.app, &show)?;
    let payload = json!({"status": "shown", "team": team, "export": args.export});
    cx.out.result(&payload, || match &args.export {
        Some(file) => format!("OK Wrote {}", file.display()),
        None => "OK Gource was closed".to_owned(),
    })
}
