//! Wake-ups on change: the system's file notifications, with a slow poll underneath.
//!
//! Nothing depends on a notification: it only makes a wait end sooner.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};

use crate::core::limits;
use crate::store::backend::Changes;

pub(super) struct FileChanges {
    events: Receiver<()>,
    wake: Sender<()>,
    watcher: Option<notify::RecommendedWatcher>,
    /// Which of `paths` could not be watched because they do not exist.
    missing: Vec<PathBuf>,
}

impl FileChanges {
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        let (sender, events) = mpsc::channel();
        let wake = sender.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading what changed must not look like another change.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = sender.send(());
            }
        });
        let mut changes = Self { events, wake, watcher: watcher.ok(), missing: paths.to_vec() };
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
        // Without an event it is a poll: perhaps something changed that nobody told us of. (The
        // channel cannot be closed: we have a sender ourselves.)
        if self.events.recv_timeout(limits::POLL_INTERVAL.min(limit)).is_ok() {
            while self.events.try_recv().is_ok() {}
        }
        if !self.missing.is_empty() {
            self.watch_missing();
        }
        true
    }

    fn waker(&self) -> Box<dyn Fn() + Send> {
        let wake = self.wake.clone();
        Box::new(move || {
            let _ = wake.send(());
        })
    }
}
