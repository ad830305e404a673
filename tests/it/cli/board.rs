//! `clawteam board`.

use serde_json::{Value, json};

use crate::support::{World, changes, keys, tree};

/// A team with a bit of everything.
fn busy() -> World {
    let world = World::new();
    world.run(&["team", "spawn-team", "t", "-d", "What for [x]", "-n", "lead"]).succeeds();
    world.run(&["team", "add-member", "t", "w1"]).succeeds();
    let done = world.task(&["done"]);
    let begun = world.task(&["begun :bug:"]);
    world.task(&["waits", "--blocked-by", &begun]);
    world.run_as("w1", &["task", "update", "t", &done, "-s", "completed"]).succeeds();
    world.run_as("w1", &["task", "update", "t", &begun, "-s", "in_progress"]).succeeds();
    world.run(&["inbox", "send", "t", "w1", "hello", "-f", "lead"]).succeeds();
    world.run(&["inbox", "broadcast", "t", "all", "-f", "lead"]).succeeds();
    world
}

fn cost(world: &World, name: &str, agent: &str, cents: f64) {
    let report =
        json!({"agentName": agent, "inputTokens": 10, "outputTokens": 5, "costCents": cents});
    world.put(&format!("costs/t/cost-{name}.json"), report.to_string());
}

#[test]
fn show_has_the_keys_that_faces_rely_on() {
    let world = busy();
    cost(&world, "1", "w1", 12.5);
    cost(&world, "2", "w1", 7.5);
    world.put("costs/t/summary.json", "{\"totalCostCents\": 99}");
    let before = tree(&world.top());
    let board = world.json(&["board", "show", "t"]);
    assert_eq!(changes(&world.top(), &before), [""; 0], "looking changed something");
    assert_eq!(keys(&board), "team members tasks taskSummary messages cost conflicts");
    assert_eq!(
        keys(&board["team"]),
        "name description leadAgentId leaderName createdAt budgetCents"
    );
    assert_eq!(
        keys(&board["members"][0]),
        "name agentId agentType joinedAt memberKey inboxName inboxCount alive state"
    );
    assert_eq!(
        json!([board["members"][1]["inboxCount"], board["members"][1]["alive"]]),
        json!([2, null])
    );
    assert_eq!(keys(&board["tasks"]), "pending in_progress completed blocked");
    assert_eq!(keys(&board["taskSummary"]), "pending in_progress completed blocked total");
    assert_eq!(board["taskSummary"]["total"], 3);
    assert_eq!(board["tasks"]["in_progress"][0]["subject"], "begun :bug:");
    assert_eq!(
        keys(&board["messages"][0]),
        "type from to content timestamp fromKey fromLabel toKey toLabel isBroadcast"
    );
    assert_eq!(
        json!([board["messages"][0]["content"], board["messages"][0]["isBroadcast"]]),
        json!(["all", true])
    );
    assert_eq!(board["messages"][1]["content"], "hello", "the newest first");
    assert_eq!(
        board["cost"],
        json!({"totalCostCents": 20.0, "totalInputTokens": 20, "totalOutputTokens": 10,
               "eventCount": 2, "byAgent": {"w1": 20.0}})
    );
    assert_eq!(board["conflicts"], json!({}));
}

#[test]
fn show_draws_the_team() {
    let world = busy();
    cost(&world, "1", "w1", 250.0);
    world.run(&["board", "show", "t"]).shows(
        "
╭────────────────────────────────── Team: t ───────────────────────────────────╮
│ What for [x]                                                                 │
│ Leader: lead  |  Members: 2  |  Created: 0000-00-00T00:00:00  |  Cost: $2.50 │
╰──────────────────────────────────────────────────────────────────────────────╯
                             Members
┏━━━━━━┳━━━━━━━━━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━┓
┃ Name ┃ Type            ┃ State   ┃ Joined              ┃ Inbox ┃
┡━━━━━━╇━━━━━━━━━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━┩
│ lead │ leader          │ unknown │ 0000-00-00T00:00:00 │     0 │
│ w1   │ general-purpose │ unknown │ 0000-00-00T00:00:00 │     2 │
└──────┴─────────────────┴─────────┴─────────────────────┴───────┘
╭──────────────────────────── Task Board (3 total) ────────────────────────────╮
│ ╭─────────── PENDING (0) ───────────╮  ╭───────── IN PROGRESS (1) ─────────╮ │
│ │   (none)                          │  │ #xxxxxxxx begun :bug:             │ │
│ ╰───────────────────────────────────╯  │   owner: w1                       │ │
│                                        │   locked by: w1                   │ │
│                                        ╰───────────────────────────────────╯ │
│ ╭────────── COMPLETED (1) ──────────╮  ╭─────────── BLOCKED (1) ───────────╮ │
│ │ #xxxxxxxx done                    │  │ #xxxxxxxx waits                   │ │
│ │   owner: -                        │  │   owner: -                        │ │
│ ╰───────────────────────────────────╯  │   blocked by: xxxxxxxx            │ │
│                                        ╰───────────────────────────────────╯ │
╰──────────────────────────────────────────────────────────────────────────────╯",
    );
    for columns in ["20", "40", "50", "200", "nonsense", "0"] {
        let ran = world.call(&["board", "show", "t"]).env("COLUMNS", columns).run();
        assert!(ran.succeeds().stdout.contains("begun"), "{ran}");
    }
    world.run(&["team", "add-member", "t", "hostile"]).succeeds();
    world.task(&[&format!("[/etc] \u{1b}[2J {} 日本語", "long ".repeat(50))]);
    let ran = world.run(&["board", "show", "t"]);
    assert!(
        !ran.succeeds().stdout.contains('\u{1b}') && ran.stdout.contains("[/etc] \\x1b[2J"),
        "{ran}"
    );
}

