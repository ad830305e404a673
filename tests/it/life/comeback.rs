//! Teams that come back, and agents that go on with their sessions.

use std::fs;

use serde_json::{Value, json};

use super::{CLAUDE, CODEX, COMPOSER, Place, background};
use crate::support::{REGISTERED, STAY, exists, kill};
use crate::until;

/// Ends everything of a team as a reboot does: nobody can write anything down.
fn reboot(place: &Place, agents: &[&str]) {
    let records: Vec<Value> = agents.iter().map(|agent| place.record(agent)).collect();
    // The runners first: they would see the ends of their agents.
    let runners = records.iter().map(|record| &record["runner"]["pid"]);
    let programs = records.iter().map(|record| &record["process"]["pid"]);
    kill(&runners.chain(programs).collect::<Vec<_>>());
    place.world.tmux(&["kill-server"]);
}

fn of<'v>(report: &'v Value, agent: &str) -> &'v Value {
    let agents = report["agents"].as_array().expect("agents");
    agents.iter().find(|back| back["agent"] == agent).expect("it is in the report")
}

fn spawn(place: &Place, backend: &str, agent: &str, command: &str) {
    let ran = place.world.run(&[
        "--json",
        "spawn",
        backend,
        "--team",
        "t",
        "-n",
        agent,
        "--no-skip-permissions",
        "--task",
        "Dig",
        "--",
        command,
    ]);
    ran.exits(0);
}

#[test]
fn a_team_comes_back_after_a_reboot_with_all_that_it_had() {
    let place = Place::repository();
    place.world.team(&["plain"]);
    let (claude, codex) = (place.claude(), place.codex());
    spawn(&place, "tmux", "w1", &claude);
    spawn(&place, "subprocess", "w2", &codex);
    let ids: Vec<Value> =
        ["w1", "w2"].map(|agent| place.until_verified(agent)["sessionId"].clone()).into();
    let task = place.world.task(&["Dig a hole", "-o", "w1"]);
    place.world.json_as("w1", &["task", "update", "t", &task, "--status", "in_progress"]);
    place.world.json(&["inbox", "send", "t", "w2", "how is it going?"]);
    let worktree = place.world.data().join("workspaces/t/w1");
    fs::write(worktree.join("half"), "done\n").expect("a file can be written");
    reboot(&place, &["w1", "w2"]);

    let planned = place.world.json(&["team", "resume", "t", "--dry-run"]);
    assert_eq!(
        (&planned["status"], &of(&planned, "w1")["status"]),
        (&json!("planned"), &json!("resumed"))
    );
    assert_eq!(place.alive("w1"), false);

    let report = place.world.json(&["team", "resume", "t"]);
    assert_eq!(report["status"], "resumed");
    for (agent, id) in ["w1", "w2"].iter().zip(&ids) {
        let back = of(&report, agent);
        assert_eq!((&back["status"], &back["session"]), (&json!("resumed"), id), "{report}");
        assert_eq!(place.alive(agent), true);
    }
    assert_eq!(of(&report, "w1")["tasks"][0]["id"], task.as_str());
    assert_eq!(of(&report, "w2")["unread"], 1);
    assert_eq!(of(&report, "plain")["status"], "unknown");
    assert_eq!(place.world.json(&["task", "get", "t", &task])["status"], "in_progress");
    assert_eq!(fs::read_to_string(worktree.join("half")).expect("kept"), "done\n");

    // What they were told, and where.
    until("both were told", || place.calls().len() == 4);
    let file = |agent: &str| {
        let path = place.session(agent)["state"]["transcript"].clone();
        fs::read_to_string(path.as_str().expect("a file")).expect("a transcript")
    };
    until("w1 knows its task", || {
        file("w1").contains(&format!("Your task {task} (in_progress): Dig a hole"))
    });
    until("w2 knows its message", || file("w2").contains("Messages that wait for you: 1"));
    let call = place.calls().into_iter().rfind(|call| call.starts_with("w1 ")).expect("a call");
    assert!(call.contains(&worktree.display().to_string()), "{call}");

    // Again: nothing is done.
    let again = place.world.json(&["team", "resume", "t"]);
    assert_eq!(
        (&of(&again, "w1")["status"], &of(&again, "w2")["status"]),
        (&json!("running"), &json!("running"))
    );
    assert_eq!(place.calls().len(), 4);
}

#[test]
fn who_does_not_come_back_gives_its_tasks_away() {
    let place = Place::new();
    place.world.team(&["w", "v"]);
    let sleeper = place.program("sleeper", &[STAY]);
    for agent in ["w", "v"] {
        place.spawn("subprocess", agent, &[], &[&sleeper]);
        let task = place.world.task(&["Dig", "-o", agent]);
        place.world.json_as(agent, &["task", "update", "t", &task, "--status", "in_progress"]);
        place.until_state(agent, "running");
    }
    reboot(&place, &["w", "v"]);
    fs::remove_file(&sleeper).expect("it is ours");
    place.program("sleeper2", &[STAY]);
    let ran = place.world.run(&["--json", "team", "resume", "t"]);
    let report = ran.exits(1).json();
    for agent in ["w", "v"] {
        let back = of(&report, agent);
        assert_eq!(back["status"], "failed", "{report}");
        assert_eq!(back["released"][0]["subject"], "Dig", "{report}");
    }
    let tasks = place.world.json(&["task", "list", "t"]);
    assert!(
        tasks.as_array().expect("tasks").iter().all(|task| task["status"] == "pending"),
        "{tasks}"
    );
}

