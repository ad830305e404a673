//! `clawteam approval`.

mod decide;
mod expiry;
mod journal;
mod policy;
mod proof;
mod race;

use serde_json::Value;

use crate::support::{Ran, World};

/// The team `t` with a leader and three workers.
fn world() -> World {
    let world = World::new();
    world.team(&["w1", "w2", "w3"]);
    world
}

/// Asks as the agent `w1` and returns the identifier.
fn request(world: &World, more: &[&str]) -> String {
    let line = ["approval", "request", "t", "--title", "Ship it", "--reason", "it is ready"];
    let made = world.json_as("w1", &[&line[..], more].concat());
    assert_eq!(made["status"], "pending", "{made}");
    made["id"].as_str().expect("an approval has an identifier").to_owned()
}

/// Calls `approval VERB t ID …` as a person.
fn person(world: &World, verb: &str, id: &str, more: &[&str]) -> Ran {
    world.run(&[&["--json", "approval", verb, "t", id], more].concat())
}

/// The same as an agent.
fn agent(world: &World, name: &str, verb: &str, id: &str, more: &[&str]) -> Ran {
    world.run_as(name, &[&["--json", "approval", verb, "t", id], more].concat())
}

fn status(world: &World, id: &str) -> String {
    let shown = world.json(&["approval", "show", "t", id]);
    shown["status"].as_str().expect("a status").to_owned()
}

/// The call failed with this exit status and code, and told nothing else.
#[track_caller]
fn fails(ran: &Ran, exit: i32, code: &str) -> Value {
    let told = ran.exits(exit).json();
    assert!(told["code"] == code, "not `{code}`\n{ran}");
    told
}
