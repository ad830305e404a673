//! Typing into programs that read in different ways.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clawteam::ports::terminal::{Delivery, Window};
use clawteam::ports::{Terminal, TerminalError};

use super::{Server, read};
use crate::until;

/// Longer than any delivery that succeeds takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// For deliveries that are to fail.
const SHORT: Duration = Duration::from_millis(1200);

/// Runs `script` with the file that it is to write what it reads into as `$1`.
fn reader(server: &Server, script: &str) -> (Window, PathBuf) {
    let file = server.path("read");
    let argv = ["/bin/sh", "-c", script, "sh", file.to_str().expect("text")];
    (server.open("t", "a", &argv), file)
}

fn deliver(server: &Server, window: &Window, text: &str) -> Delivery {
    server.tmux.deliver(window, text, PATIENCE).expect("the window is there")
}

/// Text of `lines` lines that are all different.
fn long_text(lines: usize) -> String {
    (0..lines)
        .map(|n| format!("line {n:05} ü {}.", "x".repeat(n % 70)))
        .collect::<Vec<_>>()
        .join("\n")
}

const AWKWARD: [&str; 8] = [
    "-t x",
    "Enter",
    "C-c",
    "a;b; c;",
    "it's \"quoted\" \\n $HOME `id` #{pid} %1",
    "grüße 漢字 🙂 é",
    "two\n\nparagraphs\n\tand a tab",
    "!history ~tilde {brace} *",
];

#[test]
fn a_program_that_reads_lines_gets_them_as_they_are() {
    let server = Server::new();
    let (window, file) = reader(&server, "exec cat > \"$1\"");
    let mut expected = String::new();
    for text in AWKWARD {
        assert_eq!(deliver(&server, &window, text), Delivery::Delivered, "{text:?}");
        expected.push_str(text);
        expected.push('\n');
        until(text, || read(&file) == expected);
    }
    assert_eq!(server.ask(&["list-buffers"]), "", "buffers were left behind");
}

#[test]
fn a_program_that_reads_keys_gets_the_text_marked_as_pasted() {
    let server = Server::new();
    let script = "stty raw -echo; printf '\\033[?2004h> '; exec cat > \"$1\"";
    let (window, file) = reader(&server, script);
    let mut expected = String::new();
    for text in AWKWARD {
        assert_eq!(deliver(&server, &window, text), Delivery::Delivered, "{text:?}");
        for part in ["\x1b[200~", text, "\x1b[201~\r"] {
            expected.push_str(part);
        }
        until(text, || read(&file) == expected);
    }
}

#[test]
fn keys_hidden_in_a_text_do_not_leave_the_marks() {
    let server = Server::new();
    let script = "stty raw -echo; printf '\\033[?2004h> '; exec cat > \"$1\"";
    let (window, file) = reader(&server, script);
    assert_eq!(deliver(&server, &window, "a\x1b[201~\rb\x03"), Delivery::Delivered);
    until("it is read", || read(&file) == "\x1b[200~a\\x1b[201~ b\\x03\x1b[201~\r");
}

#[test]
fn a_program_that_reads_keys_without_marks_gets_line_ends_as_they_are() {
    let server = Server::new();
    let (window, file) = reader(&server, "stty raw -echo; exec cat > \"$1\"");
    assert_eq!(deliver(&server, &window, "one\ntwo\n"), Delivery::Delivered);
    until("it is read", || read(&file) == "one\ntwo\r");
}

#[test]
fn a_long_text_arrives_whole_and_in_order() {
    let text = long_text(1400);
    assert!(text.len() > 60_000);
    for (script, before, after) in [
        ("exec cat > \"$1\"", "", "\n"),
        ("stty -echo; while read -r line; do printf '%s\\n' \"$line\"; done > \"$1\"", "", "\n"),
        ("stty raw -echo; printf '\\033[?2004h> '; exec cat > \"$1\"", "\x1b[200~", "\x1b[201~\r"),
    ] {
        let server = Server::new();
        let (window, file) = reader(&server, script);
        assert_eq!(deliver(&server, &window, &text), Delivery::Delivered, "{script}");
        let expected = format!("{before}{text}{after}");
        until(script, || read(&file).len() >= expected.len());
        assert!(read(&file) == expected, "{script}: not what was sent");
    }
}

#[test]
fn a_program_that_begins_to_read_late_is_waited_for() {
    for script in [
        "echo loading; sleep 1; exec cat > \"$1\"",
        "echo loading; sleep 1; stty raw -echo; printf '> '; exec cat > \"$1\"",
    ] {
        let server = Server::new();
        let (window, file) = reader(&server, script);
        let start = Instant::now();
        assert_eq!(deliver(&server, &window, "hello"), Delivery::Delivered, "{script}");
        assert!(start.elapsed() >= Duration::from_millis(700), "typed while it was loading");
        until(script, || read(&file).trim_end() == "hello");
        let screen = server.tmux.tail(&window, 9).expect("lines").join("\n");
        assert_eq!(screen.contains("hello"), !script.contains("raw"), "{screen}");
    }
}

#[test]
fn nothing_is_typed_into_a_program_that_never_reads() {
    for script in ["sleep 600", "echo busy; sleep 600", "stty raw; sleep 600"] {
        let server = Server::new();
        let (window, _) = reader(&server, script);
        let start = Instant::now();
        let result = server.tmux.deliver(&window, "hello", SHORT).expect("it is there");
        assert_eq!(result, Delivery::NotReady, "{script}");
        assert!(start.elapsed() >= SHORT, "{script}: gave up early");
        let screen = server.tmux.tail(&window, 9).expect("lines").join("\n");
        assert!(!screen.contains("hello"), "{script}: {screen}");
        assert_eq!(server.ask(&["list-buffers"]), "", "{script}");
    }
}

