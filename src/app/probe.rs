//! What was learned of the agent programs of this machine: which options a release has, what it
//! asks at its start, what its composer takes.
//!
//! A program is known again by its file (path, length, time of change), so that looking costs
//! nothing; what was seen in a terminal counts for the version of tmux that it was seen in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::startup::{Answered, Shows, Starter};
use super::{App, equip};
use crate::core::{AgentName, Name, Outcome, Stamp, TeamName, Window, limits};
use crate::domain::Extra;
use crate::domain::agent::BackendKind;
use crate::domain::agent_cli::screen::{self, Reading};
use crate::domain::agent_cli::{AgentCli, Call, Level, Permit, command_line};
use crate::ports::terminal::WindowPlan;
use crate::ports::{Program, Terminal};
use crate::store::{Expect, Key, Put, StoreError, encode};

/// How long a program may take to print its help.
const HELP_MAX: Duration = Duration::from_secs(6);
/// What is read of a help, in bytes.
const HELP_BYTES: usize = 512 * 1024;
/// Releases that are remembered of a program.
const RELEASES_MAX: usize = 8;
/// How long a pasted text may take to be seen.
const PASTE_MAX: Duration = Duration::from_secs(3);
/// The schema of [`Probes`].
const SCHEMA: &str = "clawteam.agent-probe/1";
/// Keys that submit somewhere, tried after the one in the row.
const SUBMIT_KEYS: [&str; 4] = ["Enter", "C-m", "C-j", "M-Enter"];

/// What was learned of a program: `probes/<name>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    /// `clawteam.agent-probe/1`.
    pub schema: String,
    /// The row of the catalog.
    pub name: String,
    /// Its releases, the latest look first.
    pub releases: Vec<Release>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One release of a program.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// Its file.
    pub path: String,
    /// The length of the file.
    pub bytes: u64,
    /// When the file was changed, in seconds since the epoch.
    pub modified: f64,
    /// What it says of its version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The options that its help shows, by subcommand. An empty list: it has no help.
    #[serde(default)]
    pub flags: BTreeMap<String, BTreeSet<String>>,
    /// What it did in a terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<Seen>,
    /// When it was looked at.
    #[serde(default)]
    pub looked_at: Stamp,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a program did in a terminal.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The version of tmux.
    pub tmux: String,
    /// Whether its composer was seen.
    pub ready: bool,
    /// How long that took, in seconds.
    pub ready_seconds: f64,
    /// What it asked and what was answered.
    pub answered: Vec<Answered>,
    /// The question that it was left at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<screen::Dialog>,
    /// Whether a text of two lines stayed one draft; `None` if that was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bracketed_paste: Option<bool>,
    /// The key that submits; `None` if that was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submit: Option<String>,
    /// The last lines of its screen, if it was not understood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub screen: Vec<String>,
}

/// What is known of a program.
pub fn known(app: &App, row: &AgentCli) -> Option<Probes> {
    let name = Name::parse_as("agent program", &row.name).ok()?;
    Some(app.store.load::<Probes>(&Key::probe(&name)).ok().flatten()?.value)
}

/// What is known of the release in the file `program`.
pub fn release(app: &App, row: &AgentCli, program: &Path) -> Option<Release> {
    let now = signature(app, program)?;
    let same = |known: &Release| is_same(known, &now);
    known(app, row)?.releases.into_iter().find(same)
}

fn signature(app: &App, program: &Path) -> Option<Release> {
    let file = app.foreign.stat(&app.foreign.real(program))?;
    let path = file.path.display().to_string();
    Some(Release { path, bytes: file.bytes, modified: file.modified, ..Release::default() })
}

fn is_same(known: &Release, now: &Release) -> bool {
    let age = (known.modified - now.modified).abs();
    known.path == now.path && known.bytes == now.bytes && age < 0.001
}

fn save(app: &App, row: &AgentCli, release: Release) -> Outcome<()> {
    let name = Name::parse_as("agent program", &row.name)?;
    let mut probes = known(app, row).unwrap_or_else(|| Probes {
        schema: SCHEMA.into(),
        name: row.name.clone(),
        releases: Vec::new(),
        extra: Extra::new(),
    });
    probes.releases.retain(|known| !is_same(known, &release));
    probes.releases.insert(0, release);
    probes.releases.truncate(RELEASES_MAX);
    let key = Key::probe(&name);
    app.store.backend().discard(&key)?;
    let put = Put::new(key, encode(&probes), Expect::Absent);
    match app.store.backend().create(&put) {
        // Two that learn at once have learned the same, and it can be learned again.
        Err(StoreError::Conflict { .. }) => Ok(()),
        done => Ok(done?),
    }
}

