//! How visits begin that workers or other runs see to.

use serde_json::{Map, Value, json};

use super::context::fault_of;
use super::route;
use super::start::{Beginning, Begun, dispatched, id_for, item_timeout};
use crate::domain::workflow::definition::{
    self, Body, Checkpoint, Command, Http, Meeting, Merge, Plugin, SUCCESS, Subworkflow,
};
use crate::domain::workflow::run::effect::{ChildWish, Effect, ItemWish, Op};
use crate::domain::workflow::run::effect::{MAP_CONCURRENCY, effect_key};
use crate::domain::workflow::run::record::Begin;
use crate::domain::workflow::run::state::{Child, Fault, Output, Parts, Work};

/// How deep runs may be nested.
const DEPTH_MAX: u32 = 8;

impl Beginning<'_> {
    /// Work for the queue.
    fn item(&self, kind: &str, payload: Value) -> Begin {
        let wish = ItemWish {
            item: self.key(kind),
            kind: kind.to_owned(),
            priority: self.priority(),
            payload: match payload {
                Value::Object(payload) => payload,
                _ => Map::new(),
            },
            timeout: item_timeout(self),
            idempotent: self.view.graph.nodes[self.node].node.idempotent.unwrap_or(true),
            act: self.id.to_owned(),
            attempt: self.attempt,
        };
        let key = wish.item.clone();
        let effect = Effect { key: key.clone(), op: Op::Push(Box::new(wish)) };
        // The worker keeps the time: it begins when the item is taken, not when it is made.
        dispatched(Work::Item { key }, None, None, vec![effect])
    }

    pub(super) fn render_all<'t>(
        &self,
        texts: impl IntoIterator<Item = &'t String>,
    ) -> Result<Vec<String>, Fault> {
        texts.into_iter().map(|text| self.render(text)).collect()
    }

    fn render_map(&self, texts: &indexmap::IndexMap<String, String>) -> Result<Value, Fault> {
        let pairs = texts.iter().map(|(name, text)| Ok((name.clone(), json!(self.render(text)?))));
        Ok(Value::Object(pairs.collect::<Result<Map<_, _>, Fault>>()?))
    }

    fn values(
        &self,
        exprs: &indexmap::IndexMap<String, String>,
    ) -> Result<Map<String, Value>, Fault> {
        let value = |text: &String| self.view.value(text).map_err(|error| fault_of(&error));
        exprs.iter().map(|(name, text)| Ok((name.clone(), value(text)?))).collect()
    }

    pub(super) fn command(&self, command: &Command) -> Begun {
        let payload = json!({
            "run": self.render_all(&command.run)?,
            "shell": command.shell,
            "cwd": self.render(&command.cwd)?,
            "env": self.render_map(&command.env)?,
            "stdin": self.render(&command.stdin)?,
            "worktree": self.render(&command.worktree)?,
            "parse": command.parse,
            "okExit": command.ok_exit,
        });
        Ok(self.item("command", payload))
    }

    pub(super) fn plugin(&self, plugin: &Plugin) -> Begun {
        let input = self.values(&plugin.input)?;
        let payload = json!({"name": plugin.name, "input": input, "config": plugin.config});
        Ok(self.item("plugin", payload))
    }

    pub(super) fn http(&self, http: &Http) -> Begun {
        let body = match &http.body {
            Some(Value::String(text)) => Some(Value::String(self.render(text)?)),
            other => other.clone(),
        };
        let payload = json!({
            "url": self.render(&http.url)?,
            "method": http.method,
            "headers": self.render_map(&http.headers)?,
            "body": body,
            "okStatus": http.ok_status,
            "auth": http.auth,
        });
        Ok(self.item("http", payload))
    }

    pub(super) fn merge(&self, merge: &Merge) -> Begun {
        Ok(self.item("merge", merge_payload(self, merge)?))
    }

    pub(super) fn checkpoint(&self, checkpoint: &Checkpoint) -> Begun {
        let payload = json!({
            "agents": self.render_all(&checkpoint.agents)?,
            "message": self.render(&checkpoint.message)?,
        });
        Ok(self.item("checkpoint", payload))
    }

    fn check_depth(&self) -> Result<(), Fault> {
        let above = self.view.facts.start().trigger.parent.as_ref();
        if above.map_or(0, |parent| parent.depth) + 1 < DEPTH_MAX {
            return Ok(());
        }
        let message = format!("'{}' would nest runs deeper than {DEPTH_MAX}", self.act.node);
        Err(Fault::new("subworkflow_depth", message))
    }

    pub(super) fn map(&self, map: &definition::Map) -> Begun {
        self.check_depth()?;
        let items = self.items_of(&map.items)?;
        if items.is_empty() {
            return Ok(self.done(SUCCESS, Some(Output::of(Value::Array(Vec::new())))));
        }
        let child = |n: usize| Child { run: child_id(self, n), status: None, output: None };
        let children: Vec<Child> = (0..items.len()).map(child).collect();
        let first = (map.concurrency.unwrap_or(MAP_CONCURRENCY).max(1) as usize).min(items.len());
        let mut effects = Vec::new();
        for (n, item) in items.iter().enumerate().take(first) {
            effects.push(map_child(self, map, n, &children[n].run, item)?);
        }
        let parts = Parts::Children { children, items };
        Ok(dispatched(Work::Children, Some(parts), self.due(), effects))
    }

    pub(super) fn subworkflow(&self, sub: &Subworkflow) -> Begun {
        self.check_depth()?;
        let run = child_id(self, 0);
        let wish = ChildWish {
            run: run.clone(),
            workflow: Some(sub.workflow.clone()),
            version: sub.version,
            inputs: self.values(&sub.inputs)?,
            act: self.id.to_owned(),
        };
        let effect = Effect { key: self.key("child0"), op: Op::StartChild(Box::new(wish)) };
        if sub.wait == Some(false) {
            let output = Some(Output::of(json!({"run": run})));
            let mut result =
                route::success(&self.view, self.act, self.node, SUCCESS, output, Vec::new());
            result.effects = vec![effect];
            return Ok(Begin::Done { result: Box::new(result), vars: Map::new(), rounds: None });
        }
        let children = vec![Child { run, status: None, output: None }];
        let parts = Parts::Children { children, items: Vec::new() };
        Ok(dispatched(Work::Children, Some(parts), self.due(), vec![effect]))
    }

    pub(super) fn meeting(&self, meeting: &Meeting) -> Begun {
        super::meeting::begin(self, meeting)
    }
}

