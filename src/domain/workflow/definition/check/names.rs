//! Ids, what they refer to, starts, and how much of everything there may be.

use std::collections::{HashMap, HashSet};

use super::net::{Net, Why};
use super::{EDGES_MAX, NODES_MAX, at, edge_at, field, ports};
use crate::core::name;
use crate::core::text::nearest;
use crate::domain::workflow::definition::model::{Definition, LifeStatus, SUCCESS};
use crate::domain::workflow::definition::node::{OnFailure, SkipPolicy};
use crate::domain::workflow::definition::problem::{Level, Problem};

/// Characters of an id.
const ID_MAX: usize = 64;

pub(super) fn check(net: &Net<'_>, problems: &mut Vec<Problem>) {
    let definition = net.definition;
    sizes(definition, problems);
    ids(definition, problems);
    edges(net, problems);
    guards(net, problems);
    starts(net, problems);
    reachable(net, problems);
    skipped(net, problems);
}

fn sizes(definition: &Definition, problems: &mut Vec<Problem>) {
    let hint = "move parts into workflows of their own and use `subworkflow` nodes";
    for (path, number, most) in
        [("nodes", definition.nodes.len(), NODES_MAX), ("edges", definition.edges.len(), EDGES_MAX)]
    {
        if number > most {
            let message = format!("{number} are too many, {most} are allowed");
            problems.push(Problem::error("too_large", path, message).hint(hint));
        }
    }
}

/// Whether `text` can be an id: it is written in expressions, paths and commands.
fn good_id(text: &str) -> bool {
    let start = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    start && rest && text.len() <= ID_MAX
}

fn ids(definition: &Definition, problems: &mut Vec<Problem>) {
    if let Err(error) = name::check("workflow name", &definition.name)
        && !definition.name.is_empty()
    {
        problems.push(Problem::error("bad_id", "name", error.to_string()));
    }
    let hint = "begin with a letter; use letters, digits, '_' and '-', at most 64 of them";
    for id in definition.nodes.keys().filter(|id| !good_id(id)) {
        let message = format!("'{id}' cannot be the id of a node");
        problems.push(Problem::error("bad_id", at(id), message).hint(hint));
    }
    let mut seen = HashSet::new();
    for (n, edge) in definition.edges.iter().enumerate() {
        let Some(id) = &edge.id else { continue };
        let path = format!("{}.id", edge_at(n));
        if !good_id(id) {
            let message = format!("'{id}' cannot be the id of an edge");
            problems.push(Problem::error("bad_id", path, message).hint(hint));
        } else if !seen.insert(id) {
            let message = format!("another edge is called '{id}', too");
            problems.push(Problem::error("duplicate_id", path, message));
        }
    }
    for (n, edge) in definition.edges.iter().enumerate().filter(|(_, edge)| edge.id.is_none()) {
        let own = format!("e{}", n + 1);
        if seen.contains(&own) {
            let message = format!("without an id it is called '{own}', and another edge is, too");
            let problem = Problem::error("duplicate_id", edge_at(n), message);
            problems.push(problem.hint(format!("give the edge from '{}' an id", edge.from)));
        }
    }
}

/// A problem about a node that does not exist.
pub(super) fn unknown(net: &Net<'_>, path: String, id: &str) -> Problem {
    let problem = Problem::error("unknown_node", path, format!("there is no node '{id}'"));
    match nearest(id, net.ids.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean '{near}'?")),
        None => problem,
    }
}

fn edges(net: &Net<'_>, problems: &mut Vec<Problem>) {
    let mut seen: HashMap<_, usize> = HashMap::new();
    for (n, edge) in net.definition.edges.iter().enumerate() {
        for (end, id) in [("from", &edge.from), ("to", &edge.to)] {
            if net.find(id).is_none() && !id.is_empty() {
                problems.push(unknown(net, format!("{}.{end}", edge_at(n)), id));
            }
        }
        let Some(from) = net.find(&edge.from) else { continue };
        let kind = net.kind(from);
        let port = ports::canonical(kind, edge.port());
        let ports = ports::ports(kind);
        if !ports.has(port) {
            let path = format!("{}.port", edge_at(n));
            let word = kind.word();
            let message = format!("'{}' is a {word}, and has no port '{port}'", edge.from);
            let known: Vec<&str> = ports.onward.iter().chain(ports.astray).copied().collect();
            let hint = if known.is_empty() {
                "nothing leads on from there".to_owned()
            } else {
                format!("its ports are {}", known.join(", "))
            };
            problems.push(Problem::error("unknown_port", path, message).hint(hint));
        }
        let key = (edge.from.as_str(), edge.to.as_str(), port, edge.when.as_deref());
        if let Some(first) = seen.insert(key, n) {
            let message = format!("edges[{first}] says the same");
            problems.push(Problem::error("duplicate_edge", edge_at(n), message));
        }
    }
}

