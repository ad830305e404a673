//! Finding team templates: those of the user first, then those that come with clawteam.

use std::collections::BTreeMap;

use serde::Serialize;

use super::App;
use crate::core::{Diagnose, Name, Outcome};
use crate::domain::fields::{Level, Problem, line_and_column};
use crate::domain::template::{self, Parsed};
use crate::store::{Dir, Expect, Key, Put};

/// The templates that come with clawteam, by name.
const BUILT_IN: [(&str, &str); 8] = [
    ("code-review", include_str!("../../templates/code-review.toml")),
    ("demo", include_str!("../../templates/demo.toml")),
    ("feature-team", include_str!("../../templates/feature-team.toml")),
    ("harness-default", include_str!("../../templates/harness-default.toml")),
    ("hedge-fund", include_str!("../../templates/hedge-fund.toml")),
    ("research-paper", include_str!("../../templates/research-paper.toml")),
    ("software-dev", include_str!("../../templates/software-dev.toml")),
    ("strategy-room", include_str!("../../templates/strategy-room.toml")),
];

/// Where the templates that come with clawteam are said to be.
const BUILT_IN_PLACE: &str = "(built in)";

/// Where a template comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// It comes with clawteam.
    Builtin,
    /// The user wrote it.
    User,
}

impl Source {
    /// The source in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::User => "user",
        }
    }
}

/// A template in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// What it is called.
    pub name: String,
    /// What such a team is for.
    pub description: String,
    /// Where it comes from.
    pub source: Source,
}

/// There is no such template.
#[derive(Debug, thiserror::Error)]
#[error("Template '{name}' not found. Searched: {place}, {BUILT_IN_PLACE}")]
struct NotFound {
    name: String,
    place: String,
}

impl Diagnose for NotFound {
    fn code(&self) -> &'static str {
        "template_not_found"
    }

    fn hint(&self) -> Option<String> {
        Some("list the templates: clawteam template list".into())
    }
}

/// All templates that can be used, sorted by name. One of the user's hides one of the same name
/// that comes with clawteam; one that cannot be understood is told and left out.
pub fn list(app: &App) -> Outcome<Vec<Listed>> {
    let mut found = BTreeMap::new();
    let mut add = |parsed: Parsed, source| {
        let template::Template { name, description, .. } = parsed.template;
        found.insert(name.clone(), Listed { name, description, source });
    };
    for (stem, text) in BUILT_IN {
        add(template::parse(text, BUILT_IN_PLACE, stem)?, Source::Builtin);
    }
    let mut names = app.home_store.backend().list(&Dir::templates())?;
    names.sort_unstable();
    for stem in names.iter().filter_map(|name| name.strip_suffix(".toml")) {
        let Ok(stem) = Name::parse_as("template name", stem) else {
            app.warn(format!("passed over the template '{stem}.toml': its name is not allowed"));
            continue;
        };
        match user_template(app, &stem) {
            Ok(Some(parsed)) => add(parsed, Source::User),
            Ok(None) => {}
            Err(failure) => app.warn(format!("passed over a template: {}", failure.message())),
        }
    }
    Ok(found.into_values().collect())
}

/// The template in the file called `name`, or else the user's template that calls itself so.
pub fn find(app: &App, name: &str) -> Outcome<Parsed> {
    let name = Name::parse_as("template name", name)?;
    if let Some(parsed) = user_template(app, &name)? {
        return Ok(parsed);
    }
    if let Some(parsed) = built_in(name.as_str())? {
        return Ok(parsed);
    }
    if let Some(parsed) = user_template_that_says(app, &name)? {
        return Ok(parsed);
    }
    Err(not_found(app, &name).into())
}

