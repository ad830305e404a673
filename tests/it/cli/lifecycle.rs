//! `clawteam lifecycle`.

use serde_json::{Value, json};

use crate::support::{World, keys};

#[test]
fn idle_tells_the_leader() {
    let world = World::new();
    world.team(&["w1"]);
    let call = world.call(&[
        "--json",
        "lifecycle",
        "idle",
        "t",
        "--last-task",
        "x",
        "--task-status",
        "completed",
    ]);
    let sent = call.env("CLAWTEAM_AGENT_NAME", "w1").env("CLAWTEAM_AGENT_ID", "id1").run();
    assert_eq!(
        sent.succeeds().json(),
        json!({"status": "idle_sent", "agent": "w1", "leader": "lead"})
    );
    let got = world.json(&["inbox", "receive", "t", "-a", "lead"]);
    assert_eq!(keys(&got[0]), "type from to requestId timestamp agentId lastTask status");
    assert_eq!((&got[0]["type"], &got[0]["agentId"]), (&json!("idle"), &json!("id1")));
    world
        .run(&["lifecycle", "idle", "t", "--agent", "w1"])
        .shows("OK Idle notification sent to 'lead'");
    world.run(&["lifecycle", "idle", "nope"]).refuses("No leader found");
    world.run(&["--json", "lifecycle", "idle", "nope"]).refuses_with("no_leader");
    assert!(!world.data().join("teams/nope").exists());
}

#[test]
fn on_exit_gives_back_what_was_not_finished() {
    let world = World::new();
    world.team(&["w1"]);
    world.run(&["--json", "lifecycle", "on-exit", "-t", "t", "-n", "w1"]).shows("");
    let (a, b) = (world.task(&["A"]), world.task(&["B"]));
    world.run_as("w1", &["task", "update", "t", &a, "-s", "in_progress"]).succeeds();
    world.run_as("w1", &["task", "update", "t", &b, "-s", "in_progress"]).succeeds();
    world.run_as("w1", &["task", "update", "t", &b, "-s", "completed"]).succeeds();
    let exited = world.json(&["lifecycle", "on-exit", "--team", "t", "--agent", "w1"]);
    assert_eq!(
        exited,
        json!({"status": "agent_exited", "agent": "w1", "abandoned_tasks": [{"id": a, "subject": "A"}]})
    );
    let task = world.json(&["task", "get", "t", &a]);
    assert_eq!(
        (&task["status"], &task["lockedBy"], &task["owner"]),
        (&json!("pending"), &json!(""), &json!("w1"))
    );
    let told = world.json(&["inbox", "receive", "t", "-a", "lead"]);
    assert_eq!(
        told[0]["content"],
        "Agent 'w1' exited unexpectedly. Reset 1 task(s) to pending: A."
    );
    let journal = std::fs::read_to_string(world.data().join("harness/t/exit-journal.jsonl"));
    let journal = journal.expect("it was written");
    let lines: Vec<Value> =
        journal.lines().map(|line| serde_json::from_str(line).expect("a document")).collect();
    assert_eq!(keys(&lines[1]), "agent_name exit_code abandoned_tasks timestamp");
    assert_eq!(lines[1]["abandoned_tasks"], json!([a]));
    world.run_as("w1", &["task", "update", "t", &a, "-s", "in_progress"]).succeeds();
    world
        .run(&["lifecycle", "on-exit", "-t", "t", "-n", "w1"])
        .shows("Agent 'w1' exited. Reset 1 task(s) to pending.");
    world.run(&["lifecycle", "on-exit", "-t", "t"]).is_misused();
    world.run(&["lifecycle", "on-exit", "-t", "nope", "-n", "w1"]).exits(0);
    assert!(!world.data().join("harness/nope").exists());
}

#[test]
fn an_agent_is_no_zombie_for_being_old() {
    let world = World::new();
    world.team(&[]);
    assert_eq!(
        world.json(&["lifecycle", "check-zombies", "-t", "t"]),
        json!({"team": "t", "zombies": []})
    );
    world
        .run(&["lifecycle", "check-zombies", "--team", "t"])
        .shows("✓ No zombie agents detected for team 't'");
    let own = std::process::id();
    let entry = |pid: u32, since: f64| {
        json!({"backend": "subprocess", "tmux_target": "", "block_id": "", "pid": pid,
               "command": ["x"], "spawned_at": since})
    };
    let registry = json!({
        "old": entry(own, 1_700_000_000.0), "dead": entry(u32::MAX / 2, 1_700_000_000.0),
        "unknown": entry(own, 0.0),
    });
    world.put("teams/t/spawn_registry.json", registry.to_string());
    assert_eq!(
        world.json(&["lifecycle", "check-zombies", "-t", "t", "--max-hours", "0"]),
        json!({"team": "t", "zombies": []})
    );
    world.run(&["lifecycle", "check-zombies", "-t", "t", "--max-hours", "1e9"]).succeeds();
    world.run(&["lifecycle", "check-zombies", "-t", "t", "--max-hours", "x"]).is_misused();
}
