//! Launching whole teams.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
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
    // Locks stay: somebody may be waiting for one.
    let left = crew.world.names("agents/n");
    assert!(left.iter().all(|name| name.rsplit('.').next() == Some("lock")), "{left:?}");
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

#[test]
fn a_dry_run_tells_everything_and_makes_nothing() {
    let crew = Crew::new().repository();
    crew.template("quiet", QUIET);
    let before = tree(crew.world.top().as_path());
    let plan = crew.world.json(&["launch", "quiet", "-t", "q", "-g", "tea", "-w", "--dry-run"]);
    let shown = crew.world.run(&["launch", "quiet", "-t", "q", "-g", "tea", "-w", "--dry-run"]);
    shown.exits(0);
    assert!(tree(crew.world.top().as_path()) == before, "something was made");
    assert_eq!(keys(&plan), "status team template description backend agents tasks");
    let lead = &plan["agents"][0];
    assert_eq!(lead["argv"], serde_json::json!(["sh", "-c", "sleep 600", "-p", "<prompt>"]));
    assert_eq!(lead["branch"], "clawteam/q/lead");
    assert!(lead["cwd"].as_str().expect("a directory").ends_with("workspaces/q/lead"), "{lead}");
    assert!(
        lead["prompt"].as_str().expect("a prompt").contains("Lead q to tea, lead. Keep {braces}.")
    );
    assert_eq!(plan["agents"][1]["leader"], false);
    assert_eq!(plan["tasks"][0]["subject"], "Do tea");
    assert_eq!(plan["tasks"][1]["blockedBy"], serde_json::json!(["Do tea"]));
    for part in ["sh -c 'sleep 600'", "clawteam/q/w", "nothing was made"] {
        assert!(shown.stdout.contains(part), "no {part} in {shown}");
    }
    // What is planned is what is done.
    crew.world.run(&["launch", "quiet", "-t", "q", "-g", "tea", "-w"]).exits(0);
    let real = prompt(&crew, "q", "lead");
    let planned = lead["prompt"].as_str().expect("a prompt");
    let id = |text: &str| text.lines().find(|line| line.starts_with("- ID:")).map(str::to_owned);
    assert_eq!(
        real.replace(&id(&real).expect("an id"), ""),
        planned.replace(&id(planned).expect("an id"), "")
    );
    refused(&crew, &["quiet", "--dry-run", "--command", "no-such-program"], "command_not_found");
}

#[test]
fn what_agents_may_do_is_said_for_all_for_one_or_by_whoever_launches() {
    let crew = Crew::new();
    let levels = QUIET
        .replace("description = \"they", "permissions = \"ask\"\ndescription = \"they")
        .replace("name = \"w\"", "name = \"w\"\npermissions = \"full\"");
    crew.template("levels", &levels);
    let of = |options: &[&str]| {
        let plan = crew.world.json(&[&["launch", "levels", "--dry-run"], options].concat());
        [plan["agents"][0]["permissions"].clone(), plan["agents"][1]["permissions"].clone()]
    };
    assert_eq!(of(&[]), ["ask", "full"]);
    assert_eq!(of(&["--permissions", "edit"]), ["edit", "edit"]);
    crew.world.run(&["launch", "levels", "--permissions", "some"]).exits(2);
}

