//! Repositories and worktrees.

use std::path::{Path, PathBuf};

use crate::core::Diagnose;

pub use crate::core::FileChange;

/// Why a git operation failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The directory is in no repository.
    #[error("Not in a git repo: {}", path.display())]
    NotARepository {
        /// The directory.
        path: PathBuf,
    },
    /// The repository has no commit to start from.
    #[error("the repository {} has no commits yet", path.display())]
    NoCommits {
        /// The root of the repository.
        path: PathBuf,
    },
    /// A branch or commit does not exist.
    #[error("'{name}' is not a branch or commit of {}", path.display())]
    UnknownRevision {
        /// What was asked for.
        name: String,
        /// The root of the repository.
        path: PathBuf,
    },
    /// The user's checkout stands in the way.
    #[error("branch '{branch}' is checked out at {} with uncommitted changes: {}", path.display(), files.join(", "))]
    CheckoutDirty {
        /// The branch to be changed.
        branch: String,
        /// Where it is checked out.
        path: PathBuf,
        /// The changed files.
        files: Vec<String>,
    },
    /// The git program failed.
    #[error("git {command} failed in {}: {output}", path.display())]
    Failed {
        /// The arguments given to git.
        command: String,
        /// Where it ran.
        path: PathBuf,
        /// What it wrote, without the trailing newline.
        output: String,
    },
    /// The git program is not there.
    #[error("git cannot be started")]
    Missing(#[source] std::io::Error),
    /// What a merge made is not what was to be merged.
    #[error("after the merge '{branch}' has the tree {found}, not the merged tree {expected}")]
    TreeDiffers {
        /// The target branch.
        branch: String,
        /// The tree that was merged.
        expected: String,
        /// The tree that is there.
        found: String,
    },
    /// A file could not be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl Diagnose for GitError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotARepository { .. } => "not_a_repository",
            Self::NoCommits { .. } => "no_commits",
            Self::UnknownRevision { .. } => "unknown_revision",
            Self::CheckoutDirty { .. } => "checkout_dirty",
            Self::Failed { .. } => "git_failed",
            Self::Missing(_) => "git_missing",
            Self::TreeDiffers { .. } => "tree_differs",
            Self::Io { .. } => "io",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotARepository { .. } => {
                Some("run this inside a git repository, or name one with --repo PATH".into())
            }
            Self::NoCommits { .. } => {
                Some("make a first commit: git commit --allow-empty -m 'Start'".into())
            }
            Self::CheckoutDirty { .. } => {
                Some("commit or stash these changes, then merge again".into())
            }
            Self::UnknownRevision { name, .. } if name.starts_with("refs/heads/") => Some(
                "a merge goes into a local branch; name one of `git branch --list` with --target BRANCH"
                    .into(),
            ),
            Self::UnknownRevision { .. } => Some("see `git branch --all`".into()),
            Self::Missing(_) => Some("install git 2.30 or newer".into()),
            _ => None,
        }
    }
}

/// A repository as seen from a directory inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The top of the work tree.
    pub root: PathBuf,
    /// The directory asked about, relative to `root`, with `/`; empty at the top.
    pub subpath: String,
    /// The branch checked out, or a short hash when HEAD is detached.
    pub head: String,
    /// Whether HEAD is detached.
    pub detached: bool,
}

/// What is in a worktree that is in no commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorktreeStatus {
    /// Files with staged changes, relative to the top.
    pub staged: Vec<String>,
    /// Tracked files with changes that are not staged.
    pub unstaged: Vec<String>,
    /// Files that git does not know and does not ignore.
    pub untracked: Vec<String>,
    /// `git diff --cached --stat`.
    pub staged_stat: String,
    /// `git diff --stat`.
    pub unstaged_stat: String,
}

impl WorktreeStatus {
    /// Whether everything is committed.
    pub fn is_clean(&self) -> bool {
        self.staged.is_empty() && self.unstaged.is_empty() && self.untracked.is_empty()
    }
}

