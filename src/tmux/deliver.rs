//! Typing a text into a pane.
//!
//! The text goes in by a paste buffer. A program that asked for bracketed paste gets it between
//! the marks, so that line ends in it do not submit; to any other program line ends go as they
//! are (LF), which in canonical mode ends a line. The submit key follows on its own once the text
//! was read. Nothing is reported as delivered because tmux accepted it: the proof is that the
//! terminal's input queue was seen empty after the program had been seen reading.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tmux_interface::LoadBuffer;
use uuid::Uuid;

use super::command::{Server, sequence};
use super::pane::{Look, Pane};
use super::reader::{self, Waiting};
use super::ready::{Readiness, Seen, Stillness};
use super::tty::{self, Tty};
use crate::core::text::printable;
use crate::ports::TerminalError;
use crate::ports::terminal::{Delivery, Reads};

/// The pause between two looks.
const POLL: Duration = Duration::from_millis(20);
/// The longest pause between two looks at a pane whose program is seen not to read.
const IDLE: Duration = Duration::from_millis(250);
/// Looks in a row that must find the input queue empty. Between two bursts of a long text it can
/// be empty for a moment.
const EMPTY_LOOKS: u32 = 3;
/// How long the screen may take to show what was read, before the submit key is sent anyway.
const ECHO_WAIT: Duration = Duration::from_millis(300);
/// How long a screen that keeps changing holds up the submit key.
const SETTLE_MAX: Duration = Duration::from_secs(1);
/// The most that is added to the patience of the caller once something was typed.
const TAKE_MAX: Duration = Duration::from_secs(5);

/// Whether the pane can be typed into, as tmux sees it.
const OPEN: &str = "#{&&:#{?pane_dead,0,1},#{?pane_input_off,0,1}}";

/// A look at the pane with what the system says about its terminal.
struct View {
    look: Look,
    tty: Option<Tty>,
    waiting: Waiting,
}

impl View {
    fn seen(&self) -> Option<Seen<'_>> {
        self.tty.map(|tty| Seen {
            canonical: tty.canonical,
            waiting: self.waiting,
            screen: &self.look.screen,
            cursor: &self.look.row.cursor,
        })
    }

    fn same_picture(&self, other: &Look) -> bool {
        self.look.screen == other.screen && self.look.row.cursor == other.row.cursor
    }

    /// Whether the program is seen to do something else than read.
    fn busy(&self) -> bool {
        self.waiting == Waiting::No && self.tty.is_some_and(|tty| tty.canonical)
    }
}

/// How waiting for a program to read ended.
enum Start {
    /// It reads; the last look at it.
    Ready(View),
    /// It did not within the time allowed.
    NotReady,
    /// It has ended.
    Gone,
}

/// A delivery in progress.
pub(super) struct Typist<'a> {
    pub(super) server: &'a Server,
    pub(super) pane: Pane,
}

