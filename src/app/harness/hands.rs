//! The agents of a run: starting each once, seeing which are there, ending those whose phase is
//! over.

use std::path::PathBuf;
use std::time::Duration;

use super::{HarnessError, change, id_of};
use crate::app::agent_state::{self, Screens};
use crate::app::profile::Setup;
use crate::app::run::words;
use crate::app::spawn::{self, Mission, Request, Spawned, WorkspaceMode};
use crate::app::{App, agents, liveness, team, workspace};
use crate::core::{AgentName, Delivery, Failure, Name, Outcome, TeamName};
use crate::domain::agent::{AgentRecord, LaunchPlan, RunState};
use crate::domain::agent_state::State;
use crate::domain::harness::{EXECUTOR, Hand, Harness, PLANNER, texts};
use crate::store::Key;

/// The name of the leader of a team that a run makes.
pub(super) const CONDUCTOR: &str = "conductor";

/// How often an agent is started in a phase before somebody has to look what is wrong.
pub(super) const STARTS_MAX: u32 = 3;

/// How long a start that nobody sees through is left alone: its runner may be about to come.
const COMING: Duration = Duration::from_secs(15);

/// What is seen of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nobody started it for what it is wanted for.
    Missing,
    /// It runs, but whoever started it ended before it had its prompt.
    Unbriefed,
    /// It is being started, or started again by its runner.
    Coming,
    /// It runs.
    Alive,
    /// It has ended: its exit status, and the last that it showed.
    Ended(Option<i32>, String),
}

/// What is seen of an agent since it was last wanted.
pub(super) fn look(app: &App, team: &TeamName, hand: &Hand) -> Seen {
    let wanted = hand.planned_at.instant();
    let record = liveness::record(app, team, &hand.name);
    let Some(record) = record.filter(|record| record.started_at.instant() >= wanted) else {
        return Seen::Missing;
    };
    let runs = |process: Option<_>| process.is_some_and(|p| app.processes.is_alive(p));
    let runner = runs(record.runner);
    match record.state {
        RunState::Starting if runner => Seen::Coming,
        RunState::Starting => {
            let since = record.started_at.instant().map(|at| app.now() - at);
            let recent = since.and_then(|since| since.to_std().ok()).is_some_and(|s| s < COMING);
            if recent { Seen::Coming } else { Seen::Missing }
        }
        RunState::Running if runs(record.process) => {
            if !hand.started && lacks_prompt(app, team, hand, &record) {
                Seen::Unbriefed
            } else {
                Seen::Alive
            }
        }
        // Until its runner is gone, the agent may be started again by it.
        _ if runner => Seen::Coming,
        _ => {
            let why = record.error.clone().unwrap_or_else(|| record.last_output.join(" | "));
            Seen::Ended(record.exit_code, why)
        }
    }
}

/// Whether an agent has ended the turn that it was started for and waits for another.
pub(super) fn is_idle(app: &App, team: &TeamName, hand: &Hand) -> bool {
    let Ok(agent) = AgentName::parse(hand.name.clone()) else { return false };
    let look = agent_state::of(app, team, &agent, Screens::Needed);
    hand.started && look.is_ok_and(|look| look.seen.state == State::Idle)
}

/// Whether the prompt of a running agent was to be typed and was not.
fn lacks_prompt(app: &App, team: &TeamName, hand: &Hand, record: &AgentRecord) -> bool {
    let Ok(agent) = AgentName::parse(hand.name.clone()) else { return false };
    let plan = app.store.load::<LaunchPlan>(&Key::launch_plan(team, &agent)).ok().flatten();
    let typed =
        |plan: &LaunchPlan| plan.instance == record.instance && plan.paste && plan.prompt.is_some();
    record.prompt.is_none() && plan.is_some_and(|doc| typed(&doc.value))
}

/// Makes the team of a run if there is none.
pub(super) fn ensure_team(app: &App, team: &TeamName, goal: &str) -> Outcome<()> {
    if team::find(app, team)?.is_some() {
        return Ok(());
    }
    let new = team::NewTeam {
        name: team.clone(),
        description: goal.to_owned(),
        leader: AgentName::parse(CONDUCTOR)?,
        leader_id: CONDUCTOR.to_owned(),
        leader_type: CONDUCTOR.to_owned(),
    };
    match team::create(app, new) {
        // Somebody else was faster.
        Err(failure) if failure.inner().code() == "team_exists" => Ok(()),
        made => made.map(|_| ()),
    }
}

/// How an agent is to be started.
fn request(app: &App, team: &TeamName, run: &Harness, hand: &Hand) -> Outcome<Request> {
    let branches = if hand.role == EXECUTOR { Vec::new() } else { branches(app, team, run)? };
    let mission = Mission {
        intent: Some(texts::intent(&hand.role).to_owned()),
        team_size: run.on_shift().count(),
        ..Mission::of(texts::task(run, &branches))
    };
    Ok(Request {
        team: team.clone(),
        agent: AgentName::parse(hand.name.clone())?,
        agent_type: hand.role.clone(),
        backend: run.backend,
        command: words(app, &run.cli),
        mission: Some(mission),
        // A planner writes no code.
        workspace: match hand.role.as_str() {
            PLANNER => WorkspaceMode::Never,
            _ => spawn::workspace_mode(&app.settings, &app.env),
        },
        repo: (!run.repo.is_empty()).then(|| PathBuf::from(&run.repo)),
        skip_permissions: None,
        replace: true,
        model: None,
        resume: false,
        // Whoever conducts decides whether it is still needed.
        keepalive: false,
        env: std::collections::BTreeMap::new(),
        setup: Setup::default(),
        options: spawn::Options::default(),
    })
}

