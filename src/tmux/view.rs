//! Showing all windows of a team at once.
//!
//! The windows stay where they are. A session made for the occasion has one pane for each of
//! them, in which another client of the same server shows just that window, through a session of
//! its own that the window is linked into. It all goes away with the user.
//!
//! Two features of tmux that seem made for this are not used: session groups, and sessions that
//! end when nobody is attached (`destroy-unattached`). With several clients that leave at once,
//! they make servers of many versions crash, and all agents would go with the server.

use std::env;
use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::termios::tcgetwinsize;
use tmux_interface::{
    AttachSession, KillSession, ListSessions, NewSession, SelectLayout, SetOption, SplitWindow,
    SwitchClient, TmuxCommand, TmuxCommands,
};
use uuid::Uuid;

use super::command::{Server, cannot_start, push_literals, sequence};
use super::open::{SIZE, list_sessions, session_name};
use super::pane::Pane;
use super::rows::SessionRow;
use crate::core::{AgentName, TeamName};
use crate::ports::TerminalError;
use crate::ports::terminal::Window;

/// Commands for so many panes go to the server at once; what it takes in one go is limited.
const BATCH: usize = 8;
/// The pause between two looks whether the user has left.
const POLL: Duration = Duration::from_millis(250);
/// What the names of all sessions of views begin with.
pub(super) const PREFIX: &str = "clawteam-view-";
/// The age from which a session of a view that nobody is attached to is a left-over, and not one
/// that is being made.
const LEFT_OVER_SECONDS: u64 = 60;
/// The option of a pane of the view with the name of the agent that it shows.
const LABEL: &str = "@clawteam_view";

/// One view.
struct View<'a> {
    server: &'a Server,
    name: String,
    team_session: SessionRow,
    windows: Vec<(AgentName, Window)>,
}

/// See [`Terminal::attach`](crate::ports::Terminal::attach).
pub(super) fn attach(
    server: &Server,
    team: &TeamName,
    windows: &[(AgentName, Window)],
) -> Result<String, TerminalError> {
    let missing =
        || TerminalError::NoSession { session: session_name(team), team: team.as_str().to_owned() };
    let own = list_sessions(server)?.into_iter().find(|row| row.team == team.as_str());
    let team_session = own.ok_or_else(missing)?;
    let windows = showable(windows, &team_session.name);
    if windows.is_empty() {
        return Err(missing());
    }
    remove_left_overs(server)?;
    let name = format!("{PREFIX}{}", Uuid::new_v4().simple());
    let view = View { server, name, team_session, windows };
    let shown = view.build().and_then(|()| view.show());
    view.remove();
    shown?;
    Ok(format!("Tiled {} panes in {}", view.windows.len(), view.team_session.name))
}

/// The windows that are in `session`, each once: the user may have put several agents into one
/// window, or taken one elsewhere.
fn showable(windows: &[(AgentName, Window)], session: &str) -> Vec<(AgentName, Window)> {
    let mut found: Vec<(AgentName, Window)> = Vec::new();
    for (agent, window) in windows.iter().filter(|(_, window)| window.session == session) {
        if found.iter().all(|(_, known)| known.window != window.window) {
            found.push((agent.clone(), window.clone()));
        }
    }
    found
}

