//! The protocol: greeting, the list of tools, bad input, several servers, and what stays when a
//! server ends.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::client::{Client, hello};
use crate::support::World;

/// Names and parameters as Python's ClawTeam has them: required ones, a bar, the others.
const OF_PYTHON: &[(&str, &str)] = &[
    ("team_list", "|"),
    ("team_get", "team_name |"),
    ("team_members_list", "team_name |"),
    ("team_create", "team_name leader_name leader_id | description user leader_agent_type"),
    ("team_member_add", "team_name member_name agent_id | agent_type user"),
    ("task_list", "team_name | status owner priority sort_by_priority"),
    ("task_get", "team_name task_id |"),
    ("task_stats", "team_name |"),
    ("task_create", "team_name subject | description owner priority blocks blocked_by metadata"),
    (
        "task_update",
        "team_name task_id | status owner subject description priority add_blocks add_blocked_by \
         metadata caller force",
    ),
    (
        "mailbox_send",
        "team_name to | from_agent content msg_type request_id key proposed_name capabilities \
         feedback reason assigned_name agent_id message_team_name plan_file summary plan last_task \
         status",
    ),
    ("mailbox_broadcast", "team_name content | from_agent msg_type key exclude"),
    ("mailbox_receive", "team_name | agent_name limit"),
    ("mailbox_peek", "team_name | agent_name"),
    ("mailbox_peek_count", "team_name | agent_name"),
    ("plan_submit", "team_name plan_content | agent_name leader_name summary"),
    ("plan_get", "team_name plan_id agent_name |"),
    ("plan_approve", "team_name plan_id agent_name | leader_name feedback"),
    ("plan_reject", "team_name plan_id agent_name | leader_name feedback"),
    ("board_overview", "|"),
    ("board_team", "team_name |"),
    ("cost_summary", "team_name |"),
];

fn names(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = text.split_whitespace().collect();
    names.sort_unstable();
    names
}

#[test]
fn the_tools_are_those_of_python_and_a_few_more() {
    let world = World::new();
    let mut client = Client::new(&world);
    let listed = client.request("tools/list", json!({}));
    let tools: BTreeMap<&str, &Value> = listed["result"]["tools"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|tool| (tool["name"].as_str().expect("a name"), tool))
        .collect();
    for (name, params) in OF_PYTHON {
        let schema = &tools.get(name).unwrap_or_else(|| panic!("no {name}"))["inputSchema"];
        assert_eq!(schema["type"], "object", "{name}");
        let (needed, others) = params.split_once('|').expect("a bar");
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(names(&required.join(" ")), names(needed), "{name}");
        let properties = schema["properties"].as_object().expect("properties");
        let all: Vec<&str> = properties.keys().map(String::as_str).collect();
        assert_eq!(names(&all.join(" ")), names(&format!("{needed} {others}")), "{name}");
        for (param, schema) in properties {
            assert!(schema.get("type").or(schema.get("anyOf")).is_some(), "{name} {param}");
            let needed = required.contains(&param.as_str());
            assert_eq!(schema.get("default").is_none(), needed, "{name} {param}");
        }
    }
    for name in [
        "workspace_agent_diff",
        "workspace_file_owners",
        "workspace_cross_branch_log",
        "workspace_agent_summary",
        "workspace_merge",
        "agent_spawn",
        "agent_state",
        "team_launch",
        "permission_list",
        "permission_answer",
    ] {
        assert!(tools.contains_key(name), "{name}");
    }
    assert_eq!(tools["task_get"]["annotations"]["readOnlyHint"], true);
    assert_eq!(tools["task_update"]["annotations"]["readOnlyHint"], false);
    assert!(client.close().is_empty());
}

