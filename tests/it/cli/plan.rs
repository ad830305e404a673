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
}

fn submit(world: &World, agent: &str) -> String {
    let made = world.json_as(agent, &["plan", "submit", "t", agent, "my plan", "-s", "short"]);
    made["planId"].as_str().expect("text").to_owned()
}

#[test]
fn the_agent_hears_what_was_decided_about_its_plan() {
    let world = World::new();
    world.team(&["w1"]);
    for (verb, word) in [("approve", "approved"), ("reject", "rejected")] {
        let id = submit(&world, "w1");
        let told = world.json_as("lead", &["plan", verb, "t", &id, "w1", "-f", "good"]);
        assert_eq!(told, json!({"status": word, "planId": id}));
        let got = world.json(&["inbox", "receive", "t", "-a", "w1"]);
        assert_eq!(keys(&got[0]), "type from to requestId timestamp feedback");
        assert_eq!(
            json!([got[0]["type"], got[0]["from"], got[0]["requestId"], got[0]["feedback"]]),
            json!([format!("plan_{word}"), "lead", id, "good"])
        );
        let seen = world.json(&["approval", "show", "t", &format!("ap-{id}")]);
        assert_eq!(json!([seen["status"], seen["actionType"]]), json!([word, "plan"]));
    }
    let id = submit(&world, "w1");
    world.run(&["plan", "approve", "t", &id, "w1"]).shows("OK Plan xxxxxxxxxxxx approved");
}

#[test]
fn a_plan_is_decided_once_and_never_by_its_author() {
    let world = World::new();
    world.team(&["w1", "w2"]);
    let id = submit(&world, "w1");
    let plan = ["plan", "approve", "t", &id, "w1"];
    world
        .call(&[&["--json"], &plan[..]].concat())
        .env("CLAWTEAM_AGENT_NAME", "w1")
        .run()
        .refuses_with("own_request");
    world.run_as("lead", &["plan", "reject", "t", &id, "w1"]).succeeds();
    world.run(&[&["--json"], &plan[..]].concat()).refuses_with("approval_not_pending");
    let got = world.json(&["inbox", "receive", "t", "-a", "w1"]);
    assert_eq!(got.as_array().map(Vec::len), Some(1), "told once: {got}");
    world.run(&["--json", "plan", "approve", "t", "nope", "w1"]).refuses_with("plan_not_found");
    let other = submit(&world, "w1");
    let line = ["--json", "plan", "approve", "t", &other, "w2"];
    world.run(&line).refuses_with("plan_not_found");

    // Handed in by another agent: neither of them decides.
    let made = world.json_as("w2", &["plan", "submit", "t", "w1", "by another"]);
    let id = made["planId"].as_str().expect("text");
    world.run_as("w2", &["plan", "approve", "t", id, "w1"]).refuses("cannot decide");
}

#[test]
fn a_plan_of_the_old_tool_can_be_decided_about() {
    let world = World::new();
    world.team(&["w1"]);
    for file in ["plans/t/w1-0b71dc7d70b9.md", "plans/w1-0b71dc7d70ba.md"] {
        world.put(file, "my plan");
    }
    for id in ["0b71dc7d70b9", "0b71dc7d70ba"] {
        world.run_as("lead", &["plan", "approve", "t", id, "w1"]).succeeds();
        let line = ["--json", "plan", "approve", "t", id, "w1"];
        world.run(&line).refuses_with("approval_not_pending");
    }
    let got = world.json(&["inbox", "receive", "t", "-a", "w1"]);
    assert_eq!(got[0]["requestId"], "0b71dc7d70b9");
    let asked = world.json(&["inbox", "receive", "t", "-a", "lead"]);
    assert_eq!(asked, json!([]), "the leader was asked by the old tool");
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
