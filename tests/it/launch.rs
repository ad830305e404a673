//! Launching whole teams.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::crew::Crew;
use super::support::{keys, tree};
use super::until;

/// A team whose agents wait until they are ended.
const QUIET: &str = r#"
[template]
name = "quiet"
description = "they wait"
command = ["sh", "-c", "sleep 600"]
backend = "subprocess"

[template.leader]
name = "lead"
type = "boss"
task = "Lead {team_name} to {goal}, {agent_name}. Keep {braces}."
intent = "{goal} it is"
constraints = ["Only {goal}"]

[[template.agents]]
name = "w"

[[template.tasks]]
subject = "Do {goal}"
description = "For {agent_name} of {team_name}"
owner = "w"
priority = "high"

[[template.tasks]]
subject = "Check"
blocked_by = ["Do {goal}"]
"#;

/// One agent runs, the other cannot be started.
const HALF: &str = r#"
[template]
backend = "subprocess"
command = ["./broken"]
[template.leader]
name = "lead"
command = ["sh", "-c", "sleep 600"]
[[template.agents]]
name = "w"
[[template.tasks]]
subject = "Something"
"#;

/// Makes the program that cannot be started: what it says it is run by is not there.
fn broken(crew: &Crew) {
    let file = crew.world.cwd().join("broken");
    fs::write(&file, "#!/no/such/interpreter\n").expect("a file can be written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

fn prompt(crew: &Crew, team: &str, agent: &str) -> String {
    let file = crew.world.data().join(format!("agents/{team}/{agent}.prompt.md"));
    fs::read_to_string(file).expect("a prompt")
}

#[test]
fn a_team_is_made_with_its_tasks_and_started() {
    let crew = Crew::new().repository();
    crew.template("quiet", QUIET);
    let launched = crew
        .world
        .run(&["--json", "launch", "quiet", "-t", "q", "-g", "tea", "--workspace"])
        .exits(0)
        .clone();
    let told = launched.json();
    assert_eq!(keys(&told), "status team template backend agents");
    assert_eq!(told["status"], "launched");
    assert_eq!(told["backend"], "subprocess");
    let agents = told["agents"].as_array().expect("agents");
    assert_eq!(agents.len(), 2);
    assert_eq!(agents[0]["name"], "lead", "the leader comes first");
    assert_eq!(agents[0]["type"], "boss");
    assert_eq!(agents[1]["branch"], "clawteam/q/w");
    assert!(agents.iter().all(|agent| agent["status"] == "ready"), "{launched}");
    for name in ["lead ready", "w ready"] {
        assert!(launched.stderr.contains(name), "{launched}");
    }
    let status = crew.world.json(&["team", "status", "q"]);
    assert_eq!(status["leadAgentId"], agents[0]["id"]);
    assert_eq!(status["description"], "they wait");
    assert_eq!(status["members"][0]["agentType"], "leader");
    assert_eq!(status["members"][1]["alive"], true);

    let tasks = crew.world.json(&["task", "list", "q"]);
    assert_eq!(tasks[0]["subject"], "Do tea");
    assert_eq!(tasks[0]["description"], "For w of q");
    assert_eq!(tasks[0]["priority"], "high");
    assert_eq!(tasks[1]["status"], "blocked");
    assert_eq!(tasks[1]["blockedBy"], serde_json::json!([tasks[0]["id"]]));

    let told = prompt(&crew, "q", "lead");
    for part in [
        "Lead q to tea, lead. Keep {braces}.",
        "**Intent:** tea it is",
        "- Only tea",
        "You are one of 2 agents.",
        "isolated git worktree",
    ] {
        assert!(told.contains(part), "not `{part}` in\n{told}");
    }
}

/// Refused with `code`, before anything was made.
#[track_caller]
fn refused(crew: &Crew, arguments: &[&str], code: &str) {
    let before = tree(&crew.world.data());
    crew.world.run(&[&["--json", "launch"], arguments].concat()).refuses_with(code);
    assert!(tree(&crew.world.data()) == before, "{arguments:?} left something behind");
}

#[test]
fn what_is_wrong_is_found_before_anything_is_made() {
    let crew = Crew::new();
    crew.template("quiet", QUIET);
    crew.template("bad", "[template]\n[template.leader]\n");
    refused(&crew, &["none"], "template_not_found");
    refused(&crew, &["bad"], "invalid_template");
    refused(&crew, &["quiet", "--backend", "screen"], "unknown_backend");
    refused(&crew, &["quiet", "--workspace"], "not_a_repository");
    refused(&crew, &["quiet", "--repo", "/nowhere"], "no_directory");
    refused(&crew, &["quiet", "--team-name", "a b"], "invalid_name");
    refused(&crew, &["quiet", "--profile", "none"], "unknown_profile");
    refused(&crew, &["quiet", "--model-strategy", "best"], "unknown_strategy");
    refused(&crew, &["quiet", "--command", "no-such-program"], "command_not_found");
    crew.world.run(&["team", "spawn-team", "there"]).succeeds();
    refused(&crew, &["quiet", "--team", "there"], "team_exists");
}

#[test]
fn a_repository_without_commits_is_refused_too() {
    let crew = Crew::new();
    crew.template("quiet", QUIET);
    crew.git(&["init", "-q"]);
    refused(&crew, &["quiet", "-w"], "no_commits");
}

#[test]
fn a_team_of_which_nobody_runs_is_taken_back() {
    let crew = Crew::new().repository();
    broken(&crew);
    crew.template("none", &HALF.replace(r#"["sh", "-c", "sleep 600"]"#, r#"["./broken"]"#));
    let launched = crew.world.run(&["--json", "launch", "none", "-t", "n", "-w"]);
    launched.exits(1);
    let told = launched.json();
    assert_eq!(told["status"], "failed");
    let reason = told["agents"][1]["message"].as_str().expect("a reason");
    assert!(reason.contains("did not start"), "{launched}");
    assert_eq!(crew.world.json(&["team", "discover"]), Value::Array(vec![]));
    assert_eq!(crew.world.names("agents/n"), [""; 0]);
    assert!(!crew.world.names("tasks/n").iter().any(|name| name.starts_with("task-")));
    assert_eq!(crew.git(&["branch", "--list", "clawteam/*"]), "");
    assert_eq!(crew.git(&["worktree", "list"]).lines().count(), 1);
    until("all runners ended", || crew.runners().is_empty());
}

#[test]
fn one_that_fails_does_not_keep_the_others_from_work() {
    let crew = Crew::new();
    broken(&crew);
    crew.template("half", HALF);
    let launched = crew.world.run(&["launch", "half", "-t", "h"]);
    launched.exits(1);
    assert!(launched.stdout.contains("1 of 2 agents are ready"), "{launched}");
    assert!(launched.stderr.contains("w failed: "), "{launched}");
    let status = crew.world.json(&["team", "status", "h"]);
    assert_eq!(status["members"][0]["alive"], true);
}

#[test]
fn where_there_is_no_tmux_agents_run_in_the_background() {
    let crew = Crew::without_tmux();
    crew.template("quiet", &QUIET.replace("backend = \"subprocess\"", "backend = \"tmux\""));
    let launched = crew.world.run(&["--json", "launch", "quiet"]);
    launched.warns("tmux is not installed");
    assert_eq!(launched.json()["backend"], "subprocess");
    refused(&crew, &["quiet", "--backend", "tmux"], "tmux_missing");
}

#[test]
fn a_profile_and_a_model_reach_the_agents() {
    let crew = Crew::new();
    crew.template("quiet", QUIET);
    let settings = r#"{"profiles": {"p": {"command": ["sh", "-c", "env > \"$CLAWTEAM_AGENT_NAME.env\"; sleep 600"],
        "env": {"FROM_PROFILE": "yes"}}}}"#;
    fs::write(crew.world.home().join(".clawteam/config.json"), settings).expect("written");
    let launched =
        crew.world.run(&["launch", "quiet", "--profile", "p", "--model", "m1", "-t", "p"]);
    launched.exits(0);
    let env = crew.world.cwd().join("w.env");
    until("the environment is written", || {
        let text = fs::read_to_string(&env).unwrap_or_default();
        text.contains("FROM_PROFILE=yes") && text.contains("CLAWTEAM_MODEL=m1")
    });
}
