//! Workers that die, come too late, are many, or are asked to stop.

use std::collections::BTreeMap;
use std::fs;

use clawteam::ports::Processes;
use clawteam::proc::SystemProcesses;
use rustix::process::Signal;
use serde_json::json;

use super::{file, item_of_run, lines, push, show, state, text, work, world};
use crate::support::{Running, World};
use crate::until;

fn start(world: &World, options: &[&str]) -> Running {
    world.call(&[&["queue", "work", "t"], options].concat()).start()
}

fn runs(pid: &str) -> bool {
    SystemProcesses.identify(pid.parse().expect("a process number")).is_some()
}

/// A line that writes down its process and goes on until the file `go` is there.
const PATIENT: &str = "echo $$ >> pids; while [ ! -e go ]; do sleep 0.02; done; echo ended >> log";

fn wait_for_program(world: &World, id: &str, count: usize) -> String {
    until("the program runs", || lines(world, "pids").len() == count);
    until("it is written down", || show(world, id)["lease"]["program"].is_object());
    lines(world, "pids")[count - 1].clone()
}

#[test]
fn the_item_of_a_killed_worker_is_done_again_and_its_program_is_ended() {
    let world = world();
    let id = push(&world, &["--idempotent"], PATIENT);
    let worker = start(&world, &[]);
    let program = wait_for_program(&world, &id, 1);
    worker.signal(Signal::KILL);
    assert_eq!(worker.finish().status, 137);
    assert!(runs(&program), "nobody ended it yet");
    assert_eq!(state(&world, &id), "leased");
    fs::write(file(&world, "go"), "").expect("it can be written");
    work(&world);
    until("the program of the dead worker is gone", || !runs(&program));
    let item = show(&world, &id);
    assert_eq!(json!([item["state"], item["losses"], item["attempt"]]), json!(["done", 1, 1]));
    assert_eq!(item["errors"][0]["code"], "lost");
    assert_eq!(lines(&world, "pids").len(), 2);
}

#[test]
fn what_may_not_be_done_twice_is_dead_when_its_worker_was_killed() {
    let world = world();
    let id = push(&world, &[], PATIENT);
    let worker = start(&world, &[]);
    wait_for_program(&world, &id, 1);
    worker.signal(Signal::KILL);
    worker.finish();
    let ticked = world.json(&["tick"]);
    assert_eq!(ticked["teams"][0]["reclaimed"], 1);
    let item = show(&world, &id);
    assert_eq!(json!([item["state"], item["result"]["error"]["code"]]), json!(["dead", "lost"]));
    assert_eq!(lines(&world, "pids").len(), 1, "it was done a second time");
    assert_eq!(lines(&world, "log"), [""; 0], "the program went on");
}

#[test]
fn a_worker_that_comes_too_late_changes_nothing() {
    let world = world();
    let id = push(&world, &["--idempotent"], PATIENT);
    let mut late = start(&world, &["--lease", "300ms"]);
    wait_for_program(&world, &id, 1);
    let first = text(&show(&world, &id)["lease"]["token"]);
    late.signal(Signal::STOP);
    // Its lease runs out, and another worker does the item.
    fs::write(file(&world, "go"), "").expect("it can be written");
    until("another worker has done it", || {
        work(&world);
        state(&world, &id) == "done"
    });
    let done = show(&world, &id);
    late.signal(Signal::CONT);
    assert!(late.line_with(&id).contains("lost"), "it thinks that it finished it");
    assert_eq!(show(&world, &id), done, "the first worker changed it");
    assert_eq!(done["losses"], 1);
    assert_ne!(done["lease"]["token"], json!(first));
    late.signal(Signal::TERM);
    late.finish().exits(0);
}

#[test]
fn many_workers_do_every_item_once() {
    let world = world();
    let count = 40;
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(push(&world, &[], &format!("echo {number} >> log")));
    }
    let workers: Vec<Running> =
        (0..4).map(|_| start(&world, &["-j", "2", "--until-idle"])).collect();
    for worker in workers {
        worker.finish().exits(0);
    }
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines(&world, "log") {
        *done.entry(line).or_default() += 1;
    }
    assert_eq!(done.len(), count);
    assert!(done.values().all(|times| *times == 1), "{done:?}");
    assert_eq!(world.json(&["queue", "stats", "t"])["done"], count);
}

#[test]
fn items_that_touch_the_same_thing_are_done_one_after_the_other() {
    let world = world();
    let line = "mkdir busy || echo both >> log; sleep 0.05; rmdir busy; echo one >> log";
    for _ in 0..5 {
        push(&world, &["--serial-key", "repo"], line);
    }
    let workers: Vec<Running> = (0..2).map(|_| start(&world, &["-j", "3"])).collect();
    until("all are done", || lines(&world, "log").len() >= 5);
    for worker in workers {
        worker.signal(Signal::TERM);
        worker.finish().exits(0);
    }
    assert_eq!(lines(&world, "log"), ["one"; 5]);
}

