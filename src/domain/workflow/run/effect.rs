//! What a transition causes outside of its run.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::state::{Act, ActState, ArtifactRef, Feedback, Millis, Parts, Work};
use crate::core::Digest;
use crate::domain::workflow::definition::Kind;
use crate::domain::workflow::graph::Graph;

/// Something that is to be done outside, once. Doing it again under the same key changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// What tells it from every other effect of the run.
    pub key: String,
    /// What is done.
    #[serde(flatten)]
    pub op: Op,
}

/// What is done outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// A task is made for an agent, who is told, and started if that is wanted.
    CreateTask(Box<TaskWish>),
    /// A task is closed: nobody shall work on it any more.
    CloseTask {
        /// Its id.
        id: String,
        /// Why.
        reason: String,
    },
    /// An approval is asked for.
    RequestApproval(Box<ApprovalWish>),
    /// An approval that is no longer needed is called off.
    CancelApproval {
        /// Its id.
        id: String,
        /// Why.
        reason: String,
    },
    /// An approval is used up by the run that asked for it.
    ConsumeApproval {
        /// Its id.
        id: String,
        /// The visit that used it.
        by: String,
    },
    /// Work for the queue.
    Push(Box<ItemWish>),
    /// An item of the queue is called off.
    CancelItem {
        /// Its key.
        item: String,
    },
    /// People or agents are told.
    Notify(Box<Note>),
    /// Another run is started.
    StartChild(Box<ChildWish>),
    /// Another run is stopped.
    StopChild {
        /// Its id.
        run: String,
        /// Why.
        reason: String,
    },
    /// A request of an operator was taken up and is removed.
    DropRequest {
        /// Its id.
        id: String,
    },
    /// An agent is stopped.
    StopAgent {
        /// Its name.
        agent: String,
    },
}

/// A task that is to be made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskWish {
    /// Its id.
    pub id: String,
    /// Whether a task with this id is there and is taken up again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub existing: bool,
    /// In a line.
    pub subject: String,
    /// At length, with everything that the agent must know.
    pub description: String,
    /// Whose it is; `None`: whoever claims it.
    pub owner: Option<String>,
    /// How urgent: 1 to 4.
    pub priority: u8,
    /// The visit.
    pub act: String,
    /// The node.
    pub node: String,
    /// Which attempt.
    pub attempt: u32,
    /// Whether it cannot be completed without an answer.
    pub needs_response: bool,
    /// How many characters that has at least.
    pub min_length: u32,
    /// Whether it cannot be completed without an artifact.
    pub needs_artifact: bool,
    /// How the agent is started if it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spawn: Option<crate::domain::workflow::definition::Spawn>,
}

/// An approval that is to be asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovalWish {
    /// Its id.
    pub id: String,
    /// The visit.
    pub act: String,
    /// The node.
    pub node: String,
    /// In a line.
    pub title: String,
    /// At length.
    pub details: String,
    /// Who decides.
    pub approvers: Vec<String>,
    /// How many must agree.
    pub quorum: u32,
    /// How sure the asker is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// What that is made of.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub rubric: IndexMap<String, i64>,
    /// Whether it can do harm.
    pub risky: bool,
    /// Whether it is felt outside.
    pub external: bool,
    /// Whether only signed decisions count.
    pub sign: bool,
    /// Until when it can be decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// The results that are shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
    /// What earlier rejections said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub feedback: Vec<Feedback>,
    /// What is approved: a digest of the results that led here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// A result that is shown to who decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Whose result.
    pub act: String,
    /// The text, or the beginning of it.
    pub text: String,
    /// What was handed in with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactRef>,
}

/// An item for the queue.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ItemWish {
    /// Its key within the run.
    pub item: String,
    /// `command`, `http`, `plugin`, `merge`, `checkpoint` or `verify`.
    pub kind: String,
    /// How urgent: 1 to 4.
    pub priority: u8,
    /// What is done.
    pub payload: Map<String, Value>,
    /// How long it may take, in milliseconds.
    pub timeout: Millis,
    /// Whether it may be done twice if a worker is lost.
    pub idempotent: bool,
    /// The visit.
    pub act: String,
    /// Which attempt.
    pub attempt: u32,
}

/// What people or agents are told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Note {
    /// Who: `human`, `human:<user>`, `agent:<name>` or `lead`.
    pub to: String,
    /// The kind: `run_failed`, `custom`, ….
    pub kind: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// In a line.
    pub title: String,
    /// At length.
    pub body: String,
}

/// A run that is to be started.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChildWish {
    /// Its id.
    pub run: String,
    /// The workflow, unless it is written in the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Which version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Its inputs.
    pub inputs: Map<String, Value>,
    /// The visit that starts it.
    pub act: String,
}

/// How many children of a map run at the same time, unless it says.
pub const MAP_CONCURRENCY: u32 = 4;

/// The key of something that an attempt causes.
pub fn effect_key(act: &str, attempt: u32, what: &str) -> String {
    format!("{act}/a{attempt}:{what}")
}

/// What calls off that which a visit has caused outside.
pub fn call_off(graph: &Graph, id: &str, act: &Act, reason: &str) -> Vec<Effect> {
    if act.state != ActState::Dispatched {
        return Vec::new();
    }
    let reason = reason.to_owned();
    let ops = match &act.work {
        Some(Work::Task { id }) => vec![Op::CloseTask { id: id.clone(), reason }],
        Some(Work::Verify { id: task }) => vec![
            Op::CloseTask { id: task.clone(), reason },
            Op::CancelItem { item: effect_key(id, act.attempt, "verify") },
        ],
        Some(Work::Approval { id }) => vec![Op::CancelApproval { id: id.clone(), reason }],
        Some(Work::Item { key }) => vec![Op::CancelItem { item: key.clone() }],
        Some(Work::Children) => children_to_stop(graph, act, &reason),
        Some(Work::Timer | Work::Signal { .. } | Work::Event { .. }) | None => Vec::new(),
    };
    // An attempt may call off several things one after the other: each has a key of its own.
    let key = |what: &str| effect_key(id, act.attempt, &format!("cancel-{what}"));
    let named = |op: Op| match &op {
        Op::CloseTask { id, .. } | Op::CancelApproval { id, .. } => Effect { key: key(id), op },
        Op::CancelItem { item } => {
            let what = item.rsplit_once(':').map_or(item.as_str(), |(_, what)| what);
            Effect { key: key(what), op }
        }
        Op::StopChild { run, .. } => Effect { key: key(run), op },
        _ => Effect { key: key("work"), op },
    };
    ops.into_iter().map(named).collect()
}

fn children_to_stop(graph: &Graph, act: &Act, reason: &str) -> Vec<Op> {
    let keeps = graph.place(&act.node).is_some_and(|place| {
        matches!(&place.node.kind, Kind::Subworkflow(sub) if sub.cancel_with_parent == Some(false))
    });
    let Some(Parts::Children { children, .. }) = &act.parts else { return Vec::new() };
    let started = match graph.place(&act.node).map(|place| &place.node.kind) {
        Some(Kind::Map(map)) => {
            let ended = children.iter().filter(|child| child.status.is_some()).count();
            map.concurrency.unwrap_or(MAP_CONCURRENCY).max(1) as usize + ended
        }
        _ => children.len(),
    };
    let started = children.iter().take(started);
    let running = started.filter(|child| !keeps && child.status.is_none());
    running.map(|c| Op::StopChild { run: c.run.clone(), reason: reason.to_owned() }).collect()
}
