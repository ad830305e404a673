//! Joins: that what they wait for can come, and what happens if it does not.

use super::net::{Link, Net};
use super::{at, field};
use crate::domain::workflow::definition::node::Kind;
use crate::domain::workflow::definition::ports;
use crate::domain::workflow::definition::problem::Problem;
use crate::domain::workflow::definition::route::{Join, JoinMode};

pub(super) fn check(net: &Net<'_>, problems: &mut Vec<Problem>) {
    let mut behind = Vec::new();
    for node in 0..net.len() {
        let Kind::Join(join) = net.kind(node) else { continue };
        let into: Vec<&Link> = net.into(node).collect();
        arity(net, node, join, &into, problems);
        if join.mode == JoinMode::And && into.len() > 1 {
            behind.push((node, join.strict));
        }
        if join.cancel_remaining && join.mode != JoinMode::And {
            remaining(net, node, problems);
        }
    }
    if !behind.is_empty() {
        behind_decisions(net, &behind, problems);
    }
}

fn arity(net: &Net<'_>, node: usize, join: &Join, into: &[&Link], problems: &mut Vec<Problem>) {
    let id = net.ids[node];
    if into.len() < 2 {
        let number = crate::core::text::count(into.len(), "edge");
        let message = format!("{number} lead to it, so there is nothing to join");
        problems.push(Problem::warning("join_single_input", at(id), message));
    }
    match (join.mode, join.n, &join.prefer) {
        (JoinMode::Quorum, None, _) => {
            let message = "a quorum needs `n`: how many it waits for";
            problems.push(Problem::error("missing_field", field(id, "n"), message));
        }
        (JoinMode::Quorum, Some(n), _) if n as usize > into.len() => {
            let message = format!("{n} can never come: only {} lead to it", into.len());
            problems.push(Problem::error("quorum_too_large", field(id, "n"), message));
        }
        (JoinMode::Xor, _, None) => {
            let message = "it needs `prefer`: the node whose result is wanted";
            problems.push(Problem::error("missing_field", field(id, "prefer"), message));
        }
        (JoinMode::Xor, _, Some(prefer))
            if !into.iter().any(|link| net.ids[link.from] == prefer) =>
        {
            let froms: Vec<usize> = into.iter().map(|link| link.from).collect();
            let message = format!("no edge leads from '{prefer}' to this join");
            let problem = Problem::error("prefer_not_a_source", field(id, "prefer"), message);
            problems.push(problem.hint(format!("edges lead here from {}", net.name(&froms))));
        }
        _ => {}
    }
}

/// Tells which joins of all branches are behind a decision that does not lead to all of them, and
/// what happens then.
fn behind_decisions(net: &Net<'_>, joins: &[(usize, bool)], problems: &mut Vec<Problem>) {
    let starts = net.starts();
    let mut told = vec![false; net.len()];
    for decision in 0..net.len() {
        if !matches!(net.kind(decision), Kind::Condition(_) | Kind::Switch(_)) {
            continue;
        }
        let around = |link: &Link| link.from != decision;
        let without = net.reach(&starts, around);
        let mut branches: Vec<(&str, Vec<bool>)> = Vec::new();
        for link in net.out(decision) {
            let port = net.port(link);
            if branches.iter().any(|(known, _)| *known == port) {
                continue;
            }
            let firsts: Vec<usize> = net
                .out(decision)
                .filter(|other| net.port(other) == port)
                .map(|other| other.to)
                .collect();
            branches.push((port, net.reach(&firsts, around)));
        }
        for &(join, strict) in joins {
            if told[join] {
                continue;
            }
            let comes = |link: &Link, (port, reached): &(&str, Vec<bool>)| {
                if link.from == decision { net.port(link) == *port } else { reached[link.from] }
            };
            let missing = net.into(join).find_map(|link| {
                let (first, rest): (Vec<_>, Vec<_>) =
                    branches.iter().partition(|branch| comes(link, branch));
                // If it comes whatever is decided, nothing is lost. If nothing else comes, nothing
                // waits.
                if first.is_empty() || link.from != decision && without[link.from] {
                    return None;
                }
                let others = |branch: &(&str, Vec<bool>)| {
                    let mut into = net.into(join);
                    into.any(|l| comes(l, branch) || l.from != decision && without[l.from])
                };
                let other = rest.iter().find(|branch| branch.0 != ports::FAILURE && others(branch));
                other.map(|branch| (link.from, branch.0))
            });
            if let Some((from, port)) = missing {
                told[join] = true;
                let then = if strict {
                    "the run fails with join_unsatisfied"
                } else {
                    "it goes on with what has come"
                };
                let message = format!(
                    "it waits for '{}', from which nothing comes if '{}' takes '{port}'; then {then}",
                    net.ids[from], net.ids[decision]
                );
                problems.push(Problem::warning("join_behind_branch", at(net.ids[join]), message));
            }
        }
    }
}

/// Tells which nodes before a join that cancels the rest go on all the same.
fn remaining(net: &Net<'_>, join: usize, problems: &mut Vec<Problem>) {
    let around = |link: &Link| link.from != join && link.to != join;
    let sinks: Vec<usize> =
        (0..net.len()).filter(|n| *n != join && net.out(*n).next().is_none()).collect();
    let escapes = net.reach_back(&sinks, around);
    let before = net.reach_back(&[join], |_| true);
    let starts = net.starts();
    // What only comes after the join does not work when it fires.
    let apart = net.reach(&starts, |link| link.to != join);
    let kept: Vec<usize> = (0..net.len())
        .filter(|node| *node != join && before[*node] && escapes[*node] && apart[*node])
        // What every way to the join goes through is done when the join fires.
        .filter(|node| {
            let others: Vec<usize> = starts.iter().copied().filter(|s| s != node).collect();
            net.reach(&others, |link| link.from != *node && link.to != *node)[join]
        })
        .collect();
    if !kept.is_empty() {
        let message = format!("{} also lead elsewhere, and are not cancelled", net.name(&kept));
        let path = field(net.ids[join], "cancelRemaining");
        problems.push(Problem::warning("not_cancelled", path, message));
    }
}