impl Typist<'_> {
    /// See [`Terminal::deliver`](crate::ports::Terminal::deliver). `None` if the pane is gone and
    /// nothing was typed.
    pub(super) fn deliver(
        &self,
        text: &str,
        patience: Duration,
    ) -> Result<Option<Delivery>, TerminalError> {
        let text = prepare(text);
        let deadline = Instant::now() + patience;
        let before = match self.wait_until_ready(deadline)? {
            Start::Ready(view) => view,
            Start::NotReady => return Ok(Some(Delivery::NotReady)),
            Start::Gone => return Ok(None),
        };
        if before.tty.is_some_and(|tty| tty.canonical) && longest_line(&text) > tty::LINE_MAX {
            // The kernel would cut the line and say nothing.
            return Ok(Some(Delivery::NotReady));
        }
        if !text.is_empty() && !self.paste(&text)? {
            return Ok(self.pane.exists(self.server).then_some(Delivery::NotReady));
        }
        let deadline = deadline.max(Instant::now() + patience.min(TAKE_MAX));
        let Some(read) = self.wait_until_read(&before.look, deadline)? else {
            return Ok(Some(Delivery::NotTaken));
        };
        if !self.submit()? {
            return Ok(Some(Delivery::NotTaken));
        }
        self.wait_until_taken(&read, deadline).map(Some)
    }

    /// See [`Terminal::reads`](crate::ports::Terminal::reads). `None` if the pane is gone.
    pub(super) fn reads(&self) -> Result<Option<Reads>, TerminalError> {
        let view = self.view()?.filter(|view| !view.look.row.dead);
        Ok(view.map(|view| match (view.waiting, view.tty) {
            (Waiting::Yes, Some(tty)) if tty.canonical => Reads::Lines,
            (Waiting::Yes, Some(_)) => Reads::Keys,
            (Waiting::Unknown, _) | (_, None) => Reads::Unknown,
            (Waiting::Maybe | Waiting::No, _) => Reads::No,
        }))
    }

    fn wait_until_ready(&self, deadline: Instant) -> Result<Start, TerminalError> {
        let mut readiness = Readiness::default();
        loop {
            let Some(view) = self.view()? else { return Ok(Start::Gone) };
            if view.look.row.dead {
                return Ok(Start::Gone);
            }
            let now = Instant::now();
            let ready = view.seen().is_some_and(|seen| readiness.observe(&seen, now));
            if ready && !view.look.row.input_off {
                return Ok(Start::Ready(view));
            }
            if now >= deadline {
                return Ok(Start::NotReady);
            }
            pause_while_busy(&view, deadline.min(now + IDLE));
        }
    }

    /// The look at which everything typed had been read and the screen had come to rest; `None`
    /// if that did not happen in time or the program ended.
    fn wait_until_read(
        &self,
        before: &Look,
        deadline: Instant,
    ) -> Result<Option<Look>, TerminalError> {
        let mut empty = EmptyQueue::default();
        let mut still = Stillness::default();
        loop {
            let Some(view) = self.view()?.filter(|view| !view.look.row.dead) else {
                return Ok(None);
            };
            let now = Instant::now();
            let empty_for = empty.observe(view.tty, now);
            let rests = view.seen().is_some_and(|seen| still.observe(&seen, now).0 >= 2);
            if let Some(empty_for) = empty_for {
                let shown = !view.same_picture(before) || empty_for >= ECHO_WAIT;
                if rests && shown || empty_for >= SETTLE_MAX {
                    return Ok(Some(view.look));
                }
            }
            if now >= deadline {
                return Ok(None);
            }
            thread::sleep(POLL);
        }
    }

    /// Watches what becomes of the submit key.
    fn wait_until_taken(&self, read: &Look, deadline: Instant) -> Result<Delivery, TerminalError> {
        let mut empty = EmptyQueue::default();
        loop {
            let Some(view) = self.view()?.filter(|view| !view.look.row.dead) else {
                // The program had read the text and ended on the submit key.
                return Ok(Delivery::Delivered);
            };
            let now = Instant::now();
            let reacted = !view.same_picture(read) || view.waiting == Waiting::Yes;
            if empty.observe(view.tty, now).is_some() && reacted {
                return Ok(Delivery::Delivered);
            }
            if now >= deadline {
                return Ok(Delivery::NotTaken);
            }
            thread::sleep(POLL);
        }
    }

    /// See [`Terminal::paste`](crate::ports::Terminal::paste).
    pub(super) fn paste_alone(&self, text: &str) -> Result<bool, TerminalError> {
        self.paste(&prepare(text))
    }

    /// Puts the text into the input of the program; `false` if it could not be.
    fn paste(&self, text: &str) -> Result<bool, TerminalError> {
        // Buffers are shared by all of the server, and so is a name that two deliveries choose.
        let buffer = format!("clawteam-{}", Uuid::new_v4().simple());
        let id = self.pane.id();
        // In copy mode tmux would leave out the marks, and take the submit key itself.
        let paste = format!(
            "copy-mode -q -t {id} ; paste-buffer -d -p -r -b {buffer} -t {id} ; \
             display-message -p typed"
        );
        let drop = format!("delete-buffer -b {buffer}");
        let load = LoadBuffer::new().buffer_name(buffer).path("-").build();
        let paste = self.pane.guarded(OPEN, &paste, Some(&drop));
        let reply = self.server.run_with_input(sequence([load, paste]), text.as_bytes())?;
        if reply.no_server() || reply.no_target() {
            return Ok(false);
        }
        Ok(reply.ok()?.contains("typed"))
    }

    /// Sends the submit key; `false` if it could not be.
    fn submit(&self) -> Result<bool, TerminalError> {
        let id = self.pane.id();
        let send =
            format!("copy-mode -q -t {id} ; send-keys -t {id} Enter ; display-message -p typed");
        let reply = self.server.run(sequence([self.pane.guarded(OPEN, &send, None)]))?;
        if reply.no_server() || reply.no_target() {
            return Ok(false);
        }
        Ok(reply.ok()?.contains("typed"))
    }

    /// A look at everything. tmux is asked first: whatever it still had to write to the terminal
    /// was written when it answers, as far as there was room, so that an empty queue afterwards
    /// means that the program read it.
    fn view(&self) -> Result<Option<View>, TerminalError> {
        let Some(look) = self.pane.look(self.server)? else { return Ok(None) };
        let path = Path::new(&look.row.tty);
        let tty = if look.row.dead { None } else { tty::look(path) };
        let waiting = match tty {
            Some(_) => reader::waiting(look.row.pid, path),
            None => Waiting::Unknown,
        };
        Ok(Some(View { look, tty, waiting }))
    }
}

