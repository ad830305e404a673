//! Windows of a real tmux server on a socket of its own.

mod deliver;
mod message;
mod view;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;

use clawteam::core::{AgentName, TeamName};
use clawteam::ports::Terminal;
use clawteam::ports::TerminalError;
use clawteam::ports::terminal::{Window, WindowPlan};
use clawteam::tmux::Tmux;

use crate::until;

/// A tmux server that nobody else knows of, ended with the test.
struct Server {
    directory: tempfile::TempDir,
    tmux: Tmux,
}

impl Server {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let tmux = Tmux::new(Some(directory.path().join("socket")));
        Self { directory, tmux }
    }

    /// A server that was started with `config`, and holds a session that is not clawteam's.
    fn with_config(config: &str) -> Self {
        let server = Self::new();
        let file = server.path("tmux.conf");
        fs::write(&file, config).expect("it can be written");
        let status = server
            .command()
            .arg("-f")
            .arg(&file)
            .args(["new-session", "-d", "-s", "mine", "sleep", "600"])
            .status();
        assert!(status.expect("tmux starts").success());
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-u").arg("-S").arg(self.path("socket"));
        command.env_remove("TMUX").env_remove("TMUX_PANE");
        command
    }

    /// Runs tmux and returns what it printed.
    fn ask(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().expect("tmux starts");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "tmux {arguments:?}: {complaint}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// What tmux says about the pane of `window`.
    fn about(&self, window: &Window, format: &str) -> String {
        self.ask(&["display-message", "-p", "-t", &window.pane, format])
    }

    fn open(&self, team: &str, agent: &str, argv: &[&str]) -> Window {
        self.try_open(team, agent, argv, false).expect("a window")
    }

    fn try_open(
        &self,
        team: &str,
        agent: &str,
        argv: &[&str],
        keep_after_exit: bool,
    ) -> Result<Window, TerminalError> {
        let argv: Vec<String> = argv.iter().map(|&argument| argument.to_owned()).collect();
        self.tmux.open(&WindowPlan {
            team: &team_name(team),
            agent: &agent_name(agent),
            argv: &argv,
            cwd: self.directory.path().to_owned(),
            keep_after_exit,
        })
    }

    fn agents(&self, team: &str) -> Vec<String> {
        let windows = self.tmux.windows_of(&team_name(team)).expect("a list");
        let mut names: Vec<String> = windows.iter().map(|(agent, _)| agent.to_string()).collect();
        names.sort();
        names
    }

    fn kill(&self) {
        let pid: i32 = self.ask(&["display-message", "-p", "#{pid}"]).parse().expect("a number");
        self.ask(&["kill-server"]);
        let pid = rustix::process::Pid::from_raw(pid).expect("not zero");
        until("the server ended", || rustix::process::test_kill_process(pid).is_err());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.command().arg("kill-server").output();
    }
}

fn team_name(name: &str) -> TeamName {
    TeamName::parse(name).expect("a good name")
}

