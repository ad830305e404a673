//! Expressions, and texts with expressions in them: whether they can be read, what they look at,
//! and that secrets stay secret.

use std::collections::HashSet;

use serde_json::Value;

use super::net::Net;
use super::{field, join};
use crate::core::Diagnose;
use crate::core::text::nearest;
use crate::domain::expr::{Expr, ExprError, Template};
use crate::domain::workflow::definition::node::{Kind, Node};
use crate::domain::workflow::definition::problem::Problem;

/// The variables that every expression can look at.
pub const VARIABLES: &[&str] =
    &["inputs", "vars", "nodes", "last", "item", "index", "run", "team", "now"];

/// Where the value of an expression goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A worker uses it and nobody else sees it.
    Private,
    /// It is written down, shown or told, or what is decided by it is.
    Shown,
}

struct Texts<'a, 'd> {
    net: &'a Net<'d>,
    /// Names that loops give to their items.
    items: HashSet<&'d str>,
    /// Variables that the definition sets.
    vars: HashSet<&'d str>,
    secrets: Vec<&'d str>,
    problems: &'a mut Vec<Problem>,
}

pub(super) fn check(net: &Net<'_>, problems: &mut Vec<Problem>) {
    let definition = net.definition;
    let mut items = HashSet::new();
    let mut vars: HashSet<&str> = definition.vars.keys().map(String::as_str).collect();
    for node in definition.nodes.values() {
        match &node.kind {
            Kind::Loop(own) => items.extend(own.name.as_deref()),
            Kind::Map(own) => items.extend(own.name.as_deref()),
            Kind::Set(own) => vars.extend(own.vars.keys().map(String::as_str)),
            _ => {}
        }
    }
    let secrets = definition.inputs.iter().filter(|(_, input)| input.secret);
    let secrets = secrets.map(|(name, _)| name.as_str()).collect();
    let mut texts = Texts { net, items, vars, secrets, problems };
    for (n, edge) in definition.edges.iter().enumerate() {
        if let Some(when) = &edge.when {
            texts.expr(format!("{}.when", super::edge_at(n)), when, Use::Shown, &[]);
        }
    }
    for (name, output) in &definition.outputs {
        texts.expr(join("outputs", name), output, Use::Shown, &[]);
    }
    if let Some(key) = &definition.concurrency.key {
        texts.expr("concurrency.key".to_owned(), key, Use::Shown, &[]);
    }
    if let Some(check) = definition.defaults.checks.as_ref().and_then(|all| all.check.as_ref()) {
        texts.expr("defaults.checks.check".to_owned(), check, Use::Shown, &[]);
    }
    for (id, node) in &definition.nodes {
        texts.node(id, node);
        texts.work(id, node);
        texts.people(id, node);
    }
}

impl Texts<'_, '_> {
    /// What decides where the run goes on.
    fn node(&mut self, id: &str, node: &Node) {
        let at = |name: &str| field(id, name);
        if let Some(when) = &node.when {
            self.expr(at("when"), when, Use::Shown, &[]);
        }
        match &node.kind {
            Kind::Condition(own) => self.expr(at("expr"), &own.expr, Use::Shown, &[]),
            Kind::Switch(own) => {
                if let Some(expr) = &own.expr {
                    self.expr(at("expr"), expr, Use::Shown, &[]);
                }
                for (n, case) in own.cases.iter().enumerate() {
                    self.expr(at(&format!("cases[{n}].when")), &case.when, Use::Shown, &[]);
                }
            }
            Kind::Delay(own) => {
                if let Some(until) = &own.until
                    && chrono::DateTime::parse_from_rfc3339(until).is_err()
                {
                    self.expr(at("until"), until, Use::Shown, &[]);
                }
            }
            Kind::Wait(own) => {
                if let Some(filter) = &own.filter {
                    self.expr(at("filter"), filter, Use::Shown, &["event"]);
                }
            }
            Kind::Loop(own) => {
                for (name, expr, used) in [
                    ("while", &own.condition, Use::Shown),
                    ("forEach", &own.for_each, Use::Shown),
                    ("collect", &own.collect, Use::Shown),
                ] {
                    if let Some(expr) = expr {
                        self.expr(at(name), expr, used, &[]);
                    }
                }
            }
            Kind::Map(own) => {
                self.expr(at("items"), &own.items, Use::Shown, &[]);
                for (name, expr) in &own.inputs {
                    self.expr(join(&at("inputs"), name), expr, Use::Shown, &[]);
                }
            }
            Kind::Subworkflow(own) => {
                for (name, expr) in &own.inputs {
                    self.expr(join(&at("inputs"), name), expr, Use::Shown, &[]);
                }
            }
            Kind::Set(own) => {
                for (name, expr) in &own.vars {
                    self.expr(join(&at("vars"), name), expr, Use::Shown, &[]);
                }
            }
            _ => {}
        }
    }

    /// What workers get.
    fn work(&mut self, id: &str, node: &Node) {
        let at = |name: &str| field(id, name);
        match &node.kind {
            Kind::Command(own) => {
                for (n, word) in own.run.iter().enumerate() {
                    self.template(at(&format!("run[{n}]")), word, Use::Shown);
                }
                for (name, value) in &own.env {
                    self.template(join(&at("env"), name), value, Use::Private);
                }
                self.template(at("stdin"), &own.stdin, Use::Private);
                self.template(at("cwd"), &own.cwd, Use::Shown);
                self.template(at("worktree"), &own.worktree, Use::Shown);
            }
            Kind::Plugin(own) => {
                for (name, expr) in &own.input {
                    self.expr(join(&at("input"), name), expr, Use::Shown, &[]);
                }
            }
            Kind::Http(own) => {
                self.template(at("url"), &own.url, Use::Shown);
                for (name, value) in &own.headers {
                    self.template(join(&at("headers"), name), value, Use::Private);
                }
                if let Some(Value::String(body)) = &own.body {
                    self.template(at("body"), body, Use::Private);
                }
            }
            Kind::Merge(own) => {
                for (n, agent) in own.agent.iter().enumerate() {
                    self.template(at(&format!("agent[{n}]")), agent, Use::Shown);
                }
            }
            Kind::Checkpoint(own) => self.template(at("message"), &own.message, Use::Shown),
            _ => {}
        }
    }

