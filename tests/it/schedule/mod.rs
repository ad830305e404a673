//! Schedules, the pass that sees to them, and the timer that calls it.

mod timer;

use std::fs;

use serde_json::{Value, json};

use crate::support::World;

fn world() -> World {
    let world = World::new();
    world.team(&[]);
    world
}

fn show(world: &World, id: &str) -> Value {
    world.json(&["schedule", "show", "t", id])
}

/// A schedule of every day that was made long ago and has started nothing yet.
fn put_daily(world: &World, id: &str, change: impl FnOnce(&mut Value)) {
    world.run(&["schedule", "add", "t", id, "--cron", "0 0 * * *", "--", "true"]).exits(0);
    let path = format!("schedules/t/{id}.json");
    let mut schedule = world.document(&path);
    schedule["createdAt"] = json!("2026-01-01T12:00:00+00:00");
    change(&mut schedule);
    world.put(&path, schedule.to_string());
}

fn items(world: &World) -> usize {
    world.json(&["queue", "list", "t"]).as_array().expect("a list").len()
}

#[test]
fn a_slot_starts_one_item_even_if_nobody_wrote_down_that_it_did() {
    let world = world();
    put_daily(&world, "d", |_| ());
    let before = fs::read(world.data().join("schedules/t/d.json")).expect("it is there");
    let ticked = world.json(&["tick"]);
    assert_eq!(ticked["teams"][0]["fired"].as_array().map(Vec::len), Some(1), "{ticked}");
    assert_eq!(ticked["teams"][0]["items"][0]["outcome"], "done");
    let state = show(&world, "d")["state"].clone();
    assert_eq!(state["fires"], 1);
    assert!(state["missed"].as_u64().is_some_and(|missed| missed > 100), "{state}");
    let started = &ticked["teams"][0]["fired"][0]["started"];
    // As if the process had died before it wrote down that it started the item, or even that it
    // was about to.
    let mut pending = world.document("schedules/t/d.json");
    let slot = pending["state"]["lastSlot"].clone();
    pending["state"] = json!({"lastSlot": slot, "pending": [slot]});
    for left in [before, pending.to_string().into_bytes()] {
        world.put("schedules/t/d.json", &left);
        let again = world.json(&["tick"]);
        assert_eq!(&again["teams"][0]["fired"][0]["started"], started);
        assert_eq!(items(&world), 1, "the slot was used twice");
        assert_eq!(show(&world, "d")["state"]["fires"], 1);
    }
    assert_eq!(world.json(&["tick"])["teams"], json!([]));
}

#[test]
fn passes_at_the_same_time_start_each_slot_once() {
    let world = world();
    put_daily(&world, "d", |schedule| schedule["misfire"] = json!("catch_up:5"));
    let passes: Vec<_> = (0..4).map(|_| world.call(&["tick"]).start()).collect();
    for pass in passes {
        pass.finish().exits(0);
    }
    let fires = show(&world, "d")["state"]["fires"].as_u64().expect("a number");
    assert!(fires > 0, "nothing was started");
    assert_eq!(u64::try_from(items(&world)).expect("few"), fires);
    // What waits for the one before is started in later passes.
    crate::until("all are made up for", || {
        world.run(&["tick"]).exits(0);
        show(&world, "d")["state"].get("pending").is_none()
    });
    let fires = show(&world, "d")["state"]["fires"].as_u64().expect("a number");
    assert_eq!(u64::try_from(items(&world)).expect("few"), fires);
    assert!(fires == 5 || fires == 6, "{fires}");
}

#[test]
fn a_clock_that_was_set_back_starts_nothing_again() {
    let world = world();
    put_daily(&world, "d", |schedule| {
        schedule["state"] = json!({"lastSlot": "2999-01-01T00:00:00+00:00"});
    });
    assert_eq!(world.json(&["tick"])["teams"], json!([]));
    assert_eq!(items(&world), 0);
}

