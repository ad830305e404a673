//! Commands that wait: they hear at once and end at once.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::{Value, json};

use crate::support::{Running, World, keys};

/// Ending takes no longer than this, whatever the poll interval.
const SOON: Duration = Duration::from_secs(5);

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// A watch that is certainly under way: it has told of a first message.
fn watch(world: &World, more: &[&str]) -> Running {
    world.run(&["inbox", "send", "t", "w1", "first"]).succeeds();
    let line = [&["--json", "inbox", "watch", "t", "-a", "w1", "-p", "1000"], more].concat();
    let mut watch = world.call(&line).start();
    assert_eq!(parsed(&watch.line())["content"], "first");
    watch
}

#[test]
fn watch_tells_of_messages_at_once_and_ends_at_once() {
    let world = World::new();
    world.team(&["w1"]);
    for signal in [Signal::INT, Signal::TERM] {
        let mut watch = watch(&world, &[]);
        let began = Instant::now();
        world.run(&["inbox", "send", "t", "w1", "second"]).succeeds();
        let line = watch.line();
        assert!(began.elapsed() < SOON, "told after {:?}", began.elapsed());
        assert!(!line.contains(": ") && !line.contains(", "), "not compact: {line}");
        assert_eq!(keys(&parsed(&line)), "type from to content requestId timestamp");
        let began = Instant::now();
        watch.signal(signal);
        let ran = watch.finish_within(SOON);
        ran.exits(0);
        assert!(ran.stderr.is_empty(), "{ran}");
        assert!(began.elapsed() < SOON);
        assert_eq!(world.json(&["inbox", "peek", "t", "-a", "w1"])["count"], 0);
    }
}

#[test]
fn watch_tells_people_too() {
    let world = World::new();
    world.team(&["w1"]);
    let mut watch = world.call(&["inbox", "watch", "t", "-a", "w1", "-e", "echo got"]).start();
    assert_eq!(watch.line(), "Watching inbox for 'w1' in team 't'... (Ctrl+C to stop)");
    assert_eq!(watch.line(), "  exec: echo got");
    world.run(&["inbox", "send", "t", "w1", "[/x] \u{1b}[1m", "-f", "lead"]).succeeds();
    let line = watch.line();
    assert!(line.ends_with("] message from=lead to=w1: [/x] \\x1b[1m"), "{line}");
    assert_eq!(watch.line(), "got");
    watch.signal(Signal::INT);
    watch.finish_within(SOON).exits(0);
}

#[test]
fn a_command_is_run_for_each_message_and_cannot_hold_up_the_end() {
    let world = World::new();
    world.team(&["w1"]);
    let script = "printf '%s|%s|%s|%s\\n' \"$CLAWTEAM_MSG_FROM\" \"$CLAWTEAM_MSG_TYPE\" \
                  \"$OH_MSG_CONTENT\" \"$CLAWTEAM_MSG_JSON\" >> told; exit 3";
    let mut quick = watch(&world, &["-e", script]);
    world.run(&["inbox", "send", "t", "w1", "$(touch pwned) `x` \"y\"", "-f", "lead"]).succeeds();
    quick.line();
    world.run(&["inbox", "send", "t", "w1", "third"]).succeeds();
    assert_eq!(parsed(&quick.line())["content"], "third", "a failing command ends nothing");
    let told = std::fs::read_to_string(world.cwd().join("told")).expect("it was run");
    assert!(
        told.contains("lead|message|$(touch pwned) `x` \"y\"|{\"type\":\"message\","),
        "{told}"
    );
    assert!(!world.cwd().join("pwned").exists());
    quick.signal(Signal::TERM);
    quick.finish_within(SOON).exits(0);

    let slow = watch(&world, &["-e", "exec sleep 20"]);
    slow.signal(Signal::INT);
    slow.finish_within(SOON).exits(0);
}

