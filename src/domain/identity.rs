//! Who calls.

use serde::Serialize;

use crate::core::UserName;

/// The agent or person that a command acts for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The agent's identifier; fresh for each process if none is given.
    pub agent_id: String,
    /// The agent's name.
    pub agent_name: String,
    /// The user it belongs to; empty if none is given.
    pub user: String,
    /// What it does, in a word.
    pub agent_type: String,
    /// Its team.
    pub team_name: Option<String>,
    /// Whether it leads the team.
    pub is_leader: bool,
    /// Whether it must have plans approved before it acts.
    pub plan_mode_required: bool,
}

/// The name of whoever gives none.
pub const ANONYMOUS: &str = "agent";

impl Identity {
    /// The user, if there is one with an allowed name.
    pub fn user_name(&self) -> Option<UserName> {
        UserName::parse(self.user.clone()).ok()
    }
}

/// Whether a text means yes.
pub fn is_true(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "1" | "true" | "yes")
}
