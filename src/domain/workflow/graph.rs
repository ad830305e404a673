//! A definition made ready for running: defaults filled in, edges by their ends.

use std::collections::HashMap;

use super::definition::ports::canonical;
use super::definition::{Checks, Definition, Kind, Node, OnFailure, Retry, RetryCause};
use crate::core::Span;

/// The place of a node in the order of its definition.
pub type NodeIx = usize;
/// The place of an edge.
pub type EdgeIx = usize;

/// The port on which work begins again after a rejection.
pub const REWORK: &str = "rework";

/// An edge.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its id.
    pub id: String,
    /// The node it leaves.
    pub from: NodeIx,
    /// The node it leads to.
    pub to: NodeIx,
    /// Which result it carries.
    pub port: String,
    /// What must hold for it to be followed.
    pub when: Option<String>,
    /// Whether it is followed if no other one of its port is.
    pub otherwise: bool,
    /// Whether it is only a way that a run can take, not an edge of the definition: rework, or
    /// the target of a failure.
    pub implied: bool,
}

/// A node with its edges.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its id.
    pub id: String,
    /// What it is.
    pub node: Node,
    /// The edges that leave it, those of greater priority first.
    pub out: Vec<EdgeIx>,
    /// The edges that lead to it, in the order of the definition.
    pub ins: Vec<EdgeIx>,
}

/// Bounds of a run, all of them known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Visits of nodes in all.
    pub visits: u32,
    /// Visits of any one node.
    pub node_visits: u32,
    /// Transitions.
    pub steps: u32,
    /// How long it may take.
    pub deadline: Option<Span>,
    /// Bytes of one result.
    pub output_bytes: u64,
    /// Visits that are worked on at the same time.
    pub parallel: u32,
}

/// A definition made ready for running.
#[derive(Debug, Clone)]
pub struct Graph {
    /// The nodes, in the order of the definition.
    pub nodes: Vec<Place>,
    /// The edges, those of the definition first.
    pub edges: Vec<Link>,
    /// The nodes that a run begins with.
    pub start: Vec<NodeIx>,
    /// The bounds.
    pub bounds: Bounds,
    /// The definition.
    pub definition: Definition,
    by_id: HashMap<String, NodeIx>,
    edge_by_id: HashMap<String, EdgeIx>,
}

/// When a failed attempt is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retries {
    /// Attempts after the first.
    pub max: u32,
    /// The time before the second attempt.
    pub delay: Span,
    /// By how much each further time is longer.
    pub factor: f64,
    /// The longest time.
    pub max_delay: Span,
    /// By which part each time differs.
    pub jitter: f64,
    /// After what.
    pub causes: Vec<RetryCause>,
}

impl Graph {
    /// Makes a definition ready. It must have passed its checks; edges to nowhere are left out.
    pub fn of(definition: Definition) -> Self {
        let by_id: HashMap<String, NodeIx> =
            definition.nodes.keys().enumerate().map(|(ix, id)| (id.clone(), ix)).collect();
        let edges = links(&definition, &by_id);
        let nodes = places(&definition, &edges);
        let start = starts(&definition, &by_id, &nodes, &edges);
        let edge_by_id = edges.iter().enumerate().map(|(ix, e)| (e.id.clone(), ix)).collect();
        let bounds = bounds(&definition);
        Self { nodes, edges, start, bounds, definition, by_id, edge_by_id }
    }

    /// The place of a node.
    pub fn find(&self, id: &str) -> Option<NodeIx> {
        self.by_id.get(id).copied()
    }

    /// A node.
    pub fn place(&self, id: &str) -> Option<&Place> {
        self.find(id).map(|ix| &self.nodes[ix])
    }

    /// An edge.
    pub fn edge(&self, id: &str) -> Option<&Link> {
        self.edge_by_id.get(id).map(|ix| &self.edges[*ix])
    }

    /// The edges of the definition that leave a node through a port.
    pub fn leaving<'g>(&'g self, node: NodeIx, port: &'g str) -> impl Iterator<Item = &'g Link> {
        let port = canonical(&self.nodes[node].node.kind, port);
        let out = self.nodes[node].out.iter().map(|ix| &self.edges[*ix]);
        out.filter(move |edge| !edge.implied && edge.port == port)
    }

    /// The edges of the definition that lead to a node.
    pub fn leading(&self, node: NodeIx) -> impl Iterator<Item = &Link> {
        self.nodes[node].ins.iter().map(|ix| &self.edges[*ix]).filter(|edge| !edge.implied)
    }

