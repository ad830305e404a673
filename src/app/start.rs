//! Starting an agent's runner from a plan, and seeing that it runs.

use std::path::Path;
use std::time::{Duration, Instant};

use super::spawn::SpawnError;
use super::startup::{Answered, Shows, Starter, Taken};
use super::{App, agent_rows, agents, environment, hook};
use crate::core::{AgentName, Name, Outcome, TeamName};
use crate::domain::Extra;
use crate::domain::agent::{
    AGENT_SCHEMA, AgentRecord, BackendKind, LaunchPlan, RunState, SpawnEntry, Stage,
};
use crate::domain::agent_cli::screen::Dialog;
use crate::domain::agent_cli::{Level, Permit};
use crate::domain::event::Event;
use crate::ports::terminal::{Delivery, Window, WindowPlan};
use crate::ports::{Handover, ProcessId};
use crate::store::{Commit, Dir, Expect, Key, Put, Scope, encode};

/// How long an agent of which nothing else is waited for is watched: one that cannot run at all
/// has mostly ended by then.
const SURVIVES: Duration = Duration::from_millis(400);
/// How long an agent may take to show that it took its prompt.
const TAKEN_WITHIN: Duration = Duration::from_secs(4);

/// A started agent.
#[derive(Debug)]
pub(super) struct Started {
    /// The process that runs it.
    pub(super) runner: ProcessId,
    /// Its window.
    pub(super) window: Option<Window>,
    /// How it was spoken to.
    pub(super) spoken: Spoken,
}

/// How far an agent came, and what became of its prompt.
#[derive(Debug)]
pub(super) struct Spoken {
    /// How far it was seen to come.
    pub(super) stage: Stage,
    /// What became of its prompt, if that was to be typed into its terminal.
    pub(super) prompt: Option<Delivery>,
    /// What it asked, and what it was answered.
    pub(super) answered: Vec<Answered>,
    /// What it asks and nobody allowed.
    pub(super) asks: Option<Dialog>,
}

impl Spoken {
    fn at(stage: Stage) -> Self {
        Self { stage, prompt: None, answered: Vec::new(), asks: None }
    }
}

/// Starts an agent as `plan` says and waits until it is seen to run and to have its prompt.
/// `ready_within`: a time of its own for becoming ready, which is then waited for in any case.
pub(super) fn start_within(
    app: &App,
    plan: &LaunchPlan,
    ready_within: Option<Duration>,
) -> Outcome<Started> {
    start_after(app, plan, None, ready_within)
}

/// The same for an agent that is started again, after its start `before`. If somebody else starts
/// it at the same time, only one of the two does.
pub(super) fn start_over(app: &App, plan: &LaunchPlan, before: &str) -> Outcome<Started> {
    start_after(app, plan, Some(before), None)
}

fn start_after(
    app: &App,
    plan: &LaunchPlan,
    before: Option<&str>,
    ready_within: Option<Duration>,
) -> Outcome<Started> {
    let (team, agent) = names(plan)?;
    // Until the agent is seen to run: its runner takes it before that.
    let handover = hand_over(app, plan)?;
    write_down(app, plan, &team, &agent, before)?;
    let setting = || app.setting_seconds("spawn_ready_timeout").max(Duration::from_secs(1));
    let patience = ready_within.unwrap_or_else(setting);
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
    let first = First { app, plan, team: &team, agent: &agent };
    let spoken = match &window {
        Some(window) => first.speak(window, patience, ready_within.is_some())?,
        // Its runner sees to its end, and to what follows from it.
        None => first.seen(),
    };
    Ok(Started { runner, window, spoken })
}

/// Gives an agent the prompt that a question at its start kept back, once the question is
/// answered. `None` if nothing was kept back.
pub(super) fn go_on(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<Option<Stage>> {
    let plan = app.store.load::<LaunchPlan>(&Key::launch_plan(team, agent))?;
    let record = app.store.load::<AgentRecord>(&Key::agent_record(team, agent))?;
    let (Some(plan), Some(record)) = (plan, record) else { return Ok(None) };
    let (plan, record) = (plan.value, record.value);
    let kept = record.prompt == Some(Delivery::NotReady) && record.state == RunState::Running;
    let window = record.window.filter(|_| kept && record.instance == plan.instance);
    let Some(window) = window else { return Ok(None) };
    let patience = app.setting_seconds("spawn_ready_timeout").max(Duration::from_secs(1));
    let first = First { app, plan: &plan, team, agent };
    Ok(Some(first.speak(&window, patience, false)?.stage))
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
        cwd: plan.cwd.clone(),
        tasked: plan.prompt.is_some(),
        started_at: app.stamp(),
        ended_at: crate::core::Stamp::empty(),
        exit_code: None,
        error: None,
        last_output: Vec::new(),
        prompt: None,
        stopping: false,
        interrupted: false,
        shutdown_approved: None,
        extra: Extra::new(),
    };
    let secret =
        |key: Key, bytes: Vec<u8>| Put { secret: true, ..Put::new(key, bytes, Expect::Any) };
    let mut puts = vec![
        secret(Key::launch_plan(team, agent), encode(plan)),
        Put::new(Key::agent_record(team, agent), encode(&record), Expect::Any),
    ];
    if let Some((name, text)) = &plan.own_settings {
        let name = Name::parse_as("file name", name)?;
        let key = Key::own_settings(team, agent, &name);
        puts.push(secret(key, text.clone().into_bytes()));
    }
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
            // Only such windows are kept when their program has ended.
            if plan.is_leader {
                app.terminal.close_dead(team, agent, &opened)?;
            }
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

/// An agent that runs and is to be spoken to for the first time.
struct First<'a> {
    app: &'a App,
    plan: &'a LaunchPlan,
    team: &'a TeamName,
    agent: &'a AgentName,
}

