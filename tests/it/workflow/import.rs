//! Taking over workflows of openclaw-orchestrator.

use serde_json::json;

use super::refused;
use crate::support::World;

#[test]
fn a_workflow_of_the_orchestrator_is_taken_over() {
    let world = World::new();
    world.team(&[]);
    // As its interface answers: the definition is a text within the row.
    let definition = json!({
        "nodes": {
            "a": {"type": "task", "label": "Fix", "agentId": "lead", "task": "Fix it", "timeoutSeconds": 60},
            "q": {"type": "condition", "expression": "contains:pass", "branches": {"yes": "g", "no": "a"}},
            "g": {"type": "approval", "title": "Good?", "approver": "web-user", "timeoutMinutes": 30},
            "z": {"type": "task", "agentId": "lead", "task": "Tell", "timeoutSeconds": 60}
        },
        "edges": [{"from": "a", "to": "q"}, {"from": "g", "to": "z"}],
        "maxIterations": 30, "schedule": {"cron": "0 9 * * *"}
    });
    let row = json!({"id": "1", "team_id": "x", "name": "Bug loop", "definition_json": definition.to_string()});
    world.put("../cwd/row.json", row.to_string());
    let tried = world.json(&["workflow", "import", "t", "row.json", "--dry-run"]);
    assert_eq!(tried["ok"], true, "{tried:#}");
    assert_eq!(world.json(&["workflow", "list", "t"]), json!([]));
    let made = world.json(&["workflow", "import", "t", "row.json"]);
    assert_eq!(made["name"], "bug-loop");
    let codes: Vec<&str> = made["problems"]
        .as_array()
        .expect("problems")
        .iter()
        .filter_map(|problem| problem["code"].as_str())
        .collect();
    assert_eq!(codes, ["import_rework", "import_schedule", "import_start"], "{made:#}");
    let shown = world.json(&["workflow", "show", "t", "bug-loop"]);
    let nodes = &shown["definition"]["nodes"];
    assert_eq!(nodes["q"]["expr"], "contains_ci(last.text, \"pass\")");
    assert_eq!(nodes["g"]["rework"], json!(["a"]));
    assert_eq!(shown["definition"]["limits"]["maxVisits"], 30);
    assert_eq!(world.json(&["workflow", "validate", "t", "bug-loop"])["ok"], true);
    let run = world.run(&["workflow", "import", "t", "row.json", "--name", "second"]);
    run.exits(0);
    assert!(run.stderr.contains("[import_schedule]"), "{run}");
    // One of our own is taken as it is.
    let own = world.json(&["workflow", "export", "t", "second"]);
    world.put("../cwd/own.json", own.to_string());
    let made = world.json(&["workflow", "import", "t", "own.json", "--name", "third"]);
    assert_eq!(made["problems"], json!([]));
    world.put("../cwd/bad.json", r#"{"nodes": {"a": {"type": "magic"}}}"#);
    let ran = world.run(&["--json", "workflow", "import", "t", "bad.json"]);
    refused(&ran, 4, "invalid_workflow");
}
