//! What was changed in a file.

/// A stretch of an older version of a file that a newer one has replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// How many lines of the older version come before it.
    pub start: usize,
    /// How many lines of the older version it takes away; none where lines were only added.
    pub removed: usize,
    /// How many lines stand there now.
    pub added: usize,
    /// A digest of these lines, to tell equal changes from different ones.
    pub digest: u64,
}

/// How a file of a newer version differs from the older one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The file, relative to the top, with `/`. Bytes that are no text became replacement
    /// characters.
    pub path: String,
    /// Whether the newer version does not have it.
    pub deleted: bool,
    /// Whether it is not text, so that nothing is known about lines.
    pub binary: bool,
    /// What it holds now, as an object identifier; a link or a mode makes no difference to it.
    pub content: String,
    /// The changed places in their order.
    pub places: Vec<Place>,
}

impl FileChange {
    /// How many lines were added. A binary file has none.
    pub fn insertions(&self) -> usize {
        self.places.iter().map(|place| place.added).sum()
    }

    /// How many lines were removed.
    pub fn deletions(&self) -> usize {
        self.places.iter().map(|place| place.removed).sum()
    }
}
