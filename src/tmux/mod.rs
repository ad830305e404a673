//! Agents' windows in tmux.
//!
//! Every window has a pane that is tagged with its team and agent and addressed by its id, which
//! is used only on the server that gave it out. What belongs together is sent to the server as
//! one sequence.

#![expect(clippy::disallowed_methods, reason = "an adapter: it runs tmux and looks at terminals")]

mod command;
mod deliver;
mod message;
mod open;
mod pane;
mod reader;
mod ready;
mod rows;
mod screens;
mod tty;
mod view;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use tmux_interface::ListPanes;

use self::command::{Server, sequence};
use self::deliver::Typist;
use self::open::Sessions;
use self::pane::Pane;
use self::rows::PaneRow;
use crate::core::{AgentName, TeamName};
use crate::ports::terminal::{Delivery, Reads, Shown, Window, WindowPlan};
use crate::ports::{Terminal, TerminalError};

/// The windows of one tmux server.
#[derive(Debug)]
pub struct Tmux {
    server: Server,
    sessions: Sessions,
    version: OnceLock<Option<String>>,
}

impl Tmux {
    /// The server at `socket`: a path, or a name without `/` as for `tmux -L`. `None` is the
    /// user's default server, even when this process runs in a window of another one.
    pub fn new(socket: Option<PathBuf>) -> Self {
        let server = Server::new(socket);
        Self { server, sessions: Sessions::default(), version: OnceLock::new() }
    }

    /// Every pane of the server, once.
    fn panes(&self) -> Result<Vec<PaneRow>, TerminalError> {
        let list = ListPanes::new().all().format(rows::PANES).build();
        let reply = self.server.run(sequence([list]))?;
        // A server without any session, about to exit or just begun, misses a target even here.
        if reply.no_server() || reply.no_target() {
            return Ok(Vec::new());
        }
        Ok(rows::panes(&reply.ok()?))
    }
}

fn gone(window: &Window) -> TerminalError {
    TerminalError::Gone { window: window.window.clone() }
}

impl Terminal for Tmux {
    fn version(&self) -> Option<String> {
        let ask = || {
            let mut program = self.server.program();
            program.arg("-V").stdin(Stdio::null()).stderr(Stdio::null());
            let output = program.output().ok().filter(|output| output.status.success())?;
            let text = String::from_utf8_lossy(&output.stdout);
            Some(text.trim().trim_start_matches("tmux ").to_owned())
        };
        self.version.get_or_init(ask).clone()
    }

    fn open(&self, plan: &WindowPlan<'_>) -> Result<Window, TerminalError> {
        self.sessions.open(&self.server, plan)
    }

    fn exists(&self, window: &Window) -> bool {
        Pane::of(window).is_some_and(|pane| pane.exists(&self.server))
    }

    fn reads(&self, window: &Window) -> Result<Reads, TerminalError> {
        let pane = Pane::of(window).ok_or_else(|| gone(window))?;
        Typist { server: &self.server, pane }.reads()?.ok_or_else(|| gone(window))
    }

    fn deliver(
        &self,
        window: &Window,
        text: &str,
        patience: Duration,
    ) -> Result<Delivery, TerminalError> {
        let pane = Pane::of(window).ok_or_else(|| gone(window))?;
        let typist = Typist { server: &self.server, pane };
        typist.deliver(text, patience)?.ok_or_else(|| gone(window))
    }

    fn tail(&self, window: &Window, lines: usize) -> Result<Vec<String>, TerminalError> {
        let pane = Pane::of(window).ok_or_else(|| gone(window))?;
        let look = pane.look_at_last(&self.server)?.ok_or_else(|| gone(window))?;
        let written: Vec<&str> = look.screen.lines().filter(|line| !line.is_empty()).collect();
        let first = written.len().saturating_sub(lines);
        Ok(written[first..].iter().map(|line| (*line).to_owned()).collect())
    }

    fn screens(&self, windows: &[Window]) -> Result<Vec<Option<Shown>>, TerminalError> {
        screens::look(&self.server, windows)
    }

    fn paste(&self, window: &Window, text: &str) -> Result<bool, TerminalError> {
        let Some(pane) = Pane::of(window) else { return Ok(false) };
        Typist { server: &self.server, pane }.paste_alone(text)
    }

    fn press(&self, window: &Window, keys: &[String]) -> Result<bool, TerminalError> {
        screens::press(&self.server, window, keys)
    }

    fn close(&self, window: &Window) -> Result<(), TerminalError> {
        pane::close(&self.server, window)
    }

    fn close_dead(
        &self,
        team: &TeamName,
        agent: &AgentName,
        keep: &Window,
    ) -> Result<(), TerminalError> {
        for row in self.panes()? {
            let same = row.pane == keep.pane && row.server == keep.server;
            if row.dead && !same && row.agent_of(team).as_ref() == Some(agent) {
                pane::close(&self.server, &row.into_window())?;
            }
        }
        Ok(())
    }

    fn windows_of(&self, team: &TeamName) -> Result<Vec<(AgentName, Window)>, TerminalError> {
        let agent = |row: PaneRow| row.agent_of(team).map(|agent| (agent, row.into_window()));
        Ok(self.panes()?.into_iter().filter_map(agent).collect())
    }

    fn show_message(&self, team: &TeamName, line: &str) -> Result<usize, TerminalError> {
        message::show(&self.server, team, line)
    }

    fn attach(&self, team: &TeamName) -> Result<String, TerminalError> {
        view::attach(&self.server, team, &self.windows_of(team)?)
    }
}
