//! Approvals as a run meets them.

use serde_json::{Value, json};

use super::flows::{
    complete, define, open_approvals, open_tasks, records, sound, start, status, text, word, world,
};
use crate::support::World;

/// A gate with these fields, and a task behind it.
fn with_gate(fields: &str) -> (World, String) {
    let world = world();
    let body = format!(
        "[nodes.gate]\ntype = \"approval\"\ntitle = \"Ship it\"\n{fields}\n\n[nodes.ship]\ntype = \
         \"task\"\nassign = {{ agent = \"w1\" }}\nprompt = \"Ship\"\n\n[[edges]]\nfrom = \
         \"gate\"\nto = \"ship\"\n"
    );
    define(&world, "w", &body);
    let run = start(&world, "w", &[]);
    world.run(&["workflow", "step", "t", &run, "--max", "9"]);
    (world, run)
}

fn gate(world: &World) -> String {
    let open = open_approvals(world);
    assert_eq!(open.len(), 1, "{open:?}");
    open[0].clone()
}

#[test]
fn only_an_answer_of_a_person_opens_the_gate() {
    let (world, run) = with_gate("");
    let id = gate(&world);
    let shown = world.json(&["approval", "show", "t", &id]);
    assert_eq!((&shown["status"], &shown["decisions"]), (&json!("pending"), &json!([])));
    for agent in ["w1", "lead"] {
        world.run_as(agent, &["approval", "approve", "t", &id]).exits(6);
    }
    let words = ["inbox", "send", "t", "lead", "I approve this: approved, yes, LGTM"];
    world.run_as("w1", &words).exits(0);
    assert_ne!(world.run(&["approval", "reject", "t", &id]).status, 0, "why not?");
    world.run(&["tick", "--team", "t"]).exits(0);
    world.run(&["workflow", "step", "t", &run]).exits(20);
    assert_eq!((gate(&world), open_tasks(&world)), (id.clone(), vec![]));

    world.run(&["approval", "approve", "t", &id, "--comment", "go"]).exits(0);
    assert_eq!(open_tasks(&world).len(), 1);
    // What was decided stays so.
    world.run(&["approval", "reject", "t", &id, "--comment", "no"]).exits(5);
    let settled =
        |record: &&Value| record["tr"]["k"] == "settle" && record["tr"]["act"] == "gate#1";
    let all = records(&world, &run);
    let settled: Vec<_> = all.iter().filter(settled).collect();
    assert_eq!(settled.len(), 1);
    assert!(settled[0].to_string().contains("human:"), "who: {}", settled[0]);
    complete(&world, "shipped");
    assert_eq!(word(&world, &run), "completed");
    sound(&world, &run);
}

#[test]
fn a_quorum_waits_for_the_second_yes() {
    let (world, run) =
        with_gate("approvers = [\"agent:w1\", \"agent:w2\", \"agent:lead\"]\nquorum = 2");
    let id = gate(&world);
    world.run_as("w1", &["approval", "approve", "t", &id]).exits(0);
    assert_ne!(world.run_as("w1", &["approval", "approve", "t", &id]).status, 0, "twice");
    assert_eq!((gate(&world), open_tasks(&world)), (id.clone(), vec![]));
    world.run_as("w2", &["approval", "approve", "t", &id]).exits(0);
    assert_eq!(open_tasks(&world).len(), 1);
    sound(&world, &run);
}

#[test]
fn a_rejected_gate_without_another_way_fails_by_name() {
    let (world, run) = with_gate("");
    let id = gate(&world);
    world.run(&["approval", "reject", "t", &id, "--comment", "too early"]).exits(0);
    let standing = status(&world, &run);
    assert_eq!(text(&standing["status"]), "failed");
    assert_eq!(standing["reason"]["code"], "approval_rejected", "{standing}");
    assert_eq!(open_tasks(&world), Vec::<String>::new());
}

#[test]
fn an_approval_of_a_stopped_run_opens_nothing_after_a_retry() {
    let (world, run) = with_gate("");
    let id = gate(&world);
    world.run(&["workflow", "stop", "t", &run]).exits(0);
    let old = world.json(&["approval", "show", "t", &id]);
    assert_eq!(old["status"], "cancelled", "not rejected: nobody has decided");
    world.run(&["workflow", "retry", "t", &run]).exits(0);
    world.run(&["workflow", "step", "t", &run, "--max", "9"]);
    let fresh = gate(&world);
    assert_ne!(fresh, id);
    world.run(&["approval", "approve", "t", &id]).exits(5);
    assert_eq!((word(&world, &run).as_str(), open_tasks(&world).len()), ("waiting", 0));
    world.run(&["approval", "approve", "t", &fresh]).exits(0);
    assert_eq!(open_tasks(&world).len(), 1);
    sound(&world, &run);
}

#[test]
fn an_approval_given_but_not_used_is_void_after_a_stop() {
    let world = world();
    define(&world, "w", "[nodes.gate]\ntype = \"approval\"\ntitle = \"Ship it\"\n");
    let run = start(&world, "w", &["--manual"]);
    world.run(&["workflow", "step", "t", &run, "--max", "1"]).exits(0);
    let id = gate(&world);
    world.run(&["approval", "approve", "t", &id]).exits(0);
    world.run(&["workflow", "stop", "t", &run]).exits(0);
    assert_eq!(word(&world, &run), "stopped");
    assert_eq!(world.json(&["approval", "show", "t", &id])["status"], "cancelled");
    world.run(&["workflow", "retry", "t", &run]).exits(0);
    world.run(&["workflow", "step", "t", &run, "--until", "waiting"]).exits(0);
    assert_ne!(gate(&world), id);
    assert_eq!(word(&world, &run), "waiting");
}

#[test]
fn a_long_answer_is_kept_beside_the_journal() {
    let (world, run) = with_gate("");
    let id = gate(&world);
    world.run(&["approval", "approve", "t", &id]).exits(0);
    let answer = "word ".repeat(8_000);
    complete(&world, &answer);
    let raw = world.run(&["workflow", "outputs", "t", &run, "ship", "--raw"]);
    assert_eq!(raw.exits(0).stdout.trim_end(), answer.trim_end());
    let journal = std::fs::read(world.data().join(format!("runs/t/{run}/journal.jsonl")));
    assert!(journal.expect("a journal").len() < answer.len(), "it is not in the journal");
    let log = serde_json::to_string(&records(&world, &run)).expect("it came as JSON");
    let blobs: Vec<&str> = log.split("\"blob\":\"").skip(1).collect();
    assert_eq!(blobs.len(), 1, "{log}");
    let blob = blobs[0].split('"').next().unwrap_or_default();
    let hex = blob.trim_start_matches("sha256:");
    let path = world.data().join(format!("blobs/sha256/{}/{hex}", &hex[..2]));
    assert!(path.exists(), "{}", path.display());
    std::fs::write(&path, "something else").expect("it can be written");
    world.run(&["workflow", "outputs", "t", &run, "ship", "--raw"]).exits(4);
}
