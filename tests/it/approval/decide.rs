//! Who may decide, and what a decision does.

use serde_json::json;

use super::{agent, fails, person, request, status, world};
use crate::support::keys;

#[test]
fn nothing_is_decided_when_it_is_asked_for() {
    let world = world();
    let line = ["approval", "request", "t", "--title", "x", "--reason", "y"];
    // T36: there is no way to ask for a decided one.
    world.run(&[&line[..], &["--status", "approved"]].concat()).is_misused();
    let id = request(&world, &["--confidence", "100"]);
    assert_eq!(status(&world, &id), "pending");
    for part in [["--title", ""], ["--reason", " "], ["--quorum", "0"]] {
        let mut line = vec!["--json", "approval", "request", "t"];
        for given in [["--title", "x"], ["--reason", "y"]] {
            line.extend(if given[0] == part[0] { part } else { given });
        }
        if part[0] == "--quorum" {
            line.extend(part);
        }
        fails(&world.run(&line), 4, "invalid_approval");
    }
}

#[test]
fn nobody_decides_about_their_own_request() {
    let world = world();
    let id = request(&world, &["--approver", "any"]);
    fails(&agent(&world, "w1", "approve", &id, &[]), 6, "own_request");
    let own = world.json(&["approval", "request", "t", "--title", "x", "--reason", "y"]);
    let own = own["id"].as_str().expect("text");
    fails(&person(&world, "approve", own, &[]), 6, "own_request");
    fails(
        &agent(&world, "w1", "request", "--title", &["x", "--reason", "y", "--approver", "w1"]),
        4,
        "invalid_approval",
    );
    assert_eq!(status(&world, &id), "pending");
}

#[test]
fn an_agent_never_decides_for_a_person() {
    let world = world();
    let id = request(&world, &[]);
    for name in ["w2", "lead"] {
        fails(&agent(&world, name, "approve", &id, &[]), 6, "human_required");
    }
    for variable in ["CLAUDE_CODE_AGENT_ID", "OPENCLAW_AGENT_NAME"] {
        let line = ["--json", "approval", "approve", "t", &id];
        fails(&world.call(&line).env(variable, "x").run(), 6, "human_required");
    }
    let decided = person(&world, "approve", &id, &["--comment", "fine"]).succeeds().json();
    assert_eq!(decided["decisions"][0]["proof"], "shell");
    assert_eq!(decided["resolution"], json!({"by": "human:local", "comment": "fine"}));
}

#[test]
fn only_those_who_were_asked_decide() {
    let world = world();
    let id = request(&world, &["--approver", "w2,human:ann"]);
    fails(&agent(&world, "w3", "approve", &id, &[]), 6, "human_required");
    fails(&person(&world, "approve", &id, &[]), 6, "not_an_approver");
    let line = ["--json", "approval", "abstain", "t", &id];
    world.call(&line).env("CLAWTEAM_USER", "ann").run().succeeds();
    let stranger = world.call(&["--json", "approval", "approve", "t", &id]);
    let stranger = stranger.env("CLAWTEAM_AGENT_NAME", "w2").env("CLAWTEAM_TEAM_NAME", "other");
    fails(&stranger.run(), 6, "not_yours");
    agent(&world, "w2", "approve", &id, &[]).succeeds();

    let lead = request(&world, &["--approver", "lead"]);
    fails(&agent(&world, "w2", "approve", &lead, &[]), 6, "not_an_approver");
    world.run(&["approval", "policy", "set", "t", "--lead-may-approve", "false"]).succeeds();
    fails(&agent(&world, "lead", "approve", &lead, &[]), 6, "lead_may_not");
    world.run(&["approval", "policy", "set", "t", "--lead-may-approve", "true"]).succeeds();
    agent(&world, "lead", "approve", &lead, &[]).succeeds();
}

#[test]
fn what_is_decided_stays_so() {
    let world = world();
    for (verb, end) in [("approve", "approved"), ("reject", "rejected"), ("cancel", "cancelled")] {
        let id = request(&world, &[]);
        let because = if verb == "cancel" { ["--reason", "no"] } else { ["--comment", "no"] };
        person(&world, verb, &id, &because).succeeds();
        for again in ["approve", "reject"] {
            fails(&person(&world, again, &id, &["--comment", "x"]), 5, "approval_not_pending");
        }
        fails(&person(&world, "cancel", &id, &[]), 5, "approval_not_pending");
        fails(&person(&world, "escalate", &id, &["--to", "w2"]), 5, "approval_not_pending");
        assert_eq!(status(&world, &id), end);
    }
}

