//! Running hooks, and keeping what they said.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::{DEPTH, EVENTS, depth, listening};
use crate::app::{App, plugin};
use crate::core::{Diagnose, Outcome, text};
use crate::domain::event::Event;
use crate::domain::hook::Hook;
use crate::env;
use crate::ports::Program;
use crate::store::{Dir, Key};

/// How long a hook may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How much of each output of a hook is kept.
const OUTPUT_BYTES_MAX: usize = 16 * 1024;
/// For how many days it is kept.
const DAYS_KEPT: i64 = 14;

/// What came of a hook.
#[derive(Debug, Clone, Serialize)]
pub struct Ran {
    /// What was run.
    pub command: String,
    /// Its exit status; none if it could not be run or took too long.
    pub exit_code: Option<i32>,
    /// How long it took, in milliseconds.
    pub took_ms: u128,
    /// What it wrote.
    pub output: String,
    /// Why there is no exit status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Ran {
    /// Why what was asked about must not happen, if so. A hook that could not say counts as one
    /// that refuses.
    pub(super) fn refusal(&self) -> Option<String> {
        if self.exit_code == Some(0) {
            return None;
        }
        let said = self.output.lines().map(str::trim).rfind(|line| !line.is_empty());
        let how = match (&self.error, self.exit_code) {
            (Some(error), _) => error.clone(),
            (None, code) => format!("it ended with status {}", code.unwrap_or(-1)),
        };
        Some(said.map_or(how, |line| text::cut(line, 300).to_owned()))
    }
}

/// Runs a hook for an event and keeps what it said.
pub(super) fn hook(app: &App, hook: &Hook, event: &Event) -> Ran {
    let ran = shell(app, &hook.command, event);
    let entry = json!({
        "at": app.stamp(),
        "event": event.kind,
        "team": event.team_name,
        "hook": hook.command,
        "exitCode": ran.exit_code,
        "tookMs": ran.took_ms,
        "error": ran.error,
        "output": ran.output,
    });
    keep(app, &entry);
    ran
}

/// Appends a line to today's log of hooks. That it cannot be kept changes nothing else.
pub(in crate::app) fn keep(app: &App, entry: &serde_json::Value) {
    let key = Key::hook_log(&app.now().format("%Y-%m-%d").to_string());
    if let Err(error) = app.store.backend().append(&key, entry.to_string().as_bytes()) {
        app.warn(format!("what a hook said was not kept: {error}"));
    }
}

/// Where hooks run: here.
fn here() -> PathBuf {
    PathBuf::from(".").canonicalize().unwrap_or_else(|_| PathBuf::from("/"))
}

fn shell(app: &App, command: &str, event: &Event) -> Ran {
    let mut variables: BTreeMap<String, String> = event.variables().into_iter().collect();
    variables.insert(env::DATA_DIR.into(), app.data_dir.display().to_string());
    variables.insert(DEPTH.into(), (depth(app) + 1).to_string());
    // Somebody without a team of their own is in that of the event.
    if app.env.identity("TEAM_NAME").is_none() {
        variables.insert("CLAWTEAM_TEAM_NAME".into(), event.team_name.clone());
    }
    let program = Program {
        argv: ["sh", "-c", command].map(str::to_owned).to_vec(),
        cwd: here(),
        env: variables,
        env_without: vec![EVENTS.to_owned()],
        stdout_max: OUTPUT_BYTES_MAX,
        stderr_max: OUTPUT_BYTES_MAX,
        timeout: Some(LIMIT),
        grace: Duration::from_secs(1),
        ..Program::default()
    };
    match app.processes.capture(&program, &|| false, &mut |_| {}) {
        Ok(ran) => {
            let output = [ran.stdout, ran.stderr].concat();
            let late = ran.cut.map(|_| format!("it took more than {} s", LIMIT.as_secs()));
            Ran {
                command: command.to_owned(),
                exit_code: late.is_none().then_some(ran.exit_code),
                took_ms: ran.took.as_millis(),
                output: String::from_utf8_lossy(&output).into_owned(),
                error: late,
            }
        }
        Err(error) => Ran {
            command: command.to_owned(),
            exit_code: None,
            took_ms: 0,
            output: String::new(),
            error: Some(format!("it could not be run: {error}")),
        },
    }
}

/// The events that this process was started to tell cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("${EVENTS} holds no events")]
struct NoEvents;

impl Diagnose for NoEvents {
    fn code(&self) -> &'static str {
        "no_events"
    }
}

/// Tells hooks and plugins of the events that this process was started for. A hook that may veto
/// has been asked already.
pub fn deliver(app: &App) -> Outcome<()> {
    let text = app.env.get(EVENTS).ok_or(NoEvents)?;
    let events: Vec<Event> = serde_json::from_str(text).map_err(|_| NoEvents)?;
    for event in &events {
        for found in listening(app, &event.kind).iter().filter(|hook| !hook.veto) {
            hook(app, found, event);
        }
        plugin::tell(app, event);
    }
    forget_old(app)
}

/// Runs all hooks for an event now, one after the other, and says what came of each.
pub fn test(app: &App, event: Event) -> Vec<Ran> {
    let event = Event { timestamp: app.stamp().to_string(), ..event };
    listening(app, &event.kind).iter().map(|found| hook(app, found, &event)).collect()
}

/// Removes logs of days long past.
fn forget_old(app: &App) -> Outcome<()> {
    let oldest = (app.now() - chrono::TimeDelta::days(DAYS_KEPT)).format("%Y-%m-%d").to_string();
    let dir = Dir::hook_log();
    for name in app.store.backend().list(&dir)? {
        if name.strip_suffix(".jsonl").is_some_and(|day| day < oldest.as_str()) {
            app.store.backend().discard(&dir.entry(&name))?;
        }
    }
    Ok(())
}