/// The first of the user's templates that has another file name, but `name` in it.
fn user_template_that_says(app: &App, name: &Name) -> Outcome<Option<Parsed>> {
    let mut files = app.home_store.backend().list(&Dir::templates())?;
    files.sort_unstable();
    let stems = files.iter().filter_map(|file| file.strip_suffix(".toml"));
    let parsed = stems.filter_map(|stem| {
        let stem = Name::parse(stem).ok()?;
        // One that is broken cannot be the one that is meant.
        user_template(app, &stem).ok().flatten()
    });
    Ok(parsed.into_iter().find(|parsed| parsed.template.name == name.as_str()))
}

/// The template of that name that comes with clawteam, even if the user has another.
pub fn built_in(name: &str) -> Outcome<Option<Parsed>> {
    let found = BUILT_IN.iter().find(|(stem, _)| *stem == name);
    let parsed = found.map(|(stem, text)| template::parse(text, BUILT_IN_PLACE, stem));
    Ok(parsed.transpose()?)
}

fn user_template(app: &App, name: &Name) -> Outcome<Option<Parsed>> {
    let Some(text) = user_text(app, name)? else { return Ok(None) };
    Ok(Some(template::parse(&text.text, &text.file, name.as_str())?))
}

/// A template as it was written.
#[derive(Debug, Clone)]
pub struct Text {
    /// Where it comes from.
    pub file: String,
    /// What is in it.
    pub text: String,
}

fn user_text(app: &App, name: &Name) -> Outcome<Option<Text>> {
    let key = Key::template(name);
    let Some(blob) = app.home_store.backend().read(&key)? else { return Ok(None) };
    let file = app.home_store.path_of(&key).display().to_string();
    Ok(Some(Text { text: text_of(blob.bytes, &file)?, file }))
}

/// The text of the template in the file called `name`.
pub fn text(app: &App, name: &str) -> Outcome<Text> {
    let name = Name::parse_as("template name", name)?;
    if let Some(text) = user_text(app, &name)? {
        return Ok(text);
    }
    let built_in = BUILT_IN.iter().find(|(stem, _)| *stem == name.as_str());
    let found = built_in.map(|(stem, text)| Text {
        file: format!("{stem}.toml {BUILT_IN_PLACE}"),
        text: (*text).to_owned(),
    });
    Ok(found.ok_or_else(|| not_found(app, &name))?)
}

fn not_found(app: &App, name: &Name) -> NotFound {
    let place = app.home_store.path_of(&Dir::templates().entry("")).display().to_string();
    NotFound { name: name.to_string(), place }
}

/// There is such a template already.
#[derive(Debug, thiserror::Error)]
#[error("there is a template in {0} already")]
struct AlreadyThere(String);

impl Diagnose for AlreadyThere {
    fn code(&self) -> &'static str {
        "template_exists"
    }

    fn hint(&self) -> Option<String> {
        Some("edit that file, or choose another name".into())
    }
}

/// What a new template begins with.
const SKELETON: &str = include_str!("../../templates/skeleton.toml");

/// Writes a new template of the user: a copy of the template `from`, or else an example with every
/// key explained. Returns its file.
pub fn create(app: &App, name: &str, from: Option<&str>) -> Outcome<String> {
    let name = Name::parse_as("template name", name)?;
    let key = Key::template(&name);
    let file = app.home_store.path_of(&key).display().to_string();
    if app.home_store.backend().read(&key)?.is_some() {
        return Err(AlreadyThere(file).into());
    }
    let text = match from {
        Some(from) => text(app, from)?.text,
        None => SKELETON.to_owned(),
    };
    let text = template::renamed(&text, name.as_str());
    app.home_store.backend().create(&Put::new(key, text.into_bytes(), Expect::Absent))?;
    Ok(file)
}

/// The text of a template's file.
pub fn text_of(bytes: Vec<u8>, file: &str) -> Result<String, template::TemplateError> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
        let (line, column) = line_and_column(&before, before.len());
        let (level, path, message) = (Level::Error, String::new(), "not UTF-8".to_owned());
        let problem = Problem { level, line, column, path, message };
        template::TemplateError { file: file.into(), errors: vec![problem], warnings: Vec::new() }
    })
}
