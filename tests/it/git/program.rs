//! How the program is run.

use std::fs;
use std::process::Command;

use clawteam::git::GitProgram;
use clawteam::ports::Git;
use clawteam::ports::git::GitError;

use super::{BRANCH, Fixture, write};

#[test]
fn a_missing_program_is_told_apart_from_a_missing_directory() {
    let fixture = Fixture::new();
    let empty = fixture.top().join("home");
    let git = GitProgram::new().with_env("PATH", &empty);
    let error = git.add_worktree(&fixture.root, &fixture.path(), BRANCH, "main").unwrap_err();
    assert!(matches!(error, GitError::Missing(_)), "{error}");
    let nowhere = fixture.top().join("nowhere");
    let error = fixture.git.list_salvage(&nowhere, "refs/clawteam").unwrap_err();
    assert!(matches!(error, GitError::Io { .. }), "{error}");
}

#[test]
fn a_failure_tells_command_place_and_reason() {
    let fixture = Fixture::new();
    let error = fixture.git.restore_salvage(&fixture.root, "main", "a..b").unwrap_err();
    match error {
        GitError::Failed { command, path, output } => {
            assert!(command.starts_with("branch --no-track a..b"), "{command}");
            assert_eq!(path, fixture.root);
            assert!(output.contains("not a valid branch name"), "{output}");
        }
        other => panic!("{other}"),
    }
}

/// The variables of a process can only be set when it starts, so this test runs itself once more.
#[test]
fn variables_of_a_surrounding_git_do_not_reach_ours() {
    const INNER: &str = "CLAWTEAM_TEST_INNER";
    const NAME: &str = "git::program::variables_of_a_surrounding_git_do_not_reach_ours";
    if std::env::var_os(INNER).is_none() {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", NAME]).env(INNER, "1").env("GIT_CONFIG_PARAMETERS", "broken");
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
            again.env(name, "/nonexistent");
        }
        let output = again.output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
        return;
    }
    let fixture = Fixture::new();
    let path = fixture.worktree();
    write(&path.join("new"), "n\n");
    assert_eq!(fixture.git.status(&path).unwrap().untracked, ["new"]);
    let commit = fixture.git.commit_all(&path, "All").unwrap();
    assert_eq!(fixture.git.resolve(&fixture.root, BRANCH).unwrap(), commit);
    assert_eq!(fixture.git.discover(&path).unwrap().root, path);
}

#[test]
fn nothing_is_asked_paged_or_translated() {
    let fixture = Fixture::new();
    let record = fixture.top().join("env");
    let git = fixture.with_wrapper(&format!("env >> '{}'", record.display()));
    git.add_worktree(&fixture.root, &fixture.path(), BRANCH, "main").unwrap();
    let seen = fs::read_to_string(record).unwrap();
    for expected in ["LC_ALL=C\n", "GIT_TERMINAL_PROMPT=0\n", "GIT_PAGER=cat\n", "GIT_EDITOR=:\n"] {
        assert!(seen.contains(expected), "{expected} is not in {seen}");
    }
}
