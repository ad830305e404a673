//! Which worktree belongs to which agent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::core::{AgentName, Span, Stamp, TeamName};

/// The worktrees of a team: `workspaces/<team>/workspace-registry.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WorkspaceRegistry {
    /// The team.
    #[serde(default)]
    pub team_name: String,
    /// The repository of the first worktree.
    #[serde(default)]
    pub repo_root: String,
    /// One for each agent.
    #[serde(default)]
    pub workspaces: Vec<Workspace>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The worktree of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// The agent.
    pub agent_name: String,
    /// Its id.
    #[serde(default)]
    pub agent_id: String,
    /// The team.
    #[serde(default)]
    pub team_name: String,
    /// The agent's branch.
    pub branch_name: String,
    /// Where the worktree is.
    pub worktree_path: String,
    /// The repository that it is of.
    #[serde(default)]
    pub repo_root: String,
    /// The directory below the top that the agent works in; empty for the top.
    #[serde(default)]
    pub repo_subpath: String,
    /// What the branch started from and is merged into.
    #[serde(default)]
    pub base_branch: String,
    /// When it was made.
    #[serde(default)]
    pub created_at: Stamp,
    /// How it was made ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned: Option<Provisioned>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How a worktree was made ready for its agent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Provisioned {
    /// The commands that were run with success.
    #[serde(default)]
    pub setup: Vec<String>,
    /// The commands to be run before it is removed.
    #[serde(default)]
    pub teardown: Vec<String>,
    /// How long each of them may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// What they find in their environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl WorkspaceRegistry {
    /// The worktree of an agent.
    pub fn of(&self, agent: &str) -> Option<&Workspace> {
        self.workspaces.iter().find(|workspace| workspace.agent_name == agent)
    }

    /// Gives the repository of the team to worktrees of which nobody wrote down theirs.
    pub fn fill_in_repository(&mut self) {
        for workspace in &mut self.workspaces {
            if workspace.repo_root.is_empty() {
                workspace.repo_root.clone_from(&self.repo_root);
            }
        }
    }

    /// Records a worktree, in place of an earlier one of the agent.
    pub fn record(&mut self, workspace: Workspace) {
        if self.repo_root.is_empty() {
            self.repo_root.clone_from(&workspace.repo_root);
        }
        match self.workspaces.iter_mut().find(|w| w.agent_name == workspace.agent_name) {
            Some(old) => *old = workspace,
            None => self.workspaces.push(workspace),
        }
    }

    /// Forgets the worktree of an agent.
    pub fn forget(&mut self, agent: &str) {
        self.workspaces.retain(|workspace| workspace.agent_name != agent);
    }
}

/// The branch of an agent.
pub fn branch(team: &TeamName, agent: &AgentName) -> String {
    format!("clawteam/{team}/{agent}")
}

/// Where the work of an agent is kept before its worktree goes; `time` sorts as text.
pub fn salvage_reference(team: &str, agent: &str, time: &str) -> String {
    format!("refs/clawteam/salvage/{team}/{agent}/{time}")
}