#[test]
fn bad_input_is_an_answer_and_never_the_end() {
    let world = World::new();
    world.team(&["w"]);
    let mut client = Client::new(&world);
    for line in ["", "{", "not json", "[]", "\"text\"", "{\"id\":9}", "\u{0}\u{1}"] {
        client.raw(line);
    }
    client.raw(&json!({"jsonrpc": "2.0", "id": 1000, "method": "nonsense"}).to_string());
    client.raw(&json!({"jsonrpc": "2.0", "id": 1001, "method": "tools/call"}).to_string());
    let last = client.ask("tools/call", json!({"name": "team_list"}));
    // Whatever it says of the lines before, the last one is answered.
    loop {
        let answer = client.read();
        if answer["id"] == last {
            assert_eq!(answer["result"]["structuredContent"]["result"][0]["name"], "t");
            break;
        }
        assert!(answer.get("error").is_some(), "{answer}");
    }
    assert!(client.close().is_empty());
}

#[test]
fn what_does_not_fit_is_refused_with_a_code() {
    let world = World::new();
    world.team(&["w"]);
    let mut client = Client::new(&world);
    let refused = |client: &mut Client, tool: &str, arguments: Value| {
        let (code, text) = client.refused(tool, arguments);
        format!("{code}: {}", text.lines().next().unwrap_or_default())
    };
    for (tool, arguments, told) in [
        ("nonsense", json!({}), "unknown_tool: Unknown tool: nonsense"),
        ("task_get", json!({}), "invalid_argument: the argument 'team_name' is missing"),
        (
            "task_list",
            json!({"team_name": "t", "sort_by_priority": []}),
            "invalid_argument: the argument 'sort_by_priority' must be true or false, not []",
        ),
        (
            "task_list",
            json!({"team_name": "t", "state": "x"}),
            "invalid_argument: there is no argument 'state'",
        ),
        ("task_list", json!({"team_name": "no"}), "team_not_found: Team 'no' not found"),
        (
            "task_list",
            json!({"team_name": "../etc"}),
            "invalid_name: Invalid team name: only letters, digits, '.', '_' and '-' are allowed",
        ),
        (
            "task_list",
            json!({"team_name": "t", "status": "done"}),
            "unknown_status: 'done' is not a valid TaskStatus",
        ),
        (
            "task_get",
            json!({"team_name": "t", "task_id": "no"}),
            "task_not_found: Task 'no' not found",
        ),
        (
            "mailbox_send",
            json!({"team_name": "t", "from_agent": "lead", "to": "w", "msg_type": "x"}),
            "unknown_message_type: 'x' is not a valid MessageType",
        ),
        (
            "mailbox_send",
            json!({"team_name": "t", "to": "w"}),
            "invalid_argument: the argument 'from_agent' is missing",
        ),
        (
            "task_create",
            json!({"team_name": "t", "subject": "s", "metadata": {"workflow": {}}}),
            "kept_metadata: clawteam itself keeps 'workflow' in the metadata of a task",
        ),
        (
            "workspace_merge",
            json!({"team_name": "t", "agent_name": "w"}),
            "workspace_not_found: No workspace found for w",
        ),
    ] {
        assert_eq!(refused(&mut client, tool, arguments), told);
    }
    assert!(client.close().is_empty());
}

#[test]
fn a_corrupt_document_does_not_end_the_server() {
    let world = World::new();
    world.team(&["w"]);
    world.task(&["one"]);
    world.put("tasks/t/task-bad.json", "{ not json");
    world.put("teams/broken/config.json", "[]");
    let mut client = Client::new(&world);
    assert_eq!(client.tool("task_list", json!({"team_name": "t"}))[0]["subject"], "one");
    assert_eq!(client.tool("team_list", json!({}))[0]["name"], "t");
    let (code, _) = client.refused("team_get", json!({"team_name": "broken"}));
    assert_eq!(code, "unreadable_document");
    let (code, text) = client.refused("task_get", json!({"team_name": "t", "task_id": "bad"}));
    assert!(text.contains("task-bad.json"), "{text}");
    assert_eq!(code, "unreadable_document");
    assert_eq!(client.tool("task_stats", json!({"team_name": "t"}))["total"], 1);
}