    /// Which edges can still carry something that comes of a visit of one of the nodes `from`.
    pub fn reachable(&self, from: impl IntoIterator<Item = NodeIx>) -> Vec<bool> {
        let mut edges = vec![false; self.edges.len()];
        let mut seen = vec![false; self.nodes.len()];
        let mut todo: Vec<NodeIx> = Vec::new();
        for node in from {
            if !std::mem::replace(&mut seen[node], true) {
                todo.push(node);
            }
        }
        while let Some(node) = todo.pop() {
            for ix in &self.nodes[node].out {
                edges[*ix] = true;
                let to = self.edges[*ix].to;
                if !std::mem::replace(&mut seen[to], true) {
                    todo.push(to);
                }
            }
        }
        edges
    }

    /// Whether every way from `node` leads into `join`.
    pub fn leads_only_into(&self, node: NodeIx, join: NodeIx) -> bool {
        if node == join {
            return false;
        }
        let mut seen = vec![false; self.nodes.len()];
        seen[node] = true;
        let mut todo = vec![node];
        let mut arrives = false;
        while let Some(at) = todo.pop() {
            let place = &self.nodes[at];
            if place.out.is_empty() || matches!(place.node.kind, Kind::End(_)) {
                return false;
            }
            for ix in &place.out {
                let to = self.edges[*ix].to;
                arrives |= to == join;
                if to != join && !std::mem::replace(&mut seen[to], true) {
                    todo.push(to);
                }
            }
        }
        arrives
    }

    /// Whether `node` is part of what the loop goes through again and again.
    pub fn is_in_body(&self, node: NodeIx, looping: NodeIx) -> bool {
        let mut seen = vec![false; self.nodes.len()];
        let mut todo: Vec<NodeIx> =
            self.leaving(looping, "body").map(|edge| edge.to).filter(|to| *to != looping).collect();
        while let Some(at) = todo.pop() {
            if at == node {
                return true;
            }
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            let next = self.nodes[at].out.iter().map(|ix| self.edges[*ix].to);
            todo.extend(next.filter(|to| *to != looping));
        }
        false
    }

    /// How long an attempt of a node may take.
    pub fn timeout(&self, node: NodeIx) -> Option<Span> {
        let place = &self.nodes[node];
        if let Some(timeout) = place.node.timeout {
            return Some(timeout);
        }
        if matches!(place.node.kind, Kind::Approval(_) | Kind::Delay(_) | Kind::Wait(_)) {
            return None;
        }
        self.definition.defaults.timeout.or(match place.node.kind {
            Kind::Task(_) => Some(Span::seconds(2 * 3600)),
            Kind::Command(_)
            | Kind::Plugin(_)
            | Kind::Http(_)
            | Kind::Merge(_)
            | Kind::Checkpoint(_) => Some(Span::seconds(300)),
            _ => None,
        })
    }

    /// When a failed attempt of a node is tried again.
    pub fn retries(&self, node: NodeIx) -> Retries {
        let own = self.nodes[node].node.retry.as_ref();
        let common = self.definition.defaults.retry.as_ref();
        let all = [RetryCause::Failure, RetryCause::Timeout, RetryCause::Lost, RetryCause::Check];
        let causes = [own, common].into_iter().flatten().map(|r| &r.causes).find(|c| !c.is_empty());
        Retries {
            max: of(own, common, |r| r.max).unwrap_or(0),
            delay: of(own, common, |r| r.delay).unwrap_or(Span::seconds(5)),
            factor: of(own, common, |r| r.factor).unwrap_or(2.0),
            max_delay: of(own, common, |r| r.max_delay).unwrap_or(Span::seconds(600)),
            jitter: of(own, common, |r| r.jitter).unwrap_or(0.1),
            causes: causes.cloned().unwrap_or_else(|| all.to_vec()),
        }
    }

    /// What happens when no attempt of a node is left.
    pub fn on_failure(&self, node: NodeIx) -> OnFailure {
        let own = self.nodes[node].node.on_failure.clone();
        own.or_else(|| self.definition.defaults.on_failure.clone()).unwrap_or_default()
    }

    /// What the result of a task must be like.
    pub fn checks(&self, node: NodeIx) -> Checks {
        let own = match &self.nodes[node].node.kind {
            Kind::Task(task) => task.checks.clone(),
            _ => None,
        };
        own.or_else(|| self.definition.defaults.checks.clone()).unwrap_or_default()
    }

