//! Opening windows.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tmux_interface::{ListSessions, NewSession, NewWindow, RenameWindow, SetOption, TmuxCommand};
use uuid::Uuid;

use super::command::{Reply, Server, push_literals, sequence};
use super::pane::close;
use super::rows::{self, PaneRow, SessionRow};
use crate::core::TeamName;
use crate::ports::TerminalError;
use crate::ports::terminal::{Window, WindowPlan};

/// How often opening is tried while others open and close windows of the same server.
const TRIES: u32 = 40;
/// The size of windows that no terminal shows.
pub(super) const SIZE: (usize, usize) = (200, 50);

/// What the session of a new window is to be.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// This session, which was made for the team.
    Existing(String),
    /// A new one of this name.
    New(String),
}

/// The name that the session of a team has unless it is taken.
pub(super) fn session_name(team: &TeamName) -> String {
    // tmux separates windows and panes in its targets with these two.
    format!("clawteam-{}", team.as_str().replace(['.', ':'], "_"))
}

fn place(team: &TeamName, sessions: &[SessionRow]) -> Place {
    let name = session_name(team);
    let mut own = sessions.iter().filter(|row| row.team == team.as_str()).map(|row| &row.name);
    if let Some(first) = own.next() {
        let best = own.find(|other| **other == name).unwrap_or(first);
        return Place::Existing(best.clone());
    }
    let taken = |name: &str| sessions.iter().any(|row| row.name == name);
    if !taken(&name) {
        return Place::New(name);
    }
    // Among one more names than there are sessions, one is free.
    let free = (2..sessions.len() + 3).map(|n| format!("{name}-{n}")).find(|name| !taken(name));
    Place::New(free.unwrap_or(name))
}

/// All sessions of the server; none if it does not run.
pub(super) fn list_sessions(server: &Server) -> Result<Vec<SessionRow>, TerminalError> {
    let reply = server.run(sequence([ListSessions::new().format(rows::SESSIONS).build()]))?;
    if reply.no_server() {
        return Ok(Vec::new());
    }
    Ok(rows::sessions(&reply.ok()?))
}

/// The sessions that teams were seen to have. One window is opened at a time: of many that begin
/// at once, all but one would find that the session which they want to make is there by now.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    known: Mutex<HashMap<TeamName, String>>,
}

impl Sessions {
    /// Opens a window in the session of the team, which is made if it is missing.
    pub(super) fn open(
        &self,
        server: &Server,
        plan: &WindowPlan<'_>,
    ) -> Result<Window, TerminalError> {
        check(plan)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = None;
        for attempt in 0..TRIES {
            // Used once: if it is there no more, or belongs to others, tmux is asked again.
            let place = match known.remove(plan.team) {
                Some(session) => Place::Existing(session),
                None => place(plan.team, &list_sessions(server)?),
            };
            let reply = server.run_in(&plan.cwd, commands(plan, &place))?;
            let row = reply.output.lines().find_map(PaneRow::parse);
            match row {
                Some(row) if reply.succeeded() && belongs(&row, plan.team, &place) => {
                    known.insert(plan.team.clone(), row.session.clone());
                    return Ok(row.into_window());
                }
                // The window is there, but not as it should be: the session was replaced by another
                // one of its name at the last moment, or an option was refused.
                Some(row) => close(server, &row.into_window())?,
                None => {}
            }
            let moved = reply.duplicate() || reply.no_server() || reply.no_target();
            if !moved && !reply.succeeded() {
                return Err(reply.into_error());
            }
            last = Some(reply);
            // Somebody else made or ended the session meanwhile, so look again. The pause, which
            // grows, lets a server that is about to exit do so.
            thread::sleep(Duration::from_millis(u64::from(attempt.min(10))));
        }
        Err(last.map_or_else(|| refused("the server keeps changing"), Reply::into_error))
    }
}

/// What tmux would not complain about but quietly do something else.
fn check(plan: &WindowPlan<'_>) -> Result<(), TerminalError> {
    if plan.argv.is_empty() {
        return Err(refused("there is no program to start"));
    }
    let metadata = plan.cwd.metadata();
    if !metadata.is_ok_and(|metadata| metadata.is_dir()) {
        let text = format!("{} is not a directory", plan.cwd.display());
        return Err(TerminalError::Io(io::Error::new(io::ErrorKind::NotADirectory, text)));
    }
    Ok(())
}

fn refused(why: &str) -> TerminalError {
    TerminalError::Failed { command: "new-window".into(), output: why.into() }
}

fn belongs(row: &PaneRow, team: &TeamName, place: &Place) -> bool {
    match place {
        Place::Existing(_) => row.session_team == team.as_str(),
        // The row was written between making the session and tagging it.
        Place::New(name) => row.session == *name,
    }
}

