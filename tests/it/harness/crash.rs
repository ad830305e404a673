//! Conductors that are killed at any moment, and others that speak at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::Value;

use super::Stage;
use crate::support::World;

/// Numbers that look random; the seed is told if the test fails.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// What the planner hands in last.
const LAST_CONTRACT: &str = "sprint-contract-003.json";

/// Approves whenever that is all that a run waits for.
fn approve_when_asked(world: &World) -> bool {
    let ran = world.run(&["--json", "harness", "status", "t"]);
    if ran.status != 0 {
        return false;
    }
    let status = ran.json();
    let reason = status["gate_reason"].as_str().unwrap_or_default();
    let artifacts = status["artifacts"].as_array().expect("a list");
    let complete = status["phase"] != "plan" || artifacts.iter().any(|name| *name == LAST_CONTRACT);
    complete && reason.starts_with("Human approval required") && {
        world.run(&["harness", "approve", "t"]).exits(0);
        true
    }
}

#[test]
fn conductors_that_are_killed_start_nobody_twice_and_lose_no_approval() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_micros();
    let seed = u64::try_from(seed).expect("it fits") | 1;
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let stage = Stage::new();
    let mut approvals: BTreeSet<String> = BTreeSet::new();
    let mut kills = 0;
    loop {
        let conductor = stage.conduct(&["--agents", "2", "--human-gates", "discuss,plan,verify"]);
        // Early on conductors live shortly, so that every moment is met; later they get somewhere.
        let life = Duration::from_millis(20 + dice.roll(if kills < 12 { 400 } else { 4000 }));
        let began = std::time::Instant::now();
        let mut last = 0;
        while began.elapsed() < life {
            if approve_when_asked(stage.world()) {
                last += 1;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        conductor.signal(Signal::KILL);
        println!("{}", conductor.finish().stderr);
        kills += 1;
        let status = stage.world().run(&["--json", "harness", "status", "t"]);
        if status.status != 0 {
            continue;
        }
        let status = status.json();
        let now: BTreeSet<String> = status["artifacts"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| name.starts_with("approval-"))
            .map(str::to_owned)
            .collect();
        assert!(now.is_superset(&approvals), "{approvals:?} became {now:?} after {last} more");
        approvals = now;
        if status["phase"] == "ship" {
            break;
        }
        assert!(kills < 60, "no end, seed {seed}: {status}");
    }
    let mut starts: BTreeMap<String, usize> = BTreeMap::new();
    for line in stage.starts() {
        *starts.entry(line).or_default() += 1;
    }
    assert_eq!(starts.len(), 4, "a planner, two executors, an evaluator: {starts:?}");
    assert!(starts.values().all(|count| *count == 1), "seed {seed}: {starts:?}");
    assert_eq!(approvals.len(), 3);
    let tasks = stage.world().json(&["task", "list", "t"]);
    assert_eq!(tasks.as_array().map(Vec::len), Some(3), "no task was made twice");
}

#[test]
fn approvals_artifacts_and_a_conductor_at_the_same_time_lose_nothing() {
    let stage = Stage::new();
    let conductor = stage.conduct(&["--agents", "1"]);
    crate::until("the run is there", || stage.world().run(&["harness", "status", "t"]).status == 0);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let stage = &stage;
            scope.spawn(move || {
                for number in 0..8 {
                    let name = format!("note-{writer}-{number}.md");
                    let add = ["harness", "artifact", "add", "t", &name, "--file", "-"];
                    stage.world().call(&add).stdin("x").run().exits(0);
                }
            });
        }
        scope.spawn(|| {
            let mut approved = false;
            crate::until("the plan is approved", || {
                approved |= approve_when_asked(stage.world());
                approved
            });
        });
    });
    let done = conductor.finish();
    done.exits(0);
    let artifacts = done.json()["artifacts"].clone();
    let artifacts = artifacts.as_array().expect("a list");
    let notes = artifacts.iter().filter_map(Value::as_str).filter(|name| name.starts_with("note"));
    assert_eq!(notes.count(), 32);
    assert!(artifacts.iter().any(|name| name == "approval-plan.json"), "{done}");
    assert!(done.stderr.contains("reached the last phase"), "{done}");
}
