//! Joins of the model.

use std::collections::BTreeSet;

use clawteam::domain::workflow::definition::{Join, JoinMode, Kind, XorFallback};

use super::{Life, Model, Standing, Token};

impl Model {
    fn join(&self, id: &str) -> Option<Join> {
        match &self.node(id).kind {
            Kind::Join(join) => Some(join.clone()),
            _ => None,
        }
    }

    /// A result comes to the end of an edge.
    pub(crate) fn arrive(&mut self, visit: usize, way: usize) {
        let to = self.ways[way].to.clone();
        if matches!(self.node(&to).kind, Kind::Loop(_)) {
            return self.comes_to_loop(visit, way);
        }
        let Some(join) = self.join(&to) else {
            self.visit(&to, vec![visit]);
            return;
        };
        let same_generation =
            self.fired.get(&to).is_some_and(|fired| !self.descends(visit, *fired));
        if join.mode != JoinMode::And && same_generation {
            return;
        }
        self.tokens.push(Token { join: to, edge: way, visit });
    }

    /// Edges that lead to a join.
    fn leading(&self, join: &str) -> BTreeSet<usize> {
        let to = |way: &usize| self.ways[*way].drawn && self.ways[*way].to == join;
        (0..self.ways.len()).filter(to).collect()
    }

    /// Edges of a join at which something waits.
    fn have(&self, join: &str) -> BTreeSet<usize> {
        self.tokens.iter().filter(|token| token.join == join).map(|token| token.edge).collect()
    }

    /// Joins at which something waits, in the order of the definition.
    fn waiting(&self) -> Vec<String> {
        let ids = self.nodes.iter().map(|(id, _)| id.clone());
        ids.filter(|id| !self.have(id).is_empty()).collect()
    }

    /// Every way that can be gone from a node, and from wherever that leads.
    fn beyond(&self, node: &str) -> BTreeSet<usize> {
        let mut nodes: BTreeSet<String> = [node.to_owned()].into();
        let mut ways = BTreeSet::new();
        loop {
            let before = ways.len();
            for (ix, way) in self.ways.iter().enumerate() {
                if nodes.contains(&way.from) {
                    ways.insert(ix);
                    nodes.insert(way.to.clone());
                }
            }
            if ways.len() == before {
                return ways;
            }
        }
    }

    /// Ways on which something can still come to a join.
    fn can_come(&self, join: &str) -> BTreeSet<usize> {
        let mut ways = BTreeSet::new();
        for visit in 0..self.visits.len() {
            if self.lives(visit) {
                ways.extend(self.beyond(&self.visits[visit].node));
            }
        }
        for other in self.waiting() {
            if other != join {
                ways.extend(self.beyond(&other));
            }
        }
        ways
    }

    fn preferred(&self, join: &Join, id: &str) -> BTreeSet<usize> {
        let from = |way: &usize| Some(&self.ways[*way].from) == join.prefer.as_ref();
        self.leading(id).into_iter().filter(from).collect()
    }

    /// Whether a join has all it wants.
    fn is_content(&self, id: &str) -> bool {
        let (join, have) = (self.join(id).expect("a join"), self.have(id));
        match join.mode {
            JoinMode::And => have == self.leading(id),
            JoinMode::Or => true,
            JoinMode::Quorum => have.len() as u32 >= join.n.unwrap_or(1),
            JoinMode::Xor if join.prefer.is_none() => true,
            JoinMode::Xor => !have.is_disjoint(&self.preferred(&join, id)),
        }
    }

    /// Whether nothing that a join waits for can come any more.
    fn is_left_alone(&self, id: &str) -> bool {
        let join = self.join(id).expect("a join");
        let wanted = match join.mode {
            JoinMode::Xor => self.preferred(&join, id),
            _ => self.leading(id),
        };
        let missing: BTreeSet<usize> = wanted.difference(&self.have(id)).copied().collect();
        missing.is_disjoint(&self.can_come(id))
    }

    pub(crate) fn join_that_can(&self) -> Option<String> {
        self.waiting().into_iter().find(|id| self.is_content(id) || self.is_left_alone(id))
    }

