//! Workflows of openclaw-orchestrator, translated. Each difference in meaning is a warning that
//! names the node.

mod expr;
mod nodes;
#[cfg(test)]
mod tests;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::definition::{Format, Options, Problem, Reading, SCHEMA, from_tree, read};

/// Whether `text` looks like a workflow of openclaw-orchestrator: a bare definition, or a row of
/// its table.
pub fn is_orchestrator(text: &str) -> bool {
    let Ok(Value::Object(object)) = serde_json::from_str(text) else { return false };
    let row = object.contains_key("definition") || object.contains_key("definition_json");
    !object.contains_key("schema") && (row || object.contains_key("nodes"))
}

type Object = Map<String, Value>;

/// A node as it was found.
struct Found {
    /// The id that it gets here.
    id: String,
    fields: Map<String, Value>,
}

impl Found {
    /// A text, or a number as text; empty if there is none.
    fn text(&self, name: &str) -> String {
        match self.fields.get(name) {
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(answer)) => answer.to_string(),
            _ => String::new(),
        }
    }

    fn number(&self, name: &str) -> Option<i64> {
        let value = self.fields.get(name)?;
        value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    fn kind(&self) -> &str {
        self.fields.get("type").and_then(Value::as_str).unwrap_or("task")
    }

    fn is(&self, kinds: &[&str]) -> bool {
        kinds.contains(&self.kind())
    }

    /// The branches of a condition: name and node, those that lead somewhere.
    fn branches(&self) -> Vec<(String, String)> {
        let Some(Value::Object(branches)) = self.fields.get("branches") else { return Vec::new() };
        branches
            .iter()
            .filter_map(|(name, to)| Some((name.clone(), to.as_str()?.trim().to_owned())))
            .filter(|(_, to)| !to.is_empty())
            .collect()
    }
}

/// A translation on its way.
struct Work {
    /// The nodes by their old ids.
    found: IndexMap<String, Found>,
    /// From, to and the word on it, with the old ids.
    arrows: Vec<(String, String, String)>,
    nodes: Map<String, Value>,
    edges: Vec<Value>,
    problems: Vec<Problem>,
}

impl Work {
    fn warn(&mut self, code: &'static str, id: &str, text: impl Into<String>) {
        self.problems.push(Problem::warning(code, format!("nodes.{id}"), text));
    }

    /// The id here of a node there.
    fn id(&self, old: &str) -> String {
        self.found.get(old).map_or_else(|| old.to_owned(), |found| found.id.clone())
    }

    /// The old ids of the nodes that lead to a node, in order, each once.
    fn before(&self, old: &str) -> Vec<String> {
        let mut before: Vec<String> = Vec::new();
        for (from, to, _) in &self.arrows {
            // What a condition's edges say was never followed.
            let condition = self.found.get(from).is_some_and(|found| found.is(&["condition"]));
            if to == old && !condition && !before.contains(from) {
                before.push(from.clone());
            }
        }
        for (from, found) in &self.found {
            if found.branches().iter().any(|(_, to)| to == old) && !before.contains(from) {
                before.push(from.clone());
            }
        }
        before
    }

    fn edge(&mut self, from: &str, to: &str, port: Option<&str>, label: &str) {
        let mut edge = json!({"from": self.id(from), "to": self.id(to)});
        if let Some(port) = port {
            edge["port"] = port.into();
        }
        if !label.is_empty() && port != Some(label) {
            edge["label"] = label.into();
        }
        self.edges.push(edge);
    }

    /// An id that no node has.
    fn fresh(&self, wanted: &str) -> String {
        let taken = |id: &str| {
            self.nodes.contains_key(id) || self.found.values().any(|found| found.id == id)
        };
        let mut id = wanted.to_owned();
        let mut n = 2;
        while taken(&id) {
            id = format!("{wanted}-{n}");
            n += 1;
        }
        id
    }
}

/// Translates a workflow. `name`: the name that it gets, instead of its own.
pub fn orchestrator(text: &str, name: Option<&str>) -> Reading {
    // Read for the problems of the text itself: keys that are there twice.
    let whole: Value = match serde_json::from_str(text) {
        Ok(whole) => whole,
        Err(_) => return read(text, Format::Json, Options::default()),
    };
    let (row, bare) = match unpack(whole) {
        Ok(parts) => parts,
        Err(problem) => {
            return Reading { definition: None, problems: vec![problem], broken: Vec::new() };
        }
    };
    let title = row.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut work = Work {
        found: IndexMap::new(),
        arrows: Vec::new(),
        nodes: Map::new(),
        edges: Vec::new(),
        problems: Vec::new(),
    };
    collect(&mut work, &bare);
    nodes::translate(&mut work);
    let mut made = Map::new();
    made.insert("schema".into(), SCHEMA.into());
    made.insert("name".into(), name.map_or_else(|| slug(&title), str::to_owned).into());
    if !title.is_empty() {
        made.insert("title".into(), title.into());
    }
    if let Some(about) = row.get("description").and_then(Value::as_str) {
        made.insert("description".into(), about.into());
    }
    let visits = bare.get("maxIterations").and_then(Value::as_i64).filter(|most| *most > 0);
    made.insert("limits".into(), json!({"maxVisits": visits.unwrap_or(100)}));
    schedule(&mut work, &bare);
    start(&mut work, &mut made);
    made.insert("nodes".into(), Value::Object(std::mem::take(&mut work.nodes)));
    made.insert("edges".into(), Value::Array(std::mem::take(&mut work.edges)));
    let mut reading = from_tree(Value::Object(made), Options::default());
    reading.problems.splice(0..0, work.problems);
    reading
}