/// The id of a child. Ids are names, and those of children of children must not grow.
fn child_id(beginning: &Beginning<'_>, n: usize) -> String {
    let digits = id_for(&beginning.view, &beginning.key(&format!("child{n}")), 12);
    let node: String = beginning.act.node.chars().take(40).collect();
    format!("{node}-{digits}")
}

/// What starts a child of a map.
pub(super) fn map_child(
    beginning: &Beginning<'_>,
    map: &definition::Map,
    n: usize,
    run: &str,
    item: &Value,
) -> Result<Effect, Fault> {
    let mut inputs = beginning.values(&map.inputs)?;
    inputs.insert(map.name.clone().unwrap_or_else(|| "item".into()), item.clone());
    let workflow = match &map.body {
        Body::Name(name) => Some(name.clone()),
        Body::Inline(_) => None,
    };
    let act = beginning.id.to_owned();
    let wish = ChildWish { run: run.to_owned(), workflow, version: None, inputs, act };
    let key = effect_key(beginning.id, beginning.attempt, &format!("child{n}"));
    Ok(Effect { key, op: Op::StartChild(Box::new(wish)) })
}

/// What a worker needs to know to merge.
pub(super) fn merge_payload(beginning: &Beginning<'_>, merge: &Merge) -> Result<Value, Fault> {
    Ok(json!({
        "agents": beginning.render_all(&merge.agent)?,
        "into": beginning.render(&merge.into)?,
        "strategy": merge.strategy,
        "cleanup": merge.cleanup,
    }))
}

/// A merge that is tried once more.
pub(super) fn merge_again(
    beginning: &Beginning<'_>,
    merge: &Merge,
    round: u32,
) -> Result<(Work, Effect), Fault> {
    let key = effect_key(beginning.id, beginning.attempt, &format!("merge{round}"));
    let Value::Object(payload) = merge_payload(beginning, merge)? else {
        unreachable!("a payload is an object")
    };
    let wish = ItemWish {
        item: key.clone(),
        kind: "merge".into(),
        priority: beginning.priority(),
        payload,
        timeout: item_timeout(beginning),
        idempotent: true,
        act: beginning.id.to_owned(),
        attempt: beginning.attempt,
    };
    Ok((Work::Item { key: key.clone() }, Effect { key, op: Op::Push(Box::new(wish)) }))
}