#[test]
fn what_still_goes_on_keeps_the_next_slot_from_starting() {
    for (overlap, started, problem) in [
        ("forbid", Value::Null, json!("what it started last still goes on")),
        ("queue", Value::Null, Value::Null),
    ] {
        let world = world();
        put_daily(&world, "d", |schedule| {
            schedule["target"] = json!({"task": {"subject": "s"}});
            schedule["overlap"] = json!(overlap);
        });
        world.run(&["schedule", "run-now", "t", "d"]).exits(0);
        let task = show(&world, "d")["state"]["lastStarted"].clone();
        let fired = world.json(&["tick"])["teams"][0]["fired"][0].clone();
        assert_eq!(
            json!([fired.get("started"), fired.get("problem")]),
            json!([started, problem]),
            "{overlap}"
        );
        let task = task.as_str().expect("a task");
        world.run(&["task", "update", "t", task, "--status", "completed"]).exits(0);
        let waits = world.json(&["tick"])["teams"][0]["fired"][0]["started"].is_string();
        assert_eq!(waits, overlap == "queue", "{overlap}");
    }
}

#[test]
fn schedules_are_made_paused_and_removed() {
    let world = world();
    let line = ["schedule", "add", "t", "n", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin"];
    let made = world.json(&[&line[..], &["--task", "Look", "--owner", "w1"]].concat());
    assert!(made["nextAt"].is_string(), "{made}");
    let again = world.run(&[&["--json"], &line[..], &["--task", "x"]].concat());
    assert_eq!((again.status, &again.json()["code"]), (5, &json!("schedule_exists")));
    let next = world.json(&["schedule", "next", "t", "n", "-n", "3"]);
    assert_eq!(next["next"].as_array().map(Vec::len), Some(3));
    world.run(&["schedule", "pause", "t", "n", "-r", "holidays"]).shows("OK Schedule 'n' is off");
    assert_eq!(show(&world, "n")["disabledReason"], "holidays");
    world.run(&["schedule", "next", "t", "n"]).shows("It is off");
    world.run(&["schedule", "resume", "t", "n"]).shows("OK Schedule 'n' is on");
    let fire = world.json(&["schedule", "run-now", "t", "n"]);
    let task = world.json(&["task", "get", "t", fire["started"].as_str().expect("a task")]);
    assert_eq!(json!([task["subject"], task["owner"]]), json!(["Look", "w1"]));
    world.run(&["schedule", "remove", "t", "n"]).shows("OK Schedule 'n' removed");
    world.run(&["schedule", "list", "t"]).shows("No schedules");
    world.run(&["--json", "schedule", "show", "t", "n"]).exits(3);
}

#[test]
fn what_was_due_while_a_schedule_was_off_is_left_out() {
    let world = world();
    put_daily(&world, "d", |schedule| schedule["enabled"] = json!(false));
    assert_eq!(world.json(&["tick"])["teams"], json!([]));
    world.run(&["schedule", "resume", "t", "d"]).exits(0);
    assert_eq!(world.json(&["tick"])["teams"], json!([]));
}

#[test]
fn one_bad_schedule_keeps_no_other_from_starting() {
    let world = world();
    put_daily(&world, "a", |schedule| schedule["cron"] = json!("nonsense"));
    put_daily(&world, "b", |_| ());
    world.put("schedules/t/c.json", "{ broken");
    let ran = world.run(&["tick"]);
    ran.warns("nonsense");
    ran.warns("not a valid document");
    assert_eq!(items(&world), 1);
}

#[test]
fn mistakes_are_told_when_a_schedule_is_made() {
    let world = world();
    let told = |status: i32, code: &str, arguments: &[&str]| {
        let ran = world.run(&[&["--json", "schedule", "add", "t", "x"], arguments].concat());
        ran.exits(status);
        assert_eq!(ran.json()["code"], code, "{ran}");
    };
    told(4, "invalid_cron", &["--cron", "61 * * * *", "--task", "x"]);
    told(4, "invalid_schedule", &["--cron", "@daily", "--timezone", "Mars", "--task", "x"]);
    told(4, "invalid_schedule", &["--every", "10ms", "--task", "x"]);
    told(4, "never_due", &["--at", "2020-01-01T00:00", "--task", "x"]);
    told(4, "bad_payload", &["--every", "1h", "--kind", "http", "--payload", "{}"]);
    told(4, "invalid_schedule", &["--every", "1h", "--window", "9-5", "--task", "x"]);
    world.run(&["schedule", "add", "t", "x", "--every", "1h"]).is_misused();
    let both = ["schedule", "add", "t", "x", "--every", "1h", "--cron", "@daily", "--task", "x"];
    world.run(&both).is_misused();
    world
        .run(&["schedule", "add", "t", "x", "--every", "1h", "--misfire", "never", "--task", "x"])
        .is_misused();
    assert!(world.names("schedules").is_empty(), "a mistake left something behind");
}
