//! A recorded pane, touched only on the server that it was made on.

use tmux_interface::{CapturePane, IfShell, ListPanes, TmuxCommand};

use super::command::{Server, sequence};
use super::rows::{self, LookRow};
use crate::ports::TerminalError;
use crate::ports::terminal::Window;

/// A pane that can be addressed: what was recorded about it has been checked to be what tmux
/// gives out, so that it can be part of a command.
#[derive(Debug, Clone)]
pub(super) struct Pane {
    id: String,
    server: String,
}

/// What a pane shows at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) row: LookRow,
    /// The screen, without the blanks at the ends of its lines.
    pub(super) screen: String,
}

impl Pane {
    /// `None` if the record is not of a pane.
    pub(super) fn of(window: &Window) -> Option<Self> {
        (rows::is_id(&window.pane, '%') && rows::is_server(&window.server))
            .then(|| Self { id: window.pane.clone(), server: window.server.clone() })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Runs `commands` (in tmux's own syntax, ` ; ` between them) if the server is the pane's and
    /// `condition` holds, otherwise `instead`. One step for the server, so that the pane cannot
    /// change in between.
    pub(super) fn guarded(
        &self,
        condition: &str,
        commands: &str,
        instead: Option<&str>,
    ) -> TmuxCommand<'static> {
        let same = format!("#{{==:#{{pid}}:#{{start_time}},{}}}", self.server);
        let mut command = IfShell::new().not_execute().target_pane(self.id.clone()).build();
        command.push_param(format!("#{{&&:{same},{condition}}}")).push_param(commands.to_owned());
        if let Some(instead) = instead {
            command.push_param(instead.to_owned());
        }
        command
    }

    /// The pane as it is now; `None` if it is gone.
    pub(super) fn look(&self, server: &Server) -> Result<Option<Look>, TerminalError> {
        self.look_from(server, "0")
    }

    /// The pane for reading its last lines. When a program ends and its pane stays, tmux moves
    /// everything up by one line to say so, and what was on top of the screen is above it.
    pub(super) fn look_at_last(&self, server: &Server) -> Result<Option<Look>, TerminalError> {
        let look = self.look(server)?;
        if look.as_ref().is_some_and(|look| look.row.dead) {
            return self.look_from(server, "-1");
        }
        Ok(look)
    }

    /// The pane, its screen beginning at line `first`; those of the history are negative.
    fn look_from(
        &self,
        server: &Server,
        first: &'static str,
    ) -> Result<Option<Look>, TerminalError> {
        let capture = CapturePane::new().stdout().start_line(first).target_pane(self.id.clone());
        let reply = server.run(sequence([self.list(rows::LOOK), capture.build()]))?;
        if reply.no_server() || reply.no_target() {
            return Ok(None);
        }
        let output = reply.ok()?;
        let (first, screen) = output.split_once('\n').unwrap_or((&output, ""));
        let Some(row) = LookRow::parse(first).filter(|row| row.server == self.server) else {
            return Ok(None);
        };
        let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
        Ok(Some(Look { row, screen: lines.join("\n") }))
    }

    /// Whether the pane is there.
    pub(super) fn exists(&self, server: &Server) -> bool {
        server
            .run(sequence([self.list("#{pid}:#{start_time}")]))
            .is_ok_and(|reply| reply.succeeded() && reply.output.trim_end() == self.server)
    }

    /// `list-panes` for this pane alone. Other commands would answer for some other pane if this
    /// one does not exist.
    fn list(&self, format: &'static str) -> TmuxCommand<'static> {
        ListPanes::new()
            .target(self.id.clone())
            .filter(format!("#{{==:#{{pane_id}},{}}}", self.id))
            .format(format)
            .build()
    }
}

/// Closes the pane of `window`, and with it the window if nothing else is in it.
pub(super) fn close(server: &Server, window: &Window) -> Result<(), TerminalError> {
    let Some(pane) = Pane::of(window) else { return Ok(()) };
    let kill = format!("kill-pane -t {}", pane.id);
    let reply = server.run(sequence([pane.guarded("1", &kill, None)]))?;
    if reply.no_server() || reply.no_target() { Ok(()) } else { reply.ok().map(drop) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(pane: &str, server: &str) -> Window {
        Window {
            window: "@1".into(),
            pane: pane.into(),
            session: "s".into(),
            server: server.into(),
        }
    }

    #[test]
    fn records_that_tmux_did_not_write_address_nothing() {
        assert!(Pane::of(&window("%1", "7:9")).is_some());
        for (pane, server) in [("", "7:9"), ("%1", ""), ("%1 ; kill-server", "7:9"), ("%1", "7:9}")]
        {
            assert!(Pane::of(&window(pane, server)).is_none(), "{pane:?} {server:?}");
        }
    }

    #[test]
    fn a_guarded_command_names_the_server() {
        let pane = Pane::of(&window("%1", "7:9")).expect("a pane");
        assert_eq!(
            pane.guarded("1", "kill-pane -t %1", None).to_vec(),
            [
                "if-shell",
                "-F",
                "-t",
                "%1",
                "#{&&:#{==:#{pid}:#{start_time},7:9},1}",
                "kill-pane -t %1"
            ]
        );
    }
}
