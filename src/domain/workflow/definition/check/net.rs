//! The graph of a definition: what leads where.

use std::collections::HashMap;

use crate::domain::workflow::definition::model::Definition;
use crate::domain::workflow::definition::node::{Kind, OnFailure};
use crate::domain::workflow::definition::ports;

/// Why something leads from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The edge with this place in the list.
    Edge(usize),
    /// An approval sends work back.
    Rework,
    /// A failure is routed.
    Route,
    /// A loop names its body.
    Body,
}

/// A way from one node to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) why: Why,
}

/// Nodes by their place in the definition, and the ways between them.
pub(super) struct Net<'d> {
    pub(super) definition: &'d Definition,
    pub(super) ids: Vec<&'d str>,
    pub(super) links: Vec<Link>,
    place: HashMap<&'d str, usize>,
    out: Vec<Vec<usize>>,
    into: Vec<Vec<usize>>,
}

impl<'d> Net<'d> {
    pub(super) fn new(definition: &'d Definition) -> Self {
        let ids: Vec<&str> = definition.nodes.keys().map(String::as_str).collect();
        let place: HashMap<&str, usize> = ids.iter().enumerate().map(|(n, id)| (*id, n)).collect();
        let mut links = Vec::new();
        for (n, edge) in definition.edges.iter().enumerate() {
            if let (Some(&from), Some(&to)) =
                (place.get(edge.from.as_str()), place.get(edge.to.as_str()))
            {
                links.push(Link { from, to, why: Why::Edge(n) });
            }
        }
        for (from, node) in definition.nodes.values().enumerate() {
            let mut add = |to: &str, why| {
                if let Some(&to) = place.get(to) {
                    links.push(Link { from, to, why });
                }
            };
            match &node.kind {
                Kind::Approval(approval) => {
                    approval.rework.iter().for_each(|to| add(to, Why::Rework));
                }
                Kind::Loop(each) => each.body.iter().for_each(|to| add(to, Why::Body)),
                _ => {}
            }
            if let Some(OnFailure::Route(to)) = &node.on_failure {
                add(to, Why::Route);
            }
        }
        let mut out = vec![Vec::new(); ids.len()];
        let mut into = vec![Vec::new(); ids.len()];
        for (n, link) in links.iter().enumerate() {
            out[link.from].push(n);
            into[link.to].push(n);
        }
        Self { definition, ids, links, place, out, into }
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn find(&self, id: &str) -> Option<usize> {
        self.place.get(id).copied()
    }

    pub(super) fn kind(&self, node: usize) -> &'d Kind {
        &self.definition.nodes[node].kind
    }

    /// The ways out of a node.
    pub(super) fn out(&self, node: usize) -> impl Iterator<Item = &Link> {
        self.out[node].iter().map(|link| &self.links[*link])
    }

    /// The ways into a node.
    pub(super) fn into(&self, node: usize) -> impl Iterator<Item = &Link> {
        self.into[node].iter().map(|link| &self.links[*link])
    }

    /// The port that a way leaves through, in its canonical spelling.
    pub(super) fn port(&self, link: &Link) -> &'d str {
        match link.why {
            Why::Edge(n) => ports::canonical(self.kind(link.from), self.definition.edges[n].port()),
            Why::Rework => ports::REJECTED,
            Why::Route => ports::FAILURE,
            Why::Body => ports::BODY,
        }
    }

    /// Whether an edge leaves `node` through `port`.
    pub(super) fn leaves_through(&self, node: usize, port: &str) -> bool {
        self.out(node).any(|link| self.port(link) == port)
    }

    /// The nodes that a run begins with.
    pub(super) fn starts(&self) -> Vec<usize> {
        let named = &self.definition.start;
        if !named.is_empty() {
            return named.iter().filter_map(|id| self.find(id)).collect();
        }
        let after = [&self.definition.on_run_failure, &self.definition.on_run_stop];
        let is_after = |node: usize| after.iter().any(|id| id.as_deref() == Some(self.ids[node]));
        // Work that begins again began before.
        let first = |node: usize| self.into(node).all(|link| link.why == Why::Rework);
        (0..self.len()).filter(|&node| first(node) && !is_after(node)).collect()
    }

    /// Which nodes can be reached from `from` (they included) by ways that `follow` allows.
    pub(super) fn reach(&self, from: &[usize], follow: impl Fn(&Link) -> bool) -> Vec<bool> {
        let mut seen = vec![false; self.len()];
        let mut pending = from.to_vec();
        while let Some(node) = pending.pop() {
            if std::mem::replace(&mut seen[node], true) {
                continue;
            }
            let next = self.out(node).filter(|link| !seen[link.to] && follow(link));
            pending.extend(next.map(|link| link.to));
        }
        seen
    }

    /// From which nodes one of `to` can be reached (they included) by ways that `follow` allows.
    pub(super) fn reach_back(&self, to: &[usize], follow: impl Fn(&Link) -> bool) -> Vec<bool> {
        let mut seen = vec![false; self.len()];
        let mut pending = to.to_vec();
        while let Some(node) = pending.pop() {
            if std::mem::replace(&mut seen[node], true) {
                continue;
            }
            let next = self.into(node).filter(|link| !seen[link.from] && follow(link));
            pending.extend(next.map(|link| link.from));
        }
        seen
    }

    /// The sets of nodes that lead to each other by ways that `follow` allows; a node alone is
    /// one only if it leads to itself. In the order of the definition.
    pub(super) fn cycles(&self, follow: impl Fn(&Link) -> bool) -> Vec<Vec<usize>> {
        // Kosaraju's way, without recursion: order by the time of leaving, then go backwards.
        let mut order = Vec::with_capacity(self.len());
        let mut seen = vec![false; self.len()];
        for root in 0..self.len() {
            if std::mem::replace(&mut seen[root], true) {
                continue;
            }
            let mut stack = vec![(root, 0)];
            while let Some((node, at)) = stack.last_mut() {
                let Some(&link) = self.out[*node].get(*at) else {
                    order.push(*node);
                    stack.pop();
                    continue;
                };
                *at += 1;
                let link = &self.links[link];
                if follow(link) && !std::mem::replace(&mut seen[link.to], true) {
                    stack.push((link.to, 0));
                }
            }
        }
        let mut done = vec![false; self.len()];
        let mut found = Vec::new();
        for &root in order.iter().rev() {
            if done[root] {
                continue;
            }
            let mut group = Vec::new();
            let mut pending = vec![root];
            while let Some(node) = pending.pop() {
                if std::mem::replace(&mut done[node], true) {
                    continue;
                }
                group.push(node);
                let back = self.into(node).filter(|link| !done[link.from] && follow(link));
                pending.extend(back.map(|link| link.from));
            }
            let to_itself = || self.out(root).any(|link| link.to == root && follow(link));
            if group.len() > 1 || to_itself() {
                group.sort_unstable();
                found.push(group);
            }
        }
        found.sort_unstable();
        found
    }

    /// Ids for a message: `'a', 'b' and 3 more`.
    pub(super) fn name(&self, nodes: &[usize]) -> String {
        let mut text =
            nodes.iter().take(6).map(|node| format!("'{}'", self.ids[*node])).collect::<Vec<_>>();
        if nodes.len() > 6 {
            text.push(format!("{} more", nodes.len() - 6));
        }
        text.join(", ")
    }
}