#[test]
fn cancelling_ends_the_whole_process_group() {
    let world = world();
    let line = "trap '' TERM; sleep 300 & echo $! >> pids; echo $$ >> pids; wait";
    let id = push(&world, &[], line);
    let worker = start(&world, &["--once"]);
    until("both run", || lines(&world, "pids").len() == 2);
    assert_eq!(world.json(&["queue", "cancel", "t", &id])["outcome"], "requested");
    worker.finish().exits(0);
    assert_eq!(state(&world, &id), "cancelled");
    for pid in lines(&world, "pids") {
        until("it is gone", || !runs(&pid));
    }
}

#[test]
fn what_takes_too_long_is_ended() {
    let world = world();
    let id = push(&world, &["--timeout", "300ms", "--max-attempts", "1"], "echo out; sleep 300");
    work(&world);
    let item = show(&world, &id);
    assert_eq!(
        json!([item["state"], item["result"]["error"]["code"], item["result"]["text"]]),
        json!(["dead", "timeout", "out\n"])
    );
}

#[test]
fn the_first_request_to_end_lets_the_work_come_to_its_end_and_the_second_does_not() {
    let world = world();
    let id = push(&world, &["--idempotent"], PATIENT);
    let other = push(&world, &[], "echo other >> log");
    let worker = start(&world, &[]);
    wait_for_program(&world, &id, 1);
    worker.signal(Signal::INT);
    fs::write(file(&world, "go"), "").expect("it can be written");
    worker.finish().exits(0);
    assert_eq!((state(&world, &id), state(&world, &other)), ("done".into(), "ready".into()));

    fs::remove_file(file(&world, "go")).expect("it is there");
    world.run(&["queue", "drop", "t", &id]).exits(0);
    let id = push(&world, &["--idempotent", "--priority", "high"], PATIENT);
    let worker = start(&world, &[]);
    let program = wait_for_program(&world, &id, 2);
    worker.signal(Signal::INT);
    worker.signal(Signal::TERM);
    let ran = worker.finish();
    ran.exits(0);
    assert!(ran.stdout.contains("given back"), "{ran}");
    assert!(!runs(&program), "it still runs");
    assert_eq!(state(&world, &id), "ready");
}

const OPEN: &str = "queue/t/open/2-0000000000001-0000000001-0123456789ab.json";

/// Whether a run of the team was marked. The mark goes when somebody has looked, its place stays.
fn was_woken(world: &World) -> bool {
    world.data().join("wakes/t/pokes").is_dir()
}

#[test]
fn the_result_for_a_run_is_there_when_the_run_is_woken() {
    let world = world();
    world.put(OPEN, item_of_run("0123456789ab", &["sh", "-c", "echo $CLAWTEAM_RUN"]).to_string());
    work(&world);
    let result = world.document("runs/t/r1/results/build~2-a3.json");
    assert_eq!(json!([result["ok"], result["exitCode"], result["text"]]), json!([true, 0, "r1\n"]));
    assert!(result["at"].is_string() && result["durationMs"].is_u64(), "{result}");
    assert!(was_woken(&world), "nobody woke the run");
    assert_eq!(world.names("queue/t/leased"), [""; 0]);
    // A failure goes to the run, too.
    world.put(OPEN, item_of_run("0123456789ab", &["sh", "-c", "exit 7"]).to_string());
    work(&world);
    let result = world.document("runs/t/r1/results/build~2-a3.json");
    assert_eq!(
        json!([result["ok"], result["exitCode"], result["error"]["code"]]),
        json!([false, 7, "exit_status"])
    );
}

#[test]
fn a_run_is_woken_even_if_the_worker_died_just_before() {
    let world = world();
    let mut item = item_of_run("0123456789ab", &["true"]);
    item["status"] = json!("done");
    world.put("queue/t/done/0123456789ab.json", item.to_string());
    let lease = json!({
        "schema": "clawteam.queue-lease/1", "token": "x", "worker": "w", "host": "elsewhere",
        "bootId": "b", "process": {"pid": 1, "start": 1}, "length": "1m",
        "since": "2026-01-01T00:00:00+00:00", "until": "2026-01-01T00:01:00+00:00",
    });
    world.put("queue/t/leased/0123456789ab.json", lease.to_string());
    world.run(&["tick"]).exits(0);
    assert!(was_woken(&world), "nobody woke the run");
    assert_eq!(world.names("queue/t/leased"), [""; 0]);
}

#[test]
fn a_program_is_nobodys_agent() {
    let world = world();
    let id = push(&world, &[], "env | grep -c AGENT; echo $CLAWTEAM_TEAM $CLAWTEAM_QUEUE_ITEM");
    world.call(&["queue", "work", "t", "--once"]).env("CLAWTEAM_AGENT_NAME", "w1").run().exits(0);
    assert_eq!(text(&show(&world, &id)["result"]["text"]), format!("0\nt {id}\n"));
}
