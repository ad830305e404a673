//! Launching a whole team from a template.
//!
//! Everything that can be found wrong is found before anything is made ([`plan`]). Then the team,
//! its members and its tasks appear in one commit, and the members are started at once, each in a
//! thread ([`launch`]). What is asked to end meanwhile leaves nothing half known: who runs is
//! registered and told, who does not yet run is not started.

mod flow;
mod make;
mod plan;
mod preview;
mod run;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::spawn;
use crate::core::{AgentName, TeamName};
use crate::domain::agent::BackendKind;
use crate::domain::provision::Provision;
use crate::domain::task::Task;
use crate::domain::template::Retry;

pub use flow::Flow;
pub use plan::{LaunchError, plan, plan_of};
pub use preview::{Preview, preview};
pub use run::{Hearers, launch};

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
    /// What agents may do without asking, whatever the template says: `ask`, `edit` or `full`.
    pub permissions: Option<String>,
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
    /// What its worktree gets besides what the repository says.
    provision: Provision,
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
    /// Somebody asked to end before all members were ready; some run.
    Interrupted,
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

impl Plan {
    /// The names of the members, the leader first.
    pub fn members(&self) -> impl Iterator<Item = &AgentName> {
        self.members.iter().map(|planned| &planned.request.agent)
    }
}
