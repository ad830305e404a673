//! `clawteam team watch`.

use std::time::Duration;

use clap::Args;

use super::{Cx, args};
use crate::app::leader_watch::{self, Watch};
use crate::app::team;
use crate::core::{AgentName, Outcome, TeamName};

/// Arguments of `team watch`.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// The team
    team: String,
    /// Who leads it [default: the team's leader]
    #[arg(short, long)]
    leader: Option<String>,
    /// Seconds between two looks, at least 1
    #[arg(short, long, default_value = "60.0", value_parser = at_least_one)]
    interval: Duration,
    /// The longest time without a reminder in seconds, at least 1
    #[arg(long, default_value = "300.0", value_parser = at_least_one)]
    heartbeat_interval: Duration,
    /// Kept for old scripts: there is no Redis to listen to, so `auto` and `off` are the same
    #[arg(long, default_value = "auto", value_parser = ["auto", "off"], hide = true)]
    redis: String,
}

fn at_least_one(text: &str) -> Result<Duration, String> {
    args::seconds(text).map(|given| given.max(Duration::from_secs(1)))
}

pub(super) fn run(cx: &Cx, args: WatchArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    team::load(&cx.app, &team)?;
    let leader = match args.leader {
        Some(named) => AgentName::parse_as("leader name", named)?,
        None => team::leader(&cx.app, &team)?.0,
    };
    let stop = Cx::stop_on_signal()?;
    if !cx.out.json {
        cx.out.text(&format!(
            "Watching team '{team}' for leader '{leader}' (interval: {:.1}s, heartbeat: {:.1}s, redis: {}).",
            args.interval.as_secs_f64(),
            args.heartbeat_interval.as_secs_f64(),
            args.redis
        ))?;
    }
    let watch = Watch {
        team: &team,
        leader: &leader,
        interval: args.interval,
        heartbeat: args.heartbeat_interval,
        stop: &stop,
    };
    leader_watch::watch(&cx.app, &watch, &mut |reminded| {
        if cx.out.json {
            return cx.out.json_line(reminded);
        }
        let how = if reminded.injected { "injected reminder" } else { "no reminder" };
        let (reason, status) = (reminded.reason, &reminded.status);
        cx.out.text(&format!("[leader-watch] {how} ({reason}): {status}"))
    })
}