#[test]
fn a_rejection_needs_a_reason_and_the_requester_hears_it() {
    let world = world();
    let id = request(&world, &[]);
    fails(&person(&world, "reject", &id, &[]), 2, "comment_required");
    fails(&person(&world, "reject", &id, &["--comment", " "]), 2, "comment_required");
    assert_eq!(status(&world, &id), "pending");
    person(&world, "reject", &id, &["--comment", "not on a Friday"]).succeeds();
    let got = world.json(&["inbox", "receive", "t", "-a", "w1"]);
    let text = got[0]["content"].as_str().expect("text");
    assert!(text.contains("rejected") && text.contains("not on a Friday"), "{text}");
    assert_eq!(got[0]["requestId"], id.as_str());
}

#[test]
fn two_of_three_must_agree() {
    let world = world();
    let three = ["--approver", "w2,w3,human", "--quorum", "2"];
    let id = request(&world, &three);
    let first = agent(&world, "w2", "approve", &id, &[]).succeeds().json();
    assert_eq!(first["status"], "pending");
    // The same one again does not count twice.
    fails(&agent(&world, "w2", "approve", &id, &[]), 5, "already_answered");
    assert_eq!(status(&world, &id), "pending");
    assert_eq!(person(&world, "approve", &id, &[]).succeeds().json()["status"], "approved");
    fails(&agent(&world, "w3", "approve", &id, &[]), 5, "approval_not_pending");

    let id = request(&world, &three);
    agent(&world, "w2", "abstain", &id, &[]).succeeds();
    agent(&world, "w3", "approve", &id, &[]).succeeds();
    assert_eq!(status(&world, &id), "pending", "who abstains does not agree");
    person(&world, "reject", &id, &["--comment", "no"]).succeeds();
    assert_eq!(status(&world, &id), "rejected", "one refusal is enough");

    let id = request(&world, &[&three[..], &["--reject-quorum", "2"]].concat());
    agent(&world, "w2", "reject", &id, &["--comment", "no"]).succeeds();
    assert_eq!(status(&world, &id), "pending");
    let few = ["--approver", "w2,w3", "--quorum", "3"];
    let line = [&["--json", "approval", "request", "t", "--title", "x", "--reason", "y"], &few[..]];
    fails(&world.run(&line.concat()), 4, "invalid_approval");
}

