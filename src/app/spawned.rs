//! What came of starting an agent.

use serde_json::{Value, json};

use super::startup::Answered;
use crate::domain::agent::{BackendKind, Stage};
use crate::domain::agent_cli::screen::Dialog;
use crate::ports::terminal::Delivery;

/// An agent that was started.
#[derive(Debug, Clone)]
pub struct Spawned {
    /// Its name.
    pub agent: String,
    /// Its identifier.
    pub agent_id: String,
    /// How it runs.
    pub backend: BackendKind,
    /// What to tell the user.
    pub message: String,
    /// How far it was seen to come.
    pub stage: Stage,
    /// What became of its prompt, if that was typed into its terminal.
    pub prompt: Option<Delivery>,
    /// What it asked at its start, and what it was answered.
    pub answered: Vec<Answered>,
    /// What it asks and nobody allowed.
    pub asks: Option<Dialog>,
    /// Its branch, if it has a worktree.
    pub branch: Option<String>,
    /// Where it works.
    pub cwd: String,
}

impl Spawned {
    /// The same for programs. What there is nothing to tell of is left out.
    pub fn payload(&self) -> Value {
        let mut payload = json!({
            "status": "spawned",
            "backend": self.backend.as_str(),
            "agentName": self.agent,
            "agentId": self.agent_id,
            "message": self.message,
            "stage": self.stage,
        });
        if let Some(prompt) = self.prompt {
            payload["prompt"] = json!(prompt);
        }
        if let Some(branch) = &self.branch {
            payload["workspace"] = json!(self.cwd);
            payload["branch"] = json!(branch);
        }
        if !self.answered.is_empty() {
            payload["answered"] = json!(self.answered);
        }
        if let Some(dialog) = &self.asks {
            payload["dialog"] = json!(dialog);
        }
        payload
    }
}
