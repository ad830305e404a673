//! Each verb for runs: what it prints, its payload and its exit status.

use std::fs;

use serde_json::{Value, json};

use super::flows::{
    complete, define, list, open_approvals, open_tasks, records, sound, start, status, text, word,
    world,
};
use crate::support::{World, keys};

const TASK: &str = "[nodes.a]\ntype = \"task\"\nassign = { agent = \"w1\" }\nprompt = \"Do a\"\n\n[outputs]\nsaid = \
     \"nodes.a.output\"\n";

/// Two variables, and a result of one of them.
const SUM: &str = "[inputs.n]\ntype = \"int\"\ndefault = 1\n\n[nodes.one]\ntype = \"set\"\nvars = { n = \
                   \"inputs.n + 1\" }\n\n[nodes.two]\ntype = \"set\"\nvars = { n = \"vars.n * 2\" \
                   }\n\n[[edges]]\nfrom = \"one\"\nto = \"two\"\n\n[outputs]\nn = \"vars.n\"\n";

fn with(name: &str, body: &str) -> World {
    let world = world();
    define(&world, name, body);
    world
}

#[test]
fn a_step_makes_one_transition_and_says_what_comes_next() {
    let world = with("w", TASK);
    let run = start(&world, "w", &["--manual"]);
    let stepped = world.run(&["--json", "workflow", "step", "t", &run]);
    let told = stepped.exits(0).json();
    assert_eq!(
        keys(&told),
        "run rev moved transition transitions status reason waitingFor nextWakeAt effects serviced"
    );
    assert_eq!((&told["rev"], &told["moved"]), (&json!(1), &json!(true)));
    assert_eq!(
        (&told["transition"]["k"], &told["transition"]["act"]),
        (&json!("start"), &json!("a#1"))
    );
    assert_eq!(told["status"], "waiting");
    assert_eq!(list(&told["waitingFor"]).len(), 1);
    assert!(told["nextWakeAt"].is_u64(), "the time-out: {told}");

    let idle = world.run(&["--json", "workflow", "step", "t", &run]);
    assert_eq!(idle.exits(20).json()["moved"], false);
    let idle = world.run(&["workflow", "step", "t", &run, "--explain"]);
    let id = open_tasks(&world).pop().expect("a task");
    assert!(idle.exits(20).stdout.contains("is waiting; it waits for"), "{idle}");
    assert!(idle.stdout.contains(&id), "it says how to go on: {idle}");

    complete(&world, "an answer");
    assert_eq!(status(&world, &run)["rev"], 1, "only people move it");
    assert_eq!(world.run(&["--json", "workflow", "step", "t", &run]).exits(0).json()["rev"], 2);
    let rest = world.run(&["--json", "workflow", "step", "t", &run, "--until", "terminal"]);
    assert_eq!(rest.exits(0).json()["status"], "completed");
    world.run(&["workflow", "step", "t", &run]).exits(0);
    sound(&world, &run);
}

#[test]
fn what_is_not_there_is_told_by_every_verb() {
    let world = with("w", TASK);
    let verbs: [&[&str]; 15] = [
        &["step", "t", "nope"],
        &["drive", "t", "nope"],
        &["status", "t", "nope"],
        &["explain", "t", "nope"],
        &["log", "t", "nope"],
        &["outputs", "t", "nope"],
        &["artifacts", "t", "nope"],
        &["pause", "t", "nope"],
        &["resume", "t", "nope"],
        &["stop", "t", "nope"],
        &["retry", "t", "nope"],
        &["signal", "t", "nope", "go"],
        &["fork", "t", "nope"],
        &["replay", "t", "nope"],
        &["fsck", "t", "nope"],
    ];
    for verb in verbs {
        let ran = world.run(&[&["--json", "workflow"], verb].concat());
        let told = ran.fails_with(3, "run_not_found");
        assert!(told["hint"].is_string(), "{ran}");
    }
    assert_eq!(world.names("runs/t"), Vec::<String>::new(), "looking makes nothing");
    world.run(&["--json", "workflow", "run", "t", "nope"]).exits(3);
    world.run(&["--json", "workflow", "run", "nobody", "w"]).exits(3);
    let run = start(&world, "w", &[]);
    world.run(&["--json", "workflow", "outputs", "t", &run, "zz"]).fails_with(3, "no_result");
    world.run(&["--json", "workflow", "fork", "t", &run, "--at", "99"]).fails_with(3, "no_record");
    world
        .run(&["--json", "workflow", "replay", "t", &run, "--to", "99"])
        .fails_with(3, "no_record");
}

