//! Bringing files of the user's own checkout into a worktree that git does not keep.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use super::GitProgram;
use super::cli::split_nul;
use super::read::read_optional;
use crate::core::text::fits;
use crate::ports::git::{Furnished, Furnishing, GitError};

/// The comment above what is added to the repository's own list of ignored files.
const EXCLUDE_NOTE: &str = "# What clawteam puts into worktrees";

/// The text of a file of the working tree at `root`.
pub(super) fn read_checkout_file(root: &Path, name: &str) -> Result<Option<String>, GitError> {
    let bytes = read_optional(&root.join(name))?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Copies and links what a worktree is to have besides its branch.
pub(super) fn furnish_worktree(wanted: &Furnishing<'_>) -> Result<Furnished, GitError> {
    let mut work = Work { wanted, done: Furnished::default() };
    for pattern in wanted.copy {
        work.copy_all(pattern)?;
    }
    for name in wanted.link {
        work.link(name)?;
    }
    Ok(work.done)
}

impl GitProgram {
    /// A link is a case of its own here: `node_modules/` in a `.gitignore` means directories only.
    pub(super) fn exclude_from_commits(
        &self,
        worktree: &Path,
        made: &[PathBuf],
    ) -> Result<Vec<String>, GitError> {
        if made.is_empty() {
            return Ok(Vec::new());
        }
        let mut input = Vec::new();
        for path in made {
            input.extend_from_slice(path.as_os_str().as_bytes());
            input.push(0);
        }
        let check = self.at_top(worktree).args(["check-ignore", "-z", "--stdin"]).input(input);
        let finished = check.finish()?;
        // Status 1: none of them is ignored.
        if !matches!(finished.code, Some(0 | 1)) {
            return Err(check.failure(finished.message()));
        }
        let ignored: Vec<&[u8]> = split_nul(&finished.stdout).collect();
        let open = made.iter().map(|path| path.as_os_str().as_bytes());
        let open: Vec<&[u8]> = open.filter(|path| !ignored.contains(path)).collect();
        let file = self.read_common_dir(worktree)?.join("info/exclude");
        let failed = |source| GitError::Io { path: file.clone(), source };
        let mut text = read_optional(&file)?.unwrap_or_default();
        let before = text.len();
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        let mut added = Vec::new();
        for path in open.into_iter().filter(|path| !path.contains(&b'\n')) {
            let line = literal(path);
            if text.split(|byte| *byte == b'\n').any(|known| known == line) {
                continue;
            }
            if !text.windows(EXCLUDE_NOTE.len()).any(|part| part == EXCLUDE_NOTE.as_bytes()) {
                text.extend_from_slice(EXCLUDE_NOTE.as_bytes());
                text.push(b'\n');
            }
            text.extend_from_slice(&line);
            text.push(b'\n');
            added.push(String::from_utf8_lossy(path).into_owned());
        }
        if text.len() > before && !added.is_empty() {
            let dir = file.parent().unwrap_or(worktree);
            fs::create_dir_all(dir).map_err(failed)?;
            let mut new = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
            io::Write::write_all(&mut new, &text).map_err(failed)?;
            new.persist(&file).map_err(|error| failed(error.error))?;
        }
        Ok(added)
    }
}

/// The pattern of a `.gitignore` that means exactly this path from the top.
fn literal(path: &[u8]) -> Vec<u8> {
    let mut line = vec![b'/'];
    for byte in path {
        if b"*?[]\\ #!".contains(byte) {
            line.push(b'\\');
        }
        line.push(*byte);
    }
    line
}

/// Files on their way.
struct Work<'a> {
    wanted: &'a Furnishing<'a>,
    done: Furnished,
}

