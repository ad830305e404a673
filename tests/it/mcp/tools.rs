//! Each tool's round trip.

use serde_json::{Value, json};

use super::client::Client;
use crate::support::{World, keys};

/// The fields of an answer, in order.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn teams_are_made_and_shown() {
    let world = World::new();
    let mut client = Client::new(&world);
    assert_eq!(client.tool("team_list", json!({})), json!([]));
    let made = client.tool(
        "team_create",
        json!({
            "team_name": "t", "leader_name": "lead", "leader_id": "id1", "description": "d",
            "leader_agent_type": "boss"
        }),
    );
    assert_eq!(
        fields(&made),
        ["name", "description", "leadAgentId", "createdAt", "members", "budgetCents"]
    );
    assert_eq!(
        (&made["leadAgentId"], &made["members"][0]["agentType"]),
        (&json!("id1"), &json!("boss"))
    );
    let (code, _) = client
        .refused("team_create", json!({"team_name": "t", "leader_name": "x", "leader_id": "y"}));
    assert_eq!(code, "team_exists");
    let member = client.tool(
        "team_member_add",
        json!({"team_name": "t", "member_name": "w", "agent_id": "id2", "user": "ann"}),
    );
    assert_eq!(fields(&member), ["name", "user", "agentId", "agentType", "joinedAt", "modelName"]);
    assert_eq!((&member["user"], &member["agentType"]), (&json!("ann"), &json!("general-purpose")));
    let team = client.tool("team_get", json!({"team_name": "t"}));
    assert_eq!(team["members"][1], member);
    assert_eq!(client.tool("team_members_list", json!({"team_name": "t"})), team["members"]);
    assert_eq!(
        client.tool("team_list", json!({})),
        json!([{"name": "t", "description": "d", "leadAgentId": "id1", "memberCount": 2}])
    );
}

#[test]
fn tasks_are_made_and_changed() {
    let world = World::new();
    world.team(&["w"]);
    let mut client = Client::new(&world);
    let one = client
        .tool("task_create", json!({"team_name": "t", "subject": "one", "metadata": {"note": 1}}));
    assert_eq!(
        fields(&one),
        [
            "id",
            "subject",
            "description",
            "status",
            "priority",
            "owner",
            "lockedBy",
            "lockedAt",
            "blocks",
            "blockedBy",
            "startedAt",
            "createdAt",
            "updatedAt",
            "metadata"
        ]
    );
    let id = one["id"].clone();
    let two = client.tool(
        "task_create",
        json!({
            "team_name": "t", "subject": "two", "priority": "urgent", "owner": "w",
            "description": "d", "blocked_by": [id]
        }),
    );
    assert_eq!((&two["status"], &two["blockedBy"]), (&json!("blocked"), &json!([id])));
    let started = client.tool(
        "task_update",
        json!({
            "team_name": "t", "task_id": id, "status": "in_progress", "caller": "lead",
            "metadata": {"more": true}, "owner": "lead"
        }),
    );
    assert_eq!((&started["lockedBy"], &started["owner"]), (&json!("lead"), &json!("lead")));
    assert_eq!(started["metadata"], json!({"note": 1, "more": true}));
    let (code, text) = client.refused(
        "task_update",
        json!({"team_name": "t", "task_id": id, "status": "in_progress", "caller": "w"}),
    );
    assert!(code == "task_locked" && text.starts_with("Task "), "{code} {text}");
    client.tool(
        "task_update",
        json!({"team_name": "t", "task_id": id, "status": "in_progress", "caller": "w", "force": true}),
    );
    client.tool("task_update", json!({"team_name": "t", "task_id": id, "status": "completed"}));
    let get = json!({"team_name": "t", "task_id": two["id"]});
    assert_eq!(client.tool("task_get", get)["status"], "pending");
}