/// Work kept aside before its worktree or branch was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvage {
    /// The full name of the reference, `refs/clawteam/salvage/<team>/<agent>/<time>`.
    pub reference: String,
    /// The commit that it points to.
    pub commit: String,
    /// When it was made, in seconds since the epoch.
    pub saved_at: i64,
    /// Commits in it that the base did not have.
    pub unmerged_commits: usize,
    /// Files in it that were in no commit.
    pub uncommitted_files: Vec<String>,
}

/// A commit in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its hash.
    pub id: String,
    /// Who wrote it.
    pub author: String,
    /// Whether it joins several lines of work.
    pub is_merge: bool,
    /// The first line of its message.
    pub subject: String,
}

/// Files that are to be brought from one working tree into another. Paths are relative to the
/// tops, without `..`.
pub struct Furnishing<'a> {
    /// The top of the working tree that they come from.
    pub from: &'a Path,
    /// The top of the worktree that they go to.
    pub to: &'a Path,
    /// What is copied; `*` and `?` stand for characters of a name.
    pub copy: &'a [String],
    /// What is shared by a symbolic link.
    pub link: &'a [String],
    /// Whether files of a name are copied only if they are named without wildcards.
    pub withheld: &'a dyn Fn(&str) -> bool,
}

/// What came of a [`Furnishing`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Furnished {
    /// How many files were copied.
    pub copied: usize,
    /// How many links were made.
    pub linked: usize,
    /// Patterns and names that nothing fits.
    pub missing: Vec<String>,
    /// Files that were not copied because they were not named.
    pub withheld: Vec<String>,
    /// The topmost of what is new in the worktree.
    pub made: Vec<PathBuf>,
}

/// A state of a repository's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version<'a> {
    /// As they were committed; a branch or a commit.
    Committed(&'a str),
    /// As they lie in a worktree, committed or not.
    InWorktree(&'a Path),
}

/// A commit with the files that it touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its hash.
    pub id: String,
    /// The first line of its message.
    pub subject: String,
    /// When its author made it: seconds since the epoch.
    pub seconds: i64,
    /// The author's distance from UTC in minutes.
    pub offset: i32,
    /// The files, sorted. None for a merge.
    pub files: Vec<String>,
}

/// How a merge ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeOutcome {
    /// The target branch now holds the branch.
    Merged {
        /// The new commit of the target branch.
        commit: String,
        /// What to tell the user.
        summary: String,
    },
    /// The branch holds nothing that the target does not have.
    UpToDate,
    /// The branches contradict each other; nothing was changed.
    Conflicts {
        /// The files in conflict, relative to the top.
        files: Vec<String>,
        /// What git said about them.
        output: String,
    },
}

/// Repositories and worktrees. Every method leaves things as they were when it fails.
pub trait Git: Send + Sync {
    /// The repository around `directory`.
    fn discover(&self, directory: &Path) -> Result<Repository, GitError>;

    /// The directory shared by all worktrees of the repository at `root` (`--git-common-dir`),
    /// absolute: what a lock on the repository is named by.
    fn common_dir(&self, root: &Path) -> Result<PathBuf, GitError>;

    /// The best common ancestor of two branches or commits; `None` if they have nothing in common.
    fn ancestor(&self, root: &Path, one: &str, two: &str) -> Result<Option<String>, GitError>;

    /// How `version` differs from the commit `from`: each file that does, by name. Renamed files
    /// are one that went and one that came. Submodules are left out.
    fn changes(
        &self,
        root: &Path,
        from: &str,
        version: &Version<'_>,
    ) -> Result<Vec<FileChange>, GitError>;

    /// `git diff --stat` between two commits.
    fn diff_stat(&self, root: &Path, from: &str, to: &str) -> Result<String, GitError>;

    /// The commits of `branch` that `base` does not have, newest first: how many there are, and
    /// the first `limit` of them.
    fn commits(
        &self,
        root: &Path,
        base: &str,
        branch: &str,
        limit: usize,
    ) -> Result<(usize, Vec<Change>), GitError>;

