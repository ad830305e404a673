//! Work kept aside before its worktree or branch goes away.
//!
//! A salvage is a reference to a commit. Committed work is referred to as it is. Uncommitted work
//! becomes a commit on top of HEAD, whose further parents are, each only where needed, a commit
//! of what was staged and the branch that HEAD had left. The message of such a commit tells which
//! parent is which, so that nothing besides the reference has to be kept.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, Utc};
use tempfile::TempDir;

use super::GitProgram;
use super::cli::{Run, names, split_nul};
use super::read::{canonical, read_optional};
use super::worktree::{Entry, LIST_UNTRACKED, embedded_repositories, excluding};
use crate::ports::git::{GitError, Salvage};

/// First line of the messages of commits made here.
const SUBJECT: &str = "clawteam: uncommitted work";
/// Lines of such a message that number the parent holding the staged tree, and the unmerged
/// commits below.
const STAGED_PARENT: &str = "Staged-Parent: ";
const UNMERGED: &str = "Unmerged-Commits: ";

/// The worktree's HEAD and its files, seen without touching them.
struct Snapshot {
    /// The commit that HEAD is at, `None` on an unborn branch.
    head: Option<String>,
    /// The trees of HEAD, of the index, and of all files.
    head_tree: String,
    staged_tree: String,
    files_tree: String,
}

impl Snapshot {
    fn is_clean(&self) -> bool {
        self.staged_tree == self.head_tree && self.files_tree == self.head_tree
    }

    /// Whether the staged tree would be lost if only the files were kept.
    fn has_separate_index(&self) -> bool {
        self.staged_tree != self.head_tree && self.staged_tree != self.files_tree
    }
}

/// A worktree read through a copy of its index.
struct Reader<'a> {
    program: &'a GitProgram,
    root: &'a Path,
    admin: PathBuf,
    /// `None` if the directory is gone.
    files: Option<PathBuf>,
    scratch: TempDir,
}

impl GitProgram {
    pub(super) fn save(
        &self,
        root: &Path,
        path: &Path,
        branch: &str,
        reference: &str,
    ) -> Result<Option<Salvage>, GitError> {
        let path = canonical(path);
        let entries = self.worktrees(root)?;
        let snapshot = match entries.iter().find(|entry| entry.path == path) {
            Some(entry) => Some(self.snapshot(root, entry)?),
            None => None,
        };
        let head = snapshot.as_ref().and_then(|snapshot| snapshot.head.clone());
        let branch_commit = self.branch_commit(root, branch)?;
        let mut tips = Vec::new();
        for tip in [head.clone(), branch_commit].into_iter().flatten() {
            if !tips.contains(&tip) && self.is_unmerged(root, &tip, branch)? {
                tips.push(tip);
            }
        }
        let tips = self.without_ancestors(root, tips)?;
        let unmerged = self.count_unmerged(root, &tips, branch)?;
        let dirty = snapshot.filter(|snapshot| !snapshot.is_clean());
        let commit = match (&dirty, tips.as_slice()) {
            (None, []) => return Ok(None),
            (None, [only]) => only.clone(),
            // HEAD and the branch went different ways.
            (None, [first, ..]) => {
                let tree = self.tree_of(root, first)?;
                let message = format!("{SUBJECT}\n\n{UNMERGED}{unmerged}\n");
                self.commit_tree(root, &tree, &tips, &message)?
            }
            (Some(snapshot), _) => self.commit_snapshot(root, snapshot, &tips, unmerged)?,
        };
        let none = "0".repeat(commit.len());
        let reason = ["update-ref", "-m", "clawteam: salvage", reference, &commit, &none];
        self.at(root).args(reason).bytes()?;
        let uncommitted_files = self.uncommitted_files(root, &commit)?;
        Ok(Some(Salvage {
            reference: reference.to_owned(),
            saved_at: time_in_name(reference).unwrap_or_else(|| Utc::now().timestamp()),
            commit,
            unmerged_commits: unmerged,
            uncommitted_files,
        }))
    }

