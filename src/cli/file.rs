//! Files that the user names: what is in them is given to the store, or comes from it.

#![expect(clippy::disallowed_methods, reason = "files that the user named, not those of the store")]

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::core::{Diagnose, Outcome};

/// A file that the user named cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {path}")]
struct FileError {
    verb: &'static str,
    path: String,
    #[source]
    source: io::Error,
}

impl Diagnose for FileError {
    fn code(&self) -> &'static str {
        match self.verb {
            "read" => "unreadable_file",
            _ => "unwritable_file",
        }
    }
}

/// A file that should be text is none.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not UTF-8 text")]
struct NotText(String);

impl Diagnose for NotText {
    fn code(&self) -> &'static str {
        "not_text"
    }

    fn hint(&self) -> Option<String> {
        Some("hand it in as an artifact: --artifact FILE".into())
    }
}

/// What is in a file, or on standard input if `path` is `-`. Refuses more than `max` bytes with
/// what `too_large` makes of their number, without reading them all.
pub(super) fn read(
    path: &str,
    max: u64,
    too_large: impl FnOnce(u64) -> Outcome<()>,
) -> Outcome<Vec<u8>> {
    let failed = |source| FileError { verb: "read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let length = if path == "-" {
        io::stdin().lock().take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        bytes.len() as u64
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        let kind = file.metadata().map_err(failed)?;
        if kind.len() > max {
            kind.len()
        } else {
            file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
            bytes.len() as u64
        }
    };
    if length > max {
        too_large(length)?;
    }
    Ok(bytes)
}

/// The text in a file, or on standard input if `path` is `-`.
pub(super) fn read_text(path: &str) -> Outcome<String> {
    let max = crate::core::limits::ARTIFACT_BYTES_MAX;
    let bytes = read(path, max, |length| crate::app::artifact::fits(path, length))?;
    Ok(String::from_utf8(bytes).map_err(|_| NotText(path.to_owned()))?)
}

/// Writes a file whole or not at all; one that is there is replaced.
pub(super) fn write(path: &str, bytes: &[u8]) -> Outcome<()> {
    let failed = |source| FileError { verb: "write", path: path.to_owned(), source };
    let target = Path::new(path);
    // Something like /dev/stdout is not to be replaced.
    if std::fs::metadata(target).is_ok_and(|kind| !kind.is_file()) {
        std::fs::write(target, bytes).map_err(failed)?;
        return Ok(());
    }
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty());
    replace(target, dir.unwrap_or(Path::new(".")), 0o666, bytes).map_err(failed)?;
    Ok(())
}

/// The same for a file that only the user may read, if it is new. One that is there keeps its
/// mode, and a link stays one.
pub(super) fn write_private(path: &str, bytes: &[u8]) -> Outcome<()> {
    let failed = |source| FileError { verb: "write", path: path.to_owned(), source };
    let target = Path::new(path).canonicalize().unwrap_or_else(|_| path.into());
    let mode = std::fs::metadata(&target).map_or(0o600, |kind| kind.permissions().mode() & 0o777);
    let dir = target.parent().unwrap_or(Path::new("."));
    replace(&target, dir, mode, bytes).map_err(failed)?;
    Ok(())
}

fn replace(target: &Path, dir: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mode = std::fs::Permissions::from_mode(mode);
    let mut file = tempfile::Builder::new().permissions(mode).tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    Ok(())
}

/// More than any plugin.
const TREE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Puts a copy of the directory `from` at `to`, whole or not at all. What is there already is moved
/// to `old` first. Links and what is neither file nor directory are left out.
pub(super) fn install_tree(from: &Path, to: &Path, old: &Path) -> Outcome<()> {
    let failed = |source| FileError { verb: "copy", path: from.display().to_string(), source };
    let parent = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(failed)?;
    let copy = tempfile::Builder::new().prefix(".new-").tempdir_in(parent).map_err(failed)?;
    let made = copy.path().join("copy");
    let mut left = TREE_BYTES_MAX;
    copy_tree(from, &made, &mut left).map_err(failed)?;
    if to.exists() {
        move_tree(to, old)?;
    }
    std::fs::rename(&made, to).map_err(failed)?;
    Ok(())
}

/// Moves a directory.
pub(super) fn move_tree(from: &Path, to: &Path) -> Outcome<()> {
    let failed = |source| FileError { verb: "move", path: from.display().to_string(), source };
    std::fs::create_dir_all(to.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    std::fs::rename(from, to).map_err(failed)?;
    Ok(())
}

fn copy_tree(from: &Path, to: &Path, left: &mut u64) -> io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() && entry.file_name() != ".git" {
            copy_tree(&entry.path(), &target, left)?;
        } else if kind.is_file() {
            let too_large = || io::Error::other("it is larger than 64 MiB");
            *left = left.checked_sub(entry.metadata()?.len()).ok_or_else(too_large)?;
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// The last part of a path, as the name of what is in it.
pub(super) fn name(path: &str) -> &str {
    Path::new(path).file_name().and_then(std::ffi::OsStr::to_str).unwrap_or(path)
}
