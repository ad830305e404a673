//! Which hooks there are, and how they are run.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{hook, lines, log};
use crate::support::{World, keys};
use crate::until;

#[test]
fn hooks_are_added_listed_disabled_and_removed() {
    let world = World::new();
    world.run(&["hook", "list"]).shows("No hooks configured.");
    let long = format!("echo [{}] 'x'", "word ".repeat(40));
    let told = world.run(&["hook", "add", "-e", "TaskCompleted", "-c", &long, "-p", "5"]);
    told.succeeds();
    assert!(told.stdout.starts_with("Hook added: TaskCompleted → shell: echo ["), "{told}");
    hook(&world, "WorkerExit", "true");
    let listed = world.json(&["hook", "list"]);
    assert_eq!(keys(&listed[0]), "event action command priority enabled");
    assert_eq!((&listed[0]["command"], &listed[0]["priority"]), (&json!(long), &json!(5)));
    world
        .run(&["hook", "disable", "-e", "TaskCompleted"])
        .shows("Disabled 1 hook(s) for TaskCompleted");
    let shown = world.run(&["hook", "list"]);
    assert!(shown.succeeds().stdout.contains("(disabled)"), "{shown}");
    let none = world.json(&["hook", "test", "-e", "TaskCompleted"]);
    assert_eq!(none["handlers"], 0);
    world.run(&["hook", "enable", "-e", "TaskCompleted", "-c", &long]).succeeds();
    assert_eq!(world.json(&["hook", "list"])[0]["enabled"], true);
    let other = ["hook", "remove", "-e", "TaskCompleted", "-c", "something else"];
    world.run(&other).shows("Removed 0 hook(s) for TaskCompleted");
    world
        .run(&["hook", "remove", "-e", "TaskCompleted"])
        .shows("Removed 1 hook(s) for TaskCompleted");
    assert_eq!(world.json(&["hook", "list"]).as_array().expect("a list").len(), 1);
}

#[test]
fn what_cannot_work_is_refused_when_it_is_added() {
    let world = World::new();
    let add = |more: &[&str]| world.run(&[&["--json", "hook", "add"], more].concat());
    let told = add(&["-e", "TaskDone", "-c", "true"]).refuses_with("unknown_event");
    assert_eq!(told["error"], "Unknown event type: TaskDone");
    assert!(told["hint"].as_str().expect("a hint").contains("TaskCompleted"));
    let told =
        add(&["-e", "TaskCompleted", "-c", "a.b", "-a", "python"]).refuses_with("python_hook");
    assert!(told["hint"].as_str().expect("a hint").contains("python3 -c"));
    add(&["-e", "TaskCompleted", "-c", "x", "-a", "perl"]).refuses_with("unknown_action");
    add(&["-e", "TaskCompleted", "-c", " "]).refuses_with("no_command");
    add(&["-e", "TaskCompleted", "-c", "x", "--veto"]).refuses_with("no_veto");
    world.run(&["hook", "test", "-e", "TaskDone"]).refuses("Unknown event type: TaskDone");
    assert!(!world.home().join(".clawteam/config.json").exists());
}

#[test]
fn a_hook_for_python_in_the_settings_is_passed_over_and_told() {
    let world = World::new();
    let text = r#"{"hooks": [{"event": "BeforeTaskCreate", "action": "python", "command": "a.b"}, "odd"]}"#;
    std::fs::create_dir_all(world.home().join(".clawteam")).expect("ours");
    std::fs::write(world.home().join(".clawteam/config.json"), text).expect("ours");
    world.team(&[]);
    let told = world.run(&["task", "create", "t", "x"]);
    told.warns("Python hooks cannot be run");
    hook(&world, "TeamShutdown", "true");
    let kept = std::fs::read_to_string(world.home().join(".clawteam/config.json")).expect("ours");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    assert_eq!(kept["hooks"].as_array().expect("a list").len(), 3, "nothing is lost");
}

