//! Worktrees and their branches: made, committed, removed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::GitProgram;
use super::cli::{names, split_nul};
use super::read::{canonical, read_optional, without_line_end};
use crate::ports::git::GitError;

/// One worktree as the repository knows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// Its top, symbolic links resolved.
    pub(super) path: PathBuf,
    /// The commit checked out.
    pub(super) head: Option<String>,
    /// The full name of the branch checked out.
    pub(super) branch: Option<String>,
    /// Whether this is the repository's own working tree, not a linked one.
    pub(super) main: bool,
}

impl GitProgram {
    /// All worktrees of the repository at `root`, its own working tree first.
    pub(super) fn worktrees(&self, root: &Path) -> Result<Vec<Entry>, GitError> {
        let list = self.at(root).args(["worktree", "list", "--porcelain"]);
        let separated = self.at(root).args(["worktree", "list", "--porcelain", "-z"]).finish()?;
        let (output, end) = match separated.code {
            Some(0) => (separated.stdout, 0),
            // Before git 2.36 there is no `-z`.
            _ => (list.bytes()?, b'\n'),
        };
        let mut entries: Vec<Entry> = Vec::new();
        for line in output.split(|byte| *byte == end) {
            if let Some(path) = line.strip_prefix(b"worktree ") {
                let path = canonical(Path::new(OsStr::from_bytes(path)));
                entries.push(Entry { path, main: entries.is_empty(), ..Entry::default() });
            } else if let Some(entry) = entries.last_mut() {
                let text = String::from_utf8_lossy(line);
                if let Some(head) = text.strip_prefix("HEAD ") {
                    // An unborn branch is shown with the zero commit.
                    entry.head = head.bytes().any(|byte| byte != b'0').then(|| head.to_owned());
                } else if let Some(branch) = text.strip_prefix("branch ") {
                    entry.branch = Some(branch.to_owned());
                }
            }
        }
        Ok(entries)
    }

    /// Where git keeps HEAD and index of the worktree `entry`.
    pub(super) fn admin_dir(&self, root: &Path, entry: &Entry) -> Result<PathBuf, GitError> {
        let common = self.read_common_dir(root)?;
        if entry.main {
            return Ok(common);
        }
        // Not asked of the worktree itself: its `.git` file may be gone.
        for admin in linked_admin_dirs(&common)? {
            let Some(link) = read_optional(&admin.join("gitdir"))? else { continue };
            let link = admin.join(OsStr::from_bytes(without_line_end(&link)));
            if link.parent().map(canonical).as_ref() == Some(&entry.path) {
                return Ok(admin);
            }
        }
        Err(GitError::NotARepository { path: entry.path.clone() })
    }

    /// Whether a rebase of the branch `full_name` is under way, and where git keeps its state.
    /// Meanwhile HEAD is detached, but the branch will be moved when the rebase ends.
    pub(super) fn rebase_of(
        &self,
        root: &Path,
        full_name: &str,
    ) -> Result<Option<PathBuf>, GitError> {
        let common = self.read_common_dir(root)?;
        let mut admins = linked_admin_dirs(&common)?;
        admins.push(common);
        for admin in admins {
            for state in ["rebase-merge", "rebase-apply"] {
                let name = read_optional(&admin.join(state).join("head-name"))?;
                if name.is_some_and(|name| without_line_end(&name) == full_name.as_bytes()) {
                    return Ok(Some(admin));
                }
            }
        }
        Ok(None)
    }