    /// How often a node may be visited.
    pub fn node_visits(&self, node: NodeIx) -> u32 {
        let place = &self.nodes[node];
        let limit = place.node.max_visits.unwrap_or(self.bounds.node_visits);
        match &place.node.kind {
            // Each round visits the loop, and once more to leave it.
            Kind::Loop(looping) if place.node.max_visits.is_none() => {
                limit.max(looping.max_iterations.unwrap_or(ROUNDS_MAX).saturating_add(1))
            }
            _ => limit,
        }
    }

    /// Nodes that must succeed for the run to complete.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        let own = self.nodes.iter().filter(|place| place.node.required).map(|p| p.id.as_str());
        own.chain(self.definition.require.iter().map(String::as_str))
    }
}

/// A field of what a node says about retries, or of what all nodes have in common.
fn of<T>(
    own: Option<&Retry>,
    common: Option<&Retry>,
    field: impl Fn(&Retry) -> Option<T>,
) -> Option<T> {
    own.and_then(&field).or_else(|| common.and_then(&field))
}

/// The most rounds of a loop that does not say.
pub const ROUNDS_MAX: u32 = 50;

fn bounds(definition: &Definition) -> Bounds {
    let limits = &definition.limits;
    Bounds {
        visits: limits.max_visits.unwrap_or(100),
        node_visits: limits.max_node_visits.unwrap_or(50),
        steps: limits.max_steps.unwrap_or(1000),
        deadline: limits.deadline,
        output_bytes: limits.max_output_bytes.unwrap_or(1024 * 1024),
        parallel: limits.max_parallel.unwrap_or(8),
    }
}

fn links(definition: &Definition, by_id: &HashMap<String, NodeIx>) -> Vec<Link> {
    let mut edges = Vec::new();
    for (n, edge) in definition.edges.iter().enumerate() {
        if let (Some(from), Some(to)) = (by_id.get(&edge.from), by_id.get(&edge.to)) {
            edges.push(Link {
                id: edge.id.clone().unwrap_or_else(|| format!("e{}", n + 1)),
                from: *from,
                to: *to,
                port: canonical(&definition.nodes[*from].kind, edge.port()).to_owned(),
                when: edge.when.clone(),
                otherwise: edge.otherwise,
                implied: false,
            });
        }
    }
    for (from, (id, node)) in definition.nodes.iter().enumerate() {
        let mut imply = |to: &str, port: &str, implied: bool| {
            let Some(to) = by_id.get(to) else { return };
            let known = |e: &Link| e.from == from && e.to == *to && e.port == port;
            if !edges.iter().any(known) {
                let id =
                    format!("{port}:{id}>{}", definition.nodes.get_index(*to).map_or("", |n| n.0));
                edges.push(Link {
                    id,
                    from,
                    to: *to,
                    port: port.to_owned(),
                    when: None,
                    otherwise: false,
                    implied,
                });
            }
        };
        match &node.kind {
            Kind::Approval(approval) => {
                approval.rework.iter().for_each(|to| imply(to, REWORK, true));
            }
            Kind::Loop(looping) => looping.body.iter().for_each(|to| imply(to, "body", false)),
            _ => {}
        }
        let on_failure = node.on_failure.as_ref().or(definition.defaults.on_failure.as_ref());
        if let Some(OnFailure::Route(to)) = on_failure {
            imply(to, "failure", true);
        }
    }
    edges
}

fn places(definition: &Definition, edges: &[Link]) -> Vec<Place> {
    let mut places: Vec<Place> = definition
        .nodes
        .iter()
        .map(|(id, node)| Place {
            id: id.clone(),
            node: node.clone(),
            out: Vec::new(),
            ins: Vec::new(),
        })
        .collect();
    for (ix, edge) in edges.iter().enumerate() {
        places[edge.from].out.push(ix);
        places[edge.to].ins.push(ix);
    }
    let priority =
        |ix: &EdgeIx| definition.edges.get(*ix).map_or(0, |edge| -i64::from(edge.priority));
    for place in &mut places {
        place.out.sort_by_key(priority);
    }
    places
}

fn starts(
    definition: &Definition,
    by_id: &HashMap<String, NodeIx>,
    nodes: &[Place],
    edges: &[Link],
) -> Vec<NodeIx> {
    if !definition.start.is_empty() {
        return definition.start.iter().filter_map(|id| by_id.get(id).copied()).collect();
    }
    let cleaning = [&definition.on_run_failure, &definition.on_run_stop];
    let own = |ix: &NodeIx| {
        let begins = !nodes[*ix].ins.iter().any(|edge| edges[*edge].port != REWORK);
        begins && !cleaning.iter().any(|id| id.as_deref() == Some(nodes[*ix].id.as_str()))
    };
    (0..nodes.len()).filter(own).collect()
}
