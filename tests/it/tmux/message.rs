//! A line for whoever looks at a team.

use clawteam::ports::Terminal;

use super::{Server, team_name};
use crate::until;

/// A terminal in which `socket`'s server shows `session`.
fn look(outer: &Server, server: &Server, name: &str, session: &str) {
    let socket = server.path("socket").display().to_string();
    let attach = format!("unset TMUX; exec tmux -u -S '{socket}' attach-session -t '={session}'");
    outer.ask(&["new-session", "-d", "-s", name, "-x", "80", "-y", "24", "/bin/sh", "-c", &attach]);
    until("it is shown", || {
        server.ask(&["list-clients", "-F", "#{session_name}"]).lines().any(|s| s == session)
    });
}

#[test]
fn whoever_looks_at_the_team_sees_the_line_as_it_is() {
    let (server, outer) = (Server::new(), Server::new());
    let line = "-x: 50% of #{pane_id} #(id) 'done';";
    assert_eq!(server.tmux.show_message(&team_name("t"), line).expect("nobody is fine"), 0);
    server.open("t", "ann", &["cat", "-"]);
    server.open("u", "bob", &["cat", "-"]);
    assert_eq!(server.tmux.show_message(&team_name("t"), line).expect("nobody is fine"), 0);
    server.ask(&["set-option", "-g", "display-time", "600000"]);
    look(&outer, &server, "one", "clawteam-t");
    look(&outer, &server, "two", "clawteam-u");
    let told = server.tmux.show_message(&team_name("t"), line).expect("it is shown");
    assert_eq!(told, 1);
    let screen = |name: &str| outer.ask(&["capture-pane", "-p", "-t", &format!("={name}:")]);
    until("the line is there", || screen("one").contains(line));
    assert!(!screen("two").contains("50%"), "another team was disturbed");
}
