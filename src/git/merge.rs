//! Merges made in a temporary worktree.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::GitProgram;
use super::cli::names;
use super::worktree::Entry;
use crate::ports::git::{GitError, MergeOutcome};

/// How often a merge is made anew because its target moved meanwhile.
const ATTEMPTS: usize = 3;

/// What is made of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A commit with both branches as parents.
    Merge,
    /// A commit with its changes whose only parent is the target.
    Squash,
}

/// What a merge in the temporary worktree gave.
enum Attempt {
    Nothing,
    Commit { commit: String, tree: String, summary: String },
    Conflicts { files: Vec<String>, output: String },
}

impl GitProgram {
    pub(super) fn merge_branch(
        &self,
        root: &Path,
        branch: &str,
        target: &str,
        message: &str,
        way: Way,
    ) -> Result<MergeOutcome, GitError> {
        let merge = self.at(root).args(["merge", branch]);
        for _ in 0..ATTEMPTS {
            let source = self.merged_commit(root, branch)?;
            let Some(old) = self.branch_commit(root, target)? else {
                // The full name says what is missing: `target` may well be a commit or tag.
                let name = format!("refs/heads/{target}");
                return Err(GitError::UnknownRevision { name, path: root.to_owned() });
            };
            if self.contains(root, &old, &source)? {
                return Ok(MergeOutcome::UpToDate);
            }
            self.clean_checkout(root, target)?;
            let tried = self.try_merge(root, &old, &source, message, way)?;
            let (commit, tree, summary) = match tried {
                Attempt::Commit { commit, tree, summary } => (commit, tree, summary),
                Attempt::Nothing => return Ok(MergeOutcome::UpToDate),
                Attempt::Conflicts { files, output } => {
                    return Ok(MergeOutcome::Conflicts { files, output });
                }
            };
            match self.advance(root, target, &old, &commit) {
                Ok(()) => {}
                Err(_) if self.branch_commit(root, target)?.is_some_and(|now| now != old) => {
                    continue;
                }
                Err(error) => return Err(error),
            }
            self.verify(root, target, &commit, &tree)?;
            return Ok(MergeOutcome::Merged { commit, summary });
        }
        Err(merge.failure(format!("branch '{target}' moved during each of {ATTEMPTS} attempts")))
    }

    fn merged_commit(&self, root: &Path, branch: &str) -> Result<String, GitError> {
        if let Some(commit) = self.branch_commit(root, branch)? {
            return Ok(commit);
        }
        let (name, path) = (branch.to_owned(), root.to_owned());
        self.read_commit(root, branch)?.ok_or(GitError::UnknownRevision { name, path })
    }

    /// The worktree that has `target` checked out, if any. Fails if it has changes that moving the
    /// branch would touch.
    fn clean_checkout(&self, root: &Path, target: &str) -> Result<Option<Entry>, GitError> {
        let full_name = format!("refs/heads/{target}");
        let refuse = |why: String| GitError::Failed {
            command: "merge".into(),
            path: root.to_owned(),
            output: why,
        };
        if let Some(state) = self.rebase_of(root, &full_name)? {
            let at = state.display();
            return Err(refuse(format!("branch '{target}' is being rebased, see '{at}'")));
        }
        let entries = self.worktrees(root)?;
        let mut checkouts =
            entries.into_iter().filter(|entry| entry.branch.as_ref() == Some(&full_name));
        let Some(checkout) = checkouts.next() else { return Ok(None) };
        if let Some(other) = checkouts.next() {
            let (one, other) = (checkout.path.display(), other.path.display());
            let why = format!("branch '{target}' is checked out twice, at '{one}' and '{other}'");
            return Err(refuse(why));
        }
        if !checkout.path.exists() {
            // Nothing is there that could be kept in step.
            return Ok(None);
        }
        self.require_top(&checkout.path)?;
        let files = self.tracked_changes(&checkout.path)?;
        if files.is_empty() {
            return Ok(Some(checkout));
        }
        Err(GitError::CheckoutDirty { branch: target.to_owned(), path: checkout.path, files })
    }

