//! A run walked from start to end by commands alone.

use serde_json::{Value, json};

use super::Stage;
use crate::support::{World, keys};

fn harness(world: &World, arguments: &[&str]) -> Value {
    world.json(&[&["harness"], arguments].concat())
}

fn hand_in(world: &World, name: &str, content: &str) {
    let call = ["harness", "artifact", "add", "t", name, "--file", "-"];
    world.call(&call).stdin(content).run().succeeds();
}

#[test]
fn a_run_goes_from_start_to_end_by_commands() {
    let world = World::new();
    let run = harness(&world, &["start", "--team", "t", "--goal", "A goal"]);
    assert_eq!(run["harness_id"].as_str().map(str::len), Some(12));
    assert_eq!(run["phase"], "discuss");

    let status = harness(&world, &["status", "t"]);
    let expected = "harness_id team goal phase can_advance gate_reason artifacts history ";
    assert!(keys(&status).starts_with(expected), "{status}");
    assert_eq!((&status["artifacts"], &status["history"]), (&json!([]), &json!([])));
    assert_eq!((&status["can_advance"], &status["gate_reason"]), (&json!(true), &json!("")));

    assert_eq!(harness(&world, &["advance", "t"])["phase"], "plan");
    let closed = world.run(&["--json", "harness", "advance", "t"]).refuses_with("gate_closed");
    let error = closed["error"].as_str().expect("a text");
    assert!(error.contains("Missing artifacts: spec.md"), "{error}");
    assert!(error.contains("Human approval required: clawteam harness approve t"), "{error}");
    hand_in(&world, "spec.md", "# Spec\n");
    world.run(&["harness", "advance", "t"]).refuses("Human approval required");
    let approved = harness(&world, &["approve", "t"]);
    assert_eq!(approved["artifact"], "approval-plan.json");
    let id = run["harness_id"].as_str().expect("a text");
    let approval = world.document(&format!("harness/t/{id}/artifacts/approval-plan.json"));
    assert_eq!((&approval["approved"], &approval["phase"]), (&json!(true), &json!("plan")));

    hand_in(&world, "sprint-contract-001.json", r#"{"id": "a", "title": "First"}"#);
    assert_eq!(harness(&world, &["advance", "t"])["phase"], "execute");
    assert_eq!(harness(&world, &["advance", "t"])["phase"], "verify");
    world.run(&["harness", "advance", "t"]).refuses("1 task(s) not completed");
    let task = world.json(&["task", "list", "t"])[0]["id"].as_str().expect("an id").to_owned();
    world.json(&["task", "update", "t", &task, "--status", "completed"]);
    assert_eq!(harness(&world, &["advance", "t"])["phase"], "ship");
    world.run(&["harness", "advance", "t"]).refuses("Cannot advance: already at final phase");

    let status = harness(&world, &["status", "t"]);
    assert_eq!(status["status"], "finished");
    let left: Vec<&Value> =
        status["history"].as_array().expect("a list").iter().map(|end| &end["phase"]).collect();
    assert_eq!(left, ["discuss", "plan", "execute", "verify"]);
    for command in ["status", "contracts"] {
        world.run(&["harness", command, "t"]).succeeds();
        // The option is understood wherever it stands.
        let local = world.run(&["harness", command, "t", "--json"]);
        assert_eq!(local.succeeds().json(), harness(&world, &[command, "t"]));
    }
}

#[test]
fn gates_stand_in_the_document_of_the_run() {
    let world = World::new();
    let options = ["--phases", "plan,execute,review,ship", "--human-gates", "review"];
    let start = ["start", "--team", "t", "--goal", "G", "--wave-parallelism", "2"];
    let run = harness(&world, &[&start[..], &options].concat());
    let id = run["harness_id"].as_str().expect("a text");
    let state = world.document(&format!("harness/t/{id}/state.json"));
    assert_eq!(
        state["gates"],
        json!({
            "plan": [{"kind": "artifacts", "names": ["spec.md"]}],
            "review": [{"kind": "human_approval"}]
        })
    );
    assert_eq!(state["wave_parallelism"], 2);
    let start = ["harness", "start", "--team", "t", "--goal", "G", "--human-gates", "soon"];
    world.run(&start).refuses("'soon' is to be approved but is no phase");
    let start = ["harness", "start", "--team", "t", "--goal", "G", "--phases", "a,b,a"];
    world.run(&start).refuses("named twice");
    world.run(&["harness", "start", "--team", "t"]).is_misused();
}

#[test]
fn contracts_become_tasks_that_wait_for_lower_waves_and_for_those_that_they_name() {
    let world = World::new();
    world.team(&["w1"]);
    harness(&world, &["start", "--team", "t", "--goal", "G", "--human-gates", "none"]);
    harness(&world, &["advance", "t"]);
    hand_in(&world, "spec.md", "s");
    for (file, contract) in [
        ("1", r#"{"id": "a", "title": "A", "depends_on": ["b"], "description": "Do A"}"#),
        (
            "2",
            r#"{"id": "b", "title": "B", "assigned_to": ["w1"], "success_criteria": ["It works"]}"#,
        ),
        ("3", r#"{"id": "c", "title": "C", "wave": 2}"#),
    ] {
        hand_in(&world, &format!("sprint-contract-{file}.json"), contract);
    }
    assert_eq!(harness(&world, &["advance", "t"])["tasks"].as_array().map(Vec::len), Some(3));
    let tasks = world.json(&["task", "list", "t"]);
    let of = |title: &str| {
        let tasks = tasks.as_array().expect("a list").iter();
        tasks.clone().find(|task| task["subject"] == title).expect(title).clone()
    };
    let (a, b, c) = (of("A"), of("B"), of("C"));
    assert_eq!(a["blockedBy"], json!([b["id"]]));
    assert_eq!((&b["status"], &b["owner"]), (&json!("pending"), &json!("w1")));
    let waits: Vec<&Value> = c["blockedBy"].as_array().expect("a list").iter().collect();
    assert!(waits.contains(&&a["id"]) && waits.contains(&&b["id"]), "{waits:?}");
    assert_eq!((&c["priority"], &c["metadata"]["wave"]), (&json!("high"), &json!(2)));
    assert_eq!(b["metadata"]["contract_id"], "b");
    assert!(b["description"].as_str().expect("a text").contains("It works"));

    let id = b["id"].as_str().expect("an id");
    world.json_as("w1", &["task", "update", "t", id, "--status", "completed"]);
    let contracts = harness(&world, &["contracts", "t"]);
    let told: Vec<(&Value, &Value)> = contracts
        .as_array()
        .expect("a list")
        .iter()
        .map(|contract| (&contract["id"], &contract["status"]))
        .collect();
    let (pending, completed) = (json!("pending"), json!("completed"));
    assert_eq!(told, [(&json!("a"), &pending), (&json!("b"), &completed), (&json!("c"), &pending)]);
}

#[test]
fn contracts_that_can_never_begin_keep_the_gate_shut() {
    let world = World::new();
    harness(&world, &["start", "--team", "t", "--goal", "G", "--human-gates", "none"]);
    harness(&world, &["advance", "t"]);
    hand_in(&world, "spec.md", "s");
    hand_in(&world, "sprint-contract-1.json", r#"{"id": "a", "title": "A", "depends_on": ["x"]}"#);
    world.run(&["harness", "advance", "t"]).refuses("depends on 'x', which is no contract");
    let call = ["harness", "artifact", "add", "t", "sprint-contract-2.json", "--file", "-"];
    let told = world.call(&call).stdin("{\"title\": ").run();
    told.refuses("sprint-contract-2.json is not JSON");
    hand_in(&world, "sprint-contract-1.json", r#"{"id": "a", "title": "A"}"#);
    assert_eq!(harness(&world, &["advance", "t"])["phase"], "execute");
}

#[test]
fn artifacts_are_kept_listed_and_shown() {
    let world = World::new();
    harness(&world, &["start", "--team", "t", "--goal", "G"]);
    hand_in(&world, "spec.md", "one\n");
    hand_in(&world, "spec.md", "two\n");
    let shown = world.run(&["harness", "artifact", "show", "t", "spec.md"]);
    assert_eq!(shown.succeeds().stdout, "two\n");
    let listed = harness(&world, &["artifact", "list", "t"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    let spec = &listed[0];
    assert_eq!((&spec["name"], &spec["size"]), (&json!("spec.md"), &json!(4)));
    assert_eq!((&spec["type"], &spec["phase"]), (&json!("spec"), &json!("discuss")));
    assert_eq!(harness(&world, &["status", "t"])["artifacts"], json!(["spec.md"]));

    let add = |name: &str| world.call(&["harness", "artifact", "add", "t", name, "-f", "-"]);
    add("approval-plan.json").stdin("{}").run().refuses("clawteam harness approve t");
    add("../x").stdin("{}").run().exits(1);
    let none = ["--json", "harness", "artifact", "show", "t", "none"];
    world.run(&none).refuses_with("artifact_not_found");
    // What agents hand in may be anything; the check of the directory does not mind.
    hand_in(&world, "list.json", "[1, 2]");
    world.run(&["doctor"]).succeeds();
}

#[test]
fn a_run_goes_back_and_its_approvals_are_withdrawn() {
    let world = World::new();
    harness(&world, &["start", "--team", "t", "--goal", "G"]);
    harness(&world, &["advance", "t"]);
    hand_in(&world, "spec.md", "s");
    harness(&world, &["approve", "t"]);
    harness(&world, &["advance", "t"]);
    harness(&world, &["advance", "t"]);
    hand_in(&world, "eval-report.json", r#"{"passed": false, "summary": "wrong"}"#);
    world.run(&["harness", "advance", "t"]).refuses("The evaluation did not pass: wrong");
    world
        .run(&["harness", "rollback", "t", "ship"])
        .refuses("'ship' is not a phase of this run before");
    let back = harness(&world, &["rollback", "t", "plan"]);
    assert_eq!((&back["from"], &back["phase"]), (&json!("verify"), &json!("plan")));
    let status = harness(&world, &["status", "t"]);
    assert_eq!(status["artifacts"], json!(["spec.md"]));
    assert_eq!(status["history"][3]["rolled_back_to"], "plan");
    world.run(&["harness", "advance", "t"]).refuses("Human approval required");
}

#[test]
fn a_run_that_was_given_up_stays_where_it_is() {
    let world = World::new();
    let none = world.run(&["harness", "status", "t"]);
    none.refuses("No harness run found for team 't'");
    let first = harness(&world, &["start", "--team", "t", "--goal", "One"]);
    let told = harness(&world, &["abort", "t"]);
    assert_eq!(told["status"], "aborted");
    harness(&world, &["abort", "t"]);
    let status = harness(&world, &["status", "t"]);
    assert_eq!(status["history"].as_array().map(Vec::len), Some(1));
    assert!(status["history"][0]["aborted_at"].is_string());
    world.run(&["--json", "harness", "advance", "t"]).refuses_with("harness_aborted");
    // The latest run is meant unless another is named.
    harness(&world, &["start", "--team", "t", "--goal", "Two"]);
    assert_eq!(harness(&world, &["status", "t"])["goal"], "Two");
    let id = first["harness_id"].as_str().expect("a text");
    assert_eq!(harness(&world, &["status", "t", "--id", id])["goal"], "One");
}

#[test]
fn fields_of_other_versions_survive() {
    let stage = Stage::new();
    let run = stage.harness(&["start", "--team", "t", "--goal", "G"]);
    let path = format!("harness/t/{}/state.json", run["harness_id"].as_str().expect("a text"));
    let mut kept = stage.world().document(&path);
    kept["of_tomorrow"] = json!({"x": 1});
    stage.world().put(&path, kept.to_string());
    stage.harness(&["advance", "t"]);
    let kept = stage.world().document(&path);
    assert_eq!((&kept["of_tomorrow"]["x"], &kept["current_phase"]), (&json!(1), &json!("plan")));
}
