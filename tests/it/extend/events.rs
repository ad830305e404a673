//! What happens is told when it happens, and what is about to happen can be refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{hook, lines};
use crate::support::World;
use crate::until;

/// A world in which every event of these kinds appends a line with some of its fields.
fn listening(kinds: &[&str]) -> (World, PathBuf) {
    let world = World::new();
    let out = world.top().join("events");
    for kind in kinds {
        let command = format!(
            "echo $CLAWTEAM_EVENT_TYPE $CLAWTEAM_EVENT_TEAM_NAME $CLAWTEAM_EVENT_AGENT_NAME \
             $CLAWTEAM_SUBJECT $CLAWTEAM_OLD_STATUS $CLAWTEAM_NEW_STATUS $CLAWTEAM_FROM_AGENT \
             $CLAWTEAM_TO $CLAWTEAM_MSG_TYPE $CLAWTEAM_COUNT $CLAWTEAM_EXIT_CODE $CLAWTEAM_ERROR \
             $CLAWTEAM_BRANCH $CLAWTEAM_TEMPLATE $CLAWTEAM_AGENT_COUNT $CLAWTEAM_BACKEND \
             $CLAWTEAM_FALLBACK >> {}",
            out.display()
        );
        hook(&world, kind, &command);
    }
    (world, out)
}

/// Waits until each of these lines, or the beginning of one, was told.
fn until_told(out: &Path, expected: &[&str]) {
    for line in expected {
        until(line, || lines(out).iter().any(|told| told.starts_with(line)));
    }
}

#[test]
fn tasks_and_messages() {
    let (world, out) = listening(&[
        "BeforeTaskCreate",
        "AfterTaskUpdate",
        "TaskCompleted",
        "BeforeInboxSend",
        "AfterInboxReceive",
        "AgentIdle",
    ]);
    world.team(&["w"]);
    let task = world.task(&["Sweep"]);
    world.run_as("w", &["task", "update", "t", &task, "--status", "in_progress"]).succeeds();
    world.run_as("w", &["task", "update", "t", &task, "--status", "completed"]).succeeds();
    world.run_as("lead", &["inbox", "send", "t", "w", "hello"]).succeeds();
    world.run_as("w", &["inbox", "receive", "t"]).succeeds();
    world.run_as("w", &["lifecycle", "idle", "t"]).succeeds();
    until_told(
        &out,
        &[
            "BeforeTaskCreate t Sweep",
            "AfterTaskUpdate t pending in_progress",
            "AfterTaskUpdate t in_progress completed",
            "TaskCompleted t",
            "BeforeInboxSend t lead w message",
            "AfterInboxReceive t w 1",
            "AgentIdle t w",
        ],
    );
    let completed = lines(&out).iter().filter(|line| line.starts_with("TaskCompleted")).count();
    assert_eq!(completed, 1);
}

/// Clean ends were once told to nobody, and crashes neither.
#[test]
fn the_lives_of_agents() {
    let (world, out) = listening(&[
        "BeforeWorkerSpawn",
        "AfterWorkerSpawn",
        "WorkerExit",
        "WorkerCrash",
        "TeamShutdown",
    ]);
    let script = |name: &str, body: &str| {
        let path = world.top().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
        path.display().to_string()
    };
    // Each ends when the test says so.
    let gate = world.top().join("gate");
    let wait = format!("while ! test -e {}; do sleep 0.05; done", gate.display());
    for (name, end) in [("good", "exit 0"), ("bad", "echo no luck >&2; exit 7")] {
        let program = script(name, &format!("{wait}; {end}"));
        world
            .run(&["spawn", "subprocess", "-t", "t", "-n", name, "--no-workspace", "--", &program])
            .exits(0);
    }
    until_told(&out, &["BeforeWorkerSpawn t good", "AfterWorkerSpawn t bad"]);
    fs::write(&gate, "").expect("ours");
    until_told(
        &out,
        &[
            "WorkerExit t good 0",
            "WorkerExit t bad 7",
            "WorkerCrash t bad it ended with status 7: no luck",
        ],
    );
    assert!(!lines(&out).iter().any(|line| line.starts_with("WorkerCrash t good")));
    world.run(&["team", "cleanup", "t", "--force"]).exits(0);
    until_told(&out, &["TeamShutdown t"]);
}

