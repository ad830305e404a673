//! Showing a team, from a terminal outside of tmux and from a window inside it.
//!
//! The terminal is a pane of a second tmux server, in which this test program runs again.

use std::env;
use std::path::PathBuf;

use clawteam::ports::{Terminal, TerminalError};
use clawteam::tmux::Tmux;

use super::{Server, team_name};
use crate::until;

const SOCKET: &str = "CLAWTEAM_TEST_SOCKET";

/// Shows the team `t` in the program that the other tests start; by itself it has nothing to do.
#[test]
fn show_the_team() {
    let Some(socket) = env::var_os(SOCKET) else { return };
    let shown = Tmux::new(Some(PathBuf::from(socket))).attach(&team_name("t"));
    println!("result: {}", shown.unwrap_or_else(|error| error.to_string()));
}

/// The arguments that run [`show_the_team`] and keep its terminal until it is closed.
fn driver(server: &Server, redirection: &str) -> Vec<String> {
    let program = env::current_exe().expect("this program has a path");
    let script = format!(
        "{SOCKET}='{}' '{}' --exact --nocapture tmux::view::show_the_team \
         {redirection}; exec cat",
        server.path("socket").display(),
        program.display()
    );
    ["/bin/sh", "-c", &script].map(str::to_owned).to_vec()
}

/// A terminal of the given size that runs `argv`.
fn terminal(outer: &Server, size: (&str, &str), argv: &[String]) {
    let new = ["new-session", "-d", "-s", "terminal", "-x", size.0, "-y", size.1];
    let argv: Vec<&str> = new.into_iter().chain(argv.iter().map(String::as_str)).collect();
    outer.ask(&argv);
}

fn screen(outer: &Server) -> String {
    outer.ask(&["capture-pane", "-p", "-t", "=terminal:"])
}

/// Opens `number` windows, each with a text of its own.
fn team(server: &Server, number: usize) {
    for n in 0..number {
        server.open("t", &format!("agent{n}"), &["/bin/sh", "-c", &format!("echo text{n}.; cat")]);
    }
}

/// Every session of the server but those of teams and of the user.
fn views(server: &Server) -> Vec<String> {
    let sessions = server.ask(&["list-sessions", "-F", "#{session_name}"]);
    let views = sessions.lines().filter(|name| name.starts_with("clawteam-view"));
    views.map(str::to_owned).collect()
}

fn windows(server: &Server) -> String {
    let format = "#{window_id} #{window_panes} #{pane_id} #{window_width}x#{window_height}";
    server.ask(&["list-windows", "-t", "=clawteam-t:", "-F", format])
}

fn shows_all(outer: &Server, number: usize) -> bool {
    let screen = screen(outer);
    (0..number).all(|n| screen.contains(&format!("text{n}.")))
}

#[test]
fn all_windows_are_shown_side_by_side_and_stay_as_they_are() {
    let (server, outer) = (Server::new(), Server::new());
    team(&server, 12);
    server.open("t2", "stranger", &["/bin/sh", "-c", "echo stranger; cat"]);
    let before = windows(&server);
    terminal(&outer, ("120", "40"), &driver(&server, ""));
    until("all are shown", || shows_all(&outer, 12));
    let shown = screen(&outer);
    assert!(shown.contains("agent0 ") && !shown.contains("stranger"), "{shown}");
    let panes = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.rsplit_once(' ').expect("columns").0.to_owned()).collect()
    };
    assert_eq!(panes(&windows(&server)), panes(&before), "windows were moved");

    // What is typed goes to the window that is selected.
    outer.ask(&["send-keys", "-t", "=terminal:", "-l", "typed by hand"]);
    until("it arrives", || screen(&outer).contains("typed by hand"));

    let clients = server.ask(&["list-clients", "-F", "#{client_name} #{session_name}"]);
    let view = views(&server).into_iter().min_by_key(String::len).expect("there is a view");
    assert!(clients.contains(&view), "{clients}");
    server.ask(&["detach-client", "-s", &format!("={view}")]);
    until("it says so", || screen(&outer).contains("result: Tiled 12 panes in clawteam-t"));
    until("nothing is left of it", || views(&server).is_empty());
    assert_eq!(windows(&server), before, "a trace is left on the windows");
}

#[test]
fn windows_are_shown_whatever_number_the_first_one_has() {
    let server = Server::with_config("set -g base-index 1\nset -g pane-base-index 1\n");
    let outer = Server::new();
    team(&server, 3);
    let before = windows(&server);
    terminal(&outer, ("120", "40"), &driver(&server, ""));
    until("all are shown", || shows_all(&outer, 3));
    let view = views(&server).into_iter().min_by_key(String::len).expect("there is a view");
    server.ask(&["detach-client", "-s", &format!("={view}")]);
    until("it says so", || screen(&outer).contains("result: Tiled 3 panes in clawteam-t"));
    until("nothing is left of it", || views(&server).is_empty());
    assert_eq!(windows(&server), before, "a trace is left on the windows");
}

