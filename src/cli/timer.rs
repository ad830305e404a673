//! `clawteam setup timer`.

#![expect(
    clippy::disallowed_methods,
    reason = "the files of the user's service manager are not those of the store"
)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::Cx;
use crate::core::{Diagnose, Exit, Outcome, Span};
use crate::domain::timer::{Call, LABEL, NAME, edit_crontab};
use crate::output;
use crate::ports::{Captured, Program};
use crate::store::{Dir, Expect, Put};

/// Arguments of `setup timer`.
#[derive(Debug, Args)]
pub(super) struct TimerArgs {
    /// How often
    #[arg(long, value_name = "TIME", default_value = "1m")]
    every: Span,
    /// Show what would be done, and do nothing
    #[arg(long)]
    print: bool,
    /// Take it away again
    #[arg(long)]
    remove: bool,
    /// By a timer of systemd
    #[arg(long, group = "manager")]
    systemd: bool,
    /// By a line of your crontab
    #[arg(long, group = "manager")]
    cron: bool,
    /// By a job of launchd
    #[arg(long, group = "manager")]
    launchd: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Why the timer cannot be set up.
#[derive(Debug, thiserror::Error)]
enum TimerError {
    #[error("no service manager was found: neither systemd nor cron nor launchd")]
    NoManager,
    #[error("nobody said yes; nothing was changed")]
    NotConfirmed,
    #[error("cannot write {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{command}` failed: {said}")]
    Failed { command: String, said: String },
    #[error("there is no home directory")]
    NoHome,
}

impl Diagnose for TimerError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoManager => "no_service_manager",
            Self::NotConfirmed => "not_confirmed",
            Self::Io { .. } => "io",
            Self::Failed { .. } => "service_manager_failed",
            Self::NoHome => "no_home",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoManager => Some("name one with --systemd, --cron or --launchd, or have `clawteam tick` called in another way".into()),
            Self::NotConfirmed => Some("say --yes".into()),
            Self::Failed { command, .. } if command.starts_with("systemctl") => {
                Some("without a session of its own systemd does nothing for you; try --cron".into())
            }
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        if matches!(self, Self::NoManager) { Exit::Missing } else { Exit::Failure }
    }
}