    pub(super) fn create_worktree(
        &self,
        root: &Path,
        path: &Path,
        branch: &str,
        base: &str,
    ) -> Result<bool, GitError> {
        self.read_common_dir(root)?;
        let path = &canonical(path);
        if self.place_for_worktree(root, path, branch)? {
            return Ok(true);
        }
        let existing = self.branch_commit(root, branch)?;
        let start = match &existing {
            Some(commit) => commit.clone(),
            None => self.base_commit(root, base)?,
        };
        if existing.is_none() {
            self.at(root).args(["branch", "--no-track", branch, &start]).bytes()?;
        }
        let add = self.at(root).args(["worktree", "add"]).arg(path).arg(branch);
        let finished = add.finish()?;
        // Not judged by the exit status alone: that is also the one of a post-checkout hook, and
        // another process may have made the same worktree.
        if finished.success() || self.place_for_worktree(root, path, branch).unwrap_or(false) {
            return Ok(existing.is_some());
        }
        if existing.is_none() {
            // Best effort; the failure to tell about is the one above.
            let _ = self.drop_branch(root, branch, &start);
        }
        Err(add.failure(finished.message()))
    }

    /// Whether a worktree on `branch` is already at `path`. If not, `path` is made free of what
    /// git remembers of a worktree deleted by hand. Fails if something else is there, or if the
    /// branch is checked out elsewhere.
    fn place_for_worktree(&self, root: &Path, path: &Path, branch: &str) -> Result<bool, GitError> {
        let full_name = format!("refs/heads/{branch}");
        let refuse = |why: String| GitError::Failed {
            command: "worktree add".into(),
            path: root.to_owned(),
            output: why,
        };
        let entries = self.worktrees(root)?;
        let entry = entries.iter().find(|entry| entry.path == path);
        let occupied = match path.symlink_metadata() {
            Err(_) => false,
            Ok(found) if found.is_dir() => {
                let mut files = fs::read_dir(path)
                    .map_err(|source| GitError::Io { path: path.to_owned(), source })?;
                files.next().is_some()
            }
            Ok(_) => true,
        };
        if occupied {
            let Some(entry) = entry.filter(|_| self.is_worktree_of(root, path)) else {
                let why = "exists and is not a worktree of this repository";
                return Err(refuse(format!("'{}' {why}", path.display())));
            };
            if entry.branch.as_ref() == Some(&full_name) || self.rebases(root, entry, &full_name)? {
                return Ok(true);
            }
            let on = entry.branch.as_deref().unwrap_or("a detached HEAD");
            let path = path.display();
            return Err(refuse(format!("'{path}' is a worktree on {on}, not on {full_name}")));
        }
        let user = entries
            .iter()
            .find(|other| other.path != path && other.branch.as_ref() == Some(&full_name));
        if let Some(user) = user {
            let at = user.path.display();
            return Err(refuse(format!("branch '{branch}' is already checked out at '{at}'")));
        }
        if let Some(entry) = entry {
            self.forget_worktree(root, entry)?;
        }
        Ok(false)
    }

    fn rebases(&self, root: &Path, entry: &Entry, full_name: &str) -> Result<bool, GitError> {
        let state = self.rebase_of(root, full_name)?;
        Ok(state.is_some() && state == self.admin_dir(root, entry).ok())
    }

    /// Whether `path` itself is the top of a worktree that belongs to the repository at `root`.
    fn is_worktree_of(&self, root: &Path, path: &Path) -> bool {
        self.require_top(path).is_ok()
            && match (self.read_common_dir(root), self.read_common_dir(path)) {
                (Ok(here), Ok(there)) => here == there,
                _ => false,
            }
    }

    /// Drops what git remembers of a worktree whose directory is gone or empty.
    fn forget_worktree(&self, root: &Path, entry: &Entry) -> Result<(), GitError> {
        // An empty directory would make git refuse. If anything is in it, this fails.
        let _ = fs::remove_dir(&entry.path);
        self.at(root).args(["worktree", "remove", "--force"]).arg(&entry.path).bytes().map(drop)
    }

    fn base_commit(&self, root: &Path, base: &str) -> Result<String, GitError> {
        if let Some(commit) = self.branch_commit(root, base)? {
            return Ok(commit);
        }
        if let Some(commit) = self.read_commit(root, base)? {
            return Ok(commit);
        }
        let path = root.to_owned();
        Err(match self.read_commit(root, "HEAD")? {
            Some(_) => GitError::UnknownRevision { name: base.to_owned(), path },
            None => GitError::NoCommits { path },
        })
    }

