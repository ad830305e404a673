//! From a text to a definition, with everything that is wrong told at once.

use serde_json::{Map, Value};

use super::model::{Definition, SCHEMA};
use super::parse::{self, Format, join};
use super::problem::Problem;
use super::schema::{DEFINITION, Field, KIND_ALIASES, KINDS, NODE, Type};
use crate::core::Span;
use crate::core::text::nearest;

/// Bytes of the text of a definition.
pub const BYTES_MAX: usize = 256 * 1024;

/// A definition as far as its text can be understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The definition, without what could not be understood; none if nothing could.
    pub definition: Option<Definition>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Nodes of which something essential could not be understood.
    pub broken: Vec<String>,
}

/// How to read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// The name, if the text has none.
    pub name: Option<&'a str>,
    /// Whether fields that nobody knows are warnings only.
    pub lenient: bool,
}

/// Reads a definition.
pub fn read(text: &str, format: Format, options: Options<'_>) -> Reading {
    if text.len() > BYTES_MAX {
        let message = format!("{} bytes are too much, {BYTES_MAX} are allowed", text.len());
        let problem = Problem::error("too_large", "", message)
            .hint("move parts into workflows of their own and use `subworkflow` nodes");
        return Reading { definition: None, problems: vec![problem], broken: Vec::new() };
    }
    let (tree, problems) = parse::tree(text, format);
    match tree {
        Some(tree) => {
            let mut reading = from_tree(tree, options);
            reading.problems.splice(0..0, problems);
            reading
        }
        None => Reading { definition: None, problems, broken: Vec::new() },
    }
}

/// Reads a definition from a tree of values.
pub fn from_tree(tree: Value, options: Options<'_>) -> Reading {
    let mut reader = Reader { problems: Vec::new(), broken: Vec::new(), lenient: options.lenient };
    let Value::Object(mut object) = tree else {
        let problem = Problem::error("wrong_type", "", "a definition is an object");
        return Reading { definition: None, problems: vec![problem], broken: Vec::new() };
    };
    if let (Some(name), false) = (options.name, object.contains_key("name")) {
        object.insert("name".into(), name.into());
    }
    let object = reader.definition(object);
    let Reader { mut problems, broken, .. } = reader;
    let definition = match serde_json::from_value(Value::Object(object)) {
        Ok(definition) => Some(definition),
        Err(error) => {
            if !super::problem::any_error(&problems) {
                problems.push(Problem::error("wrong_type", "", error.to_string()));
            }
            None
        }
    };
    Reading { definition, problems, broken }
}

struct Reader {
    problems: Vec<Problem>,
    broken: Vec<String>,
    lenient: bool,
}

impl Reader {
    fn definition(&mut self, mut object: Map<String, Value>) -> Map<String, Value> {
        match object.get("schema") {
            None => {
                let problem = Problem::error("missing_field", "schema", "'schema' is missing");
                self.problems.push(problem.hint(format!("add: schema = \"{SCHEMA}\"")));
                object.insert("schema".into(), SCHEMA.into());
            }
            Some(Value::String(schema)) if schema != SCHEMA => {
                let message = format!("'{schema}' is not known here");
                let problem = Problem::error("unknown_schema", "schema", message);
                self.problems.push(problem.hint(format!("this version understands {SCHEMA}")));
            }
            Some(_) => {}
        }
        self.fields("", object, &[DEFINITION])
    }

