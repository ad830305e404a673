//! Repositories and worktrees through the `git` program and libgit2.
//!
//! Every change is made by the program, so that filters, attributes and the user's settings count.
//! Reading goes through libgit2; where that does not know a kind of repository (partial clones,
//! other object formats or reference stores), the program is asked and its word stands.

#![expect(clippy::disallowed_methods, reason = "an adapter: it runs git and reads what git wrote")]

mod changes;
mod cli;
mod furnish;
mod history;
mod merge;
mod read;
mod salvage;
mod worktree;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::ports::Git;
use crate::ports::git::{
    Change, CommitInfo, FileChange, Furnished, Furnishing, GitError, MergeOutcome, Repository,
    Salvage, Version, WorktreeStatus,
};

/// Git as it is installed on this machine.
#[derive(Debug, Clone, Default)]
pub struct GitProgram {
    env: Vec<(OsString, OsString)>,
}

impl GitProgram {
    /// The `git` found on the `PATH`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `git` one more environment variable in every run.
    #[must_use]
    pub fn with_env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}

impl Git for GitProgram {
    fn discover(&self, directory: &Path) -> Result<Repository, GitError> {
        self.read_repository(directory)
    }

    fn common_dir(&self, root: &Path) -> Result<PathBuf, GitError> {
        self.read_common_dir(root)
    }

    fn ancestor(&self, root: &Path, one: &str, two: &str) -> Result<Option<String>, GitError> {
        self.common_ancestor(root, one, two)
    }

    fn changes(
        &self,
        root: &Path,
        from: &str,
        version: &Version<'_>,
    ) -> Result<Vec<FileChange>, GitError> {
        self.read_changes(root, from, version)
    }

    fn diff_stat(&self, root: &Path, from: &str, to: &str) -> Result<String, GitError> {
        self.read_diff_stat(root, from, to)
    }

    fn commits(
        &self,
        root: &Path,
        base: &str,
        branch: &str,
        limit: usize,
    ) -> Result<(usize, Vec<Change>), GitError> {
        self.read_commits(root, base, branch, limit)
    }

    fn add_worktree(
        &self,
        root: &Path,
        path: &Path,
        branch: &str,
        base: &str,
    ) -> Result<bool, GitError> {
        self.create_worktree(root, path, branch, base)
    }

    fn furnish(&self, wanted: &Furnishing<'_>) -> Result<Furnished, GitError> {
        furnish::furnish_worktree(wanted)
    }

    fn exclude(&self, worktree: &Path, paths: &[PathBuf]) -> Result<Vec<String>, GitError> {
        self.exclude_from_commits(worktree, paths)
    }

    fn checkout_file(&self, root: &Path, name: &str) -> Result<Option<String>, GitError> {
        furnish::read_checkout_file(root, name)
    }

    fn status(&self, path: &Path) -> Result<WorktreeStatus, GitError> {
        self.read_status(path)
    }

    fn commit_all(&self, path: &Path, message: &str) -> Result<Option<String>, GitError> {
        self.commit_worktree(path, message)
    }

    fn salvage(
        &self,
        root: &Path,
        path: &Path,
        branch: &str,
        reference: &str,
    ) -> Result<Option<Salvage>, GitError> {
        self.save(root, path, branch, reference)
    }

    fn list_salvage(&self, root: &Path, prefix: &str) -> Result<Vec<Salvage>, GitError> {
        self.saved(root, prefix)
    }

    fn show_salvage(&self, root: &Path, reference: &str) -> Result<String, GitError> {
        self.describe_saved(root, reference)
    }

    fn restore_salvage(&self, root: &Path, reference: &str, branch: &str) -> Result<(), GitError> {
        self.restore_saved(root, reference, branch)
    }

    fn remove_worktree(&self, root: &Path, path: &Path) -> Result<(), GitError> {
        self.drop_worktree(root, path)
    }

    fn delete_branch(&self, root: &Path, branch: &str, expected: &str) -> Result<(), GitError> {
        self.drop_branch(root, branch, expected)
    }

    fn resolve(&self, root: &Path, name: &str) -> Result<Option<String>, GitError> {
        self.read_commit(root, name)
    }

    fn merge(
        &self,
        root: &Path,
        branch: &str,
        target: &str,
        message: &str,
    ) -> Result<MergeOutcome, GitError> {
        self.merge_branch(root, branch, target, message, merge::Way::Merge)
    }

    fn squash(
        &self,
        root: &Path,
        branch: &str,
        target: &str,
        message: &str,
    ) -> Result<MergeOutcome, GitError> {
        self.merge_branch(root, branch, target, message, merge::Way::Squash)
    }

    fn tag(&self, root: &Path, name: &str, commit: &str) -> Result<(), GitError> {
        let full_name = format!("refs/tags/{name}");
        if self.read_commit(root, &full_name)?.as_deref() == Some(commit) {
            return Ok(());
        }
        self.at(root).args(["check-ref-format", &full_name]).bytes()?;
        // From nothing: a tag of another commit is not moved.
        self.at(root).args(["update-ref", &full_name, commit, ""]).bytes().map(drop)
    }

    fn init(&self, directory: &Path, branch: &str, identity: (&str, &str)) -> Result<(), GitError> {
        self.make_repository(directory, branch, identity)
    }

    fn history(&self, root: &Path) -> Result<Vec<CommitInfo>, GitError> {
        self.read_history(root)
    }
}
