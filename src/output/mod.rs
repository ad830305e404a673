//! Everything that is written to standard output and standard error.
//!
//! Results go to standard output: text for people, or with `--json` exactly one document.
//! Everything else (errors for people, warnings, hints, progress) goes to standard error.

mod panel;
mod screen;
mod table;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use crate::core::text::printable;
use crate::core::{Failure, Outcome};
use crate::store::Notice;

pub use panel::{Panel, columns};
pub use screen::Screen;
pub use table::Table;

/// Standard output could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the result")]
pub struct WriteError(#[source] io::Error);

impl WriteError {
    /// Whether nobody reads any more.
    pub fn is_broken_pipe(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

impl crate::core::Diagnose for WriteError {
    fn code(&self) -> &'static str {
        if self.is_broken_pipe() { "broken_pipe" } else { "output" }
    }
}

/// Below this many entries a second thread costs more than it saves.
const PARALLEL_FROM: usize = 256;

/// Writes results.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Whether results are for programs.
    pub json: bool,
    width: usize,
}

impl Output {
    /// For programs or for people, whose terminal (or `COLUMNS`) says how wide tables may be.
    pub fn new(json: bool, columns: Option<&str>) -> Self {
        let width = columns
            .and_then(|columns| columns.parse().ok())
            .or_else(terminal_width)
            .filter(|width| *width >= 20)
            .unwrap_or(80);
        Self { json, width }
    }

    /// The same for the size that the terminal has by now.
    #[must_use]
    pub fn refit(self) -> Self {
        let width = terminal_width().filter(|width| *width >= 20).unwrap_or(self.width);
        Self { width, ..self }
    }

    /// Whether the result is to be JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Writes one JSON document, as Python prints it: two spaces, a newline at the end.
    pub fn json<T: Serialize>(&self, value: &T) -> Outcome<()> {
        // Through a buffer: a list of ten thousand tasks need not stand in memory as text.
        let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
        let written = serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from);
        written
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| out.flush())
            .map_err(WriteError)?;
        Ok(())
    }

    /// Writes a list as [`json`](Self::json) does; a long one is put together on all cores.
    pub fn json_list<T: Serialize + Sync>(&self, list: &[T]) -> Outcome<()> {
        let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8);
        if list.len() < PARALLEL_FROM || workers < 2 {
            return self.json(&list);
        }
        let encode = |part: &[T]| serde_json::to_vec_pretty(part).expect("results have text keys");
        let parts: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let chunks = list.chunks(list.len().div_ceil(workers));
            let parts: Vec<_> = chunks.map(|part| scope.spawn(move || encode(part))).collect();
            let joined = parts.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined.map(|part| part.expect("an encoding thread does not panic")).collect()
        });
        // Each part is a list of its own: its brackets, and the line breaks inside them, go.
        let mut out = io::stdout().lock();
        let mut write = || {
            for (number, part) in parts.iter().enumerate() {
                out.write_all(if number == 0 { b"[\n" } else { b",\n" })?;
                out.write_all(&part[2..part.len() - 2])?;
            }
            out.write_all(b"\n]\n")?;
            out.flush()
        };
        Ok(write().map_err(WriteError)?)
    }

    /// Writes one JSON document on one line, without spaces.
    pub fn json_line<T: Serialize>(&self, value: &T) -> Outcome<()> {
        let mut text = serde_json::to_vec(value).expect("results have text keys");
        text.push(b'\n');
        self.raw(&text)
    }

    /// Writes one JSON document on one line, with a space after each comma and colon.
    pub fn json_spaced_line<T: Serialize>(&self, value: &T) -> Outcome<()> {
        let mut text = Vec::new();
        let mut writer = serde_json::Serializer::with_formatter(&mut text, Spaced);
        value.serialize(&mut writer).expect("results have text keys");
        text.push(b'\n');
        self.raw(&text)
    }

    /// Writes lines for people. Control characters in them are shown, not obeyed.
    pub fn text(&self, text: &str) -> Outcome<()> {
        let mut shown = printable(text, true);
        shown.push('\n');
        self.raw(shown.as_bytes())
    }

    /// Writes `result` for programs, or what `human` makes of it for people.
    pub fn result<T: Serialize>(&self, result: &T, human: impl FnOnce() -> String) -> Outcome<()> {
        if self.json { self.json(result) } else { self.text(&human()) }
    }

    /// Writes bytes as they are, and flushes them: what follows may depend on their having gone.
    pub fn raw(&self, bytes: &[u8]) -> Outcome<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(WriteError)?;
        Ok(())
    }

    /// Tells why a command failed: to programs as JSON, to people on standard error.
    pub fn failure(&self, failure: &Failure) {
        let error = failure.inner();
        if self.json {
            let mut told = json!({"error": failure.message(), "code": error.code()});
            if let Some(hint) = error.hint() {
                told["hint"] = Value::String(hint);
            }
            for (field, value) in error.details() {
                told[&field] = value;
            }
            let _ = self.json(&told);
        } else {
            let message = failure.message();
            // Some messages have always begun with the word.
            say(&format!("Error: {}", message.strip_prefix("Error: ").unwrap_or(&message)));
            if let Some(hint) = error.hint() {
                say(&format!("Hint: {hint}"));
            }
        }
    }
}