impl First<'_> {
    /// Brings the program in a window to where it can be typed to, and gives it its prompt.
    fn speak(&self, window: &Window, patience: Duration, must_be_ready: bool) -> Outcome<Spoken> {
        let plan = self.plan;
        let row = agent_rows::catalog(self.app, Path::new(&plan.cwd)).find(&plan.command);
        let looks = plan.interactive && (row.screen.is_described() || !row.dialogs.is_empty());
        if !looks && !must_be_ready && !plan.paste {
            return self.given();
        }
        let permit = Permit {
            level: plan.permissions.unwrap_or(Level::Ask),
            directory: plan.trusted,
            named: &plan.allow,
        };
        let starter = Starter {
            terminal: &*self.app.terminal,
            window,
            row: &row,
            permit,
            waits: plan.paste || must_be_ready,
            careful: false,
        };
        let mut spoken = Spoken::at(Stage::Started);
        if looks || must_be_ready {
            let settled = starter.settle(Instant::now() + patience)?;
            spoken.answered = settled.answered;
            match settled.shows {
                Shows::Ready => spoken.stage = Stage::Ready,
                Shows::Nothing => {}
                Shows::Gone => {
                    self.ended(Duration::from_secs(2), plan.paste)?;
                    return Ok(spoken);
                }
                Shows::Asks(dialog) => {
                    spoken.stage = Stage::WaitingPermission;
                    spoken.asks = Some(dialog);
                    if plan.paste {
                        self.note(Delivery::NotReady)?;
                        spoken.prompt = Some(Delivery::NotReady);
                    }
                    return Ok(spoken);
                }
            }
        }
        if let Some(prompt) = plan.prompt.as_ref().filter(|_| plan.paste) {
            let (delivery, stage) = self.deliver(&starter, prompt, patience, looks)?;
            spoken.prompt = Some(delivery);
            spoken.stage = stage.unwrap_or(spoken.stage);
        } else if plan.prompt.is_some() {
            spoken.stage = Stage::Prompted;
        }
        Ok(spoken)
    }

    /// An agent of which no more is seen than that it runs. Its prompt, if there is one, is on
    /// its command line.
    fn given(&self) -> Outcome<Spoken> {
        self.ended(SURVIVES, false)?;
        Ok(self.seen())
    }

    fn seen(&self) -> Spoken {
        let prompted = self.plan.prompt.is_some();
        Spoken::at(if prompted { Stage::Prompted } else { Stage::Started })
    }

    /// Types the prompt into the agent's terminal and writes down what became of it.
    fn deliver(
        &self,
        starter: &Starter<'_>,
        prompt: &str,
        patience: Duration,
        looks: bool,
    ) -> Outcome<(Delivery, Option<Stage>)> {
        let own_key = starter.row.screen.submit != "Enter";
        let typed = if own_key {
            starter.type_with_own_key(prompt)
        } else {
            let delivered = self.app.terminal.deliver(starter.window, prompt, patience);
            delivered.map_err(Into::into)
        };
        // A window that went away while we typed: the record says how the agent ended.
        let (mut delivery, failure) = match typed {
            Ok(delivery) => (delivery, None),
            Err(failure) => (Delivery::NotTaken, Some(failure)),
        };
        if delivery != Delivery::Delivered || failure.is_some() {
            self.ended(Duration::ZERO, true)?;
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        let mut stage = (delivery == Delivery::Delivered).then_some(Stage::Prompted);
        if looks && delivery != Delivery::NotReady {
            match starter.confirm(TAKEN_WITHIN)? {
                Taken::Working => stage = Some(Stage::Working),
                Taken::Prompted => {}
                Taken::Stalled => {
                    delivery = Delivery::NotTaken;
                    stage = None;
                }
            }
        }
        self.note(delivery)?;
        Ok((delivery, stage))
    }

    /// Writes down what became of the prompt.
    fn note(&self, delivery: Delivery) -> Outcome<()> {
        let kept = |r: &mut AgentRecord| r.prompt = Some(delivery);
        agents::update_record(self.app, self.team, self.agent, &self.plan.instance, kept)?;
        Ok(())
    }

    /// Fails if the agent is written down as ended within `most`; one that ended well is fine
    /// unless it still was to be told something.
    fn ended(&self, most: Duration, to_be_told: bool) -> Outcome<()> {
        let deadline = Instant::now() + most;
        let mut changes = self.app.store.backend().watch(&[Dir::agents(self.team)])?;
        loop {
            let key = Key::agent_record(self.team, self.agent);
            let found = self.app.store.load::<AgentRecord>(&key)?.map(|doc| doc.value);
            let record = found.filter(|record| record.instance == self.plan.instance);
            let over = |r: &AgentRecord| matches!(r.state, RunState::Exited | RunState::Failed);
            if let Some(record) = record.as_ref().filter(|record| over(record)) {
                let well = record.exit_code == Some(0) && !to_be_told;
                return if well { Ok(()) } else { Err(ended_at_once(self.plan, record).into()) };
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            changes.wait(left.min(Duration::from_millis(100)));
        }
    }
}
