//! Starting an agent's runner from a plan, and seeing that it runs.

use std::path::Path;
use std::time::{Duration, Instant};

use super::spawn::SpawnError;
use super::{App, agents, environment, hook};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::Extra;
use crate::domain::agent::{
    AGENT_SCHEMA, AgentRecord, BackendKind, LaunchPlan, RunState, SpawnEntry,
};
use crate::domain::event::Event;
use crate::ports::terminal::{Delivery, Window, WindowPlan};
use crate::ports::{Handover, ProcessId};
use crate::store::{Commit, Dir, Expect, Key, Put, Scope, encode};

/// A started agent.
#[derive(Debug)]
pub(super) struct Started {
    /// The process that runs it.
    pub(super) runner: ProcessId,
    /// Its window.
    pub(super) window: Option<Window>,
    /// What became of its prompt, if that was typed into its terminal.
    pub(super) prompt: Option<Delivery>,
}

/// Starts an agent as `plan` says and waits until it is seen to run and to have its prompt.
pub(super) fn start(app: &App, plan: &LaunchPlan) -> Outcome<Started> {
    start_after(app, plan, None)
}

/// The same for an agent that is started again, after its start `before`. If somebody else starts
/// it at the same time, only one of the two does.
pub(super) fn start_over(app: &App, plan: &LaunchPlan, before: &str) -> Outcome<Started> {
    start_after(app, plan, Some(before))
}

fn start_after(app: &App, plan: &LaunchPlan, before: Option<&str>) -> Outcome<Started> {
    let (team, agent) = names(plan)?;
    // Until the agent is seen to run: its runner takes it before that.
    let handover = hand_over(app, plan)?;
    write_down(app, plan, &team, &agent, before)?;
    let patience = app.setting_seconds("spawn_ready_timeout").max(Duration::from_secs(1));
    let mut window = None;
    let launched = launch(app, plan, &team, &agent, &mut window, handover.as_deref())
        .and_then(|()| wait_until_running(app, plan, &team, &agent, patience));
    let runner = match launched {
        Ok(runner) => runner,
        Err(failure) => {
            if let Some(window) = &window {
                let _ = app.terminal.close(window);
            }
            return Err(failure);
        }
    };
    register(app, plan, &team, &agent, runner, window.as_ref())?;
    let target = window.as_ref().map_or_else(|| runner.pid.to_string(), |w| w.window.clone());
    let event = Event::new("AfterWorkerSpawn", &plan.team).with("agent_name", plan.agent.as_str());
    let event = event.with("agent_id", plan.agent_id.as_str()).with("target", target);
    hook::emit(app, event.with("backend", plan.backend.as_str()));
    let prompt = match (&window, &plan.prompt) {
        (Some(window), Some(prompt)) if plan.paste => {
            Some(deliver(app, plan, &team, &agent, window, prompt, patience)?)
        }
        _ => None,
    };
    Ok(Started { runner, window, prompt })
}

/// Offers the secrets of `plan` to its runner, if that will not have our environment: a window is
/// opened by the tmux server, which has its own.
fn hand_over(app: &App, plan: &LaunchPlan) -> Outcome<Option<Box<dyn Handover>>> {
    let secrets = environment::to_hand_over(app, plan)?;
    if plan.backend != BackendKind::Tmux || plan.sources.is_empty() {
        return Ok(None);
    }
    let failed = |error: std::io::Error| {
        let reason = format!("its secrets cannot be handed over: {error}");
        SpawnError::DidNotStart { agent: plan.agent.clone(), reason }
    };
    Ok(Some(app.processes.hand_over(encode(&secrets)).map_err(failed)?))
}

/// The team and agent of a plan.
pub(super) fn names(plan: &LaunchPlan) -> Outcome<(TeamName, AgentName)> {
    Ok((TeamName::parse(plan.team.clone())?, AgentName::parse(plan.agent.clone())?))
}