/// Everything in one sequence, which the server runs without a gap: nobody sees a session or a
/// window that is not tagged yet, and the program cannot end before its window is set up.
fn commands<'a>(plan: &'a WindowPlan<'_>, place: &Place) -> tmux_interface::TmuxCommands<'a> {
    // Until it is set up, the window has a name that can be addressed without mistake.
    let key = format!("clawteam-{}", Uuid::new_v4().simple());
    let (session, make) = match place {
        Place::Existing(name) => (name, new_window(name, &key)),
        Place::New(name) => (name, new_session(name, &key)),
    };
    let window = format!("={session}:={key}");
    let mut list = vec![push_literals(make, program(plan.argv))];
    if matches!(place, Place::New(_)) {
        let session = format!("={session}:");
        list.push(session_option(&session, rows::SESSION_TAG, plan.team.as_str()));
        // A setting of the user could end a session that no terminal shows.
        list.push(session_option(&session, "destroy-unattached", "off"));
    }
    let tag = format!("{}/{}", plan.team, plan.agent);
    let remain = if plan.keep_after_exit { "on" } else { "off" };
    list.push(window_option(&window, rows::WINDOW_TEAM_TAG, plan.team.as_str()));
    list.push(window_option(&window, rows::WINDOW_AGENT_TAG, plan.agent.as_str()));
    list.push(window_option(&window, "automatic-rename", "off"));
    list.push(window_option(&window, "allow-rename", "off"));
    list.push(pane_option(&window, rows::PANE_TAG, tag));
    list.push(pane_option(&window, "remain-on-exit", remain));
    let mut rename = RenameWindow::new().target_window(window).build();
    rename.push_param("--").push_param(plan.agent.as_str());
    list.push(rename);
    sequence(list)
}

fn new_session(name: &str, key: &str) -> TmuxCommand<'static> {
    NewSession::new()
        .detached()
        .print()
        .format(rows::PANES)
        .session_name(name.to_owned())
        .window_name(key.to_owned())
        .width(SIZE.0)
        .height(SIZE.1)
        .build()
}

fn new_window(session: &str, key: &str) -> TmuxCommand<'static> {
    NewWindow::new()
        .detached()
        .print()
        .format(rows::PANES)
        .window_name(key.to_owned())
        .target_window(format!("={session}:"))
        .build()
}

/// The arguments for tmux to start `argv`. It runs several as they are, but gives a single one to
/// the user's shell, which may be anything.
fn program(argv: &[String]) -> Vec<&str> {
    match argv {
        [only] => vec!["/bin/sh", "-c", "exec \"$0\"", only],
        several => several.iter().map(String::as_str).collect(),
    }
}

fn session_option(session: &str, name: &'static str, value: &str) -> TmuxCommand<'static> {
    let session = session.to_owned();
    SetOption::new().target_pane(session).option(name).value(value.to_owned()).build()
}

fn window_option(window: &str, name: &'static str, value: &str) -> TmuxCommand<'static> {
    let window = window.to_owned();
    SetOption::new().window().target_pane(window).option(name).value(value.to_owned()).build()
}

fn pane_option<'a>(
    pane: &str,
    name: &'static str,
    value: impl Into<std::borrow::Cow<'a, str>>,
) -> TmuxCommand<'a> {
    SetOption::new().pane().target_pane(pane.to_owned()).option(name).value(value).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team(name: &str) -> TeamName {
        TeamName::parse(name).expect("a good name")
    }

    fn session(name: &str, team: &str) -> SessionRow {
        SessionRow {
            server: "1:2".into(),
            name: name.into(),
            socket: "/s".into(),
            team: team.into(),
        }
    }

    #[test]
    fn a_new_team_gets_a_session_of_its_name() {
        assert_eq!(place(&team("a.b"), &[]), Place::New("clawteam-a_b".into()));
    }

    #[test]
    fn a_session_is_found_by_its_tag_whatever_its_name() {
        let sessions = [session("clawteam-dev2", "dev2"), session("renamed", "dev")];
        assert_eq!(place(&team("dev"), &sessions), Place::Existing("renamed".into()));
        assert_eq!(place(&team("de"), &sessions), Place::New("clawteam-de".into()));
    }

    #[test]
    fn teams_whose_names_collapse_do_not_share() {
        let sessions = [session("clawteam-a_b", "a_b"), session("clawteam-a_b-2", "")];
        assert_eq!(place(&team("a.b"), &sessions), Place::New("clawteam-a_b-3".into()));
        assert_eq!(place(&team("a_b"), &sessions), Place::Existing("clawteam-a_b".into()));
    }

    #[test]
    fn a_single_argument_does_not_reach_the_users_shell() {
        let argv = ["prog".to_owned()];
        assert_eq!(program(&argv), ["/bin/sh", "-c", "exec \"$0\"", "prog"]);
        let argv = ["prog".to_owned(), "a b".to_owned()];
        assert_eq!(program(&argv), ["prog", "a b"]);
    }
}
