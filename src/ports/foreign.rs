//! Files of other programs: what an agent's program writes about its own conversations.

use std::path::{Path, PathBuf};

/// A file that another program wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignFile {
    /// Where it is.
    pub path: PathBuf,
    /// When it was changed last, in seconds since the epoch.
    pub modified: f64,
    /// How long it is.
    pub bytes: u64,
}

/// Reading what other programs wrote. Nothing here is ever changed, and what cannot be read is
/// passed over: it belongs to somebody else.
pub trait ForeignFiles: Send + Sync {
    /// The files below `dir`, at most `depth` directories down (0: in `dir` itself), whose names
    /// `wanted` picks; the latest first. Links to directories are not followed.
    fn list(&self, dir: &Path, depth: usize, wanted: &dyn Fn(&str) -> bool) -> Vec<ForeignFile>;

    /// A single file, if it is there.
    fn stat(&self, path: &Path) -> Option<ForeignFile>;

    /// Whether there is such a directory.
    fn is_dir(&self, path: &Path) -> bool;

    /// The first `max` bytes of a file.
    fn head(&self, path: &Path, max: u64) -> Option<Vec<u8>>;

    /// The last `max` bytes of a file.
    fn tail(&self, path: &Path, max: u64) -> Option<Vec<u8>>;

    /// A path with its links resolved; itself if that cannot be done.
    fn real(&self, path: &Path) -> PathBuf;
}