#[test]
fn what_an_agent_may_do_reaches_its_program() {
    let crew = Crew::new();
    for program in ["claude", "kimi"] {
        let path = crew.world.cwd().join(program);
        fs::write(&path, "#!/bin/sh\nsleep 600\n").expect("a file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    crew.template("one", "[template]\ncommand = [\"./claude\"]\n[template.leader]\nname = \"l\"\n");
    let argv = |level: &str| {
        let plan =
            ["launch", "one", "--dry-run", "--backend", "subprocess", "--permissions", level];
        let told = crew.world.run(&[&["--json"], &plan[..]].concat()).exits(0).json();
        told["agents"][0]["argv"].to_string()
    };
    assert!(argv("edit").contains("acceptEdits"), "{}", argv("edit"));
    let ask = argv("ask");
    assert!(!ask.contains("acceptEdits") && !ask.contains("dangerously"), "{ask}");
    // Kimi has no such level; it is told once, however many agents it concerns.
    let two = "[template]\ncommand = [\"./kimi\"]\n[template.leader]\nname = \"l\"\n\
               [[template.agents]]\nname = \"w\"\n";
    crew.template("two", two);
    let ran = crew.world.run(&["--json", "launch", "two", "--dry-run", "--permissions", "edit"]);
    let agents = ran.exits(0).json()["agents"].clone();
    assert_eq!(
        (&agents[0]["permissions"], &agents[1]["permissions"]),
        (&"ask".into(), &"ask".into())
    );
    assert_eq!(ran.stderr.matches("kimi has no permission level 'edit'").count(), 1, "{ran}");
}

/// Each of eight agents gets ready only when all others have begun to.
const TOGETHER: &str = r#"
[template]
name = "together"
command = ["sh", "-c", "sleep 600"]
backend = "subprocess"
max_agents = 9
[template.workspace]
setup = ["mkdir -p $CLAWTEAM_REPO_ROOT/met; touch $CLAWTEAM_REPO_ROOT/met/$CLAWTEAM_AGENT_NAME; until [ $(ls $CLAWTEAM_REPO_ROOT/met | wc -l) -eq 8 ]; do sleep 0.02; done"]
timeout = "30s"
[template.leader]
name = "lead"
"#;

#[test]
fn agents_are_started_at_once() {
    let crew = Crew::new().repository();
    let other = |n: i32| format!("[[template.agents]]\nname = \"w{n}\"\n");
    let others = (1..8).map(other).collect::<Vec<_>>().concat();
    crew.template("together", &format!("{TOGETHER}{others}"));
    let launched = crew.world.run(&["--json", "launch", "together", "-t", "t", "-w"]);
    launched.exits(0);
    assert_eq!(launched.json()["agents"].as_array().map(Vec::len), Some(8), "{launched}");
}

/// One is ready at once, the other only when somebody makes a file.
const SLOW: &str = r#"
[template]
name = "slow"
command = ["sh", "-c", "sleep 600"]
backend = "subprocess"
[template.leader]
name = "lead"
[[template.agents]]
name = "w"
workspace = { setup = ["until [ -e $CLAWTEAM_REPO_ROOT/go ]; do sleep 0.02; done"] }
"#;

#[test]
fn a_launch_that_is_interrupted_tells_who_runs() {
    let crew = Crew::new().repository();
    crew.template("slow", SLOW);
    let launching = crew.world.call(&["--json", "launch", "slow", "-t", "s", "-w"]).start();
    until("the leader runs", || alive(&crew, "s", 0));
    launching.signal(Signal::INT);
    let launched = launching.finish();
    launched.exits(130);
    let told = launched.json();
    assert_eq!(told["status"], "interrupted");
    assert_eq!(told["agents"][0]["status"], "ready");
    assert_eq!(told["agents"][1]["status"], "failed");
    assert!(
        told["agents"][1]["message"].as_str().expect("why").contains("was interrupted"),
        "{told}"
    );
    assert!(alive(&crew, "s", 0) && !alive(&crew, "s", 1));
    assert!(!crew.world.data().join("workspaces/s/w").exists(), "it was taken back");
    assert_eq!(crew.runners().len(), 1);
}

fn alive(crew: &Crew, team: &str, member: usize) -> bool {
    let status = crew.world.run(&["--json", "team", "status", team]);
    let told: Value = serde_json::from_str(&status.stdout).unwrap_or_default();
    told["members"][member]["alive"] == true
}

#[test]
fn an_interrupted_launch_of_which_nobody_runs_is_taken_back() {
    let crew = Crew::new().repository();
    crew.template(
        "slow",
        &SLOW.replace("name = \"lead\"", "name = \"lead\"\ncommand = [\"./broken\"]"),
    );
    broken(&crew);
    let launching = crew.world.call(&["--json", "launch", "slow", "-t", "s", "-w"]).start();
    until("the worktree is made", || crew.world.data().join("workspaces/s/w/.git").exists());
    launching.signal(Signal::TERM);
    let launched = launching.finish();
    launched.exits(1);
    assert_eq!(launched.json()["status"], "failed");
    assert_eq!(crew.world.json(&["team", "discover"]), Value::Array(vec![]));
    until("all runners ended", || crew.runners().is_empty());
}

#[test]
fn who_does_not_take_its_prompt_is_known_when_the_launch_is_interrupted() {
    let crew = Crew::new();
    // A program that does not read its terminal keeps the launch waiting.
    crew.template("deaf", &QUIET.replace("backend = \"subprocess\"", "backend = \"tmux\""));
    let launching = crew.world.call(&["--json", "launch", "deaf", "-t", "d"]).start();
    until("both run", || {
        crew.world
            .names("agents/d")
            .iter()
            .filter(|name| name.rsplit('.').next() == Some("json"))
            .count()
            >= 4
            && alive(&crew, "d", 0)
            && alive(&crew, "d", 1)
    });
    launching.signal(Signal::INT);
    launching.signal(Signal::INT);
    let launched = launching.finish();
    assert_ne!(launched.status, 0, "{launched}");
    let told = launched.json();
    assert_eq!(told["status"], "interrupted");
    for member in 0..2 {
        assert_eq!(told["agents"][member]["status"], "unbriefed", "{told}");
        assert!(alive(&crew, "d", member), "{told}");
    }
}