#[test]
fn wait_ends_when_all_tasks_are_done() {
    let world = World::new();
    world.team(&["w1"]);
    let (a, b) = (world.task(&["A"]), world.task(&["B"]));
    world.run(&["task", "update", "t", &a, "-s", "completed"]).succeeds();
    let mut wait = world.call(&["--json", "task", "wait", "t", "-p", "1000"]).start();
    let progress = wait.line();
    assert_eq!(
        progress,
        r#"{"event": "progress", "completed": 1, "total": 2, "in_progress": 0, "pending": 1, "blocked": 0}"#
    );
    world.run(&["inbox", "send", "t", "lead", "on it", "-f", "w1"]).succeeds();
    let message = parsed(&wait.line());
    assert_eq!(keys(&message), "event from content timestamp");
    assert_eq!((&message["from"], &message["content"]), (&json!("w1"), &json!("on it")));
    let began = Instant::now();
    world.run(&["task", "update", "t", &b, "-s", "completed"]).succeeds();
    let ran = wait.finish_within(SOON);
    assert!(began.elapsed() < SOON);
    let result = ran.exits(0).json_lines().pop().expect("a result");
    assert_eq!(
        keys(&result),
        "event status elapsed total completed in_progress pending blocked messages_received \
         task_details"
    );
    assert_eq!((&result["status"], &result["messages_received"]), (&json!("completed"), &json!(1)));
    assert_eq!(keys(&result["task_details"][0]), "id subject status owner");
    let empty = world.run(&["--json", "task", "wait", "nope"]);
    assert_eq!(empty.exits(0).json_lines().pop().expect("a result")["status"], "completed");
}

#[test]
fn wait_gives_up_in_time_and_when_asked_to() {
    let world = World::new();
    world.team(&["w1"]);
    world.task(&["A [x]", "-o", "w1"]);
    let timeout = world.run(&["task", "wait", "t", "-t", "0.2", "-p", "1000"]);
    timeout.exits(1);
    for text in [
        "Waiting for all tasks in team 't' to complete...\n  Agent inbox: lead  |  Poll interval: 1000.0s  |  Timeout: 0.2s\n",
        "  0/1 tasks completed  (0 in progress, 1 pending, 0 blocked)\n",
        ". 0/1 completed.\n  Incomplete tasks:\n    [pending] ",
        "  A [x]  (owner: w1)\n",
    ] {
        assert!(timeout.stdout.contains(text), "no `{text}`\n{timeout}");
    }
    for signal in [Signal::INT, Signal::TERM] {
        let mut wait = world.call(&["--json", "task", "wait", "t", "-p", "1000"]).start();
        wait.line_with("progress");
        wait.signal(signal);
        let ran = wait.finish_within(SOON);
        assert_eq!(ran.exits(1).json_lines().pop().expect("a result")["status"], "interrupted");
    }
}

#[test]
fn wait_gives_back_the_tasks_of_the_dead() {
    let world = World::new();
    world.team(&["w1"]);
    let id = world.task(&["A"]);
    world.run_as("w1", &["task", "update", "t", &id, "-s", "in_progress"]).succeeds();
    let registry = json!({"w1": {"backend": "subprocess", "pid": u32::MAX / 2, "command": ["x"]}});
    world.put("teams/t/spawn_registry.json", registry.to_string());
    let ran = world.run(&["--json", "task", "wait", "t", "-t", "0.2"]);
    let lines = ran.exits(1).json_lines();
    let dead = lines.iter().find(|line| line["event"] == "agent_dead").expect("told");
    assert_eq!(dead["abandoned_tasks"], json!([{"id": id, "subject": "A"}]));
    assert_eq!(world.json(&["task", "get", "t", &id])["status"], "pending");
}

#[test]
fn a_live_board_shows_each_change_once_and_ends_at_once() {
    let world = World::new();
    world.team(&["w1"]);
    for signal in [Signal::INT, Signal::TERM] {
        let mut live = world.call(&["board", "live", "t", "--json", "-i", "1000"]).start();
        let total = parsed(&live.line())["taskSummary"]["total"].as_u64().expect("a number");
        let began = Instant::now();
        world.task(&["new"]);
        let board = parsed(&live.line());
        assert!(began.elapsed() < SOON);
        assert_eq!(board["taskSummary"]["total"], total + 1);
        world.run(&["inbox", "send", "t", "w1", "hello"]).succeeds();
        let is_told =
            |line: &str| parsed(line)["messages"].as_array().is_some_and(|m| !m.is_empty());
        while !is_told(&live.line()) {}
        live.signal(signal);
        let ran = live.finish_within(SOON);
        let lines = ran.exits(0).json_lines();
        assert!(lines.windows(2).all(|pair| pair[0] != pair[1]), "the same board twice");
        world.run(&["inbox", "receive", "t", "-a", "w1"]).succeeds();
    }
    let mut live = world.call(&["board", "live", "t"]).start();
    assert!(live.line().contains(" Team: t "));
    live.line_with("Task Board (2 total)");
    live.signal(Signal::INT);
    let ran = live.finish_within(SOON);
    assert!(!ran.exits(0).stdout.contains('\u{1b}'), "not a terminal, but obeyed\n{ran}");
}

