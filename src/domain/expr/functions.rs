//! The functions that expressions may call, besides those of CEL itself.

use std::cell::Cell;
use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt, DYN_TYPE,
};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::value::to_cel;
use super::{CONTEXT_BYTES_MAX, LIST_ITEMS_MAX, STRING_BYTES_MAX};

/// Put around what a loop goes through: bounds it, and sorts the keys of objects.
pub(super) const RANGE: &str = "@range";
/// Put around sums: bounds them.
pub(super) const SUM: &str = "@sum";
/// Begins the message of what is too large.
pub(super) const TOO_LARGE: &str = "too large: ";

/// Items that one evaluation may go through in all.
const ITEMS_MAX: usize = 1_000_000;
/// Bytes of a compiled pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;

thread_local! {
    /// Items that this evaluation may still go through.
    static ITEMS_LEFT: Cell<usize> = const { Cell::new(ITEMS_MAX) };
}

/// A function, and with how many arguments it is called.
pub(super) struct Known {
    pub(super) name: &'static str,
    /// Arguments of `name(…)`.
    pub(super) function: Option<usize>,
    /// Arguments of `x.name(…)`.
    pub(super) method: Option<usize>,
    pub(super) usage: &'static str,
}

const fn function(name: &'static str, args: usize, usage: &'static str) -> Known {
    Known { name, function: Some(args), method: None, usage }
}

const fn method(name: &'static str, args: usize, usage: &'static str) -> Known {
    Known { name, function: None, method: Some(args), usage }
}

const fn both(name: &'static str, function: usize, method: usize, usage: &'static str) -> Known {
    Known { name, function: Some(function), method: Some(method), usage }
}

/// Everything that can be called. `has`, `all`, `exists`, `exists_one`, `filter` and `map` are
/// no functions: they are gone from the tree.
pub(super) const KNOWN: &[Known] = &[
    function("age", 1, "age(time)"),
    function("bool", 1, "bool(x)"),
    function("bytes", 1, "bytes(x)"),
    method("contains", 1, "text.contains(part)"),
    function("contains_ci", 2, "contains_ci(text, part)"),
    function("double", 1, "double(x)"),
    function("dyn", 1, "dyn(x)"),
    method("endsWith", 1, "text.endsWith(part)"),
    function("get", 3, "get(map, key, default)"),
    function("glob", 2, "glob(path, pattern)"),
    function("int", 1, "int(x)"),
    function("json", 1, "json(text)"),
    function("len", 1, "len(x)"),
    function("lines", 1, "lines(text)"),
    both("matches", 2, 1, "text.matches(pattern)"),
    function("matches_ci", 2, "matches_ci(text, pattern)"),
    function("num", 1, "num(text)"),
    function("semver_gte", 2, "semver_gte(a, b)"),
    both("size", 1, 0, "size(x)"),
    method("startsWith", 1, "text.startsWith(part)"),
    function("string", 1, "string(x)"),
    function("type", 1, "type(x)"),
    function("uint", 1, "uint(x)"),
];

/// What can be called, for those who called something else.
pub(super) const NAMES: &[&str] = &[
    "has",
    "all",
    "exists",
    "exists_one",
    "filter",
    "map",
    "age",
    "bool",
    "contains",
    "contains_ci",
    "double",
    "endsWith",
    "get",
    "glob",
    "int",
    "json",
    "len",
    "lines",
    "matches",
    "matches_ci",
    "num",
    "semver_gte",
    "size",
    "startsWith",
    "string",
    "type",
];

/// Names of types, which are no variables.
pub(super) const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "dyn",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];

type Args<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// CEL with these functions.
pub(super) fn environment() -> Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut env = Env::stdlib();
        let mut add = |name: &str, args: usize, body: cel::common::functions::Function| {
            let added = env.add_overload(name, name, (0..args).map(|_| DYN_TYPE).collect(), body);
            added.expect("each name is there once");
        };
        add(RANGE, 1, range);
        add(SUM, 1, sum);
        add("age", 2, age);
        add("contains_ci", 2, contains_ci);
        add("get", 3, get);
        add("glob", 2, glob);
        add("json", 1, json);
        add("len", 1, len);
        add("lines", 1, lines);
        add("matches_ci", 2, matches_ci);
        add("num", 1, num);
        add("semver_gte", 2, semver_gte);
        Arc::new(env)
    });
    Arc::clone(&ENVIRONMENT)
}

/// Begins an evaluation.
pub(super) fn begin() {
    ITEMS_LEFT.set(ITEMS_MAX);
}

/// A regular expression that was compiled, or why it cannot be.
pub(super) fn pattern(text: &str, ignore_case: bool) -> Result<Regex, String> {
    let built = RegexBuilder::new(text)
        .case_insensitive(ignore_case)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
        // The last line of the message says what is wrong, those before show where.
        other => {
            let told = other.to_string();
            told.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    })
}

fn failure(function: &str, message: impl ToString) -> ExecutionError {
    ExecutionError::function_error(function, message)
}

