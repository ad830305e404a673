//! What expressions can look at.

use serde_json::{Map, Value, json};

use crate::domain::expr::{Expr, ExprError, Template};
use crate::domain::workflow::definition::Kind;
use crate::domain::workflow::graph::Graph;
use crate::domain::workflow::run::lineage::{PASS_THROUGH_MAX, passes_through};
use crate::domain::workflow::run::observe::Facts;
use crate::domain::workflow::run::state::{Act, Fault, Millis, Output, Run};

/// A run as seen from one of its visits.
pub(super) struct View<'v> {
    pub(super) graph: &'v Graph,
    pub(super) run: &'v Run,
    pub(super) facts: &'v dyn Facts,
    pub(super) now: Millis,
    /// The visit.
    pub(super) act: Option<&'v Act>,
    /// A result that is not in the state yet: that of the visit.
    pub(super) fresh: Option<&'v Act>,
    /// What an event brings.
    pub(super) event: Option<&'v Value>,
}

/// The failure of an expression.
pub(super) fn fault_of(error: &ExprError) -> Fault {
    use crate::core::Diagnose;
    Fault::new(error.code(), error.to_string())
}

/// The failure of a condition has one name, whatever went wrong with it.
pub(super) fn condition_fault(node: &str, error: &ExprError) -> Fault {
    Fault::new("cond_error", format!("node '{node}': {error}"))
}