#[test]
fn a_live_board_ends_with_its_team() {
    let world = World::new();
    for json in [true, false] {
        world.team(&[]);
        let mut words = vec!["board", "live", "t", "-i", "0.2"];
        if json {
            words.push("--json");
        }
        let mut live = world.call(&words).start();
        live.line();
        world.run(&["team", "cleanup", "t", "--force"]).exits(0);
        let ran = live.finish_within(SOON);
        ran.exits(1);
        if json {
            let last = ran.json_lines().pop().expect("a line");
            assert_eq!(last, json!({"error": "Team 't' not found", "code": "team_not_found"}));
        } else {
            assert!(ran.stderr.contains("Error: Team 't' not found"), "{ran}");
        }
    }
    world.run(&["--json", "board", "live", "nope"]).refuses_with("team_not_found");
}

#[test]
fn on_a_terminal_a_live_board_leaves_everything_as_it_was() {
    let world = World::new();
    world.team(&["w1"]);
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("a terminal");
    let name = ptsname(&ours, Vec::new()).expect("a terminal");
    let theirs = OpenOptions::new()
        .read(true)
        .write(true)
        .open(std::ffi::OsStr::from_bytes(name.as_bytes()))
        .expect("a terminal");
    let live =
        world.call(&["board", "live", "t", "-i", "1000"]).stdout(Stdio::from(theirs)).start();
    let size = Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&ours, size).expect("a terminal");
    let (sender, shown) = mpsc::channel();
    std::thread::spawn(move || {
        let mut ours = std::fs::File::from(ours);
        let mut part = [0; 4096];
        while let Ok(read @ 1..) = ours.read(&mut part) {
            if sender.send(String::from_utf8_lossy(&part[..read]).into_owned()).is_err() {
                break;
            }
        }
    });
    let mut text = String::new();
    let mut until = |end: &str| {
        while !text.contains(end) {
            text.push_str(&shown.recv_timeout(Duration::from_secs(30)).expect("it is shown"));
        }
        text.clone()
    };
    let begin = until("Ctrl-C to stop");
    assert!(begin.starts_with("\x1b[?1049h") && begin.contains("Team: t"), "{begin:?}");
    world.task(&["a new task"]);
    until("a new task");
    live.signal(Signal::INT);
    let end = until("\x1b[?1049l");
    assert!(end.contains("\x1b[?25h") && end.contains("\x1b[?7h"), "{end:?}");
    live.finish_within(SOON).exits(0);
}

#[test]
fn receive_can_wait_for_the_first_message() {
    let world = World::new();
    world.team(&["w1"]);
    let receive = |seconds: &str| {
        world.call(&["--json", "inbox", "receive", "t", "-a", "w1", "--wait", seconds])
    };
    // What is there already is not waited for, and what never comes only as long as was said.
    world.run(&["inbox", "send", "t", "w1", "first"]).succeeds();
    let began = Instant::now();
    assert_eq!(receive("600").start().finish_within(SOON).succeeds().json()[0]["content"], "first");
    assert_eq!(receive("1").start().finish_within(SOON * 2).succeeds().json(), json!([]));
    assert!(began.elapsed() >= Duration::from_secs(1));

    let waiting = receive("600").start();
    world.run(&["inbox", "send", "t", "w1", "second"]).succeeds();
    assert_eq!(waiting.finish_within(SOON).succeeds().json()[0]["content"], "second");
    assert_eq!(world.json(&["inbox", "peek", "t", "-a", "w1"])["count"], 0);
}
