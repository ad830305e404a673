//! The process between a terminal and an agent.
//!
//! Each agent has one runner: clawteam itself. It gives the agent the environment that was planned,
//! starts it in its own process group and directory, writes down its process, its end and its exit
//! status, and then puts the agent's tasks back. No shell is involved.

use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::lifecycle::{self, Ending, Exited};
use super::{App, agents, respawn, session};
use crate::core::{AgentName, Diagnose, Outcome, TeamName, limits};
use crate::domain::agent::{AgentRecord, BackendKind, LaunchPlan, RunState};
use crate::ports::ProcessId;
use crate::ports::process::Ended;
use crate::store::Key;

/// How many of the last lines are kept.
const LAST_LINES: usize = 6;

/// The plan of a start is gone, or another start has taken its place.
#[derive(Debug, thiserror::Error)]
#[error("agent '{agent}' of team '{team}' is to be started in another way by now")]
pub struct Superseded {
    team: String,
    agent: String,
}

impl Diagnose for Superseded {
    fn code(&self) -> &'static str {
        "superseded"
    }
}

fn plan(app: &App, team: &TeamName, agent: &AgentName, instance: &str) -> Outcome<LaunchPlan> {
    let found = app.store.load::<LaunchPlan>(&Key::launch_plan(team, agent))?;
    let plan = found.map(|doc| doc.value).filter(|plan| plan.instance == instance);
    let superseded = || Superseded { team: team.to_string(), agent: agent.to_string() };
    Ok(plan.ok_or_else(superseded)?)
}

/// Becomes the runner proper, with the environment that the agent shall have: that of whoever
/// asked for the agent, not that of the tmux server.
pub fn enter(app: &App, team: &TeamName, agent: &AgentName, instance: &str) -> Outcome<()> {
    let plan = plan(app, team, agent, instance)?;
    if plan.backend == BackendKind::Subprocess {
        app.processes.detach();
    }
    let mut env = plan.env.clone();
    for terminal in ["TERM", "TMUX", "TMUX_PANE", "COLORTERM"] {
        if plan.backend == BackendKind::Tmux
            && let Some(value) = app.env.get(terminal)
        {
            env.insert(terminal.into(), value.into());
        }
    }
    let program = app.processes.own_program().map_err(Enter)?.display().to_string();
    let data_dir = app.data_dir.display().to_string();
    let argv = [program.as_str(), "--data-dir", &data_dir, "agent-runner", "--entered"];
    let argv = argv.into_iter().chain([team.as_str(), agent.as_str(), instance]);
    let argv: Vec<String> = argv.map(str::to_owned).collect();
    Err(Enter(app.processes.become_program(&argv, &env)).into())
}

/// The runner could not start itself with the planned environment.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the runner")]
struct Enter(#[source] io::Error);

impl Diagnose for Enter {
    fn code(&self) -> &'static str {
        "runner"
    }
}

/// Runs the agent to its end and does what its end asks for. Returns its exit status.
pub fn run(app: &App, team: &TeamName, agent: &AgentName, instance: &str) -> Outcome<i32> {
    let plan = plan(app, team, agent, instance)?;
    let own = app.processes.own();
    let note = |change: &mut dyn FnMut(&mut AgentRecord)| {
        agents::update_record(app, team, agent, instance, change)
    };
    note(&mut |record| record.runner = Some(own))?;
    let mut trouble = None;
    let ended = watched(app, &plan, &mut |process| {
        trouble = note(&mut |record| {
            record.state = RunState::Running;
            record.process = Some(process);
        })
        .err();
    });
    if let Some(failure) = trouble {
        app.warn(format!("the start could not be written down: {}", failure.message()));
    }
    let ended = match ended? {
        Ok(ended) => ended,
        Err(error) => {
            note(&mut |record| {
                record.state = RunState::Failed;
                record.error = Some(format!("cannot run '{}': {error}", plan.argv[0]));
                record.ended_at = app.stamp();
            })?;
            return Ok(127);
        }
    };
    let last_output = last_lines(app, team, agent, &plan);
    let mut stopped = ended.stopped;
    note(&mut |record| {
        stopped |= record.stopping;
        record.state = RunState::Exited;
        record.exit_code = Some(ended.exit_code);
        record.ended_at = app.stamp();
        record.last_output.clone_from(&last_output);
    })?;
    let ending = Ending { exit_code: Some(ended.exit_code), last_output, stopped };
    let exited = lifecycle::on_exit(app, team, agent, &ending)?;
    after_end(app, team, agent, &ending, exited.as_ref());
    Ok(ended.exit_code)
}

/// Runs the agent to its end, and looks meanwhile for the session that its program keeps.
fn watched(
    app: &App,
    plan: &LaunchPlan,
    started: &mut dyn FnMut(ProcessId),
) -> Outcome<io::Result<Ended>> {
    let argv = in_terminal(app, plan)?;
    let cwd = Path::new(&plan.cwd);
    let watch = session::watch(app, plan).unwrap_or_else(|failure| {
        app.warn(format!("the agent's session is not known: {}", failure.message()));
        None
    });
    let Some(watch) = watch else {
        return Ok(app.processes.run(&argv, cwd, limits::STOP_GRACE, started));
    };
    let (over, end) = mpsc::channel();
    let ended = thread::scope(|scope| {
        scope.spawn(move || watch.until_seen(app, &end));
        let ended = app.processes.run(&argv, cwd, limits::STOP_GRACE, started);
        drop(over);
        ended
    });
    // What it wrote at its very end counts, too.
    if let Err(failure) = session::capture(app, watch) {
        app.warn(format!("the agent's session is not known: {}", failure.message()));
    }
    Ok(ended)
}

/// The command line, by way of a step that waits until the agent's group has the terminal: a
/// program that reads it earlier would get an error.
fn in_terminal(app: &App, plan: &LaunchPlan) -> Outcome<Vec<String>> {
    if plan.backend != BackendKind::Tmux {
        return Ok(plan.argv.clone());
    }
    let program = app.processes.own_program().map_err(Enter)?.display().to_string();
    let step = [program, "agent-exec".to_owned(), "--".to_owned()];
    Ok(step.into_iter().chain(plan.argv.iter().cloned()).collect())
}

/// Starts a crashed agent again if it left work behind, and counts how it went.
fn after_end(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    ending: &Ending,
    exited: Option<&Exited>,
) {
    let done = match exited {
        _ if ending.stopped => Ok(()),
        None if ending.exit_code == Some(0) => respawn::count_success(app, team, agent),
        None => Ok(()),
        Some(_) => respawn::after_exit(app, team, agent).map(|_| ()),
    };
    if let Err(failure) = done {
        app.warn(failure.message());
    }
}

/// How long tmux may take to show what an agent wrote at its very end.
const SCREEN_WAIT: Duration = Duration::from_secs(1);

/// The last lines that the agent showed.
fn last_lines(app: &App, team: &TeamName, agent: &AgentName, plan: &LaunchPlan) -> Vec<String> {
    if plan.backend == BackendKind::Subprocess {
        return app.store.tail(&Key::agent_log(team, agent), LAST_LINES).unwrap_or_default();
    }
    let record = super::liveness::record(app, team, agent.as_str());
    let Some(window) = record.and_then(|record| record.window) else { return Vec::new() };
    let deadline = Instant::now() + SCREEN_WAIT;
    loop {
        let lines = app.terminal.tail(&window, LAST_LINES).unwrap_or_default();
        if !lines.is_empty() || Instant::now() >= deadline {
            return lines;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
