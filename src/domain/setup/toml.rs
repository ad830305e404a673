//! TOML settings, edited in place by way of the crate `toml_edit`.

use serde_json::Value;
use toml_edit::{Array, DocumentMut, Item, Table, TableLike};

use super::tree::Tree;
use super::{EditError, line_of};

/// TOML settings.
pub(super) struct TomlTree(DocumentMut);

fn no_table(path: &[String]) -> EditError {
    EditError::Shape { path: path.join("."), expected: "a table" }
}

impl TomlTree {
    pub(super) fn parse(text: &str) -> Result<Self, EditError> {
        let syntax = |error: toml_edit::TomlError| EditError::Syntax {
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            reason: error.message().trim().replace('\n', "; "),
        };
        Ok(Self(text.parse::<DocumentMut>().map_err(syntax)?))
    }

    fn item(&self, path: &[String]) -> Option<&Item> {
        let mut at = self.0.as_item();
        for name in path {
            at = at.as_table_like()?.get(name)?;
        }
        Some(at)
    }

    /// The table at a path, made if it is not there.
    fn table(&mut self, path: &[String]) -> Result<&mut dyn TableLike, EditError> {
        let mut at: &mut dyn TableLike = self.0.as_table_mut();
        for (number, name) in path.iter().enumerate() {
            let next = at.entry(name).or_insert_with(|| {
                let mut table = Table::new();
                // A table that only holds tables needs no heading of its own.
                table.set_implicit(true);
                Item::Table(table)
            });
            at = next.as_table_like_mut().ok_or_else(|| no_table(&path[..=number]))?;
        }
        Ok(at)
    }
}

/// A value of JSON as one of TOML; an object as a table of its own if `block`.
fn item(value: &Value, block: bool) -> Item {
    match value {
        Value::Object(object) if block => {
            let mut table = Table::new();
            for (name, value) in object {
                table.insert(name, item(value, false));
            }
            Item::Table(table)
        }
        other => Item::Value(plain(other)),
    }
}

fn plain(value: &Value) -> toml_edit::Value {
    match value {
        // There is no such thing in TOML; no recipe has one.
        Value::Null => toml_edit::Value::from(""),
        Value::Bool(truth) => toml_edit::Value::from(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(number) => toml_edit::Value::from(number),
            None => toml_edit::Value::from(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => toml_edit::Value::from(text.as_str()),
        Value::Array(list) => list.iter().map(plain).collect::<Array>().into(),
        Value::Object(object) => {
            let mut table = toml_edit::InlineTable::new();
            for (name, value) in object {
                table.insert(name, plain(value));
            }
            toml_edit::Value::InlineTable(table)
        }
    }
}

fn read(item: &Item) -> Option<Value> {
    match item {
        Item::None => None,
        Item::Value(value) => Some(read_value(value)),
        Item::Table(table) => Some(Value::Object(
            table.iter().filter_map(|(name, item)| Some((name.to_owned(), read(item)?))).collect(),
        )),
        Item::ArrayOfTables(tables) => Some(Value::Array(
            tables.iter().filter_map(|table| read(&Item::Table(table.clone()))).collect(),
        )),
    }
}

fn read_value(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => text.value().as_str().into(),
        toml_edit::Value::Integer(number) => (*number.value()).into(),
        toml_edit::Value::Float(number) => (*number.value()).into(),
        toml_edit::Value::Boolean(truth) => (*truth.value()).into(),
        toml_edit::Value::Datetime(at) => at.value().to_string().into(),
        toml_edit::Value::Array(list) => list.iter().map(read_value).collect(),
        toml_edit::Value::InlineTable(table) => Value::Object(
            table.iter().map(|(name, value)| (name.to_owned(), read_value(value))).collect(),
        ),
    }
}

impl Tree for TomlTree {
    fn get(&self, path: &[String]) -> Option<Value> {
        read(self.item(path)?)
    }

    fn put(&mut self, path: &[String], value: &Value) -> Result<(), EditError> {
        let Some((name, parents)) = path.split_last() else { return Ok(()) };
        self.table(parents)?.insert(name, item(value, true));
        Ok(())
    }

    fn remove(&mut self, path: &[String]) {
        let Some((name, parents)) = path.split_last() else { return };
        if self.item(parents).is_some()
            && let Ok(table) = self.table(parents)
        {
            table.remove(name);
        }
    }

    fn push(&mut self, path: &[String], value: &Value) -> Result<(), EditError> {
        let Some((name, parents)) = path.split_last() else { return Ok(()) };
        let list = self.table(parents)?.entry(name).or_insert_with(|| Array::new().into());
        let shape = || EditError::Shape { path: path.join("."), expected: "a list" };
        list.as_array_mut().ok_or_else(shape)?.push(plain(value));
        Ok(())
    }

    fn pull(&mut self, path: &[String], index: usize) {
        let Some((name, parents)) = path.split_last() else { return };
        if let Ok(table) = self.table(parents)
            && let Some(list) = table.get_mut(name).and_then(Item::as_array_mut)
            && index < list.len()
        {
            list.remove(index);
        }
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}