#[test]
fn show_tells_who_runs_and_who_belongs_to_whom() {
    let world = busy();
    world.call(&["team", "add-member", "t", "w2"]).env("CLAWTEAM_USER", "bob").run().succeeds();
    let entry = |pid: u32| json!({"backend": "subprocess", "pid": pid, "command": ["x"]});
    let registry = json!({"w1": entry(std::process::id()), "w2": entry(u32::MAX / 2)});
    world.put("teams/t/spawn_registry.json", registry.to_string());
    let board = world.json(&["board", "show", "t"]);
    let alive: Vec<&Value> =
        board["members"].as_array().expect("a list").iter().map(|m| &m["alive"]).collect();
    assert_eq!(alive, [&json!(null), &json!(true), &json!(false)]);
    assert_eq!(
        json!([board["members"][2]["memberKey"], board["members"][2]["user"]]),
        json!(["bob_w2", "bob"])
    );
    let text = world.run(&["board", "show", "t"]);
    assert!(text.succeeds().stdout.contains("┃ Name ┃ User ┃ Type "), "{text}");
}

#[test]
fn overview_tells_of_all_teams() {
    let world = World::new();
    world.run(&["board", "overview"]).shows("No teams found");
    assert_eq!(world.json(&["board", "overview"]), json!([]));
    assert!(!world.data().exists());
    let world = busy();
    world.run(&["team", "spawn-team", "a"]).succeeds();
    let teams = world.json(&["board", "overview"]);
    assert_eq!(keys(&teams[0]), "name description leader members tasks pendingMessages");
    assert_eq!(
        teams[1],
        json!({"name": "t", "description": "What for [x]", "leader": "lead", "members": 2,
               "tasks": 3, "pendingMessages": 2})
    );
    world.run(&["board", "overview"]).shows(
        "
                  Team Overview
┏━━━━━━┳━━━━━━━━┳━━━━━━━━━┳━━━━━━━┳━━━━━━━━━━━━━━┓
┃ Team ┃ Leader ┃ Members ┃ Tasks ┃ Pending Msgs ┃
┡━━━━━━╇━━━━━━━━╇━━━━━━━━━╇━━━━━━━╇━━━━━━━━━━━━━━┩
│ a    │ leader │       1 │     0 │            0 │
│ t    │ lead   │       2 │     3 │            2 │
└──────┴────────┴─────────┴───────┴──────────────┘",
    );
}

#[test]
fn update_has_nothing_to_do() {
    let world = busy();
    let before = tree(&world.top());
    assert_eq!(
        world.json(&["board", "update", "t"]),
        json!({"status": "up_to_date", "team": "t", "agent": null,
               "note": "Board state is derived automatically from task and inbox updates."})
    );
    assert_eq!(world.json(&["board", "update", "t", "-a", "w1"])["agent"], "w1");
    let text = world.run(&["board", "update", "t"]);
    assert!(text.succeeds().stdout.starts_with("OK Board state is already derived automatically"));
    assert_eq!(changes(&world.top(), &before), [""; 0]);
    for verb in ["show", "update", "live"] {
        world.run(&["board", verb, "nope"]).refuses("Team 'nope' not found");
        world.run(&["--json", "board", verb, "nope"]).refuses_with("team_not_found");
    }
}

#[test]
fn attach_needs_windows() {
    let world = busy();
    let told = world.run(&["board", "attach", "t"]);
    told.refuses("tmux session 'clawteam-t' not found. No agents spawned for team 't'?");
    world.run(&["--json", "board", "attach", "t"]).refuses_with("session_missing");
    let without = world.call(&["--json", "board", "attach", "t"]).env("PATH", "/nowhere").run();
    without.refuses_with("tmux_missing");
}
