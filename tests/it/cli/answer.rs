//! Answering tasks: results, artifacts, failures, and attempts that are closed.

use std::fs;

use clawteam::app::task;
use clawteam::core::{TaskId, TeamName};
use clawteam::domain::task::{NewTask, Priority, Status};
use serde_json::{Value, json};

use crate::support::app::{TestClock, app};
use crate::support::{Ran, World};

fn team() -> TeamName {
    TeamName::parse("t").expect("a name")
}

fn id(text: &str) -> TaskId {
    TaskId::parse(text).expect("an identifier")
}

fn new(metadata: Value) -> NewTask {
    let Value::Object(metadata) = metadata else { panic!("not an object: {metadata}") };
    NewTask {
        id: id("unused"),
        subject: "s".into(),
        description: String::new(),
        priority: Priority::Medium,
        owner: String::new(),
        blocks: Vec::new(),
        blocked_by: Vec::new(),
        allow_unknown: false,
        metadata,
    }
}

/// A task that the run `r1` made and that demands `requires`.
fn of_run(world: &World, name: &str, requires: Value) {
    let workflow = json!({"run": "r1", "node": "n", "act": "n#1", "attempt": 1, "key": name,
                          "requires": requires});
    let made = task::create_keyed(
        &app(world, "lead", &TestClock::default()),
        &team(),
        id(name),
        new(json!({ "workflow": workflow })),
    );
    made.expect("it is made");
}

fn json_run(world: &World, line: &[&str]) -> Ran {
    world.run_as("w1", &[&["--json"], line].concat())
}

/// Whether a run of the team was marked. The mark goes when somebody has looked, its place stays.
fn woken(world: &World) -> bool {
    world.data().join("wakes/t/pokes").is_dir()
}

fn forget(world: &World) {
    fs::remove_dir_all(world.data().join("wakes/t/pokes")).expect("the run was woken");
}

#[test]
fn a_result_and_what_was_made_are_kept_with_the_task() {
    let world = World::new();
    world.team(&["w1"]);
    let task = world.task(&["Dig"]);
    world.run_as("w1", &["task", "start", "t", &task]).succeeds();
    let file = world.cwd().join("map.txt");
    fs::write(&file, "x marks it").expect("it can be written");
    let file = file.display().to_string();
    let options = ["--status", "completed", "--result", "dug", "--artifact", &file];
    let done = world.json_as("w1", &[&["task", "update", "t", &task][..], &options].concat());
    assert_eq!((&done["status"], &done["lockedBy"]), (&json!("completed"), &json!("")));
    let metadata = &done["metadata"];
    assert_eq!(metadata["result"]["text"], "dug");
    assert_eq!(
        (&metadata["result"]["by"], &metadata["result"]["bytes"]),
        (&json!("w1"), &json!(3))
    );
    let made = &metadata["artifacts"][0];
    assert_eq!(
        (&made["name"], &made["version"], &made["bytes"]),
        (&json!("map.txt"), &json!(1), &json!(10))
    );
    let got = world.run(&["artifact", "get", "t", "--task", &task, "map.txt"]);
    assert_eq!(got.succeeds().stdout, "x marks it");
    let shown = world.run(&["task", "get", "t", &task]);
    assert!(shown.stdout.contains("  Result: dug\n  Artifact: map.txt, version 1"), "{shown}");
}

#[test]
fn a_long_result_is_kept_as_content_and_read_back_whole() {
    let world = World::new();
    world.team(&["w1"]);
    let task = world.task(&["Write"]);
    let long = "all work and no play\n".repeat(1000);
    let call = ["task", "update", "t", &task, "-s", "completed", "--result-file", "-"];
    world.call(&call).stdin(long.clone()).run().succeeds();
    let result = world.json(&["task", "get", "t", &task])["metadata"]["result"].clone();
    assert!(result.get("text").is_none(), "{result}");
    let digest = result["digest"].as_str().expect("a digest");
    let kept = world.data().join("blobs/sha256").join(&digest[..2]).join(digest);
    assert_eq!(fs::read_to_string(&kept).expect("it is kept"), long);
    assert_eq!(world.json(&["task", "result", "t", &task])["text"], long);
    fs::remove_file(&kept).expect("it can be removed");
    let found = world.run(&["--json", "doctor"]).exits(1).json();
    assert_eq!(found["findings"][0]["code"], "missing_blob");
}