    pub(super) fn commit_worktree(
        &self,
        path: &Path,
        message: &str,
    ) -> Result<Option<String>, GitError> {
        self.require_top(path)?;
        let unmerged = self.at_top(path).args(["diff", "--name-only", "-z", "--diff-filter=U"]);
        let conflicts = names(&unmerged.bytes()?);
        if !conflicts.is_empty() {
            // `add` would call the conflict markers a resolution.
            let files = conflicts.join(", ");
            return Err(GitError::Failed {
                command: "commit".into(),
                path: path.to_owned(),
                output: format!("there are unresolved conflicts in {files}"),
            });
        }
        let index = IndexCopy::take(&self.index_file(path)?)?;
        let committed = self.add_and_commit(path, message);
        if committed.is_err() {
            index.put_back()?;
        }
        committed
    }

    fn add_and_commit(&self, path: &Path, message: &str) -> Result<Option<String>, GitError> {
        let embedded = embedded_repositories(&self.at_top(path).args(LIST_UNTRACKED).bytes()?);
        self.at_top(path).args(["add", "-A", "--", ":/"]).args(excluding(&embedded)).bytes()?;
        let merging = self.at_top(path).args(["rev-parse", "--verify", "-q", "MERGE_HEAD"]);
        let unchanged = ["diff", "--cached", "--quiet", "--ignore-submodules=none"];
        if self.at_top(path).args(unchanged).answer()? && merging.maybe()?.is_none() {
            return Ok(None);
        }
        let mut commit = self.at_top(path).without_hooks();
        for (name, value) in self.missing_identity(path)? {
            commit = commit.setting(name, value);
        }
        commit
            .args(["commit", "--quiet", "--no-verify", "--no-edit", "--no-status"])
            .args(["--allow-empty-message", "--cleanup=whitespace", "-m", message])
            .bytes()?;
        self.at_top(path).args(["rev-parse", "--verify", "HEAD"]).text().map(Some)
    }

    fn index_file(&self, path: &Path) -> Result<PathBuf, GitError> {
        let bytes = self.at_top(path).args(["rev-parse", "--git-path", "index"]).bytes()?;
        Ok(path.join(OsStr::from_bytes(without_line_end(&bytes))))
    }

    /// Settings for a commit by clawteam where the user has not said who they are.
    pub(super) fn missing_identity(
        &self,
        directory: &Path,
    ) -> Result<Vec<(&'static str, &'static str)>, GitError> {
        let known = |variable: &str| {
            // Without this setting git makes a name up from the account and the machine.
            let run = self.at(directory).setting("user.useConfigOnly", "true");
            Ok::<_, GitError>(run.args(["var", variable]).finish()?.success())
        };
        if known("GIT_AUTHOR_IDENT")? && known("GIT_COMMITTER_IDENT")? {
            return Ok(Vec::new());
        }
        let mut missing = Vec::new();
        for (name, value) in [("user.name", "clawteam"), ("user.email", "clawteam@localhost")] {
            let configured = self.at(directory).args(["config", "--get", name]).maybe()?;
            if configured.is_none_or(|configured| configured.is_empty()) {
                missing.push((name, value));
            }
        }
        Ok(missing)
    }

    pub(super) fn drop_worktree(&self, root: &Path, path: &Path) -> Result<(), GitError> {
        let path = canonical(path);
        let remove = self.at(root).args(["worktree", "remove", "--force"]).arg(&path);
        let entries = self.worktrees(root)?;
        let Some(entry) = entries.into_iter().find(|entry| entry.path == path) else {
            return Err(remove.failure("this is not a worktree of the repository"));
        };
        if entry.main {
            return Err(remove.failure("this is the repository's own working tree"));
        }
        let without_link = path.is_dir() && path.join(".git").symlink_metadata().is_err();
        if without_link && fs::remove_dir(&path).is_err() {
            // Git removes only what it can prove to be a worktree.
            self.at(root).args(["worktree", "repair"]).bytes()?;
        }
        remove.bytes().map(drop)
    }

