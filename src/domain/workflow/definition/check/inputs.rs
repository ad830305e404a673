//! What a run is told, and what its variables are called.

use serde_json::Value;

use crate::domain::expr::Expr;
use crate::domain::workflow::definition::model::{Definition, Input, InputKind};
use crate::domain::workflow::definition::problem::Problem;

pub(super) fn check(definition: &Definition, problems: &mut Vec<Problem>) {
    for (name, input) in &definition.inputs {
        let path = super::join("inputs", name);
        identifier(&path, name, problems);
        one(&path, input, problems);
    }
    for name in definition.vars.keys() {
        identifier(&super::join("vars", name), name, problems);
    }
    for name in definition.outputs.keys() {
        identifier(&super::join("outputs", name), name, problems);
    }
}

/// Names are written in expressions.
pub(super) fn identifier(path: &str, name: &str, problems: &mut Vec<Problem>) {
    let start = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    // A word of the language is no name: as an expression it is no variable.
    let word = || Expr::compile(name).is_ok_and(|expr| expr.variables() == [name]);
    if !(start && rest && word()) {
        let message = format!("'{name}' cannot be a name in expressions");
        let problem = Problem::error("bad_id", path, message);
        problems.push(problem.hint("begin with a letter; use letters, digits and '_'"));
    }
}

fn one(path: &str, input: &Input, problems: &mut Vec<Problem>) {
    if let Some(pattern) = &input.pattern {
        pattern_is_good(&format!("{path}.pattern"), pattern, problems);
        if !matches!(input.kind, InputKind::String | InputKind::File) {
            let message = "only texts have a pattern";
            problems.push(Problem::warning("no_effect", format!("{path}.pattern"), message));
        }
    }
    if let (Some(min), Some(max)) = (input.min, input.max)
        && min > max
    {
        let message = format!("the least, {min}, is more than the most, {max}");
        problems.push(Problem::error("out_of_range", format!("{path}.min"), message));
    }
    if let Some(default) = &input.default {
        let place = format!("{path}.default");
        if let Err(reason) = fits(input, default) {
            problems.push(Problem::error("bad_default", place.clone(), reason));
        }
        if input.secret {
            let message = "everybody who can read the definition knows this secret";
            problems.push(Problem::warning("secret_default", place.clone(), message));
        }
        if input.required {
            let message = "it is required, so this is never used";
            problems.push(Problem::warning("no_effect", place, message));
        }
    }
    for (n, choice) in input.choices.iter().enumerate() {
        if !is_of(input.kind, choice) {
            let message = format!("{choice} is of another type than the input");
            problems.push(Problem::error("bad_default", format!("{path}.enum[{n}]"), message));
        }
    }
}

/// A regular expression must be one.
pub(super) fn pattern_is_good(path: &str, pattern: &str, problems: &mut Vec<Problem>) {
    if let Err(error) = regex::Regex::new(pattern) {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let problem = Problem::error("bad_pattern", path, format!("not a pattern: {reason}"));
        problems.push(problem.hint("patterns have neither look-around nor back-references"));
    }
}

fn is_of(kind: InputKind, value: &Value) -> bool {
    match kind {
        InputKind::String | InputKind::File => value.is_string(),
        InputKind::Int => value.is_i64() || value.is_u64(),
        InputKind::Float => value.is_number(),
        InputKind::Bool => value.is_boolean(),
        InputKind::List => value.is_array(),
        InputKind::Object => value.is_object(),
    }
}

/// Whether `value` may be given for `input`; if not, why.
pub fn fits(input: &Input, value: &Value) -> Result<(), String> {
    if !is_of(input.kind, value) {
        let kind = serde_json::to_value(input.kind).unwrap_or_default();
        let kind = kind.as_str().unwrap_or("other").to_owned();
        return Err(format!("a value of type {kind} is wanted"));
    }
    if !input.choices.is_empty() && !input.choices.contains(value) {
        let all: Vec<String> = input.choices.iter().map(ToString::to_string).collect();
        return Err(format!("it is none of {}", all.join(", ")));
    }
    let size = match value {
        Value::String(text) => Some(text.chars().count() as f64),
        Value::Array(items) => Some(items.len() as f64),
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    if let Some(size) = size {
        let what = if value.is_number() { "" } else { "its length, " };
        if input.min.is_some_and(|min| size < min) {
            return Err(format!("{what}{size}, is less than {}", input.min.unwrap_or_default()));
        }
        if input.max.is_some_and(|max| size > max) {
            return Err(format!("{what}{size}, is more than {}", input.max.unwrap_or_default()));
        }
    }
    if let (Some(pattern), Value::String(text)) = (&input.pattern, value) {
        let matches = regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(text));
        if !matches {
            return Err(format!("it does not match {pattern}"));
        }
    }
    Ok(())
}
