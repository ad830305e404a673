//! Terminal windows that agents run in.

use std::path::PathBuf;
use std::time::Duration;

use crate::core::{AgentName, Diagnose, TeamName};
pub use crate::core::{Delivery, Window};

/// Why a terminal operation failed.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// tmux is not installed.
    #[error("tmux not installed")]
    Missing,
    /// tmux refused.
    #[error("tmux {command} failed: {output}")]
    Failed {
        /// The tmux command.
        command: String,
        /// What it wrote.
        output: String,
    },
    /// The window is gone, or belongs to another server than the one it was made on.
    #[error("tmux window {window} is gone")]
    Gone {
        /// The window.
        window: String,
    },
    /// The team has no session.
    #[error("tmux session '{session}' not found. No agents spawned for team '{team}'?")]
    NoSession {
        /// The session that was looked for.
        session: String,
        /// The team.
        team: String,
    },
    /// tmux could not be run or its files not be read.
    #[error("tmux")]
    Io(#[from] std::io::Error),
}

impl Diagnose for TerminalError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "tmux_missing",
            Self::Failed { .. } => "tmux_failed",
            Self::Gone { .. } => "window_gone",
            Self::NoSession { .. } => "session_missing",
            Self::Io(_) => "io",
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::Missing)
            .then(|| "install tmux, or start agents with the subprocess backend: clawteam spawn subprocess …".into())
    }
}

/// What to start in a new window.
#[derive(Debug, Clone)]
pub struct WindowPlan<'a> {
    /// The team; the session is named `clawteam-<team>`.
    pub team: &'a TeamName,
    /// The agent; the window is named after it.
    pub agent: &'a AgentName,
    /// The program and its arguments, started without a shell.
    pub argv: &'a [String],
    /// Where it starts.
    pub cwd: PathBuf,
    /// Whether the window stays, showing the last screen, after the program has ended.
    pub keep_after_exit: bool,
}

/// What a window shows at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its lines, with the escape sequences of colours.
    pub screen: String,
    /// Whether its program has ended and the window is kept for reading.
    pub ended: bool,
}

/// Whether the program in a window reads what is typed, as far as the system shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// It waits for a line.
    Lines,
    /// It waits for keys.
    Keys,
    /// It does something else.
    No,
    /// The system does not tell.
    Unknown,
}

/// Windows of a terminal multiplexer.
pub trait Terminal: Send + Sync {
    /// Whether tmux can be run at all.
    fn is_available(&self) -> bool {
        self.version().is_some()
    }

    /// The version of tmux (`3.3a`), if it can be run.
    fn version(&self) -> Option<String>;

    /// Opens a window for an agent, in the team's session, which is made if it is missing. Many
    /// may do so at once. The window is tagged with the team and the agent.
    fn open(&self, plan: &WindowPlan<'_>) -> Result<Window, TerminalError>;

    /// Whether the window is still there, on the server that it was made on.
    fn exists(&self, window: &Window) -> bool;

    /// Whether the window's program reads at this moment.
    fn reads(&self, window: &Window) -> Result<Reads, TerminalError>;

    /// Types `text` into the window's program once it reads input, then the submit key, and
    /// watches whether the program takes it.
    fn deliver(
        &self,
        window: &Window,
        text: &str,
        patience: Duration,
    ) -> Result<Delivery, TerminalError>;

    /// The last lines on the window's screen, blank ones left out.
    fn tail(&self, window: &Window, lines: usize) -> Result<Vec<String>, TerminalError>;

    /// What the windows show, in their order; `None` for one that is gone. One call of tmux,
    /// however many windows these are (but for very many).
    fn screens(&self, windows: &[Window]) -> Result<Vec<Option<Shown>>, TerminalError>;

    /// Puts `text` into the input of the window's program, between the marks of a paste if the
    /// program asked for them, and nothing after it. Returns whether that was possible; what the
    /// program makes of it is another question.
    fn paste(&self, window: &Window, text: &str) -> Result<bool, TerminalError>;

    /// Presses keys in the window, by the names that tmux has for them (`Enter`, `Down`, `2`).
    /// Returns whether that was possible; what the program makes of them is another question.
    fn press(&self, window: &Window, keys: &[String]) -> Result<bool, TerminalError>;

    /// Closes the window. Already gone is success.
    fn close(&self, window: &Window) -> Result<(), TerminalError>;

    /// Closes the dead windows (program ended, kept for reading) of `agent` in the session of
    /// `team`, except `keep`.
    fn close_dead(
        &self,
        team: &TeamName,
        agent: &AgentName,
        keep: &Window,
    ) -> Result<(), TerminalError>;

    /// The windows of a team on the present server, with their agents.
    fn windows_of(&self, team: &TeamName) -> Result<Vec<(AgentName, Window)>, TerminalError>;

    /// Shows one line for a moment in every terminal that looks at a window of the team. Returns
    /// how many these are; none is no error.
    fn show_message(&self, team: &TeamName, line: &str) -> Result<usize, TerminalError>;

    /// Shows all windows of the team side by side and stays until the user leaves. The windows
    /// themselves are not moved. Returns what was shown, for the message.
    fn attach(&self, team: &TeamName) -> Result<String, TerminalError>;
}
