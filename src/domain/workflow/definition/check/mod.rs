//! Whether a definition makes sense: every rule, and every problem at once.

mod flow;
mod inputs;
mod joins;
mod loops;
mod names;
mod nested;
mod net;
mod nodes;
#[cfg(test)]
mod tests;
mod texts;

use std::sync::Arc;

use serde::Serialize;

pub use self::inputs::fits;
use self::net::Net;
pub use self::texts::VARIABLES;
use super::model::Definition;
use super::parse::join;
use super::ports;
use super::problem::Problem;
use super::read::Reading;

/// Nodes of a definition.
pub const NODES_MAX: usize = 500;
/// Edges of a definition.
pub const EDGES_MAX: usize = 2000;
/// How deep workflows may call each other.
pub const DEPTH_MAX: usize = 8;

/// Tells a definition by its name and version.
pub type Lookup<'a> = dyn Fn(&str, Option<u32>) -> Option<Arc<Definition>> + 'a;

/// What is known outside of the definition. What is not known is not checked.
#[derive(Clone, Copy, Default)]
pub struct World<'a> {
    /// Whether the team has such an agent.
    pub agent: Option<&'a dyn Fn(&str) -> bool>,
    /// The other workflows of the team.
    pub workflow: Option<&'a Lookup<'a>>,
}

/// The shape of a definition in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// How many nodes there are.
    pub nodes: usize,
    /// How many edges there are.
    pub edges: usize,
    /// The nodes of each cycle.
    pub loops: Vec<Vec<String>>,
    /// The nodes that a run begins with.
    pub starts: Vec<String>,
    /// The nodes from which no edge leads on.
    pub ends: Vec<String>,
}

/// Everything that is wrong with `definition`, errors first.
pub fn check(definition: &Definition, world: &World<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_below("", definition, world, 0, &mut problems);
    problems.sort_by_key(|problem| problem.level);
    problems
}

/// The same for what was just read. Nodes that could not be understood are told once.
pub fn check_reading(reading: &Reading, world: &World<'_>) -> Vec<Problem> {
    let mut problems = reading.problems.clone();
    let Some(definition) = &reading.definition else { return problems };
    let broken: Vec<String> = reading.broken.iter().map(|id| join("nodes", id)).collect();
    let told = |path: &str| problems.iter().any(|problem| problem.path == path);
    let found: Vec<Problem> = check(definition, world)
        .into_iter()
        .filter(|problem| !told(&problem.path))
        .filter(|problem| !broken.iter().any(|path| is_below(&problem.path, path)))
        .filter(|problem| !(problem.code == "unknown_port" && from_broken(reading, problem)))
        .collect();
    problems.extend(found);
    problems.sort_by_key(|problem| problem.level);
    problems
}

fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether the problem is about an edge whose node could not be understood.
fn from_broken(reading: &Reading, problem: &Problem) -> bool {
    let place = problem.path.strip_prefix("edges[").and_then(|rest| rest.split_once(']'));
    let edge = place.and_then(|(n, _)| n.parse::<usize>().ok());
    let edge = edge.and_then(|n| reading.definition.as_ref()?.edges.get(n));
    edge.is_some_and(|edge| reading.broken.contains(&edge.from))
}

/// Checks a definition that is found at `path` of another.
fn check_below(
    path: &str,
    definition: &Definition,
    world: &World<'_>,
    depth: usize,
    problems: &mut Vec<Problem>,
) {
    let mut found = Vec::new();
    let net = Net::new(definition);
    names::check(&net, &mut found);
    inputs::check(definition, &mut found);
    nodes::check(&net, world, &mut found);
    texts::check(&net, &mut found);
    flow::check(&net, &mut found);
    loops::check(&net, &mut found);
    joins::check(&net, &mut found);
    nested::check(&net, world, depth, &mut found);
    for mut problem in found {
        problem.path = match (path.is_empty(), problem.path.is_empty()) {
            (true, _) => problem.path,
            (false, true) => path.to_owned(),
            (false, false) => format!("{path}.{}", problem.path),
        };
        problems.push(problem);
    }
}

/// The shape of `definition`.
pub fn stats(definition: &Definition) -> Stats {
    let net = Net::new(definition);
    let ids = |nodes: Vec<usize>| nodes.into_iter().map(|n| net.ids[n].to_owned()).collect();
    Stats {
        nodes: net.len(),
        edges: definition.edges.len(),
        loops: net.cycles(|_| true).into_iter().map(ids).collect(),
        starts: ids(net.starts()),
        ends: ids((0..net.len()).filter(|n| net.out(*n).next().is_none()).collect()),
    }
}

/// The nodes that a run of `definition` begins with: those that it names, or else those that
/// nothing leads to: no edge, no rework, no routed failure and no loop.
pub fn starts(definition: &Definition) -> Vec<&str> {
    let net = Net::new(definition);
    net.starts().into_iter().map(|node| net.ids[node]).collect()
}

/// The path of a node.
fn at(id: &str) -> String {
    join("nodes", id)
}

/// The path of a field of a node.
fn field(id: &str, name: &str) -> String {
    format!("{}.{name}", at(id))
}

/// The path of an edge.
fn edge_at(n: usize) -> String {
    format!("edges[{n}]")
}
