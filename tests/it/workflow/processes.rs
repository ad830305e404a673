//! Several processes at one run, some of them killed at any moment.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::flows::{
    define, list, open_approvals, open_tasks, records, sound, start, status, tasks, text, word,
    world,
};
use crate::support::{Ran, Running, World};

/// Two agents at once, one of whom may fail, then a person who may reject, a program and news.
const FLOW: &str = r#"
[nodes.a]
type = "task"
assign = { agent = "w1" }
prompt = "Do a"
retry = { max = 30, delay = "1ms" }

[nodes.b]
type = "task"
assign = { agent = "w2" }
prompt = "Do b"
retry = { max = 30, delay = "1ms" }

[nodes.both]
type = "join"

[nodes.gate]
type = "approval"
title = "Ship it"
rework = ["a"]
maxRework = 30

[nodes.make]
type = "command"
run = ["true"]
retry = { max = 30, delay = "1ms" }

[nodes.tell]
type = "notify"
to = ["agent:w1"]
title = "Shipped"

[[edges]]
from = "a"
to = "both"

[[edges]]
from = "b"
to = "both"

[[edges]]
from = "both"
to = "gate"

[[edges]]
from = "gate"
to = "make"

[[edges]]
from = "make"
to = "tell"
"#;

/// Random numbers that can be had again (xorshift64).
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let given = std::env::var("CLAWTEAM_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos();
        Self(given.unwrap_or(u64::from(now) | 1))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Answers what is open. Each answer is a process that may be killed.
fn answers(world: &World, chance: &mut Chance) -> Vec<Running> {
    let mut started = Vec::new();
    for id in open_tasks(world) {
        let failing = ["task", "fail", "t", &id, "--error", "no"];
        let done = ["task", "update", "t", &id, "--status", "completed", "--result", "done"];
        let line = if chance.below(4) == 0 { &failing[..] } else { &done[..] };
        started.push(world.call(line).env("CLAWTEAM_AGENT_NAME", "w1").start());
    }
    for id in open_approvals(world) {
        let reject = ["approval", "reject", "t", &id, "--comment", "again"];
        let approve = ["approval", "approve", "t", &id];
        let both = chance.below(3) == 0;
        if both {
            started.push(world.call(&reject).start());
        }
        started.push(world.call(&approve).start());
    }
    started
}

/// Somebody who moves the run.
fn driver(world: &World, run: &str, chance: &mut Chance) -> Running {
    let drive = ["workflow", "drive", "t", run, "--timeout", "200ms", "-j", "1"];
    let line: &[&str] = match chance.below(4) {
        0 => &["workflow", "step", "t", run, "--max", "20"],
        1 => &drive,
        2 => &["tick", "--team", "t"],
        _ => &["queue", "work", "t", "--once"],
    };
    world.call(line).start()
}

/// Many at once, and some are killed.
fn disturb(world: &World, run: &str, chance: &mut Chance) {
    for _ in 0..8 {
        let mut running = answers(world, chance);
        running.extend((0..3).map(|_| driver(world, run, chance)));
        for one in &running {
            thread::sleep(Duration::from_micros(chance.below(9_000)));
            if chance.below(3) != 0 {
                one.signal(Signal::KILL);
            }
        }
        for ran in running.into_iter().map(Running::finish) {
            let fine = [0, 5, 12, 20, 137];
            assert!(fine.contains(&ran.status), "{ran}");
        }
    }
}

/// Nobody is killed any more.
fn finish(world: &World, run: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while word(world, run) != "completed" {
        assert!(Instant::now() < deadline, "it does not end: {}", status(world, run));
        for id in open_tasks(world) {
            let done = ["task", "update", "t", &id, "--status", "completed", "--result", "done"];
            world.run_as("w1", &done).exits(0);
        }
        for id in open_approvals(world) {
            world.run(&["approval", "approve", "t", &id]).exits(0);
        }
        world.run(&["tick", "--team", "t"]).exits(0);
        let ran =
            world.run(&["workflow", "drive", "t", run, "--timeout", "2s", "--until", "waiting"]);
        assert!([0, 12].contains(&ran.status), "{ran}");
    }
}

/// How often each thing is there that was made for a key.
fn made(all: &[Value], key: impl Fn(&Value) -> Option<String>) -> BTreeMap<String, usize> {
    let mut made = BTreeMap::new();
    for one in all.iter().filter_map(key) {
        *made.entry(one).or_insert(0) += 1;
    }
    made
}

#[track_caller]
fn each_once(what: &str, made: &BTreeMap<String, usize>, at_least: usize) {
    assert!(made.values().all(|count| *count == 1), "{what}: {made:?}");
    assert!(made.len() >= at_least, "{what}: {made:?}");
}

/// Everything that the run has made is there once.
fn check(world: &World, run: &str) {
    sound(world, run);
    let key = |path: &'static str| {
        move |value: &Value| value.pointer(path).and_then(Value::as_str).map(str::to_owned)
    };
    let tasks = tasks(world);
    let by_key = made(&tasks, key("/metadata/workflow/key"));
    assert_eq!(by_key.len(), tasks.len(), "a task of nobody: {tasks:?}");
    each_once("tasks", &by_key, 2);
    let started = records(world, run);
    let started = started.iter().filter(|record| record["tr"]["k"] == "start");
    let wanted = started.filter(|record| {
        let act = record["tr"]["act"].as_str().unwrap_or_default();
        act.starts_with("a#") || act.starts_with("b#")
    });
    assert_eq!(wanted.count(), tasks.len(), "a task for each attempt");
    let approvals = world.run(&["--json", "approval", "list", "t"]).exits(0).json();
    each_once("approvals", &made(list(&approvals), key("/key")), 1);
    let used = list(&approvals).iter().map(|one| one["consumedBy"].as_array().map_or(0, Vec::len));
    assert_eq!(used.sum::<usize>(), 1, "{approvals}");
    let mut log = list(&world.json(&["inbox", "log", "t", "--limit", "1000"])["messages"]).clone();
    log.retain(|message| {
        message["from"].as_str().is_some_and(|from| from.starts_with("workflow:"))
    });
    let messages = made(&log, key("/requestId"));
    // One for each task, and one in the end.
    each_once("messages", &messages, tasks.len() + 1);
    assert_eq!(messages.len(), tasks.len() + 1);
}

