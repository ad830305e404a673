//! A data directory that Python's ClawTeam wrote.

use serde_json::json;

use crate::support::{World, changes, tree};

#[test]
fn it_can_be_read_and_is_left_as_it_was() {
    let world = World::of_python();
    let before = tree(&world.home());
    let teams = world.json(&["team", "discover"]);
    assert_eq!(json!([teams[0]["name"], teams[1]["name"]]), json!(["atlas", "duo"]));
    assert_eq!(teams[0]["memberCount"], 5);
    let status = world.json(&["team", "status", "atlas"]);
    assert_eq!(status["members"][2]["agentType"], "reviewer");
    assert_eq!(status["members"][3]["alive"], false);
    let tasks = world.json(&["task", "list", "atlas"]);
    let ids: Vec<&str> =
        tasks.as_array().expect("a list").iter().filter_map(|t| t["id"].as_str()).collect();
    assert_eq!(ids, ["38b58333", "21b3cba3", "350bd214", "0e651d0a"]);
    assert_eq!(tasks[3]["subject"], "Überprüfung — 日本語 💥");
    assert_eq!(tasks[0].get("idempotencyKey"), None, "what is null is not shown");
    let task = world.json(&["task", "get", "atlas", "38b58333"]);
    assert_eq!(task["metadata"]["duration_seconds"], 1.57);
    assert_eq!(world.json(&["task", "stats", "atlas"])["avg_duration_seconds"], 1.57);
    assert_eq!(world.json(&["inbox", "peek", "atlas", "-a", "lead"])["count"], 6);
    assert_eq!(world.json(&["inbox", "log", "atlas"])["count"], 11);
    let log = world.json(&["inbox", "log", "atlas", "-a", "lead"]);
    assert!(log["count"].as_u64() > Some(0));
    let board = world.json(&["board", "show", "atlas"]);
    assert_eq!(board["cost"]["totalCostCents"], json!(12.5));
    assert_eq!(board["taskSummary"]["total"], 4);
    assert_eq!(board["team"]["budgetCents"], json!(2000.0));
    assert_eq!(world.json(&["board", "overview"])[0]["pendingMessages"], 9);
    assert_eq!(world.json(&["board", "show", "duo"])["members"][0]["memberKey"], "ana_lead");
    let workspaces = world.json(&["workspace", "list", "atlas"]);
    assert_eq!(workspaces["workspaces"][1]["branch_name"], "clawteam/atlas/dave");
    assert_eq!(world.json(&["config", "get", "timezone"])["value"], "Europe/Berlin");
    let shown = world.run(&["team", "status", "atlas"]);
    assert!(shown.succeeds().stdout.contains("Created: 2026-11-20 20:12:12 CET"), "{shown}");
    for line in [
        &["board", "show", "atlas"][..],
        &["board", "overview"],
        &["board", "update", "atlas"],
        &["task", "list", "atlas"],
        &["task", "ready", "atlas"],
        &["task", "stats", "atlas"],
        &["inbox", "log", "atlas"],
        &["inbox", "peek", "atlas", "-a", "alice"],
        &["workspace", "list", "atlas"],
        &["lifecycle", "check-zombies", "-t", "atlas"],
        &["config", "show"],
        &["identity", "show"],
    ] {
        world.run(line).succeeds();
    }
    world
        .run(&["--json", "workspace", "status", "atlas", "carol"])
        .refuses_with("not_a_repository");
    assert_eq!(changes(&world.home(), &before), [""; 0], "reading changed something");
}

#[test]
fn it_can_be_worked_on() {
    let world = World::of_python();
    let got = world.json(&["inbox", "receive", "atlas", "-a", "alice"]);
    assert_eq!(got.as_array().map(Vec::len), Some(3));
    // Python logs a message under another name than it sends it under.
    assert_eq!(world.json(&["inbox", "log", "atlas"])["count"], 11);
    let log = world.home().join(".clawteam/teams/atlas/events");
    assert_eq!(crate::support::names(&log).len(), 11, "what Python logged was logged again");
    let claimed = world.json_as("bob", &["task", "claim", "atlas"]);
    assert_eq!(claimed["id"], "0e651d0a");
    world.run_as("alice", &["task", "update", "atlas", "21b3cba3", "-s", "completed"]).succeeds();
    assert_eq!(world.json(&["task", "get", "atlas", "350bd214"])["status"], "pending");
    world.run(&["team", "add-member", "atlas", "erin"]).succeeds();
    world.run(&["config", "set", "user", "ana"]).succeeds();
    let sent = world.call(&["--json", "inbox", "send", "duo", "worker", "hi"]).run();
    assert_eq!(sent.succeeds().json()["to"], "worker");
    assert_eq!(
        crate::support::names(&world.home().join(".clawteam/teams/duo/inboxes/ben_worker")).len(),
        1
    );
}
