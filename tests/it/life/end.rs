//! Ends of agents: crashes, kills, keepalive, agreed ends, replacement, and what is left over.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::{CLAUDE, CODEX, COMPOSER, Place, background};
use crate::support::World;
use crate::support::{REGISTERED, STAY, exists, kill};
use crate::until;

/// Works on the task that `$TASK` names, then goes on.
const BEGIN_TASK: &str =
    "\"$CLAWTEAM_BIN\" task update t \"$TASK\" --status in_progress >/dev/null 2>&1\n";

/// The process that a program started and noted.
fn child(place: &Place) -> serde_json::Value {
    let noted = || fs::read_to_string(place.world.home().join("child")).unwrap_or_default();
    until("it has a child", || noted().ends_with('\n'));
    json!(noted().trim().parse::<u32>().expect("a number"))
}

fn starts(place: &Place, agent: &str) -> Vec<String> {
    let calls = place.calls();
    calls.into_iter().filter(|call| call.starts_with(&format!("{agent} "))).collect()
}

#[test]
fn a_crashed_agent_comes_back_in_its_session_directory_and_environment() {
    let place = Place::new();
    place.world.team(&["w"]);
    let task = place.world.task(&["Dig", "-o", "w"]);
    // It crashes in its first two runs.
    let crash = "say \"env $SPECIAL $CLAWTEAM_AGENT_LEADER $PWD\"\n\
                 [ \"$(grep -c '/bin/' \"$HOME/calls\")\" -gt 2 ] || exit 9\n";
    let claude = place.program("claude", &[CLAUDE, BEGIN_TASK, REGISTERED, crash, COMPOSER]);
    let skill = place.world.home().join(".claude/skills/careful");
    fs::create_dir_all(&skill).expect("a directory can be made");
    fs::write(skill.join("SKILL.md"), "Measure twice.\n").expect("a file can be written");
    let options = ["--task", "Dig deep", "--skill", "careful", "--permissions", "edit"];
    let words = "spawn subprocess --team t -n w --no-workspace".split(' ').collect::<Vec<_>>();
    place
        .world
        .call(&[&words[..], &options, &["--", &claude]].concat())
        .env("TASK", &task)
        .env("SPECIAL", "kept")
        .run();
    until("it runs for the third time", || starts(&place, "w").len() == 3);
    let calls = starts(&place, "w");
    let id = calls[0].split("--session-id ").nth(1).and_then(|rest| rest.split(' ').next());
    let id = id.expect("a session").to_owned();
    for call in &calls[1..] {
        assert!(
            call.contains(&format!("--resume {id}")) && call.contains("You are back"),
            "{call}"
        );
        assert!(!call.contains("--session-id"), "{call}");
    }
    for call in &calls {
        assert!(call.contains("--permission-mode acceptEdits"), "{call}");
        assert!(
            call.contains("--append-system-prompt") && call.contains("Measure twice."),
            "{call}"
        );
    }
    let text = || fs::read_to_string(place.world.home().join("calls")).expect("calls");
    until("it has told its environment", || text().matches("\nenv ").count() == 3);
    let text = text();
    let env: Vec<&str> = text.lines().filter(|line| line.starts_with("env ")).collect();
    assert!(env.iter().all(|line| *line == env[0] && line.starts_with("env kept 0 ")), "{env:?}");
    until("the leader knows", || place.log().contains(&format!("crash 2/2, session {id}")));
    let log = place.log();
    assert!(log.contains("exited unexpectedly with status 9"), "{log}");
    let journal = fs::read_to_string(place.world.data().join("harness/t/exit-journal.jsonl"));
    assert_eq!(journal.expect("a journal").matches("\"exit_code\":9").count(), 2);
}

#[test]
fn an_agent_in_a_terminal_is_started_again_more_than_once() {
    let place = Place::new();
    place.world.team(&["w"]);
    let task = place.world.task(&["Dig", "-o", "w"]);
    let crash = place.program("crash", &[BEGIN_TASK, REGISTERED, "exit 3"]);
    let words = ["spawn", "tmux", "--team", "t", "-n", "w", "--no-workspace", "--", &crash];
    place.world.call(&words).env("TASK", &task).run();
    until("it was started three times", || starts(&place, "w").len() == 3);
    until("the leader knows that it stays down", || {
        place.log().contains("crashed 3 times (max respawn attempts: 2), not respawning")
    });
    until("its windows are gone", || !place.world.tmux(&["list-windows", "-a"]).contains(" w"));
}

