//! What a branch or a worktree has changed, file by file and place by place.

use std::path::Path;

use git2::{Delta, Diff, DiffDelta, DiffOptions, ObjectType, Oid, Patch, Sort};
use xxhash_rust::xxh3::Xxh3;

use super::GitProgram;
use super::read::open;
use crate::core::Place;
use crate::ports::git::{Change, FileChange, GitError, Version};

/// Files in a `--stat`; more are summed up.
const STAT_FILES_MAX: &str = "--stat=100,80,200";

impl GitProgram {
    pub(super) fn common_ancestor(
        &self,
        root: &Path,
        one: &str,
        two: &str,
    ) -> Result<Option<String>, GitError> {
        let (one, two) = (self.need_commit(root, one)?, self.need_commit(root, two)?);
        self.merge_base(root, &one, &two)
    }

    pub(super) fn read_changes(
        &self,
        root: &Path,
        from: &str,
        version: &Version<'_>,
    ) -> Result<Vec<FileChange>, GitError> {
        let from = self.need_commit(root, from)?;
        match *version {
            Version::Committed(name) => {
                let to = self.need_commit(root, name)?;
                committed(root, &from, &to).map_err(|error| unreadable(root, &error))
            }
            Version::InWorktree(path) => {
                self.require_top(path)?;
                in_worktree(path, &from).map_err(|error| unreadable(path, &error))
            }
        }
    }

    pub(super) fn read_diff_stat(
        &self,
        root: &Path,
        from: &str,
        to: &str,
    ) -> Result<String, GitError> {
        let (from, to) = (self.need_commit(root, from)?, self.need_commit(root, to)?);
        let options = ["diff", "--no-ext-diff", "--no-renames", STAT_FILES_MAX];
        self.at(root).args(options).args([from.as_str(), to.as_str(), "--"]).text()
    }

    pub(super) fn read_commits(
        &self,
        root: &Path,
        base: &str,
        branch: &str,
        limit: usize,
    ) -> Result<(usize, Vec<Change>), GitError> {
        let (base, branch) = (self.need_commit(root, base)?, self.need_commit(root, branch)?);
        commits(root, &base, &branch, limit).map_err(|error| unreadable(root, &error))
    }

    /// The commit of a local branch, or of whatever else `name` says.
    fn need_commit(&self, root: &Path, name: &str) -> Result<String, GitError> {
        let found = match self.branch_commit(root, name)? {
            Some(commit) => Some(commit),
            None => self.read_commit(root, name)?,
        };
        let unknown = || GitError::UnknownRevision { name: name.to_owned(), path: root.to_owned() };
        found.ok_or_else(unknown)
    }
}

fn unreadable(path: &Path, error: &git2::Error) -> GitError {
    let output = error.message().to_owned();
    GitError::Failed { command: "diff (libgit2)".into(), path: path.to_owned(), output }
}

fn options() -> DiffOptions {
    let mut options = DiffOptions::new();
    options.context_lines(0).interhunk_lines(0).ignore_submodules(true);
    options
}

fn committed(root: &Path, from: &str, to: &str) -> Result<Vec<FileChange>, git2::Error> {
    let repository = open(root)?;
    let tree = |id: &str| repository.find_commit(Oid::from_str(id)?)?.tree();
    let (old, new) = (tree(from)?, tree(to)?);
    let diff = repository.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options()))?;
    read(&diff, root)
}

fn in_worktree(path: &Path, from: &str) -> Result<Vec<FileChange>, git2::Error> {
    let repository = open(path)?;
    let old = repository.find_commit(Oid::from_str(from)?)?.tree()?;
    let mut options = options();
    options.include_untracked(true).recurse_untracked_dirs(true).show_untracked_content(true);
    let diff = repository.diff_tree_to_workdir_with_index(Some(&old), Some(&mut options))?;
    read(&diff, path)
}

