//! What is there: repositories, commits, ancestry, uncommitted changes.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, RepositoryOpenFlags, Status, StatusOptions};

use super::GitProgram;
use super::cli::{names, split_nul};
use crate::ports::git::{GitError, Repository, WorktreeStatus};

impl GitProgram {
    pub(super) fn read_repository(&self, directory: &Path) -> Result<Repository, GitError> {
        let outside = || GitError::NotARepository { path: directory.to_owned() };
        let directory = match directory.canonicalize() {
            Ok(canonical) if canonical.is_dir() => canonical,
            _ => return Err(outside()),
        };
        let found = match git2::Repository::discover(&directory) {
            Ok(repository) => repository_of(&repository),
            Err(error) if error.code() == ErrorCode::NotFound => return Err(outside()),
            Err(_) => None,
        };
        let (root, head, detached) = match found {
            Some(found) => found,
            None => self.ask_repository(&directory)?.ok_or_else(outside)?,
        };
        // Inside `.git` there is no working tree to speak of.
        let below = directory.strip_prefix(&root).map_err(|_| outside())?;
        if below.iter().next() == Some(OsStr::new(".git")) {
            return Err(outside());
        }
        let parts: Vec<_> = below.iter().map(OsStr::to_string_lossy).collect();
        Ok(Repository { subpath: parts.join("/"), root, head, detached })
    }

    /// The same from the program, for repositories that libgit2 does not know.
    fn ask_repository(
        &self,
        directory: &Path,
    ) -> Result<Option<(PathBuf, String, bool)>, GitError> {
        let run = self.at(directory).args(["rev-parse", "--show-toplevel"]);
        let finished = run.finish()?;
        if !finished.success() {
            let message = finished.message();
            let no_tree = ["not a git repository", "must be run in a work tree"];
            return if no_tree.iter().any(|text| message.contains(text)) {
                Ok(None)
            } else {
                Err(run.failure(message))
            };
        }
        let root = PathBuf::from(OsStr::from_bytes(without_line_end(&finished.stdout)));
        let branch = self.at(&root).args(["symbolic-ref", "--quiet", "--short", "HEAD"]).maybe()?;
        if let Some(branch) = branch {
            return Ok(Some((root, branch, false)));
        }
        let short = self.at(&root).args(["rev-parse", "--short", "HEAD"]).text()?;
        Ok(Some((root, short, true)))
    }

    pub(super) fn read_common_dir(&self, root: &Path) -> Result<PathBuf, GitError> {
        let io = |source| GitError::Io { path: root.to_owned(), source };
        if let Ok(repository) = open(root) {
            return repository.commondir().canonicalize().map_err(io);
        }
        let run = self.at_top(root).args(["rev-parse", "--git-common-dir"]);
        let finished = run.finish()?;
        if !finished.success() {
            let message = finished.message();
            return Err(if message.contains("not a git repository") {
                GitError::NotARepository { path: root.to_owned() }
            } else {
                run.failure(message)
            });
        }
        let answer = OsStr::from_bytes(without_line_end(&finished.stdout));
        root.join(answer).canonicalize().map_err(io)
    }

    pub(super) fn read_commit(&self, root: &Path, name: &str) -> Result<Option<String>, GitError> {
        if let Ok(repository) = open(root) {
            let commit = repository.revparse_single(name).and_then(|found| found.peel_to_commit());
            match commit {
                Ok(commit) => return Ok(Some(commit.id().to_string())),
                // Only a plain "there is none" is final; for the rest the program is asked.
                Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
                Err(_) => {}
            }
        }
        // Also tells a directory that is in no repository from a name that is unknown.
        self.read_common_dir(root)?;
        let wanted = format!("{name}^{{commit}}");
        let run = self.at(root).args(["rev-parse", "--verify", "--quiet", "--end-of-options"]);
        let finished = run.arg(wanted).finish()?;
        let id = String::from_utf8_lossy(&finished.stdout).trim_end().to_owned();
        Ok((finished.success() && !id.is_empty()).then_some(id))
    }