    fn snapshot(&self, root: &Path, entry: &Entry) -> Result<Snapshot, GitError> {
        let reader = Reader::new(self, root, entry)?;
        let head_tree = match &entry.head {
            Some(head) => self.tree_of(root, head)?,
            None => self.at(root).arg("mktree").input(Vec::new()).text()?,
        };
        let staged_tree = reader.staged_tree()?.unwrap_or_else(|| head_tree.clone());
        let files_tree = reader.files_tree()?.unwrap_or_else(|| staged_tree.clone());
        Ok(Snapshot { head: entry.head.clone(), head_tree, staged_tree, files_tree })
    }

    fn commit_snapshot(
        &self,
        root: &Path,
        snapshot: &Snapshot,
        tips: &[String],
        unmerged: usize,
    ) -> Result<String, GitError> {
        let mut message = format!("{SUBJECT}\n\n{UNMERGED}{unmerged}\n");
        let mut parents: Vec<String> = snapshot.head.iter().cloned().collect();
        if snapshot.has_separate_index() {
            let staged = "clawteam: staged work\n";
            let staged = self.commit_tree(root, &snapshot.staged_tree, &parents, staged)?;
            parents.push(staged);
            message.push_str(STAGED_PARENT);
            message.push_str(&parents.len().to_string());
            message.push('\n');
        }
        for tip in tips {
            let reached = match &snapshot.head {
                Some(head) => self.contains(root, head, tip)?,
                None => false,
            };
            if !reached {
                parents.push(tip.clone());
            }
        }
        self.commit_tree(root, &snapshot.files_tree, &parents, &message)
    }

    fn commit_tree(
        &self,
        root: &Path,
        tree: &str,
        parents: &[String],
        message: &str,
    ) -> Result<String, GitError> {
        let mut run = self.at(root);
        for (name, value) in self.missing_identity(root)? {
            run = run.setting(name, value);
        }
        run = run.args(["commit-tree", tree]);
        for parent in parents {
            run = run.args(["-p", parent]);
        }
        run.args(["-F", "-"]).input(message.as_bytes().to_vec()).text()
    }

    /// Whether commits at `tip` would be lost without `branch`: no other branch or tag holds
    /// them, nor a commit with the very same tree, as a squashed merge makes it.
    fn is_unmerged(&self, root: &Path, tip: &str, branch: &str) -> Result<bool, GitError> {
        if self.count_unmerged(root, &[tip.to_owned()], branch)? == 0 {
            return Ok(false);
        }
        let tree = self.tree_of(root, tip)?;
        let log = self.at(root).args(["log", "--no-show-signature", "--format=%T"]);
        let others = log.args(all_refs_but(branch)).args(["--not", tip, "--"]).text()?;
        Ok(!others.lines().any(|other| other == tree))
    }

    /// How many commits at `tips` no branch or tag besides `branch` holds.
    fn count_unmerged(
        &self,
        root: &Path,
        tips: &[String],
        branch: &str,
    ) -> Result<usize, GitError> {
        if tips.is_empty() {
            return Ok(0);
        }
        let run = self.at(root).args(["rev-list", "--count"]).args(tips).arg("--not");
        let run = run.args(all_refs_but(branch)).arg("--");
        let count = run.text()?;
        count.parse().map_err(|_| run.failure(count))
    }

    /// `tips` without those that another one of them contains.
    fn without_ancestors(&self, root: &Path, tips: Vec<String>) -> Result<Vec<String>, GitError> {
        let mut kept = Vec::new();
        for tip in &tips {
            let mut held = false;
            for other in tips.iter().filter(|other| *other != tip) {
                held = held || self.contains(root, other, tip)?;
            }
            if !held {
                kept.push(tip.clone());
            }
        }
        Ok(kept)
    }

