//! Cycles: each must be able to end.

use super::net::{Link, Net, Why};
use super::{at, edge_at};
use crate::domain::workflow::definition::node::Kind;
use crate::domain::workflow::definition::problem::Problem;
use crate::domain::workflow::definition::{model::SUCCESS, ports};

pub(super) fn check(net: &Net<'_>, problems: &mut Vec<Problem>) {
    let mut told = vec![false; net.len()];
    for cycle in net.cycles(|link| is_certain(net, link)) {
        for &node in &cycle {
            told[node] = true;
        }
        let message =
            format!("{} lead to each other, and nothing ever ends that", net.name(&cycle));
        let problem = Problem::error("endless_cycle", at(net.ids[cycle[0]]), message);
        let hint = "put a condition, a switch, a loop or an approval into the cycle";
        problems.push(problem.hint(hint));
    }
    for cycle in net.cycles(|_| true) {
        if cycle.iter().any(|node| told[*node]) {
            continue;
        }
        let mut inside = vec![false; net.len()];
        for &node in &cycle {
            inside[node] = true;
        }
        let first = at(net.ids[cycle[0]]);
        if !cycle.iter().any(|node| can_end(net, *node, &inside)) {
            let message = format!("no way leads out of the cycle of {}", net.name(&cycle));
            let problem = Problem::error("cycle_without_exit", first, message);
            problems.push(problem.hint("let one branch of a decision in it lead elsewhere"));
        } else if !is_bounded(net, &cycle, &inside) {
            let message =
                format!("only the limits of the whole run bound the cycle of {}", net.name(&cycle));
            let problem = Problem::warning("unbounded_cycle", first, message);
            let hint = "set `maxVisits` at one of its nodes, or limits.maxVisits";
            problems.push(problem.hint(hint));
        }
    }
}

/// Whether a link is followed whenever its node is done: nothing is asked on the way.
fn is_certain(net: &Net<'_>, link: &Link) -> bool {
    let Why::Edge(n) = link.why else { return false };
    let edge = &net.definition.edges[n];
    if edge.when.is_some() || edge.otherwise {
        return false;
    }
    match net.kind(link.from) {
        kind if ports::decides(kind) => false,
        Kind::Parallel(_) => true,
        _ => net.port(link) == SUCCESS,
    }
}

/// Whether a run can leave a cycle at `node`: an edge leads out, or its branch may end there.
fn can_end(net: &Net<'_>, node: usize, inside: &[bool]) -> bool {
    let out = net.out(node).any(|link| !inside[link.to]);
    let ports = ports::ports(net.kind(node));
    let may_end = match net.kind(node) {
        Kind::Loop(_) => !net.leaves_through(node, ports::DONE),
        _ => ports.onward == [SUCCESS] && !net.leaves_through(node, SUCCESS),
    };
    out || may_end
}

/// Whether something in a cycle counts its rounds.
fn is_bounded(net: &Net<'_>, cycle: &[usize], inside: &[bool]) -> bool {
    let limits = &net.definition.limits;
    let limited = limits.max_visits.is_some() || limits.max_node_visits.is_some();
    limited
        || cycle.iter().any(|&node| {
            let reworks = || net.out(node).any(|link| inside[link.to] && link.why == Why::Rework);
            let counts = match net.kind(node) {
                Kind::Loop(_) => true,
                Kind::Approval(_) => reworks(),
                _ => false,
            };
            counts || net.definition.nodes[node].max_visits.is_some()
        })
}

/// The path of the link's edge, or of its node.
pub(super) fn place(net: &Net<'_>, link: &Link) -> String {
    match link.why {
        Why::Edge(n) => edge_at(n),
        Why::Rework | Why::Route | Why::Body => at(net.ids[link.from]),
    }
}