    /// What people and agents read.
    fn people(&mut self, id: &str, node: &Node) {
        let at = |name: &str| field(id, name);
        match &node.kind {
            Kind::Task(own) => {
                self.template(at("subject"), &own.subject, Use::Shown);
                self.template(at("prompt"), &own.prompt, Use::Shown);
                if let Some(agent) = own.assign.as_ref().and_then(|assign| assign.agent.as_ref()) {
                    self.template(at("assign.agent"), agent, Use::Shown);
                }
                if let Some(check) = own.checks.as_ref().and_then(|checks| checks.check.as_ref()) {
                    self.expr(at("checks.check"), check, Use::Shown, &[]);
                }
            }
            Kind::Approval(own) => {
                self.template(at("title"), &own.title, Use::Shown);
                self.template(at("details"), &own.details, Use::Shown);
                for (n, who) in own.approvers.iter().enumerate() {
                    self.template(at(&format!("approvers[{n}]")), who, Use::Shown);
                }
            }
            Kind::Notify(own) => {
                self.template(at("title"), &own.title, Use::Shown);
                self.template(at("body"), &own.body, Use::Shown);
            }
            Kind::Meeting(own) => self.template(at("topic"), &own.topic, Use::Shown),
            Kind::End(own) => self.template(at("reason"), &own.reason, Use::Shown),
            _ => {}
        }
    }

    fn expr(&mut self, path: String, text: &str, used: Use, more: &[&str]) {
        match Expr::compile(text) {
            Ok(expr) => self.looks_at(&path, &expr, used, more),
            Err(error) => self.problems.push(refused(path, &error)),
        }
    }

    fn template(&mut self, path: String, text: &str, used: Use) {
        if !text.contains("{{") {
            return;
        }
        match Template::compile(text) {
            Ok(template) => {
                for expr in template.expressions() {
                    self.looks_at(&path, expr, used, &[]);
                }
            }
            Err(error) => self.problems.push(refused(path, &error)),
        }
    }

    fn looks_at(&mut self, path: &str, expr: &Expr, used: Use, more: &[&str]) {
        let mut told = HashSet::new();
        for names in expr.paths() {
            let root = names[0].as_str();
            let key = names.get(1).map(String::as_str);
            if !told.insert((root, key)) {
                continue;
            }
            let known = VARIABLES.contains(&root) || more.contains(&root);
            if !known && !self.items.contains(root) {
                self.unknown_variable(path, root, more);
            }
            match (root, key) {
                ("nodes", Some(id)) if self.net.find(id).is_none() => {
                    self.problems.push(super::names::unknown(self.net, path.to_owned(), id));
                }
                ("inputs", Some(name)) if !self.net.definition.inputs.contains_key(name) => {
                    let names = self.net.definition.inputs.keys().map(String::as_str);
                    self.undefined(path, "input", name, nearest(name, names));
                }
                ("vars", Some(name)) if !self.vars.contains(name) => {
                    self.undefined(
                        path,
                        "variable",
                        name,
                        nearest(name, self.vars.iter().copied()),
                    );
                }
                _ => {}
            }
            if used == Use::Shown && root == "inputs" {
                self.secret(path, key);
            }
        }
    }

    fn unknown_variable(&mut self, path: &str, name: &str, more: &[&str]) {
        let message = format!("there is no variable '{name}'");
        let all = VARIABLES.iter().chain(more).copied();
        let hint = if self.net.definition.inputs.contains_key(name) {
            format!("write inputs.{name}")
        } else if self.vars.contains(name) {
            format!("write vars.{name}")
        } else if self.net.find(name).is_some() {
            format!("write nodes[\"{name}\"]")
        } else if let Some(near) = nearest(name, all.clone()) {
            format!("did you mean '{near}'?")
        } else {
            format!("there are {}", all.collect::<Vec<_>>().join(", "))
        };
        self.problems.push(Problem::error("unknown_variable", path, message).hint(hint));
    }

    fn undefined(&mut self, path: &str, what: &str, name: &str, near: Option<&str>) {
        let message = format!("no {what} '{name}' is defined");
        let hint = near.map_or_else(
            || "if it may be missing, ask with has(…) first".to_owned(),
            |near| format!("did you mean '{near}'?"),
        );
        self.problems.push(Problem::warning("undefined_variable", path, message).hint(hint));
    }

    /// The secret input `key`, or all inputs, are looked at where others see it.
    fn secret(&mut self, path: &str, key: Option<&str>) {
        let shown = self.secrets.iter().find(|secret| key.is_none_or(|key| key == **secret));
        if let Some(secret) = shown {
            let message = format!("the secret input '{secret}' would be seen by others here");
            let problem = Problem::error("secret_shown", path, message);
            let hint =
                "secrets may be used in env and stdin of commands, in headers and body of calls";
            self.problems.push(problem.hint(hint));
        }
    }
}

fn refused(path: String, error: &ExprError) -> Problem {
    let problem = Problem::error(error.code(), path, error.to_string());
    Problem { hint: error.hint(), ..problem }
}