impl<'v> View<'v> {
    /// The same run, seen from a visit.
    pub(super) fn at(&self, act: &'v Act) -> View<'v> {
        View { act: Some(act), fresh: None, event: None, ..*self }
    }

    /// The value of an expression.
    pub(super) fn value(&self, text: &str) -> Result<Value, ExprError> {
        let expr = Expr::compile(text)?;
        expr.eval(&self.variables(expr.paths()))
    }

    /// The value of an expression that is true or false.
    pub(super) fn holds(&self, text: &str) -> Result<bool, ExprError> {
        let expr = Expr::compile(text)?;
        expr.eval_bool(&self.variables(expr.paths()))
    }

    /// The value of an expression that is a text or a whole number.
    pub(super) fn word(&self, text: &str) -> Result<String, ExprError> {
        let expr = Expr::compile(text)?;
        expr.eval_text(&self.variables(expr.paths()))
    }

    /// The value of an expression that is a list.
    pub(super) fn list(&self, text: &str) -> Result<Vec<Value>, ExprError> {
        let expr = Expr::compile(text)?;
        expr.eval_list(&self.variables(expr.paths()))
    }

    /// A text with its expressions filled in.
    pub(super) fn render(&self, text: &str) -> Result<String, ExprError> {
        if !text.contains("{{") {
            return Ok(text.to_owned());
        }
        let template = Template::compile(text)?;
        let paths: Vec<Vec<String>> =
            template.expressions().flat_map(|expr| expr.paths().to_vec()).collect();
        template.render(&self.variables(&paths))
    }

    /// The variables that `paths` look at.
    fn variables(&self, paths: &[Vec<String>]) -> Value {
        let mut vars = Map::new();
        for name in paths.iter().filter_map(|path| path.first()) {
            if vars.contains_key(name) {
                continue;
            }
            let value = match name.as_str() {
                "inputs" => Some(Value::Object(self.facts.start().inputs.clone())),
                "vars" => Some(Value::Object(self.run.vars.clone())),
                "nodes" => Some(self.nodes(paths)),
                "last" => Some(self.last()),
                "run" => Some(self.about_run()),
                "team" => Some(self.about_team()),
                "now" => Some(json!(timestamp(self.now))),
                "event" => self.event.cloned(),
                "feedback" => Some(self.feedback()),
                other => self.round(other),
            };
            if let Some(value) = value {
                vars.insert(name.clone(), value);
            }
        }
        Value::Object(vars)
    }

    /// The nodes that are looked at: those that are named, or all of them.
    fn nodes(&self, paths: &[Vec<String>]) -> Value {
        let of_nodes = || paths.iter().filter(|path| path[0] == "nodes");
        let all = of_nodes().any(|path| path.len() < 2);
        let mut nodes = Map::new();
        for place in &self.graph.nodes {
            let named = of_nodes().any(|path| path.get(1) == Some(&place.id));
            if !all && !named {
                continue;
            }
            let fresh = self.fresh.filter(|act| act.node == place.id);
            let newest = || self.run.acts.values().rev().find(|act| act.node == place.id);
            let shown =
                fresh.or_else(|| self.run.result_of(&place.id).map(|r| r.1)).or_else(newest);
            if let Some(act) = shown {
                nodes.insert(place.id.clone(), self.about(act));
            }
        }
        Value::Object(nodes)
    }

    /// What led to the visit: the nearest result, looked for through nodes that pass results on.
    pub(super) fn last(&self) -> Value {
        if let Some(act) = self.fresh {
            return self.about(act);
        }
        match self.act.and_then(|act| self.nearest(act)) {
            Some(act) => self.about(act),
            None => json!({"text": "", "output": Value::Null}),
        }
    }

    /// The nearest result before a visit.
    pub(super) fn nearest(&self, act: &'v Act) -> Option<&'v Act> {
        let mut at = act;
        for _ in 0..PASS_THROUGH_MAX {
            let parent = at.parents.last().and_then(|id| self.run.acts.get(id))?;
            let passes = self
                .graph
                .place(&parent.node)
                .is_some_and(|place| passes_through(&place.node.kind));
            if parent.output.is_some() || !passes {
                return Some(parent);
            }
            at = parent;
        }
        None
    }

    /// A visit as expressions see it.
    fn about(&self, act: &Act) -> Value {
        let text = act.output.as_ref().map(|output| self.whole_text(output)).unwrap_or_default();
        let value = act.output.as_ref().and_then(|output| output.value.clone());
        let value = value.or_else(|| {
            let long = act.output.as_ref().is_some_and(|output| output.blob.is_some());
            long.then(|| Output::text(text.clone()).value).flatten()
        });
        let ended = act.ended_at.unwrap_or(self.now);
        let artifacts = act.artifacts.iter();
        let artifacts: Vec<Value> = artifacts
            .map(|a| json!({"name": a.name, "bytes": a.bytes, "version": a.version, "digest": a.digest}))
            .collect();
        json!({
            "status": act.state.word(),
            "attempt": act.attempt,
            "visit": act.visit,
            "visits": self.run.visits_of.get(&act.node).copied().unwrap_or(act.visit),
            "port": act.port,
            "output": value.unwrap_or_else(|| Value::String(text.clone())),
            "text": text,
            "artifacts": artifacts,
            "exit_code": act.output.as_ref().and_then(|output| output.exit_code),
            "error": act.error,
            "duration_ms": act.began_at.map_or(0, |began| ended.saturating_sub(began)),
            "assignee": act.assignee,
        })
    }

    /// The text of a result, also of a long one.
    pub(super) fn whole_text(&self, output: &Output) -> String {
        let whole = output.blob.as_ref().and_then(|digest| self.facts.blob(digest));
        match whole {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => output.text.clone(),
        }
    }

    fn about_run(&self) -> Value {
        let began = self.run.started_at.unwrap_or(self.now);
        json!({
            "id": self.facts.start().run,
            "workflow": self.facts.start().workflow,
            "visits": self.run.visits,
            "steps": self.run.rev,
            "age_s": self.now.saturating_sub(began) / 1000,
            "status": self.run.ending.as_ref().map_or(self.run.status, |e| e.status).word(),
            "fault": self.run.ending.as_ref().map(|ending| &ending.fault),
        })
    }

    fn about_team(&self) -> Value {
        let members: Vec<String> = self.facts.members().into_iter().map(|m| m.name).collect();
        json!({
            "name": self.facts.start().team,
            "leader": self.facts.leader(),
            "members": members,
        })
    }

    fn feedback(&self) -> Value {
        let said = self.act.map(|act| act.feedback.as_slice()).unwrap_or_default();
        said.iter().map(|said| json!({"by": said.by, "text": said.text})).collect()
    }

    /// What the loops around the visit give names to: the item and the number of the round.
    fn round(&self, name: &str) -> Option<Value> {
        let act = self.act?;
        let node = self.graph.find(&act.node)?;
        let around = |ix: usize| {
            let place = &self.graph.nodes[ix];
            let rounds = self.run.rounds.get(&place.id).filter(|rounds| rounds.open)?;
            // What a round comes back with still belongs to it.
            let back = node == ix && rounds.back == Some(act.visit);
            let inside = back
                || act.since.get(&place.id) == Some(&rounds.visit)
                    && (node == ix || self.graph.is_in_body(node, ix));
            let Kind::Loop(looping) = &place.node.kind else { return None };
            inside.then_some((ix, looping, rounds))
        };
        let all: Vec<_> = (0..self.graph.nodes.len()).filter_map(around).collect();
        // The innermost one counts.
        let inner = |ix: usize| !all.iter().any(|(other, ..)| self.graph.is_in_body(*other, ix));
        let gives = |(_, looping, _): &&(usize, &crate::domain::workflow::definition::Loop, _)| {
            name == "index" || looping.name.as_deref().unwrap_or("item") == name
        };
        let candidates: Vec<_> = all.iter().filter(gives).collect();
        let chosen = candidates.iter().find(|(ix, ..)| inner(*ix)).or(candidates.first())?;
        let (_, _, rounds) = chosen;
        if name == "index" {
            return Some(json!(rounds.index));
        }
        rounds.items.get(rounds.index as usize).cloned()
    }
}

/// An instant as expressions and people see it.
pub(super) fn timestamp(millis: Millis) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    chrono::DateTime::from_timestamp_millis(millis)
        .map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
        .unwrap_or_default()
}