/// Guarded edges, and those for the case that no guard holds.
fn guards(net: &Net<'_>, problems: &mut Vec<Problem>) {
    let mut groups: HashMap<(usize, &str), Vec<usize>> = HashMap::new();
    let mut order = Vec::new();
    for (n, edge) in net.definition.edges.iter().enumerate() {
        let Some(from) = net.find(&edge.from) else { continue };
        let key = (from, ports::canonical(net.kind(from), edge.port()));
        let group = groups.entry(key).or_default();
        if group.is_empty() {
            order.push(key);
        }
        group.push(n);
    }
    for key in order {
        let group = &groups[&key];
        let edge = |n: usize| &net.definition.edges[n];
        let otherwise: Vec<usize> = group.iter().copied().filter(|n| edge(*n).otherwise).collect();
        let guarded = group.iter().any(|n| edge(*n).when.is_some());
        for &n in &otherwise {
            let path = format!("{}.else", edge_at(n));
            if edge(n).when.is_some() {
                let message = "an edge has either `when` or `else`";
                problems.push(Problem::error("else_with_when", path, message));
            } else if n != otherwise[0] {
                let message =
                    format!("edges[{}] is already the one to take otherwise", otherwise[0]);
                problems.push(Problem::error("duplicate_else", path, message));
            } else if !guarded {
                let message = "no other edge of this port has a condition: it is never taken";
                problems.push(Problem::error("else_alone", path, message));
            }
        }
        if guarded && otherwise.is_empty() && group.iter().all(|n| edge(*n).when.is_some()) {
            let path = edge_at(group[0]);
            let message = format!(
                "if none of the conditions after '{}' holds, the run fails with no_edge_matched",
                net.ids[key.0]
            );
            let problem = Problem::warning("guards_without_else", path, message);
            problems.push(problem.hint("add an edge with `else = true`"));
        }
    }
}

fn starts(net: &Net<'_>, problems: &mut Vec<Problem>) {
    let definition = net.definition;
    if definition.nodes.is_empty() {
        problems.push(Problem::error("no_nodes", "nodes", "there is not a single node"));
        return;
    }
    for (n, id) in definition.start.iter().enumerate() {
        let path = format!("start[{n}]");
        if net.find(id).is_none() {
            problems.push(Problem { code: "unknown_start", ..unknown(net, path, id) });
        } else if definition.start[..n].contains(id) {
            let message = format!("'{id}' is there twice");
            problems.push(Problem::error("duplicate_start", path, message));
        }
    }
    if net.starts().is_empty() && definition.start.is_empty() {
        let message = "something leads to every node, so no run can begin";
        let first = net.ids[0];
        let problem = Problem::error("no_start", "start", message);
        problems.push(problem.hint(format!("say where to begin: start = [\"{first}\"]")));
    }
    if definition.start.is_empty() {
        unclear_starts(net, problems);
    }
    for (path, id) in
        [("onRunFailure", &definition.on_run_failure), ("onRunStop", &definition.on_run_stop)]
    {
        if let Some(id) = id.as_ref().filter(|id| net.find(id).is_none()) {
            problems.push(unknown(net, path.to_owned(), id));
        }
    }
    for (id, node) in &definition.nodes {
        if let Some(OnFailure::Route(to)) = &node.on_failure
            && net.find(to).is_none()
        {
            problems.push(unknown(net, field(id, "onFailure"), to));
        }
    }
    if let Some(OnFailure::Route(to)) = &definition.defaults.on_failure
        && net.find(to).is_none()
    {
        problems.push(unknown(net, "defaults.onFailure".to_owned(), to));
    }
}

/// A node to which only a rework leads is a start; perhaps it was meant to come after a rejection
/// only.
fn unclear_starts(net: &Net<'_>, problems: &mut Vec<Problem>) {
    let starts = net.starts();
    for &node in starts.iter().filter(|node| net.into(**node).next().is_some()) {
        let others: Vec<usize> = starts.iter().copied().filter(|other| *other != node).collect();
        let without = net.reach(&others, |link| link.why != Why::Rework);
        if net.into(node).any(|link| without[link.from]) {
            let message = "a run begins here, too: nothing but a rejection leads to it";
            let problem = Problem::warning("unclear_start", at(net.ids[node]), message);
            problems.push(problem.hint("say with `start` where a run begins"));
        }
    }
}

fn reachable(net: &Net<'_>, problems: &mut Vec<Problem>) {
    let definition = net.definition;
    let starts = net.starts();
    if starts.is_empty() {
        return;
    }
    let main = net.reach(&starts, |_| true);
    let mut roots = starts;
    let after = [&definition.on_run_failure, &definition.on_run_stop];
    roots.extend(after.iter().filter_map(|id| net.find(id.as_deref()?)));
    if let Some(OnFailure::Route(to)) = &definition.defaults.on_failure {
        roots.extend(net.find(to));
    }
    let all = net.reach(&roots, |_| true);
    let draft = definition.status == LifeStatus::Draft;
    for (n, (id, node)) in definition.nodes.iter().enumerate() {
        let wanted = node.required || definition.require.contains(id);
        if wanted && !main[n] {
            let message = format!("no way leads to '{id}', but no run completes without it");
            problems.push(Problem::error("required_unreachable", at(id), message));
        } else if !all[n] {
            let level = if draft { Level::Warning } else { Level::Error };
            let message = format!("no way leads from a start to '{id}'");
            let problem = Problem::error("unreachable", at(id), message);
            let hint = "add an edge to it, name it in `start`, or remove it";
            problems.push(Problem { level, ..problem.hint(hint) });
        }
    }
    for (n, id) in definition.require.iter().enumerate() {
        if net.find(id).is_none() {
            problems.push(unknown(net, format!("require[{n}]"), id));
        }
    }
}

/// A node that is skipped goes on through `success`.
fn skipped(net: &Net<'_>, problems: &mut Vec<Problem>) {
    for (id, node) in &net.definition.nodes {
        let follows = node.when.is_some() && node.skip_policy == SkipPolicy::Follow;
        let success = ports::canonical(&node.kind, SUCCESS);
        if follows && !ports::ports(&node.kind).onward.contains(&success) {
            let word = node.kind.word();
            let message =
                format!("a {word} that is skipped leads nowhere: it has no port 'success'");
            let problem = Problem::error("skip_leads_nowhere", field(id, "when"), message);
            problems.push(problem.hint("set skipPolicy = \"stop\", or ask before it"));
        }
    }
}
