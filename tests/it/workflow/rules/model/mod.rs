//! A second interpreter of workflows, slow and obvious, to hold the real one against.
//!
//! It keeps every visit there ever was, walks whole family trees, looks at every edge each time,
//! and shares no rule with the real one. It knows the kinds `task`, `approval`, `condition`,
//! `parallel`, `join`, `delay`, `wait` for a signal, `loop` with `while`, `set` and `end`; of
//! expressions it knows those that [`holds`](Model::holds) takes apart.

mod choose;
mod joins;
mod operate;
mod routes;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use clawteam::domain::workflow::definition::{Definition, Kind, Node, OnFailure};
use clawteam::domain::workflow::run::observe::Ask;

use super::build::T0;
use super::world::Answer;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    Ready,
    Dispatched,
    Backoff,
    Succeeded,
    Failed,
    Cancelled,
    Skipped,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    Running,
    Paused,
    Completed,
    Failed,
    Stopped,
}

/// A visit.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) node: String,
    pub(crate) number: u32,
    pub(crate) life: Life,
    pub(crate) attempt: u32,
    pub(crate) parents: Vec<usize>,
    /// Of a join: the edges on which these came.
    pub(crate) via: Vec<usize>,
    pub(crate) due: Option<u64>,
    pub(crate) wake: Option<u64>,
    /// Whether its result, or its failure, led anywhere.
    pub(crate) led_on: bool,
    /// Whether it was a refusal, which is no success.
    pub(crate) refused: bool,
}

/// A result that waits at a join.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) join: String,
    pub(crate) edge: usize,
    pub(crate) visit: usize,
}

/// The present round of a loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// The visit of the loop that began it.
    pub(crate) visit: usize,
    pub(crate) number: u32,
    /// Whether it goes through the body, or has left the loop.
    pub(crate) inside: bool,
    /// The visit of the loop with which it came back.
    pub(crate) back: Option<usize>,
}

/// An edge, or a way that a run can go without one.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) port: String,
    pub(crate) when: Option<String>,
    pub(crate) otherwise: bool,
    /// Whether it is an edge of the definition.
    pub(crate) drawn: bool,
}

/// A run, as the model has it.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) nodes: Rc<Vec<(String, Rc<Node>)>>,
    pub(crate) ways: Rc<Vec<Way>>,
    pub(crate) definition: Rc<Definition>,
    pub(crate) now: u64,
    pub(crate) standing: Standing,
    pub(crate) fault: String,
    pub(crate) visits: Vec<Visit>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) fired: BTreeMap<String, usize>,
    pub(crate) reworks: BTreeMap<String, u32>,
    pub(crate) vars: BTreeMap<String, i64>,
    pub(crate) signals: Vec<String>,
    /// The rounds of loops.
    pub(crate) rounds: BTreeMap<String, Round>,
    pub(crate) paused_at: Option<u64>,
    pub(crate) steps: u32,
    /// What was caused outside.
    pub(crate) effects: BTreeSet<String>,
}

impl Model {
    pub(crate) fn new(definition: &Definition) -> Self {
        let nodes: Vec<(String, Rc<Node>)> =
            definition.nodes.iter().map(|(id, node)| (id.clone(), Rc::new(node.clone()))).collect();
        let mut ways: Vec<Way> = Vec::new();
        for edge in &definition.edges {
            let loops = matches!(definition.nodes[&edge.from].kind, Kind::Loop(_));
            ways.push(Way {
                from: edge.from.clone(),
                to: edge.to.clone(),
                port: if loops && edge.port() == "success" { "done" } else { edge.port() }.into(),
                when: edge.when.clone(),
                otherwise: edge.otherwise,
                drawn: true,
            });
        }
        for (id, node) in &nodes {
            let mut targets: Vec<String> = Vec::new();
            if let Kind::Approval(approval) = &node.kind {
                targets.extend(approval.rework.clone());
            }
            if let Some(OnFailure::Route(to)) = &node.on_failure {
                targets.push(to.clone());
            }
            for to in targets {
                let (from, port) = (id.clone(), "?".to_owned());
                ways.push(Way { from, to, port, when: None, otherwise: false, drawn: false });
            }
        }
        let vars = definition.vars.iter().map(|(k, v)| (k.clone(), v.as_i64().unwrap_or(0)));
        let mut model = Self {
            vars: vars.collect(),
            nodes: Rc::new(nodes),
            ways: Rc::new(ways),
            definition: Rc::new(definition.clone()),
            now: T0,
            standing: Standing::Running,
            fault: String::new(),
            visits: Vec::new(),
            tokens: Vec::new(),
            fired: BTreeMap::new(),
            reworks: BTreeMap::new(),
            signals: Vec::new(),
            rounds: BTreeMap::new(),
            paused_at: None,
            steps: 0,
            effects: BTreeSet::new(),
        };
        for id in &definition.start {
            model.visit(id, vec![]);
        }
        model
    }

