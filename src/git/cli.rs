//! Runs of the `git` program.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::GitProgram;
use crate::ports::git::GitError;

/// Variables that would point git at another repository, index or working tree, or change how it
/// reads arguments and writes diffs. They are set when clawteam is started from a hook or alias.
const SCRUBBED: [&str; 20] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIFF_OPTS",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Settings that hold for every run: what git writes is read by this program.
const SETTINGS: [(&str, &str); 5] = [
    ("color.ui", "false"),
    ("core.quotePath", "false"),
    ("commit.gpgSign", "false"),
    ("advice.detachedHead", "false"),
    ("gc.auto", "0"),
];

/// How long a lock file of another git process is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// What a finished run of git left.
#[derive(Debug)]
pub(super) struct Finished {
    /// The exit status; `None` if a signal ended it.
    pub(super) code: Option<i32>,
    /// Standard output.
    pub(super) stdout: Vec<u8>,
    /// Standard error.
    pub(super) stderr: Vec<u8>,
}

impl Finished {
    pub(super) fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// Both outputs as text, the errors first.
    pub(super) fn message(&self) -> String {
        let errors = String::from_utf8_lossy(&self.stderr);
        let output = String::from_utf8_lossy(&self.stdout);
        let text = format!("{}\n{}", errors.trim_end(), output.trim_end());
        match (text.trim(), self.code) {
            ("", Some(code)) => format!("exit status {code}"),
            ("", None) => "ended by a signal".to_owned(),
            (text, _) => text.to_owned(),
        }
    }
}

/// One run of git, being put together.
#[derive(Debug)]
pub(super) struct Run<'a> {
    program: &'a GitProgram,
    directory: PathBuf,
    settings: Vec<(String, String)>,
    arguments: Vec<OsString>,
    env: Vec<(&'static str, OsString)>,
    input: Option<Vec<u8>>,
}

impl GitProgram {
    /// A run of git in `directory`.
    pub(super) fn at(&self, directory: &Path) -> Run<'_> {
        Run {
            program: self,
            directory: directory.to_owned(),
            settings: Vec::new(),
            arguments: Vec::new(),
            env: Vec::new(),
            input: None,
        }
    }

    /// A run of git in `directory`, which must itself be the top of a worktree: git will not walk
    /// up to a repository that happens to be around it.
    pub(super) fn at_top(&self, directory: &Path) -> Run<'_> {
        let run = self.at(directory);
        match directory.parent() {
            Some(parent) => run.env("GIT_CEILING_DIRECTORIES", parent),
            None => run,
        }
    }
}

