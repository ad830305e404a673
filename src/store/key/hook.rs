//! What hooks and plugins said.

use super::{Dir, Key};

impl Dir {
    /// What hooks said, a document for each day.
    pub fn hook_log() -> Self {
        Self("hooks".into())
    }
}

impl Key {
    /// What hooks said on a day (`YYYY-MM-DD`), one JSON object a line.
    pub fn hook_log(day: &str) -> Self {
        Dir::hook_log().entry(&format!("{day}.jsonl"))
    }
}