#[test]
fn whoever_is_killed_a_run_comes_to_its_end_once() {
    let mut chance = Chance::new();
    for _ in 0..4 {
        let seed = chance.0;
        println!("CLAWTEAM_TEST_SEED={seed}");
        let world = world();
        define(&world, "flow", FLOW);
        let run = start(&world, "flow", &[]);
        disturb(&world, &run, &mut chance);
        finish(&world, &run);
        check(&world, &run);
    }
}

const SHORT: &str = "[nodes.a]\ntype = \"task\"\nassign = { agent = \"w1\" }\nprompt = \"Do a\"\n";

#[test]
fn no_wake_up_is_lost_between_two_processes() {
    let world = world();
    define(&world, "short", SHORT);
    let mut chance = Chance::new();
    let seed = chance.0;
    for round in 0..30 {
        let run = start(&world, "short", &[]);
        world.run(&["workflow", "step", "t", &run, "--max", "9"]);
        let id = open_tasks(&world).pop().expect("the task of the run");
        let done = ["task", "update", "t", &id, "--status", "completed", "--result", "done"];
        let step = world.call(&["workflow", "step", "t", &run, "--max", "9"]).start();
        thread::sleep(Duration::from_micros(chance.below(12_000)));
        let answer = world.call(&done).env("CLAWTEAM_AGENT_NAME", "w1").start();
        answer.finish().exits(0);
        step.finish();
        // Whoever had the run has looked again; nobody else comes.
        assert_eq!(word(&world, &run), "completed", "seed {seed}, round {round}");
    }
}

#[test]
fn the_same_request_from_eight_processes_starts_one_run() {
    let world = world();
    define(&world, "short", &format!("concurrency = {{ policy = \"allow\" }}\n{SHORT}"));
    for round in 0..3 {
        let key = format!("k{round}");
        let line = ["--json", "workflow", "run", "t", "short", "--idempotency-key", &key];
        let started: Vec<Running> = (0..8).map(|_| world.call(&line).start()).collect();
        let ran: Vec<Ran> = started.into_iter().map(Running::finish).collect();
        let mut runs: Vec<String> =
            ran.iter().map(|ran| text(&ran.exits(0).json()["run"])).collect();
        runs.dedup();
        assert_eq!(runs.len(), 1, "{runs:?}");
        let first = ran.iter().filter(|ran| ran.json()["deduplicated"] == false).count();
        assert_eq!(first, 1);
    }
    assert_eq!(list(&world.json(&["workflow", "history", "t"])).len(), 3);
}

#[test]
fn a_workflow_that_forbids_a_second_run_is_not_blocked_by_a_crash() {
    let world = world();
    define(&world, "short", &format!("concurrency = {{ policy = \"forbid\" }}\n{SHORT}"));
    let mut chance = Chance::new();
    let seed = chance.0;
    for round in 0..15 {
        let dying = world.call(&["workflow", "run", "t", "short"]).start();
        thread::sleep(Duration::from_micros(chance.below(25_000)));
        dying.signal(Signal::KILL);
        dying.finish();
        // Whatever the killed one began is finished by the next, which then is the second.
        let again = world.run(&["--json", "workflow", "run", "t", "short"]);
        let live = world.json(&["workflow", "history", "t", "--status", "live"]);
        assert_eq!(list(&live).len(), 1, "seed {seed}, round {round}");
        let run = text(&live[0]["run"]);
        match again.status {
            0 => assert_eq!(text(&again.json()["run"]), run),
            _ => drop(again.fails_with(5, "run_active")),
        }
        world.run(&["workflow", "stop", "t", &run]).exits(0);
        assert_eq!(word(&world, &run), "stopped", "seed {seed}, round {round}");
    }
    start(&world, "short", &[]);
}