/// JSON on one line as Python prints it.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

/// Writes a line to standard error. Nobody can be told if that fails.
pub fn say(line: &str) {
    let mut shown = printable(line, true);
    shown.push('\n');
    let _ = io::stderr().lock().write_all(shown.as_bytes());
}

/// For how long a warning is not repeated: many agents can give cause to the same one at once.
const WARNING_PAUSE: Duration = Duration::from_secs(10);

fn warn(text: &str) {
    static TOLD: Mutex<BTreeMap<String, Instant>> = Mutex::new(BTreeMap::new());
    let now = Instant::now();
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    told.retain(|_, at| now - *at < WARNING_PAUSE);
    if !told.contains_key(text) {
        told.insert(text.to_owned(), now);
        say(&format!("Warning: {text}"));
    }
}

/// Tells a notice of the store.
pub fn notice(notice: &Notice) {
    match notice {
        Notice::Waiting { what, holder } => say(&format!("Waiting for {what}, held by {holder} …")),
        Notice::PassedOver { reason } => {
            say(&format!("Warning: passed over: {reason} (see `clawteam doctor`)"));
        }
        Notice::Warning { text } => warn(text),
        Notice::Told { text } => say(text),
        Notice::Unlocked { what } => {
            say(&format!("Warning: {what} stayed locked; what is shown may be half-changed"));
        }
    }
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

fn terminal_width() -> Option<usize> {
    rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col))
}

/// Asks a question that is answered by yes or no; anything but yes is no.
pub fn confirm(question: &str) -> bool {
    let _ = write!(io::stderr(), "{} [y/N]: ", printable(question, false));
    let _ = io::stderr().flush();
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok()
        && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Asks for a line; an empty one means `usual`. `None` if nobody answers.
pub fn ask(question: &str, usual: &str) -> Option<String> {
    let offer = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
    let _ = write!(io::stderr(), "{}: ", printable(&format!("{question}{offer}"), false));
    let _ = io::stderr().flush();
    let mut answer = String::new();
    match io::stdin().read_line(&mut answer) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(answer.trim()).map(|text| if text.is_empty() { usual } else { text }.into()),
    }
}

/// Whether somebody can be asked.
pub fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// All of standard input.
pub fn read_stdin() -> Outcome<String> {
    io::read_to_string(io::stdin()).map_err(|error| ReadError(error).into())
}

/// All of standard input that comes within `limit`; nothing if it is a terminal.
pub fn read_stdin_within(limit: Duration) -> String {
    if io::stdin().is_terminal() {
        return String::new();
    }
    let (sender, text) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before it broke off is all there is.
        let _ = io::Read::read_to_end(&mut io::stdin(), &mut bytes);
        sender.send(String::from_utf8_lossy(&bytes).into_owned())
    });
    text.recv_timeout(limit).unwrap_or_default()
}

/// Standard input could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read standard input")]
struct ReadError(#[source] io::Error);

impl crate::core::Diagnose for ReadError {
    fn code(&self) -> &'static str {
        "input"
    }

    fn hint(&self) -> Option<String> {
        (self.0.kind() == io::ErrorKind::InvalidData).then(|| "it must be UTF-8 text".into())
    }
}