fn agent_name(name: &str) -> AgentName {
    AgentName::parse(name).expect("a good name")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_window_is_tagged_named_and_runs_its_program_where_it_should() {
    let server = Server::new();
    let odd = "#{pid} #[x] ##y %H 'ü;";
    let cwd = server.path(odd);
    fs::create_dir(&cwd).expect("it can be made");
    let argv =
        ["/bin/sh", "-c", "pwd; printf '<%s>\\n' \"$@\"; cat", "sh", "a b", ";", "c;", "$HOME"];
    let argv: Vec<String> = argv.map(str::to_owned).to_vec();
    let plan = WindowPlan {
        team: &team_name("dev.1"),
        agent: &agent_name("-rev.2"),
        argv: &argv,
        cwd,
        keep_after_exit: false,
    };
    let window = server.tmux.open(&plan).expect("a window");
    assert_eq!(window.session, "clawteam-dev_1");
    assert!(server.tmux.exists(&window));
    let format = "#{window_name} #{window_width}x#{window_height} #{automatic-rename} \
                  #{allow-rename} #{remain-on-exit}";
    assert_eq!(server.about(&window, format), "-rev.2 200x50 0 0 off");
    for (option, value) in [("@clawteam_team", "dev.1"), ("@clawteam_agent", "-rev.2")] {
        assert_eq!(server.ask(&["show-options", "-wv", "-t", &window.window, option]), value);
    }
    until("the program wrote", || server.tmux.tail(&window, 9).is_ok_and(|tail| tail.len() == 5));
    let tail = server.tmux.tail(&window, 9).expect("lines");
    assert!(tail[0].ends_with(odd), "{tail:?}");
    assert_eq!(tail[1..], ["<a b>", "<;>", "<c;>", "<$HOME>"]);
    assert_eq!(server.tmux.tail(&window, 2).expect("lines"), ["<c;>", "<$HOME>"]);
    let windows = server.tmux.windows_of(&team_name("dev.1")).expect("a list");
    assert_eq!(windows, [(agent_name("-rev.2"), window)]);
}

#[test]
fn settings_of_the_user_change_nothing() {
    let server = Server::with_config(
        "set -g base-index 1\nset -g pane-base-index 1\nset -g default-shell /bin/false\n\
         set -g default-command false\nset -g remain-on-exit on\nset -g renumber-windows on\n\
         set -g automatic-rename on\nset -g destroy-unattached off\nset -g status off\n",
    );
    fs::write(server.path("only"), "#!/bin/sh\necho only; exec cat\n").expect("it can be written");
    let only = server.path("only");
    rustix::fs::chmod(&only, rustix::fs::Mode::RWXU).expect("it is ours");

    let first = server.open("t", "one", &[only.to_str().expect("text")]);
    let second = server.open("t", "two", &["/bin/sh", "-c", "echo several; exec cat"]);
    for (window, text) in [(&first, "only"), (&second, "several")] {
        until(text, || server.tmux.tail(window, 1).is_ok_and(|tail| tail == [text]));
    }
    assert_eq!(server.about(&second, "#{window_width}x#{window_height}"), "200x50");

    let brief = server.open("t", "brief", &["/bin/sh", "-c", "exit 0"]);
    until("it closed", || !server.tmux.exists(&brief));
    server.tmux.close(&first).expect("closed");
    assert!(server.tmux.exists(&second), "closing renumbers windows, but not their ids");
    assert_eq!(server.agents("t"), ["two"]);
    assert_eq!(server.ask(&["list-windows", "-t", "=mine:", "-F", "#{window_panes}"]), "1");
}

#[test]
fn settings_that_end_unattended_sessions_do_not_end_the_teams() {
    let server = Server::new();
    let hold = server.open("hold", "a", &["cat", "-"]);
    server.ask(&["set-option", "-g", "destroy-unattached", "on"]);
    let window = server.open("t", "a", &["cat", "-"]);
    assert!(server.tmux.exists(&window) && server.tmux.exists(&hold));
}

#[test]
fn teams_that_begin_alike_or_collapse_are_kept_apart() {
    let server = Server::new();
    let teams = ["dev2", "dev", "de", "dev.x", "dev_x"];
    let mut sessions = Vec::new();
    for team in teams {
        sessions.push(server.open(team, "a", &["cat", "-"]).session);
    }
    let names =
        ["clawteam-dev2", "clawteam-dev", "clawteam-de", "clawteam-dev_x", "clawteam-dev_x-2"];
    assert_eq!(sessions, names);
    for (team, session) in teams.into_iter().zip(names) {
        assert_eq!(server.open(team, "b", &["cat", "-"]).session, session);
        assert_eq!(server.agents(team), ["a", "b"], "{team}");
    }
    assert_eq!(server.agents("dev_"), [""; 0]);
    assert_eq!(server.agents("dev_x-2"), [""; 0]);
}

#[test]
fn a_session_of_the_user_is_never_used() {
    let server = Server::new();
    server.ask(&["new-session", "-d", "-s", "clawteam-t", "sleep", "600"]);
    let window = server.open("t", "a", &["cat", "-"]);
    assert_eq!(window.session, "clawteam-t-2");
    assert_eq!(server.ask(&["list-windows", "-t", "=clawteam-t:", "-F", "x"]), "x");
    // The session is recognised by its tag, so the user may call it anything.
    server.ask(&["rename-session", "-t", "=clawteam-t-2", "other"]);
    assert_eq!(server.open("t", "b", &["cat", "-"]).session, "other");
}

#[test]
fn many_windows_at_once_share_one_new_session() {
    for round in 0..5 {
        let server = Server::new();
        let together = Barrier::new(8);
        let windows: Vec<Window> = std::thread::scope(|scope| {
            let open = |n: usize| {
                let (server, together) = (&server, &together);
                scope.spawn(move || {
                    together.wait();
                    server.open("new", &format!("agent{n}"), &["cat", "-"])
                })
            };
            let opening: Vec<_> = (0..8).map(open).collect();
            opening.into_iter().map(|thread| thread.join().expect("it opened")).collect()
        });
        let expected: Vec<String> = (0..8).map(|n| format!("agent{n}")).collect();
        assert_eq!(server.agents("new"), expected, "round {round}");
        assert!(windows.iter().all(|window| window.session == "clawteam-new"));
        assert_eq!(server.ask(&["list-sessions", "-F", "#{session_name}"]), "clawteam-new");
        assert_eq!(server.ask(&["list-windows", "-a", "-F", "x"]).lines().count(), 8);
    }
}

#[test]
fn windows_open_while_the_last_one_closes_and_the_server_exits() {
    let server = Server::new();
    for _ in 0..20 {
        let last = server.open("t", "old", &["cat", "-"]);
        std::thread::scope(|scope| {
            scope.spawn(|| server.tmux.close(&last).expect("closed"));
            let new = server.open("t", "new", &["cat", "-"]);
            assert!(server.tmux.exists(&new));
            server.tmux.close(&new).expect("closed");
        });
    }
}

#[test]
fn ids_of_an_earlier_server_are_never_used_on_a_later_one() {
    let server = Server::new();
    let old = server.open("one", "a", &["cat", "-"]);
    server.kill();
    assert!(!server.tmux.exists(&old));
    assert!(server.tmux.windows_of(&team_name("one")).expect("a list").is_empty());

    let new = server.open("two", "b", &["cat", "-"]);
    assert_eq!((&new.pane, &new.window), (&old.pane, &old.window), "the ids are used again");
    assert_ne!(new.server, old.server);
    assert!(!server.tmux.exists(&old));
    assert!(matches!(server.tmux.tail(&old, 3), Err(TerminalError::Gone { .. })));
    let typed = server.tmux.deliver(&old, "stranger", std::time::Duration::from_secs(5));
    assert!(matches!(typed, Err(TerminalError::Gone { .. })), "{typed:?}");
    server.tmux.close(&old).expect("gone already");
    assert!(server.tmux.exists(&new), "the window of another team was closed");
    assert_eq!(server.tmux.tail(&new, 3).expect("lines"), [""; 0]);
    assert_eq!(server.ask(&["list-buffers"]), "", "the text was left behind");
}

#[test]
fn records_that_tmux_never_wrote_are_gone() {
    let server = Server::new();
    let real = server.open("t", "a", &["cat", "-"]);
    let bad = Window { pane: format!("{} ; kill-server", real.pane), ..real.clone() };
    assert!(!server.tmux.exists(&bad));
    server.tmux.close(&bad).expect("nothing to close");
    assert!(matches!(server.tmux.tail(&bad, 1), Err(TerminalError::Gone { .. })));
    assert!(server.tmux.exists(&real));
}

#[test]
fn many_windows_are_looked_at_at_once_whether_or_not_all_are_there() {
    let server = Server::new();
    let says = |what: &str| {
        let script = format!("printf '{what}\\n\\n'; exec cat");
        server.open("t", what, &["/bin/sh", "-c", &script])
    };
    let windows = ["one", "two", "three"].map(says);
    let ended = server.try_open("t", "four", &["/bin/echo", "four"], true).expect("a window");
    // Panes of different heights.
    server.ask(&["split-window", "-d", "-t", &windows[1].pane, "cat", "-"]);
    let elsewhere = Window { server: "1:2".into(), ..windows[0].clone() };
    let all: Vec<Window> = windows.iter().cloned().chain([ended, elsewhere]).collect();
    let look = || {
        let shown = server.tmux.screens(&all).expect("screens");
        let words = |shown: &clawteam::ports::terminal::Shown| {
            let first = shown.screen.split_whitespace().next().unwrap_or_default().to_owned();
            (first, shown.ended)
        };
        shown.iter().map(|shown| shown.as_ref().map(words)).collect::<Vec<_>>()
    };
    let said = |what: &str, ended| Some((what.to_owned(), ended));
    // Where a program has ended, tmux says so and moves the rest up.
    let expected = vec![
        said("one", false),
        said("two", false),
        said("three", false),
        said("Pane", true),
        None,
    ];
    until("all have written", || look() == expected);
    server.tmux.close(&windows[1]).expect("closed");
    let expected = vec![said("one", false), None, said("three", false), said("Pane", true), None];
    assert_eq!(look(), expected);
}

#[test]
fn closing_twice_is_fine_and_leaves_the_panes_of_the_user() {
    let server = Server::new();
    let window = server.open("t", "a", &["cat", "-"]);
    let other = server.open("t", "b", &["cat", "-"]);
    server.ask(&["split-window", "-d", "-t", &window.pane, "cat", "-"]);
    assert_eq!(server.agents("t"), ["a", "b"], "the added pane is no agent");
    server.tmux.close(&window).expect("closed");
    assert!(!server.tmux.exists(&window));
    server.tmux.close(&window).expect("closed already");
    let left = server.ask(&["list-panes", "-t", &window.window, "-F", "#{pane_current_command}"]);
    assert_eq!(left, "cat", "the pane that the user added");
    assert!(server.tmux.exists(&other));
    server.kill();
    server.tmux.close(&other).expect("gone with its server");
}

#[test]
fn a_pane_that_the_user_moved_is_still_found() {
    let server = Server::new();
    let window = server.open("t", "a", &["cat", "-"]);
    server.ask(&["new-session", "-d", "-s", "mine", "-x", "80", "-y", "24", "sleep", "600"]);
    server.ask(&["join-pane", "-d", "-s", &window.pane, "-t", "=mine:"]);
    assert!(server.tmux.exists(&window));
    assert_eq!(server.agents("t"), ["a"]);
    server.tmux.close(&window).expect("closed");
    assert!(!server.tmux.exists(&window));
    assert_eq!(server.ask(&["list-panes", "-a", "-F", "#{session_name}"]), "mine");
    assert_eq!(server.open("t", "b", &["cat", "-"]).session, "clawteam-t");
}

#[test]
fn ended_windows_are_kept_for_reading_until_they_are_replaced() {
    let server = Server::new();
    // tmux itself at times loses what a program wrote that ends within its first moments.
    let argv = ["/bin/sh", "-c", "echo last words; read -r _; exit 3"];
    let old = server.try_open("t", "a", &argv, true).expect("a window");
    let other_agent = server.try_open("t", "b", &argv, true).expect("a window");
    let other_team = server.try_open("t2", "a", &argv, true).expect("a window");
    let new = server.try_open("t", "a", &argv, true).expect("a window");
    let alive = server.try_open("t", "a", &["cat", "-"], true).expect("a window");
    for window in [&old, &other_agent, &other_team, &new] {
        until("it spoke", || server.tmux.tail(window, 9).is_ok_and(|lines| !lines.is_empty()));
        server.ask(&["send-keys", "-t", &window.pane, "Enter"]);
        until("it ended", || server.about(window, "#{pane_dead}") == "1");
        assert!(server.tmux.exists(window));
        let tail = server.tmux.tail(window, 9).expect("lines");
        assert!(tail.contains(&"last words".to_owned()), "{tail:?}");
    }
    server.tmux.close_dead(&team_name("t"), &agent_name("a"), &new).expect("closed");
    assert!(!server.tmux.exists(&old));
    for window in [&other_agent, &other_team, &new, &alive] {
        assert!(server.tmux.exists(window));
    }
}

#[test]
fn a_server_without_sessions_has_no_windows() {
    let server = Server::with_config("set -s exit-empty off\n");
    server.ask(&["kill-session", "-t", "=mine"]);
    assert_eq!(server.ask(&["list-sessions"]), "", "it runs on");
    assert_eq!(server.agents("t"), [""; 0]);
    server.tmux.close_dead(&team_name("t"), &agent_name("a"), &gone()).expect("nothing to close");
    server.tmux.close(&gone()).expect("nothing to close");
    assert!(!server.tmux.exists(&gone()));
    assert!(server.tmux.exists(&server.open("t", "a", &["cat", "-"])));
}

/// A window of a server that never was.
fn gone() -> Window {
    Window {
        window: "@0".into(),
        pane: "%0".into(),
        session: "clawteam-t".into(),
        server: "1:1".into(),
    }
}

#[test]
fn what_cannot_be_started_is_refused() {
    let server = Server::new();
    assert!(matches!(server.try_open("t", "a", &[], false), Err(TerminalError::Failed { .. })));
    let argv = ["cat".to_owned(), "-".to_owned()];
    let plan = WindowPlan {
        team: &team_name("t"),
        agent: &agent_name("a"),
        argv: &argv,
        cwd: server.path("missing"),
        keep_after_exit: false,
    };
    assert!(matches!(server.tmux.open(&plan), Err(TerminalError::Io(_))));
    let long = "x".repeat(20_000);
    let refused = server.try_open("t", "a", &["echo", &long], false);
    assert!(matches!(refused, Err(TerminalError::Failed { .. })), "{refused:?}");
    assert!(server.tmux.windows_of(&team_name("t")).expect("a list").is_empty());
}