    /// The waiting join that the fewest other ones lead to.
    pub(crate) fn join_that_must(&self) -> Option<String> {
        let waiting = self.waiting();
        let above = |id: &String| {
            let others = waiting.iter().filter(|other| *other != id);
            others.filter(|other| !self.beyond(other).is_disjoint(&self.leading(id))).count()
        };
        waiting.iter().min_by_key(|id| above(id)).cloned()
    }

    pub(crate) fn fire(&mut self, id: &str) {
        let join = self.join(id).expect("a join");
        let content = self.is_content(id);
        let satisfied = content || !join.strict;
        let ends = join.mode == JoinMode::Xor && join.fallback == XorFallback::None;
        if !content && ends {
            self.tokens.retain(|token| token.join != id);
            return;
        }
        let ours: Vec<Token> = self.tokens.iter().filter(|t| t.join == id).cloned().collect();
        let of_preferred = self.preferred(&join, id);
        let first_of = |edge: &usize| ours.iter().find(|token| token.edge == *edge).cloned();
        let all = self.leading(id).iter().filter_map(first_of).collect::<Vec<Token>>();
        let by_arrival = |edges: &BTreeSet<usize>, most: usize| {
            let mut first: Vec<Token> = Vec::new();
            for token in ours.iter().filter(|token| edges.contains(&token.edge)) {
                if first.len() < most && first.iter().all(|known| known.edge != token.edge) {
                    first.push(token.clone());
                }
            }
            first.sort_by_key(|token| token.edge);
            first
        };
        let taken: Vec<Token> = match join.mode {
            JoinMode::And => all,
            JoinMode::Quorum => by_arrival(&self.leading(id), join.n.unwrap_or(1) as usize),
            JoinMode::Xor if content && join.prefer.is_some() => by_arrival(&of_preferred, 1),
            JoinMode::Or | JoinMode::Xor => by_arrival(&self.leading(id), 1),
        };
        for token in &taken {
            let same = |t: &Token| t.join == id && t.edge == token.edge && t.visit == token.visit;
            let at = self.tokens.iter().position(same).expect("a token that waits");
            self.tokens.remove(at);
        }
        if join.mode != JoinMode::And {
            self.tokens.retain(|token| token.join != id);
        }
        if join.cancel_remaining {
            self.cancel_remaining(id);
        }
        let visit = self.visit(id, taken.iter().map(|token| token.visit).collect());
        self.visits[visit].via = taken.iter().map(|token| token.edge).collect();
        self.fired.insert(id.to_owned(), visit);
        if self.ended() {
            return;
        }
        if satisfied {
            self.succeeded(visit, "success");
        } else {
            self.visits[visit].life = Life::Failed;
            self.finish(Standing::Failed, "join_unsatisfied");
        }
    }

    /// Calls off what can lead nowhere but into this join.
    fn cancel_remaining(&mut self, id: &str) {
        for visit in 0..self.visits.len() {
            if self.lives(visit) && self.leads_only_to(&self.visits[visit].node, id) {
                self.call_off(visit);
                self.visits[visit].life = Life::Cancelled;
                self.visits[visit].led_on = true;
            }
        }
    }

    /// Whether every way from a node ends in the join: nothing that it can come to before that
    /// is an end of its own.
    fn leads_only_to(&self, node: &str, join: &str) -> bool {
        if node == join {
            return false;
        }
        let mut before: BTreeSet<String> = [node.to_owned()].into();
        let mut arrives = false;
        loop {
            let size = before.len();
            for way in self.ways.iter() {
                if before.contains(&way.from) {
                    arrives |= way.to == join;
                    if way.to != join {
                        before.insert(way.to.clone());
                    }
                }
            }
            if before.len() == size {
                break;
            }
        }
        let dead_end = |id: &String| {
            let leaves = self.ways.iter().any(|way| way.from == *id);
            !leaves || matches!(self.node(id).kind, Kind::End(_))
        };
        arrives && !before.iter().any(dead_end)
    }
}
