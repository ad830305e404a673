//! Values of JSON as values of CEL, and back, within bounds.

use std::collections::{BTreeSet, HashMap};

use cel::Context;
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use cel::common::value::Val;
use serde_json::{Map, Number, Value};

use super::{CONTEXT_BYTES_MAX, LIST_ITEMS_MAX, STRING_BYTES_MAX};

/// What each item of a list or object counts besides its text.
const ITEM_BYTES: usize = 16;

/// Gives `context` those parts of `vars` that `paths` lead to: a node whose output is huge does
/// not keep conditions from looking at another one. Fails with what is too large.
pub(super) fn bind<'v>(
    context: &mut Context<'_, 'v>,
    vars: &'v Value,
    paths: &[Vec<String>],
) -> Result<(), String> {
    let mut room = CONTEXT_BYTES_MAX;
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for path in paths {
        let name = path[0].as_str();
        if !done.insert(name) {
            continue;
        }
        let Some(value) = vars.get(name) else { continue };
        let tails: Vec<&[String]> =
            paths.iter().filter(|other| other[0] == name).map(|other| &other[1..]).collect();
        context.add_variable_as_val(name, part(value, &tails, &mut room)?);
    }
    Ok(())
}

/// Those parts of `value` that `tails` lead to.
fn part<'v>(
    value: &'v Value,
    tails: &[&[String]],
    room: &mut usize,
) -> Result<Box<dyn Val + 'v>, String> {
    let Value::Object(object) = value else { return to_cel(value, room) };
    if tails.iter().any(|tail| tail.is_empty()) {
        return to_cel(value, room);
    }
    let mut made: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = HashMap::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for tail in tails {
        let key = tail[0].as_str();
        if !done.insert(key) {
            continue;
        }
        let Some((key, inner)) = object.get_key_value(key) else { continue };
        let below: Vec<&[String]> =
            tails.iter().filter(|other| other[0] == *key).map(|other| &other[1..]).collect();
        made.insert(CelMapKey::from(key.as_str()), part(inner, &below, room)?);
    }
    Ok(Box::new(CelMap::from(made)))
}

/// `value` for CEL. Whole numbers are signed, so that `n + 1` works.
pub(super) fn to_cel<'v>(value: &'v Value, room: &mut usize) -> Result<Box<dyn Val + 'v>, String> {
    take(room, ITEM_BYTES)?;
    Ok(match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(answer) => Box::new(CelBool::from(*answer)),
        Value::Number(number) => number_to_cel(number),
        Value::String(text) => {
            if text.len() > STRING_BYTES_MAX {
                let length = text.len();
                return Err(format!("a text of {length} bytes, {STRING_BYTES_MAX} are allowed"));
            }
            take(room, text.len())?;
            Box::new(CelString::from(text.as_str()))
        }
        Value::Array(items) => {
            if items.len() > LIST_ITEMS_MAX {
                let length = items.len();
                return Err(format!("a list of {length} items, {LIST_ITEMS_MAX} are allowed"));
            }
            let made: Result<Vec<_>, _> = items.iter().map(|item| to_cel(item, room)).collect();
            Box::new(CelList::from(made?))
        }
        Value::Object(object) => {
            let mut made: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> =
                HashMap::with_capacity(object.len().min(LIST_ITEMS_MAX));
            for (key, inner) in object {
                take(room, key.len())?;
                made.insert(CelMapKey::from(key.as_str()), to_cel(inner, room)?);
            }
            Box::new(CelMap::from(made))
        }
    })
}

fn number_to_cel<'v>(number: &Number) -> Box<dyn Val + 'v> {
    if let Some(whole) = number.as_i64() {
        Box::new(CelInt::from(whole))
    } else if let Some(large) = number.as_u64() {
        Box::new(CelUInt::from(large))
    } else {
        Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN)))
    }
}

fn take(room: &mut usize, bytes: usize) -> Result<(), String> {
    *room = room
        .checked_sub(bytes)
        .ok_or_else(|| format!("more than {CONTEXT_BYTES_MAX} bytes in all"))?;
    Ok(())
}

/// Why a value of CEL is none of JSON.
#[derive(Debug)]
pub(super) enum NoJson {
    /// It is too large.
    TooLarge,
    /// JSON has nothing like it.
    Other(&'static str),
}

/// `value` as JSON; the keys of objects are sorted.
pub(super) fn to_json(value: &dyn Val, room: &mut usize) -> Result<Value, NoJson> {
    let mut spend = |bytes: usize| {
        *room = room.checked_sub(bytes).ok_or(NoJson::TooLarge)?;
        Ok(())
    };
    spend(ITEM_BYTES)?;
    if let Some(text) = value.downcast_ref::<CelString>() {
        spend(text.inner().len())?;
        return Ok(Value::String(text.inner().to_owned()));
    }
    if let Some(answer) = value.downcast_ref::<CelBool>() {
        return Ok(Value::Bool(*answer.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelInt>() {
        return Ok(Value::from(*number.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelUInt>() {
        return Ok(Value::from(*number.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelDouble>() {
        let number = Number::from_f64(*number.inner());
        return number
            .map(Value::Number)
            .ok_or(NoJson::Other("its value is no number that can be written down"));
    }
    if value.downcast_ref::<CelNull>().is_some() {
        return Ok(Value::Null);
    }
    if let Some(list) = value.downcast_ref::<CelList>() {
        let items: Result<Vec<_>, _> =
            list.inner().iter().map(|item| to_json(item.as_ref(), room)).collect();
        return Ok(Value::Array(items?));
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        let mut entries = Vec::with_capacity(map.inner().len());
        for (key, inner) in map.inner() {
            let key = key_text(key);
            *room = room.checked_sub(key.len()).ok_or(NoJson::TooLarge)?;
            entries.push((key, to_json(inner.as_ref(), room)?));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        return Ok(Value::Object(entries.into_iter().collect::<Map<_, _>>()));
    }
    Err(NoJson::Other("its value is of a type that cannot be written down"))
}

fn key_text(key: &CelMapKey<'_>) -> String {
    match key {
        CelMapKey::Bool(answer) => answer.inner().to_string(),
        CelMapKey::Int(number) => number.inner().to_string(),
        CelMapKey::UInt(number) => number.inner().to_string(),
        CelMapKey::String(text) => text.inner().to_owned(),
    }
}
