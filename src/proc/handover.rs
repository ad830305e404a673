//! Handing secrets to a process that is not our child, without writing them anywhere: over a
//! socket in a directory that only the user can enter. It is served once.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

use crate::ports::Handover;

/// The path of a socket may not be longer on some systems.
const PATH_BYTES_MAX: usize = 100;
/// How long whoever takes it may wait for bytes.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// Secrets that wait to be taken.
pub(super) struct Offer {
    path: PathBuf,
    withdrawn: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
    /// Goes with the offer.
    _directory: TempDir,
}

impl Handover for Offer {
    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.withdrawn.store(true, Ordering::SeqCst);
        // Nobody listens any more if it was taken.
        let _ = UnixStream::connect(&self.path);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

/// Offers `secret` to whoever connects first. Temporary directories are open to their owner only.
pub(super) fn offer(secret: Vec<u8>) -> io::Result<Offer> {
    let mut directory = tempfile::Builder::new().prefix("clawteam-").tempdir()?;
    if directory.path().as_os_str().len() + 2 > PATH_BYTES_MAX {
        directory = tempfile::Builder::new().prefix("clawteam-").tempdir_in("/tmp")?;
    }
    let path = directory.path().join("s");
    let listener = UnixListener::bind(&path)?;
    let withdrawn = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&withdrawn);
    let server = thread::spawn(move || {
        if let Ok((mut taker, _)) = listener.accept()
            && !gone.load(Ordering::SeqCst)
        {
            // One that goes away again gets nothing, and says so itself.
            let _ = taker.set_write_timeout(Some(READ_LIMIT));
            let _ = taker.write_all(&secret);
        }
    });
    Ok(Offer { path, withdrawn, server: Some(server), _directory: directory })
}

/// Takes what is offered at `path`.
pub(super) fn take(path: &Path) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(READ_LIMIT))?;
    let mut secret = Vec::new();
    stream.read_to_end(&mut secret)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_taken_once_and_leaves_nothing() {
        let offer = offer(b"hush".to_vec()).expect("a socket");
        let path = offer.path().to_owned();
        assert_eq!(take(&path).expect("it is offered"), b"hush");
        drop(offer);
        assert!(take(&path).is_err() && !path.exists());
        let other = super::offer(vec![b'x'; 1 << 20]).expect("a socket");
        let path = other.path().to_owned();
        drop(other);
        assert!(!path.exists(), "one that nobody takes goes, too");
    }
}
