//! Definitions in a line or two.

use clawteam::core::Digest;
use clawteam::domain::workflow::definition::Definition;
use clawteam::domain::workflow::graph::Graph;
use clawteam::domain::workflow::run::start::{Start, Trigger};
use serde_json::{Map, Value, json};

/// When every run of these tests begins, in milliseconds since the epoch.
pub(crate) const T0: u64 = 1_000_000_000;
/// A second.
pub(crate) const S: u64 = 1000;

/// A definition from its nodes and its edges, which are written `from>to` or `from>to:port`.
/// A node may be written as the word for its kind alone.
pub(crate) fn flow(nodes: Value, edges: &[&str]) -> Definition {
    flow_with(nodes, edges, json!({}))
}

/// The same, with further fields of the definition.
pub(crate) fn flow_with(nodes: Value, edges: &[&str], more: Value) -> Definition {
    let Value::Object(nodes) = nodes else { panic!("nodes are an object") };
    let node = |node: Value| if node.is_string() { json!({ "type": node }) } else { node };
    let nodes: Map<String, Value> = nodes.into_iter().map(|(id, n)| (id, node(n))).collect();
    let edges: Vec<Value> = edges.iter().map(|text| edge(text)).collect();
    let mut whole = json!({
        "schema": "clawteam.workflow/1", "name": "w", "nodes": nodes, "edges": edges,
    });
    for (key, value) in more.as_object().expect("more fields") {
        whole[key] = value.clone();
    }
    serde_json::from_value(whole).expect("a definition")
}

/// `from>to`, `from>to:port`, `from>to:port?guard` or `from>to:port!`, the last for `else`.
fn edge(text: &str) -> Value {
    let (from, rest) = text.split_once('>').expect("from>to");
    let (rest, when) = match rest.split_once('?') {
        Some((rest, when)) => (rest, Some(when)),
        None => (rest, None),
    };
    let (rest, otherwise) = match rest.strip_suffix('!') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (to, port) = rest.split_once(':').unwrap_or((rest, "success"));
    let mut edge = json!({ "from": from, "to": to, "port": port });
    if let Some(when) = when {
        edge["when"] = json!(when);
    }
    if otherwise {
        edge["else"] = json!(true);
    }
    edge
}

/// A definition made ready, and a run of it.
pub(crate) fn begin(definition: Definition) -> (Graph, Start) {
    begin_with(definition, json!({}))
}

/// The same with inputs.
pub(crate) fn begin_with(definition: Definition, inputs: Value) -> (Graph, Start) {
    let Value::Object(inputs) = inputs else { panic!("inputs are an object") };
    let start = Start {
        schema: Start::schema(),
        run: "w-1".into(),
        team: "t".into(),
        workflow: "w".into(),
        version: 1,
        digest: Digest::of(b"w"),
        created_at: T0,
        trigger: Trigger { source: "cli".into(), by: "ana".into(), ..Trigger::default() },
        inputs,
        repo: None,
        manual: false,
        concurrency_key: None,
        after: Vec::new(),
        definition: definition.clone(),
        extra: Map::new(),
    };
    (Graph::of(definition), start)
}
