//! Where an agent runs: its process and its window, told apart from later ones of the same number.

use serde::{Deserialize, Serialize};

/// A process: its number and when it started, so that a recycled number is not mistaken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process number.
    pub pid: u32,
    /// When it started, in an unit that only the system that made it understands (Linux: clock
    /// ticks since boot; macOS: seconds since the epoch). Equal means the same process.
    pub start: u64,
}

/// A window of one tmux server, as recorded when it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The window's id on its server, `@N`.
    pub window: String,
    /// The id of the agent's pane, `%N`.
    pub pane: String,
    /// The session that it was made in.
    pub session: String,
    /// The server: process number and start time of the tmux server (`#{pid}`, `#{start_time}`),
    /// so that an id of an earlier server is never used on a later one.
    pub server: String,
}

/// What happened to a text that was pasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// The program took the text and the submit key from its terminal.
    Delivered,
    /// The program was not ready to read within the time allowed; nothing was typed.
    NotReady,
    /// The text was typed, but the program did not take it within the time allowed.
    NotTaken,
}
