//! Launching a whole team from a template.
//!
//! Everything that can be found wrong is found before anything is made ([`plan`]). Then the team,
//! its members and its tasks appear in one commit, and the members are started at once, each in a
//! thread ([`launch`]).

mod flow;
mod make;
mod plan;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::spawn::{self, Spawned};
use super::{App, hook, liveness};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::agent::{AgentRecord, BackendKind, RunState};
use crate::domain::event::Event;
use crate::domain::task::Task;
use crate::domain::template::Retry;
use crate::ports::terminal::Delivery;

pub use flow::Flow;
pub use plan::{LaunchError, plan, plan_of};

/// A team to be launched.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The template.
    pub template: String,
    /// What the team is to achieve, put into the texts of the template.
    pub goal: String,
    /// How agents run, whatever the template says.
    pub backend: Option<BackendKind>,
    /// The profile that agents run with.
    pub profile: Option<String>,
    /// The team's name; `None` for one made from the template's.
    pub team: Option<String>,
    /// Whether each agent gets a worktree.
    pub workspace: bool,
    /// A directory of the repository, or the directory to work in; `None` for the present one.
    pub repo: Option<PathBuf>,
    /// The program and arguments of agents that have none of their own; empty for the template's.
    pub command: Vec<String>,
    /// Whether to be silent about a team that is too large.
    pub force: bool,
    /// The model, whatever the template says.
    pub model: Option<String>,
    /// How models are chosen, instead of the template's way: `auto` or `none`.
    pub model_strategy: Option<String>,
    /// Further variables for the environment of every agent.
    pub env: BTreeMap<String, String>,
}

/// A launch that nothing is known to stand in the way of.
#[derive(Debug)]
pub struct Plan {
    /// The team.
    pub team: TeamName,
    /// The name of the template.
    pub template: String,
    /// How agents run that do not say otherwise.
    pub backend: BackendKind,
    /// What the team is for.
    description: String,
    members: Vec<Planned>,
    tasks: Vec<Task>,
    /// The workflow that the team works by.
    flow: Option<flow::Planned>,
}

/// A member that is to be started.
#[derive(Debug, Clone)]
struct Planned {
    id: String,
    kind: String,
    request: spawn::Request,
    retry: Option<Retry>,
}

/// How the start of a member went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberStatus {
    /// It runs and has its prompt.
    Ready,
    /// It runs, but was not seen to take its prompt.
    Unbriefed,
    /// It does not run.
    Failed,
}

impl MemberStatus {
    /// The status in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unbriefed => "unbriefed",
            Self::Failed => "failed",
        }
    }
}

/// A member after the try to start it.
#[derive(Debug, Clone, Serialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its identifier.
    pub id: String,
    /// What it does, in a word.
    #[serde(rename = "type")]
    pub kind: String,
    /// How the start went.
    pub status: MemberStatus,
    /// How it runs.
    pub backend: &'static str,
    /// What there is to say: where it runs, or why it does not.
    pub message: String,
    /// Its branch, if it has a worktree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Where it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
}

/// How a launch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LaunchStatus {
    /// All members are ready.
    Launched,
    /// Some are.
    Partial,
    /// None runs; what was made was taken back.
    Failed,
}

/// A launched team.
#[derive(Debug, Clone, Serialize)]
pub struct Launched {
    /// How it went.
    pub status: LaunchStatus,
    /// The team.
    pub team: String,
    /// The template.
    pub template: String,
    /// How agents run that do not say otherwise.
    pub backend: &'static str,
    /// The members, the leader first.
    pub agents: Vec<Member>,
    /// The run of the workflow that the team works by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<Flow>,
}

