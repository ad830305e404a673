//! What differs between two definitions.

use serde::Serialize;
use serde_json::{Map, Value};

use super::model::{Definition, Edge};
use super::parse::join;

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Where: `nodes.build.timeout`.
    pub path: String,
    /// What it was; nothing if it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is; nothing if it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What differs between two definitions.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Nodes that are new.
    pub nodes_added: Vec<String>,
    /// Nodes that are gone.
    pub nodes_removed: Vec<String>,
    /// Edges that are new, as `a -> b` with the port if it is not `success`.
    pub edges_added: Vec<String>,
    /// Edges that are gone.
    pub edges_removed: Vec<String>,
    /// Fields that differ, those of nodes that are in both included.
    pub changes: Vec<Change>,
    /// The same as lines of the two documents, in the unified format.
    pub text: String,
}

/// What differs between `before` and `after`.
pub fn difference(before: &Definition, after: &Definition) -> Difference {
    let tree = |definition: &Definition| match serde_json::to_value(definition) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    let text = |tree: &Map<String, Value>| serde_json::to_string_pretty(tree).unwrap_or_default();
    let (mut old, mut new) = (tree(before), tree(after));
    let text = similar::TextDiff::from_lines(text(&old), text(&new))
        .unified_diff()
        .context_radius(3)
        .to_string();
    let only = |a: &Definition, b: &Definition| {
        let gone = a.nodes.keys().filter(|id| !b.nodes.contains_key(*id));
        gone.cloned().collect::<Vec<_>>()
    };
    let edges = |a: &[Edge], b: &[Edge]| {
        let known: Vec<String> = b.iter().map(edge_name).collect();
        let names = a.iter().map(edge_name).filter(|name| !known.contains(name));
        names.collect::<Vec<_>>()
    };
    let mut found = Difference {
        nodes_added: only(after, before),
        nodes_removed: only(before, after),
        edges_added: edges(&after.edges, &before.edges),
        edges_removed: edges(&before.edges, &after.edges),
        changes: Vec::new(),
        text,
    };
    // Nodes that are in one of the two are named already; edges have no place of their own.
    for (tree, gone) in [(&mut old, &found.nodes_removed), (&mut new, &found.nodes_added)] {
        tree.remove("edges");
        if let Some(Value::Object(nodes)) = tree.get_mut("nodes") {
            nodes.retain(|id, _| !gone.contains(id));
        }
    }
    compare("", &Value::Object(old), &Value::Object(new), &mut found.changes);
    for edge in &after.edges {
        let same = before.edges.iter().find(|other| edge_name(other) == edge_name(edge));
        if let Some(same) = same.filter(|same| *same != edge) {
            let value = |edge: &Edge| serde_json::to_value(edge).unwrap_or_default();
            let path = format!("edges[{}]", edge_name(edge));
            compare(&path, &value(same), &value(edge), &mut found.changes);
        }
    }
    found
}

fn edge_name(edge: &Edge) -> String {
    let port = match edge.port() {
        super::model::SUCCESS => String::new(),
        port => format!(" ({port})"),
    };
    format!("{} -> {}{port}", edge.from, edge.to)
}

fn compare(path: &str, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    if let (Value::Object(old), Value::Object(new)) = (before, after) {
        for (key, value) in old {
            let place = join(path, key);
            if let Some(other) = new.get(key) {
                compare(&place, value, other, changes);
            } else {
                let before = Some(value.clone());
                changes.push(Change { path: place, before, after: None });
            }
        }
        for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
            let (path, after) = (join(path, key), Some(value.clone()));
            changes.push(Change { path, before: None, after });
        }
    } else if before != after {
        changes.push(Change {
            path: path.to_owned(),
            before: Some(before.clone()),
            after: Some(after.clone()),
        });
    }
}

/// Sets what `path` leads to in a tree of values, or removes it if `value` is none. Objects on the
/// way are made. Fails with the reason.
pub fn set_path(tree: &mut Value, path: &str, value: Option<Value>) -> Result<(), String> {
    let keys = keys_of(path)?;
    let (last, way) = keys.split_last().ok_or("it is empty")?;
    let mut at = tree;
    for key in way {
        at = step(at, key)?;
    }
    match (at, last) {
        (Value::Object(object), Key::Name(name)) => {
            match value {
                Some(value) => object.insert(name.clone(), value),
                None => object.shift_remove(name),
            };
            Ok(())
        }
        (Value::Array(items), Key::Place(n)) => match value {
            Some(value) if *n < items.len() => {
                items[*n] = value;
                Ok(())
            }
            Some(value) if *n == items.len() => {
                items.push(value);
                Ok(())
            }
            None if *n < items.len() => {
                items.remove(*n);
                Ok(())
            }
            _ => Err(format!("the list has {} items", items.len())),
        },
        (_, Key::Name(name)) => Err(format!("'{name}' is not in an object")),
        (_, Key::Place(n)) => Err(format!("[{n}] is not in a list")),
    }
}

fn step<'v>(value: &'v mut Value, key: &Key) -> Result<&'v mut Value, String> {
    match (value, key) {
        (Value::Object(object), Key::Name(name)) => {
            Ok(object.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())))
        }
        (Value::Array(items), Key::Place(n)) => {
            let length = items.len();
            items.get_mut(*n).ok_or_else(|| format!("the list has {length} items"))
        }
        (_, Key::Name(name)) => Err(format!("'{name}' is not in an object")),
        (_, Key::Place(n)) => Err(format!("[{n}] is not in a list")),
    }
}

enum Key {
    Name(String),
    Place(usize),
}

/// The keys of `a.b[2]["c d"]`.
fn keys_of(path: &str) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (key, after) = inside.split_once(']').ok_or("a ']' is missing")?;
            let name = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
            keys.push(match name {
                Some(name) => Key::Name(name.to_owned()),
                None => Key::Place(key.parse().map_err(|_| format!("[{key}] is no place"))?),
            });
            rest = after;
        } else {
            let plain = rest.strip_prefix('.').unwrap_or(rest);
            let end = plain.find(['.', '[']).unwrap_or(plain.len());
            if end == 0 {
                return Err("a name is missing".to_owned());
            }
            keys.push(Key::Name(plain[..end].to_owned()));
            rest = &plain[end..];
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_set_by_their_path() {
        let mut tree = json!({"nodes": {"a b": {"x": 1}}, "edges": [{"from": "a"}]});
        for (path, value) in [
            ("name", Some(json!("n"))),
            ("nodes[\"a b\"].x", None),
            ("nodes.c.retry.max", Some(json!(2))),
            ("edges[0].to", Some(json!("b"))),
            ("edges[1]", Some(json!({"from": "b"}))),
        ] {
            set_path(&mut tree, path, value).expect(path);
        }
        let wanted = json!({"nodes": {"a b": {}, "c": {"retry": {"max": 2}}}, "name": "n",
            "edges": [{"from": "a", "to": "b"}, {"from": "b"}]});
        assert_eq!(tree, wanted);
        for path in ["", "edges[9]", "edges.x", "name.x", "a..b", "a[", "a[x]", "nodes[0]"] {
            assert!(set_path(&mut tree, path, Some(json!(1))).is_err(), "{path}");
        }
    }
}
