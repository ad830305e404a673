//! What a run was started with. It never changes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::state::{Act, Millis, Run, SCHEMA};
use crate::core::Digest;
use crate::domain::Extra;
use crate::domain::workflow::definition::{Definition, Kind};
use crate::domain::workflow::graph::Graph;

/// What a run was started with: `runs/<team>/<run>/start.json`. A run exists if this does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// What kind of document this is.
    pub schema: String,
    /// The run.
    pub run: String,
    /// The team.
    pub team: String,
    /// The workflow.
    pub workflow: String,
    /// Which version of it.
    #[serde(default)]
    pub version: u32,
    /// The digest of that version.
    pub digest: Digest,
    /// When it was started, in milliseconds since the epoch.
    pub created_at: Millis,
    /// Why, and by whom.
    pub trigger: Trigger,
    /// What it was told; secret inputs as marks.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub inputs: Map<String, Value>,
    /// The directory of the repository that it works on, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// Whether only `workflow step` and `workflow drive` move it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub manual: bool,
    /// What tells which runs must not be there at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<Value>,
    /// The runs that must have ended before it begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// The definition that it follows to its end.
    pub definition: Definition,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Why a run was started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trigger {
    /// `cli`, `schedule`, `launch`, `workflow` or `fork`.
    pub source: String,
    /// Who.
    pub by: String,
    /// What keeps two requests from starting two runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The task that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The run that started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
}

/// The run that started another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Its id.
    pub run: String,
    /// The visit.
    pub act: String,
    /// How many runs are above.
    pub depth: u32,
}

impl Start {
    /// The state of the run before its first transition.
    pub fn state(&self, graph: &Graph) -> Run {
        let mut run = Run {
            now: self.created_at,
            vars: self.definition.vars.clone(),
            deadline: graph.bounds.deadline.map(|span| self.created_at + span.as_millis()),
            ..Run::default()
        };
        for ix in &graph.start {
            let node = graph.nodes[*ix].id.clone();
            let id = format!("{node}#1");
            run.visits += 1;
            run.visits_of.insert(node.clone(), 1);
            let mut act = Act { node, visit: 1, ready_at: self.created_at, ..Act::default() };
            if matches!(graph.nodes[*ix].node.kind, Kind::Join(_) | Kind::Loop(_)) {
                act.since.insert(act.node.clone(), 1);
            }
            run.acts.insert(id, act);
        }
        run
    }

    /// What `schema` says.
    pub fn schema() -> String {
        SCHEMA.to_owned()
    }
}
