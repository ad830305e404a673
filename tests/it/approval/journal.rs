//! The journal is the truth: what is done to it is noticed, and what it says counts.

use serde_json::{Value, json};

use super::{fails, person, request, status, world};
use crate::support::World;

fn journal(world: &World, id: &str) -> String {
    let file = world.data().join(format!("approvals/t/{id}.jsonl"));
    std::fs::read_to_string(file).expect("it is there")
}

fn findings(world: &World, exit: i32) -> Vec<Value> {
    let told = world.run(&["--json", "doctor"]).exits(exit).json();
    let mut found = told["findings"].as_array().expect("a list").clone();
    found.retain(|finding| finding["severity"] != "info");
    found
}

#[test]
fn a_changed_line_is_named_and_nothing_passes_by_it() {
    let world = world();
    let id = request(&world, &["--approver", "w2,human", "--quorum", "2"]);
    person(&world, "approve", &id, &["--comment", "good"]).succeeds();
    let other = request(&world, &[]);
    assert!(findings(&world, 0).is_empty());
    let whole = journal(&world, &id);
    let path = format!("approvals/t/{id}.jsonl");

    world.put(&path, whole.replace("\"good\"", "\"fine\""));
    for verb in ["show", "approve"] {
        let told = fails(&person(&world, verb, &id, &[]), 1, "bad_journal");
        assert!(told["error"].as_str().is_some_and(|text| text.contains("line 2")), "{told}");
    }
    fails(&person(&world, "consume", &id, &["--by", "x"]), 1, "bad_journal");
    let found = findings(&world, 1);
    assert_eq!(json!([found[0]["severity"], found[0]["code"]]), json!(["error", "bad_journal"]));
    assert!(found[0]["message"].as_str().is_some_and(|text| text.contains("line 2")));
    assert!(found[0]["path"].as_str().is_some_and(|text| text.ends_with(&path)));
    // The others are not held up by it.
    world.run(&["approval", "list", "t"]).warns("line 2");
    person(&world, "approve", &other, &[]).succeeds();

    // The end was cut off: the document knows better.
    let first = whole.lines().next().expect("a line");
    world.put(&path, format!("{first}\n"));
    fails(&person(&world, "approve", &id, &[]), 1, "bad_journal");
    assert_eq!(findings(&world, 1)[0]["code"], "bad_journal");

    world.put(&path, &whole);
    assert!(findings(&world, 0).is_empty());
    std::fs::remove_file(world.data().join(&path)).expect("it was there");
    assert_eq!(findings(&world, 1)[0]["code"], "bad_journal");
}

#[test]
fn a_document_that_was_edited_changes_nothing() {
    let world = world();
    let id = request(&world, &[]);
    let path = format!("approvals/t/{id}.json");
    let mut document = world.document(&path);
    document["status"] = json!("approved");
    document["note"] = json!("mine");
    world.put(&path, document.to_string());
    assert_eq!(status(&world, &id), "pending");
    fails(&person(&world, "consume", &id, &["--by", "x"]), 5, "not_approved");

    document["status"] = json!("approved");
    world.put(&path, document.to_string());
    assert_eq!(findings(&world, 1)[0]["code"], "edited_document");
    let fixed = world.json(&["doctor", "--fix"]);
    assert_eq!(fixed["clean"], true, "{fixed}");
    let document = world.document(&path);
    assert_eq!(json!([document["status"], document["note"]]), json!(["pending", "mine"]));
    person(&world, "approve", &id, &[]).succeeds();
    assert_eq!(world.document(&path)["note"], "mine", "what is not known here survives");
}

#[test]
fn a_document_behind_its_journal_is_made_up_for() {
    let world = world();
    let id = request(&world, &[]);
    let path = format!("approvals/t/{id}.json");
    let before = std::fs::read(world.data().join(&path)).expect("it is there");
    person(&world, "approve", &id, &[]).succeeds();
    world.json(&["inbox", "receive", "t", "-a", "w1"]);
    // As if the process had ended right after the record: no document, no message.
    world.put(&path, &before);
    assert_eq!(status(&world, &id), "approved", "readers see the truth");
    assert_eq!(findings(&world, 1)[0]["code"], "stale_document");
    fails(&person(&world, "reject", &id, &["--comment", "no"]), 5, "approval_not_pending");
    assert_eq!(world.document(&path)["status"], "approved");
    let got = world.json(&["inbox", "receive", "t", "-a", "w1"]);
    assert_eq!(got.as_array().map(Vec::len), Some(1), "{got}");
    assert!(findings(&world, 0).is_empty());
}

#[test]
fn a_torn_line_is_passed_over() {
    let world = world();
    let id = request(&world, &[]);
    let path = format!("approvals/t/{id}.jsonl");
    let whole = journal(&world, &id);
    world.put(&path, format!("{whole}{}", &whole[..40]));
    assert_eq!(status(&world, &id), "pending");
    person(&world, "approve", &id, &[]).succeeds();
    assert_eq!(status(&world, &id), "approved");
}

#[test]
fn a_newer_format_can_be_read_but_not_changed() {
    let world = world();
    let id = request(&world, &[]);
    let mut record: Value = serde_json::from_str(&journal(&world, &id)).expect("a record");
    record["approval"]["schema"] = json!("clawteam.approval/2");
    record.as_object_mut().expect("an object").retain(|key, _| key != "prev" && key != "hash");
    let line = clawteam::domain::chain::link(None, &record).line;
    world.put(&format!("approvals/t/{id}.jsonl"), [&line[..], b"\n"].concat());
    assert_eq!(status(&world, &id), "pending");
    fails(&person(&world, "approve", &id, &[]), 1, "newer_format");
    assert_eq!(status(&world, &id), "pending");
}