/// Writes the plan, the prompt and a first record, before anything is started.
fn write_down(
    app: &App,
    plan: &LaunchPlan,
    team: &TeamName,
    agent: &AgentName,
    before: Option<&str>,
) -> Outcome<()> {
    let record = AgentRecord {
        schema: AGENT_SCHEMA.into(),
        instance: plan.instance.clone(),
        state: RunState::Starting,
        backend: plan.backend,
        runner: None,
        process: None,
        window: None,
        started_at: app.stamp(),
        ended_at: crate::core::Stamp::empty(),
        exit_code: None,
        error: None,
        last_output: Vec::new(),
        prompt: None,
        stopping: false,
        shutdown_approved: None,
        extra: Extra::new(),
    };
    let secret =
        |key: Key, bytes: Vec<u8>| Put { secret: true, ..Put::new(key, bytes, Expect::Any) };
    let mut puts = vec![
        secret(Key::launch_plan(team, agent), encode(plan)),
        Put::new(Key::agent_record(team, agent), encode(&record), Expect::Any),
    ];
    if let Some(prompt) = &plan.prompt {
        puts.push(secret(Key::prompt(team, agent), prompt.clone().into_bytes()));
    }
    let mut locked = app.store.lock(&Scope::Agent(team.clone(), agent.clone()))?;
    if let Some(before) = before {
        let now = app.store.load::<LaunchPlan>(&Key::launch_plan(team, agent))?;
        if now.is_none_or(|now| now.value.instance != before) {
            let (agent, team) = (plan.agent.clone(), plan.team.clone());
            return Err(SpawnError::AlreadyRunning { agent, team }.into());
        }
    }
    locked.commit(&Commit { puts, ..Commit::default() })?;
    Ok(())
}

fn launch(
    app: &App,
    plan: &LaunchPlan,
    team: &TeamName,
    agent: &AgentName,
    window: &mut Option<Window>,
    handover: Option<&dyn Handover>,
) -> Outcome<()> {
    let failed = |reason: String| SpawnError::DidNotStart { agent: plan.agent.clone(), reason };
    let program = app.processes.own_program().map_err(|error| failed(error.to_string()))?;
    let mut argv: Vec<String> = [
        program.display().to_string().as_str(),
        "--data-dir",
        &app.data_dir.display().to_string(),
        "agent-runner",
        &plan.team,
        &plan.agent,
        &plan.instance,
    ]
    .map(str::to_owned)
    .to_vec();
    if let Some(handover) = handover {
        argv.extend(["--secrets".into(), handover.path().display().to_string()]);
    }
    match plan.backend {
        BackendKind::Tmux => {
            let opened = app.terminal.open(&WindowPlan {
                team,
                agent,
                argv: &argv,
                cwd: plan.cwd.clone().into(),
                keep_after_exit: plan.is_leader,
            })?;
            app.terminal.close_dead(team, agent, &opened)?;
            let seen = opened.clone();
            agents::update_record(app, team, agent, &plan.instance, |r| r.window = Some(seen))?;
            *window = Some(opened);
        }
        BackendKind::Subprocess => {
            let log = Path::new(&plan.log);
            app.processes
                .start_in_background(&argv, Path::new(&plan.cwd), log)
                .map_err(|error| failed(error.to_string()))?;
        }
    }
    Ok(())
}

/// Waits until the runner has written down that the agent runs.
fn wait_until_running(
    app: &App,
    plan: &LaunchPlan,
    team: &TeamName,
    agent: &AgentName,
    patience: Duration,
) -> Outcome<ProcessId> {
    let deadline = Instant::now() + patience;
    let mut changes = app.store.backend().watch(&[Dir::agents(team)])?;
    loop {
        let record = app.store.load::<AgentRecord>(&Key::agent_record(team, agent))?;
        let record = record.map(|doc| doc.value).filter(|r| r.instance == plan.instance);
        if let Some(record) = &record {
            match (record.state, record.runner) {
                (RunState::Running | RunState::Exited, Some(runner)) => {
                    if record.state == RunState::Exited && record.exit_code != Some(0) {
                        return Err(ended_at_once(plan, record).into());
                    }
                    return Ok(runner);
                }
                (RunState::Failed, _) => return Err(ended_at_once(plan, record).into()),
                _ => {}
            }
        }
        if Instant::now() >= deadline {
            let reason = format!("its runner did not report within {} s", patience.as_secs());
            return Err(SpawnError::DidNotStart { agent: plan.agent.clone(), reason }.into());
        }
        changes.wait(Duration::from_millis(250));
    }
}