impl Run<'_> {
    pub(super) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(args.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub(super) fn arg(self, argument: impl AsRef<OsStr>) -> Self {
        self.args([argument])
    }

    pub(super) fn env(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name, value.as_ref().to_owned()));
        self
    }

    /// Overrides a setting of the user for this run.
    pub(super) fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// No hook runs: none can refuse or slow down what clawteam does for itself.
    pub(super) fn without_hooks(self) -> Self {
        self.setting("core.hooksPath", "/dev/null")
    }

    pub(super) fn input(mut self, input: Vec<u8>) -> Self {
        self.input = Some(input);
        self
    }

    /// Runs git and gives back whatever came out, waiting for lock files of other processes.
    /// Fails only if git could not be run.
    pub(super) fn finish(&self) -> Result<Finished, GitError> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        let mut pause = Duration::from_millis(10);
        loop {
            let finished = self.once()?;
            let failed = !finished.success();
            if failed && is_transient(&finished.stderr) && Instant::now() + pause < deadline {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(250));
                continue;
            }
            return Ok(finished);
        }
    }

    /// Runs git and gives its standard output. Fails if git failed.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, GitError> {
        let finished = self.finish()?;
        if finished.success() { Ok(finished.stdout) } else { Err(self.failure(finished.message())) }
    }

    /// Runs git and gives its standard output as text without the line end. Fails if git failed.
    pub(super) fn text(&self) -> Result<String, GitError> {
        let bytes = self.bytes()?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// Runs git for a yes (0) or no (1). Fails on every other exit status.
    pub(super) fn answer(&self) -> Result<bool, GitError> {
        let finished = self.finish()?;
        match finished.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(self.failure(finished.message())),
        }
    }

    /// Runs git for one line that may be missing (exit status 1). Fails on every other status.
    pub(super) fn maybe(&self) -> Result<Option<String>, GitError> {
        let finished = self.finish()?;
        match finished.code {
            Some(0) => Ok(Some(String::from_utf8_lossy(&finished.stdout).trim_end().to_owned())),
            Some(1) => Ok(None),
            _ => Err(self.failure(finished.message())),
        }
    }

    /// The error that tells what this run failed with.
    pub(super) fn failure(&self, output: impl Into<String>) -> GitError {
        let words: Vec<_> = self.arguments.iter().map(|word| word.to_string_lossy()).collect();
        GitError::Failed {
            command: words.join(" "),
            path: self.directory.clone(),
            output: output.into(),
        }
    }

    fn once(&self) -> Result<Finished, GitError> {
        // Otherwise a missing directory would look like a missing program.
        if !self.directory.is_dir() {
            let source = io::Error::new(ErrorKind::NotFound, "no such directory");
            return Err(GitError::Io { path: self.directory.clone(), source });
        }
        let stdin = match &self.input {
            Some(input) => Stdio::from(
                spooled(input)
                    .map_err(|source| GitError::Io { path: std::env::temp_dir(), source })?,
            ),
            None => Stdio::null(),
        };
        let output = self.command().stdin(stdin).output().map_err(GitError::Missing)?;
        Ok(Finished { code: output.status.code(), stdout: output.stdout, stderr: output.stderr })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.directory);
        for (name, value) in SETTINGS {
            command.args(["-c", &format!("{name}={value}")]);
        }
        for (name, value) in &self.settings {
            command.args(["-c", &format!("{name}={value}")]);
        }
        command.args(&self.arguments);
        for name in SCRUBBED {
            command.env_remove(name);
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_MERGE_AUTOEDIT", "no")
            .env("GIT_EDITOR", ":")
            .env("GIT_SEQUENCE_EDITOR", ":")
            .env("GIT_PAGER", "cat");
        command.envs(self.program.env.iter().map(|(name, value)| (name, value)));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// `input` as an open file at its start: unlike a pipe it cannot block either side.
fn spooled(input: &[u8]) -> io::Result<std::fs::File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(input)?;
    file.rewind()?;
    Ok(file)
}

/// Whether git only met another git at work, and did nothing itself.
fn is_transient(errors: &[u8]) -> bool {
    let text = String::from_utf8_lossy(errors);
    text.lines().any(|line| {
        line.contains(".lock': File exists")
            || line.contains("could not lock config file")
            // A worktree that another process is just making.
            || (line.contains("failed to read") && line.contains("worktrees/"))
    })
}

/// The pieces of NUL-separated output.
pub(super) fn split_nul(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == 0).filter(|piece| !piece.is_empty())
}

/// The pieces of NUL-separated output as names to show.
pub(super) fn names(bytes: &[u8]) -> Vec<String> {
    split_nul(bytes).map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lock_files_and_half_made_worktrees_are_waited_for() {
        for line in [
            "fatal: Unable to create '/r/.git/index.lock': File exists.",
            "error: could not lock config file .git/config: File exists",
            "fatal: failed to read .git/worktrees/a/commondir: Success",
        ] {
            assert!(is_transient(line.as_bytes()), "{line}");
        }
        for line in [
            "fatal: '/w' already exists",
            "fatal: Unable to create '/r/.git/index.lock': Permission denied",
            "fatal: update_ref failed for ref 'refs/heads/a': reference already exists",
        ] {
            assert!(!is_transient(line.as_bytes()), "{line}");
        }
    }
}