    pub(super) fn saved(&self, root: &Path, prefix: &str) -> Result<Vec<Salvage>, GitError> {
        // Without a slash at the end git matches whole parts of names only; with one it takes
        // what is below.
        let prefix = prefix.trim_end_matches('/');
        let format = "--format=%(refname)%00%(objectname)%00%(committerdate:unix)";
        let list = self.at(root).args(["for-each-ref", format, prefix]).text()?;
        let mut found = Vec::new();
        for line in list.lines() {
            let mut fields = line.split('\0');
            let (Some(reference), Some(commit), Some(date)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let saved_at = time_in_name(reference).or_else(|| date.parse().ok()).unwrap_or(0);
            found.push(Salvage {
                reference: reference.to_owned(),
                commit: commit.to_owned(),
                saved_at,
                unmerged_commits: self.unmerged_in(root, reference, commit)?,
                uncommitted_files: self.uncommitted_files(root, commit)?,
            });
        }
        found.sort_by(|a, b| (a.saved_at, &a.reference).cmp(&(b.saved_at, &b.reference)));
        Ok(found)
    }

    /// The number of commits without a home: as written down when saved, or as it is now.
    fn unmerged_in(&self, root: &Path, reference: &str, commit: &str) -> Result<usize, GitError> {
        let noted = self.made_here(root, commit)?;
        let noted = noted.and_then(|message| line_after(&message, UNMERGED));
        match noted {
            Some(count) => Ok(count),
            None => self.count_unmerged(root, &[commit.to_owned()], &branch_of(reference)),
        }
    }

    /// The message of `commit` if it holds uncommitted work.
    fn made_here(&self, root: &Path, commit: &str) -> Result<Option<String>, GitError> {
        let show = ["log", "-1", "--no-show-signature", "--format=%B", commit, "--"];
        let message = self.at(root).args(show).text()?;
        Ok(message.lines().next().is_some_and(|line| line == SUBJECT).then_some(message))
    }

    /// The commit of the staged tree below a salvage, if there is one.
    fn staged_below(&self, root: &Path, commit: &str) -> Result<Option<String>, GitError> {
        let message = self.made_here(root, commit)?;
        match message.and_then(|message| line_after(&message, STAGED_PARENT)) {
            Some(number) => self.read_commit(root, &format!("{commit}^{number}")),
            None => Ok(None),
        }
    }

    fn uncommitted_files(&self, root: &Path, commit: &str) -> Result<Vec<String>, GitError> {
        if self.made_here(root, commit)?.is_none() {
            return Ok(Vec::new());
        }
        let mut files = BTreeSet::new();
        let staged = self.staged_below(root, commit)?;
        for made in staged.iter().map(String::as_str).chain([commit]) {
            let below = self.first_parent(root, made)?;
            let below = below.filter(|below| Some(below) != staged.as_ref());
            let run = match below {
                Some(below) => self.at(root).args(["diff-tree", "-r", "-z", "--name-only"]).args([
                    "--no-renames",
                    &below,
                    made,
                ]),
                None => self.at(root).args(["ls-tree", "-r", "-z", "--name-only", made]),
            };
            files.extend(names(&run.bytes()?));
        }
        Ok(files.into_iter().collect())
    }

    fn first_parent(&self, root: &Path, commit: &str) -> Result<Option<String>, GitError> {
        self.read_commit(root, &format!("{commit}^1"))
    }

    pub(super) fn describe_saved(&self, root: &Path, reference: &str) -> Result<String, GitError> {
        let commit = self.saved_commit(root, reference)?;
        let base = match self.read_commit(root, "HEAD")? {
            Some(head) => self.merge_base(root, &head, &commit)?,
            None => None,
        };
        let base = match base {
            // Merged since: what its last commit did is all there is to see.
            Some(base) if base == commit => self.first_parent(root, &commit)?,
            other => other,
        };
        let base = match base {
            Some(base) => base,
            None => self.at(root).arg("mktree").input(Vec::new()).text()?,
        };
        let diff = |to: &str| {
            let options = ["diff", "--stat", "--patch", "--no-ext-diff", "--no-color"];
            self.at(root).args(options).args([base.as_str(), to, "--"]).text()
        };
        let mut shown = diff(&commit)?;
        if let Some(staged) = self.staged_below(root, &commit)? {
            shown.push_str("\n\nStaged, and changed or taken back afterwards:\n\n");
            shown.push_str(&diff(&staged)?);
        }
        Ok(shown)
    }

    pub(super) fn restore_saved(
        &self,
        root: &Path,
        reference: &str,
        branch: &str,
    ) -> Result<(), GitError> {
        let commit = self.saved_commit(root, reference)?;
        self.at(root).args(["branch", "--no-track", branch, &commit]).bytes().map(drop)
    }

    fn saved_commit(&self, root: &Path, reference: &str) -> Result<String, GitError> {
        let (name, path) = (reference.to_owned(), root.to_owned());
        self.read_commit(root, reference)?.ok_or(GitError::UnknownRevision { name, path })
    }
}

impl<'a> Reader<'a> {
    fn new(program: &'a GitProgram, root: &'a Path, entry: &Entry) -> Result<Self, GitError> {
        let admin = program.admin_dir(root, entry)?;
        let temporary = |source| GitError::Io { path: std::env::temp_dir(), source };
        let scratch =
            tempfile::Builder::new().prefix("clawteam-index-").tempdir().map_err(temporary)?;
        // A directory emptied by hand, without even its `.git`, is as good as gone.
        let emptied = fs::read_dir(&entry.path).map_or(true, |mut files| files.next().is_none());
        let files = (!emptied).then(|| entry.path.clone());
        let reader = Self { program, root, admin, files, scratch };
        reader.copy_index()?;
        Ok(reader)
    }

