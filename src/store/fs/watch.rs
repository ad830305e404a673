//! Wake-ups on change: the system's file notifications, with a slow poll underneath.
//!
//! Nothing depends on a notification: it only makes a wait end sooner.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use notify::{RecursiveMode, Watcher as _};

use crate::core::limits;
use crate::store::backend::Changes;

pub(super) struct FileChanges {
    paths: Vec<PathBuf>,
    events: Receiver<()>,
    watcher: Option<notify::RecommendedWatcher>,
    /// Which of `paths` could not be watched because they do not exist.
    missing: Vec<PathBuf>,
}

impl FileChanges {
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        let (sender, events) = mpsc::channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading what changed must not look like another change.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = sender.send(());
            }
        });
        let mut changes =
            Self { paths: paths.to_vec(), events, watcher: watcher.ok(), missing: paths.to_vec() };
        changes.watch_missing();
        changes
    }

    /// Watches what exists by now; of what does not, the nearest directory above.
    fn watch_missing(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        self.missing.retain(|path| {
            if path.is_dir() {
                return watcher.watch(path, RecursiveMode::NonRecursive).is_err();
            }
            if let Some(above) = path.ancestors().skip(1).find(|above| above.is_dir()) {
                let _ = watcher.watch(above, RecursiveMode::NonRecursive);
            }
            true
        });
    }
}

impl Changes for FileChanges {
    fn wait(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let poll = limits::POLL_INTERVAL.min(limit);
        match self.events.recv_timeout(poll) {
            Ok(()) => {
                while self.events.try_recv().is_ok() {}
                if !self.missing.is_empty() {
                    self.watch_missing();
                }
                true
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                self.watch_missing();
                // A poll: perhaps something changed that nobody was told of.
                Instant::now() < deadline || self.paths.iter().any(|path| Path::exists(path))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                std::thread::sleep(poll);
                true
            }
        }
    }
}