/// The error for an agent whose record says that it has ended already.
fn ended_at_once(plan: &LaunchPlan, record: &AgentRecord) -> SpawnError {
    let mut reason = match (&record.error, record.exit_code) {
        (Some(error), _) => error.clone(),
        (None, Some(code)) => format!("it ended at once with status {code}"),
        (None, None) => "it ended at once".to_owned(),
    };
    if !record.last_output.is_empty() {
        reason.push_str("; its last output: ");
        reason.push_str(&record.last_output.join(" | "));
    }
    SpawnError::DidNotStart { agent: plan.agent.clone(), reason }
}

fn register(
    app: &App,
    plan: &LaunchPlan,
    team: &TeamName,
    agent: &AgentName,
    runner: ProcessId,
    window: Option<&Window>,
) -> Outcome<()> {
    let mut extra = Extra::new();
    extra.insert("instance".into(), plan.instance.clone().into());
    let entry = SpawnEntry {
        backend: plan.backend.as_str().into(),
        tmux_target: window.map(|window| window.window.clone()).unwrap_or_default(),
        block_id: String::new(),
        pid: i64::from(runner.pid),
        command: plan.command.clone(),
        spawned_at: app.now_seconds(),
        extra,
    };
    agents::register(app, team, agent, entry)
}

/// Registers an agent that runs although whoever started it has not come to that. Returns whether
/// it runs.
pub(super) fn register_running(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<bool> {
    let Some(plan) = app.store.load::<LaunchPlan>(&Key::launch_plan(team, agent))? else {
        return Ok(false);
    };
    let record = app.store.load::<AgentRecord>(&Key::agent_record(team, agent))?;
    let running = record.map(|doc| doc.value).filter(|record| {
        record.instance == plan.value.instance && record.state == RunState::Running
    });
    let Some((record, runner)) = running.and_then(|record| Some((record.clone(), record.runner?)))
    else {
        return Ok(false);
    };
    register(app, &plan.value, team, agent, runner, record.window.as_ref())?;
    Ok(true)
}

/// Types the prompt into the agent's terminal and writes down what became of it.
fn deliver(
    app: &App,
    plan: &LaunchPlan,
    team: &TeamName,
    agent: &AgentName,
    window: &Window,
    prompt: &str,
    patience: Duration,
) -> Outcome<Delivery> {
    let delivered = app.terminal.deliver(window, prompt, patience);
    // A window that went away while we typed: the record says how the agent ended.
    let record = || -> Outcome<Option<AgentRecord>> {
        let found = app.store.load::<AgentRecord>(&Key::agent_record(team, agent))?;
        Ok(found.map(|doc| doc.value).filter(|record| record.instance == plan.instance))
    };
    match delivered {
        Ok(Delivery::Delivered) => {
            let kept = |r: &mut AgentRecord| r.prompt = Some(Delivery::Delivered);
            agents::update_record(app, team, agent, &plan.instance, kept)?;
            Ok(Delivery::Delivered)
        }
        Ok(delivery) => {
            if let Some(record) = ended_soon(&record)? {
                return Err(ended_at_once(plan, &record).into());
            }
            let kept = |r: &mut AgentRecord| r.prompt = Some(delivery);
            agents::update_record(app, team, agent, &plan.instance, kept)?;
            Ok(delivery)
        }
        Err(error) => match ended_soon(&record)? {
            Some(record) => Err(ended_at_once(plan, &record).into()),
            None => Err(error.into()),
        },
    }
}

/// The record of an agent that has ended or is just about to be written down as ended.
fn ended_soon(record: &dyn Fn() -> Outcome<Option<AgentRecord>>) -> Outcome<Option<AgentRecord>> {
    let over = |r: &AgentRecord| matches!(r.state, RunState::Exited | RunState::Failed);
    Ok(record()?.filter(over))
}