#[test]
fn the_breaker_can_be_looked_at_and_reset_and_heals_by_running() {
    let place = Place::with(&[("CLAWTEAM_HEALTHY_AFTER", "1")]);
    place.world.team(&["w"]);
    place.world.put(
        "teams/t/agent_health.json",
        json!({"w": {"agentName": "w", "state": "open", "qualityScore": 0.4, "consecutiveFailures": 3,
               "totalSuccesses": 0, "totalFailures": 3, "lastFailureAt": 1.0, "cooldownSeconds": 60.0}})
        .to_string(),
    );
    let shown = place.world.json(&["lifecycle", "health", "t"]);
    assert_eq!(shown["agents"][0]["state"], "open");
    assert_eq!(shown["agents"][0]["acceptsAgainInSeconds"], 0.0);
    let sleeper = place.program("sleeper", &[STAY]);
    place.spawn("subprocess", "w", &[], &[&sleeper]);
    until("it is forgiven", || {
        let health = place.world.json(&["lifecycle", "health", "t", "-n", "w"]);
        health["agents"][0]["state"] == "healthy"
    });
    let reset = place.world.json(&["lifecycle", "health", "t", "--reset"]);
    assert_eq!(reset, json!({"status": "reset", "team": "t", "agents": ["w"]}));
    assert_eq!(place.world.json(&["lifecycle", "health", "t"])["agents"], json!([]));
}

#[test]
fn an_agent_that_cooled_down_is_tried_again_and_rests_longer_after_that() {
    let place = Place::new();
    place.world.team(&["w"]);
    let task = place.world.task(&["Dig", "-o", "w"]);
    place.world.put(
        "teams/t/agent_health.json",
        json!({"w": {"agentName": "w", "state": "open", "consecutiveFailures": 3, "lastFailureAt": 1.0,
               "cooldownSeconds": 60.0}})
        .to_string(),
    );
    let crash = place.program("crash", &[BEGIN_TASK, REGISTERED, "exit 3"]);
    let words = ["spawn", "subprocess", "--team", "t", "-n", "w", "--no-workspace", "--", &crash];
    place.world.call(&words).env("TASK", &task).run();
    until("it was tried once more", || starts(&place, "w").len() == 2);
    until("it rests", || place.log().contains("crashed 5 times"));
    let health = place.world.document("teams/t/agent_health.json");
    assert_eq!(health["w"]["cooldownSeconds"], 240.0);
    assert_eq!(starts(&place, "w").len(), 2);
}

#[test]
fn an_end_without_a_crash_is_told_apart_from_one() {
    let place = Place::new();
    place.world.team(&["w"]);
    let task = place.world.task(&["Dig", "-o", "w"]);
    let ends = place.program("ends", &[BEGIN_TASK, REGISTERED, "exit 0"]);
    let words = ["spawn", "subprocess", "--team", "t", "-n", "w", "--no-workspace", "--", &ends];
    place.world.call(&words).env("TASK", &task).run();
    until("it was given up", || place.log().contains("not respawning"));
    let log = place.log();
    assert!(
        log.contains(
            "exited cleanly, but had not finished its work. Reset 1 task(s) to pending: Dig"
        ),
        "{log}"
    );
    assert!(log.contains("unfinished 1/2") && !log.contains("unexpectedly"), "{log}");
}

#[test]
fn an_agent_that_is_kept_alive_goes_on_in_its_session() {
    let place = Place::new();
    place.world.team(&["w"]);
    let task = place.world.task(&["Dig", "-o", "w"]);
    let once = "[ \"$(grep -c '/bin/' \"$HOME/calls\")\" -gt 1 ] || exit 0\n";
    let codex = place.program("codex", &[CODEX, BEGIN_TASK, REGISTERED, once, COMPOSER]);
    let words = background(&["--keepalive", "--task", "Dig", "--", &codex]);
    place.world.call(&words).env("TASK", &task).run();
    until("it runs again", || starts(&place, "w").len() == 2);
    let id = place.until_verified("w")["sessionId"].as_str().expect("an id").to_owned();
    assert!(starts(&place, "w")[1].contains(&format!("exec resume {id}")), "{:?}", place.calls());
    // Its work stayed its own, and nobody was alarmed.
    assert_eq!(place.world.json(&["task", "get", "t", &task])["status"], "in_progress");
    assert!(!place.log().contains("exited"), "{}", place.log());
    place.world.json(&["team", "stop", "t"]);
    place.until_state("w", "exited");
    assert_eq!(place.alive("w"), false);
    assert_eq!(starts(&place, "w").len(), 2);
}

