//! The git adapter on real repositories.

#![allow(clippy::unwrap_used)] // Helpers of tests are not recognised as tests.

mod merge;
mod program;
mod read;
mod salvage;
mod worktree;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clawteam::git::GitProgram;
use clawteam::ports::Git;
use tempfile::TempDir;

const BRANCH: &str = "clawteam/t.1/agent-1";
const SALVAGE: &str = "refs/clawteam/salvage/t.1/agent-1/20260101T000000Z";

/// Everything of a working tree that an operation may have to leave alone.
#[derive(Debug, PartialEq, Eq)]
struct State {
    head: String,
    status: String,
    index: Option<Vec<u8>>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

/// A repository with one commit on `main`, and a place for worktrees beside it.
struct Fixture {
    directory: TempDir,
    root: PathBuf,
    git: GitProgram,
}

impl Fixture {
    fn new() -> Self {
        let fixture = Self::empty();
        fixture.commit(&fixture.root, "README", "hello\n");
        fixture
    }

    fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap();
        let root = top.join("repo");
        fs::create_dir_all(&root).unwrap();
        fs::create_dir(top.join("home")).unwrap();
        let git = GitProgram::new()
            .with_env("HOME", top.join("home"))
            .with_env("XDG_CONFIG_HOME", top.join("home"))
            .with_env("GIT_CONFIG_GLOBAL", "/dev/null")
            .with_env("GIT_CONFIG_NOSYSTEM", "1");
        let fixture = Self { directory, root, git };
        fixture.run(&fixture.root, &["init", "-q", "-b", "main"]);
        // libgit2 always reads the user's own settings; these come before them.
        for (name, value) in [("core.excludesFile", "/dev/null"), ("core.autocrlf", "false")] {
            fixture.run(&fixture.root, &["config", name, value]);
        }
        fixture
    }

    fn top(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap()
    }

    /// Where the worktree of the agent belongs.
    fn path(&self) -> PathBuf {
        self.top().join("workspaces/t.1/agent-1")
    }

    /// The agent's worktree, made from `main`.
    fn worktree(&self) -> PathBuf {
        let path = self.path();
        self.git.add_worktree(&self.root, &path, BRANCH, "main").unwrap();
        path
    }

    fn command(&self, at: &Path, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        for name in [
            "GIT_CONFIG_PARAMETERS",
            "GIT_DIR",
            "GIT_INDEX_FILE",
            "GIT_OBJECT_DIRECTORY",
            "GIT_WORK_TREE",
        ] {
            command.env_remove(name);
        }
        command
            .current_dir(at)
            .args(args)
            .env("HOME", self.top().join("home"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_EDITOR", ":")
            .env("GIT_AUTHOR_NAME", "Ada")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_NAME", "Ada")
            .env("GIT_COMMITTER_EMAIL", "ada@example.org")
            .stdin(Stdio::null());
        command
    }

    /// Runs git as the user would; it must succeed.
    fn run(&self, at: &Path, args: &[&str]) -> String {
        let output = self.command(at, args).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
    }

    /// Runs git as the user would; it must fail.
    fn fails(&self, at: &Path, args: &[&str]) {
        let output = self.command(at, args).output().unwrap();
        assert!(!output.status.success(), "git {args:?} succeeded");
    }

    fn commit(&self, at: &Path, file: &str, content: &str) -> String {
        write(&at.join(file), content);
        self.run(at, &["add", "-A"]);
        self.run(at, &["commit", "-q", "--no-verify", "-m", &format!("Change {file}")]);
        self.id("HEAD", at)
    }

    fn id(&self, name: &str, at: &Path) -> String {
        self.run(at, &["rev-parse", "--verify", name])
    }

    fn refs(&self) -> String {
        self.run(&self.root, &["for-each-ref"])
    }

    fn worktrees(&self) -> String {
        self.run(&self.root, &["worktree", "list", "--porcelain"])
    }

    fn show(&self, commit: &str, file: &str) -> String {
        self.run(&self.root, &["show", &format!("{commit}:{file}")])
    }

    fn state(&self, at: &Path) -> State {
        let index = self.run(at, &["rev-parse", "--git-path", "index"]);
        State {
            head: fs::read_to_string(at.join(self.run(at, &["rev-parse", "--git-path", "HEAD"])))
                .unwrap(),
            status: self.run(at, &["status", "--porcelain=v2", "-z", "-uall", "--branch"]),
            index: fs::read(at.join(index)).ok(),
            files: files(at),
        }
    }

    /// A hook of the repository that always refuses and leaves a mark when run.
    fn refusing_hook(&self, name: &str) {
        let hook = self.root.join(".git/hooks").join(name);
        let mark = self.top().join("hook-ran");
        write(&hook, &format!("#!/bin/sh\ntouch '{}'\nexit 1\n", mark.display()));
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A git that afterwards runs `script`, which sees its arguments and `$status`.
    fn with_wrapper(&self, script: &str) -> GitProgram {
        let path = std::env::var("PATH").unwrap();
        let wrapper = self.top().join("bin/git");
        let run =
            format!("#!/bin/sh\nPATH='{path}'\ngit \"$@\"\nstatus=$?\n{script}\nexit $status\n");
        write(&wrapper, &run);
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
        let first = self.top().join("bin");
        self.git.clone().with_env("PATH", format!("{}:{path}", first.display()))
    }

    fn hook_ran(&self) -> bool {
        self.top().join("hook-ran").exists()
    }
}

fn write(file: &Path, content: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
}

fn files(at: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![at.to_owned()];
    while let Some(directory) = pending.pop() {
        for file in fs::read_dir(directory).unwrap() {
            let path = file.unwrap().path();
            if path.file_name().is_some_and(|name| name == ".git") {
                continue;
            }
            let kind = path.symlink_metadata().unwrap();
            if kind.is_dir() {
                pending.push(path);
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                found.insert(path, target.to_string_lossy().into_owned().into_bytes());
            } else {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    found
}
