//! JSON settings, edited in place by way of the crate `jsonc-parser`.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;

use super::tree::Tree;
use super::{EditError, line_of};

/// JSON settings.
pub(super) struct JsonTree(CstRootNode);

fn no_object(path: &[String]) -> EditError {
    EditError::Shape { path: path.join("."), expected: "an object" }
}

impl JsonTree {
    pub(super) fn parse(text: &str) -> Result<Self, EditError> {
        // Agents read at most what JSON5 allows; a missing comma is a mistake everywhere.
        let options = ParseOptions { allow_missing_commas: false, ..ParseOptions::default() };
        let syntax = |error: jsonc_parser::errors::ParseError| EditError::Syntax {
            line: line_of(text, error.range().start),
            reason: error.kind().to_string(),
        };
        let root = CstRootNode::parse(text, &options).map_err(syntax)?;
        if root.object_value_or_create().is_none() {
            return Err(no_object(&[]));
        }
        Ok(Self(root))
    }

    /// The object at a path.
    fn object(&self, path: &[String]) -> Option<CstObject> {
        let mut at = self.0.object_value()?;
        for name in path {
            at = at.object_value(name)?;
        }
        Some(at)
    }

    /// The object at a path, made if it is not there.
    fn object_made(&self, path: &[String]) -> Result<CstObject, EditError> {
        let mut at = self.0.object_value().ok_or_else(|| no_object(&[]))?;
        for (number, name) in path.iter().enumerate() {
            at = at.object_value_or_create(name).ok_or_else(|| no_object(&path[..=number]))?;
        }
        Ok(at)
    }
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(truth) => CstInputValue::Bool(*truth),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(list) => CstInputValue::Array(list.iter().map(input).collect()),
        Value::Object(object) => CstInputValue::Object(
            object.iter().map(|(name, value)| (name.clone(), input(value))).collect(),
        ),
    }
}

impl Tree for JsonTree {
    fn get(&self, path: &[String]) -> Option<Value> {
        let (name, parents) = path.split_last()?;
        self.object(parents)?.get(name)?.value()?.to_serde_value()
    }

    fn put(&mut self, path: &[String], value: &Value) -> Result<(), EditError> {
        let Some((name, parents)) = path.split_last() else { return Ok(()) };
        let object = self.object_made(parents)?;
        match object.get(name) {
            Some(property) => property.set_value(input(value)),
            None => {
                object.append(name, input(value));
            }
        }
        Ok(())
    }

    fn remove(&mut self, path: &[String]) {
        let Some((name, parents)) = path.split_last() else { return };
        if let Some(property) = self.object(parents).and_then(|object| object.get(name)) {
            property.remove();
        }
    }

    fn push(&mut self, path: &[String], value: &Value) -> Result<(), EditError> {
        let Some((name, parents)) = path.split_last() else { return Ok(()) };
        let list = self.object_made(parents)?.array_value_or_create(name);
        let shape = || EditError::Shape { path: path.join("."), expected: "a list" };
        list.ok_or_else(shape)?.append(input(value));
        Ok(())
    }

    fn pull(&mut self, path: &[String], index: usize) {
        let Some((name, parents)) = path.split_last() else { return };
        let list = self.object(parents).and_then(|object| object.array_value(name));
        if let Some(element) = list.and_then(|list| list.elements().into_iter().nth(index)) {
            element.remove();
        }
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}