#[test]
fn a_failed_task_is_shown_as_failed_and_can_be_opened_again() {
    let world = World::new();
    world.team(&["w1"]);
    let task = world.task(&["Dig"]);
    world.run_as("w1", &["task", "start", "t", &task]).succeeds();
    world.run_as("w1", &["task", "fail", "t", &task, "--error", "- rock"]).succeeds();
    let file = world.document(&format!("tasks/t/task-{task}.json"));
    assert_eq!((&file["status"], &file["lockedBy"]), (&json!("blocked"), &json!("")));
    assert_eq!(file["metadata"]["failed"]["error"], "- rock");
    for (line, shows) in [
        (&["task", "list", "t"][..], "failed: - rock"),
        (&["task", "get", "t", &task], "Status: failed\n"),
        (&["task", "get", "t", &task], "Reason: - rock"),
        (&["board", "show", "t"], "failed: - rock"),
    ] {
        let ran = world.run(line);
        assert!(ran.succeeds().stdout.contains(shows), "{ran}");
    }
    json_run(&world, &["task", "claim", "t", &task]).refuses_with("task_not_ready");
    json_run(&world, &["task", "claim", "t"]).refuses_with("nothing_ready");
    let told = json_run(&world, &["task", "start", "t", &task]).fails_with(5, "task_failed");
    let hint = told["hint"].as_str().expect("a hint");
    let command = hint.split_once("clawteam ").expect("a command").1;
    world.run(&command.split(' ').collect::<Vec<_>>()).succeeds();
    let open = world.document(&format!("tasks/t/task-{task}.json"));
    assert_eq!((&open["status"], open["metadata"].get("failed")), (&json!("pending"), None));
    assert_eq!(open["metadata"]["history"][0]["failed"]["error"], "- rock");
    world.run_as("w1", &["task", "claim", "t", &task]).succeeds();
    world.run_as("w1", &["task", "update", "t", &task, "-s", "completed"]).succeeds();
    json_run(&world, &["task", "fail", "t", &task, "--error", "x"]).fails_with(5, "task_completed");
}

