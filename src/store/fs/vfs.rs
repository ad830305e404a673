//! The operations on files that the store is built from.
//!
//! Each method is one step of the operating system, hence one point where power can fail. The
//! tests put a simulated file system behind this trait and try them all.

use std::any::Any;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use super::lock;
use crate::store::backend::{Mode, Patience};
use crate::store::error::StoreError;

/// No file system uses more for an empty directory.
const EMPTY_DIR_BYTES_MAX: u64 = 4096;

/// What keeps a lock: dropping it lets go.
pub type Hold = Box<dyn Any + Send>;

/// A file being written for the first time.
pub trait NewFile {
    /// Appends `bytes`.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written durable (`fdatasync`).
    fn sync(&mut self) -> io::Result<()>;
}

/// A file system.
pub trait Vfs: Send + Sync + fmt::Debug {
    /// The bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Reads files of one directory one after the other and gives each to `each`.
    fn read_each(
        &self,
        dir: &Path,
        names: &[String],
        each: &mut dyn FnMut(&str, io::Result<&[u8]>),
    ) {
        for name in names {
            match self.read(&dir.join(name)) {
                Ok(bytes) => each(name, Ok(&bytes)),
                Err(error) => each(name, Err(error)),
            }
        }
    }
    /// The last `max` bytes of a file.
    fn read_end(&self, path: &Path, max: u64) -> io::Result<Vec<u8>> {
        let bytes = self.read(path)?;
        let skip = (bytes.len() as u64).saturating_sub(max);
        Ok(bytes.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).collect())
    }
    /// The bytes of a file from the byte `start` on, and its length.
    fn read_from(&self, path: &Path, start: u64) -> io::Result<(Vec<u8>, u64)> {
        let mut bytes = self.read(path)?;
        let length = bytes.len() as u64;
        let start = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
        Ok((bytes.split_off(start), length))
    }
    /// The entries of a directory and whether each is a directory itself.
    fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>>;
    /// Whether a directory holds nothing. One that held something before may count as not empty.
    fn is_empty(&self, path: &Path) -> io::Result<bool>;
    /// The last byte of a file, or `None` if it is empty.
    fn last_byte(&self, path: &Path) -> io::Result<Option<u8>>;
    /// When a file was last changed.
    fn modified(&self, path: &Path) -> io::Result<SystemTime>;
    /// How many bytes this user can still write on the disk of `path`.
    fn available_space(&self, path: &Path) -> io::Result<u64>;
    /// Whether something is there.
    fn exists(&self, path: &Path) -> bool;
    /// Makes one directory.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes a file that must not exist. `secret`: only the user may read it.
    fn create(&self, path: &Path, secret: bool) -> io::Result<Box<dyn NewFile>>;
    /// Appends to a file, made if missing, and makes it durable if `sync`.
    fn append(&self, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()>;
    /// Makes the bytes of a file durable, whoever wrote them (`fdatasync`).
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Renames, replacing what is at `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name, which must not exist.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn unlink(&self, path: &Path) -> io::Result<()>;
    /// Makes the entries of a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Locks the file at `path`, made if missing.
    fn lock(
        &self,
        path: &Path,
        what: &str,
        mode: Mode,
        patience: &Patience<'_>,
    ) -> Result<Hold, StoreError>;
    /// Opens and locks an existing file without waiting, and reads it. `None` if it is gone or
    /// locked by somebody else. `Mode::Shared` only looks whether it is locked.
    fn claim(&self, path: &Path, mode: Mode) -> io::Result<Option<(Hold, Vec<u8>)>>;
    /// Replaces the bytes of a small file, made if missing, while nobody else does the same.
    /// Not durable.
    fn exchange(&self, path: &Path, change: &mut dyn FnMut(&[u8]) -> Vec<u8>) -> io::Result<()>;
    /// The absolute path without symbolic links.
    fn canonicalize(&self, path: &Path) -> io::Result<std::path::PathBuf>;
}

/// The file system of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct RealVfs;

impl NewFile for File {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Write::write_all(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Whether `path` still names the open `file`.
fn is_same_file(file: &File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Vfs for RealVfs {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    /// With one look-up of the directory and one buffer for all files.
    fn read_each(
        &self,
        dir: &Path,
        names: &[String],
        each: &mut dyn FnMut(&str, io::Result<&[u8]>),
    ) {
        use rustix::fs::{Mode, OFlags, openat};
        let Ok(dir) = File::open(dir) else { return };
        let mut buffer = Vec::with_capacity(8 * 1024);
        for name in names {
            buffer.clear();
            let opened =
                openat(&dir, name.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            let read = opened
                .map_err(io::Error::from)
                // `take` keeps the library from asking for the size of each file first.
                .and_then(|file| File::from(file).take(u64::MAX).read_to_end(&mut buffer));
            each(name, read.map(|_| &buffer[..]));
        }
    }

    fn read_end(&self, path: &Path, max: u64) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(max)))?;
        let mut bytes = Vec::new();
        file.take(max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn read_from(&self, path: &Path, start: u64) -> io::Result<(Vec<u8>, u64)> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut bytes = Vec::new();
        if length > start {
            file.seek(SeekFrom::Start(start))?;
            file.take(length - start).read_to_end(&mut bytes)?;
        }
        Ok((bytes, length))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // What is not UTF-8 was not made by clawteam.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = match entry.file_type() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                kind => kind?,
            };
            let is_dir = kind.is_dir() || (kind.is_symlink() && entry.path().is_dir());
            entries.push((name, is_dir));
        }
        Ok(entries)
    }

    fn is_empty(&self, path: &Path) -> io::Result<bool> {
        // A directory that has grown beyond one block held something, and is dear to list.
        let grown = fs::metadata(path)?.len() > EMPTY_DIR_BYTES_MAX;
        Ok(!grown && fs::read_dir(path)?.next().is_none())
    }

    fn last_byte(&self, path: &Path) -> io::Result<Option<u8>> {
        let mut file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Ok(None);
        }
        file.seek(SeekFrom::End(-1))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(Some(byte[0]))
    }

    fn modified(&self, path: &Path) -> io::Result<SystemTime> {
        fs::symlink_metadata(path)?.modified()
    }

    fn available_space(&self, path: &Path) -> io::Result<u64> {
        fs2::available_space(path)
    }

    fn exists(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn create(&self, path: &Path, secret: bool) -> io::Result<Box<dyn NewFile>> {
        let mode = if secret { 0o600 } else { 0o666 };
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        Ok(Box::new(file))
    }

    fn append(&self, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        Write::write_all(&mut file, bytes)?;
        if sync { file.sync_data() } else { Ok(()) }
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_data()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn lock(
        &self,
        path: &Path,
        what: &str,
        mode: Mode,
        patience: &Patience<'_>,
    ) -> Result<Hold, StoreError> {
        lock::acquire(path, what, mode, patience).map(|file| Box::new(file) as Hold)
    }

    fn claim(&self, path: &Path, mode: Mode) -> io::Result<Option<(Hold, Vec<u8>)>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !lock::try_claim(&file, mode)? {
            return Ok(None);
        }
        // Whoever had it before may have removed it between our opening and our lock.
        if !is_same_file(&file, path)? {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some((Box::new(file), bytes)))
    }

    fn exchange(&self, path: &Path, change: &mut dyn FnMut(&[u8]) -> Vec<u8>) -> io::Result<()> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        fs2::FileExt::lock_exclusive(&file)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let changed = change(&bytes);
        file.seek(SeekFrom::Start(0))?;
        Write::write_all(&mut file, &changed)?;
        if changed.len() < bytes.len() {
            file.set_len(changed.len() as u64)?;
        }
        Ok(())
    }

    fn canonicalize(&self, path: &Path) -> io::Result<std::path::PathBuf> {
        fs::canonicalize(path)
    }
}