    fn index(&self) -> PathBuf {
        self.scratch.path().join("index")
    }

    fn copy_index(&self) -> Result<(), GitError> {
        let original = self.admin.join("index");
        let Some(bytes) = read_optional(&original)? else { return Ok(()) };
        let copy = self.index();
        let io = |source| GitError::Io { path: copy.clone(), source };
        // A file changed in the same instant as the index was written is compared by content, but
        // only if the copy is as old as the original.
        let modified = original.metadata().and_then(|metadata| metadata.modified()).map_err(io)?;
        fs::write(&copy, bytes).map_err(io)?;
        let file = fs::File::options().write(true).open(&copy).map_err(io)?;
        file.set_modified(modified).map_err(io)
    }

    /// A run of git on the copied index. The repository is named outright: the `.git` of the
    /// worktree may be gone or lead elsewhere.
    fn git(&self) -> Run<'_> {
        let run = self.program.at(self.files.as_deref().unwrap_or(self.root));
        let run = match &self.files {
            Some(files) => run.env("GIT_WORK_TREE", files),
            None => run,
        };
        run.env("GIT_DIR", &self.admin)
            .env("GIT_INDEX_FILE", self.index())
            .setting("core.splitIndex", "false")
            .setting("core.fsmonitor", "false")
            .setting("core.untrackedCache", "false")
    }

    /// The tree of the index. Files in conflict count as they lie in the worktree. `None` if they
    /// do not lie there any more.
    fn staged_tree(&self) -> Result<Option<String>, GitError> {
        let mut unmerged = Vec::new();
        for line in split_nul(&self.git().args(["ls-files", "-u", "-z"]).bytes()?) {
            if let Some(tab) = line.iter().position(|byte| *byte == b'\t') {
                unmerged.extend_from_slice(&line[tab + 1..]);
                unmerged.push(0);
            }
        }
        if !unmerged.is_empty() {
            if self.files.is_none() {
                return Ok(None);
            }
            let update = ["update-index", "--add", "--remove", "-z", "--stdin"];
            self.git().args(update).input(unmerged).bytes()?;
        }
        self.git().arg("write-tree").text().map(Some)
    }

