//! Reading TOML written by people: every mistake is found, with its line and column.

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::core::Span;
use crate::core::text::nearest;

/// How bad a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// What was written cannot be used.
    Error,
    /// It can, but perhaps does something else than was meant.
    Warning,
}

impl Level {
    /// The level in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub level: Level,
    /// The line, counted from 1.
    pub line: usize,
    /// The character in the line, counted from 1.
    pub column: usize,
    /// Which field, such as `template.agents[2].name`.
    pub path: String,
    /// What is wrong, as a sentence that names the field.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

/// The line and the column, counted from 1, at a byte of `text`.
pub fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let mut end = at.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, before[begin..].chars().count() + 1)
}

/// The tables of a TOML text. The error is the place where it stops being TOML, and why.
pub fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, Problem> {
    DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let (line, column) = line_and_column(text, at);
        let message = error.message().replace('\n', ", ");
        Problem { level: Level::Error, line, column, path: String::new(), message }
    })
}

/// What was found in a text.
#[derive(Debug)]
pub struct Findings<'t> {
    text: &'t str,
    /// Everything that does not fit.
    pub problems: Vec<Problem>,
}

impl<'t> Findings<'t> {
    /// Nothing was found in `text` yet.
    pub fn new(text: &'t str) -> Self {
        Self { text, problems: Vec::new() }
    }

    /// Notes something that makes the text useless.
    pub fn error(&mut self, at: usize, path: &str, message: impl Into<String>) {
        self.note(Level::Error, at, path, message.into());
    }

    /// Notes something that is perhaps not as it was meant.
    pub fn warning(&mut self, at: usize, path: &str, message: impl Into<String>) {
        self.note(Level::Warning, at, path, message.into());
    }

    /// Whether the text is of no use.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.level == Level::Error)
    }

    fn note(&mut self, level: Level, at: usize, path: &str, message: String) {
        let (line, column) = line_and_column(self.text, at);
        self.problems.push(Problem { level, line, column, path: path.to_owned(), message });
    }
}

/// A table that is being read. What nobody asked for by the end is known to nobody.
pub struct Fields<'t, 'f> {
    table: &'t DeTable<'t>,
    /// Where the table begins.
    at: usize,
    path: String,
    known: Vec<&'static str>,
    found: &'f mut Findings<'t>,
}

impl<'t, 'f> Fields<'t, 'f> {
    /// The fields of a table that begins at the byte `at` and is called `path` in messages.
    pub fn new(
        table: &'t DeTable<'t>,
        at: usize,
        path: impl Into<String>,
        found: &'f mut Findings<'t>,
    ) -> Self {
        Self { table, at, path: path.into(), known: Vec::new(), found }
    }

    fn get(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.table.get(key)
    }

    /// Where the value of `key` stands, or else the table.
    pub fn place(&self, key: &str) -> usize {
        self.table.get(key).map_or(self.at, |value| value.span().start)
    }

    /// What `key` is called in messages.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes that the value of `key` is not `expected`.
    pub fn wrong(&mut self, key: &str, expected: &str) {
        let (at, path) = (self.place(key), self.path_of(key));
        self.found.error(at, &path, format!("{path} must be {expected}"));
    }

    /// Notes that the value of `key` may not be what was meant.
    pub fn odd(&mut self, key: &str, why: &str) {
        let (at, path) = (self.place(key), self.path_of(key));
        self.found.warning(at, &path, format!("{path} {why}"));
    }