#[test]
fn the_test_of_a_hook_shows_what_it_said() {
    let world = World::new();
    hook(
        &world,
        "WorkerExit",
        "echo got $CLAWTEAM_EVENT_AGENT_NAME of $CLAWTEAM_EVENT_TEAM_NAME; exit 3",
    );
    world.run(&["hook", "add", "-e", "WorkerExit", "-c", "echo first", "-p", "-1"]).succeeds();
    let told = world.json(&["hook", "test", "-e", "WorkerExit", "-t", "t", "-n", "w"]);
    assert_eq!(told["handlers"], 2);
    let said: Vec<&Value> =
        told["results"].as_array().expect("a list").iter().map(|r| &r["output"]).collect();
    assert_eq!(said, ["first\n", "got w of t\n"], "lower numbers first");
    assert_eq!(told["results"][1]["exit_code"], 3);
    let shown = world.run(&["hook", "test", "-e", "WorkerExit"]);
    assert!(
        shown.succeeds().stdout.starts_with("Emitted WorkerExit → 2 handler(s) executed"),
        "{shown}"
    );
}

#[test]
fn a_slow_hook_delays_no_command_and_outlives_it() {
    let world = World::new();
    let out = world.top().join("out");
    world.team(&[]);
    let go = world.top().join("go");
    let wait = format!("until [ -e {} ]; do sleep 0.02; done", go.display());
    hook(&world, "BeforeTaskCreate", &format!("{wait}; echo done > {}", out.display()));
    // The hook does not end before the command has.
    let began = Instant::now();
    world.task(&["Quick"]);
    assert!(began.elapsed() < Duration::from_secs(2), "it waited {:?}", began.elapsed());
    assert!(!out.exists());
    std::fs::write(&go, "").expect("a file can be written");
    until("the hook is done", || out.exists());
    until("what it said is kept", || log(&world).contains("\"exitCode\":0"));
}

#[test]
fn a_call_of_clawteam_in_a_hook_acts_as_who_made_the_first_call() {
    let world = World::new();
    world.team(&["w"]);
    let (out, program) = (world.top().join("out"), env!("CARGO_BIN_EXE_clawteam"));
    let command = format!(
        "env > {0}.env; {program} --json identity show > {0}.tmp; mv {0}.tmp {0}",
        out.display()
    );
    hook(&world, "AgentIdle", &command);
    world
        .run_as("lead", &["lifecycle", "idle", "t", "--agent", "w", "--last-task", "7"])
        .succeeds();
    until("the hook ran", || out.exists());
    let who: Value =
        serde_json::from_str(&std::fs::read_to_string(&out).expect("it is there")).expect("JSON");
    assert_eq!(who["agentName"], "lead");
    let env = lines(&world.top().join("out.env"));
    for line in [
        "CLAWTEAM_EVENT_TYPE=AgentIdle",
        "CLAWTEAM_EVENT_AGENT_NAME=w",
        "CLAWTEAM_EVENT_TEAM_NAME=t",
        "CLAWTEAM_LAST_TASK=7",
        "OH_LAST_TASK=7",
        "CLAWTEAM_AGENT_NAME=lead",
    ] {
        assert!(env.iter().any(|known| known == line), "{line} is missing in\n{}", env.join("\n"));
    }
    assert!(!env.iter().any(|known| known.starts_with("OH_AGENT_NAME")), "{}", env.join("\n"));
}

#[test]
fn a_hook_that_causes_its_own_event_comes_to_an_end() {
    let world = World::new();
    world.team(&[]);
    let (out, program) = (world.top().join("out"), env!("CARGO_BIN_EXE_clawteam"));
    let command = format!("echo x >> {}; {program} task create t again", out.display());
    hook(&world, "BeforeTaskCreate", &command);
    world.task(&["First"]);
    until("hooks of hooks ran", || lines(&out).len() == 3);
    until("all is done", || log(&world).lines().count() == 3);
    assert_eq!(world.json(&["task", "list", "t"]).as_array().expect("a list").len(), 4);
}