    /// Keeps of `object` what its fields may hold, under their proper names.
    fn fields(
        &mut self,
        path: &str,
        object: Map<String, Value>,
        tables: &[&'static [Field]],
    ) -> Map<String, Value> {
        let shell = object.get("shell") == Some(&Value::Bool(true));
        let mut kept = Map::new();
        for (key, value) in object {
            let place = join(path, &key);
            let Some(field) = find(&key, tables) else {
                self.unknown(&key, place, tables);
                continue;
            };
            if kept.contains_key(field.name) {
                let message = format!("'{}' is given twice, also as '{key}'", field.name);
                self.problems.push(Problem::error("duplicate_key", place, message));
                continue;
            }
            let value = match field.kind {
                Type::Argv => self.argv(&place, value, shell),
                kind => self.value(&place, value, kind),
            };
            if let Some(value) = value {
                kept.insert(field.name.to_owned(), value);
            }
        }
        // What cannot be left out gets a stand-in, so that the rest can be looked at.
        for field in tables.iter().copied().flatten().filter(|field| field.required) {
            if kept.contains_key(field.name) {
                continue;
            }
            let place = join(path, field.name);
            if !self.problems.iter().any(|problem| problem.path == place) {
                let message = format!("'{}' is missing", field.name);
                self.problems.push(Problem::error("missing_field", place, message));
            }
            kept.insert(field.name.to_owned(), stand_in(field.kind));
        }
        kept
    }

    fn unknown(&mut self, key: &str, place: String, tables: &[&'static [Field]]) {
        let message = format!("'{key}' is no field here");
        let problem = if self.lenient {
            Problem::warning("unknown_field", place, message)
        } else {
            Problem::error("unknown_field", place, message)
        };
        let names = tables.iter().copied().flatten().map(|field| field.name);
        let hint = match key {
            "schedule" => Some("add it afterwards: clawteam schedule add …".to_owned()),
            "on" => Some("the field is called 'port'".to_owned()),
            "timeoutSeconds" => Some("write `timeout` with a unit, like \"30s\"".to_owned()),
            _ => nearest(key, names).map(|name| format!("did you mean '{name}'?")),
        };
        self.problems.push(Problem { hint, ..problem });
    }

    fn wrong(&mut self, path: &str, wanted: &str, value: &Value) -> Option<Value> {
        let got = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let problem = Problem::error("wrong_type", path, format!("{wanted} is wanted, not {got}"));
        self.problems.push(problem);
        None
    }

    fn value(&mut self, path: &str, value: Value, kind: Type) -> Option<Value> {
        match (kind, value) {
            (Type::Any, value)
            | (Type::Text | Type::Expr | Type::Port, value @ Value::String(_))
            | (Type::Bool, value @ Value::Bool(_))
            | (Type::Number, value @ Value::Number(_))
            | (Type::Object, value @ Value::Object(_)) => Some(value),
            (Type::Expr, value @ (Value::Bool(_) | Value::Number(_))) => {
                Some(value.to_string().into())
            }
            (Type::Port, Value::Bool(answer)) => Some(if answer { "yes" } else { "no" }.into()),
            (Type::Port, Value::Number(number)) if number.is_i64() => {
                Some(number.to_string().into())
            }
            (Type::Int(least, most), value) => self.int(path, value, least, most),
            (Type::Duration, value) => self.duration(path, value),
            (Type::Word(words), value) => self.word(path, value, words, &[]),
            (Type::Tagged(words, tags), value) => self.word(path, value, words, tags),
            (Type::List(item) | Type::OneOrMany(item), Value::Array(items)) => {
                Some(self.list(path, items, *item))
            }
            (Type::OneOrMany(item), value) => {
                self.value(path, value, *item).map(|item| Value::Array(vec![item]))
            }
            (Type::Map(item), Value::Object(object)) => {
                Some(Value::Object(self.map(path, object, *item)))
            }
            (Type::Struct(fields), Value::Object(object)) => {
                Some(Value::Object(self.fields(path, object, &[fields])))
            }
            (Type::Nodes, Value::Object(object)) => Some(Value::Object(self.nodes(path, object))),
            (Type::ContextFrom, value) => self.context_from(path, value),
            (Type::Body, value) => self.body(path, value),
            (kind, value) => self.wrong(path, wanted(kind), &value),
        }
    }

    fn int(&mut self, path: &str, value: Value, least: i64, most: i64) -> Option<Value> {
        let Some(number) = value.as_i64() else {
            return self.wrong(path, "a whole number", &value);
        };
        if !(least..=most).contains(&number) {
            let message = format!("{number} is not between {least} and {most}");
            self.problems.push(Problem::error("out_of_range", path, message));
            return None;
        }
        Some(value)
    }

    fn duration(&mut self, path: &str, value: Value) -> Option<Value> {
        let text = match &value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return self.wrong(path, "a length of time", &value),
        };
        match text.parse::<Span>() {
            Ok(span) => Some(span.to_string().into()),
            Err(error) => {
                use crate::core::Diagnose;
                let problem = Problem::error("bad_duration", path, error.to_string());
                self.problems.push(Problem { hint: error.hint(), ..problem });
                None
            }
        }
    }

    fn word(
        &mut self,
        path: &str,
        value: Value,
        words: &'static [&'static str],
        tags: &'static [&'static str],
    ) -> Option<Value> {
        let text = match &value {
            Value::String(text) => text.as_str(),
            Value::Bool(false) if words.contains(&"false") => "false",
            _ => return self.wrong(path, "a word", &value),
        };
        let tagged = tags.iter().any(|tag| text.len() > tag.len() && text.starts_with(tag));
        if words.contains(&text) || tagged {
            return Some(text.into());
        }
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        all.extend(tags.iter().map(|tag| format!("{tag}<name>")));
        let message = format!("'{text}' is none of {}", all.join(", "));
        let problem = Problem::error("unknown_word", path, message);
        let hint =
            nearest(text, words.iter().copied()).map(|word| format!("did you mean '{word}'?"));
        self.problems.push(Problem { hint, ..problem });
        None
    }

    fn list(&mut self, path: &str, items: Vec<Value>, kind: Type) -> Value {
        // An edge that cannot be understood keeps its place: others are named by theirs.
        let edges = path.rsplit('.').next() == Some("edges");
        let items = items.into_iter().enumerate().filter_map(|(at, item)| {
            let kept = self.value(&format!("{path}[{at}]"), item, kind);
            kept.or_else(|| edges.then(|| serde_json::json!({"from": "", "to": ""})))
        });
        items.collect()
    }

    fn map(&mut self, path: &str, object: Map<String, Value>, kind: Type) -> Map<String, Value> {
        let mut kept = Map::new();
        for (key, value) in object {
            if let Some(value) = self.value(&join(path, &key), value, kind) {
                kept.insert(key, value);
            }
        }
        kept
    }

    fn argv(&mut self, path: &str, value: Value, shell: bool) -> Option<Value> {
        match value {
            Value::String(line) if shell => Some(Value::Array(vec![line.into()])),
            Value::String(line) => {
                let words: Vec<&str> = line.split_whitespace().collect();
                let list = serde_json::to_string(&words).unwrap_or_default();
                let message = "the program and its arguments are a list of texts";
                let problem = Problem::error("command_line", path, message);
                let hint = format!("write {list}, or set `shell` to true beside it");
                self.problems.push(problem.hint(hint));
                None
            }
            value => self.value(path, value, Type::List(&Type::Text)),
        }
    }

    fn context_from(&mut self, path: &str, value: Value) -> Option<Value> {
        match value {
            Value::String(text) if text == "direct" || text == "all" => Some(text.into()),
            Value::String(text) => Some(Value::Array(vec![text.into()])),
            value => self.value(path, value, Type::List(&Type::Text)),
        }
    }

    fn body(&mut self, path: &str, value: Value) -> Option<Value> {
        match value {
            Value::String(_) => Some(value),
            Value::Object(mut object) => {
                object.entry("schema").or_insert(SCHEMA.into());
                object.entry("name").or_insert("body".into());
                Some(Value::Object(self.fields(path, object, &[DEFINITION])))
            }
            value => self.wrong(path, "the name of a workflow, or a definition", &value),
        }
    }

    fn nodes(&mut self, path: &str, nodes: Map<String, Value>) -> Map<String, Value> {
        let mut kept = Map::new();
        for (id, value) in nodes {
            let place = join(path, &id);
            let before = self.problems.len();
            let node = match value {
                Value::Object(object) => self.node(&place, object),
                other => {
                    self.wrong(&place, "an object", &other);
                    None
                }
            };
            let node = node.unwrap_or_else(|| Map::from_iter([("type".into(), "notify".into())]));
            if super::problem::any_error(&self.problems[before..]) {
                self.broken.push(id.clone());
            }
            kept.insert(id, Value::Object(node));
        }
        kept
    }

    fn node(&mut self, path: &str, mut object: Map<String, Value>) -> Option<Map<String, Value>> {
        let kind = object.entry("type").or_insert("task".into());
        let Value::String(word) = kind else {
            let kind = kind.clone();
            self.wrong(&join(path, "type"), "a word", &kind);
            return None;
        };
        let proper = KIND_ALIASES.iter().find(|(alias, _)| alias == word).map(|(_, kind)| *kind);
        let word = proper.map_or_else(|| word.clone(), str::to_owned);
        let Some((name, fields)) = KINDS.iter().find(|(name, _)| *name == word) else {
            let message = format!("there is no node type '{word}'");
            let problem = Problem::error("unknown_node_type", join(path, "type"), message);
            let names = KINDS.iter().map(|(name, _)| *name);
            let all = names.clone().collect::<Vec<_>>().join(", ");
            let hint = nearest(&word, names).map_or_else(
                || format!("the types are {all}"),
                |near| format!("did you mean '{near}'?"),
            );
            self.problems.push(problem.hint(hint));
            return None;
        };
        object.insert("type".into(), (*name).into());
        Some(self.fields(path, object, &[NODE, fields]))
    }
}

fn stand_in(kind: Type) -> Value {
    match kind {
        Type::Argv | Type::List(_) | Type::OneOrMany(_) => Value::Array(Vec::new()),
        Type::Map(_) | Type::Struct(_) | Type::Nodes => Value::Object(Map::new()),
        _ => Value::String(String::new()),
    }
}

fn wanted(kind: Type) -> &'static str {
    match kind {
        Type::Bool => "true or false",
        Type::Number => "a number",
        Type::List(_) | Type::Argv => "a list",
        Type::Object | Type::Map(_) | Type::Struct(_) | Type::Nodes => "an object",
        Type::Expr => "an expression",
        _ => "a text",
    }
}

/// The field called `key`; `some_name` is understood as `someName`.
fn find(key: &str, tables: &[&'static [Field]]) -> Option<&'static Field> {
    let mut camel = String::with_capacity(key.len());
    let mut upper = false;
    for c in key.chars() {
        if c == '_' && !camel.is_empty() {
            upper = true;
        } else if std::mem::take(&mut upper) {
            camel.extend(c.to_uppercase());
        } else {
            camel.push(c);
        }
    }
    let mut fields = tables.iter().copied().flatten();
    fields.find(|field| field.name == camel || (field.alias == camel && !camel.is_empty()))
}