/// The row around a definition (empty for a bare one), and the definition.
fn unpack(whole: Value) -> Result<(Object, Object), Problem> {
    let wrong = |text: &str| Problem::error("import_unreadable", "", text);
    let Value::Object(mut row) = whole else {
        return Err(wrong("a workflow of openclaw-orchestrator is an object"));
    };
    let inner = row.shift_remove("definition").or_else(|| row.shift_remove("definition_json"));
    let bare = match inner {
        Some(Value::Object(bare)) => bare,
        Some(Value::String(text)) => serde_json::from_str(&text)
            .map_err(|error| wrong(&format!("its definition is not JSON: {error}")))?,
        Some(_) => return Err(wrong("its definition is neither an object nor a text")),
        None => row.clone(),
    };
    if !bare.contains_key("nodes") {
        return Err(wrong("it has no nodes"));
    }
    Ok((row, bare))
}

fn collect(work: &mut Work, bare: &Map<String, Value>) {
    let nodes: Vec<(String, Map<String, Value>)> = match bare.get("nodes") {
        Some(Value::Object(nodes)) => nodes
            .iter()
            .filter_map(|(id, node)| Some((id.clone(), node.as_object()?.clone())))
            .collect(),
        Some(Value::Array(nodes)) => nodes
            .iter()
            .filter_map(|node| {
                let node = node.as_object()?.clone();
                Some((node.get("id")?.as_str()?.to_owned(), node))
            })
            .collect(),
        _ => Vec::new(),
    };
    for (old, mut fields) in nodes {
        // Some editors keep the fields one level deeper.
        if let Some(Value::Object(data)) = fields.shift_remove("data") {
            for (name, value) in data {
                fields.entry(name).or_insert(value);
            }
        }
        let id = work.fresh(&good_id(&old));
        if id != old {
            work.warn("import_renamed", &id, format!("'{old}' cannot be an id here"));
        }
        if work.found.insert(old.clone(), Found { id: id.clone(), fields }).is_some() {
            let text = format!("'{old}' is there twice; the last one counts");
            work.warn("import_renamed", &id, text);
        }
    }
    let edges = bare.get("edges").and_then(Value::as_array).cloned().unwrap_or_default();
    for edge in &edges {
        let text = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| edge.get(*name)?.as_str());
            found.unwrap_or_default().to_owned()
        };
        let (from, to) = (text(["from", "source"]), text(["to", "target"]));
        let known = work.arrows.iter().any(|(a, b, _)| *a == from && *b == to);
        if !known {
            work.arrows.push((from, to, text(["condition", "label"])));
        }
    }
}

/// `old` as an id: letters, digits, `_` and `-`, with a letter first.
fn good_id(old: &str) -> String {
    let mut id: String = old
        .chars()
        .take(48)
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' })
        .collect();
    if !id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        id.insert_str(0, "n_");
    }
    id
}

/// A title as a name.
fn slug(title: &str) -> String {
    let mut name = String::new();
    for c in title.chars().take(60) {
        if c.is_ascii_alphanumeric() || c == '_' || c == '.' {
            name.push(c.to_ascii_lowercase());
        } else if !name.ends_with('-') && !name.is_empty() {
            name.push('-');
        }
    }
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "imported".to_owned() } else { name.to_owned() }
}

fn schedule(work: &mut Work, bare: &Map<String, Value>) {
    let Some(schedule) = bare.get("schedule").filter(|schedule| !schedule.is_null()) else {
        return;
    };
    let text = |names: [&str; 2]| names.iter().find_map(|name| schedule.get(*name)?.as_str());
    let cron = text(["cron", "expression"]).unwrap_or("…");
    let zone = text(["timezone", "tz"]).unwrap_or("UTC");
    let message = "a schedule is no part of a workflow here, and was left out";
    let problem = Problem::warning("import_schedule", "schedule", message);
    let hint = format!("add it: clawteam schedule add … with cron \"{cron}\" in the zone {zone}");
    work.problems.push(problem.hint(hint));
}

/// Where a run begins: with what nothing leads to, as there. If something leads to everything,
/// the first node.
fn start(work: &mut Work, made: &mut Map<String, Value>) {
    let starts: Vec<String> =
        work.found.keys().filter(|old| work.before(old).is_empty()).cloned().collect();
    if let (true, Some(first)) = (starts.is_empty(), work.found.keys().next().cloned()) {
        let id = work.id(&first);
        let text = "something leads to every node, which was refused there; a run begins here";
        work.warn("import_start", &id, text);
        made.insert("start".into(), json!([id]));
    } else {
        let ids: Vec<String> = starts.iter().map(|old| work.id(old)).collect();
        made.insert("start".into(), json!(ids));
    }
}