/// The subcommand whose help shows the options for a command line.
fn subcommand(row: &AgentCli, command: &[String], backend: BackendKind) -> Vec<String> {
    let given = command.get(1).filter(|word| !word.starts_with('-'));
    match given {
        Some(word) => vec![word.clone()],
        None if command.len() > 1 => Vec::new(),
        None => row.run.of(backend).iter().filter(|word| !word.starts_with('-')).cloned().collect(),
    }
}

/// The file of the program of a command that is run in `cwd`.
pub(super) fn file(app: &App, command: &[String], cwd: &Path) -> PathBuf {
    let path = app.env.get("PATH").unwrap_or_default();
    let name = command.first().map_or("", String::as_str);
    app.processes.find_program(name, cwd, path).unwrap_or_else(|| name.into())
}

/// The row of the program of `command` as it is for the release that is installed.
pub(super) fn of_release(
    app: &App,
    row: AgentCli,
    command: &[String],
    backend: BackendKind,
    cwd: &Path,
) -> AgentCli {
    if row.releases.is_empty() {
        return row;
    }
    match flags(app, &row, &file(app, command, cwd), command, backend) {
        Some(flags) => row.of_release(&flags).clone(),
        None => row,
    }
}

/// The options that the program's help shows for a command line, if that is known. A program whose
/// releases differ in what the row says of them is asked, once for each release.
pub(super) fn flags(
    app: &App,
    row: &AgentCli,
    program: &Path,
    command: &[String],
    backend: BackendKind,
) -> Option<BTreeSet<String>> {
    let words = subcommand(row, command, backend);
    let form = words.join(" ");
    let known = release(app, row, program);
    let stored = known.as_ref().and_then(|known| known.flags.get(&form)).cloned();
    let flags = match stored {
        Some(flags) => flags,
        None if row.optional.is_empty() && row.releases.is_empty() => return None,
        None => {
            let flags = help(app, row, program, &words).unwrap_or_default();
            let mut release = known.or_else(|| signature(app, program))?;
            release.flags.insert(form, flags.clone());
            release.looked_at = app.stamp();
            if let Err(failure) = save(app, row, release) {
                app.warn(format!(
                    "what was learned of {} is lost: {}",
                    row.name,
                    failure.message()
                ));
            }
            flags
        }
    };
    // A help without options is none.
    (!flags.is_empty()).then_some(flags)
}

fn help(app: &App, row: &AgentCli, program: &Path, words: &[String]) -> Option<BTreeSet<String>> {
    let mut argv = vec![program.display().to_string()];
    argv.extend(words.iter().chain(&row.help).cloned());
    Some(options(&output(app, row, argv)?))
}

/// What a program prints and ends, without a terminal.
fn output(app: &App, row: &AgentCli, argv: Vec<String>) -> Option<String> {
    let program = Program {
        argv,
        cwd: std::env::temp_dir(),
        env: BTreeMap::new(),
        env_without: row.unset.clone(),
        stdin: Vec::new(),
        stdout_max: HELP_BYTES,
        stderr_max: HELP_BYTES,
        timeout: Some(HELP_MAX),
        grace: Duration::from_millis(200),
    };
    let done = app.processes.capture(&program, &|| false, &mut |_| {}).ok()?;
    let mut text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.push('\n');
    text.push_str(&String::from_utf8_lossy(&done.stderr));
    Some(text)
}

/// The options in a help text.
fn options(help: &str) -> BTreeSet<String> {
    let edge = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let is_option = |word: &&str| {
        let name = word.trim_start_matches('-');
        let dashes = word.len() - name.len();
        let short = dashes == 1 && name.len() == 1;
        (short || dashes == 2) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
    };
    help.split(edge).filter(is_option).map(str::to_owned).collect()
}

