//! The records of a journal: one transition each, with everything that was looked at.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::effect::Effect;
use super::state::{ArtifactRef, Fault, Feedback, Millis, Output, Parts, Rounds, Status, Work};

/// A transition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "k", rename_all = "snake_case")]
pub enum Tr {
    /// An operator's request was taken up.
    Operator {
        /// The request.
        request: String,
        /// Who asked.
        by: String,
        /// What happens.
        does: Operation,
    },
    /// The run took longer than it may.
    Deadline,
    /// Somebody outside said that an attempt is done; that is being checked.
    Verify {
        /// The visit.
        act: String,
        /// What was said.
        output: Output,
        /// What was handed in.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        artifacts: Vec<ArtifactRef>,
        /// What checks it.
        effects: Vec<Effect>,
    },
    /// An attempt came to an end.
    Settle {
        /// The visit.
        act: String,
        /// Which attempt.
        attempt: u32,
        /// How it is known.
        cause: Cause,
        /// What it came to.
        result: Settled,
    },
    /// A part of a node with several parts is done.
    Part {
        /// The visit.
        act: String,
        /// Where the parts stand now.
        parts: Parts,
        /// What it waits for now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        work: Option<Work>,
        /// Until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_at: Option<Millis>,
        /// What that causes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        effects: Vec<Effect>,
    },
    /// A failed attempt is tried again.
    Again {
        /// The visit.
        act: String,
    },
    /// A visit begins.
    Start {
        /// The visit.
        act: String,
        /// Which attempt.
        attempt: u32,
        /// How.
        begin: Begin,
    },
    /// A join fires.
    Join {
        /// The join.
        node: String,
        /// Why now.
        why: JoinWhy,
        /// What it takes: edges and visits.
        take: Vec<(String, String)>,
        /// What it drops.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        drop: Vec<(String, String)>,
        /// Visits that are called off.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        cancel: Vec<String>,
        /// What it comes to; `None`: the branch ends here.
        result: Option<Settled>,
    },
    /// Something outside cannot be done.
    EffectDead {
        /// Its key.
        key: String,
        /// Why.
        error: String,
    },
    /// Nothing is left to do.
    Complete {
        /// What the run results in.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        outputs: Map<String, Value>,
        /// Why it failed nevertheless.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<Fault>,
    },
    /// The run was made from the first records of another one.
    Fork {
        /// The other run.
        from: String,
        /// Who wanted it.
        by: String,
    },
}

/// What an operator's request does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Operation {
    /// The run ends.
    Stop {
        /// Why.
        reason: String,
        /// Whether the agents that work for it are stopped too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        kill: bool,
    },
    /// The run begins nothing new.
    Pause {
        /// Why.
        reason: String,
    },
    /// The run goes on.
    Resume {
        /// By how much later everything is due.
        shift: Millis,
    },
    /// Failed visits are tried anew.
    Retry {
        /// Which.
        acts: Vec<String>,
        /// Whether what was said about earlier work is forgotten.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        reset_feedback: bool,
    },
    /// A visit counts as done.
    Skip {
        /// Which.
        act: String,
        /// What it comes to.
        result: Box<Settled>,
    },
    /// Variables change.
    Set {
        /// Their values.
        vars: Map<String, Value>,
    },
    /// A signal comes.
    Signal {
        /// Its name.
        name: String,
        /// What it brings.
        data: Value,
    },
    /// It is refused.
    Refuse {
        /// What was asked.
        verb: String,
        /// Why not.
        fault: Fault,
    },
}

/// How the end of an attempt is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Cause {
    /// The task says so.
    Task {
        /// Who settled it.
        who: String,
    },
    /// The check of a task that was said to be done.
    Check,
    /// The approval was decided.
    Approval {
        /// Who decided.
        who: Vec<String>,
        /// What they said.
        comment: String,
        /// What shows that it was them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        proof: Vec<String>,
    },
    /// A worker of the queue found it out.
    Item,
    /// Other runs have ended.
    Children,
    /// A time has passed.
    Timer,
    /// A signal came.
    Signal {
        /// Its place among those that wait.
        index: usize,
    },
    /// An event came.
    Event {
        /// Which.
        id: String,
    },
    /// It took too long.
    Timeout,
    /// Whoever worked on it is gone.
    Lost,
    /// The meeting is over.
    Meeting,
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// Its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// What was handed in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactRef>,
    /// Why it failed; `None`: it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
    /// How the run goes on.
    pub next: Next,
    /// What it causes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
}

