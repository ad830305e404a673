//! `clawteam task`.

use serde_json::{Value, json};

use crate::support::{World, keys};

const KEYS: &str = "id subject description status priority owner lockedBy lockedAt blocks \
                    blockedBy startedAt createdAt updatedAt metadata";

fn subjects(tasks: &Value) -> Vec<&str> {
    tasks.as_array().expect("a list").iter().filter_map(|task| task["subject"].as_str()).collect()
}

#[test]
fn create_plans_a_task() {
    let world = World::new();
    world.team(&["w1"]);
    let options = ["-o", "w1", "-p", "high", "-d", "at length"];
    let made = world.json(&[&["task", "create", "t", "A"][..], &options].concat());
    assert_eq!(keys(&made), KEYS);
    assert_eq!(
        (&made["subject"], &made["owner"], &made["priority"]),
        (&json!("A"), &json!("w1"), &json!("high"))
    );
    assert_eq!((&made["status"], &made["description"]), (&json!("pending"), &json!("at length")));
    let id = made["id"].as_str().expect("text");
    assert_eq!(id.len(), 8);
    let file = world.document(&format!("tasks/t/task-{id}.json"));
    assert_eq!(keys(&file), format!("{KEYS} idempotencyKey"));
    assert_eq!(file["idempotencyKey"], Value::Null);

    let waits = world.json(&["task", "create", "t", "B", "--blocked-by", id, "--blocks", "x, y,"]);
    assert_eq!((&waits["status"], &waits["blocks"]), (&json!("blocked"), &json!(["x", "y"])));
    assert_eq!(waits["blockedBy"], json!([id]));
    world.run(&["task", "create", "t", "[/etc/passwd] :bug: [red]", "--agent", "w1"]).shows(
        "
OK Task created: xxxxxxxx
  Subject: [/etc/passwd] :bug: [red]
  Status: pending
  Priority: medium
  Owner: w1",
    );
    world.run(&["task", "create", "t", ""]).succeeds();
    world.run(&["task", "create", "nope", "x"]).warns("Team 'nope' not found");
}

#[test]
fn create_refuses_what_cannot_be() {
    let world = World::new();
    world.team(&[]);
    world
        .run(&["task", "create", "t", "x", "-p", "bogus"])
        .refuses("'bogus' is not a valid TaskPriority");
    world
        .run(&["--json", "task", "create", "t", "x", "-p", "High"])
        .refuses_with("unknown_priority");
    let told = world.run(&["--json", "task", "create", "t", "x", "--blocked-by", "no1,no2"]);
    let told = told.refuses_with("unknown_blocker");
    assert!(told["hint"].as_str().expect("a hint").contains("--allow-unknown"));
    assert_eq!(world.json(&["task", "list", "t"]), json!([]));
    let waits = world.json(&["task", "create", "t", "x", "--blocked-by", "no1", "--allow-unknown"]);
    assert_eq!((&waits["status"], &waits["blockedBy"]), (&json!("blocked"), &json!(["no1"])));
    world.run(&["task", "create", "t"]).is_misused();
}

#[test]
fn a_blocker_that_is_done_does_not_block() {
    let world = World::new();
    world.team(&[]);
    let done = world.task(&["done"]);
    world.run(&["task", "update", "t", &done, "-s", "completed"]).succeeds();
    let made = world.json(&["task", "create", "t", "x", "--blocked-by", &done]);
    assert_eq!((&made["status"], &made["blockedBy"]), (&json!("pending"), &json!([])));
}

#[test]
fn get_tells_all_of_a_task() {
    let world = World::new();
    world.team(&["w1"]);
    let first = world.task(&["first"]);
    let id = world.task(&["second", "-d", "two\nlines", "--blocked-by", &first, "--blocks", "z"]);
    assert_eq!(keys(&world.json(&["task", "get", "t", &id])), KEYS);
    world.run_as("w1", &["task", "update", "t", &id, "-s", "in_progress"]).succeeds();
    world.run(&["task", "get", "t", &id]).shows(
        "
Task: xxxxxxxx
  Subject: second
  Status: in_progress
  Priority: medium
  Owner: w1
  Locked by: w1 (since 0000-00-00T00:00:00)
  Description: two
lines
  Blocks: z
  Blocked by: xxxxxxxx",
    );
    world.run(&["task", "get", "t", "none"]).refuses("Task 'none' not found");
    world.run(&["--json", "task", "get", "t", "none"]).refuses_with("task_not_found");
    world.run(&["--json", "task", "get", "nope", "none"]).refuses_with("task_not_found");
    assert!(!world.data().join("tasks/nope").exists(), "looking made a directory");
}

