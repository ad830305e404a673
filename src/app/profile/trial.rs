//! Trying a profile: its program is run once, without a terminal, and must answer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::apply_as;
use crate::app::spawn::SpawnError;
use crate::app::{App, agent_rows, probe, secret};
use crate::core::Outcome;
use crate::domain::agent::BackendKind;
use crate::domain::agent_cli::{self, Call, Level};
use crate::domain::profile::Profile;
use crate::ports::Program;
use crate::ports::process::Cut;

/// What a program is asked to say that works.
pub const TOKEN: &str = "CLAWTEAM_PROFILE_OK";
/// What a program is told unless somebody says otherwise.
pub const DEFAULT_PROMPT: &str = "This is a test of the connection. Answer with exactly this one word and nothing else: CLAWTEAM_PROFILE_OK";
/// How much output is kept of each kind.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// How a trial went. Secrets are not in it.
#[derive(Debug, Clone, Serialize)]
pub struct Trial {
    /// The profile.
    pub profile: String,
    /// The agent program.
    pub agent: String,
    /// The command line.
    pub command: Vec<String>,
    /// Its exit status.
    pub returncode: i32,
    /// What it wrote.
    pub stdout: String,
    /// What it complained of, at most the last of it.
    pub stderr: String,
    /// Whether it took too long.
    pub timed_out: bool,
    /// Whether it said the word that it was asked for; `None` for a prompt of the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_seen: Option<bool>,
    /// Whether the profile works.
    pub ok: bool,
}

fn directory(cwd: &Path) -> Outcome<PathBuf> {
    let gone = || SpawnError::NoDirectory(cwd.display().to_string());
    Ok(cwd.canonicalize().ok().filter(|dir| dir.is_dir()).ok_or_else(gone)?)
}

/// Runs the program of `profile`, which is called `name`, in `cwd` for at most `limit`, with
/// `prompt` or the usual one.
pub fn trial(
    app: &App,
    name: &str,
    profile: &Profile,
    prompt: Option<&str>,
    cwd: &Path,
    limit: Duration,
) -> Outcome<Trial> {
    let ready = apply_as(app, name, profile, None)?;
    let cwd = directory(cwd)?;
    crate::app::spawn::find_program(app, &ready.command, &cwd)?;
    let (command, backend) = (&ready.command, BackendKind::Subprocess);
    let row = agent_rows::catalog(app, &cwd).find(command);
    let row = probe::of_release(app, row, command, backend, &cwd);
    let asked = prompt.unwrap_or(DEFAULT_PROMPT);
    let line = agent_cli::command_line(
        &row,
        &Call {
            as_root: app.processes.is_root(),
            model: ready.model.as_deref(),
            cwd: &cwd.display().to_string(),
            session: &format!("clawteam-profile-test-{}", app.ids.hex(6)),
            uuid: &crate::app::spawn::uuid(&app.ids.hex(32)),
            prompt: Some(asked),
            ..Call::new(command, backend, Level::Full)
        },
    );
    let known = |variable: &str| app.env.get(variable).map(str::to_owned);
    let secrets = secret::resolve(app, &ready.setup.secrets, &known, &ready.env, &cwd)?;
    let mut env = ready.env;
    env.extend(secrets.clone());
    let program = Program {
        argv: line.argv.clone(),
        cwd,
        env,
        env_without: row.unset.clone(),
        stdin: if line.paste { format!("{asked}\n").into_bytes() } else { Vec::new() },
        stdout_max: OUTPUT_BYTES_MAX,
        stderr_max: OUTPUT_BYTES_MAX,
        timeout: Some(limit),
        grace: Duration::from_secs(2),
    };
    let ran = app.processes.capture(&program, &|| false, &mut |_| {});
    let ran = ran.map_err(|_| SpawnError::NotExecutable(line.argv[0].clone()))?;
    let shown = |bytes: &[u8]| secret::scrub(&String::from_utf8_lossy(bytes), &secrets);
    let (stdout, stderr) = (shown(&ran.stdout), shown(&ran.stderr));
    let timed_out = ran.cut == Some(Cut::TimedOut);
    let token_seen = prompt.is_none().then(|| stdout.contains(TOKEN));
    Ok(Trial {
        profile: name.to_owned(),
        agent: row.name,
        command: line.argv.iter().map(|word| secret::scrub(word, &secrets)).collect(),
        returncode: ran.exit_code,
        ok: ran.exit_code == 0 && !timed_out && token_seen != Some(false),
        stdout,
        stderr,
        timed_out,
        token_seen,
    })
}
