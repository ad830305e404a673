//! The watch over a team's leader, and what happened in a team as a log for Gource.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::crew::Crew;
use super::support::{Running, World};
use super::until;

fn watch(world: &World, options: &[&str]) -> Running {
    world.call(&[&["--json", "team", "watch", "t"], options].concat()).start()
}

fn reminders(world: &World) -> Vec<Value> {
    let waiting = world.json(&["inbox", "peek", "t", "--agent", "lead"]);
    let messages = waiting["messages"].as_array().expect("a list").clone();
    messages.into_iter().filter(|message| message["from"] == "scheduler").collect()
}

#[test]
fn the_leader_is_reminded_when_something_has_happened() {
    let world = World::new();
    world.team(&["w1"]);
    let mut watching = watch(&world, &["--interval", "1"]);
    let first: Value = serde_json::from_str(&watching.line()).expect("JSON");
    let told = |field: &str| first[field].clone();
    assert_eq!((told("event"), told("team")), (json!("leader_watch"), json!("t")));
    assert_eq!((told("leader"), told("injected")), (json!("lead"), json!(true)));
    assert_eq!((told("reason"), told("redisEvent")), (json!("startup"), Value::Null));
    let found = reminders(&world);
    let text = found[0]["content"].as_str().expect("a text");
    assert!(text.starts_with("Scheduler check:\n- Completed: none\n"), "{text}");
    assert!(text.contains("clawteam inbox receive t --agent lead"), "{text}");
    assert_eq!(found[0]["summary"], "Scheduler check");

    world.run_as("lead", &["inbox", "receive", "t"]).exits(0);
    let task = world.task(&["Work", "--owner", "w1"]);
    world.run_as("w1", &["task", "update", "t", &task, "--status", "completed"]).exits(0);
    let second: Value = serde_json::from_str(&watching.line()).expect("JSON");
    assert_eq!(second["reason"], "poll");
    let text = reminders(&world)[0]["content"].as_str().expect("a text").to_owned();
    assert!(text.contains("- Completed: w1 finished 1 task(s)"), "{text}");

    let state = world.document("teams/t/leader_watch_state.json");
    for field in ["lastCheckAt", "lastInjectAt", "lastHeartbeatAt"] {
        assert!(state[field].as_f64().expect(field) > 1e9, "{state}");
    }
    assert!(state["lastSignature"].as_str().expect("a text").contains("leaderInboxCount"));
    watching.signal(Signal::TERM);
    watching.finish().exits(0);
}

#[test]
fn reminders_that_nobody_reads_do_not_pile_up() {
    let world = World::new();
    world.team(&["w1"]);
    let mut watching = watch(&world, &["--interval", "1", "--heartbeat-interval", "1"]);
    for _ in 0..4 {
        watching.line();
    }
    assert_eq!(reminders(&world).len(), 1);
    watching.signal(Signal::INT);
    watching.finish().exits(0);
}

/// For a leader who belongs to a user, the mail lies elsewhere.
#[test]
fn the_mail_of_a_leader_of_a_user_is_counted() {
    let world = World::new().env("CLAWTEAM_USER", "ana");
    world.team(&[]);
    for text in ["one", "two"] {
        world.run(&["inbox", "send", "t", "lead", text, "--from", "w"]).exits(0);
    }
    let mut watching = watch(&world, &[]);
    watching.line();
    let state = world.document("teams/t/leader_watch_state.json");
    let seen: Value =
        serde_json::from_str(state["lastSignature"].as_str().expect("a text")).expect("JSON");
    assert_eq!(seen["leaderInboxCount"], 2);
    assert!(world.names("teams/t/inboxes").iter().all(|inbox| inbox != "lead"));
    watching.signal(Signal::TERM);
    watching.finish().exits(0);
}

#[test]
fn a_watch_ends_at_once() {
    let world = World::new();
    world.team(&[]);
    let mut watching = watch(&world, &["--interval", "600"]);
    watching.line();
    let began = Instant::now();
    watching.signal(Signal::TERM);
    watching.finish_within(Duration::from_secs(5)).exits(0);
    assert!(began.elapsed() < Duration::from_secs(2));
    world.run(&["team", "watch", "nobody"]).refuses("Team 'nobody' not found");
    world.run(&["team", "watch", "t", "--redis", "on"]).is_misused();
    let human = world.call(&["team", "watch", "t"]).start();
    human.signal(Signal::TERM);
    human.finish();
}

