//! Loops: the body comes back to its loop, and nobody enters it from elsewhere.

use super::flow::place;
use super::net::{Net, Why};
use super::{at, field};
use crate::domain::workflow::definition::node::Kind;
use crate::domain::workflow::definition::ports;
use crate::domain::workflow::definition::problem::Problem;

pub(super) fn check(net: &Net<'_>, problems: &mut Vec<Problem>) {
    for node in 0..net.len() {
        if let Kind::Loop(each) = net.kind(node) {
            let named = each.body.as_deref().and_then(|id| net.find(id));
            body(net, node, named, problems);
        }
    }
}

fn body(net: &Net<'_>, node: usize, named: Option<usize>, problems: &mut Vec<Problem>) {
    let id = net.ids[node];
    let firsts: Vec<usize> =
        net.out(node).filter(|link| net.port(link) == ports::BODY).map(|link| link.to).collect();
    let by_edge =
        net.out(node).any(|link| matches!(link.why, Why::Edge(_)) && net.port(link) == ports::BODY);
    if named.is_some() && by_edge {
        let message = "both `body` and an edge say where the body begins";
        problems.push(Problem::error("conflicting_fields", field(id, "body"), message));
        return;
    }
    if firsts.is_empty() {
        return;
    }
    let around = |link: &super::net::Link| link.from != node;
    let inside = net.reach(&firsts, around);
    if !inside[node] {
        let message =
            format!("its body, which begins with {}, never comes back", net.name(&firsts));
        let problem = Problem::error("loop_not_closed", at(id), message);
        problems.push(problem.hint(format!("add an edge from the end of the body to '{id}'")));
        return;
    }
    // The body: what is on a way from its beginning back to the loop, but not after the loop.
    let back = net.reach_back(&[node], around);
    let after: Vec<usize> =
        net.out(node).filter(|link| net.port(link) != ports::BODY).map(|link| link.to).collect();
    let after = net.reach(&after, around);
    let in_body = |other: usize| {
        other != node && inside[other] && back[other] && (!after[other] || firsts.contains(&other))
    };
    let starts = net.starts();
    for other in (0..net.len()).filter(|other| in_body(*other)) {
        if starts.contains(&other) {
            let message = format!("it is part of the loop '{id}', but a run begins with it");
            problems.push(Problem::error("loop_entered", at(net.ids[other]), message));
        }
        for link in net.into(other) {
            let reworks = link.why == Why::Rework && back[link.from];
            if link.from != node && !in_body(link.from) && !reworks {
                let message = format!(
                    "it leads from '{}' into the loop '{id}', past its beginning",
                    net.ids[link.from]
                );
                let problem = Problem::error("loop_entered", place(net, link), message);
                problems.push(problem.hint(format!("lead it to '{id}'")));
            }
        }
    }
}