#[test]
fn everything_that_was_asked_is_answered_in_order_before_the_end() {
    let world = World::new();
    let mut client = Client::new(&world);
    let call = |client: &mut Client, tool: &str, arguments: Value| {
        client.ask("tools/call", json!({"name": tool, "arguments": arguments}))
    };
    call(
        &mut client,
        "team_create",
        json!({"team_name": "t", "leader_name": "lead", "leader_id": "1"}),
    );
    for number in 0..20 {
        call(
            &mut client,
            "mailbox_send",
            json!({"team_name": "t", "from_agent": "x", "to": "lead", "content": number.to_string()}),
        );
    }
    let last = call(
        &mut client,
        "mailbox_receive",
        json!({"team_name": "t", "agent_name": "lead", "limit": 100}),
    );
    let answers = client.close();
    assert_eq!(answers.len(), 22);
    let received = answers.iter().find(|answer| answer["id"] == last).expect("the last answer");
    let received = &received["result"]["structuredContent"]["result"];
    let told: Vec<&str> = received
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|message| message["content"].as_str())
        .collect();
    let sent: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(told, sent);
    assert!(world.names("teams/t/inboxes/lead").is_empty(), "what was written out is gone");
}

#[test]
fn what_nobody_was_told_stays_in_the_inbox() {
    let world = World::new();
    world.team(&["w"]);
    world.run(&["inbox", "send", "t", "w", "one"]).succeeds();
    let mut client = Client::new(&world);
    // The request is cancelled in the same breath, so that its answer is not sent; or it was faster.
    let id = client.ask(
        "tools/call",
        json!({"name": "mailbox_receive", "arguments": {"team_name": "t", "agent_name": "w"}}),
    );
    client.write(&json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}
    }));
    let count = client.ask(
        "tools/call",
        json!({"name": "mailbox_peek_count", "arguments": {"team_name": "t", "agent_name": "w"}}),
    );
    let first = client.read();
    let (told, counted) = if first["id"] == id { (true, client.read()) } else { (false, first) };
    assert_eq!(counted["id"], count);
    client.kill();
    let waiting = world.json(&["inbox", "peek", "t", "-a", "w"]);
    assert_eq!(waiting["count"], i32::from(!told), "told: {told}");
}

#[test]
fn two_servers_work_on_one_team() {
    let world = World::new();
    world.team(&["a", "b"]);
    let task = world.task(&["one"]);
    let mut clients = [Client::of_agent(&world, "a"), Client::of_agent(&world, "b")];
    for client in &mut clients {
        client.ask(
            "tools/call",
            json!({
                "name": "task_update",
                "arguments": {"team_name": "t", "task_id": task, "status": "in_progress"}
            }),
        );
    }
    let answers = clients.each_mut().map(|client| client.read()["result"]["isError"].clone());
    assert_eq!(answers.iter().filter(|refused| **refused == json!(false)).count(), 1);
    let sent =
        clients[0].tool("mailbox_send", json!({"team_name": "t", "to": "b", "content": "x"}));
    assert_eq!(sent["from"], "a");
    let received = clients[1].tool("mailbox_receive", json!({"team_name": "t"}));
    assert_eq!(received, json!([sent]));
}

#[test]
fn the_program_has_the_name_of_pythons_server_too() {
    let world = World::new();
    let link = world.top().join("clawteam-mcp");
    symlink(env!("CARGO_BIN_EXE_clawteam"), &link).expect("a link can be made");
    let mut child = Command::new(&link)
        .env_clear()
        .env("HOME", world.home())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello()});
    let mut stdin = child.stdin.take().expect("it is piped");
    std::io::Write::write_all(&mut stdin, format!("{request}\n").as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("one message");
    assert_eq!(answer["result"]["serverInfo"]["name"], "clawteam");
    assert!(output.status.success());
}

#[test]
fn a_client_that_leaves_without_a_word_is_no_failure() {
    let world = World::new();
    assert!(Client::open(world.call(&["mcp"])).close().is_empty());
    let mut early = Client::open(world.call(&["mcp"]));
    early.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let hello = early.request("initialize", hello());
    assert_eq!(hello["result"]["protocolVersion"], "2025-06-18");
}
