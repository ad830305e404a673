//! Real agents at real work.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::Result;
use crate::model::{Script, Step, Turn};
use crate::programs::{NAMES, Programs};
use crate::report::Report;
use crate::world::{AGENT, TEAM, World};

/// What the agent is told to do; the model finds its turn by it.
const TASK: &str = "Write the greeting that the team needs";
/// The same of what it is told later, once and again.
const SECOND: &str = "Write a second greeting";
const THIRD: &str = "Write a third greeting";

pub(crate) fn all(programs: &Programs, report: &mut Report) {
    for program in NAMES {
        report.check("probe", program, || probed(programs, program));
    }
    for program in ["claude", "codex", "openclaw"] {
        for backend in ["tmux", "subprocess"] {
            let title = format!("{program} in {backend}");
            report.check(&title, "does a task", || {
                at(programs, program, |world| does_a_task(world, backend))
            });
        }
    }
    report.check("claude in tmux", "starts behind all its questions", || {
        at(programs, "claude", |world| {
            world.unset("ANTHROPIC_AUTH_TOKEN");
            world.set("ANTHROPIC_API_KEY", "sk-ant-api03-scripted-scripted-scripted");
            does_task_with(world, "tmux", &["--permissions", "full", "--allow", "api_key"])
        })
    });
    for program in ["claude", "codex"] {
        let title = format!("{program} in tmux");
        report.check(&title, "asks, and is answered", || at(programs, program, asks));
        report.check(&title, "is spoken to, and brought back", || at(programs, program, returns));
    }
}

/// Plays in a world of its own, which is kept if that does not go well.
fn at(
    programs: &Programs,
    program: &str,
    play: impl FnOnce(&mut World) -> Result<String>,
) -> Result<String> {
    let mut world = World::new(programs, program)?;
    play(&mut world).inspect_err(|_| world.keep())
}

fn shell(command: impl Into<String>) -> Step {
    Step { shell: Some(command.into()), ..Step::default() }
}

fn say(text: &str) -> Step {
    Step { say: Some(text.into()), ..Step::default() }
}

fn turn(when: &str, steps: Vec<Step>) -> Turn {
    Turn { when: when.into(), steps }
}

/// What the model of an agent does that takes a task on and sees it through.
fn work(task: &str) -> Turn {
    turn(
        TASK,
        vec![
            shell(format!("clawteam task update {TEAM} {task} --status in_progress")),
            shell("echo hello > greeting.txt && git add greeting.txt"),
            shell("git commit -q -m 'The greeting'"),
            shell(format!("clawteam inbox send {TEAM} lead 'The greeting is there.'")),
            shell(format!("clawteam task update {TEAM} {task} --status completed")),
            say("The greeting is written."),
        ],
    )
}

/// What clawteam learns of the program by starting it.
fn probed(programs: &Programs, program: &str) -> Result<String> {
    at(programs, program, |world| {
        let learnt = world.json(&["agent", "probe", program])?;
        let release = &learnt[0]["release"];
        let screen = &release["screen"];
        let answered = screen["answered"].as_array().into_iter().flatten();
        let answered: Vec<&str> = answered.filter_map(|answer| answer["name"].as_str()).collect();
        let seconds = screen["readySeconds"].as_f64().unwrap_or_default();
        let version = release["version"].as_str().unwrap_or_default();
        Ok(format!("{version}: ready after {seconds:.0} s, answered: {}", answered.join(", ")))
    })
}

/// The agent claims a task, commits, sends a message and finishes, each by clawteam in its shell.
fn does_a_task(world: &mut World, backend: &str) -> Result<String> {
    does_task_with(world, backend, &["--permissions", "full"])
}

fn does_task_with(world: &World, backend: &str, options: &[&str]) -> Result<String> {
    let task = world.task(TASK)?;
    world.script(Script { turns: vec![work(&task)] });
    let spawned = world.spawn(backend, TASK, options)?;
    let status = || world.json(&["task", "get", TEAM, &task]);
    world.until("the task is completed", || {
        Ok((status()?["status"] == "completed").then_some(()))
    })?;
    let done = status()?;
    if done["owner"] != AGENT || done["startedAt"].as_str().is_none_or(str::is_empty) {
        return Err(format!("the task was not claimed by the agent: {done}"));
    }
    let message = world.json(&["inbox", "receive", TEAM, "-a", "lead"])?;
    if message[0]["from"] != AGENT || message[0]["content"] != "The greeting is there." {
        return Err(format!("the message is another: {message}"));
    }
    let branch = spawned["branch"].as_str().ok_or("it has no branch")?;
    let log = world.git(&["log", "--format=%s", branch])?;
    if !log.contains("The greeting") {
        return Err(format!("the commit is not on {branch}: {log}"));
    }
    let prompt = spawned["prompt"].as_str().unwrap_or("on the command line");
    let end = if backend == "subprocess" { finished(world)? } else { idle(world)? };
    Ok(format!("task completed, message received, commit on its branch; prompt {prompt}; {end}"))
}