#[test]
fn only_structured_answers_count() {
    let world = world();
    let id = request(&world, &["--approver", "w2"]);
    let say = |verb: &str, text: &str| {
        let line = match verb {
            "answer" => vec!["--json", "approval", "answer", "t", &id],
            _ => vec!["--json", "approval", verb, "t", &id, "--stdin"],
        };
        world.call(&line).env("CLAWTEAM_AGENT_NAME", "w2").stdin(text).run()
    };
    for text in [
        "I do not approve this",
        "不通过",
        "approve",
        r#"{"decision": "hold"} approve later"#,
        r#"{"decision": "approved"}"#,
        r#"{"decision": "approve", "note": "x"}"#,
        "",
    ] {
        fails(&say("answer", text), 4, "invalid_answer");
        fails(&say("approve", text), 4, "invalid_answer");
    }
    fails(&say("approve", r#"{"decision": "reject", "comment": "no"}"#), 4, "invalid_answer");
    // A message is no answer either.
    world.run_as("w2", &["inbox", "send", "t", "w1", "I approve this"]).succeeds();
    assert_eq!(status(&world, &id), "pending");
    say("answer", r#"{"decision": "approve", "comment": "good"}"#).succeeds();
    assert_eq!(status(&world, &id), "approved");
}

#[test]
fn agents_are_asked_in_their_inboxes() {
    let world = world();
    let id = request(&world, &["--approver", "w2,lead,human"]);
    for inbox in ["w2", "lead"] {
        let got = world.json(&["inbox", "receive", "t", "-a", inbox]);
        let text = got[0]["content"].as_str().expect("text");
        assert!(text.contains(&format!("clawteam approval approve t {id}")), "{text}");
        assert_eq!(keys(&got[0]), "type from to content requestId timestamp key status");
        assert_eq!(got[0]["from"], "w1");
    }
    assert_eq!(world.json(&["inbox", "receive", "t", "-a", "w3"]), json!([]));
    world.run(&["approval", "escalate", "t", &id, "--to", "w3"]).succeeds();
    assert!(!world.json(&["inbox", "receive", "t", "-a", "w3"])[0].is_null());
    agent(&world, "w3", "approve", &id, &[]).succeeds();
}

#[test]
fn an_agent_chooses_no_judge_for_its_request() {
    let world = world();
    let id = request(&world, &[]);
    fails(&agent(&world, "w1", "escalate", &id, &["--to", "w2"]), 6, "not_yours");
    fails(&agent(&world, "w2", "cancel", &id, &[]), 6, "not_yours");
    agent(&world, "w1", "escalate", &id, &["--to", "human:ann"]).succeeds();
    agent(&world, "w1", "cancel", &id, &["--reason", "not needed"]).succeeds();
}

#[test]
fn a_task_has_one_open_question_at_a_time() {
    let world = world();
    let (one, two) = (world.task(&["One"]), world.task(&["Two"]));
    let both = format!("{one},{two}");
    let first = request(&world, &["--task", &both]);
    let line = ["--json", "approval", "request", "t", "--title", "x", "--reason", "y"];
    let again = world.run_as("w1", &[&line[..], &["--task", &two]].concat());
    let told = fails(&again, 5, "approval_conflict");
    assert_eq!(told["conflicts"], json!([{"task": two, "approval": first}]));
    fails(&world.run(&[&line[..], &["--task", "nope"]].concat()), 3, "task_not_found");
    let next = request(&world, &["--task", &two, "--supersedes", &first]);
    assert_eq!(status(&world, &first), "cancelled");
    assert_eq!(
        world.json(&["approval", "list", "t", "--task", &two, "-s", "pending"])[0]["id"],
        next
    );
}

#[test]
fn an_approval_lets_one_thing_pass_once() {
    let world = world();
    let id = request(&world, &[]);
    let used = |by: &str| person(&world, "consume", &id, &["--by", by]);
    fails(&used("a"), 5, "not_approved");
    person(&world, "approve", &id, &[]).succeeds();
    used("a").succeeds();
    // Whoever asks again after a crash is not refused.
    let again = used("a").succeeds().json();
    assert_eq!(again["consumedBy"].as_array().map(Vec::len), Some(1));
    fails(&used("b"), 5, "approval_used");

    let id = request(&world, &[]);
    person(&world, "approve", &id, &[]).succeeds();
    let digest = "0".repeat(64);
    let other = person(&world, "consume", &id, &["--by", "a", "--digest", &digest]);
    fails(&other, 5, "approval_void");
    assert_eq!(status(&world, &id), "cancelled");
    let rejected = request(&world, &[]);
    person(&world, "reject", &rejected, &["--comment", "no"]).succeeds();
    fails(&person(&world, "consume", &rejected, &["--by", "a"]), 10, "not_approved");
}

#[test]
fn an_approval_of_a_task_is_void_when_the_task_changes() {
    let world = world();
    let task = world.task(&["Ship"]);
    let update = |more: &[&str]| {
        world.run(&[&["task", "update", "t", &task], more].concat()).succeeds();
    };
    let given = || {
        let id = request(&world, &["--task", &task]);
        person(&world, "approve", &id, &[]).succeeds();
        id
    };
    let id = given();
    update(&["-s", "completed"]);
    person(&world, "consume", &id, &["--by", "gate"]).succeeds();

    let id = given();
    update(&["-s", "pending"]);
    assert_eq!(status(&world, &id), "cancelled", "the task was opened again");
    fails(&person(&world, "consume", &id, &["--by", "gate"]), 11, "not_approved");

    let id = given();
    update(&["-d", "something else"]);
    assert_eq!(status(&world, &id), "cancelled");

    // Another tool changes the file, and tells nobody.
    let id = given();
    let path = format!("tasks/t/task-{task}.json");
    let mut document = world.document(&path);
    document["subject"] = json!("Something else");
    world.put(&path, document.to_string());
    assert_eq!(status(&world, &id), "approved");
    fails(&person(&world, "consume", &id, &["--by", "gate"]), 5, "approval_void");
}

#[test]
fn what_was_seen_can_be_demanded() {
    let world = world();
    let id = request(&world, &["--approver", "w2,human", "--quorum", "2"]);
    agent(&world, "w2", "approve", &id, &[]).succeeds();
    fails(&person(&world, "approve", &id, &["--if-rev", "1"]), 9, "revision_conflict");
    person(&world, "approve", &id, &["--if-rev", "2"]).succeeds();
    fails(&person(&world, "show", "nope", &[]), 3, "approval_not_found");
    fails(
        &world.run(&["--json", "approval", "request", "x", "--title", "x", "--reason", "y"]),
        3,
        "team_not_found",
    );
    assert!(!world.data().join("approvals/x").exists());
}

#[test]
fn the_same_request_again_is_the_same_approval() {
    let world = world();
    let key = ["--idempotency-key", "release-7"];
    let id = request(&world, &key);
    assert_eq!(request(&world, &key), id);
    person(&world, "approve", &id, &[]).succeeds();
    let line = ["approval", "request", "t", "--title", "Ship it", "--reason", "it is ready"];
    let again = world.json_as("w1", &[&line[..], &key].concat());
    assert_eq!(json!([again["id"], again["status"]]), json!([id, "approved"]));
    let other = world.json_as("w2", &[&line[..], &key].concat());
    assert_ne!(other["id"], id.as_str(), "keys of others are others");
}

#[test]
fn attachments_can_be_looked_at() {
    let world = world();
    std::fs::write(world.cwd().join("a.diff"), "-old\n+new\n").expect("it can be written");
    std::fs::write(world.cwd().join("p.json"), r#"{"tag": "v1"}"#).expect("it can be written");
    let id = request(&world, &["--attach", "a.diff", "--payload", "p.json"]);
    let shown = world.run(&["approval", "show", "t", &id, "--diff"]).succeeds().stdout.clone();
    assert!(shown.contains("-old\n+new") && shown.contains(r#"{"tag":"v1"}"#), "{shown}");
    world.run(&["approval", "show", "t", &id, "--attachments", "out"]).succeeds();
    let text = std::fs::read_to_string(world.cwd().join("out/a.diff"));
    assert_eq!(text.expect("it was written"), "-old\n+new\n");
    std::fs::write(world.cwd().join("bad.json"), "{").expect("it can be written");
    let line = ["--json", "approval", "request", "t", "--title", "x", "--reason", "y"];
    fails(&world.run(&[&line[..], &["--payload", "bad.json"]].concat()), 4, "unfit_file");
}

#[test]
fn lists_find_what_is_wanted() {
    let world = world();
    let first = request(&world, &["--approver", "w2"]);
    let second = request(&world, &["--run", "r1", "--node", "gate"]);
    let found = |who: &[&str], more: &[&str]| {
        let line = [&["approval", "list", "t"], more].concat();
        let list = if who.is_empty() { world.json(&line) } else { world.json_as(who[0], &line) };
        let ids = list.as_array().expect("a list").iter().map(|a| a["id"].clone());
        ids.collect::<serde_json::Value>()
    };
    assert_eq!(found(&[], &[]), json!([first, second]));
    assert_eq!(found(&["w2"], &["--mine"]), json!([first]));
    assert_eq!(found(&[], &["--mine"]), json!([second]));
    assert_eq!(found(&["w1"], &["--mine"]), json!([]));
    assert_eq!(found(&[], &["--run", "r1"]), json!([second]));
    assert_eq!(found(&[], &["--requester", "w1"]), json!([first, second]));
    assert_eq!(found(&[], &["--since", "1h"]), json!([first, second]));
    assert_eq!(found(&[], &["--since", "2999-01-01T00:00:00Z"]), json!([]));
    person(&world, "approve", &second, &[]).succeeds();
    assert_eq!(found(&[], &["-s", "pending"]), json!([first]));
    let stats = world.json(&["approval", "stats", "t"]);
    assert_eq!(json!([stats["total"], stats["byStatus"]["approved"]]), json!([2, 1]));
    assert_eq!(stats["byRequester"]["agent:w1"]["rejectRate"], 0.0);
    assert!(stats["medianDecisionSeconds"].is_number());
}

#[test]
fn people_are_notified_of_what_waits_for_them_and_of_what_became_of_their_requests() {
    let world = world();
    let id = request(&world, &["--approver", "human,w2"]);
    let told = |user: &str| {
        let line = ["--json", "notify", "list", "t"];
        let list = world.call(&line).env("CLAWTEAM_USER", user).run().succeeds().json();
        let list = list.as_array().expect("a list").clone();
        list.iter().map(|n| json!([n["type"], n["refs"]["approval"]])).collect::<Vec<_>>()
    };
    assert_eq!(told("ann"), [json!(["approval_required", id])]);
    let line = ["--json", "approval", "request", "t", "--title", "x", "--reason", "y"];
    let line = [&line[..], &["--approver", "w2"]].concat();
    let own = world.call(&line).env("CLAWTEAM_USER", "ben").run().succeeds().json();
    agent(&world, "w2", "approve", own["id"].as_str().expect("text"), &[]).succeeds();
    assert!(told("ben").contains(&json!(["approval_decided", own["id"]])), "{:?}", told("ben"));
    assert_eq!(told("ann").len(), 1, "it was another's");
}
