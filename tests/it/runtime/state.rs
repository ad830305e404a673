//! What an agent is doing, from its runner, the table of processes and its screen.

use std::process::Command;

use serde_json::json;

use super::{Stage, shell};
use crate::support::{STAY, changes, kill, tree};
use crate::until;

#[test]
fn idle_and_dead_never_look_the_same() {
    let stage = Stage::new();
    stage.fake("w", &[("FAKE_HOOKS", "1")], "ready");
    stage.inject("w", "hello", &[]).exits(0);
    until("it is idle", || stage.member("w")["state"] == "idle");
    let idle = stage.member("w");
    assert_eq!((&idle["alive"], &idle["stateSource"]), (&json!(true), &json!("hook")));
    let record = stage.world.document("agents/t/w.json");
    // Its runner first: nobody is left to write down how it ended.
    kill(&[&record["runner"]["pid"], &record["process"]["pid"]]);
    let dead = stage.until_state("w", "dead");
    assert_eq!((&dead["alive"], &dead["stateSource"]), (&json!(false), &json!("runner")));
    assert_eq!(stage.world.document("agents/t/w.state.json")["state"], "idle", "the hook's word");
    let text = stage.world.run(&["team", "status", "t"]);
    assert!(text.succeeds().stdout.contains("dead"), "{text}");
}

#[test]
fn the_end_of_a_program_is_told_with_its_status() {
    let stage = Stage::new();
    let ends = |name: &str, body: &str| {
        let program = stage.program(name, &format!("#!/bin/sh\n{body}\n"));
        let words = ["spawn", "subprocess", "--team", "t", "-n", name, "--no-workspace", "--"];
        stage.world.run(&[&words[..], &[&program]].concat());
    };
    ends("good", "until [ -e end ]; do sleep 0.05; done");
    ends("bad", "until [ -e end ]; do sleep 0.05; done; exit 7");
    ends("long", STAY);
    std::fs::write(stage.world.cwd().join("end"), "").expect("a file can be written");
    assert_eq!(stage.until_state("good", "finished")["exitCode"], 0);
    let bad = stage.until_state("bad", "dead");
    assert_eq!(bad["exitCode"], 7);
    let long = stage.member("long");
    assert_eq!((&long["state"], &long["stateSource"]), (&json!("working"), &json!("runner")));
    let text = stage.world.run(&["team", "status", "t"]).stdout;
    assert!(text.contains("dead (exit 7)") && text.contains("finished"), "{text}");
}

#[test]
fn without_hooks_the_screen_tells() {
    let stage = Stage::new();
    stage.fake("w", &[], "ready");
    assert_eq!(stage.member("w")["stateSource"], "screen");
    stage.fake("busy", &[("FAKE_START", "busy")], "working");
    stage.fake("asks", &[("FAKE_START", "ask")], "waiting_permission");
    let question = &stage.member("asks")["question"];
    assert!(question["text"].as_str().is_some_and(|text| text.contains("rm -rf build-1")));
    assert_eq!(question["options"][1], "Yes, and don't ask again for rm");
    stage.fake("w2", &[("FAKE_START", "draft")], "ready");
    stage.inject("w", "something to do", &[]).exits(0);
    stage.until_state("w", "idle");
    let other = stage.program("other", &format!("#!/bin/sh\necho hello\n{STAY}\n"));
    stage.start("other", &other, &[]);
    assert_eq!(stage.member("other")["state"], "unknown", "nothing is guessed");
}

#[test]
fn a_dialog_that_no_hook_told_of_is_seen_and_one_that_was_answered_is_not() {
    let stage = Stage::new();
    stage.fake("w", &[("FAKE_START", "ask")], "waiting_permission");
    stage.event("w", "UserPromptSubmit").succeeds();
    // Once the hook's word is not fresh any more.
    let asks = stage.until_state("w", "waiting_permission");
    assert_eq!(asks["stateSource"], "screen");
    let question = json!({
        "hook_event_name": "PermissionRequest", "tool_name": "Bash",
        "tool_input": {"command": "rm -rf build-1"}
    });
    stage.hook("w", "claude", &question).succeeds();
    assert_eq!(stage.member("w")["question"]["text"], "Bash: rm -rf build-1");
    stage.world.tmux(&["send-keys", "-t", "clawteam-t:w", "3"]);
    assert_eq!(stage.until_state("w", "idle")["stateSource"], "screen");
}

#[test]
fn the_hooks_of_an_earlier_start_say_nothing_of_this_one() {
    let stage = Stage::new();
    stage.fake("w", &[("FAKE_HOOKS", "1")], "ready");
    stage.event("w", "Stop").succeeds();
    assert_eq!(stage.member("w")["state"], "idle");
    let again = ["spawn", "tmux", "--team", "t", "-n", "w", "--no-workspace", "--replace", "--"];
    let call = stage.world.call(&[&again[..], &["claude"]].concat());
    call.env("FAKE_START", "busy").run().exits(0);
    assert_eq!(stage.until_state("w", "working")["stateSource"], "screen");
}

#[test]
fn looking_writes_nothing_and_costs_one_call_of_tmux() {
    let stage = Stage::new();
    for agent in ["a", "b", "c"] {
        stage.fake(agent, &[], "ready");
    }
    let log = stage.world.top().join("tmux.log");
    let real = String::from_utf8(
        Command::new("sh").args(["-c", "command -v tmux"]).output().expect("sh").stdout,
    );
    let real = real.expect("a path");
    stage.program(
        "bin/tmux",
        &format!("#!/bin/sh\necho call >> {}\nexec {} \"$@\"\n", log.display(), real.trim()),
    );
    let before = tree(&stage.world.data());
    let calls = |words: &[&str]| {
        shell(&format!(": > {}", log.display()), "");
        stage.world.run(words).exits(0);
        std::fs::read_to_string(&log).expect("a log").lines().count()
    };
    for words in
        [&["team", "status", "t"][..], &["board", "show", "t"], &["permission", "list", "t"]]
    {
        assert_eq!(calls(words), 1, "{words:?}");
    }
    assert_eq!(calls(&["runtime", "state", "t"]), 0);
    assert_eq!(changes(&stage.world.data(), &before), Vec::<String>::new());
    // Hooks that told of late spare the look.
    for agent in ["a", "b", "c"] {
        stage.event(agent, "Stop").succeeds();
    }
    assert_eq!(calls(&["team", "status", "t"]), 0);
}