/// A program that keeps what it was called with, and what it read.
fn script(directory: &Path, name: &str, body: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("a file can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path.display().to_string()
}

fn busy_team(world: &World) {
    world.team(&["w1"]);
    let task = world.task(&["Fix a/b|c", "--owner", "w1"]);
    world.run_as("w1", &["task", "update", "t", &task, "--status", "completed"]).exits(0);
    world.run(&["inbox", "send", "t", "w1", "hello", "--from", "lead"]).exits(0);
}

#[test]
fn the_log_for_gource_has_what_happened() {
    let crew = Crew::new().repository();
    let world = &crew.world;
    busy_team(world);
    world.json(&["spawn", "subprocess", "--team", "t", "-n", "w2", "-w", "--", "true"]);
    let tree = world.data().join("workspaces/t/w2");
    fs::write(tree.join("new"), "x").expect("a file can be written");
    super::crew::git(&tree, &["add", "."]);
    let who = ["-c", "user.name=u", "-c", "user.email=u@h"];
    super::crew::git(&tree, &[&who[..], &["commit", "-qm", "New"]].concat());

    let shown = world.run(&["board", "gource", "t", "--log-only"]);
    shown.succeeds();
    let mut times = Vec::new();
    for line in shown.stdout.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        assert_eq!(fields.len(), 4, "{line}");
        times.push(fields[0].parse::<i64>().expect(line));
    }
    assert!(times.is_sorted());
    for part in [
        "|lead|A|/team/lead\n",
        "|w1|A|/tasks/pending/",
        "|w1|A|/tasks/completed/",
        "_Fix a_b_c\n",
        "|lead|M|/messages/lead/w1/message\n",
        "|w2|M|/w2/new\n",
    ] {
        assert!(shown.stdout.contains(part), "`{part}`\n{shown}");
    }
    let events = world.run(&["board", "gource", "t", "--log-only", "--events-only"]);
    assert!(!events.stdout.contains("/w2/new"), "{events}");
    world.run(&["board", "gource", "nobody", "--log-only"]).refuses("No activity found for team");
}

#[test]
fn gource_is_run_if_it_is_there_and_nothing_is_pretended_otherwise() {
    let world = World::new();
    busy_team(&world);
    let bin = world.top().join("bin");
    fs::create_dir(&bin).expect("a directory can be made");
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let call = |arguments: &[&str]| {
        let words = [&["--json", "board", "gource", "t"], arguments].concat();
        world.call(&words).env("PATH", &path)
    };
    call(&[]).run().refuses_with("gource_missing");
    let both = call(&["--live", "--export", "x"]).run();
    assert_eq!(
        both.refuses_with("invalid_arguments")["error"],
        "--live cannot be used with --export"
    );
    call(&["--interval", "0.1"]).run().is_misused();

    let kept = world.top().join("kept");
    let keep = format!("echo \"$@\" > {0}; cat \"$1\" >> {0}", kept.display());
    script(&bin, "gource", &keep);
    let told = call(&["--resolution", "640x480", "--speed", "2"]).run();
    assert_eq!(told.succeeds().json()["status"], "shown");
    let said = fs::read_to_string(&kept).expect("it ran");
    for part in [
        " --log-format custom --seconds-per-day 2 --auto-skip-seconds 0.5",
        "--viewport 640x480 --title ClawTeam: t",
        "|lead|A|/team/lead",
    ] {
        assert!(said.contains(part), "`{part}`\n{said}");
    }
    let log = said.split(' ').next().expect("a word");
    assert!(!Path::new(log).exists(), "{log} was left behind");

    call(&["--export", "video.mp4"]).run().refuses_with("gource_failed");
    script(&bin, "gource", "echo picture");
    script(&bin, "ffmpeg", "for last; do :; done; cat > \"$last\"");
    assert_eq!(call(&["--export", "video.mp4"]).run().succeeds().json()["export"], "video.mp4");
    let video = fs::read_to_string(world.cwd().join("video.mp4")).expect("it was written");
    assert_eq!(video, "picture\n");
    script(&bin, "gource", "exit 3");
    call(&[]).run().refuses_with("gource_failed");
}

#[test]
fn a_live_picture_is_fed_until_it_is_closed() {
    let world = World::new();
    busy_team(&world);
    let kept = world.top().join("kept");
    let keep = format!("while IFS= read -r line; do echo \"$line\" >> {}; done", kept.display());
    let gource = script(&world.top(), "gource", &keep);
    let path = format!("{}:/usr/bin:/bin", Path::new(&gource).parent().expect("one").display());
    let words = ["--json", "board", "gource", "t", "--live", "--interval", "0.2"];
    let showing = world.call(&words).env("PATH", path).start();
    let read = || fs::read_to_string(&kept).unwrap_or_default();
    until("what there was is shown", || read().contains("/team/lead"));
    world.run(&["team", "add-member", "t", "late"]).exits(0);
    until("what comes is shown", || read().contains("|A|/team/late"));
    assert_eq!(read().matches("|A|/team/lead\n").count(), 1);
    showing.signal(Signal::INT);
    showing.finish_within(Duration::from_secs(5)).exits(0);
}
