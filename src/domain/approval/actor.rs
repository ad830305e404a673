//! Who asks, and who decides.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::ApprovalError;
use crate::core::{AgentName, UserName};

/// What kind of actor somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// A person.
    Human,
    /// An agent.
    Agent,
    /// A run of a workflow.
    Run,
    /// A rule of the team.
    Policy,
    /// clawteam itself, because an instant has come or a subject has changed.
    System,
}

/// How an actor showed who it is, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// By nothing: clawteam acts by itself.
    None,
    /// The environment names an agent.
    Environment,
    /// The environment names no agent, and nothing more is known.
    Shell,
    /// The same, and a terminal is at the other end of standard input.
    Terminal,
    /// A token that was given to a person.
    Token,
    /// A signature by a trusted key.
    Signature,
}

impl Proof {
    /// The proof in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Environment => "environment",
            Self::Shell => "shell",
            Self::Terminal => "terminal",
            Self::Token => "token",
            Self::Signature => "signature",
        }
    }
}

/// Somebody who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who: `human:<user>`, `agent:<name>`, `run:<id>`, `policy:<name>` or `system:<what>`.
    pub id: String,
    /// What kind of actor it is.
    pub kind: ActorKind,
    /// How it showed that.
    pub proof: Proof,
}

impl Actor {
    /// A person.
    pub fn human(user: &UserName, proof: Proof) -> Self {
        Self { id: format!("human:{user}"), kind: ActorKind::Human, proof }
    }

    /// An agent.
    pub fn agent(name: &str) -> Self {
        Self { id: format!("agent:{name}"), kind: ActorKind::Agent, proof: Proof::Environment }
    }

    /// A run of a workflow.
    pub fn run(run: &str) -> Self {
        Self { id: format!("run:{run}"), kind: ActorKind::Run, proof: Proof::None }
    }

    /// A rule of the team.
    pub fn policy(name: &str) -> Self {
        Self { id: format!("policy:{name}"), kind: ActorKind::Policy, proof: Proof::None }
    }

    /// clawteam itself; `what` happened.
    pub fn system(what: &str) -> Self {
        Self { id: format!("system:{what}"), kind: ActorKind::System, proof: Proof::None }
    }

    /// The name of the agent, if it is one.
    pub fn agent_name(&self) -> Option<&str> {
        self.id.strip_prefix("agent:")
    }
}

/// Somebody who may decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approver {
    /// Anybody, agents too.
    Anybody,
    /// Any person.
    Human,
    /// This person.
    Person(UserName),
    /// This agent.
    Agent(AgentName),
    /// Whoever leads the team when the decision is made.
    Lead,
}

impl Approver {
    /// Whether more than one can be meant.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Anybody | Self::Human)
    }

    /// Whether `actor` is meant. `is_lead`: whether it leads the team.
    pub fn admits(&self, actor: &Actor, is_lead: bool) -> bool {
        let human = actor.kind == ActorKind::Human;
        match self {
            Self::Anybody => human || actor.kind == ActorKind::Agent,
            Self::Human => human,
            Self::Person(user) => human && actor.id.strip_prefix("human:") == Some(user.as_str()),
            Self::Agent(name) => actor.agent_name() == Some(name.as_str()),
            Self::Lead => is_lead,
        }
    }
}

impl fmt::Display for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anybody => f.pad("any"),
            Self::Human => f.pad("human"),
            Self::Person(user) => write!(f, "human:{user}"),
            Self::Agent(name) => write!(f, "agent:{name}"),
            Self::Lead => f.pad("lead"),
        }
    }
}

impl FromStr for Approver {
    type Err = ApprovalError;

    fn from_str(text: &str) -> Result<Self, ApprovalError> {
        let bad = |why: crate::core::name::NameError| ApprovalError::Invalid {
            what: "approver",
            why: format!("'{text}': {why}"),
        };
        Ok(match text {
            "any" => Self::Anybody,
            "human" => Self::Human,
            "lead" | "leader" => Self::Lead,
            _ => match text.split_once(':') {
                Some(("human", user)) => Self::Person(UserName::parse(user).map_err(bad)?),
                Some(("agent", name)) => Self::Agent(AgentName::parse(name).map_err(bad)?),
                _ => Self::Agent(AgentName::parse_as("approver", text).map_err(bad)?),
            },
        })
    }
}

impl Serialize for Approver {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Approver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What an actor may do in a team, as far as a decision needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it leads the team.
    pub is_lead: bool,
    /// Whether the team lets its leader decide.
    pub lead_may_decide: bool,
    /// The weakest proof that counts for a person.
    pub least: Proof,
}