/// The branches that the executors of a run have.
pub(super) fn branches(app: &App, team: &TeamName, run: &Harness) -> Outcome<Vec<String>> {
    let registry = workspace::registry(app, team)?;
    let executors = run.hands.iter().filter(|hand| hand.role == EXECUTOR);
    let of = executors.filter_map(|hand| registry.of(&hand.name));
    Ok(of.map(|workspace| workspace.branch_name.clone()).collect())
}

/// Changes what is written down about an agent of a run.
fn note(
    app: &App,
    team: &TeamName,
    id: &Name,
    name: &str,
    rule: impl FnOnce(&mut Hand),
) -> Outcome<()> {
    change(app, team, id, |run| {
        if let Some(hand) = run.hands.iter_mut().find(|hand| hand.name == name) {
            rule(hand);
        }
        Ok(((), Vec::new()))
    })?;
    Ok(())
}

/// Writes down that an agent was seen to be started.
pub(super) fn confirm(app: &App, team: &TeamName, run: &Harness, hand: &Hand) -> Outcome<()> {
    note(app, team, &id_of(run)?, &hand.name, |hand| {
        hand.started = true;
        hand.starts += 1;
    })
}

/// Starts agents at once, each in a thread. `tell` hears how it went. Fails if one cannot be
/// started at all.
pub(super) fn start(
    app: &App,
    team: &TeamName,
    run: &Harness,
    hands: &[Hand],
    tell: &(dyn Fn(&str) + Sync),
) -> Outcome<()> {
    let outcomes: Vec<Outcome<()>> = std::thread::scope(|scope| {
        let starts: Vec<_> = hands
            .iter()
            .map(|hand| scope.spawn(move || start_one(app, team, run, hand, tell)))
            .collect();
        starts.into_iter().map(|start| start.join().expect("a start does not panic")).collect()
    });
    outcomes.into_iter().collect()
}

/// Starts an agent. That it is wanted is written down before: whoever comes after a crash looks
/// for a start since then.
fn start_one(
    app: &App,
    team: &TeamName,
    run: &Harness,
    hand: &Hand,
    tell: &(dyn Fn(&str) + Sync),
) -> Outcome<()> {
    let id = id_of(run)?;
    let name = hand.name.as_str();
    let now = app.stamp();
    note(app, team, &id, name, |hand| {
        hand.started = false;
        hand.idle = false;
        hand.planned_at = now;
    })?;
    let spawned = spawn::spawn(app, &request(app, team, run, hand)?);
    // Only now: a start that nobody saw through is none that went wrong.
    note(app, team, &id, name, |hand| {
        hand.starts += 1;
        hand.started = spawned.as_ref().is_ok_and(is_briefed);
    })?;
    match spawned {
        Ok(spawned) if is_briefed(&spawned) => {
            tell(&spawned.message);
            Ok(())
        }
        Ok(_) => {
            tell(&format!("{name} runs but was not seen to take its prompt"));
            Ok(())
        }
        Err(failure) if hand.starts + 1 >= STARTS_MAX || is_final(&failure) => {
            let why = failure.message();
            let why = why.strip_prefix("Error: ").unwrap_or(&why).to_owned();
            Err(stuck(team, run, hand, hand.starts + 1, why).into())
        }
        Err(failure) => {
            tell(&format!("{name} was not started: {}", failure.message()));
            Ok(())
        }
    }
}

/// Whether an agent has its prompt, as far as that can be seen.
fn is_briefed(spawned: &Spawned) -> bool {
    matches!(spawned.prompt, None | Some(Delivery::Delivered))
}

/// Whether trying again would change nothing.
fn is_final(failure: &Failure) -> bool {
    let code = failure.inner().code();
    ["command_not_found", "no_command", "no_directory", "tmux_missing", "vetoed"].contains(&code)
}

/// The error for an agent that does not get on.
pub(super) fn stuck(
    team: &TeamName,
    run: &Harness,
    hand: &Hand,
    starts: u32,
    why: String,
) -> HarnessError {
    HarnessError::Stuck {
        role: hand.role.clone(),
        agent: hand.name.clone(),
        starts,
        phase: run.current_phase.clone(),
        why,
        team: team.to_string(),
    }
}

/// Ends agents of the run whose phase is over. Returns their names.
pub(super) fn dismiss(app: &App, team: &TeamName, run: &Harness) -> Outcome<Vec<String>> {
    let mut gone = Vec::new();
    for hand in &run.hands {
        if run.on_shift().any(|other| other.name == hand.name) {
            continue;
        }
        if liveness::of(app, team, &hand.name) == Some(true) {
            let agent = AgentName::parse(hand.name.clone())?;
            if !agents::stop(app, team, &agent)? {
                app.warn(format!("agent '{agent}' could not be stopped"));
                continue;
            }
            gone.push(hand.name.clone());
        }
    }
    Ok(gone)
}

/// The agents of a run that run at the moment.
pub(super) fn alive(app: &App, team: &TeamName, run: &Harness) -> Vec<String> {
    let runs = |hand: &&Hand| liveness::of(app, team, &hand.name) == Some(true);
    run.hands.iter().filter(runs).map(|hand| hand.name.clone()).collect()
}