/// How a run goes on after an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "go", rename_all = "snake_case")]
pub enum Next {
    /// Along these edges.
    Follow {
        /// The port.
        port: String,
        /// The edges.
        edges: Vec<String>,
    },
    /// At nodes that are not at the end of an edge: rework, or the target of a failure.
    Visit {
        /// The port.
        port: String,
        /// The nodes.
        nodes: Vec<String>,
        /// What they are told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        feedback: Option<Feedback>,
    },
    /// The same visit again, later.
    Retry {
        /// When.
        at: Millis,
    },
    /// The run pauses.
    Pause {
        /// Why.
        fault: Fault,
    },
    /// The run fails.
    Fail {
        /// Why.
        fault: Fault,
    },
    /// The run ends.
    End {
        /// As what.
        status: Status,
        /// Why, if not as completed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<Fault>,
        /// What it results in.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        outputs: Map<String, Value>,
    },
}

/// How a visit begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "snake_case")]
pub enum Begin {
    /// It is done at once.
    Done {
        /// What it came to.
        result: Box<Settled>,
        /// New values of variables.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        vars: Map<String, Value>,
        /// The rounds of a loop.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rounds: Option<Rounds>,
    },
    /// It is not needed.
    Skipped {
        /// How the run goes on.
        next: Next,
    },
    /// Somebody outside works on it now.
    Dispatched(Box<Dispatch>),
}

/// Work that begins outside.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dispatch {
    /// What is waited for.
    pub work: Option<Work>,
    /// Who works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// The pool that this was a turn of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Millis>,
    /// When a delay is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Millis>,
    /// The parts of the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// What it causes.
    pub effects: Vec<Effect>,
}

/// Why a join fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinWhy {
    /// Everything has come.
    All,
    /// The first has come.
    First,
    /// Enough have come.
    Quorum,
    /// The preferred one has come.
    Preferred,
    /// What is missing cannot come any more.
    Unreachable,
    /// Nothing moves any more.
    Quiescent,
}

/// Who made a transition happen: the process that took the step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Actor {
    /// Whom it acts for.
    pub id: String,
    /// Its number.
    pub pid: u32,
}

/// A line of a journal, before it is chained to the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, counted from 1.
    pub rev: u64,
    /// When, as the run knows the time.
    pub now: Millis,
    /// The transition.
    pub tr: Tr,
    /// Effects that were done since the record before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acked: Vec<String>,
    /// Who.
    #[serde(default)]
    pub actor: Actor,
}

impl Tr {
    /// The visit or join that it concerns, if one.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Verify { act, .. }
            | Self::Settle { act, .. }
            | Self::Part { act, .. }
            | Self::Again { act }
            | Self::Start { act, .. } => Some(act),
            Self::Join { node, .. } => Some(node),
            _ => None,
        }
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Operator { does, .. } => match does {
                Operation::Stop { .. } => "stop",
                Operation::Pause { .. } => "pause",
                Operation::Resume { .. } => "resume",
                Operation::Retry { .. } => "retry",
                Operation::Skip { .. } => "skip",
                Operation::Set { .. } => "set",
                Operation::Signal { .. } => "signal",
                Operation::Refuse { .. } => "refuse",
            },
            Self::Deadline => "deadline",
            Self::Verify { .. } => "verify",
            Self::Settle { cause: Cause::Timeout, .. } => "timeout",
            Self::Settle { cause: Cause::Approval { .. }, .. } => "approval",
            Self::Settle { .. } => "settled",
            Self::Part { .. } => "part",
            Self::Again { .. } => "again",
            Self::Start { .. } => "start",
            Self::Join { .. } => "join",
            Self::EffectDead { .. } => "effect_dead",
            Self::Complete { .. } => "complete",
            Self::Fork { .. } => "fork",
        }
    }
}
