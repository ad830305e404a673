//! Edits of settings, whatever their form.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::JsonTree;
use super::toml::TomlTree;
use super::{Edit, EditError, Format};

/// Settings that can be edited in place.
pub(super) trait Tree {
    /// The value at a path.
    fn get(&self, path: &[String]) -> Option<Value>;
    /// Puts a value at a path; objects on the way are made.
    fn put(&mut self, path: &[String], value: &Value) -> Result<(), EditError>;
    /// Removes what is at a path.
    fn remove(&mut self, path: &[String]);
    /// Appends an element to the list at a path, which is made if need be.
    fn push(&mut self, path: &[String], value: &Value) -> Result<(), EditError>;
    /// Removes an element from the list at a path.
    fn pull(&mut self, path: &[String], index: usize);
    /// The settings as text.
    fn text(&self) -> String;
}

fn open(format: Format, text: &str) -> Result<Box<dyn Tree>, EditError> {
    Ok(match format {
        Format::Json => Box::new(JsonTree::parse(text)?),
        Format::Toml => Box::new(TomlTree::parse(text)?),
    })
}

/// An edit that has changed something, with what is needed to undo it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// The edit.
    pub edit: Edit,
    /// What was at the path before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// How many names of the path were there before.
    pub existed: usize,
}

/// What an undo came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// The settings now.
    pub text: String,
    /// Paths, with dots, that the user has changed since; they were left alone.
    pub left: Vec<String>,
}

fn shape(path: &[String], expected: &'static str) -> EditError {
    EditError::Shape { path: path.join("."), expected }
}

/// How many names of a path lead to something.
fn existing(tree: &dyn Tree, path: &[String]) -> usize {
    (1..=path.len()).rev().find(|length| tree.get(&path[..*length]).is_some()).unwrap_or(0)
}

/// Makes edits. Returns the new text and those edits that changed something.
pub fn apply(format: Format, text: &str, edits: &[Edit]) -> Result<(String, Vec<Made>), EditError> {
    let mut tree = open(format, text)?;
    let mut made = Vec::new();
    for edit in edits {
        match edit {
            Edit::Put { path, value } | Edit::Offer { path, value } => {
                let before = tree.get(path);
                let existed = existing(&*tree, path);
                // What the user has there, also something that leaves no room, stays.
                let in_the_way = existed < path.len()
                    && existed > 0
                    && !tree.get(&path[..existed]).is_some_and(|value| value.is_object());
                let stays = matches!(edit, Edit::Offer { .. }) && (before.is_some() || in_the_way);
                if stays || before.as_ref() == Some(value) {
                    continue;
                }
                tree.put(path, value)?;
                made.push(Made { edit: edit.clone(), before, existed });
            }
            Edit::Add { path, value } => {
                match tree.get(path) {
                    Some(Value::Array(list)) if list.contains(value) => continue,
                    None | Some(Value::Array(_)) => {}
                    Some(_) => return Err(shape(path, "a list")),
                }
                let existed = existing(&*tree, path);
                tree.push(path, value)?;
                made.push(Made { edit: edit.clone(), before: None, existed });
            }
        }
    }
    Ok((if made.is_empty() { text.to_owned() } else { tree.text() }, made))
}

/// Takes edits back, the last first. What the user has changed since stays.
pub fn undo(format: Format, text: &str, made: &[Made]) -> Result<Undone, EditError> {
    let mut tree = open(format, text)?;
    let mut left = Vec::new();
    let mut changed = false;
    for made in made.iter().rev() {
        match &made.edit {
            Edit::Put { path, value } | Edit::Offer { path, value } => {
                match (tree.get(path), &made.before) {
                    (Some(now), Some(before)) if now == *value => tree.put(path, before)?,
                    (Some(now), None) if now == *value => {
                        tree.remove(path);
                        prune(&mut *tree, path, made.existed);
                    }
                    (None, None) => continue,
                    _ => {
                        left.push(path.join("."));
                        continue;
                    }
                }
            }
            Edit::Add { path, value } => {
                let list = tree.get(path).unwrap_or_default();
                let found = list.as_array().and_then(|list| list.iter().position(|v| v == value));
                let Some(index) = found else { continue };
                tree.pull(path, index);
                if made.existed < path.len() && is_empty(tree.get(path).as_ref()) {
                    tree.remove(path);
                    prune(&mut *tree, path, made.existed);
                }
            }
        }
        changed = true;
    }
    Ok(Undone { text: if changed { tree.text() } else { text.to_owned() }, left })
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(object)) => object.is_empty(),
        _ => false,
    }
}

