//! The demo, from the first line to the last.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::crew::{Crew, git};
use super::support::Ran;
use super::until;

/// Runs the demo and looks at everything that it left.
fn play(crew: &Crew, backend: &str) -> (Ran, Value) {
    let ran = crew.world.run(&["--json", "demo", "--fast"]);
    ran.exits(0);
    let told = ran.json();
    assert_eq!(told["status"], "completed", "{ran}");
    assert_eq!(told["backend"], backend, "{ran}");
    assert!(told["seconds"].as_f64().expect("a number") < 30.0, "{ran}");
    let team = &told["team"].as_str().expect("a team").to_owned();

    let tasks = crew.world.json(&["task", "list", team]);
    let tasks = tasks.as_array().expect("tasks");
    assert_eq!(tasks.len(), 11);
    assert!(tasks.iter().all(|task| task["status"] == "completed"), "{tasks:#?}");
    assert_eq!(told["tasks_completed"], 11);

    // A condition, two branches at once, and back to one of them after a rejection.
    assert_eq!(told["run_status"], "completed");
    let path: Vec<&str> =
        told["run_path"].as_array().expect("a path").iter().filter_map(Value::as_str).collect();
    for part in [
        "green#1 yes",
        "both has notes#1 and example#1",
        "approve#1 rejected by lead: Show how to run it. Back to notes.",
        "both has notes#2",
        "approve#2 approved by lead: Now people can begin.",
        "merge#1 done",
        "the run completed",
    ] {
        assert!(path.contains(&part), "not `{part}` in {path:#?}");
    }
    let run = told["run"].as_str().expect("a run");
    crew.world.run(&["workflow", "fsck", team, run]).exits(0);

    let root = crew.world.cwd().join("clawteam-demo");
    assert!(git(&root, &["show", "main:docs/release.md"]).contains("Try it:"));
    let log = git(&root, &["log", "--format=%an %s", "main"]);
    for agent in ["alice", "bob", "carol"] {
        assert!(log.lines().any(|line| line.starts_with(agent)), "no commit of {agent} in\n{log}");
        assert!(log.contains(&format!("Merge clawteam/{team}/{agent} into main")), "{log}");
    }
    assert_eq!(git(&root, &["status", "--porcelain"]), "");
    let mut tests = Command::new("/bin/sh");
    let tests = tests.arg("tests/run.sh").current_dir(&root).output().expect("sh runs");
    let output = String::from_utf8_lossy(&tests.stdout).into_owned();
    assert!(tests.status.success() && output.contains("11 passed, 0 failed"), "{output}");

    for (from, to) in [("lead", "bob"), ("bob", "lead")] {
        let log = crew.world.json(&["inbox", "log", team, "--agent", from, "--limit", "200"]);
        assert!(log.to_string().contains(&format!(r#""to":"{to}""#)), "{from} never wrote to {to}");
    }
    assert_eq!(told["plans_approved"], 1);
    until("no agent is left", || crew.runners().is_empty());
    (ran, told)
}

#[test]
fn a_team_in_tmux_finishes_the_program() {
    let crew = Crew::new();
    let (ran, told) = play(&crew, "tmux");
    for part in ["claimed", "completed", "committed", "merged", "plan approved", "started"] {
        assert!(ran.stderr.contains(part), "nothing was {part}\n{ran}");
    }
    let team = told["team"].as_str().expect("a team");
    crew.world.run(&["team", "cleanup", team, "--force"]).exits(0);
    assert_eq!(crew.world.json(&["team", "discover"]), Value::Array(vec![]));
}

#[test]
fn without_tmux_it_says_so_and_finishes_too() {
    let crew = Crew::without_tmux();
    let (ran, _) = play(&crew, "subprocess");
    ran.warns("tmux is not installed");
}

#[test]
fn a_person_sees_what_happens_and_what_to_do_next() {
    let crew = Crew::without_tmux();
    let ran = crew.world.run(&["demo", "--fast", "--dir", "new/place"]);
    ran.exits(0);
    for part in [
        "0 of 11 tests pass",
        "Tasks:    11 of 11 completed",
        "Tests:    11 tests passed, 0 failed",
        "clawteam spawn claude --team demo-",
        "clawteam spawn codex",
        "clawteam spawn openclaw",
        "clawteam team cleanup demo-",
    ] {
        assert!(ran.stdout.contains(part), "not `{part}`\n{ran}");
    }
    assert!(crew.world.cwd().join("new/place/.git").is_dir());
}

#[test]
fn nothing_is_written_into_a_directory_that_is_in_use() {
    let crew = Crew::new();
    let used = crew.world.cwd().join("used");
    fs::create_dir(&used).expect("a directory can be made");
    fs::write(used.join("file"), "mine").expect("a file can be written");
    for taken in ["used", "used/file"] {
        let told = crew.world.run(&["--json", "demo", "--dir", taken]);
        told.refuses_with("directory_not_empty");
    }
    assert_eq!(super::support::names(&used), ["file"]);
    assert_eq!(crew.world.names("teams"), [""; 0]);
}

#[test]
fn an_interrupted_demo_leaves_nobody_running() {
    let crew = Crew::without_tmux();
    let running = crew.world.call(&["demo"]).start();
    until("agents run", || crew.runners().len() == 4);
    running.signal(rustix::process::Signal::INT);
    let ran = running.finish();
    ran.exits(1);
    assert!(ran.stderr.contains("interrupted"), "{ran}");
    until("no agent is left", || crew.runners().is_empty());
}

#[test]
fn a_demo_that_cannot_end_well_says_what_is_left() {
    let crew = Crew::without_tmux();
    let running = crew.world.call(&["demo"]).start();
    until("agents run", || crew.runners().len() == 4);
    let teams = crew.world.json(&["team", "discover"]);
    let team = teams[0]["name"].as_str().expect("a team").to_owned();
    for agent in ["alice", "bob", "carol", "lead"] {
        let ask = ["inbox", "send", &team, agent, "End.", "--type", "shutdown_request"];
        crew.world.run(&ask).succeeds();
    }
    let ran = running.finish();
    ran.exits(1);
    for part in [
        "all agents have ended",
        "Merge the rest and run all tests (blocked, lead)",
        "ended with status 0",
    ] {
        assert!(ran.stderr.contains(part), "not `{part}`\n{ran}");
    }
}
