//! How a run stands, for people and programs.

use serde::Serialize;
use serde_json::Value;

use super::run::{Loaded, load};
use crate::app::App;
use crate::core::{Name, Outcome};
use crate::domain::workflow::definition::{Join, JoinMode, Kind};
use crate::domain::workflow::graph::Graph;
use crate::domain::workflow::run::join::can_come;
use crate::domain::workflow::run::state::{Act, ActState, Fault, Millis, Parts, Run, Status, Work};

/// The word for how a run stands: `waiting` if it runs but waits for something outside.
pub fn status_word(loaded: &Loaded) -> &'static str {
    word_of(&loaded.graph, &loaded.run)
}

fn word_of(graph: &Graph, run: &Run) -> &'static str {
    if run.status != Status::Running {
        return run.status.word();
    }
    let busy = |act: &Act| matches!(act.state, ActState::Ready);
    let ready = run.acts.values().any(busy);
    let waits = run.live().next().is_some();
    let full = run.acts.values().filter(|act| act.state == ActState::Dispatched).count()
        >= graph.bounds.parallel as usize;
    if waits && (!ready || full) { "waiting" } else { "running" }
}

/// What a run waits for, in short: `task:<id>`, `approval:<id>`, ….
pub fn waiting_for(loaded: &Loaded) -> Vec<String> {
    if loaded.run.status.is_terminal() {
        return Vec::new();
    }
    if loaded.run.rev == 0 && !loaded.start.after.is_empty() {
        return loaded.start.after.iter().map(|run| format!("run:{run}")).collect();
    }
    let mut all: Vec<String> = loaded.run.live().flat_map(|(id, act)| awaited(id, act)).collect();
    if loaded.run.status == Status::Paused {
        all.push("operator:resume".into());
    }
    all
}

fn awaited(id: &str, act: &Act) -> Vec<String> {
    match (act.state, &act.work) {
        (ActState::Backoff, _) => vec![format!("retry:{id}")],
        (ActState::Dispatched, Some(work)) => match work {
            Work::Task { id } => vec![format!("task:{id}")],
            Work::Verify { .. } => vec![format!("verify:{id}")],
            Work::Approval { id } => vec![format!("approval:{id}")],
            Work::Item { key } => vec![format!("queue:{key}")],
            Work::Children => children_of(act),
            Work::Timer => vec![format!("timer:{id}")],
            Work::Signal { name, .. } => vec![format!("signal:{name}")],
            Work::Event { event, .. } => vec![format!("event:{event}")],
        },
        _ => Vec::new(),
    }
}

fn children_of(act: &Act) -> Vec<String> {
    let Some(Parts::Children { children, .. }) = &act.parts else { return Vec::new() };
    let running = children.iter().filter(|child| child.status.is_none());
    running.map(|child| format!("run:{}", child.run)).collect()
}

/// The runs that must have ended before this one begins.
pub(super) fn must_wait_for(app: &App, loaded: &Loaded) -> Outcome<Vec<String>> {
    let mut all = Vec::new();
    for run in &loaded.start.after {
        let name = Name::parse(run.clone())?;
        match load(app, loaded.team(), &name) {
            Ok(other) if !other.run.status.is_terminal() => all.push(run.clone()),
            _ => {}
        }
    }
    Ok(all)
}

/// How a run stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Its id.
    pub run: String,
    /// Its workflow.
    pub workflow: String,
    /// Which version.
    pub version: u32,
    /// In a word.
    pub status: &'static str,
    /// Why, if it failed, stopped or paused.
    pub reason: Option<Fault>,
    /// How many records it has.
    pub rev: u64,
    /// How far it is.
    pub progress: Progress,
    /// What it waits for.
    pub waiting_for: Vec<String>,
    /// When it wants to be looked at, in milliseconds since the epoch.
    pub next_wake_at: Option<Millis>,
    /// The visits from which something can still come.
    pub live: Vec<Live>,
    /// The joins at which something waits.
    pub joins: Vec<Waiting>,
    /// What cannot be done outside at present.
    pub troubles: Vec<String>,
    /// The node of the first of the live visits.
    pub current_node: Option<String>,
    /// Every node and how it stands.
    pub nodes: Vec<NodeState>,
    /// What it was told.
    pub inputs: serde_json::Map<String, Value>,
    /// Its variables.
    pub vars: serde_json::Map<String, Value>,
    /// What it resulted in.
    pub outputs: serde_json::Map<String, Value>,
    /// When it was made.
    pub created_at: Millis,
    /// When it ended.
    pub ended_at: Option<Millis>,
}

/// How far a run is.
#[derive(Debug, Serialize)]
pub struct Progress {
    /// Nodes that are done.
    pub done: usize,
    /// Visits at work.
    pub live: usize,
    /// Nodes that are done or can still be reached.
    pub reachable: usize,
}