#[test]
fn one_that_ends_at_once_again_and_again_is_not_kept_alive() {
    let place = Place::new();
    place.world.team(&["w"]);
    let ends = place.program("ends", &[REGISTERED, "exit 0"]);
    place.spawn("subprocess", "w", &["--keepalive"], &[&ends]);
    until("it is given up", || place.log().contains("not kept alive any more"));
    assert_eq!(starts(&place, "w").len(), 3);
    until("it is down", || place.alive("w") == false);
}

#[test]
fn without_keepalive_an_agent_that_ends_stays_ended() {
    let place = Place::new();
    place.world.team(&["w"]);
    let ends = place.program("ends", &[REGISTERED, "exit 0"]);
    place.spawn("subprocess", "w", &["--no-keepalive"], &[&ends]);
    place.until_state("w", "exited");
    until("its end is noted", || place.world.data().join("harness/t/exit-journal.jsonl").exists());
    assert_eq!(starts(&place, "w").len(), 1);
}

#[test]
fn one_that_agreed_to_end_is_not_kept_alive_and_the_requester_hears_of_it() {
    let place = Place::new();
    place.world.team(&["w", "boss"]);
    let asked =
        place.world.json(&["lifecycle", "request-shutdown", "t", "boss", "w", "-r", "done"]);
    assert_eq!(
        (&asked["status"], &asked["from"], &asked["to"]),
        (&json!("requested"), &json!("boss"), &json!("w"))
    );
    let id = asked["requestId"].as_str().expect("an id").to_owned();
    let agree = format!(
        "until [ -e \"$HOME/go\" ]; do sleep 0.05; done; \"$CLAWTEAM_BIN\" inbox receive t >/dev/null; \
         \"$CLAWTEAM_BIN\" lifecycle approve-shutdown t {id} w; exit 0"
    );
    let ends = place.program("ends", &[&agree]);
    place.spawn("subprocess", "w", &["--keepalive"], &[&ends]);
    let keep = ["lifecycle", "should-keepalive", "-t", "t", "-n", "w"];
    place.world.run(&keep).exits(0);
    fs::write(place.world.home().join("go"), "").expect("a file can be written");
    until("the requester knows", || {
        let waiting = place.world.json_as("boss", &["inbox", "peek", "t"]).to_string();
        waiting.contains("shutdown_approved") && waiting.contains(&id)
    });
    place.until_state("w", "exited");
    place.world.run(&keep).exits(1);
    until("its runner is gone", || !exists(&place.record("w")["runner"]["pid"]));
    assert_eq!(starts(&place, "w").len(), 1);
    // A later start is not bound by it.
    let sleeper = place.program("sleeper", &[STAY]);
    place.spawn("subprocess", "w", &[], &[&sleeper]);
    place.world.run(&keep).exits(0);
}

#[test]
fn an_approval_behind_other_messages_or_read_already_is_not_forgotten() {
    let world = World::new();
    world.team(&["w"]);
    let keep = ["lifecycle", "should-keepalive", "-t", "t", "-n", "w"];
    world.run(&keep).exits(0);
    for number in 0..12 {
        world.json(&["inbox", "send", "t", "w", &format!("message {number}")]);
    }
    // As Python's ClawTeam leaves it, in the agent's own inbox.
    world.json_as("w", &["inbox", "send", "t", "w", "bye", "--type", "shutdown_approved"]);
    world.run(&keep).exits(1);
    world.json_as("w", &["inbox", "receive", "t", "--limit", "100"]);
    world.run(&keep).exits(1);
    world.run(&["lifecycle", "should-keepalive", "-t", "nowhere", "-n", "w"]).exits(1);
}

