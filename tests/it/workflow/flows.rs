//! Small workflows, and what is done with them again and again.

use std::fs;

use serde_json::Value;

use crate::support::World;

/// A world with the team `t`, led by `lead`, with `w1` and `w2`.
pub(super) fn world() -> World {
    let world = World::new();
    world.team(&["w1", "w2"]);
    world
}

/// Makes a workflow and puts it into use. `body` is what follows its name.
pub(super) fn define(world: &World, name: &str, body: &str) {
    let text = format!("schema = \"clawteam.workflow/1\"\nname = \"{name}\"\n{body}");
    let file = format!("{name}.toml");
    fs::write(world.cwd().join(&file), text).expect("a file can be written");
    world.run(&["workflow", "create", "t", "--file", &file, "--activate"]).exits(0);
}

/// Starts a run and returns its id.
pub(super) fn start(world: &World, name: &str, options: &[&str]) -> String {
    let ran = world.run(&[&["--json", "workflow", "run", "t", name], options].concat());
    text(&ran.exits(0).json()["run"])
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

pub(super) fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

/// How a run stands.
pub(super) fn status(world: &World, run: &str) -> Value {
    world.run(&["--json", "workflow", "status", "t", run]).exits(0).json()
}

/// The state of a run in a word.
pub(super) fn word(world: &World, run: &str) -> String {
    text(&status(world, run)["status"])
}

/// The records of a run.
pub(super) fn records(world: &World, run: &str) -> Vec<Value> {
    list(&world.run(&["--json", "workflow", "log", "t", run]).exits(0).json()).clone()
}

/// The tasks of the team.
pub(super) fn tasks(world: &World) -> Vec<Value> {
    list(&world.run(&["--json", "task", "list", "t"]).exits(0).json()).clone()
}

/// The tasks that wait for an agent.
pub(super) fn open_tasks(world: &World) -> Vec<String> {
    let open = |task: &&Value| task["status"] == "pending" || task["status"] == "in_progress";
    tasks(world).iter().filter(open).map(|task| text(&task["id"])).collect()
}

/// The approvals that wait for somebody.
pub(super) fn open_approvals(world: &World) -> Vec<String> {
    let all = world.run(&["--json", "approval", "list", "t", "--status", "pending"]);
    list(&all.exits(0).json()).iter().map(|approval| text(&approval["id"])).collect()
}

/// Does the one open task.
pub(super) fn complete(world: &World, result: &str) {
    let id = open_tasks(world).pop().expect("a task is open");
    let line = ["task", "update", "t", &id, "--status", "completed", "--result", result];
    world.run_as("w1", &line).exits(0);
}

/// Whether a run is sound, and how many records it has.
#[track_caller]
pub(super) fn sound(world: &World, run: &str) -> u64 {
    let checked = world.run(&["--json", "workflow", "fsck", "t", run]);
    let told = checked.exits(0).json();
    assert_eq!(told[0]["problems"], serde_json::json!([]), "{checked}");
    for (at, record) in records(world, run).iter().enumerate() {
        assert_eq!(record["rev"], at + 1, "a gap or a fork in {run}");
    }
    told[0]["records"].as_u64().expect("a number")
}