/// Removes the objects that were made for what is gone, unless something else is in them by now.
fn prune(tree: &mut dyn Tree, path: &[String], existed: usize) {
    for length in (existed + 1..path.len()).rev() {
        if !is_empty(tree.get(&path[..length]).as_ref()) {
            return;
        }
        tree.remove(&path[..length]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    fn put(at: &str, value: Value) -> Edit {
        Edit::Put { path: path(at), value }
    }

    fn add(at: &str, value: Value) -> Edit {
        Edit::Add { path: path(at), value }
    }

    const JSON: &str = "{\n  // mine\n  \"b\": 1, /* here */\n  \"hooks\": {\n    \"Stop\": [\n      {\"command\": \"mine\"}\n    ]\n  },\n  \"a\": [1, 2,],\n}\n";

    const TOML: &str = "# mine\nmodel = \"x\" # here\n\n[mcp_servers.other]\ncommand = \"o\"\n\n[z]\nlist = [1, 2] # two\n";

    #[test]
    fn edits_leave_the_rest_as_it_is_and_can_be_undone() {
        let edits = [
            add("hooks.Stop", json!({"command": "ours", "timeout": 5})),
            add("hooks.Start", json!({"command": "ours"})),
            put("mcp.clawteam", json!({"command": "c", "args": ["mcp"], "env": {}})),
            put("b", json!(2)),
        ];
        let (text, made) = apply(Format::Json, JSON, &edits).expect("it is understood");
        assert_eq!(made.len(), 4);
        for kept in ["// mine", "/* here */", "{\"command\": \"mine\"}", "\"a\": [1, 2,]"] {
            assert!(text.contains(kept), "{kept}\n{text}");
        }
        let (again, none) = apply(Format::Json, &text, &edits).expect("it is understood");
        assert_eq!((again.as_str(), none.len()), (text.as_str(), 0));
        let undone = undo(Format::Json, &text, &made).expect("it is understood");
        assert_eq!(undone, Undone { text: JSON.into(), left: vec![] });
    }

    #[test]
    fn toml_keeps_its_comments_and_its_order() {
        let edits = [
            put("mcp_servers.clawteam", json!({"command": "c", "args": ["mcp"]})),
            Edit::Offer { path: path("notify"), value: json!(["c", "hook-event"]) },
            Edit::Offer { path: path("model"), value: json!("other") },
            add("z.list", json!(3)),
        ];
        let (text, made) = apply(Format::Toml, TOML, &edits).expect("it is understood");
        assert_eq!(made.len(), 3);
        assert!(
            text.contains("[mcp_servers.clawteam]\ncommand = \"c\"\nargs = [\"mcp\"]"),
            "{text}"
        );
        for kept in ["# mine\n", "model = \"x\" # here", "# two"] {
            assert!(text.contains(kept), "{kept}\n{text}");
        }
        let read: ::toml::Table = text.parse().expect("TOML");
        assert_eq!(read["notify"].as_array().map(Vec::len), Some(2), "before the tables\n{text}");
        let undone = undo(Format::Toml, &text, &made).expect("it is understood");
        assert_eq!(undone, Undone { text: TOML.into(), left: vec![] });
    }

    #[test]
    fn what_the_user_did_since_stays() {
        let edits = [
            put("mcp.clawteam", json!({"command": "c"})),
            put("mcp.b", json!(1)),
            add("list", json!("ours")),
        ];
        let (text, made) = apply(Format::Json, "{}", &edits).expect("it is understood");
        let text = text.replace("\"b\": 1", "\"b\": 2, \"own\": true");
        let text = text.replace("\"ours\"", "\"ours\", \"theirs\"");
        let undone = undo(Format::Json, &text, &made).expect("it is understood");
        let value: Value = serde_json::from_str(&undone.text).expect("JSON");
        assert_eq!(value, json!({"mcp": {"b": 2, "own": true}, "list": ["theirs"]}));
        assert_eq!(undone.left, ["mcp.b"]);
    }

    #[test]
    fn empty_settings_become_settings_and_nothing_again() {
        for (format, empty) in [(Format::Json, ""), (Format::Json, "{}\n"), (Format::Toml, "")] {
            let edits = [put("a.b.c", json!("x")), add("l", json!("y"))];
            let (text, made) = apply(format, empty, &edits).expect("it is understood");
            let undone = undo(format, &text, &made).expect("it is understood");
            assert!(matches!(undone.text.trim(), "" | "{}"), "{}", undone.text);
        }
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_its_line() {
        let edits = [put("a.b", json!(1))];
        for (format, text, told) in [
            (Format::Json, "{\n\"a\": {\n", "line "),
            (Format::Json, "[1]", "'' is not an object"),
            (Format::Json, "{\"a\": 3}", "'a' is not an object"),
            (Format::Toml, "x = 1\ny = = 2\n", "line 2 "),
            (Format::Toml, "a = 3\n", "'a' is not a table"),
        ] {
            let error = apply(format, text, &edits).expect_err(text).to_string();
            assert!(error.starts_with(told), "{text}: {error}");
        }
        let error = apply(Format::Json, "{\"l\": 3}", &[add("l", json!(1))]).expect_err("no list");
        assert_eq!(error.to_string(), "'l' is not a list");
    }
}