/// Every file of a diff whose new side may lie in the directory `place`.
fn read(diff: &Diff<'_>, place: &Path) -> Result<Vec<FileChange>, git2::Error> {
    let mut changes = Vec::new();
    for index in 0..diff.deltas().len() {
        // Whether a file is binary is only known once its content was looked at.
        let patch = Patch::from_diff(diff, index)?;
        let Some(delta) = diff.get_delta(index) else { continue };
        if matches!(delta.status(), Delta::Unmodified | Delta::Ignored | Delta::Unreadable) {
            continue;
        }
        let places = patch.as_ref().map(places).transpose()?.unwrap_or_default();
        changes.push(file_change(&delta, places, place));
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

fn file_change(delta: &DiffDelta<'_>, places: Vec<Place>, place: &Path) -> FileChange {
    let deleted = delta.status() == Delta::Deleted;
    let file = if deleted { delta.old_file() } else { delta.new_file() };
    let path = String::from_utf8_lossy(file.path_bytes().unwrap_or_default()).into_owned();
    let mut content = file.id();
    // What lies in a worktree was not always hashed.
    if content.is_zero()
        && let Some(relative) = file.path()
        && let Ok(hashed) = Oid::hash_file(ObjectType::Blob, place.join(relative))
    {
        content = hashed;
    }
    let binary = delta.flags().is_binary();
    FileChange { path, deleted, binary, content: content.to_string(), places }
}

fn places(patch: &Patch<'_>) -> Result<Vec<Place>, git2::Error> {
    let mut places = Vec::new();
    for number in 0..patch.num_hunks() {
        let (hunk, lines) = patch.hunk(number)?;
        let (start, removed) = (number_of(hunk.old_start()), number_of(hunk.old_lines()));
        let mut digest = Xxh3::new();
        for line in 0..lines {
            let line = patch.line_in_hunk(number, line)?;
            if matches!(line.origin(), '+' | '>' | '<' | '=') {
                digest.update(line.content());
            }
        }
        places.push(Place {
            // A hunk that only adds names the line before it, any other its own first line.
            start: if removed == 0 { start } else { start.saturating_sub(1) },
            removed,
            added: number_of(hunk.new_lines()),
            digest: digest.digest(),
        });
    }
    Ok(places)
}

fn number_of(lines: u32) -> usize {
    usize::try_from(lines).unwrap_or(usize::MAX)
}

fn commits(
    root: &Path,
    base: &str,
    branch: &str,
    limit: usize,
) -> Result<(usize, Vec<Change>), git2::Error> {
    let repository = open(root)?;
    let mut walk = repository.revwalk()?;
    walk.set_sorting(Sort::TIME | Sort::TOPOLOGICAL)?;
    walk.push(Oid::from_str(branch)?)?;
    walk.hide(Oid::from_str(base)?)?;
    let (mut count, mut found) = (0, Vec::new());
    for id in walk {
        let id = id?;
        count += 1;
        if found.len() < limit {
            found.push(change(&repository, id)?);
        }
    }
    Ok((count, found))
}

fn change(repository: &git2::Repository, id: Oid) -> Result<Change, git2::Error> {
    let commit = repository.find_commit(id)?;
    let mut files = Vec::new();
    if commit.parent_count() < 2 {
        let before = commit.parent(0).ok().map(|parent| parent.tree()).transpose()?;
        let tree = commit.tree()?;
        let diff =
            repository.diff_tree_to_tree(before.as_ref(), Some(&tree), Some(&mut options()))?;
        for delta in diff.deltas() {
            let file = delta.new_file().path_bytes().or_else(|| delta.old_file().path_bytes());
            files.push(String::from_utf8_lossy(file.unwrap_or_default()).into_owned());
        }
        files.sort();
    }
    let author = commit.author().when();
    let subject = commit.message_bytes();
    let subject = String::from_utf8_lossy(subject);
    Ok(Change {
        id: id.to_string(),
        subject: subject.trim_start().lines().next().unwrap_or_default().trim_end().to_owned(),
        seconds: author.seconds(),
        offset: author.offset_minutes(),
        files,
    })
}