    pub(crate) fn node(&self, id: &str) -> Rc<Node> {
        Rc::clone(&self.nodes.iter().find(|(known, _)| known == id).expect("a node").1)
    }

    pub(crate) fn order(&self, id: &str) -> usize {
        self.nodes.iter().position(|(known, _)| known == id).expect("a node")
    }

    pub(crate) fn name(&self, visit: usize) -> String {
        format!("{}#{}", self.visits[visit].node, self.visits[visit].number)
    }

    pub(crate) fn ended(&self) -> bool {
        !matches!(self.standing, Standing::Running | Standing::Paused)
    }

    /// Whether something can still come of a visit.
    pub(crate) fn lives(&self, visit: usize) -> bool {
        matches!(self.visits[visit].life, Life::Ready | Life::Dispatched | Life::Backoff)
    }

    /// A node is visited.
    pub(crate) fn visit(&mut self, node: &str, parents: Vec<usize>) -> usize {
        let number = 1 + self.visits.iter().filter(|visit| visit.node == node).count() as u32;
        self.visits.push(Visit {
            node: node.to_owned(),
            number,
            life: Life::Ready,
            attempt: 0,
            parents,
            via: Vec::new(),
            due: None,
            wake: None,
            led_on: false,
            refused: false,
        });
        let limits = &self.definition.limits;
        let each = limits.max_node_visits.unwrap_or(50);
        // A loop has a bound of its own.
        let each = match &self.node(node).kind {
            Kind::Loop(looping) => each.max(looping.max_iterations.unwrap_or(50) + 1),
            _ => each,
        };
        if self.visits.len() as u32 > limits.max_visits.unwrap_or(100) {
            self.finish(Standing::Failed, "max_visits");
        } else if number > each {
            self.finish(Standing::Failed, "max_node_visits");
        }
        self.visits.len() - 1
    }

    /// The run ends; whatever lives is called off.
    pub(crate) fn finish(&mut self, standing: Standing, fault: &str) {
        if self.ended() {
            return;
        }
        self.standing = standing;
        fault.clone_into(&mut self.fault);
        for visit in 0..self.visits.len() {
            if self.lives(visit) {
                self.call_off(visit);
                self.visits[visit].life = Life::Cancelled;
            }
        }
        if standing == Standing::Completed {
            self.tokens.clear();
        }
    }

    /// What a visit has caused outside is no longer wanted.
    pub(crate) fn call_off(&mut self, visit: usize) {
        if self.visits[visit].life != Life::Dispatched {
            return;
        }
        let word = match self.node(&self.visits[visit].node).kind {
            Kind::Task(_) => "close",
            Kind::Approval(_) => "withdraw",
            _ => return,
        };
        self.cause(word, visit);
    }

    pub(crate) fn cause(&mut self, word: &str, visit: usize) {
        let effect = format!("{word} {}/a{}", self.name(visit), self.visits[visit].attempt);
        assert!(self.effects.insert(effect.clone()), "{effect} twice");
    }

    /// Whether `visit` is `older`, or comes of it.
    pub(crate) fn descends(&self, visit: usize, older: usize) -> bool {
        let (mut todo, mut seen) = (vec![visit], BTreeSet::new());
        while let Some(at) = todo.pop() {
            if at == older {
                return true;
            }
            if seen.insert(at) {
                todo.extend(&self.visits[at].parents);
            }
        }
        false
    }

    /// An expression, as far as the model knows any. `None`: it cannot be evaluated.
    pub(crate) fn holds(&self, text: &str) -> Option<bool> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["true"] => Some(true),
            ["false"] => Some(false),
            ["run.visits", "%", by, "==", rest] => {
                let visits = self.visits.len();
                Some(visits % by.parse::<usize>().ok()? == rest.parse::<usize>().ok()?)
            }
            [var, "==", value] => {
                let held = self.vars.get(var.strip_prefix("vars.")?)?;
                Some(*held == value.parse::<i64>().ok()?)
            }
            _ => panic!("the model does not know `{text}`"),
        }
    }

    /// One transition, in words; `None`: nothing moves.
    pub(crate) fn step(
        &mut self,
        seen: &BTreeMap<String, Answer>,
        asks: &[Ask],
        clock: u64,
    ) -> Option<String> {
        let now = self.now.max(clock);
        let choice = self.choose(seen, asks, now)?;
        self.now = now;
        self.steps += 1;
        let word = self.make(choice);
        let operated = !asks.is_empty();
        if !operated && self.steps > self.definition.limits.max_steps.unwrap_or(1000) {
            self.finish(Standing::Failed, "max_steps");
        }
        Some(word)
    }
}