#[test]
fn update_changes_what_was_named_and_nothing_else() {
    let world = World::new();
    world.team(&["w1"]);
    let id = world.task(&["A", "-o", "w1"]);
    let change = ["--subject", "A2", "-d", "long", "-p", "urgent", "--add-blocks", "x,x,y"];
    let changed = world.json(&[&["task", "update", "t", &id][..], &change].concat());
    assert_eq!(keys(&changed), KEYS);
    let told = json!([
        changed["subject"],
        changed["description"],
        changed["priority"],
        changed["blocks"],
        changed["owner"]
    ]);
    assert_eq!(told, json!(["A2", "long", "urgent", ["x", "y"], "w1"]));
    let freed = world.json(&["task", "update", "t", &id, "--owner", ""]);
    assert_eq!((&freed["owner"], &freed["subject"]), (&json!(""), &json!("A2")));
    world.run(&["task", "update", "t", &id]).shows("OK Task xxxxxxxx updated");
    assert!(
        world.json(&["task", "get", "t", &id])["updatedAt"].as_str() > freed["updatedAt"].as_str()
    );
    for word in ["bogus", "in-progress", "PENDING", ""] {
        world
            .run(&["--json", "task", "update", "t", &id, "-s", word])
            .refuses_with("unknown_status");
        world
            .run(&["--json", "task", "update", "t", &id, "-p", word])
            .refuses_with("unknown_priority");
    }
    world.run(&["--json", "task", "update", "t", "none"]).refuses_with("task_not_found");
    world.run(&["--json", "task", "update", "nope", "none"]).refuses_with("task_not_found");
    assert!(!world.data().join("tasks/nope").exists());
}

#[test]
fn a_task_goes_through_its_life() {
    let world = World::new();
    world.team(&["w1", "w2"]);
    let (a, b) = (world.task(&["A"]), world.task(&["B"]));
    let c = world.task(&["C", "--blocked-by", &format!("{a},{b}")]);
    let begun = world.json_as("w1", &["task", "update", "t", &a, "-s", "in_progress"]);
    assert_eq!((&begun["lockedBy"], &begun["owner"]), (&json!("w1"), &json!("w1")));
    assert!(!begun["startedAt"].as_str().expect("text").is_empty());
    let taken = world.run_as("w2", &["--json", "task", "update", "t", &a, "-s", "in_progress"]);
    let told = taken.refuses_with("task_locked");
    let locked_at = begun["lockedAt"].as_str().expect("text");
    assert_eq!(
        told["error"],
        format!("Task '{a}' is locked by 'w1' (since {locked_at}). Use --force to override.")
    );
    let forced = world.json_as("w2", &["task", "update", "t", &a, "-s", "in_progress", "--force"]);
    assert_eq!((&forced["lockedBy"], &forced["owner"]), (&json!("w2"), &json!("w1")));
    let done = world.json_as("w2", &["task", "update", "t", &a, "-s", "completed"]);
    assert_eq!((&done["lockedBy"], &done["lockedAt"]), (&json!(""), &json!("")));
    assert!(done["metadata"]["duration_seconds"].is_f64());
    let waits = world.json(&["task", "get", "t", &c]);
    assert_eq!((&waits["status"], &waits["blockedBy"]), (&json!("blocked"), &json!([b])));
    world.run(&["task", "update", "t", &b, "-s", "completed"]).succeeds();
    let released = world.json(&["task", "get", "t", &c]);
    assert_eq!((&released["status"], &released["blockedBy"]), (&json!("pending"), &json!([])));
}

