//! Files of other programs, on the file system.

#![expect(
    clippy::disallowed_methods,
    reason = "an adapter: it reads files that are not the store's"
)]

use std::fs::{self, File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::ports::{ForeignFile, ForeignFiles};

/// The files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemFiles;

/// More files than this are not looked at: somebody else's directory may hold anything.
const FILES_MAX: usize = 20_000;

fn file(path: PathBuf, meta: &Metadata) -> ForeignFile {
    let since = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    ForeignFile { path, modified: since.map_or(0.0, |d| d.as_secs_f64()), bytes: meta.len() }
}

impl ForeignFiles for SystemFiles {
    fn list(&self, dir: &Path, depth: usize, wanted: &dyn Fn(&str) -> bool) -> Vec<ForeignFile> {
        let mut found = Vec::new();
        let mut pending = vec![(dir.to_owned(), depth)];
        while let Some((dir, depth)) = pending.pop() {
            let Ok(entries) = fs::read_dir(&dir) else { continue };
            for entry in entries.flatten() {
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() && depth > 0 {
                    pending.push((entry.path(), depth - 1));
                } else if kind.is_file()
                    && entry.file_name().to_str().is_some_and(wanted)
                    && let Ok(meta) = entry.metadata()
                {
                    found.push(file(entry.path(), &meta));
                }
            }
            if found.len() >= FILES_MAX {
                break;
            }
        }
        found.sort_by(|a, b| b.modified.total_cmp(&a.modified).then_with(|| a.path.cmp(&b.path)));
        found
    }

    fn stat(&self, path: &Path) -> Option<ForeignFile> {
        let meta = fs::metadata(path).ok().filter(Metadata::is_file)?;
        Some(file(path.to_owned(), &meta))
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn head(&self, path: &Path, max: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(max).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    fn tail(&self, path: &Path, max: u64) -> Option<Vec<u8>> {
        let mut file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(max))).ok()?;
        let mut bytes = Vec::new();
        file.take(max).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    fn real(&self, path: &Path) -> PathBuf {
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    }
}
