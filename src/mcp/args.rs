//! Parameters of tools: their schema, and reading what a client gave.

use serde_json::{Map, Value, json};

use crate::core::{Diagnose, Exit, text};
use crate::domain::Extra;

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Whole,
    /// Yes or no.
    Truth,
    /// A list of texts.
    Texts,
    /// An object.
    Object,
}

/// What a parameter is if it is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unless {
    /// It cannot be left out.
    Required,
    /// It is nothing, and may be given as `null`.
    Null,
    /// A text.
    Text(&'static str),
    /// A number.
    Whole(i64),
    /// Yes or no.
    Truth(bool),
}

/// A parameter of a tool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Param {
    /// Its name.
    pub(super) name: &'static str,
    /// What it takes.
    pub(super) kind: Kind,
    /// What it is if it is left out.
    pub(super) unless: Unless,
    /// What it means; empty where the name says it.
    pub(super) about: &'static str,
}

/// A text that must be given.
pub(super) const fn required(name: &'static str) -> Param {
    Param { name, kind: Kind::Text, unless: Unless::Required, about: "" }
}

/// A text that may be left out.
pub(super) const fn text(name: &'static str, default: &'static str) -> Param {
    Param { name, kind: Kind::Text, unless: Unless::Text(default), about: "" }
}

/// Anything that may be left out, with nothing in its place.
pub(super) const fn maybe(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, unless: Unless::Null, about: "" }
}

/// Yes or no.
pub(super) const fn truth(name: &'static str, default: bool) -> Param {
    Param { name, kind: Kind::Truth, unless: Unless::Truth(default), about: "" }
}

/// A number.
pub(super) const fn whole(name: &'static str, default: i64) -> Param {
    Param { name, kind: Kind::Whole, unless: Unless::Whole(default), about: "" }
}

impl Param {
    /// The same with an explanation.
    pub(super) const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    fn schema(&self) -> Value {
        let plain = match self.kind {
            Kind::Text => json!({"type": "string"}),
            Kind::Whole => json!({"type": "integer"}),
            Kind::Truth => json!({"type": "boolean"}),
            Kind::Texts => json!({"type": "array", "items": {"type": "string"}}),
            Kind::Object => json!({"type": "object", "additionalProperties": true}),
        };
        let mut schema = match self.unless {
            Unless::Null => json!({"anyOf": [plain, {"type": "null"}], "default": null}),
            _ => plain,
        };
        match self.unless {
            Unless::Text(default) => schema["default"] = default.into(),
            Unless::Whole(default) => schema["default"] = default.into(),
            Unless::Truth(default) => schema["default"] = default.into(),
            Unless::Required | Unless::Null => {}
        }
        if !self.about.is_empty() {
            schema["description"] = self.about.into();
        }
        schema
    }

    fn default(&self) -> Value {
        match self.unless {
            Unless::Text(default) => default.into(),
            Unless::Whole(default) => default.into(),
            Unless::Truth(default) => default.into(),
            Unless::Required | Unless::Null => Value::Null,
        }
    }

    fn expected(&self) -> &'static str {
        match self.kind {
            Kind::Text => "a text",
            Kind::Whole => "a whole number",
            Kind::Truth => "true or false",
            Kind::Texts => "a list of texts",
            Kind::Object => "an object",
        }
    }

    /// `given` as this parameter wants it. Models now and then write numbers, truths and lists as
    /// text; where that can mean one thing only, it is taken.
    fn read(&self, given: &Value) -> Option<Value> {
        let inside = |text: &str| serde_json::from_str::<Value>(text).ok();
        let given = match given {
            Value::String(text) if self.kind != Kind::Text => inside(text.trim())?,
            other => other.clone(),
        };
        let fits = match self.kind {
            Kind::Text => given.is_string(),
            Kind::Whole => given.is_i64(),
            Kind::Truth => given.is_boolean(),
            Kind::Texts => given.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
            Kind::Object => given.is_object(),
        };
        fits.then_some(given)
    }
}

/// The JSON schema of a tool's arguments.
pub(super) fn schema(params: &[Param]) -> Map<String, Value> {
    let properties: Map<String, Value> =
        params.iter().map(|param| (param.name.to_owned(), param.schema())).collect();
    let required: Vec<&str> = params
        .iter()
        .filter(|param| param.unless == Unless::Required)
        .map(|param| param.name)
        .collect();
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties.into());
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    schema.insert("additionalProperties".into(), false.into());
    schema
}

/// What a client gave does not fit the tool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ArgumentError {
    /// Something that must be there is not.
    #[error("the argument '{name}' is missing")]
    Missing {
        /// The parameter.
        name: &'static str,
    },
    /// It is of another kind.
    #[error("the argument '{name}' must be {expected}, not {given}")]
    Wrong {
        /// The parameter.
        name: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What was given, cut short.
        given: String,
    },
    /// The tool has no such parameter.
    #[error("there is no argument '{name}'")]
    Unknown {
        /// What was given.
        name: String,
        /// What there is.
        known: String,
    },
}