fn too_large(what: impl std::fmt::Display) -> ExecutionError {
    failure("limit", format!("{TOO_LARGE}{what}"))
}

fn text<'a>(function: &str, value: &'a dyn Val) -> Result<&'a str, ExecutionError> {
    match value.downcast_ref::<CelString>() {
        Some(text) => Ok(text.inner()),
        None => Err(failure(function, format!("{} is no text", value.get_type().name()))),
    }
}

/// How large a value is, or an error as soon as it is larger than everything together may be.
fn weigh(value: &dyn Val, room: &mut usize) -> Result<(), ExecutionError> {
    let own = value.downcast_ref::<CelString>().map_or(16, |text| text.inner().len() + 16);
    *room = room
        .checked_sub(own)
        .ok_or_else(|| too_large(format_args!("more than {CONTEXT_BYTES_MAX} bytes on the way")))?;
    if let Some(list) = value.downcast_ref::<CelList>() {
        return list.inner().iter().try_for_each(|item| weigh(item.as_ref(), room));
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        return map.inner().values().try_for_each(|item| weigh(item.as_ref(), room));
    }
    Ok(())
}

fn range<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let Some(value) = args.into_iter().next() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    weigh(value.as_ref(), &mut CONTEXT_BYTES_MAX.clone())?;
    let length = if let Some(list) = value.downcast_ref::<CelList>() {
        list.inner().len()
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        map.inner().len()
    } else {
        return Err(failure("loop", format!("{} is no list", value.get_type().name())));
    };
    if length > LIST_ITEMS_MAX {
        return Err(too_large(format_args!(
            "a list of {length} items, {LIST_ITEMS_MAX} are allowed"
        )));
    }
    let left = ITEMS_LEFT.get().checked_sub(length);
    ITEMS_LEFT
        .set(left.ok_or_else(|| too_large(format_args!("more than {ITEMS_MAX} items in all")))?);
    let Some(map) = value.downcast_ref::<CelMap>() else { return Ok(value) };
    let mut keys: Vec<&CelMapKey<'_>> = map.inner().keys().collect();
    keys.sort_by(|a, b| in_order(a, b));
    let keys = keys.into_iter().map(|key| key.inner().clone_as_boxed()).collect::<Vec<_>>();
    Ok(CowVal::owned(CelList::from(keys)))
}

/// Objects have no order of their own; the same object must always be gone through the same way.
fn in_order(a: &CelMapKey<'_>, b: &CelMapKey<'_>) -> Ordering {
    match (a, b) {
        (CelMapKey::String(a), CelMapKey::String(b)) => a.inner().cmp(b.inner()),
        (CelMapKey::Int(a), CelMapKey::Int(b)) => a.inner().cmp(b.inner()),
        (CelMapKey::UInt(a), CelMapKey::UInt(b)) => a.inner().cmp(b.inner()),
        (CelMapKey::Bool(a), CelMapKey::Bool(b)) => a.inner().cmp(b.inner()),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

fn rank(key: &CelMapKey<'_>) -> u8 {
    match key {
        CelMapKey::Bool(_) => 0,
        CelMapKey::Int(_) => 1,
        CelMapKey::UInt(_) => 2,
        CelMapKey::String(_) => 3,
    }
}

fn sum<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let Some(value) = args.into_iter().next() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    if value.downcast_ref::<CelString>().is_some_and(|t| t.inner().len() > STRING_BYTES_MAX) {
        return Err(too_large(format_args!("a text of more than {STRING_BYTES_MAX} bytes")));
    }
    if value.downcast_ref::<CelList>().is_some_and(|list| list.inner().len() > LIST_ITEMS_MAX) {
        return Err(too_large(format_args!("a list of more than {LIST_ITEMS_MAX} items")));
    }
    Ok(value)
}

fn age<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let millis = |value: &dyn Val| -> Result<i64, ExecutionError> {
        if let Some(number) = value.downcast_ref::<CelInt>() {
            return Ok(*number.inner());
        }
        let text = text("age", value)?;
        chrono::DateTime::parse_from_rfc3339(text)
            .map(|time| time.timestamp_millis())
            .map_err(|_| failure("age", "this is no time like 2026-01-31T12:00:00Z"))
    };
    let seconds = millis(args[1].as_ref())?.saturating_sub(millis(args[0].as_ref())?) / 1000;
    Ok(CowVal::owned(CelInt::from(seconds)))
}

fn contains_ci<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let whole = text("contains_ci", args[0].as_ref())?.to_lowercase();
    let part = text("contains_ci", args[1].as_ref())?.to_lowercase();
    Ok(CowVal::owned(CelBool::from(whole.contains(&part))))
}

fn matches_ci<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let whole = text("matches_ci", args[0].as_ref())?;
    let regex = pattern(text("matches_ci", args[1].as_ref())?, true)
        .map_err(|reason| failure("matches_ci", reason))?;
    Ok(CowVal::owned(CelBool::from(regex.is_match(whole))))
}

