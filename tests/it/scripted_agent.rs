//! The agent that needs no model.

use std::fs;

use super::crew::Crew;
use super::until;

const CLAWTEAM: &str = env!("CARGO_BIN_EXE_clawteam");

#[test]
fn a_script_in_the_prompt_is_run_here_and_its_status_is_the_agents() {
    let crew = Crew::new();
    let run = |text: &str| crew.world.run(&["scripted-agent", "-p", text]);
    let ran = run("Do this:\n```sh\necho hello > said\necho shown\n```\n");
    ran.exits(0);
    assert!(ran.stdout.contains("shown"), "{ran}");
    let said = fs::read_to_string(crew.world.cwd().join("said")).expect("it was written");
    assert_eq!(said, "hello\n");
    run("```sh\nexit 5\n```").exits(5);
    run("```sh\nfalse\necho not reached\n```").exits(1);
}

#[test]
fn without_a_terminal_the_prompt_comes_from_its_file() {
    let crew = Crew::new();
    let file = crew.world.top().join("prompt");
    fs::write(&file, "```sh\necho from the file\n```").expect("a file can be written");
    let ran = crew.world.call(&["scripted-agent"]).env("CLAWTEAM_PROMPT_FILE", &file).run();
    ran.exits(0);
    assert!(ran.stdout.contains("from the file"), "{ran}");
    crew.world.run(&["--json", "scripted-agent"]).refuses_with("no_prompt");
    crew.world.run(&["--json", "scripted-agent", "-p", "work"]).refuses_with("no_team");
}

#[test]
fn the_terminal_is_left_as_it_was_found() {
    let crew = Crew::new();
    let script = format!("stty -g > before; '{CLAWTEAM}' scripted-agent; stty -g > after");
    let task = "```sh\nstty -g < /dev/tty > during\n```";
    let spawn = ["spawn", "tmux", "-t", "t", "-n", "a", "--task", task, "--", "sh", "-c", &script];
    let told = crew.world.json(&spawn);
    assert_eq!(told["prompt"], "delivered");
    let read = |name: &str| fs::read_to_string(crew.world.cwd().join(name)).unwrap_or_default();
    until("the agent has ended", || read("after").ends_with('\n'));
    assert_eq!(read("before"), read("after"));
    assert_eq!(read("before"), read("during"), "the script finds an ordinary terminal");
}

/// Starts the agent as `w` of team `t` in the background.
fn start(crew: &Crew) {
    let spawn = ["spawn", "subprocess", "-t", "t", "-n", "w", "--no-workspace", "--task", "Work"];
    let command = ["--", CLAWTEAM, "scripted-agent"];
    crew.world.run(&[&spawn[..], &command].concat()).exits(0);
}

/// The messages from `w` to the leader so far, as type and text.
fn reports(crew: &Crew) -> Vec<String> {
    let log = crew.world.json(&["inbox", "log", "t", "--agent", "w"]);
    let messages = log["messages"].as_array().or(log.as_array()).expect("messages").clone();
    let text = |m: serde_json::Value| {
        format!("{} {}", m["type"].as_str().unwrap_or(""), m["content"].as_str().unwrap_or(""))
    };
    messages.into_iter().map(text).collect()
}

fn state(crew: &Crew, id: &str) -> String {
    let task = crew.world.json(&["task", "get", "t", id]);
    task["status"].as_str().expect("a status").to_owned()
}

#[test]
fn tasks_are_worked_off_and_work_that_comes_later_is_taken_up() {
    let crew = Crew::new().repository();
    crew.world.team(&["w"]);
    let first = crew.world.task(&["First", "-d", "```sh\necho 1 > one\n```"]);
    let held = crew.world.task(&["Held back", "-o", "lead"]);
    start(&crew);
    until("the first task is done", || state(&crew, &first) == "completed");
    assert_eq!(crew.git(&["log", "-1", "--format=%an %s"]), "w First");
    until("it says that it is idle", || reports(&crew).iter().any(|r| r.starts_with("idle")));

    let broken = crew.world.task(&["Broken", "-d", "```sh\nexit 3\n```"]);
    until("it gives up what it cannot do", || state(&crew, &broken) == "blocked");
    let second = crew.world.task(&["Second"]);
    until("it takes up new work", || state(&crew, &second) == "completed");
    until("it tells what it did", || {
        let told = reports(&crew);
        told.iter().any(|r| r.contains("Blocked: Broken: ") && r.contains("status 3"))
            && told.iter().any(|r| r.contains("Completed: Second"))
    });

    for id in [&held, &broken] {
        crew.world.run(&["task", "update", "t", id, "--status", "completed"]).succeeds();
    }
    until("it ends when all is done", || crew.runners().is_empty());
    assert!(reports(&crew).iter().any(|r| r.contains("All tasks completed")));
    assert_eq!(crew.world.document("agents/t/w.json")["exit_code"], 0);
}

#[test]
fn it_ends_when_it_is_asked_to() {
    let crew = Crew::new();
    crew.world.team(&["w"]);
    crew.world.task(&["Not yours", "-o", "lead"]);
    start(&crew);
    let ask = ["inbox", "send", "t", "w", "Please end.", "--type", "shutdown_request"];
    crew.world.run_as("lead", &ask).succeeds();
    until("it has ended", || crew.runners().is_empty());
    assert!(reports(&crew).contains(&"shutdown_approved w shutting down.".to_owned()));
}

#[test]
fn a_plan_is_handed_in_before_work_begins() {
    let crew = Crew::new();
    crew.world.team(&["w"]);
    let planned = "```plan\nGently.\n```\n```sh\necho done > done\n```";
    let (good, bad) = (crew.world.task(&["Good", "-d", planned]), "Bad");
    start(&crew);
    let waiting = || {
        let mail = crew.world.json_as("lead", &["inbox", "receive", "t"]);
        let mail = mail.as_array().expect("messages").clone();
        mail.into_iter().find(|m| m["type"] == "plan_approval_request")
    };
    let mut plan = None;
    let mut wait = || {
        until("a plan comes", || {
            plan = waiting();
            plan.is_some()
        });
        plan.take().and_then(|p| p["requestId"].as_str().map(str::to_owned)).expect("an id")
    };
    let id = wait();
    assert!(!crew.world.cwd().join("done").exists());
    assert_eq!(state(&crew, &good), "in_progress");
    crew.world.run_as("lead", &["plan", "approve", "t", &id, "w"]).succeeds();
    // Made before the first is completed, so that the agent does not end.
    let bad = crew.world.task(&[bad, "-d", planned]);
    until("the work is done", || state(&crew, &good) == "completed");
    let id = wait();
    crew.world.run_as("lead", &["plan", "reject", "t", &id, "w"]).succeeds();
    until("a rejected plan is given up", || state(&crew, &bad) == "blocked");
}

#[test]
fn a_template_can_be_tried_without_a_model() {
    let crew = Crew::new().repository();
    let launch = ["launch", "strategy-room", "-t", "s", "-b", "subprocess", "--force"];
    let command = ["--command", "clawteam", "--command", "scripted-agent"];
    crew.world.run(&[&launch[..], &command].concat()).exits(0);
    until("all agents have ended", || crew.runners().is_empty());
    let stats = crew.world.json(&["task", "stats", "s"]);
    assert_eq!((&stats["total"], &stats["completed"]), (&5.into(), &5.into()));
}