/// Tells, once for each release, that a program was not probed with this tmux.
pub(super) fn remind(app: &App, row: &AgentCli, program: &Path) {
    const REMINDED: &str = "reminded";
    let Some(now) = signature(app, program) else { return };
    let mut release = release(app, row, program).unwrap_or(now);
    let tmux = app.terminal.version().unwrap_or_default();
    let probed = release.screen.as_ref().is_some_and(|seen| seen.tmux == tmux);
    if probed || release.extra.contains_key(REMINDED) {
        return;
    }
    app.warn(format!(
        "this release of {} was not probed with tmux {tmux}; to see whether it is understood: \
         clawteam agent probe {}",
        row.name, row.name
    ));
    release.extra.insert(REMINDED.into(), tmux.into());
    if save(app, row, release).is_err() {
        // It is told again next time.
    }
}

/// How a program is probed.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Dialogs that may be answered with yes.
    pub allow: Vec<String>,
    /// A text to be sent, to find the key that submits.
    pub send: Option<String>,
    /// How long its composer is waited for.
    pub patience: Duration,
}

/// Starts a program in `terminal`, which nobody else uses, and writes down what it does. Its
/// directory is `cwd`, an empty one.
pub fn probe(
    app: &App,
    row: &AgentCli,
    program: &Path,
    terminal: &dyn Terminal,
    cwd: &Path,
    wish: &Wish,
) -> Outcome<Release> {
    let mut release =
        release(app, row, program).or_else(|| signature(app, program)).unwrap_or_default();
    let mut argv = vec![program.display().to_string()];
    argv.extend(row.version.iter().cloned());
    let version = output(app, row, argv).unwrap_or_default();
    release.version = version.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or("").into();
    release.flags.clear();
    let command = [program.display().to_string()];
    let mut learn = |row: &AgentCli, backend| {
        let words = subcommand(row, &command, backend);
        let flags = || help(app, row, program, &words).unwrap_or_default();
        release.flags.entry(words.join(" ")).or_insert_with(flags).clone()
    };
    let flags = learn(row, BackendKind::Tmux);
    let row = row.of_release(&flags);
    learn(row, BackendKind::Subprocess);
    let flags = learn(row, BackendKind::Tmux);
    let place = cwd.display().to_string();
    // As an agent is started, so that what is learned is true of one.
    let call = Call {
        cwd: &place,
        session: "clawteam-probe",
        uuid: &Uuid::new_v4().to_string(),
        served: equip::served(app, row),
        flags: Some(&flags).filter(|flags| !flags.is_empty()),
        ..Call::new(&command, BackendKind::Tmux, Level::Ask)
    };
    let line = command_line(row, &call);
    release.screen = Some(try_out(app, row, line.argv, terminal, cwd, wish)?);
    release.looked_at = app.stamp();
    save(app, row, release.clone())?;
    Ok(release)
}

/// Writes down its process and becomes the program: closing its window does not end every program.
const NOTE_PROCESS: &str = "echo $$ >\"$0\" && exec \"$@\"";

fn try_out(
    app: &App,
    row: &AgentCli,
    command: Vec<String>,
    terminal: &dyn Terminal,
    cwd: &Path,
    wish: &Wish,
) -> Outcome<Seen> {
    let note = cwd.join(".process");
    let mut argv = ["/bin/sh", "-c", NOTE_PROCESS].map(str::to_owned).to_vec();
    argv.extend([note.display().to_string(), "/usr/bin/env".to_owned()]);
    argv.extend(row.unset.iter().flat_map(|name| ["-u".to_owned(), name.clone()]));
    argv.extend(command);
    let (team, agent) = (TeamName::parse("probe")?, AgentName::parse(row.name.clone())?);
    let plan = WindowPlan {
        team: &team,
        agent: &agent,
        argv: &argv,
        cwd: cwd.to_owned(),
        keep_after_exit: true,
    };
    let begun = Instant::now();
    let window = terminal.open(&plan)?;
    let permit = Permit { level: Level::Ask, directory: true, named: &wish.allow };
    // A key that is refused now would not be asked about again.
    let careful = !wish.allow.iter().any(|name| name.replace('_', "-") == "api-key");
    let starter = Starter { terminal, window: &window, row, permit, waits: true, careful };
    let until = begun + wish.patience;
    let settled = starter.settle(until);
    let mut seen = Seen { tmux: terminal.version().unwrap_or_default(), ..Seen::default() };
    let done = settled.and_then(|settled| {
        seen.answered = settled.answered;
        match settled.shows {
            Shows::Ready => {
                // Some draw everything anew once more.
                let left = until.saturating_duration_since(Instant::now());
                seen.ready = wait(terminal, row, &window, left, Reading::is_ready)?.is_some();
                seen.ready_seconds = begun.elapsed().as_secs_f64();
            }
            Shows::Asks(dialog) => seen.left_at = Some(dialog),
            Shows::Nothing | Shows::Gone => {}
        }
        if seen.ready {
            try_typing(terminal, row, &window, wish, &mut seen)?;
        } else {
            seen.screen = terminal.tail(&window, 12).unwrap_or_default();
        }
        Ok(())
    });
    let noted = app.foreign.head(&note, 32).unwrap_or_default();
    let pid = String::from_utf8_lossy(&noted).trim().parse().ok();
    let process = pid.and_then(|pid| app.processes.identify(pid));
    terminal.close(&window)?;
    if let Some(process) = process {
        app.processes.end_group(process, limits::STOP_GRACE);
        app.processes.end_rest(process, limits::STOP_GRACE);
    }
    done.map(|()| seen)
}