#[test]
fn whoever_attaches_to_windows() {
    let (world, out) = listening(&["BoardAttach"]);
    world.team(&[]);
    // There is nothing to see yet, and then no terminal to see it in.
    world.run(&["board", "attach", "t"]).exits(1);
    let words = ["spawn", "tmux", "-t", "t", "-n", "w", "--no-workspace", "--", "sleep", "600"];
    world.run(&words).exits(0);
    world.run(&["board", "attach", "t"]).exits(1);
    until_told(&out, &["BoardAttach t"]);
    assert_eq!(lines(&out).len(), 1);
    world.clear();
}

#[test]
fn worktrees_launches_and_transports() {
    let (world, out) = listening(&[
        "BeforeWorkspaceMerge",
        "AfterWorkspaceCleanup",
        "TeamLaunch",
        "TransportFallback",
    ]);
    let git = |line: &str| {
        let mut git = Command::new("git");
        git.args(line.split(' ')).current_dir(world.cwd()).env("GIT_CONFIG_GLOBAL", "/dev/null");
        assert!(git.output().expect("git runs").status.success(), "{line}");
    };
    git("init -q -b main");
    git("-c user.name=u -c user.email=u@h commit -q --allow-empty -m Start");
    let template = "[template]\nname = \"solo\"\ncommand = [\"true\"]\n[template.leader]\nname = \"lead\"\ntask = \"x\"\n";
    let dir = world.home().join(".clawteam/templates");
    fs::create_dir_all(&dir).expect("a directory can be made");
    fs::write(dir.join("solo.toml"), template).expect("ours");
    world.run(&["launch", "solo", "-t", "t", "-b", "subprocess", "--workspace"]).exits(0);
    until_told(&out, &["TeamLaunch t solo 1"]);
    world.run(&["workspace", "merge", "t", "lead"]).exits(0);
    until_told(
        &out,
        &["BeforeWorkspaceMerge t lead clawteam/t/lead", "AfterWorkspaceCleanup t lead"],
    );
    world.run(&["--transport", "p2p", "team", "discover"]).exits(0);
    until_told(&out, &["TransportFallback file"]);
}

#[test]
fn a_hook_with_that_right_refuses_what_is_about_to_happen() {
    let world = World::new();
    world.team(&["w"]);
    let veto = |event: &str, command: &str| {
        world.run(&["hook", "add", "-e", event, "-c", command, "--veto"]).succeeds();
    };
    veto("BeforeTaskCreate", "case $CLAWTEAM_SUBJECT in Bad*) echo not this one; exit 1;; esac");
    veto("BeforeInboxSend", "test $CLAWTEAM_TO != w");
    veto("BeforeWorkerSpawn", "exit 9");
    world.task(&["Good"]);
    let told = world.run(&["--json", "task", "create", "t", "Bad idea"]).refuses_with("vetoed");
    assert_eq!(told["error"], "refused by a hook for BeforeTaskCreate: not this one");
    assert_eq!(world.json(&["task", "list", "t"]).as_array().expect("a list").len(), 1);
    world.run(&["inbox", "send", "t", "w", "hello"]).refuses("refused by a hook");
    assert_eq!(world.names("teams/t/inboxes/w").len(), 0);
    world.run(&["inbox", "send", "t", "lead", "hello"]).succeeds();
    let spawn = ["spawn", "subprocess", "-t", "t", "-n", "x", "--no-workspace", "--", "true"];
    world.run(&spawn).refuses("it ended with status 9");
    assert!(world.names("agents/t").is_empty(), "nothing was started");
    // Without the right, a hook is told and changes nothing.
    world.run(&["hook", "remove", "-e", "BeforeTaskCreate"]).succeeds();
    hook(&world, "BeforeTaskCreate", "exit 1");
    world.task(&["Bad idea"]);
}

#[test]
fn agents_that_are_found_dead_and_phases_of_a_harness() {
    let (world, out) = listening(&["HeartbeatTimeout", "PhaseTransition"]);
    world.team(&[]);
    let spawn =
        ["spawn", "subprocess", "-t", "t", "-n", "w", "--no-workspace", "--", "sleep", "60"];
    world.run(&spawn).exits(0);
    let pid = world.document("agents/t/w.json")["process"]["pid"].to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill runs").success());
    let watch =
        world.call(&["team", "watch", "t", "--leader", "lead", "--interval", "0.1"]).start();
    until_told(&out, &["HeartbeatTimeout t w"]);
    drop(watch);
    let start = ["harness", "start", "-t", "t", "-g", "g", "--phases", "discuss,ship"];
    world.run(&[&start[..], &["--human-gates", "none"]].concat()).exits(0);
    world.run(&["harness", "advance", "t"]).exits(0);
    until_told(&out, &["PhaseTransition t"]);
}