#[test]
fn a_terminal_that_is_closed_leaves_nothing() {
    let (server, outer) = (Server::new(), Server::new());
    team(&server, 3);
    terminal(&outer, ("120", "40"), &driver(&server, ""));
    until("all are shown", || shows_all(&outer, 3));
    outer.kill();
    until("nothing is left of it", || views(&server).is_empty());
    assert_eq!(server.agents("t"), ["agent0", "agent1", "agent2"]);
}

#[test]
fn windows_may_close_while_they_are_shown_and_the_view_ends_with_the_last() {
    let (server, outer) = (Server::new(), Server::new());
    team(&server, 5);
    let hold = server.open("t2", "stranger", &["cat", "-"]);
    terminal(&outer, ("120", "40"), &driver(&server, ""));
    until("all are shown", || shows_all(&outer, 5));
    let mut open = server.tmux.windows_of(&team_name("t")).expect("a list");
    assert_eq!(open.len(), 5, "the clients of the view are no agents");
    let (_, first) = open.remove(0);
    server.tmux.close(&first).expect("closed");
    until("it is no longer shown", || !screen(&outer).contains("text0."));
    until("the others are", || shows_all_but_first(&outer));
    std::thread::scope(|scope| {
        for (_, window) in &open {
            scope.spawn(|| server.tmux.close(window).expect("closed"));
        }
    });
    until("it says so", || screen(&outer).contains("result: Tiled 5 panes in clawteam-t"));
    until("nothing is left of it", || views(&server).is_empty());
    assert!(server.tmux.exists(&hold), "the server went with the view");
}

fn shows_all_but_first(outer: &Server) -> bool {
    let screen = screen(outer);
    (1..5).all(|n| screen.contains(&format!("text{n}.")))
}

#[test]
fn from_a_window_of_the_same_server_the_terminal_is_switched_over() {
    let (server, outer) = (Server::new(), Server::new());
    team(&server, 2);
    let mut home = vec!["new-session".to_owned(), "-d".into(), "-s".into(), "home".into()];
    home.extend(driver(&server, ""));
    let hold: Vec<String> =
        format!("tmux -S {} attach-session -t =home", server.path("socket").display())
            .split(' ')
            .map(str::to_owned)
            .collect();
    // The window has to be on a terminal before the team can be shown in it.
    let wait = format!(
        "until tmux -S '{}' list-clients | grep -q .; do sleep 0.02; done; {}",
        server.path("socket").display(),
        home.last().expect("the script")
    );
    *home.last_mut().expect("the script") = wait;
    server.ask(&home.iter().map(String::as_str).collect::<Vec<_>>());
    let mut inner =
        vec!["/bin/sh".to_owned(), "-c".into(), "unset TMUX; exec \"$@\"".into(), "sh".into()];
    inner.extend(hold);
    terminal(&outer, ("100", "30"), &inner);
    until("both are shown", || shows_all(&outer, 2));
    server.ask(&["switch-client", "-c", &client(&server), "-t", "=home"]);
    until("it says so", || screen(&outer).contains("result: Tiled 2 panes in clawteam-t"));
    until("nothing is left of it", || views(&server).is_empty());
    assert_eq!(server.agents("t"), ["agent0", "agent1"]);
}

/// The client that shows the view.
fn client(server: &Server) -> String {
    let clients = server.ask(&["list-clients", "-F", "#{session_name} #{client_name}"]);
    let view = views(server).into_iter().min_by_key(String::len).expect("there is a view");
    let client = clients.lines().find_map(|line| line.strip_prefix(&format!("{view} ")));
    client.expect("a client shows it").to_owned()
}

#[test]
fn without_a_session_there_is_nothing_to_show() {
    let server = Server::new();
    server.open("team2", "a", &["cat", "-"]);
    let error = server.tmux.attach(&team_name("team")).expect_err("there is no such session");
    assert!(matches!(error, TerminalError::NoSession { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "tmux session 'clawteam-team' not found. No agents spawned for team 'team'?"
    );
}

#[test]
fn without_a_terminal_it_fails_and_leaves_nothing() {
    let (server, outer) = (Server::new(), Server::new());
    team(&server, 1);
    let argv = driver(&server, "</dev/null");
    terminal(&outer, ("100", "30"), &argv);
    until("it says so", || screen(&outer).contains("result: tmux attach-session failed: "));
    until("nothing is left of it", || views(&server).is_empty());
}
