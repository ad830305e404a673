//! `clawteam identity`.

use std::process::Command;

use serde_json::json;

use crate::support::{World, keys};

#[test]
fn show_tells_who_calls() {
    let world = World::new();
    world.run(&["identity", "show"]).shows(
        "
Agent ID:   xxxxxxxxxxxx
Agent Name: agent
User:       (none)
Agent Type: general-purpose
Team:       (none)
Is Leader:  False
Plan Mode:  False",
    );
    let shown = world
        .call(&["--json", "identity", "show"])
        .env("CLAWTEAM_AGENT_ID", "id1")
        .env("OPENCLAW_AGENT_NAME", "oc")
        .env("CLAUDE_CODE_TEAM_NAME", "cct")
        .env("CLAWTEAM_AGENT_LEADER", "TRUE")
        .env("OH_USER", "bob");
    let shown = shown.run().succeeds().json();
    assert_eq!(keys(&shown), "agentId agentName user agentType teamName isLeader planModeRequired");
    assert_eq!(
        shown,
        json!({
            "agentId": "id1", "agentName": "oc", "user": "bob", "agentType": "general-purpose",
            "teamName": "cct", "isLeader": true, "planModeRequired": false
        })
    );
    let anonymous = world.json(&["identity", "show"]);
    assert_eq!(anonymous["teamName"], json!(null));
}

#[test]
fn set_prints_what_a_shell_can_evaluate() {
    let world = World::new();
    let json = world.run(&["--json", "identity", "set", "--agent-name", "n", "--team", "demo"]);
    assert_eq!(
        json.succeeds().stdout,
        "{\"exports\": [\"export CLAWTEAM_AGENT_NAME=\\\"n\\\"\", \"export CLAWTEAM_TEAM_NAME=\\\"demo\\\"\"]}\n"
    );
    let hostile = "a\"; touch pwned; `touch pwned` $(touch pwned) \\";
    let text = world.run(&["identity", "set", "--agent-name", hostile]).succeeds().stdout.clone();
    let script = format!("{text}\nprintf %s \"$CLAWTEAM_AGENT_NAME\"");
    let shell = Command::new("/bin/sh").arg("-c").arg(script).current_dir(world.cwd()).output();
    let shell = shell.expect("a shell starts");
    assert_eq!(String::from_utf8_lossy(&shell.stdout), hostile);
    assert!(!world.cwd().join("pwned").exists());

    world.run(&["identity", "set"]).refuses("No options specified");
    world.run(&["--json", "identity", "set"]).refuses_with("no_options");
}