#[test]
fn tasks_are_picked_sorted_and_counted() {
    let world = World::new();
    world.team(&["w"]);
    let one = world.task(&["one", "-o", "lead"]);
    world.task(&["two", "-p", "urgent"]);
    world.run(&["task", "update", "t", &one, "--status", "completed"]).succeeds();
    let mut client = Client::new(&world);
    let subjects = |client: &mut Client, wanted: Value| -> Vec<Value> {
        let tasks = client.tool("task_list", wanted);
        tasks.as_array().expect("a list").iter().map(|task| task["subject"].clone()).collect()
    };
    let all = json!({"team_name": "t", "status": null, "sort_by_priority": true});
    assert_eq!(subjects(&mut client, all), ["two", "one"]);
    let completed = json!({"team_name": "t", "status": "completed", "owner": "lead"});
    assert_eq!(subjects(&mut client, completed), ["one"]);
    let stats = client.tool("task_stats", json!({"team_name": "t"}));
    assert_eq!(
        fields(&stats),
        [
            "total",
            "completed",
            "in_progress",
            "pending",
            "blocked",
            "timed_completed",
            "avg_duration_seconds"
        ]
    );
    assert_eq!((&stats["total"], &stats["completed"]), (&json!(2), &json!(1)));
}

#[test]
fn messages_are_sent_seen_and_taken() {
    let world = World::new();
    world.team(&["a", "b"]);
    let mut client = Client::new(&world);
    let sent = client.tool(
        "mailbox_send",
        json!({
            "team_name": "t", "from_agent": "a", "to": "lead", "content": "hi", "key": "k",
            "msg_type": "idle", "last_task": "7", "status": "done", "message_team_name": "x",
            "request_id": "r"
        }),
    );
    let told = [
        ("type", "idle"),
        ("from", "a"),
        ("to", "lead"),
        ("content", "hi"),
        ("key", "k"),
        ("lastTask", "7"),
        ("status", "done"),
        ("teamName", "x"),
        ("requestId", "r"),
        // Nothing but the client's word says that it is `a`.
        ("via", "mcp"),
    ];
    for (field, value) in told {
        assert_eq!(sent[field], value, "{field}");
    }
    let inbox = json!({"team_name": "t", "agent_name": "lead"});
    assert_eq!(client.tool("mailbox_peek", inbox.clone()), json!([sent]));
    assert_eq!(
        client.tool("mailbox_peek_count", inbox.clone()),
        json!({"agentName": "lead", "count": 1})
    );
    assert_eq!(client.tool("mailbox_receive", inbox.clone()), json!([sent]));
    assert_eq!(client.tool("mailbox_receive", inbox.clone()), json!([]));
    let all = client.tool(
        "mailbox_broadcast",
        json!({"team_name": "t", "from_agent": "lead", "content": "all", "exclude": ["b"]}),
    );
    let to: Vec<&Value> = all.as_array().expect("a list").iter().map(|m| &m["to"]).collect();
    assert_eq!(to, ["a"]);
    assert_eq!(all[0]["type"], "broadcast");
    assert_eq!(all[0].get("requestId"), None);
    assert_eq!(client.tool("mailbox_peek_count", inbox)["count"], 0);
    assert_eq!(world.json(&["inbox", "receive", "t", "-a", "a"]), all);
}

#[test]
fn an_agent_speaks_in_its_own_name_only() {
    let world = World::new();
    world.team(&["a", "b"]);
    let mut client = Client::of_agent(&world, "a");
    let sent = client.tool("mailbox_send", json!({"team_name": "t", "to": "b", "content": "x"}));
    assert_eq!((&sent["from"], sent.get("via")), (&json!("a"), None));
    let sent = client.tool(
        "mailbox_send",
        json!({"team_name": "t", "from_agent": "a", "to": "b", "content": "y"}),
    );
    assert_eq!(sent["from"], "a");
    for (tool, arguments) in [
        ("mailbox_send", json!({"team_name": "t", "from_agent": "b", "to": "lead"})),
        ("mailbox_broadcast", json!({"team_name": "t", "from_agent": "lead", "content": "x"})),
        ("mailbox_receive", json!({"team_name": "t", "agent_name": "b"})),
        ("plan_submit", json!({"team_name": "t", "agent_name": "b", "plan_content": "x"})),
        (
            "plan_approve",
            json!({"team_name": "t", "leader_name": "lead", "agent_name": "b", "plan_id": "x"}),
        ),
        ("task_update", json!({"team_name": "t", "task_id": "x", "caller": "b"})),
    ] {
        let (code, text) = client.refused(tool, arguments);
        assert_eq!(code, "not_your_name", "{tool}");
        assert!(text.starts_with("you are 'a', not '") && text.contains("\nHint: "), "{text}");
    }
    // Looking takes nothing away.
    let seen = client.tool("mailbox_peek", json!({"team_name": "t", "agent_name": "b"}));
    assert_eq!(seen.as_array().map(Vec::len), Some(2));
    let task = world.task(&["one"]);
    let taken = client
        .tool("task_update", json!({"team_name": "t", "task_id": task, "status": "in_progress"}));
    assert_eq!(taken["lockedBy"], "a");
}

