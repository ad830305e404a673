//! When a join fires, and with what.

use super::record::JoinWhy;
use super::state::{Run, Status};
use crate::domain::workflow::definition::{Join, JoinMode, Kind};
use crate::domain::workflow::graph::{Graph, NodeIx};

/// A join that can fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// The join.
    pub node: NodeIx,
    /// Why.
    pub why: JoinWhy,
    /// What it takes: edges and visits.
    pub take: Vec<(String, String)>,
    /// What it drops.
    pub drop: Vec<(String, String)>,
    /// Whether it has not got what it insists on.
    pub unsatisfied: bool,
    /// Whether the branch ends here.
    pub ends: bool,
}

/// The first join, in the order of the definition, that has what it waits for.
pub fn next(graph: &Graph, run: &Run) -> Option<Firing> {
    waiting(graph, run).find_map(|(node, join)| {
        let why = verdict(graph, run, node, join)?;
        Some(firing(graph, run, node, join, why))
    })
}

/// Nothing moves any more: the join that fires with what it has. The one that others depend on
/// goes first, then the order of the definition decides.
pub fn quiescent(graph: &Graph, run: &Run) -> Option<Firing> {
    let all: Vec<(NodeIx, &Join)> = waiting(graph, run).collect();
    let upstream = |node: NodeIx| {
        let others = all.iter().filter(|(other, _)| *other != node);
        others
            .filter(|(other, _)| {
                let reach = graph.reachable([*other]);
                graph.nodes[node].ins.iter().any(|edge| reach[*edge])
            })
            .count()
    };
    let (node, join) = all.iter().min_by_key(|(node, _)| (upstream(*node), *node))?;
    Some(firing(graph, run, *node, join, JoinWhy::Quiescent))
}

/// The joins at which something waits, in the order of the definition.
fn waiting<'g>(
    graph: &'g Graph,
    run: &'g Run,
) -> impl Iterator<Item = (NodeIx, &'g Join)> + use<'g> {
    let mut nodes: Vec<NodeIx> =
        run.places.keys().filter(|id| run.has_tokens(id)).filter_map(|id| graph.find(id)).collect();
    nodes.sort_unstable();
    nodes.into_iter().filter_map(|node| match &graph.nodes[node].node.kind {
        Kind::Join(join) => Some((node, join)),
        _ => None,
    })
}

/// The edges on which something waits.
fn present<'g>(graph: &'g Graph, run: &'g Run, node: NodeIx) -> Vec<&'g str> {
    let place = run.places.get(&graph.nodes[node].id);
    let has = |edge: &&str| place.is_some_and(|p| p.get(*edge).is_some_and(|q| !q.is_empty()));
    graph.leading(node).map(|edge| edge.id.as_str()).filter(has).collect()
}

/// The edges that carry the preferred result.
fn preferred<'g>(graph: &'g Graph, node: NodeIx, wanted: &str) -> Vec<&'g str> {
    let from = graph.find(wanted);
    graph.leading(node).filter(|e| Some(e.from) == from).map(|e| e.id.as_str()).collect()
}

/// Why a join can fire now; `None` if it waits.
fn verdict(graph: &Graph, run: &Run, node: NodeIx, join: &Join) -> Option<JoinWhy> {
    let have = present(graph, run, node);
    let missing: Vec<&str> = match (join.mode, &join.prefer) {
        (JoinMode::Or, _) | (JoinMode::Xor, None) => return Some(JoinWhy::First),
        (JoinMode::Xor, Some(wanted)) => {
            let edges = preferred(graph, node, wanted);
            if edges.iter().any(|edge| have.contains(edge)) {
                return Some(JoinWhy::Preferred);
            }
            edges
        }
        (JoinMode::Quorum, _) if have.len() >= join.n.unwrap_or(1) as usize => {
            return Some(JoinWhy::Quorum);
        }
        (JoinMode::And | JoinMode::Quorum, _) => {
            graph.leading(node).map(|e| e.id.as_str()).filter(|e| !have.contains(e)).collect()
        }
    };
    if missing.is_empty() {
        // All there are, and yet too few for a quorum.
        let few = join.mode == JoinMode::Quorum;
        return Some(if few { JoinWhy::Unreachable } else { JoinWhy::All });
    }
    can_come(graph, run, node, &missing).is_empty().then_some(JoinWhy::Unreachable)
}

/// Which of `edges` can still carry something to a join, as far as that can be known: from a visit
/// that lives, or from another join at which something waits.
pub fn can_come<'e>(graph: &Graph, run: &Run, node: NodeIx, edges: &[&'e str]) -> Vec<&'e str> {
    let live = run.live().filter_map(|(_, act)| graph.find(&act.node));
    let others = waiting(graph, run).map(|(other, _)| other).filter(|other| *other != node);
    let reach = graph.reachable(live.chain(others));
    let arrives = |edge: &&str| {
        graph.nodes[node].ins.iter().any(|ix| reach[*ix] && graph.edges[*ix].id == **edge)
    };
    edges.iter().copied().filter(|edge| arrives(edge)).collect()
}

fn firing(graph: &Graph, run: &Run, node: NodeIx, join: &Join, why: JoinWhy) -> Firing {
    let id = &graph.nodes[node].id;
    let forced = matches!(why, JoinWhy::Unreachable | JoinWhy::Quiescent);
    let edges: Vec<&str> = match (&join.prefer, join.mode, why) {
        (Some(wanted), JoinMode::Xor, JoinWhy::Preferred) => preferred(graph, node, wanted),
        _ => graph.leading(node).map(|edge| edge.id.as_str()).collect(),
    };
    let most = match join.mode {
        JoinMode::And => usize::MAX,
        JoinMode::Or | JoinMode::Xor => 1,
        JoinMode::Quorum => join.n.unwrap_or(1) as usize,
    };
    let place = run.places.get(id);
    let queue = |edge: &str| place.and_then(|edges| edges.get(edge));
    let first = |edge: &str| queue(edge).and_then(|queue| queue.first()).cloned();
    // The first ones are those whose edges have had something for the longest time.
    let arrived: Vec<&str> = place
        .into_iter()
        .flat_map(|place| place.keys().map(String::as_str))
        .filter(|edge| edges.contains(edge))
        .take(most)
        .collect();
    let take: Vec<(String, String)> = edges
        .iter()
        .filter(|edge| arrived.contains(edge))
        .filter_map(|edge| Some(((*edge).to_owned(), first(edge)?)))
        .collect();
    // What comes after the first ones is not wanted any more, unless all are.
    let mut drop = Vec::new();
    if join.mode != JoinMode::And {
        for (edge, acts) in place.into_iter().flatten() {
            for act in acts {
                if !take.contains(&(edge.clone(), act.clone())) {
                    drop.push((edge.clone(), act.clone()));
                }
            }
        }
    }
    let ends = join.mode == JoinMode::Xor
        && join.prefer.is_some()
        && forced
        && join.fallback == crate::domain::workflow::definition::XorFallback::None;
    let (take, drop) = if ends { (Vec::new(), [take, drop].concat()) } else { (take, drop) };
    Firing { node, why, take, drop, unsatisfied: join.strict && forced, ends }
}

/// The visits that a join which fires makes needless.
pub fn remaining(graph: &Graph, run: &Run, node: NodeIx) -> Vec<String> {
    if run.status != Status::Running {
        return Vec::new();
    }
    let needless = |act: &super::state::Act| {
        graph.find(&act.node).is_some_and(|ix| graph.leads_only_into(ix, node))
    };
    run.live().filter(|(_, act)| needless(act)).map(|(id, _)| id.to_owned()).collect()
}