#[test]
fn what_a_workflow_demands_is_demanded_with_the_command_that_helps() {
    let world = World::new();
    world.team(&["w1"]);
    of_run(&world, "a1", json!({"response": true, "minLength": 5, "artifacts": true}));
    let complete = ["task", "update", "t", "a1", "--status", "completed"];
    let with = |more: &[&str]| json_run(&world, &[&complete[..], more].concat());
    let told = with(&[]).fails_with(5, "response_required");
    let hint = told["hint"].as_str().expect("a hint");
    assert!(hint.contains("clawteam task update t a1 --status completed --result"), "{hint}");
    with(&["--result", "abc "]).fails_with(5, "response_required");
    let told = with(&["--result", "abcde"]).fails_with(5, "artifact_required");
    assert!(
        told["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("t a1 --status completed --artifact"))
    );
    assert_eq!(world.document("tasks/t/task-a1.json")["status"], "pending");
    assert!(world.names("artifacts/t").is_empty(), "a refused answer left something");
    let file = world.cwd().join("f");
    fs::write(&file, "made").expect("it can be written");
    with(&["--result", "abcde", "--artifact", &file.display().to_string()]).exits(0);
    assert_eq!(world.document("tasks/t/task-a1.json")["status"], "completed");
}

#[test]
fn whatever_changes_a_task_of_a_run_wakes_the_run() {
    let world = World::new();
    world.team(&["w1"]);
    for name in ["a1", "a2"] {
        of_run(&world, name, json!({}));
    }
    assert!(!woken(&world), "the run makes its tasks itself");
    for line in [
        &["task", "claim", "t", "a1"][..],
        &["task", "update", "t", "a1", "--status", "pending"],
        &["task", "start", "t", "a1"],
        &["lifecycle", "on-exit", "-t=t", "-n=w1"],
        &["task", "update", "t", "a1", "--status", "completed"],
        &["task", "fail", "t", "a2", "--error", "x"],
    ] {
        world.run_as("w1", line).exits(0);
        assert!(woken(&world), "not by {line:?}");
        forget(&world);
    }
    let plain = world.task(&["plain"]);
    world.run_as("w1", &["task", "claim", "t", &plain]).succeeds();
    assert!(!woken(&world));
    of_run(&world, "a3", json!({}));
    world.run(&["task", "update", "t", "a3", "--add-blocked-by", &plain]).succeeds();
    forget(&world);
    world.run_as("w1", &["task", "update", "t", &plain, "-s", "completed"]).succeeds();
    assert!(woken(&world), "a task of the run was released");
}

#[test]
fn a_closed_task_takes_nothing_more_but_keeps_what_was_said() {
    let world = World::new();
    world.team(&["w1"]);
    of_run(&world, "a1", json!({}));
    world.run_as("w1", &["task", "start", "t", "a1"]).succeeds();
    let app = app(&world, "lead", &TestClock::default());
    task::close(&app, &team(), &id("a1"), "it took too long").expect("it is closed");
    let closed = world.document("tasks/t/task-a1.json");
    assert_eq!((&closed["status"], &closed["lockedBy"]), (&json!("blocked"), &json!("")));
    task::close(&app, &team(), &id("a1"), "again").expect("closing twice is fine");
    assert_eq!(world.document("tasks/t/task-a1.json"), closed);
    task::close(&app, &team(), &id("nowhere"), "x").expect("what does not exist is fine");

    for line in [
        &["task", "update", "t", "a1", "-s", "completed", "--result", "at last"][..],
        &["task", "fail", "t", "a1", "--error", "no way"],
        &["task", "start", "t", "a1"],
        &["task", "claim", "t", "a1"],
        &["task", "update", "t", "a1", "--subject", "else"],
    ] {
        let told = json_run(&world, line).fails_with(5, "attempt_closed");
        assert_eq!(told["error"], "Task 'a1' is closed: it took too long");
    }
    let after = world.document("tasks/t/task-a1.json");
    let late = after["metadata"]["lateResults"].as_array().expect("a list");
    let said: Vec<_> = late.iter().map(|one| (&one["wanted"], &one["text"], &one["by"])).collect();
    let (w1, at_last, no_way) = (json!("w1"), json!("at last"), json!("no way"));
    assert_eq!(said, [(&json!("completed"), &at_last, &w1), (&json!("failed"), &no_way, &w1)]);
    assert_eq!((&after["status"], &after["subject"]), (&json!("blocked"), &json!("s")));
    let shown = world.run(&["task", "get", "t", "a1"]);
    assert!(shown.stdout.contains("Status: closed\n"), "{shown}");
    // Whoever waits for the tasks does not wait for this one.
    let waited = world.run(&["task", "wait", "t", "--timeout", "30"]);
    assert!(waited.succeeds().stdout.contains("0 of 1 tasks completed"), "{waited}");
}

#[test]
fn a_task_is_made_once_for_its_key() {
    let world = World::new();
    world.team(&["w1"]);
    of_run(&world, "a1", json!({}));
    world.run_as("w1", &["task", "update", "t", "a1", "-s", "completed"]).succeeds();
    let app = app(&world, "lead", &TestClock::default());
    let keyed = |key: &str| json!({"workflow": {"run": "r1", "key": key}});
    let again = task::create_keyed(&app, &team(), id("a1"), new(keyed("a1"))).expect("it is ours");
    assert_eq!((again.status, &again.id[..]), (Status::Completed, "a1"));
    for other in [keyed("a2"), json!({})] {
        let refused = task::create_keyed(&app, &team(), id("a1"), new(other));
        assert_eq!(refused.expect_err("it is another's").inner().code(), "task_id_taken");
    }
    let made = std::thread::scope(|scope| {
        let make = || task::create_keyed(&app, &team(), id("b1"), new(keyed("b1")));
        let all: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        all.into_iter()
            .filter(|_| true)
            .map(|one| one.join().expect("no panic"))
            .collect::<Vec<_>>()
    });
    let made: Vec<_> = made.into_iter().map(|one| one.expect("made or found")).collect();
    assert!(made.iter().all(|task| *task == made[0]), "{made:?}");
}
