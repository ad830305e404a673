//! A run that a conductor moves on, with agents of its own.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::Stage;
use crate::support::REGISTERED;
use crate::until;

impl Stage {
    /// Waits until the run is in `phase` and `holds` of it.
    fn until_phase(&self, phase: &str, holds: impl Fn(&Value) -> bool) {
        until(&format!("phase {phase}"), || {
            let ran = self.world().run(&["--json", "harness", "status", "t"]);
            ran.status == 0 && {
                let status = ran.json();
                status["phase"] == phase && holds(&status)
            }
        });
    }

    fn alive(&self) -> Vec<String> {
        let status = self.world().json(&["team", "status", "t"]);
        let members = status["members"].as_array().expect("members").iter();
        let alive = members.filter(|member| member["alive"] == true);
        alive.map(|member| member["name"].as_str().expect("a name").to_owned()).collect()
    }
}

/// The plan is complete and waits for an approval.
fn waits_for_approval(status: &Value) -> bool {
    let reason = status["gate_reason"].as_str().unwrap_or_default();
    let artifacts = status["artifacts"].as_array().expect("a list");
    artifacts.len() == 4 && reason.starts_with("Human approval required")
}

#[test]
fn a_conductor_takes_a_run_to_its_end() {
    let stage = Stage::new();
    let conductor = stage.conduct(&["--agents", "2"]);
    stage.until_phase("plan", waits_for_approval);
    assert_eq!(stage.starts().len(), 1, "one planner discusses and plans");
    stage.harness(&["approve", "t"]);
    let done = conductor.finish();
    done.exits(0);
    let status = done.json();
    assert_eq!((&status["phase"], &status["status"]), (&json!("ship"), &json!("finished")));
    assert_eq!(status["conductor"], Value::Null);

    let starts = stage.starts();
    let of = |role: &str| -> Vec<&String> {
        starts.iter().filter(|line| line.starts_with(role)).collect()
    };
    assert_eq!((of("planner").len(), of("executor").len(), of("evaluator").len()), (1, 2, 1));
    // Executors and evaluators have worktrees, the planner works in the repository.
    let trees = stage.world().data().join("workspaces/t").display().to_string();
    assert!(of("executor").iter().all(|line| line.contains(&trees)), "{starts:?}");
    assert!(of("evaluator")[0].contains(&trees) && !of("planner")[0].contains(&trees));
    assert_eq!(stage.alive(), [""; 0], "whoever is not needed any more was stopped");

    let tasks = stage.world().json(&["task", "list", "t"]);
    let owners: Vec<&str> = tasks
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|task| task["owner"].as_str())
        .collect();
    assert_eq!(owners.len(), 3);
    assert!(owners.iter().all(|owner| owner.starts_with("executor-")), "{owners:?}");
    assert_ne!(owners[0], owners[1], "contracts go round");
    // What ended was seen.
    for line in ["[conductor] planner-", "ended with status", "stopped executor-"] {
        assert!(done.stderr.contains(line), "`{line}`\n{done}");
    }
    let manifest = stage.harness(&["artifact", "show", "t", "ship-manifest.json"]);
    let content: Value =
        serde_json::from_str(manifest["content"].as_str().expect("a text")).expect("JSON");
    assert_eq!(content["branches"].as_array().map(Vec::len), Some(2));
}

#[test]
fn ctrl_c_ends_the_conductor_and_the_agents_go_on() {
    let stage = Stage::new();
    let conductor = stage.conduct(&[]);
    stage.until_phase("plan", waits_for_approval);
    until("the planner is known", || stage.alive().len() == 1);
    conductor.signal(Signal::INT);
    let done = conductor.finish_within(std::time::Duration::from_secs(5));
    done.exits(0);
    let planner = stage.alive();
    assert_eq!(planner.len(), 1, "{done}");
    assert!(done.stderr.contains(&format!("agents keep running: {}", planner[0])), "{done}");

    // Another one goes on, with the same planner, and needs no goal for that.
    stage.harness(&["approve", "t"]);
    let again = stage.world().run(&["harness", "conduct", "t", "--poll", "1"]);
    again.exits(0);
    assert!(again.stderr.contains("going on with run"), "{again}");
    assert_eq!(stage.status()["phase"], "ship");
    let planners = stage.starts().iter().filter(|line| line.starts_with("planner")).count();
    assert_eq!(planners, 1);
}

#[test]
fn two_conductors_do_not_share_a_run() {
    let stage = Stage::new();
    let first = stage.conduct(&[]);
    stage.until_phase("plan", |status| status["conductor"].is_number());
    let second = stage.world().run(&["--json", "harness", "conduct", "t"]);
    second.exits(1);
    assert_eq!(second.json()["code"], "harness_conducted");
    first.signal(Signal::TERM);
    first.finish().exits(0);
}