#[test]
fn requests_to_end_are_made_and_refused_in_every_form() {
    let world = World::new();
    world.team(&["w"]);
    let asked =
        world.json_as("lead", &["lifecycle", "request-shutdown", "t", "w", "--reason", "late"]);
    assert_eq!((&asked["from"], &asked["to"]), (&json!("lead"), &json!("w")));
    let id = asked["requestId"].as_str().expect("an id").to_owned();
    let told = world.json_as("w", &["lifecycle", "reject-shutdown", "t", &id, "w", "-r", "busy"]);
    assert_eq!(
        told,
        json!({"status": "rejected", "requestId": id, "agent": "w", "reason": "busy"})
    );
    let answer = world.json_as("lead", &["inbox", "receive", "t"]);
    assert_eq!(
        (&answer[0]["type"], &answer[0]["reason"]),
        (&json!("shutdown_rejected"), &json!("busy"))
    );
    world
        .run_as("w", &["lifecycle", "approve-shutdown", "t", "unknown", "w"])
        .warns("no request 'unknown'");
    let idle = world.json_as("x", &["lifecycle", "idle", "t", "--agent", "w"]);
    assert_eq!(idle, json!({"status": "idle_sent", "agent": "w", "leader": "lead"}));
}

#[test]
fn replacing_an_agent_alarms_nobody_and_leaves_nothing_behind() {
    for backend in ["subprocess", "tmux"] {
        let place = Place::new();
        place.world.team(&["w"]);
        // A child of its own that ignores SIGTERM, and a task under way.
        let task = place.world.task(&["Dig", "-o", "w"]);
        let stubborn = place.program(
            "stubborn",
            &[
                BEGIN_TASK,
                "trap '' TERM HUP; sleep 600 & echo $! > \"$HOME/child\"; wait; sleep 600",
            ],
        );
        let words = ["spawn", backend, "--team", "t", "-n", "w", "--no-workspace"];
        let spawn = |extra: &[&str]| {
            let all = [&words[..], extra, &["--", &stubborn]].concat();
            place.world.call(&all).env("TASK", &task).run().exits(0);
        };
        spawn(&[]);
        let child = child(&place);
        let old = place.until_state("w", "running");
        spawn(&["--replace"]);
        for pid in [&old["process"]["pid"], &old["runner"]["pid"], &child] {
            until("it is gone", || !exists(pid));
        }
        let log = place.log();
        assert!(!log.contains("unexpectedly") && !log.contains("started again"), "{log}");
        assert_ne!(place.until_state("w", "running")["process"], old["process"]);
    }
}

#[test]
fn what_an_agent_leaves_running_ends_with_it() {
    let place = Place::new();
    place.world.team(&["w"]);
    let leaves =
        place.program("leaves", &["sleep 600 & echo $! > \"$HOME/child\"\n", REGISTERED, "exit 0"]);
    place.spawn("subprocess", "w", &[], &[&leaves]);
    place.until_state("w", "exited");
    let child = child(&place);
    until("its child is gone", || !exists(&child));
}

#[test]
fn an_agent_without_its_runner_is_a_zombie_and_a_busy_one_is_not() {
    let place = Place::new();
    place.world.team(&["w", "v"]);
    let sleeper = place.program("sleeper", &[STAY]);
    place.spawn("subprocess", "w", &[], &[&sleeper]);
    place.spawn("subprocess", "v", &[], &[&sleeper]);
    let check = ["lifecycle", "check-zombies", "-t", "t", "--max-hours", "0"];
    assert_eq!(place.world.json(&check), json!({"team": "t", "zombies": []}));
    let record = place.until_state("w", "running");
    kill(&[&record["runner"]["pid"]]);
    until("its runner is gone", || !exists(&record["runner"]["pid"]));
    let told = place.world.run(&[&["--json"], &check[..]].concat()).exits(1).json();
    let zombie = &told["zombies"][0];
    assert_eq!((&zombie["agent_name"], &zombie["reason"]), (&json!("w"), &json!("orphaned")));
    assert_eq!(zombie["pid"], record["process"]["pid"]);
    for key in ["backend", "spawned_at", "running_hours"] {
        assert!(zombie.get(key).is_some(), "{told}");
    }
    assert_eq!(told["zombies"].as_array().expect("a list").len(), 1);
    // Stopping takes it along.
    let done = place.world.json(&["team", "stop", "t", "--agent", "w"]);
    assert_eq!(done["stopped"], json!(["w"]));
    until("it is gone", || !exists(&record["process"]["pid"]));
    assert_eq!(place.alive("v"), true);
}