    /// The commit of the local branch `branch`.
    pub(super) fn branch_commit(
        &self,
        root: &Path,
        branch: &str,
    ) -> Result<Option<String>, GitError> {
        self.read_commit(root, &format!("refs/heads/{branch}"))
    }

    /// The tree of `commit`.
    pub(super) fn tree_of(&self, root: &Path, commit: &str) -> Result<String, GitError> {
        let tree = format!("{commit}^{{tree}}");
        self.at(root)
            .args(["rev-parse", "--verify", "--end-of-options", &tree])
            .text()
            .map(last_line)
    }

    /// The best common ancestor of two commits.
    pub(super) fn merge_base(
        &self,
        root: &Path,
        one: &str,
        two: &str,
    ) -> Result<Option<String>, GitError> {
        if let (Ok(repository), Ok(one), Ok(two)) =
            (open(root), Oid::from_str(one), Oid::from_str(two))
        {
            match repository.merge_base(one, two) {
                Ok(base) => return Ok(Some(base.to_string())),
                Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
                Err(_) => {}
            }
        }
        self.at(root).args(["merge-base", one, two]).maybe()
    }

    /// Whether `descendant` is `ancestor` or comes after it.
    pub(super) fn contains(
        &self,
        root: &Path,
        descendant: &str,
        ancestor: &str,
    ) -> Result<bool, GitError> {
        if descendant == ancestor {
            return Ok(true);
        }
        Ok(self.merge_base(root, descendant, ancestor)?.as_deref() == Some(ancestor))
    }

    pub(super) fn read_status(&self, path: &Path) -> Result<WorktreeStatus, GitError> {
        self.require_top(path)?;
        let listed = open(path).ok().and_then(|repository| statuses(&repository).ok());
        let mut status = match listed {
            Some(listed) => listed,
            None => self.ask_status(path)?,
        };
        if !status.unstaged.is_empty() {
            // The program knows filters that libgit2 does not, and may find the files unchanged.
            let changed = self.at_top(path).args(["diff", "--name-only", "-z", "--no-ext-diff"]);
            status.unstaged = names(&changed.bytes()?);
            status.unstaged.sort();
            status.unstaged.dedup();
        }
        if !status.staged.is_empty() {
            let stat = self.at_top(path).args(["diff", "--cached", "--stat", "--no-ext-diff"]);
            status.staged_stat = stat.text()?;
        }
        if !status.unstaged.is_empty() {
            let stat = self.at_top(path).args(["diff", "--stat", "--no-ext-diff"]);
            status.unstaged_stat = stat.text()?;
        }
        Ok(status)
    }

    /// The same from the program, for repositories that libgit2 does not know.
    fn ask_status(&self, path: &Path) -> Result<WorktreeStatus, GitError> {
        let run = self.at_top(path).args(["status", "--porcelain=v1", "-z", "--no-renames"]);
        let output = run.args(["--untracked-files=all"]).bytes()?;
        let mut status = WorktreeStatus::default();
        for line in split_nul(&output).filter(|line| line.len() > 3) {
            let name = || String::from_utf8_lossy(&line[3..]).into_owned();
            match (line[0], line[1]) {
                (b'?', _) => status.untracked.push(name()),
                (b'U', _) | (_, b'U') | (b'A', b'A') | (b'D', b'D') => status.unstaged.push(name()),
                (staged, unstaged) => {
                    if staged != b' ' {
                        status.staged.push(name());
                    }
                    if unstaged != b' ' {
                        status.unstaged.push(name());
                    }
                }
            }
        }
        Ok(status)
    }