/// A visit from which something can still come.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// The visit.
    pub act: String,
    /// Its node.
    pub node: String,
    /// How it stands.
    pub state: &'static str,
    /// Which attempt.
    pub attempt: u32,
    /// Who works on it.
    pub assignee: Option<String>,
    /// What it waits for.
    pub waits_for: Vec<String>,
    /// Since when.
    pub since: Millis,
    /// Until when.
    pub due_at: Option<Millis>,
}

/// A join at which something waits.
#[derive(Debug, Serialize)]
pub struct Waiting {
    /// The join.
    pub node: String,
    /// How many it waits for.
    pub mode: JoinMode,
    /// The visits that wait.
    pub have: Vec<String>,
    /// What has not come.
    pub missing: Vec<MissingEdge>,
}

/// An edge on which nothing has come.
#[derive(Debug, Serialize)]
pub struct MissingEdge {
    /// The edge.
    pub edge: String,
    /// The node it leaves.
    pub from: String,
    /// Whether something can still come.
    pub reachable: bool,
}

/// A node and how it stands.
#[derive(Debug, Serialize)]
pub struct NodeState {
    /// The node.
    pub node: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// How its last visit stands; `None`: it was not visited.
    pub state: Option<&'static str>,
    /// How often it was visited.
    pub visits: u32,
    /// Through which port its last result left.
    pub port: Option<String>,
}

/// How a run stands.
pub fn status(loaded: &Loaded) -> Standing {
    let (graph, run) = (&loaded.graph, &loaded.run);
    let live: Vec<Live> = run.live().map(|(id, act)| live_of(id, act)).collect();
    let nodes: Vec<NodeState> = graph.nodes.iter().map(|place| node_state(run, place)).collect();
    let done = nodes.iter().filter(|n| matches!(n.state, Some("succeeded" | "skipped"))).count();
    let order = |act: &Live| graph.find(&act.node).unwrap_or(usize::MAX);
    let current_node = live.iter().min_by_key(|act| order(act)).map(|act| act.node.clone());
    let at_work: Vec<usize> = run.live().filter_map(|(_, act)| graph.find(&act.node)).collect();
    let reach = graph.reachable(at_work.iter().copied());
    let mut reachable: Vec<bool> = nodes.iter().map(|node| node.state.is_some()).collect();
    for ix in at_work {
        reachable[ix] = true;
    }
    for (ix, edge) in graph.edges.iter().enumerate() {
        reachable[edge.to] |= reach[ix];
    }
    Standing {
        run: loaded.start.run.clone(),
        workflow: loaded.start.workflow.clone(),
        version: loaded.start.version,
        status: status_word(loaded),
        reason: run.fault.clone(),
        rev: run.rev,
        progress: Progress {
            done,
            live: live.len(),
            reachable: reachable.iter().filter(|r| **r).count(),
        },
        waiting_for: waiting_for(loaded),
        next_wake_at: loaded.wake_at,
        joins: joins(graph, run),
        troubles: loaded.troubles.iter().map(|(k, t)| format!("{k}: {}", t.error)).collect(),
        live,
        current_node,
        nodes,
        inputs: loaded.start.inputs.clone(),
        vars: run.vars.clone(),
        outputs: run.outputs.clone(),
        created_at: loaded.start.created_at,
        ended_at: run.ended_at,
    }
}

fn live_of(id: &str, act: &Act) -> Live {
    Live {
        act: id.to_owned(),
        node: act.node.clone(),
        state: act.state.word(),
        attempt: act.attempt,
        assignee: act.assignee.clone(),
        waits_for: awaited(id, act),
        since: act.began_at.unwrap_or(act.ready_at),
        due_at: act.due_at.or(act.wake_at),
    }
}

fn node_state(run: &Run, place: &crate::domain::workflow::graph::Place) -> NodeState {
    let last = run.acts.values().rev().find(|act| act.node == place.id);
    NodeState {
        node: place.id.clone(),
        kind: place.node.kind.word(),
        state: last.map(|act| act.state.word()),
        visits: run.visits_of.get(&place.id).copied().unwrap_or(0),
        port: last.and_then(|act| act.port.clone()),
    }
}

/// The joins at which something waits.
pub fn joins(graph: &Graph, run: &Run) -> Vec<Waiting> {
    let mut all = Vec::new();
    for (ix, place) in graph.nodes.iter().enumerate() {
        let Kind::Join(Join { mode, .. }) = &place.node.kind else { continue };
        let Some(edges) = run.places.get(&place.id) else { continue };
        let missing: Vec<&str> = graph
            .leading(ix)
            .map(|edge| edge.id.as_str())
            .filter(|edge| edges.get(*edge).is_none_or(Vec::is_empty))
            .collect();
        let can = can_come(graph, run, ix, &missing);
        let missing = missing.iter().map(|edge| MissingEdge {
            edge: (*edge).to_owned(),
            from: graph.edge(edge).map_or_else(String::new, |e| graph.nodes[e.from].id.clone()),
            reachable: can.contains(edge),
        });
        all.push(Waiting {
            node: place.id.clone(),
            mode: *mode,
            have: edges.values().flatten().cloned().collect(),
            missing: missing.collect(),
        });
    }
    all
}