#[test]
fn a_run_is_told_its_inputs_in_three_ways() {
    let world = with("sum", SUM);
    fs::write(world.cwd().join("in.json"), "{\"n\": 4}").expect("a file can be written");
    let checked = world.run(&["--json", "workflow", "run", "t", "sum", "--dry-run"]);
    assert_eq!(checked.exits(0).json(), json!({"workflow": "sum", "version": 1, "dryRun": true}));
    assert_eq!(world.names("runs/t"), Vec::<String>::new());
    let bad = world.run(&["--json", "workflow", "run", "t", "sum", "--input", "n=many"]);
    let told = bad.fails_with(4, "invalid_inputs");
    assert!(text(&told["error"]).contains("'n': a value of type int is wanted"), "{told}");
    world
        .run(&["--json", "workflow", "run", "t", "sum", "--input", "m=1"])
        .fails_with(4, "invalid_inputs");
    world
        .run(&["--json", "workflow", "run", "t", "sum", "--input", "n"])
        .fails_with(2, "invalid_inputs");

    for (options, expected) in [
        (&[][..], 4),
        (&["--input", "n=2"], 6),
        (&["--inputs-file", "in.json"], 10),
        (&["--inputs-file", "in.json", "-i", "n=5"], 12),
    ] {
        let line = [&["--json", "workflow", "run", "t", "sum", "--drive"], options].concat();
        let told = world.run(&line).exits(0).json();
        assert_eq!((&told["status"], &told["ended"]), (&json!("completed"), &json!("terminal")));
        assert_eq!(told["outputs"]["n"], expected);
        let run = text(&told["run"]);
        let shown = world.run(&["workflow", "outputs", "t", &run]);
        assert_eq!(shown.exits(0).stdout, format!("n: {expected}\n"));
    }
    let live = world.json(&["workflow", "history", "t", "--status", "live"]);
    assert_eq!(live, json!([]));
    assert_eq!(list(&world.json(&["workflow", "history", "t", "sum", "--limit", "3"])).len(), 3);
}

#[test]
fn the_result_of_a_node_is_printed_as_it_is() {
    let world = with("w", TASK);
    let run = start(&world, "w", &[]);
    world.run(&["workflow", "step", "t", &run, "--max", "9"]);
    complete(&world, "line one\nline two");
    let raw = world.run(&["workflow", "outputs", "t", &run, "a", "--raw"]);
    assert_eq!(raw.exits(0).stdout.trim_end(), "line one\nline two");
    let told = world.json(&["workflow", "outputs", "t", &run, "a"]);
    assert_eq!(keys(&told), "act node state port output text exitCode artifacts error");
    assert_eq!((&told["act"], &told["port"]), (&json!("a#1"), &json!("success")));
    let all = records(&world, &run);
    let of_a = world.json(&["workflow", "log", "t", &run, "--node", "a"]);
    assert!(list(&of_a).len() < all.len());
    assert_eq!(
        list(&world.json(&["workflow", "log", "t", &run, "-n", "1"])),
        &all[all.len() - 1..]
    );
    let raw = world.run(&["workflow", "log", "t", &run, "--raw"]).exits(0).json_lines();
    assert_eq!(raw, all);
    let lines = world.run(&["workflow", "log", "t", &run]);
    assert_eq!(lines.exits(0).stdout.lines().count(), all.len());
}

#[test]
fn operators_are_refused_where_it_makes_no_sense_and_told_where_it_does() {
    let world = with("w", TASK);
    let run = start(&world, "w", &[]);
    world.run(&["workflow", "step", "t", &run, "--max", "9"]);
    let ask = |verb: &[&str]| world.run(&[&["--json", "workflow"], verb].concat());
    let illegal = |verb: &[&str], allowed: &str| {
        let told = ask(verb).fails_with(5, "illegal_transition");
        assert!(text(&told["error"]).contains(allowed), "{told}");
    };
    illegal(&["resume", "t", &run], "paused");
    illegal(&["retry", "t", &run], "failed");
    let told = ask(&["pause", "t", &run, "--reason", "lunch"]).exits(0).json();
    assert_eq!(keys(&told), "run request status reason rev waitingFor nextWakeAt");
    assert_eq!((&told["request"], &told["status"]), (&json!("pause"), &json!("paused")));
    illegal(&["pause", "t", &run], "running");
    assert_eq!(ask(&["resume", "t", &run]).exits(0).json()["status"], "waiting");
    ask(&["set", "t", &run, "--var", "x={\"y\": 1}"]).exits(0);
    let state = world.run(&["--json", "workflow", "replay", "t", &run]).exits(0).json();
    assert_eq!(state["vars"]["x"], json!({"y": 1}));
    ask(&["signal", "t", &run, "go", "--data", "{\"n\": 1}"]).exits(0);

    let skip = ["--json", "workflow", "skip", "t", &run, "--act", "a#1", "--output", "made up"];
    world.run_as("w1", &skip).fails_with(6, "lead_only");
    assert_eq!(word(&world, &run), "waiting");
    ask(&["skip", "t", &run, "--act", "zz#1"]).fails_with(5, "not_live");
    assert_eq!(world.run_as("lead", &skip).exits(0).json()["status"], "completed");
    illegal(&["stop", "t", &run], "running");
    illegal(&["pause", "t", &run], "running");
    let shown = world.run(&["workflow", "outputs", "t", &run]);
    assert!(shown.exits(0).stdout.contains("made up"), "{shown}");
    sound(&world, &run);
}

