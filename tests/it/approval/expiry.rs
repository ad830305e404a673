//! Time: a request lives until a stored instant, and waiting has an end.

use std::time::Duration;

use serde_json::json;

use super::{agent, fails, person, request, status, world};
use crate::until;

#[test]
fn after_its_time_no_decision_counts() {
    let world = world();
    let id = request(&world, &["--expires", "1ms"]);
    until("its time is over", || status(&world, &id) == "expired");
    // Reading has written nothing; whoever decides finds it expired and writes that down.
    assert_eq!(world.document(&format!("approvals/t/{id}.json"))["status"], "pending");
    fails(&person(&world, "approve", &id, &[]), 11, "approval_expired");
    assert_eq!(world.document(&format!("approvals/t/{id}.json"))["status"], "expired");
    fails(&person(&world, "approve", &id, &[]), 11, "approval_expired");
    fails(&person(&world, "consume", &id, &["--by", "x"]), 11, "not_approved");
    let got = world.json(&["inbox", "receive", "t", "-a", "w1"]);
    assert_eq!(got[0]["status"], "expired");
    person(&world, "wait", &id, &[]).exits(11);
}

#[test]
fn a_clock_that_was_set_back_opens_nothing_again() {
    let world = world();
    let id = request(&world, &["--expires", "1h"]);
    // As if it had been asked for two hours from now.
    let path = format!("approvals/t/{id}.jsonl");
    let file = world.data().join(&path);
    let text = std::fs::read_to_string(&file).expect("it is there");
    let mut record: serde_json::Value = serde_json::from_str(&text).expect("a record");
    let later = "2999-01-01T02:00:00+00:00";
    record["at"] = json!(later);
    record["approval"]["createdAt"] = json!(later);
    record["approval"]["expiresAt"] = json!("2999-01-01T01:00:00+00:00");
    let object = record.as_object_mut().expect("an object");
    object.retain(|key, _| key != "prev" && key != "hash");
    let line = clawteam::domain::chain::link(None, &record).line;
    std::fs::write(&file, [&line[..], b"\n"].concat()).expect("it can be written");
    fails(&person(&world, "approve", &id, &[]), 11, "approval_expired");
}

#[test]
fn somebody_else_is_asked_when_nobody_answers() {
    let world = world();
    let id =
        request(&world, &["--approver", "w2", "--expires", "1s", "--on-timeout", "escalate:w3"]);
    let asked = || world.json(&["approval", "show", "t", &id])["escalation"]["to"] == "agent:w3";
    until("w3 is asked", asked);
    let decided = agent(&world, "w3", "approve", &id, &[]);
    // Unless this machine was so slow that the second time was over too.
    assert!(decided.status == 0 || decided.status == 11, "{decided}");

    let line = ["--json", "approval", "request", "t", "--title", "x", "--reason", "y", "--risky"];
    let never = [&line[..], &["--expires", "1s", "--on-timeout", "approve"]].concat();
    fails(&world.run(&never), 4, "invalid_approval");
    let silent = request(&world, &["--expires", "1ms", "--on-timeout", "approve"]);
    until("nobody has objected", || status(&world, &silent) == "approved");
    person(&world, "consume", &silent, &["--by", "x"]).exits(0);
    let shown = world.json(&["approval", "show", "t", &silent]);
    assert_eq!(shown["decisions"][0]["actor"], "policy:on-timeout");
}

#[test]
fn waiting_ends_with_the_decision() {
    let world = world();
    let cases: [(&str, &[&str], i32); 3] =
        [("approve", &[], 0), ("reject", &["--comment", "no"], 10), ("cancel", &[], 11)];
    for (verb, more, exit) in cases {
        let id = request(&world, &[]);
        let waiting = world.call(&["--json", "approval", "wait", "t", &id]).start();
        person(&world, verb, &id, more).succeeds();
        waiting.finish_within(Duration::from_secs(10)).exits(exit);
    }
    let id = request(&world, &[]);
    let ran = person(&world, "wait", &id, &["--timeout", "50ms"]);
    assert_eq!(ran.exits(12).json()["status"], "timeout");
    let soon = request(&world, &["--expires", "300ms"]);
    let waiting = world.call(&["approval", "wait", "t", &soon]).start();
    waiting.finish_within(Duration::from_secs(10)).exits(11);

    let other = request(&world, &[]);
    person(&world, "approve", &other, &[]).succeeds();
    person(&world, "wait", &id, &[&other, "--any"]).exits(0);
    person(&world, "wait", &id, &[&other, "--all", "--timeout", "10ms"]).exits(12);
    fails(&person(&world, "wait", "nope", &[]), 3, "approval_not_found");

    let line = ["--json", "approval", "request", "t", "--title", "x", "--reason", "y", "--wait"];
    let asking = world.call(&line).env("CLAWTEAM_AGENT_NAME", "w3").start();
    let mut asked = None;
    until("it is asked for", || {
        let found = world.json(&["approval", "list", "t", "--requester", "w3"]);
        asked = found[0]["id"].as_str().map(str::to_owned);
        asked.is_some()
    });
    person(&world, "reject", &asked.expect("it was found"), &["--comment", "no"]).succeeds();
    asking.finish_within(Duration::from_secs(10)).exits(10);
}
