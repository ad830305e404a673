//! What a step looks at before it decides.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::state::{ArtifactRef, Fault, Millis, Output, Status};
use crate::core::Digest;

/// What was found outside, taken after all effects were done.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// What operators ask, oldest first.
    pub requests: Vec<Request>,
    /// What became of the work of visits, by visit. Nothing is there if nothing is known yet.
    pub found: BTreeMap<String, Found>,
    /// Effects that cannot be done: their keys, and why.
    pub dead: Vec<(String, String)>,
    /// Whether the run may not begin yet.
    pub held: bool,
}

/// What became of the work of a visit.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A task was settled.
    Task {
        /// By whom.
        who: String,
        /// Why it failed; `None`: it was completed.
        error: Option<Fault>,
        /// The answer.
        output: Output,
        /// What was handed in.
        artifacts: Vec<ArtifactRef>,
    },
    /// Whoever worked on a task is gone.
    Lost {
        /// Who.
        who: String,
    },
    /// An approval was settled.
    Approval {
        /// How.
        verdict: Verdict,
        /// Who decided.
        who: Vec<String>,
        /// What they said.
        comment: String,
        /// What shows that it was them.
        proof: Vec<String>,
    },
    /// A worker of the queue has finished.
    Item {
        /// Why it failed; `None`: it did not.
        error: Option<Fault>,
        /// The result.
        output: Output,
        /// What else the worker found out.
        details: Map<String, Value>,
    },
    /// How children stand that have ended: their place, how, and what they resulted in.
    Children(Vec<(usize, Status, Option<String>)>),
    /// An event came.
    Event {
        /// Which.
        id: String,
        /// What it brings.
        data: Value,
    },
    /// A signal is there.
    Signal {
        /// Its place among those that wait.
        index: usize,
    },
    /// What is waited for cannot be told.
    Broken(Fault),
}

/// How an approval was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Enough agreed.
    Approved,
    /// Somebody refused.
    Rejected,
    /// The time was over.
    Expired,
    /// Somebody called it off.
    Cancelled,
}

/// What an operator asks of a run.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// Who asks.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: Millis,
    /// What.
    #[serde(flatten)]
    pub ask: Ask,
}

/// What can be asked of a run.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Ask {
    /// That it ends.
    Stop {
        /// Why.
        #[serde(default)]
        reason: String,
        /// Whether its agents are stopped too.
        #[serde(default)]
        kill: bool,
    },
    /// That it begins nothing new.
    Pause {
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// That it goes on.
    Resume,
    /// That failed visits are tried anew.
    Retry {
        /// Of this node.
        #[serde(default)]
        node: Option<String>,
        /// This visit.
        #[serde(default)]
        act: Option<String>,
        /// Whether earlier feedback is forgotten.
        #[serde(default)]
        reset_feedback: bool,
    },
    /// That a visit counts as done.
    Skip {
        /// Which.
        act: String,
        /// Through which port.
        #[serde(default)]
        port: Option<String>,
        /// With what result.
        #[serde(default)]
        output: Option<Value>,
    },
    /// That variables change.
    Set {
        /// Their values.
        vars: Map<String, Value>,
    },
    /// That it takes note of a signal.
    Signal {
        /// Its name.
        name: String,
        /// What it brings.
        #[serde(default)]
        data: Value,
    },
}

impl Ask {
    /// The word for it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Stop { .. } => "stop",
            Self::Pause { .. } => "pause",
            Self::Resume => "resume",
            Self::Retry { .. } => "retry",
            Self::Skip { .. } => "skip",
            Self::Set { .. } => "set",
            Self::Signal { .. } => "signal",
        }
    }
}

/// What decisions need to know of the world, besides what was observed.
pub trait Facts {
    /// Who can be given tasks.
    fn members(&self) -> Vec<Member>;
    /// The name of the team's leader.
    fn leader(&self) -> Option<String>;
    /// The bytes behind a digest.
    fn blob(&self, digest: &Digest) -> Option<Vec<u8>>;
    /// The team, the id of the run, and its inputs: the secret ones as marks that only workers can
    /// read.
    fn start(&self) -> &super::start::Start;
}

/// Somebody who can be given tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// The name.
    pub name: String,
    /// The type.
    pub role: String,
    /// What they can do.
    pub capabilities: Vec<String>,
    /// How many unfinished tasks they have.
    pub load: usize,
}
