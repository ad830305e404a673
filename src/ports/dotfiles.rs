//! The user's own files, in the home directory or in a project: settings of other programs.

use std::io;
use std::path::{Path, PathBuf};

/// Files that belong to the user.
pub trait Dotfiles: Send + Sync {
    /// What a file holds; `None` if there is none.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>>;

    /// Whether there is anything.
    fn exists(&self, path: &Path) -> bool;

    /// Replaces what a file holds, whole or not at all, and makes it and its directories if need be.
    /// A link stays a link, and the file keeps its mode. Fails with
    /// [`io::ErrorKind::ResourceBusy`] if the file does not hold `before` any more.
    fn replace(&self, path: &Path, before: Option<&[u8]>, after: &[u8]) -> io::Result<()>;

    /// Removes a file that still holds `before`.
    fn remove(&self, path: &Path, before: &[u8]) -> io::Result<()>;

    /// Removes a directory if it is empty.
    fn remove_directory(&self, path: &Path);

    /// The path without links.
    fn real(&self, path: &Path) -> io::Result<PathBuf>;
}
