//! `clawteam plan`.

use serde_json::json;

use crate::support::{World, keys};

#[test]
fn a_plan_is_kept_and_goes_to_the_leader() {
    let world = World::new();
    world.team(&["w1"]);
    let made = world.json(&["plan", "submit", "t", "w1", "my plan [/x]", "-s", "short"]);
    assert_eq!(keys(&made), "status planId agent");
    assert_eq!((&made["status"], &made["agent"]), (&json!("submitted"), &json!("w1")));
    let id = made["planId"].as_str().expect("text");
    let file = world.data().join(format!("plans/t/w1-{id}.md"));
    assert_eq!(std::fs::read_to_string(&file).expect("it was written"), "my plan [/x]");
    let asked = world.json(&["inbox", "receive", "t", "-a", "lead"]);
    assert_eq!(keys(&asked[0]), "type from to requestId timestamp planFile summary plan");
    assert_eq!(
        json!([asked[0]["type"], asked[0]["requestId"], asked[0]["planFile"], asked[0]["summary"]]),
        json!(["plan_approval_request", id, file.display().to_string(), "short"])
    );
    for (verb, word) in [("approve", "approved"), ("reject", "rejected")] {
        let told = world.json_as("lead", &["plan", verb, "t", id, "w1", "-f", "good"]);
        assert_eq!(told, json!({"status": word, "planId": id}));
        let got = world.json(&["inbox", "receive", "t", "-a", "w1"]);
        assert_eq!(
            json!([got[0]["type"], got[0]["from"], got[0]["requestId"], got[0]["feedback"]]),
            json!([format!("plan_{word}"), "lead", id, "good"])
        );
    }
    world.run(&["plan", "approve", "t", id, "w1"]).shows("OK Plan xxxxxxxxxxxx approved");
}

#[test]
fn a_plan_may_be_a_file() {
    let world = World::new();
    world.team(&["w1"]);
    std::fs::write(world.cwd().join("plan.md"), "x".repeat(300)).expect("it can be written");
    world
        .run(&["plan", "submit", "t", "w1", "plan.md"])
        .shows("OK Plan xxxxxxxxxxxx submitted by w1");
    let asked = world.json(&["inbox", "receive", "t", "-a", "lead"]);
    assert_eq!(asked[0]["plan"], "x".repeat(300));
    assert_eq!(asked[0]["summary"], "x".repeat(200));
    std::fs::write(world.cwd().join("binary"), b"\xff\xfe").expect("it can be written");
    world.run(&["--json", "plan", "submit", "t", "w1", "binary"]).refuses_with("unreadable_plan");
    world.run(&["plan", "submit", "nope", "w1", "x"]).refuses("No leader found");
    assert!(!world.data().join("plans/nope").exists());
}
