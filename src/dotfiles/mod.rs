//! The user's own files: the adapter behind [`crate::ports::Dotfiles`].

#![expect(
    clippy::disallowed_methods,
    reason = "settings of other programs are not files of the data directory"
)]

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::ports::Dotfiles;

/// The file system.
#[derive(Debug, Clone, Copy)]
pub struct UserFiles;

/// Where a path leads, also if the last link leads to nothing yet.
fn target(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(link) => Ok(path.parent().unwrap_or(Path::new("/")).join(link)),
            Err(_) => Ok(path.to_owned()),
        },
        Err(error) => Err(error),
    }
}

fn check(path: &Path, before: Option<&[u8]>) -> io::Result<()> {
    if UserFiles.read(path)?.as_deref() == before {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "somebody else changed it meanwhile"))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

impl Dotfiles for UserFiles {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn exists(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    fn replace(&self, path: &Path, before: Option<&[u8]>, after: &[u8]) -> io::Result<()> {
        let path = target(path)?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent)?;
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        file.write_all(after)?;
        if let Ok(metadata) = path.metadata() {
            file.as_file().set_permissions(metadata.permissions())?;
        } else {
            // A new file is as readable as the user's umask has it, which only making one tells.
            let plain = fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
            let mode = plain.metadata()?.permissions();
            drop(plain);
            fs::remove_file(&path)?;
            file.as_file().set_permissions(mode)?;
        }
        file.as_file().sync_all()?;
        check(&path, before)?;
        file.persist(&path).map_err(|error| error.error)?;
        sync_directory(parent)
    }

    fn remove(&self, path: &Path, before: &[u8]) -> io::Result<()> {
        check(path, Some(before))?;
        fs::remove_file(path)?;
        sync_directory(path.parent().unwrap_or(Path::new("/")))
    }

    fn remove_directory(&self, path: &Path) {
        // One that is not empty stays, which is what is wanted.
        let _ = fs::remove_dir(path);
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }
}
