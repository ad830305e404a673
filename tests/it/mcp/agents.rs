//! Agents, teams and worktrees by way of tools.

use std::fs;

use serde_json::{Value, json};

use super::client::Client;
use crate::crew::{Crew, git};
use crate::until;

const WAITS: &str = r#"
[template]
name = "quiet"
command = ["sh", "-c", "sleep 600"]
backend = "subprocess"
[template.leader]
name = "lead"
task = "Lead {team_name} to {goal}"
[[template.agents]]
name = "w"
"#;

/// Spawns an agent that writes a file and ends, and waits for its end.
fn work(crew: &Crew, client: &mut Client, agent: &str, script: &str) -> Value {
    let spawned = client.tool(
        "agent_spawn",
        json!({
            "team_name": "t", "agent_name": agent, "backend": "subprocess", "workspace": true,
            "command": ["sh", "-c", script]
        }),
    );
    let record = format!("agents/t/{agent}.json");
    until("the agent has ended", || {
        crew.world.data().join(&record).is_file()
            && crew.world.document(&record)["state"] == "exited"
    });
    spawned
}

#[test]
fn an_agent_is_started_its_work_is_seen_and_merged() {
    let crew = Crew::new().repository();
    crew.world.team(&[]);
    let mut client = Client::new(&crew.world);
    let script = "echo one > new.txt; git add new.txt; \
                  git -c user.name=u -c user.email=u@h commit -qm Add; echo x > draft";
    let spawned = work(&crew, &mut client, "w", script);
    assert_eq!(
        (&spawned["status"], &spawned["agentName"], &spawned["branch"]),
        (&json!("spawned"), &json!("w"), &json!("clawteam/t/w"))
    );
    let tree = spawned["workspace"].as_str().expect("a directory").to_owned();
    let agent = json!({"team_name": "t", "agent_name": "w"});
    let diff = client.tool("workspace_agent_diff", agent.clone());
    assert_eq!(diff, crew.world.json(&["context", "diff", "t", "w"]));
    assert_eq!((&diff["files_changed"], &diff["commit_count"]), (&json!(["new.txt"]), &json!(1)));
    let owners = client.tool("workspace_file_owners", json!({"team_name": "t"}));
    assert_eq!(owners, json!({"draft": ["w"], "new.txt": ["w"]}));
    let log = client.tool("workspace_cross_branch_log", json!({"team_name": "t", "limit": 5}));
    // A list as text, as Python has it.
    let log: Value = serde_json::from_str(log.as_str().expect("text")).expect("a list");
    assert_eq!(log[0]["message"], "Add");
    let summary = client.tool("workspace_agent_summary", agent.clone())["summary"].clone();
    assert_eq!(
        summary,
        "Agent: w\nBranch: clawteam/t/w\nCommits: 1\nFiles changed: 1\nLines: +1/-0\n- new.txt\n\
         - draft (not committed)"
    );
    // The team knows its repository; whoever asks may be anywhere.
    let mut outside = Client::greeted(crew.world.call(&["mcp"]).at(&crew.world.top()));
    assert_eq!(outside.tool("workspace_agent_diff", agent.clone()), diff);
    assert_eq!(outside.tool("workspace_file_owners", json!({"team_name": "t"})), owners);
    assert_eq!(outside.tool("workspace_agent_summary", agent.clone())["summary"], summary);
    let merged = outside.tool("workspace_merge", agent);
    assert_eq!((&merged["status"], &merged["target"]), (&json!("merged"), &json!("main")));
    let read = fs::read_to_string(crew.world.cwd().join("new.txt"));
    assert_eq!(read.expect("it is merged"), "one\n");
    assert!(!std::path::Path::new(&tree).exists(), "the worktree is gone");
}

#[test]
fn it_can_be_seen_what_agents_do_and_ask() {
    let crew = Crew::new().repository();
    crew.world.team(&["idle"]);
    let mut client = Client::new(&crew.world);
    work(&crew, &mut client, "w", "exit 3");
    let states = client.tool("agent_state", json!({"team_name": "t"}));
    let of = |name: &str| -> Value {
        let list = states.as_array().expect("a list").iter();
        list.clone().find(|state| state["agentName"] == name).expect("it is listed").clone()
    };
    assert_eq!((&of("w")["state"], &of("w")["exitCode"]), (&json!("dead"), &json!(3)));
    assert_eq!((&of("idle")["state"], &of("idle")["alive"]), (&json!("unknown"), &json!(null)));
    let one = client.tool("agent_state", json!({"team_name": "t", "agent_name": "w"}));
    assert_eq!(one, json!([of("w")]));
    assert_eq!(client.tool("permission_list", json!({"team_name": "t"})), json!([]));
    let answer = json!({
        "team_name": "t", "agent_name": "w", "answer": "allow", "digest": "0123456789"
    });
    let (code, text) = client.refused("permission_answer", answer.clone());
    assert!(text.contains("asks nothing"), "{code} {text}");
    // An agent does not answer for another.
    let (code, _) = Client::of_agent(&crew.world, "w").refused("permission_answer", answer);
    assert_eq!(code, "human_required");
}

#[test]
fn a_conflict_is_told_and_changes_nothing() {
    let crew = Crew::new().repository();
    crew.world.team(&[]);
    let mut client = Client::new(&crew.world);
    work(&crew, &mut client, "w", "echo theirs > file.txt");
    fs::write(crew.world.cwd().join("file.txt"), "ours\n").expect("a file can be written");
    crew.git(&["add", "."]);
    crew.git(&["-c", "user.name=u", "-c", "user.email=u@h", "commit", "-qm", "Ours"]);
    let before = git(&crew.world.cwd(), &["rev-parse", "main"]);
    let (code, text) =
        client.refused("workspace_merge", json!({"team_name": "t", "agent_name": "w"}));
    assert!(code == "merge_conflict" && text.contains("\nHint: "), "{code} {text}");
    assert_eq!(git(&crew.world.cwd(), &["rev-parse", "main"]), before);
    // The server goes on.
    assert_eq!(client.tool("team_list", json!({}))[0]["name"], "t");
}

#[test]
fn a_team_is_launched() {
    let crew = Crew::new();
    crew.template("quiet", WAITS);
    let mut client = Client::new(&crew.world);
    let launched =
        client.tool("team_launch", json!({"template": "quiet", "team_name": "q", "goal": "tea"}));
    assert_eq!((&launched["status"], &launched["team"]), (&json!("launched"), &json!("q")));
    assert_eq!(launched["agents"][1]["name"], "w");
    let board = client.tool("board_team", json!({"team_name": "q"}));
    assert_eq!(board["members"][1]["alive"], true);
    let (code, _) = client.refused("team_launch", json!({"template": "no-such"}));
    assert_eq!(code, "template_not_found");
    let (code, text) = client
        .refused("agent_spawn", json!({"team_name": "q", "agent_name": "x", "backend": "screen"}));
    assert!(code == "unknown_backend" && text.contains("tmux"), "{code} {text}");
}