    /// A text.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let text = self.get(key)?.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong(key, "text");
        }
        text
    }

    /// A text that must be there; empty if it is not, which is noted.
    pub fn required(&mut self, key: &'static str) -> String {
        let before = self.found.problems.len();
        let text = self.text(key).unwrap_or_default();
        if text.trim().is_empty() && self.found.problems.len() == before {
            let path = self.path_of(key);
            self.found.error(self.place(key), &path, format!("{path} is missing"));
        }
        text
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let texts = match self.get(key)?.get_ref() {
            DeValue::Array(list) => {
                let texts = list.iter().map(|one| one.get_ref().as_str().map(str::to_owned));
                texts.collect::<Option<Vec<_>>>()
            }
            _ => None,
        };
        if texts.is_none() {
            self.wrong(key, "a list of texts");
        }
        texts
    }

    /// Each text of a list with its place; the same as [`texts`](Self::texts) otherwise.
    pub fn placed_texts(&mut self, key: &'static str) -> Vec<(String, usize)> {
        let texts = self.texts(key).unwrap_or_default();
        let list = self.table.get(key).and_then(|value| value.get_ref().as_array());
        let places = list.into_iter().flat_map(|list| list.iter()).map(|one| one.span().start);
        texts.into_iter().zip(places).collect()
    }

    /// One of `choices`.
    pub fn choice(&mut self, key: &'static str, choices: &[&str]) -> Option<String> {
        let text = self.text(key)?;
        if !choices.contains(&text.as_str()) {
            self.wrong(key, &format!("{}, not '{text}'", choices.join(" or ")));
            return None;
        }
        Some(text)
    }

    /// A whole number.
    pub fn count(&mut self, key: &'static str) -> Option<u32> {
        let number = whole(self.get(key)?.get_ref()).and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            self.wrong(key, "a whole number, 0 or greater");
        }
        number
    }

    /// A port: a whole number from 1 to 65535.
    pub fn port(&mut self, key: &'static str) -> Option<u16> {
        let number = whole(self.get(key)?.get_ref()).and_then(|number| u16::try_from(number).ok());
        let number = number.filter(|number| *number > 0);
        if number.is_none() {
            self.wrong(key, "a number from 1 to 65535");
        }
        number
    }

    /// A number of seconds, perhaps with a fraction.
    pub fn seconds(&mut self, key: &'static str) -> Option<f64> {
        let number = match self.get(key)?.get_ref() {
            DeValue::Float(number) => number.as_str().replace('_', "").parse::<f64>().ok(),
            value => whole(value).and_then(|number| i32::try_from(number).ok()).map(f64::from),
        };
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        if number.is_none() {
            self.wrong(key, "a number of seconds");
        }
        number
    }

    /// A length of time, such as `"10m"`; a bare number is seconds.
    pub fn span(&mut self, key: &'static str) -> Option<Span> {
        let span = match self.get(key)?.get_ref() {
            DeValue::String(text) => text.parse::<Span>().ok(),
            value => {
                whole(value).and_then(|n| u32::try_from(n).ok()).map(|n| Span::seconds(n.into()))
            }
        };
        if span.is_none() {
            self.wrong(key, "a length of time, such as \"90s\" or \"10m\"");
        }
        span
    }

    /// A table, with the byte at which it begins.
    pub fn table(&mut self, key: &'static str) -> Option<(&'t DeTable<'t>, usize)> {
        let value = self.get(key)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong(key, "a table");
        }
        table.map(|table| (table, value.span().start))
    }

    /// A list of tables, each with the byte at which it begins.
    pub fn tables(&mut self, key: &'static str) -> Vec<(&'t DeTable<'t>, usize)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let list = value.get_ref().as_array().and_then(|list| {
            let tables = list.iter().map(|one| Some((one.get_ref().as_table()?, one.span().start)));
            tables.collect::<Option<Vec<_>>>()
        });
        list.unwrap_or_else(|| {
            self.wrong(key, "a list of tables");
            Vec::new()
        })
    }

    /// A table of any values, as JSON.
    pub fn values(&mut self, key: &'static str) -> serde_json::Map<String, serde_json::Value> {
        self.table(key).map(|(table, _)| json_table(table)).unwrap_or_default()
    }

    /// Whether there is a value.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// What is found in the text.
    pub fn findings(&mut self) -> &mut Findings<'t> {
        self.found
    }

    /// Notes the keys that nobody asked for.
    pub fn finish(self) {
        for key in self.table.keys().filter(|key| !self.known.contains(&key.get_ref().as_ref())) {
            let path = self.path_of(key.get_ref());
            let near = nearest(key.get_ref(), self.known.iter().copied());
            let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            let message = format!("{path} is not known and has no effect{near}");
            self.found.warning(key.span().start, &path, message);
        }
    }
}

fn whole(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
}

fn json_table(table: &DeTable<'_>) -> serde_json::Map<String, serde_json::Value> {
    let json = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &std::borrow::Cow<'_, str> = key.get_ref();
        (key.to_string(), json_value(value.get_ref()))
    };
    table.iter().map(json).collect()
}

fn json_value(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => {
            whole(value).map_or_else(|| number.as_str().into(), serde_json::Value::from)
        }
        DeValue::Float(number) => {
            let parsed = number.as_str().replace('_', "").parse::<f64>().ok();
            parsed.map_or_else(|| number.as_str().into(), serde_json::Value::from)
        }
        DeValue::Boolean(yes) => (*yes).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(list) => list.iter().map(|one| json_value(one.get_ref())).collect(),
        DeValue::Table(table) => json_table(table).into(),
    }
}