#[test]
fn plans_are_handed_in_and_decided_about() {
    let world = World::new();
    world.team(&["w"]);
    let mut client = Client::new(&world);
    let submit = json!({
        "team_name": "t", "agent_name": "w", "leader_name": "lead", "plan_content": "# Plan\nx",
        "summary": "s"
    });
    let id = client.tool("plan_submit", submit.clone())["planId"].clone();
    assert_eq!(
        client.tool("plan_get", json!({"team_name": "t", "plan_id": id, "agent_name": "w"})),
        json!({"planId": id, "agentName": "w", "content": "# Plan\nx"})
    );
    assert_eq!(
        client.tool("plan_get", json!({"team_name": "t", "plan_id": "no", "agent_name": "w"})),
        json!({"planId": "no", "agentName": "w", "content": null})
    );
    let asked = client.tool("mailbox_receive", json!({"team_name": "t", "agent_name": "lead"}));
    assert_eq!((&asked[0]["type"], &asked[0]["requestId"]), (&json!("plan_approval_request"), &id));
    let decide = |id: &Value| {
        json!({
            "team_name": "t", "leader_name": "lead", "plan_id": id, "agent_name": "w",
            "feedback": "well"
        })
    };
    assert_eq!(client.tool("plan_approve", decide(&id)), json!({"ok": true, "planId": id}));
    let told = client.tool("mailbox_receive", json!({"team_name": "t", "agent_name": "w"}));
    assert_eq!(
        (&told[0]["type"], &told[0]["feedback"], &told[0]["from"]),
        (&json!("plan_approved"), &json!("well"), &json!("lead"))
    );
    let id = client.tool("plan_submit", submit)["planId"].clone();
    client.tool("plan_reject", decide(&id));
    let (code, _) = client.refused("plan_reject", decide(&json!("no")));
    assert_eq!(code, "plan_not_found");
    let (code, _) = client.refused(
        "plan_submit",
        json!({
            "team_name": "t", "agent_name": "w", "leader_name": "w", "plan_content": "x"
        }),
    );
    assert_eq!(code, "not_the_leader");
}

#[test]
fn boards_and_costs_are_those_of_the_command_line() {
    let world = World::new();
    world.team(&["w"]);
    world.task(&["one"]);
    world.run(&["inbox", "send", "t", "w", "x"]).succeeds();
    world
        .run(&["cost", "report", "t", "--cost-cents", "2.5", "--model", "m", "-a", "w"])
        .succeeds();
    let mut client = Client::new(&world);
    let overview = client.tool("board_overview", json!({}));
    assert_eq!(
        overview,
        json!([{
            "name": "t", "description": "", "leader": "lead", "members": 2, "tasks": 1,
            "pendingMessages": 1
        }])
    );
    let board = client.tool("board_team", json!({"team_name": "t"}));
    assert_eq!(board, world.json(&["board", "show", "t"]));
    assert_eq!(keys(&board), keys(&world.json(&["board", "show", "t"])));
    let cost = client.tool("cost_summary", json!({"team_name": "t"}));
    assert_eq!(cost, world.json(&["cost", "show", "t"])["summary"]);
    assert_eq!((&cost["teamName"], &cost["byModel"]), (&json!("t"), &json!({"m": 2.5})));
    let (code, _) = client.refused("cost_summary", json!({"team_name": "no"}));
    assert_eq!(code, "team_not_found");
}
