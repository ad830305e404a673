//! What happened in a team as a log for Gource, and showing it.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::wait::Stop;
use super::{App, context, log, task, team};
use crate::core::{Diagnose, Outcome, Stamp, TeamName, limits};
use crate::domain::activity::{self, Event};

/// How many commits are shown.
const COMMITS_MAX: usize = 500;

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum GourceError {
    /// Nothing happened in the team.
    #[error("No activity found for team '{0}'")]
    NoActivity(String),
    /// The program is not there.
    #[error("Gource not found. Install it (https://gource.io/) or set gource_path in config.")]
    Missing,
    /// A program that is needed to write a video is not there, or ended badly.
    #[error("Failed to launch Gource{}: {why}", if *export { " (FFmpeg required for export)" } else { "" })]
    Failed {
        /// Whether a video was to be written.
        export: bool,
        /// What went wrong.
        why: String,
    },
    /// The log could not be written.
    #[error("cannot write the log for Gource")]
    Log(#[source] std::io::Error),
}

impl Diagnose for GourceError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoActivity(_) => "no_activity",
            Self::Missing => "gource_missing",
            Self::Failed { .. } => "gource_failed",
            Self::Log(_) => "io",
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::Missing)
            .then(|| "the log alone needs no program: clawteam board gource TEAM --log-only".into())
    }
}

/// Everything that happened in a team, oldest first. `with_work`: also what was committed; `repo`
/// is the repository, if it is another than was written down.
pub fn events(
    app: &App,
    name: &TeamName,
    with_work: bool,
    repo: Option<&Path>,
) -> Outcome<Vec<Event>> {
    let team = team::find(app, name)?.map(|doc| doc.value);
    let tasks = task::all(app, name)?;
    let messages = log::newest(app, name, limits::BOARD_MESSAGES_MAX, None)?;
    let mut events = activity::of_team(team.as_ref(), &tasks, &messages);
    // Without a repository there is nothing that was committed.
    if with_work && let Ok(sides) = context::sides(app, name, repo) {
        for entry in context::log(app, &sides, COMMITS_MAX)? {
            let at = Stamp::from(entry.timestamp).instant().map_or(0, |at| at.timestamp());
            let of = |file: &String| Event::new(at, &entry.agent, 'M', &[&entry.agent, file]);
            events.extend(entry.files.iter().map(of));
        }
        let now = app.now().timestamp();
        for (file, agents) in context::files(app, &sides, false)? {
            if agents.len() > 1 {
                let of = |agent: &String| Event::new(now, agent, 'M', &["shared", &file]);
                events.extend(agents.keys().map(of));
            }
        }
    }
    events.sort();
    if events.is_empty() {
        return Err(GourceError::NoActivity(name.to_string()).into());
    }
    Ok(events)
}

/// How a team is shown.
pub struct Show<'a> {
    /// The team.
    pub team: &'a TeamName,
    /// Whether what was committed is shown.
    pub with_work: bool,
    /// The repository, if it is another than was written down.
    pub repo: Option<&'a Path>,
    /// Width and height as `WxH`; empty for what Gource likes.
    pub resolution: String,
    /// Seconds that a day takes.
    pub seconds_per_day: String,
    /// The video to be written.
    pub export: Option<&'a Path>,
    /// Whether what happens from now on is shown, too, and the time between two looks.
    pub live: Option<Duration>,
    /// A request to end.
    pub stop: &'a Stop,
}

/// Shows a team with Gource, until it is closed.
pub fn show(app: &App, show: &Show<'_>) -> Outcome<()> {
    let events = events(app, show.team, show.with_work, show.repo)?;
    let program = program(app)?;
    let failed = |why: String| GourceError::Failed { export: show.export.is_some(), why };
    let path = app.env.get("PATH").unwrap_or_default();
    let encodes = || app.processes.find_program("ffmpeg", Path::new("."), path).is_some();
    if show.export.is_some() && !encodes() {
        return Err(failed("ffmpeg is not installed".to_owned()).into());
    }
    let ran = if let Some(interval) = show.live {
        let chain = [arguments(&program, "-", show)];
        live(app, show, interval, &events, &chain)
    } else {
        let mut file = tempfile::Builder::new()
            .prefix("clawteam-gource-")
            .suffix(".log")
            .tempfile()
            .map_err(GourceError::Log)?;
        file.write_all(&text(&events)).map_err(GourceError::Log)?;
        let path = file.path().display().to_string();
        let mut chain = vec![arguments(&program, &path, show)];
        chain.extend(show.export.map(encoder));
        app.processes.feed(&chain, &mut || None)
    };
    match ran {
        Ok(0) => Ok(()),
        Ok(_) if show.stop.is_requested() => Ok(()),
        Ok(code) => Err(failed(format!("it ended with status {code}")).into()),
        Err(error) => Err(failed(error.to_string()).into()),
    }
}