#[test]
fn one_that_had_finished_stays_finished_unless_it_is_named() {
    let place = Place::new();
    place.world.team(&["w"]);
    let claude = place.program("claude", &[CLAUDE, REGISTERED, "exit 0"]);
    place.spawn("subprocess", "w", &["--task", "Dig"], &[&claude]);
    place.until_state("w", "exited");
    until("its runner is gone", || !exists(&place.record("w")["runner"]["pid"]));
    let report = place.world.json(&["team", "resume", "t"]);
    assert_eq!(of(&report, "w")["status"], "finished", "{report}");
    let report = place.world.json(&["team", "resume", "t", "--agent", "w"]);
    assert_eq!(of(&report, "w")["status"], "resumed", "{report}");
    place
        .world
        .run(&["--json", "team", "resume", "t", "--agent", "x"])
        .refuses_with("agent_not_found");
    place.world.run(&["--json", "team", "resume", "nowhere"]).exits(1);
}

/// Claude Code, for one, ends with 0 when its window is closed.
#[test]
fn one_whose_window_was_closed_is_not_done_whatever_its_status() {
    let place = Place::new();
    place.world.team(&["w"]);
    let polite = ["trap 'exit 0' HUP TERM\n", CLAUDE, COMPOSER];
    let claude = place.program("claude", &polite);
    place.spawn("tmux", "w", &["--task", "Dig"], &[&claude]);
    place.until_verified("w");
    place.world.tmux(&["kill-server"]);
    let record = place.until_state("w", "exited");
    assert_eq!((&record["exit_code"], &record["interrupted"]), (&json!(0), &json!(true)));
    let status = place.world.json(&["team", "status", "t"]);
    assert!(status.to_string().contains(r#""state":"dead""#), "{status}");
    until("its runner is gone", || !exists(&record["runner"]["pid"]));
    let report = place.world.json(&["team", "resume", "t"]);
    assert_eq!(of(&report, "w")["status"], "resumed", "{report}");
}

#[test]
fn a_stopped_team_comes_back_and_one_that_rests_does_not() {
    let place = Place::new();
    place.world.team(&["w", "v"]);
    let claude = place.claude();
    for agent in ["w", "v"] {
        place.spawn("subprocess", agent, &["--task", "Dig"], &[&claude]);
        place.until_verified(agent);
    }
    let stopped = place.world.json(&["team", "stop", "t"]);
    assert_eq!(stopped["stopped"], json!(["w", "v"]));
    assert_eq!((place.alive("w"), place.alive("v")), (json!(false), json!(false)));
    assert!(!place.log().contains("unexpectedly"), "{}", place.log());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    place.world.put(
        "teams/t/agent_health.json",
        json!({"v": {"agentName": "v", "state": "open", "consecutiveFailures": 3,
               "lastFailureAt": now.expect("a clock").as_secs(), "cooldownSeconds": 3600.0}})
        .to_string(),
    );
    let report = place.world.json(&["team", "resume", "t"]);
    assert_eq!(of(&report, "w")["status"], "resumed", "{report}");
    assert_eq!(of(&report, "v")["status"], "resting", "{report}");
    place.world.json(&["lifecycle", "health", "t", "-n", "v", "--reset"]);
    let report = place.world.json(&["team", "resume", "t"]);
    assert_eq!(of(&report, "v")["status"], "resumed", "{report}");
}

#[test]
fn a_worktree_that_is_gone_is_made_again_from_its_branch() {
    let place = Place::repository();
    place.world.team(&[]);
    let claude = place.claude();
    spawn(&place, "subprocess", "w", &claude);
    place.until_verified("w");
    let worktree = place.world.data().join("workspaces/t/w");
    fs::write(worktree.join("made"), "work\n").expect("a file can be written");
    place.world.json(&["workspace", "checkpoint", "t", "w"]);
    place.until_state("w", "running");
    reboot(&place, &["w"]);
    fs::remove_dir_all(&worktree).expect("it is ours");
    let report = place.world.json(&["team", "resume", "t"]);
    let back = of(&report, "w");
    assert_eq!(
        (&back["status"], &back["worktreeRestored"]),
        (&json!("resumed"), &json!(true)),
        "{report}"
    );
    assert_eq!(fs::read_to_string(worktree.join("made")).expect("it is back"), "work\n");
}

#[test]
fn an_agent_whose_runner_was_killed_is_taken_in_hand_again() {
    let place = Place::new();
    place.world.team(&["w"]);
    let claude = place.claude();
    place.spawn("subprocess", "w", &["--task", "Dig"], &[&claude]);
    place.until_verified("w");
    let record = place.until_state("w", "running");
    kill(&[&record["runner"]["pid"]]);
    until("its runner is gone", || !exists(&record["runner"]["pid"]));
    let report = place.world.json(&["team", "resume", "t"]);
    assert_eq!(of(&report, "w")["status"], "resumed", "{report}");
    assert!(!exists(&record["process"]["pid"]), "the old one still runs");
}

#[test]
fn a_spawn_can_go_on_with_the_session_of_an_agent_that_ended() {
    let place = Place::repository();
    let mut expected = Vec::new();
    for (agent, program, words) in
        [("c", place.claude(), "--resume ID"), ("x", place.codex(), "exec resume ID")]
    {
        spawn(&place, "subprocess", agent, &program);
        let id = place.until_verified(agent)["sessionId"].as_str().expect("an id").to_owned();
        expected.push((agent, program, words.replace("ID", &id), id));
    }
    place.world.json(&["team", "stop", "t"]);
    for (agent, program, words, id) in expected {
        let ran = place.world.run(&[
            "--json",
            "spawn",
            "subprocess",
            "--team",
            "t",
            "-n",
            agent,
            "--no-skip-permissions",
            "--resume",
            "--task",
            "Dig on",
            "--",
            &program,
        ]);
        ran.warns(&format!("Resuming session: {id}"));
        assert_eq!(ran.json()["status"], "spawned");
        until("it was called again", || {
            place.calls().iter().filter(|call| call.starts_with(agent)).count() == 2
        });
        let calls = place.calls();
        let call = calls.iter().rfind(|call| call.starts_with(agent)).expect("a call");
        assert!(call.contains(&words), "{words} is not in {call}");
        let cwd = place.world.data().join("workspaces/t").join(agent);
        assert!(call.contains(&cwd.display().to_string()), "{call}");
        let prompt =
            fs::read_to_string(place.world.data().join(format!("agents/t/{agent}.prompt.md")));
        let prompt = prompt.expect("a prompt");
        assert!(prompt.contains("Dig on") && prompt.contains(&id), "{prompt}");
        // The record is about the same session, still seen.
        assert_eq!(place.until_verified(agent)["sessionId"], id.as_str());
    }
}

#[test]
fn a_single_agent_goes_on_in_its_session_or_not_at_all() {
    let place = Place::new();
    place.world.team(&["w", "v"]);
    let (claude, sleeper) = (place.claude(), place.program("sleeper", &[STAY]));
    place.spawn("subprocess", "w", &["--task", "Dig"], &[&claude]);
    place.spawn("subprocess", "v", &[], &[&sleeper]);
    let id = place.until_verified("w")["sessionId"].clone();
    place.world.json(&["team", "stop", "t"]);
    let planned = place.world.json(&["session", "resume", "t", "w", "--dry-run"]);
    assert_eq!((&planned["status"], &planned["session"]), (&json!("resumed"), &id));
    assert_eq!(place.alive("w"), false);
    let back = place.world.json(&["session", "resume", "t", "w"]);
    assert_eq!((&back["status"], &back["session"]), (&json!("resumed"), &id));
    assert_eq!(place.alive("w"), true);
    place.world.run(&["--json", "session", "resume", "t", "v"]).refuses_with("session_not_found");
    assert_eq!(place.alive("v"), false);
}

#[test]
fn without_a_session_resuming_says_so_and_starts_afresh() {
    let place = Place::new();
    let claude = place.claude();
    let words = background(&["--resume", "--task", "Dig", "--", &claude]);
    let ran = place.world.run(&words);
    ran.warns("no session of 'w' is known");
    until("it was called", || place.calls().len() == 1);
    assert!(place.calls()[0].contains("--session-id"), "{:?}", place.calls());
    // A session of another program is none of its own.
    place.world.json(&["session", "save", "t", "-a", "v", "-s", "abc", "--client", "codex"]);
    let words = [
        "spawn",
        "subprocess",
        "--team",
        "t",
        "-n",
        "v",
        "--no-workspace",
        "--no-skip-permissions",
    ];
    let ran = place.world.run(&[&words[..], &["-r", "--", &claude]].concat());
    ran.warns("no session of 'v' is known");
}

#[test]
fn codex_that_was_told_nothing_is_resumed_without_a_word() {
    let place = Place::new();
    place.world.team(&["w"]);
    let codex =
        place.program("codex", &[CODEX, "[ -n \"$resumed\" ] || write unprompted\n", COMPOSER]);
    place.spawn("subprocess", "w", &[], &[&codex]);
    let id = place.until_verified("w")["sessionId"].as_str().expect("an id").to_owned();
    place.world.json(&["team", "stop", "t"]);
    place.world.json(&["team", "resume", "t"]);
    until("it was called again", || place.calls().len() == 2);
    let call = place.calls().pop().expect("a call");
    assert!(call.contains(&format!("exec resume {id}")) && !call.contains("back"), "{call}");
}