/// Makes the team and starts its members at once. `tell` hears of each as it comes, from several
/// threads. If no member runs in the end, the team is taken back.
///
/// Fails if the team could not be made; a member that does not start is part of the result.
pub fn launch(app: &App, plan: &Plan, tell: &(dyn Fn(&Member) + Sync)) -> Outcome<Launched> {
    let fresh = make::team(app, plan)?;
    let agents: Vec<Member> = std::thread::scope(|scope| {
        let starts: Vec<_> = plan
            .members
            .iter()
            .map(|planned| {
                scope.spawn(move || {
                    let member = start(app, planned, plan.backend);
                    tell(&member);
                    member
                })
            })
            .collect();
        starts.into_iter().map(|start| start.join().expect("a start does not panic")).collect()
    });
    let agents: Vec<Member> =
        agents.into_iter().map(|member| still_there(app, &plan.team, member, tell)).collect();
    let ready = agents.iter().filter(|member| member.status == MemberStatus::Ready).count();
    let mut status = if ready == agents.len() {
        LaunchStatus::Launched
    } else if agents.iter().all(|member| member.status == MemberStatus::Failed) {
        make::take_back(app, plan, fresh)?;
        LaunchStatus::Failed
    } else {
        LaunchStatus::Partial
    };
    if status != LaunchStatus::Failed {
        let event = Event::new("TeamLaunch", plan.team.as_str());
        let event = event.with("template", plan.template.as_str());
        hook::emit(app, event.with("agent_count", agents.len()));
    }
    // Only now: nobody could do what it asks for before, and a team that is taken back has none.
    let mut workflow = None;
    if let Some(flow) = plan.flow.as_ref().filter(|_| status != LaunchStatus::Failed) {
        match flow::begin(app, plan, flow) {
            Ok(started) => workflow = Some(started),
            Err(failure) => {
                let name = flow.name();
                let why = failure.message();
                app.warn(format!(
                    "the team runs, but its workflow '{name}' was not started: {why}"
                ));
                status = LaunchStatus::Partial;
            }
        }
    }
    Ok(Launched {
        status,
        team: plan.team.to_string(),
        template: plan.template.clone(),
        backend: plan.backend.as_str(),
        agents,
        workflow,
    })
}

/// A member as it is after all others were started: by then it may have broken down.
fn still_there(
    app: &App,
    team: &TeamName,
    member: Member,
    tell: &(dyn Fn(&Member) + Sync),
) -> Member {
    let record = liveness::record(app, team, &member.name);
    let broken = |record: &AgentRecord| {
        record.state == RunState::Exited && record.exit_code.is_some_and(|code| code != 0)
    };
    match record.filter(|record| member.status != MemberStatus::Failed && broken(record)) {
        Some(record) => {
            let mut message = format!("it ended with status {}", record.exit_code.unwrap_or(-1));
            if !record.last_output.is_empty() {
                message.push_str(&format!("; its last output: {}", record.last_output.join(" | ")));
            }
            let member = Member { status: MemberStatus::Failed, message, ..member };
            tell(&member);
            member
        }
        None => member,
    }
}

/// Starts a member, again if its template says so.
fn start(app: &App, planned: &Planned, backend: BackendKind) -> Member {
    let tries = planned.retry.map_or(1, |retry| retry.max_retries.saturating_add(1));
    let mut failures = 0;
    let spawned = loop {
        match spawn::spawn(app, &planned.request) {
            Ok(spawned) => break Ok(spawned),
            Err(failure) => {
                failures += 1;
                let Some(retry) = planned.retry.filter(|_| failures < tries) else {
                    break Err(failure);
                };
                std::thread::sleep(retry.pause(failures));
            }
        }
    };
    let backend = planned.request.backend.unwrap_or(backend).as_str();
    let member = Member {
        name: planned.request.agent.to_string(),
        id: planned.id.clone(),
        kind: planned.kind.clone(),
        status: MemberStatus::Failed,
        backend,
        message: String::new(),
        branch: None,
        cwd: None,
    };
    match spawned {
        Ok(spawned) => briefed(member, spawned),
        Err(failure) => {
            let message = failure.message();
            let message = message.strip_prefix("Error: ").unwrap_or(&message).to_owned();
            Member { message, ..member }
        }
    }
}

fn briefed(member: Member, spawned: Spawned) -> Member {
    let (status, message) = match spawned.prompt {
        None | Some(Delivery::Delivered) => (MemberStatus::Ready, spawned.message),
        Some(Delivery::NotReady) => (
            MemberStatus::Unbriefed,
            "runs, but did not read its terminal; its prompt was not typed".to_owned(),
        ),
        Some(Delivery::NotTaken) => (
            MemberStatus::Unbriefed,
            "runs, but was not seen to take the prompt that was typed".to_owned(),
        ),
    };
    Member { status, message, branch: spawned.branch, cwd: Some(spawned.cwd), ..member }
}

impl Plan {
    /// The names of the members, the leader first.
    pub fn members(&self) -> impl Iterator<Item = &AgentName> {
        self.members.iter().map(|planned| &planned.request.agent)
    }
}
