//! Which visits led to which, and which of them must be kept.

use std::collections::HashSet;

use super::state::{ActState, Run};
use crate::domain::workflow::definition::Kind;
use crate::domain::workflow::graph::Graph;

/// How far back results are looked for through nodes that only pass them on.
pub const PASS_THROUGH_MAX: usize = 16;

/// Whether a node only passes on what it gets.
pub fn passes_through(kind: &Kind) -> bool {
    !matches!(
        kind,
        Kind::Task(_)
            | Kind::Command(_)
            | Kind::Plugin(_)
            | Kind::Http(_)
            | Kind::Map(_)
            | Kind::Subworkflow(_)
            | Kind::Meeting(_)
    )
}

/// The visits whose results led to `act`, looked for through nodes that only pass results on; and
/// all visits that were passed on the way.
pub fn origins<'r>(graph: &Graph, run: &'r Run, act: &str) -> Option<(Vec<&'r str>, Vec<&'r str>)> {
    let (mut found, mut seen): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut layer: Vec<&str> = run.acts.get(act)?.parents.iter().map(String::as_str).collect();
    for _ in 0..PASS_THROUGH_MAX {
        let mut next = Vec::new();
        for id in layer {
            let Some((id, act)) = run.acts.get_key_value(id) else { continue };
            if seen.contains(&id.as_str()) {
                continue;
            }
            seen.push(id);
            let passes = graph.place(&act.node).is_some_and(|p| passes_through(&p.node.kind));
            if passes {
                next.extend(act.parents.iter().map(String::as_str));
            } else {
                found.push(id);
            }
        }
        layer = next;
    }
    Some((found, seen))
}

/// Forgets visits that nothing can refer to any more, so that a run with many rounds stays
/// small.
pub fn prune(graph: &Graph, run: &mut Run) {
    if run.acts.len() <= 2 * graph.nodes.len() + 32 {
        return;
    }
    let mut keep: HashSet<&str> = HashSet::new();
    let mut last: HashSet<&str> = HashSet::new();
    let mut done: HashSet<&str> = HashSet::new();
    let mut roots: Vec<&str> = Vec::new();
    for (id, act) in run.acts.iter().rev() {
        let open = act.is_open();
        let newest = last.insert(&act.node);
        let newest_done = act.state == ActState::Succeeded && done.insert(&act.node);
        if act.state.is_live() || open {
            roots.push(id);
        }
        if act.state.is_live() || open || newest || newest_done {
            keep.insert(id);
        }
    }
    let kept = run.ending.as_ref().map(|ending| &ending.places);
    let places = kept.into_iter().chain([&run.places]).flat_map(|places| places.values());
    roots.extend(places.flat_map(|edges| edges.values().flatten()).map(String::as_str));
    for root in roots {
        keep.insert(root);
        keep.extend(origins(graph, run, root).into_iter().flat_map(|found| found.1));
    }
    let keep: HashSet<String> = keep.into_iter().map(str::to_owned).collect();
    run.acts.retain(|id, _| keep.contains(id));
}