#[test]
fn cycles_are_refused_and_named() {
    let world = World::new();
    world.team(&[]);
    let a = world.task(&["A"]);
    let b = world.task(&["B", "--blocked-by", &a]);
    let c = world.task(&["C", "--blocked-by", &b]);
    let told = world.run(&[
        "--json",
        "task",
        "update",
        "t",
        &a,
        "--add-blocked-by",
        &c,
        "-s",
        "completed",
    ]);
    let told = told.refuses_with("dependency_cycle");
    assert_eq!(
        told["error"],
        format!("Task dependencies cannot contain cycles: {a} -> {c} -> {b} -> {a}")
    );
    assert_eq!(world.json(&["task", "get", "t", &a])["status"], "pending", "half of it was done");
    let told = world.run(&["--json", "task", "update", "t", &a, "--add-blocked-by", &a]);
    told.refuses_with("blocked_by_itself");
    world
        .run(&["--json", "task", "update", "t", &a, "--add-blocked-by", "x"])
        .refuses_with("unknown_blocker");
}

#[test]
fn lists_are_in_order_of_creation_and_can_be_narrowed() {
    let world = World::new();
    world.team(&[]);
    world.run(&["task", "list", "t"]).shows("No tasks found");
    let ids: Vec<String> = ["low", "urgent", "medium", "high", "urgent"]
        .iter()
        .enumerate()
        .map(|(n, priority)| world.task(&[&format!("{n} {priority}"), "-p", priority]))
        .collect();
    world.run_as("w1", &["task", "update", "t", &ids[2], "-s", "in_progress"]).succeeds();
    let all = world.json(&["task", "list", "t"]);
    assert_eq!(subjects(&all), ["0 low", "1 urgent", "2 medium", "3 high", "4 urgent"]);
    let sorted = world.json(&["task", "list", "t", "--sort-priority"]);
    assert_eq!(subjects(&sorted), ["1 urgent", "4 urgent", "3 high", "2 medium", "0 low"]);
    let narrowed = world.json(&["task", "list", "t", "-p", "urgent", "-s", "pending"]);
    assert_eq!(subjects(&narrowed), ["1 urgent", "4 urgent"]);
    assert_eq!(subjects(&world.json(&["task", "list", "t", "-o", "w1"])), ["2 medium"]);
    assert_eq!(subjects(&world.json(&["task", "list", "t", "--agent", ""])).len(), 5);
    world.run(&["--json", "task", "list", "t", "-s", "bogus"]).refuses_with("unknown_status");
    world.run(&["--json", "task", "list", "t", "-p", "bogus"]).refuses_with("unknown_priority");
    world.run(&["task", "list", "t", "-s", "in_progress"]).shows(
        "
                                 Tasks - t
┏━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━┳━━━━━━┳━━━━━━━━━━━━┓
┃ ID       ┃ Subject  ┃ Status      ┃ Priority ┃ Owner ┃ Lock ┃ Blocked By ┃
┡━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━╇━━━━━━╇━━━━━━━━━━━━┩
│ xxxxxxxx │ 2 medium │ in_progress │ medium   │ w1    │ w1   │            │
└──────────┴──────────┴─────────────┴──────────┴───────┴──────┴────────────┘",
    );
    let nowhere = world.run(&["--json", "task", "list", "nope"]);
    assert_eq!(nowhere.warns("'nope' not found").json(), json!([]));
    assert!(!world.data().join("tasks/nope").exists());
}

