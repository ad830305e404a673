//! Calling plugins: programs that speak JSON on their standard input and output.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::command::{capture, program, report};
use super::{Answer, Job, limit};
use crate::domain::plugin::PluginManifest;
use crate::domain::queue::QueueError;
use crate::domain::queue::payload::{self, Parse};
use crate::ports::Program;
use crate::store::Dir;

/// What a plugin answers.
#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<Complaint>,
}

/// Why a plugin did not do what it was asked.
#[derive(Deserialize)]
struct Complaint {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    message: String,
}

/// Calls a plugin.
pub(super) fn plugin(job: &Job<'_>) -> Result<Answer, QueueError> {
    let wanted: payload::Plugin = payload::read("plugin", &job.item.payload)?;
    let name = wanted.name.as_str();
    let home = &job.app.home_store;
    let key = Dir::plugins().child(name).entry("plugin.toml");
    let path = home.path_of(&key);
    let manifest = match home.backend().read(&key) {
        Ok(Some(blob)) => String::from_utf8_lossy(&blob.bytes).into_owned(),
        Ok(None) => {
            let why = format!("there is no plugin '{name}' ({})", path.display());
            return Ok(Answer::failed(job, "plugin_not_found", why));
        }
        Err(error) => return Ok(Answer::failed(job, "plugin_unreadable", error.to_string())),
    };
    let manifest: PluginManifest = match toml::from_str(&manifest) {
        Ok(manifest) => manifest,
        Err(error) => {
            let why = format!("{}: {}", path.display(), error.message());
            return Ok(Answer::hopeless(job, "bad_plugin", why));
        }
    };
    if manifest.protocol != 1 {
        let why = format!("plugin '{name}' speaks protocol {}; only 1 is known", manifest.protocol);
        return Ok(Answer::hopeless(job, "bad_plugin", why));
    }
    let directory = path.parent().map(PathBuf::from).unwrap_or_default();
    let request =
        json!({"method": "execute", "params": {"input": wanted.input, "config": wanted.config}});
    let program = Program {
        stdin: format!("{request}\n").into_bytes(),
        timeout: Some(limit(job, manifest.timeout).duration()),
        ..program(job, words(&manifest, &directory), directory)
    };
    Ok(match capture(job, &program) {
        Ok(captured) => reply(job, name, report(job, captured, &[0], Parse::None)),
        Err(answer) => *answer,
    })
}

/// The program of a plugin: a file of its directory, or one that is found on the path.
fn words(manifest: &PluginManifest, directory: &Path) -> Vec<String> {
    let mut words = manifest.entry.words();
    if let Some(first) = words.first_mut() {
        let own = directory.join(first.as_str());
        if own.is_file() {
            *first = own.display().to_string();
        }
    }
    words
}

/// Takes what the plugin wrote as its answer. An error that it tells counts more than its exit
/// status.
fn reply(job: &Job<'_>, name: &str, mut ran: Answer) -> Answer {
    if ran.report.error.as_ref().is_some_and(|fault| fault.code != "exit_status") {
        return ran;
    }
    let refuse = |ran: Answer, code: &str, message: String| {
        let mut refused = Answer::failed(job, code, message);
        refused.report =
            crate::domain::queue::Report { error: refused.report.error, ok: false, ..ran.report };
        refused
    };
    match serde_json::from_str::<Reply>(ran.report.text.trim()) {
        Ok(Reply { error: Some(complaint), .. }) => {
            let code = match complaint.code {
                Value::String(code) if !code.is_empty() => code,
                Value::Number(code) => code.to_string(),
                _ => "plugin_error".into(),
            };
            refuse(ran, &code, complaint.message)
        }
        Ok(Reply { result: Some(result), error: None }) if ran.report.ok => {
            ran.report.output = result;
            ran
        }
        _ if !ran.report.ok => ran,
        Ok(_) => {
            refuse(ran, "bad_output", format!("plugin '{name}' gave neither result nor error"))
        }
        Err(error) => {
            refuse(ran, "bad_output", format!("plugin '{name}' did not answer in JSON: {error}"))
        }
    }
}
