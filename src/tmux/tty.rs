//! The terminal of a pane, seen from the side of its program.

use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::ioctl_fionread;
use rustix::termios::{LocalModes, tcgetattr};

/// The longest line, without its end, that a terminal in canonical mode passes on whole.
pub(super) const LINE_MAX: usize = if cfg!(target_os = "linux") { 4095 } else { 1023 };

/// A terminal at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tty {
    /// Whether the kernel collects whole lines for the program. Programs that draw their own
    /// screen switch that off when they begin to read keys.
    pub(super) canonical: bool,
    /// Bytes that were typed and that the program can read but has not read. In canonical mode
    /// an unfinished line does not count.
    pub(super) unread: u64,
}

/// Looks at the terminal `path`; `None` if it cannot be opened.
///
/// It is closed again at once: tmux notices the end of a program by nobody having its terminal
/// open.
pub(super) fn look(path: &Path) -> Option<Tty> {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let tty = open(path, flags, Mode::empty()).ok()?;
    let canonical = tcgetattr(&tty).ok()?.local_modes.contains(LocalModes::ICANON);
    let unread = ioctl_fionread(&tty).ok()?;
    Some(Tty { canonical, unread })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{OptionalActions, tcsetattr};
    use std::os::unix::ffi::OsStrExt;
    use std::time::{Duration, Instant};

    fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !holds() {
            assert!(Instant::now() < deadline, "not within 10 s: {what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn mode_and_unread_bytes_are_seen_from_outside() {
        let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&outer).expect("its own terminal");
        unlockpt(&outer).expect("its own terminal");
        let name = ptsname(&outer, Vec::new()).expect("it has a name");
        let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes())).to_owned();
        let inner = open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("it opens");

        assert_eq!(look(&path), Some(Tty { canonical: true, unread: 0 }));
        rustix::io::write(&outer, b"whole\nhalf").expect("there is room");
        until("the whole line is counted", || look(&path).is_some_and(|tty| tty.unread == 6));

        let mut modes = tcgetattr(&inner).expect("it is a terminal");
        modes.make_raw();
        tcsetattr(&inner, OptionalActions::Flush, &modes).expect("it is a terminal");
        assert_eq!(look(&path), Some(Tty { canonical: false, unread: 0 }));
        rustix::io::write(&outer, b"half").expect("there is room");
        until("every byte is counted", || look(&path).is_some_and(|tty| tty.unread == 4));
    }

    #[test]
    fn what_is_no_terminal_says_nothing() {
        assert_eq!(look(Path::new("/dev/null")), None);
        assert_eq!(look(Path::new("/nonexistent")), None);
    }
}
