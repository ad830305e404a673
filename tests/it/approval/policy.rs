//! What a team says about approvals in general.

use serde_json::{Value, json};

use super::{fails, world};
use crate::support::World;

fn ruling(world: &World, more: &[&str]) -> Value {
    world.json(&[&["approval", "policy", "test", "t"], more].concat())["verdict"].clone()
}

#[test]
fn what_is_risky_external_or_uncertain_needs_a_decision() {
    let world = world();
    assert_eq!(ruling(&world, &[]), "required", "confidence must be given");
    assert_eq!(ruling(&world, &["--confidence", "79"]), "required");
    assert_eq!(ruling(&world, &["--confidence", "80"]), "optional");
    for flag in ["--external", "--risky"] {
        assert_eq!(ruling(&world, &["--confidence", "100", flag]), "required");
    }
    let rubric = ["--rubric", "tests=50", "--rubric", "clarity=40"];
    let tried = world.json(&[&["approval", "policy", "test", "t"], &rubric[..]].concat());
    assert_eq!(json!([tried["verdict"], tried["confidence"]]), json!(["optional", 90]));
    world.run(&["approval", "policy", "set", "t", "--weight", "tests=0.5"]).succeeds();
    assert_eq!(ruling(&world, &rubric), "required", "25 and 40 are 65");
}

#[test]
fn approval_by_itself_is_chosen_and_never_for_what_can_do_harm() {
    let world = world();
    let ask = |more: &[&str]| {
        let line =
            ["approval", "request", "t", "--title", "x", "--reason", "y", "--action", "docs"];
        world.json_as("w1", &[&line[..], more].concat())
    };
    let sure = ["--confidence", "95"];
    assert_eq!(ask(&sure)["status"], "pending", "nobody chose it");
    let rule = "docs=a.action == 'docs'";
    world.run(&["approval", "policy", "set", "t", "--auto-approve", rule]).succeeds();
    let made = ask(&sure);
    assert_eq!(made["status"], "approved");
    assert_eq!(made["decisions"][0]["actor"], "policy:docs");
    assert_eq!(made["policy"]["verdict"], "auto");
    assert_eq!(ask(&["--confidence", "50"])["status"], "pending");
    // Not even if a policy wants that nothing needs a decision.
    world.run(&["approval", "policy", "set", "t", "--required", "false"]).succeeds();
    for flag in ["--external", "--risky", "--require-signature"] {
        assert_eq!(ask(&[sure[0], sure[1], flag])["status"], "pending", "{flag}");
    }
    world.run(&["approval", "policy", "set", "t", "--remove", "docs"]).succeeds();
    assert_eq!(ask(&sure)["status"], "pending");
}

#[test]
fn a_condition_that_cannot_be_evaluated_lets_nothing_through() {
    let world = world();
    let set = ["--json", "approval", "policy", "set", "t"];
    let bad = world.run(&[&set[..], &["--required", "a.external ||"]].concat());
    assert_ne!(bad.status, 0, "{bad}");
    let rules = ["--required", "a.nothing == 1", "--auto-approve", "all=true"];
    world.run(&[&set[..], &rules].concat()).succeeds();
    assert_eq!(ruling(&world, &["--confidence", "100"]), "required");
    let tried = world.json(&["approval", "policy", "test", "t"]);
    assert!(tried["why"].as_str().is_some_and(|why| why.contains("nothing")), "{tried}");
    world
        .run(&[&set[..], &["--required", "false", "--auto-approve", "all=a.nothing"]].concat())
        .succeeds();
    assert_eq!(ruling(&world, &["--confidence", "100"]), "required");
}

#[test]
fn agents_do_not_change_the_rules_they_are_under() {
    let world = world();
    let line = ["--json", "approval", "policy", "set", "t", "--required", "false"];
    fails(&world.run_as("w1", &line), 6, "human_required");
    fails(&world.run_as("lead", &line), 6, "human_required");
    assert!(!world.data().join("approvals/t/policy.json").exists());
    let line = ["--json", "config", "set", "approval_proof", "any"];
    fails(&world.run_as("w1", &line), 6, "human_required");
}
