//! Wake-ups on change: the system's file notifications, with a slow poll underneath.
//!
//! Nothing depends on a notification: it only makes a wait end sooner.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use notify::{RecursiveMode, Watcher as _};

use crate::core::limits;
use crate::store::backend::Changes;

pub(super) struct FileChanges {
    events: Receiver<()>,
    wake: Sender<()>,
    watcher: Option<notify::RecommendedWatcher>,
    /// Which of `paths` could not be watched because they do not exist.
    missing: Vec<PathBuf>,
    next_poll: Instant,
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
        let mut changes = Self {
            events,
            wake,
            watcher: watcher.ok(),
            missing: paths.to_vec(),
            next_poll: Instant::now() + limits::POLL_INTERVAL,
        };
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
        let until_poll = self.next_poll.saturating_duration_since(Instant::now());
        // The channel cannot be closed: we have a sender ourselves.
        if self.events.recv_timeout(until_poll.min(limit)).is_ok() {
            while self.events.try_recv().is_ok() {}
            if !self.missing.is_empty() {
                self.watch_missing();
            }
            return true;
        }
        if Instant::now() < self.next_poll {
            return false;
        }
        // Perhaps something changed that nobody was told of.
        self.next_poll = Instant::now() + limits::POLL_INTERVAL;
        self.watch_missing();
        true
    }

    fn waker(&self) -> Box<dyn Fn() + Send> {
        let wake = self.wake.clone();
        Box::new(move || {
            let _ = wake.send(());
        })
    }
}