#[test]
fn what_is_typed_but_not_read_is_not_delivered() {
    // Looks like a program that takes keys, and reads none.
    let server = Server::new();
    let (window, _) = reader(&server, "stty raw -echo; printf '> '; exec sleep 600");
    let result = server.tmux.deliver(&window, "hello", Duration::from_secs(3));
    assert_eq!(result.expect("it is there"), Delivery::NotTaken);
}

#[test]
fn a_program_that_stops_reading_halfway_has_not_taken_the_text() {
    let server = Server::new();
    let (window, file) = reader(&server, "read -r line; echo \"$line\" > \"$1\"; exec sleep 600");
    let text = long_text(20);
    let result = server.tmux.deliver(&window, &text, Duration::from_secs(3));
    assert_eq!(result.expect("it is there"), Delivery::NotTaken);
    assert_eq!(read(&file).trim_end(), text.lines().next().expect("a line"));
}

#[test]
fn a_program_that_ends_on_what_it_read_has_taken_it() {
    let server = Server::new();
    let (window, file) = reader(&server, "read -r line; echo \"$line\" > \"$1\"");
    assert_eq!(deliver(&server, &window, "goodbye"), Delivery::Delivered);
    until("it is read", || read(&file) == "goodbye\n");
}

#[test]
fn a_line_that_the_kernel_would_cut_is_not_typed() {
    let server = Server::new();
    let (window, file) = reader(&server, "exec cat > \"$1\"");
    if cfg!(target_os = "linux") {
        let most = "x".repeat(4095);
        assert_eq!(deliver(&server, &window, &most), Delivery::Delivered);
        until("it is read", || read(&file).len() == 4096);
    }
    let before = read(&file);
    let long = format!("short\n{}\n", "y".repeat(4096));
    assert_eq!(deliver(&server, &window, &long), Delivery::NotReady);
    assert_eq!(deliver(&server, &window, "next"), Delivery::Delivered);
    until("only the next is read", || read(&file) == format!("{before}next\n"));

    // Without canonical mode there is no such limit.
    let server = Server::new();
    let (window, file) = reader(&server, "stty raw -echo; printf '> '; exec cat > \"$1\"");
    let long = "z".repeat(50_000);
    assert_eq!(deliver(&server, &window, &long), Delivery::Delivered);
    until("it is read", || read(&file) == format!("{long}\r"));
}

#[test]
fn a_user_who_scrolls_back_does_not_swallow_the_submit_key() {
    let server = Server::new();
    let script = "stty raw -echo; printf '\\033[?2004h> '; exec cat > \"$1\"";
    let (window, file) = reader(&server, script);
    until("it is drawn", || server.tmux.tail(&window, 1).is_ok_and(|tail| tail == [">"]));
    server.ask(&["copy-mode", "-t", &window.pane]);
    assert_eq!(server.about(&window, "#{pane_in_mode}"), "1");
    assert_eq!(deliver(&server, &window, "hello"), Delivery::Delivered);
    until("it is read", || read(&file) == "\x1b[200~hello\x1b[201~\r");
}

#[test]
fn a_pane_with_its_input_switched_off_is_not_ready() {
    let server = Server::new();
    let (window, file) = reader(&server, "exec cat > \"$1\"");
    server.ask(&["select-pane", "-d", "-t", &window.pane]);
    let start = Instant::now();
    let result = server.tmux.deliver(&window, "hello", SHORT).expect("it is there");
    assert_eq!(result, Delivery::NotReady);
    assert!(start.elapsed() >= SHORT, "the user could have switched it on meanwhile");
    server.ask(&["select-pane", "-e", "-t", &window.pane]);
    assert_eq!(deliver(&server, &window, "hello"), Delivery::Delivered);
    until("it is read", || read(&file) == "hello\n");
}

#[test]
fn ended_windows_are_gone() {
    let server = Server::new();
    let hold = server.open("t", "hold", &["cat", "-"]);
    let kept = server.try_open("t", "a", &["/bin/sh", "-c", "exit 1"], true).expect("a window");
    until("it ended", || server.about(&kept, "#{pane_dead}") == "1");
    let closed = server.open("t", "b", &["cat", "-"]);
    server.tmux.close(&closed).expect("closed");
    for window in [&kept, &closed] {
        let result = server.tmux.deliver(window, "hello", PATIENCE);
        assert!(matches!(result, Err(TerminalError::Gone { .. })), "{result:?}");
    }
    drop(hold);
}

#[test]
fn deliveries_at_once_do_not_mix() {
    let server = Server::new();
    fs::create_dir(server.path("files")).expect("it can be made");
    std::thread::scope(|scope| {
        for n in 0..6 {
            let server = &server;
            scope.spawn(move || {
                let file = server.path(&format!("files/{n}"));
                let path = file.to_str().expect("text");
                let argv = ["/bin/sh", "-c", "exec cat > \"$1\"", "sh", path];
                // The same agent in different teams.
                let window = server.open(&format!("team{n}"), "same", &argv);
                let text = format!("{n}\n{}", long_text(100));
                assert_eq!(deliver(server, &window, &text), Delivery::Delivered, "{n}");
                until("it is read", || read(&file) == format!("{text}\n"));
            });
        }
    });
}