#[test]
fn a_silent_agent_with_a_task_is_hung_and_an_idle_one_is_not() {
    let place = Place::new();
    place.world.team(&["w", "idle"]);
    let task = place.world.task(&["Dig", "-o", "w"]);
    place.world.json_as("w", &["task", "update", "t", &task, "--status", "in_progress"]);
    let sleeper = place.program("sleeper", &[STAY]);
    place.spawn("subprocess", "w", &[], &[&sleeper]);
    place.spawn("subprocess", "idle", &[], &[&sleeper]);
    // Both were started, and the task taken up, three hours ago.
    let mut registry = place.world.document("teams/t/spawn_registry.json");
    for agent in ["w", "idle"] {
        let at = registry[agent]["spawned_at"].as_f64().expect("an instant");
        registry[agent]["spawned_at"] = json!(at - 3.0 * 3600.0);
    }
    place.world.put("teams/t/spawn_registry.json", registry.to_string());
    let path = format!("tasks/t/task-{task}.json");
    let mut document = place.world.document(&path);
    for key in ["updatedAt", "lockedAt"] {
        document[key] = json!("2020-01-01T00:00:00+00:00");
    }
    place.world.put(&path, document.to_string());
    let told =
        place.world.run(&["--json", "lifecycle", "check-zombies", "-t", "t"]).exits(1).json();
    let names: Vec<_> = told["zombies"].as_array().expect("a list").iter().collect();
    assert_eq!(names.len(), 1, "{told}");
    assert_eq!((&names[0]["agent_name"], &names[0]["reason"]), (&json!("w"), &json!("hung")));
    // A word from it is a sign of life.
    place.world.json_as("w", &["inbox", "send", "t", "lead", "still at it"]);
    place.world.json(&["lifecycle", "check-zombies", "-t", "t"]);
}

#[test]
fn a_recycled_process_number_is_not_taken_for_an_agent() {
    let place = Place::new();
    place.world.team(&["w"]);
    let mut stranger = Command::new("sleep").arg("600").spawn().expect("sleep runs");
    // As Python's ClawTeam wrote it, long before this process began.
    let entry = json!({"w": {"backend": "subprocess", "tmux_target": "", "block_id": "",
        "pid": stranger.id(), "command": ["x"], "spawned_at": 1_700_000_000.0}});
    place.world.put("teams/t/spawn_registry.json", entry.to_string());
    assert_eq!(place.alive("w"), false);
    let sleeper = place.program("sleeper", &[STAY]);
    place.spawn("subprocess", "w", &["--replace"], &[&sleeper]);
    assert!(stranger.try_wait().expect("it is ours").is_none(), "the stranger was ended");
    stranger.kill().expect("it is ours");
    stranger.wait().expect("it is ours");
}

#[test]
fn the_end_of_an_agent_makes_nothing_of_a_team_that_is_gone() {
    let world = World::new();
    world.run(&["lifecycle", "on-exit", "-t", "gone", "-n", "w"]).exits(0);
    world.run(&["lifecycle", "on-crash", "-t", "gone", "-n", "w"]).exits(0);
    for top in ["teams", "tasks", "sessions", "harness"] {
        assert_eq!(world.names(top), Vec::<String>::new(), "{top}");
    }
    world.run(&["lifecycle", "on-exit", "-t", "../../pwn", "-n", "w"]).refuses("Invalid team name");
}

#[test]
fn the_hook_of_pythons_shells_still_works_and_keeps_the_session() {
    let world = World::new();
    world.team(&["w"]);
    let task = world.task(&["Dig", "-o", "w"]);
    world.json_as("w", &["task", "update", "t", &task, "--status", "in_progress"]);
    world.json(&["session", "save", "t", "-a", "w", "-s", "abc"]);
    let told = world
        .call(&["--json", "lifecycle", "on-exit", "--team", "t", "--agent", "w"])
        .env("CLAWTEAM_EXIT_CODE", "3")
        .run();
    assert_eq!(
        told.exits(0).json(),
        json!({"status": "agent_exited", "agent": "w", "abandoned_tasks": [{"id": task, "subject": "Dig"}]})
    );
    let journal =
        fs::read_to_string(world.data().join("harness/t/exit-journal.jsonl")).expect("it");
    assert!(journal.contains("\"exit_code\":3") && journal.contains(&task), "{journal}");
    assert_eq!(world.json(&["session", "show", "t", "-a", "w"])["sessionId"], "abc");
}
