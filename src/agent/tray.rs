//! Where a script leaves what it wants to hand in.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use super::AgentError;

/// The headings under which a workflow adds what others have said to the text of a task. A script
/// there is somebody else's.
const ADDED: [&str; 4] = [
    "## What was said about earlier work",
    "## Earlier results",
    "## It counts as done when there is",
    "## How to report",
];

/// What a task or a request says itself, without what was added to it.
pub(super) fn own_words(text: &str) -> &str {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if ADDED.contains(&line.trim_end()) {
            return &text[..at];
        }
        at += line.len();
    }
    text
}

/// A directory for one script: the text that it works on, and what it hands in.
pub(super) struct Tray {
    directory: TempDir,
}

impl Tray {
    /// An empty one beside `text`.
    pub(super) fn new(text: &str) -> Result<Self, AgentError> {
        let make = || -> io::Result<Self> {
            let directory = tempfile::Builder::new().prefix("clawteam-agent-").tempdir()?;
            fs::write(directory.path().join("text"), text)?;
            fs::create_dir(directory.path().join("artifacts"))?;
            Ok(Self { directory })
        };
        make().map_err(AgentError::Tray)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a script finds in its environment. `about`: the task or the approval.
    pub(super) fn variables(&self, about: &Value) -> Vec<(&'static str, String)> {
        let of = &about["metadata"]["workflow"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut all = vec![
            ("CLAWTEAM_TEXT_FILE", self.path("text").display().to_string()),
            ("CLAWTEAM_RESULT_FILE", self.path("result").display().to_string()),
            ("CLAWTEAM_ARTIFACTS_DIR", self.path("artifacts").display().to_string()),
            ("CLAWTEAM_TASK", text(&about["id"])),
            ("CLAWTEAM_TASK_SUBJECT", text(&about["subject"])),
            ("CLAWTEAM_APPROVAL", text(&about["requestId"])),
        ];
        if of.is_object() {
            let visit = text(&of["act"]);
            let visit = visit.rsplit_once('#').map_or("1", |(_, visit)| visit).to_owned();
            all.push(("CLAWTEAM_RUN", text(&of["run"])));
            all.push(("CLAWTEAM_NODE", text(&of["node"])));
            all.push(("CLAWTEAM_VISIT", visit));
            all.push(("CLAWTEAM_ATTEMPT", of["attempt"].to_string()));
        }
        all
    }

    /// What the script wrote as its result, if anything.
    pub(super) fn result(&self) -> Option<String> {
        let text = fs::read(self.path("result")).ok()?;
        let text = String::from_utf8_lossy(&text).trim_end().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// The files that it hands in, sorted.
    pub(super) fn artifacts(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("artifacts")).into_iter().flatten().flatten();
        let mut files: Vec<String> = entries.map(|e| e.path().display().to_string()).collect();
        files.sort_unstable();
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_is_not_the_tasks_own() {
        let text = "Do it.\n\n## Plan\n```sh\na\n```\n\n## Earlier results\n```sh\nb\n```\n";
        assert_eq!(own_words(text), "Do it.\n\n## Plan\n```sh\na\n```\n\n");
        assert_eq!(own_words("## How to report\nx"), "");
        assert_eq!(own_words("no ## How to report"), "no ## How to report");
    }
}