    /// Makes a worktree of `root` at `path` on `branch`: an existing branch is reused as it is, a
    /// new one starts at `base`. A worktree that is already there on that branch is kept.
    /// Returns whether an existing branch was reused.
    fn add_worktree(
        &self,
        root: &Path,
        path: &Path,
        branch: &str,
        base: &str,
    ) -> Result<bool, GitError>;

    /// Brings files into a worktree that git does not keep. What is there already stays as it is.
    /// Nothing is written through a link that the repository holds.
    fn furnish(&self, wanted: &Furnishing<'_>) -> Result<Furnished, GitError>;

    /// Keeps these paths of `worktree` from being committed: what git does not ignore is added to
    /// the repository's own list of ignored files, which no commit holds. Returns what was added.
    fn exclude(&self, worktree: &Path, paths: &[PathBuf]) -> Result<Vec<String>, GitError>;

    /// The text of a file of the working tree at `root`, `None` if there is none.
    fn checkout_file(&self, root: &Path, name: &str) -> Result<Option<String>, GitError>;

    /// What is uncommitted in the worktree at `path`.
    fn status(&self, path: &Path) -> Result<WorktreeStatus, GitError>;

    /// Commits everything in the worktree at `path`, untracked files included. `None` if there
    /// was nothing to commit, otherwise the new commit. Works without a configured identity and
    /// runs no hooks that could refuse it.
    fn commit_all(&self, path: &Path, message: &str) -> Result<Option<String>, GitError>;

    /// Saves what would be lost if the worktree at `path` and `branch` went away: uncommitted,
    /// untracked and staged work, and commits that no other branch holds. `None` if nothing would
    /// be. Changes neither the worktree nor its index. `path` may be gone already.
    fn salvage(
        &self,
        root: &Path,
        path: &Path,
        branch: &str,
        reference: &str,
    ) -> Result<Option<Salvage>, GitError>;

    /// All salvage references below `prefix`, oldest first.
    fn list_salvage(&self, root: &Path, prefix: &str) -> Result<Vec<Salvage>, GitError>;

    /// What a salvage holds, as a diff against where its branch began.
    fn show_salvage(&self, root: &Path, reference: &str) -> Result<String, GitError>;

    /// Makes a new branch at `reference`; fails if the branch exists.
    fn restore_salvage(&self, root: &Path, reference: &str, branch: &str) -> Result<(), GitError>;

    /// Removes the worktree at `path`. Salvage first.
    fn remove_worktree(&self, root: &Path, path: &Path) -> Result<(), GitError>;

    /// Deletes `branch`, whose commit must still be `expected`. Salvage first.
    fn delete_branch(&self, root: &Path, branch: &str, expected: &str) -> Result<(), GitError>;

    /// The commit that `name` points to, `None` if there is no such branch or commit.
    fn resolve(&self, root: &Path, name: &str) -> Result<Option<String>, GitError>;

    /// Merges `branch` into the branch `target` with a merge commit made in a temporary worktree.
    /// The user's checkout is touched only if it is on `target` and without changes; otherwise
    /// (`target` checked out with changes) the merge is refused. Afterwards the tree of `target`
    /// is the tree that was merged, or the merge is reported as failed.
    fn merge(
        &self,
        root: &Path,
        branch: &str,
        target: &str,
        message: &str,
    ) -> Result<MergeOutcome, GitError>;

    /// The same, but the changes of `branch` become one commit whose only parent is `target`.
    fn squash(
        &self,
        root: &Path,
        branch: &str,
        target: &str,
        message: &str,
    ) -> Result<MergeOutcome, GitError>;

    /// Makes the tag `name` of a commit. Fails if there is one of another commit.
    fn tag(&self, root: &Path, name: &str, commit: &str) -> Result<(), GitError>;

    /// Makes a repository of `directory`, which must exist, on the unborn branch `branch`.
    /// Commits in it are signed with `identity`, a name and a mail address.
    fn init(&self, directory: &Path, branch: &str, identity: (&str, &str)) -> Result<(), GitError>;

    /// The commits on all local branches, parents before children.
    fn history(&self, root: &Path) -> Result<Vec<CommitInfo>, GitError>;
}
