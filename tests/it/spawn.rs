//! Starting, stopping and losing agents, with real processes and real tmux.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::support::{REGISTERED, STAY, World, exists};
use super::until;

/// A place with a tmux server of its own, which ends with the test.
struct Place {
    world: World,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.world.clear();
    }
}

impl Place {
    fn new() -> Self {
        Self { world: World::new() }
    }

    fn with(variables: &[(&str, &str)]) -> Self {
        let world =
            variables.iter().fold(World::new(), |world, (name, value)| world.env(name, value));
        Self { world }
    }

    /// With a repository as the working directory.
    fn repository() -> Self {
        let place = Self::new();
        place.world.commit_a_file();
        place
    }

    /// A program for an agent.
    fn script(&self, name: &str, body: &str) -> String {
        let path = self.world.top().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("a file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        path.display().to_string()
    }

    /// Starts the agent `w` of team `t` in the background.
    fn in_background(&self, options: &[&str], program: &str) -> Value {
        let spawn = ["spawn", "subprocess", "--team", "t", "-n", "w"];
        self.world.json(&[&spawn[..], options, &["--", program]].concat())
    }

    fn record(&self, team: &str, agent: &str) -> Value {
        self.world.document(&format!("agents/{team}/{agent}.json"))
    }

    fn until_state(&self, team: &str, agent: &str, state: &str) -> Value {
        until(&format!("{agent} is {state}"), || self.record(team, agent)["state"] == state);
        self.record(team, agent)
    }

    fn alive(&self, team: &str, agent: &str) -> Value {
        let status = self.world.json(&["team", "status", team]);
        let members = status["members"].as_array().expect("members").clone();
        let member = members.into_iter().find(|member| member["name"] == agent);
        member.expect("it is a member")["alive"].clone()
    }
}

/// Reads lines and keeps them in a file, with its environment.
const READER: &str = r#"env | sort > "$CLAWTEAM_AGENT_NAME.env.tmp"
mv "$CLAWTEAM_AGENT_NAME.env.tmp" "$CLAWTEAM_AGENT_NAME.env"
printf 'ready> '
while IFS= read -r line; do printf '%s\n' "$line" >> "$CLAWTEAM_AGENT_NAME.got"; done"#;

#[test]
fn an_agent_gets_its_worktree_its_identity_and_its_prompt() {
    let place = Place::repository();
    let reader = place.script("reader", READER);
    let told = place.world.json(&[
        "spawn",
        "tmux",
        "--team",
        "a.b",
        "-n",
        "w1",
        "--task",
        "Count the files",
        "--",
        &reader,
    ]);
    assert_eq!(told["status"], "spawned");
    assert_eq!(told["prompt"], "delivered");
    let worktree = place.world.data().join("workspaces/a.b/w1");
    until("the prompt is there", || {
        let got = fs::read_to_string(worktree.join("w1.got")).unwrap_or_default();
        got.contains("Count the files") && got.contains("Self-Evaluation")
    });
    let env = fs::read_to_string(worktree.join("w1.env")).expect("its environment");
    for line in [
        "CLAWTEAM_AGENT_NAME=w1".to_owned(),
        "CLAWTEAM_TEAM_NAME=a.b".to_owned(),
        "CLAWTEAM_AGENT_LEADER=1".to_owned(),
        format!("CLAWTEAM_DATA_DIR={}", place.world.data().display()),
        format!("CLAWTEAM_WORKSPACE_DIR={}", worktree.display()),
        format!("CLAWTEAM_AGENT_ID={}", told["agentId"].as_str().expect("an id")),
    ] {
        assert!(env.lines().any(|known| known == line), "{line} is missing in\n{env}");
    }
    assert_eq!(
        place.world.git(&["branch", "--list", "clawteam/a.b/w1", "--format=%(refname:short)"]),
        "clawteam/a.b/w1"
    );
    assert_eq!(place.alive("a.b", "w1"), true);
    let windows = place.world.tmux(&["list-windows", "-a", "-F", "#{session_name} #{window_name}"]);
    assert_eq!(windows.trim(), "clawteam-a_b w1");
}

#[test]
fn nothing_secret_is_in_the_registry_or_the_command_line() {
    let place = Place::with(&[("MY_API_KEY", "hush-hush")]);
    let reader = place.script("reader", READER);
    place.world.json(&["spawn", "tmux", "--team", "t", "-n", "w", "--task", "psst", "--", &reader]);
    let registry = place.world.document("teams/t/spawn_registry.json").to_string();
    let command = place.world.tmux(&["list-panes", "-a", "-F", "#{pane_start_command}"]);
    for text in [&registry, &command] {
        assert!(!text.contains("hush-hush") && !text.contains("psst"), "{text}");
    }
    let plan = place.world.data().join("agents/t/w.plan.json");
    let mode = fs::metadata(plan).expect("the plan").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_long_prompt_arrives_whole() {
    let place = Place::new();
    let reader = place.script("reader", READER);
    let line = "word ".repeat(20);
    let task: Vec<String> = (0..600).map(|n| format!("{n} {line}\n")).collect();
    let task = task.concat();
    let told = place.world.json(&[
        "spawn",
        "tmux",
        "--team",
        "t",
        "-n",
        "w",
        "--no-workspace",
        "--task",
        &task,
        "--",
        &reader,
    ]);
    assert_eq!(told["prompt"], "delivered");
    let got = place.world.cwd().join("w.got");
    until("the last line is there", || {
        fs::read_to_string(&got).unwrap_or_default().contains("propose who should take it")
    });
    let got = fs::read_to_string(&got).expect("what it got");
    assert!(got.contains(&task), "the task was changed on its way");
}

#[test]
fn an_agent_in_the_background_has_a_log_and_its_own_session() {
    let place = Place::new();
    let body = "echo \"got $1 $2\" >&2; ps -o sid= -p $$ > sid; cat > in; sleep 600";
    let script = place.script("bg", body);
    place.in_background(&["--no-workspace", "--task", "Do it"], &script);
    let log = place.world.data().join("agents/t/w.log");
    until("it has logged", || fs::read_to_string(&log).unwrap_or_default().contains("got -p"));
    let record = place.until_state("t", "w", "running");
    let read = |name: &str| fs::read_to_string(place.world.cwd().join(name)).unwrap_or_default();
    until("it knows its session", || read("sid").ends_with('\n'));
    // Ctrl-C in the terminal of whoever started it is not meant for it, nor what is typed there.
    assert_eq!(read("sid").trim(), record["runner"]["pid"].to_string());
    until("it has read all that there is", || place.world.cwd().join("in").exists());
    assert_eq!(read("in"), "");
    assert_eq!(place.alive("t", "w"), true);
    let done = place.world.json(&["team", "cleanup", "t"]);
    assert_eq!(done["stopped"][0], "w");
    until("it is gone", || !exists(&record["process"]["pid"]) && !exists(&record["runner"]["pid"]));
}

#[test]
fn a_relative_data_directory_is_the_same_for_an_agent_that_works_elsewhere() {
    let place = Place::repository();
    let top = place.world.top().display().to_string();
    let script = place
        .script("told", &format!("\"$CLAWTEAM_BIN\" team status t > {top}/status; pwd > {top}/$1"));
    let words = ["spawn", "subprocess", "-t", "t", "-n", "w", "--workspace", "--", &script];
    let named = [&["--data-dir", "here"], &words[..], &["named"]].concat();
    let set = [&words[..], &["set"]].concat();
    for (call, mark) in [
        (place.world.call(&named), "named"),
        (place.world.call(&set).env("CLAWTEAM_DATA_DIR", "here"), "set"),
    ] {
        call.run().exits(0);
        let file = place.world.top().join(mark);
        let read = |path: &std::path::Path| fs::read_to_string(path).unwrap_or_default();
        until("it has looked", || read(&file).ends_with('\n'));
        let here = place.world.cwd().join("here");
        assert!(read(&file).starts_with(&here.display().to_string()), "{}", read(&file));
        let status = read(&place.world.top().join("status"));
        assert!(status.contains("Team: t"), "it sees its team: {status}");
        place.world.call(&["team", "cleanup", "t", "--force", "--data-dir", "here"]).run().exits(0);
    }
}

#[test]
fn an_agent_that_does_not_read_is_given_up_after_the_time_that_was_set() {
    // With the usual time, waiting for both would take longer than the test allows.
    let place = Place::with(&[("CLAWTEAM_SPAWN_READY_TIMEOUT", "1")]);
    let busy = place.script("busy", &format!("echo busy\n{STAY}"));
    let spawn = |agent: &str, options: &[&str]| {
        let words = ["--json", "spawn", "tmux", "-t", "t", "-n", agent];
        place.world.call(&[&words[..], options, &["--", &busy]].concat()).start()
    };
    let told = spawn("w", &["--task", "Dig"]).finish_within(Duration::from_secs(20));
    assert_eq!(told.exits(1).json()["prompt"], "not_ready");
    let told = spawn("v", &["--wait-ready"]).finish_within(Duration::from_secs(20));
    assert!(told.exits(1).stderr.contains("not seen to become ready"), "{told}");
}

#[test]
fn the_user_of_the_settings_is_the_user_of_an_agent() {
    let place = Place::new();
    place.world.run(&["config", "set", "user", "ana"]).succeeds();
    let script = place.script("who", "echo \"$CLAWTEAM_USER\" > user");
    place.in_background(&["--no-workspace"], &script);
    let file = place.world.cwd().join("user");
    until("it has told", || fs::read_to_string(&file).unwrap_or_default() == "ana\n");
    let status = place.world.json(&["team", "status", "t"]);
    let members = status["members"].as_array().expect("members");
    assert!(members.iter().any(|member| member["user"] == "ana" && member["name"] == "w"));
    assert!(place.world.names("teams/t/inboxes").contains(&"ana_w".to_owned()));
}

#[test]
fn only_agents_that_run_make_a_crowd() {
    let place = Place::new();
    let spawn = |agent: &str, options: &[&str], command: &[&str]| {
        let words = ["spawn", "subprocess", "-t", "t", "-n", agent, "--no-workspace"];
        let ran = place.world.run(&[&words[..], options, &["--"], command].concat());
        ran.exits(0);
        ran.stderr
    };
    for agent in ["a", "b", "c", "d"] {
        spawn(agent, &[], &["true"]);
        place.until_state("t", agent, "exited");
    }
    for agent in ["e", "f", "g", "h"] {
        let told = spawn(agent, &[], &["sleep", "600"]);
        assert!(!told.contains("agent number"), "{told}");
    }
    let told = spawn("i", &[], &["sleep", "600"]);
    assert!(told.contains("this is agent number 5 of team 't'"), "{told}");
    assert!(!spawn("j", &["--force"], &["sleep", "600"]).contains("agent number"));
}

#[test]
fn an_agent_that_dies_at_once_is_reported_and_nothing_is_left() {
    let place = Place::repository();
    let broken = place.script("broken", "echo 'no key found' >&2; exit 7");
    for backend in ["subprocess", "tmux"] {
        let failed = place
            .world
            .run(&["spawn", backend, "--team", "t", "-n", "w", "--task", "x", "--", &broken]);
        // In the background it may have been seen alive for a moment; in a terminal the prompt
        // could not be delivered.
        if backend == "tmux" {
            failed.refuses("did not start");
            assert!(failed.stderr.contains("no key found"), "{failed}");
            assert!(place.world.names("teams/t").iter().all(|name| name != "config.json"));
            assert_eq!(place.world.git(&["branch", "--list", "clawteam/*"]), "");
        } else {
            let record = place.until_state("t", "w", "exited");
            assert_eq!(record["exit_code"], 7);
            let _ = place.world.run(&["team", "cleanup", "t", "--force"]);
        }
    }
}

#[test]
fn what_cannot_be_started_is_refused_before_anything_is_made() {
    let place = Place::new();
    let world = &place.world;
    world
        .run(&["spawn", "tmux", "--team", "t", "--", "no-such-program"])
        .refuses("not found in PATH");
    world.run(&["spawn", "tmux", "--team", "t", "--", "./nothing"]).refuses("not executable");
    world.run(&["spawn", "screen", "--team", "t"]).refuses("Unknown spawn backend: screen");
    world.run(&["spawn", "subprocess", "--repo", "/no/dir", "--", "sh"]).refuses("does not exist");
    world.run(&["spawn", "subprocess", "--team", "a/b", "--", "sh"]).refuses("Invalid team name");
    world.run(&["spawn", "subprocess", "-n", "..", "--", "sh"]).refuses("Invalid agent name");
    world.run(&["spawn", "subprocess", "--workspace", "--", "sh"]).refuses("Not in a git repo");
    assert_eq!(world.names("teams"), Vec::<String>::new());
    assert_eq!(world.names("agents"), Vec::<String>::new());
}

#[test]
fn a_crash_gives_the_task_back_tells_the_leader_and_starts_the_agent_again() {
    let place = Place::new();
    place.world.team(&["w"]);
    let task = place.world.task(&["Dig", "-o", "w"]);
    let work = "\"$CLAWTEAM_BIN\" task update t \"$TASK\" --status in_progress >/dev/null";
    let script =
        place.script("crash", &format!("{work}\n{REGISTERED}\necho 'out of memory'; exit 9"));
    let spawn = ["spawn", "subprocess", "--team", "t", "-n", "w", "--no-workspace", "--", &script];
    place.world.call(&spawn).env("TASK", &task).run();
    until("the breaker is open", || {
        let health = place.world.data().join("teams/t/agent_health.json");
        health.exists() && place.world.document("teams/t/agent_health.json")["w"]["state"] == "open"
    });
    until("the leader knows", || {
        let log = place.world.json(&["inbox", "log", "t"]).to_string();
        log.contains("crashed 3 times")
    });
    let log = place.world.json(&["inbox", "log", "t"]).to_string();
    assert!(log.contains("exited unexpectedly with status 9"), "{log}");
    assert!(log.contains("out of memory"), "{log}");
    assert!(log.contains("Reset 1 task(s) to pending: Dig"), "{log}");
    assert_eq!(place.world.json(&["task", "get", "t", &task])["status"], "pending");
    let journal = fs::read_to_string(place.world.data().join("harness/t/exit-journal.jsonl"));
    assert!(journal.expect("a journal").contains("\"exit_code\":9"));
    assert_eq!(place.alive("t", "w"), false);
}

#[test]
fn the_task_of_an_agent_that_was_killed_with_its_runner_can_be_claimed() {
    let place = Place::new();
    place.world.team(&["w", "other"]);
    let task = place.world.task(&["Dig"]);
    let sleeper = place.script("sleeper", STAY);
    place.in_background(&["--no-workspace"], &sleeper);
    place.world.json_as("w", &["task", "claim", "t"]);
    let record = place.until_state("t", "w", "running");
    for pid in [&record["runner"]["pid"], &record["process"]["pid"]] {
        let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
        assert!(killed.expect("kill runs").success());
    }
    until("it is gone", || place.alive("t", "w") == false);
    let claimed = place.world.json_as("other", &["task", "claim", "t"]);
    assert_eq!(claimed["id"], task.as_str());
    assert_eq!(claimed["lockedBy"], "other");
}

#[test]
fn an_agent_runs_once_and_is_replaced_on_request_with_its_work_kept() {
    let place = Place::repository();
    let sleeper = place.script("sleeper", "trap '' TERM; sleep 600 & wait; sleep 600");
    let spawn = ["spawn", "subprocess", "--team", "t", "-n", "w", "--", &sleeper];
    let first = place.world.json(&spawn);
    let old = place.until_state("t", "w", "running");
    place.world.run(&spawn).refuses("already running");
    let worktree = place.world.data().join("workspaces/t/w");
    fs::write(worktree.join("unsaved"), "mine\n").expect("a file can be written");
    let second = place.world.json(&[&spawn[..2], &["--replace"], &spawn[2..]].concat());
    assert_eq!(first["agentId"], second["agentId"]);
    assert!(!exists(&old["process"]["pid"]), "the old agent still runs");
    assert_eq!(fs::read_to_string(worktree.join("unsaved")).expect("kept"), "mine\n");
    let log = place.world.json(&["inbox", "log", "t"]).to_string();
    assert!(!log.contains("unexpectedly"), "{log}");
}

#[test]
fn many_agents_join_a_new_team_at_once() {
    let place = Place::repository();
    let sleeper = place.script("sleeper", STAY);
    let running: Vec<_> = (0..8)
        .map(|n| {
            let name = format!("w{n}");
            let words = ["spawn", "tmux", "--force", "--team", "t", "-n", &name, "--", &sleeper];
            place.world.call(&words).start()
        })
        .collect();
    for spawning in running {
        spawning.finish().exits(0);
    }
    let status = place.world.json(&["team", "status", "t"]);
    let members = status["members"].as_array().expect("members");
    assert_eq!(members.len(), 8);
    assert!(members.iter().all(|member| member["alive"] == true), "{status}");
    let registry = place.world.document("teams/t/spawn_registry.json");
    assert_eq!(registry.as_object().expect("entries").len(), 8);
    let workspaces = place.world.json(&["workspace", "list", "t"]);
    assert_eq!(workspaces["workspaces"].as_array().expect("worktrees").len(), 8);
    let done = place.world.json(&["team", "cleanup", "t"]);
    assert_eq!(done["stopped"].as_array().expect("names").len(), 8);
    assert_eq!(
        place.world.git(&["worktree", "list", "--porcelain"]).matches("worktree ").count(),
        1
    );
}

#[test]
fn cleaning_up_saves_what_was_not_merged() {
    let place = Place::repository();
    let sleeper = place.script("sleeper", STAY);
    place.in_background(&[], &sleeper);
    let worktree = place.world.data().join("workspaces/t/w");
    fs::write(worktree.join("new"), "work\n").expect("a file can be written");
    let done = place.world.json(&["team", "cleanup", "t"]);
    let reference = done["workspaces"][0]["salvaged"].as_str().expect("it was saved").to_owned();
    assert_eq!(place.world.git(&["show", &format!("{reference}:new")]), "work");
    assert!(!worktree.exists());
    let saved = place.world.json(&["workspace", "salvage", "list", "t"]);
    assert!(saved.to_string().contains(&reference), "{saved}");
    assert_eq!(place.world.json(&["team", "cleanup", "t"])["status"], "not_found");
}