    fn try_merge(
        &self,
        root: &Path,
        old: &str,
        source: &str,
        message: &str,
        way: Way,
    ) -> Result<Attempt, GitError> {
        let workbench = Workbench::new(self, root, old)?;
        let at = workbench.path.as_path();
        let mut merge = self.at_top(at).without_hooks().setting("rerere.enabled", "false");
        for (name, value) in self.missing_identity(at)? {
            merge = merge.setting(name, value);
        }
        merge = merge
            .env("GIT_LFS_SKIP_SMUDGE", "1")
            .args(["merge", "--no-ff", "--no-verify", "--no-verify-signatures", "--no-edit"])
            .args(["--no-squash", "--commit", "--stat", "-m", message, source]);
        let finished = merge.finish()?;
        if !finished.success() {
            let unmerged = ["diff", "--name-only", "-z", "--diff-filter=U", "--no-ext-diff"];
            let files = names(&self.at_top(at).args(unmerged).bytes()?);
            if files.is_empty() {
                return Err(merge.failure(finished.message()));
            }
            return Ok(Attempt::Conflicts { files, output: finished.message() });
        }
        let made = self.at_top(at).args(["rev-parse", "--verify", "HEAD"]).text()?;
        let parents = self.at_top(at).args(["rev-list", "--parents", "-n1", "HEAD"]).text()?;
        if parents != format!("{made} {old} {source}") {
            let why = format!("the merge commit and its parents are {parents}");
            return Err(merge.failure(why));
        }
        let tree = self.tree_of(at, &made)?;
        let made = match way {
            Way::Merge => made,
            // Its branch is not in the history of the target: only the content tells.
            Way::Squash if tree == self.tree_of(at, old)? => return Ok(Attempt::Nothing),
            Way::Squash => self.lone_commit(at, &tree, old, message)?,
        };
        let summary = String::from_utf8_lossy(&finished.stdout).trim_end().to_owned();
        Ok(Attempt::Commit { commit: made, tree, summary })
    }

    /// Makes a commit of `tree` with one parent.
    fn lone_commit(
        &self,
        at: &Path,
        tree: &str,
        parent: &str,
        message: &str,
    ) -> Result<String, GitError> {
        let mut commit = self.at_top(at);
        for (name, value) in self.missing_identity(at)? {
            commit = commit.setting(name, value);
        }
        commit.args(["commit-tree", tree, "-p", parent, "-m", message]).text()
    }

    /// Moves `target` from `old` to `commit`, together with the checkout that shows it.
    fn advance(&self, root: &Path, target: &str, old: &str, commit: &str) -> Result<(), GitError> {
        let full_name = format!("refs/heads/{target}");
        let Some(checkout) = self.clean_checkout(root, target)? else {
            let reason = ["update-ref", "-m", "clawteam: merge", &full_name, commit, old];
            return self.at(root).args(reason).bytes().map(drop);
        };
        // Git itself refuses if files that it does not track are in the way.
        self.at_top(&checkout.path)
            .args(["merge", "--ff-only", "--no-autostash", "--no-verify-signatures", "--no-stat"])
            .args(["--no-squash", "--commit", "--quiet", commit])
            .bytes()
            .map(drop)
    }

    fn verify(
        &self,
        root: &Path,
        target: &str,
        commit: &str,
        expected: &str,
    ) -> Result<(), GitError> {
        let now = self.branch_commit(root, target)?;
        let found = match &now {
            Some(now) => self.tree_of(root, now)?,
            None => "none".to_owned(),
        };
        if now.as_deref() == Some(commit) && found == expected {
            return Ok(());
        }
        let (branch, expected) = (target.to_owned(), expected.to_owned());
        Err(GitError::TreeDiffers { branch, expected, found })
    }
}

/// A detached worktree outside of everything the user looks at, gone when dropped.
struct Workbench<'a> {
    program: &'a GitProgram,
    root: &'a Path,
    path: PathBuf,
    _directory: TempDir,
}

impl<'a> Workbench<'a> {
    fn new(program: &'a GitProgram, root: &'a Path, commit: &str) -> Result<Self, GitError> {
        let io = |source| GitError::Io { path: std::env::temp_dir(), source };
        let directory = tempfile::Builder::new().prefix("clawteam-merge-").tempdir().map_err(io)?;
        // The last part names the worktree in the repository's own records.
        let name = directory.path().file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
        let path = directory.path().canonicalize().map_err(io)?.join(name);
        // From here on dropped on failure too: a broken `add` may leave something behind.
        let workbench = Self { program, root, path, _directory: directory };
        program
            .at(root)
            .without_hooks()
            .env("GIT_LFS_SKIP_SMUDGE", "1")
            .args(["worktree", "add", "--quiet", "--detach"])
            .arg(&workbench.path)
            .arg(commit)
            .bytes()?;
        Ok(workbench)
    }
}

impl Drop for Workbench<'_> {
    fn drop(&mut self) {
        let remove = self.program.at(self.root).args(["worktree", "remove", "--force", "--force"]);
        // Nothing can be told from here; what is left behind is pruned by git in time.
        let _ = remove.arg(&self.path).finish();
    }
}
