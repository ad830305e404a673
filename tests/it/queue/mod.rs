//! The queue of a team, its workers, and what they can do.

mod commands;
mod kinds;
mod workers;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::World;

/// A world with the team `t`.
fn world() -> World {
    let world = World::new();
    world.team(&[]);
    world
}

/// Pushes an item for a shell line and returns its identifier.
fn push(world: &World, options: &[&str], line: &str) -> String {
    let words = [&["queue", "push", "t", "command"], options, &["--", "sh", "-c", line]].concat();
    text(&world.json(&words)["id"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

fn show(world: &World, id: &str) -> Value {
    world.json(&["queue", "show", "t", id])
}

fn state(world: &World, id: &str) -> String {
    text(&show(world, id)["state"])
}

/// Does all that is ready.
fn work(world: &World) {
    world.run(&["queue", "work", "t", "--until-idle"]).exits(0);
}

/// The lines of a file of the working directory; none if it is missing.
fn lines(world: &World, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(world.cwd().join(file)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn file(world: &World, name: &str) -> PathBuf {
    world.cwd().join(name)
}

/// An item as it lies in the queue, for a run.
fn item_of_run(id: &str, argv: &[&str]) -> Value {
    json!({
        "schema": "clawteam.queue-item/1",
        "id": id,
        "kind": "command",
        "payload": {"argv": argv},
        "sequence": 1,
        "dueAt": "2026-01-01T00:00:00+00:00",
        "createdAt": "2026-01-01T00:00:00+00:00",
        "maxAttempts": 1,
        "timeout": "5m",
        "run": {"run": "r1", "act": "build#2", "attempt": 3},
        "later": {"kept": true},
    })
}