#[test]
fn agents_that_do_not_get_on_end_the_conductor_with_a_reason() {
    let stage = Stage::new();
    let crash = stage.world().top().join("crash.sh");
    fs::copy(stage.agent(), &crash).expect("a file can be copied");
    let body = format!("#!/bin/sh\necho I have no key\n{REGISTERED}exit 4\n");
    fs::write(&crash, body).expect("it is ours");
    let crash = crash.display().to_string();
    let told = stage.world().run(&[
        "--json",
        "harness",
        "conduct",
        "t",
        "--goal",
        "G",
        "--cli",
        &crash,
        "--backend",
        "subprocess",
        "--poll",
        "1",
    ]);
    told.exits(1);
    let error = told.json();
    assert_eq!(error["code"], "agent_stuck");
    let text = error["error"].as_str().expect("a text");
    assert!(text.contains("started 3 times") && text.contains("I have no key"), "{text}");

    let told = stage.world().run(&[
        "--json",
        "harness",
        "conduct",
        "t2",
        "--goal",
        "G",
        "--cli",
        "no-such-agent",
    ]);
    told.exits(1);
    assert!(told.json()["error"].as_str().expect("a text").contains("not found in PATH"), "{told}");
}

#[test]
fn an_executor_that_dies_is_followed_by_another_start_and_the_work_is_done() {
    let stage = Stage::new();
    let conductor = stage.conduct(&["--agents", "1", "--human-gates", "none"]);
    until("an executor works", || stage.starts().iter().any(|line| line.starts_with("executor")));
    let line = stage.starts().into_iter().find(|line| line.starts_with("executor"));
    let name = line.expect("a line").split(' ').nth(1).expect("a name").to_owned();
    let mark = stage.world().top().join(format!("crash-{name}"));
    fs::write(&mark, "").expect("a file can be written");
    until("it died", || {
        let journal = fs::read_to_string(stage.world().data().join("harness/t/exit-journal.jsonl"));
        journal.is_ok_and(|journal| journal.contains(&name))
    });
    fs::remove_file(&mark).expect("it is there");
    let done = conductor.finish();
    done.exits(0);
    assert_eq!(done.json()["phase"], "ship");
    assert!(done.stderr.contains(&format!("{name} ended with status 3")), "{done}");
}

#[test]
fn an_evaluation_that_failed_stops_the_run_until_somebody_goes_back() {
    let stage = Stage::new();
    let fail = stage.world().top().join("fail");
    fs::write(&fail, "").expect("a file can be written");
    let conductor = stage.conduct(&["--agents", "1", "--human-gates", "none"]);
    stage.until_phase("verify", |status| {
        status["gate_reason"].as_str().unwrap_or_default().contains("part b is wrong")
    });
    fs::remove_file(&fail).expect("it is there");
    let work = r#"{"id": "d", "title": "Repair b", "wave": 3}"#;
    let add = ["harness", "artifact", "add", "t", "sprint-contract-004.json", "-f", "-"];
    stage.world().call(&add).stdin(work).run().succeeds();
    stage.harness(&["rollback", "t", "execute"]);
    let done = conductor.finish();
    done.exits(0);
    assert_eq!(done.json()["phase"], "ship");
    let tasks = stage.world().json(&["task", "list", "t"]);
    assert!(tasks.as_array().expect("a list").iter().any(|task| task["subject"] == "Repair b"));
    // The executor came back under its name, to its worktree.
    let executors: Vec<String> =
        stage.starts().into_iter().filter(|line| line.starts_with("executor")).collect();
    assert_eq!(executors.len(), 2);
    assert_eq!(executors[0], executors[1]);
}

#[test]
fn all_evaluators_are_heard_and_one_that_is_not_content_is_enough() {
    let stage = Stage::new();
    fs::write(stage.world().top().join("one-fails"), "").expect("a file can be written");
    let options = ["--agents", "1", "--evaluators", "2", "--human-gates", "none"];
    let conductor = stage.conduct(&options);
    let is_report = |name: &Value| name.as_str().is_some_and(|n| n.starts_with("eval-report.eval"));
    stage.until_phase("verify", |status| {
        let artifacts = status["artifacts"].as_array().expect("a list");
        artifacts.iter().filter(|name| is_report(name)).count() == 2
    });
    let status = stage.status();
    let reason = status["gate_reason"].as_str().expect("a reason");
    assert!(reason.contains("did not pass: part b is wrong"), "{reason}");
    conductor.signal(Signal::TERM);
    conductor.finish().exits(0);
}

#[test]
fn an_agent_cannot_approve_its_own_work() {
    let stage = Stage::new();
    let conductor = stage.conduct(&[]);
    stage.until_phase("plan", waits_for_approval);
    let planner = stage.status()["agents"][0].as_str().expect("a name").to_owned();
    let told = stage.world().run_as(&planner, &["--json", "harness", "approve", "t"]);
    told.refuses_with("own_work");
    conductor.signal(Signal::TERM);
    conductor.finish().exits(0);
}
