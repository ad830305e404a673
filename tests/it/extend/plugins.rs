//! Plugins: installed, enabled once somebody agreed, told of events, adding to prompts.

use std::fs;

use serde_json::json;

use super::{lines, log, plugin};
use crate::support::{Ran, World, keys};
use crate::until;

const MANIFEST: &str = r#"
name = "echo"
version = "1.2.0"
description = "Writes down what it hears"
author = "Somebody"
entry = ["run", "word"]
permissions = ["events", "prompt", "network"]
events = ["TaskCompleted"]
prompt = true
"#;

/// Answers a request for prompt text, and writes down the rest.
const PROGRAM: &str = r#"read -r request
case $request in
*'"method":"prompt"'*) printf '{"result": {"text": "Mind the gap, %s."}}\n' "$1" ;;
*) printf '%s\n' "$request" >> heard ;;
esac"#;

/// Starts an agent that ends at once, with a task.
fn start(world: &World) -> Ran {
    let words = "spawn subprocess -t t -n x --no-workspace --task Dig -- true";
    world.run(&words.split(' ').collect::<Vec<_>>())
}

#[test]
fn a_plugin_is_installed_enabled_disabled_and_uninstalled() {
    let world = World::new();
    let dir = plugin(&world, "source", MANIFEST, PROGRAM);
    let path = dir.display().to_string();
    world.run(&["plugin", "list"]).shows("No plugins.");
    let told = world.run(&["plugin", "install", &path]);
    told.succeeds();
    for wish in ["events, prompt, network", "TaskCompleted", "run word"] {
        assert!(told.stdout.contains(wish), "{wish} is not shown\n{told}");
    }
    let listed = world.json(&["plugin", "list"]);
    assert_eq!(
        keys(&listed["echo"]),
        "version description source path author permissions events enabled"
    );
    assert_eq!(
        (&listed["echo"]["enabled"], &listed["echo"]["source"]),
        (&json!(false), &json!("installed"))
    );
    world.run(&["plugin", "install", &path]).refuses("installed already");
    // Nobody is there to agree.
    let told = world.run(&["plugin", "enable", "echo"]);
    told.exits(1);
    assert!(
        told.stderr.contains("events, prompt, network") && told.stderr.contains("nobody agreed"),
        "{told}"
    );
    assert_eq!(world.json(&["plugin", "info", "echo"])["enabled"], false);
    world.run(&["plugin", "enable", "echo", "--yes"]).exits(0);
    assert_eq!(world.json(&["plugin", "info", "echo"])["enabled"], true);
    let info = world.run(&["plugin", "info", "echo"]);
    assert!(info.succeeds().stdout.contains("version: 1.2.0\n"), "{info}");
    // What is replaced must be agreed to again.
    world.run(&["plugin", "install", &path, "--force"]).succeeds();
    assert_eq!(world.json(&["plugin", "info", "echo"])["enabled"], false);
    let told = world.json(&["plugin", "uninstall", "echo"]);
    let kept = std::path::PathBuf::from(told["kept_in"].as_str().expect("a place"));
    assert!(kept.join("plugin.toml").exists());
    world.run(&["plugin", "info", "echo"]).refuses("Plugin not found: echo");
    world.run(&["plugin", "uninstall", "echo"]).refuses("Plugin not found: echo");
    world.run(&["plugin", "install", &path]).succeeds();
}

#[test]
fn a_plugin_hears_of_events_and_adds_to_prompts_only_while_it_is_enabled() {
    let world = World::new();
    let dir = plugin(&world, "source", MANIFEST, PROGRAM);
    world.run(&["plugin", "install", &dir.display().to_string()]).succeeds();
    world.team(&["w"]);
    let heard = world.home().join(".clawteam/plugins/echo/heard");
    let complete = || {
        let task = world.task(&["Sweep"]);
        world.run(&["task", "update", "t", &task, "--status", "completed"]).succeeds();
        task
    };
    complete();
    world.run(&["plugin", "enable", "echo", "--yes"]).exits(0);
    let task = complete();
    until("it has heard", || !lines(&heard).is_empty());
    assert_eq!(lines(&heard).len(), 1, "not of what was before");
    let request: serde_json::Value = serde_json::from_str(&lines(&heard)[0]).expect("JSON");
    assert_eq!(request["method"], "event");
    let event = &request["params"]["event"];
    assert_eq!((&event["event"], &event["task_id"]), (&json!("TaskCompleted"), &json!(task)));
    until("what it said is kept", || log(&world).contains("\"plugin\":\"echo\""));
    start(&world).exits(0);
    let prompt = fs::read_to_string(world.data().join("agents/t/x.prompt.md")).expect("a prompt");
    assert!(prompt.contains("## From plugin 'echo'\n\nMind the gap, word."), "{prompt}");
    world.run(&["plugin", "disable", "echo"]).succeeds();
    start(&world).exits(0);
    let prompt = fs::read_to_string(world.data().join("agents/t/x.prompt.md")).expect("a prompt");
    assert!(!prompt.contains("Mind the gap"), "{prompt}");
}

#[test]
fn a_plugin_that_fails_is_told_and_stops_nothing() {
    let world = World::new();
    let dir = plugin(&world, "source", MANIFEST, "echo broken >&2; exit 4");
    world.run(&["plugin", "install", &dir.display().to_string()]).succeeds();
    world.run(&["plugin", "enable", "echo", "--yes"]).exits(0);
    start(&world).warns("status 4: broken");
}

#[test]
fn what_is_no_plugin_is_refused() {
    let world = World::new();
    world.run(&["plugin", "install", "/no/such"]).refuses("no plugin.toml");
    for (name, manifest, why) in [
        ("a", "name = 'a'\nentry = 'run'\nevents = ['TaskCompleted']", "needs the permission"),
        ("b", "name = '../b'\nentry = 'run'", "Invalid plugin name"),
        ("c", "name = 'c'\nentry = 'run'\nprotocol = 9", "protocol 9"),
        ("d", "name = [", "plugin.toml"),
    ] {
        let dir = plugin(&world, name, manifest, "true");
        world.run(&["plugin", "install", &dir.display().to_string()]).refuses(why);
    }
    world.run(&["plugin", "info", "nope"]).refuses("Plugin not found: nope");
    world.run(&["plugin", "enable", "../x", "--yes"]).exits(1);
    assert!(!world.home().join(".clawteam/plugins").exists());
}

#[test]
fn plugins_of_python_are_listed_and_told_to_be_such() {
    let world = World::new();
    let dir = world.data().join("plugins/old");
    fs::create_dir_all(&dir).expect("ours");
    let manifest = r#"{"name": "old", "version": "0.1", "description": "d"}"#;
    fs::write(dir.join("plugin.json"), manifest).expect("ours");
    fs::create_dir_all(world.home().join(".clawteam")).expect("ours");
    fs::write(world.home().join(".clawteam/config.json"), r#"{"plugins": ["a.b.module_one"]}"#)
        .expect("ours");
    let listed = world.json(&["plugin", "list"]);
    assert_eq!(
        (&listed["old"]["source"], &listed["old"]["version"]),
        (&json!("local"), &json!("0.1"))
    );
    assert_eq!(listed["module_one"]["source"], "config");
    world.run(&["plugin", "enable", "old", "--yes"]).refuses("Python module");
    world.team(&[]);
    world.task(&["Nothing is called"]);
}