fn reading(terminal: &dyn Terminal, row: &AgentCli, window: &Window) -> Outcome<Option<Reading>> {
    let shown = terminal.screens(std::slice::from_ref(window))?;
    let shown = shown.into_iter().flatten().next().filter(|shown| !shown.ended);
    Ok(shown.map(|shown| screen::read(row, &shown.screen)))
}

/// Waits for a reading, at most so long.
fn wait(
    terminal: &dyn Terminal,
    row: &AgentCli,
    window: &Window,
    limit: Duration,
    wanted: impl Fn(&Reading) -> bool,
) -> Outcome<Option<Reading>> {
    let deadline = Instant::now() + limit;
    loop {
        let now = reading(terminal, row, window)?;
        let found = now.as_ref().is_some_and(&wanted);
        if found || now.is_none() || Instant::now() >= deadline {
            return Ok(now.filter(|_| found));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Sees what the composer makes of a text, and, if the user wants, of the key that submits.
fn try_typing(
    terminal: &dyn Terminal,
    row: &AgentCli,
    window: &Window,
    wish: &Wish,
    seen: &mut Seen,
) -> Outcome<()> {
    let draft = |reading: &Reading| matches!(reading, Reading::Draft { .. });
    let clear = |keys: &[&str]| -> Outcome<bool> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        Ok(terminal.press(window, &keys)?)
    };
    if !terminal.paste(window, "clawteam\nprobe")? {
        return Ok(());
    }
    if let Some(Reading::Draft { text }) = wait(terminal, row, window, PASTE_MAX, draft)? {
        seen.bracketed_paste = Some(text.contains("clawteam") || text.contains("Pasted"));
    }
    clear(&["C-u", "C-u", "C-u"])?;
    let Some(text) = &wish.send else { return Ok(()) };
    if wait(terminal, row, window, PASTE_MAX, Reading::is_ready)?.is_none()
        || !terminal.paste(window, text)?
    {
        return Ok(());
    }
    if wait(terminal, row, window, PASTE_MAX, draft)?.is_none() {
        return Ok(());
    }
    let own = row.screen.submit.as_str();
    let others = SUBMIT_KEYS.into_iter().filter(|key| *key != own);
    for key in std::iter::once(own).chain(others) {
        clear(&[key])?;
        let sent = |reading: &Reading| {
            matches!(
                reading,
                Reading::Working { draft: None } | Reading::Ready | Reading::Dialog(_)
            )
        };
        if wait(terminal, row, window, PASTE_MAX, sent)?.is_some() {
            seen.submit = Some(key.to_owned());
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_in_any_help() {
        let help = "Usage: x [--json|-q]\n  -m, --model <MODEL>  which (see --no-x=Y), not -- or a-b\n\
                    \x20     --dangerously_skip  --x-- ---\n";
        let found: Vec<String> = options(help).into_iter().collect();
        assert_eq!(
            found,
            ["--dangerously_skip", "--json", "--model", "--no-x", "--x--", "-m", "-q"]
        );
    }
}
