//! What holds for every command.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use serde_json::json;

use crate::support::{World, keys};

/// All groups and what is in them.
const COMMANDS: &[(&str, &[&str])] = &[
    ("board", &["show", "overview", "live", "attach", "update"]),
    ("config", &["show", "get", "set", "health"]),
    ("identity", &["show", "set"]),
    ("inbox", &["send", "broadcast", "receive", "peek", "log", "watch"]),
    ("lifecycle", &["idle", "on-exit", "check-zombies"]),
    ("plan", &["submit", "approve", "reject"]),
    ("task", &["create", "get", "update", "list", "ready", "claim", "stats", "wait"]),
    ("team", &["spawn-team", "discover", "status", "add-member", "cleanup"]),
    ("workspace", &["list", "status", "checkpoint", "merge", "cleanup", "salvage"]),
];

#[test]
fn help_and_version_are_answers() {
    let world = World::new();
    let version = world.run(&["--version"]);
    assert_eq!(version.succeeds().stdout, concat!("clawteam v", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(world.run(&["-v"]).succeeds().stdout, version.stdout);
    let help = world.run(&["--help"]);
    for (group, commands) in COMMANDS {
        assert!(help.succeeds().stdout.contains(&format!("\n  {group} ")), "{help}");
        let help = world.run(&[group, "--help"]);
        assert!(!help.succeeds().stdout.contains("of the group"), "{help}");
        for command in *commands {
            assert!(help.stdout.contains(&format!("\n  {command} ")), "{help}");
            let help = world.run(&[group, command, "--help"]);
            let usage = format!("Usage: clawteam {group} {command} ");
            assert!(help.succeeds().stdout.contains(&usage), "{help}");
            assert!(
                help.stdout.contains("--json") && !help.stdout.contains("Arguments of"),
                "{help}"
            );
        }
    }
    assert!(!world.data().exists() && !world.home().join(".clawteam").exists());
}

#[test]
fn a_wrong_command_line_is_told_on_standard_error() {
    let world = World::new();
    world.team(&[]);
    let bare = world.run(&[]);
    assert!(bare.exits(2).stdout.contains("Usage: clawteam"), "{bare}");
    for group in COMMANDS {
        world.run(&[group.0]).is_misused();
        world.run(&[group.0, "no-such-command"]).is_misused();
    }
    for wrong in [
        &["no-such-command"][..],
        &["task", "list"],
        &["task", "list", "t", "--no-such-option"],
        &["task", "list", "t", "extra"],
        &["task", "list", "t", "--status"],
        &["task", "wait", "t", "-t", "soon"],
        &["task", "wait", "t", "-t", "-1"],
        &["inbox", "watch", "t", "-p", "nan"],
        &["board", "live", "t", "-i", "-2"],
        &["completions", "no-such-shell"],
        &["workspace", "merge", "t"],
        &["workspace", "merge", "t", "a", "--agent", "b"],
        &["--json", "--no-such-option"],
    ] {
        world.run(wrong).is_misused();
    }
}

#[test]
fn options_of_all_commands_may_stand_anywhere() {
    let world = World::new();
    world.team(&[]);
    let expected = world.json(&["task", "stats", "t"]);
    for line in [
        &["task", "--json", "stats", "t"][..],
        &["task", "stats", "--json", "t"],
        &["task", "stats", "t", "--json"],
    ] {
        assert_eq!(world.run(line).succeeds().json(), expected);
    }
    let data = world.data();
    let data = data.to_str().expect("a plain path");
    for line in [
        &["--data-dir", data, "team", "status", "t", "--json"][..],
        &["team", "status", "t", "--data-dir", data, "--json"],
        &["team", &format!("--data-dir={data}"), "status", "t", "--json"],
    ] {
        let ran = world.call(line).env("CLAWTEAM_DATA_DIR", "/nowhere").run();
        assert_eq!(ran.succeeds().json()["name"], "t");
    }
    let other = world.run(&["team", "discover", "--transport", "p2p"]);
    other.warns("transport 'p2p' is not supported");
}

#[test]
fn the_data_directory_is_where_it_was_said_to_be() {
    let world = World::new();
    let at_home = world.call(&["team", "spawn-team", "t"]).without_env("CLAWTEAM_DATA_DIR");
    at_home.run().succeeds();
    assert!(world.home().join(".clawteam/teams/t/config.json").is_file());
    let relative = world.call(&["team", "spawn-team", "t"]).env("CLAWTEAM_DATA_DIR", "here");
    relative.run().succeeds();
    assert!(world.cwd().join("here/teams/t/config.json").is_file());
    let homeless = world.call(&["--json", "team", "discover"]).without_env("HOME");
    homeless.run().refuses_with("no_home");
}

#[test]
fn arguments_that_are_not_text_are_refused() {
    let world = World::new();
    world.team(&["w1"]);
    let bad = || OsString::from_vec(b"x\xff\xfe".to_vec());
    let text = |word: &str| OsString::from(word);
    let before = crate::support::tree(&world.data());
    for line in [
        vec![text("inbox"), text("send"), text("t"), text("w1"), bad()],
        vec![text("inbox"), text("send"), text("t"), bad(), text("x")],
        vec![text("task"), text("create"), text("t"), bad()],
        vec![text("team"), text("spawn-team"), bad()],
        vec![bad()],
        vec![text("--data-dir"), bad(), text("team"), text("discover")],
    ] {
        let ran = world.call(&line).run();
        assert!(ran.status == 1 || ran.status == 2, "{ran}");
        assert!(ran.stdout.is_empty() && !ran.stderr.contains("panicked"), "{ran}");
    }
    assert_eq!(crate::support::changes(&world.data(), &before), [""; 0]);
    let odd = world.call(&["team", "discover"]).env("CLAWTEAM_AGENT_NAME", bad());
    odd.run().succeeds();
}

#[test]
fn nobody_reads_any_more_is_no_failure() {
    let world = World::new();
    world.team(&[]);
    for n in 0..20 {
        world.task(&[&format!("{n} {}", "long ".repeat(1000))]);
    }
    for line in [&["task", "list", "t"][..], &["--json", "board", "show", "t"], &["--help"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ran = world.call(line).stdout(Stdio::from(writer)).run();
        assert!(ran.exits(0).stderr.is_empty(), "{ran}");
    }
}

#[test]
fn links_out_of_the_data_directory_are_not_followed() {
    let world = World::new();
    world.team(&["w1"]);
    let outside = world.top().join("outside");
    std::fs::create_dir_all(outside.join("inboxes/w1")).expect("a directory can be made");
    std::fs::write(outside.join("config.json"), r#"{"name": "evil", "members": []}"#)
        .expect("a file can be written");
    symlink(&outside, world.data().join("teams/evil")).expect("a link can be made");
    symlink(&outside, world.data().join("tasks/evil")).expect("a link can be made");
    let before = crate::support::tree(&outside);
    for line in [
        &["--json", "team", "status", "evil"][..],
        &["--json", "team", "add-member", "evil", "x"],
        &["--json", "team", "cleanup", "evil"],
        &["--json", "inbox", "send", "evil", "w1", "x"],
        &["--json", "inbox", "receive", "evil", "-a", "w1"],
        &["--json", "task", "create", "evil", "x"],
        &["--json", "task", "list", "evil"],
        &["--json", "board", "show", "evil"],
    ] {
        world.run(line).refuses_with("path_escapes");
    }
    assert_eq!(
        crate::support::changes(&outside, &before),
        [""; 0],
        "something was changed outside"
    );
    // The others are not hidden by it.
    let teams = world.run(&["--json", "team", "discover"]).exits(0).json();
    assert_eq!(teams.as_array().map(Vec::len), Some(1), "{teams}");
    assert_eq!(teams[0]["name"], json!("t"));
}

#[test]
fn completions_are_made_for_every_shell() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = world.run(&["completions", shell]);
        for word in ["spawn-team", "on-exit", "salvage", "overview", "sort-priority"] {
            assert!(script.succeeds().stdout.contains(word), "{shell}: no {word}");
        }
    }
}

#[test]
fn every_error_in_json_has_the_same_form() {
    let world = World::new();
    world.team(&[]);
    for line in [
        &["team", "status", "nope"][..],
        &["team", "spawn-team", "a/b"],
        &["task", "get", "t", "nope"],
        &["config", "get", "nope"],
        &["board", "show", "nope"],
        &["workspace", "status", "t", "nope"],
    ] {
        let ran = world.run(&[line, &["--json"]].concat());
        assert!(ran.exits(1).stderr.is_empty(), "{ran}");
        let told = keys(&ran.json());
        assert!(told == "error code" || told == "error code hint", "{ran}");
    }
}

#[test]
fn a_lock_that_stays_busy_is_told_with_a_status_of_its_own() {
    let world = World::new();
    world.team(&["w1"]);
    let id = world.task(&["x"]);
    let lines: [(&str, &[&str]); 3] = [
        ("tasks/t/.tasks.lock", &["task", "claim", "t", &id]),
        ("teams/t/config.json.lock", &["team", "add-member", "t", "w2"]),
        ("teams/t/mail.lock", &["inbox", "broadcast", "t", "x"]),
    ];
    for (lock, line) in lines {
        let file = world.data().join(lock);
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        let file = file.expect("a lock file");
        fs2::FileExt::lock_exclusive(&file).expect("nobody holds it");
        let before = crate::support::tree(&world.data());
        let patient = |line: &[&str]| world.call(line).env("CLAWTEAM_LOCK_TIMEOUT", "0.4").run();
        let told = patient(&[line, &["--json"]].concat());
        assert_eq!(told.exits(75).json()["code"], "busy", "{told}");
        assert!(
            told.stderr.contains(&format!("held by process {} ", std::process::id())),
            "{told}"
        );
        let told = patient(line);
        assert!(told.exits(75).stderr.contains("Hint: nothing was changed; try again"), "{told}");
        // A number that was given out is not given out again; nothing else changed.
        let mut changed = crate::support::changes(&world.data(), &before);
        changed.retain(|path| !path.ends_with("/.sequence"));
        assert_eq!(changed, [""; 0]);
        // Who only looks looks all the same.
        patient(&["--json", "task", "list", "t"]).exits(0);
        patient(&["--json", "board", "show", "t"]).exits(0);
        patient(&["inbox", "send", "t", "w1", "hello"]).exits(0);
    }
    world.run_as("w1", &["task", "claim", "t", &id]).succeeds();
}

#[test]
fn a_data_directory_that_cannot_be_is_told() {
    let world = World::new();
    world.put("file", "");
    let below = world.data().join("file/below");
    let below = ["--json", "--data-dir", below.to_str().expect("a plain path")];
    for line in [&["team", "spawn-team", "t"][..], &["task", "create", "t", "x"]] {
        let ran = world.run(&[&below[..], line].concat());
        assert_eq!(ran.exits(1).json()["code"], "io", "{ran}");
    }
    let list = world.run(&[&below[..], &["team", "discover"]].concat());
    assert_eq!(list.succeeds().json(), json!([]));
}

#[test]
fn nothing_is_told_of_a_team_that_is_not_there_without_saying_so() {
    let world = World::new();
    world.commit_a_file();
    for command in [
        "context files nope",
        "context conflicts nope",
        "context log nope",
        "session list nope",
        "lifecycle health nope",
        "lifecycle check-zombies --team nope",
        "runtime state nope",
        "workspace list nope",
        "task list nope",
        "task ready nope",
        "task claim nope next",
        "task stats nope",
        "notify list nope",
        "artifact list nope",
        "approval list nope",
        "workflow list nope",
        "cost show nope",
        "cost report nope",
        "inbox log nope",
        "inbox receive nope",
        "schedule list nope",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let told = world.run(&words);
        assert!(told.stderr.contains("Team 'nope' not found"), "{told}");
    }
}