impl Diagnose for ArgumentError {
    fn code(&self) -> &'static str {
        "invalid_argument"
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { name } => Some(format!("give '{name}'")),
            Self::Wrong { .. } => None,
            Self::Unknown { known, .. } if known.is_empty() => {
                Some("the tool takes no arguments".into())
            }
            Self::Unknown { known, .. } => Some(format!("the tool takes {known}")),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// How much of a wrong argument is shown.
const SHOWN: usize = 80;

/// The arguments of a call, each of the kind that its parameter takes.
#[derive(Debug, Clone, Default)]
pub(super) struct Args(Map<String, Value>);

impl Args {
    /// Checks what a client gave.
    pub(super) fn read(
        params: &'static [Param],
        given: Option<Map<String, Value>>,
    ) -> Result<Self, ArgumentError> {
        let given = given.unwrap_or_default();
        if let Some(name) = given.keys().find(|name| params.iter().all(|p| p.name != **name)) {
            let known: Vec<&str> = params.iter().map(|param| param.name).collect();
            return Err(ArgumentError::Unknown { name: name.clone(), known: known.join(", ") });
        }
        let mut read = Map::new();
        for param in params {
            let value = match given.get(param.name) {
                None | Some(Value::Null) if param.unless == Unless::Required => {
                    return Err(ArgumentError::Missing { name: param.name });
                }
                None | Some(Value::Null) => param.default(),
                Some(given) => param.read(given).ok_or_else(|| ArgumentError::Wrong {
                    name: param.name,
                    expected: param.expected(),
                    given: text::cut(&given.to_string(), SHOWN).to_owned(),
                })?,
            };
            read.insert(param.name.to_owned(), value);
        }
        Ok(Self(read))
    }

    /// A text; empty if it was left out.
    pub(super) fn text(&self, name: &str) -> String {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// A text, unless it was left out.
    pub(super) fn maybe(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// A text, unless it was left out or is empty.
    pub(super) fn some(&self, name: &str) -> Option<String> {
        self.maybe(name).filter(|text| !text.is_empty())
    }

    /// A number; 0 if it was left out.
    pub(super) fn whole(&self, name: &str) -> i64 {
        self.0.get(name).and_then(Value::as_i64).unwrap_or_default()
    }

    /// Yes or no, unless it was left out.
    pub(super) fn truth(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }

    /// A list; empty if it was left out.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let list = self.0.get(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// An object; empty if it was left out.
    pub(super) fn object(&self, name: &str) -> Extra {
        self.0.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: &[Param] = &[
        required("team_name"),
        whole("limit", 10),
        truth("force", false),
        maybe("blocks", Kind::Texts),
        maybe("metadata", Kind::Object),
        text("caller", ""),
    ];

    fn read(given: Value) -> Result<Args, ArgumentError> {
        let Value::Object(given) = given else { panic!("an object is given") };
        Args::read(PARAMS, Some(given))
    }

    #[test]
    fn what_is_left_out_is_its_default() {
        let args = read(json!({"team_name": "t", "blocks": null})).expect("it fits");
        assert_eq!((args.text("team_name"), args.whole("limit")), ("t".into(), 10));
        assert_eq!(args.truth("force"), Some(false));
        assert!(args.list("blocks").is_empty() && args.object("metadata").is_empty());
        assert_eq!((args.maybe("caller"), args.some("caller")), (Some(String::new()), None));
    }

    #[test]
    fn what_is_written_as_text_is_understood() {
        let given = json!({"team_name": "7", "limit": "3", "force": "true", "blocks": "[\"a\"]"});
        let args = read(given).expect("it fits");
        assert_eq!((args.text("team_name"), args.whole("limit")), ("7".into(), 3));
        assert_eq!((args.truth("force"), args.list("blocks")), (Some(true), vec!["a".into()]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (given, message) in [
            (json!({}), "the argument 'team_name' is missing"),
            (json!({"team_name": null}), "the argument 'team_name' is missing"),
            (json!({"team_name": 7}), "the argument 'team_name' must be a text, not 7"),
            (
                json!({"team_name": "t", "limit": 1.5}),
                "the argument 'limit' must be a whole number, not 1.5",
            ),
            (
                json!({"team_name": "t", "blocks": ["a", 1]}),
                "the argument 'blocks' must be a list of texts, not [\"a\",1]",
            ),
            (
                json!({"team_name": "t", "force": "perhaps"}),
                "the argument 'force' must be true or false, not \"perhaps\"",
            ),
            (json!({"team_name": "t", "team": "t"}), "there is no argument 'team'"),
        ] {
            let error = read(given).expect_err(message);
            assert_eq!((error.to_string().as_str(), error.code()), (message, "invalid_argument"));
        }
    }

    #[test]
    fn the_schema_says_what_is_needed_and_what_is_the_default() {
        let schema = Value::Object(schema(PARAMS));
        assert_eq!(schema["required"], json!(["team_name"]));
        assert_eq!(schema["properties"]["limit"], json!({"type": "integer", "default": 10}));
        assert_eq!(
            schema["properties"]["blocks"],
            json!({
                "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}],
                "default": null
            })
        );
        assert_eq!(schema["additionalProperties"], json!(false));
    }
}
