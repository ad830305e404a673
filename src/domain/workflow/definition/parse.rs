//! JSON and TOML texts as one kind of tree. Keys that are there twice are told: both formats are
//! otherwise read so that the last one silently wins.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::problem::Problem;

/// How a definition is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// TOML.
    Toml,
}

impl Format {
    /// The format that a file name tells, or else the text: JSON begins with a brace.
    pub fn guess(file: Option<&str>, text: &str) -> Self {
        let end = file.and_then(|file| file.rsplit_once('.')).map(|(_, end)| end.to_lowercase());
        match end.as_deref() {
            Some("json") => Self::Json,
            Some("toml") => Self::Toml,
            _ if text.trim_start().starts_with(['{', '[']) && !is_toml_table(text) => Self::Json,
            _ => Self::Toml,
        }
    }
}

/// `[table]` and `[[tables]]` begin a TOML file, too.
fn is_toml_table(text: &str) -> bool {
    let line = text.trim_start().lines().next().unwrap_or_default().trim_end();
    let name = line.trim_start_matches('[').trim_end_matches(']');
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '"');
    line.starts_with('[') && line.ends_with(']') && !name.is_empty() && name.chars().all(bare)
}

/// The tree, or none if the text is not of the format, and what is wrong with it.
pub(super) fn tree(text: &str, format: Format) -> (Option<Value>, Vec<Problem>) {
    match format {
        Format::Json => json(text),
        Format::Toml => toml(text),
    }
}

fn json(text: &str) -> (Option<Value>, Vec<Problem>) {
    let twice = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_str(text);
    let seed = Strict { path: String::new(), twice: &twice };
    let read = seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    let mut problems = twice.into_inner();
    match read {
        Ok(value) => (Some(value), problems),
        Err(error) => {
            problems.push(Problem::error("syntax", "", format!("not JSON: {error}")));
            (None, problems)
        }
    }
}

fn toml(text: &str) -> (Option<Value>, Vec<Problem>) {
    match text.parse::<toml::Table>() {
        Ok(table) => (Some(from_toml(toml::Value::Table(table))), Vec::new()),
        Err(error) => {
            let line = error.span().map_or(0, |span| {
                text.get(..span.start).unwrap_or_default().matches('\n').count() + 1
            });
            let message = format!("not TOML: line {line}: {}", error.message());
            let code =
                if error.message().contains("duplicate") { "duplicate_key" } else { "syntax" };
            (None, vec![Problem::error(code, "", message)])
        }
    }
}

fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        // NaN and infinity are no numbers of JSON; where a number is wanted they are refused.
        toml::Value::Float(number) => Number::from_f64(number)
            .map_or_else(|| Value::String(number.to_string()), Value::Number),
        toml::Value::Boolean(answer) => Value::Bool(answer),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => items.into_iter().map(from_toml).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(key, item)| (key, from_toml(item))).collect())
        }
    }
}

/// Reads any JSON and notes keys that are there twice; the first one counts.
struct Strict<'p> {
    path: String,
    twice: &'p RefCell<Vec<Problem>>,
}

impl Strict<'_> {
    fn below(&self, path: String) -> Self {
        Self { path, twice: self.twice }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a number"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) =
            list.next_element_seed(self.below(format!("{}[{}]", self.path, items.len())))?
        {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = join(&self.path, &key);
            let value = map.next_value_seed(self.below(path.clone()))?;
            if object.contains_key(&key) {
                let message = format!("'{key}' is there twice");
                let problem = Problem::error("duplicate_key", path, message);
                self.twice.borrow_mut().push(problem.hint("rename or remove one of the two"));
                continue;
            }
            if object.len() > 100_000 {
                return Err(A::Error::custom("too many keys"));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// `path` and a key below it.
pub(super) fn join(path: &str, key: &str) -> String {
    let plain =
        !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key:?}]"),
    }
}