/// How the agent that ran in the background ended.
fn finished(world: &World) -> Result<String> {
    let record = world.until("the agent has ended", || {
        let file = world.path(&format!("data/agents/{TEAM}/{AGENT}.json"));
        let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let record: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        Ok((!record["exit_code"].is_null()).then_some(record))
    })?;
    if record["exit_code"] != 0 {
        return Err(format!("it ended with {}{}", record["exit_code"], world.evidence()));
    }
    Ok("it ended with 0".into())
}

/// What `team status` says of the agent.
fn state(world: &World) -> Result<Value> {
    let status = world.json(&["team", "status", TEAM])?;
    let mut members = status["members"].as_array().into_iter().flatten();
    let found = members.rfind(|member| member["name"] == AGENT);
    Ok(found.cloned().unwrap_or(Value::Null))
}

/// Waits until the agent is in the state `wanted`.
fn becomes(world: &World, wanted: &str) -> Result<Value> {
    let mut last = Value::Null;
    let seen = world.until(&format!("the agent is {wanted}"), || {
        last = state(world)?;
        Ok((last["state"] == wanted).then(|| last.clone()))
    });
    seen.map_err(|error| format!("{error}\nlast state: {last}"))
}

fn idle(world: &World) -> Result<String> {
    let seen = becomes(world, "idle")?;
    Ok(format!("idle by its {}", seen["stateSource"].as_str().unwrap_or("state")))
}

/// A file of the worktree appears.
fn appears(world: &World, file: &str) -> Result<()> {
    let path: PathBuf = world.path(&format!("data/workspaces/{TEAM}/{AGENT}/{file}"));
    world.until(&format!("{file} is written"), || Ok(path.is_file().then_some(())))
}

fn inject(world: &World, text: &str) -> Result<Value> {
    world.json(&["runtime", "inject", TEAM, AGENT, "--summary", text])
}

/// The agent asks for a permission of its own; clawteam shows what, and passes the answer on.
fn asks(world: &mut World) -> Result<String> {
    let asked = "touch asked.txt";
    let ask = if world.program() == "codex" {
        // Codex asks for what is to run outside of its sandbox.
        let input = json!({
            "cmd": asked, "sandbox_permissions": "require_escalated",
            "justification": "May I make the file?",
        });
        Step { tool: Some("exec_command".into()), input, ..Step::default() }
    } else {
        shell(asked)
    };
    world.script(Script { turns: vec![turn(TASK, vec![ask, say("It is made.")])] });
    world.spawn("tmux", TASK, &["--permissions", "ask"])?;
    let request = world.until("the agent asks", || {
        let list = world.json(&["permission", "list", TEAM])?;
        Ok(list.get(0).cloned())
    })?;
    if !request.to_string().contains(asked) {
        return Err(format!("it does not name the command: {request}"));
    }
    let waits = becomes(world, "waiting_permission")?;
    let told = world.call(&[
        "--json",
        "runtime",
        "inject",
        TEAM,
        AGENT,
        "--summary",
        SECOND,
        "--mode",
        "now",
    ])?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    if !told.contains("agent_blocked") {
        return Err(format!("something was typed into its question: {told}"));
    }
    let digest = request["digest"].as_str().ok_or("the question has no digest")?;
    world.run(&["permission", "answer", TEAM, AGENT, "allow", "--digest", digest])?;
    appears(world, "asked.txt")?;
    let end = idle(world)?;
    let source = waits["stateSource"].as_str().unwrap_or("state");
    Ok(format!("the command was shown (by its {source}), a message was held back, allowed; {end}"))
}

/// The agent is spoken to while it waits; then everything is killed, and the team comes back.
fn returns(world: &mut World) -> Result<String> {
    let turns = vec![
        turn(THIRD, vec![shell("echo three > third.txt"), say("Third.")]),
        turn(SECOND, vec![shell("echo two > second.txt"), say("Second.")]),
        turn(TASK, vec![shell("echo one > first.txt"), say("First.")]),
    ];
    world.script(Script { turns });
    world.spawn("tmux", TASK, &["--permissions", "full"])?;
    appears(world, "first.txt")?;
    idle(world)?;
    let given = inject(world, SECOND)?;
    appears(world, "second.txt")?;
    idle(world)?;
    world.tmux(&["kill-server"]);
    becomes(world, "dead")?;
    let report = world.json(&["team", "resume", TEAM])?;
    becomes(world, "idle").map_err(|error| format!("{error}\nresume: {report}"))?;
    inject(world, THIRD)?;
    appears(world, "third.txt")?;
    let remembers = world.was_asked(&[TASK, THIRD]);
    let memory = if remembers { "with its conversation" } else { "without its conversation" };
    let given = given["delivery"].as_str().unwrap_or("given");
    Ok(format!(
        "a message was {given} and done; after the tmux server was killed, `team resume` brought it back {memory}"
    ))
}