    /// Refuses a directory that is not itself the top of a worktree: there git would walk up and
    /// work on whatever repository is around it.
    pub(super) fn require_top(&self, path: &Path) -> Result<(), GitError> {
        let outside = || GitError::NotARepository { path: path.to_owned() };
        if path.join(".git").symlink_metadata().is_err() {
            return Err(outside());
        }
        match open(path) {
            Ok(repository) if repository.workdir().is_some() => Ok(()),
            _ => {
                let run = self.at_top(path).args(["rev-parse", "--show-toplevel"]);
                if run.finish()?.success() { Ok(()) } else { Err(outside()) }
            }
        }
    }

    /// Tracked files with changes, staged or not, in the worktree at `path`. Files inside
    /// submodules do not count: no merge of the outer repository touches them.
    pub(super) fn tracked_changes(&self, path: &Path) -> Result<Vec<String>, GitError> {
        let diff = || {
            let options = ["--name-only", "-z", "--no-renames", "--ignore-submodules=dirty"];
            self.at_top(path).arg("diff").args(options)
        };
        let mut files = names(&diff().bytes()?);
        files.extend(names(&diff().arg("--cached").bytes()?));
        files.sort();
        files.dedup();
        Ok(files)
    }
}

/// The repository whose top or directory is `path`, never one around it.
pub(super) fn open(path: &Path) -> Result<git2::Repository, git2::Error> {
    git2::Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, &[] as &[&OsStr])
}

/// `path` as git writes it: symbolic links resolved, also for what does not exist (any more).
pub(super) fn canonical(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    let mut known = path;
    loop {
        if let Ok(resolved) = known.canonicalize() {
            return missing.into_iter().rev().fold(resolved, |path, name| path.join(name));
        }
        match (known.parent(), known.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name);
                // The parent of a bare name is the current directory.
                known = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            }
            _ => return path.to_owned(),
        }
    }
}

/// The bytes of `file`, `None` if it does not exist.
pub(super) fn read_optional(file: &Path) -> Result<Option<Vec<u8>>, GitError> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(source) => Err(GitError::Io { path: file.to_owned(), source }),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

pub(super) fn without_line_end(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

/// Some versions of `rev-parse` echo `--end-of-options` before the answer.
fn last_line(text: String) -> String {
    text.lines().next_back().unwrap_or_default().to_owned()
}

fn repository_of(repository: &git2::Repository) -> Option<(PathBuf, String, bool)> {
    let root = repository.workdir()?.canonicalize().ok()?;
    let head = repository.find_reference("HEAD").ok()?;
    if let Ok(Some(target)) = head.symbolic_target() {
        let branch = target.strip_prefix("refs/heads/").unwrap_or(target);
        return Some((root, branch.to_owned(), false));
    }
    let commit = head.peel_to_commit().ok()?;
    let short = commit.as_object().short_id().ok()?;
    Some((root, short.as_str().ok()?.to_owned(), true))
}

fn statuses(repository: &git2::Repository) -> Result<WorktreeStatus, git2::Error> {
    const STAGED: Status = Status::INDEX_NEW
        .union(Status::INDEX_MODIFIED)
        .union(Status::INDEX_DELETED)
        .union(Status::INDEX_RENAMED)
        .union(Status::INDEX_TYPECHANGE);
    const UNSTAGED: Status = Status::WT_MODIFIED
        .union(Status::WT_DELETED)
        .union(Status::WT_RENAMED)
        .union(Status::WT_TYPECHANGE)
        .union(Status::CONFLICTED);
    let mut options = StatusOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).include_ignored(false);
    let mut status = WorktreeStatus::default();
    for entry in repository.statuses(Some(&mut options))?.iter() {
        let name = String::from_utf8_lossy(entry.path_bytes()).into_owned();
        let flags = entry.status();
        if flags.intersects(STAGED) {
            status.staged.push(name.clone());
        }
        if flags.intersects(UNSTAGED) {
            status.unstaged.push(name.clone());
        }
        if flags.contains(Status::WT_NEW) {
            status.untracked.push(name);
        }
    }
    Ok(status)
}
