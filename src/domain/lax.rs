//! Reading values as loosely as Python's ClawTeam does: a number may be given as text, and a
//! missing or `null` field is its default.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A number, or text that holds one.
pub fn float<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = match &value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null => Some(0.0),
        _ => None,
    };
    number
        .filter(|number| number.is_finite())
        .ok_or_else(|| serde::de::Error::custom(format!("{value} is not a number")))
}

/// Text; `null` is empty.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

/// A whole number, or text that holds one; `null` is 0.
pub fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = match &value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null => Some(0),
        _ => None,
    };
    number.ok_or_else(|| serde::de::Error::custom(format!("{value} is not a whole number")))
}