    pub(super) fn drop_branch(
        &self,
        root: &Path,
        branch: &str,
        expected: &str,
    ) -> Result<(), GitError> {
        let full_name = format!("refs/heads/{branch}");
        let run = self.at(root).args(["update-ref", "-d", &full_name, expected]);
        let Some(commit) = self.branch_commit(root, branch)? else {
            let path = root.to_owned();
            return Err(GitError::UnknownRevision { name: branch.to_owned(), path });
        };
        if commit != expected {
            return Err(run.failure(format!("branch '{branch}' is at {commit} by now")));
        }
        let entries = self.worktrees(root)?;
        if let Some(user) = entries.iter().find(|entry| entry.branch.as_ref() == Some(&full_name)) {
            let at = user.path.display();
            return Err(run.failure(format!("branch '{branch}' is checked out at '{at}'")));
        }
        if let Some(state) = self.rebase_of(root, &full_name)? {
            let at = state.display();
            return Err(run.failure(format!("branch '{branch}' is being rebased, see '{at}'")));
        }
        run.bytes()?;
        // A later branch of this name must not inherit an upstream. Mostly there is none to drop.
        let section = format!("branch.{branch}");
        let _ = self.at(root).args(["config", "--local", "--remove-section", &section]).finish();
        Ok(())
    }
}

/// Lists untracked files; repositories inside the worktree appear as directories.
pub(super) const LIST_UNTRACKED: [&str; 4] = ["ls-files", "-o", "--exclude-standard", "-z"];

/// The untracked directories in the output of `ls-files` that are repositories of their own.
/// Adding them would record a link to a commit that nobody else has, and fails if they have none.
pub(super) fn embedded_repositories(untracked: &[u8]) -> Vec<OsString> {
    let nested = split_nul(untracked).filter_map(|name| name.strip_suffix(b"/"));
    nested.map(|name| OsString::from_vec(name.to_vec())).collect()
}

/// Path arguments that leave `directories` out.
pub(super) fn excluding(directories: &[OsString]) -> impl Iterator<Item = OsString> + '_ {
    directories.iter().map(|directory| {
        let mut exclude = OsString::from(":(exclude,top,literal)");
        exclude.push(directory);
        exclude
    })
}

/// The directories that git keeps for linked worktrees.
fn linked_admin_dirs(common: &Path) -> Result<Vec<PathBuf>, GitError> {
    let directory = common.join("worktrees");
    let io = |source| GitError::Io { path: directory.clone(), source };
    let files = match fs::read_dir(&directory) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(io(source)),
    };
    files.map(|file| file.map(|file| file.path()).map_err(io)).collect()
}

/// An index as it was at one moment.
#[derive(Debug)]
struct IndexCopy {
    file: PathBuf,
    bytes: Option<Vec<u8>>,
    modified: Option<std::time::SystemTime>,
}

impl IndexCopy {
    fn take(file: &Path) -> Result<Self, GitError> {
        let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
        Ok(Self { file: file.to_owned(), bytes: read_optional(file)?, modified })
    }

    /// Makes the index what it was, unless it is so already.
    fn put_back(&self) -> Result<(), GitError> {
        let io = |source| GitError::Io { path: self.file.clone(), source };
        match &self.bytes {
            Some(bytes) if read_optional(&self.file)?.as_ref() != Some(bytes) => {
                replace(&self.file, bytes, self.modified).map_err(io)
            }
            None if self.file.exists() => fs::remove_file(&self.file).map_err(io),
            _ => Ok(()),
        }
    }
}

fn replace(file: &Path, bytes: &[u8], modified: Option<std::time::SystemTime>) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    let mut written = tempfile::NamedTempFile::new_in(directory)?;
    io::Write::write_all(&mut written, bytes)?;
    written.as_file().set_permissions(file.metadata()?.permissions())?;
    // Git trusts the recorded state of files only if they are older than the index.
    if let Some(modified) = modified {
        written.as_file().set_modified(modified)?;
    }
    written.persist(file).map_err(|error| error.error)?;
    Ok(())
}
