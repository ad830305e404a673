//! Looking up secrets that are known by reference.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::App;
use crate::core::text::cut;
use crate::core::{Diagnose, Outcome};
use crate::domain::profile::{self, ProfileError};
use crate::domain::secret::Reference;
use crate::ports::Program;

/// How long a command that prints a secret may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);
/// More than any secret.
const SECRET_BYTES_MAX: usize = 64 * 1024;
/// More than any file of settings.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a secret is not to be had. Says nothing of its value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The command failed.
    #[error("the command for {variable} (`{command}`) {reason}")]
    Failed {
        /// The variable that the secret is for.
        variable: String,
        /// The command.
        command: String,
        /// What happened.
        reason: String,
    },
    /// What the plan says is no reference.
    #[error("{variable} cannot be looked up: '{reference}' is no reference")]
    BadReference {
        /// The variable that the secret is for.
        variable: String,
        /// What stands there.
        reference: String,
    },
}

impl Diagnose for SecretError {
    fn code(&self) -> &'static str {
        "secret_missing"
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { command, .. } => Some(format!("try it: sh -c '{command}'")),
            Self::BadReference { .. } => None,
        }
    }
}

/// The variables of `secrets` (name and reference) with their values. `known` are the variables
/// that `env:` refers to; `env` is what commands find in their environment besides those of this
/// process; they run in `cwd`.
pub fn resolve(
    app: &App,
    secrets: &BTreeMap<String, String>,
    known: &dyn Fn(&str) -> Option<String>,
    env: &BTreeMap<String, String>,
    cwd: &Path,
) -> Outcome<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for (variable, text) in secrets {
        let bad =
            || SecretError::BadReference { variable: variable.clone(), reference: text.clone() };
        let value = match Reference::parse(text).ok_or_else(bad)? {
            Reference::Variable(source) => known(&source)
                .filter(|value| !value.is_empty())
                .ok_or(ProfileError::NoSecret { wanted: variable.clone(), variable: source })?,
            Reference::Command(command) => printed(app, variable, &command, env, cwd)?,
            Reference::Profile { profile, variable } => {
                let profile = profile::find(&app.settings, &profile)?;
                profile.env.get(&variable).cloned().unwrap_or_default()
            }
            Reference::Json { file, at } => match in_json(app, Path::new(&file), &at) {
                Some(value) => value,
                None => continue,
            },
        };
        found.insert(variable.clone(), value);
    }
    Ok(found)
}

/// The text at a place of a JSON file. None with references of its own (`${NAME}`), which only
/// the program understands whose file it is.
pub(super) fn in_json(app: &App, file: &Path, at: &str) -> Option<String> {
    let bytes = app.foreign.head(file, FILE_BYTES_MAX)?;
    let document: Value = serde_json::from_slice(&bytes).ok()?;
    let text = document.pointer(at)?.as_str()?;
    (!text.is_empty() && !text.contains("${")).then(|| text.to_owned())
}

/// What a command prints, without line ends at its end.
fn printed(
    app: &App,
    variable: &str,
    command: &str,
    env: &BTreeMap<String, String>,
    cwd: &Path,
) -> Outcome<String> {
    let failed = |reason: String| SecretError::Failed {
        variable: variable.to_owned(),
        command: command.to_owned(),
        reason,
    };
    let program = Program {
        argv: ["sh", "-c", command].map(str::to_owned).to_vec(),
        cwd: cwd.to_owned(),
        env: env.clone(),
        stdout_max: SECRET_BYTES_MAX,
        stderr_max: 1024,
        timeout: Some(COMMAND_LIMIT),
        grace: Duration::from_secs(1),
        ..Program::default()
    };
    let ran = app.processes.capture(&program, &|| false, &mut |_| {});
    let ran = ran.map_err(|error| failed(format!("could not be run: {error}")))?;
    if ran.cut.is_some() {
        return Err(failed(format!("took more than {} s", COMMAND_LIMIT.as_secs())).into());
    }
    if ran.exit_code != 0 {
        let said = String::from_utf8_lossy(&ran.stderr);
        let said = cut(said.trim(), 300);
        return Err(failed(format!("ended with status {}: {said}", ran.exit_code)).into());
    }
    let text = String::from_utf8(ran.stdout).map_err(|_| failed("printed no text".into()))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(failed("printed nothing".into()).into());
    }
    Ok(text.to_owned())
}

/// `text` with the values of secrets made unreadable.
pub fn scrub(text: &str, secrets: &BTreeMap<String, String>) -> String {
    // A value of a few characters is found everywhere and hides nothing.
    let long = secrets.values().filter(|value| value.len() >= 6);
    long.fold(text.to_owned(), |text, value| text.replace(value.as_str(), "***"))
}
