//! What a command finds when it starts: directories, settings, identity and adapters.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::ArgMatches;

use super::Cx;
use super::main::{backend, lock_patience};
use crate::app::{App, hook, settings};
use crate::core::id::IdSource;
use crate::core::time::Clock;
use crate::core::{Diagnose, Outcome};
use crate::domain::event::Event;
use crate::domain::identity::{ANONYMOUS, Identity, is_true};
use crate::domain::settings::Settings;
use crate::domain::team::GENERAL_PURPOSE;
use crate::env::{self, Env};
use crate::output::{self, Output};
use crate::ports::Dotfiles;
use crate::store::Store;

/// There is no home directory.
#[derive(Debug, thiserror::Error)]
#[error("cannot find the home directory: HOME is not set")]
struct NoHome;

impl Diagnose for NoHome {
    fn code(&self) -> &'static str {
        "no_home"
    }

    fn hint(&self) -> Option<String> {
        Some("set HOME".into())
    }
}

/// The present directory is gone.
#[derive(Debug, thiserror::Error)]
#[error("cannot find the present directory")]
struct NoCurrentDir(#[source] std::io::Error);

impl Diagnose for NoCurrentDir {
    fn code(&self) -> &'static str {
        "no_current_dir"
    }
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

struct RandomIds;

impl IdSource for RandomIds {
    fn hex(&self, digits: usize) -> String {
        let mut text = uuid::Uuid::new_v4().simple().to_string();
        text.truncate(digits);
        text
    }
}

/// Whether the result is to be JSON, wherever `--json` was written.
pub(super) fn wants_json(matches: &ArgMatches) -> bool {
    let mut at = Some(matches);
    while let Some(matches) = at {
        if matches.try_get_one::<bool>("json").ok().flatten().copied().unwrap_or(false) {
            return true;
        }
        at = matches.subcommand().map(|(_, rest)| rest);
    }
    false
}

/// What commands work with.
pub(super) fn context(matches: &ArgMatches, json: bool) -> Outcome<Cx> {
    let mut env = Env::read();
    for (option, variable) in [("data_dir", env::DATA_DIR), ("transport", env::TRANSPORT)] {
        if let Some(value) = matches.get_one::<String>(option).filter(|value| !value.is_empty()) {
            env.set(variable, value);
        }
    }
    let out = Output::new(json, env.get("COLUMNS"));
    let app = app(env)?;
    let transport = settings::effective(&app.settings, &app.env, "transport").value;
    if !matches!(transport.as_str(), "" | "file") {
        let reason = format!("transport '{transport}' is not supported; messages travel as files");
        let team = app.identity.team_name.clone().unwrap_or_default();
        let event = Event::new("TransportFallback", &team).with("transport", transport);
        let event = event.with("fallback", "file").with("reason", reason.as_str());
        // The process that tells of it meets the same transport.
        if app.env.get(hook::EVENTS).is_none() {
            app.warn(reason);
            hook::emit(&app, event);
        }
    }
    Ok(Cx { app, out })
}

/// What the use cases work with in this environment.
pub(super) fn app(env: Env) -> Outcome<App> {
    let home = env.home().ok_or(NoHome)?.join(".clawteam");
    let patience = lock_patience(env.get(env::LOCK_TIMEOUT));
    let home_store = Store::new(backend(home.clone(), true), patience, Arc::new(output::notice));
    let settings = settings::load(&home_store)?;
    let data_dir = data_dir(&settings, &env, home)?;
    let sync = settings::effective(&settings, &env, "durability").value != "process";
    let store = Store::new(backend(data_dir.clone(), sync), patience, Arc::new(output::notice));
    let ids = RandomIds;
    let identity = identity(&settings, &env, &ids);
    Ok(App {
        store,
        home_store,
        data_dir,
        settings,
        identity,
        clock: Box::new(SystemClock),
        ids: Box::new(ids),
        git: Box::new(crate::git::GitProgram::new()),
        terminal: Box::new(crate::tmux::Tmux::new(env.get(env::TMUX_SOCKET).map(PathBuf::from))),
        processes: Box::new(crate::proc::SystemProcesses),
        foreign: Box::new(crate::foreign::SystemFiles),
        web: Arc::new(crate::web::WebClient),
        env,
    })
}

/// The windows of a tmux server that nobody else uses, with its socket in `dir`. It ends with its
/// last window.
pub(super) fn scratch_terminal(dir: &Path) -> impl crate::ports::Terminal {
    crate::tmux::Tmux::new(Some(dir.join("tmux.socket")))
}

/// The user's own files.
pub(super) fn dotfiles() -> impl Dotfiles {
    crate::dotfiles::UserFiles
}

/// The data directory as an absolute path: an agent works elsewhere and must find the same one.
fn data_dir(settings: &Settings, env: &Env, home: PathBuf) -> Outcome<PathBuf> {
    let value = settings::effective(settings, env, "data_dir").value;
    if value.is_empty() {
        return Ok(home);
    }
    let path = Path::new(&value);
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    Ok(std::path::absolute(path).map_err(NoCurrentDir)?)
}

fn identity(settings: &Settings, env: &Env, ids: &dyn IdSource) -> Identity {
    let text = |field: &str| env.identity(field).map(str::to_owned);
    let truth = |field: &str| env.identity(field).is_some_and(is_true);
    let user = env.get(env::USER).or_else(|| env.get("OH_USER")).map(str::to_owned);
    Identity {
        agent_id: text("AGENT_ID").unwrap_or_else(|| ids.hex(12)),
        agent_name: text("AGENT_NAME").unwrap_or_else(|| ANONYMOUS.to_owned()),
        user: user.unwrap_or_else(|| settings::effective(settings, env, "user").value),
        agent_type: text("AGENT_TYPE").unwrap_or_else(|| GENERAL_PURPOSE.to_owned()),
        team_name: text("TEAM_NAME"),
        is_leader: truth("AGENT_LEADER"),
        plan_mode_required: truth("PLAN_MODE_REQUIRED"),
    }
}
