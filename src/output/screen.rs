//! The whole terminal for one changing picture.

use std::io::{self, Write};

use crate::core::Outcome;
use crate::core::text::printable;

use super::WriteError;

/// The terminal's second screen. What was on the first one is there again when this is dropped.
#[derive(Debug)]
pub struct Screen {
    _private: (),
}

/// Second screen, no cursor, no line wrap.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

impl Screen {
    /// Takes the terminal.
    pub fn enter() -> Outcome<Self> {
        write(ENTER)?;
        Ok(Self { _private: () })
    }

    /// Shows as many lines of `text` as there is room for, and `footer` below. Control characters
    /// in both are shown, not obeyed.
    pub fn show(&mut self, text: &str, footer: &str) -> Outcome<()> {
        let size = rustix::termios::tcgetwinsize(io::stdout());
        // Some terminals do not say.
        let rows = size.ok().map(|size| usize::from(size.ws_row)).filter(|rows| *rows > 1);
        let rows = rows.unwrap_or(24);
        Ok(write(&picture(text, footer, rows))?)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = write(LEAVE);
    }
}

fn write(text: &str) -> Result<(), WriteError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(WriteError)
}

fn picture(text: &str, footer: &str, rows: usize) -> String {
    // Each line overwrites the one before it, so that nothing flickers.
    let mut out = String::from("\x1b[H");
    for line in text.lines().take(rows - 1) {
        out.push_str(&printable(line, false));
        out.push_str("\x1b[K\r\n");
    }
    out.push_str(&printable(footer, false));
    out.push_str("\x1b[K\x1b[J");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fits_the_screen_and_obeys_nothing_in_it() {
        assert_eq!(
            picture("a\nb\x1b[2J\nc", "end", 3),
            "\x1b[Ha\x1b[K\r\nb\\x1b[2J\x1b[K\r\nend\x1b[K\x1b[J"
        );
    }
}
