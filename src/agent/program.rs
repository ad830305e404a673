//! Calling clawteam as a child process.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::AgentError;

/// What a command answered.
#[derive(Debug)]
pub(super) struct Reply {
    /// Its exit status; 255 if a signal ended it.
    pub(super) status: u8,
    /// What it printed.
    pub(super) value: Value,
}

impl Reply {
    /// Whether the command did what was asked.
    pub(super) fn ok(&self) -> bool {
        self.status == 0
    }

    /// The stable name of what went wrong.
    pub(super) fn code(&self) -> &str {
        self.value["code"].as_str().unwrap_or_default()
    }

    /// What went wrong, as a sentence.
    pub(super) fn error(&self) -> String {
        let told = self.value["error"].as_str().map(str::to_owned);
        told.unwrap_or_else(|| format!("exit status {}", self.status))
    }
}

/// Runs `program --json ARGUMENTS`. What it says on standard error is shown as it comes.
pub(super) fn call(program: &Path, arguments: &[&str]) -> Result<Reply, AgentError> {
    let output = Command::new(program)
        .arg("--json")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| AgentError::Run { program: program.display().to_string(), source })?;
    let status = output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255);
    Ok(Reply { status, value: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null) })
}