    /// The tree of all files that git does not ignore. `None` if the directory is gone.
    fn files_tree(&self) -> Result<Option<String>, GitError> {
        let Some(files) = &self.files else { return Ok(None) };
        let untracked = self.git().args(LIST_UNTRACKED).bytes()?;
        let embedded = embedded_repositories(&untracked);
        self.git().args(["add", "-A", "--", ":/"]).args(excluding(&embedded)).bytes()?;
        for directory in &embedded {
            self.add_embedded(files, directory)?;
        }
        self.git().arg("write-tree").text().map(Some)
    }

    /// Adds the files of a repository inside the worktree as plain files: a link to its commit
    /// would keep nothing.
    fn add_embedded(&self, files: &Path, directory: &OsStr) -> Result<(), GitError> {
        let nested = files.join(directory);
        let list = ["ls-files", "-c", "-o", "--exclude-standard", "-z"];
        let listed = self.program.at_top(&nested).args(list).bytes()?;
        let mut paths = Vec::new();
        for name in split_nul(&listed) {
            let name = OsStr::from_bytes(name);
            // Repositories inside this one are listed as directories; files deleted since are
            // listed too.
            let kind = nested.join(name).symlink_metadata();
            if kind.is_ok_and(|found| found.is_file() || found.is_symlink()) {
                let path: OsString = Path::new(directory).join(name).into();
                paths.extend_from_slice(path.as_bytes());
                paths.push(0);
            }
        }
        let update = ["update-index", "--add", "-z", "--stdin"];
        self.git().args(update).input(paths).bytes().map(drop)
    }
}

/// Options of `rev-list` for all branches, remote branches and tags except one branch.
fn all_refs_but(branch: &str) -> [String; 4] {
    let exclude = format!("--exclude={branch}");
    [exclude, "--branches".into(), "--remotes".into(), "--tags".into()]
}

/// What stands in `message` after `label` on a line of its own.
fn line_after(message: &str, label: &str) -> Option<usize> {
    message.lines().find_map(|line| line.strip_prefix(label)).and_then(|text| text.parse().ok())
}

/// The branch that a salvage was made of, which may still be there, or be there again: it is no
/// other home of the commits.
fn branch_of(reference: &str) -> String {
    let name = reference.strip_prefix("refs/clawteam/salvage/").unwrap_or_default();
    name.rsplit_once('/').map(|(agent, _)| format!("clawteam/{agent}")).unwrap_or_default()
}

/// The time in the last part of a reference name: seconds or milliseconds since the
/// epoch, or a UTC date and time.
fn time_in_name(reference: &str) -> Option<i64> {
    let last = reference.rsplit('/').next()?;
    match (last.len(), last.parse()) {
        (..=11, Ok(seconds)) => return Some(seconds),
        (13, Ok(milliseconds)) => return Some(milliseconds / 1000),
        _ => {}
    }
    if let Ok(instant) = DateTime::parse_from_str(last, "%Y%m%dT%H%M%S%z") {
        return Some(instant.timestamp());
    }
    // A suffix, as for two salvages in one second, does not matter.
    let forms = ["%Y%m%dT%H%M%S", "%Y%m%d-%H%M%S"];
    forms.iter().find_map(|form| {
        let (time, _) = NaiveDateTime::parse_and_remainder(last, form).ok()?;
        Some(time.and_utc().timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_salvage_is_in_its_name() {
        for name in [
            "1767225600",
            "1767225600123",
            "20260101T000000Z",
            "20260101T010000+0100",
            "20260101-000000",
            "20260101-000000-2",
        ] {
            let reference = format!("refs/clawteam/salvage/t/a/{name}");
            assert_eq!(time_in_name(&reference), Some(1_767_225_600), "{name}");
        }
        assert_eq!(time_in_name("refs/clawteam/salvage/t/a/first"), None);
    }
}