/// Waits for the next look. While the program is seen to be busy, that is for as long as it is,
/// up to `limit`, without asking tmux.
fn pause_while_busy(view: &View, limit: Instant) {
    let path = Path::new(&view.look.row.tty);
    let mut busy = view.busy();
    loop {
        thread::sleep(POLL);
        if !busy || Instant::now() >= limit {
            return;
        }
        busy = reader::waiting(view.look.row.pid, path) == Waiting::No;
    }
}

/// Counts looks in a row that found nothing unread.
#[derive(Debug, Default)]
struct EmptyQueue {
    looks: u32,
    since: Option<Instant>,
}

impl EmptyQueue {
    /// For how long the queue has been empty, once enough looks in a row have found it so. A
    /// terminal that cannot be looked at proves nothing.
    fn observe(&mut self, tty: Option<Tty>, now: Instant) -> Option<Duration> {
        if tty.is_none_or(|tty| tty.unread > 0) {
            *self = Self::default();
            return None;
        }
        let since = *self.since.get_or_insert(now);
        self.looks += 1;
        (self.looks >= EMPTY_LOOKS).then(|| now - since)
    }
}

/// The text as it is typed: control characters other than line ends and tabs are made visible,
/// as they would be keys (Ctrl-C) or end the marks around a paste. Line ends at the end are left
/// out; the submit key comes in their place.
fn prepare(text: &str) -> String {
    let text = printable(&text.replace("\r\n", "\n"), true);
    text.trim_end_matches('\n').to_owned()
}

fn longest_line(text: &str) -> usize {
    text.split('\n').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hidden_in_a_text_are_not_pressed() {
        assert_eq!(prepare("a\x1b[201~\rb\x03"), "a\\x1b[201~ b\\x03");
        assert_eq!(prepare("a\r\n\tb\n\n"), "a\n\tb");
        assert_eq!(prepare("\n"), "");
    }

    #[test]
    fn lines_are_measured_in_bytes() {
        assert_eq!(longest_line("ab\nüü\nc"), 4);
        assert_eq!(longest_line(""), 0);
    }

    #[test]
    fn one_empty_moment_is_no_proof() {
        let start = Instant::now();
        let mut queue = EmptyQueue::default();
        let mut at = |n: u32, unread: Option<u64>| {
            let tty = unread.map(|unread| Tty { canonical: true, unread });
            queue.observe(tty, start + POLL * n)
        };
        assert_eq!(at(0, Some(0)), None);
        assert_eq!(at(1, Some(0)), None);
        assert_eq!(at(2, Some(9)), None);
        assert_eq!(at(3, Some(0)), None);
        assert_eq!(at(4, None), None, "a terminal that cannot be seen");
        assert_eq!(at(5, Some(0)), None);
        assert_eq!(at(6, Some(0)), None);
        assert_eq!(at(7, Some(0)), Some(POLL * 2));
    }
}
