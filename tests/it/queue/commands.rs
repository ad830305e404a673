//! `clawteam queue`, as it is typed.

use serde_json::{Value, json};

use super::{push, show, state, text, work, world};

fn ids(listed: &Value) -> Vec<String> {
    listed.as_array().expect("a list").iter().map(|item| text(&item["id"])).collect()
}

#[test]
fn items_are_done_in_the_order_of_their_priority_and_age() {
    let world = world();
    let pushed: Vec<String> = ["low", "normal", "critical", "normal", "high"]
        .iter()
        .map(|priority| push(&world, &["--priority", priority], &format!("echo {priority} >> log")))
        .collect();
    let order = [2, 4, 1, 3, 0].map(|at| pushed[at].clone());
    assert_eq!(ids(&world.json(&["queue", "list", "t"])), order);
    work(&world);
    assert_eq!(super::lines(&world, "log"), ["critical", "high", "normal", "normal", "low"]);
    let stats = world.json(&["queue", "stats", "t"]);
    assert_eq!(stats, json!({"ready": 0, "delayed": 0, "leased": 0, "done": 5, "dead": 0}));
}

#[test]
fn the_same_key_is_one_item_in_whatever_state() {
    let world = world();
    let first = push(&world, &["--key", "k"], "echo once >> log");
    let line = ["queue", "push", "t", "command", "--key", "k", "--", "sh", "-c", "echo 2 >> log"];
    let again = world.json(&line);
    assert_eq!((text(&again["id"]), &again["created"]), (first.clone(), &json!(false)));
    work(&world);
    let again = world.json(&line);
    assert_eq!((&again["state"], &again["created"]), (&json!("done"), &json!(false)));
    work(&world);
    assert_eq!(super::lines(&world, "log"), ["once"]);
    assert_eq!(state(&world, "k"), "done", "it is found by its key");
    // A key whose item was removed may be used again.
    world.run(&["queue", "drop", "t", "k"]).shows("OK Removed 1 item");
    assert_eq!(world.json(&line)["created"], json!(true));
}

#[test]
fn what_fails_is_tried_again_with_its_priority_until_it_is_dead() {
    let world = world();
    let options = ["--priority", "high", "--max-attempts", "2", "--backoff", "1s"];
    let id = push(&world, &options, "echo try >> log; echo broken >&2; exit 3");
    work(&world);
    let waiting = show(&world, &id);
    assert_eq!(
        json!([waiting["state"], waiting["priority"], waiting["attempt"]]),
        json!(["delayed", "high", 1])
    );
    world.run(&["queue", "work", "t", "--once"]).exits(20);
    assert_eq!(world.json(&["queue", "retry", "t", &id])["retried"], json!([id]));
    work(&world);
    let dead = show(&world, &id);
    assert_eq!(
        json!([dead["state"], dead["priority"], dead["attempt"], dead["result"]["exitCode"]]),
        json!(["dead", "high", 2, 3])
    );
    assert_eq!(dead["errors"][1]["code"], "exit_status");
    assert!(text(&dead["errors"][1]["message"]).ends_with("broken"));
    assert_eq!(super::lines(&world, "log").len(), 2);
    // All attempts again, as an operator wants it.
    world.run(&["queue", "retry", "t", "--dead"]).exits(0);
    assert_eq!((state(&world, &id), &show(&world, &id)["attempt"]), ("ready".into(), &json!(0)));
    world.run(&["queue", "drop", "t", &id]).exits(5);
}

#[test]
fn a_delayed_item_waits_and_can_be_cancelled() {
    let world = world();
    let id = push(&world, &["--delay", "1h"], "echo never >> log");
    work(&world);
    assert_eq!(state(&world, &id), "delayed");
    assert!(world.json(&["queue", "stats", "t"])["nextDueAt"].is_string());
    let told = world.json(&["queue", "cancel", "t", &id]);
    assert_eq!(told["outcome"], "cancelled");
    assert_eq!(state(&world, &id), "cancelled");
    assert_eq!(world.json(&["queue", "cancel", "t", &id])["outcome"], "already_ended");
    assert_eq!(world.json(&["queue", "drop", "t", "--done"])["dropped"], 1);
    assert_eq!(world.json(&["queue", "list", "t"]), json!([]));
}

#[test]
fn mistakes_are_told_with_their_exit_status() {
    let world = world();
    let told = |status: i32, code: &str, arguments: &[&str]| {
        let ran = world.run(&[&["--json"], arguments].concat());
        ran.exits(status);
        assert_eq!(ran.json()["code"], code, "{ran}");
    };
    told(4, "unknown_kind", &["queue", "push", "t", "nope"]);
    told(4, "bad_payload", &["queue", "push", "t", "command", "-p", "{"]);
    told(4, "bad_payload", &["queue", "push", "t", "command", "-p", "{\"argv\":[]}"]);
    told(4, "bad_payload", &["queue", "push", "t", "http", "--", "ls"]);
    told(3, "item_not_found", &["queue", "show", "t", "nope"]);
    told(3, "item_not_found", &["queue", "cancel", "t", "../../x"]);
    told(1, "team_not_found", &["queue", "push", "none", "command", "--", "true"]);
    world.run(&["queue", "drop", "t"]).is_misused();
    world.run(&["queue", "push", "t", "command", "--priority", "soon", "--", "true"]).is_misused();
    world.run(&["queue", "list", "t", "--state", "gone"]).is_misused();
    assert!(world.names("queue").is_empty(), "a mistake left something behind");
}

#[test]
fn what_a_later_version_wrote_is_left_alone_and_fields_survive() {
    let world = world();
    let mut item = super::item_of_run("0123456789ab", &["sh", "-c", "exit 0"]);
    item.as_object_mut().expect("an object").remove("run");
    world.put("queue/t/open/2-0000000000001-0000000001-0123456789ab.json", item.to_string());
    item["schema"] = json!("clawteam.queue-item/2");
    world.put("queue/t/open/2-0000000000001-0000000002-0123456789ac.json", item.to_string());
    world.put("queue/t/open/2-0000000000001-0000000003-0123456789ad.json", "{ broken");
    let ran = world.run(&["queue", "work", "t", "--until-idle"]);
    ran.warns("newer format");
    ran.warns("not a valid document");
    let done = world.document("queue/t/done/0123456789ab.json");
    assert_eq!(done["later"], json!({"kept": true}));
    assert_eq!(world.names("queue/t/open").len(), 2, "both are still there");
}