/// What is to be done.
#[derive(Debug, Default)]
struct Plan {
    manager: &'static str,
    /// Files and what they shall hold; nothing: they shall go.
    files: Vec<(PathBuf, Option<String>)>,
    /// The crontab as it is, and as it shall be.
    crontab: Option<(String, String)>,
    /// Commands to run before the files change.
    before: Vec<Vec<String>>,
    /// Commands to run afterwards.
    after: Vec<Vec<String>>,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(super) fn run(cx: &Cx, args: TimerArgs) -> Outcome<ExitCode> {
    let manager = manager(cx, &args)?;
    let plan = plan(cx, &args, manager)?;
    let changes = changes(&plan);
    if args.print || (changes.is_empty() && args.remove) {
        tell(cx, &plan, false, &args)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.yes {
        if !cx.out.json {
            output::say(&text(&plan));
        }
        if cx.out.json || !output::confirm("Do it?") {
            return Err(TimerError::NotConfirmed.into());
        }
    }
    carry_out(cx, &plan)?;
    tell(cx, &plan, true, &args)?;
    Ok(ExitCode::SUCCESS)
}

fn find(cx: &Cx, program: &str) -> bool {
    let path = cx.app.env.get("PATH").unwrap_or_default();
    cx.app.processes.find_program(program, Path::new("/"), path).is_some()
}

fn manager(cx: &Cx, args: &TimerArgs) -> Outcome<&'static str> {
    Ok(if args.systemd {
        "systemd"
    } else if args.cron {
        "cron"
    } else if args.launchd || cfg!(target_os = "macos") {
        "launchd"
    } else if find(cx, "systemctl")
        && ran(cx, &words(&["systemctl", "--user", "show-environment"]), "").is_ok()
    {
        "systemd"
    } else if find(cx, "crontab") {
        "cron"
    } else {
        return Err(TimerError::NoManager.into());
    })
}

fn plan(cx: &Cx, args: &TimerArgs, manager: &'static str) -> Outcome<Plan> {
    let own = cx
        .app
        .processes
        .own_program()
        .map_err(|source| TimerError::Io { path: "/proc/self/exe".into(), source })?;
    let call = Call {
        program: own.display().to_string(),
        data_dir: cx.app.data_dir.display().to_string(),
        path: cx.app.env.get("PATH").unwrap_or("/usr/bin:/bin").to_owned(),
        every: args.every,
    };
    let home = cx.app.env.home().ok_or(TimerError::NoHome)?;
    let keep = |text: String| (!args.remove).then_some(text);
    let mut plan = Plan { manager, ..Plan::default() };
    match manager {
        "systemd" => {
            let config = cx.app.env.get("XDG_CONFIG_HOME").map(PathBuf::from);
            let config = config.filter(|config| config.is_absolute());
            let dir = config.unwrap_or_else(|| home.join(".config")).join("systemd/user");
            let timer = format!("{NAME}.timer");
            for (name, unit) in call.systemd()? {
                plan.files.push((dir.join(name), keep(unit)));
            }
            let reload = words(&["systemctl", "--user", "daemon-reload"]);
            if args.remove {
                plan.before.push(words(&["systemctl", "--user", "disable", "--now", &timer]));
                plan.after.push(reload);
            } else {
                plan.after = vec![
                    reload,
                    words(&["systemctl", "--user", "enable", &timer]),
                    // Started anew, so that a changed interval counts.
                    words(&["systemctl", "--user", "restart", &timer]),
                ];
            }
        }
        "launchd" => {
            let file = home.join("Library/LaunchAgents").join(format!("{LABEL}.plist"));
            let shown = file.display().to_string();
            plan.files.push((file.clone(), keep(call.launchd()?)));
            if file.exists() {
                plan.before.push(words(&["launchctl", "unload", "-w", &shown]));
            }
            if !args.remove {
                plan.after.push(words(&["launchctl", "load", "-w", &shown]));
            }
        }
        _ => {
            let line = call.crontab_line()?;
            // Without a crontab the program says so and fails.
            let now = ran(cx, &words(&["crontab", "-l"]), "").unwrap_or_default();
            let wanted = edit_crontab(&now, keep(line).as_deref());
            plan.crontab = Some((now, wanted));
        }
    }
    Ok(plan)
}

/// The places that are not as they shall be.
fn changes(plan: &Plan) -> Vec<String> {
    let files = plan
        .files
        .iter()
        .filter(|(path, wanted)| fs::read_to_string(path).ok().as_ref() != wanted.as_ref());
    let mut changed: Vec<String> = files.map(|(path, _)| path.display().to_string()).collect();
    if plan.crontab.as_ref().is_some_and(|(now, wanted)| now != wanted) {
        changed.push("crontab".into());
    }
    changed
}

fn text(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for (path, wanted) in &plan.files {
        match wanted {
            Some(unit) => lines.push(format!("Write {}:\n\n{}", path.display(), indented(unit))),
            None => lines.push(format!("Remove {}", path.display())),
        }
    }
    if let Some((_, wanted)) = &plan.crontab {
        lines.push(format!("Write the crontab:\n\n{}", indented(wanted)));
    }
    for command in plan.before.iter().chain(&plan.after) {
        lines.push(format!("Run: {}", command.join(" ")));
    }
    lines.join("\n")
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["    ", line, "\n"]).collect()
}

