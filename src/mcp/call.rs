//! One call of a tool: who acts, on which team, and what is answered.

use serde::Serialize;
use serde_json::Value;

use super::args::{Args, ArgumentError};
use crate::app::inbox::Taken;
use crate::app::{App, team};
use crate::core::{AgentName, Diagnose, Exit, Outcome, TaskId, TeamName};

/// A call of a tool.
pub(super) struct Call {
    /// What the use cases work with; made for this call.
    pub(super) app: App,
    /// What the client gave.
    pub(super) args: Args,
}

/// What a tool answers.
pub(super) struct Answer {
    /// The result.
    pub(super) value: Value,
    /// Messages that are gone once the answer was written out.
    pub(super) taken: Option<Taken>,
}

impl Answer {
    /// A result.
    #[expect(clippy::unnecessary_wraps, reason = "the last word of most tools")]
    pub(super) fn of(value: &impl Serialize) -> Outcome<Self> {
        Ok(Self { value: to_value(value), taken: None })
    }
}

/// A result as JSON.
pub(super) fn to_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("results have text keys")
}

/// A client acts under the name of an agent that it is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("you are '{you}', not '{given}'")]
struct NotYou {
    you: String,
    given: String,
    parameter: &'static str,
}

impl Diagnose for NotYou {
    fn code(&self) -> &'static str {
        "not_your_name"
    }

    fn hint(&self) -> Option<String> {
        Some(format!("leave out '{}', or give '{}'", self.parameter, self.you))
    }

    fn exit(&self) -> Exit {
        Exit::Forbidden
    }
}

impl Call {
    /// The team that is meant; it must exist.
    pub(super) fn team(&self) -> Outcome<TeamName> {
        let name = TeamName::parse(self.args.text("team_name"))?;
        team::load(&self.app, &name)?;
        Ok(name)
    }

    /// The agent that a parameter names.
    pub(super) fn agent(&self, parameter: &str) -> Outcome<AgentName> {
        Ok(AgentName::parse(self.args.text(parameter))?)
    }

    /// The task that is meant.
    pub(super) fn task(&self) -> Outcome<TaskId> {
        Ok(TaskId::parse(self.args.text("task_id"))?)
    }

    /// The agent that the environment names, if there is one.
    pub(super) fn environment_agent(&self) -> Option<&str> {
        self.app.env.identity("AGENT_NAME")
    }

    /// Whoever acts, and makes the use cases act in its name: the agent that the environment names,
    /// which can be nobody else; for a client that is no agent, whom `parameter` names.
    pub(super) fn acting(&mut self, parameter: &'static str) -> Outcome<String> {
        let given = self.args.some(parameter);
        let name = match (self.environment_agent(), given) {
            (Some(you), Some(given)) if given != you => {
                return Err(NotYou { you: you.to_owned(), given, parameter }.into());
            }
            (Some(you), _) => you.to_owned(),
            (None, Some(given)) => given,
            (None, None) => return Err(ArgumentError::Missing { name: parameter }.into()),
        };
        self.app.identity.agent_name.clone_from(&name);
        Ok(name)
    }

    /// The inbox of the agent that a parameter names.
    pub(super) fn inbox(&self, team: &TeamName, name: &str) -> Outcome<AgentName> {
        team::own_inbox(&self.app, team, name)
    }
}
