//! Workflows within workflows.

use std::sync::Arc;

use super::net::Net;
use super::{DEPTH_MAX, Lookup, World, field, join};
use crate::domain::workflow::definition::model::Definition;
use crate::domain::workflow::definition::node::{Kind, Node};
use crate::domain::workflow::definition::problem::Problem;
use crate::domain::workflow::definition::route::Body;

pub(super) fn check(net: &Net<'_>, world: &World<'_>, depth: usize, problems: &mut Vec<Problem>) {
    for (id, node) in &net.definition.nodes {
        match &node.kind {
            Kind::Map(map) => match &map.body {
                Body::Inline(definition) if depth >= DEPTH_MAX => {
                    let message = format!("'{}' is nested too deep", definition.name);
                    problems.push(Problem::error("too_deep", field(id, "body"), message));
                }
                Body::Inline(definition) => {
                    super::check_below(&field(id, "body"), definition, world, depth + 1, problems);
                }
                Body::Name(name) if name.is_empty() => {
                    let message = "it names no workflow";
                    problems.push(Problem::error("missing_field", field(id, "body"), message));
                }
                Body::Name(_) => {}
            },
            Kind::Subworkflow(_) => {}
            _ => continue,
        }
        if let Some(lookup) = world.workflow {
            call(net, id, node, lookup, problems);
        }
    }
    if let Some(lookup) = world.workflow {
        recursion(net.definition, lookup, problems);
    }
}

/// What a node calls: the name and version of a workflow.
fn called(node: &Node) -> Option<(&str, Option<u32>)> {
    match &node.kind {
        Kind::Subworkflow(own) if !own.workflow.is_empty() => Some((&own.workflow, own.version)),
        Kind::Map(map) => match &map.body {
            Body::Name(name) if !name.is_empty() => Some((name, None)),
            _ => None,
        },
        _ => None,
    }
}

/// What is called exists, and gets the inputs that it needs.
fn call(net: &Net<'_>, id: &str, node: &Node, lookup: &Lookup<'_>, problems: &mut Vec<Problem>) {
    let Some((name, version)) = called(node) else { return };
    let path = field(id, if matches!(node.kind, Kind::Map(_)) { "body" } else { "workflow" });
    let found = lookup(name, version);
    // A workflow that calls itself may be the one that is just being made.
    let own = net.definition.name == name;
    let Some(child) = found.as_deref().or(own.then_some(net.definition)) else {
        let message = match version {
            Some(version) => format!("the team has no version {version} of a workflow '{name}'"),
            None => format!("the team has no workflow '{name}'"),
        };
        let problem = Problem::warning("unknown_workflow", path, message);
        problems.push(problem.hint("it must be there when the node is reached"));
        return;
    };
    let (inputs, item) = match &node.kind {
        Kind::Map(map) => (&map.inputs, Some(map.name.as_deref().unwrap_or("item"))),
        Kind::Subworkflow(own) => (&own.inputs, None),
        _ => return,
    };
    for (given, input) in &child.inputs {
        if input.required && !inputs.contains_key(given) && item != Some(given.as_str()) {
            let message = format!("'{name}' needs the input '{given}'");
            problems.push(Problem::error("missing_input", field(id, "inputs"), message));
        }
    }
    for given in inputs.keys().filter(|given| !child.inputs.contains_key(*given)) {
        let message = format!("'{name}' has no input '{given}'");
        let place = join(&field(id, "inputs"), given);
        problems.push(Problem::warning("undefined_input", place, message));
    }
}

/// Workflows that call each other without end.
fn recursion(definition: &Definition, lookup: &Lookup<'_>, problems: &mut Vec<Problem>) {
    let net = Net::new(definition);
    for (id, node) in &definition.nodes {
        let Some((name, version)) = called(node) else { continue };
        let sure = sure_calls(&net).iter().any(|sure| sure == id);
        let mut way = vec![definition.name.clone()];
        let mut walk = Walk { root: definition, lookup, found: None, left: 2000 };
        walk.go(name, version, sure, &mut way);
        let Some((code, way)) = walk.found else { continue };
        let message = format!("workflows call each other: {}", way.join(" -> "));
        let problem = if code == "endless_recursion" {
            Problem::error(code, super::at(id), message)
                .hint("ask with a condition before it whether to go on")
        } else {
            Problem::error(code, super::at(id), format!("{message}, deeper than {DEPTH_MAX}"))
        };
        problems.push(problem);
    }
}

/// The nodes that call a workflow whatever is decided.
fn sure_calls<'d>(net: &Net<'d>) -> Vec<&'d str> {
    let sure = net.reach(&net.starts(), |link| !super::ports::decides(net.kind(link.from)));
    let nodes = net.definition.nodes.iter().enumerate();
    nodes
        .filter(|(n, (_, node))| sure[*n] && node.when.is_none() && called(node).is_some())
        .map(|(_, (id, _))| id.as_str())
        .collect()
}

struct Walk<'a> {
    root: &'a Definition,
    lookup: &'a Lookup<'a>,
    found: Option<(&'static str, Vec<String>)>,
    /// Calls that are still looked at: many workflows that all call each other have no end.
    left: usize,
}

impl Walk<'_> {
    fn go(&mut self, name: &str, version: Option<u32>, sure: bool, way: &mut Vec<String>) {
        if self.found.is_some() || self.left == 0 {
            return;
        }
        self.left -= 1;
        way.push(name.to_owned());
        if way[..way.len() - 1].iter().any(|before| before == name) {
            // A call that depends on a decision ends by itself, or at the greatest depth.
            if sure && way[0] == name {
                self.found = Some(("endless_recursion", way.clone()));
            }
        } else if way.len() > DEPTH_MAX + 1 {
            self.found = Some(("too_deep", way.clone()));
        } else if let Some(child) = (self.lookup)(name, version) {
            self.below(&child, sure, way);
        }
        way.pop();
    }

    fn below(&mut self, child: &Arc<Definition>, sure: bool, way: &mut Vec<String>) {
        if child.name == self.root.name {
            return;
        }
        let net = Net::new(child);
        let certain = sure_calls(&net);
        for (id, node) in &child.nodes {
            if let Some((name, version)) = called(node) {
                self.go(name, version, sure && certain.contains(&id.as_str()), way);
            }
        }
    }
}
