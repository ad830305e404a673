//! A definition in the languages of drawing programs, and as TOML.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::draw::Overlay;
use super::model::{Definition, Edge, SUCCESS};
use super::node::{Kind, Node, OnFailure};

/// A way between two nodes as a drawing shows it: from, to, what is written on it, and whether it
/// is drawn with dashes: it is implied, or for what went wrong.
fn ways(definition: &Definition) -> Vec<(&str, &str, String, bool)> {
    let mut ways = Vec::new();
    for edge in &definition.edges {
        let astray = definition
            .nodes
            .get(&edge.from)
            .is_some_and(|node| super::ports::ports(&node.kind).astray.contains(&edge.port()));
        ways.push((edge.from.as_str(), edge.to.as_str(), label(edge), astray));
    }
    for (id, node) in &definition.nodes {
        match &node.kind {
            Kind::Approval(own) => {
                ways.extend(own.rework.iter().map(|to| (&**id, &**to, "rework".to_owned(), true)));
            }
            Kind::Loop(own) => {
                ways.extend(own.body.iter().map(|to| (&**id, &**to, "body".to_owned(), false)));
            }
            _ => {}
        }
        if let Some(OnFailure::Route(to)) = &node.on_failure {
            ways.push((id, to, "failure".to_owned(), true));
        }
    }
    ways
}

fn label(edge: &Edge) -> String {
    let mut parts = Vec::new();
    if !edge.label.is_empty() {
        parts.push(edge.label.clone());
    } else if edge.port() != SUCCESS {
        parts.push(edge.port().to_owned());
    }
    if let Some(when) = &edge.when {
        parts.push(format!("if {when}"));
    }
    if edge.otherwise {
        parts.push("else".to_owned());
    }
    parts.join(" ")
}

fn title(id: &str, node: &Node, overlay: &Overlay<'_>) -> Vec<String> {
    let name = if node.label.is_empty() { id } else { &node.label };
    let mut lines = vec![name.to_owned(), node.kind.word().to_owned()];
    lines.extend(overlay(id));
    lines
}

/// As a Mermaid flowchart.
pub fn mermaid(definition: &Definition, overlay: &Overlay<'_>) -> String {
    let plain = |text: &str| {
        text.chars()
            .map(|c| match c {
                '"' => "#quot;".to_owned(),
                '#' => "#35;".to_owned(),
                '<' => "#lt;".to_owned(),
                '>' => "#gt;".to_owned(),
                '|' => "#124;".to_owned(),
                c if c.is_control() => " ".to_owned(),
                c => c.to_string(),
            })
            .collect::<String>()
    };
    let place = |id: &str| definition.nodes.get_index_of(id);
    let mut text = String::from("flowchart TD\n");
    for (n, (id, node)) in definition.nodes.iter().enumerate() {
        let lines: Vec<String> = title(id, node, overlay).iter().map(|line| plain(line)).collect();
        let (open, close) = match &node.kind {
            Kind::Condition(_) | Kind::Switch(_) => ("{", "}"),
            Kind::Approval(_) => ("[/", "/]"),
            Kind::Join(_) | Kind::Parallel(_) => ("{{", "}}"),
            Kind::Loop(_) | Kind::Map(_) => ("([", "])"),
            Kind::End(_) => ("((", "))"),
            _ => ("[", "]"),
        };
        let _ = writeln!(text, "  n{n}{open}\"{}\"{close}", lines.join("<br/>"));
    }
    for (from, to, label, dashed) in ways(definition) {
        let (Some(from), Some(to)) = (place(from), place(to)) else { continue };
        let arrow = if dashed { "-.->" } else { "-->" };
        let label = if label.is_empty() { label } else { format!("|\"{}\"|", plain(&label)) };
        let _ = writeln!(text, "  n{from} {arrow}{label} n{to}");
    }
    text
}

/// In the language of Graphviz.
pub fn dot(definition: &Definition, overlay: &Overlay<'_>) -> String {
    let quoted = |text: &str| {
        let plain: String =
            text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
        format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
    };
    let mut text = format!("digraph {} {{\n  node [shape=box];\n", quoted(&definition.name));
    for (id, node) in &definition.nodes {
        let shape = match &node.kind {
            Kind::Condition(_) | Kind::Switch(_) => "diamond",
            Kind::Approval(_) => "parallelogram",
            Kind::Join(_) | Kind::Parallel(_) => "hexagon",
            Kind::Loop(_) | Kind::Map(_) => "ellipse",
            Kind::End(_) => "doublecircle",
            _ => "box",
        };
        let label = quoted(&title(id, node, overlay).join("\n"));
        let _ = writeln!(text, "  {} [label={label}, shape={shape}];", quoted(id));
    }
    for (from, to, label, dashed) in ways(definition) {
        let style = if dashed { ", style=dashed" } else { "" };
        let (from, to) = (quoted(from), quoted(to));
        let _ = writeln!(text, "  {from} -> {to} [label={}{style}];", quoted(&label));
    }
    text.push_str("}\n");
    text
}

/// Nodes and ways as plain data.
pub fn graph(definition: &Definition, overlay: &Overlay<'_>) -> Value {
    let nodes: Vec<Value> = definition
        .nodes
        .iter()
        .map(|(id, node)| {
            let mut made = json!({"id": id, "type": node.kind.word()});
            if !node.label.is_empty() {
                made["label"] = node.label.clone().into();
            }
            if let Some(position) = &node.position {
                made["position"] = position.clone();
            }
            if let Some(state) = overlay(id) {
                made["state"] = state.into();
            }
            made
        })
        .collect();
    let edges: Vec<Value> = ways(definition)
        .into_iter()
        .map(|(from, to, label, dashed)| {
            json!({"from": from, "to": to, "label": label, "dashed": dashed})
        })
        .collect();
    let starts = super::check::starts(definition);
    json!({"name": definition.name, "starts": starts, "nodes": nodes, "edges": edges})
}

/// As TOML. Fails with the path of what TOML cannot hold.
pub fn toml(definition: &Definition) -> Result<String, String> {
    let tree = serde_json::to_value(definition).map_err(|error| error.to_string())?;
    match to_toml("", &tree)? {
        toml::Value::Table(table) => toml::to_string_pretty(&table).map_err(|e| e.to_string()),
        _ => Err("it is no table".to_owned()),
    }
}

fn to_toml(path: &str, value: &Value) -> Result<toml::Value, String> {
    use super::parse::join;
    Ok(match value {
        Value::Null => return Err(format!("{path} is null")),
        Value::Bool(answer) => (*answer).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(number)) => number.into(),
            (None, None) => return Err(format!("{path} is too large")),
        },
        Value::String(text) => text.clone().into(),
        Value::Array(items) => {
            let items = items.iter().map(|item| to_toml(path, item));
            toml::Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(object) => {
            let entries = object.iter();
            let entries =
                entries.map(|(key, item)| Ok((key.clone(), to_toml(&join(path, key), item)?)));
            toml::Value::Table(entries.collect::<Result<_, String>>()?)
        }
    })
}