impl Work<'_> {
    /// Copies whatever fits a pattern.
    fn copy_all(&mut self, pattern: &str) -> Result<(), GitError> {
        let mut found = vec![PathBuf::new()];
        for part in pattern.split('/') {
            found = if part.contains(['*', '?']) {
                let mut next = Vec::new();
                for path in &found {
                    next.extend(entries_like(&self.wanted.from.join(path), path, part)?);
                }
                next
            } else {
                found.into_iter().map(|path| path.join(part)).collect()
            };
        }
        let named = !pattern.rsplit('/').next().unwrap_or_default().contains(['*', '?']);
        found.retain(|path| self.wanted.from.join(path).symlink_metadata().is_ok());
        if found.is_empty() {
            self.done.missing.push(pattern.to_owned());
        }
        for path in found {
            self.copy(&path, named, false)?;
        }
        Ok(())
    }

    /// Copies a file, or a directory with what is in it, unless it is there. Files that look like
    /// secrets are copied only if they were `named`. `covered`: it is part of a directory that was
    /// made for it.
    fn copy(&mut self, path: &Path, named: bool, covered: bool) -> Result<(), GitError> {
        let (from, to) = (self.wanted.from.join(path), self.wanted.to.join(path));
        let failed = |source| GitError::Io { path: from.clone(), source };
        let name = path.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
        // A link that was named stands for what it leads to.
        let kind = if named { from.metadata() } else { from.symlink_metadata() };
        let kind = kind.map_err(failed)?;
        if !kind.is_dir() && !named && (self.wanted.withheld)(&name) {
            self.done.withheld.push(path.display().to_string());
            return Ok(());
        }
        self.make_way(path)?;
        let there = to.symlink_metadata().ok();
        if kind.is_dir() {
            match &there {
                Some(there) if !there.is_dir() => return Ok(()),
                Some(_) => {}
                None => fs::create_dir(&to).map_err(failed)?,
            }
            if there.is_none() && !covered {
                self.done.made.push(path.to_owned());
            }
            let covered = covered || there.is_none();
            for name in sorted_names(&from)?.into_iter().filter(|name| name != ".git") {
                self.copy(&path.join(name), false, covered)?;
            }
            return Ok(());
        }
        if there.is_some() {
            return Ok(());
        }
        if kind.is_symlink() {
            symlink(fs::read_link(&from).map_err(failed)?, &to).map_err(failed)?;
        } else if kind.is_file() {
            fs::copy(&from, &to).map_err(failed)?;
            // Builds look at times. Where they cannot be set, things are built anew.
            if let (Ok(file), Ok(time)) = (fs::File::open(&to), kind.modified()) {
                let _ = file.set_modified(time);
            }
        } else {
            return Ok(());
        }
        if !covered {
            self.done.made.push(path.to_owned());
        }
        self.done.copied += 1;
        Ok(())
    }

    /// Links a file or directory, unless something is there.
    fn link(&mut self, name: &str) -> Result<(), GitError> {
        let path = Path::new(name);
        let (from, to) = (self.wanted.from.join(path), self.wanted.to.join(path));
        if from.symlink_metadata().is_err() {
            self.done.missing.push(name.to_owned());
            return Ok(());
        }
        self.make_way(path)?;
        if to.symlink_metadata().is_ok() {
            return Ok(());
        }
        symlink(&from, &to).map_err(|source| GitError::Io { path: to.clone(), source })?;
        self.done.made.push(path.to_owned());
        self.done.linked += 1;
        Ok(())
    }

    /// Makes the directories above `path` in the worktree. Nothing is written through a link that
    /// the repository holds: it may lead anywhere.
    fn make_way(&self, path: &Path) -> Result<(), GitError> {
        let mut at = self.wanted.to.to_path_buf();
        for part in path.parent().into_iter().flat_map(Path::components) {
            let Component::Normal(part) = part else { continue };
            at.push(part);
            let failed = |source| GitError::Io { path: at.clone(), source };
            match at.symlink_metadata() {
                Ok(kind) if kind.is_dir() => {}
                Ok(_) => return Err(failed(io::Error::other("is in the way"))),
                Err(_) => fs::create_dir(&at).map_err(failed)?,
            }
        }
        Ok(())
    }
}

/// The entries of `directory` that fit `pattern`, below `path`. As in a shell, those that begin
/// with a dot only if the pattern does.
fn entries_like(directory: &Path, path: &Path, pattern: &str) -> Result<Vec<PathBuf>, GitError> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let names = sorted_names(directory)?.into_iter().filter(|name| {
        let hidden = name.as_bytes().starts_with(b".") && !pattern.starts_with('.');
        !hidden && name != ".git" && fits(pattern, &name.to_string_lossy())
    });
    Ok(names.map(|name| path.join(name)).collect())
}

fn sorted_names(directory: &Path) -> Result<Vec<std::ffi::OsString>, GitError> {
    let failed = |source| GitError::Io { path: directory.to_owned(), source };
    let entries = fs::read_dir(directory).map_err(failed)?;
    let names: io::Result<Vec<_>> =
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let mut names = names.map_err(failed)?;
    names.sort();
    Ok(names)
}