impl View<'_> {
    /// Makes the session with its panes.
    fn build(&self) -> Result<(), TerminalError> {
        for (batch, windows) in self.windows.chunks(BATCH).enumerate() {
            let commands = windows.iter().enumerate().flat_map(|(index, (agent, window))| {
                self.pane_commands(batch * BATCH + index, agent, window)
            });
            self.server.run(sequence(commands))?.ok()?;
        }
        Ok(())
    }

    /// The commands that make pane number `index`.
    fn pane_commands(
        &self,
        index: usize,
        agent: &AgentName,
        window: &Window,
    ) -> Vec<TmuxCommand<'static>> {
        let target = format!("={}:", self.name);
        let client = self.client(index, window);
        let client = client.iter().map(String::as_str);
        let mut commands = Vec::new();
        if index == 0 {
            let (width, height) = room(self.windows.len());
            let new = NewSession::new().detached().session_name(self.name.clone());
            let new = new.window_name("team").width(width).height(height).build();
            commands.push(into_owned(push_literals(new, client)));
            let border = format!(" #{{{LABEL}}} ");
            for (option, value) in [
                ("pane-border-status", "top"),
                ("pane-border-format", &border),
                ("remain-on-exit", "off"),
            ] {
                let set = SetOption::new().window().target_pane(target.clone());
                commands.push(set.option(option).value(value.to_owned()).build());
            }
        } else {
            let split = SplitWindow::new().target_pane(target.clone()).build();
            commands.push(into_owned(push_literals(split, client)));
            commands.push(tiled(&target));
        }
        let label = SetOption::new().pane().target_pane(target).option(LABEL);
        commands.push(label.value(agent.as_str().to_owned()).build());
        commands
    }

    /// The command line of the client in pane number `index`. Its session begins with a window
    /// that only holds the place until the window to be shown is linked in.
    fn client(&self, index: usize, window: &Window) -> Vec<String> {
        let inner = format!("{}-{index}", self.name);
        let exact = format!("={inner}");
        let inside = format!("={inner}:");
        let place = format!("={inner}:={inner}");
        let shown = format!("={}:{}", self.team_session.name, window.window);
        let tmux = ["tmux", "-u", "-S", &self.team_session.socket];
        let parts: [&[&str]; 8] = [
            // tmux refuses to run in itself unless it is not told that it would. The session is
            // to go with its client, also when the pane is closed.
            &["/bin/sh", "-c", ATTEND, "sh", &self.team_session.socket, &exact],
            &tmux,
            &["new-session", "-d", "-s", &inner, "-n", &inner, "cat", "-", ";"],
            &["set-option", "-t", &inside, "status", "off", ";"],
            &["set-option", "-t", &inside, "detach-on-destroy", "on", ";"],
            &["link-window", "-s", &shown, "-t", &inside, ";"],
            &["kill-window", "-t", &place, ";"],
            &["attach-session", "-t", &exact],
        ];
        parts.concat().into_iter().map(str::to_owned).collect()
    }

    /// Shows the session in the user's terminal until the user leaves it.
    fn show(&self) -> Result<(), TerminalError> {
        let target = format!("={}:", self.name);
        let session = format!("={}", self.name);
        let on_end = |value| {
            let set = SetOption::new().target_pane(target.clone());
            set.option("detach-on-destroy").value(value).build()
        };
        let pane = env::var_os("TMUX_PANE").filter(|_| self.is_around_us());
        let Some(pane) = pane else {
            let attach = AttachSession::new().target_session(session).build();
            let commands = [on_end("on"), attach, tiled(&target)];
            return self.foreground("attach-session", sequence(commands), None);
        };
        let switch = SwitchClient::new().target_session(session).build();
        // When the view ends by itself, the user is to get back to another session.
        let commands = [on_end("off"), switch, tiled(&target)];
        self.foreground("switch-client", sequence(commands), Some(pane))?;
        while self.is_watched()? {
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Whether this process runs in a window of the team's server.
    fn is_around_us(&self) -> bool {
        // TMUX is `<socket>,<process number of the server>,<session>`.
        let around = env::var("TMUX").unwrap_or_default();
        let server = self.team_session.server.split(':').next();
        around.rsplit(',').nth(1).is_some_and(|pid| Some(pid) == server)
    }

    /// Whether somebody looks at the view.
    fn is_watched(&self) -> Result<bool, TerminalError> {
        let list = ListSessions::new().format("#{session_name}\t#{session_attached}").build();
        let reply = self.server.run(sequence([list]))?;
        if reply.no_server() {
            return Ok(false);
        }
        let watched = |line: &str| {
            let (name, clients) = line.split_once('\t')?;
            (name == self.name).then_some(clients != "0")
        };
        Ok(reply.ok()?.lines().find_map(watched).unwrap_or(false))
    }

    /// tmux, in a shell that removes the view when it ends. That also happens when the terminal
    /// is closed, which ends this process.
    fn attending(&self) -> Command {
        let mut shell = Command::new("/bin/sh");
        let session = format!("={}", self.name);
        shell.args(["-c", ATTEND, "sh", &self.team_session.socket, &session]);
        shell.args(["tmux", "-u", "-S", &self.team_session.socket]);
        shell
    }

    /// Runs `commands` in the user's terminal. `pane` is the pane that this process runs in, by
    /// which the server finds the user's client.
    fn foreground(
        &self,
        command: &str,
        commands: TmuxCommands<'_>,
        pane: Option<OsString>,
    ) -> Result<(), TerminalError> {
        let mut program = if pane.is_some() { self.server.program() } else { self.attending() };
        if let Some(pane) = pane {
            program.env("TMUX_PANE", pane);
        }
        program.args(commands.to_vec().iter().map(AsRef::as_ref));
        let child = program.stderr(Stdio::piped()).spawn().map_err(cannot_start)?;
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(TerminalError::Failed { command: command.to_owned(), output })
    }

    /// Removes what is left of the view, and gives the windows back the size that they have
    /// without a terminal; otherwise they would stay as small as they were shown.
    fn remove(&self) {
        let clients = (0..self.windows.len()).map(|index| format!("{}-{index}", self.name));
        for name in clients.chain([self.name.clone()]) {
            remove_session(self.server, &name);
        }
        let panes = self.windows.iter().filter_map(|(_, window)| Pane::of(window));
        let resize = panes.map(|pane| {
            let id = pane.id().to_owned();
            let (width, height) = SIZE;
            let commands = format!(
                "resize-window -t {id} -x {width} -y {height} ; \
                 set-option -w -u -t {id} window-size"
            );
            pane.guarded("1", &commands, None)
        });
        for commands in resize.collect::<Vec<_>>().chunks(BATCH) {
            // A window that has gone meanwhile needs no size.
            let _ = self.server.run(sequence(commands.iter().cloned()));
        }
    }
}

/// Runs a client, whose command line follows the socket and the session to be removed after it,
/// whatever happens to the terminal.
const ATTEND: &str = r#"trap '' HUP; unset TMUX TMUX_PANE; socket=$1 session=$2; shift 2
"$@"; status=$?; tmux -S "$socket" kill-session -t "$session" 2>/dev/null; exit $status"#;

/// Removes a session; that it is gone already is fine.
fn remove_session(server: &Server, name: &str) {
    let kill = KillSession::new().target_session(format!("={name}")).build();
    let _ = server.run(sequence([kill]));
}

/// Removes views whose process was killed before it could do so.
fn remove_left_overs(server: &Server) -> Result<(), TerminalError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let list = ListSessions::new().format(VIEWS).build();
    for name in left_overs(&server.run(sequence([list]))?.ok()?, now) {
        remove_session(server, name);
    }
    Ok(())
}

