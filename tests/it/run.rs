//! `run`: an agent with a goal, in a line.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::crew::Crew;
use super::support::World;
use super::until;

/// Keeps what it was told and who it is, then waits.
const AGENT: &str = r#"#!/bin/sh
here=$(dirname "$0")
printf '%s\n' "$*" > "$here/told.tmp"
{ pwd; echo "$CLAWTEAM_AGENT_NAME $CLAWTEAM_AGENT_LEADER $CLAWTEAM_AGENT_TYPE $EXTRA"; } > "$here/who"
mv "$here/told.tmp" "$here/told"
exec tail -f --pid="$TEST_PROCESS" /dev/null
"#;

fn place() -> (Crew, String) {
    let crew = Crew::new().repository();
    let file = crew.world.top().join("my-agent");
    fs::write(&file, AGENT).expect("a file can be written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    crew.world.run(&["config", "set", "default_backend", "subprocess"]).exits(0);
    (crew, file.display().to_string())
}

fn kept(world: &World, file: &str) -> String {
    let path = world.top().join(file);
    until(file, || path.exists());
    fs::read_to_string(path).expect("it is there")
}

fn members(world: &World) -> Vec<Value> {
    world.json(&["team", "status", "t"])["members"].as_array().expect("members").clone()
}

#[test]
fn the_first_agent_leads_and_the_next_ones_answer_to_it() {
    let (crew, agent) = place();
    let world = &crew.world;
    let told = world.json(&["run", &agent, "Count the files", "--team", "t"]);
    let name = told["agentName"].as_str().expect("a name").to_owned();
    assert!(name.starts_with("my-agent-") && name.len() == "my-agent-".len() + 6, "{name}");
    let prompt = kept(world, "told");
    assert!(prompt.contains("Count the files"), "{prompt}");
    assert!(kept(world, "who").contains(&format!("{name} 1 my-agent")));
    let team = world.json(&["team", "status", "t"]);
    assert_eq!(team["leadAgentId"], told["agentId"]);
    assert_eq!(members(world)[0]["agentType"], "my-agent");

    fs::remove_file(world.top().join("told")).expect("it is there");
    let second = world.json(&["run", &agent, "Help", "--team", "t"]);
    assert_ne!(second["agentName"], told["agentName"]);
    let prompt = kept(world, "told");
    assert!(prompt.contains(&format!("clawteam inbox send t {name} ")), "{prompt}");
    assert!(!prompt.contains("inbox send t leader"), "{prompt}");
    assert_eq!(members(world).len(), 2);
}

#[test]
fn an_agent_without_a_goal_gets_no_prompt_and_works_where_it_was_started() {
    let (crew, agent) = place();
    let world = &crew.world;
    world.json(&["run", &agent, "--team", "t"]);
    assert_eq!(kept(world, "told"), "\n");
    let who = kept(world, "who");
    assert!(who.starts_with(&world.cwd().display().to_string()), "{who}");
    assert!(world.names("workspaces/t").iter().all(|name| !name.starts_with("my-agent")));
}

#[test]
fn a_worktree_is_made_when_it_is_asked_for() {
    let (crew, agent) = place();
    let world = &crew.world;
    let told = world.json(&["run", &agent, "Work", "--team", "t", "--workspace"]);
    let tree = world.data().join("workspaces/t").join(told["agentName"].as_str().expect("a name"));
    assert_eq!(told["workspace"], json!(tree.display().to_string()));
    assert!(kept(world, "who").starts_with(&tree.display().to_string()));
}

#[test]
fn a_profile_counts() {
    let (crew, agent) = place();
    let world = &crew.world;
    world
        .run(&["profile", "set", "p", "--command", &agent, "--env", "EXTRA=from-profile"])
        .exits(0);
    world.json(&["run", &agent, "Work", "--team", "t", "--profile", "p"]);
    assert!(kept(world, "who").contains("from-profile"));
    world.run(&["run", &agent, "Work", "--team", "t", "--profile", "none"]).exits(1);
}

#[test]
fn resuming_is_being_the_leader_again() {
    let (crew, agent) = place();
    let world = &crew.world;
    let first = world.json(&["run", &agent, "Work", "--team", "t"]);
    let name = first["agentName"].as_str().expect("a name").to_owned();
    let again = ["--json", "run", &agent, "--team", "t", "--resume"];
    world.run(&again).refuses_with("agent_running");
    world.run(&["lifecycle", "stop", "t", &name]);
    world.run(&["team", "stop", "t"]);
    until("it has ended", || members(world)[0]["alive"] == false);
    let told = world.run(&again);
    told.exits(0);
    assert_eq!(told.json()["agentName"], name);
    assert_eq!(told.json()["agentId"], first["agentId"]);
    assert_eq!(members(world).len(), 1);
}

#[test]
fn what_cannot_run_leaves_nothing() {
    let (crew, _) = place();
    let told = crew.world.run(&["--json", "run", "no-such-agent", "Work", "--team", "t"]);
    told.exits(1);
    assert_eq!(told.json()["code"], "command_not_found");
    assert!(crew.world.names("teams").is_empty());
}