#[test]
fn a_stopped_or_failed_run_says_so_by_its_status() {
    let world = with("w", TASK);
    let run = start(&world, "w", &[]);
    world.run(&["workflow", "drive", "t", &run, "--timeout", "100ms"]).exits(12);
    let waits = world.run(&["workflow", "drive", "t", &run, "--until", "waiting"]);
    assert!(waits.exits(0).stdout.contains("it waits for"), "{waits}");
    world.run(&["workflow", "stop", "t", &run, "--reason", "enough"]).exits(0);
    world.run(&["workflow", "drive", "t", &run]).exits(14);
    world.run(&["workflow", "step", "t", &run]).exits(14);
    assert_eq!(open_tasks(&world), Vec::<String>::new(), "its task is closed");

    let run = start(&world, "w", &[]);
    world.run(&["workflow", "step", "t", &run, "--max", "9"]);
    let id = open_tasks(&world).pop().expect("a task");
    world.run_as("w1", &["task", "fail", "t", &id, "--error", "no way"]).exits(0);
    let drive = world.run(&["--json", "workflow", "drive", "t", &run]);
    assert_eq!(drive.exits(13).json()["reason"]["code"], "task_failed");
    let again = world.run(&["--json", "workflow", "retry", "t", &run]);
    assert_eq!(again.exits(0).json()["status"], "waiting");
    complete(&world, "now it is");
    assert_eq!(word(&world, &run), "completed");
    sound(&world, &run);
}

#[test]
fn a_fork_has_the_same_beginning_and_an_end_of_its_own() {
    let world = with("w", &format!("concurrency = {{ policy = \"allow\" }}\n{TASK}"));
    let run = start(&world, "w", &[]);
    world.run(&["workflow", "step", "t", &run, "--max", "9"]);
    complete(&world, "first");
    let made = world.json(&["workflow", "fork", "t", &run, "--at", "1"]);
    assert_eq!(keys(&made), "run from at rev status");
    let fork = text(&made["run"]);
    let (old, new) = (records(&world, &run), records(&world, &fork));
    assert_eq!(new[0], old[0], "the beginning is the same");
    assert_eq!(new[1]["tr"]["k"], "fork");
    world.run(&["workflow", "step", "t", &fork, "--max", "9"]);
    complete(&world, "second");
    assert_eq!(word(&world, &fork), "completed");
    assert_eq!(world.json(&["workflow", "outputs", "t", &run])["said"], "first");
    assert_eq!(world.json(&["workflow", "outputs", "t", &fork])["said"], "second");
    sound(&world, &run);
    sound(&world, &fork);
    let then = world.json(&["workflow", "replay", "t", &run, "--to", "1", "--print", "status"]);
    assert_eq!(then["rev"], 1);
    let diff = world.run(&["workflow", "replay", "t", &run, "--print", "diff"]);
    assert!(diff.exits(0).stdout.contains("+  \"status\": \"completed\""), "{diff}");
}

/// With this policy, what a second run comes to while the first waits.
fn second(policy: &str) -> (World, String, crate::support::Ran) {
    let world = with("w", &format!("concurrency = {{ policy = \"{policy}\" }}\n{TASK}"));
    let first = start(&world, "w", &[]);
    world.run(&["workflow", "step", "t", &first, "--max", "9"]);
    let ran = world.run(&["--json", "workflow", "run", "t", "w"]);
    (world, first, ran)
}