/// Format of the lines that [`left_overs`] reads.
const VIEWS: &str = "#{session_name}\t#{session_attached}\t#{session_created}";

fn left_overs(output: &str, now: u64) -> Vec<&str> {
    let left_over = |line: &'_ str| {
        let mut fields = line.split('\t');
        let (name, clients, created) = (fields.next()?, fields.next()?, fields.next()?);
        let created: u64 = created.parse().ok()?;
        let old = now >= created.saturating_add(LEFT_OVER_SECONDS);
        (name.starts_with(PREFIX) && clients == "0" && old).then_some(name.len())
    };
    output.lines().filter_map(|line| left_over(line).map(|end| &line[..end])).collect()
}

/// A size in which `number` panes fit however the user's terminal is; the session takes on that
/// one's size when it is shown.
fn room(number: usize) -> (usize, usize) {
    let own =
        tcgetwinsize(io::stdout()).map_or(SIZE, |size| (size.ws_col.into(), size.ws_row.into()));
    (own.0.max(40 * number), own.1.max(10 * number))
}

fn tiled(target: &str) -> TmuxCommand<'static> {
    SelectLayout::new().target_pane(target.to_owned()).layout_name("tiled").build()
}

/// The command with arguments of its own.
fn into_owned(command: TmuxCommand<'_>) -> TmuxCommand<'static> {
    let mut words = command.to_vec().into_iter().map(std::borrow::Cow::into_owned);
    let mut owned = TmuxCommand::new_full(words.next().unwrap_or_default());
    for word in words {
        owned.push_param(word);
    }
    owned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_panes_finds_room() {
        for number in [1, 4, 100] {
            let (width, height) = room(number);
            assert!(width >= 40 * number && height >= 10 * number);
        }
    }

    #[test]
    fn only_old_views_that_nobody_sees_are_left_over() {
        let output = "clawteam-view-old\t0\t900\nclawteam-view-new\t0\t950\n\
                      clawteam-view-seen\t1\t900\nclawteam-t\t0\t900\nbroken\n";
        assert_eq!(left_overs(output, 960), ["clawteam-view-old"]);
    }

    #[test]
    fn a_window_is_shown_once_and_only_from_the_session_of_the_team() {
        let entry = |agent: &str, window: &str, session: &str| {
            let window = Window {
                window: window.into(),
                pane: "%1".into(),
                session: session.into(),
                server: "7:9".into(),
            };
            (AgentName::parse(agent).expect("a good name"), window)
        };
        let all = [entry("a", "@1", "s"), entry("b", "@1", "s"), entry("c", "@2", "mine")];
        assert_eq!(showable(&all, "s"), [all[0].clone()]);
    }
}
