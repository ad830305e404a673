//! Bringing a team back after everything on its machine had stopped.

use std::path::Path;

use serde::Serialize;

use super::wait::TaskRef;
use super::workspace;
use super::{App, inbox, liveness, respawn, restart, session, shutdown, start, task, team};
use crate::core::{AgentName, Diagnose, Outcome, TeamName};
use crate::domain::agent::{AgentRecord, LaunchPlan, RunState};
use crate::domain::task::Status;
use crate::ports::git::Repository;
use crate::store::Key;

/// What is wanted.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Only this agent; it is started whatever its last end was.
    pub agent: Option<AgentName>,
    /// Whether only to say what would be done.
    pub dry_run: bool,
}

/// What became of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// It runs; nothing was done.
    Running,
    /// It goes on with its old session.
    Resumed,
    /// It was started anew, with its first instructions.
    Restarted,
    /// It had ended by itself, with nothing left to do.
    Finished,
    /// It had agreed to end.
    ShutDown,
    /// It failed too often; it may be started later.
    Resting,
    /// clawteam never started it.
    Unknown,
    /// It could not be started.
    Failed,
}

/// What was done for an agent.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Back {
    /// The agent.
    pub agent: String,
    /// What became of it; with `dryRun`, what would.
    pub status: Came,
    /// The session that it goes on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Where it works.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cwd: String,
    /// Whether its worktree was gone and was made again from its branch.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub worktree_restored: bool,
    /// Messages that wait for it.
    pub unread: usize,
    /// The tasks that it goes on with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskRef>,
    /// The tasks that it had begun and that are pending now, because it does not come back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub released: Vec<TaskRef>,
    /// Why, if that needs saying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A team that was brought back.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `resumed`, or `planned` if nothing was done.
    pub status: &'static str,
    /// The team.
    pub team: String,
    /// What became of each agent, the leader first.
    pub agents: Vec<Back>,
}

impl Report {
    /// Whether every agent that should run does.
    pub fn is_complete(&self) -> bool {
        !self.agents.iter().any(|back| back.status == Came::Failed)
    }
}

/// The agent is no member.
#[derive(Debug, thiserror::Error)]
#[error("Agent '{agent}' not found in team '{team}'")]
pub struct NoMember {
    agent: String,
    team: String,
}

impl Diagnose for NoMember {
    fn code(&self) -> &'static str {
        "agent_not_found"
    }

    fn hint(&self) -> Option<String> {
        Some(format!("see who is in it: clawteam team status {}", self.team))
    }
}

/// Starts every agent of a team that was running when it stopped, or was stopped by clawteam, with
/// its session, worktree, environment and permissions. What runs is left alone, so that doing it
/// twice changes nothing.
pub fn team(app: &App, team: &TeamName, request: &Request) -> Outcome<Report> {
    let found = team::load(app, team)?;
    let leader = found.leader().map(|leader| leader.name.clone());
    let mut names: Vec<AgentName> = Vec::new();
    for member in &found.members {
        let name = AgentName::parse(member.name.clone())?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| Some(name.as_str()) != leader.as_deref());
    if let Some(only) = &request.agent {
        if !names.contains(only) {
            let (agent, team) = (only.to_string(), team.to_string());
            return Err(NoMember { agent, team }.into());
        }
        names.retain(|name| name == only);
    }
    let mut agents = Vec::new();
    for name in names {
        agents.push(one(app, team, &name, request)?);
    }
    let status = if request.dry_run { "planned" } else { "resumed" };
    Ok(Report { status, team: team.to_string(), agents })
}

fn one(app: &App, team: &TeamName, agent: &AgentName, request: &Request) -> Outcome<Back> {
    let inbox = team::own_inbox_of(app, team, agent)?;
    let mut back = Back {
        agent: agent.to_string(),
        status: Came::Unknown,
        session: None,
        cwd: String::new(),
        worktree_restored: false,
        unread: inbox::count(app, team, &inbox)?,
        tasks: Vec::new(),
        released: Vec::new(),
        detail: None,
    };
    let plan = app.store.load::<LaunchPlan>(&Key::launch_plan(team, agent))?.map(|doc| doc.value);
    let record = liveness::record(app, team, agent.as_str());
    let Some(plan) = plan else {
        if liveness::of(app, team, agent.as_str()) == Some(false) {
            release(app, team, agent, request, &mut back)?;
        }
        return Ok(back);
    };
    back.cwd.clone_from(&plan.cwd);
    back.tasks = own_tasks(app, team, agent)?;
    back.status = fate(app, team, agent, record.as_ref(), &back, request)?;
    match back.status {
        Came::Running => {}
        Came::Resumed => bring_back(app, team, agent, &plan, record.as_ref(), request, &mut back)?,
        Came::Resting => {
            let wait = respawn::health_of(app, team, agent)?.remaining(app.now_seconds());
            back.detail = Some(format!(
                "failed too often; may be started in {:.0} s, or at once after: clawteam lifecycle \
                 health {team} --agent {agent} --reset",
                wait.ceil()
            ));
            release(app, team, agent, request, &mut back)?;
        }
        _ => release(app, team, agent, request, &mut back)?,
    }
    Ok(back)
}