#[test]
fn the_best_ready_task_is_claimed_next() {
    let world = World::new();
    world.team(&["w1", "w2"]);
    world.run_as("w1", &["--json", "task", "claim", "t"]).refuses_with("nothing_ready");
    let old = world.task(&["old"]);
    let urgent = world.task(&["urgent", "-p", "urgent"]);
    let mine = world.task(&["of w2", "-p", "urgent", "-o", "w2"]);
    let waits = world.task(&["waits", "-p", "urgent", "--blocked-by", &old]);
    let ready = world.json(&["task", "ready", "t", "-a", "w1"]);
    assert_eq!(subjects(&ready), ["urgent", "old"]);
    assert_eq!(subjects(&world.json_as("w2", &["task", "ready", "t"])), ["urgent", "of w2", "old"]);
    let claimed = world.json_as("w1", &["task", "claim", "t", "next"]);
    assert_eq!((&claimed["id"], &claimed["status"]), (&json!(urgent), &json!("in_progress")));
    assert_eq!((&claimed["owner"], &claimed["lockedBy"]), (&json!("w1"), &json!("w1")));
    world.run_as("w1", &["--json", "task", "claim", "t", &mine]).refuses_with("task_not_ready");
    world.run_as("w1", &["--json", "task", "claim", "t", &waits]).refuses_with("task_not_ready");
    world.run_as("w1", &["--json", "task", "claim", "t", &urgent]).refuses_with("task_not_ready");
    world.run_as("w1", &["--json", "task", "claim", "t", "none"]).refuses_with("task_not_found");
    let text = world.run(&["task", "claim", "t", &mine, "-a", "w2"]);
    assert!(text.succeeds().stdout.starts_with("OK Claimed\nTask: "), "{text}");
    world.run_as("w1", &["task", "claim", "t"]).succeeds();
    world.run(&["task", "ready", "t"]).shows("No task is ready");
    world.run(&["task", "claim", "t"]).refuses("No task is ready in team 't'");
}

#[test]
fn stats_count() {
    let world = World::new();
    world.team(&[]);
    let ids = [world.task(&["a"]), world.task(&["b"]), world.task(&["c"])];
    world.task(&["d", "--blocked-by", &ids[0]]);
    let empty = world.json(&["task", "stats", "t"]);
    assert_eq!(
        keys(&empty),
        "total completed in_progress pending blocked timed_completed avg_duration_seconds"
    );
    assert_eq!(empty["avg_duration_seconds"], json!(0.0));
    for status in ["in_progress", "completed"] {
        world.run(&["task", "update", "t", &ids[1], "-s", status]).succeeds();
    }
    let stats = world.json(&["task", "stats", "t"]);
    assert_eq!(
        (&stats["total"], &stats["completed"], &stats["timed_completed"]),
        (&json!(4), &json!(1), &json!(1))
    );
    assert!(stats["avg_duration_seconds"].is_f64());
    let text = world.run(&["task", "stats", "t"]);
    for row in [
        "Total tasks",
        "Completed",
        "In progress",
        "Pending",
        "Blocked",
        "With timing data",
        "Avg completion time",
    ] {
        assert!(text.succeeds().stdout.contains(&format!("│ {row} ")), "{text}");
    }
}

#[test]
fn what_a_task_holds_besides_survives_every_change() {
    let world = World::new();
    world.team(&["w1"]);
    let a = world.task(&["A"]);
    let b = world.task(&["B", "--blocked-by", &a]);
    for id in [&a, &b] {
        let path = format!("tasks/t/task-{id}.json");
        let mut task = world.document(&path);
        task["future"] = json!({"x": [null, {"y": 1}]});
        task["metadata"]["note"] = json!("kept");
        world.put(&path, task.to_string());
    }
    world.run_as("w1", &["task", "claim", "t", &a]).succeeds();
    world.run_as("w1", &["task", "update", "t", &a, "-s", "completed"]).succeeds();
    for (id, status) in [(&a, "completed"), (&b, "pending")] {
        let task = world.document(&format!("tasks/t/task-{id}.json"));
        assert_eq!(task["status"], *status);
        assert_eq!(task["future"], json!({"x": [null, {"y": 1}]}));
        assert_eq!(task["metadata"]["note"], "kept");
    }
}

/// A long list is put together from parts.
#[test]
fn a_long_list_is_one_document_like_a_short_one() {
    let world = World::new();
    for number in 0..600 {
        let task = format!(r#"{{"subject": "task {number}", "createdAt": "{number:04}"}}"#);
        world.put(&format!("tasks/t/task-{number}.json"), task);
    }
    let ran = world.run(&["--json", "task", "list", "t"]);
    let tasks = ran.exits(0).json();
    let subjects: Vec<&str> = tasks
        .as_array()
        .expect("a list")
        .iter()
        .map(|task| task["subject"].as_str().expect("a subject"))
        .collect();
    let expected: Vec<String> = (0..600).map(|number| format!("task {number}")).collect();
    assert_eq!(subjects, expected);
    let pretty = serde_json::to_string_pretty(&tasks).expect("JSON");
    assert_eq!(ran.stdout, format!("{pretty}\n"));
}