#[test]
fn a_second_run_is_forbidden_or_allowed_or_waits_or_takes_over() {
    let (world, first, ran) = second("forbid");
    let told = ran.fails_with(5, "run_active");
    assert!(text(&told["error"]).contains(&first), "{told}");
    complete(&world, "done");
    start(&world, "w", &[]);

    let (world, first, ran) = second("allow");
    ran.exits(0);
    assert_eq!(word(&world, &first), "waiting");

    let (world, first, ran) = second("replace");
    let next = text(&ran.exits(0).json()["run"]);
    assert_eq!((word(&world, &first), &*word(&world, &next)), ("stopped".into(), "waiting"));

    let (world, first, ran) = second("queue");
    let told = ran.exits(0).json();
    assert_eq!(told["after"], json!([first]));
    let next = text(&told["run"]);
    world.run(&["workflow", "step", "t", &next]).exits(20);
    let why = world.run(&["workflow", "explain", "t", &next]);
    assert!(why.exits(0).stdout.contains(&first), "{why}");
    complete(&world, "done");
    assert_eq!(word(&world, &first), "completed");
    // Nobody had to call: the end of the first woke it.
    assert_eq!(open_tasks(&world).len(), 1);
    complete(&world, "done too");
    assert_eq!(word(&world, &next), "completed");
}

#[test]
fn explain_names_what_is_awaited_and_how_to_give_it() {
    let world = with(
        "gate",
        "[nodes.gate]\ntype = \"approval\"\ntitle = \"Ship it\"\n\n[nodes.last]\ntype = \
         \"set\"\nvars = { n = \"1\" }\n\n[[edges]]\nfrom = \"gate\"\nto = \"last\"\n",
    );
    let run = start(&world, "gate", &["--manual"]);
    let told = world.json(&["workflow", "explain", "t", &run]);
    assert!(told["next"].is_string(), "{told}");
    world.run(&["workflow", "step", "t", &run]).exits(0);
    let told = world.json(&["workflow", "explain", "t", &run, "--node", "gate"]);
    let id = open_approvals(&world).pop().expect("an approval");
    let reason = list(&told["reasons"]).iter().find(|reason| reason["what"] == "gate#1");
    assert!(text(&reason.expect("a reason")["command"]).contains(&id), "{told}");
    let told = world.json(&["workflow", "explain", "t", &run, "--node", "last"]);
    assert!(!list(&told["reasons"]).iter().any(|reason| reason["what"] == "gate#1"), "{told}");
}

#[test]
fn what_ended_is_removed_and_stays_known() {
    let world = with("sum", SUM);
    let told = world.run(&["--json", "workflow", "run", "t", "sum", "--drive"]).exits(0).json();
    let run = text(&told["run"]);
    let kept = world.json(&["workflow", "gc", "t"]);
    assert_eq!(kept["runs"], json!([]), "it ended just now");
    let dry = world.json(&["workflow", "gc", "t", "--older-than", "0s", "--dry-run"]);
    assert_eq!((&dry["dryRun"], list(&dry["runs"]).len()), (&json!(true), 1));
    assert_eq!(word(&world, &run), "completed");
    world.run(&["workflow", "gc", "t", "--older-than", "0s"]).exits(0);
    world.run(&["--json", "workflow", "status", "t", &run]).fails_with(3, "run_not_found");
    let history = world.json(&["workflow", "history", "t"]);
    let known: Vec<&Value> = list(&history).iter().collect();
    assert_eq!(known.len(), 1, "{history}");
    assert_eq!((&known[0]["run"], &known[0]["collected"]), (&json!(run), &json!(true)));
    start(&world, "sum", &[]);
}

#[test]
fn a_definition_is_tried_out_by_a_table() {
    let world = with("w", TASK);
    let tried = |content: &str| {
        fs::write(world.cwd().join("s.toml"), content).expect("a file can be written");
        world.run(&["--json", "workflow", "test", "t", "w", "--scenario", "s.toml"])
    };
    let told =
        tried("[nodes]\na = [\"hello\"]\n[expect]\nstatus = \"completed\"\nvisits = { a = 1 }\n");
    let told = told.exits(0).json();
    assert_eq!(keys(&told), "ok status reason visits outputs differences steps");
    assert_eq!(told["outputs"]["said"], "hello");
    let told = tried("[nodes]\na = [{ fail = \"no\" }]\n[expect]\nstatus = \"completed\"\n");
    let told = told.exits(4).json();
    assert_eq!((&told["ok"], &told["status"]), (&json!(false), &json!("failed")));
    assert_eq!(list(&told["differences"]).len(), 1, "{told}");
    tried("nods = 1\n").fails_with(4, "invalid_scenario");
    assert_eq!(world.names("runs/t"), Vec::<String>::new(), "nothing is run");
}
