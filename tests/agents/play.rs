//! Real agents at real work.

use serde_json::Value;

use crate::Result;
use crate::model::{Script, Step, Turn};
use crate::programs::Programs;
use crate::report::Report;
use crate::world::{AGENT, TEAM, World};

/// What the agent is told to do; the model finds its turn by it.
const TASK: &str = "Write the greeting that the team needs";

pub(crate) fn all(programs: &Programs, report: &mut Report) {
    for program in ["claude", "codex", "openclaw"] {
        for backend in ["tmux", "subprocess"] {
            report.check(&format!("{program} {backend}"), "does a task", || {
                does_a_task(programs, program, backend)
            });
        }
    }
}

fn shell(command: String) -> Step {
    Step { shell: Some(command), ..Step::default() }
}

/// What the model of an agent does that takes a task on and sees it through.
fn work(task: &str) -> Script {
    let steps = vec![
        shell(format!("clawteam task update {TEAM} {task} --status in_progress")),
        shell("echo hello > greeting.txt && git add greeting.txt".into()),
        shell("git commit -q -m 'The greeting'".into()),
        shell(format!("clawteam inbox send {TEAM} lead 'The greeting is there.'")),
        shell(format!("clawteam task update {TEAM} {task} --status completed")),
        Step { say: Some("The greeting is written.".into()), ..Step::default() },
    ];
    Script { turns: vec![Turn { when: TASK.into(), steps }] }
}

/// The agent claims a task, commits, sends a message and finishes, each by clawteam in its shell.
fn does_a_task(programs: &Programs, program: &str, backend: &str) -> Result<String> {
    let mut world = World::new(programs, program)?;
    does(&world, program, backend).inspect_err(|_| world.keep())
}

fn does(world: &World, program: &str, backend: &str) -> Result<String> {
    let task = world.task(TASK)?;
    world.script(work(&task));
    let spawned = world.spawn(backend, program, TASK, &["--skip-permissions"])?;
    let status = || world.json(&["task", "get", TEAM, &task]);
    world.until("the task is completed", || {
        Ok((status()?["status"] == "completed").then_some(()))
    })?;
    let done = status()?;
    let claimed = &done["startedAt"];
    if done["owner"] != AGENT || claimed.as_str().is_none_or(str::is_empty) {
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
    let end = if backend == "subprocess" { finished(world)? } else { "it waits".into() };
    Ok(format!("task completed, message received, commit on {branch}; prompt: {prompt}; {end}"))
}

/// How the agent that ran in the background ended.
fn finished(world: &World) -> Result<String> {
    let record = || -> Result<Value> {
        let file = world.path(&format!("data/agents/{TEAM}/{AGENT}.json"));
        let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    };
    let record = world.until("the agent has ended", || {
        let record = record()?;
        Ok((!record["exitCode"].is_null()).then_some(record))
    })?;
    if record["exitCode"] != 0 {
        return Err(format!("it ended with {}{}", record["exitCode"], world.evidence()));
    }
    Ok("it ended with 0".into())
}