#[test]
fn of_two_people_at_once_one_moves_the_run() {
    let world = world();
    define(
        &world,
        "gate",
        "[nodes.gate]\ntype = \"approval\"\ntitle = \"Ship it\"\n\n[nodes.tell]\ntype = \
         \"notify\"\nto = [\"agent:w1\"]\ntitle = \"Shipped\"\n\n[[edges]]\nfrom = \"gate\"\nto = \
         \"tell\"\n",
    );
    for _ in 0..6 {
        let run = start(&world, "gate", &[]);
        world.run(&["workflow", "step", "t", &run, "--max", "9"]);
        let id = open_approvals(&world).pop().expect("an approval");
        let line = ["approval", "approve", "t", &id];
        let both = [world.call(&line).start(), world.call(&line).start()];
        let mut ends = both.map(|one| one.finish().status);
        ends.sort_unstable();
        assert_eq!(ends, [0, 5]);
        assert_eq!(word(&world, &run), "completed");
        sound(&world, &run);
        let decided =
            |record: &&Value| record["tr"]["k"] == "settle" && record["tr"]["act"] == "gate#1";
        assert_eq!(records(&world, &run).iter().filter(decided).count(), 1);
    }
    assert_eq!(list(&world.json(&["inbox", "receive", "t", "-a", "w1"])).len(), 6);
}

#[test]
fn an_edited_journal_is_named_and_never_repaired() {
    let world = world();
    define(&world, "short", SHORT);
    let run = start(&world, "short", &[]);
    world.run(&["workflow", "step", "t", &run, "--max", "9"]);
    super::flows::complete(&world, "done");
    sound(&world, &run);
    let path = world.data().join(format!("runs/t/{run}/journal.jsonl"));
    let whole = fs::read_to_string(&path).expect("a journal");
    let edited = whole.replacen("w1", "w2", 1);
    let line = edited.lines().zip(whole.lines()).position(|(a, b)| a != b).expect("a change") + 1;
    fs::write(&path, &edited).expect("it can be written");
    for options in [&[][..], &["--repair"]] {
        let told = world
            .run(&[&["--json", "workflow", "fsck", "t", &run], options].concat())
            .exits(1)
            .json();
        assert_eq!(told[0]["problems"][0]["code"], "broken_chain");
        let message = text(&told[0]["problems"][0]["message"]);
        assert!(message.contains(&format!("line {line}")), "{message}, not {line}");
        assert_eq!(fs::read_to_string(&path).expect("a journal"), edited, "it is left alone");
    }
    // The cache is another thing: it is made anew.
    fs::write(&path, &whole).expect("it can be written");
    let state = world.data().join(format!("runs/t/{run}/state.json"));
    let good = world.document(&format!("runs/t/{run}/state.json"));
    let mut bad = good.clone();
    bad["state"]["status"] = json!("running");
    fs::write(&state, bad.to_string()).expect("it can be written");
    world.run(&["workflow", "fsck", "t", &run]).exits(1);
    world.run(&["workflow", "fsck", "t", &run, "--repair"]).exits(0);
    assert_eq!(world.document(&format!("runs/t/{run}/state.json"))["state"], good["state"]);
    fs::remove_file(&state).expect("it is there");
    assert_eq!(word(&world, &run), "completed");
    sound(&world, &run);
}

#[test]
fn a_slot_of_a_schedule_starts_one_run_whoever_is_killed() {
    let mut chance = Chance::new();
    let seed = chance.0;
    let world = world();
    define(&world, "short", SHORT);
    for round in 0..6 {
        let id = format!("s{round}");
        let line = ["schedule", "add", "t", &id, "--cron", "0 0 * * *", "--workflow", "short"];
        world.run(&line).exits(0);
        let path = format!("schedules/t/{id}.json");
        let mut schedule = world.document(&path);
        schedule["createdAt"] = json!("2026-01-01T12:00:00+00:00");
        world.put(&path, schedule.to_string());
        for _ in 0..2 {
            let passes = [(); 2].map(|()| world.call(&["tick", "--team", "t"]).start());
            thread::sleep(Duration::from_micros(chance.below(40_000)));
            for pass in passes {
                pass.signal(Signal::KILL);
                pass.finish();
            }
        }
        world.run(&["tick", "--team", "t"]).exits(0);
        let runs = world.json(&["workflow", "history", "t", "--status", "live"]);
        assert_eq!(list(&runs).len(), 1, "seed {seed}, round {round}: {runs}");
        assert_eq!(runs[0]["source"], "schedule");
        let run = text(&runs[0]["run"]);
        world.run(&["workflow", "stop", "t", &run]).exits(0);
        let all = world.json(&["workflow", "history", "t"]);
        assert_eq!(list(&all).len(), round + 1, "seed {seed}: {all}");
    }
}