/// What is to become of an agent; `Resumed` stands for any kind of start.
fn fate(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    record: Option<&AgentRecord>,
    back: &Back,
    request: &Request,
) -> Outcome<Came> {
    // One that runs without anybody to watch it is taken in hand again.
    let watched =
        record.and_then(|record| record.runner).is_none_or(|runner| app.processes.is_alive(runner));
    if liveness::of(app, team, agent.as_str()) == Some(true) && watched {
        return Ok(Came::Running);
    }
    if request.agent.is_some() {
        return Ok(Came::Resumed);
    }
    if shutdown::agreed(app, team, agent)? {
        return Ok(Came::ShutDown);
    }
    if respawn::health_of(app, team, agent)?.remaining(app.now_seconds()) > 0.0 {
        return Ok(Came::Resting);
    }
    let over = record.filter(|record| record.state == RunState::Exited);
    let own = over.filter(|record| !record.stopping && !record.interrupted);
    let done = own.is_some_and(|record| record.exit_code == Some(0));
    Ok(if done && back.tasks.is_empty() && back.unread == 0 {
        Came::Finished
    } else {
        Came::Resumed
    })
}

fn bring_back(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    plan: &LaunchPlan,
    record: Option<&AgentRecord>,
    request: &Request,
    back: &mut Back,
) -> Outcome<()> {
    let cut_off = record.is_none_or(|record| record.state != RunState::Exited);
    let why = if cut_off {
        "everything on your machine had stopped, your program as well"
    } else {
        "your team was stopped and goes on now"
    };
    if request.dry_run {
        let client = session::client_of_plan(plan);
        let can = plan.again.as_ref().is_some_and(|again| again.resume.is_some());
        back.session = restart::resumable(app, team, agent, client)?.filter(|_| can);
        back.status = if back.session.is_some() { Came::Resumed } else { Came::Restarted };
        back.worktree_restored = !app.foreign.is_dir(Path::new(&plan.cwd));
        return Ok(());
    }
    let started = (|| {
        end_leftovers(app, record);
        back.worktree_restored = restore_worktree(app, team, agent, plan)?;
        if cut_off {
            // Nobody could write down what the program had last said.
            session::look(app, plan)?;
        }
        let (new, session) = restart::plan(app, plan, why)?;
        start::start_over(app, &new, &plan.instance)?;
        Ok(session)
    })();
    match started {
        Ok(session) => {
            back.status = if session.is_some() { Came::Resumed } else { Came::Restarted };
            back.session = session;
        }
        Err(failure) if is_running_now(&failure) => {
            back.status = Came::Running;
            back.detail = Some("somebody else started it just now".to_owned());
        }
        Err(failure) => {
            back.status = Came::Failed;
            back.detail = Some(failure.message());
            release(app, team, agent, request, back)?;
        }
    }
    Ok(())
}

fn is_running_now(failure: &crate::core::Failure) -> bool {
    failure.inner().code() == "agent_running"
}

/// A runner that was killed may have left its agent running, without anybody to watch it.
fn end_leftovers(app: &App, record: Option<&AgentRecord>) {
    if let Some(process) = record.and_then(|record| record.process) {
        app.processes.end_group(process, crate::core::limits::STOP_GRACE);
        app.processes.end_rest(process, crate::core::limits::STOP_GRACE);
    }
}

/// Makes an agent's worktree again from its branch if it is gone. Returns whether it was.
fn restore_worktree(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    plan: &LaunchPlan,
) -> Outcome<bool> {
    if app.foreign.is_dir(Path::new(&plan.cwd)) {
        return Ok(false);
    }
    let known = workspace::registry(app, team)?;
    let Some(known) = known.of(agent.as_str()) else {
        return Err(super::spawn::SpawnError::NoDirectory(plan.cwd.clone()).into());
    };
    let mut repository: Repository = app.git.discover(Path::new(&known.repo_root))?;
    repository.subpath.clone_from(&known.repo_subpath);
    workspace::prepare(app, team, agent, &plan.agent_id, &repository)?;
    Ok(true)
}

fn own_tasks(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<Vec<TaskRef>> {
    let tasks = task::all(app, team)?;
    let own = tasks.iter().filter(|task| {
        matches!(task.status, Status::InProgress | Status::Pending)
            && task.closed().is_none()
            && task::worker(task) == agent.as_str()
    });
    Ok(own.map(TaskRef::from).collect())
}

/// Puts back the tasks of an agent that does not come back.
fn release(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    request: &Request,
    back: &mut Back,
) -> Outcome<()> {
    back.tasks.clear();
    let name = agent.as_str();
    let released = if request.dry_run {
        let all = task::all(app, team)?;
        let begun = |task: &&crate::domain::task::Task| {
            task.status == Status::InProgress && task::worker(task) == name
        };
        all.iter().filter(begun).map(TaskRef::from).collect()
    } else {
        let released = task::release_where(app, team, |task| task::worker(task) == name)?;
        released.iter().map(TaskRef::from).collect()
    };
    back.released = released;
    Ok(())
}
