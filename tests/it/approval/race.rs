//! Several people and agents at once, some of them killed.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use super::{request, world};
use crate::support::{Ran, World};

/// Starts all at once and waits for their ends.
fn together(world: &World, calls: &[Vec<&str>]) -> Vec<Ran> {
    let started: Vec<_> = calls.iter().map(|call| world.call(call).start()).collect();
    started.into_iter().map(crate::support::Running::finish).collect()
}

#[test]
fn of_two_people_at_once_one_decides() {
    let world = world();
    for _ in 0..8 {
        let id = request(&world, &[]);
        let approve = vec!["--json", "approval", "approve", "t", &id];
        let reject = vec!["--json", "approval", "reject", "t", &id, "--comment", "no"];
        let ran = together(&world, &[approve, reject]);
        let mut ends: Vec<i32> = ran.iter().map(|ran| ran.status).collect();
        let winner = if ends[0] == 0 { "approved" } else { "rejected" };
        ends.sort_unstable();
        assert_eq!(ends, [0, 5], "{} {}", ran[0], ran[1]);
        let shown = world.json(&["approval", "show", "t", &id]);
        assert_eq!(shown["status"], winner);
        assert_eq!(shown["decisions"].as_array().map(Vec::len), Some(1));
        let got = world.json(&["inbox", "receive", "t", "-a", "w1"]);
        assert_eq!(got.as_array().map(Vec::len), Some(1), "told once: {got}");
    }
}

#[test]
fn of_many_who_use_an_approval_one_passes() {
    let world = world();
    let id = request(&world, &[]);
    world.run(&["approval", "approve", "t", &id]).succeeds();
    let by: Vec<String> = (0..8).map(|n| format!("gate{n}")).collect();
    let calls: Vec<Vec<&str>> =
        by.iter().map(|by| vec!["--json", "approval", "consume", "t", &id, "--by", by]).collect();
    let passed = together(&world, &calls).iter().filter(|ran| ran.status == 0).count();
    assert_eq!(passed, 1);
}

#[test]
fn of_many_requests_about_a_task_one_is_made() {
    let world = world();
    let task = world.task(&["Ship"]);
    let call = ["--json", "approval", "request", "t", "--title", "x", "--reason", "y", "--task"];
    let calls = vec![[&call[..], &[&task]].concat(); 8];
    let ran = together(&world, &calls);
    assert_eq!(ran.iter().filter(|ran| ran.status == 0).count(), 1);
    assert_eq!(ran.iter().filter(|ran| ran.status == 5).count(), 7);

    let again: Vec<&str> = [&call[..8], &["--idempotency-key", "k"]].concat();
    let ran = together(&world, &vec![again; 6]);
    let mut ids: Vec<_> = ran.iter().map(|ran| ran.succeeds().json()["id"].clone()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "the same request is one approval");
}

/// Random numbers that can be had again (xorshift64).
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn whoever_is_killed_has_decided_wholly_or_not_at_all() {
    let given = std::env::var("CLAWTEAM_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos();
    let first: u64 = given.unwrap_or(u64::from(now) | 1);
    let mut seed = first;
    let world = world();
    for round in 0..25 {
        let id = request(&world, &["--approver", "any", "--quorum", "2"]);
        let line = ["--json", "approval", "approve", "t", &id];
        let running: Vec<_> = ["lead", "w2", "w3"]
            .map(|name| world.call(&line).env("CLAWTEAM_AGENT_NAME", name).start())
            .into();
        thread::sleep(Duration::from_micros(next(&mut seed) % 12_000));
        for one in &running {
            if next(&mut seed).is_multiple_of(2) {
                one.signal(Signal::KILL);
            }
        }
        let ran: Vec<Ran> = running.into_iter().map(crate::support::Running::finish).collect();
        let context = || format!("seed {first}, round {round}, {id}");
        assert!(ran.iter().all(|ran| [0, 5, 137].contains(&ran.status)), "{}", context());
        let done = ran.iter().filter(|ran| ran.status == 0).count();
        let shown = world.json(&["approval", "show", "t", &id]);
        let counted = shown["decisions"].as_array().expect("a list").len();
        assert!(counted >= done && counted <= 2, "{}: {done} {shown}", context());
        let end = if counted == 2 { "approved" } else { "pending" };
        assert_eq!(shown["status"], end, "{}", context());

        // Whoever comes next finishes what was left.
        for name in ["lead", "w2", "w3"] {
            let ran = world.run_as(name, &line);
            assert!([0, 5].contains(&ran.status), "{}: {ran}", context());
        }
        let document = world.document(&format!("approvals/t/{id}.json"));
        let shown = world.json(&["approval", "show", "t", &id]);
        assert_eq!(document, shown, "{}", context());
        assert_eq!(shown["status"], "approved", "{}", context());
        let got = world.json(&["inbox", "receive", "t", "-a", "w1"]);
        assert_eq!(got.as_array().map(Vec::len), Some(1), "{}: told once: {got}", context());
    }
    let told = world.run(&["--json", "doctor"]).json();
    let bad = told["findings"].as_array().expect("a list").iter();
    assert!(bad.filter(|finding| finding["severity"] == "error").count() == 0, "{told}");
}