fn tell(cx: &Cx, plan: &Plan, applied: bool, args: &TimerArgs) -> Outcome<()> {
    let files: Vec<_> =
        plan.files.iter().map(|(path, wanted)| json!({"path": path, "text": wanted})).collect();
    let payload = json!({
        "manager": plan.manager,
        "every": args.every,
        "applied": applied,
        "removed": args.remove,
        "files": files,
        "crontab": plan.crontab.as_ref().map(|(_, wanted)| wanted),
        "commands": plan.before.iter().chain(&plan.after).collect::<Vec<_>>(),
    });
    cx.out.result(&payload, || match (applied, args.remove, args.print) {
        (_, _, true) => text(plan),
        (false, ..) => "Nothing is set up".into(),
        (true, true, _) => "OK The timer is taken away".into(),
        (true, false, _) => {
            let mut done =
                format!("OK {} calls `clawteam tick` every {}", plan.manager, args.every);
            if plan.manager == "systemd" {
                done.push_str(
                    "\nIt does so while you are logged in; to have it do so always: \
                     loginctl enable-linger",
                );
            }
            done
        }
    })
}

/// Runs a program of the service manager. Returns what it wrote.
fn ran(cx: &Cx, argv: &[String], stdin: &str) -> Result<String, TimerError> {
    let failed = |said: String| TimerError::Failed { command: argv.join(" "), said };
    let program = Program {
        argv: argv.to_vec(),
        cwd: "/".into(),
        stdin: stdin.as_bytes().to_vec(),
        stdout_max: 1024 * 1024,
        stderr_max: 4096,
        timeout: Some(Duration::from_secs(30)),
        grace: Duration::from_secs(1),
        ..Program::default()
    };
    let done = cx.app.processes.capture(&program, &|| false, &mut |_| {});
    let done: Captured = done.map_err(|error| failed(error.to_string()))?;
    if done.exit_code == 0 {
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        Err(failed(String::from_utf8_lossy(&done.stderr).trim().to_owned()))
    }
}

fn carry_out(cx: &Cx, plan: &Plan) -> Outcome<()> {
    for command in &plan.before {
        // What is not there cannot be stopped.
        if let Err(error) = ran(cx, command, "") {
            cx.app.warn(error.to_string());
        }
    }
    for (path, wanted) in &plan.files {
        let changed = change_file(path, wanted.as_deref(), &stamp(cx));
        changed.map_err(|source| TimerError::Io { path: path.clone(), source })?;
    }
    if let Some((now, wanted)) = plan.crontab.as_ref().filter(|(now, wanted)| now != wanted) {
        if !now.is_empty() {
            let key = Dir::top().child("trash").entry(&format!("crontab-{}", stamp(cx)));
            let put =
                Put { secret: true, ..Put::new(key, now.clone().into_bytes(), Expect::Absent) };
            cx.app.home_store.backend().create(&put)?;
        }
        let argv = if wanted.is_empty() { ["crontab", "-r"] } else { ["crontab", "-"] };
        ran(cx, &words(&argv), wanted)?;
    }
    for command in &plan.after {
        ran(cx, command, "")?;
    }
    Ok(())
}

fn stamp(cx: &Cx) -> String {
    format!("{}-{}", cx.app.now().format("%Y%m%dT%H%M%SZ"), cx.app.ids.hex(4))
}

/// Writes or removes a file. What it held before and was not ours word for word is kept beside it.
fn change_file(path: &Path, wanted: Option<&str>, stamp: &str) -> io::Result<()> {
    let now = match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if now.as_deref() == wanted {
        return Ok(());
    }
    if now.is_some() {
        let mut kept = path.as_os_str().to_owned();
        kept.push(format!(".{stamp}.bak"));
        fs::copy(path, kept)?;
    }
    let Some(wanted) = wanted else { return fs::remove_file(path) };
    let dir = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(dir)?;
    let mut new = tempfile::NamedTempFile::new_in(dir)?;
    io::Write::write_all(&mut new, wanted.as_bytes())?;
    new.as_file().sync_all()?;
    let modes = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644);
    new.as_file().set_permissions(modes)?;
    new.persist(path)?;
    Ok(())
}