fn get<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let mut args = args.into_iter();
    let (Some(whole), Some(key), Some(default)) = (args.next(), args.next(), args.next()) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    if whole.downcast_ref::<CelNull>().is_some() {
        return Ok(default);
    }
    let Some(indexer) = whole.as_indexer() else {
        let got = whole.get_type().name().to_owned();
        return Err(failure("get", format!("{got} has no keys")));
    };
    match indexer.get(key.as_ref()) {
        Ok(found) => Ok(CowVal::Owned(found.into_owned())),
        Err(ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_)) => Ok(default),
        Err(error) => Err(error),
    }
}

fn glob<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let path = text("glob", args[0].as_ref())?;
    let pattern = text("glob", args[1].as_ref())?;
    Ok(CowVal::owned(CelBool::from(super::glob::matches(pattern, path))))
}

fn json<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let parsed: Value = serde_json::from_str(text("json", args[0].as_ref())?)
        .map_err(|error| failure("json", format!("this is no JSON (line {})", error.line())))?;
    let made = to_cel(&parsed, &mut CONTEXT_BYTES_MAX.clone()).map_err(too_large)?;
    Ok(CowVal::Owned(detach(made.as_ref())))
}

/// A copy that borrows nothing.
fn detach<'v>(value: &dyn Val) -> Box<dyn Val + 'v> {
    if let Some(text) = value.downcast_ref::<CelString>() {
        return Box::new(CelString::from(text.inner().to_owned()));
    }
    if let Some(list) = value.downcast_ref::<CelList>() {
        let items = list.inner().iter().map(|item| detach(item.as_ref())).collect::<Vec<_>>();
        return Box::new(CelList::from(items));
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        let entries = map.inner().iter();
        let entries: std::collections::HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> =
            entries.map(|(key, item)| (key.clone().into_static(), detach(item.as_ref()))).collect();
        return Box::new(CelMap::from(entries));
    }
    if let Some(answer) = value.downcast_ref::<CelBool>() {
        return Box::new(CelBool::from(*answer.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelInt>() {
        return Box::new(CelInt::from(*number.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelUInt>() {
        return Box::new(CelUInt::from(*number.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelDouble>() {
        return Box::new(CelDouble::from(*number.inner()));
    }
    Box::new(CelNull)
}

fn len<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let value = args[0].as_ref();
    let length = if let Some(text) = value.downcast_ref::<CelString>() {
        text.inner().chars().count()
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        list.inner().len()
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        map.inner().len()
    } else {
        return Err(failure("len", format!("{} has no length", value.get_type().name())));
    };
    Ok(CowVal::owned(CelInt::from(i64::try_from(length).unwrap_or(i64::MAX))))
}

fn lines<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let whole = text("lines", args[0].as_ref())?;
    let lines: Vec<Box<dyn Val + 'v>> = whole
        .lines()
        .take(LIST_ITEMS_MAX + 1)
        .map(|line| Box::new(CelString::from(line.to_owned())) as Box<dyn Val + 'v>)
        .collect();
    if lines.len() > LIST_ITEMS_MAX {
        return Err(too_large(format_args!("a text of more than {LIST_ITEMS_MAX} lines")));
    }
    Ok(CowVal::owned(CelList::from(lines)))
}

fn num<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let value = args[0].as_ref();
    if value.downcast_ref::<CelInt>().is_some() || value.downcast_ref::<CelDouble>().is_some() {
        return Ok(CowVal::Owned(detach(value)));
    }
    let text = text("num", value)?.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(CowVal::owned(CelInt::from(whole)));
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    let number = number.ok_or_else(|| failure("num", "the text is no number"))?;
    Ok(CowVal::owned(CelDouble::from(number)))
}

fn semver_gte<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let version = |value: &CowVal<'_, '_>| -> Result<Version, ExecutionError> {
        let text = text("semver_gte", value.as_ref())?;
        Version::parse(text).ok_or_else(|| failure("semver_gte", "this is no version like 1.2.3"))
    };
    let (a, b) = (version(&args[0])?, version(&args[1])?);
    Ok(CowVal::owned(CelBool::from(a.cmp(&b) != Ordering::Less)))
}

/// A version: three numbers, and perhaps what comes before it.
struct Version {
    numbers: [u64; 3],
    before: Vec<String>,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(version, _build)| version);
        let (numbers, before) = text.split_once('-').unwrap_or((text, ""));
        let mut found = [0; 3];
        let mut parts = numbers.split('.');
        for number in &mut found {
            match parts.next() {
                Some(part) => *number = part.parse().ok()?,
                None => break,
            }
        }
        if parts.next().is_some() {
            return None;
        }
        let before = before.split('.').filter(|part| !part.is_empty()).map(str::to_owned);
        Some(Self { numbers: found, before: before.collect() })
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let part = |a: &String, b: &String| match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        };
        let before = || {
            let parts = self.before.iter().zip(&other.before);
            let first = parts.map(|(a, b)| part(a, b)).find(|order| order.is_ne());
            match (self.before.is_empty(), other.before.is_empty()) {
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                _ => first.unwrap_or_else(|| self.before.len().cmp(&other.before.len())),
            }
        };
        self.numbers.cmp(&other.numbers).then_with(before)
    }
}