fn text(events: &[Event]) -> Vec<u8> {
    let lines: Vec<String> = events.iter().map(Event::line).collect();
    (lines.join("\n") + "\n").into_bytes()
}

/// Feeds Gource with what happened, and with what happens.
fn live(
    app: &App,
    show: &Show<'_>,
    interval: Duration,
    events: &[Event],
    chain: &[Vec<String>],
) -> std::io::Result<i32> {
    let mut known: HashSet<Event> = HashSet::new();
    let mut fresh: Vec<Event> = events.to_vec();
    let mut changes = app.store.backend().watch(&[]).ok();
    if let Some(changes) = &changes {
        show.stop.wakes(&**changes);
    }
    // Files of several agents are always of this moment; once is enough.
    let mark = |event: &Event| {
        let shared = event.path.starts_with("/shared/");
        Event { at: if shared { 0 } else { event.at }, ..event.clone() }
    };
    app.processes.feed(chain, &mut || {
        if show.stop.is_requested() {
            return None;
        }
        if !known.is_empty() {
            let next = Instant::now() + interval;
            while !show.stop.is_requested() && Instant::now() < next {
                let left = next.saturating_duration_since(Instant::now());
                match &mut changes {
                    Some(changes) => drop(changes.wait(left)),
                    None => std::thread::sleep(left),
                }
            }
            // What cannot be read now can be next time.
            fresh = self::events(app, show.team, show.with_work, show.repo).unwrap_or_default();
            fresh.retain(|event| !known.contains(&mark(event)));
        }
        known.extend(fresh.iter().map(mark));
        Some(if fresh.is_empty() { Vec::new() } else { text(&fresh) })
    })
}

/// The program that was set, or the one on the `PATH`.
fn program(app: &App) -> Outcome<String> {
    let path = app.env.get("PATH").unwrap_or_default();
    let here = PathBuf::from(".");
    let set = app.setting("gource_path");
    let set = Some(set).filter(|set| !set.is_empty());
    let found = set
        .and_then(|set| app.processes.find_program(&set, &here, path))
        .or_else(|| app.processes.find_program("gource", &here, path));
    Ok(found.ok_or(GourceError::Missing)?.display().to_string())
}

fn arguments(program: &str, log: &str, show: &Show<'_>) -> Vec<String> {
    let title = format!("ClawTeam: {}", show.team);
    let mut words = vec![program, log, "--log-format", "custom"];
    words.extend(["--seconds-per-day", &show.seconds_per_day, "--auto-skip-seconds", "0.5"]);
    words.extend(["--file-idle-time", "0", "--max-files", "0"]);
    words.extend(["--highlight-users", "--multi-sampling"]);
    if show.live.is_some() {
        words.push("--realtime");
    }
    if !show.resolution.is_empty() {
        words.extend(["--viewport", &show.resolution]);
    }
    words.extend(["--title", &title]);
    if show.export.is_some() {
        words.extend(["-o", "-"]);
    }
    words.into_iter().map(str::to_owned).collect()
}

/// The program that makes a video of pictures.
fn encoder(target: &Path) -> Vec<String> {
    let target = target.display().to_string();
    let words = [
        "ffmpeg",
        "-y",
        "-r",
        "60",
        "-f",
        "image2pipe",
        "-vcodec",
        "ppm",
        "-i",
        "-",
        "-vcodec",
        "libx264",
        "-preset",
        "medium",
        "-pix_fmt",
        "yuv420p",
        "-crf",
        "18",
        &target,
    ];
    words.map(str::to_owned).to_vec()
}
