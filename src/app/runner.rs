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
use super::{App, agents, environment, respawn, session, shutdown};
use crate::core::{AgentName, Diagnose, Outcome, TeamName, limits};
use crate::domain::agent::{AgentRecord, BackendKind, LaunchPlan, RunState};
use crate::env;
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
/// asked for the agent, not that of the tmux server. `secrets` is where they offer what the plan
/// does not hold.
pub fn enter(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    instance: &str,
    secrets: Option<&Path>,
) -> Outcome<()> {
    let plan = plan(app, team, agent, instance)?;
    if plan.backend == BackendKind::Subprocess {
        app.processes.detach();
    }
    let mut env = match environment::complete(app, &plan, secrets) {
        Ok(env) => env,
        Err(failure) => {
            agents::update_record(app, team, agent, instance, |record| {
                record.state = RunState::Failed;
                record.error = Some(failure.message());
                record.ended_at = app.stamp();
            })?;
            return Err(failure);
        }
    };
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
    let mut process = None;
    let began = Instant::now();
    let ended = watched(app, &plan, &mut |started| {
        process = Some(started);
        trouble = note(&mut |record| {
            record.state = RunState::Running;
            record.process = Some(started);
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
    if let Some(process) = process {
        // What it started and did not end: nobody would ever find it again.
        app.processes.end_rest(process, limits::STOP_GRACE);
    }
    let agreed = shutdown::agreed(app, team, agent).unwrap_or(false);
    let mut stopped = ended.stopped || agreed;
    note(&mut |record| {
        record.interrupted = ended.stopped && !record.stopping && !agreed;
        stopped |= record.stopping;
        record.state = RunState::Exited;
        record.exit_code = Some(ended.exit_code);
        record.ended_at = app.stamp();
        record.last_output.clone_from(&last_output);
    })?;
    let ending = Ending { exit_code: Some(ended.exit_code), last_output, stopped };
    if !keep_alive(app, &plan, &ending, began.elapsed())? {
        let exited = lifecycle::on_exit(app, team, agent, &ending)?;
        after_end(app, team, agent, &ending, exited.as_ref());
    }
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
    let (seen, seen_end) = mpsc::channel();
    let (well, well_end) = mpsc::channel();
    let ended = thread::scope(|scope| {
        if let Some(watch) = watch {
            scope.spawn(move || watch.until_seen(app, &seen_end));
        }
        if respawn::has_failed(app, plan) {
            scope.spawn(move || heal(app, plan, &well_end));
        }
        let ended = app.processes.run(&argv, cwd, limits::STOP_GRACE, started);
        drop::<(mpsc::Sender<()>, mpsc::Sender<()>)>((seen, well));
        ended
    });
    let Some(watch) = watch else { return Ok(ended) };
    // What it wrote at its very end counts, too.
    if let Err(failure) = session::capture(app, watch) {
        app.warn(format!("the agent's session is not known: {}", failure.message()));
    }
    Ok(ended)
}

/// Forgives an agent what went wrong before once it has run for long enough.
fn heal(app: &App, plan: &LaunchPlan, over: &mpsc::Receiver<()>) {
    let set = app.env.get(env::HEALTHY_AFTER).and_then(|seconds| seconds.parse().ok());
    let after = set.map_or(limits::HEALTHY_AFTER, Duration::from_secs);
    if over.recv_timeout(after) == Err(mpsc::RecvTimeoutError::Timeout)
        && let Ok((team, agent)) = super::start::names(plan)
        && let Err(failure) = respawn::count_success(app, &team, &agent)
    {
        app.warn(failure.message());
    }
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

/// The pause before an agent that has ended by itself is started again.
const KEEPALIVE_PAUSE: Duration = Duration::from_secs(1);

/// Starts an agent again that has ended by itself, if it is to be kept alive. Returns whether it
/// runs again: then its end is only noted, and its tasks stay its own.
fn keep_alive(app: &App, plan: &LaunchPlan, ending: &Ending, ran: Duration) -> Outcome<bool> {
    let (team, agent) = super::start::names(plan)?;
    let wanted = plan.keepalive && ending.exit_code == Some(0) && !ending.stopped;
    if !wanted || !shutdown::should_keep_alive(app, &team, &agent)? {
        return Ok(false);
    }
    // Meanwhile nobody shall take it for dead and give its tasks away.
    let state = |state: RunState| {
        agents::update_record(app, &team, &agent, &plan.instance, |record| record.state = state)
    };
    state(RunState::Starting)?;
    thread::sleep(KEEPALIVE_PAUSE);
    // Somebody may have changed their mind.
    if shutdown::should_keep_alive(app, &team, &agent)?
        && respawn::keep_alive(app, plan, ran < limits::SHORT_RUN)?
    {
        lifecycle::note_exit(app, &team, &agent, ending, &[])?;
        return Ok(true);
    }
    state(RunState::Exited)?;
    Ok(false)
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
        Some(_) => respawn::after_exit(app, team, agent, ending).map(|_| ()),
    };
    if let Err(failure) = done {
        app.warn(failure.message());
    }
}

/// How long it may take until it is known where an agent wrote its last lines, and tmux shows them.
const SCREEN_WAIT: Duration = Duration::from_secs(2);

/// The last lines that the agent showed.
fn last_lines(app: &App, team: &TeamName, agent: &AgentName, plan: &LaunchPlan) -> Vec<String> {
    if plan.backend == BackendKind::Subprocess {
        return app.store.tail(&Key::agent_log(team, agent), LAST_LINES).unwrap_or_default();
    }
    let deadline = Instant::now() + SCREEN_WAIT;
    loop {
        // Whoever opened the window may not have come to writing down which it is.
        let record = super::liveness::record(app, team, agent.as_str());
        let own = record.filter(|record| record.instance == plan.instance);
        let window = own.and_then(|record| record.window);
        let tail = window.and_then(|window| app.terminal.tail(&window, LAST_LINES).ok());
        let lines = tail.unwrap_or_default();
        if !lines.is_empty() || Instant::now() >= deadline {
            return lines;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
