//! Files that the user named: what is to be approved, and keys.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::core::{Diagnose, Name, Outcome};
use crate::domain::approval::signature::Secret;

/// A file that the user named cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}")]
struct FileError {
    action: &'static str,
    path: String,
    #[source]
    source: std::io::Error,
}

impl Diagnose for FileError {
    fn code(&self) -> &'static str {
        "file"
    }
}

/// A file does not hold what it should.
#[derive(Debug, thiserror::Error)]
#[error("{path} {why}")]
pub(super) struct Unfit {
    pub(super) path: String,
    pub(super) why: String,
}

impl Diagnose for Unfit {
    fn code(&self) -> &'static str {
        "unfit_file"
    }

    fn exit(&self) -> crate::core::Exit {
        crate::core::Exit::Invalid
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FileError {
    let path = path.display().to_string();
    move |source| FileError { action, path, source }
}

/// The bytes of a file.
#[expect(clippy::disallowed_methods, reason = "a file that the user named, not one of the store")]
pub(super) fn read(path: &Path) -> Outcome<Vec<u8>> {
    Ok(std::fs::read(path).map_err(failed("read", path))?)
}

/// The text of a file.
pub(super) fn text(path: &Path) -> Outcome<String> {
    String::from_utf8(read(path)?).map_err(|_| {
        Unfit { path: path.display().to_string(), why: "is not UTF-8 text".to_owned() }.into()
    })
}

/// The key in a file.
pub(super) fn secret(path: &Path) -> Outcome<Secret> {
    let text = text(path)?;
    Secret::parse(&text).ok_or_else(|| {
        let why = "holds no key that `clawteam approval key new` made".to_owned();
        Unfit { path: path.display().to_string(), why }.into()
    })
}

/// Writes a key into a new file that only its user may read.
#[expect(clippy::disallowed_methods, reason = "a file that the user named, not one of the store")]
pub(super) fn write_secret(path: &Path, secret: &Secret) -> Outcome<()> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(failed("make", path))?;
    let written = file.write_all(secret.text().as_bytes()).and_then(|()| file.sync_all());
    Ok(written.map_err(failed("write", path))?)
}

/// Writes an attachment into a directory that the user named.
#[expect(clippy::disallowed_methods, reason = "a file that the user named, not one of the store")]
pub(super) fn write_into(directory: &Path, name: &Name, bytes: &[u8]) -> Outcome<()> {
    std::fs::create_dir_all(directory).map_err(failed("make", directory))?;
    let path = directory.join(name.as_str());
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    let mut file = opened.map_err(failed("make", &path))?;
    Ok(file.write_all(bytes).map_err(failed("write", &path))?)
}
